/*
 * Peers as workers see them: which session to send on and the sending halves of
 * it and of its successor, the endpoint, and the
 * facts and stamps by which workers tell control what happened. Control owns
 * the slots (a peer keeps its slot for life); workers read, take counters, update the
 * endpoint under a sequence lock, raise facts and write their own records.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>

#include "dataplane/addr.h"
#include "dataplane/outer_path.h"
#include "dataplane/packet.h"
#include "dataplane/peer_memory.h"
#include "dataplane/sender.h"

/* State facts, raised by workers (class 1 of design.md): idempotent, never lost, raised again until control acts. */
enum sl_peer_fact {
	SL_FACT_ACTIVE = 1 << 0,         /* traffic at a peer that control does not watch */
	SL_FACT_NEED_SESSION = 1 << 1,   /* something waits, or must be sent, and no valid session is there (36) */
	SL_FACT_REKEY_SEND = 1 << 2,     /* protocol.md 27 */
	SL_FACT_REKEY_RECEIVE = 1 << 3,  /* protocol.md 28 */
	SL_FACT_KEY_CONFIRMED = 1 << 4,  /* a session that was not current got its first authentic packet (22) */
	SL_FACT_ENDPOINT = 1 << 5,       /* the endpoint moved */
};

#define SL_OUTER_HDR_MAX 48 /* IPv6 40 + UDP 8 */

/*
 * Where a peer is reached and from which of our addresses: the outer header as it will stand on the wire, with
 * lengths, checksums, identification and (while local is unknown) the source address still zero. 64 bytes.
 */
struct sl_outer {
	uint8_t family;   /* of the outer header; SL_AF_NONE: no endpoint */
	uint8_t local;    /* 1: source address is the one the peer last hit (protocol.md 41); 0: chosen by route */
	uint8_t len;      /* of hdr: 28 or 48 */
	uint8_t pad[13];
	uint8_t hdr[SL_OUTER_HDR_MAX];
};

static_assert(sizeof(struct sl_outer) == 64, "read and written as eight words");

/*
 * What every packet of a peer needs, in one line: of a hub's peers most are in no cache when a packet for them comes, and each
 * line more is a wait, as is each page of a table that is not dense. The price is that the counter, which senders write,
 * stands beside what receivers on other cores read.
 */
struct sl_peer {
	alignas(64) struct sl_sender first; /* a place for a session's sending half (dataplane/sender.h) */
	_Atomic uint32_t current; /* the session to send on, by what its `live` says (sl_session_id); 0: none */
	_Atomic uint32_t endpoint_seq; /* of the endpoint; goes on by 2 also where kept ways end otherwise */
	/* Coarse stamps shared by workers, written only when they change (ticks of SL_STAMP_TICK). */
	_Atomic uint32_t received_tick;
	_Atomic uint32_t sent_tick;
	_Atomic uint32_t live;    /* its incarnation, which no peer before it in the slot had; 0: none, its packets are dropped */
	_Atomic uint8_t facts;    /* enum sl_peer_fact */
	_Atomic uint8_t watched;  /* control looks at this peer's stamps: ACTIVE need not be raised */
	uint16_t wg_if;
};

static_assert(sizeof(struct sl_peer) == 64, "one line");

/* Where it is: struct sl_outer in words, under endpoint_seq. */
struct sl_peer_outer {
	alignas(64) _Atomic uint64_t words[8];
};

/* What is needed of a peer that has sessions, but less often. */
struct sl_peer_rest {
	alignas(64) struct sl_sender second; /* a place for another session: the next one, and every other current one */
	_Atomic uint32_t staged; /* packets waiting for a session, over all workers */
	uint8_t taken;           /* of the places: a bit each, while a session has it; control's */
};

static_assert(sizeof(struct sl_peer_rest) == 64, "one line");

#define SL_STAMP_TICK_SHIFT 20 /* 2^20 ns, about 1 ms */

/*
 * Counters and stamps: for each worker and peer, written by that worker alone, summed by control. Stamps in ns of
 * the boot clock; 0: never. Bytes are outer UDP payloads, as `wg show` counts them.
 */
struct sl_peer_sent {
	_Atomic uint64_t bytes;
	_Atomic uint64_t last;       /* any authenticated packet */
	_Atomic uint64_t data_first; /* data (not keepalive) since the last authenticated receive */
	_Atomic uint64_t data_last;
};

struct sl_peer_received {
	_Atomic uint64_t bytes;
	_Atomic uint64_t last;       /* any authenticated packet */
	_Atomic uint64_t data_first; /* data since the last authenticated send */
	_Atomic uint64_t data_last;
};

/*
 * What one worker keeps of one peer, a line for what every packet to it needs and a line for what every packet from it needs.
 * The way is the worker's alone (outer_path.h).
 */
struct sl_peer_sending {
	alignas(64) struct sl_peer_sent sent;
	struct sl_outer_path path;
};

struct sl_peer_receiving {
	alignas(64) struct sl_peer_received received;
	struct sl_outer_path_rest path;
};

static_assert(sizeof(struct sl_peer_sending) == 64 && sizeof(struct sl_peer_receiving) == 64, "a line each");

