/* Session slots: found by index while live, never by another generation, wiped and reused after a grace period. */
#include "dataplane/session.h"

#include <errno.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "crypto/wipe.h"
#include "tests/unit/dataplane/qsbr.h"

static const uint8_t secret[SL_INDEX_KEY_LEN] = {9, 8, 7, 6, 5, 4, 3, 2};

static struct rte_rcu_qsbr *rcu;
static struct sl_reclaim reclaim;
static struct sl_session_table table;

static void
setup(void)
{
	rcu = test_qsbr(1);
	sl_reclaim_init(&reclaim, rcu);
	cr_assert_eq(sl_session_table_init(&table, 4096, secret, &reclaim, NULL), 0);
}

static void
teardown(void)
{
	sl_reclaim_drain(&reclaim);
	sl_session_table_fini(&table);
	free(rcu);
}

TestSuite(session, .init = setup, .fini = teardown);

static struct sl_session_keys
keys_of(uint8_t byte)
{
	struct sl_session_keys k = {
		.remote_index = 0x01020300u + byte,
		.initiator = byte & 1,
		.created = 5,
		.send_counter = 7,
		.receive_floor = 3,
	};

	memset(k.send, byte, sizeof(k.send));
	memset(k.recv, byte + 1, sizeof(k.recv));
	return k;
}

static struct sl_session *
find(uint32_t index)
{
	struct sl_session *s;

	sl_session_find_burst(&table, &index, &s, 1);
	return s;
}

Test(session, capacity)
{
	static const struct {
		uint32_t capacity;
		int want;
	} cases[] = {{0, -EINVAL}, {1, 0}, {2, 0}, {3, -EINVAL}, {1u << 24, 0}, {1u << 25, -EINVAL}, {UINT32_MAX, -EINVAL}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_session_table t;
		int err = sl_session_table_init(&t, cases[i].capacity, secret, &reclaim, NULL);

		cr_expect_eq(err, cases[i].want, "capacity %u: %d", cases[i].capacity, err);
		if (err == 0)
			sl_session_table_fini(&t);
	}
}

Test(session, p21_found_only_while_live)
{
	struct sl_session_keys keys = keys_of(0x41);
	uint32_t slot = sl_session_reserve(&table, 12, 3);
	uint32_t index = table.slots[slot].index;
	struct sl_session *s;

	cr_assert_eq(sl_session_slot_of(&table, index), slot);
	cr_expect_null(find(index), "reserved is not live");
	sl_session_publish(&table, slot, &keys);
	s = find(index);
	cr_assert_eq(s, &table.slots[slot]);
	cr_expect_eq(s->peer, 12);
	cr_expect_eq(s->wg_if, 3);
	cr_expect_eq(s->remote_index, keys.remote_index);
	cr_expect_eq(s->initiator, true);
	cr_expect_eq(s->created, 5);
	cr_expect_eq(s->receive_floor, 3);
	cr_expect_eq(sl_sender_counter(s->sender), 7);
	cr_expect_eq(atomic_load(&s->facts), 0);
	cr_expect_arr_eq(s->sender->key, keys.send, SL_KEY_LEN);
	cr_expect_arr_eq(s->recv_key, keys.recv, SL_KEY_LEN);
	for (unsigned bit = 0; bit < 32; bit++)
		cr_expect_null(find(index ^ 1u << bit), "a neighbouring index is nobody's");
	sl_session_release(&table, slot);
	cr_expect_null(find(index));
	cr_expect_eq(sl_session_slot_of(&table, index), SL_SESSION_NONE);
}

Test(session, p10_keys_stay_for_readers_and_go_after_them)
{
	struct sl_session_keys keys = keys_of(0x20);
	uint32_t slot = sl_session_reserve(&table, 1, 1);
	struct sl_session *s = &table.slots[slot];
	struct sl_sender *sender;

	rte_rcu_qsbr_thread_register(rcu, 0);
	rte_rcu_qsbr_thread_online(rcu, 0);
	sl_session_publish(&table, slot, &keys);
	sender = s->sender;
	sl_session_release(&table, slot);
	sl_reclaim_poll(&reclaim);
	cr_expect_arr_eq(s->recv_key, keys.recv, SL_KEY_LEN, "a worker may still be using them");
	cr_expect_arr_eq(sender->key, keys.send, SL_KEY_LEN);
	cr_expect_eq(table.free, 0);
	rte_rcu_qsbr_quiescent(rcu, 0);
	sl_reclaim_poll(&reclaim);
	cr_expect(sl_is_zero(sender->key, SL_KEY_LEN) && sl_is_zero(s->sender->key, SL_KEY_LEN) && sl_is_zero(s->recv_key, SL_KEY_LEN));
	cr_expect_eq(table.free, 1);
}

Test(session, p21_every_slot_once_and_indices_unique)
{
	static uint32_t indices[4096];

	for (uint32_t i = 0; i < table.capacity; i++) {
		uint32_t slot = sl_session_reserve(&table, i, 0);

		cr_assert_neq(slot, SL_SESSION_NONE);
		indices[i] = table.slots[slot].index;
		cr_assert_eq(sl_session_slot_of(&table, indices[i]), slot);
	}
	cr_expect_eq(sl_session_reserve(&table, 1, 0), SL_SESSION_NONE, "all are taken");
	cr_expect_eq(table.reserved, table.capacity);
	for (uint32_t i = 0; i < table.capacity; i++)
		cr_assert_eq(sl_session_slot_of(&table, indices[i]), i, "two slots share an index");
}

