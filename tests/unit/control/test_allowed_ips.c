/* control/allowed_ips.h, control/rib.h and control/prefix_index.h: who owns a prefix and which route wins. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "control/allowed_ips.h"
#include "control/prefix_index.h"

enum { WG0 = 3, WG1 = 4, LAN = 1, MAX_PEERS = 4096 };

static struct sl_dataplane *dp;
static struct sl_reclaim reclaim;
static struct sl_rib *rib;
static struct sl_allowed_ips *ips;
static struct sl_lpm *keys0, *keys1;

static void
setup(void)
{
	size_t size = rte_rcu_qsbr_get_memsize(1);

	dp = calloc(1, sizeof(*dp));
	dp->rcu = aligned_alloc(64, (size + 63) / 64 * 64);
	cr_assert_eq(rte_rcu_qsbr_init(dp->rcu, 1), 0);
	sl_reclaim_init(&reclaim, dp->rcu);
	dp->reclaim = &reclaim;
	cr_assert_eq(sl_lpm_create(&dp->routes.lpm, &reclaim, 0), 0);
	cr_assert_eq(sl_lpm_create(&keys0, &reclaim, 0), 0);
	cr_assert_eq(sl_lpm_create(&keys1, &reclaim, 0), 0);
	cr_assert_eq(sl_rib_create(&rib, dp), 0);
	cr_assert_eq(sl_allowed_ips_create(&ips, MAX_PEERS, rib), 0);
	sl_allowed_ips_attach(ips, WG0, keys0, true);
	sl_allowed_ips_attach(ips, WG1, keys1, false);
}

static void
teardown(void)
{
	sl_reclaim_drain(&reclaim); /* next hops that rest are in the rib */
	sl_allowed_ips_destroy(ips);
	sl_rib_destroy(rib);
	sl_lpm_destroy(keys0);
	sl_lpm_destroy(keys1);
	sl_lpm_destroy(dp->routes.lpm);
	sl_reclaim_drain(&reclaim);
	free(dp->rcu);
	free(dp);
}

TestSuite(allowed_ips, .init = setup, .fini = teardown);

static struct sl_prefix
prefix(const char *text)
{
	struct sl_prefix p;

	cr_assert(sl_prefix_parse(text, &p), "%s", text);
	return p;
}

static uint32_t
add(uint16_t wg_if, uint32_t peer, const char *text)
{
	struct sl_prefix p = prefix(text);
	uint32_t from;

	cr_assert_eq(sl_allowed_ips_add(ips, wg_if, peer, &p, &from), 0);
	return from;
}

static uint32_t
key_lookup(struct sl_lpm *t, const char *addr)
{
	struct sl_ip ip;

	cr_assert(sl_ip_parse(addr, &ip));
	return sl_lpm_lookup(t, &ip);
}

static uint32_t
route_of(const char *addr)
{
	return key_lookup(dp->routes.lpm, addr);
}

Test(allowed_ips, a_prefix_is_found_by_workers_and_is_a_route)
{
	cr_expect_eq(add(WG0, 7, "10.0.0.9/24"), SL_PEER_NONE);
	cr_expect_eq(key_lookup(keys0, "10.0.0.77"), 8);
	cr_expect_eq(route_of("10.0.0.1"), SL_ROUTE(SL_ROUTE_PEER, 7));
}

Test(allowed_ips, p44_an_existing_prefix_moves_to_the_peer_that_names_it_last)
{
	add(WG0, 7, "10.0.0.0/24");
	add(WG0, 7, "fd00::/64");
	cr_expect_eq(add(WG0, 8, "10.0.0.0/24"), 7);
	cr_expect_eq(key_lookup(keys0, "10.0.0.1"), 9);
	cr_expect_eq(route_of("10.0.0.1"), SL_ROUTE(SL_ROUTE_PEER, 8));
	cr_expect_eq(sl_allowed_ips_count(ips, 7), 1);
	cr_expect_eq(sl_allowed_ips_count(ips, 8), 1);
}

Test(allowed_ips, only_the_owner_can_give_a_prefix_up)
{
	struct sl_prefix p = prefix("10.0.0.0/24");

	add(WG0, 7, "10.0.0.0/24");
	cr_expect_eq(sl_allowed_ips_remove(ips, WG0, 8, &p), -ENOENT);
	cr_expect_eq(key_lookup(keys0, "10.0.0.1"), 8);
	cr_expect_eq(sl_allowed_ips_remove(ips, WG0, 7, &p), 0);
	cr_expect_eq(key_lookup(keys0, "10.0.0.1"), 0);
	cr_expect_eq(route_of("10.0.0.1"), 0);
}

