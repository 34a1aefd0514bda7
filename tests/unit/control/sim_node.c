/*
 * One node of the simulation: tables, a protocol core, and a data path that
 * does to one packet what workers do to bursts.
 */
#include "sim.h"

#include <stdlib.h>

#include "crypto/aead_single.h"
#include "crypto/bytes.h"

#define WORKER       0
#define CONTROL_LINE 1
#define FACTS        16

/* --- what the core asks for --- */

static struct sl_peer *
dp_peer(struct sim_node *node, uint32_t slot)
{
	return &node->peers.slots[slot];
}

static void
op_send(void *ctx, struct sl_proto_if *ifp, const struct sl_outer *to, const void *msg, size_t len, uint8_t tos)
{
	sim_saw_sent(ctx, msg, len);
	sim_transmit(ctx, to, msg, len, tos);
}

/* The counter goes to where the test wants it, once per session. */
static void
jump(struct sim_node *node, struct sl_session *s)
{
	bool near_limit = node->jump_to > SL_REKEY_AFTER_MESSAGES * 2;

	if (node->jump_to == 0 || node->jumped == s->index || sl_sender_counter(s->sender) >= node->jump_to)
		return;
	node->jumped = s->index;
	sl_sender_set_counter(s->sender, node->jump_to);
	sim_seen(node->sim, near_limit ? SIM_T_COUNTER_JUMPED_LIMIT : SIM_T_COUNTER_JUMPED_60);
}

static struct sl_session *
sendable(struct sim_node *node, uint32_t slot)
{
	uint32_t current = atomic_load(&dp_peer(node, slot)->current);
	struct sl_session *s = current ? sl_session_find_opened(&node->sessions, current) : NULL;
	struct sim *sim = node->sim;

	if (!s) {
		if (node->peer && node->peer->sessions[SL_SESSION_CURRENT].slot != SL_SESSION_NONE)
			sim_seen(sim, SIM_T_NO_SEND_OLD_KEY);
		return NULL;
	}
	jump(node, s);
	if (sim->now - s->created >= SL_REJECT_AFTER_TIME_NS) {
		sim_seen(sim, SIM_T_NO_SEND_OLD);
		return NULL;
	}
	if (sl_sender_counter(s->sender) >= SL_REJECT_AFTER_MESSAGES) {
		sim_seen(sim, SIM_T_NO_SEND_COUNTER);
		return NULL;
	}
	return s;
}

static void
emit(struct sim_node *node, const struct sl_session *s, uint64_t counter, const uint8_t *plain, size_t len)
{
	uint8_t msg[sizeof(struct sl_msg_data) + SIM_PAYLOAD_LEN + SL_TAG_LEN];
	struct sl_outer outer;

	sl_store_le32(msg, SL_MSG_DATA);
	sl_store_le32(msg + offsetof(struct sl_msg_data, receiver), s->remote_index);
	sl_store_le64(msg + offsetof(struct sl_msg_data, counter), counter);
	sl_aead_seal(msg + sizeof(struct sl_msg_data), plain, len, NULL, 0, counter, s->sender->key);
	sl_peer_outer_read(&node->peers, s->peer, &outer);
	sim_transmit(node, &outer, msg, sizeof(struct sl_msg_data) + len + SL_TAG_LEN, 0);
}

static void
seal(struct sim_node *node, struct sl_session *s, const uint8_t *plain, size_t len)
{
	struct sim *sim = node->sim;
	uint64_t counter = sl_sender_take(s->sender, 1);

	sim_pass_found(node, s);
	sim_audit_sent(node, s, counter);
	sl_peer_stamp_sent(&node->peers, WORKER, s->peer, sim->now, len + SL_DATA_OVERHEAD, len > 0);
	if ((s->initiator && sim->now - s->created >= SL_REKEY_AFTER_TIME_NS) || counter > SL_REKEY_AFTER_MESSAGES)
		sl_peer_raise(&node->peers, s->peer, SL_FACT_REKEY_SEND);
	if (!atomic_load(&dp_peer(node, s->peer)->watched))
		sl_peer_raise(&node->peers, s->peer, SL_FACT_ACTIVE);
	emit(node, s, counter, plain, len);
}

