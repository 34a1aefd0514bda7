/*
 * Text that is cut off, damaged or made to hurt: nothing but errors may come of it. What is asserted is little; the
 * test is worth most under the address and undefined sanitizers.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/config.h"
#include "crypto/base64.h"

static const char example[] =
        "version: 1\n"
        "name: hub # a comment\n"
        "dataplane: {workers: [1, 5-7], control-core: 0, idle: adaptive, simd: auto, hugepages: auto}\n"
        "ports:\n"
        "  wan0: {device: \"0000:31:00.0\", addresses: [203.0.113.10/24], gateway: 203.0.113.1, mtu: 1500}\n"
        "  lan0: {device: 'af_packet:eth1', addresses: [10.20.0.1/16, \"fd00:20::1/64\"]}\n"
        "interfaces:\n"
        "  wg0:\n"
        "    private-key: yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n"
        "    listen-port: 51820\n"
        "    addresses: [10.64.0.1/16, \"fd00:64::1/64\"]\n"
        "    mtu: 1420\n"
        "    peers:\n"
        "      frankfurt:\n"
        "        public-key: TDd25Cwq6tMZANIKUaqred+Zt+09HtCqwFeOLtKQ9Cs=\n"
        "        preshared-key: xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\n"
        "        endpoint: fra.example.net:51820\n"
        "        allowed-ips: [10.64.0.2/32, 10.30.0.0/16]\n"
        "        persistent-keepalive: 25\n"
        "routes:\n"
        "  - {to: 10.99.0.0/16, via: 10.20.0.254}\n"
        "  - to: \"::/0\"\n"
        "    interface: wg0\n";

/* Loads text that ends where a page ends as far as the sanitizer is concerned; true if it was taken. */
static bool load(const char *text, size_t len)
{
	struct sl_config_errors errs;
	struct sl_config *config;
	char *exact = malloc(len ? len : 1);
	bool taken;

	memcpy(exact, text, len);
	sl_config_errors_init(&errs);
	config = sl_config_load_text("t.yaml", exact, len, &errs);
	taken = config != NULL;
	cr_expect_eq(taken, errs.n_errors == 0);
	for (uint32_t i = 0; i < errs.n_messages; i++)
		cr_expect_null(
		        strstr(errs.messages[i].text, "yAnz5TF"), "a key in a message: %s", errs.messages[i].text);
	sl_config_free(config);
	sl_config_errors_free(&errs);
	free(exact);
	return taken;
}

Test(config_hostile, example_is_right)
{
	cr_assert(load(example, sizeof(example) - 1));
}

Test(config_hostile, cut_off_at_each_byte)
{
	for (size_t len = 0; len < sizeof(example); len++)
		load(example, len);
}

Test(config_hostile, each_byte_replaced)
{
	static const char bytes[] = {0, '\n', '\t', '"', '{', '[', ']', '*', '&', '!', ':', '-', '\x80', '\xff'};
	char text[sizeof(example)];

	for (size_t i = 0; i < sizeof(example) - 1; i++)
		for (size_t j = 0; j < sizeof(bytes); j++) {
			memcpy(text, example, sizeof(example));
			text[i] = bytes[j];
			load(text, sizeof(example) - 1);
		}
}

/* Lines left out, doubled and exchanged: still YAML, but nonsense. */
Test(config_hostile, lines_shuffled)
{
	uint32_t seed = 1;
	char text[4 * sizeof(example)];

	for (int round = 0; round < 2000; round++) {
		size_t len = 0;

		for (const char *line = example; *line; line = strchr(line, '\n') + 1) {
			size_t n = (size_t)(strchr(line, '\n') + 1 - line);

			seed = seed * 1664525u + 1013904223u;
			for (uint32_t times = seed >> 28; times < 15 && times % 8 < 3; times += 8) {
				memcpy(text + len, line, n);
				len += n;
			}
			if (seed >> 28 > 3) {
				memcpy(text + len, line, n);
				len += n;
			}
		}
		load(text, len);
	}
}

