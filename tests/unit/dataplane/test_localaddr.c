/* Our own addresses: exact matches, scopes, and sets of every size. */
#include "dataplane/localaddr.h"

#include <errno.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "tests/unit/dataplane/qsbr.h"

#define UNI  SL_LOCALADDR_UNICAST
#define LINK (SL_LOCALADDR_UNICAST | SL_LOCALADDR_SCOPED)
#define MC   (SL_LOCALADDR_MULTICAST | SL_LOCALADDR_SCOPED)

static struct sl_ip ip(const char *text)
{
	struct sl_ip a;

	cr_assert(sl_ip_parse(text, &a), "%s", text);
	return a;
}

static const struct {
	const char *ip;
	uint8_t flags;
	uint16_t l3_if;
} ours[] = {
        {"203.0.113.10", UNI, 1},
        {"203.0.113.255", SL_LOCALADDR_BROADCAST, 1},
        {"255.255.255.255", SL_LOCALADDR_BROADCAST | SL_LOCALADDR_SCOPED, 1},
        {"255.255.255.255", SL_LOCALADDR_BROADCAST | SL_LOCALADDR_SCOPED, 2},
        {"10.64.0.1", UNI, 3},
        {"fd00:64::1", UNI, 3},
        {"fe80::1", LINK, 1},
        {"fe80::1", LINK, 2},
        {"ff02::1", MC, 1},
        {"ff02::1", MC, 2},
        {"ff02::1:ff00:1", MC, 1},
        {"10.64.0.1", SL_LOCALADDR_BROADCAST, 3}, /* merged with the one above */
        {"10.7.7.7", UNI, 4},
        {"10.7.7.7", UNI, 5},
};

static const struct {
	const char *ip;
	uint16_t in_if;
	bool found;
	uint16_t l3_if;
	uint8_t flags;
} cases[] = {
        {"203.0.113.10", 1, true, 1, UNI},
        {"203.0.113.10", 9, true, 1, UNI},
        {"203.0.113.11", 1, false, 0, 0},
        {"203.0.113.255", 2, true, 1, SL_LOCALADDR_BROADCAST},
        {"255.255.255.255", 2, true, 2, SL_LOCALADDR_BROADCAST | SL_LOCALADDR_SCOPED},
        {"255.255.255.255", 3, false, 0, 0},
        {"10.64.0.1", 1, true, 3, UNI | SL_LOCALADDR_BROADCAST},
        {"fd00:64::1", 1, true, 3, UNI},
        {"fd00:64::2", 3, false, 0, 0},
        {"fe80::1", 1, true, 1, LINK},
        {"fe80::1", 2, true, 2, LINK},
        {"fe80::1", 3, false, 0, 0},
        {"ff02::1", 2, true, 2, MC},
        {"ff02::1:ff00:1", 1, true, 1, MC},
        {"ff02::1:ff00:1", 2, false, 0, 0},
        {"10.7.7.7", 5, true, 5, UNI},
        {"10.7.7.7", 1, true, 4, UNI},
        {"a40:1::", 3, false, 0, 0}, /* the bytes of 10.64.0.1 in the other family */
        {"0.0.0.0", 1, false, 0, 0},
        {"::", 1, false, 0, 0},
};

Test(localaddr, table)
{
	enum { N = sizeof(ours) / sizeof(*ours) };
	struct sl_localaddr_entry entries[N];
	struct sl_localaddr *set;

	for (unsigned i = 0; i < N; i++)
		entries[i] = (struct sl_localaddr_entry){ip(ours[i].ip), ours[i].flags, ours[i].l3_if};
	cr_assert_eq(sl_localaddr_create(&set, entries, N), 0);
	memset(entries, 0, sizeof(entries));
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct sl_ip a = ip(cases[i].ip);
		const struct sl_localaddr_entry *e = sl_localaddr_lookup(set, &a, cases[i].in_if);

		cr_assert_eq(e != NULL, cases[i].found, "%s on %u", cases[i].ip, cases[i].in_if);
		if (e == NULL)
			continue;
		cr_expect(sl_ip_equal(&e->ip, &a));
		cr_expect_eq(e->l3_if, cases[i].l3_if, "%s on %u", cases[i].ip, cases[i].in_if);
		cr_expect_eq(e->flags, cases[i].flags, "%s on %u", cases[i].ip, cases[i].in_if);
	}
	sl_localaddr_destroy(set);
}

