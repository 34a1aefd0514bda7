/*
 * What has been changed at run time with the `wg` tool since the configuration was applied: which peers were added or
 * removed, which settings of peers and interfaces differ from the file. A reload replaces these with what the file says
 * or leaves them alone, as the user says, and `save` writes them down. Only that something changed is kept here; the
 * values are the gateway's own.
 *
 * Control thread alone, but for a snapshot, which belongs to whoever took it. Memory: an entry for each peer that
 * differs; a peer that was added and removed again leaves none.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crypto/protocol.h"
#include "dataplane/iface.h"

/* Bits of what changed. */
enum sl_runtime_change {
	SL_RUNTIME_ADDED = 1 << 0,   /* a peer that the file did not have */
	SL_RUNTIME_REMOVED = 1 << 1, /* a peer of the file that is gone */
	SL_RUNTIME_PRESHARED_KEY = 1 << 2,
	SL_RUNTIME_ENDPOINT = 1 << 3,
	SL_RUNTIME_KEEPALIVE = 1 << 4,
	SL_RUNTIME_ALLOWED_IPS = 1 << 5,
	SL_RUNTIME_PRIVATE_KEY = 1 << 6, /* an interface's, like the next */
	SL_RUNTIME_LISTEN_PORT = 1 << 7,
};

#define SL_RUNTIME_PEER_ALL                                                                                            \
	(SL_RUNTIME_PRESHARED_KEY | SL_RUNTIME_ENDPOINT | SL_RUNTIME_KEEPALIVE | SL_RUNTIME_ALLOWED_IPS)

struct sl_runtime_entry {
	char interface[SL_IF_NAME_LEN];
	uint8_t public_key[SL_KEY_LEN]; /* zeros: the interface itself */
	uint32_t bits;                  /* of enum sl_runtime_change */
};

struct sl_runtime;

/* NULL where memory runs out. */
struct sl_runtime *sl_runtime_create(void);
void sl_runtime_destroy(struct sl_runtime *rt);

/* Notes a change; public_key NULL: of the interface itself. Where memory runs out the change is not told apart. */
void sl_runtime_added(struct sl_runtime *rt, const char *interface, const uint8_t *public_key);
void sl_runtime_removed(struct sl_runtime *rt, const char *interface, const uint8_t *public_key);
void sl_runtime_changed(struct sl_runtime *rt, const char *interface, const uint8_t *public_key, uint32_t bits);

/* A peer that was added is the file's from now on: what is noted later differs from the file. */
void sl_runtime_adopted(struct sl_runtime *rt, const char *interface, const uint8_t *public_key);

/* What is noted of a peer or interface; 0: nothing. */
uint32_t sl_runtime_bits(const struct sl_runtime *rt, const char *interface, const uint8_t *public_key);
/*
 * The file has its way with these again, which a snapshot has told: forgets them, save what was noted once more since, which
 * may have been set after the file had its way.
 */
void sl_runtime_settle(struct sl_runtime *rt, const struct sl_runtime_entry *entries, uint32_t n);
/*
 * The interface is gone: forgets what there is of it, looking at no more than `budget` entries a call. Whether that was all. One
 * interface after the other.
 */
bool sl_runtime_forget_interface(struct sl_runtime *rt, const char *interface, uint32_t budget);

/* How many entries there are. */
uint32_t sl_runtime_count(const struct sl_runtime *rt);

/*
 * A copy of all entries, taken in slices: what comes and goes meanwhile is in it or not. The caller's memory; `entries`, n of them,
 * is to be freed, NULL where there are none.
 */
struct sl_runtime_snapshot {
	struct sl_runtime_entry *entries;
	uint32_t n;
	bool failed; /* out of memory: not all is there */
	/* its own: */
	uint32_t room;
	struct sl_runtime *rt; /* NULL: it has ended */
	void *at;              /* the next to be taken */
	struct sl_runtime_snapshot *next;
};

void sl_runtime_snapshot_begin(struct sl_runtime_snapshot *s, struct sl_runtime *rt);
/* Takes at most `budget` entries more; whether it has them all. */
bool sl_runtime_snapshot_take(struct sl_runtime_snapshot *s, uint32_t budget);
/* Whether it has all or not. May be called again. */
void sl_runtime_snapshot_end(struct sl_runtime_snapshot *s);
