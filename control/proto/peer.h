/*
 * A WireGuard peer as the control core keeps it, what its owner may set on it,
 * and what `wg show` reads from it. Control thread alone. A peer belongs to the
 * protocol core from sl_proto_peer_add to sl_proto_peer_remove and never moves;
 * it keeps its dataplane slot for life, and a slot is not used again before no
 * worker can hold it or a packet that waits for it.
 */
#pragma once

#include <time.h>

#include "control/proto/failures.h"
#include "control/proto/wheel.h"
#include "crypto/attrs.h"
#include "crypto/protocol.h"
#include "dataplane/addr.h"
#include "dataplane/reclaim.h"

struct sl_proto_if;
struct sl_proto_handshake;
struct sl_proto_cursor;

enum sl_session_role {
	SL_SESSION_PREVIOUS,
	SL_SESSION_CURRENT,
	SL_SESSION_NEXT,
	SL_SESSION_ROLES,
};

/* One session slot of the rotation (22). */
struct sl_proto_session {
	uint32_t slot; /* SL_SESSION_NONE: empty */
	bool no_send;  /* of a private key that is no longer ours: only received on (43) */
};

/* A deadline that follows from a stamp of the workers' (timers.c). */
struct sl_proto_stamp {
	uint64_t floor;   /* events up to here are dealt with */
	uint64_t latched; /* an event after the floor, as it was first seen; 0: none */
};

struct sl_proto_peer {
	/* --- whoever added it may read these --- */
	struct sl_proto_if *ifp;
	void *owner;                  /* the caller's */
	char *name;                   /* NULL: none; shown in log lines */
	uint32_t slot;                /* in the dataplane */
	uint16_t keepalive_interval;  /* seconds, 0: off */
	bool has_psk;
	uint8_t public_key[SL_KEY_LEN];
	uint8_t psk[SL_KEY_LEN];      /* zeros: none */
	struct sl_endpoint configured_endpoint; /* as last set; where it is now is in the dataplane's record */
	struct timespec latest_handshake;       /* wall time; 0: never */
	struct sl_failure_counts *failures;     /* NULL: none yet, see sl_proto_peer_failures */

	/* --- the protocol core's own --- */
	uint8_t unconfirmed;          /* responses in a row whose session was never used */
	uint8_t watch;                /* enum in timers.c */
	bool keepalive_due;           /* a persistent keepalive at once, as soon as it can be sent */
	uint8_t latest_timestamp[SL_TAI64N_LEN]; /* greatest received (19) */
	uint8_t sent_timestamp[SL_TAI64N_LEN];   /* greatest sent */
	uint8_t static_static[SL_KEY_LEN];
	uint32_t static_generation;   /* the identity generation that static_static was computed for; 0: never */
	uint32_t generation;          /* the identity generation that the state below belongs to */
	struct sl_proto_handshake *handshake; /* NULL until one is needed, and again after zeroing */
	struct sl_proto_session sessions[SL_SESSION_ROLES];
	uint64_t last_sent;           /* ns: initiation or response (34); 0: long ago */
	uint64_t last_consumed;       /* ns: initiation (20); 0: long ago */
	uint64_t zero_at;             /* ns (32); 0: not pending, like all deadlines here */
	uint64_t sweep_at;
	uint64_t persist_floor;       /* the persistent keepalive counts from here at the earliest (33) */
	struct sl_proto_stamp unanswered; /* new handshake (30) */
	uint64_t jitter_base;         /* the event that `jitter` was drawn for */
	uint32_t jitter;              /* ns */
	struct sl_proto_stamp owed;   /* passive keepalive (31) */
	uint64_t again_armed;         /* a second passive keepalive was armed then; 0: not */
	uint64_t seen;                /* the newest stamp at the last sweep */
	union {
		struct {
			struct sl_wheel_node timer;
			struct sl_proto_peer *hash_next;
		};
		struct sl_reclaim_node reclaim; /* once it is removed */
	};
	struct sl_proto_peer *list_prev, *list_next; /* of the interface, oldest first */
};

