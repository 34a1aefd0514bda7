/*
 * The WireGuard protocol core of one gateway: peers, handshakes in both roles,
 * session rotation, timers, cookies, the limiter (protocol.md 2–5 and 7). Plain
 * objects: what comes in are handshake messages, facts that workers raised,
 * time (ns of the boot clock) and randomness; what goes out are messages and
 * decisions, by the functions of struct sl_proto_ops. No I/O, no globals, no
 * clock of its own. The gateway, the seeded simulation and the packet-level
 * peer run this same code.
 *
 * One thread (the control core) calls everything here. The core writes the
 * dataplane's peer slots and sessions; allowed IPs are not its business. All
 * memory behind the pointers it hands out is its own. `now` is never 0 and never goes back.
 *
 * The control core stamps handshake messages like a worker would: `peers` must
 * have one line more than there are workers, and `line` is its number.
 */
#pragma once

#include <time.h>

#include "control/proto/failures.h"
#include "control/proto/peer.h"
#include "crypto/attrs.h"
#include "crypto/noise.h"
#include "crypto/random.h"
#include "dataplane/peer.h"
#include "dataplane/reclaim.h"
#include "dataplane/session.h"

struct sl_proto;
struct sl_proto_if;

/* What the core wants done. ctx is the configuration's; none of them may call back into the core, own_key excepted. */
struct sl_proto_ops {
	/* Sends a handshake message (len bytes, not kept) from the interface's listen port. `to` may lack the source
	 * address: it is then chosen by route. tos: the whole TOS byte. */
	void (*send)(void *ctx, struct sl_proto_if *ifp, const struct sl_outer *to, const void *msg, size_t len, uint8_t tos);
	void (*keepalive)(void *ctx, uint32_t slot); /* a worker seals an empty packet on the current session */
	/* A session is there: what waits for the peer goes out; where nothing waits, a keepalive. The responder asks for
	 * it only where something waits. */
	void (*drain)(void *ctx, uint32_t slot);
	void (*purge)(void *ctx, uint32_t slot); /* workers drop what waits for the peer */
	void (*wall)(void *ctx, struct timespec *now); /* wall time, for TAI64N and the latest handshake */
	/* One line for the log, already limited in rate. May be NULL. */
	void (*failure)(void *ctx, const struct sl_failure_report *report);
	/* An initiation to this peer got no answer in time, and is about to be sent again or given up. May be NULL. */
	void (*unanswered)(void *ctx, struct sl_proto_peer *peer);
	/*
	 * The interface was given a private key whose public key is that of this peer (protocol.md 43): takes the peer
	 * and its allowed IPs away (with sl_proto_peer_remove). NULL: the core removes it itself.
	 */
	void (*own_key)(void *ctx, struct sl_proto_peer *peer);
};

struct sl_proto_config {
	struct sl_peers *peers;             /* borrowed, as everything here; must outlive the core */
	struct sl_session_table *sessions;
	struct sl_reclaim *reclaim;
	uint16_t line;                      /* of `peers`, written by the control core alone */
	struct sl_rng rng;
	enum sl_simd simd;                  /* of the handshakes' arithmetic; one that the CPU runs, or SL_SIMD_AUTO */
	const struct sl_proto_ops *ops;
	void *ctx;
	uint64_t now;                       /* ns */
};

/* 0 or -ENOMEM. */
int sl_proto_create(struct sl_proto **out, const struct sl_proto_config *cfg);
/* A hint that there will be n peers in all: adding them is faster then. */
void sl_proto_reserve(struct sl_proto *core, uint32_t n);
/* After all interfaces are destroyed and the reclaim list is drained. NULL is fine. */
void sl_proto_destroy(struct sl_proto *core);

/*
 * Does what is due at `now`: at most `budget` expired timers, and one slice of the work that a change of an interface
 * makes for its peers. True where there is more to do at once.
 */
bool sl_proto_advance(struct sl_proto *core, uint64_t now, unsigned budget);
/* When sl_proto_advance next has something to do: never later than that, possibly earlier; UINT64_MAX: never. */
uint64_t sl_proto_next(const struct sl_proto *core);
/*
 * Facts (enum sl_peer_fact) that workers raised about the peers in n slots, one after another. Slots without a peer are
 * ignored.
 */
void sl_proto_facts_batch(
	struct sl_proto *core, const uint32_t *slots, const uint32_t *facts, unsigned n, uint64_t now);
void sl_proto_facts(struct sl_proto *core, uint32_t slot, uint32_t facts, uint64_t now);

/* A received message of type 1, 2 or 3, of any size. Workers have checked its mac1: it is not checked again here. */
struct sl_proto_msg {
	const uint8_t *data;    /* the UDP payload, at any alignment */
	size_t len;
	struct sl_endpoint src; /* the sender */
	struct sl_ip dst_local; /* our address that it hit */
};

#define SL_PROTO_BATCH 32 /* messages consumed together; more are taken in several rounds */

/*
 * Takes n handshake messages that waited at one interface (protocol.md 14–20, 22, 34, 35, 41). The initiations among
 * them are consumed stage by stage, all together, and so are the responses. A valid initiation costs four X25519, so n
 * bounds the step.
 */
