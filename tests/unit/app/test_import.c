/* wg-quick files, as people have them: what becomes of each, and what is said about it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/wg_quick.h"
#include "crypto/base64.h"

#define KEY   "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
#define KEY_A "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
#define KEY_B "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
#define KEY_C "gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA="
#define PSK   "FpCyhws9cxwWoV4xELtfJvjJN+zQVRPISllRWgeopVE="

#define LONG "0123456789abcdef.0123456789abcdef.0123456789abcde." /* five are 250 characters */
#define IFP  "  wg0:\n"
#define OWN  "    private-key: " KEY "\n"
#define PEER "[Peer]\nPublicKey=" KEY_A "\n"
#define A    "    peers:\n      peer-1:\n        public-key: " KEY_A "\n"

static const struct {
	const char *name, *file, *yaml, *messages;
} cases[] = {
        {"nothing", "", IFP, ""},
        {"the manual page of wg-quick",
                "[Interface]\n"
                "Address = 10.192.122.1/24\n"
                "Address = 10.10.0.1/16\n"
                "SaveConfig = true\n"
                "PrivateKey = " KEY "\n"
                "ListenPort = 51820\n"
                "\n"
                "[Peer]\n"
                "PublicKey = " KEY_A "\n"
                "AllowedIPs = 10.192.122.3/32, 10.192.124.1/24\n"
                "\n"
                "[Peer]\n"
                "PublicKey = " KEY_B "\n"
                "AllowedIPs = 10.192.122.4/32, 192.168.0.0/16\n"
                "\n"
                "[Peer]\n"
                "PublicKey = " KEY_C "\n"
                "AllowedIPs = 10.10.10.230/32\n",
                IFP OWN "    listen-port: 51820\n    addresses: [\"10.192.122.1/24\", \"10.10.0.1/16\"]\n" A
                        "        allowed-ips: [\"10.192.122.3/32\", \"10.192.124.0/24\"]\n"
                        "      peer-2:\n        public-key: " KEY_B
                        "\n        allowed-ips: [\"10.192.122.4/32\", \"192.168.0.0/16\"]\n"
                        "      peer-3:\n        public-key: " KEY_C "\n        allowed-ips: [\"10.10.10.230/32\"]\n",
                "t.conf:4: warning: SaveConfig: nothing is written when the gateway ends; use `sluice save`\n"},
        {"a client with a full tunnel and hooks",
                "[Interface]\nAddress = 10.200.100.8/24\nDNS = 10.200.100.1, corp\nFwMark = 0xca6c\nTable = 1234\n"
                "PostUp = wg set %i private-key <(pass WireGuard/private-keys/%i) # a secret\n"
                "PreUp = iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE\nPreDown = ip route del 10.9.0.0/16\n"
                "PostDown = echo a = b\n"
                "[Peer]\nPublicKey = " KEY_A "\nPresharedKey = " PSK "\nAllowedIPs = 0.0.0.0/0, ::/0\n"
                "Endpoint = demo.wireguard.com:51820\nPersistentKeepalive = 25\n",
                IFP "    addresses: [\"10.200.100.8/24\"]\n" A "        preshared-key: " PSK
                    "\n        endpoint: \"demo.wireguard.com:51820\"\n"
                    "        allowed-ips: [\"0.0.0.0/0\", \"::/0\"]\n        persistent-keepalive: 25\n",
                "t.conf:3: warning: DNS: a gateway does not set the machine's resolver; give it to clients with "
                "`sluice export "
                "--dns`\n"
                "t.conf:4: warning: FwMark: marks are for the kernel's routing, which the tunnel's packets do not pass "
                "here; "
                "leave it out\n"
                "t.conf:5: warning: Table: there is one routing table here, which has the allowed IPs; to keep them "
                "out of it "
                "write `routes: none`\n"
                "t.conf:6: warning: PostUp: no commands are run here; for a key from elsewhere give `private-key-file` "
                "or "
                "`private-key-command`\n"
                "t.conf:7: warning: PreUp: no commands are run here; for translated addresses the router behind the "
                "port has to "
                "know the tunnel's networks instead\n"
                "t.conf:8: warning: PreDown: no commands are run here; for a route write it below `routes:`\n"
                "t.conf:9: warning: PostDown: no commands are run here; forwarding needs none; put what is left into "
                "the "
                "service's unit\n"},
        {"odd spacing, cases, CRLF, BOM, comments, no last newline",
                "\xef\xbb\xbf# from a router\r\n  [ INTERFACE ]  # ours\r\n\tprivatekey=" KEY
                "#x\r\nLISTENPORT\t=\t443\r\nmtu = 1 380\r\ntable=OFF\r\nfwmark = off\r\nsaveconfig = false\r\n"
                "Address=10.0.0.1 , fd00::1/64,\r\naddress = 10.0.0.1/32\r\n\r\n[pEER]\r\n Public Key = " KEY_A
                "\r\nallowedips = "
                "\r\nendpoint=[2001:db8::1]:51820\r\npersistentkeepalive=OFF\r\n[Peer]\r\nPUBLICKEY=" KEY_B
                "\r\nAllowedIPs=10.0.0.7,fd00::7\r\nAllowedIPs=+10.7.1.2/16\r\nEndpoint = 192.0.2.1:1",
                IFP OWN "    listen-port: 443\n    addresses: [\"10.0.0.1/32\", \"fd00::1/64\"]\n    mtu: 1380\n"
                        "    routes: none\n" A "        endpoint: \"[2001:db8::1]:51820\"\n"
                        "      peer-2:\n        public-key: " KEY_B "\n        endpoint: \"192.0.2.1:1\"\n"
                        "        allowed-ips: [\"10.0.0.7/32\", \"fd00::7/128\", \"10.7.0.0/16\"]\n",
                ""},
        {"peers' names: above, beside, below, of tools, not twice, and what is no name",
                "# bob\n[Peer]\nPublicKey=" KEY_A
                "\n# PersistentKeepalive = 25\n[Peer] # Bob's\n# Name = carol\nPublicKey=" KEY_B
                "\n### end carol ###\n### begin dave ###\n[Peer]\nPublicKey=" KEY_C
                "\n### Client bob\n[Peer]\nPublicKey=" KEY
                "\n# a comment of more than three words\n\n# far above\n\n[Peer]\nPublicKey=" PSK "\n# late\n",
                IFP "    peers:\n      bob:\n        public-key: " KEY_A "\n      carol:\n        public-key: " KEY_B
                    "\n      dave:\n        public-key: " KEY_C "\n      peer-4:\n        public-key: " KEY
                    "\n      peer-5:\n        public-key: " PSK "\n",
                ""},
        {"a phone's: apps, no peers' comments, a whole length for each address",
                "[Interface]\nAddress = 10.68.12.34/32,fc00:bbbb::5:c21/128\nDNS = 10.64.0.1\n"
                "ExcludedApplications = com.example.a, com.example.b\nIncludedApplications =\n\n[Peer]\nPublicKey "
                "= " KEY_A "\nAllowedIPs = 0.0.0.0/0,::0/0\nEndpoint = 193.32.127.66:51820\n",
                IFP "    addresses: [\"10.68.12.34/32\", \"fc00:bbbb::5:c21/128\"]\n" A
                    "        endpoint: \"193.32.127.66:51820\"\n        allowed-ips: [\"0.0.0.0/0\", \"::/0\"]\n",
                "t.conf:3: warning: DNS: a gateway does not set the machine's resolver; give it to clients with "
                "`sluice "
                "export --dns`\n"
                "t.conf:4: warning: ExcludedApplications: which apps use a tunnel is the phone's to say; leave it out\n"
                "t.conf:5: warning: IncludedApplications: which apps use a tunnel is the phone's to say; leave it "
                "out\n"},
        {"what wg showconf prints",
                "[Interface]\nListenPort = 51820\nFwMark = 0xca6c\nPrivateKey = " KEY "\n\n[Peer]\nPublicKey = " KEY_A
                "\nPresharedKey = " PSK "\nAllowedIPs = 10.0.0.2/32, fd00::2/128\nEndpoint = [2001:db8::1]:51820\n"
                "PersistentKeepalive = 25\n\n[Peer]\nPublicKey = " KEY_B "\n",
                IFP OWN "    listen-port: 51820\n" A "        preshared-key: " PSK
                        "\n        endpoint: \"[2001:db8::1]:51820\"\n        allowed-ips: [\"10.0.0.2/32\", "
                        "\"fd00::2/128\"]\n        persistent-keepalive: 25\n      peer-2:\n        public-key: " KEY_B
                        "\n",
                "t.conf:3: warning: FwMark: marks are for the kernel's routing, which the tunnel's packets do not pass "
                "here; "
                "leave it out\n"},
        {"the last one counts",
                "[Interface]\nListenPort=1\nListenPort=2\n" PEER "AllowedIPs=10.0.0.0/8,10.1.2.3/8\n"
                "[Peer]\nPublicKey=" KEY_B "\nAllowedIPs=10.0.0.0/8\n",
                IFP "    listen-port: 2\n" A "      peer-2:\n        public-key: " KEY_B
                    "\n        allowed-ips: [\"10.0.0.0/8\"]\n",
                "t.conf:3: warning: ListenPort: given in line 2 already; this one counts, as for wg\n"
                "t.conf:4: warning: AllowedIPs: 10.0.0.0/8 is given again, to the peer in line 7; that one has it, as "
                "for wg\n"},
        {"a prefix that three peers name, in the order of the file, each with the next peer that has it",
                PEER "AllowedIPs=10.0.0.1, fd00::1, 10.0.0.2, 10.0.0.1\n"
                "[Peer]\nPublicKey=" KEY_B "\nAllowedIPs=fd00::1, fd00::1, 10.0.0.1\n"
                "[Peer]\nPublicKey=" KEY_C "\nAllowedIPs=10.0.0.1, 10.0.0.3, 10.0.0.1\n",
                IFP A "        allowed-ips: [\"10.0.0.2/32\"]\n"
                "      peer-2:\n        public-key: " KEY_B "\n        allowed-ips: [\"fd00::1/128\"]\n"
                "      peer-3:\n        public-key: " KEY_C
                "\n        allowed-ips: [\"10.0.0.3/32\", \"10.0.0.1/32\"]\n",
                "t.conf:1: warning: AllowedIPs: fd00::1/128 is given again, to the peer in line 4; that one has it, as "
                "for wg\n"
                "t.conf:1: warning: AllowedIPs: 10.0.0.1/32 is given again, to the peer in line 4; that one has it, as "
                "for wg\n"
                "t.conf:4: warning: AllowedIPs: 10.0.0.1/32 is given again, to the peer in line 7; that one has it, as "
                "for wg\n"},
        {"numbers for peers without a name: their places, or the next that nobody has",
                "[Peer]\nPublicKey=" KEY_A "\n[Peer]\nPublicKey=" KEY_B "\n# peer-1\n[Peer]\nPublicKey=" KEY_C
                "\n[Peer]\nPublicKey=" KEY "\n# peer-4\n[Peer]\nPublicKey=" PSK "\n",
                IFP "    peers:\n      peer-2:\n        public-key: " KEY_A "\n      peer-3:\n        public-key: " KEY_B
                    "\n      peer-1:\n        public-key: " KEY_C "\n      peer-5:\n        public-key: " KEY
                    "\n      peer-4:\n        public-key: " PSK "\n",
                ""},
        {"zeros are no key",
                "[Interface]\nPrivateKey=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" PEER
                "PresharedKey=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
                IFP A, ""},
};