static_assert(sizeof(struct sl_proto_peer) <= 408, "a million idle peers: with malloc's own, 416 bytes each");

/*
 * Adds a peer. 0; -EEXIST with *out the peer that has the key; -ELOOP: it is the interface's own key, which is
 * ignored (44); -ENOSPC: all slots are taken; -ENOMEM. Low-order keys are accepted, their handshakes fail.
 */
SL_MUST_CHECK int sl_proto_peer_add(
	struct sl_proto_if *ifp, const uint8_t public_key[SL_KEY_LEN], void *owner, uint64_t now, struct sl_proto_peer **out);
/*
 * Takes the peer away at once: workers drop its packets, keys are wiped, the pointer is void. The caller has removed
 * its allowed IPs from the tables before.
 */
void sl_proto_peer_remove(struct sl_proto_peer *peer);

/* NULL where there is none. */
struct sl_proto_peer *sl_proto_peer_find(struct sl_proto_if *ifp, const uint8_t public_key[SL_KEY_LEN]);
struct sl_proto;
struct sl_proto_peer *sl_proto_peer_at(struct sl_proto *core, uint32_t slot);

/* 0 or -ENOMEM with the old name kept. Copied; NULL: none. */
int sl_proto_peer_set_name(struct sl_proto_peer *peer, const char *name);
/* Counts from the next handshake (45). Zeros: none. */
void sl_proto_peer_set_psk(struct sl_proto_peer *peer, const uint8_t psk[SL_KEY_LEN]);
/* Seconds, 0: off. Switching it on sends one at once, or as soon as there is a private key and an endpoint (33). */
void sl_proto_peer_set_keepalive(struct sl_proto_peer *peer, uint16_t seconds, uint64_t now);
/* ip.family SL_AF_NONE: none. Nothing is sent because of it, save a persistent keepalive that waited for it. */
void sl_proto_peer_set_endpoint(struct sl_proto_peer *peer, const struct sl_endpoint *endpoint, uint64_t now);

/* Why handshakes with the peer have failed so far; all zero: they have not. */
const struct sl_failure_counts *sl_proto_peer_failures(const struct sl_proto_peer *peer);

/* What `wg show` tells of a peer beside its fields above. */
struct sl_proto_peer_info {
	struct sl_endpoint endpoint;      /* as it is now, roaming included; family SL_AF_NONE: none */
	uint64_t rx_bytes, tx_bytes;      /* UDP payloads of authentic messages received, of messages sent */
	struct timespec latest_handshake; /* wall time, 0: never */
	uint64_t received, sent;          /* ns, boot clock: any authentic message, last; 0: never */
	bool session;                     /* there is one that can be sent on */
	uint64_t session_age;             /* ns, of the current session; 0 without */
	bool handshaking;                 /* an initiation waits for its answer */
	uint32_t attempts;                /* initiations sent since it began */
};

void sl_proto_peer_info(const struct sl_proto_peer *peer, uint64_t now, struct sl_proto_peer_info *out);

/*
 * A place in the list of an interface's peers, which are in the order in which they were added. Stays right while
 * peers come and go between two steps. The caller's memory; must be closed, also when the interface is gone.
 */
struct sl_proto_cursor {
	struct sl_proto_if *ifp;      /* NULL: closed */
	struct sl_proto_peer *at;     /* the next to be given; NULL: the end was reached */
	struct sl_proto_cursor *prev, *next;
};

void sl_proto_cursor_open(struct sl_proto_cursor *cursor, struct sl_proto_if *ifp);
/* The next peer, or NULL at the end. */
struct sl_proto_peer *sl_proto_cursor_next(struct sl_proto_cursor *cursor);
void sl_proto_cursor_close(struct sl_proto_cursor *cursor);
