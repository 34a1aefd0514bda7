/*
 * Stage "reassembly": fragments for one of our addresses, data at the IP header, header and length checked.
 *
 * Exits:
 *   ip-input   the complete packet, contiguous, flagged SL_PKT_REASSEMBLED
 *   (held)     waits for the others of its datagram; counted as queued
 * Drops: reassembly, no-buffer, oversized
 */
#define ALLOW_EXPERIMENTAL_API /* rte_ip_frag_table_del_expired_entries */
#include "dataplane/reassembly.h"

#include <netinet/in.h>

#include <rte_ip_frag.h>
#include <rte_malloc.h>

#include "dataplane/ip.h"

#define BUCKET_ENTRIES  4
#define FRAGMENT_UNIT   8 /* offsets count in these; all fragments but the last are multiples */
#define OFFSET_BYTES    0xfff8
#define DATAGRAM_MAX    UINT16_MAX

struct sl_reassembly {
	struct rte_ip_frag_tbl *table;
	struct rte_ip_frag_death_row dead;
	uint64_t held; /* fragments in the table */
};

struct sl_reassembly *
sl_reassembly_create(int socket)
{
	struct sl_reassembly *r = rte_zmalloc_socket("sl_reassembly", sizeof(*r), RTE_CACHE_LINE_SIZE, socket);

	if (r == NULL)
		return NULL;
	/* The table's unit of time is its caller's: nanoseconds. */
	r->table = rte_ip_frag_table_create(
		SL_REASSEMBLY_FLOWS / BUCKET_ENTRIES, BUCKET_ENTRIES, SL_REASSEMBLY_FLOWS, SL_REASSEMBLY_NS, socket);
	if (r->table == NULL) {
		rte_free(r);
		return NULL;
	}
	return r;
}

void
sl_reassembly_destroy(struct sl_reassembly *r)
{
	if (r == NULL)
		return;
	rte_ip_frag_table_destroy(r->table);
	rte_free(r);
}

/* Brings the worker's gauge to `held` fragments. */
static void
set_held(struct sl_worker *w, uint64_t held)
{
	sl_count(&w->stats.queued, held - w->reassembly->held);
	w->reassembly->held = held;
}

/* Frees and counts what the table gave up. A set with a hole in it may come as chains, of a segment per fragment. */
static void
bury(struct sl_worker *w)
{
	struct rte_ip_frag_death_row *dead = &w->reassembly->dead;
	unsigned fragments = 0;

	if (dead->cnt == 0)
		return;
	for (unsigned i = 0; i < dead->cnt; i++)
		fragments += dead->row[i]->nb_segs;
	sl_count(&w->stats.drops[SL_DROP_REASSEMBLY], fragments);
	set_held(w, w->reassembly->held - fragments);
	rte_ip_frag_free_death_row(dead, 0);
}

void
sl_reassembly_expire(struct sl_worker *w)
{
	struct sl_reassembly *r = w->reassembly;
	uint64_t before;

	do {
		before = r->held;
		if (before == 0)
			return;
		rte_ip_frag_table_del_expired_entries(r->table, &r->dead, w->now);
		bury(w);
	} while (r->held != before);
}

/* Whether offset and length are those of a fragment that can be part of a datagram. */
static bool
plausible(uint32_t hdr_len, uint32_t offset, uint32_t len, bool more)
{
	if (len == 0 || hdr_len + offset + len > DATAGRAM_MAX)
		return false;
	return !more || len % FRAGMENT_UNIT == 0;
}

