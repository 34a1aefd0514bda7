/* The `wg` tool's socket: each row of protocol.md section 8 by itself, as text in and text out. */
#include <criterion/criterion.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/api_conn.h"
#include "control/proto/internal.h"
#include "wg_rig.h"

static struct wg_rig *r;

static void setup(void)
{
	r = wg_rig_create();
}

static void teardown(void)
{
	wg_rig_destroy(r);
}

TestSuite(wg_socket, .init = setup, .fini = teardown);

#define PEER_A  "a8fd09d1a9f09b3f6c0b3c9b0d5a9d1c6f3c5c7e8b2f4d6a1c3e5b7d9f0a2c44"
#define PEER_B  "b8fd09d1a9f09b3f6c0b3c9b0d5a9d1c6f3c5c7e8b2f4d6a1c3e5b7d9f0a2c44"
#define PRIVATE "ef4b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba5202fa" /* not clamped */
#define ZERO    "0000000000000000000000000000000000000000000000000000000000000000"
#define COUNTS  "last_handshake_time_sec=0\nlast_handshake_time_nsec=0\ntx_bytes=0\nrx_bytes=0\n"

/* What a peer without anything says in a get. */
#define BARE(key)                                                                                                      \
	"public_key=" key "\npreshared_key=" ZERO "\nprotocol_version=1\n" COUNTS "persistent_keepalive_interval=0\n"

static const char *get(void)
{
	return wg_rig_ask(r, "wg0", "get=1\n\n");
}

/* A set with these lines; fails the test unless its answer is that errno. */
static void set(const char *lines, int error)
{
	char text[4096], want[64];

	snprintf(text, sizeof(text), "set=1\n%s\n", lines);
	snprintf(want, sizeof(want), "errno=%d\n\n", error);
	cr_assert_str_eq(wg_rig_ask(r, "wg0", text), want, "%s", lines);
}

static void got(const char *want)
{
	char whole[8192];

	snprintf(whole, sizeof(whole), "%serrno=0\n\n", want);
	cr_assert_str_eq(get(), whole);
}

/* Whose an address is: 0 for nobody's, else the number of the peer's slot + 1. */
static uint32_t owner(const char *text)
{
	struct sl_ip ip;

	cr_assert(sl_ip_parse(text, &ip));
	return sl_lpm_lookup(r->wg0->cryptokey, &ip);
}

