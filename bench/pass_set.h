/*
 * A gateway in memory for bench/pass.c: one worker, an inside port, an outside
 * port and a WireGuard interface with any number of peers, each with a live session. Frames go in as bursts and come
 * out through a function that only takes them. One thread; the set owns all.
 */
#pragma once

#include "dataplane/worker.h"

enum { PASS_WAN = 1, PASS_LAN = 2, PASS_WG = 3 };

#define PASS_IMIX 0 /* instead of a size: 64, 570 and 1420 bytes, 7 : 4 : 1 */

/* Bytes of the i-th packet of `size`, which may be PASS_IMIX. */
uint32_t pass_size(uint32_t size, uint32_t i);

struct pass_set {
	struct sl_dataplane *dp;
	struct sl_worker *w;
	struct sl_aead *aead; /* to make what the decap pass opens */
	uint32_t peers;
	uint64_t now;
	uint64_t *counters;   /* per peer: next of a message to us */
	struct sl_session **sessions;
	uint32_t next;        /* place of the next frame in the peers' turns */
	uint32_t *turns;      /* peers in the order of their frames; NULL: round robin */
	struct rte_mbuf **out;
	uint32_t n_out;
};

/*
 * NULL after a message on stderr. most: frames that come out before pass_set_check. zipf: the k-th peer has a share of the
 * traffic in proportion to 1/k, spread over the addresses, else they take turns.
 */
struct pass_set *pass_set_create(uint32_t peers, uint32_t most, bool offload, bool zipf);
/* The same with more workers, of which `w` is the first; name: unique within the process. */
struct pass_set *pass_set_create_workers(const char *name, uint16_t workers, uint32_t peers, uint32_t most, bool offload,
	bool zipf);
void pass_set_destroy(struct pass_set *s);

/* The peer of the i-th frame. */
uint32_t pass_set_peer(const struct pass_set *s, uint32_t i);

/* Makes n frames of `inner` bytes of IPv4 each, to the peers in turn, as they come in by PASS_LAN. */
void pass_set_clear(struct pass_set *s, struct rte_mbuf **frames, uint32_t n, uint32_t inner);
/* The same sealed, from the peers in turn to a host behind PASS_LAN, as they come in by PASS_WAN. */
void pass_set_sealed(struct pass_set *s, struct rte_mbuf **frames, uint32_t n, uint32_t inner);
/* Whether `want` frames came out and none was dropped, and a sample of them is what went in; frees them. */
bool pass_set_check(struct pass_set *s, uint32_t want, uint32_t inner, bool sealed);
