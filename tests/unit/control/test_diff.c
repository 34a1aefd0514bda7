/* The difference of two configurations, step by step, as it is printed for a person. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/diff.h"

#define KEY_A    "TDd25Cwq6tMZANIKUaqred+Zt+09HtCqwFeOLtKQ9Cs="
#define KEY_B    "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
#define KEY_C    "JIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw="
#define SECRET   "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
#define SECRET_2 "uAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="

#define PORTS                "ports: {wan0: {device: net_null0, addresses: [192.0.2.1/24]}}\n"
#define WG0(more)            PORTS "interfaces:\n  wg0: {private-key: " SECRET more "}\n"
#define PEERS(peers)         WG0(", peers: {" peers "}")
#define PEER(name, key, ips) name ": {public-key: " key ", allowed-ips: [" ips "]}"
#define TWO(one, two)        PORTS "interfaces:\n  wg0: {private-key: " SECRET one "}\n  wg1: {private-key: " SECRET two "}\n"
#define LAN(more)            PORTS "interfaces: {wg0: {private-key: " SECRET "}}\nroutes: [" more "]\n"

struct diff_case {
	const char *name;
	const char *old_text; /* without `version`; NULL: first start */
	const char *new_text;
	const char *steps;
};

static const struct diff_case cases[] = {
        {"nothing", WG0(""), WG0(""), ""},
        {"order in the file", PEERS(PEER("a", KEY_A, "10.0.0.1, 10.0.0.2") ", " PEER("b", KEY_B, "")),
                PEERS(PEER("b", KEY_B, "") ", " PEER("a", KEY_A, "10.0.0.2, 10.0.0.1")), ""},
        {"first start", NULL,
                "ports:\n"
                "  wan0: {device: net_null0, addresses: [192.0.2.1/24], gateway: 192.0.2.254}\n"
                "  wan1: {device: net_null1, addresses: [198.51.100.1/24], gateway: 198.51.100.254}\n"
                "interfaces:\n"
                "  wg0: {private-key: " SECRET ", listen-port: 7, addresses: [10.0.0.1/24], peers: {" PEER(
                        "a", KEY_A, "10.0.0.2/32") "}}\n"
                                                   "routes: [{to: 10.9.0.0/16, via: 192.0.2.9}, {to: 10.8.0.0/16, "
                                                   "interface: wg0}]\n",
                "~ dataplane: idle, simd\n"
                "+ port wan0\n"
                "+ port wan1\n"
                "+ interface wg0\n"
                "+ address wan0 192.0.2.1/24\n"
                "+ address wan1 198.51.100.1/24\n"
                "+ address wg0 10.0.0.1/24\n"
                "~ port wan1: gateway (IPv4)\n"
                "~ port wan0: gateway (IPv4)\n"
                "+ listen-port wg0 7\n"
                "+ peer wg0/a\n"
                "+ route 10.9.0.0/16 via 192.0.2.9 port wan0\n"
                "+ route 10.8.0.0/16 interface wg0\n"},

        /* not live */
        {"name", "name: a\n" PORTS, "name: b\n" PORTS, "! name: not live; restart to change it\n"},
        {"workers", "dataplane: {workers: 1}\n" PORTS, "dataplane: {workers: 2}\n" PORTS,
                "! dataplane.workers: not live; restart to change it\n"},
        {"worker cores", "dataplane: {workers: [1, 2]}\n" PORTS, "dataplane: {workers: [1, 3]}\n" PORTS,
                "! dataplane.workers: not live; restart to change it\n"},
        {"control core", "dataplane: {control-core: 1}\n" PORTS, PORTS,
                "! dataplane.control-core: not live; restart to change it\n"},
        {"hugepages", "dataplane: {hugepages: off}\n" PORTS, PORTS,
                "! dataplane.hugepages: not live; restart to change it\n"},
        {"device", "ports: {p: {device: net_null0}}\n", "ports: {p: {device: net_null1}}\n",
                "! ports.p.device: not live; restart to change it\n"},
        {"port renamed", "ports: {p: {device: net_null0}}\n", "ports: {q: {device: net_null0}}\n",
                "! ports.p: not live; restart to change it\n"
                "! ports.q: not live; restart to change it\n"},
        {"the same PCI function", "ports: {p: {device: \"31:00.0\"}}\n", "ports: {p: {device: \"0000:31:00.0\"}}\n",
                ""},

        /* dataplane and ports */
        {"idle and simd", PORTS, "dataplane: {idle: poll, simd: sse}\n" PORTS, "~ dataplane: idle, simd\n"},
        {"port keys", "ports: {p: {device: net_null0}}\n",
                "ports: {p: {device: net_null0, mtu: 1400, forward-clear: true}}\n", "~ port p: mtu, forward-clear\n"},
        {"port address", "ports: {p: {device: net_null0, addresses: [192.0.2.1/24, 10.0.0.1/8]}}\n",
                "ports: {p: {device: net_null0, addresses: [192.0.2.2/24, 10.0.0.1/8]}}\n",
                "+ address p 192.0.2.2/24\n"
                "- address p 192.0.2.1/24\n"},
        {"port address with another length: gone before it comes",
                "ports: {p: {device: net_null0, addresses: [192.0.2.1/24]}}\n",
                "ports: {p: {device: net_null0, addresses: [192.0.2.1/25]}}\n",
                "- address p 192.0.2.1/24\n"
                "+ address p 192.0.2.1/25\n"},
        {"port address moves", "ports: {p: {device: net_null0, addresses: [192.0.2.1/24]}, q: {device: net_null1}}\n",
                "ports: {p: {device: net_null0}, q: {device: net_null1, addresses: [192.0.2.1/24]}}\n",
                "- address p 192.0.2.1/24\n"
                "+ address q 192.0.2.1/24\n"},
        {"gateway with its address", "ports: {p: {device: net_null0, addresses: [192.0.2.1/24], gateway: 192.0.2.9}}\n",
                "ports: {p: {device: net_null0, addresses: [10.0.0.1/8], gateway: 10.0.0.9}}\n",
                "+ address p 10.0.0.1/8\n"
                "~ port p: gateway (IPv4)\n"
                "- address p 192.0.2.1/24\n"},
        {"gateway goes", "ports: {p: {device: net_null0, gateway: \"fe80::1\"}}\n", "ports: {p: {device: net_null0}}\n",
                "~ port p: gateway (IPv6)\n"},
        {"default route goes to the second port",
                "ports: {p: {device: net_null0, gateway: \"fe80::1\"}, q: {device: net_null1, gateway: \"fe80::2\"}}\n",
                "ports: {p: {device: net_null0}, q: {device: net_null1, gateway: \"fe80::2\"}}\n",
                "~ port p: gateway (IPv6)\n"
                "~ port q: gateway (IPv6)\n"},
        {"a second gateway does not take the default route",
                "ports: {p: {device: net_null0, gateway: \"fe80::1\"}, q: {device: net_null1}}\n",
                "ports: {p: {device: net_null0, gateway: \"fe80::1\"}, q: {device: net_null1, gateway: \"fe80::2\"}}\n",
                "~ port q: gateway (IPv6)\n"
                "~ port p: gateway (IPv6)\n"},

        /* interfaces */
        {"interface keys", WG0(""), PORTS "interfaces: {wg0: {private-key: " SECRET_2 ", mtu: 1300, routes: none}}\n",
                "~ interface wg0: mtu, private-key\n"
                "~ interface wg0: routes\n"},
        {"interface comes", PORTS, WG0(", listen-port: 5, addresses: [10.0.0.1/24]"),
                "+ interface wg0\n"
                "+ address wg0 10.0.0.1/24\n"
                "+ listen-port wg0 5\n"},
        {"interface goes with all it has", PEERS(PEER("a", KEY_A, "10.0.0.1")), PORTS, "- interface wg0\n"},
        {"interface renamed keeps its listen port", WG0(", listen-port: 5"),
                PORTS "interfaces: {wg1: {private-key: " SECRET ", listen-port: 5}}\n",
                "- interface wg0\n"
                "+ interface wg1\n"
                "+ listen-port wg1 5\n"},
        {"listen ports exchanged", TWO(", listen-port: 5", ", listen-port: 6"),
                TWO(", listen-port: 6", ", listen-port: 5"),
                "- listen-port wg0 5\n"
                "- listen-port wg1 6\n"
                "+ listen-port wg0 6\n"
                "+ listen-port wg1 5\n"},
        {"routes given from one to the other: on before off", TWO("", ", routes: none"), TWO(", routes: none", ""),
                "~ interface wg1: routes\n"
                "~ interface wg0: routes\n"},
        {"routes given the other way", TWO(", routes: none", ""), TWO("", ", routes: none"),
                "~ interface wg0: routes\n"
                "~ interface wg1: routes\n"},

        /* peers */
        {"peer comes", WG0(""), PEERS(PEER("a", KEY_A, "10.0.0.1, 10.0.0.2")), "+ peer wg0/a\n"},
        {"peer goes", PEERS(PEER("a", KEY_A, "10.0.0.1")), WG0(""), "- peer wg0/a\n"},
        {"peer renamed", PEERS(PEER("a", KEY_A, "10.0.0.1")), PEERS(PEER("b", KEY_A, "10.0.0.1")),
                "~ peer wg0/b: name\n"},
        {"peer keys", PEERS(PEER("a", KEY_A, "")),
                PEERS("a: {public-key: " KEY_A ", endpoint: \"h:1\", preshared-key: " KEY_B
                      ", persistent-keepalive: 5}"),
                "~ peer wg0/a: preshared-key, endpoint, persistent-keepalive\n"},
        {"endpoint from name to address", PEERS("a: {public-key: " KEY_A ", endpoint: \"h:1\"}"),
                PEERS("a: {public-key: " KEY_A ", endpoint: \"192.0.2.9:1\"}"), "~ peer wg0/a: endpoint\n"},
        {"endpoint's port", PEERS("a: {public-key: " KEY_A ", endpoint: \"h:1\"}"),
                PEERS("a: {public-key: " KEY_A ", endpoint: \"h:2\"}"), "~ peer wg0/a: endpoint\n"},
        {"allowed IPs change", PEERS(PEER("a", KEY_A, "10.0.0.1, 10.0.0.2")),
                PEERS(PEER("a", KEY_A, "10.0.0.2, 10.0.0.3")),
                "+ allowed-ip wg0/a 10.0.0.3/32\n"
                "- allowed-ip wg0/a 10.0.0.1/32\n"},
        {"an allowed IP is cut in two: its halves are there before it goes", PEERS(PEER("a", KEY_A, "10.0.0.0/8")),
                PEERS(PEER("a", KEY_A, "10.0.0.0/9, 10.128.0.0/9")),
                "+ allowed-ip wg0/a 10.0.0.0/9\n"
                "+ allowed-ip wg0/a 10.128.0.0/9\n"
                "- allowed-ip wg0/a 10.0.0.0/8\n"},
        {"allowed IPs in each other: the longer come first and go last",
                PEERS(PEER("a", KEY_A, "10.1.0.0/16, 10.1.1.0/24") ", " PEER("b", KEY_B, "")),
                PEERS(PEER("a", KEY_A, "10.2.0.0/16") ", " PEER("b", KEY_B, "10.2.2.0/24")),
                "+ allowed-ip wg0/b 10.2.2.0/24\n"
                "+ allowed-ip wg0/a 10.2.0.0/16\n"
                "- allowed-ip wg0/a 10.1.0.0/16\n"
                "- allowed-ip wg0/a 10.1.1.0/24\n"},
        {"allowed IP moves in one step", PEERS(PEER("a", KEY_A, "10.0.0.1") ", " PEER("b", KEY_B, "")),
                PEERS(PEER("a", KEY_A, "") ", " PEER("b", KEY_B, "10.0.0.1")), "+ allowed-ip wg0/b 10.0.0.1/32\n"},
        {"allowed IPs exchanged", PEERS(PEER("a", KEY_A, "10.0.0.1") ", " PEER("b", KEY_B, "10.0.0.2")),
                PEERS(PEER("a", KEY_A, "10.0.0.2") ", " PEER("b", KEY_B, "10.0.0.1")),
                "+ allowed-ip wg0/a 10.0.0.2/32\n"
                "+ allowed-ip wg0/b 10.0.0.1/32\n"},
        {"peer with a new key: the old one goes when its allowed IPs are taken",
                PEERS(PEER("a", KEY_A, "10.0.0.1, 10.0.0.9")), PEERS(PEER("a", KEY_B, "10.0.0.1")),
                "+ peer wg0/a\n"
                "- peer wg0/a\n"},
        {"peer that goes gives to one that stays", PEERS(PEER("a", KEY_A, "10.0.0.1") ", " PEER("b", KEY_B, "")),
                PEERS(PEER("b", KEY_B, "10.0.0.1")),
                "+ allowed-ip wg0/b 10.0.0.1/32\n"
                "- peer wg0/a\n"},
        {"peer that goes and one that comes", PEERS(PEER("a", KEY_A, "10.0.0.1")), PEERS(PEER("b", KEY_B, "10.0.0.2")),
                "+ peer wg0/b\n"
                "- peer wg0/a\n"},
        {"allowed IP moves between interfaces: it comes before it goes",
                TWO(", peers: {" PEER("a", KEY_A, "10.0.0.1") "}", ", peers: {" PEER("b", KEY_B, "") "}"),
                TWO(", peers: {" PEER("a", KEY_A, "") "}", ", peers: {" PEER("b", KEY_B, "10.0.0.1") "}"),
                "+ allowed-ip wg1/b 10.0.0.1/32\n"
                "- allowed-ip wg0/a 10.0.0.1/32\n"},
        {"peer moves between interfaces", TWO(", peers: {" PEER("a", KEY_A, "10.0.0.1") "}", ""),
                TWO("", ", peers: {" PEER("a", KEY_A, "10.0.0.1") "}"),
                "+ peer wg1/a\n"
                "- peer wg0/a\n"},

        /* routes */
        {"route comes", LAN(""), LAN("{to: 10.9.0.0/16, via: 192.0.2.9}"),
                "+ route 10.9.0.0/16 via 192.0.2.9 port wan0\n"},
        {"route goes", LAN("{to: 10.9.0.0/16, port: wan0}"), LAN(""), "- route 10.9.0.0/16 port wan0\n"},
        {"a route cut in two: its halves are there before it goes", LAN("{to: 10.8.0.0/15, port: wan0}"),
                LAN("{to: 10.8.0.0/16, port: wan0}, {to: 10.9.0.0/16, port: wan0}"),
                "+ route 10.8.0.0/16 port wan0\n"
                "+ route 10.9.0.0/16 port wan0\n"
                "- route 10.8.0.0/15 port wan0\n"},
        {"route replaced without a gap", LAN("{to: 10.9.0.0/16, via: 192.0.2.9}"),
                LAN("{to: 10.9.0.0/16, interface: wg0}"), "+ route 10.9.0.0/16 interface wg0\n"},
        {"route whose interface goes", LAN("{to: 10.9.0.0/16, interface: wg0}"),
                PORTS "routes: [{to: 10.9.0.0/16, via: 192.0.2.9}]\n",
                "- route 10.9.0.0/16 interface wg0\n"
                "- interface wg0\n"
                "+ route 10.9.0.0/16 via 192.0.2.9 port wan0\n"},
        {"the same next hop, said in another way", LAN("{to: 10.9.0.0/16, via: 192.0.2.9}"),
                LAN("{to: 10.9.1.0/16, via: 192.0.2.9, port: wan0}"), ""},
};