static const struct {
	const char *file, *message;
} refused[] = {
        {"[Server]\n", "1: [Server] is not a section; write [Interface] or [Peer]"},
        {"[Interface\n", "1: [Interface is not a section; write [Interface] or [Peer]"},
        {"ListenPort = 1\n", "1: ListenPort: in no section; put it below [Interface] or [Peer]"},
        {"[Interface]\n; a comment\n", "2: neither a section nor KEY = VALUE; take the line out, or put a # before it"},
        {"[Interface]\n" KEY "\n", "2: unknown key '(not shown, it may be a key)'; did you mean 'ListenPort'?"},
        {KEY "\n", "1: (not shown, it may be a key): in no section; put it below [Interface] or [Peer]"},
        {"[Interface]\nListenPrt = 1\n", "2: unknown key 'ListenPrt'; did you mean 'ListenPort'?"},
        {"[Interface]\nJmin = 40\n", "2: Jmin: a key of AmneziaWG, whose packets are not WireGuard's; take such keys "
                                     "out, at both ends"},
        {"[Interface]\nEndpoint = a:1\n", "2: Endpoint: not a key of [Interface]; put it below [Peer]"},
        {PEER "Address = 10.0.0.1\n", "3: Address: not a key of [Peer]; put it below [Interface]"},
        {"[Interface]\nPrivateKey = abc\n",
                "2: PrivateKey: not a key; give the 44 characters of base64 that `wg` writes"},
        {"[Interface]\nPrivateKey =\n", "2: PrivateKey: no value; write one or take the line out"},
        {"[Interface]\nListenPort = 65536\n", "2: ListenPort: '65536' is not a number from 0 to 65535; give one"},
        {"[Interface]\nListenPort = 99999999999999999999\n",
                "2: ListenPort: '99999999999999999999' is not a number from 0 to 65535; give one"},
        {"[Interface]\nListenPort = -1\n", "2: ListenPort: '-1' is not a number from 0 to 65535; give one"},
        {"[Interface]\nMTU = 68\n", "2: MTU: '68' is not a number from 576 to 9000; give one"},
        {"[Interface]\nMTU = 1000\nAddress = fd00::1/64\n",
                "3: Address: an IPv6 one needs an MTU of at least 1280, here it is 1000; raise it"},
        {"[Interface]\nSaveConfig = maybe\n", "2: SaveConfig: 'maybe' is not known; give true or false"},
        {"[Interface]\nAddress = 10.0.0.256/24\n",
                "2: Address: '10.0.0.256/24' is not an address; give one such as 10.0.0.1/24 or fd00::1/64"},
        {"[Interface]\nAddress = 10.0.0.0/24\n",
                "2: Address: 10.0.0.0/24 is the network's own address; give a host's in it"},
        {"[Interface]\nAddress = 10.0.0.255/24\n",
                "2: Address: 10.0.0.255/24 is the network's broadcast address; give a host's in it"},
        {"[Interface]\nAddress = 127.0.0.1\n", "2: Address: 127.0.0.1 cannot be an interface's; give a unicast one"},
        {"[Peer]\n", "1: [Peer]: no PublicKey; add the one that the peer's `wg pubkey` prints"},
        {"[Peer]\nPublicKey = x\n", "2: PublicKey: not a key; give the 44 characters of base64 that `wg` writes"},
        {PEER PEER, "4: PublicKey: the peer in line 1 has this key already; make one section of the two"},
        {PEER "[Peer]\nPublicKey = " KEY_B "\n" PEER PEER,
                "6: PublicKey: the peer in line 1 has this key already; make one section of the two\n"
                "t.conf:8: PublicKey: the peer in line 1 has this key already; make one section of the two"},
        {PEER "AllowedIPs = 10.0.0.0/33\n",
                "3: AllowedIPs: '10.0.0.0/33' is not a prefix; give one such as 10.0.0.0/24 or fd00::/64"},
        {PEER "Endpoint = vpn.example.net\n", "3: Endpoint: 'vpn.example.net' has no port; add one, such as :51820"},
        {PEER "Endpoint = " LONG LONG LONG LONG LONG "last:1\n",
                "3: Endpoint: '" LONG "0123456789' is neither an IP address nor a host name with a port; "
                "write ADDRESS:PORT or NAME:PORT"},
        {PEER "Endpoint = vpn.example.net:0\n",
                "3: Endpoint: 'vpn.example.net:0' has a port that is none; give a number from 1 to 65535"},
        {PEER "Endpoint = 2001:db8::1:51820\n", "3: Endpoint: '2001:db8::1:51820' is not an address and port; write an "
                                                "IPv6 one as [2001:db8::1]:51820"},
        {PEER "Endpoint = 192.0.2.300:1\n",
                "3: Endpoint: '192.0.2.300:1' is neither an IP address nor a host name with a port; "
                "write ADDRESS:PORT or NAME:PORT"},
        {PEER "Endpoint = [::1]:1\n", "3: Endpoint: '[::1]:1' is nothing to send to; give a peer's own address"},
        {PEER "Endpoint = 0.0.0.0:1\n", "3: Endpoint: '0.0.0.0:1' is nothing to send to; give a peer's own address"},
        {PEER "PersistentKeepalive = 70000\n",
                "3: PersistentKeepalive: '70000' is not a number from 0 to 65535; give one"},
};

