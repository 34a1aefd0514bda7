#include "sim_chaos.h"

#include "crypto/wipe.h"

#define RING        4096 /* handshake ring that load is told of */
#define LOAD_TICK   (400 * SIM_MS)
#define STORM       12   /* copies */
#define BIG_BURST   20000
#define LATE_MAX    (200 * SIM_S)
#define STEP_MAX    1000 /* s */
#define HEALED_LINK ((struct sim_link){.delay_min = 10 * SIM_MS, .delay_max = 10 * SIM_MS})

static uint64_t
between(struct sim *sim, uint64_t low, uint64_t high)
{
	return low + sim_random(sim, high - low + 1);
}

static bool
one_in(struct sim *sim, unsigned n)
{
	return sim_random(sim, n) == 0;
}

static struct sim_node *
other_of(const struct sim_node *node)
{
	return &node->sim->nodes[1 - node->number];
}

static void
run_planned(struct sim *sim, void *arg)
{
	struct chaos_planned *p = arg;

	if (!p->chaos->healed)
		p->fn(p->chaos, p->node);
}

static void
plan(struct chaos *chaos, uint64_t in, chaos_fn fn, struct sim_node *node)
{
	struct chaos_planned *p = &chaos->planned[chaos->n_planned];

	if (chaos->n_planned == CHAOS_PLANNED)
		return;
	chaos->n_planned++;
	*p = (struct chaos_planned){.chaos = chaos, .fn = fn, .node = node};
	sim_at(chaos->sim, chaos->sim->now + in, run_planned, p);
}

/* --- traffic --- */

/* Around the times at which a session and its timers change what they do. */
static uint64_t
critical_pause(struct sim *sim)
{
	static const uint64_t at[] = {5, 10, 15, 25, 120, 165, 180, 540};
	uint64_t ns = at[sim_random(sim, sizeof(at) / sizeof(*at))] * SIM_S;

	if (ns > 180 * SIM_S && !one_in(sim, 3))
		ns = 165 * SIM_S;
	return ns - SIM_S + sim_random(sim, 2 * SIM_S);
}

static void
traffic(struct sim *sim, void *arg)
{
	struct chaos_traffic *t = arg;
	uint64_t pause;

	if (sim->now < t->chaos->quiet_until && !t->chaos->healed) {
		sim_at(sim, t->chaos->quiet_until + sim_random(sim, SIM_S), traffic, t);
		return;
	}
	sim_send_some(sim, t->node->number, 1 + (unsigned)sim_random(sim, t->burst_max));
	if (sim->now >= t->chaos->until && !t->chaos->healed)
		return;
	pause = t->pause_max ? 1 + sim_random(sim, t->pause_max) : critical_pause(sim);
	if (!t->chaos->healed && sim->now + pause > t->chaos->until)
		return;
	sim_at(sim, sim->now + pause, traffic, t);
}

static void
start_traffic(struct chaos *chaos, unsigned node)
{
	static const uint64_t pauses[] = {0, 0, SIM_S / 2, 4 * SIM_S, 20 * SIM_S, 300 * SIM_S};
	struct sim *sim = chaos->sim;

	chaos->traffic[node] = (struct chaos_traffic){
		.chaos = chaos,
		.node = &sim->nodes[node],
		.pause_max = pauses[sim_random(sim, sizeof(pauses) / sizeof(*pauses))],
		.burst_max = one_in(sim, 4) ? 40 : 3,
	};
	if (!one_in(sim, 5))
		sim_at(sim, sim->now + sim_random(sim, SIM_S), traffic, &chaos->traffic[node]);
}

static void
go_quiet(struct chaos *chaos, struct sim_node *node)
{
	static const uint64_t spans[] = {120, 165, 180, 540};
	struct sim *sim = chaos->sim;

	chaos->quiet_until = sim->now + spans[sim_random(sim, sizeof(spans) / sizeof(*spans))] * SIM_S + SIM_S;
	if (chaos->until < chaos->quiet_until + 20 * SIM_S)
		chaos->quiet_until = sim->now;
}

static void
speak(struct chaos *chaos, struct sim_node *node)
{
	sim_send_some(chaos->sim, node->number, 1);
}

/* From a young session on, silence until the initiator must rekey for what it receives; then the responder speaks. */
static void
lull(struct chaos *chaos, struct sim_node *node)
{
	const struct sl_session *s = sl_sessions_current(node->peer);
	uint64_t now = chaos->sim->now, at;

	if (!s || !s->initiator || now - s->created > 5 * SIM_S) {
		plan(chaos, 5 * SIM_S, lull, node);
		return;
	}
	for (unsigned i = 0; i < 2; i++)
		sl_proto_peer_set_keepalive(chaos->sim->nodes[i].peer, 0, now);
	at = s->created + SL_REKEY_AFTER_RECV_TIME_NS + sim_random(chaos->sim, 5 * SIM_S);
	plan(chaos, at - now, speak, other_of(node));
	chaos->quiet_until = at + 5 * SIM_S;
	if (chaos->until < chaos->quiet_until)
		chaos->until = chaos->quiet_until;
}

