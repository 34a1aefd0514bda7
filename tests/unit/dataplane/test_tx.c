#include "tests/unit/dataplane/egress.h"

static void
frame(struct rig *r, uint16_t out_if, unsigned len)
{
	struct rte_mbuf *m = inner4(r, len);

	sl_packet(m)->out_if = out_if;
	put(r, SL_STAGE_TX, m);
}

/* Frames of several ports in one vector: each port gets its own in order. */
Test(tx, order_per_port)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	unsigned next[2] = {0};

	for (unsigned i = 0; i < 500; i++)
		frame(r, i % 3 ? RIG_WAN : RIG_LAN, 100 + i);
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 500);
	cr_expect_eq(atomic_load(&r->w->stats.transmitted), 500);
	for (unsigned i = 0; i < 500; i++) {
		unsigned len = r->sent[i].m->pkt_len;
		bool wan = r->sent[i].port == RIG_WAN;

		cr_assert_eq(wan, (len - 100) % 3 != 0);
		cr_assert_gt(len, next[wan]);
		next[wan] = len;
	}
	finish(r);
}

Test(tx, a_full_port_drops_the_rest)
{
	struct rig *r = tunnel(1, ENDPOINT4);

	r->tx_refuse = 3;
	for (unsigned i = 0; i < 100; i++)
		frame(r, RIG_WAN, 100 + i);
	rig_run(r, 0);
	cr_expect_eq(r->n_sent, 100 - 2 * 3, "two calls, of 64 and 36");
	cr_expect_eq(rig_drops(r, SL_DROP_PORT_FULL), 6);
	finish(r);
}

Test(tx, frames_that_cannot_go)
{
	struct rig *r = tunnel(1, ENDPOINT4);

	frame(r, 99, 100);
	frame(r, RIG_WG0, 100);
	frame(r, RIG_WAN, 1514);
	frame(r, RIG_WAN, 1515);
	rig_run(r, 0);
	cr_expect_eq(r->n_sent, 1);
	cr_expect_eq(rig_drops(r, SL_DROP_INTERFACE_DOWN), 2);
	cr_expect_eq(rig_drops(r, SL_DROP_OVERSIZED), 1);
	finish(r);
}

/* A frame of control goes out as it is. */
Test(tx, frames_of_control)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rte_mbuf *m = rig_mbuf(r, SL_IF_NONE, "0123456789abcdef", 16, 0);

	sl_packet(m)->out_if = RIG_LAN;
	command(r, 0, SL_CMD_FRAME, 0, m);
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 1);
	cr_expect_eq(r->sent[0].m, m);
	finish(r);
}
