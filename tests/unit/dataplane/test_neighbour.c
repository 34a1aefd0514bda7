/* The neighbour table against a plain array; states, marks, walks, and readers during changes. */
#include "dataplane/neighbour.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "tests/unit/dataplane/qsbr.h"

static struct rte_rcu_qsbr *rcu;
static struct sl_reclaim reclaim;
static struct sl_neighbours *t;

static void setup(void)
{
	rcu = test_qsbr(4);
	sl_reclaim_init(&reclaim, rcu);
	cr_assert_eq(sl_neighbours_create(&t, 1000, &reclaim), 0);
}

static void teardown(void)
{
	sl_reclaim_drain(&reclaim);
	sl_neighbours_destroy(t);
	free(rcu);
}

TestSuite(neighbour, .init = setup, .fini = teardown);

static struct sl_ip address(uint32_t i)
{
	uint8_t v6[16] = {0xfe, 0x80};

	if (i % 2 == 0)
		return sl_ip4(&i);
	memcpy(v6 + 12, &i, sizeof(i));
	return sl_ip6(v6);
}

static struct rte_ether_addr mac_of(uint32_t i)
{
	return (struct rte_ether_addr){
	        {2, (uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i, (uint8_t)(i * 7)}};
}

Test(neighbour, states)
{
	struct sl_ip a = address(2), b = address(3);
	struct rte_ether_addr mac = mac_of(1), got, zero = {0};
	enum sl_neighbour_state state;

	cr_expect_not(sl_neighbour_lookup(t, 1, &a, &got));
	for (unsigned s = SL_NEIGHBOUR_INCOMPLETE; s <= SL_NEIGHBOUR_PERMANENT; s++) {
		struct sl_neighbour_key key = {&a, 1};

		cr_expect_eq(sl_neighbour_set(t, 1, &a, &mac, s), 0);
		got = zero;
		cr_expect_eq(sl_neighbour_lookup(t, 1, &a, &got), s >= SL_NEIGHBOUR_REACHABLE);
		cr_expect_eq(rte_is_same_ether_addr(&got, &mac), s >= SL_NEIGHBOUR_REACHABLE);
		sl_neighbour_lookup_burst(t, &key, &state, &got, 1);
		cr_expect_eq(state, s);
	}
	cr_expect_not(sl_neighbour_lookup(t, 2, &a, &got), "another interface");
	cr_expect_not(sl_neighbour_lookup(t, 1, &b, &got), "another address");
	cr_expect_eq(sl_neighbour_count(t), 1);
	cr_expect_eq(sl_neighbour_remove(t, 2, &a), -ENOENT);
	cr_expect_eq(sl_neighbour_remove(t, 1, &a), 0);
	cr_expect_eq(sl_neighbour_remove(t, 1, &a), -ENOENT);
	cr_expect_not(sl_neighbour_lookup(t, 1, &a, &got));
}

Test(neighbour, refuses)
{
	struct sl_ip a = address(2), none = {.family = SL_AF_NONE};
	struct rte_ether_addr mac = mac_of(1);
	struct sl_neighbours *other;

	cr_expect_eq(sl_neighbours_create(&other, 0, &reclaim), -EINVAL);
	cr_expect_eq(sl_neighbours_create(&other, (1 << 20) + 1, &reclaim), -EINVAL);
	cr_expect_eq(sl_neighbour_set(t, 1, &a, &mac, SL_NEIGHBOUR_NONE), -EINVAL);
	cr_expect_eq(sl_neighbour_set(t, 1, &a, NULL, SL_NEIGHBOUR_STALE), -EINVAL);
	cr_expect_eq(sl_neighbour_set(t, 1, &none, &mac, SL_NEIGHBOUR_STALE), -EINVAL);
	cr_expect_eq(sl_neighbour_count(t), 0);
}

Test(neighbour, a_limit_holds_for_new_entries_only)
{
	struct rte_ether_addr mac = mac_of(1), got;
	struct sl_ip a = address(0), b = address(5000);

	for (uint32_t i = 0; i < 1000; i++) {
		struct sl_ip each = address(i);

		cr_assert_eq(sl_neighbour_set(t, 1, &each, NULL, SL_NEIGHBOUR_INCOMPLETE), 0);
	}
	cr_expect_eq(sl_neighbour_set(t, 1, &b, &mac, SL_NEIGHBOUR_REACHABLE), -ENOSPC);
	cr_expect_eq(sl_neighbour_set(t, 1, &a, &mac, SL_NEIGHBOUR_REACHABLE), 0);
	cr_expect(sl_neighbour_lookup(t, 1, &a, &got));
	cr_expect_eq(sl_neighbour_remove(t, 1, &a), 0);
	cr_expect_eq(sl_neighbour_set(t, 1, &b, &mac, SL_NEIGHBOUR_REACHABLE), 0);
}

Test(neighbour, marks_use)
{
	struct sl_ip a = address(2);
	struct rte_ether_addr mac = mac_of(1), got;

	cr_expect_not(sl_neighbour_take_used(t, 1, &a));
	sl_neighbour_set(t, 1, &a, NULL, SL_NEIGHBOUR_INCOMPLETE);
	sl_neighbour_lookup(t, 1, &a, &got);
	cr_expect_not(sl_neighbour_take_used(t, 1, &a));
	sl_neighbour_set(t, 1, &a, &mac, SL_NEIGHBOUR_STALE);
	cr_expect_not(sl_neighbour_take_used(t, 1, &a));
	sl_neighbour_lookup(t, 1, &a, &got);
	sl_neighbour_set(t, 1, &a, &mac, SL_NEIGHBOUR_REACHABLE);
	cr_expect(sl_neighbour_take_used(t, 1, &a), "the mark outlives a change");
	cr_expect_not(sl_neighbour_take_used(t, 1, &a));
}

struct visit {
	unsigned n[600];
	unsigned total;
	bool remove;
};

static bool visit(void *ctx, uint16_t out_if, const struct sl_ip *ip, const struct rte_ether_addr *mac,
        enum sl_neighbour_state state)
{
	struct visit *v = ctx;
	uint32_t i;