static struct sl_config *load(const char *text)
{
	struct sl_config_errors errs;
	struct sl_config *config;
	char whole[2048];

	snprintf(whole, sizeof(whole), "version: 1\n%s", text);
	sl_config_errors_init(&errs);
	config = sl_config_load_text("t.yaml", whole, strlen(whole), &errs);
	cr_assert(config, "%s\nin\n%s", errs.n_messages ? errs.messages[0].text : "", text);
	sl_config_errors_free(&errs);
	return config;
}

Test(diff, table)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_config *old_config = cases[i].old_text ? load(cases[i].old_text) : NULL;
		struct sl_config *new_config = load(cases[i].new_text);
		struct sl_steps *steps = sl_config_diff(old_config, new_config);
		uint32_t refused = 0;
		char *said = NULL;
		size_t len;
		FILE *out = open_memstream(&said, &len);

		for (uint32_t j = 0; j < steps->n_steps; j++) {
			sl_step_print(steps, &steps->steps[j], out);
			refused += steps->steps[j].kind == SL_STEP_REFUSED;
		}
		fclose(out);
		cr_expect_str_eq(said, cases[i].steps, "%s: said\n%sfor\n%s", cases[i].name, said, cases[i].steps);
		cr_expect_eq(steps->n_refused, refused, "%s", cases[i].name);
		free(said);
		sl_steps_free(steps);
		sl_config_free(old_config);
		sl_config_free(new_config);
	}
}