Test(allowed_ips, routes_none_keeps_prefixes_out_of_the_route_table)
{
	add(WG1, 9, "10.1.0.0/16");
	cr_expect_eq(key_lookup(keys1, "10.1.2.3"), 10);
	cr_expect_eq(route_of("10.1.2.3"), 0);
}

/* To its end, a prefix at a time. */
static int
set_routes(uint16_t wg_if, bool on)
{
	uint32_t cursor = 0;
	int rc;

	do
		rc = sl_allowed_ips_set_routes(ips, wg_if, on, &cursor, 1);
	while (rc == SL_ALLOWED_IPS_MORE);
	return rc;
}

/* What goes from one interface to another is both's for a moment: the route follows without a gap. */
Test(allowed_ips, a_prefix_goes_to_another_interface)
{
	struct sl_prefix p = prefix("10.1.0.0/16");

	cr_assert_eq(set_routes(WG1, true), 0);
	add(WG0, 7, "10.1.0.0/16");
	add(WG1, 9, "10.1.0.0/16");
	cr_expect_eq(route_of("10.1.2.3"), SL_ROUTE(SL_ROUTE_PEER, 9));
	cr_expect_eq(sl_allowed_ips_remove(ips, WG0, 7, &p), 0);
	cr_expect_eq(route_of("10.1.2.3"), SL_ROUTE(SL_ROUTE_PEER, 9), "the last to get it keeps it");
	add(WG0, 7, "10.1.0.0/16");
	cr_assert_eq(set_routes(WG0, false), 0);
	cr_expect_eq(route_of("10.1.2.3"), SL_ROUTE(SL_ROUTE_PEER, 9), "routed by one of them alone");
	cr_expect_eq(key_lookup(keys0, "10.1.2.3"), 8);
	cr_expect_eq(sl_allowed_ips_remove(ips, WG1, 9, &p), 0);
	cr_expect_eq(route_of("10.1.2.3"), 0);
}

Test(allowed_ips, routes_are_switched_a_few_at_a_time)
{
	uint64_t before;
	uint32_t cursor = 0;

	for (unsigned i = 0; i < 100; i++) {
		char text[SL_PREFIX_STRLEN];

		snprintf(text, sizeof(text), "10.%u.0.0/16", i);
		add(WG1, 9, text);
	}
	before = sl_allowed_ips_changes(ips);
	cr_expect_eq(sl_allowed_ips_set_routes(ips, WG1, true, &cursor, 30), SL_ALLOWED_IPS_MORE);
	cr_expect_eq(sl_allowed_ips_changes(ips) - before, 30);
	cr_expect_eq(route_of("10.1.2.3"), SL_ROUTE(SL_ROUTE_PEER, 9));
	cr_expect_eq(route_of("10.99.2.3"), 0);
	add(WG1, 9, "10.200.0.0/16");
	cr_expect_eq(route_of("10.200.2.3"), SL_ROUTE(SL_ROUTE_PEER, 9), "what comes meanwhile is one at once");
	while (sl_allowed_ips_set_routes(ips, WG1, true, &cursor, 30) == SL_ALLOWED_IPS_MORE)
		;
	cr_expect_eq(route_of("10.99.2.3"), SL_ROUTE(SL_ROUTE_PEER, 9));
}

Test(allowed_ips, routes_can_be_switched_while_it_runs)
{
	add(WG1, 9, "10.1.0.0/16");
	add(WG0, 7, "10.2.0.0/16");
	cr_expect_eq(set_routes(WG1, true), 0);
	cr_expect_eq(route_of("10.1.2.3"), SL_ROUTE(SL_ROUTE_PEER, 9));
	cr_expect_eq(set_routes(WG1, false), 0);
	cr_expect_eq(route_of("10.1.2.3"), 0);
	cr_expect_eq(route_of("10.2.2.3"), SL_ROUTE(SL_ROUTE_PEER, 7));
	cr_expect_eq(key_lookup(keys1, "10.1.2.3"), 10);
}