static struct rte_mbuf *
reassemble4(struct sl_worker *w, struct rte_mbuf *m, const struct sl_ip_info *info)
{
	struct sl_reassembly *r = w->reassembly;
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, struct rte_ipv4_hdr *);
	uint16_t field = rte_be_to_cpu_16(ip->fragment_offset);
	uint32_t offset = (uint32_t)(field & RTE_IPV4_HDR_OFFSET_MASK) * FRAGMENT_UNIT;

	if (!plausible(info->hdr_len, offset, info->total_len - info->hdr_len, field & RTE_IPV4_HDR_MF_FLAG)) {
		r->dead.row[r->dead.cnt++] = m;
		return NULL;
	}
	m->l2_len = 0;
	m->l3_len = info->hdr_len;
	m = rte_ipv4_frag_reassemble_packet(r->table, &r->dead, m, w->now, ip);
	if (m == NULL)
		return NULL;
	ip = rte_pktmbuf_mtod(m, struct rte_ipv4_hdr *);
	ip->fragment_offset = 0;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = sl_ip4_checksum(ip, (ip->version_ihl & RTE_IPV4_HDR_IHL_MASK) * RTE_IPV4_IHL_MULTIPLIER);
	return m;
}

static struct rte_mbuf *
reassemble6(struct sl_worker *w, struct rte_mbuf *m, const struct sl_ip_info *info)
{
	struct sl_reassembly *r = w->reassembly;
	struct rte_ipv6_fragment_ext *frag;
	struct sl_ip_upper upper;
	uint32_t offset;
	uint16_t field;

	/* The library knows the fragment header right behind the fixed one alone, which is where tunnels' packets have it. */
	if (!sl_ip_upper(m, info, &upper) || upper.frag_off != SL_IP6_HDR_LEN)
		goto refuse;
	frag = rte_pktmbuf_mtod_offset(m, struct rte_ipv6_fragment_ext *, SL_IP6_HDR_LEN);
	field = rte_be_to_cpu_16(frag->frag_data);
	offset = field & OFFSET_BYTES;
	if (!plausible(0, offset, info->total_len - SL_IP6_HDR_LEN - (uint32_t)sizeof(*frag), field & RTE_IPV6_EHDR_MF_MASK))
		goto refuse;
	m->l2_len = 0;
	m->l3_len = SL_IP6_HDR_LEN + sizeof(*frag);
	return rte_ipv6_frag_reassemble_packet(
		r->table, &r->dead, m, w->now, rte_pktmbuf_mtod(m, struct rte_ipv6_hdr *), frag);
refuse:
	r->dead.row[r->dead.cnt++] = m;
	return NULL;
}

/* A datagram is complete: its fragments, one segment each, become one packet. */
static void
finish(struct sl_worker *w, struct rte_mbuf *m)
{
	unsigned parts = m->nb_segs;
	uint32_t len = m->pkt_len;
	struct rte_mbuf *whole;

	set_held(w, w->reassembly->held - parts);
	sl_count(&w->stats.merged, parts - 1);
	/* Offload verdicts were about fragments; the library's request for a checksum was met above. */
	m->ol_flags &= ~(RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_TX_IP_CKSUM);
	whole = sl_packet_linearize(m, w->dp->jumbo);
	if (whole == NULL) {
		bool fits = rte_pktmbuf_data_room_size(w->dp->jumbo) >= RTE_PKTMBUF_HEADROOM + len + SL_TAILROOM;

		sl_worker_drop(w, m, fits ? SL_DROP_NO_BUFFER : SL_DROP_OVERSIZED);
		return;
	}
	whole->ol_flags &= ~(RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK);
	sl_packet(whole)->flags |= SL_PKT_REASSEMBLED;
	sl_worker_enqueue(w, SL_STAGE_IP_INPUT, whole);
}

void
sl_stage_reassembly(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		/* One segment each, so that the segments of the result tell how many fragments it has. */
		struct rte_mbuf *m = sl_packet_linearize(pkts[i], w->dp->jumbo);
		struct sl_ip_info info;

		if (unlikely(m == NULL)) {
			sl_worker_drop(w, pkts[i], SL_DROP_NO_BUFFER);
			continue;
		}
		if (unlikely(sl_ip_hdr_parse_mbuf(m, &info) != SL_IP_OK)) {
			sl_worker_drop(w, m, SL_DROP_BAD_IP_HEADER);
			continue;
		}
		set_held(w, w->reassembly->held + 1);
		m = info.family == SL_AF_INET ? reassemble4(w, m, &info) : reassemble6(w, m, &info);
		bury(w);
		if (m)
			finish(w, m);
	}
}
