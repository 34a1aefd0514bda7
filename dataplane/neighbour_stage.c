/*
 * Stage NEIGHBOUR. In: L3 packets with out_if (a port) and next_hop.
 * Exits: TX (complete frame); ICMP_ERROR where the neighbour is known not to answer; NEIGHBOUR again (behind packets that
 * waited); or they wait for the neighbour.
 */
#include <netinet/in.h>

#include "dataplane/icmp_error.h"
#include "dataplane/ip.h"
#include "dataplane/outer.h"
#include "dataplane/staged.h"

struct burst {
	/* The neighbours met, each run of packets to one once; packet i is for the one at of[i]. */
	unsigned n;
	struct sl_neighbour_key keys[SL_BURST];
	enum sl_neighbour_state states[SL_BURST];
	struct rte_ether_addr macs[SL_BURST];
	uint8_t of[SL_BURST];
	/* The last interface sent on, and the Ethernet header of frames from there. */
	const struct sl_if *out;
	uint16_t out_id;
	/* Complete frames that no one has been handed yet. */
	unsigned n_frames;
	struct rte_mbuf *frames[SL_BURST];
};

/* RFC 1112 6.4, RFC 2464 7. */
static void
multicast_mac(const struct sl_ip *group, struct rte_ether_addr *mac)
{
	if (group->family == SL_AF_INET)
		*mac = (struct rte_ether_addr){
			{0x01, 0x00, 0x5e, group->bytes[1] & 0x7f, group->bytes[2], group->bytes[3]}};
	else
		*mac = (struct rte_ether_addr){
			{0x33, 0x33, group->bytes[12], group->bytes[13], group->bytes[14], group->bytes[15]}};
}

static void
send_out(struct sl_worker *w, struct burst *b, struct rte_mbuf *m, const struct rte_ether_addr *mac)
{
	uint16_t id = sl_packet(m)->out_if;
	bool v4 = *rte_pktmbuf_mtod(m, const uint8_t *) >> 4 == 4;
	struct rte_ether_hdr ether;

	if (unlikely(id != b->out_id)) {
		b->out_id = id;
		b->out = sl_dataplane_if(w->dp, id);
	}
	if (unlikely(b->out == NULL)) {
		sl_worker_drop(w, m, SL_DROP_INTERFACE_DOWN);
		return;
	}
	if (unlikely(!sl_packet_make_headroom(m, RTE_ETHER_HDR_LEN))) {
		sl_worker_drop(w, m, SL_DROP_NO_HEADROOM);
		return;
	}
	ether = (struct rte_ether_hdr){
		.dst_addr = *mac,
		.src_addr = b->out->mac,
		.ether_type = rte_cpu_to_be_16(v4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6),
	};
	memcpy(rte_pktmbuf_prepend(m, sizeof(ether)), &ether, sizeof(ether));
	m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	b->frames[b->n_frames++] = m;
}

/* Returns false where packets that waited go first; they are then in this stage's next vector. */
static bool
dispose(struct sl_worker *w, struct burst *b, unsigned i, struct rte_mbuf *m)
{
	enum sl_neighbour_state state = b->states[b->of[i]];
	struct sl_packet *p = sl_packet(m);
	struct rte_ether_addr group;

	if (p->resolved) {
		send_out(w, b, m, &p->next_mac);
		return true;
	}
	if (unlikely(sl_ip_is_multicast(&p->next_hop))) {
		multicast_mac(&p->next_hop, &group);
		send_out(w, b, m, &group);
		return true;
	}
	if (likely(sl_neighbour_usable(state))) {
		if (unlikely(sl_staged_any(w->staged) && sl_staged_has_neighbour(w->staged, p->out_if, &p->next_hop))) {
			sl_staged_release_neighbour(w, p->out_if, &p->next_hop);
			return false;
		}
		send_out(w, b, m, &b->macs[b->of[i]]);
	} else if (state == SL_NEIGHBOUR_FAILED) {
		sl_icmp_reject(w, m, SL_DROP_NO_NEIGHBOUR, SL_ICMP_HOST_UNREACHABLE, 0);
	} else if (unlikely(p->sealed)) {
		sl_worker_drop(w, m, SL_DROP_NO_NEIGHBOUR);
	} else {
		sl_staged_add_neighbour(w, m, p->out_if, &p->next_hop);
	}
	return true;
}

/* Looks up whom the packets are for. */
static void
find_neighbours(struct sl_worker *w, struct burst *b, struct rte_mbuf **pkts, unsigned n)
{
	const struct sl_neighbour_key *last = NULL;

	b->n = 0;
	for (unsigned i = 0; i < n; i++) {
		const struct sl_packet *p = sl_packet(pkts[i]);

		if (last == NULL || p->out_if != last->out_if || !sl_ip_equal(&p->next_hop, last->ip)) {
			last = &b->keys[b->n];
			b->keys[b->n++] = (struct sl_neighbour_key){&p->next_hop, p->out_if};
		}
		b->of[i] = (uint8_t)(b->n - 1);
	}
	sl_neighbour_lookup_burst(w->dp->neighbours, b->keys, b->states, b->macs, b->n);
}

/* Returns how many packets were disposed of: all, or those before one that older ones go before. */
static unsigned
neighbour_burst(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	struct burst b;
	unsigned i = 0;

	b.out = NULL;
	b.out_id = SL_IF_NONE;
	b.n_frames = 0;
	find_neighbours(w, &b, pkts, n);
	while (i < n && likely(dispose(w, &b, i, pkts[i])))
		i++;
	sl_worker_enqueue_bulk(w, SL_STAGE_TX, b.frames, b.n_frames);
	return i;
}

void
sl_stage_neighbour(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	/* No earlier stage has anything left, so all that was on its way from SEAL is among these packets. */
	w->paths->detour = false;
	for (unsigned done = 0; done < n; done += SL_BURST) {
		unsigned part = RTE_MIN(n - done, (unsigned)SL_BURST);
		unsigned sent = neighbour_burst(w, pkts + done, part);

		if (likely(sent == part))
			continue;
		w->paths->detour = true; /* some may be among the rest */
		sl_worker_enqueue_bulk(w, SL_STAGE_NEIGHBOUR, pkts + done + sent, n - done - sent);
		return;
	}
}