static char *messages_of(const struct sl_config_errors *errs)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	sl_config_errors_print(errs, out);
	fclose(out);
	return text;
}

/* What is written loads as a configuration of one port. */
static void expect_loads(const char *name, const char *yaml)
{
	struct sl_config_errors errs;
	struct sl_config *config;
	char *text = NULL, *messages;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fprintf(out, "version: 1\nports: {p: {device: net_null0}}\ninterfaces:\n%s", yaml);
	fclose(out);
	sl_config_errors_init(&errs);
	config = sl_config_load_text("out.yaml", text, len, &errs);
	messages = messages_of(&errs);
	cr_expect_not_null(config, "%s: %s", name, messages);
	sl_config_free(config);
	sl_config_errors_free(&errs);
	free(messages);
	free(text);
}

Test(import, files_of_the_field_become_yaml_that_loads)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_config_errors errs;
		struct sl_wg_quick w;
		char *text = NULL, *messages;
		size_t len;
		FILE *out = open_memstream(&text, &len);

		sl_config_errors_init(&errs);
		cr_expect(sl_wg_quick_read("t.conf", "wg0", cases[i].file, strlen(cases[i].file), &w, &errs), "%s",
		        cases[i].name);
		sl_wg_quick_write(out, &w, NULL);
		fclose(out);
		messages = messages_of(&errs);
		cr_expect_str_eq(text, cases[i].yaml, "%s:\n%s\ninstead of\n%s", cases[i].name, text, cases[i].yaml);
		cr_expect_str_eq(messages, cases[i].messages, "%s:\n%s\ninstead of\n%s", cases[i].name, messages,
		        cases[i].messages);
		expect_loads(cases[i].name, text);
		sl_wg_quick_free(&w);
		sl_config_errors_free(&errs);
		free(messages);
		free(text);
	}
}

