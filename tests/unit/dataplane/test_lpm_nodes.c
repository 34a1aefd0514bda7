/* Longest-prefix-match tables of a few prefixes: which nodes they are made of, and what lies just beside a prefix. */
#include "dataplane/lpm_table.h"

#include <stdlib.h>

#include <criterion/criterion.h>

#include "tests/unit/dataplane/qsbr.h"

static struct rte_rcu_qsbr *rcu;
static struct sl_reclaim reclaim;
static struct sl_lpm *lpm;

static void setup(void)
{
	rcu = test_qsbr(1);
	sl_reclaim_init(&reclaim, rcu);
	cr_assert_eq(sl_lpm_create(&lpm, &reclaim, 0), 0);
}

static void teardown(void)
{
	sl_lpm_destroy(lpm);
	sl_reclaim_drain(&reclaim);
	free(rcu);
}

TestSuite(lpm_nodes, .init = setup, .fini = teardown);

static struct sl_prefix prefix(const char *text)
{
	struct sl_prefix p;

	cr_assert(sl_prefix_parse(text, &p), "%s", text);
	return p;
}

static struct sl_ip ip(const char *text)
{
	struct sl_ip a;

	cr_assert(sl_ip_parse(text, &a), "%s", text);
	return a;
}

/* Nodes of the first two bytes are arrays early, and as few prefixes leave them, no nodes at all. */
Test(lpm_nodes, arrays_at_the_top)
{
	struct sl_prefix a = prefix("10.1.2.0/24"), b = prefix("192.168.1.0/24"), c;

	cr_expect_eq(sl_lpm_set(lpm, &a, 1, NULL), 0);
	cr_expect_eq(sl_lpm_kind(sl_lpm_ref(lpm->work[0])), SL_LPM_EDGE);
	cr_expect_eq(sl_lpm_set(lpm, &b, 2, NULL), 0);
	cr_expect_eq(sl_lpm_kind(sl_lpm_ref(lpm->work[0])), SL_LPM_DIRECT);
	cr_expect_eq(sl_lpm_remove(lpm, &a, NULL), 0);
	cr_expect_eq(sl_lpm_kind(sl_lpm_ref(lpm->work[0])), SL_LPM_EDGE);
	cr_expect_eq(sl_lpm_remove(lpm, &b, NULL), 0);
	cr_expect_eq(lpm->work[0], 0);
	for (unsigned at = 1; at <= 3; at++) {
		const struct sl_lpm_edge *e;

		c = prefix("10.0.0.0/32");
		for (unsigned i = 0; i < 20; i++) {
			c.addr.bytes[at] = (uint8_t)(i * 2);
			cr_expect_eq(sl_lpm_set(lpm, &c, i + 1, NULL), 0);
		}
		e = sl_lpm_node(lpm->base, sl_lpm_ref(lpm->work[0]));
		cr_assert_eq(sl_lpm_kind(sl_lpm_ref(lpm->work[0])), SL_LPM_EDGE);
		cr_expect_eq(sl_lpm_kind(sl_lpm_ref(e->slot)), at == 1 ? SL_LPM_DIRECT : SL_LPM_SPARSE,
		        "20 prefixes that differ in byte %u", at);
		for (unsigned i = 0; i < 20; i++) {
			c.addr.bytes[at] = (uint8_t)(i * 2);
			cr_expect_eq(sl_lpm_remove(lpm, &c, NULL), 0);
		}
		cr_expect_eq(lpm->work[0], 0);
	}
}

/* Addresses that part from a prefix in its last bit, or behind it. */
Test(lpm_nodes, p44_bursts_beside_edges)
{
	static const struct {
		const char *addr;
		uint32_t value;
	} cases[] = {{"10.1.2.3", 3}, {"10.1.2.2", 2}, {"10.1.2.130", 0}, {"10.1.3.3", 0}, {"10.2.2.3", 0},
	        {"11.1.2.3", 0}, {"10.1.2.127", 2}, {"172.16.255.9", 4}, {"172.17.0.1", 0}};
	enum { N = sizeof(cases) / sizeof(*cases) };
	struct sl_prefix half = prefix("10.1.2.0/25"), host = prefix("10.1.2.3/32"), net = prefix("172.16.0.0/16");
	uint32_t addrs[N], values[N];

	for (unsigned i = 0; i < N; i++) {
		struct sl_ip a = ip(cases[i].addr);

		memcpy(&addrs[i], a.bytes, sizeof(addrs[i]));
	}
	cr_expect_eq(sl_lpm_set(lpm, &half, 2, NULL), 0);
	cr_expect_eq(sl_lpm_set(lpm, &host, 3, NULL), 0);
	cr_expect_eq(sl_lpm_set(lpm, &net, 4, NULL), 0);
	atomic_store(&lpm->compact, false);
	sl_lpm_lookup4_burst(lpm, 0, addrs, values, N);
	for (unsigned i = 0; i < N; i++) {
		cr_expect_eq(values[i], cases[i].value, "%s in a burst", cases[i].addr);
		cr_expect_eq(sl_lpm_lookup4(lpm, &addrs[i]), cases[i].value, "%s", cases[i].addr);
	}
}
