/*
 * What becomes of the numbered packets of one flow on their way: received,
 * lost, duplicated, reordered, and how unevenly they come. One thread or worker
 * adds, into a count of its own; any thread reads. Where several receive one
 * flow, each has a count and the readings are merged: duplicates and reordering
 * between them cannot be seen.
 *
 * A count belongs to one trial at a time, which a number of its own names
 * (sl_traffic_run). The writer starts it anew with the first packet of another
 * trial; a reader names the trial it asks about.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "dataplane/traffic_wire.h"

#define SL_TRAFFIC_WINDOW   2048 /* packets below the highest within which duplicates are told from late ones */
#define SL_TRAFFIC_ARRIVALS 64   /* the largest reordering extent that is told exactly */

struct sl_traffic_count {
	_Atomic uint64_t run; /* the trial it counts; 0: none */
	_Atomic uint64_t received, bytes, duplicates, reordered, late, extent;
	_Atomic uint64_t next;   /* one above the highest sequence number that has come */
	_Atomic uint64_t jitter; /* 16ths of a ns, as RFC 3550 appendix A.8 keeps it */
	/* the writer's own */
	uint64_t transit; /* arrival minus the sender's clock, of the last packet */
	uint64_t arrived; /* packets, to number `arrivals` */
	uint64_t arrivals[SL_TRAFFIC_ARRIVALS]; /* their sequence numbers, in the order they came */
	uint64_t seen[SL_TRAFFIC_WINDOW / 64];  /* bit per sequence number modulo the window */
};

/* Tells a session's trial from every other. */
static inline uint64_t
sl_traffic_run(uint32_t session, uint16_t trial)
{
	return (uint64_t)session << 16 | trial;
}

/* One packet of `bytes` that came at `now` ns of the receiver's clock with the sender's clock `stamp`. Writer only. */
void sl_traffic_count_add(
	struct sl_traffic_count *c, uint64_t run, uint64_t seq, uint64_t stamp, uint64_t now, uint32_t bytes);

/* What several counts of one flow say together. */
struct sl_traffic_reading {
	uint64_t received, bytes, duplicates, reordered, late, extent, next;
	uint64_t jitter; /* ns */
};

/* Merges what c knows of the trial into a reading, which begins zeroed. */
void sl_traffic_count_read(const struct sl_traffic_count *c, uint64_t run, struct sl_traffic_reading *r);

/* Adds one flow to what an end tells of a trial. stats->jitter becomes a sum: sl_traffic_stats_mean makes it the mean. */
void sl_traffic_stats_add(struct sl_traffic_stats *stats, const struct sl_traffic_reading *r);
void sl_traffic_stats_mean(struct sl_traffic_stats *stats, unsigned flows);
