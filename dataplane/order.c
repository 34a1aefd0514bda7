/*
 * Stages "order" and "help", which have no vectors: their packets lie in the order ring.
 *
 * order: takes back what is done, in order, as long as decap has room.
 *   Exits: decap (authentic, with the verdict on the plaintext). Drops: bad-tag, bad-udp-checksum
 * help: the payload work of one batch, of this worker or of another one. Runs when nothing else is to be done in a pass.
 */
#include "dataplane/order.h"

#include <errno.h>

#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "crypto/bytes.h"
#include "dataplane/inner.h"

/* Loads are averages over about LOAD_PASSES passes, in 1/256 of a packet. Who has time to spare has many empty passes. */
#define LOAD_UNIT   256
#define LOAD_PASSES 8

#define OPENED_MUCH     (SL_BURST / 2 * LOAD_UNIT)  /* messages a pass from which a worker is a bottleneck … */
#define OPENED_LITTLE   (SL_BURST / 8 * LOAD_UNIT)  /* … and below which, for QUIET_NS, it is none */
#define RECEIVED_MUCH   (SL_BURST / 4 * LOAD_UNIT)  /* frames a pass from which a worker has no time to help … */
#define RECEIVED_LITTLE (SL_BURST / 16 * LOAD_UNIT) /* … and below which it has */
#define QUIET_NS        SL_NSEC_PER_MSEC
#define LOOK_PASSES     32               /* between two looks for helpers */
#define WAKE_NS         UINT64_C(100000) /* a sleeper that was woken needs about so long */

#define RESERVE_EACH 2 /* batches that wait for each helper, so that it need not wait for the owner */
#define RESERVE_MAX  16

#define POOL_SHARE 4 /* all rings together hold at most 1/4 of the packets */

#define FETCH_AHEAD 6     /* messages … */
#define FETCH_MAX   1536u /* … and bytes of each */
#define INNER_HDRS  40    /* bytes of a plaintext that later stages look at */

static_assert(SL_ORDER_BATCH <= 32, "a mask of 32 bits");
static_assert(SL_BURST <= 2 * SL_ORDER_BATCH, "a burst is one batch or two");

int
sl_order_create(struct sl_order **out, const struct sl_dataplane *dp, int socket)
{
	struct sl_order *o = rte_zmalloc_socket("sl_order", sizeof(*o), RTE_CACHE_LINE_SIZE, socket);

	if (o == NULL)
		o = rte_zmalloc_socket("sl_order", sizeof(*o), RTE_CACHE_LINE_SIZE, SOCKET_ID_ANY);
	if (o == NULL)
		return -ENOMEM;
	sl_order_ring_init(&o->ring);
	o->limit = dp->pool_size / POOL_SHARE / dp->n_workers;
	*out = o;
	return 0;
}

static void
let_go(struct sl_order_batch *b)
{
	for (unsigned i = 0; i < b->n_runs; i++)
		sl_session_let_go(b->sessions[i]);
}

void
sl_order_destroy(struct sl_order *o)
{
	if (o == NULL)
		return;
	for (uint64_t i = o->ring.head; i < o->ring.tail; i++) {
		struct sl_order_batch *b = &o->batches[i % SL_ORDER_TICKETS];

		let_go(b);
		if (i >= o->ring.next)
			rte_pktmbuf_free_bulk(b->pkts, b->n);
	}
	rte_free(o);
}

/* --- payload work --- */

/* The outer UDP checksum, where outer-udp has left it to us. */
static bool
sum_right(const struct sl_order_batch *b, unsigned i)
{
	const uint8_t *udp = b->data[i] - sizeof(struct sl_msg_data) - sizeof(struct rte_udp_hdr);

	return b->udp_sum[i] == 0 ||
	       sl_csum_fold(sl_csum_add(b->udp_sum[i], udp, sizeof(struct rte_udp_hdr) + SL_DATA_OVERHEAD + b->len[i])) == 0;
}

