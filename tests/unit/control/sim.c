#include "sim.h"

#include <stdlib.h>

#include "crypto/bytes.h"
#include "crypto/x25519.h"

#define NO_MESSAGE UINT32_MAX

struct sim_pending {
	uint64_t at, order;
	sim_fn fn;
	void *arg;
	uint32_t message; /* NO_MESSAGE: fn is called */
};

struct sim_message {
	uint32_t next_free; /* + 1 */
	unsigned to;
	bool damaged;
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

void *
sim_grow(void *array, size_t *room, size_t need, size_t size)
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

	sim->pending = sim_grow(sim->pending, &sim->room, sim->n_pending, sizeof(*p));
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
	push(sim, &(struct sim_pending){.at = at, .fn = fn, .arg = arg, .message = NO_MESSAGE});
}

static uint32_t
take_message(struct sim *sim)
{
	uint32_t id;

	if (sim->free_message) {
		id = sim->free_message - 1;
		sim->free_message = sim->messages[id].next_free;
		return id;
	}
	sim->messages = sim_grow(sim->messages, &sim->messages_room, sim->n_messages + 1, sizeof(*sim->messages));
	return (uint32_t)sim->n_messages++;
}

static struct sim_message
put_message(struct sim *sim, uint32_t id)
{
	struct sim_message m = sim->messages[id];

	sim->messages[id].next_free = sim->free_message;
	sim->free_message = id + 1;
	return m;
}

/* --- the link --- */

static bool
chance(struct sim *sim, double p)
{
	return (double)(next_random(sim) >> 11) * 0x1p-53 < p;
}

/* The receiver's index of a data message: it names a key and is not authenticated itself. */
static bool
is_index(uint32_t type, size_t at)
{
	return type == SL_MSG_DATA && at / sizeof(uint32_t) == offsetof(struct sl_msg_data, receiver) / sizeof(uint32_t);
}

/*
 * One bit is turned over; half the handshake messages get a right mac1 all the same, as from someone who forges. A
 * sender whose handshake was forged may have a wrong index, which such a bit can put right again.
 */
static void
damage(struct sim *sim, struct sim_message *m)
{
	uint32_t type = sl_load_le32(m->data);
	size_t at = sim_random(sim, m->len);

	sim_seen(sim, SIM_T_DAMAGED);
	m->damaged = !is_index(type, at);
	m->data[at] ^= (uint8_t)(1u << sim_random(sim, 8));
	if ((type == SL_MSG_INITIATION || type == SL_MSG_RESPONSE) && sim_random(sim, 2) == 0)
		sl_macs_write(&sl_proto_if_identity(sim->nodes[m->to].ifp)->mac_keys, NULL, m->data, m->len);
}

static void
arrive_later(struct sim *sim, const struct sim_message *message)
{
	struct sim_pending p = {.message = take_message(sim)};
	struct sim_message *m = &sim->messages[p.message];

	*m = *message;
	if (chance(sim, sim->link.damage))
		damage(sim, m);
	p.at = sim->now + sim->link.delay_min + sim_random(sim, sim->link.delay_max - sim->link.delay_min + 1);
	if (p.at < sim->link.hold_until)
		p.at = sim->link.hold_until;
	push(sim, &p);
}

void
sim_transmit(struct sim_node *from, const struct sl_outer *outer, const void *msg, size_t len, uint8_t tos)
{
	struct sim *sim = from->sim;
	struct sim_message m = {.to = 1 - from->number, .src = from->self, .len = len};
	struct sl_endpoint to;
	unsigned copies = 1;

	if (len > SIM_MSG_MAX)
		abort();
	sl_outer_remote(outer, &to);
	memcpy(m.data, msg, len);
	sim_verbose(from, "sends", msg, len);
	sim_trace(sim, sl_load_le64(m.data) ^ len << 56 ^ (uint64_t)from->number << 48);
	if (m.data[0] == SL_MSG_INITIATION || m.data[0] == SL_MSG_RESPONSE) {
		memcpy(from->last, msg, len);
		from->last_len = len;
	}
	if (sim->keep_events) {
		struct sim_event event = {.kind = SIM_SENT, .len = len, .tos = tos, .has_local = outer->local, .to = to};

		event.type = sl_load_le32(m.data);
		memcpy(event.data, msg, len);
		sim_log(from, &event);
	}
	if (sim->link.cut || chance(sim, sim->link.loss))
		return;
	if (!sl_endpoint_equal(&to, &sim->nodes[m.to].self))
		return;
	if (chance(sim, sim->link.duplication))
		copies++;
	/* A cookie reply is good from anywhere, and no reason to answer to there. */
	if (m.data[0] == SL_MSG_COOKIE_REPLY && !sim->strangers && sim_random(sim, 2) == 0)
		m.src.port++;
	while (copies-- > 0)
		arrive_later(sim, &m);
}

static void
arrive(struct sim *sim, uint32_t id)
{
	struct sim_message m = put_message(sim, id);

	if (m.len == 0)
		return;
	sim_verbose(&sim->nodes[m.to], "gets", m.data, m.len);
	sim->damaged = m.damaged;
	sim_node_receive(&sim->nodes[m.to], m.data, m.len, &m.src);
	sim->damaged = false;
}

void
sim_flush(struct sim *sim, bool lost)
{
	size_t n = sim->n_pending;

	for (size_t i = 0; i < n; i++) {
		struct sim_pending *p = &sim->pending[i];

		if (p->message == NO_MESSAGE)
			continue;
		p->at = sim->now;
		if (lost)
			sim->messages[p->message].len = 0;
	}
	sim->n_pending = 0;
	for (size_t i = 0; i < n; i++) {
		struct sim_pending p = sim->pending[i];

		push(sim, &p);
	}
}

void
sim_log(struct sim_node *node, const struct sim_event *event)
{
	struct sim *sim = node->sim;

	if (!sim->keep_events)
		return;
	sim->events = sim_grow(sim->events, &sim->events_room, sim->n_events + 1, sizeof(*event));
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
settle_now(struct sim *sim)
{
	for (unsigned i = 0; i < 2; i++)
		sim_node_settle(&sim->nodes[i]);
}

static void
catch_up(struct sim *sim, void *arg)
{
	settle_now(sim);
}

/* Control may be busy for a while: facts and timers wait, messages are taken before them. */
static void
settle(struct sim *sim)
{
	if (sim->busy_max && sim_random(sim, 4) == 0)
		sim_at(sim, sim->now + 1 + sim_random(sim, sim->busy_max), catch_up, NULL);
	else
		settle_now(sim);
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

			if (p.message == NO_MESSAGE)
				p.fn(sim, p.arg);
			else
				arrive(sim, p.message);
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
		.strangers = true,
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
	free(sim->messages);
	free(sim->events);
	sim_audit_fini(sim);
}

void
sim_restart(struct sim *sim, unsigned node)
{
	sim_node_fini(&sim->nodes[node]);
	sim_node_init(&sim->nodes[node], true);
}

void
sim_send_some(struct sim *sim, unsigned node, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t payload = sim_payload_make(sim, node);

		if (sim->nodes[node].peer)
			sim_node_send(&sim->nodes[node], payload);
	}
}

void
sim_send(struct sim *sim, unsigned node)
{
	sim_send_some(sim, node, 1);
	settle(sim);
}

void
sim_initiate(struct sim *sim, unsigned node)
{
	struct sim_view before;

	sim_view(&sim->nodes[node], &before);
	sl_handshake_request(sim->nodes[node].peer, sim->now);
	sl_timers_update(sim->nodes[node].peer, sim->now);
	sim_saw_facts(&sim->nodes[node], &before, 0);
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
