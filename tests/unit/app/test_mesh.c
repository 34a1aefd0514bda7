/* Inventories of sites, and the files that they become. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/mesh.h"
#include "app/mesh_files.h"
#include "app/read_whole.h"
#include "app/wg_quick.h"
#include "crypto/wipe.h"

#define SITES(a, b, c) "sites:\n  oslo: {" a "}\n  bonn: {" b "}\n  lima: {" c "}\n"
#define NETWORK        "network: [10.99.0.0/24, 'fd99::/64']\n"
#define AT_OSLO        "endpoint: oslo.example.net, lans: [10.1.0.0/16]"
#define AT_BONN        "endpoint: '192.0.2.2:4500', lans: [10.2.0.0/16, 'fd02::/64'], listen-port: 4500"
#define AT_LIMA        "lans: [10.3.0.0/16]"

static char folder[64];
static char *said; /* by the last make() */

static void setup(void)
{
	strcpy(folder, "/tmp/sluice-test-mesh-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	said = NULL;
}

static void teardown(void)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	cr_expect_eq(system(command), 0);
	free(said);
}

/* Reads an inventory and, where it is right, writes its files. */
static bool make(const char *inventory, bool write)
{
	struct sl_config_errors errs;
	struct sl_mesh_givens given;
	struct sl_mesh *mesh = NULL;
	size_t len;
	FILE *out;
	bool ok;

	free(said);
	out = open_memstream(&said, &len);
	sl_config_errors_init(&errs);
	if (sl_mesh_givens_read(&given, folder, &errs))
		mesh = sl_mesh_read("i.yaml", inventory, strlen(inventory), &given, &errs);
	ok = mesh && (!write || sl_mesh_write(mesh, &given, folder, NULL, &errs));
	sl_config_errors_print(&errs, out);
	fclose(out);
	sl_config_errors_free(&errs);
	sl_mesh_free(mesh);
	sl_mesh_givens_free(&given);
	return ok;
}

static char *text_of(const char *name)
{
	char path[128], *text, *copy;
	size_t len;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	text = sl_read_whole(path, &len);
	cr_assert_not_null(text, "%s", path);
	copy = strndup(text, len);
	sl_read_whole_free(text, len);
	return copy;
}

static struct sl_config *load(const char *site)
{
	struct sl_config_errors errs;
	struct sl_config *config;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s.yaml", folder, site);
	sl_config_errors_init(&errs);
	config = sl_config_load(path, &errs);
	cr_assert_not_null(config, "%s: %s", path, errs.n_messages ? errs.messages[0].text : "");
	sl_config_errors_free(&errs);
	return config;
}

static const struct sl_config_peer *peer_of(const struct sl_config *config, const char *name)
{
	const struct sl_config_interface *ifp = &config->interfaces[0];

	for (uint32_t i = 0; i < ifp->n_peers; i++)
		if (strcmp(ifp->peers[i].name, name) == 0)
			return &ifp->peers[i];
	return NULL;
}

/* The prefixes of a peer, in one line. */
static void expect_allowed(const struct sl_config *config, const char *name, const char *expected)
{
	const struct sl_config_peer *peer = peer_of(config, name);
	char text[1024] = "", prefix[SL_PREFIX_STRLEN];

	cr_assert_not_null(peer, "%s", name);
	for (uint32_t i = 0; i < peer->n_allowed_ips; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "",
		        sl_prefix_format(&peer->allowed_ips[i], prefix));
	cr_expect_str_eq(text, expected, "%s: %s instead of %s", name, text, expected);
}