Test(session, p21_slots_rest_before_reuse)
{
	struct sl_session_keys keys = keys_of(1);
	uint32_t first = sl_session_reserve(&table, 0, 0);
	uint32_t old = table.slots[first].index;
	unsigned before_reuse = 0;
	uint32_t slot;

	sl_session_publish(&table, first, &keys);
	sl_session_release(&table, first);
	sl_reclaim_drain(&reclaim);
	do {
		slot = sl_session_reserve(&table, 0, 0);
		cr_assert_neq(slot, SL_SESSION_NONE);
		sl_session_publish(&table, slot, &keys);
		cr_assert_neq(table.slots[slot].index, old);
		if (slot == first)
			break;
		sl_session_release(&table, slot);
		sl_reclaim_drain(&reclaim);
	} while (++before_reuse < 100000);
	cr_expect_geq(before_reuse, 1000);
	cr_expect_lt(before_reuse, 3000, "memory is reused in the end");
	cr_expect_null(find(old), "the generation tells the uses of a slot apart");
}

Test(session, full_table_reuses_what_returns)
{
	struct sl_session_table t;
	struct sl_session_keys keys = keys_of(2);

	cr_assert_eq(sl_session_table_init(&t, 1, secret, &reclaim, NULL), 0);
	for (unsigned i = 0; i < 1000; i++) {
		uint32_t slot = sl_session_reserve(&t, i, 0);

		cr_assert_eq(slot, 0, "round %u", i);
		cr_assert_eq(sl_session_reserve(&t, i, 0), SL_SESSION_NONE);
		if (i % 3) {
			sl_session_publish(&t, slot, &keys);
			cr_assert_neq(atomic_load(&t.slots[0].live), SL_SESSION_NONE);
		}
		sl_session_release(&t, slot);
		sl_reclaim_drain(&reclaim);
	}
	sl_session_table_fini(&t);
}

/* With 24 slot bits the last slot's generation 255 would read as "not live", the first one's generation 256 as "no session". */
Test(session, no_session_looks_like_none)
{
	struct sl_session_table t;
	struct sl_session_keys keys = keys_of(2);

	cr_assert_eq(sl_session_table_init(&t, 1u << 24, secret, &reclaim, NULL), 0);
	atomic_store(&t.used, (1u << 24) - 1);
	for (unsigned i = 0; i < 600; i++) {
		uint32_t slot = sl_session_reserve(&t, 0, 0);

		cr_assert_eq(slot, (1u << 24) - 1);
		sl_session_publish(&t, slot, &keys);
		cr_assert_neq(atomic_load(&t.slots[slot].live), SL_SESSION_NONE, "generation %u", i);
		sl_session_release(&t, slot);
		sl_reclaim_drain(&reclaim);
	}
	t.slots[0].generation = 255;
	t.slots[0].next_free = SL_SESSION_NONE;
	t.free_first = t.free_last = 0;
	cr_assert_eq(sl_session_reserve(&t, 0, 0), 0);
	sl_session_publish(&t, 0, &keys);
	cr_expect_neq(sl_session_id(&t, 0), 0);
	atomic_store(&t.used, 0); /* the slots below were never there to be wiped */
	sl_session_table_fini(&t);
}

/* The index that reads as "not live" finds nobody, the last slot's last session included. */
Test(session, bug_index_of_none_finds_nobody)
{
	struct sl_session_table t;
	struct sl_session_keys keys = keys_of(2);
	struct sl_session *found;
	uint32_t index, slot;

	for (uint32_t capacity = 1; capacity <= 4; capacity *= 2) {
		cr_assert_eq(sl_session_table_init(&t, capacity, secret, &reclaim, NULL), 0);
		index = sl_index_seal(&t.key, SL_SESSION_NONE);
		do {
			slot = sl_session_reserve(&t, 0, 0);
			sl_session_find_burst(&t, &index, &found, 1);
			cr_expect_null(found, "capacity %u: only reserved", capacity);
			sl_session_publish(&t, slot, &keys);
		} while (slot + 1 < capacity);
		sl_session_release(&t, slot);
		sl_session_find_burst(&t, &index, &found, 1);
		cr_expect_null(found, "capacity %u: released", capacity);
		sl_reclaim_drain(&reclaim);
		sl_session_find_burst(&t, &index, &found, 1);
		cr_expect_null(found, "capacity %u: wiped, its key all zeros", capacity);
		sl_session_table_fini(&t);
	}
}

Test(session, burst_of_all_kinds)
{
	static const uint32_t strangers[] = {0, 1, UINT32_MAX, 0x12345678};
	struct sl_session_keys keys = keys_of(3);
	struct sl_session *out[64];
	uint32_t indices[64];
	uint32_t slots[64];

	for (unsigned i = 0; i < 64; i++) {
		slots[i] = sl_session_reserve(&table, i, 0);
		indices[i] = table.slots[slots[i]].index;
		if (i % 3 != 0)
			sl_session_publish(&table, slots[i], &keys);
		if (i % 16 == 5)
			indices[i] = strangers[i / 16];
	}
	for (unsigned n = 0; n <= 64; n++) {
		memset(out, 0xff, sizeof(out));
		sl_session_find_burst(&table, indices, out, n);
		for (unsigned i = 0; i < n; i++) {
			struct sl_session *want = i % 3 != 0 && i % 16 != 5 ? &table.slots[slots[i]] : NULL;

			cr_assert_eq(out[i], want, "%u of %u", i, n);
		}
	}
}