Test(import, what_is_wrong_is_told_with_its_line)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct sl_config_errors errs;
		struct sl_wg_quick w;
		char *messages, expected[1024];

		sl_config_errors_init(&errs);
		cr_expect_not(sl_wg_quick_read("t.conf", "wg0", refused[i].file, strlen(refused[i].file), &w, &errs),
		        "%s", refused[i].message);
		messages = messages_of(&errs);
		snprintf(expected, sizeof(expected), "t.conf:%s\n", refused[i].message);
		cr_expect_str_eq(messages, expected, "%s instead of %s", messages, expected);
		sl_wg_quick_free(&w);
		sl_config_errors_free(&errs);
		free(messages);
	}
}

Test(import, a_key_file_takes_the_key_s_place_and_bytes_that_are_no_text_are_refused)
{
	static const char file[] = "[Interface]\nPrivateKey=" KEY "\n", binary[] = "[Interface]\n\0\n";
	struct sl_config_errors errs;
	struct sl_wg_quick w;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	sl_config_errors_init(&errs);
	cr_assert(sl_wg_quick_read("t.conf", "wg0", file, sizeof(file) - 1, &w, &errs));
	sl_wg_quick_write(out, &w, "my keys/wg0.key");
	fclose(out);
	cr_expect_str_eq(text, IFP "    private-key-file: \"my keys/wg0.key\"\n");
	free(text);
	sl_wg_quick_free(&w);
	cr_expect_not(sl_wg_quick_read("t.conf", "wg0", binary, sizeof(binary) - 1, &w, &errs));
	sl_wg_quick_free(&w);
	sl_config_errors_free(&errs);
}