	memcpy(&i, ip->bytes + (ip->family == SL_AF_INET ? 0 : 12), sizeof(i));
	cr_assert_lt(i, 600);
	cr_assert_eq(out_if, i % 3);
	cr_assert_eq(state, SL_NEIGHBOUR_STALE);
	v->n[i]++;
	v->total++;
	if (v->remove)
		cr_assert_eq(sl_neighbour_remove(t, out_if, ip), 0);
	return true;
}

Test(neighbour, walk_and_interface)
{
	for (unsigned remove = 0; remove < 2; remove++) {
		struct visit v = {.remove = remove};
		uint32_t cursor = 0, slices = 0;

		for (uint32_t i = 0; i < 600; i++) {
			struct sl_ip a = address(i);
			struct rte_ether_addr mac = mac_of(i);

			cr_assert_eq(sl_neighbour_set(t, (uint16_t)(i % 3), &a, &mac, SL_NEIGHBOUR_STALE), 0);
		}
		do {
			sl_neighbour_walk(t, &cursor, 10, visit, &v);
			slices++;
		} while (cursor != 0);
		cr_expect_eq(v.total, 600);
		cr_expect_geq(slices, 20);
		for (uint32_t i = 0; i < 600; i++)
			cr_assert_eq(v.n[i], 1);
		if (remove == 0) {
			cr_expect_eq(sl_neighbour_remove_if(t, 1), 200);
			cr_expect_eq(sl_neighbour_remove_if(t, 1), 0);
		}
		cr_expect_eq(sl_neighbour_count(t), remove ? 0 : 400);
	}
}

Test(neighbour, random_against_plain_array)
{
	uint32_t value[512] = {0}, state = 1;
	enum sl_neighbour_state states[100];
	struct rte_ether_addr macs[100], got;
	struct sl_neighbour_key keys[100];
	struct sl_ip ips[100];

	for (unsigned i = 0; i < 50000; i++) {
		uint32_t k, v;
		struct sl_ip a;

		state = state * 1664525 + 1013904223;
		k = (state >> 8) % 512;
		v = state >> 17 | 1;
		a = address(k);
		if (state >> 31) {
			struct rte_ether_addr mac = mac_of(v);

			cr_assert_eq(sl_neighbour_set(t, (uint16_t)(k % 5), &a, &mac, SL_NEIGHBOUR_REACHABLE), 0);
			value[k] = v;
		} else {
			cr_assert_eq(sl_neighbour_remove(t, (uint16_t)(k % 5), &a), value[k] != 0 ? 0 : -ENOENT);
			value[k] = 0;
		}
		sl_reclaim_poll(&reclaim);
		if (i % 500 != 0)
			continue;
		for (unsigned j = 0; j < 100; j++) {
			ips[j] = address(j * 5 + i % 5);
			keys[j] = (struct sl_neighbour_key){&ips[j], (uint16_t)((j * 5 + i % 5) % 5)};
		}
		sl_neighbour_lookup_burst(t, keys, states, macs, 100);
		for (unsigned j = 0; j < 100; j++) {
			uint32_t want = value[j * 5 + i % 5];
			struct rte_ether_addr mac = mac_of(want);

			cr_assert_eq(states[j], want != 0 ? SL_NEIGHBOUR_REACHABLE : SL_NEIGHBOUR_NONE);
			cr_assert(want == 0 || rte_is_same_ether_addr(&mac, &macs[j]));
			cr_assert_eq(sl_neighbour_lookup(t, keys[j].out_if, &ips[j], &got), want != 0);
		}
	}
}

static atomic_bool stop;
static _Atomic uint64_t lookups;

/* Entry 2 has MAC 100 or 101, never none and never a mixture, while others of its chains come and go. */
static void *reader(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg;
	struct rte_ether_addr a = mac_of(100), b = mac_of(0x65006500), got;
	struct sl_ip ip = address(2);
	uint64_t wrong = 0;

	rte_rcu_qsbr_thread_register(rcu, id);
	rte_rcu_qsbr_thread_online(rcu, id);
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		if (!sl_neighbour_lookup(t, 1, &ip, &got) ||
		        (!rte_is_same_ether_addr(&got, &a) && !rte_is_same_ether_addr(&got, &b)))
			wrong++;
		atomic_fetch_add_explicit(&lookups, 1, memory_order_relaxed);
		rte_rcu_qsbr_quiescent(rcu, id);
	}
	rte_rcu_qsbr_thread_offline(rcu, id);
	rte_rcu_qsbr_thread_unregister(rcu, id);
	return (void *)(uintptr_t)wrong;
}

Test(neighbour, readers_during_changes)
{
	struct rte_ether_addr a = mac_of(100), b = mac_of(0x65006500);
	struct sl_ip ip = address(2);
	pthread_t threads[2];

	cr_assert_eq(sl_neighbour_set(t, 1, &ip, &a, SL_NEIGHBOUR_REACHABLE), 0);
	for (uintptr_t i = 0; i < 2; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, reader, (void *)i), 0);
	for (uint32_t i = 0; i < 100000 || atomic_load(&lookups) < 1000; i++) {
		struct sl_ip other = address(4 + i % 900);

		cr_assert_eq(sl_neighbour_set(t, 1, &ip, i % 2 ? &a : &b, SL_NEIGHBOUR_REACHABLE), 0);
		if (i / 900 % 2 == 0)
			cr_assert_eq(sl_neighbour_set(t, 1, &other, &a, SL_NEIGHBOUR_STALE), 0);
		else
			sl_neighbour_remove(t, 1, &other);
		sl_reclaim_poll(&reclaim);
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 2; i++) {
		void *wrong;

		pthread_join(threads[i], &wrong);
		cr_expect_eq((uintptr_t)wrong, 0, "%lu wrong answers", (uintptr_t)wrong);
	}
}
