/* One row of `sluice bench self`: packets through the two gateways, and the cycles of each part. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_malloc.h>

#include "app/bench_self.h"
#include "dataplane/ip.h"

#define START_NS     (1000 * SL_NSEC_PER_SEC)
#define LIFE_NS      (100 * SL_NSEC_PER_SEC) /* the clock of a run stops here: sessions are good for 120 s */
#define AEAD_OFFSET  186                     /* where a plaintext lies in its buffer: not aligned, as in a packet */
#define SAMPLE_EVERY 61                      /* packets between two that are compared whole; no divisor of a burst */
#define PROGRESS_SECONDS 0.25
#define SPARE        1024                    /* frames beside `buffers`: caches of pools */
#define FRAME_ROOM   (RTE_ETHER_HDR_LEN + SL_RIG_OUTER + SL_PADDING_MULTIPLE)

enum { SENDER, RECEIVER, ENDS };

struct sl_self {
	struct sl_self_options o;
	struct sl_bench_rig *ends[ENDS]; /* NULL where the direction has no use for it */
	struct rte_mempool *pool;
	struct sl_aead *aead;
	uint8_t *memory;  /* where the AEAD works alone: `buffers` places */
	uint32_t stride;
	uint64_t next;    /* number of the next packet */
	uint64_t aead_counter;
	uint64_t worked;  /* TSC cycles since the sessions were made, which their clock goes by */
	struct rte_mbuf **frames; /* a chunk */
	struct sl_samples parts[SL_SELF_PARTS];
	struct sl_samples stages[ENDS][SL_STAGE_COUNT];
	struct {
		uint64_t packets, cycles;
	} seen[ENDS][SL_STAGE_COUNT];
};

static struct sl_bench_rig *
create_end(const struct sl_self_options *o, uint32_t peers, bool sender, const struct sl_bench_rig *other)
{
	struct sl_bench_rig_config cfg = {
		.peers = peers,
		.sender = sender,
		.simd = o->simd,
		.mtu = SL_DEFAULT_MTU,
		.room = o->buffers,
		.other = other,
	};
	struct sl_bench_rig *rig = NULL;
	int err = sl_bench_rig_create(&rig, &cfg);

	if (err)
		fprintf(stderr, "sluice bench self: a gateway with %u peers cannot be made: %s\n", peers, strerror(-err));
	return rig;
}

static bool
create_ends(struct sl_self *self, uint32_t peers)
{
	if (self->o.direction & SL_SELF_DECAP) {
		self->ends[RECEIVER] = create_end(&self->o, peers, false, NULL);
		if (!self->ends[RECEIVER])
			return false;
	}
	if (self->o.direction & SL_SELF_ENCAP) {
		self->ends[SENDER] = create_end(&self->o, peers, true, self->ends[RECEIVER]);
		if (!self->ends[SENDER])
			return false;
	}
	return true;
}

static bool
create_buffers(struct sl_self *self)
{
	uint32_t largest = 0;

	for (uint32_t i = 0; i < self->o.n_sizes; i++)
		largest = RTE_MAX(largest, sl_frames_largest(self->o.sizes[i]));
	self->pool = sl_packet_pool_create("bench", self->o.buffers + SPARE, 256, (uint16_t)(largest + FRAME_ROOM), SOCKET_ID_ANY);
	self->stride = RTE_ALIGN_CEIL(largest + AEAD_OFFSET + SL_PADDING_MULTIPLE + SL_TAG_LEN, RTE_CACHE_LINE_SIZE);
	self->memory = calloc(self->o.buffers, self->stride);
	self->frames = calloc(self->o.buffers, sizeof(struct rte_mbuf *));
	self->aead = sl_aead_create(self->o.simd);
	return self->pool && self->memory && self->frames && self->aead;
}

struct sl_self *
sl_self_create(const struct sl_self_options *o, uint32_t peers)
{
	struct sl_self *self = calloc(1, sizeof(*self));

	if (!self)
		return NULL;
	self->o = *o;
	if (!create_buffers(self)) {
		fprintf(stderr, "sluice bench self: no memory for %u packets\n", o->buffers);
		sl_self_destroy(self);
		return NULL;
	}
	if (!create_ends(self, peers)) {
		sl_self_destroy(self);
		return NULL;
	}
	return self;
}

void
sl_self_destroy(struct sl_self *self)
{
	if (!self)
		return;
	for (unsigned end = 0; end < ENDS; end++)
		sl_bench_rig_destroy(self->ends[end]);
	sl_aead_destroy(self->aead);
	rte_mempool_free(self->pool);
	free(self->memory);
	free(self->frames);
	free(self);
}

const char *
sl_self_backend(const struct sl_self *self)
{
	return sl_aead_backend(self->aead);
}

static const struct sl_bench_rig *
any_end(const struct sl_self *self)
{
	return self->ends[SENDER] ? self->ends[SENDER] : self->ends[RECEIVER];
}