/* Each kind has a name of its own. */
Test(diff, names)
{
	for (int kind = SL_STEP_REFUSED; kind <= SL_STEP_ROUTE_ADD; kind++) {
		cr_expect(*sl_step_name((enum sl_step_kind)kind), "%d", kind);
		for (int other = SL_STEP_REFUSED; other < kind; other++)
			cr_expect_str_neq(
			        sl_step_name((enum sl_step_kind)kind), sl_step_name((enum sl_step_kind)other));
	}
	cr_expect_str_eq(sl_step_name((enum sl_step_kind)(SL_STEP_KEPT + 1)), "unknown");
}

/* Whether it is about the same; a peer of which anything is missing is made as a whole. */
static bool is_again(const struct sl_step *step, const struct sl_step *again)
{
	switch (step->kind) {
	case SL_STEP_PEER_ADD:
	case SL_STEP_PEER_CHANGE:
	case SL_STEP_ALLOWED_IP_ADD:
		return again->kind == SL_STEP_PEER_ADD && strcmp(again->new_peer->name, step->new_peer->name) == 0 &&
		       strcmp(again->new_interface->name, step->new_interface->name) == 0;
	case SL_STEP_ROUTE_ADD:
		return again->kind == step->kind && sl_prefix_equal(&again->route->to, &step->route->to);
	case SL_STEP_ADDRESS_ADD:
		return again->kind == step->kind && sl_ip_equal(&again->address->prefix.addr, &step->address->prefix.addr);
	case SL_STEP_PORT_CHANGE:
		return again->kind == step->kind && again->changed == step->changed &&
		       strcmp(again->new_port->name, step->new_port->name) == 0;
	default:
		return again->kind == step->kind && again->changed == step->changed && step->new_interface &&
		       strcmp(again->new_interface->name, step->new_interface->name) == 0;
	}
}

