/* What `sluice peer` and `sluice export` are told: values are judged before anything is done with them. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <getopt.h>
#include <string.h>

#include "app/commands.h"
#include "app/peer_options.h"

#define NOW 1767225600 /* 2026-01-01T00:00:00Z */

static const struct {
	const char *option, *value;
	const char *said; /* without what stands around it; NULL: it is taken */
} cases[] = {
        {"--expires", "30d", NULL},
        {"--expires", "1s", NULL},
        {"--expires", "2026-01-01T00:00:01Z", NULL},
        {"--expires", "2026-01-01", "--expires: `2026-01-01` is past; give a time to come, or 30d, 12h, 90m"},
        {"--expires", "2020-02-02", "--expires: `2020-02-02` is past; give a time to come, or 30d, 12h, 90m"},
        {"--expires", "0d", "--expires: `0d` is no time; give one such as 2026-12-31T18:00:00Z, or 30d, 12h, 90m"},
        {"--expires", "-1d", "--expires: `-1d` is no time; give one such as 2026-12-31T18:00:00Z, or 30d, 12h, 90m"},
        {"--expires", "30", "--expires: `30` is no time; give one such as 2026-12-31T18:00:00Z, or 30d, 12h, 90m"},
        {"--expires", "30w", "--expires: `30w` is no time; give one such as 2026-12-31T18:00:00Z, or 30d, 12h, 90m"},
        {"--expires", "d", "--expires: `d` is no time; give one such as 2026-12-31T18:00:00Z, or 30d, 12h, 90m"},
        {"--keepalive", "0", NULL},
        {"--keepalive", "off", NULL},
        {"--keepalive", "65535", NULL},
        {"--keepalive", "65536", "--keepalive: `65536` is not a number of seconds from 0 to 65535"},
        {"--keepalive", "25s", "--keepalive: `25s` is not a number of seconds from 0 to 65535"},
        {"--client-allowed-ips", "10.0.0.0/8", NULL},
        {"--client-allowed-ips", "10.0.0.0/8, fd00::/8,192.0.2.1", NULL},
        {"--client-allowed-ips", "10.0.0.0/33", "--client-allowed-ips: `10.0.0.0/33` is not a network, such as 10.20.0.0/16"},
        {"--client-allowed-ips", "10.0.0.0/8,all", "--client-allowed-ips: `all` is not a network, such as 10.20.0.0/16"},
        {"--client-allowed-ips", " , ", "--client-allowed-ips: nothing in it; give a network, such as 10.20.0.0/16"},
        {"--dns", "10.64.0.1,fd00::1, corp.example", NULL},
        {"--dns", "10.64.0.300", "--dns: `10.64.0.300` is not an address of a name server, or a domain"},
        {"--dns", "1.1.1.1\nPostUp=x", "--dns: `1.1.1.1\nPostUp=x` is not an address of a name server, or a domain"},
        {"--endpoint", "vpn.example.net:51820", NULL},
        {"--endpoint", "[2001:db8::1]:51820", NULL},
        {"--endpoint", "vpn.example.net", "--endpoint: `vpn.example.net` has no port; add one, such as :51820"},
        {"--endpoint", "0.0.0.0:1", "--endpoint: `0.0.0.0:1` is nothing to send to; give a peer's own address"},
        {"--peer-endpoint", "vpn.example.net:http",
                "--peer-endpoint: `vpn.example.net:http` has a port that is none; give a number from 1 to 65535"},
};

Test(peer_options, values_are_judged, .init = cr_redirect_stderr)
{
	char expected[8192] = "";

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *argv[] = {(char *)"peer add", (char *)cases[i].option, (char *)cases[i].value, NULL};
		struct sl_peer_options o;
		int code = SL_EXIT_DONE;

		optind = 0;
		cr_expect_eq(sl_peer_options_parse(3, argv, "xlAdeE", "", NOW, &o, &code), cases[i].said == NULL, "%s %s",
		        cases[i].option, cases[i].value);
		cr_expect_eq(code, cases[i].said ? SL_EXIT_USAGE : SL_EXIT_DONE);
		if (cases[i].said)
			snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected),
			        "sluice peer add: %s; see `sluice peer add --help`\n", cases[i].said);
	}
	fflush(stderr);
	cr_assert_stderr_eq_str(expected);
}

Test(peer_options, a_span_counts_from_now)
{
	char *argv[] = {(char *)"peer add", (char *)"--expires", (char *)"90m", (char *)"guest", NULL};
	struct sl_peer_options o;
	int code;

	optind = 0;
	cr_assert(sl_peer_options_parse(4, argv, "x", "", NOW, &o, &code));
	cr_expect_eq(o.expires, NOW + 90 * 60);
	cr_expect_str_eq(argv[optind], "guest");
}