static void
sample(struct sl_self *self, enum sl_self_part part, uint64_t began, uint32_t packets)
{
	sl_samples_add(&self->parts[part], (double)(rte_rdtsc_precise() - began) / packets);
}

static bool
generate(struct sl_self *self, uint32_t size)
{
	const struct sl_bench_rig *sender = self->ends[SENDER], *receiver = self->ends[RECEIVER];
	uint32_t n = self->o.buffers;
	uint64_t began = rte_rdtsc_precise();

	if (rte_pktmbuf_alloc_bulk(self->pool, self->frames, n) != 0)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t number = self->next + i;
		uint32_t len = sl_frames_len(size, number);

		if (sender)
			sl_frames_clear(sender, self->frames[i], number, len);
		else
			sl_frames_sealed(receiver, self->frames[i], number, number / receiver->peers, len);
	}
	sample(self, SL_SELF_GENERATOR, began, n);
	return true;
}

/* A chunk through one gateway, burst by burst; what came out is in its `out`. */
static void
pass(struct sl_self *self, unsigned end, struct rte_mbuf **frames, uint32_t n, uint64_t now)
{
	struct sl_bench_rig *rig = self->ends[end];

	for (uint32_t i = 0; i < n; i += self->o.burst) {
		uint32_t burst = RTE_MIN(self->o.burst, n - i);
		uint64_t began = rte_rdtsc_precise();

		sl_worker_receive(rig->w, end == SENDER ? SL_RIG_LAN : SL_RIG_WAN, frames + i, (uint16_t)burst);
		sl_worker_run(rig->w, now);
		sample(self, end == SENDER ? SL_SELF_SEALING : SL_SELF_OPENING, began, burst);
	}
}

/* What a driver does with a frame that it takes from the wire. */
static void
carry(struct sl_self *self, struct rte_mbuf **frames, uint32_t n)
{
	uint64_t began = rte_rdtsc_precise();

	for (uint32_t i = 0; i < n; i++) {
		frames[i]->ol_flags = 0;
		frames[i]->tx_offload = 0;
		frames[i]->packet_type = 0;
		frames[i]->port = SL_RIG_WAN;
	}
	if (n > 0)
		sample(self, SL_SELF_WIRE, began, n);
}

/* The cycles that each stage took for this chunk. */
static void
sample_stages(struct sl_self *self, unsigned end)
{
	const struct sl_worker_stats *stats = &self->ends[end]->w->stats;

	for (unsigned i = 0; i < SL_STAGE_COUNT; i++) {
		uint64_t packets = atomic_load(&stats->stages[i].packets), cycles = atomic_load(&stats->stages[i].cycles);

		if (packets > self->seen[end][i].packets)
			sl_samples_add(&self->stages[end][i], (double)(cycles - self->seen[end][i].cycles) / self->o.buffers);
		self->seen[end][i].packets = packets;
		self->seen[end][i].cycles = cycles;
	}
}

/* The AEAD of a chunk, without a packet path around it. */
static void
aead_alone(struct sl_self *self, uint32_t size)
{
	const struct sl_bench_rig *rig = any_end(self);
	struct sl_aead_job jobs[SL_BURST];

	for (uint32_t i = 0; i < self->o.buffers; i += self->o.burst) {
		uint32_t burst = RTE_MIN(self->o.burst, self->o.buffers - i);
		unsigned authentic;
		uint64_t began;

		for (uint32_t k = 0; k < burst; k++) {
			uint64_t number = self->next + i + k;
			uint8_t *data = self->memory + (size_t)(i + k) * self->stride + AEAD_OFFSET;
			uint32_t len = sl_bench_rig_padded(rig, sl_frames_len(size, number));
			const struct sl_session *session = rig->sessions[number % rig->peers];

			jobs[k] = (struct sl_aead_job){.key = rig->sender ? session->sender->key : session->recv_key,
				.counter = self->aead_counter++, .src = data, .dst = data, .tag = data + len, .len = len};
		}
		began = rte_rdtsc_precise();
		sl_aead_seal_batch(self->aead, jobs, burst);
		if (self->o.direction & SL_SELF_ENCAP)
			sample(self, SL_SELF_AEAD_SEAL, began, burst);
		if (!(self->o.direction & SL_SELF_DECAP))
			continue;
		began = rte_rdtsc_precise();
		authentic = sl_aead_open_batch(self->aead, jobs, burst);
		sample(self, SL_SELF_AEAD_OPEN, began, burst);
		if (authentic != burst)
			abort();
	}
}

/* Whether what came out as the i-th frame of the chunk is packet `number`. */
static bool
is_right(const struct sl_self *self, const struct rte_mbuf *m, uint64_t number, uint32_t size)
{
	const struct sl_bench_rig *receiver = self->ends[RECEIVER];
	uint32_t len = sl_frames_len(size, number);

	if (!receiver)
		return sl_frames_sealed_right(self->ends[SENDER], m, number, len);
	/* where decap is measured alone, the packet was made as one that has passed the sender */
	return sl_frames_right(m, receiver->peers, number, len, 2);
}

