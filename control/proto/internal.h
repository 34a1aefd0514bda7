/*
 * What the files of the protocol core share with one another and with no one
 * else. Control thread alone.
 */
#pragma once

#include "control/proto/backlog.h"
#include "control/proto/limiter.h"
#include "control/proto/load.h"
#include "control/proto/peer_hash.h"
#include "control/proto/proto.h"
#include "control/proto/wheel.h"

/* The handshake of a peer, kept from the first need until the key material is zeroed. */
struct sl_proto_handshake {
	struct sl_noise_handshake noise;
	uint32_t slot;           /* the session slot reserved for it; SL_SESSION_NONE: none */
	uint32_t generation;     /* of the identity that our initiation was made with */
	uint32_t sends;          /* initiations since the last request that was no retransmission (29) */
	uint64_t retransmit_at;  /* ns; 0: not pending */
	struct sl_mac_keys keys; /* of the peer's public key */
	struct sl_cookie_jar jar;
};

enum {
	SL_COOKIE_NONCES = 32, /* made at once */
};

/* Peers that want an initiation, put together so that their messages are made side by side. */
struct sl_proto_gather {
	unsigned n;
	bool full; /* it has been emptied on the way */
	struct sl_proto_peer *peers[SL_PROTO_BATCH];
};

struct sl_proto {
	struct sl_peers *peers;
	struct sl_session_table *sessions;
	struct sl_reclaim *reclaim;
	const struct sl_proto_ops *ops;
	void *ctx;
	struct sl_rng rng;
	uint8_t cookie_nonces[SL_COOKIE_NONCES][SL_XNONCE_LEN]; /* random, each for one cookie reply */
	unsigned cookie_nonces_left;                            /* the last ones */
	uint16_t line;
	enum sl_simd simd;                 /* never SL_SIMD_AUTO */
	struct sl_proto_gather *gather;    /* NULL: initiations are made at once */
	struct sl_wheel wheel;
	struct sl_failure_limit failure_limit;
	struct sl_proto_if *ifs;           /* all, linked by `next` */
	uint32_t passes;                   /* interfaces with work left for their peers */
	struct sl_proto_peer *lingering;   /* removed, but packets still wait for them; linked by list_next */
	struct sl_peer_hash by_key;
	struct sl_proto_peer **by_slot;    /* address space; touched as far as it is used, like the next */
	uint32_t *next_free;               /* slots that rest, first in first out: slot + 1 */
	uint32_t free_first, free_last;
	uint32_t slots_free;               /* resting */
	uint32_t slots_used;               /* handed out at least once */
};

/* What a change of the interface asks of each of its peers. */
enum sl_pass {
	SL_PASS_IDENTITY = 1 << 0, /* another private key */
	SL_PASS_SOURCE = 1 << 1,   /* forget the local address, write the listen port */
	SL_PASS_DOWN = 1 << 2,
	SL_PASS_UP = 1 << 3,
};

struct sl_proto_if {
	struct sl_proto *core;
	struct sl_proto_if *next;
	void *owner;
	char *name;
	uint16_t l3_if;
	uint16_t listen_port;
	bool up;
	bool key_was_absent;         /* before the last change of key */
	/* identity.c: */
	uint32_t generation;          /* of the present identity */
	uint32_t previous_generation; /* of the one before; 0: none */
	uint32_t last_generation;     /* given out last */
	uint32_t n_present, n_previous; /* peers by identity; those of neither are not counted */
	struct sl_noise_identity identity;
	struct sl_noise_identity previous;
	struct sl_cookie_secret cookie_secret;
	struct sl_limiter limiter;
	struct sl_load load;
	struct sl_backlog backlog;
	struct sl_proto_if_counters counters;
	struct sl_failure_counts strangers; /* lines that name no peer */
	struct sl_proto_peer *first, *last;
	uint32_t n_peers;
	struct sl_proto_cursor *cursors;
	uint32_t pass;               /* enum sl_pass */
	struct sl_proto_cursor pass_at;
	struct sl_ip forget;         /* SL_PASS_SOURCE for peers that answer from it; family SL_AF_NONE: all */
};