static void fill(char *text, size_t size, const char *unit)
{
	size_t n = strlen(unit);

	for (size_t i = 0; i + n < size; i += n)
		memcpy(text + i, unit, n);
}

/* What costs a careless reader its stack, memory or time. */
Test(config_hostile, much_of_one_thing)
{
	static const char *const units[] = {
	        "[",
	        "{",
	        "- ",
	        "? ",
	        "a: {",
	        "[a, ",
	        "&a ",
	        "*a\n",
	        "!",
	        "\"",
	        "|\n",
	        "# ",
	        "---\n",
	        "a: b\n",
	        ": ",
	        "\xef\xbb\xbf",
	};
	enum { SIZE = 200000 };
	char *text = malloc(SIZE);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		memset(text, ' ', SIZE);
		fill(text, SIZE, units[i]);
		cr_expect_not(load(text, SIZE), "%s", units[i]);
		memcpy(text, "version: 1\n", 11);
		load(text, SIZE); /* a comment after the version is fine */
	}
	free(text);
}

/* All of them are counted, a hundred are kept. */
Test(config_hostile, thousands_of_errors)
{
	struct sl_config_errors errs;
	char *said = NULL, *text = NULL;
	size_t len, said_len;
	FILE *out = open_memstream(&text, &len);

	fputs("version: 1\n", out);
	for (int i = 0; i < 5000; i++)
		fprintf(out, "key%d: 1\n", i);
	fclose(out);
	sl_config_errors_init(&errs);
	cr_expect_null(sl_config_load_text("t.yaml", text, len, &errs));
	cr_expect_eq(errs.n_errors, 5000);
	cr_expect_eq(errs.n_messages, SL_CONFIG_MESSAGES_MAX);
	out = open_memstream(&said, &said_len);
	sl_config_errors_print(&errs, out);
	fclose(out);
	cr_expect(strstr(said, "\n4900 more errors and warnings are not listed\n"));
	sl_config_errors_free(&errs);
	free(said);
	free(text);
}

static void write_peers(FILE *out, uint32_t n)
{
	char text[SL_KEY_BASE64_LEN + 1];

	for (uint32_t i = 0; i < n; i++) {
		uint8_t key[SL_KEY_LEN] = {1, (uint8_t)i, (uint8_t)(i >> 8), (uint8_t)(i >> 16)};

		sl_key_to_base64(text, key);
		fprintf(out,
		        "      p%u:\n        public-key: %s\n        allowed-ips: [10.%u.%u.%u/32, \"fd00::%x:%x\"]\n",
		        i, text, 64 + (i >> 16), i >> 8 & 255, i & 255, i >> 16, i & 0xffff);
	}
}

/* The time is printed, not asserted: machines differ. What is asserted is that nobody gets lost. */
Test(config_hostile, a_hundred_thousand_peers)
{
	enum { PEERS = 100000 };
	struct timespec start, end;
	struct sl_config_errors errs;
	struct sl_config *config;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fputs("version: 1\nports: {p: {device: net_null0}}\ninterfaces:\n  wg0:\n"
	      "    private-key: yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n    peers:\n",
	        out);
	write_peers(out, PEERS);
	fclose(out);
	sl_config_errors_init(&errs);
	clock_gettime(CLOCK_MONOTONIC, &start);
	config = sl_config_load_text("t.yaml", text, len, &errs);
	clock_gettime(CLOCK_MONOTONIC, &end);
	cr_assert(config, "%s", errs.n_messages ? errs.messages[0].text : "");
	cr_expect_eq(config->n_peers, PEERS);
	cr_expect_str_eq(config->interfaces[0].peers[PEERS - 1].name, "p99999");
	fprintf(stderr, "%d peers, %zu bytes: %.0f ms\n", PEERS, len,
	        (double)(end.tv_sec - start.tv_sec) * 1e3 + (double)(end.tv_nsec - start.tv_nsec) / 1e6);
	sl_config_free(config);
	sl_config_errors_free(&errs);
	free(text);
}
