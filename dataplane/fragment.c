/*
 * Stage FRAGMENT. In: packets above the MTU of the interface they leave by, and packets that came behind such ones
 * and fit. Each fragment is a packet of its own, copied; the original is counted as delivered.
 * Exits: ENCAP (out_peer), NEIGHBOUR.
 */
#include <netinet/in.h>

#include "dataplane/ip.h"
#include "dataplane/worker.h"

#define FRAGMENTS_MAX 128    /* 64 KB over an MTU of 576 */
#define IP4_MORE      0x2000 /* of the field with flags and offset */
#define IP4_OFFSET    0x1fff
#define IP4_COPIED    0x80   /* options of which every fragment has a copy */
#define IP4_HDR_MAX   60
#define FRAG_UNIT     8
#define IP6_FRAG_LEN  8

/* How one packet is cut. */
struct cut {
	struct rte_mbuf *m;
	bool v4;
	uint32_t mtu;
	uint32_t hdr_len;  /* unfragmentable part of the original */
	uint32_t payload;  /* bytes to be spread */
	uint32_t step;     /* payload of every fragment but the last */
	unsigned n;
	uint8_t later[IP4_HDR_MAX]; /* IPv4: header of fragments behind the first */
	uint32_t later_len;
	uint32_t id;       /* IPv6 */
};

/* RFC 791: fragments behind the first keep only options that say so; the rest is padded with end-of-list. */
static uint32_t
later_header(uint8_t *to, const uint8_t *hdr, uint32_t hdr_len)
{
	uint32_t len = SL_IP4_HDR_MIN;
	uint32_t at = SL_IP4_HDR_MIN;

	memcpy(to, hdr, SL_IP4_HDR_MIN);
	while (at < hdr_len && hdr[at] != IPOPT_END) {
		uint32_t size = hdr[at] == IPOPT_NOP ? 1u : at + 1 < hdr_len ? hdr[at + 1] : 0u;

		if (size == 0 || at + size > hdr_len || (size == 1 && hdr[at] != IPOPT_NOP))
			break;
		if (hdr[at] & IP4_COPIED) {
			memcpy(to + len, hdr + at, size);
			len += size;
		}
		at += size;
	}
	while (len % 4 != 0)
		to[len++] = IPOPT_END;
	to[0] = (uint8_t)(0x40 | len / 4);
	return len;
}

/* False where the packet cannot be cut for that MTU. */
static bool
plan(struct sl_worker *w, struct rte_mbuf *m, uint32_t mtu, struct cut *c)
{
	struct sl_ip_info info;
	uint32_t room;

	if (sl_ip_hdr_parse_mbuf(m, &info) != SL_IP_OK)
		return false;
	c->m = m;
	c->mtu = mtu;
	c->v4 = info.family == SL_AF_INET;
	c->hdr_len = info.hdr_len;
	c->payload = info.total_len - info.hdr_len;
	if (c->v4) {
		c->later_len = later_header(c->later, rte_pktmbuf_mtod(m, const uint8_t *), info.hdr_len);
		room = mtu > c->hdr_len ? mtu - c->hdr_len : 0;
	} else {
		c->id = (uint32_t)w->index << 26 | (w->frag_id++ & ((1u << 26) - 1));
		room = mtu > c->hdr_len + IP6_FRAG_LEN ? mtu - c->hdr_len - IP6_FRAG_LEN : 0;
	}
	c->step = room / FRAG_UNIT * FRAG_UNIT;
	if (c->step == 0 || c->payload > c->step * FRAGMENTS_MAX)
		return false;
	c->n = (c->payload + c->step - 1) / c->step;
	return true;
}

/* Copies len bytes of m from off on. */
static void
copy_out(uint8_t *to, const struct rte_mbuf *m, uint32_t off, uint32_t len)
{
	const void *from = rte_pktmbuf_read(m, off, len, to);

	if (from != to)
		memcpy(to, from, len);
}

static void
head4(const struct cut *c, uint8_t *hdr, uint32_t off, uint32_t len, bool last)
{
	const uint8_t *original = rte_pktmbuf_mtod(c->m, const uint8_t *);
	uint32_t hdr_len = off == 0 ? c->hdr_len : c->later_len;
	uint16_t field, total, checksum = 0;

	memcpy(hdr, off == 0 ? original : c->later, hdr_len);
	memcpy(&field, original + 6, sizeof(field));
	field = rte_be_to_cpu_16(field);
	/* A fragment may be cut again: offsets go on from its own, and only the very last one has no more behind it. */
	field = (uint16_t)((field & ~(IP4_OFFSET | IP4_MORE)) | ((field & IP4_OFFSET) + off / FRAG_UNIT) |
		(last ? field & IP4_MORE : IP4_MORE));
	field = rte_cpu_to_be_16(field);
	total = rte_cpu_to_be_16((uint16_t)(hdr_len + len));
	memcpy(hdr + 2, &total, sizeof(total));
	memcpy(hdr + 6, &field, sizeof(field));
	memcpy(hdr + 10, &checksum, sizeof(checksum));
	checksum = sl_ip4_checksum(hdr, hdr_len);
	memcpy(hdr + 10, &checksum, sizeof(checksum));
}