void
sim_node_send_counter(struct sim_node *node, uint64_t counter)
{
	struct sl_session *s = node->peer ? sendable(node, node->peer->slot) : NULL;

	if (s)
		emit(node, s, counter, NULL, 0);
}

static void
op_keepalive(void *ctx, uint32_t slot)
{
	struct sim_node *node = ctx;
	struct sl_session *s = sendable(node, slot);

	sim_log(node, &(struct sim_event){.kind = SIM_KEEPALIVE});
	if (s)
		seal(node, s, NULL, 0);
}

static void
set_staged(struct sim_node *node, unsigned n)
{
	node->n_staged = n;
	atomic_store(&node->peers.rest[node->peer->slot].staged, n);
}

static void
seal_payload(struct sim_node *node, struct sl_session *s, uint64_t payload)
{
	uint8_t plain[SIM_PAYLOAD_LEN];

	sim_payload_write(plain, payload);
	seal(node, s, plain, sizeof(plain));
}

static void
op_drain(void *ctx, uint32_t slot)
{
	struct sim_node *node = ctx;
	struct sl_session *s = sendable(node, slot);
	unsigned n = node->n_staged;

	sim_log(node, &(struct sim_event){.kind = SIM_DRAIN});
	if (!s)
		return;
	if (n == 0)
		seal(node, s, NULL, 0);
	set_staged(node, 0);
	for (unsigned i = 0; i < n; i++)
		sim_node_send(node, node->staged[i]);
}

static void
op_purge(void *ctx, uint32_t slot)
{
	struct sim_node *node = ctx;

	sim_log(node, &(struct sim_event){.kind = SIM_PURGE});
	if (node->peer && node->peer->slot == slot)
		node->n_staged = 0;
	atomic_store(&node->peers.rest[slot].staged, 0);
}

static void
op_wall(void *ctx, struct timespec *out)
{
	const struct sim_node *node = ctx;
	uint64_t ns = SIM_WALL * SL_NSEC_PER_SEC + node->sim->now + (uint64_t)node->wall_offset;

	out->tv_sec = (time_t)(ns / SL_NSEC_PER_SEC);
	out->tv_nsec = (long)(ns % SL_NSEC_PER_SEC);
}

static void
op_failure(void *ctx, const struct sl_failure_report *report)
{
	struct sim_node *node = ctx;

	sim_log(node, &(struct sim_event){.kind = SIM_FAILURE, .type = report->cause});
	snprintf(node->last_line, sizeof(node->last_line), "%s", report->line);
	node->n_lines++;
}

static const struct sl_proto_ops ops = {
	.send = op_send,
	.keepalive = op_keepalive,
	.drain = op_drain,
	.purge = op_purge,
	.wall = op_wall,
	.failure = op_failure,
};

/* --- data path --- */

/* Control saw something move after a time of quiet. */
static void
note_traffic(struct sim_node *node)
{
	static const struct {
		uint64_t seconds;
		enum sim_transition transition;
	} idle[] = {{120, SIM_T_IDLE_120}, {165, SIM_T_IDLE_165}, {180, SIM_T_IDLE_180}, {540, SIM_T_IDLE_540}};
	uint64_t quiet = node->sim->now - node->last_data_at;

	for (unsigned i = 0; node->last_data_at != 0 && i < sizeof(idle) / sizeof(*idle); i++)
		if (quiet >= idle[i].seconds * SIM_S)
			sim_seen(node->sim, idle[i].transition);
	node->last_data_at = node->sim->now;
}