static void
small_burst(struct chaos *chaos, struct sim_node *node)
{
	sim_send_some(chaos->sim, node->number, (unsigned)between(chaos->sim, 100, 300));
}

/* So many at once that some overtake more than a window holds. */
static void
big_burst(struct chaos *chaos, struct sim_node *node)
{
	struct sim_link link = chaos->sim->link;

	if (!sl_sessions_sendable(node->peer, chaos->sim->now)) {
		plan(chaos, 7 * SIM_S, big_burst, node);
		return;
	}
	chaos->sim->link.delay_max = link.delay_min + 30 * SIM_S;
	chaos->sim->link.loss = 0;
	sim_send_some(chaos->sim, node->number, (unsigned)between(chaos->sim, BIG_BURST / 2, BIG_BURST));
	chaos->sim->link = link;
}

/* A packet that no honest node sends. */
static void
overrun(struct chaos *chaos, struct sim_node *node)
{
	if (sl_sessions_sendable(node->peer, chaos->sim->now))
		sim_node_send_counter(node, SL_REJECT_AFTER_MESSAGES + sim_random(chaos->sim, 3));
}

static void
cross(struct chaos *chaos, struct sim_node *node)
{
	sim_initiate(chaos->sim, node->number);
	sim_initiate(chaos->sim, 1 - node->number);
}

/* --- the link --- */

static void
change_link(struct chaos *chaos, struct sim_node *node)
{
	static const uint64_t delays[] = {SIM_MS, 20 * SIM_MS, 200 * SIM_MS, 2 * SIM_S, 20 * SIM_S, LATE_MAX};
	struct sim *sim = chaos->sim;
	struct sim_link *link = &sim->link;

	link->loss = one_in(sim, 3) ? 0 : (double)sim_random(sim, 61) / 100;
	link->duplication = (double)sim_random(sim, 31) / 100;
	link->damage = one_in(sim, 3) ? (double)sim_random(sim, 11) / 100 : 0;
	link->delay_max = delays[sim_random(sim, sizeof(delays) / sizeof(*delays))];
	link->delay_min = link->delay_max / 100;
}

static void
stall(struct chaos *chaos, struct sim_node *node)
{
	chaos->sim->link.hold_until = chaos->sim->now + between(chaos->sim, SIM_S, 60 * SIM_S);
	sim_seen(chaos->sim, SIM_T_STALLED);
}

static void
storm(struct chaos *chaos, struct sim_node *node)
{
	struct sim_node *from = other_of(node);

	for (unsigned i = 0; from->last_len && i < STORM; i++)
		sim_deliver(chaos->sim, node->number, from->last, from->last_len, &from->self);
}

static void
load_tick(struct sim *sim, void *arg)
{
	struct chaos_planned *p = arg;
	struct sim_node *node = p->node;
	const struct sim_node *from = other_of(node);

	if (sim->now > p->chaos->load_until[node->number]) {
		p->chaos->load_until[node->number] = 0;
		return;
	}
	sl_proto_if_note_load(node->ifp, RING / SL_UNDER_LOAD_RING_SHARE, RING, sim->now);
	if (!p->chaos->healed && from->last_len && !sl_is_zero(from->last + from->last_len - SL_MAC_LEN, SL_MAC_LEN) &&
		one_in(sim, 20))
		storm(p->chaos, node);
	sim_at(sim, sim->now + LOAD_TICK, load_tick, p);
}

static void
load(struct chaos *chaos, struct sim_node *node)
{
	struct chaos_planned *tick = &chaos->load_ticks[node->number];
	bool runs = chaos->load_until[node->number] != 0;

	chaos->load_until[node->number] = chaos->sim->now + between(chaos->sim, 20 * SIM_S, 300 * SIM_S);
	*tick = (struct chaos_planned){.chaos = chaos, .node = node};
	if (!runs)
		load_tick(chaos->sim, tick);
}

/* --- the nodes --- */

static void
restart(struct chaos *chaos, struct sim_node *node)
{
	sim_restart(chaos->sim, node->number);
	sim_seen(chaos->sim, SIM_T_RESTARTED);
}

