/*
 * Two protocol cores back to back in memory: a virtual clock, a link that
 * loses, doubles, delays and reorders by a seeded source, and a light data path
 * in place of the workers (one session lookup, AEAD and replay check per
 * packet). Everything follows from the seed. One thread. A test reads and
 * changes the nodes' state as it likes between two calls.
 */
#pragma once

#include "control/proto/internal.h"
#include "sim_watch.h"

#define SIM_START      (UINT64_C(1000) * SL_NSEC_PER_SEC) /* boot clock at the beginning */
#define SIM_WALL       UINT64_C(1700000000)               /* wall clock then, s */
#define SIM_PORT       51820                              /* of node 0; node 1 has the next */
#define SIM_MSG_MAX    256                                /* bytes of a message */
#define SIM_STAGED_MAX SL_MAX_STAGED_PACKETS
#define SIM_LINES      2 /* one worker, control */
#define SIM_SESSIONS   1024
#define SIM_PEERS      64
#define SIM_MS         SL_NSEC_PER_MSEC
#define SIM_S          SL_NSEC_PER_SEC
#define SIM_PAYLOAD_LEN SL_PADDING_MULTIPLE
#define SIM_DELIVERED  3 /* in payloads */

struct sim;

/* What a node did, in order. */
enum sim_event_kind {
	SIM_SENT,      /* a message; type and len are set. Also those that the link lost */
	SIM_KEEPALIVE, /* the core asked for one */
	SIM_DRAIN,
	SIM_PURGE,
	SIM_FAILURE, /* cause in type */
};

struct sim_event {
	enum sim_event_kind kind;
	unsigned node;
	uint64_t at; /* ns */
	uint32_t type;
	size_t len;
	uint8_t tos;
	bool has_local; /* the outer header named the source address */
	struct sl_endpoint to;
	uint8_t data[SIM_MSG_MAX];
};

#define SIM_PASS_MAX 8

/* What a worker seals by in its pass: see sim_pass.c. */
struct sim_found {
	uint32_t id; /* of the session */
	uint64_t key;
	struct sl_sender *sender;
};

struct sim_pass {
	unsigned n; /* 0: none is under way */
	unsigned number;
	uint64_t until; /* ns */
	struct sim_found found[SIM_PASS_MAX];
};

struct sim_node {
	struct sim *sim;
	unsigned number;
	struct sl_peers peers;
	struct sl_session_table sessions;
	struct sl_reclaim reclaim;
	struct rte_rcu_qsbr *rcu;
	struct sim_pass pass;
	struct sl_proto *core;
	struct sl_proto_if *ifp;
	struct sl_proto_peer *peer; /* the other node */
	uint8_t private_key[SL_KEY_LEN], public_key[SL_KEY_LEN];
	uint8_t psk[SL_KEY_LEN]; /* zeros: none */
	struct sl_endpoint self;
	int64_t wall_offset; /* ns on top of the common wall clock */
	uint32_t cursor;     /* of the facts */
	uint64_t staged[SIM_STAGED_MAX]; /* payloads that wait, oldest first */
	unsigned n_staged;
	uint64_t delivered;  /* payloads received here */
	uint64_t refused_replays, refused_sessions, refused_tags;
	uint64_t last_delivered_at, newest_delivered;
	uint64_t last_data_at; /* ns: payload sent or received */
	uint64_t jump_to;      /* the counter of each session that becomes current is set here before it is used; 0: not */
	uint32_t jumped;       /* index of the session that was set last */
	uint8_t last[sizeof(struct sl_msg_initiation)]; /* initiation or response sent last */
	size_t last_len;
	char last_line[SL_FAILURE_LINE_LEN];
	unsigned n_lines;
};

struct sim_link {
	double loss, duplication, damage; /* 0..1 */
	uint64_t delay_min, delay_max; /* ns */
	uint64_t hold_until;      /* ns: what would arrive before does so then, in the order sent */
	bool cut;                 /* nothing gets through; what is under way still arrives */
};

typedef void (*sim_fn)(struct sim *sim, void *arg);

struct sim_pending; /* heap of what is to come */
struct sim_message; /* under way */
struct sim_packet;

struct sim {
	uint64_t now;
	uint64_t seed;
	struct sl_rng rng;
	struct sim_node nodes[2];
	struct sim_link link;
	struct sim_pending *pending;
	size_t n_pending, room;
	uint64_t order;
	struct sim_message *messages; /* the heap's, and free ones */
	size_t n_messages, messages_room;
	uint32_t free_message; /* + 1; 0: none */
	struct sim_event *events;
	size_t n_events, events_room;
	bool keep_events; /* off in long runs */
	uint64_t next_payload;
	uint8_t *payloads; /* per payload: 1 + the node that sent it, SIM_DELIVERED */
	size_t payloads_room;
	struct sim_packet *packets; /* all data packets, by key and counter */
	size_t n_packets, packets_room;
	uint64_t busy_max;      /* ns: control lets facts and timers wait so long now and then; 0: never */
	bool slow_workers;      /* they hold on to what they found for up to 20 s; off unless asked for */
	bool strangers;         /* packets of others than the two nodes may be accepted; off in long runs */
	bool damaged;           /* what is authenticated of the message being received was damaged by the link */
	bool verbose;           /* tells what happens */
	unsigned violations;    /* of what must never happen: sim_audit.c and sim_watch.c */
	char violation[128];    /* the first */
	uint64_t violation_at;  /* ns */
	uint64_t trace;         /* hash of all that happened */
	uint64_t seen[SIM_T_COUNT];
};

