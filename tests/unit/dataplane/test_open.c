/* The open stage: sessions of a burst found and opened together, each packet with its own verdict. */
#include <criterion/criterion.h>

#include "crypto/bytes.h"
#include "tests/unit/dataplane/support.h"

static uint8_t message[RIG_PACKET], plain[RIG_PACKET];

static struct rte_mbuf *
arrived(struct rig *r, const void *msg, size_t len)
{
	struct rte_mbuf *m = rig_mbuf_guarded(r, RIG_WAN, msg, len);

	sl_packet(m)->wg_if = RIG_WG0;
	return m;
}

static unsigned
through(struct rig *r, struct rte_mbuf *m, struct rte_mbuf **out)
{
	rig_stage(r, sl_stage_open, &m, 1);
	return rig_exit(r, out);
}

static struct rig *
rig_with_peer(void)
{
	struct rig *r = rig_create(1);

	rig_peer(r, 3, RIG_WG0, NULL, NULL);
	rig_peer(r, 4, RIG_WG0, NULL, NULL);
	for (unsigned i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)(i * 11 + 1);
	return r;
}

Test(open, every_length)
{
	struct rig *r = rig_with_peer();
	struct rig_session s = rig_session(r, 3, false, true);

	for (size_t len = 0; len <= 1500; len += len < 300 ? 1 : 13) {
		size_t n = rig_data(message, &s, len, plain, len, len ? len : 0);
		struct rte_mbuf *m;
		unsigned exit = through(r, arrived(r, message, n), &m);

		cr_assert_eq(exit, SL_STAGE_DECAP, "%zu bytes: %s", len, rig_exit_name(exit));
		cr_assert_eq(m->pkt_len, len);
		cr_assert_arr_eq(rte_pktmbuf_mtod(m, uint8_t *), plain, len);
		cr_assert_eq(sl_packet(m)->session, s.s);
		cr_assert_eq(sl_packet(m)->counter, len);
		rte_pktmbuf_free(m);
	}
	rig_destroy(r);
}

Test(open, every_truncation_and_every_bit)
{
	struct rig *r = rig_with_peer();
	struct rig_session s = rig_session(r, 3, false, true);
	size_t n = rig_data(message, &s, 5, plain, 20, 0);
	struct rte_mbuf *out;

	for (size_t cut = SL_DATA_OVERHEAD; cut < n; cut++)
		cr_expect_eq(through(r, arrived(r, message, cut), NULL), RIG_DROPPED(BAD_TAG), "%zu bytes", cut);
	for (size_t bit = 4 * 8; bit < n * 8; bit++) {
		unsigned exit;

		message[bit / 8] ^= (uint8_t)(1 << bit % 8);
		exit = through(r, arrived(r, message, n), NULL);
		message[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (bit < 8 * 8)
			cr_expect_eq(exit, RIG_DROPPED(NO_SESSION), "bit %zu: %s", bit, rig_exit_name(exit));
		else
			cr_expect_eq(exit, RIG_DROPPED(BAD_TAG), "bit %zu: %s", bit, rig_exit_name(exit));
	}
	cr_expect_eq(through(r, arrived(r, message, n), &out), SL_STAGE_DECAP);
	rte_pktmbuf_free(out);
	rig_destroy(r);
}

Test(open, p24_p25_limits)
{
	static const struct {
		const char *what;
		uint64_t age, counter;
		unsigned want;
	} cases[] = {
		{"new", 0, 0, SL_STAGE_DECAP},
		{"one ns before its end", SL_REJECT_AFTER_TIME_NS - 1, 1, SL_STAGE_DECAP},
		{"at its end", SL_REJECT_AFTER_TIME_NS, 1, RIG_DROPPED(SESSION_EXPIRED)},
		{"long after", 10 * SL_REJECT_AFTER_TIME_NS, 1, RIG_DROPPED(SESSION_EXPIRED)},
		{"made after this pass began", -(uint64_t)1000, 1, SL_STAGE_DECAP},
		{"last counter", 0, SL_REJECT_AFTER_MESSAGES - 1, SL_STAGE_DECAP},
		{"counter at the limit", 0, SL_REJECT_AFTER_MESSAGES, RIG_DROPPED(SESSION_EXPIRED)},
		{"greatest counter", 0, UINT64_MAX, RIG_DROPPED(SESSION_EXPIRED)},
	};
	struct rig *r = rig_with_peer();
	struct rig_session s = rig_session(r, 3, true, true);

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n = rig_data(message, &s, cases[i].counter, plain, 7, 0);
		unsigned exit;

		r->now = s.s->created + cases[i].age;
		exit = through(r, arrived(r, message, n), NULL);
		cr_expect_eq(exit, cases[i].want, "%s: %s", cases[i].what, rig_exit_name(exit));
	}
	rig_destroy(r);
}

Test(open, p21_whose_session)
{
	struct rig *r = rig_with_peer();
	struct rig_session s = rig_session(r, 3, true, true);
	size_t n = rig_data(message, &s, 1, plain, 7, 0);
	struct rte_mbuf *m = arrived(r, message, n);

	sl_packet(m)->wg_if = RIG_WG1;
	cr_expect_eq(through(r, m, NULL), RIG_DROPPED(NO_SESSION), "a session answers on its own interface alone");
	sl_session_release(&r->dp->sessions, s.slot);
	cr_expect_eq(through(r, arrived(r, message, n), NULL), RIG_DROPPED(NO_SESSION), "released");
	rig_destroy(r);
}

/* Bursts of any count, sessions mixed, a third of the packets bad in one way or another. */
Test(open, mixed_bursts)
{
	struct rig *r = rig_with_peer();
	struct rig_session s[2] = {rig_session(r, 3, true, true), rig_session(r, 4, false, true)};

	for (unsigned count = 1; count <= 200; count += count < 70 ? 1 : 33) {
		struct rte_mbuf *pkts[256];
		unsigned bad_tag = 0, no_session = 0, good = 0;

		for (unsigned i = 0; i < count; i++) {
			size_t n = rig_data(message, &s[i % 2], i, plain + i, i * 5 % 1400, 0);

			if (i % 6 == 4) {
				message[n - 1 - i % 16] ^= 0x80;
				bad_tag++;
			} else if (i % 6 == 5) {
				sl_store_le32(message + 4, 0xdeadbeef + i);
				no_session++;
			}
			pkts[i] = arrived(r, message, n);
		}
		rig_stage(r, sl_stage_open, pkts, count);
		for (unsigned i = 0; i < count; i++) {
			struct rte_mbuf *m;

			if (i % 6 >= 4)
				continue;
			m = rig_take(r, SL_STAGE_DECAP);
			cr_assert_not_null(m, "%u of %u", i, count);
			cr_assert_eq(sl_packet(m)->counter, i);
			cr_assert_eq(sl_packet(m)->session, s[i % 2].s);
			cr_assert_arr_eq(rte_pktmbuf_mtod(m, uint8_t *), plain + i, i * 5 % 1400);
			rte_pktmbuf_free(m);
			good++;
		}
		cr_assert_eq(rig_waiting(r, SL_STAGE_DECAP), 0);
		cr_assert_eq(atomic_exchange(&r->w->stats.drops[SL_DROP_BAD_TAG], 0), bad_tag);
		cr_assert_eq(atomic_exchange(&r->w->stats.drops[SL_DROP_NO_SESSION], 0), no_session);
		cr_assert_eq(good + bad_tag + no_session, count);
	}
	rig_destroy(r);
}
