/*
 * Handshake messages of an interface under load whose senders have shown a cookie, first in first out: so the ring is
 * soon empty for others, and as many as come together get their turn. One that has waited as long as its sender does
 * before it sends another is dropped, for an answer to it would come to nothing. Bounded; memory comes in pieces and
 * goes with what waits. Control thread alone; one per interface.
 */
#pragma once

#include <stdbool.h>

#include "control/proto/proto.h"

#define SL_BACKLOG_MAX 131072 /* messages: what the peers of a large hub send at once */

struct sl_backlog_entry {
	uint64_t at;         /* ns, when it came */
	uint32_t generation; /* of the identity it is made for */
	uint32_t len;
	struct sl_endpoint src;
	struct sl_ip dst_local;
	uint8_t data[sizeof(struct sl_msg_initiation)];
};

/* All zero is empty. */
struct sl_backlog {
	struct sl_backlog_piece *first, *last;
	uint32_t n;
	uint64_t dropped; /* for want of room, or of time */
};

/* Copies an initiation or response. False, and counted, where there is no room. */
bool sl_backlog_put(struct sl_backlog *b, const struct sl_proto_msg *msg, uint32_t generation, uint64_t now);

/*
 * Takes up to n entries that may still be answered; those before them that may not are dropped, some hundred in one
 * call. *any: whether anything was taken or dropped.
 */
unsigned sl_backlog_take(struct sl_backlog *b, struct sl_backlog_entry *out, unsigned n, uint64_t now, bool *any);

void sl_backlog_clear(struct sl_backlog *b);
