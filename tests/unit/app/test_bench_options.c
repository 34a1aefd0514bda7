#include <criterion/criterion.h>

#include <getopt.h>
#include <string.h>

#include "app/bench_options.h"

Test(bench_options, rates)
{
	static const struct {
		const char *text;
		bool right;
		struct sl_bench_rate rate;
	} cases[] = {
		{"1", true, {1, false, false}},
		{"10k", true, {10000, false, false}},
		{"1.5M", true, {1500000, false, false}},
		{"100Mbit", true, {1e8, true, false}},
		{"2Gbit", true, {2e9, true, false}},
		{"9bit", true, {9, true, false}},
		{"max", true, {0, false, true}},
		{"", false, {0}},
		{"0", false, {0}},
		{"-5", false, {0}},
		{"k", false, {0}},
		{"10K", false, {0}},
		{"10kk", false, {0}},
		{"10 k", false, {0}},
		{"10kbits", false, {0}},
		{"nan", false, {0}},
		{"inf", false, {0}},
		{"1e999", false, {0}},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_bench_rate rate;

		cr_assert_eq(sl_bench_rate_parse(cases[i].text, &rate), cases[i].right, "%s", cases[i].text);
		if (!cases[i].right)
			continue;
		cr_expect_float_eq(rate.value, cases[i].rate.value, 1e-6, "%s", cases[i].text);
		cr_expect_eq(rate.bits, cases[i].rate.bits, "%s", cases[i].text);
		cr_expect_eq(rate.max, cases[i].rate.max, "%s", cases[i].text);
	}
}

Test(bench_options, targets)
{
	static const struct {
		const char *text, *host; /* NULL: refused */
		unsigned port;           /* 7: none was named */
	} cases[] = {
		{"10.0.0.1", "10.0.0.1", 7},
		{"10.0.0.1:99", "10.0.0.1", 99},
		{"host.example:65535", "host.example", 65535},
		{"fd00::1", "fd00::1", 7},
		{"[fd00::1]", "fd00::1", 7},
		{"[fd00::1]:99", "fd00::1", 99},
		{"", NULL, 7},
		{":99", NULL, 7},
		{"[]:99", NULL, 7},
		{"[fd00::1", NULL, 7},
		{"[fd00::1]99", NULL, 7},
		{"10.0.0.1:", NULL, 7},
		{"10.0.0.1:0", NULL, 7},
		{"10.0.0.1:65536", NULL, 7},
		{"10.0.0.1:-1", NULL, 7},
		{"10.0.0.1:99x", NULL, 7},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[64], *host;
		uint16_t port = 7;
		bool right = sl_bench_target_split(strcpy(text, cases[i].text), &host, &port);

		cr_assert_eq(right, cases[i].host != NULL, "%s", cases[i].text);
		cr_expect(!right || (strcmp(host, cases[i].host) == 0 && port == cases[i].port), "%s", cases[i].text);
	}
}

#define WORDS 12

/* A command line; words end with NULL. */
static bool
client(const char *const words[static WORDS], struct sl_bench_client_options *o)
{
	char copies[WORDS + 1][64] = {"bench client"}, *argv[WORDS + 2];
	int argc = 1, code = 0;

	for (; words[argc - 1]; argc++)
		strcpy(copies[argc], words[argc - 1]);
	for (int i = 0; i < argc; i++)
		argv[i] = copies[i];
	argv[argc] = NULL;
	optind = 0;
	opterr = 0;
	return sl_bench_client_parse(argc, argv, o, &code);
}

