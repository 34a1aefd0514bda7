/*
 * When peers expire: a heap of points in time. Entries that have been overtaken (the peer is gone, or expires at another
 * time now) stay until their time comes and are then not minded, so setting is all there is. All zero is a valid start.
 * Control thread alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sl_expiry_entry {
	int64_t when; /* Unix seconds */
	uint32_t peer; /* slot */
};

struct sl_expiry {
	struct sl_expiry_entry *heap;
	uint32_t n, room;
};

void sl_expiry_free(struct sl_expiry *e);
/* 0 or -ENOMEM. */
int sl_expiry_add(struct sl_expiry *e, int64_t when, uint32_t peer);
/* The earliest, if it is due at `now` Unix seconds; it stays until it is taken. */
bool sl_expiry_due(const struct sl_expiry *e, int64_t now, struct sl_expiry_entry *out);
/* Takes the earliest. */
void sl_expiry_take(struct sl_expiry *e);
