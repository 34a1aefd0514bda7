/*
 * A rig whose first worker gets all messages of peer 1, each holding a packet to
 * a host on the LAN with a number in it, so that order and loss can be told at
 * the port. One thread, that of the first worker.
 */
#pragma once

#include "dataplane/order.h"
#include "tests/unit/dataplane/support.h"

#define ORDER_PEER 1
#define ORDER_SEEN 4000000 /* numbers at most */

struct order_rig {
	struct rig *r;
	struct sl_worker *owner;
	struct sl_order *order; /* the owner's */
	struct rig_session s;   /* messages are made for it */
	uint64_t counter;       /* next of that session */
	uint64_t number;        /* next packet's */
	uint64_t fed;           /* messages */
	uint64_t came, last;    /* packets that left, and the newest number among them */
	uint64_t random;
	uint8_t *seen;          /* per number */
};

void order_rig_create(struct order_rig *o, uint16_t workers, uint64_t seed);
void order_rig_destroy(struct order_rig *o);
uint64_t order_random(struct order_rig *o);

enum order_kind { ORDER_GOOD, ORDER_BAD_TAG, ORDER_BAD_SUM, ORDER_BAD_SOURCE, ORDER_BAD_INNER, ORDER_KEEPALIVE, ORDER_MARKED };

/* A frame to the outside port with the next message; `len` bytes of payload, 8 at least. */
struct rte_mbuf *order_message(struct order_rig *o, enum order_kind kind, size_t len);
/* A frame with the counter and number of an earlier message of this session. */
struct rte_mbuf *order_replay(struct order_rig *o, uint64_t counter, uint64_t number);
void order_receive(struct order_rig *o, struct rte_mbuf *m);
/* n good messages, and a pass of the owner per burst of 64. */
void order_feed(struct order_rig *o, unsigned n);
/* Bursts until the owner hands out. */
void order_until_on(struct order_rig *o);
/* Looks at what left: none twice, numbers rise; frees it. */
void order_collect(struct order_rig *o);
/* Passes of the owner until its ring is empty. */
void order_finish(struct order_rig *o);
/* Claims the oldest batch for worker `worker`, without working on it. */
unsigned order_claim(struct order_rig *o, uint16_t worker);
/* Works on it and gives it back. */
void order_done(struct order_rig *o, uint16_t worker, unsigned place);