/* Step number n of the case cannot be made: the next difference to the same file has it, and as a rule nothing else. */
static void expect_again(const struct diff_case *c, uint32_t n)
{
	struct sl_config *from = c->old_text ? load(c->old_text) : NULL, *to = load(c->new_text), *same = load(c->new_text);
	struct sl_steps *steps = sl_config_diff(from, to), *next;
	const struct sl_step *step = &steps->steps[n];
	bool gives = step->new_port || step->new_interface || step->kind == SL_STEP_ROUTE_ADD;
	uint32_t found = 0;

	sl_diff_unmade(step);
	next = sl_config_diff(to, same);
	for (uint32_t i = 0; i < next->n_steps; i++)
		found += is_again(step, &next->steps[i]);
	if (step->kind == SL_STEP_PORT_ADD)
		gives = false; /* at the first start, which ends then */
	cr_expect_eq(found, gives, "%s: step %u, %s", c->name, n, sl_step_name(step->kind));
	if (step->kind != SL_STEP_INTERFACE_ADD && step->kind != SL_STEP_PORT_CHANGE)
		cr_expect_eq(next->n_steps, found, "%s: step %u, %s", c->name, n, sl_step_name(step->kind));
	sl_steps_free(next);
	sl_steps_free(steps);
	sl_config_free(from);
	sl_config_free(to);
	sl_config_free(same);
}