static void
step_clock(struct chaos *chaos, struct sim_node *node)
{
	struct sim *sim = chaos->sim;
	int64_t step = ((int64_t)sim_random(sim, 2 * STEP_MAX) - STEP_MAX) * (int64_t)SIM_S;

	if (chaos->clocks == CHAOS_CLOCKS_STAND)
		return;
	if (chaos->clocks == CHAOS_CLOCKS_ONE)
		node = chaos->stepper;
	node->wall_offset += step;
	if (node->wall_offset > chaos->wall_max[node->number])
		chaos->wall_max[node->number] = node->wall_offset;
	sim_seen(sim, step < 0 ? SIM_T_CLOCK_BACK : SIM_T_CLOCK_FORWARD);
}

static void
learn_key(struct chaos *chaos, struct sim_node *node)
{
	sim_node_replace_peer(node);
	sim_seen(chaos->sim, SIM_T_PEER_REPLACED);
}

static void
change_key(struct chaos *chaos, struct sim_node *node)
{
	uint8_t key[SL_KEY_LEN];

	sl_rng_bytes(&chaos->sim->rng, key, sizeof(key));
	sim_node_set_key(node, key);
	sim_seen(chaos->sim, SIM_T_KEY_CHANGED);
	plan(chaos, sim_random(chaos->sim, 20 * SIM_S), learn_key, other_of(node));
}

static void
key_back(struct chaos *chaos, struct sim_node *node)
{
	sim_node_set_key(node, node->private_key);
}

static void
take_key(struct chaos *chaos, struct sim_node *node)
{
	static const uint8_t none[SL_KEY_LEN];

	sl_proto_if_set_key(node->ifp, none, chaos->sim->now);
	sim_seen(chaos->sim, SIM_T_KEY_GONE);
	plan(chaos, between(chaos->sim, SIM_S, 40 * SIM_S), key_back, node);
}

static void
use_psk(struct chaos *chaos, struct sim_node *node)
{
	memcpy(node->psk, chaos->psk, sizeof(node->psk));
	sl_proto_peer_set_psk(node->peer, node->psk);
}

/* Sometimes both have another one, sometimes one is wrong for a while. */
static void
change_psk(struct chaos *chaos, struct sim_node *node)
{
	struct sim *sim = chaos->sim;

	sl_rng_bytes(&sim->rng, chaos->psk, sizeof(chaos->psk));
	use_psk(chaos, node);
	sim_seen(sim, SIM_T_PSK_CHANGED);
	plan(chaos, sim_random(sim, 60 * SIM_S), use_psk, other_of(node));
}

static void
change_keepalive(struct chaos *chaos, struct sim_node *node)
{
	struct sim *sim = chaos->sim;

	sl_proto_peer_set_keepalive(node->peer, one_in(sim, 4) ? 0 : (uint16_t)between(sim, 1, 60), sim->now);
}

static void
roam(struct chaos *chaos, struct sim_node *node)
{
	struct sim *sim = chaos->sim;
	struct sl_endpoint *self = &chaos->mobile->self;
	struct sl_ip was = self->ip;
	const uint8_t last = (uint8_t)between(sim, 10, 200);
	const uint8_t v4[4] = {198, 51, 100, last}, v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = last};

	if (one_in(sim, 3)) {
		self->port = (uint16_t)between(sim, 1024, 60000);
		sl_proto_if_set_listen_port(chaos->mobile->ifp, self->port, sim->now);
	} else {
		self->ip = one_in(sim, 3) ? sl_ip6(v6) : sl_ip4(v4);
		sl_proto_if_forget_source(chaos->mobile->ifp, &was, sim->now);
	}
}

static void
come_up(struct chaos *chaos, struct sim_node *node)
{
	if (!node->ifp->up)
		sim_seen(chaos->sim, SIM_T_CAME_UP);
	sl_proto_if_set_up(node->ifp, true, chaos->sim->now);
}

static void
go_down(struct chaos *chaos, struct sim_node *node)
{
	sl_proto_if_set_up(node->ifp, false, chaos->sim->now);
	sim_seen(chaos->sim, SIM_T_WENT_DOWN);
	plan(chaos, between(chaos->sim, SIM_S, 60 * SIM_S), come_up, node);
}

static void
jump_end(struct chaos *chaos, struct sim_node *node)
{
	node->jump_to = 0;
}

static void
jump(struct chaos *chaos, struct sim_node *node)
{
	struct sim *sim = chaos->sim;

	node->jump_to = one_in(sim, 2) ? SL_REKEY_AFTER_MESSAGES - sim_random(sim, 20)
				       : SL_REJECT_AFTER_MESSAGES - sim_random(sim, 20);
	plan(chaos, between(sim, 20 * SIM_S, 200 * SIM_S), jump_end, node);
}

/* No counter is left to the current session, all of a sudden. */
static void
exhaust(struct chaos *chaos, struct sim_node *node)
{
	struct sl_session *s = sl_sessions_current(node->peer);

	if (!s || sl_sender_counter(s->sender) > SL_REJECT_AFTER_MESSAGES)
		return;
	sl_sender_set_counter(s->sender, SL_REJECT_AFTER_MESSAGES);
	sim_seen(chaos->sim, SIM_T_COUNTER_JUMPED_LIMIT);
}