/* So many that time which goes with their square would not end before the test is ended. */
Test(import, very_many_peers)
{
	enum {
		PEERS = 100000,
	};
	struct sl_config_errors errs;
	struct sl_wg_quick w;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	/* those of the second half have the names that the first half's places stand for */
	for (unsigned i = 0; i < PEERS; i++) {
		uint8_t key[SL_KEY_LEN] = {1, (uint8_t)i, (uint8_t)(i >> 8), (uint8_t)(i >> 16)};
		char base64[SL_KEY_BASE64_LEN + 1];

		sl_key_to_base64(base64, key);
		if (i >= PEERS / 2)
			fprintf(out, "# peer-%u\n", i - PEERS / 2 + 1);
		fprintf(out, "[Peer]\nPublicKey=%s\nAllowedIPs=10.%u.%u.%u, 0.0.0.0/0\n", base64, i >> 16, i >> 8 & 255,
		        i & 255);
	}
	fclose(out);
	sl_config_errors_init(&errs);
	cr_assert(sl_wg_quick_read("t.conf", "wg0", text, len, &w, &errs));
	cr_assert_eq(w.n_peers, PEERS);
	for (unsigned i = 0; i < PEERS; i++) {
		char name[32];

		snprintf(name, sizeof(name), "peer-%u", i < PEERS / 2 ? i + PEERS / 2 + 1 : i - PEERS / 2 + 1);
		cr_assert_str_eq(w.peers[i].name, name);
		cr_assert_eq(w.peers[i].config.n_allowed_ips, i + 1 < PEERS ? 1 : 2);
	}
	sl_wg_quick_free(&w);
	sl_config_errors_free(&errs);
	free(text);
}