Test(diff, what_could_not_be_made_comes_again)
{
	uint32_t seen = 0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_config *old_config = cases[i].old_text ? load(cases[i].old_text) : NULL;
		struct sl_config *new_config = load(cases[i].new_text);
		struct sl_steps *steps = sl_config_diff(old_config, new_config);

		for (uint32_t n = 0; n < steps->n_steps; n++) {
			seen |= 1u << steps->steps[n].kind;
			expect_again(&cases[i], n);
		}
		sl_steps_free(steps);
		sl_config_free(old_config);
		sl_config_free(new_config);
	}
	for (int kind = SL_STEP_PORT_CHANGE; kind <= SL_STEP_ROUTE_ADD; kind++)
		cr_expect(seen & 1u << kind, "no case has %s", sl_step_name((enum sl_step_kind)kind));
}

/* Nobody is told that what is not there goes. */
Test(diff, an_interface_that_was_not_made_goes_without_a_step)
{
	struct sl_config *from = load(WG0("")), *to = load(TWO("", "")), *without = load(WG0(""));
	struct sl_steps *steps = sl_config_diff(from, to), *next;

	cr_assert_eq(steps->steps[0].kind, SL_STEP_INTERFACE_ADD);
	sl_diff_unmade(&steps->steps[0]);
	next = sl_config_diff(to, without);
	cr_expect_eq(next->n_steps, 0);
	sl_steps_free(next);
	sl_steps_free(steps);
	sl_config_free(from);
	sl_config_free(to);
	sl_config_free(without);
}
