/* Peers: adding, finding, walking, removing; slots that rest; failures told in lines. */
#include <errno.h>

#include <criterion/criterion.h>

#include "crypto/base64.h"
#include "sim.h"

static struct sim sim;
static struct sim_node *a, *b;

static void
setup(void)
{
	sim_init(&sim, 11, true);
	a = &sim.nodes[0];
	b = &sim.nodes[1];
}

static void
teardown(void)
{
	sim_fini(&sim);
}

TestSuite(proto_peers, .init = setup, .fini = teardown);

static struct sl_proto_peer *
add(uint8_t number)
{
	uint8_t key[SL_KEY_LEN] = {9, number};
	struct sl_proto_peer *peer;

	cr_assert_eq(sl_proto_peer_add(a->ifp, key, NULL, sim.now, &peer), 0, "peer %u", number);
	return peer;
}

Test(proto_peers, add_and_find)
{
	uint8_t key[SL_KEY_LEN] = {9, 1};
	struct sl_proto_peer *first = add(1), *again = NULL;
	struct sl_proto_if_config cfg = {.name = "wg1", .l3_if = 8, .listen_port = 1};
	struct sl_proto_if *other;

	cr_assert_eq(sl_proto_peer_find(a->ifp, key), first);
	cr_assert_eq(sl_proto_peer_at(a->core, first->slot), first);
	cr_assert_neq(atomic_load(&a->peers.slots[first->slot].live), 0);
	cr_assert_eq(a->peers.slots[first->slot].wg_if, 7);
	cr_assert_eq(sl_proto_peer_add(a->ifp, key, NULL, sim.now, &again), -EEXIST);
	cr_assert_eq(again, first);
	cr_assert_eq(sl_proto_peer_add(a->ifp, a->public_key, NULL, sim.now, &again), -ELOOP, "our own key (44)");
	cr_assert_eq(sl_proto_if_n_peers(a->ifp), 2);
	/* The same key at another interface is another peer. */
	cr_assert_eq(sl_proto_if_create(a->core, &cfg, &other), 0);
	cr_assert_null(sl_proto_peer_find(other, key));
	cr_assert_eq(sl_proto_peer_add(other, key, NULL, sim.now, &again), 0);
	cr_assert_neq(again, first);
	sl_proto_peer_remove(again);
	sl_proto_if_destroy(other);
	cr_assert_eq(sl_proto_peer_find(a->ifp, key), first);
}

Test(proto_peers, all_slots_taken)
{
	uint8_t key[SL_KEY_LEN] = {8};
	struct sl_proto_peer *peer;

	for (unsigned i = 1; i < SIM_PEERS; i++)
		add((uint8_t)i);
	cr_assert_eq(sl_proto_peer_add(a->ifp, key, NULL, sim.now, &peer), -ENOSPC);
	sl_proto_peer_remove(sl_proto_peer_find(a->ifp, (uint8_t[SL_KEY_LEN]){9, 5}));
	cr_assert_eq(sl_proto_peer_add(a->ifp, key, NULL, sim.now, &peer), -ENOSPC, "still seen by workers");
	sl_reclaim_poll(&a->reclaim);
	cr_assert_eq(sl_proto_peer_add(a->ifp, key, NULL, sim.now, &peer), 0);
}

/* In the order of adding, whatever goes or comes meanwhile. */
Test(proto_peers, cursor)
{
	struct sl_proto_peer *p[6], *last;
	struct sl_proto_cursor c, d;

	for (unsigned i = 0; i < 6; i++)
		p[i] = add((uint8_t)(i + 1));
	sl_proto_cursor_open(&c, a->ifp);
	sl_proto_cursor_open(&d, a->ifp);
	cr_assert_eq(sl_proto_cursor_next(&c), a->peer);
	cr_assert_eq(sl_proto_cursor_next(&c), p[0]);
	sl_proto_peer_remove(p[0]); /* given already */
	sl_proto_peer_remove(p[1]); /* the next */
	sl_proto_peer_remove(p[3]);
	last = add(20);
	cr_assert_eq(sl_proto_cursor_next(&c), p[2]);
	cr_assert_eq(sl_proto_cursor_next(&c), p[4]);
	sl_proto_cursor_close(&d);
	cr_assert_eq(sl_proto_cursor_next(&c), p[5]);
	cr_assert_eq(sl_proto_cursor_next(&c), last);
	cr_assert_null(sl_proto_cursor_next(&c));
	sl_proto_cursor_close(&c);
	sl_proto_cursor_close(&c);
	cr_assert_null(a->ifp->cursors);
}

/* Packets still wait for the peer at a worker: its slot is not used again before they are gone. */
Test(proto_peers, a_slot_waits_for_its_packets)
{
	struct sl_proto_peer *peer = add(1);
	uint32_t slot = peer->slot;

	sl_peer_stamp_sent(&a->peers, 0, slot, sim.now, 100, true);
	sl_proto_peer_remove(peer);
	atomic_store(&a->peers.rest[slot].staged, 3);
	cr_assert_eq(atomic_load(&a->peers.slots[slot].live), 0);
	cr_assert_null(sl_proto_peer_at(a->core, slot));
	/* The purge of the simulation drops them at once: as a worker, put them there again. */
	sim_forget_events(&sim);
	sl_reclaim_poll(&a->reclaim);
	cr_assert_eq(sim_count(&sim, SIM_PURGE, 0, 0), 1, "asked once more");
	atomic_store(&a->peers.rest[slot].staged, 3);
	sl_proto_advance(a->core, sim.now, 1);
	cr_assert_eq(atomic_load(&a->peers.sending[0][slot].sent.bytes), 100, "not yet free");
	atomic_store(&a->peers.rest[slot].staged, 0);
	sl_proto_advance(a->core, sim.now, 1);
	cr_assert_eq(atomic_load(&a->peers.sending[0][slot].sent.bytes), 0);
}