/* The wg-quick file says the same as the configuration. */
static void expect_conf(const char *site, const struct sl_config *config)
{
	const struct sl_config_interface *ifp = &config->interfaces[0];
	struct sl_config_errors errs;
	struct sl_wg_quick w;
	char name[96], *text;

	snprintf(name, sizeof(name), "%s.conf", site);
	text = text_of(name);
	sl_config_errors_init(&errs);
	cr_assert(sl_wg_quick_read(name, "wg0", text, strlen(text), &w, &errs));
	cr_expect_eq(errs.n_warnings, 0);
	sl_config_errors_free(&errs);
	cr_expect(sl_equal(w.config.public_key, ifp->public_key, SL_KEY_LEN));
	cr_expect_eq(w.config.listen_port, ifp->listen_port);
	cr_expect_eq(w.config.mtu, ifp->mtu);
	cr_expect_eq(w.config.n_addresses, ifp->n_addresses);
	cr_assert_eq(w.n_peers, ifp->n_peers);
	for (uint32_t i = 0; i < ifp->n_peers; i++) {
		const struct sl_config_peer *a = &w.peers[i].config, *b = &ifp->peers[i];

		cr_expect_str_eq(a->name, b->name);
		cr_expect(sl_equal(a->public_key, b->public_key, SL_KEY_LEN));
		cr_expect(sl_equal(a->preshared_key, b->preshared_key, SL_KEY_LEN));
		cr_expect_eq(a->persistent_keepalive, b->persistent_keepalive);
		cr_expect_eq(a->endpoint.port, b->endpoint.port);
		cr_assert_eq(a->n_allowed_ips, b->n_allowed_ips);
		for (uint32_t j = 0; j < a->n_allowed_ips; j++)
			cr_expect(sl_prefix_equal(&a->allowed_ips[j], &b->allowed_ips[j]));
	}
	sl_wg_quick_free(&w);
	free(text);
}

/* Both sides of a pair know each other's key and the same preshared key. */
static void expect_pair(const char *a, const char *b, bool psk)
{
	struct sl_config *x = load(a), *y = load(b);
	const struct sl_config_peer *of_x = peer_of(x, b), *of_y = peer_of(y, a);

	cr_assert(of_x && of_y, "%s and %s", a, b);
	cr_expect(sl_equal(of_x->public_key, y->interfaces[0].public_key, SL_KEY_LEN));
	cr_expect(sl_equal(of_y->public_key, x->interfaces[0].public_key, SL_KEY_LEN));
	cr_expect_eq(of_x->has_preshared_key, psk);
	cr_expect_eq(of_y->has_preshared_key, psk);
	cr_expect(sl_equal(of_x->preshared_key, of_y->preshared_key, SL_KEY_LEN));
	sl_config_free(x);
	sl_config_free(y);
}

TestSuite(mesh, .init = setup, .fini = teardown);

Test(mesh, a_full_mesh_links_every_pair)
{
	struct sl_config *c;

	cr_assert(make("topology: full\n" NETWORK SITES(AT_OSLO, AT_BONN, AT_LIMA), true), "%s", said);
	cr_expect_str_empty(said);
	expect_pair("oslo", "bonn", true);
	expect_pair("oslo", "lima", true);
	expect_pair("lima", "bonn", true);
	c = load("lima");
	expect_allowed(c, "oslo", "10.99.0.1/32 fd99::1/128 10.1.0.0/16");
	expect_allowed(c, "bonn", "10.99.0.2/32 fd99::2/128 10.2.0.0/16 fd02::/64");
	cr_expect_eq(peer_of(c, "oslo")->persistent_keepalive, 25);
	cr_expect_str_eq(peer_of(c, "oslo")->endpoint.host, "oslo.example.net");
	cr_expect_eq(peer_of(c, "oslo")->endpoint.port, 51820);
	cr_expect_eq(peer_of(c, "bonn")->endpoint.port, 4500);
	cr_expect_not(sl_equal(peer_of(c, "oslo")->preshared_key, peer_of(c, "bonn")->preshared_key, SL_KEY_LEN));
	expect_conf("lima", c);
	sl_config_free(c);
	c = load("bonn");
	cr_expect_eq(c->interfaces[0].listen_port, 4500);
	cr_expect_eq(peer_of(c, "lima")->persistent_keepalive, 0);
	cr_expect_eq(peer_of(c, "lima")->endpoint.port, 0);
	expect_conf("bonn", c);
	sl_config_free(c);
}

