/* The token bucket and the load state, on a virtual clock (protocol.md 17, 18). */
#include "control/proto/limiter.h"
#include "control/proto/load.h"

#include "crypto/protocol.h"

#include <criterion/criterion.h>

#define START (UINT64_C(5000) * SL_NSEC_PER_SEC)
#define MS    SL_NSEC_PER_MSEC

static struct sl_limiter limiter;

static void
teardown(void)
{
	sl_limiter_fini(&limiter);
}

TestSuite(proto_limiter, .fini = teardown);

static bool
allow(const char *text, uint64_t now)
{
	struct sl_ip ip;

	cr_assert(sl_ip_parse(text, &ip));
	return sl_limiter_allow(&limiter, &ip, now, &sl_rng_kernel);
}

Test(proto_limiter, p18_twenty_a_second_and_five_at_once)
{
	static const struct {
		uint64_t ms;
		bool allowed;
	} steps[] = {{0, true}, {0, true}, {0, true}, {0, true}, {0, true}, {0, false}, {25, false}, {49, false},
		{50, true}, {50, false}, {99, false}, {100, true}, {151, true}, {199, false}, {200, true}, {900, true},
		{900, true}, {900, true}, {900, true}, {900, true}, {900, false}};

	for (unsigned i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		cr_assert_eq(allow("198.51.100.7", START + steps[i].ms * MS), steps[i].allowed, "step %u", i);
}

Test(proto_limiter, p18_rate_over_a_long_time)
{
	unsigned allowed = 0;

	for (unsigned ms = 0; ms < 10000; ms++)
		allowed += allow("198.51.100.7", START + ms * MS);
	cr_assert_eq(allowed, 5 + 199);
}

Test(proto_limiter, p18_by_ipv4_address_and_ipv6_64)
{
	for (unsigned i = 0; i < 5; i++) {
		cr_assert(allow("198.51.100.7", START));
		cr_assert(allow("2001:db8:1:2::1", START));
	}
	cr_assert_not(allow("198.51.100.7", START));
	cr_assert(allow("198.51.100.6", START));
	cr_assert_not(allow("2001:db8:1:2::1", START));
	cr_assert_not(allow("2001:db8:1:2:ffff::9", START), "the same /64");
	cr_assert(allow("2001:db8:1:3::1", START));
	/* An IPv4 address is not the /64 that has the same bytes. */
	cr_assert(allow("c633:6407::", START));
}

Test(proto_limiter, p18_capped_and_collected)
{
	struct sl_ip ip = {.family = SL_AF_INET6, .bytes = {0x20, 0x01}};

	for (unsigned i = 0; i < SL_LIMITER_ENTRIES; i++) {
		memcpy(ip.bytes + 4, &i, 4);
		cr_assert(sl_limiter_allow(&limiter, &ip, START, &sl_rng_kernel), "source %u", i);
	}
	cr_assert_eq(limiter.used, SL_LIMITER_ENTRIES);
	cr_assert_not(allow("198.51.100.7", START), "at the cap new sources are refused");
	cr_assert(sl_limiter_allow(&limiter, &ip, START, &sl_rng_kernel), "known ones are not");
	cr_assert_not(allow("198.51.100.7", START + SL_NSEC_PER_SEC), "idle for 1 s is not more than 1 s");
	/* a few with every call, and more than one call brings */
	cr_assert(allow("198.51.100.7", START + 2 * SL_NSEC_PER_SEC + 1));
	cr_assert_eq(limiter.used, SL_LIMITER_ENTRIES - SL_LIMITER_COLLECT + 1, "%u are left", limiter.used);
	for (unsigned i = 0; i < SL_LIMITER_ENTRIES / SL_LIMITER_COLLECT; i++)
		allow("198.51.100.7", START + 2 * SL_NSEC_PER_SEC + 2);
	cr_assert_eq(limiter.used, 1, "%u are left", limiter.used);
}

/* Whoever was used last goes last, whenever it came. */
Test(proto_limiter, p18_idle_is_since_the_last_use)
{
	static const char *const sources[] = {"198.51.100.1", "198.51.100.2", "198.51.100.3"};

	for (unsigned i = 0; i < 3; i++)
		cr_assert(allow(sources[i], START));
	cr_assert(allow(sources[1], START + SL_NSEC_PER_SEC / 2));
	cr_assert(allow(sources[0], START + SL_NSEC_PER_SEC / 2 + MS));
	cr_assert(allow("198.51.100.4", START + SL_NSEC_PER_SEC + MS));
	cr_assert_eq(limiter.used, 3, "the third alone has gone");
	cr_assert(allow("198.51.100.4", START + SL_NSEC_PER_SEC + 501 * MS));
	cr_assert_eq(limiter.used, 2, "then the second");
	cr_assert(allow("198.51.100.4", START + SL_NSEC_PER_SEC + 502 * MS));
	cr_assert_eq(limiter.used, 1, "then the first");
}

Test(proto_limiter, p18_a_collected_source_starts_afresh)
{
	for (unsigned i = 0; i < 5; i++)
		allow("198.51.100.7", START);
	cr_assert_not(allow("198.51.100.7", START));
	for (unsigned i = 0; i < 5; i++)
		cr_assert(allow("198.51.100.7", START + 3 * SL_NSEC_PER_SEC));
	cr_assert_not(allow("198.51.100.7", START + 3 * SL_NSEC_PER_SEC));
}

Test(proto_load, p17_from_an_eighth_of_the_ring_and_for_a_second)
{
	static const struct {
		uint32_t waiting, capacity;
		bool loaded;
	} cases[] = {{0, 1024, false}, {127, 1024, false}, {128, 1024, true}, {1024, 1024, true}, {127, 1023, false},
		{128, 1023, true}, {536870911, UINT32_MAX, false}, {UINT32_MAX, UINT32_MAX, true}};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct sl_load load = {0};

		sl_load_note(&load, cases[i].waiting, cases[i].capacity, START);
		cr_assert_eq(sl_load_is(&load, START), cases[i].loaded, "case %u", i);
		sl_load_note(&load, 0, cases[i].capacity, START + 1);
		cr_assert_eq(sl_load_is(&load, START + SL_NSEC_PER_SEC - 1), cases[i].loaded, "case %u", i);
		cr_assert_not(sl_load_is(&load, START + SL_NSEC_PER_SEC), "case %u", i);
	}
}