static inline struct sl_session *
sl_proto_session_at(struct sl_proto *core, uint32_t slot)
{
	return &core->sessions->slots[slot];
}

static inline struct sl_peer *
sl_proto_dp_peer(const struct sl_proto_peer *peer)
{
	return &peer->ifp->core->peers->slots[peer->slot];
}

/* Whether handshakes can be made at all. */
static inline bool
sl_proto_if_usable(const struct sl_proto_if *ifp)
{
	return ifp->up && ifp->identity.valid;
}

/* --- peers.c --- */
/* Where a peer's state belongs to no identity any more, brings it to the present one (43). Before anything that uses it. */
void sl_peer_sync_identity(struct sl_proto_peer *peer, uint64_t now);
/* Whether ss with the peer is not zero; computes it where it is not cached (8). */
bool sl_peer_static_static(struct sl_proto_peer *peer);
/* Computes those of n peers, up to SL_PROTO_BATCH, that are not cached, side by side. */
void sl_peers_static_static(struct sl_proto *core, struct sl_proto_peer *const *peers, unsigned n);
/* Stops everything and wipes handshake and sessions (46). */
void sl_peer_stop(struct sl_proto_peer *peer);
/* Frees what lingers and can go. */
void sl_peers_unlinger(struct sl_proto *core);

/* --- identity.c --- */
/* The identity of a generation, NULL where there is none of it any more. */
const struct sl_noise_identity *sl_identity_of(const struct sl_proto_if *ifp, uint32_t generation);
/* The other identity's generation; the same where there is one alone. */
uint32_t sl_identity_other(const struct sl_proto_if *ifp, uint32_t generation);
/* The generation of the identity that an initiation or response is made for: the present one unless mac1 says otherwise. */
uint32_t sl_identity_addressed(const struct sl_proto_if *ifp, const struct sl_proto_msg *msg);
/* The peer's state belongs to that generation, from having belonged to none. */
void sl_peer_enter_identity(struct sl_proto_peer *peer, uint32_t generation);
/* It belongs to none: before it enters another, or goes. */
void sl_peer_leave_identity(struct sl_proto_peer *peer);

/* --- endpoint.c --- */
bool sl_peer_has_endpoint(const struct sl_proto_peer *peer);
/* From an authenticated handshake message (41). */
void sl_peer_roam(struct sl_proto_peer *peer, const struct sl_proto_msg *msg);
/* The local address: all, or only where it is `local`. Writes the listen port too. */
void sl_peer_forget_source(struct sl_proto_peer *peer, const struct sl_ip *local);

/* --- handshake.c --- */
/* NULL without memory. */
struct sl_proto_handshake *sl_handshake_get(struct sl_proto_peer *peer);
/* Ends what is under way and wipes its secrets; the retransmission timer too. The cookie stays. */
void sl_handshake_clear(struct sl_proto_peer *peer);
/* The same, and frees it. */
void sl_handshake_free(struct sl_proto_peer *peer);
/* Something other than a retransmission wants a session: sends an initiation if the 5 s rule lets it (29, 34). */
void sl_handshake_request(struct sl_proto_peer *peer, uint64_t now);
/* The retransmission timer has expired (29). */
void sl_handshake_retransmit(struct sl_proto_peer *peer, uint64_t now);
/*
 * Initiations that are asked for from here on are made by sl_handshakes_send, or when as many have come together as one
 * step of control's loop bears. Until then nothing may be done to their peers but what timers and facts do.
 */
void sl_handshakes_gather(struct sl_proto *core, struct sl_proto_gather *gather);
void sl_handshakes_send(struct sl_proto *core, uint64_t now);
/* Writes the macs and sends; stamps the peer as sent to. */
void sl_handshake_send(struct sl_proto_peer *peer, void *msg, size_t len, uint64_t now);
/* Reserves a session slot for a new handshake; the old one's index is free at once (21). */
bool sl_handshake_reserve(struct sl_proto_peer *peer, struct sl_proto_handshake *hs, uint32_t *index);
/* Retransmission and new-handshake timers: 0..SL_TIMER_JITTER_MAX_NS. */
uint32_t sl_jitter(struct sl_proto *core);