void sl_proto_receive(struct sl_proto_if *ifp, const struct sl_proto_msg *msgs, unsigned n, uint64_t now);

/*
 * The same in two halves, for an interface under load. The first only judges messages, a few µs each: who brings no
 * cookie gets one, and who does waits (control/proto/backlog.h). The second consumes up to n of those that wait, and
 * drops what has waited too long; whether there was any. A message may also be taken so when the load is over.
 */
void sl_proto_admit(struct sl_proto_if *ifp, const struct sl_proto_msg *msgs, unsigned n, uint64_t now);
bool sl_proto_work(struct sl_proto_if *ifp, unsigned n, uint64_t now);
/* How many messages wait between the two. */
uint32_t sl_proto_if_waiting(const struct sl_proto_if *ifp);

/* How many messages one step of the control loop, 1 ms, may take: 1..SL_PROTO_BATCH. More where X25519 has lanes. */
unsigned sl_proto_receive_budget(const struct sl_proto *core);

/* --- interfaces --- */

struct sl_proto_if_config {
	const char *name;     /* for log lines; copied */
	uint16_t l3_if;       /* as sessions and peer slots name it */
	uint16_t listen_port; /* host order */
	void *owner;          /* the caller's */
};

/* A new interface: up, without key and peers. 0 or -ENOMEM. */
int sl_proto_if_create(struct sl_proto *core, const struct sl_proto_if_config *cfg, struct sl_proto_if **out);
/* All its peers must have been removed; open cursors end. NULL is fine. */
void sl_proto_if_destroy(struct sl_proto_if *ifp);

/*
 * Sets the private key; zeros: none. The same key: nothing happens. Else (43) a peer that is the new self goes,
 * handshakes and static-static secrets of the old key are void at once, and its sessions are no longer sent on. The
 * previous key stays.
 */
void sl_proto_if_set_key(struct sl_proto_if *ifp, const uint8_t private_key[SL_KEY_LEN], uint64_t now);
/*
 * Both keys: the present one, and the one before, zeros for none. Handshakes of peers that know the interface by either
 * are answered; a peer is on the one it last used. What was the present key and is the previous one now loses nothing;
 * peers on a key that is neither any more are treated as by sl_proto_if_set_key.
 */
void sl_proto_if_set_keys(struct sl_proto_if *ifp, const uint8_t private_key[SL_KEY_LEN],
	const uint8_t previous_key[SL_KEY_LEN], uint64_t now);
/* .valid is false without one. */
const struct sl_noise_identity *sl_proto_if_previous(const struct sl_proto_if *ifp);
/* How many peers are still on the previous key, and whether one is. */
uint32_t sl_proto_if_n_previous(const struct sl_proto_if *ifp);
bool sl_proto_peer_on_previous(const struct sl_proto_peer *peer);
/* .valid is false without a key. The mac1 key that workers check by is mac_keys.mac1. Stays valid, contents change. */
const struct sl_noise_identity *sl_proto_if_identity(const struct sl_proto_if *ifp);
/* The source port of everything sent from now on; remembered local addresses are forgotten (41). */
void sl_proto_if_set_listen_port(struct sl_proto_if *ifp, uint16_t port, uint64_t now);
uint16_t sl_proto_if_listen_port(const struct sl_proto_if *ifp);
/* Down: waiting packets purged, timers stopped, handshakes and sessions wiped; messages are ignored (46). */
void sl_proto_if_set_up(struct sl_proto_if *ifp, bool up, uint64_t now);
/* Peers that answer from this address of ours choose by route again (41); NULL: all peers (a change of fwmark). */
void sl_proto_if_forget_source(struct sl_proto_if *ifp, const struct sl_ip *local, uint64_t now);
/*
 * How many messages waited, in the interface's handshake ring and behind it, when they were looked at, and how many the
 * ring holds; decides whether cookies are asked for (17).
 */
void sl_proto_if_note_load(struct sl_proto_if *ifp, uint32_t waiting, uint32_t capacity, uint64_t now);
bool sl_proto_if_under_load(const struct sl_proto_if *ifp, uint64_t now);
void *sl_proto_if_owner(const struct sl_proto_if *ifp);
const char *sl_proto_if_name(const struct sl_proto_if *ifp);
uint16_t sl_proto_if_l3(const struct sl_proto_if *ifp);
uint32_t sl_proto_if_n_peers(const struct sl_proto_if *ifp);

/* Handshakes of an interface since it was created, by outcome. */
struct sl_proto_if_counters {
	uint64_t initiations_sent, initiations_received;
	uint64_t responses_sent, responses_received;
	uint64_t cookies_sent, cookies_received;
	uint64_t completed;                  /* sessions confirmed, in either role */
	uint64_t malformed;                  /* no handshake message at all */
	uint64_t unexpected;                 /* responses and cookie replies to nothing that we wait for */
	uint64_t overdue;                    /* waited too long for an answer to make sense, or found no room to wait */
	uint64_t failures[SL_FAILURE_COUNT]; /* by cause, those of peers included */
};

const struct sl_proto_if_counters *sl_proto_if_counters(const struct sl_proto_if *ifp);

/* --- peers: control/proto/peer.h --- */
