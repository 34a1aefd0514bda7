/* The next free address of a pool. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/pool.h"

#define SECRET "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
#define KEY_A  "TDd25Cwq6tMZANIKUaqred+Zt+09HtCqwFeOLtKQ9Cs="
#define KEY_B  "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="

static const struct {
	const char *interface; /* addresses, pool */
	const char *allowed_a, *allowed_b;
	const char *next4, *next6; /* NULL: none */
} cases[] = {
        {"addresses: [10.64.0.1/16, 'fd00:64::1/64']", "", "", "10.64.0.2/32", "fd00:64::2/128"},
        {"addresses: [10.64.0.1/16]", "10.64.0.2", "10.64.0.4", "10.64.0.3/32", NULL},
        {"addresses: [10.64.0.7/16]", "10.64.0.1", "10.64.0.2/31", "10.64.0.4/32", NULL},
        {"addresses: [10.64.0.1/16]", "10.64.0.0/17, 0.0.0.0/0", "", "10.64.128.0/32", NULL},
        {"addresses: [10.64.0.1/16]", "10.64.0.0/16", "", "10.64.0.2/32", NULL},
        {"addresses: [10.64.0.1/30]", "", "", "10.64.0.2/32", NULL},
        {"addresses: [10.64.0.1/30]", "10.64.0.2", "", NULL, NULL},
        {"addresses: [10.64.0.0/31]", "", "", "10.64.0.1/32", NULL},
        {"addresses: [10.64.0.1/32]", "", "", NULL, NULL},
        {"addresses: [10.64.0.1/16], pool: [10.64.8.0/24]", "10.64.0.2", "", "10.64.8.1/32", NULL},
        {"addresses: [10.64.0.1/16], pool: [10.64.8.0/30, 10.64.9.0/30]", "10.64.8.1, 10.64.8.2", "", "10.64.9.1/32",
                NULL},
        {"addresses: [10.64.0.1/16], pool: ['fd00::/126']", "'fd00::1/128', 'fd00::2'", "", NULL, "fd00::3/128"},
        {"addresses: [10.64.0.1/16], pool: ['fd00::/126']", "'fd00::1/128', 'fd00::2/127'", "", NULL, NULL},
        {"addresses: ['fd00:1::ffff/112']", "'fd00:1::1', 'fd00:1::2/127', 'fd00:1::4/126'", "'fd00:1::8/125'", NULL,
                "fd00:1::10/128"},
};

static void expect_next(const struct sl_config_interface *ifp, uint8_t family, const char *expected, size_t i)
{
	struct sl_prefix got;
	char text[SL_PREFIX_STRLEN];
	bool found = sl_pool_next(ifp, family, NULL, 0, &got);

	cr_expect_eq(found, expected != NULL, "case %zu: %s", i, found ? sl_prefix_format(&got, text) : "none");
	if (found && expected)
		cr_expect_str_eq(sl_prefix_format(&got, text), expected, "case %zu", i);
}

Test(pool, gives_the_lowest_that_is_free)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_config_errors errs;
		struct sl_config *config;
		char text[1024];

		snprintf(text, sizeof(text),
		        "version: 1\nports: {p: {device: net_null0}}\ninterfaces: {wg0: {private-key: " SECRET
		        ", %s, peers: {a: {public-key: " KEY_A ", allowed-ips: [%s]}, b: {public-key: " KEY_B
		        ", allowed-ips: [%s], disabled: true}}}}\n",
		        cases[i].interface, cases[i].allowed_a, cases[i].allowed_b);
		sl_config_errors_init(&errs);
		config = sl_config_load_text("t.yaml", text, strlen(text), &errs);
		sl_config_errors_print(&errs, stderr);
		cr_assert_not_null(config);
		expect_next(&config->interfaces[0], SL_AF_INET, cases[i].next4, i);
		expect_next(&config->interfaces[0], SL_AF_INET6, cases[i].next6, i);
		sl_config_free(config);
		sl_config_errors_free(&errs);
	}
}

/* What peers have that are in no file. */
Test(pool, others_than_those_of_the_files_are_taken_as_well)
{
	struct sl_config_address address;
	struct sl_config_interface ifp = {.name = "wg0", .addresses = &address, .n_addresses = 1};
	struct sl_prefix taken[4], got;
	char text[SL_PREFIX_STRLEN];

	cr_assert(sl_prefix_parse("10.64.0.1/24", &address.prefix));
	cr_assert(sl_prefix_parse("10.64.0.5/32", &taken[0]) && sl_prefix_parse("10.64.0.2/31", &taken[1]) &&
	          sl_prefix_parse("fd00::1/128", &taken[2]) && sl_prefix_parse("0.0.0.0/0", &taken[3]));
	cr_assert(sl_pool_next(&ifp, SL_AF_INET, taken, 4, &got));
	cr_expect_str_eq(sl_prefix_format(&got, text), "10.64.0.4/32");
	cr_assert(sl_pool_next(&ifp, SL_AF_INET, taken, 1, &got));
	cr_expect_str_eq(sl_prefix_format(&got, text), "10.64.0.2/32");
}
