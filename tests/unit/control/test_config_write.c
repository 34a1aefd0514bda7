/* A description written as YAML loads as the same description. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_write.h"
#include "control/diff.h"

static struct sl_config *load(const char *name, const char *text)
{
	struct sl_config_errors errs;
	struct sl_config *config;

	sl_config_errors_init(&errs);
	config = sl_config_load_text(name, text, strlen(text), &errs);
	sl_config_errors_print(&errs, stderr);
	cr_assert_not_null(config, "%s", text);
	sl_config_errors_free(&errs);
	return config;
}

static char *text_of(const struct sl_config *config)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	sl_config_write(out, config, NULL);
	fclose(out);
	return text;
}

/* No step leads from one to the other, and what the difference does not look at is the same too. */
static void expect_same(const struct sl_config *x, const struct sl_config *y)
{
	struct sl_steps *steps = sl_config_diff(x, y);
	char *once = text_of(x), *twice = text_of(y);

	for (uint32_t i = 0; i < steps->n_steps; i++)
		sl_step_print(steps, &steps->steps[i], stderr);
	cr_expect_eq(steps->n_steps, 0);
	cr_expect_str_eq(once, twice);
	free(once);
	free(twice);
	sl_steps_free(steps);
}

static const char whole[] =
        "version: 1\n"
        "name: hub-2\n"
        "dataplane: {workers: [1, 2, 5-7], control-core: 3, idle: poll, simd: avx2, hugepages: off}\n"
        "ports:\n"
        "  wan0: {device: \"0000:AF:00.1\", addresses: [203.0.113.10/24, \"2001:db8::10/64\"], gateway: [203.0.113.1, "
        "\"fe80::1\"], mtu: 9000, forward-clear: true}\n"
        "  lan0: {device: \"af_packet:eth1\", addresses: 10.20.0.1/16}\n"
        "  null: {device: \"net_ring0,nodeaction=r1:0:CREATE\", addresses: [fd00::1/64]}\n"
        "interfaces:\n"
        "  wg0:\n"
        "    private-key-env: SL_TEST_WRITE\n"
        "    previous-private-key: yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n"
        "    listen-port: 51820\n"
        "    addresses: [10.64.0.1/16, \"fd00:64::1/64\", 10.65.0.1]\n"
        "    mtu: 1380\n"
        "    endpoint-refresh: 60\n"
        "    pool: [10.64.128.0/17, 'fd00:64::/64']\n"
        "    public-endpoint: vpn.example.net:4500\n"
        "    peers:\n"
        "      frankfurt:\n"
        "        public-key: TDd25Cwq6tMZANIKUaqred+Zt+09HtCqwFeOLtKQ9Cs=\n"
        "        preshared-key-command: [printenv, \"SL_TEST_WRITE\"]\n"
        "        endpoint: fra.example.net:51820\n"
        "        allowed-ips: [10.64.0.2/32, 10.30.1.2/16, \"FD00:64:0::2\"]\n"
        "        persistent-keepalive: 25\n"
        "        private-key-file: /srv/a b/key\n"
        "      \"m\xc3\xbcnchen\": {public-key: xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=, endpoint: "
        "\"[2001:db8::9]:1024\", allowed-ips: 0.0.0.0/0, disabled: true, endpoint-refresh: off}\n"
        "      'true': {public-key: JIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=, preshared-key: "
        "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=, expires: 2099-01-02T03:04:05Z}\n"
        "  wg1: {routes: none, private-key: yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=}\n"
        "routes:\n"
        "  - {to: 10.99.3.4/16, via: 10.20.0.254}\n"
        "  - {to: 10.98.0.0/16, port: lan0}\n"
        "  - {to: \"2001:db8:9::/48\", interface: wg1}\n";

Test(config_write, every_key_comes_back)
{
	struct sl_config *given, *again;
	char *text;

	setenv("SL_TEST_WRITE", "4GgaQCy68nzNsUE5aJ9fuLzHhB65tAlwbmA72MWnOm8=", 1);
	given = load("whole.yaml", whole);
	text = text_of(given);
	again = load("again.yaml", text);
	expect_same(given, again);
	cr_expect_not_null(strstr(text, "private-key-env: SL_TEST_WRITE\n"), "%s", text);
	cr_expect_not_null(strstr(text, "preshared-key-command: [printenv, SL_TEST_WRITE]\n"), "%s", text);
	cr_expect_null(strstr(text, "4GgaQCy68nzNsUE5aJ9fuLzHhB65tAlwbmA72MWnOm8="), "secrets stay where they are");
	sl_config_free(given);
	sl_config_free(again);
	free(text);
}

Test(config_write, scalars_are_quoted_where_they_must)
{
	static const struct {
		const char *text, *yaml;
	} cases[] = {
	        {"laptop-17", "laptop-17"},
	        {"a.b_c+d=", "a.b_c+d="},
	        {"null", "\"null\""},
	        {"true", "\"true\""},
	        {"no", "\"no\""},
	        {"~", "\"~\""},
	        {"", "\"\""},
	        {"-x", "\"-x\""},
	        {"a: b", "\"a: b\""},
	        {"a#b", "\"a#b\""},
	        {"net_ring0,x", "\"net_ring0,x\""},
	        {"q\"\\\n", "\"q\\\"\\\\\\x0a\""},
	        {"m\xc3\xbcn", "\"m\xc3\xbcn\""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = NULL;
		size_t len;
		FILE *out = open_memstream(&text, &len);

		sl_yaml_write_text(out, cases[i].text);
		fclose(out);
		cr_expect_str_eq(text, cases[i].yaml);
		free(text);
	}
}