static void
sink(struct sl_self *self, struct sl_bench_rig *last, uint32_t size, struct sl_self_result *r)
{
	uint64_t began = rte_rdtsc_precise();
	uint32_t n = last->n_out;

	/* A packet that is missing shifts all behind it, so then none is compared: the loss is what is told. */
	for (uint32_t i = 0; n == self->o.buffers && i < n; i++) {
		uint64_t number = self->next + i;

		r->bytes += sl_frames_len(size, number);
		if (number % SAMPLE_EVERY != 0)
			continue;
		if (is_right(self, last->out[i], number, size))
			r->verified++;
		else
			r->wrong++;
	}
	rte_pktmbuf_free_bulk(last->out, n);
	last->n_out = 0;
	r->arrived += n;
	sample(self, SL_SELF_SINK, began, self->o.buffers);
}

static bool
chunk(struct sl_self *self, uint32_t size, uint64_t now, struct sl_self_result *r)
{
	struct sl_bench_rig *sender = self->ends[SENDER], *receiver = self->ends[RECEIVER];
	struct rte_mbuf **frames = self->frames;
	uint32_t n = self->o.buffers;

	if (!generate(self, size))
		return false;
	r->packets += n;
	if (sender) {
		pass(self, SENDER, frames, n, now);
		sample_stages(self, SENDER);
		frames = sender->out;
		n = sender->n_out;
	}
	if (receiver) {
		carry(self, frames, n);
		pass(self, RECEIVER, frames, n, now);
		sample_stages(self, RECEIVER);
		if (sender)
			sender->n_out = 0;
	}
	sink(self, receiver ? receiver : sender, size, r);
	return true;
}

static void
reset(struct sl_self *self)
{
	memset(self->parts, 0, sizeof(self->parts));
	memset(self->stages, 0, sizeof(self->stages));
}

static uint64_t
count_drops(const struct sl_self *self)
{
	uint64_t drops = 0;

	for (unsigned end = 0; end < ENDS; end++)
		for (unsigned i = 0; self->ends[end] && i < SL_DROP_COUNT; i++)
			drops += atomic_load(&self->ends[end]->w->stats.drops[i]);
	return drops;
}

static void
summarise(struct sl_self *self, struct sl_self_result *r)
{
	for (unsigned i = 0; i < SL_SELF_PARTS; i++)
		r->parts[i] = sl_samples_quartiles(&self->parts[i]);
	for (unsigned end = 0; end < ENDS; end++)
		for (unsigned i = 0; i < SL_STAGE_COUNT; i++)
			r->stages[end][i] = sl_samples_quartiles(&self->stages[end][i]);
}

static void
set_mtus(struct sl_self *self, uint32_t size)
{
	uint16_t mtu = (uint16_t)RTE_MAX(sl_frames_largest(size), (uint32_t)SL_DEFAULT_MTU);

	for (unsigned end = 0; end < ENDS; end++)
		if (self->ends[end] && sl_bench_rig_set_mtu(self->ends[end], mtu) != 0)
			abort();
}

/* One chunk, at the time that the sessions' clock has come to. */
static bool
timed_chunk(struct sl_self *self, uint32_t size, struct sl_self_result *r)
{
	uint64_t age = (uint64_t)((double)self->worked / (double)rte_get_tsc_hz() * 1e9);
	uint64_t began = rte_rdtsc_precise();
	bool ok = chunk(self, size, START_NS + RTE_MIN(age, LIFE_NS), r);

	self->worked += rte_rdtsc_precise() - began;
	self->next += self->o.buffers;
	return ok;
}

bool
sl_self_run(struct sl_self *self, uint32_t size, struct sl_self_result *r, volatile sig_atomic_t *stop,
	sl_self_progress_fn progress, void *ctx)
{
	double hz = (double)rte_get_tsc_hz(), shown = 0;
	uint64_t dropped = count_drops(self), before;
	bool ok;

	*r = (struct sl_self_result){.size = size, .peers = any_end(self)->peers};
	set_mtus(self, size);
	/* A chunk to warm up, and more until each peer has had a packet: memory that is touched for the first time is no cost of one. */
	do
		ok = timed_chunk(self, size, r);
	while (ok && !*stop && self->next < r->peers);
	reset(self);
	before = self->worked;
	while (ok && !*stop && r->seconds < self->o.seconds) {
		ok = timed_chunk(self, size, r);
		aead_alone(self, size);
		r->seconds = (double)(self->worked - before) / hz;
		if (r->seconds - shown >= PROGRESS_SECONDS) {
			shown = r->seconds;
			progress(ctx, r->seconds, r->packets);
		}
	}
	summarise(self, r);
	r->drops = count_drops(self) - dropped;
	return ok && r->arrived == r->packets && r->wrong == 0 && r->drops == 0;
}
