/* Steps of a difference: what one call does is bounded, however much the step is about. */
#include <criterion/criterion.h>

#include "control/apply.h"
#include "crypto/base64.h"
#include "wg_rig.h"

#define PREFIXES 1000
#define BOUND    256 /* prefixes in one call */

static struct sl_prefix prefixes[PREFIXES];
static const struct sl_config_interface interface = {.name = "wg0"};
static const struct sl_config_peer peer = {
	.name = "many", .public_key = {9, 8, 7}, .allowed_ips = prefixes, .n_allowed_ips = PREFIXES};

static void
make_prefixes(void)
{
	for (unsigned i = 0; i < PREFIXES; i++) {
		const uint8_t address[4] = {10, 100, (uint8_t)(i >> 8), (uint8_t)i};

		prefixes[i] = (struct sl_prefix){.addr = sl_ip4(address), .len = 32};
	}
}

/* Applies the one step to its end; the most prefixes that changed in one call. */
static uint64_t
apply(struct sl_gateway *gw, struct sl_step step)
{
	struct sl_steps steps = {.steps = &step, .n_steps = 1};
	char error[SL_GATEWAY_ERROR_LEN] = "";
	uint32_t progress = 0;
	uint64_t most = 0;
	int rc;

	do {
		uint64_t before = sl_allowed_ips_changes(gw->allowed), changed;

		rc = sl_gateway_apply(gw, &steps, 0, &progress, error);
		changed = sl_allowed_ips_changes(gw->allowed) - before;
		if (changed > most)
			most = changed;
	} while (rc == SL_APPLY_MORE);
	cr_expect_eq(rc, 0, "%s", error);
	return most;
}

Test(apply, a_peer_with_many_prefixes_comes_and_goes_in_slices)
{
	struct wg_rig *r = wg_rig_create();

	make_prefixes();
	cr_expect_leq(apply(&r->gw, (struct sl_step){.kind = SL_STEP_PEER_ADD, .new_interface = &interface, .new_peer = &peer}),
		BOUND);
	cr_expect_eq(sl_allowed_ips_total(r->gw.allowed), PREFIXES);
	cr_expect_eq(sl_proto_if_n_peers(r->wg0->proto), 1);
	cr_expect_leq(
		apply(&r->gw, (struct sl_step){.kind = SL_STEP_PEER_REMOVE, .old_interface = &interface, .old_peer = &peer}),
		BOUND);
	cr_expect_eq(sl_allowed_ips_total(r->gw.allowed), 0);
	cr_expect_eq(sl_proto_if_n_peers(r->wg0->proto), 0);
	wg_rig_destroy(r);
}

/* Nor does a second peer take more than its own: prefixes move from the first to it. */
Test(apply, prefixes_move_in_slices)
{
	static const struct sl_config_peer other = {
		.name = "other", .public_key = {1, 2, 3}, .allowed_ips = prefixes, .n_allowed_ips = PREFIXES};
	struct wg_rig *r = wg_rig_create();
	const struct sl_config_peer *peers[] = {&peer, &other};

	make_prefixes();
	for (unsigned i = 0; i < 2; i++)
		cr_expect_leq(
			apply(&r->gw,
				(struct sl_step){.kind = SL_STEP_PEER_ADD, .new_interface = &interface, .new_peer = peers[i]}),
			BOUND);
	cr_expect_eq(sl_allowed_ips_total(r->gw.allowed), PREFIXES);
	cr_expect_eq(sl_allowed_ips_count(r->gw.allowed, sl_gateway_peer_find(r->wg0, other.public_key)->slot), PREFIXES);
	wg_rig_destroy(r);
}

/* As a reload has it where an interface's name is changed: in one slice, before anything of the first is reclaimed. */
Test(apply, an_interface_comes_in_the_place_of_one_that_has_just_gone)
{
	static const struct sl_config_interface old = {.name = "wg1"},
						new = {.name = "wg2", .mtu = SL_DEFAULT_MTU, .routes = true};
	struct wg_rig *r = wg_rig_create();
	uint16_t id = r->wg1->id;

	make_prefixes();
	sl_allowed_ips_batch_begin(r->gw.allowed);
	apply(&r->gw, (struct sl_step){.kind = SL_STEP_INTERFACE_REMOVE, .old_interface = &old});
	apply(&r->gw, (struct sl_step){.kind = SL_STEP_INTERFACE_ADD, .new_interface = &new});
	sl_allowed_ips_batch_commit(r->gw.allowed);
	r->wg1 = sl_gateway_if_find(&r->gw, "wg2");
	cr_assert_not_null(r->wg1);
	cr_assert_eq(r->wg1->id, id);
	cr_assert_not_null(r->wg1->proto, "it is whole");
	apply(&r->gw, (struct sl_step){.kind = SL_STEP_PEER_ADD, .new_interface = &new, .new_peer = &peer});
	cr_expect_eq(sl_proto_if_n_peers(r->wg1->proto), 1);
	wg_rig_destroy(r);
}

