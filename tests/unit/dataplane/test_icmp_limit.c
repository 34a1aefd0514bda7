#include <criterion/criterion.h>

#include "crypto/protocol.h"
#include "dataplane/icmp_limit.h"
#include "tests/unit/dataplane/support.h"

static unsigned
ask(struct sl_icmp_limit *l, const char *to, uint64_t now, unsigned times)
{
	struct sl_ip ip = rig_ip(to);
	unsigned allowed = 0;

	for (unsigned i = 0; i < times; i++)
		allowed += sl_icmp_limit_allow(l, &ip, now);
	return allowed;
}

static struct sl_icmp_limit *
limit(void)
{
	struct sl_icmp_limit *l;

	rig_eal();
	l = sl_icmp_limit_create(42, SOCKET_ID_ANY);
	cr_assert_not_null(l);
	return l;
}

Test(icmp_limit, a_source_has_a_burst_and_a_rate)
{
	struct sl_icmp_limit *l = limit();
	uint64_t step = SL_NSEC_PER_SEC / SL_ICMP_LIMIT_SOURCE_RATE;
	uint64_t now = 5;

	cr_expect_eq(ask(l, "10.0.0.1", now, 50), SL_ICMP_LIMIT_SOURCE_BURST);
	cr_expect_eq(ask(l, "10.0.0.1", now + step - 1, 50), 0);
	cr_expect_eq(ask(l, "10.0.0.1", now + step, 50), 1);
	/* parts of a token are not lost */
	cr_expect_eq(ask(l, "10.0.0.1", now + step * 3 / 2, 50), 0);
	cr_expect_eq(ask(l, "10.0.0.1", now + step * 2, 50), 1);
	cr_expect_eq(ask(l, "10.0.0.1", now + step * 2 - 1, 50), 0, "time may not give by going back");
	cr_expect_eq(ask(l, "10.0.0.1", now + 3600 * SL_NSEC_PER_SEC, 50), SL_ICMP_LIMIT_SOURCE_BURST);
	sl_icmp_limit_destroy(l);
}

Test(icmp_limit, sources_do_not_disturb_each_other_but_a_64_is_one)
{
	struct sl_icmp_limit *l = limit();

	cr_expect_eq(ask(l, "10.0.0.1", 0, 50), SL_ICMP_LIMIT_SOURCE_BURST);
	cr_expect_eq(ask(l, "10.0.0.2", 0, 50), SL_ICMP_LIMIT_SOURCE_BURST);
	cr_expect_eq(ask(l, "2001:db8::1", 0, 50), SL_ICMP_LIMIT_SOURCE_BURST);
	cr_expect_eq(ask(l, "2001:db8::2", 0, 50), 0);
	cr_expect_eq(ask(l, "2001:db8:0:1::1", 0, 50), SL_ICMP_LIMIT_SOURCE_BURST);
	sl_icmp_limit_destroy(l);
}

Test(icmp_limit, all_sources_share_a_global_rate)
{
	struct sl_icmp_limit *l = limit();
	uint64_t now = SL_NSEC_PER_SEC;
	unsigned allowed = 0;

	for (unsigned second = 0; second < 2; second++) {
		for (unsigned i = 0; i < 60000; i++) {
			char text[SL_IP_STRLEN];

			snprintf(text, sizeof(text), "10.%u.%u.%u", second, i / 256, i % 256);
			allowed += ask(l, text, now + second * SL_NSEC_PER_SEC, 1);
		}
		if (second == 0)
			cr_expect_eq(allowed, SL_ICMP_LIMIT_GLOBAL_BURST);
	}
	cr_expect_eq(allowed, 2 * SL_ICMP_LIMIT_GLOBAL_BURST);
	sl_icmp_limit_destroy(l);
}
