/*
 * A model of how workers share the opening of messages, over the real order
 * ring and nothing of DPDK, so that the thread sanitizer understands all of
 * it: an owner that receives, hands out and takes back; helpers that claim
 * batches, dawdle by a seeded random and come and go; and a control thread
 * that takes sessions away, wipes and reuses them when the last batch has let
 * go, and removes peers. Packets are numbers.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct order_model_config {
	uint64_t seed;
	uint64_t packets;  /* that the owner receives, at least */
	unsigned helpers;
	unsigned full;     /* tickets from which the owner's ring counts as full; at most SL_ORDER_TICKETS */
	bool switching;    /* handing out goes on and off all the time */
	bool control;      /* sessions are rotated, peers removed and helpers stopped and started meanwhile */
};

struct order_model_result {
	const char *wrong; /* what did not hold; NULL: all did */
	uint64_t received, delivered, replayed, full, gone;
	uint64_t helped;    /* batches worked on by helpers */
	uint64_t own;       /* and by the owner */
	uint64_t rotations, switches;
};

/* Runs until so many packets have come, every thread has done something, and all packets are accounted for. */
struct order_model_result order_model_run(const struct order_model_config *cfg);