Test(import, names)
{
	static const struct {
		const char *path, *name;
	} files[] = {{"wg0.conf", "wg0"}, {"/etc/wireguard/office.CONF", "office"}, {"wg0", "wg0"}, {"a.b.conf", "a.b"},
	        {".conf", ".conf"}, {"sixteen-letters-.conf", NULL}, {"my vpn.conf", NULL}, {"all.conf", NULL},
	        {"dir/", NULL}};
	static const struct {
		const char *comment, *name;
		bool is_explicit;
	} comments[] = {{" bob", "bob"}, {" Name = bob's", NULL, true}, {"Name: Bob Miller", "Bob-Miller", true},
	        {" friendly_name=x", "x", true}, {"## Client bob", "bob"}, {" begin bob ###", "bob"},
	        {" end bob ###", NULL}, {"BEGIN_PEER bob", "bob"}, {" client", "client"}, {" was = off", NULL},
	        {"", NULL}, {" ---", NULL}, {" one two three four", NULL}, {" a,b", NULL}, {" peer-7", "peer-7"},
	        {" M\xc3\xbcnchen", NULL}};
	char name[SL_CONFIG_NAME_MAX + 1], peer[SL_CONFIG_PEER_NAME_MAX + 1];
	bool is_explicit;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		cr_expect_eq(sl_wg_quick_name(files[i].path, name), files[i].name != NULL, "%s", files[i].path);
		if (files[i].name)
			cr_expect_str_eq(name, files[i].name);
	}
	for (size_t i = 0; i < sizeof(comments) / sizeof(comments[0]); i++) {
		bool ok = sl_wg_quick_comment(comments[i].comment, peer, &is_explicit);

		cr_expect_eq(ok, comments[i].name != NULL, "%s", comments[i].comment);
		cr_expect_eq(is_explicit && ok, comments[i].is_explicit && comments[i].name, "%s", comments[i].comment);
		if (comments[i].name)
			cr_expect_str_eq(peer, comments[i].name);
	}
}
