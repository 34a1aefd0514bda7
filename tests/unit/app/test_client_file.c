/* The wg-quick files that are made for peers. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/client_file.h"
#include "crypto/base64.h"

#define SECRET "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
#define PUBLIC "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw="
#define KEY_A  "TDd25Cwq6tMZANIKUaqred+Zt+09HtCqwFeOLtKQ9Cs="
#define KEY_B  "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
#define PSK    "4GgaQCy68nzNsUE5aJ9fuLzHhB65tAlwbmA72MWnOm8="

#define HUB(interface, peer)                                                                                           \
	"version: 1\n"                                                                                                 \
	"ports:\n"                                                                                                     \
	"  wan0: {device: net_null0, addresses: [203.0.113.10/24], gateway: 203.0.113.1}\n"                            \
	"  lan0: {device: net_null1, addresses: [10.20.0.1/16, 'fd00:20::1/64']}\n"                                    \
	"interfaces:\n"                                                                                                \
	"  wg0: {private-key: " SECRET ", listen-port: 51820, addresses: [10.64.0.1/16, 'fd00:64::1/64']" interface    \
	", peers: {a: {public-key: " KEY_A peer "}, b: {public-key: " KEY_B                                            \
	", allowed-ips: [10.64.0.9/32, 10.30.0.0/16]}}}\n"                                                             \
	"routes: [{to: 10.99.0.0/16, via: 10.20.0.254}]\n"
#define IPS ", allowed-ips: [10.64.0.2/32, 'fd00:64::2/128', 10.40.0.0/16]"
#define KILL_SWITCH                                                                                                    \
	"PostUp = nft \"table inet sluice_kill_switch { chain output { type filter hook output priority filter; "      \
	"policy drop; oifname lo accept; oifname %i accept; meta mark $(wg show %i fwmark) accept; fib daddr type "    \
	"local accept; udp sport 68 udp dport 67 accept; udp sport 546 udp dport 547 accept; icmpv6 type { "           \
	"nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit } accept; }; }\"\n"                                 \
	"PostDown = nft delete table inet sluice_kill_switch\n"
#define OWN       "# a\n[Interface]\nPrivateKey = " SECRET "\nAddress = 10.64.0.2/32, fd00:64::2/128\n"
#define OTHER     "\n[Peer]\nPublicKey = " PUBLIC "\n"
#define SPLIT_IPS "AllowedIPs = 10.64.0.0/16, fd00:64::/64, 10.20.0.0/16, fd00:20::/64, 10.99.0.0/16, 10.30.0.0/16\n"
#define ALL_IPS   "AllowedIPs = 0.0.0.0/0, ::/0\n"

static const struct {
	const char *name, *hub;
	struct sl_client_options options;
	bool without_key;
	const char *expected; /* or why not */
	bool refused;
} cases[] = {
        {"split", HUB("", IPS), {.keepalive = -1}, false,
                OWN OTHER "Endpoint = 203.0.113.10:51820\n" SPLIT_IPS "PersistentKeepalive = 25\n", false},
        {"full", HUB("", IPS), {.tunnel = SL_CLIENT_FULL, .keepalive = -1, .dns = "10.64.0.1, example.net"}, false,
                OWN "DNS = 10.64.0.1, example.net\n" OTHER "Endpoint = 203.0.113.10:51820\n" ALL_IPS
                    "PersistentKeepalive = 25\n",
                false},
        {"kill switch", HUB("", IPS), {.tunnel = SL_CLIENT_FULL, .kill_switch = true, .keepalive = 0}, false,
                OWN KILL_SWITCH OTHER "Endpoint = 203.0.113.10:51820\n" ALL_IPS, false},
        {"kill switch without all", HUB("", IPS), {.kill_switch = true}, false,
                "a kill switch needs a full tunnel; add --full-tunnel", true},
        {"kill switch with networks", HUB("", IPS),
                {.tunnel = SL_CLIENT_FULL, .kill_switch = true, .allowed_ips = "10.0.0.0/8"}, false,
                "a kill switch needs a full tunnel; leave out --client-allowed-ips", true},
        {"named endpoint, psk, mtu, no key", HUB(", public-endpoint: vpn.example.net:4500, mtu: 1380", IPS
                                                         ", preshared-key: " PSK),
                {.keepalive = -1}, true,
                "# a\n[Interface]\n# PrivateKey = the key that belongs to this peer; the gateway does not have it\n"
                "Address = 10.64.0.2/32, fd00:64::2/128\nMTU = 1380\n" OTHER "PresharedKey = " PSK
                "\nEndpoint = vpn.example.net:4500\n" SPLIT_IPS "PersistentKeepalive = 25\n",
                false},
        {"a peer whose place is known", HUB("", IPS ", endpoint: 192.0.2.7:1"), {.keepalive = -1}, false,
                OWN OTHER "Endpoint = 203.0.113.10:51820\n" SPLIT_IPS, false},
        {"told", HUB("", IPS), {.keepalive = 5, .endpoint = "[2001:db8::1]:9", .allowed_ips = "10.0.0.0/8"}, false,
                OWN OTHER "Endpoint = [2001:db8::1]:9\nAllowedIPs = 10.0.0.0/8\nPersistentKeepalive = 5\n", false},
        {"lists as people write them", HUB("", IPS),
                {.keepalive = 0, .dns = ",10.64.0.1 fd00::1,", .allowed_ips = "10.0.0.0/8 fd00::/8,,192.0.2.1 , "}, false,
                OWN "DNS = 10.64.0.1, fd00::1\n" OTHER
                    "Endpoint = 203.0.113.10:51820\nAllowedIPs = 10.0.0.0/8, fd00::/8, 192.0.2.1\n",
                false},
        {"no endpoint",
                "version: 1\nports: {p: {device: net_null0}}\ninterfaces: {wg0: {private-key: " SECRET
                ", peers: {a: {public-key: " KEY_A "}}}}\n",
                {.keepalive = -1}, false,
                "nothing says where 'wg0' is reached; give it `public-endpoint: ADDRESS:PORT`, or use --endpoint", true},
        {"no identity",
                "version: 1\nports: {p: {device: net_null0}}\ninterfaces: {wg0: {peers: {a: {public-key: " KEY_A
                "}}}}\n",
                {.keepalive = -1}, false, "interface 'wg0' has no private key; give it one first", true},
};

Test(client_file, says_what_the_peer_needs)
{
	uint8_t key[SL_KEY_LEN];

	cr_assert(sl_key_from_base64(key, SECRET, strlen(SECRET)));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_config_errors errs;
		struct sl_config *config;
		const struct sl_config_interface *ifp;
		char why[256] = "", *text = NULL;
		size_t len;
		FILE *out = open_memstream(&text, &len);
		bool ok;

		sl_config_errors_init(&errs);
		config = sl_config_load_text("t.yaml", cases[i].hub, strlen(cases[i].hub), &errs);
		cr_assert_not_null(config, "%s", cases[i].name);
		ifp = &config->interfaces[0];
		ok = sl_client_file(out, config, ifp, &ifp->peers[0], cases[i].without_key ? NULL : key, &cases[i].options,
		        why, sizeof(why));
		fclose(out);
		cr_expect_eq(ok, !cases[i].refused, "%s", cases[i].name);
		cr_expect_str_eq(ok ? text : why, cases[i].expected, "%s:\n%s", cases[i].name, ok ? text : why);
		free(text);
		sl_config_free(config);
		sl_config_errors_free(&errs);
	}
}
