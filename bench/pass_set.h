/*
 * A gateway in memory for bench/pass.c: one worker, an inside port, an outside
 * port and a WireGuard interface with any number of peers, each with a live session. Frames go in as bursts and come
 * out through a function that only takes them. One thread; the set owns all.
 */
#pragma once

#include "dataplane/worker.h"

enum { PASS_WAN = 1, PASS_LAN = 2, PASS_WG = 3 };

struct pass_set {
	struct sl_dataplane *dp;
	struct sl_worker *w;
	struct sl_aead *aead; /* to make what the decap pass opens */
	uint32_t peers;
	uint64_t now;
	uint64_t *counters;   /* per peer: next of a message to us */
	struct sl_session **sessions;
	uint32_t next;        /* peer of the next frame, round robin */
	struct rte_mbuf **out;
	uint32_t n_out;
};

/* NULL after a message on stderr. most: frames that come out before pass_set_empty. */
struct pass_set *pass_set_create(uint32_t peers, uint32_t most, bool offload);
void pass_set_destroy(struct pass_set *s);

/* Makes n frames of `inner` bytes of IPv4 each, to the peers in turn, as they come in by PASS_LAN. */
void pass_set_clear(struct pass_set *s, struct rte_mbuf **frames, uint32_t n, uint32_t inner);
/* The same sealed, from the peers in turn to a host behind PASS_LAN, as they come in by PASS_WAN. */
void pass_set_sealed(struct pass_set *s, struct rte_mbuf **frames, uint32_t n, uint32_t inner);
/* Whether `want` frames came out and none was dropped, and a sample of them is what went in; frees them. */
bool pass_set_check(struct pass_set *s, uint32_t want, uint32_t inner, bool sealed);
