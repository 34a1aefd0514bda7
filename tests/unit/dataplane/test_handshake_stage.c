/* The handshake stage: mac1 by interface, the rings to control, and what a full one does. */
#include <criterion/criterion.h>

#include "crypto/bytes.h"
#include "tests/unit/dataplane/support.h"

#define RING_ROOM 63 /* of the rig's handshake rings */

static const size_t sizes[] = {0, 148, 92, 64};

/* A message of that type for an interface's key; bent: one bit of mac1 is wrong. */
static struct rte_mbuf *
message_for(struct rig *r, uint16_t key_of, uint16_t arrives_on, uint32_t type, bool bent)
{
	uint8_t msg[148];
	struct rte_mbuf *m;

	memset(msg, 0x33, sizeof(msg));
	sl_store_le32(msg, type);
	if (type != SL_MSG_COOKIE_REPLY)
		sl_macs_write(&r->ifs[key_of].mac_keys, NULL, msg, sizes[type]);
	if (bent)
		msg[sizes[type] - SL_MACS_LEN + 5] ^= 4;
	m = rig_mbuf_guarded(r, RIG_WAN, msg, sizes[type]);
	sl_packet(m)->wg_if = arrives_on;
	return m;
}

Test(handshake_stage, p16_mac1_comes_first)
{
	static const struct {
		const char *what;
		uint16_t key_of, arrives_on;
		uint32_t type;
		bool bent, keyless;
		bool passes;
		enum sl_drop reason;
	} cases[] = {
		{"initiation", RIG_WG0, RIG_WG0, 1, false, false, true, 0},
		{"response", RIG_WG0, RIG_WG0, 2, false, false, true, 0},
		{"cookie reply", RIG_WG0, RIG_WG0, 3, false, false, true, 0},
		{"to the second interface", RIG_WG1, RIG_WG1, 1, false, false, true, 0},
		{"initiation with a wrong mac1", RIG_WG0, RIG_WG0, 1, true, false, false, SL_DROP_BAD_MAC1},
		{"response with a wrong mac1", RIG_WG0, RIG_WG0, 2, true, false, false, SL_DROP_BAD_MAC1},
		{"for the key of the other interface", RIG_WG1, RIG_WG0, 1, false, false, false, SL_DROP_BAD_MAC1},
		{"no key to answer with", RIG_WG0, RIG_WG0, 1, false, true, false, SL_DROP_BAD_MAC1},
		{"cookie reply without a key", RIG_WG0, RIG_WG0, 3, false, true, false, SL_DROP_BAD_MAC1},
		{"interface gone", RIG_WG0, 600, 1, false, false, false, SL_DROP_INTERFACE_DOWN},
		{"interface is a port", RIG_WG0, RIG_LAN, 1, false, false, false, SL_DROP_INTERFACE_DOWN},
	};
	struct rig *r = rig_create(1);

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rte_mbuf *m = message_for(r, cases[i].key_of, cases[i].arrives_on, cases[i].type, cases[i].bent);
		uint64_t before = cases[i].passes ? 0 : rig_drops(r, cases[i].reason);

		r->ifs[RIG_WG0].has_key = !cases[i].keyless;
		rig_publish_if(r, RIG_WG0);
		rig_stage(r, sl_stage_handshake, &m, 1);
		if (cases[i].passes) {
			struct rte_mbuf *out = rig_take_ring(r->ifs[cases[i].arrives_on].handshakes);

			cr_expect_eq(out, m, "%s", cases[i].what);
			rte_pktmbuf_free(out);
		} else {
			cr_expect_eq(rig_drops(r, cases[i].reason), before + 1, "%s", cases[i].what);
		}
	}
	rig_check_conservation(r, sizeof(cases) / sizeof(cases[0]));
	rig_destroy(r);
}

/* One interface's flood fills its own ring alone. */
Test(handshake_stage, p17_rings_are_apart_and_bounded)
{
	struct rig *r = rig_create(1);
	struct rte_mbuf *pkts[200];

	for (unsigned i = 0; i < 200; i++)
		pkts[i] = message_for(r, i % 20 == 7 ? RIG_WG1 : RIG_WG0, i % 20 == 7 ? RIG_WG1 : RIG_WG0, 1 + i % 3, i % 20 == 3);
	rig_stage(r, sl_stage_handshake, pkts, 200);
	cr_expect_eq(rte_ring_count(r->ifs[RIG_WG0].handshakes), RING_ROOM);
	cr_expect_eq(rte_ring_count(r->ifs[RIG_WG1].handshakes), 10);
	cr_expect_eq(rig_drops(r, SL_DROP_HANDSHAKE_FULL) + rig_drops(r, SL_DROP_BAD_MAC1), 200 - RING_ROOM - 10);
	cr_expect_gt(rig_drops(r, SL_DROP_BAD_MAC1), 0);
	cr_expect_eq(atomic_load(&r->w->stats.to_control), RING_ROOM + 10);
	rig_check_conservation(r, 200);
	rig_destroy(r);
}

/* mac1 is computed side by side: each message of a burst of all kinds passes or goes by itself, and in order. */
Test(handshake_stage, p16_mac1_of_a_burst)
{
	static const unsigned counts[] = {2, 3, 7, 8, 9, 16, 17, 33, 60};
	struct rig *r = rig_create(1);
	unsigned sent = 0;

	for (unsigned c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		struct rte_mbuf *pkts[64], *expected[64];
		unsigned n = counts[c], good = 0;
		uint64_t before = rig_drops(r, SL_DROP_BAD_MAC1);

		for (unsigned i = 0; i < n; i++) {
			unsigned key_of = i % 5 == c % 5 ? RIG_WG1 : RIG_WG0;
			bool bent = i % 3 == c % 3;
			uint32_t type = 1 + (i * 7 + c) % 3;

			pkts[i] = message_for(r, key_of, RIG_WG0, type, bent);
			if (type == SL_MSG_COOKIE_REPLY || (key_of == RIG_WG0 && !bent))
				expected[good++] = pkts[i];
		}
		sent += n;
		rig_stage(r, sl_stage_handshake, pkts, n);
		cr_expect_eq(rig_drops(r, SL_DROP_BAD_MAC1), before + n - good, "%u messages", n);
		for (unsigned i = 0; i < good; i++) {
			struct rte_mbuf *out = rig_take_ring(r->ifs[RIG_WG0].handshakes);

			cr_expect_eq(out, expected[i], "%u messages, place %u", n, i);
			rte_pktmbuf_free(out);
		}
		cr_expect_eq(rte_ring_count(r->ifs[RIG_WG0].handshakes), 0);
	}
	rig_check_conservation(r, sent);
	rig_destroy(r);
}
