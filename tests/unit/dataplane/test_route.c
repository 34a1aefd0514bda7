#include <criterion/criterion.h>

#include "tests/unit/dataplane/support.h"

#define P(slot) SL_ROUTE(SL_ROUTE_PEER, slot)

static void
lookup_both(const struct rig *r, const char *text, uint32_t want)
{
	struct sl_ip ip = rig_ip(text);
	const struct sl_ip *dst = &ip;
	uint32_t value;

	cr_expect_eq(sl_route_lookup(&r->dp->routes, &ip), want, "%s", text);
	sl_route_lookup_burst(&r->dp->routes, &dst, &value, 1);
	cr_expect_eq(value, want, "%s in a burst", text);
	if (ip.family == SL_AF_INET) {
		uint32_t addr;

		memcpy(&addr, ip.bytes, sizeof(addr));
		sl_route_lookup4_burst(&r->dp->routes, &addr, &value, 1);
		cr_expect_eq(value, want, "%s in a burst of IPv4", text);
	}
}

static void
outer_both(const struct rig *r, const char *text, uint16_t own, uint32_t want)
{
	struct sl_ip ip = rig_ip(text);
	const struct sl_ip *dst = &ip;
	uint32_t value;

	cr_expect_eq(sl_route_lookup_outer(&r->dp->routes, &r->dp->peers, &ip, own), want, "%s", text);
	sl_route_lookup_outer_burst(&r->dp->routes, &r->dp->peers, &dst, &own, &value, 1);
	cr_expect_eq(value, want, "%s in a burst", text);
}

static struct rig *
tables(void)
{
	struct rig *r = rig_create(1);

	rig_peer(r, 5, RIG_WG0, NULL, NULL);
	rig_peer(r, 6, RIG_WG1, NULL, NULL);
	rig_allow(r, 5, "10.64.0.2/32");
	rig_allow(r, 5, "198.51.0.0/16");
	rig_allow(r, 6, "198.51.100.0/24");
	rig_allow(r, 6, "fd00:99::/32");
	return r;
}

Test(route, longest_prefix_and_kinds)
{
	struct rig *r = tables();

	lookup_both(r, "10.64.0.2", P(5));
	lookup_both(r, "10.64.0.3", SL_ROUTE(SL_ROUTE_IF, RIG_WG0));
	lookup_both(r, "10.20.3.4", SL_ROUTE(SL_ROUTE_IF, RIG_LAN));
	lookup_both(r, "198.51.100.1", P(6));
	lookup_both(r, "198.51.1.1", P(5));
	lookup_both(r, "8.8.8.8", SL_ROUTE(SL_ROUTE_VIA, 0));
	lookup_both(r, "fd00:99::1", P(6));
	lookup_both(r, "2001:db8:1::1", SL_ROUTE(SL_ROUTE_VIA, 1));
	rig_destroy(r);
}

/* A full tunnel takes what no other route takes, and outer packets take no notice of it. */
Test(route, allowed_default_is_for_inner_packets)
{
	struct rig *r = tables();
	struct sl_prefix all;

	rig_allow(r, 5, "0.0.0.0/0");
	rig_allow(r, 6, "::/0");
	lookup_both(r, "8.8.8.8", SL_ROUTE(SL_ROUTE_VIA, 0));
	cr_assert(sl_prefix_parse("0.0.0.0/0", &all));
	cr_assert_eq(sl_lpm_remove(r->dp->routes.lpm, &all, NULL), 0);
	cr_assert(sl_prefix_parse("::/0", &all));
	cr_assert_eq(sl_lpm_remove(r->dp->routes.lpm, &all, NULL), 0);
	lookup_both(r, "8.8.8.8", P(5));
	lookup_both(r, "2001:4860::8", P(6));
	lookup_both(r, "10.20.3.4", SL_ROUTE(SL_ROUTE_IF, RIG_LAN));
	outer_both(r, "8.8.8.8", RIG_WG1, 0);
	outer_both(r, "2001:4860::8", RIG_WG0, 0);
	rig_destroy(r);
}

/* Outer packets never take a route into the interface they leave; the next shorter prefix counts, however many. */
Test(route, outer_packets_step_over_their_own_interface)
{
	struct rig *r = tables();

	outer_both(r, "198.51.100.1", RIG_WG0, P(6));
	outer_both(r, "198.51.100.1", RIG_WG1, P(5));
	outer_both(r, "198.51.1.1", RIG_WG0, SL_ROUTE(SL_ROUTE_VIA, 0));
	rig_allow(r, 5, "198.51.100.0/25");
	outer_both(r, "198.51.100.1", RIG_WG0, P(6));
	outer_both(r, "198.51.100.1", RIG_WG1, P(5));
	rig_allow(r, 6, "198.51.100.0/26");
	outer_both(r, "198.51.100.1", RIG_WG0, P(6));
	outer_both(r, "10.64.0.2", RIG_WG0, SL_ROUTE(SL_ROUTE_VIA, 0));
	outer_both(r, "10.64.9.9", RIG_WG0, SL_ROUTE(SL_ROUTE_VIA, 0));
	outer_both(r, "10.64.9.9", RIG_WG1, SL_ROUTE(SL_ROUTE_IF, RIG_WG0));
	/* a next hop inside the own interface is such a route too */
	r->dp->routes.next_hops[7] = (struct sl_next_hop){.gateway = rig_ip("10.64.0.9"), .out_if = RIG_WG0};
	rig_route(r, "192.0.2.0/24", SL_ROUTE(SL_ROUTE_VIA, 7));
	outer_both(r, "192.0.2.1", RIG_WG0, SL_ROUTE(SL_ROUTE_VIA, 0));
	outer_both(r, "192.0.2.1", RIG_WG1, SL_ROUTE(SL_ROUTE_VIA, 7));
	rig_destroy(r);
}

Test(route, bursts_of_any_size)
{
	struct rig *r = tables();
	struct sl_ip ips[3] = {rig_ip("10.64.0.2"), rig_ip("8.8.8.8"), rig_ip("fd00:99::1")};
	uint32_t want[3] = {P(5), SL_ROUTE(SL_ROUTE_VIA, 0), P(6)};
	const struct sl_ip *dst[200];
	uint32_t values[200], addrs[200];

	for (unsigned i = 0; i < 200; i++)
		dst[i] = &ips[i % 3];
	for (unsigned n = 0; n <= 200; n++) {
		memset(values, 0xff, sizeof(values));
		sl_route_lookup_burst(&r->dp->routes, dst, values, n);
		for (unsigned i = 0; i < n; i++)
			cr_assert_eq(values[i], want[i % 3], "%u of %u", i, n);
		cr_assert(n == 200 || values[n] == UINT32_MAX);
	}
	for (unsigned i = 0; i < 200; i++)
		memcpy(&addrs[i], ips[i % 2].bytes, sizeof(*addrs));
	for (unsigned n = 0; n <= 200; n++) {
		memset(values, 0xff, sizeof(values));
		sl_route_lookup4_burst(&r->dp->routes, addrs, values, n);
		for (unsigned i = 0; i < n; i++)
			cr_assert_eq(values[i], want[i % 2], "%u of %u", i, n);
		cr_assert(n == 200 || values[n] == UINT32_MAX);
	}
	rig_destroy(r);
}