void
sim_node_send(struct sim_node *node, uint64_t payload)
{
	struct sl_session *s = sendable(node, node->peer->slot);

	note_traffic(node);
	if (s) {
		seal_payload(node, s, payload);
		return;
	}
	if (!node->ifp->up)
		return;
	sim_seen(node->sim, SIM_T_STAGED);
	if (node->n_staged == SIM_STAGED_MAX) {
		sim_seen(node->sim, SIM_T_STAGED_OVERFLOW);
		memmove(node->staged, node->staged + 1, sizeof(node->staged) - sizeof(node->staged[0]));
		node->n_staged--;
	}
	node->staged[node->n_staged] = payload;
	set_staged(node, node->n_staged + 1);
	sl_peer_raise(&node->peers, node->peer->slot, SL_FACT_NEED_SESSION);
}

static void
roam(struct sim_node *node, uint32_t slot, const struct sl_endpoint *src)
{
	struct sl_outer was, outer;
	struct sl_endpoint before;

	sl_outer_make(&outer, src, &node->self.ip, sl_proto_if_listen_port(node->ifp));
	sl_peer_outer_read(&node->peers, slot, &was);
	if (memcmp(&was, &outer, sizeof(was)) == 0)
		return;
	sl_peer_outer_write(&node->peers, slot, &outer);
	sl_peer_raise(&node->peers, slot, SL_FACT_ENDPOINT);
	sl_outer_remote(&was, &before);
	if (!sl_endpoint_equal(&before, src))
		sim_seen(node->sim, SIM_T_ROAMED_DATA);
}

static void
note_session(struct sim_node *node, struct sl_session *s)
{
	uint32_t current = atomic_load(&dp_peer(node, s->peer)->current);
	bool is_current = current != 0 && atomic_load(&s->live) == current;

	if (!(atomic_fetch_or(&s->facts, SL_SESSION_CONFIRMED) & SL_SESSION_CONFIRMED) && !is_current)
		sl_peer_raise(&node->peers, s->peer, SL_FACT_KEY_CONFIRMED);
	if (s->initiator && is_current && node->sim->now - s->created >= SL_REKEY_AFTER_RECV_TIME_NS)
		sl_peer_raise(&node->peers, s->peer, SL_FACT_REKEY_RECEIVE);
}

/* Whether a session accepts the packet at all, by its age and counter. */
static bool
receivable(struct sim_node *node, const struct sl_session *s, uint64_t counter)
{
	struct sim *sim = node->sim;

	if (s && sim->now - s->created < SL_REJECT_AFTER_TIME_NS && counter < SL_REJECT_AFTER_MESSAGES)
		return true;
	node->refused_sessions++;
	sim_seen(sim, !s ? SIM_T_REFUSED_UNKNOWN :
		counter >= SL_REJECT_AFTER_MESSAGES ? SIM_T_REFUSED_COUNTER : SIM_T_REFUSED_OLD);
	return false;
}

static bool
first_time(struct sim_node *node, struct sl_session *s, uint64_t counter)
{
	bool behind = s->replay.greatest > counter && s->replay.greatest - counter > SL_COUNTER_WINDOW_SIZE;

	if (counter >= s->receive_floor && sl_replay_accept(&s->replay, counter))
		return true;
	node->refused_replays++;
	sim_seen(node->sim, behind ? SIM_T_REFUSED_WINDOW : SIM_T_REFUSED_REPLAY);
	return false;
}