Test(mesh, a_spoke_reaches_the_others_through_its_first_hub)
{
	struct sl_config *c;

	cr_assert(make("topology: hub-and-spoke\nhub: [oslo, bonn]\nmtu: 1380\npreshared-keys: false\n" NETWORK
	               "sites:\n  lima: {" AT_LIMA "}\n  oslo: {" AT_OSLO
	               "}\n  rome: {lans: [10.4.0.0/16]}\n  bonn: {" AT_BONN "}\n",
	                  true),
	        "%s", said);
	expect_pair("lima", "oslo", false);
	expect_pair("lima", "bonn", false);
	expect_pair("oslo", "bonn", false);
	c = load("lima");
	cr_expect_eq(c->interfaces[0].n_peers, 2);
	cr_expect_eq(c->interfaces[0].mtu, 1380);
	expect_allowed(c, "oslo", "10.99.0.2/32 fd99::2/128 10.1.0.0/16 10.99.0.3/32 fd99::3/128 10.4.0.0/16");
	expect_allowed(c, "bonn", "10.99.0.4/32 fd99::4/128 10.2.0.0/16 fd02::/64");
	expect_conf("lima", c);
	sl_config_free(c);
	c = load("oslo");
	expect_allowed(c, "lima", "10.99.0.1/32 fd99::1/128 10.3.0.0/16");
	expect_conf("oslo", c);
	sl_config_free(c);
}

Test(mesh, a_partial_mesh_has_the_links_that_are_named_and_ports_where_they_are_given)
{
	struct sl_config *c;

	cr_assert(
	        make("topology: partial\nlinks: [[oslo, bonn], [lima, rome]]\ninterface: corp\n"
	             "sites:\n  oslo: {addresses: 10.9.0.1/24, endpoint: '2001:db8::1', ports: {wan0: {device: "
	             "net_null0, "
	             "addresses: [203.0.113.10/24, '2001:db8::1/64'], gateway: 203.0.113.1, mtu: 1400}, lan0: {device: "
	             "net_null1}}}\n  bonn: {addresses: [10.9.0.2/24]}\n  lima: {addresses: [10.9.0.3/24]}\n"
	             "  rome: {addresses: [10.9.0.4/24]}\n",
	                true),
	        "%s", said);
	cr_expect_str_eq(said, "i.yaml:8:3: warning: sites 'lima' and 'rome' have no endpoint, so neither finds the "
	                       "other; give one of "
	                       "them an endpoint\n");
	expect_pair("oslo", "bonn", true);
	expect_pair("lima", "rome", true);
	c = load("oslo");
	cr_expect_str_eq(c->interfaces[0].name, "corp");
	cr_expect_eq(c->n_ports, 2);
	cr_expect_eq(c->ports[0].mtu, 1400);
	cr_expect_eq(c->ports[0].n_addresses, 2);
	cr_expect_eq(c->interfaces[0].n_peers, 1);
	expect_conf("oslo", c);
	sl_config_free(c);
	c = load("bonn");
	cr_expect_eq(peer_of(c, "oslo")->endpoint.literal.ip.family, SL_AF_INET6);
	cr_expect_eq(peer_of(c, "oslo")->endpoint.port, 51820);
	sl_config_free(c);
}

Test(mesh, the_same_again_and_only_for_its_owner)
{
	static const char *const files[] = {"addresses", "oslo.yaml", "bonn.yaml", "lima.yaml", "oslo.conf",
	        "bonn.conf", "lima.conf", "keys/oslo.key", "keys/bonn--oslo.psk", "keys/lima--oslo.psk",
	        "keys/bonn--lima.psk"};
	static const char inventory[] = NETWORK SITES(AT_OSLO, AT_BONN, AT_LIMA);
	char *before[11], path[128], *after;
	struct stat st;

	cr_assert(make(inventory, true), "%s", said);
	for (size_t i = 0; i < 11; i++) {
		before[i] = text_of(files[i]);
		snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
		cr_expect(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600, "%s", path);
	}
	cr_assert(make(inventory, true), "%s", said);
	for (size_t i = 0; i < 11; i++) {
		after = text_of(files[i]);
		cr_expect_str_eq(after, before[i], "%s", files[i]);
		free(after);
	}
	/* keys belong to names, not to places in the file */
	cr_assert(make(NETWORK "sites:\n  lima: {" AT_LIMA "}\n  oslo: {" AT_OSLO "}\n", true), "%s", said);
	cr_expect_not_null(
	        strstr(said, "warning: site 'bonn' is not in the inventory; its files stay: bonn.yaml, bonn.conf, "
	                     "keys/bonn.key and its .psk files"),
	        "%s", said);
	after = text_of("bonn.yaml");
	cr_expect_str_eq(after, before[2]);
	free(after);
	cr_assert(make(inventory, true), "%s", said);
	for (size_t i = 0; i < 11; i++) {
		after = text_of(files[i]);
		cr_expect_str_eq(after, before[i], "%s", files[i]);
		free(after);
		free(before[i]);
	}
}