/* A message that is read soon. Nobody has touched it on this core: its lines, and the page they lie in, are far. */
static inline void
fetch(const struct sl_order_batch *b, unsigned i)
{
	if (i >= b->n)
		return;
	for (unsigned at = 0; at < RTE_MIN((unsigned)b->len[i], FETCH_MAX); at += RTE_CACHE_LINE_SIZE)
		rte_prefetch0(b->data[i] + at);
}

static void
make_jobs(const struct sl_order_batch *b, struct sl_aead_job *jobs, struct sl_inner *in)
{
	for (unsigned i = 0; i < FETCH_AHEAD; i++)
		fetch(b, i);
	for (unsigned run = 0, i = 0; run < b->n_runs; run++) {
		const struct sl_session *s = b->sessions[run];

		for (; i < b->ends[run]; i++) {
			uint8_t *data = b->data[i];

			fetch(b, i + FETCH_AHEAD);
			jobs[i] = (struct sl_aead_job){
				.key = s->recv_key,
				.counter = sl_load_le64(data - sizeof(uint64_t)),
				.src = data,
				.dst = data,
				.tag = data + b->len[i],
				.len = b->len[i],
			};
			in[i] = (struct sl_inner){
				.data = data,
				.peer = s->peer,
				.len = b->len[i],
				.wg_if = s->wg_if,
				.congested = b->congested >> i & 1,
				.verdict = sum_right(b, i) ? SL_INNER_UNSEEN : SL_INNER_DROP + SL_DROP_BAD_UDP_CHECKSUM,
			};
		}
	}
}

void
sl_order_work(struct sl_worker *w, struct sl_order_batch *b, uint16_t owner)
{
	struct sl_aead_job jobs[SL_ORDER_BATCH];
	struct sl_inner in[SL_ORDER_BATCH];

	make_jobs(b, jobs, in);
	if (sl_aead_open_batch(w->aead, jobs, b->n) < b->n)
		for (unsigned i = 0; i < b->n; i++)
			if (!jobs[i].ok && in[i].verdict == SL_INNER_UNSEEN)
				in[i].verdict = SL_INNER_DROP + SL_DROP_BAD_TAG;
	sl_inner_check(w->dp, in, b->n);
	for (unsigned i = 0; i < b->n; i++) {
		b->verdict[i] = in[i].verdict;
		b->total[i] = in[i].total;
	}
	sl_count(&w->stats.stages[SL_STAGE_HELP].packets, b->n);
	sl_count(&w->stats.helped[owner], 1);
}

/* --- the owner appends --- */

static void
fill(struct sl_order_batch *b, struct rte_mbuf **pkts, const struct sl_aead_job *jobs, unsigned n)
{
	b->n = (uint8_t)n;
	b->n_runs = 0;
	b->congested = 0;
	for (unsigned i = 0; i < n; i++) {
		struct sl_packet *p = sl_packet(pkts[i]);
		const uint8_t *outer = (const uint8_t *)pkts[i]->buf_addr + p->outer_off;

		if (b->n_runs == 0 || b->sessions[b->n_runs - 1] != p->session) {
			b->sessions[b->n_runs++] = p->session;
			sl_session_hold(p->session);
		}
		b->ends[b->n_runs - 1] = (uint8_t)(i + 1);
		b->congested |= (uint32_t)sl_inner_congested(outer) << i;
		b->data[i] = jobs[i].dst;
		b->len[i] = (uint16_t)jobs[i].len;
		b->udp_sum[i] = p->udp_sum;
		b->pkts[i] = pkts[i];
	}
}

static void
append(struct sl_worker *w, struct rte_mbuf **pkts, const struct sl_aead_job *jobs, unsigned n)
{
	struct sl_order *o = w->order;
	unsigned place = sl_order_ring_place(&o->ring);
	struct sl_order_batch *b = &o->batches[place];

	if (unlikely(sl_order_ring_full(&o->ring) || o->packets + n > o->limit)) {
		sl_count(&w->stats.drops[SL_DROP_ORDER_FULL], n);
		rte_pktmbuf_free_bulk(pkts, n);
		return;
	}
	fill(b, pkts, jobs, n);
	o->packets += n;
	sl_count(&w->stats.queued, n);
	if (likely(o->on)) {
		sl_order_ring_append(&o->ring);
		o->appended = true;
	} else {
		sl_order_ring_append_claimed(&o->ring);
		sl_order_work(w, b, w->index);
		sl_order_ring_done(&o->ring, place);
	}
}

