#include "sim.h"

#include <stdlib.h>

#include "crypto/x25519.h"

struct sim_pending {
	uint64_t at, order;
	sim_fn fn; /* NULL: a message */
	void *arg;
	unsigned to;
	struct sl_endpoint src;
	size_t len;
	uint8_t data[SIM_MSG_MAX];
};

/* splitmix64 (Steele, Lea, Flood, 2014) */
static uint64_t
next_random(struct sim *sim)
{
	uint64_t z = sim->seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t
sim_random(struct sim *sim, uint64_t n)
{
	return next_random(sim) % n;
}

static void
random_bytes(void *ctx, void *out, size_t n)
{
	uint8_t *p = out;

	while (n > 0) {
		uint64_t r = next_random(ctx);
		size_t take = n < sizeof(r) ? n : sizeof(r);

		memcpy(p, &r, take);
		p += take;
		n -= take;
	}
}

static void *
grow(void *array, size_t *room, size_t need, size_t size)
{
	size_t old = *room;

	if (need <= old)
		return array;
	*room = need * 2;
	array = realloc(array, *room * size);
	if (!array)
		abort();
	memset((char *)array + old * size, 0, (*room - old) * size);
	return array;
}

/* --- the heap of what is to come, by time and then by order --- */

static bool
before(const struct sim_pending *a, const struct sim_pending *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void
push(struct sim *sim, const struct sim_pending *p)
{
	size_t i = sim->n_pending++;

	sim->pending = grow(sim->pending, &sim->room, sim->n_pending, sizeof(*p));
	sim->pending[i] = *p;
	sim->pending[i].order = sim->order++;
	for (; i > 0 && before(&sim->pending[i], &sim->pending[(i - 1) / 2]); i = (i - 1) / 2) {
		struct sim_pending t = sim->pending[i];

		sim->pending[i] = sim->pending[(i - 1) / 2];
		sim->pending[(i - 1) / 2] = t;
	}
}

static struct sim_pending
pop(struct sim *sim)
{
	struct sim_pending *h = sim->pending, top = h[0];
	size_t n = --sim->n_pending, i = 0;

	h[0] = h[n];
	for (;;) {
		size_t least = i;
		struct sim_pending t;

		for (size_t c = 2 * i + 1; c <= 2 * i + 2 && c < n; c++)
			if (before(&h[c], &h[least]))
				least = c;
		if (least == i)
			return top;
		t = h[i];
		h[i] = h[least];
		h[least] = t;
		i = least;
	}
}

void
sim_at(struct sim *sim, uint64_t at, sim_fn fn, void *arg)
{
	push(sim, &(struct sim_pending){.at = at, .fn = fn, .arg = arg});
}

/* --- the link --- */

static bool
chance(struct sim *sim, double p)
{
	return (double)(next_random(sim) >> 11) * 0x1p-53 < p;
}

void
sim_transmit(struct sim_node *from, const struct sl_outer *outer, const void *msg, size_t len, uint8_t tos)
{
	struct sim *sim = from->sim;
	struct sim_event event = {.kind = SIM_SENT, .node = from->number, .len = len, .tos = tos, .has_local = outer->local};
	struct sim_pending p = {.to = 1 - from->number, .src = from->self, .len = len};
	unsigned copies = 1;

	if (len > SIM_MSG_MAX)
		abort();
	memcpy(&event.type, msg, sizeof(event.type));
	memcpy(event.data, msg, len);
	sl_outer_remote(outer, &event.to);
	sim_log(from, &event);
	memcpy(p.data, msg, len);
	if (sim->link.cut || chance(sim, sim->link.loss))
		return;
	if (!sl_endpoint_equal(&event.to, &sim->nodes[p.to].self))
		return;
	if (chance(sim, sim->link.duplication))
		copies++;
	while (copies-- > 0) {
		p.at = sim->now + sim->link.delay_min + sim_random(sim, sim->link.delay_max - sim->link.delay_min + 1);
		push(sim, &p);
	}
}

void
sim_log(struct sim_node *node, const struct sim_event *event)
{
	struct sim *sim = node->sim;

	if (!sim->keep_events)
		return;
	sim->events = grow(sim->events, &sim->events_room, sim->n_events + 1, sizeof(*event));
	sim->events[sim->n_events] = *event;
	sim->events[sim->n_events].node = node->number;
	sim->events[sim->n_events++].at = sim->now;
}

static bool
matches(const struct sim_event *e, enum sim_event_kind kind, unsigned node, uint32_t type)
{
	return e->kind == kind && e->node == node && (type == 0 || e->type == type);
}

unsigned
sim_count(const struct sim *sim, enum sim_event_kind kind, unsigned node, uint32_t type)
{
	unsigned n = 0;

	for (size_t i = 0; i < sim->n_events; i++)
		n += matches(&sim->events[i], kind, node, type);
	return n;
}

const struct sim_event *
sim_event(const struct sim *sim, enum sim_event_kind kind, unsigned node, uint32_t type, unsigned nth)
{
	for (size_t i = 0; i < sim->n_events; i++)
		if (matches(&sim->events[i], kind, node, type) && nth-- == 0)
			return &sim->events[i];
	return NULL;
}

const struct sim_event *
sim_last(const struct sim *sim, enum sim_event_kind kind, unsigned node, uint32_t type)
{
	unsigned n = sim_count(sim, kind, node, type);

	return n ? sim_event(sim, kind, node, type, n - 1) : NULL;
}

void
sim_forget_events(struct sim *sim)
{
	sim->n_events = 0;
}

/* --- time --- */

static uint64_t
next_time(const struct sim *sim)
{
	uint64_t next = sim->n_pending ? sim->pending[0].at : UINT64_MAX;

	for (unsigned i = 0; i < 2; i++) {
		uint64_t at = sl_proto_next(sim->nodes[i].core);

		if (at < next)
			next = at;
	}
	return next > sim->now ? next : sim->now;
}

static void
settle(struct sim *sim)
{
	for (unsigned i = 0; i < 2; i++)
		sim_node_settle(&sim->nodes[i]);
}

void
sim_run(struct sim *sim, uint64_t until)
{
	settle(sim);
	for (;;) {
		uint64_t next = next_time(sim);

		if (next > until)
			break;
		sim->now = next;
		settle(sim);
		while (sim->n_pending && sim->pending[0].at <= sim->now) {
			struct sim_pending p = pop(sim);

			if (p.fn)
				p.fn(sim, p.arg);
			else
				sim_node_receive(&sim->nodes[p.to], p.data, p.len, &p.src);
			settle(sim);
		}
	}
	sim->now = until;
	settle(sim);
}

void
sim_run_for(struct sim *sim, uint64_t ns)
{
	sim_run(sim, sim->now + ns);
}

/* --- the whole --- */

void
sim_init(struct sim *sim, uint64_t seed, bool endpoints)
{
	*sim = (struct sim){
		.now = SIM_START,
		.seed = seed,
		.rng = {.bytes = random_bytes, .ctx = sim},
		.link = {.delay_min = 10 * SIM_MS, .delay_max = 10 * SIM_MS},
		.keep_events = true,
		.next_payload = 1,
	};
	for (unsigned i = 0; i < 2; i++) {
		const uint8_t address[4] = {192, 0, 2, (uint8_t)(i + 1)};
		struct sim_node *node = &sim->nodes[i];

		node->sim = sim;
		node->number = i;
		node->self = (struct sl_endpoint){.ip = sl_ip4(address), .port = (uint16_t)(SIM_PORT + i)};
		sl_x25519_keypair(node->private_key, node->public_key, &sim->rng);
	}
	for (unsigned i = 0; i < 2; i++)
		sim_node_init(&sim->nodes[i], endpoints);
}

void
sim_fini(struct sim *sim)
{
	for (unsigned i = 0; i < 2; i++)
		sim_node_fini(&sim->nodes[i]);
	free(sim->pending);
	free(sim->events);
	free(sim->payloads);
	free(sim->nonces);
}

void
sim_restart(struct sim *sim, unsigned node)
{
	sim_node_fini(&sim->nodes[node]);
	sim_node_init(&sim->nodes[node], true);
}

void
sim_send(struct sim *sim, unsigned node)
{
	uint64_t payload = sim->next_payload++;

	sim->payloads = grow(sim->payloads, &sim->payloads_room, payload + 1, sizeof(*sim->payloads));
	sim->payloads[payload] = 1;
	if (sim->nodes[node].peer)
		sim_node_send(&sim->nodes[node], payload);
	settle(sim);
}

void
sim_initiate(struct sim *sim, unsigned node)
{
	sl_handshake_request(sim->nodes[node].peer, sim->now);
	sl_timers_update(sim->nodes[node].peer, sim->now);
	settle(sim);
}

void
sim_deliver(struct sim *sim, unsigned node, const void *data, size_t len, const struct sl_endpoint *src)
{
	sim_node_receive(&sim->nodes[node], data, len, src ? src : &sim->nodes[1 - node].self);
	settle(sim);
}

bool
sim_connected(struct sim *sim)
{
	for (unsigned i = 0; i < 2; i++) {
		struct sim_node *node = &sim->nodes[i], *other = &sim->nodes[1 - i];
		const struct sl_session *s = sl_sessions_current(node->peer);

		if (!sl_sessions_sendable(node->peer, sim->now))
			return false;
		if (sl_session_slot_of(&other->sessions, s->remote_index) == SL_SESSION_NONE)
			return false;
	}
	return true;
}