Test(allowed_ips, a_batch_is_published_as_one)
{
	struct sl_prefix connected = prefix("10.9.0.0/16");
	struct sl_lpm *keys2;

	add(WG0, 7, "10.2.0.0/16");
	sl_allowed_ips_batch_begin(ips);
	add(WG0, 8, "10.2.0.0/16");
	add(WG1, 9, "10.3.0.0/16");
	cr_assert_eq(sl_lpm_create(&keys2, &reclaim, 0), 0);
	sl_allowed_ips_attach(ips, WG1 + 1, keys2, true);
	add(WG1 + 1, 10, "10.4.0.0/16");
	cr_expect_eq(sl_rib_set(rib, SL_RIB_CONNECTED, &connected, LAN, NULL), 0);
	cr_expect_eq(key_lookup(keys0, "10.2.0.1"), 8, "workers see the old table until the end");
	cr_expect_eq(route_of("10.9.0.1"), 0);
	sl_allowed_ips_batch_commit(ips);
	cr_expect_eq(key_lookup(keys0, "10.2.0.1"), 9);
	cr_expect_eq(key_lookup(keys1, "10.3.0.1"), 10);
	cr_expect_eq(key_lookup(keys2, "10.4.0.1"), 11);
	cr_expect_eq(route_of("10.4.0.1"), SL_ROUTE(SL_ROUTE_PEER, 10));
	cr_expect_eq(route_of("10.9.0.1"), SL_ROUTE(SL_ROUTE_IF, LAN));
	sl_allowed_ips_detach(ips, WG1 + 1);
	sl_lpm_destroy(keys2);
}

Test(allowed_ips, length_zero_stands_apart_from_the_table)
{
	add(WG0, 7, "0.0.0.0/0");
	add(WG0, 7, "::/0");
	cr_expect_eq(route_of("192.0.2.1"), 0);
	cr_expect_eq(atomic_load(&dp->routes.allowed_default[0]), SL_ROUTE(SL_ROUTE_PEER, 7));
	cr_expect_eq(atomic_load(&dp->routes.allowed_default[1]), SL_ROUTE(SL_ROUTE_PEER, 7));
	cr_expect_eq(sl_allowed_ips_remove_all(ips, 7), 2);
	cr_expect_eq(atomic_load(&dp->routes.allowed_default[0]), 0);
}

Test(allowed_ips, connected_over_static_over_allowed_ip)
{
	struct sl_prefix p = prefix("10.5.0.0/16");
	struct sl_ip gateway = sl_ip4("\x0a\x01\x01\x01");
	uint32_t v;

	add(WG0, 7, "10.5.0.0/16");
	cr_expect_eq(sl_rib_set(rib, SL_RIB_STATIC, &p, LAN, &gateway), 0);
	v = route_of("10.5.1.1");
	cr_expect_eq(SL_ROUTE_KIND(v), SL_ROUTE_VIA);
	cr_expect(sl_ip_equal(&dp->routes.next_hops[SL_ROUTE_ID(v)].gateway, &gateway));
	cr_expect_eq(sl_rib_set(rib, SL_RIB_CONNECTED, &p, LAN, NULL), 0);
	cr_expect_eq(route_of("10.5.1.1"), SL_ROUTE(SL_ROUTE_IF, LAN));
	/* a change of the allowed IP behind it must not show */
	add(WG0, 8, "10.5.0.0/16");
	cr_expect_eq(route_of("10.5.1.1"), SL_ROUTE(SL_ROUTE_IF, LAN));
	cr_expect_eq(sl_rib_clear(rib, SL_RIB_CONNECTED, &p), 0);
	cr_expect_eq(SL_ROUTE_KIND(route_of("10.5.1.1")), SL_ROUTE_VIA);
	cr_expect_eq(sl_rib_clear(rib, SL_RIB_STATIC, &p), 0);
	cr_expect_eq(route_of("10.5.1.1"), SL_ROUTE(SL_ROUTE_PEER, 8));
	cr_expect_eq(sl_rib_clear(rib, SL_RIB_STATIC, &p), -ENOENT);
}

Test(allowed_ips, a_next_hop_number_rests_until_readers_let_go)
{
	struct sl_prefix a = prefix("10.1.0.0/16"), b = prefix("10.2.0.0/16");
	struct sl_ip g1 = sl_ip4("\x0a\x01\x01\x01"), g2 = sl_ip4("\x0a\x01\x01\x02");
	uint32_t v1, v2;

	cr_assert_eq(sl_rib_set(rib, SL_RIB_STATIC, &a, LAN, &g1), 0);
	v1 = route_of("10.1.0.1");
	cr_assert_eq(sl_rib_clear(rib, SL_RIB_STATIC, &a), 0);
	cr_assert_eq(sl_rib_set(rib, SL_RIB_STATIC, &b, LAN, &g2), 0);
	v2 = route_of("10.2.0.1");
	cr_expect_neq(v1, v2, "a worker may still hold the old number");
	sl_reclaim_drain(&reclaim);
	cr_assert_eq(sl_rib_set(rib, SL_RIB_STATIC, &a, LAN, &g1), 0);
	cr_expect_eq(route_of("10.1.0.1"), v1);
}