/* RFC 8200 4.5, for packets that begin here and have no extension headers. */
static void
head6(const struct cut *c, uint8_t *hdr, uint32_t off, uint32_t len, bool last)
{
	uint16_t total = rte_cpu_to_be_16((uint16_t)(IP6_FRAG_LEN + len));
	uint16_t field = rte_cpu_to_be_16((uint16_t)(off | !last));
	uint32_t id = rte_cpu_to_be_32(c->id);
	uint8_t *frag = hdr + SL_IP6_HDR_LEN;

	memcpy(hdr, rte_pktmbuf_mtod(c->m, const uint8_t *), SL_IP6_HDR_LEN);
	memcpy(hdr + 4, &total, sizeof(total));
	frag[0] = hdr[6];
	frag[1] = 0;
	hdr[6] = IPPROTO_FRAGMENT;
	memcpy(frag + 2, &field, sizeof(field));
	memcpy(frag + 4, &id, sizeof(id));
}

/* Fills f with the fragment at `off`. False where it does not fit a buffer. */
static bool
fill(const struct cut *c, struct rte_mbuf *f, uint32_t off)
{
	uint32_t len = RTE_MIN(c->step, c->payload - off);
	bool last = off + len == c->payload;
	uint32_t hdr_len = !c->v4 ? SL_IP6_HDR_LEN + IP6_FRAG_LEN : off == 0 ? c->hdr_len : c->later_len;
	uint8_t *hdr = (uint8_t *)rte_pktmbuf_append(f, (uint16_t)(hdr_len + len));

	if (hdr == NULL)
		return false;
	*sl_packet(f) = *sl_packet(c->m);
	/* No frame stands before its data, and what an earlier packet left there is not to be taken for one. */
	sl_packet(f)->outer_off = 0;
	memset(hdr - RTE_ETHER_HDR_LEN, 0, RTE_ETHER_HDR_LEN);
	if (c->v4)
		head4(c, hdr, off, len, last);
	else
		head6(c, hdr, off, len, last);
	copy_out(hdr + hdr_len, c->m, c->hdr_len + off, len);
	return true;
}

static void
hand_on(struct sl_worker *w, struct rte_mbuf *m)
{
	sl_worker_enqueue(w, sl_packet(m)->out_peer != SL_PEER_NONE ? SL_STAGE_ENCAP : SL_STAGE_NEIGHBOUR, m);
}

static void
cut_up(struct sl_worker *w, struct cut *c)
{
	struct rte_mbuf *parts[FRAGMENTS_MAX];

	if (rte_pktmbuf_alloc_bulk(w->dp->pool, parts, c->n) != 0) {
		sl_worker_drop(w, c->m, SL_DROP_NO_BUFFER);
		return;
	}
	for (unsigned i = 0; i < c->n; i++) {
		if (fill(c, parts[i], i * c->step))
			continue;
		rte_pktmbuf_free_bulk(parts, c->n);
		sl_worker_drop(w, c->m, SL_DROP_OVERSIZED);
		return;
	}
	for (unsigned i = 0; i < c->n; i++)
		hand_on(w, parts[i]);
	sl_count(&w->stats.generated, c->n);
	sl_count(&w->stats.delivered, 1);
	rte_pktmbuf_free(c->m);
}

void
sl_stage_fragment(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	struct cut c;

	for (unsigned i = 0; i < n; i++) {
		const struct sl_if *out = sl_dataplane_if(w->dp, sl_packet(pkts[i])->out_if);

		if (unlikely(out == NULL))
			sl_worker_drop(w, pkts[i], SL_DROP_INTERFACE_DOWN);
		else if (out->mtu == 0 || pkts[i]->pkt_len <= out->mtu)
			hand_on(w, pkts[i]);
		else if (plan(w, pkts[i], out->mtu, &c))
			cut_up(w, &c);
		else
			sl_worker_drop(w, pkts[i], SL_DROP_OVERSIZED);
	}
}
