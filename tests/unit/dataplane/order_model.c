#include "tests/unit/dataplane/order_model.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dataplane/order_ring.h"

#define BATCH        32
#define SESSIONS     8
#define HELPERS_MAX  8
#define WINDOW       8128 /* how far a replayed number goes back at most */

/* A session; its key stands for what must not be wiped under a worker's hands. */
struct session {
	_Atomic uint32_t live; /* generation while live, else 0 */
	_Atomic uint32_t held;
	uint64_t key;
	_Atomic uint32_t incarnation; /* of the slot of its peer, which has no other session */
	uint32_t peer_incarnation;    /* of its own peer */
	/* the owner's alone: the replay window */
	uint64_t greatest;
	uint64_t next;
};

struct batch {
	struct session *session;
	uint32_t generation;
	unsigned n;
	uint32_t again; /* bit per packet: on purpose an old number */
	uint64_t number[BATCH];
	uint64_t opened[BATCH]; /* by whoever did the work */
};

struct helper {
	struct model *m;
	pthread_t thread;
	uint64_t random;
	_Atomic uint64_t batches; /* written by the helper alone */
	_Atomic bool stop;
	bool running;
};

struct model {
	struct sl_order_ring ring;
	struct batch batches[SL_ORDER_TICKETS];
	struct session sessions[SESSIONS];
	_Atomic uint64_t quiescent;   /* passes that the owner has ended */
	_Atomic bool finished;
	const char *_Atomic wrong;
	struct order_model_config cfg;
	struct order_model_result result;
	struct helper helpers[HELPERS_MAX];
	_Atomic uint64_t rotations; /* written by control alone */
};

