/*
 * Numbered UDP payloads: what flow and wgpeer send, and a tally of what arrived. A payload of 16 bytes or more carries mark, flow and
 * sequence number, then a pattern that follows from them; a shorter one is pattern alone and is known by its length. Used by one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROBE_HEADER_LEN 16
#define PROBE_FLOWS_MAX	 256

/* Fills a payload of len bytes as number seq of a flow. */
void probe_fill(uint8_t *payload, size_t len, uint32_t flow, uint64_t seq);

/* What arrived of `flows` flows with `count` packets each, numbered from 0. */
struct probe_tally {
	uint32_t flows;
	uint64_t count;
	uint64_t *seen;		       /* a bit per flow and number; allocated by probe_tally_init */
	uint64_t next[PROBE_FLOWS_MAX]; /* one above the highest number seen */
	uint64_t received;	       /* distinct */
	uint64_t duplicated;
	uint64_t reordered; /* came after a higher number of their flow */
	uint64_t corrupt;
};

void probe_tally_init(struct probe_tally *t, uint32_t flows, uint64_t count);
void probe_tally_free(struct probe_tally *t);
void probe_tally_add(struct probe_tally *t, const uint8_t *payload, size_t len);
bool probe_tally_complete(const struct probe_tally *t);

/* One line of JSON on stdout: received, lost, duplicated, reordered, corrupt. */
void probe_tally_print(const struct probe_tally *t);