Test(mesh, a_key_that_is_none_or_for_others_stops_it_before_any_file_is_written)
{
	static const char inventory[] = NETWORK SITES(AT_OSLO, AT_BONN, AT_LIMA);
	char path[128];

	cr_assert(make(inventory, true), "%s", said);
	snprintf(path, sizeof(path), "%s/oslo.yaml", folder);
	cr_assert_eq(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/keys/bonn.key", folder);
	cr_assert_eq(chmod(path, 0644), 0);
	cr_expect_not(make(inventory, true));
	cr_expect_not_null(strstr(said, "keys/bonn.key' can be read by group or others"), "%s", said);
	snprintf(path, sizeof(path), "%s/oslo.yaml", folder);
	cr_expect_eq(access(path, F_OK), -1);
	snprintf(path, sizeof(path), "%s/keys/bonn.key", folder);
	cr_assert_eq(chmod(path, 0600), 0);
	/* a port that no configuration would have */
	cr_expect_not(make(NETWORK SITES(AT_OSLO ", ports: {p: {device: eth0}}", AT_BONN, AT_LIMA), true));
	cr_expect_not_null(strstr(said, "'eth0' is not known"), "%s", said);
	snprintf(path, sizeof(path), "%s/oslo.yaml", folder);
	cr_expect_eq(access(path, F_OK), -1);
}

static void expect_file(const char *name, const char *expected)
{
	char *text = text_of(name);

	cr_expect_str_eq(text, expected, "%s:\n%s", name, text);
	free(text);
}

static void put_text(const char *name, const char *text)
{
	char path[128];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	out = fopen(path, "w");
	cr_assert_not_null(out);
	fputs(text, out);
	fclose(out);
}

#define HEAD             "# What `sluice mesh` gave to sites. Each keeps its own; take a line out to have it given anew.\n"
#define FULL_WITH(sites) NETWORK "sites:\n" sites
#define S(name)          "  " name ": {endpoint: " name ".example.net}\n"

Test(mesh, a_site_keeps_its_addresses_whatever_comes_and_goes_around_it)
{
	struct sl_config *c;
	char *before, *after;

	cr_assert(make(FULL_WITH(S("oslo") S("bonn") S("lima")), true), "%s", said);
	expect_file("addresses", HEAD "oslo 10.99.0.1 fd99::1\nbonn 10.99.0.2 fd99::2\nlima 10.99.0.3 fd99::3\n");
	before = text_of("keys/bonn.key");

	/* in front, in the middle, and in another order */
	cr_assert(make(FULL_WITH(S("rome") S("lima") S("oslo") S("kyiv") S("bonn")), true), "%s", said);
	c = load("rome");
	expect_allowed(c, "oslo", "10.99.0.1/32 fd99::1/128");
	expect_allowed(c, "bonn", "10.99.0.2/32 fd99::2/128");
	expect_allowed(c, "lima", "10.99.0.3/32 fd99::3/128");
	expect_allowed(c, "kyiv", "10.99.0.5/32 fd99::5/128");
	cr_expect_eq(c->interfaces[0].addresses[0].prefix.addr.bytes[3], 4);
	sl_config_free(c);
	after = text_of("keys/bonn.key");
	cr_expect_str_eq(after, before);
	free(before);
	free(after);

	/* one goes: its addresses wait for it */
	cr_assert(make(FULL_WITH(S("rome") S("oslo") S("kyiv") S("bonn")), true), "%s", said);
	cr_assert(make(FULL_WITH(S("rome") S("oslo") S("kyiv") S("bonn") S("nice")), true), "%s", said);
	expect_file("addresses", HEAD "rome 10.99.0.4 fd99::4\noslo 10.99.0.1 fd99::1\nkyiv 10.99.0.5 fd99::5\n"
	                              "bonn 10.99.0.2 fd99::2\nnice 10.99.0.6 fd99::6\nlima 10.99.0.3\nlima fd99::3\n");
	cr_assert(make(FULL_WITH(S("lima") S("nice")), true), "%s", said);
	c = load("nice");
	expect_allowed(c, "lima", "10.99.0.3/32 fd99::3/128");
	sl_config_free(c);

	/* another network for the same sites, and what somebody is told to have is no one else's */
	cr_assert(make("network: 10.98.0.0/24\nsites:\n" S("lima") "  nice: {endpoint: a.b, addresses: 10.98.0.1/24}\n",
	                  true),
	        "%s", said);
	c = load("nice");
	expect_allowed(c, "lima", "10.98.0.2/32");
	sl_config_free(c);
}

Test(mesh, addresses_of_sites_that_are_gone_are_given_where_no_others_are_left)
{
	static const char inventory[] = "network: 10.99.0.0/30\nsites:\n";
	char text[256];

	snprintf(text, sizeof(text), "%s%s", inventory, S("a") S("b"));
	cr_assert(make(text, true), "%s", said);
	snprintf(text, sizeof(text), "%s%s", inventory, S("b") S("c"));
	cr_assert(make(text, true), "%s", said);
	expect_file("addresses", HEAD "b 10.99.0.2\nc 10.99.0.1\n");
	snprintf(text, sizeof(text), "%s%s", inventory, S("a") S("b") S("c"));
	cr_expect_not(make(text, true));
	cr_expect_not_null(strstr(said, "no address of 10.99.0.0/30 is left for site"), "%s", said);
}

Test(mesh, a_file_of_addresses_that_is_none_is_refused_with_its_line)
{
	put_text("addresses", "# fine\n\noslo 10.99.0.7\nbonn 10.99.0.300\n");
	cr_expect_not(make(FULL_WITH(S("oslo") S("bonn")), true));
	cr_expect_not_null(
	        strstr(said, "/addresses:4:1: 'bonn 10.99.0.300' is not a site and its addresses; mend the line or "
	                     "take it out\n"),
	        "%s", said);
	put_text("addresses", "oslo\t10.99.0.7  \n");
	cr_assert(make(FULL_WITH(S("oslo") S("bonn")), true), "%s", said);
	expect_file("addresses", HEAD "oslo 10.99.0.7 fd99::1\nbonn 10.99.0.1 fd99::2\n");
}

#define TWO(a, b) NETWORK "sites:\n  a: {" a "}\n  b: {" b "}\n"
#define E         "endpoint: 'x.y:1'"

static const struct {
	const char *inventory, *message;
} refused[] = {
        {"", "1:1: an empty inventory; see sluice-mesh(1) for its form"},
        {"a: [", "2:1: not YAML: did not find expected node content; mend it here or just before"},
        {"[a]", "1:1: the inventory: a list where a mapping belongs"},
        {"sites: {a: {}}", "1:1: fewer than two sites; add them below `sites:`"},
        {TWO(E, E) "---\nmtu: 1300\n", "6:1: a second document starts here; keep one in a file"},
        {"{network: 10.99.0.0/24, sites: {a: {" E "}, b: {" E "}}}\n}\n",
                "2:1: not YAML: did not find expected <document start>; mend it here or just before"},
        {"sites: [a, b]", "1:8: sites: a list where a mapping belongs"},
        {"site: {}", "1:1: unknown key 'site'; did you mean 'sites'?"},
        {"mtu: 1400\nmtu: 1400", "2:1: 'mtu' is given twice, first at 1:1; keep one of them"},
        {"mtu: 500", "1:6: mtu: '500' is not a number from 1280 to 9000; give one"},
        {"listen-port: 0", "1:14: listen-port: '0' is not a number from 1 to 65535; give one"},
        {"interface: a b", "1:12: interface: name 'a b' is not valid; use letters, digits and _ = + . -"},
        {"topology: ring", "1:11: topology: 'ring' is not known; give full, hub-and-spoke or partial"},
        {"preshared-keys: yes", "1:17: preshared-keys: 'yes' is not known; give true or false"},
        {"network: 10.0.0.1/24", "1:10: network: 10.0.0.1/24 is not a network's address; give one without host bits "
                                 "and not of length 0"},
        {"network: ten", "1:10: network: 'ten' is not an address with a prefix length; give one such as 10.1.0.0/16 or "
                         "fd00:1::/64"},
        {"network:", "1:9: network: no value; write one or take the key out"},
        {"sites: {a--b: {}}", "1:9: site name 'a--b' is not valid; use letters, digits and single - _ ."},
        {"sites: {../a: {}}", "1:9: site name '../a' is not valid; use letters, digits and single - _ ."},
        {"sites: {a: {}, a: {}}", "1:16: site 'a' is given twice, first at 1:9; rename one of them"},
        {"sites: {a: {endpont: x}}", "1:13: unknown key 'endpont'; did you mean 'endpoint'?"},
        {"sites: {a: {endpoint: 'x:0'}}",
                "1:23: endpoint: 'x:0' has a port that is none; give a number from 1 to 65535"},
        {"sites: {a: {ports: {p: {devise: x}}}}", "1:25: unknown key 'devise'; did you mean 'device'?"},
        {"sites: {a: {ports: {p: x}}}", "1:24: p: a value where a mapping belongs"},
        {"sites: {a: {addresses: 10.0.0.0/24}}",
                "1:24: addresses: 10.0.0.0/24 is the network's own address; give a host's in it"},
        {"sites:\n  a: {" E "}\n  b: {" E "}\n",
                "2:3: site 'a' has no addresses in the tunnel; give it `addresses`, or the mesh a `network`"},
        {"network: 10.0.0.0/31\nsites: {a: {" E "}, b: {" E "}, c: {" E "}}",
                "2:57: no address of 10.0.0.0/31 is left for site 'c'; give a wider network"},
        {"sites: {a: {" E ", addresses: 10.9.0.1/24}, b: {" E ", addresses: 10.9.0.1/24}}",
                "1:91: addresses: 10.9.0.1 belongs to site 'a' already, at 1:43; give each its own"},
        {TWO(E ", lans: 10.1.0.0/16", E ", lans: 10.1.2.0/24"),
                "4:32: lans: 10.1.2.0/24 overlaps 10.1.0.0/16 of site 'a' at 3:32; renumber one of them"},
        {TWO(E ", lans: 10.99.0.0/16", E), "3:32: lans: 10.99.0.0/16 overlaps the tunnel's network 10.99.0.0/24 of "
                                           "site 'a'; renumber one of them"},
        {TWO("", "lans: 10.2.0.0/16"),
                "4:3: sites 'a' and 'b' have no endpoint, so neither finds the other; give one of them an "
                "endpoint, or use `topology: hub-and-spoke`"},
        {"topology: hub-and-spoke\n" TWO(E, E), "1:1: no hub; name the site that is it, `hub: NAME`"},
        {"topology: hub-and-spoke\nhub: c\n" TWO(E, E), "2:6: hub: no site 'c'; did you mean 'a'?"},
        {"hub: a\n" TWO(E, E), "1:6: hub: only with `topology: hub-and-spoke`; take one of them out"},
        {"topology: partial\n" TWO(E, E), "1:1: no links; name the pairs of sites, `links: [[A, B]]`"},
        {"topology: partial\nlinks: [a, b]\n" TWO(E, E),
                "2:9: links: a link is a pair of sites, such as [berlin, oslo]"},
        {"topology: partial\nlinks: [[a, a]]\n" TWO(E, E), "2:9: links: 'a' with itself; name two sites"},
        {"links: [[a, b]]\n" TWO(E, E), "1:8: links: only with `topology: partial`; take one of them out"},
};

Test(mesh, what_is_wrong_is_told_with_its_place)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		char expected[512];

		snprintf(expected, sizeof(expected), "i.yaml:%s\n", refused[i].message);
		cr_expect_not(make(refused[i].inventory, false), "%s", expected);
		cr_expect(strncmp(said, expected, strlen(expected)) == 0, "%s instead of %s", said, expected);
	}
}
