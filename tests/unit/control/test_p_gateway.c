/* Settings of an interface as they reach the peers' endpoint records through the gateway (protocol.md 41, 45). */
#include <criterion/criterion.h>

#include "wg_rig.h"

static struct wg_rig *r;
static struct sl_proto_peer *peer;
static struct sl_ip ours;

static void
setup(void)
{
	uint8_t key[SL_KEY_LEN] = {9, 1};

	r = wg_rig_create();
	cr_assert_eq(sl_gateway_if_set_listen_port(r->wg0, 51820), 0);
	cr_assert_eq(sl_gateway_peer_add(r->wg0, key, NULL, SL_SOURCE_SOCKET, &peer), 0);
	cr_assert(sl_ip_parse("192.0.2.1", &ours));
}

static void
teardown(void)
{
	wg_rig_destroy(r);
}

TestSuite(proto_gateway, .init = setup, .fini = teardown);

/* The peer as a worker leaves it after a packet that hit our address. */
static void
hit(void)
{
	struct sl_endpoint remote = {.port = 4444};
	struct sl_outer outer;

	cr_assert(sl_ip_parse("198.51.100.7", &remote.ip));
	sl_outer_make(&outer, &remote, &ours, r->wg0->listen_port);
	cr_assert(sl_peer_outer_write(&r->gw.dp->peers, peer->slot, &outer));
}

static struct sl_outer
outer_of(void)
{
	struct sl_outer outer;

	sl_peer_outer_read(&r->gw.dp->peers, peer->slot, &outer);
	return outer;
}

static bool
answers_from_it(void)
{
	struct sl_outer outer = outer_of();
	struct sl_ip local;

	return sl_outer_local(&outer, &local) && sl_ip_equal(&local, &ours);
}

Test(proto_gateway, p41_a_change_of_fwmark_forgets_the_local_address)
{
	hit();
	cr_assert_str_eq(wg_rig_ask(r, "wg0", "set=1\nfwmark=0\n\n"), "errno=0\n\n");
	cr_assert(answers_from_it(), "it was 0 before");
	cr_assert_str_eq(wg_rig_ask(r, "wg0", "set=1\nfwmark=7\n\n"), "errno=0\n\n");
	cr_assert_not(answers_from_it());
	hit();
	cr_assert_str_eq(wg_rig_ask(r, "wg0", "set=1\nfwmark=7\n\n"), "errno=0\n\n");
	cr_assert(answers_from_it(), "the same again is no change");
}

Test(proto_gateway, p41_an_address_that_is_no_longer_ours_is_forgotten)
{
	struct sl_prefix address = {.addr = ours, .len = 24}, other = {.len = 24};

	cr_assert(sl_ip_parse("192.0.2.2", &other.addr));
	cr_assert_eq(sl_gateway_if_add_address(r->wg1, &address), 0);
	cr_assert_eq(sl_gateway_if_add_address(r->wg1, &other), 0);
	hit();
	cr_assert_eq(sl_gateway_if_remove_address(r->wg1, &other), 0);
	cr_assert(answers_from_it(), "that was another");
	cr_assert_eq(sl_gateway_if_remove_address(r->wg1, &address), 0);
	cr_assert_not(answers_from_it());
}

Test(proto_gateway, p45_listen_port)
{
	uint16_t picked;

	hit();
	cr_assert_eq(sl_gateway_if_set_listen_port(r->wg0, 51820), 0);
	cr_assert(answers_from_it(), "the same port is not bound again");
	cr_assert_eq(sl_gateway_if_set_listen_port(r->wg0, 51821), 0);
	cr_assert_not(answers_from_it());
	cr_assert_eq(atomic_load(&r->gw.dp->listen[51820]), 0, "the old one is free");
	cr_assert_eq(atomic_load(&r->gw.dp->listen[51821]), r->wg0->id + 1);
	cr_assert_eq(sl_gateway_if_set_listen_port(r->wg0, 0), 0);
	picked = r->wg0->listen_port;
	cr_assert_neq(picked, 0, "0: one is picked");
	cr_assert_eq(atomic_load(&r->gw.dp->listen[picked]), r->wg0->id + 1);
	cr_assert_eq(atomic_load(&r->gw.dp->listen[51821]), 0);
}

/* A prefix is the same whatever its host bits are: it moves to whoever names it last. */
Test(proto_gateway, p44_host_bits_are_masked)
{
	struct sl_prefix first, again;
	uint32_t from;

	cr_assert(sl_prefix_parse("10.1.2.3/16", &first));
	cr_assert(sl_prefix_parse("10.1.77.0/16", &again));
	cr_assert_eq(sl_allowed_ips_add(r->gw.allowed, r->wg0->id, peer->slot, &first, NULL), 0);
	cr_assert_eq(sl_allowed_ips_add(r->gw.allowed, r->wg0->id, peer->slot + 1, &again, &from), 0);
	cr_assert_eq(from, peer->slot);
	cr_assert_eq(sl_allowed_ips_count(r->gw.allowed, peer->slot), 0);
	cr_assert_eq(sl_allowed_ips_count(r->gw.allowed, peer->slot + 1), 1);
	cr_assert_eq(sl_lpm_lookup(r->wg0->cryptokey, &first.addr), peer->slot + 2);
	cr_assert_eq(sl_allowed_ips_remove(r->gw.allowed, r->wg0->id, peer->slot + 1, &again), 0, "with host bits too");
	cr_assert_eq(sl_allowed_ips_count(r->gw.allowed, peer->slot + 1), 0);
}