/* Peers with facts to be read: a bit per peer and a bit per word of those. */
struct sl_dirty {
	_Atomic uint64_t *bits;
	_Atomic uint64_t *summary;
	uint32_t words;
};

struct sl_peers {
	/* By slot: address space for `capacity`, touched when used. */
	struct sl_peer *slots;
	struct sl_peer_outer *outers;
	struct sl_peer_rest *rest;
	/* [worker][slot], likewise. */
	struct sl_peer_sending **sending;
	struct sl_peer_receiving **receiving;
	struct sl_peer_memory memory; /* of these two, and of what workers keep by peer elsewhere; control's */
	struct sl_dirty dirty;
	uint32_t incarnation; /* given last; control's */
	uint32_t had_sessions; /* peers below may have had one; control's */
	uint32_t capacity;
	uint16_t workers;
};

/* One of a peer's places: 0 up to SL_PEER_SENDERS - 1. */
static inline struct sl_sender *
sl_peer_sender(const struct sl_peers *p, uint32_t slot, unsigned place)
{
	return place == 0 ? &p->slots[slot].first : &p->rest[slot].second;
}

/* Control: what the `live` of a new peer is. */
static inline uint32_t
sl_peers_incarnation(struct sl_peers *p)
{
	if (++p->incarnation == 0)
		p->incarnation = 1;
	return p->incarnation;
}

/* 0 or -ENOMEM. Slots start zeroed: not live. */
int sl_peers_init(struct sl_peers *p, uint32_t capacity, uint16_t workers);
/* After workers have stopped and reclaim was drained. Wipes all keys. */
void sl_peers_fini(struct sl_peers *p);

/* Worker or control: raises facts of a peer. Costs one load where they stand already. */
static inline void
sl_peer_raise(struct sl_peers *p, uint32_t slot, uint32_t facts)
{
	struct sl_peer *peer = &p->slots[slot];

	if ((atomic_load_explicit(&peer->facts, memory_order_relaxed) & facts) == facts)
		return;
	atomic_fetch_or(&peer->facts, (uint8_t)facts);
	atomic_fetch_or(&p->dirty.bits[slot / 64], UINT64_C(1) << (slot % 64));
	atomic_fetch_or(&p->dirty.summary[slot / 4096], UINT64_C(1) << (slot / 64 % 64));
}

/*
 * Control: takes the facts of up to n peers, oldest bits first from *cursor on (0 at first), so that no peer
 * starves another. Fills slots[] and facts[], returns how many.
 */
unsigned sl_peers_take_facts(struct sl_peers *p, uint32_t *cursor, uint32_t *slots, uint32_t *facts, unsigned n);

/* Whether any peer has facts that were not taken. */
bool sl_peers_any_facts(const struct sl_peers *p);

/* Any thread: copies the endpoint record; never a torn one. */
void sl_peer_outer_read(const struct sl_peers *p, uint32_t slot, struct sl_outer *out);
/*
 * Any thread: replaces the endpoint record. False where another writer is in the middle of it: then nothing was
 * written (its news is as fresh as ours). Control retries, workers do not.
 */
bool sl_peer_outer_write(struct sl_peers *p, uint32_t slot, const struct sl_outer *outer);
/* Control: no way that a worker kept to the peer is good any more. */
void sl_peer_end_ways(struct sl_peers *p, uint32_t slot);
/* Fills an endpoint record. local: our address, or NULL to choose by route; local_port: host order. */
void sl_outer_make(struct sl_outer *out, const struct sl_endpoint *remote, const struct sl_ip *local, uint16_t local_port);
void sl_outer_remote(const struct sl_outer *outer, struct sl_endpoint *remote);
/* False (and *local untouched) where it is chosen by route. */
bool sl_outer_local(const struct sl_outer *outer, struct sl_ip *local);

/* Sums over workers; control, any time. Stamps are the newest of all workers', data_*_first as timers need them: */
struct sl_peer_totals {
	uint64_t rx_bytes, tx_bytes;
	uint64_t received, sent;
	uint64_t data_sent, data_received;
	uint64_t unanswered_since; /* first data sent that nothing authentic has come after; 0: none (protocol.md 30) */
	uint64_t owed_since;       /* first data received that nothing has been sent after; 0: none (31) */
};

void sl_peer_totals(const struct sl_peers *p, uint32_t slot, struct sl_peer_totals *out);
/* Control: zeroes counters and stamps of a slot whose peer is gone and whom no worker can hold any more. */
void sl_peer_stamps_clear(struct sl_peers *p, uint32_t slot);

/*
 * Worker: stamps for a run of one peer's packets at `now` ns. bytes: UDP payload bytes of the run; data: whether any of
 * it was more than a keepalive. Called after packets were authenticated, or handed on to be sent.
 */
void sl_peer_stamp_received(struct sl_peers *p, uint16_t worker, uint32_t slot, uint64_t now, uint64_t bytes, bool data);
void sl_peer_stamp_sent(struct sl_peers *p, uint16_t worker, uint32_t slot, uint64_t now, uint64_t bytes, bool data);
