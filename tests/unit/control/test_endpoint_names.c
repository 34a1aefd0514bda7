/*
 * Endpoints that are names: what a peer does when its name is found again, by itself or because handshakes go unanswered.
 * The lookup is the test's: each one finds the address that is set, and is counted. Protocol time is virtual.
 */
#include <poll.h>
#include <stdatomic.h>

#include <criterion/criterion.h>

#include "control/apply.h"
#include "crypto/x25519.h"
#include "wg_rig.h"

#define PATIENCE 20000 /* ms: for an answer that comes */
#define QUIET    200   /* ms: for one that does not, or that is on its way */
#define PORT     51820

static struct wg_rig *r;
static struct sl_proto_peer *peer;
static _Atomic unsigned calls;
static _Atomic unsigned char address; /* 192.0.2.x of the name, and that of the next lookups */
static const uint8_t key0[SL_KEY_LEN] = {[0] = 8, [1] = 1, [31] = 64}, key1[SL_KEY_LEN] = {[0] = 8, [1] = 2, [31] = 64};

static int
lookup(void *ctx, const char *host, uint16_t port, struct sl_endpoint *out, unsigned *n)
{
	const uint8_t first[4] = {192, 0, 2, 200}, second[4] = {192, 0, 2, atomic_load(&address)};

	atomic_fetch_add(&calls, 1);
	out[0] = (struct sl_endpoint){.ip = sl_ip4(second), .port = port};
	out[1] = (struct sl_endpoint){.ip = sl_ip4(first), .port = port};
	*n = 2;
	return 0;
}

/* Whether an answer comes; it is then taken. */
static bool
answered(int ms)
{
	struct pollfd pfd = {.fd = sl_resolver_fd(r->gw.resolver), .events = POLLIN};

	return poll(&pfd, 1, ms) == 1 && sl_gateway_take_names(&r->gw);
}

/* The last byte of the address where the peer is called. */
static unsigned
called_at(void)
{
	struct sl_proto_peer_info info;

	sl_proto_peer_info(peer, r->gw.now, &info);
	return info.endpoint.ip.bytes[3];
}

static void
setup(void)
{
	uint8_t public_key[SL_KEY_LEN];

	r = wg_rig_create();
	atomic_store(&address, 1);
	cr_assert_eq(sl_resolver_create(&r->gw.resolver, lookup, NULL, NULL), 0);
	cr_assert_eq(sl_gateway_if_set_key(r->wg0, key0), 0);
	cr_assert_eq(sl_gateway_if_set_key(r->wg1, key1), 0);
	sl_x25519_public(public_key, key1);
	cr_assert_eq(sl_gateway_peer_add(r->wg0, public_key, "hub", SL_SOURCE_FILE, &peer), 0);
	cr_assert_eq(sl_gateway_peer_set_endpoint_name(peer, "hub.example", PORT), 0);
	cr_assert(answered(PATIENCE));
	cr_assert_eq(called_at(), 1);
}

static void
teardown(void)
{
	struct sl_resolver *resolver = r->gw.resolver;

	wg_rig_destroy(r);
	sl_resolver_destroy(resolver);
}

TestSuite(endpoint_names, .init = setup, .fini = teardown);

static void
pass(unsigned seconds)
{
	for (unsigned i = 0; i < seconds; i++) {
		r->gw.now += SL_NSEC_PER_SEC;
		sl_proto_advance(r->gw.proto, r->gw.now, 64);
	}
}

/* The last message arrives at an interface from 192.0.2.from. */
static void
deliver(struct sl_gateway_if *gi, uint8_t from)
{
	const uint8_t ip[4] = {192, 0, 2, from};
	uint8_t data[sizeof(r->last)];
	struct sl_proto_msg msg = {.data = data, .len = r->last_len, .src = {.ip = sl_ip4(ip), .port = PORT}};

	memcpy(data, r->last, r->last_len);
	msg.dst_local = msg.src.ip;
	sl_proto_receive(gi->proto, &msg, 1, r->gw.now);
}

/* A session with the peer, which answers from 192.0.2.from. */
static void
make_session(uint8_t from)
{
	struct sl_proto_peer *other;
	uint8_t public_key[SL_KEY_LEN];
	struct sl_proto_peer_info info;

	sl_x25519_public(public_key, key0);
	cr_assert_eq(sl_gateway_peer_add(r->wg1, public_key, "us", SL_SOURCE_FILE, &other), 0);
	sl_proto_peer_set_keepalive(peer, 25, r->gw.now);
	pass(1);
	cr_assert_eq(r->sent, 1);
	deliver(r->wg1, 77);
	cr_assert_eq(r->sent, 2);
	deliver(r->wg0, from);
	sl_proto_peer_info(peer, r->gw.now, &info);
	cr_assert(info.session && info.received);
	cr_assert_eq(called_at(), from, "the peer roams");
}

static void
find_again(unsigned char now_at)
{
	unsigned before = atomic_load(&calls);

	atomic_store(&address, now_at);
	sl_resolver_again(r->gw.resolver, peer->slot);
	cr_assert(answered(PATIENCE));
	cr_assert_eq(atomic_load(&calls), before + 1);
}