/* --- receive.c, cookie_checker.c --- */
enum sl_admission {
	SL_ADMITTED,
	SL_ADMIT_COOKIE,  /* answer with a cookie, no more */
	SL_ADMIT_LIMITED, /* the source has had its share */
};
/* Under load: is there a right mac2, and has the source tokens left (16)? */
enum sl_admission sl_cookie_admit(struct sl_proto_if *ifp, const struct sl_proto_msg *msg, uint64_t now);
/* Answers an initiation or response, made for that identity, with a cookie reply (14). */
void sl_cookie_answer(struct sl_proto_if *ifp, const struct sl_noise_identity *identity, const struct sl_proto_msg *msg,
	uint64_t now);
/* A cookie reply came in (15). */
void sl_cookie_consume(struct sl_proto_if *ifp, const struct sl_proto_msg *msg, uint64_t now);

/* --- sessions.c --- */
/* The handshake's slot becomes a session in its place of the rotation (22). False where no session could begin. */
bool sl_sessions_begin(struct sl_proto_peer *peer, struct sl_proto_handshake *hs, uint64_t now);
/* Makes `next` current if something authentic came on it. Whether it did. */
bool sl_sessions_confirm(struct sl_proto_peer *peer);
/* No session of the old private key is sent on (43). */
void sl_sessions_expire_sending(struct sl_proto_peer *peer);
void sl_sessions_wipe(struct sl_proto_peer *peer);
/* Whether the current session can be sent on (24). */
bool sl_sessions_sendable(const struct sl_proto_peer *peer, uint64_t now);
/* The current session, or NULL. */
struct sl_session *sl_sessions_current(const struct sl_proto_peer *peer);

/* --- timers.c: named by what happened --- */
/* After an authentic handshake message of len bytes was received. */
void sl_timers_handshake_received(struct sl_proto_peer *peer, size_t len, uint64_t now);
/* After a handshake message of len bytes was sent. */
void sl_timers_handshake_sent(struct sl_proto_peer *peer, size_t len, uint64_t now);
/* After an initiation was sent: retransmission (29). */
void sl_timers_initiated(struct sl_proto_peer *peer, uint64_t now);
/* After session keys were derived, in either role: zeroing (32). */
void sl_timers_session_derived(struct sl_proto_peer *peer, uint64_t now);
/* After a response was consumed, or the first data of a responder's session came: ends retransmission; 35. */
void sl_timers_handshake_complete(struct sl_proto_peer *peer);
/* After the twentieth initiation went unanswered (29). */
void sl_timers_gave_up(struct sl_proto_peer *peer, uint64_t now);
/* After workers told of traffic at a peer that was not watched. */
void sl_timers_active(struct sl_proto_peer *peer, uint64_t now);
/* Persistent keepalive: switched on, or its key or endpoint has come. */
void sl_timers_persistent_on(struct sl_proto_peer *peer, uint64_t now);
/* After anything that may change a deadline. */
void sl_timers_update(struct sl_proto_peer *peer, uint64_t now);
/* The peer's node expired: does what is due and arms the next. */
void sl_timers_run(struct sl_proto_peer *peer, uint64_t now);
/* All of them, at once. */
void sl_timers_stop(struct sl_proto_peer *peer);

/* --- failures.c --- */
/* Counts, and reports within the limits. peer or src may be NULL; key: of a stranger, else NULL. */
void sl_failure_note(struct sl_proto_if *ifp, struct sl_proto_peer *peer, enum sl_failure cause,
	const struct sl_endpoint *src, const uint8_t *key, uint64_t now);

/* --- interface.c --- */
/*
 * Begins a pass over all peers, together with what a pass under way has not yet done. Its first slice is done at once.
 */
void sl_if_begin_pass(struct sl_proto_if *ifp, uint32_t pass, uint64_t now);
/* One slice of an interface's pass. */
void sl_if_pass(struct sl_proto_if *ifp, uint64_t now);