void
sl_order_append(struct sl_worker *w, struct rte_mbuf **pkts, const struct sl_aead_job *jobs, unsigned n)
{
	unsigned first = n > SL_ORDER_BATCH ? n / 2 : n;

	if (first > 0)
		append(w, pkts, jobs, first);
	if (n > first)
		append(w, pkts + first, jobs + first, n - first);
	w->pending |= 1u << SL_STAGE_ORDER;
}

/* --- the owner takes back --- */

/* Whether a message is not authentic, or was not taken for one. */
static inline bool
was_refused(uint8_t verdict)
{
	return verdict == SL_INNER_DROP + SL_DROP_BAD_TAG || verdict == SL_INNER_DROP + SL_DROP_BAD_UDP_CHECKSUM;
}

/* An authentic one becomes what the open stage would make of it, with what was found in it. */
static inline void
strip(struct rte_mbuf *m, uint16_t len, uint8_t verdict, uint16_t total)
{
	struct sl_packet *p = sl_packet(m);

	p->verdict = verdict;
	p->inner_len = total;
	m->data_off += sizeof(struct sl_msg_data);
	m->data_len = len;
	m->pkt_len = len;
}

static void
take_back(struct sl_worker *w, struct sl_order_batch *b)
{
	unsigned kept = 0;

	/* The inner header, which stages write to, comes from the cache of another worker. */
	for (unsigned i = 0; i < b->n; i++) {
		rte_prefetch0(b->pkts[i]);
		__builtin_prefetch(b->data[i], 1);
		__builtin_prefetch(b->data[i] + INNER_HDRS, 1);
	}
	for (unsigned i = 0; i < b->n; i++) {
		if (unlikely(was_refused(b->verdict[i]))) {
			sl_worker_drop(w, b->pkts[i], (enum sl_drop)(b->verdict[i] - SL_INNER_DROP));
			continue;
		}
		strip(b->pkts[i], b->len[i], b->verdict[i], b->total[i]);
		b->pkts[kept++] = b->pkts[i];
	}
	sl_worker_enqueue_bulk(w, SL_STAGE_DECAP, b->pkts, kept);
	w->order->packets -= b->n;
	sl_count(&w->stats.queued, -(uint64_t)b->n);
	sl_count(&w->stats.stages[SL_STAGE_ORDER].packets, b->n);
}

/* Whether the owner works on the oldest batch that nobody has, rather than leave it to others. */
static bool
takes_part(struct sl_worker *w)
{
	struct sl_order *o = w->order;
	uint64_t *cursor = &o->cursors[w->index];
	/* Where nothing new has come, nothing hides that a batch waits. */
	unsigned left = o->appended && o->on ? o->reserve : 0;

	return sl_order_ring_waiting(&o->ring, cursor) && o->ring.tail - *cursor > left;
}

/* --- helpers --- */

/* Workers that have time to help this one; wake: a sleeping one among them is woken. */
static unsigned
helpers(struct sl_worker *w, bool wake)
{
	struct sl_dataplane *dp = w->dp;
	unsigned n = 0;

	for (unsigned i = 0; i < dp->n_workers; i++) {
		struct sl_worker *other = dp->workers[i];

		if (other == w || other == NULL ||
			!atomic_load_explicit(&other->order->available, memory_order_relaxed))
			continue;
		n++;
		if (wake && atomic_load_explicit(&other->waker.asleep, memory_order_relaxed)) {
			sl_waker_signal(&other->waker);
			w->order->wake_at = w->now + WAKE_NS;
			break; /* one at a time: the next one if that is not enough */
		}
	}
	return n;
}