/* --- the whole --- */

static const struct {
	chaos_fn fn;
	unsigned percent; /* of seeds */
	unsigned times;   /* at most */
} kinds[] = {
	{change_link, 60, 4},
	{go_quiet, 40, 2},
	{lull, 15, 1},
	{small_burst, 30, 3},
	{big_burst, 5, 1},
	{overrun, 20, 2},
	{cross, 30, 4},
	{stall, 25, 3},
	{storm, 25, 3},
	{load, 30, 2},
	{restart, 35, 3},
	{step_clock, 40, 4},
	{change_key, 15, 2},
	{learn_key, 10, 1},
	{take_key, 8, 1},
	{change_psk, 15, 2},
	{change_keepalive, 40, 3},
	{roam, 30, 4},
	{go_down, 10, 1},
	{jump, 20, 2},
	{exhaust, 10, 2},
};

static uint64_t
draw_length(struct sim *sim)
{
	switch (sim_random(sim, 8)) {
	case 0:
		return between(sim, 1300 * SIM_S, 2500 * SIM_S);
	case 1:
	case 2:
	case 3:
		return between(sim, 600 * SIM_S, 1300 * SIM_S);
	default:
		return between(sim, 60 * SIM_S, 600 * SIM_S);
	}
}

void
chaos_begin(struct chaos *chaos, struct sim *sim)
{
	uint64_t length = draw_length(sim);

	*chaos = (struct chaos){
		.sim = sim,
		.until = sim->now + length,
		.mobile = &sim->nodes[sim_random(sim, 2)],
		.clocks = (enum chaos_clocks)sim_random(sim, 3),
	};
	chaos->stepper = other_of(chaos->mobile);
	sim->busy_max = one_in(sim, 2) ? 300 * SIM_MS : 0;
	sim->slow_workers = true;
	change_link(chaos, NULL);
	if (one_in(sim, 2))
		sl_rng_bytes(&sim->rng, chaos->psk, sizeof(chaos->psk));
	for (unsigned i = 0; i < 2; i++) {
		use_psk(chaos, &sim->nodes[i]);
		start_traffic(chaos, i);
	}
	for (unsigned k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
		unsigned times = sim_random(sim, 100) < kinds[k].percent ? (unsigned)between(sim, 1, kinds[k].times) : 0;

		while (times-- > 0)
			plan(chaos, sim_random(sim, length), kinds[k].fn, &sim->nodes[sim_random(sim, 2)]);
	}
	/* Not healed before the link is. */
	if (one_in(sim, 5))
		plan(chaos, length - sim_random(sim, 3 * SIM_S), one_in(sim, 3) ? exhaust : restart,
			&sim->nodes[sim_random(sim, 2)]);
}

/*
 * A node whose clock has gone back cannot begin, if it was restarted: its peer must, once it hears nothing more. What the
 * node sent before, still under way, would speak for it until it has arrived.
 */
static bool
needs_silence(const struct chaos *chaos)
{
	return chaos->clocks == CHAOS_CLOCKS_ONE && chaos->stepper->wall_offset < chaos->wall_max[chaos->stepper->number];
}

void
chaos_heal(struct chaos *chaos)
{
	struct sim *sim = chaos->sim;
	bool late;

	chaos->healed = true;
	sim->busy_max = 0;
	sim->link = HEALED_LINK;
	late = one_in(sim, 3) && !needs_silence(chaos);
	if (!late)
		sim_flush(sim, one_in(sim, 2));
	for (unsigned i = 0; i < 2; i++) {
		struct sim_node *node = &sim->nodes[i];

		if (chaos->clocks == CHAOS_CLOCKS_BOTH)
			node->wall_offset = chaos->wall_max[i];
		if (node->jump_to > SL_REKEY_AFTER_MESSAGES)
			node->jump_to = 0;
		chaos->load_until[i] = chaos->load_until[i] && one_in(sim, 2) ? sim->now + LATE_MAX : 0;
		key_back(chaos, node);
		come_up(chaos, node);
	}
	for (unsigned i = 0; i < 2; i++) {
		struct sim_node *node = &sim->nodes[i];

		use_psk(chaos, node);
		if (memcmp(node->peer->public_key, other_of(node)->public_key, SL_KEY_LEN) != 0)
			learn_key(chaos, node);
		chaos->traffic[i] = (struct chaos_traffic){.chaos = chaos, .node = node, .pause_max = SIM_S, .burst_max = 1};
		sim_at(sim, sim->now, traffic, &chaos->traffic[i]);
	}
}