/* Both nodes with keys, an interface each and each other as peer; endpoints both ways if `endpoints`. */
void sim_init(struct sim *sim, uint64_t seed, bool endpoints);
void sim_fini(struct sim *sim);
/* Runs everything that happens up to `until` ns, and stands there. */
void sim_run(struct sim *sim, uint64_t until);
void sim_run_for(struct sim *sim, uint64_t ns);
/* Calls fn at `at`. */
void sim_at(struct sim *sim, uint64_t at, sim_fn fn, void *arg);
/* A node starts anew with its key and nothing else; its configuration is as after sim_init. */
void sim_restart(struct sim *sim, unsigned node);
/* What is under way is lost, or arrives now in any order. */
void sim_flush(struct sim *sim, bool lost);
/* 0 ≤ x < n, by the seed. */
uint64_t sim_random(struct sim *sim, uint64_t n);

/* The data path: sends a payload from a node to the other one, or lets it wait. */
void sim_send(struct sim *sim, unsigned node);
/* A node is asked for a handshake, as by data that waits; the 5 s rule holds. */
void sim_initiate(struct sim *sim, unsigned node);
/* A message arrives at a node right now, whatever the link does. src NULL: from the other node. */
void sim_deliver(struct sim *sim, unsigned node, const void *data, size_t len, const struct sl_endpoint *src);
/* As sim_send, without letting the core act before the next event. */
void sim_send_some(struct sim *sim, unsigned node, unsigned n);
/* Whether each node can send on a session that the other one receives on. */
bool sim_connected(struct sim *sim);

/* Events so far of that kind, node and type (0: any). */
unsigned sim_count(const struct sim *sim, enum sim_event_kind kind, unsigned node, uint32_t type);
/* The nth of them (from 0), or NULL. */
const struct sim_event *sim_event(
	const struct sim *sim, enum sim_event_kind kind, unsigned node, uint32_t type, unsigned nth);
/* The last one, or NULL. */
const struct sim_event *sim_last(const struct sim *sim, enum sim_event_kind kind, unsigned node, uint32_t type);
void sim_forget_events(struct sim *sim);

/* A node gets another private key, or removes the other node and adds it with the key that it has now. */
void sim_node_set_key(struct sim_node *node, const uint8_t private_key[SL_KEY_LEN]);
void sim_node_replace_peer(struct sim_node *node);
/* Sends a packet with that counter on the current session, whatever the session's own counter is. */
void sim_node_send_counter(struct sim_node *node, uint64_t counter);

/* --- sim_audit.c --- */
/* Counts a violation; the first is kept in words. */
void sim_violation(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_seen(struct sim *sim, enum sim_transition t);
/* A message of the node's, where the simulation is told to be verbose. */
void sim_verbose(const struct sim_node *node, const char *what, const void *msg, size_t len);
void sim_trace(struct sim *sim, uint64_t word);
void sim_audit_sent(struct sim_node *node, const struct sl_session *s, uint64_t counter);
/* A counter taken for a key, which begins with these 8 bytes. */
void sim_audit_counter(struct sim_node *node, uint64_t key, uint64_t counter);
void sim_audit_accepted(struct sim_node *node, const struct sl_session *s, uint32_t index, uint64_t counter);
void sim_audit_fini(struct sim *sim);
uint64_t sim_payload_make(struct sim *sim, unsigned node);
void sim_payload_write(uint8_t plain[SIM_PAYLOAD_LEN], uint64_t payload);
void sim_payload_delivered(struct sim_node *node, const uint8_t *plain, size_t len);

/* --- sim_pass.c --- */
/* The node's worker is about to seal on that session. */
void sim_pass_found(struct sim_node *node, const struct sl_session *s);
/* Some time has passed. */
void sim_pass_step(struct sim_node *node);
/* The pass ends at once, where one is under way. */
void sim_pass_end(struct sim_node *node);

/* --- for sim.c and sim_node.c --- */
/* The array with room for `need` elements; new ones are zero. */
void *sim_grow(void *array, size_t *room, size_t need, size_t size);
void sim_transmit(struct sim_node *from, const struct sl_outer *outer, const void *msg, size_t len, uint8_t tos);
void sim_log(struct sim_node *node, const struct sim_event *event);
void sim_node_init(struct sim_node *node, bool endpoints);
void sim_node_fini(struct sim_node *node);
void sim_node_receive(struct sim_node *node, const uint8_t *data, size_t len, const struct sl_endpoint *src);
/* Facts, timers, reclaim: until the node is quiet at this time. */
void sim_node_settle(struct sim_node *node);
void sim_node_send(struct sim_node *node, uint64_t payload);
