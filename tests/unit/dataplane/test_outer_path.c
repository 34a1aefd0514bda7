/*
 * Ways of packets: what peers share of them, and what happens where more kinds come together than can be shared. The
 * frames that leave are what counts; who has which link is looked at only to see that a case is the one it is for.
 */
#include "dataplane/outer_path.h"

#include "tests/unit/dataplane/egress.h"

#define MANY  600u /* more than SL_OUTER_LINKS kinds of ways */
#define FIRST 100u /* the first of their peers */

struct many {
	struct rig *r;
	struct rig_session s[MANY];
};

static uint16_t
link_of(const struct rig *r, uint32_t peer)
{
	return sl_outer_path(r->w->paths, peer)->link;
}

/* Every third one over IPv6. Each was last heard at an address of its own, so that no two have the same kind of way. */
static void
add_peer(struct many *m, unsigned i)
{
	char endpoint[64], local[64];
	bool v6 = i % 3 == 0;

	snprintf(endpoint, sizeof(endpoint), v6 ? "[2001:db8:7::%x]:%u" : "198.51.%u.%u:%u", v6 ? i + 1 : i / 250,
		v6 ? 1000 + i : i % 250 + 1, 1000 + i);
	snprintf(local, sizeof(local), v6 ? "2001:db8::%x:%x" : "203.0.%u.%u", v6 ? 1 : i / 250, i % 250 + 1);
	rig_peer(m->r, FIRST + i, RIG_WG0, endpoint, local);
	m->s[i] = rig_session(m->r, FIRST + i, true, true);
}

/* Frame `sent` is peer i's: to its endpoint, from the address it was heard at, to its session, sealed for it. */
static void
check_frame(const struct many *m, unsigned sent, unsigned i)
{
	struct rig *r = m->r;
	uint8_t plain[RIG_PACKET];
	struct sl_ip_info info;
	struct sl_endpoint want;
	struct sl_ip local;
	struct sl_outer outer;
	const uint8_t *p = sent_ip(r, sent, &info);
	const struct rte_udp_hdr *udp = (const void *)(p + info.hdr_len);

	sl_peer_outer_read(&r->dp->peers, FIRST + i, &outer);
	sl_outer_remote(&outer, &want);
	cr_assert(sl_outer_local(&outer, &local));
	cr_expect_eq(info.family, want.ip.family);
	cr_expect_arr_eq(info.dst, want.ip.bytes, sl_family_bytes(want.ip.family), "peer %u", i);
	cr_expect_arr_eq(info.src, local.bytes, sl_family_bytes(want.ip.family), "peer %u", i);
	cr_expect_eq(rte_be_to_cpu_16(udp->dst_port), want.port);
	cr_expect_eq(rte_be_to_cpu_16(udp->src_port), RIG_WG0_PORT);
	cr_expect_eq(sent_plain(r, sent, &m->s[i], plain, NULL), 112, "peer %u", i);
}

/* A packet to each, in bursts that mix those with shared links and those with links of their own. */
static void
send_to_all(struct many *m)
{
	for (unsigned i = 0; i < MANY; i += 30) {
		rig_forget_sent(m->r);
		for (unsigned k = 0; k < 30; k++)
			encap(m->r, FIRST + (i + k) % MANY, inner4(m->r, 100));
		rig_run(m->r, 0);
		cr_assert_eq(m->r->n_sent, 30);
		for (unsigned k = 0; k < 30; k++)
			check_frame(m, k, i + k);
	}
}

Test(outer_path, peers_behind_one_gateway_share_a_link)
{
	struct rig *r = tunnel(1, ENDPOINT4);

	rig_peer(r, 2, RIG_WG0, "192.0.2.99:7", NULL);
	rig_peer(r, 3, RIG_WG0, ENDPOINT6, NULL);
	for (uint32_t peer = 1; peer <= 3; peer++) {
		rig_session(r, peer, true, true);
		encap(r, peer, inner4(r, 100));
	}
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 3);
	cr_expect_eq(link_of(r, 1), link_of(r, 2));
	cr_expect_neq(link_of(r, 1), link_of(r, 3));
	cr_expect_neq(link_of(r, 1), SL_OUTER_LINK_OWN);
	finish(r);
}

Test(outer_path, more_kinds_of_ways_than_can_be_shared)
{
	struct many m = {.r = tunnel(1, ENDPOINT4)};
	unsigned own = 0;

	for (unsigned i = 0; i < MANY; i++)
		add_peer(&m, i);
	send_to_all(&m); /* ways are found */
	send_to_all(&m); /* and used again */
	for (unsigned i = 0; i < MANY; i++)
		own += link_of(m.r, FIRST + i) == SL_OUTER_LINK_OWN;
	cr_expect_geq(own, MANY - SL_OUTER_LINKS);
	cr_expect_lt(own, MANY, "some share");
	finish(m.r);
}

/* The first peers take the places; when the tables change these are free again, for whoever comes first then. */
Test(outer_path, changed_tables_free_the_places)
{
	struct many m = {.r = tunnel(1, ENDPOINT4)};
	unsigned last = MANY - 1;

	for (unsigned i = 0; i < MANY; i++)
		add_peer(&m, i);
	send_to_all(&m);
	while (link_of(m.r, FIRST + last) != SL_OUTER_LINK_OWN)
		last--;
	rig_route(m.r, "192.0.2.0/24", SL_ROUTE(SL_ROUTE_IF, RIG_LAN));
	rig_forget_sent(m.r);
	encap(m.r, FIRST + last, inner4(m.r, 100));
	rig_run(m.r, 0);
	check_frame(&m, 0, last);
	cr_expect_neq(link_of(m.r, FIRST + last), SL_OUTER_LINK_OWN);
	/* the ways of the others name places that may be another's now: they are found anew */
	send_to_all(&m);
	finish(m.r);
}

Test(outer_path, a_link_of_its_own_follows_the_neighbour)
{
	struct many m = {.r = tunnel(1, ENDPOINT4)};
	unsigned last = MANY - 1;
	const uint8_t *frame;

	for (unsigned i = 0; i < MANY; i++)
		add_peer(&m, i);
	send_to_all(&m);
	while (link_of(m.r, FIRST + last) != SL_OUTER_LINK_OWN)
		last--;
	rig_neighbour(m.r, RIG_WAN, GATEWAY4, 9);
	rig_neighbour(m.r, RIG_WAN, GATEWAY6, 9);
	rig_forget_sent(m.r);
	encap(m.r, FIRST + last, inner4(m.r, 100));
	rig_run(m.r, 0);
	cr_assert_eq(m.r->n_sent, 1);
	frame = rte_pktmbuf_mtod(m.r->sent[0].m, const uint8_t *);
	cr_expect_eq(frame[5], 9);
	finish(m.r);
}