Test(bench_options, client_command_lines)
{
	static const struct {
		bool right;
		const char *words[WORDS];
	} cases[] = {
		{true, {"10.0.0.1"}},
		{true, {"10.0.0.1", "-P", "64", "-r", "100Mbit", "-t", "0.5", "-s", "64,imix,9000", "-B"}},
		{true, {"--interface", "wg0", "--to", "frankfurt", "-n", "hub"}},
		{false, {NULL}},
		{false, {"a", "b"}},
		{false, {"a", "-n", "hub"}},
		{false, {"a", "--interface", "wg0"}},
		{false, {"--to", "a"}},
		{false, {"a", "--to", "b", "--interface", "wg0"}},
		{false, {"a", "-P", "0"}},
		{false, {"a", "-P", "65"}},
		{false, {"a", "-t", "0"}},
		{false, {"a", "-t", "86401"}},
		{false, {"a", "-t", "nan"}},
		{false, {"a", "-s", ""}},
		{false, {"a", "-s", "64,x"}},
		{false, {"a", "-s", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"}},
		{false, {"a", "--probes", "100001"}},
		{false, {"a", "--loss", "51"}},
		{false, {"a", "--resolution", "0"}},
		{false, {"a", "--unknown"}},
	};
	struct sl_bench_client_options o;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(client(cases[i].words, &o), cases[i].right, "case %u", i);
	cr_assert(client((const char *const[WORDS]){"h", "-s", "64,imix", "-R", "-S", "--loss", "0.1"}, &o));
	cr_expect_eq(o.n_sizes, 2u);
	cr_expect_eq(o.sizes[1], (uint32_t)SL_BENCH_IMIX);
	cr_expect_eq(o.directions, SL_TRAFFIC_FROM_SERVER);
	cr_expect(o.rate.max, "a search begins with all the sender can");
	cr_expect_eq(o.loss, 1000u);
	cr_assert(client((const char *const[WORDS]){"h", "-S", "-r", "5k"}, &o));
	cr_expect_not(o.rate.max);
}

Test(bench_options, sizes_become_payloads)
{
	static const struct {
		uint32_t size;
		uint8_t family;
		unsigned payload; /* 0: refused */
	} cases[] = {
		{64, SL_AF_INET, 36},
		{63, SL_AF_INET, 0},
		{9000, SL_AF_INET, 8972},
		{9001, SL_AF_INET, 0},
		{84, SL_AF_INET6, 36},
		{83, SL_AF_INET6, 0},
		{1400, SL_AF_INET6, 1352},
	};
	struct sl_traffic_plan plan = {.directions = SL_TRAFFIC_BOTH, .flows = 1, .duration = SL_TRAFFIC_DURATION_MIN};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool right = sl_bench_plan_sizes(&plan, cases[i].size, cases[i].family);

		cr_assert_eq(right, cases[i].payload != 0, "%u", cases[i].size);
		cr_expect(!right || (plan.sizes[0].payload == cases[i].payload && sl_traffic_plan_valid(&plan)), "%u", cases[i].size);
	}
	cr_assert(sl_bench_plan_sizes(&plan, SL_BENCH_IMIX, SL_AF_INET));
	cr_expect(sl_traffic_plan_valid(&plan));
	cr_expect_eq(sl_bench_plan_mean(&plan, SL_AF_INET), (7 * 64 + 4 * 570 + 1420) / 12);
	cr_assert(sl_bench_plan_sizes(&plan, SL_BENCH_IMIX, SL_AF_INET6));
	cr_expect(sl_traffic_plan_valid(&plan));
	cr_expect_eq(sl_bench_plan_mean(&plan, SL_AF_INET6), (7 * 84 + 4 * 570 + 1420) / 12);
}

Test(bench_options, bits_become_packets)
{
	struct sl_traffic_plan plan = {0};

	cr_assert(sl_bench_plan_sizes(&plan, 1000, SL_AF_INET));
	cr_expect_eq(sl_bench_plan_rate(&(struct sl_bench_rate){8e6, true, false}, &plan, SL_AF_INET), 1000u);
	cr_expect_eq(sl_bench_plan_rate(&(struct sl_bench_rate){1, true, false}, &plan, SL_AF_INET), 1u);
	cr_expect_eq(sl_bench_plan_rate(&(struct sl_bench_rate){1e30, false, false}, &plan, SL_AF_INET), SL_TRAFFIC_RATE_MAX);
	cr_expect_eq(sl_bench_plan_rate(&(struct sl_bench_rate){0, false, true}, &plan, SL_AF_INET), 0u);
}