Test(wg_socket, wg_socket_files)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = "/var/run/wireguard/wg7.sock"};
	struct sl_gateway_if *gi = sl_gateway_if_add(&r->gw, "wg7", SL_IF_WIREGUARD);
	struct stat st;
	int fd;

	cr_assert_eq(stat("/var/run/wireguard", &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0755);
	cr_assert_eq(stat("/var/run/wireguard/wg0.sock", &st), 0);
	cr_assert(S_ISSOCK(st.st_mode));
	cr_assert_eq(st.st_mode & 077, 0, "made under umask 077");
	/* another process serves it */
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	cr_assert_eq(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	cr_assert_eq(listen(fd, 1), 0);
	cr_assert_eq(sl_gateway_if_make_wireguard(gi, SL_DEFAULT_MTU, true), 0);
	cr_assert_eq(sl_api_add_interface(r->gw.api, gi), -EADDRINUSE);
	/* it died and left it behind */
	close(fd);
	cr_assert_eq(wg_rig_connect("wg7"), -1);
	cr_assert_eq(sl_api_add_interface(r->gw.api, gi), 0);
	cr_assert_str_eq(wg_rig_ask(r, "wg7", "get=1\n\n"), "errno=0\n\n");
	sl_api_remove_interface(r->gw.api, gi);
	cr_assert_neq(stat(addr.sun_path, &st), 0, "taken away with its interface");
	sl_gateway_if_remove(gi);
}

/* `wg show interfaces` connects and closes; clients may be silent, many, slow, or gone while they are answered. */
Test(wg_socket, wg_socket_clients)
{
	enum { REQUESTS = 50 };
	static char bytes[65536];
	int silent[100], gone, slow;
	size_t one, all = 0;

	for (unsigned i = 0; i < 100; i++) {
		int fd = wg_rig_connect("wg0");

		cr_assert_geq(fd, 0, "the backlog holds them before they are served");
		close(fd);
		silent[i] = wg_rig_connect("wg0");
		cr_assert_geq(silent[i], 0);
		if (i % 50 == 49)
			wg_rig_serve(r);
	}
	cr_assert_str_eq(get(), "errno=0\n\n");
	for (unsigned i = 0; i < 200; i++) {
		char lines[256];

		snprintf(lines, sizeof(lines), "public_key=%02x%s\nallowed_ip=10.0.%u.0/24\n", i, &PEER_A[2], i);
		set(lines, 0);
	}
	gone = wg_rig_connect("wg0");
	cr_assert_eq(write(gone, "get=1\n\n", 7), 7);
	close(gone); /* the answer meets a closed socket: no signal ends the gateway */
	wg_rig_serve(r);
	slow = wg_rig_connect("wg0");
	for (unsigned i = 0; i < REQUESTS; i++)
		cr_assert_eq(write(slow, "get=1\n\n", 7), 7);
	memset(bytes, '\n', 2 * SL_API_LINE_MAX); /* more than is read ahead */
	cr_assert_eq(write(slow, bytes, 2 * SL_API_LINE_MAX), 2 * SL_API_LINE_MAX);
	wg_rig_serve(r);
	one = strlen(get());
	cr_assert_gt(one, 10000, "others are served while one does not read");
	for (size_t n = 1; n > 0; wg_rig_serve(r)) {
		ssize_t got = recv(slow, bytes, sizeof(bytes), MSG_DONTWAIT);

		n = got > 0 ? (size_t)got : 0;
		all += n;
	}
	cr_assert_eq(all, REQUESTS * one, "and has all of it in the end: %zu of %zu", all, REQUESTS * one);
	close(slow);
	for (unsigned i = 0; i < 100; i++)
		close(silent[i]);
	wg_rig_serve(r);
}

Test(wg_socket, wg_requests_end_and_follow_one_another)
{
	int fd = wg_rig_connect("wg0");

	cr_assert_str_eq(wg_rig_say(r, fd, "get=1\n"), "", "not before the empty line");
	cr_assert_str_eq(wg_rig_say(r, fd, "whatever=1\n"), "");
	cr_assert_str_eq(wg_rig_say(r, fd, "\n"), "errno=0\n\n");
	cr_assert_str_eq(wg_rig_say(r, fd, "set=1\nfwmark=7\n\nget=1\n\nset=1\nfwmark=0\n\nget=1\n\n"),
	        "errno=0\n\nfwmark=7\nerrno=0\n\nerrno=0\n\nerrno=0\n\n");
	close(fd);
	cr_assert_str_eq(wg_rig_ask(r, "wg0", "bogus=1\n\n"), "");
}

/* `wg` negates what a set answers. The first error counts, and what comes behind it does not. */
Test(wg_socket, wg_errno_is_negative_on_set)
{
	set("fwmark=none\n", -22);
	set("fwmark=5\nnonsense=1\nfwmark=6\n", -22);
	got("fwmark=5\n");
	set("public_key=" PEER_A "\nendpoint=1.2.3.4\n", -22);
	set("public_key=zz" PEER_A "\n", -22);
	set("no equals sign\n", -71);
}

Test(wg_socket, wg_private_key)
{
	uint8_t key[SL_KEY_LEN];
	char lines[256], hex[SL_KEY_HEX_LEN + 1];

	got("");
	set("private_key=" PRIVATE "\n", 0);
	memcpy(key, sl_proto_if_identity(r->wg0->proto)->private_key, sizeof(key));
	cr_assert_eq(key[0] & 7, 0);
	cr_assert_eq(key[31] & 0xc0, 0x40);
	for (unsigned i = 0; i < SL_KEY_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", key[i]);
	snprintf(lines, sizeof(lines), "private_key=%s\n", hex);
	got(lines);
	set("private_key=12\n", -22);
	set("private_key=g"
	    "84b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba52027a\n",
	        -22);
	got(lines);
	set("private_key=" ZERO "\n", 0);
	got("");
}

Test(wg_socket, wg_listen_port)
{
	set("listen_port=51820\n", 0);
	got("listen_port=51820\n");
	set("listen_port=51820\n", 0);
	set("listen_port=65536\n", -22);
	set("listen_port=0x10\n", -22);
	set("listen_port=65535\n", 0);
	got("listen_port=65535\n");
	cr_assert_eq(atomic_load(&r->gw.dp->listen[51820]), 0);
	cr_assert_eq(atomic_load(&r->gw.dp->listen[65535]), r->wg0->id + 1);
	set("listen_port=0\n", 0);
	cr_assert_neq(r->wg0->listen_port, 0, "0: one is picked");
	cr_assert_neq(r->wg0->listen_port, 65535);
	cr_assert_eq(atomic_load(&r->gw.dp->listen[r->wg0->listen_port]), r->wg0->id + 1);
}

Test(wg_socket, p21_two_interfaces_with_one_port)
{
	set("listen_port=51820\n", 0);
	cr_assert_str_eq(wg_rig_ask(r, "wg1", "set=1\nlisten_port=51820\n\n"), "errno=-98\n\n");
	cr_assert_eq(atomic_load(&r->gw.dp->listen[51820]), r->wg0->id + 1);
	cr_assert_eq(r->wg1->listen_port, 0);
	set("listen_port=51821\n", 0);
	cr_assert_str_eq(wg_rig_ask(r, "wg1", "set=1\nlisten_port=51820\n\n"), "errno=0\n\n");
}

Test(wg_socket, wg_fwmark)
{
	set("fwmark=4294967295\n", 0);
	got("fwmark=4294967295\n");
	set("fwmark=4294967296\n", -22);
	set("fwmark=-1\n", -22);
	set("fwmark=0\n", 0);
	got("");
}

Test(wg_socket, wg_public_key_and_replace_peers)
{
	set("public_key=" PEER_A "\npublic_key=" PEER_B "\n", 0);
	got(BARE(PEER_A) BARE(PEER_B));
	set("public_key=" PEER_A "\n", 0);
	got(BARE(PEER_A) BARE(PEER_B));
	set("fwmark=1\npublic_key=" PEER_A "\npersistent_keepalive_interval=3\n", 0);
	set("replace_peers=false\n", -22);
	set("replace_peers=true\npublic_key=" PEER_B "\n", 0);
	got("fwmark=1\n" BARE(PEER_B));
	set("replace_peers=true\n", 0);
	got("fwmark=1\n");
}

Test(wg_socket, wg_remove)
{
	set("public_key=" PEER_A "\nallowed_ip=10.0.0.0/24\npublic_key=" PEER_B "\n", 0);
	set("public_key=" PEER_A
	    "\nremove=true\nallowed_ip=10.1.0.0/24\npersistent_keepalive_interval=5\nendpoint=1.2.3.4:5\n",
	        0);
	got(BARE(PEER_B));
	cr_assert_eq(owner("10.0.0.1"), 0);
	cr_assert_eq(owner("10.1.0.1"), 0);
	set("public_key=" PEER_A "\nremove=true\n", 0);
	got(BARE(PEER_B));
}

Test(wg_socket, wg_update_only)
{
	set("public_key=" PEER_A "\nupdate_only=true\nallowed_ip=10.1.0.0/24\npersistent_keepalive_interval=5\n", 0);
	got("");
	cr_assert_eq(owner("10.1.0.1"), 0);
	set("public_key=" PEER_A "\n", 0);
	set("public_key=" PEER_A "\nupdate_only=true\nallowed_ip=10.1.0.0/24\n", 0);
	got(BARE(PEER_A) "allowed_ip=10.1.0.0/24\n");
}

Test(wg_socket, wg_preshared_key)
{
	set("public_key=" PEER_A "\npreshared_key=" PEER_B "\n", 0);
	got("public_key=" PEER_A "\npreshared_key=" PEER_B "\nprotocol_version=1\n" COUNTS
	    "persistent_keepalive_interval=0\n");
	set("public_key=" PEER_A "\npreshared_key=" ZERO "\n", 0);
	got(BARE(PEER_A));
	set("public_key=" PEER_A "\npreshared_key=00\n", -22);
}

Test(wg_socket, wg_endpoint)
{
	static const struct {
		const char *text;
		int error;
	} cases[] = {
	        {"192.0.2.7:1", 0},
	        {"[2001:db8::7]:65535", 0},
	        {"192.0.2.7:65536", -22},
	        {"192.0.2.7", -22},
	        {"2001:db8::7:1", -22},
	        {"host.example:1", -22},
	        {"", -22},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char lines[256], want[64];

		snprintf(lines, sizeof(lines), "public_key=%s\nendpoint=%s\n", PEER_A, cases[i].text);
		set(lines, cases[i].error);
		snprintf(want, sizeof(want), "\nendpoint=%s\n", cases[i].text);
		if (cases[i].error == 0)
			cr_assert_not_null(strstr(get(), want), "%s", cases[i].text);
	}
	set("public_key=" PEER_B "\n", 0);
	cr_assert_null(strstr(strstr(get(), PEER_B), "endpoint"), "none is left out");
}

Test(wg_socket, wg_keepalive)
{
	set("public_key=" PEER_A "\npersistent_keepalive_interval=65535\n", 0);
	cr_assert_not_null(strstr(get(), "\npersistent_keepalive_interval=65535\n"));
	set("public_key=" PEER_A "\npersistent_keepalive_interval=65536\n", -22);
	set("public_key=" PEER_A "\npersistent_keepalive_interval=off\n", -22);
	cr_assert_not_null(strstr(get(), "\npersistent_keepalive_interval=65535\n"));
	set("public_key=" PEER_A "\npersistent_keepalive_interval=0\n", 0);
	got(BARE(PEER_A));
	/* switched on in the same breath with the endpoint that comes behind it: sent at once */
	set("private_key=" PRIVATE "\npublic_key=" PEER_A "\npersistent_keepalive_interval=5\nendpoint=192.0.2.1:1\n",
	        0);
	for (unsigned i = 0; i < 8; i++)
		sl_proto_advance(r->gw.proto, r->gw.now, 8);
	cr_assert_eq(r->sent, 1);
}

/* A peer's new set takes the place of the old at once: what is in both is never without its peer. */
Test(wg_socket, wg_replace_allowed_ips)
{
	static const char *const steps[] = {"set=1\n", "public_key=" PEER_A "\n", "replace_allowed_ips=true\n",
	        "allowed_ip=10.2.0.0/24\n", "allowed_ip=10.1.0.0/24\n", "\n"};
	int fd;

	set("public_key=" PEER_A "\nallowed_ip=10.0.0.0/24\nallowed_ip=10.1.0.0/24\n", 0);
	fd = wg_rig_connect("wg0");
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		const char *reply = wg_rig_say(r, fd, steps[i]);

		cr_assert_neq(owner("10.1.0.1"), 0, "after %s", steps[i]);
		cr_assert_str_eq(reply, i + 1 < sizeof(steps) / sizeof(*steps) ? "" : "errno=0\n\n");
	}
	close(fd);
	cr_assert_eq(owner("10.0.0.1"), 0);
	cr_assert_neq(owner("10.2.0.1"), 0);
	set("public_key=" PEER_A "\nreplace_allowed_ips=true\n", 0);
	got(BARE(PEER_A));
}

Test(wg_socket, wg_allowed_ip)
{
	set("public_key=" PEER_A "\nallowed_ip=10.1.2.3/24\nallowed_ip=2001:db8::77/64\n", 0);
	cr_assert_not_null(strstr(get(), "\nallowed_ip=10.1.2.0/24\n"), "host bits are masked");
	cr_assert_not_null(strstr(get(), "\nallowed_ip=2001:db8::/64\n"));
	set("public_key=" PEER_A "\nallowed_ip=-10.1.2.0/24\n", 0);
	cr_assert_eq(owner("10.1.2.9"), 0);
	cr_assert_null(strstr(get(), "10.1.2.0"));
	set("public_key=" PEER_A "\nallowed_ip=-10.9.0.0/24\n", 0);
	set("public_key=" PEER_B "\nallowed_ip=2001:db8::/64\n", 0);
	got(BARE(PEER_A) BARE(PEER_B) "allowed_ip=2001:db8::/64\n");
	set("public_key=" PEER_A "\nallowed_ip=-2001:db8::/64\n", 0);
	got(BARE(PEER_A) BARE(PEER_B) "allowed_ip=2001:db8::/64\n");
	set("public_key=" PEER_A "\nallowed_ip=10.0.0.0/33\n", -22);
	set("public_key=" PEER_A "\nallowed_ip=0.0.0.0/0\nallowed_ip=::/0\n", 0);
	cr_assert_not_null(strstr(get(), "allowed_ip=0.0.0.0/0\n"));
	cr_assert_not_null(strstr(get(), "allowed_ip=::/0\n"));
}

Test(wg_socket, wg_protocol_version)
{
	set("public_key=" PEER_A "\nprotocol_version=1\n", 0);
	set("public_key=" PEER_A "\nprotocol_version=2\n", -93);
	got(BARE(PEER_A));
}

Test(wg_socket, wg_counters)
{
	struct sl_proto_peer *peer;

	set("public_key=" PEER_A "\n", 0);
	peer = r->wg0->proto ? sl_proto_peer_at(r->gw.proto, 0) : NULL;
	cr_assert_not_null(peer);
	peer->latest_handshake = (struct timespec){.tv_sec = 1700000001, .tv_nsec = 5};
	sl_peer_stamp_sent(&r->gw.dp->peers, 0, peer->slot, r->gw.now, 1428, true);
	sl_peer_stamp_received(&r->gw.dp->peers, 0, peer->slot, r->gw.now, 1372, true);
	cr_assert_not_null(strstr(get(),
	        "last_handshake_time_sec=1700000001\nlast_handshake_time_nsec=5\ntx_bytes=1428\nrx_bytes=1372\n"));
}

/* What `wg syncconf` sends every time: nothing of it may disturb what is the same already. */
Test(wg_socket, wg_syncconf_changes_nothing_that_is_the_same)
{
	static const char lines[] = "private_key=" PRIVATE "\nlisten_port=51820\nfwmark=0\npublic_key=" PEER_A
	                            "\nreplace_allowed_ips=true\nallowed_ip=10.0.0.0/24\n";
	const struct sl_proto_peer *peer;
	uint32_t generation, slot;

	set(lines, 0);
	generation = r->wg0->proto->generation;
	slot = owner("10.0.0.1");
	peer = sl_proto_peer_at(r->gw.proto, slot - 1);
	set(lines, 0);
	cr_assert_eq(r->wg0->proto->generation, generation, "the same key is no change");
	cr_assert_eq(owner("10.0.0.1"), slot);
	cr_assert_eq(sl_proto_peer_at(r->gw.proto, slot - 1), peer);
	cr_assert_eq(r->wg0->listen_port, 51820);
}

#define MANY        20000 /* allowed IPs of one peer */
#define A_REQUEST   100   /* of them, set by one request */
#define A_TURN_MOST 1024  /* of them that may go between two looks at packets */

/* PEER_A with MANY allowed IPs, PEER_B with one; then `lines` of a set, with that many allowed IPs left in the end. */
static void many_go(const char *lines, uint32_t left)
{
	char part[4096];

	set("public_key=" PEER_B "\nallowed_ip=10.9.0.0/24\n", 0);
	for (unsigned i = 0; i < MANY;) {
		int n = snprintf(part, sizeof(part), "public_key=" PEER_A "\n");

		for (unsigned end = i + A_REQUEST; i < end; i++)
			n += snprintf(
			        part + n, sizeof(part) - (size_t)n, "allowed_ip=10.128.%u.%u/32\n", i / 256, i % 256);
		set(part, 0);
	}
	cr_assert_eq(sl_allowed_ips_total(r->gw.allowed), MANY + 1);
	r->most_taken = 0;
	set(lines, 0);
	cr_assert_eq(sl_allowed_ips_total(r->gw.allowed), left);
	cr_assert_gt(r->most_taken, 0);
	cr_assert_leq(r->most_taken, A_TURN_MOST, "a turn of the loop took %u allowed IPs away", r->most_taken);
}

Test(wg_socket, wg_remove_of_a_large_peer_does_not_hold_up_the_loop)
{
	many_go("public_key=" PEER_A "\nremove=true\nallowed_ip=10.1.0.0/16\n", 1);
	cr_assert_eq(owner("10.128.0.1"), 0);
	cr_assert_neq(owner("10.9.0.1"), 0);
	cr_assert_eq(sl_proto_if_n_peers(r->wg0->proto), 1);
}

Test(wg_socket, wg_remove_of_a_large_peer_that_comes_again_at_once)
{
	many_go("public_key=" PEER_A "\nremove=true\npublic_key=" PEER_A "\nallowed_ip=10.1.0.0/16\n", 2);
	cr_assert_eq(owner("10.128.0.1"), 0);
	cr_assert_neq(owner("10.1.2.3"), 0);
	cr_assert_eq(sl_proto_if_n_peers(r->wg0->proto), 2);
}

Test(wg_socket, wg_replace_peers_with_a_large_one_does_not_hold_up_the_loop)
{
	many_go("replace_peers=true\npublic_key=" PEER_B "\nallowed_ip=10.1.0.0/16\n", 1);
	cr_assert_eq(owner("10.128.0.1"), 0);
	cr_assert_eq(owner("10.9.0.1"), 0);
	cr_assert_neq(owner("10.1.2.3"), 0);
	cr_assert_eq(sl_proto_if_n_peers(r->wg0->proto), 1);
}