/* For want of memory, or here of a name: nothing of it is left, and what else the files say of it is no step. */
Test(apply, an_interface_that_cannot_be_made_leaves_nothing)
{
	static const struct sl_config_interface new = {.name = "wg2", .mtu = SL_DEFAULT_MTU};
	const struct sl_config config = {.interfaces = &new, .n_interfaces = 1};
	const struct sl_config_route route = {.to = {.addr = {.family = SL_AF_INET, .bytes = {10, 9}}, .len = 16}, .port = -1};
	static const char *const said[] = {"interface wg2", "interface wg2", "interface wg2", "route 10.9.0.0/16"};
	struct sl_step list[] = {
		{.kind = SL_STEP_INTERFACE_ADD, .new_interface = &new},
		{.kind = SL_STEP_LISTEN_ADD, .new_interface = &new},
		{.kind = SL_STEP_PEER_ADD, .new_interface = &new, .new_peer = &peer},
		{.kind = SL_STEP_ROUTE_ADD, .route = &route},
	};
	struct sl_steps steps = {.new_config = &config, .steps = list, .n_steps = RTE_DIM(list)};
	struct wg_rig *r = wg_rig_create();
	struct rte_ring *taken = rte_ring_create("sl_hs2", 64, SOCKET_ID_ANY, 0);

	cr_assert_not_null(taken);
	for (uint32_t i = 0; i < steps.n_steps; i++) {
		char error[SL_GATEWAY_ERROR_LEN] = "";
		uint32_t progress = 0;

		cr_expect_lt(sl_gateway_apply(&r->gw, &steps, i, &progress, error), 0);
		cr_expect_not_null(strstr(error, said[i]), "%s", error);
	}
	cr_expect_null(sl_gateway_if_find(&r->gw, "wg2"));
	cr_expect_eq(r->gw.n_wg_ifs, 2);
	apply(&r->gw, (struct sl_step){.kind = SL_STEP_INTERFACE_REMOVE, .old_interface = &new});
	rte_ring_free(taken);
	apply(&r->gw, list[0]);
	apply(&r->gw, (struct sl_step){.kind = SL_STEP_INTERFACE_REMOVE, .old_interface = &new});
	wg_rig_destroy(r);
}

static uint32_t
noted(const struct wg_rig *r)
{
	return sl_runtime_bits(r->gw.runtime, "wg0", peer.public_key);
}

/* A peer that `wg` made and the file has now: what `wg` does to it while the reload goes on differs from the file. */
Test(apply, what_wg_sets_on_a_peer_that_became_the_files_is_noted)
{
	struct sl_step add = {.kind = SL_STEP_PEER_ADD, .new_interface = &interface, .new_peer = &peer};
	struct wg_rig *r = wg_rig_create();
	struct sl_runtime_snapshot seen;
	char hex[SL_KEY_HEX_LEN + 1], text[256];

	make_prefixes();
	sl_key_to_hex(hex, peer.public_key);
	snprintf(text, sizeof(text), "set=1\npublic_key=%s\n\n", hex);
	cr_assert_str_eq(wg_rig_ask(r, "wg0", text), "errno=0\n\n");
	cr_assert_eq(noted(r), SL_RUNTIME_ADDED);
	sl_runtime_snapshot_begin(&seen, r->gw.runtime);
	cr_assert(sl_runtime_snapshot_take(&seen, 100));
	sl_runtime_snapshot_end(&seen);
	snprintf(text, sizeof(text), "set=1\npublic_key=%s\npersistent_keepalive_interval=7\n\n", hex);
	cr_assert_str_eq(wg_rig_ask(r, "wg0", text), "errno=0\n\n");
	cr_expect_eq(noted(r), SL_RUNTIME_ADDED, "the file is to have its way yet");
	apply(&r->gw, add);
	snprintf(text, sizeof(text), "set=1\npublic_key=%s\npersistent_keepalive_interval=9\n\n", hex);
	cr_assert_str_eq(wg_rig_ask(r, "wg0", text), "errno=0\n\n");
	sl_runtime_settle(r->gw.runtime, seen.entries, seen.n);
	cr_expect_eq(noted(r), SL_RUNTIME_KEEPALIVE);
	snprintf(text, sizeof(text), "set=1\npublic_key=%s\nremove=true\n\n", hex);
	cr_assert_str_eq(wg_rig_ask(r, "wg0", text), "errno=0\n\n");
	cr_expect_eq(noted(r), SL_RUNTIME_REMOVED);
	free(seen.entries);
	wg_rig_destroy(r);
}
