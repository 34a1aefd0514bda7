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
	struct sl_neighbour_key keys[SL_BURST];
	enum sl_neighbour_state states[SL_BURST];
	struct rte_ether_addr macs[SL_BURST];
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
send_out(struct sl_worker *w, struct rte_mbuf *m, const struct rte_ether_addr *mac)
{
	const struct sl_if *out = sl_dataplane_if(w->dp, sl_packet(m)->out_if);
	bool v4 = *rte_pktmbuf_mtod(m, const uint8_t *) >> 4 == 4;
	struct rte_ether_hdr ether;

	if (unlikely(out == NULL)) {
		sl_worker_drop(w, m, SL_DROP_INTERFACE_DOWN);
		return;
	}
	if (unlikely(!sl_packet_make_headroom(m, RTE_ETHER_HDR_LEN))) {
		sl_worker_drop(w, m, SL_DROP_NO_HEADROOM);
		return;
	}
	ether = (struct rte_ether_hdr){
		.dst_addr = *mac,
		.src_addr = out->mac,
		.ether_type = rte_cpu_to_be_16(v4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6),
	};
	memcpy(rte_pktmbuf_prepend(m, sizeof(ether)), &ether, sizeof(ether));
	m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	sl_worker_enqueue(w, SL_STAGE_TX, m);
}

/* Returns false where packets that waited go first; they are then in this stage's next vector. */
static bool
dispose(struct sl_worker *w, const struct burst *b, unsigned i, struct rte_mbuf *m)
{
	struct sl_packet *p = sl_packet(m);
	struct rte_ether_addr group;

	if (p->resolved) {
		send_out(w, m, &p->next_mac);
		return true;
	}
	if (unlikely(sl_ip_is_multicast(&p->next_hop))) {
		multicast_mac(&p->next_hop, &group);
		send_out(w, m, &group);
		return true;
	}
	if (likely(sl_neighbour_usable(b->states[i]))) {
		if (unlikely(sl_staged_any(w->staged) && sl_staged_has_neighbour(w->staged, p->out_if, &p->next_hop))) {
			sl_staged_release_neighbour(w, p->out_if, &p->next_hop);
			return false;
		}
		send_out(w, m, &b->macs[i]);
	} else if (b->states[i] == SL_NEIGHBOUR_FAILED) {
		sl_icmp_reject(w, m, SL_DROP_NO_NEIGHBOUR, SL_ICMP_HOST_UNREACHABLE, 0);
	} else if (unlikely(p->sealed)) {
		sl_worker_drop(w, m, SL_DROP_NO_NEIGHBOUR);
	} else {
		sl_staged_add_neighbour(w, m, p->out_if, &p->next_hop);
	}
	return true;
}

void
sl_stage_neighbour(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	struct burst b;

	/* No earlier stage has anything left, so all that was on its way from SEAL is among these packets. */
	w->paths->detour = false;
	for (unsigned done = 0; done < n; done += SL_BURST) {
		unsigned part = RTE_MIN(n - done, (unsigned)SL_BURST);

		for (unsigned i = 0; i < part; i++)
			b.keys[i] = (struct sl_neighbour_key){
				&sl_packet(pkts[done + i])->next_hop, sl_packet(pkts[done + i])->out_if};
		sl_neighbour_lookup_burst(w->dp->neighbours, b.keys, b.states, b.macs, part);
		for (unsigned i = 0; i < part; i++) {
			if (likely(dispose(w, &b, i, pkts[done + i])))
				continue;
			w->paths->detour = true; /* some may be among the rest */
			for (unsigned k = done + i; k < n; k++)
				sl_worker_enqueue(w, SL_STAGE_NEIGHBOUR, pkts[k]);
			return;
		}
	}
}