static void
receive_data(struct sim_node *node, const uint8_t *data, size_t len, const struct sl_endpoint *src)
{
	uint32_t index = sl_load_le32(data + offsetof(struct sl_msg_data, receiver));
	uint64_t counter = sl_load_le64(data + offsetof(struct sl_msg_data, counter));
	uint8_t plain[SIM_MSG_MAX];
	struct sl_session *s;
	size_t n = len - SL_DATA_OVERHEAD;

	sl_session_find_burst(&node->sessions, &index, &s, 1);
	if (!receivable(node, s, counter))
		return;
	if (!sl_aead_open(plain, data + sizeof(struct sl_msg_data), n + SL_TAG_LEN, NULL, 0, counter, s->recv_key)) {
		node->refused_tags++;
		sim_seen(node->sim, SIM_T_REFUSED_TAG);
		return;
	}
	sim_saw_data(node, s, counter);
	if (!first_time(node, s, counter))
		return;
	sim_audit_accepted(node, s, index, counter);
	roam(node, s->peer, src);
	note_session(node, s);
	sl_peer_stamp_received(&node->peers, WORKER, s->peer, node->sim->now, len, n > 0);
	if (!atomic_load(&dp_peer(node, s->peer)->watched))
		sl_peer_raise(&node->peers, s->peer, SL_FACT_ACTIVE);
	if (n > 0) {
		note_traffic(node);
		sim_payload_delivered(node, plain, n);
	}
}

/* As workers do: made for either identity. */
static bool
right_mac1(const struct sl_proto_if *ifp, const uint8_t *data, size_t len)
{
	const struct sl_noise_identity *previous = sl_proto_if_previous(ifp);

	return sl_mac1_check(&sl_proto_if_identity(ifp)->mac_keys, data, len) ||
	       (previous->valid && sl_mac1_check(&previous->mac_keys, data, len));
}

void
sim_node_receive(struct sim_node *node, const uint8_t *data, size_t len, const struct sl_endpoint *src)
{
	struct sl_proto_msg msg = {.data = data, .len = len, .src = *src, .dst_local = node->self.ip};
	uint32_t type = len >= sizeof(type) ? sl_load_le32(data) : 0;
	struct sim_view before;

	if (type == SL_MSG_DATA && len >= SL_DATA_OVERHEAD) {
		receive_data(node, data, len, src);
		return;
	}
	if ((type == SL_MSG_INITIATION || type == SL_MSG_RESPONSE) && !right_mac1(node->ifp, data, len)) {
		sim_seen(node->sim, SIM_T_MAC1_WRONG);
		return;
	}
	sim_view(node, &before);
	sl_proto_receive(node->ifp, &msg, 1, node->sim->now);
	sim_saw_message(node, &before, type);
}

/* One at a time, so that what each has done is seen. */
static bool
advance(struct sim_node *node)
{
	struct sim_view before;
	bool more = false;

	while (sl_proto_next(node->core) <= node->sim->now) {
		bool expired;

		sim_view(node, &before);
		expired = sl_proto_advance(node->core, node->sim->now, 1);
		if (expired)
			sim_saw_timer(node, &before);
		more |= expired;
		if (!expired)
			break;
	}
	return more;
}

void
sim_node_settle(struct sim_node *node)
{
	uint32_t slots[FACTS], facts[FACTS];
	struct sim_view before;
	bool more = true;

	while (more) {
		unsigned n = sl_peers_take_facts(&node->peers, &node->cursor, slots, facts, FACTS);

		for (unsigned i = 0; i < n; i++) {
			sim_view(node, &before);
			sl_proto_facts(node->core, slots[i], facts[i], node->sim->now);
			sim_saw_facts(node, &before, facts[i]);
		}
		more = advance(node) || n > 0;
	}
	sl_proto_advance(node->core, node->sim->now, 0);
	sim_pass_step(node);
	sl_reclaim_poll(&node->reclaim);
}

/* --- life --- */

static void
create_tables(struct sim_node *node)
{
	size_t size = (rte_rcu_qsbr_get_memsize(1) + 63) / 64 * 64;
	uint8_t random[8];

	sl_rng_bytes(&node->sim->rng, random, sizeof(random));
	node->rcu = aligned_alloc(64, size);
	if (!node->rcu || rte_rcu_qsbr_init(node->rcu, 1) != 0)
		abort();
	sl_reclaim_init(&node->reclaim, node->rcu);
	if (sl_peers_init(&node->peers, SIM_PEERS, SIM_LINES) != 0 ||
		sl_session_table_init(&node->sessions, SIM_SESSIONS, random, &node->reclaim, &node->peers) != 0)
		abort();
}

