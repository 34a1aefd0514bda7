/*
 * peersim: up to a million WireGuard peers and the LAN behind their hub, at packet level, in one process of one thread.
 * They speak with a running gateway over two DPDK ports in memory (net_memif), so a load of any size needs neither
 * namespaces nor sockets nor a second machine:
 *
 *   simulated peers ── port `wan` ── gateway ── port `lan` ── simulated LAN host
 *
 * Peers follow the protocol with code of their own on top of crypto/: handshakes in both roles, retransmission, rekeys,
 * cookies, three session slots, keepalives. Traffic is a closed loop (tests/peersim/flow.h), so whatever is lost was
 * lost by the gateway. Everything here belongs to the one thread; a peer takes about 200 bytes, and 110 more per
 * session.
 *
 *   main.c       options, and the loop                 control.c    commands and reports, by a socket
 *   port.c       memif ports, the hub's MAC address    wire.c       Ethernet, ARP, ND, IP, UDP
 *   keys.c       keys and addresses from a seed        handshake.c  the three handshake messages, both roles
 *   data.c       sealing and opening in batches        timers.c     what peers do by the clock
 *   flow.c       closed loops of numbered packets      tasks.c      handshakes by command
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/aead.h"
#include "crypto/cookie.h"
#include "crypto/ikpsk2.h"
#include "crypto/protocol.h"

#define SIM_PEER_BITS 21 /* of an index; the rest counts a peer's handshakes */
#define SIM_PEERS_MAX (UINT32_C(1) << SIM_PEER_BITS)
#define SIM_NONE      UINT32_MAX
#define SIM_HUBS_MAX  8
#define SIM_TASKS_MAX 16
#define SIM_FLOWS_MAX 16
#define SIM_BATCH     64 /* packets that are sealed or opened together */
#define SIM_SEED_MAX  32 /* characters */

/* The gateway's public key, one of its identities. */
struct sim_hub {
	uint8_t public_key[SL_KEY_LEN];
	struct sl_mac_keys macs;
	struct sl_ikpsk2 start; /* of a handshake with it */
};

struct sim_session {
	uint8_t send[SL_KEY_LEN], recv[SL_KEY_LEN];
	uint32_t local, remote; /* indices */
	uint64_t counter;       /* of the next message */
	uint64_t top, seen;     /* replay: the greatest counter, and a bit for each of the 64 up to it */
	uint32_t born_ms;
	bool initiator, any,
	        asked; /* any: top is set; asked: it was old when a packet came, and a new one is on its way */
};

enum sim_slot { SIM_CURRENT, SIM_PREVIOUS, SIM_NEXT, SIM_SLOTS };

/* An initiation that has no answer yet. */
struct sim_pending {
	struct sl_ikpsk2 noise;
	struct sl_msg_initiation msg; /* while prepared */
	uint32_t local, retry_ms, task;
	uint8_t sends;
	bool prepared; /* made, but not sent */
};

struct sim_peer {
	uint8_t public_key[SL_KEY_LEN];
	uint8_t ss[SL_KEY_LEN]; /* with the hub's key number ss_hub */
	uint8_t hub_stamp[SL_TAI64N_LEN];
	struct sl_cookie_jar jar;
	struct sim_session *sessions[SIM_SLOTS];
	struct sim_pending *pending;
	uint32_t initiated_ms, sent_ms, heard_ms; /* 0: never */
	uint32_t keepalive_ms, unanswered_ms;     /* when due; 0: not armed */
	uint32_t task;                            /* why it is queued for an initiation */
	uint16_t generation, persistent;          /* persistent: seconds, 0: off */
	uint8_t hub, ss_hub;
	bool has_public, queued, more; /* more: data came while a keepalive was due */
	bool again;                    /* it is queued for a retransmission */
};

/* A range of peers that shake hands by command. */
struct sim_task {
	bool used, prepare;
	uint32_t first, count, next, window, outstanding, finished, gave_up;
	uint32_t began_ms, ended_ms;
};

struct sim_counts {
	uint64_t begun, initiations, finished, rekeys, gave_up, answered, cookies, mac2, prepared;
	uint64_t bad_mac1, bad_auth, wrong_hub, old_stamp,
	        bad_cookie; /* handshake messages of the hub, by what was wrong */
	uint64_t stale;     /* the same, for what is no more */
	uint64_t data_sent, data_received, keepalives_sent, keepalives_received;
	uint64_t unknown_index, bad_tag, replayed, bad_frames, no_buffer;
};

struct sim_options {
	const char *wan, *lan, *control; /* paths of sockets */
	char seed[SIM_SEED_MAX + 1];
	uint32_t peers;
	unsigned queues, ring, seconds;
	bool mixed, psk;
};

struct sim_seal_batch {
	struct sl_aead_job jobs[SIM_BATCH];
	struct rte_mbuf *mbufs[SIM_BATCH];
	uint32_t peers[SIM_BATCH];
	unsigned n;
};

struct sim_open_batch {
	struct sl_aead_job jobs[SIM_BATCH];
	struct rte_mbuf *mbufs[SIM_BATCH];
	uint32_t locals[SIM_BATCH];
	unsigned n;
};

/* Handshake messages that wait to be worked on together. */
struct sim_inbox {
	struct sl_msg_response responses[SL_IKPSK2_BATCH];
	struct sl_msg_initiation initiations[SL_IKPSK2_BATCH];
	uint32_t to[SL_IKPSK2_BATCH]; /* the peer that an initiation came to */
	unsigned n_responses, n_initiations;
};

struct sim {
	struct sim_options o;
	uint64_t start_ns;
	uint32_t now_ms; /* since the start; never 0 */
	uint64_t random;
	enum sl_simd simd;
	struct sl_aead *aead;
	struct sim_peer *peers;
	uint32_t *due;   /* per peer: when to look at its timers, ms; SIM_NONE: never */
	uint32_t *queue; /* peers that want to send an initiation, a ring of `peers` places */
	uint32_t queue_head, queue_n;
	uint32_t swept_ms;
	struct sim_hub hubs[SIM_HUBS_MAX];
	unsigned n_hubs;
	struct sim_task tasks[SIM_TASKS_MAX];
	struct sim_flow *flows[SIM_FLOWS_MAX];
	struct sim_port *wan, *lan;
	struct sim_seal_batch seal;
	struct sim_open_batch open;
	struct sim_inbox inbox;
	struct sim_counts counts;
	bool stop;
};

/* 0..n-1 of the simulation's own repeatable noise. */
static inline uint32_t sim_random(struct sim *s, uint32_t n)
{
	s->random ^= s->random >> 12;
	s->random ^= s->random << 25;
	s->random ^= s->random >> 27;
	return (uint32_t)(((s->random * UINT64_C(0x2545f4914f6cdd1d)) >> 32) * n >> 32);
}

/* The peer's timers are looked at then, or earlier. */
static inline void sim_due(struct sim *s, uint32_t peer, uint32_t at_ms)
{
	if (at_ms < s->due[peer])
		s->due[peer] = at_ms;
}
