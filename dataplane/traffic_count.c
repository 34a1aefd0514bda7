#include "dataplane/traffic_count.h"

#include <stdbool.h>
#include <string.h>

#define JITTER_SHIFT 4 /* 16ths */

static uint64_t
get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void
put(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_store_explicit(counter, value, memory_order_relaxed);
}

/* Readers that look meanwhile see run 0 before and after, and take nothing. */
static void
start_anew(struct sl_traffic_count *c, uint64_t run)
{
	atomic_store_explicit(&c->run, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	put(&c->received, 0);
	put(&c->bytes, 0);
	put(&c->duplicates, 0);
	put(&c->reordered, 0);
	put(&c->late, 0);
	put(&c->extent, 0);
	put(&c->next, 0);
	put(&c->jitter, 0);
	c->arrived = 0;
	memset(c->seen, 0, sizeof(c->seen));
	atomic_store_explicit(&c->run, run, memory_order_release);
}

static bool
test_and_set(struct sl_traffic_count *c, uint64_t seq)
{
	uint64_t bit = seq % SL_TRAFFIC_WINDOW, mask = UINT64_C(1) << (bit % 64);
	bool was = (c->seen[bit / 64] & mask) != 0;

	c->seen[bit / 64] |= mask;
	return was;
}

/* The window moves up to seq: the places of numbers that have not come are cleared. */
static void
move_up(struct sl_traffic_count *c, uint64_t next, uint64_t seq)
{
	if (seq - next >= SL_TRAFFIC_WINDOW) {
		memset(c->seen, 0, sizeof(c->seen));
	} else {
		for (uint64_t s = next; s <= seq; s++)
			c->seen[s % SL_TRAFFIC_WINDOW / 64] &= ~(UINT64_C(1) << (s % 64));
	}
	test_and_set(c, seq);
	put(&c->next, seq + 1);
}

/*
 * RFC 4737 section 4.2: how many packets ago the first one came that should have come after this one. What lies further
 * back than the arrivals that are kept has this as its least extent.
 */
static uint64_t
extent_of(const struct sl_traffic_count *c, uint64_t seq)
{
	uint64_t kept = c->arrived < SL_TRAFFIC_ARRIVALS ? c->arrived : SL_TRAFFIC_ARRIVALS;

	for (uint64_t back = kept; back > 0; back--)
		if (c->arrivals[(c->arrived - back) % SL_TRAFFIC_ARRIVALS] > seq)
			return back;
	return 0;
}

/* A packet below the highest. False where it does not count as received. */
static bool
behind(struct sl_traffic_count *c, uint64_t next, uint64_t seq)
{
	uint64_t extent;

	if (next - seq > SL_TRAFFIC_WINDOW) {
		put(&c->late, get(&c->late) + 1);
		return false;
	}
	if (test_and_set(c, seq)) {
		put(&c->duplicates, get(&c->duplicates) + 1);
		return false;
	}
	put(&c->reordered, get(&c->reordered) + 1);
	extent = extent_of(c, seq);
	if (extent > get(&c->extent))
		put(&c->extent, extent);
	return true;
}

/* RFC 3550 section 6.4.1 and appendix A.8. The clocks' difference falls out. */
static void
add_jitter(struct sl_traffic_count *c, uint64_t stamp, uint64_t now)
{
	uint64_t transit = now - stamp;
	int64_t d = (int64_t)(transit - c->transit);
	uint64_t jitter = get(&c->jitter);

	c->transit = transit;
	if (c->arrived == 0)
		return;
	put(&c->jitter, jitter + (uint64_t)(d < 0 ? -d : d) - ((jitter + (1 << (JITTER_SHIFT - 1))) >> JITTER_SHIFT));
}

void
sl_traffic_count_add(
	struct sl_traffic_count *c, uint64_t run, uint64_t seq, uint64_t stamp, uint64_t now, uint32_t bytes)
{
	uint64_t next;

	if (atomic_load_explicit(&c->run, memory_order_relaxed) != run)
		start_anew(c, run);
	next = get(&c->next);
	if (seq >= next)
		move_up(c, next, seq);
	else if (!behind(c, next, seq))
		return;
	add_jitter(c, stamp, now);
	c->arrivals[c->arrived++ % SL_TRAFFIC_ARRIVALS] = seq;
	put(&c->received, get(&c->received) + 1);
	put(&c->bytes, get(&c->bytes) + bytes);
}

static uint64_t
larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void
sl_traffic_count_read(const struct sl_traffic_count *c, uint64_t run, struct sl_traffic_reading *r)
{
	struct sl_traffic_reading now;

	if (atomic_load_explicit(&c->run, memory_order_acquire) != run)
		return;
	/* the highest number before the packets: one that is being counted meanwhile must not look lost */
	now.next = get(&c->next);
	atomic_thread_fence(memory_order_acquire);
	now = (struct sl_traffic_reading){
		.next = now.next,
		.received = get(&c->received),
		.bytes = get(&c->bytes),
		.duplicates = get(&c->duplicates),
		.reordered = get(&c->reordered),
		.late = get(&c->late),
		.extent = get(&c->extent),
		.jitter = get(&c->jitter) >> JITTER_SHIFT,
	};
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&c->run, memory_order_relaxed) != run)
		return;
	r->received += now.received;
	r->bytes += now.bytes;
	r->duplicates += now.duplicates;
	r->reordered += now.reordered;
	r->late += now.late;
	r->extent = larger(r->extent, now.extent);
	r->next = larger(r->next, now.next);
	r->jitter = larger(r->jitter, now.jitter);
}

void
sl_traffic_stats_add(struct sl_traffic_stats *stats, const struct sl_traffic_reading *r)
{
	stats->received += r->received;
	stats->received_bytes += r->bytes;
	stats->duplicates += r->duplicates;
	stats->reordered += r->reordered;
	stats->late += r->late;
	stats->extent = larger(stats->extent, r->extent);
	stats->jitter += r->jitter;
	if (r->next > r->received)
		stats->lost += r->next - r->received;
}

void
sl_traffic_stats_mean(struct sl_traffic_stats *stats, unsigned flows)
{
	if (flows > 0)
		stats->jitter /= flows;
}