static void
add_peer(struct sim_node *node)
{
	struct sim_node *other = &node->sim->nodes[1 - node->number];

	if (sl_proto_peer_add(node->ifp, other->public_key, NULL, node->sim->now, &node->peer) != 0 ||
		sl_proto_peer_set_name(node->peer, node->number == 0 ? "right" : "left") != 0)
		abort();
	sl_proto_peer_set_psk(node->peer, node->psk);
}

void
sim_node_init(struct sim_node *node, bool endpoints)
{
	struct sim_node *other = &node->sim->nodes[1 - node->number];
	struct sl_proto_config cfg = {
		.peers = &node->peers,
		.sessions = &node->sessions,
		.reclaim = &node->reclaim,
		.line = CONTROL_LINE,
		.rng = node->sim->rng,
		.ops = &ops,
		.ctx = node,
		.now = node->sim->now,
	};
	struct sl_proto_if_config if_cfg = {.name = "wg0", .l3_if = 7, .listen_port = node->self.port, .owner = node};

	create_tables(node);
	node->cursor = 0;
	node->n_staged = 0;
	if (sl_proto_create(&node->core, &cfg) != 0 || sl_proto_if_create(node->core, &if_cfg, &node->ifp) != 0)
		abort();
	sl_proto_if_set_key(node->ifp, node->private_key, node->sim->now);
	add_peer(node);
	if (endpoints)
		sl_proto_peer_set_endpoint(node->peer, &other->self, node->sim->now);
}

void
sim_node_set_key(struct sim_node *node, const uint8_t private_key[SL_KEY_LEN])
{
	memmove(node->private_key, private_key, SL_KEY_LEN);
	sl_proto_if_set_key(node->ifp, private_key, node->sim->now);
	memcpy(node->public_key, sl_proto_if_identity(node->ifp)->public_key, SL_KEY_LEN);
}

void
sim_node_replace_peer(struct sim_node *node)
{
	struct sim_node *other = &node->sim->nodes[1 - node->number];
	uint16_t keepalive = node->peer->keepalive_interval;

	sl_proto_peer_remove(node->peer);
	node->peer = NULL;
	add_peer(node);
	sl_proto_peer_set_endpoint(node->peer, &other->self, node->sim->now);
	sl_proto_peer_set_keepalive(node->peer, keepalive, node->sim->now);
}

/* Everything is as it was before there was anything. */
static void
check_empty(struct sim_node *node)
{
	const struct sl_proto *core = node->core;
	struct sim *sim = node->sim;

	if (node->sessions.reserved != 0)
		sim_violation(sim, "node %u: %u sessions left at the end", node->number, node->sessions.reserved);
	if (node->sessions.free != node->sessions.used)
		sim_violation(sim, "node %u: session slots lost", node->number);
	if (core->slots_free != core->slots_used || core->lingering)
		sim_violation(sim, "node %u: peer slots lost", node->number);
	if (core->wheel.armed != 0 || core->passes != 0 || core->ifs)
		sim_violation(sim, "node %u: timers or interfaces left at the end", node->number);
	if (node->reclaim.pending != 0)
		sim_violation(sim, "node %u: %zu objects not freed", node->number, node->reclaim.pending);
}

void
sim_node_fini(struct sim_node *node)
{
	while (node->ifp->first)
		sl_proto_peer_remove(node->ifp->first);
	node->peer = NULL;
	sl_proto_if_destroy(node->ifp);
	sim_pass_step(node);
	sim_pass_end(node);
	sl_reclaim_drain(&node->reclaim);
	check_empty(node);
	sl_proto_destroy(node->core);
	sl_session_table_fini(&node->sessions);
	sl_peers_fini(&node->peers);
	free(node->rcu);
}