static uint64_t
rnd(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static void
fail(struct model *m, const char *what)
{
	atomic_store(&m->wrong, what);
}

/* What opening makes of a number; right only with the key of its session. */
static uint64_t
open_number(uint64_t number, uint64_t key)
{
	return (number ^ key) * UINT64_C(0xd6e8feb86659fd93);
}

static void
work(struct model *m, struct batch *b)
{
	uint64_t key = b->session->key;

	if (key == 0)
		fail(m, "a key was wiped while a batch held its session");
	for (unsigned i = 0; i < b->n; i++)
		b->opened[i] = open_number(b->number[i], key);
}

static void
dawdle(uint64_t *random)
{
	uint64_t r = rnd(random);
	const struct timespec nap = {.tv_nsec = (long)(r >> 32) % 200000};

	if (r % 2 == 0)
		for (volatile unsigned i = 0; i < r / 2 % 2000; i++)
			;
	else if (r % 64 == 1)
		sched_yield();
	else if (r % 4096 == 3)
		nanosleep(&nap, NULL);
}

/* --- helpers --- */

static void *
help(void *arg)
{
	struct helper *h = arg;
	uint64_t cursor = 0;
	unsigned place;

	while (!atomic_load_explicit(&h->stop, memory_order_relaxed)) {
		if (!sl_order_ring_claim(&h->m->ring, &cursor, &place)) {
			sched_yield();
			continue;
		}
		dawdle(&h->random);
		work(h->m, &h->m->batches[place]);
		dawdle(&h->random);
		sl_order_ring_done(&h->m->ring, place);
		h->batches++;
	}
	return NULL;
}

static void
start_helper(struct helper *h)
{
	atomic_store(&h->stop, false);
	h->running = pthread_create(&h->thread, NULL, help, h) == 0;
	if (!h->running)
		fail(h->m, "a thread could not be started");
}

static void
stop_helper(struct helper *h)
{
	if (!h->running)
		return;
	atomic_store(&h->stop, true);
	pthread_join(h->thread, NULL);
	h->running = false;
}

/* --- control --- */

static void
publish(struct session *s, uint32_t generation, uint64_t key)
{
	s->key = key | 1;
	s->peer_incarnation = atomic_load_explicit(&s->incarnation, memory_order_relaxed);
	s->greatest = 0;
	s->next = 1;
	atomic_store_explicit(&s->live, generation, memory_order_release);
}

/* Every pass that could still find what was unpublished is over. */
static void
grace(struct model *m)
{
	uint64_t began = atomic_load(&m->quiescent);

	while (atomic_load(&m->quiescent) < began + 2 && !atomic_load(&m->finished))
		sched_yield();
}

static void
rotate(struct model *m, struct session *s, uint64_t *random)
{
	uint32_t generation = atomic_load_explicit(&s->live, memory_order_relaxed);
	bool remove = rnd(random) % 8 == 0;

	atomic_store_explicit(&s->live, 0, memory_order_release);
	if (remove) /* the peer goes, and another one gets its slot */
		atomic_fetch_add_explicit(&s->incarnation, 1, memory_order_relaxed);
	grace(m);
	while (atomic_load_explicit(&s->held, memory_order_acquire) != 0 && !atomic_load(&m->finished))
		sched_yield();
	if (atomic_load(&m->finished))
		return;
	s->key = 0;
	publish(s, generation + 1, rnd(random));
	m->rotations++;
}

static void *
control(void *arg)
{
	struct model *m = arg;
	uint64_t random = m->cfg.seed ^ 0xc0;

	while (!atomic_load(&m->finished)) {
		uint64_t r = rnd(&random);
		struct helper *h = &m->helpers[r / 16 % m->cfg.helpers];

		if (r % 16 != 0) {
			rotate(m, &m->sessions[r / 16 % SESSIONS], &random);
		} else if (h->running) {
			stop_helper(h);
		} else {
			start_helper(h);
		}
		dawdle(&random);
	}
	return NULL;
}

/* --- the owner --- */

struct owner {
	struct model *m;
	uint64_t random;
	uint64_t cursor;
	bool on;
	uint64_t out; /* packets in the ring */
};

static void
append(struct owner *o, struct session *s, uint32_t generation)
{
	struct model *m = o->m;
	unsigned place = sl_order_ring_place(&m->ring), n = 1 + (unsigned)(rnd(&o->random) % BATCH);
	struct batch *b = &m->batches[place];

	m->result.received += n;
	if (m->ring.tail - m->ring.head >= m->cfg.full) {
		m->result.full += n;
		s->next += n; /* they are lost on the way */
		return;
	}
	*b = (struct batch){.session = s, .generation = generation, .n = n};
	for (unsigned i = 0; i < n; i++) {
		bool again = rnd(&o->random) % 16 == 0 && s->next > 1;

		b->again |= (uint32_t)again << i;
		b->number[i] = again ? s->next - 1 - rnd(&o->random) % (s->next < WINDOW ? s->next - 1 : WINDOW) : s->next++;
	}
	atomic_fetch_add_explicit(&s->held, 1, memory_order_relaxed);
	o->out += n;
	if (o->on) {
		sl_order_ring_append(&m->ring);
	} else {
		sl_order_ring_append_claimed(&m->ring);
		work(m, b);
		sl_order_ring_done(&m->ring, place);
		m->result.own++;
	}
}

/* New numbers rise, whoever opened them and when: that is the order. */
static void
take_back(struct owner *o, struct batch *b)
{
	struct model *m = o->m;
	struct session *s = b->session;

	o->out -= b->n;
	if (atomic_load_explicit(&s->incarnation, memory_order_relaxed) != s->peer_incarnation) {
		m->result.gone += b->n;
		return;
	}
	for (unsigned i = 0; i < b->n; i++) {
		if (b->opened[i] != open_number(b->number[i], s->key))
			fail(m, "a batch was taken back that was not opened, or with another key");
		if (b->number[i] <= s->greatest) {
			if (!(b->again >> i & 1))
				fail(m, "a packet was overtaken");
			m->result.replayed++;
			continue;
		}
		s->greatest = b->number[i];
		m->result.delivered++;
	}
}

static void
own_batch(struct owner *o)
{
	struct model *m = o->m;
	unsigned place;

	if (!sl_order_ring_claim(&m->ring, &o->cursor, &place))
		return;
	work(m, &m->batches[place]);
	sl_order_ring_done(&m->ring, place);
	m->result.own++;
}

static void
pass(struct owner *o, bool receiving)
{
	struct model *m = o->m;
	unsigned place;

	if (m->cfg.switching && rnd(&o->random) % 8 == 0) {
		o->on = !o->on;
		m->result.switches++;
	}
	/* Mostly no more comes than is done; at times the ring runs over. */
	if (sl_order_ring_out(&m->ring) > m->cfg.full / 2 && rnd(&o->random) % 64 != 0)
		receiving = false;
	for (unsigned i = receiving ? (unsigned)(rnd(&o->random) % 4) : 0; i > 0; i--) {
		struct session *s = &m->sessions[rnd(&o->random) % SESSIONS];
		uint32_t generation = atomic_load_explicit(&s->live, memory_order_acquire);

		if (generation != 0)
			append(o, s, generation);
	}
	while (sl_order_ring_next_done(&m->ring, &place)) {
		take_back(o, &m->batches[place]);
		sl_order_ring_take(&m->ring);
	}
	if (!receiving || rnd(&o->random) % 4 == 0)
		own_batch(o);
	if (sl_order_ring_out(&m->ring) > 0 && rnd(&o->random) % 4 == 0)
		sched_yield(); /* so that helpers get on where there are fewer cores than threads */
	for (uint64_t i = m->ring.head; i < m->ring.next; i++)
		atomic_fetch_sub_explicit(&m->batches[i % SL_ORDER_TICKETS].session->held, 1, memory_order_release);
	sl_order_ring_free(&m->ring);
	atomic_fetch_add(&m->quiescent, 1);
}

static void
account(struct owner *o)
{
	struct model *m = o->m;
	struct order_model_result *r = &m->result;

	if (o->out != 0 || r->received != r->delivered + r->replayed + r->full + r->gone)
		fail(m, "packets were lost");
	for (unsigned i = 0; i < SESSIONS; i++)
		if (m->sessions[i].held != 0)
			fail(m, "a session is still held");
	for (unsigned i = 0; i < m->cfg.helpers; i++)
		r->helped += m->helpers[i].batches;
	r->rotations = m->rotations;
	r->wrong = atomic_load(&m->wrong);
}

/* Whether every thread has done something yet: on a busy machine one may not have run at all when the packets are through. */
static bool
all_took_part(const struct model *m)
{
	for (unsigned i = 0; i < m->cfg.helpers; i++)
		if (m->helpers[i].batches == 0)
			return false;
	return !m->cfg.control || m->rotations > 0;
}

struct order_model_result
order_model_run(const struct order_model_config *cfg)
{
	struct model *m = aligned_alloc(SL_ORDER_LINE, (sizeof(*m) + SL_ORDER_LINE - 1) / SL_ORDER_LINE * SL_ORDER_LINE);
	struct owner o = {.m = m, .random = cfg->seed, .on = true};
	struct order_model_result result;
	pthread_t thread;

	memset(m, 0, sizeof(*m));
	m->cfg = *cfg;
	sl_order_ring_init(&m->ring);
	for (unsigned i = 0; i < SESSIONS; i++)
		publish(&m->sessions[i], 1, rnd(&o.random));
	for (unsigned i = 0; i < cfg->helpers; i++) {
		m->helpers[i] = (struct helper){.m = m, .random = cfg->seed + i + 1};
		start_helper(&m->helpers[i]);
	}
	if (cfg->control && pthread_create(&thread, NULL, control, m) != 0)
		fail(m, "a thread could not be started");
	while ((m->result.received < cfg->packets || !all_took_part(m)) &&
		atomic_load_explicit(&m->wrong, memory_order_relaxed) == NULL)
		pass(&o, true);
	while (sl_order_ring_out(&m->ring) > 0)
		pass(&o, false);
	atomic_store(&m->finished, true);
	if (cfg->control)
		pthread_join(thread, NULL);
	for (unsigned i = 0; i < cfg->helpers; i++)
		stop_helper(&m->helpers[i]);
	account(&o);
	result = m->result;
	free(m);
	return result;
}
