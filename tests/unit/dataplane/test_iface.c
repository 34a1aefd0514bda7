#include <criterion/criterion.h>

#include "dataplane/iface.h"

static void
add(struct sl_if *ifp, const char *text)
{
	cr_assert(sl_prefix_parse(text, &ifp->addresses[ifp->n_addresses++]));
}

struct source_case {
	const char *to, *from; /* from NULL: none */
};

static void
check(const struct sl_if *ifp, const struct source_case *cases, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct sl_ip *from;
		char text[SL_IP_STRLEN];
		struct sl_ip to;

		cr_assert(sl_ip_parse(cases[i].to, &to));
		from = sl_if_source(ifp, &to);
		if (cases[i].from == NULL)
			cr_expect_null(from, "to %s", cases[i].to);
		else
			cr_expect(from && strcmp(sl_ip_format(from, text), cases[i].from) == 0, "to %s: %s", cases[i].to,
				from ? text : "none");
	}
}

Test(iface, source_lies_in_the_destinations_prefix)
{
	static const struct source_case cases[] = {
		{"192.0.2.77", "192.0.2.1"},
		{"10.1.2.3", "10.1.0.1"},
		{"10.1.255.255", "10.1.0.1"},
		{"8.8.8.8", "192.0.2.1"},
		{"169.254.3.4", "169.254.1.1"},
		{"fd00:1::7", "fd00:1::1"},
		{"fd00:2::7", "fd00:2::1"},
		{"2001:db8::1", "fd00:1::1"},
		{"fe80::77", "fe80::1"},
		{"ff02::1", "fd00:1::1"},
	};
	struct sl_if ifp = {.kind = SL_IF_PORT};

	add(&ifp, "169.254.1.1/16");
	add(&ifp, "fe80::1/64");
	add(&ifp, "192.0.2.1/24");
	add(&ifp, "10.1.0.1/16");
	add(&ifp, "fd00:1::1/64");
	add(&ifp, "fd00:2::1/64");
	check(&ifp, cases, sizeof(cases) / sizeof(cases[0]));
}

Test(iface, no_source_of_the_family)
{
	static const struct source_case cases[] = {
		{"2001:db8::1", NULL}, /* link-local does not reach there */
		{"10.0.0.1", NULL},
		{"fe80::9", "fe80::1"},
	};
	struct sl_if ifp = {.kind = SL_IF_PORT};

	add(&ifp, "fe80::1/64");
	check(&ifp, cases, sizeof(cases) / sizeof(cases[0]));
}