Test(allowed_ips, a_new_set_takes_the_place_of_the_old_without_a_gap)
{
	struct sl_prefix keep = prefix("10.0.0.0/24"), new = prefix("10.0.2.0/24"), p;
	uint32_t cursor = 0;

	add(WG0, 7, "10.0.0.0/24");
	add(WG0, 7, "10.0.1.0/24");
	add(WG0, 7, "10.0.3.0/24");
	sl_allowed_ips_replace_begin(ips, 7);
	cr_expect_eq(key_lookup(keys0, "10.0.0.1"), 8);
	cr_expect_eq(sl_allowed_ips_add(ips, WG0, 7, &new, NULL), 0);
	cr_expect_eq(sl_allowed_ips_add(ips, WG0, 7, &keep, NULL), 0);
	cr_expect_eq(key_lookup(keys0, "10.0.0.1"), 8);
	cr_expect_eq(key_lookup(keys0, "10.0.1.1"), 8);
	cr_expect_not(sl_allowed_ips_replace_end(ips, 7, 1), "two are to go");
	cr_expect(sl_allowed_ips_replace_end(ips, 7, 1));
	cr_expect_eq(key_lookup(keys0, "10.0.0.1"), 8);
	cr_expect_eq(route_of("10.0.2.1"), SL_ROUTE(SL_ROUTE_PEER, 7));
	cr_expect_eq(key_lookup(keys0, "10.0.1.1"), 0);
	cr_expect_eq(route_of("10.0.3.1"), 0);
	cr_expect(sl_allowed_ips_next(ips, 7, &cursor, &p) && sl_prefix_equal(&p, &new), "in the order given");
	cr_expect(sl_allowed_ips_next(ips, 7, &cursor, &p) && sl_prefix_equal(&p, &keep));
	cr_expect_not(sl_allowed_ips_next(ips, 7, &cursor, &p));
}

Test(allowed_ips, random_changes_against_a_plain_model_and_down_to_empty)
{
	enum { PREFIXES = 512, PEERS = 16, STEPS = 20000 };
	uint32_t owner[PREFIXES];

	srand(1);
	for (unsigned i = 0; i < PREFIXES; i++)
		owner[i] = SL_PEER_NONE;
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned i = (unsigned)rand() % PREFIXES;
		uint32_t peer = (uint32_t)rand() % PEERS;
		struct sl_prefix p = {.addr = sl_ip4((uint8_t[]){10, (uint8_t)(i >> 4), (uint8_t)(i << 4), 0}), .len = 28};

		switch (rand() % 8) {
		case 0:
			cr_assert_eq(sl_allowed_ips_remove(ips, WG0, peer, &p), owner[i] == peer ? 0 : -ENOENT);
			if (owner[i] == peer)
				owner[i] = SL_PEER_NONE;
			break;
		case 1:
			if (rand() % 50 == 0) {
				sl_allowed_ips_remove_all(ips, peer);
				for (unsigned k = 0; k < PREFIXES; k++)
					owner[k] = owner[k] == peer ? SL_PEER_NONE : owner[k];
			}
			break;
		default:
			cr_assert_eq(sl_allowed_ips_add(ips, WG0, peer, &p, NULL), 0);
			owner[i] = peer;
		}
	}
	for (uint32_t peer = 0; peer < PEERS; peer++) {
		uint32_t cursor = 0, listed = 0, owned = 0;
		struct sl_prefix p;

		for (unsigned i = 0; i < PREFIXES; i++)
			owned += owner[i] == peer;
		while (sl_allowed_ips_next(ips, peer, &cursor, &p)) {
			unsigned i = (unsigned)p.addr.bytes[1] << 4 | p.addr.bytes[2] >> 4;

			cr_assert_eq(owner[i], peer);
			cr_assert_eq(sl_lpm_lookup(keys0, &p.addr), peer + 1);
			listed++;
		}
		cr_assert_eq(listed, owned);
		cr_assert_eq(sl_allowed_ips_count(ips, peer), owned);
		cr_assert_eq(sl_allowed_ips_remove_all(ips, peer), owned);
	}
	cr_expect_eq(sl_allowed_ips_total(ips), 0);
	cr_expect_eq(sl_lpm_count(keys0), 0);
	cr_expect_eq(sl_lpm_count(dp->routes.lpm), 0);
}