/* 500 times under way: everything is back in the end. */
Test(proto_peers, create_and_remove_500_times)
{
	for (unsigned i = 0; i < 500; i++) {
		if (!b->peer) {
			cr_assert_eq(sl_proto_peer_add(b->ifp, a->public_key, NULL, sim.now, &b->peer), 0);
			sl_proto_peer_set_endpoint(b->peer, &a->self, sim.now);
		}
		sim_send(&sim, 0);
		sim_send(&sim, 1);
		sim_run_for(&sim, sim_random(&sim, 200) * SIM_MS);
		sl_proto_peer_remove(b->peer);
		b->peer = NULL;
		sim_run_for(&sim, sim_random(&sim, 6) * SIM_S);
	}
	cr_assert_gt(a->delivered, 300);
	cr_assert_gt(b->delivered, 0);
	cr_assert_eq(b->sessions.reserved, 0);
	cr_assert_eq(sl_proto_if_n_peers(b->ifp), 0);
	sl_reclaim_drain(&b->reclaim);
	cr_assert_eq(b->core->slots_used, b->core->slots_free);
	cr_assert_eq(b->core->wheel.armed, 0);
	cr_assert_eq(sim.violations, 0);
}

/* --- failures --- */

Test(proto_peers, failure_lines)
{
	char key[SL_KEY_BASE64_LEN + 1];

	sim.link.cut = true;
	sim_send(&sim, 0);
	sim_run_for(&sim, 16 * SIM_S);
	cr_assert_str_eq(a->last_line, "peer right: handshake failed: no answer; endpoint wrong, peer down, a firewall "
				       "between, or the peer does not know our public key");
	cr_assert_eq(sl_proto_peer_set_name(a->peer, NULL), 0);
	sim_run_for(&sim, 120 * SIM_S);
	sl_key_to_base64(key, b->public_key);
	cr_assert_eq(strncmp(a->last_line, "peer ", 5), 0);
	cr_assert_eq(strncmp(a->last_line + 5, key, SL_KEY_BASE64_LEN), 0, "%s", a->last_line);
}

Test(proto_peers, a_stranger_is_named_by_key_and_address)
{
	char key[SL_KEY_BASE64_LEN + 1];

	sl_proto_peer_remove(b->peer);
	b->peer = NULL;
	sim_send(&sim, 0);
	sim_run_for(&sim, SIM_S);
	sl_key_to_base64(key, a->public_key);
	cr_assert_not_null(strstr(b->last_line, key), "%s", b->last_line);
	cr_assert_not_null(strstr(b->last_line, "192.0.2.1:51820"), "%s", b->last_line);
	cr_assert_eq(strncmp(b->last_line, "interface wg0: ", 15), 0, "%s", b->last_line);
}

Test(proto_peers, lines_are_limited_per_peer)
{
	uint64_t start = sim.now;

	for (unsigned s = 0; s < 600; s++)
		sl_failure_note(a->ifp, a->peer, SL_FAILURE_FORGED, NULL, NULL, start + s * SIM_S);
	cr_assert_eq(a->n_lines, 10);
	cr_assert_eq(sl_proto_peer_failures(a->peer)->count[SL_FAILURE_FORGED], 600);
	cr_assert_eq(sl_proto_if_counters(a->ifp)->failures[SL_FAILURE_FORGED], 600);
	cr_assert_eq(sl_proto_peer_failures(a->peer)->last, start + 599 * SIM_S);
	/* Another cause is told sooner. */
	sl_failure_note(a->ifp, a->peer, SL_FAILURE_FLOOD, NULL, NULL, start + 600 * SIM_S);
	cr_assert_eq(a->n_lines, 11);
	sl_failure_note(a->ifp, a->peer, SL_FAILURE_FORGED, NULL, NULL, start + 601 * SIM_S);
	cr_assert_eq(a->n_lines, 11);
	for (unsigned i = 0; i < 70000; i++)
		sl_failure_note(a->ifp, a->peer, SL_FAILURE_FORGED, NULL, NULL, start + 602 * SIM_S);
	cr_assert_eq(sl_proto_peer_failures(a->peer)->count[SL_FAILURE_FORGED], UINT16_MAX);
}

Test(proto_peers, lines_are_limited_in_all)
{
	for (unsigned i = 1; i < SIM_PEERS; i++)
		sl_failure_note(a->ifp, add((uint8_t)i), SL_FAILURE_FORGED, NULL, NULL, sim.now);
	cr_assert_eq(a->n_lines, SL_FAILURE_BURST);
	cr_assert_eq(a->core->failure_limit.suppressed, SIM_PEERS - 1 - SL_FAILURE_BURST);
}

Test(proto_peers, every_cause_has_its_words)
{
	for (enum sl_failure f = 0; f < SL_FAILURE_COUNT; f++) {
		cr_assert_gt(strlen(sl_failure_name(f)), 0);
		cr_assert_gt(strlen(sl_failure_text(f)), 0);
		cr_assert_gt(strlen(sl_failure_hint(f)), 0);
	}
}