void
sl_stage_order(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	struct sl_order *o = w->order;
	unsigned place;

	while (sl_worker_room(w, SL_STAGE_DECAP) >= SL_ORDER_BATCH && sl_order_ring_next_done(&o->ring, &place)) {
		take_back(w, &o->batches[place]);
		sl_order_ring_take(&o->ring);
	}
	if (o->appended && w->now >= o->wake_at) {
		/* Between the append and the look at who sleeps: see dataplane/waker.h. */
		atomic_thread_fence(memory_order_seq_cst);
		helpers(w, true);
	}
	if (takes_part(w))
		w->pending |= 1u << SL_STAGE_HELP;
}

void
sl_stage_help(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	struct sl_order *o = w->order;
	unsigned place;

	if (sl_order_ring_claim(&o->ring, &o->cursors[w->index], &place)) {
		sl_order_work(w, &o->batches[place], w->index);
		sl_order_ring_done(&o->ring, place);
		w->pending |= 1u << SL_STAGE_ORDER;
		return;
	}
	for (uint16_t i = 0; i < w->dp->n_workers; i++) {
		struct sl_worker *other = w->dp->workers[i];

		if (other == w || other == NULL || !sl_order_ring_claim(&other->order->ring, &o->cursors[i], &place))
			continue;
		sl_order_work(w, &other->order->batches[place], i);
		sl_order_ring_done(&other->order->ring, place);
		return;
	}
}

bool
sl_order_wanted(struct sl_worker *w)
{
	for (uint16_t i = 0; i < w->dp->n_workers; i++) {
		struct sl_worker *other = w->dp->workers[i];

		if (other != w && other != NULL && sl_order_ring_waiting(&other->order->ring, &w->order->cursors[i]))
			return true;
	}
	return false;
}

/* --- the pass --- */

static inline void
average(uint32_t *load, unsigned now)
{
	*load += ((int32_t)(now * LOAD_UNIT) - (int32_t)*load) / LOAD_PASSES;
}

static void
look_for_helpers(struct sl_worker *w)
{
	struct sl_order *o = w->order;
	unsigned n = helpers(w, false);

	o->on = n > 0;
	o->reserve = RTE_MIN(n * RESERVE_EACH, (unsigned)RESERVE_MAX);
	o->passes = LOOK_PASSES;
}

static void
change_over(struct sl_worker *w)
{
	struct sl_order *o = w->order;

	if (o->opened_load >= OPENED_LITTLE)
		o->busy_at = w->now;
	if (!o->on) {
		if (o->opened_load >= OPENED_MUCH)
			look_for_helpers(w);
	} else if (w->now - o->busy_at >= QUIET_NS) {
		o->on = false;
	} else if (--o->passes == 0) {
		look_for_helpers(w);
	}
}

static void
say_available(struct sl_order *o)
{
	bool available = atomic_load_explicit(&o->available, memory_order_relaxed);

	if (available ? o->received_load >= RECEIVED_MUCH : o->received_load < RECEIVED_LITTLE)
		atomic_store_explicit(&o->available, !available, memory_order_relaxed);
}

void
sl_order_begin(struct sl_worker *w)
{
	struct sl_order *o = w->order;

	if (w->dp->n_workers == 1)
		return;
	if (sl_order_any(w))
		w->pending |= 1u << SL_STAGE_ORDER;
	o->appended = false;
	if (unlikely(o->stopped))
		return;
	average(&o->opened_load, o->opened);
	average(&o->received_load, w->stages[SL_STAGE_ETHERNET]->n);
	o->opened = 0;
	change_over(w);
	say_available(o);
}

void
sl_order_end(struct sl_worker *w)
{
	struct sl_order *o = w->order;

	for (uint64_t i = o->ring.head; i < o->ring.next; i++)
		let_go(&o->batches[i % SL_ORDER_TICKETS]);
	sl_order_ring_free(&o->ring);
}

void
sl_order_stop(struct sl_worker *w)
{
	struct sl_order *o = w->order;

	o->on = false;
	o->stopped = true;
	atomic_store_explicit(&o->available, false, memory_order_relaxed);
}