Test(localaddr, empty_and_none)
{
	struct sl_localaddr *set;
	struct sl_ip a = ip("10.0.0.1"), none = {.family = SL_AF_NONE};
	struct sl_localaddr_entry bad = {.ip = none};

	cr_assert_eq(sl_localaddr_create(&set, NULL, 0), 0);
	cr_expect_null(sl_localaddr_lookup(set, &a, 1));
	cr_expect_null(sl_localaddr_lookup(set, &none, 1));
	cr_expect_null(sl_localaddr_lookup(NULL, &a, 1));
	sl_localaddr_destroy(set);
	sl_localaddr_destroy(NULL);
	cr_expect_eq(sl_localaddr_create(&set, &bad, 1), -EINVAL);
	cr_expect_eq(sl_localaddr_create(&set, &bad, 65537), -EINVAL);
}

/* Sets of 1, 2, 4 … 4096 of each family: all of them are found, their neighbours are not. */
Test(localaddr, sizes)
{
	struct sl_localaddr_entry *entries = calloc(8192, sizeof(*entries));

	cr_assert_not_null(entries);
	for (uint32_t n = 1; n <= 4096; n *= 2) {
		struct sl_localaddr *set;

		for (uint32_t i = 0; i < n; i++) {
			uint8_t v4[4] = {10, (uint8_t)(i >> 8), (uint8_t)i, 2},
			        v6[16] = {0xfd, 0, 0, (uint8_t)(i >> 8), (uint8_t)i};

			v6[15] = 2;
			entries[2 * i] = (struct sl_localaddr_entry){sl_ip4(v4), UNI, (uint16_t)i};
			entries[2 * i + 1] = (struct sl_localaddr_entry){sl_ip6(v6), UNI, (uint16_t)i};
		}
		cr_assert_eq(sl_localaddr_create(&set, entries, 2 * n), 0);
		for (uint32_t i = 0; i < 2 * n; i++) {
			const struct sl_localaddr_entry *e = sl_localaddr_lookup(set, &entries[i].ip, UINT16_MAX);
			struct sl_ip other = entries[i].ip;

			cr_assert_not_null(e);
			cr_assert(sl_ip_equal(&e->ip, &entries[i].ip));
			cr_assert_eq(e->l3_if, entries[i].l3_if);
			if (e->ip.family == SL_AF_INET)
				cr_assert(sl_localaddr_may_have(set, sl_localaddr_hash4(e->ip.bytes)));
			other.bytes[sl_family_bytes(other.family) - 1] ^= 1;
			cr_assert_null(sl_localaddr_lookup(set, &other, entries[i].l3_if));
		}
		sl_localaddr_destroy(set);
	}
	free(entries);
}

/* Nearly all addresses that are not in a set are told by the filter. */
Test(localaddr, filter_tells_most_misses)
{
	struct sl_localaddr_entry *entries = calloc(1000, sizeof(*entries));
	struct sl_localaddr *set;
	unsigned passed = 0;

	cr_assert_not_null(entries);
	for (uint32_t i = 0; i < 1000; i++) {
		uint8_t v4[4] = {10, (uint8_t)(i >> 8), (uint8_t)i, 2};

		entries[i] = (struct sl_localaddr_entry){sl_ip4(v4), UNI, 1};
	}
	cr_assert_eq(sl_localaddr_create(&set, entries, 1000), 0);
	for (uint32_t i = 0; i < 65536; i++) {
		uint8_t v4[4] = {172, 16, (uint8_t)(i >> 8), (uint8_t)i};

		passed += sl_localaddr_may_have(set, sl_localaddr_hash4(v4));
		cr_assert_null(sl_localaddr_lookup4(set, v4, 1));
	}
	cr_expect_lt(passed, 65536 / 8, "%u", passed);
	cr_expect_not(sl_localaddr_may_have(NULL, 0));
	sl_localaddr_destroy(set);
	free(entries);
}

Test(localaddr, retire_waits_for_readers)
{
	struct rte_rcu_qsbr *rcu = test_qsbr(1);
	struct sl_localaddr_entry entry = {ip("10.0.0.1"), UNI, 1};
	struct sl_localaddr *set;
	struct sl_reclaim r;

	sl_reclaim_init(&r, rcu);
	cr_assert_eq(rte_rcu_qsbr_thread_register(rcu, 0), 0);
	rte_rcu_qsbr_thread_online(rcu, 0);
	cr_assert_eq(sl_localaddr_create(&set, &entry, 1), 0);
	sl_localaddr_retire(set, &r);
	sl_localaddr_retire(NULL, &r);
	cr_expect_eq(sl_reclaim_poll(&r), 0);
	cr_expect_not_null(sl_localaddr_lookup(set, &entry.ip, 1));
	rte_rcu_qsbr_quiescent(rcu, 0);
	cr_expect_eq(sl_reclaim_poll(&r), 1);
	free(rcu);
}