Test(endpoint_names, handshakes_that_go_unanswered_look_the_name_up_once_in_a_row_of_tries)
{
	atomic_store(&address, 2);
	sl_proto_peer_set_keepalive(peer, 25, r->gw.now);
	pass(2);
	cr_assert_eq(r->sent, 1);
	cr_expect(!answered(QUIET), "the first may still be answered");
	pass(6);
	cr_expect(answered(PATIENCE));
	cr_expect_eq(called_at(), 2);
	cr_assert_geq(r->sent, 2);
	pass(70);
	cr_expect(!answered(QUIET), "once in a row of tries");
	atomic_store(&address, 3);
	pass(70);
	cr_expect(answered(PATIENCE), "and again in the next");
	cr_expect_eq(called_at(), 3);
	cr_expect_eq(atomic_load(&calls), 3);
}

Test(endpoint_names, a_peer_with_a_literal_endpoint_asks_for_nothing)
{
	struct sl_endpoint literal = {.port = PORT};

	cr_assert(sl_ip_parse("192.0.2.99", &literal.ip));
	cr_assert_eq(sl_gateway_peer_set_endpoint_refresh(peer, 1), 0);
	sl_gateway_peer_set_endpoint(peer, &literal);
	sl_proto_peer_set_keepalive(peer, 25, r->gw.now);
	pass(30);
	cr_assert_geq(r->sent, 3);
	cr_expect(!answered(1200));
	cr_expect_eq(called_at(), 99);
	cr_expect_eq(atomic_load(&calls), 1);
}

Test(endpoint_names, an_address_that_is_still_the_names_stays)
{
	find_again(1);
	cr_expect_eq(called_at(), 1);
	find_again(5);
	cr_expect_eq(called_at(), 5, "one that is not is left");
	/* it has roamed to the name's other address */
	make_session(200);
	pass(200);
	find_again(6);
	cr_expect_eq(called_at(), 200);
}

Test(endpoint_names, a_peer_that_is_heard_from_is_not_moved)
{
	make_session(40);
	pass(170);
	find_again(5);
	cr_expect_eq(called_at(), 40);
	pass(15);
	find_again(6);
	cr_expect_eq(called_at(), 6);
}

Test(endpoint_names, one_that_does_not_answer_handshakes_is_moved_though_its_session_stands)
{
	make_session(40);
	atomic_store(&address, 7);
	pass(5);
	sl_gateway_peer_unanswered(peer);
	cr_expect(!answered(QUIET), "it was heard from just now");
	pass(15);
	sl_gateway_peer_unanswered(peer);
	cr_expect(answered(PATIENCE));
	cr_expect_eq(called_at(), 7);
}

Test(endpoint_names, a_changed_name_is_set_at_once)
{
	make_session(40);
	atomic_store(&address, 8);
	cr_assert_eq(sl_gateway_peer_set_endpoint_name(peer, "other.example", PORT), 0);
	cr_assert(answered(PATIENCE));
	cr_expect_eq(called_at(), 8);
}

/* As a reload brings it. */
Test(endpoint_names, the_interval_is_taken_from_the_configuration_and_changed_live)
{
	struct sl_config_peer config = {.name = "hub", .endpoint_refresh = 1};
	struct sl_config_interface ifp = {.name = "wg0"};
	const struct sl_step change = {.kind = SL_STEP_PEER_CHANGE,
		.changed = SL_CHANGE_ENDPOINT_REFRESH, .new_interface = &ifp, .new_peer = &config};
	char error[SL_GATEWAY_ERROR_LEN];
	uint32_t progress = 0;

	memcpy(config.public_key, peer->public_key, SL_KEY_LEN);
	atomic_store(&address, 9);
	cr_assert_eq(sl_apply_peer_change(&r->gw, &change, &progress, error), 0);
	cr_expect(answered(PATIENCE));
	cr_expect_eq(called_at(), 9);
	config.endpoint_refresh = 0;
	cr_assert_eq(sl_apply_peer_change(&r->gw, &change, &progress, error), 0);
	answered(QUIET);
	cr_expect(!answered(1200));
}

Test(endpoint_names, a_peer_that_is_added_has_its_interval)
{
	struct sl_config_peer config = {.name = "two", .public_key = {9, 9}, .endpoint_refresh = 1,
		.endpoint = {.host = "two.example", .port = PORT}};
	struct sl_config_interface ifp = {.name = "wg0"};
	const struct sl_step add = {.kind = SL_STEP_PEER_ADD, .new_interface = &ifp, .new_peer = &config};
	char error[SL_GATEWAY_ERROR_LEN];
	uint32_t progress = 0;

	cr_assert_eq(sl_apply_peer_add(&r->gw, &add, &progress, error), 0);
	cr_expect(answered(PATIENCE));
	cr_expect(answered(PATIENCE));
	peer = sl_gateway_peer_find(r->wg0, config.public_key);
	sl_gateway_peer_remove(peer);
	answered(QUIET);
	cr_expect(!answered(1200), "with the peer it ends");
}
