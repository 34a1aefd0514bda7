/*
 * The running gateway: everything the control core owns, and the operations by
 * which sources of change (the configuration file, the `wg` socket) act on it.
 * Control thread alone unless said otherwise. A source gives deltas of single
 * peers and interfaces; each operation is complete when it returns: what
 * workers read is published, what is gone is queued for reclaiming.
 *
 * Steps are bounded: no operation here takes longer than the change it makes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/allowed_ips.h"
#include "control/config.h"
#include "control/control_out.h"
#include "control/due_queue.h"
#include "control/eal.h"
#include "control/icmp_echo.h"
#include "control/neighbours.h"
#include "control/port.h"
#include "control/proto/proto.h"
#include "control/resolver.h"
#include "control/rib.h"
#include "control/runtime.h"
#include "dataplane/clock.h"
#include "dataplane/dataplane.h"
#include "dataplane/poll.h"

struct sl_gateway;
struct sl_command_queue; /* control/command_queue.h */
struct sl_api;           /* control/api.h: the sockets of `wg` and of the client commands */
struct sl_reload;        /* control/reload.h */
struct sl_bench_api;     /* control/bench_api.h */

/* Who made a peer. */
enum sl_peer_source {
	SL_SOURCE_FILE,
	SL_SOURCE_SOCKET, /* the `wg` tool */
};

/*
 * What the gateway keeps of a peer beside struct sl_proto_peer, whose owner it is. Most peers of a file have none of it, and then there is
 * no such object.
 */
struct sl_gateway_peer {
	enum sl_peer_source source;
	char *endpoint_host; /* NULL: a literal endpoint or none */
	uint16_t endpoint_port;
	bool endpoint_found;       /* an answer for the name has been set */
	uint32_t endpoint_refresh; /* seconds between lookups of a name, 0: off */
	uint64_t unanswered;       /* ns: an initiation went unanswered in silence, last; 0: never */
	uint64_t asked_again;      /* ns: and the name was looked up for it, last; 0: never */
	int64_t expires; /* Unix seconds; 0: never */
	struct sl_due expiry; /* in the gateway's queue where it expires, at Unix seconds */
	struct sl_proto_peer *peer;
};

/* An L3 interface as control keeps it; published to workers as struct sl_if. */
struct sl_gateway_if {
	struct sl_gateway *gateway;
	uint16_t id;
	uint8_t kind; /* enum sl_if_kind */
	uint16_t mtu;
	char name[SL_IF_NAME_LEN];
	struct sl_prefix addresses[SL_IF_MAX_ADDRESSES]; /* as configured; a port's link-local address comes on top */
	unsigned n_addresses;
	/* a port's */
	struct sl_open_port *port;
	char *device;            /* as configured */
	bool outside;            /* has a gateway */
	bool forward_clear;
	struct sl_ip gateways[2]; /* IPv4, IPv6; SL_AF_NONE: none */
	/* a WireGuard interface's */
	struct sl_proto_if *proto;
	struct sl_lpm *cryptokey;
	struct rte_ring *handshakes;
	uint16_t listen_port; /* as it is; 0: not listening yet */
	uint32_t fwmark;      /* kept for `wg`; the gateway has no use for it */
	bool routes;          /* allowed IPs are routes */
	uint64_t handshakes_lost; /* for want of a buffer or room to a worker */
};

struct sl_gateway {
	struct sl_config *config; /* the description that was applied last */
	char *config_path;
	struct sl_config_cores cores;
	struct sl_dataplane *dp;
	struct sl_rib *rib;
	struct sl_allowed_ips *allowed;
	struct sl_proto *proto;
	struct sl_neighbour_protocol *neighbours;
	struct sl_icmp_echo echo;
	struct sl_resolver *resolver;
	struct sl_ports *ports;
	struct sl_poll *polls; /* one per worker */
	bool workers_running;
	struct sl_clock clock;
	struct sl_command_queue *commands;
	struct sl_control_out out;
	struct sl_api *api;
	struct sl_reload *reload;
	struct sl_bench_api *bench; /* NULL: no command measures through this gateway */
	struct sl_due_queue expiry; /* of struct sl_gateway_peer */
	struct sl_runtime *runtime; /* what `wg` changed since the configuration was applied */
	struct sl_gateway_if *ifs[SL_IF_MAX];
	struct sl_gateway_if *wg_ifs[SL_IF_MAX]; /* those of kind WIREGUARD, n_wg_ifs of them */
	unsigned n_wg_ifs;
	unsigned next_wg_if;    /* whose handshakes come first in the next turn */
	uint32_t facts_cursor;
	uint64_t now;           /* ns, of this turn of the loop */
	uint64_t started;       /* ns */
	uint64_t calibrate_at;  /* ns */
	uint64_t work_seen;     /* of all workers: cycles they have worked, */
	uint64_t work_at;       /* and when control last saw that they had, ns */
	uint32_t mbufs_at_rest; /* in use before the first packet */
	int epoll_fd, signal_fd;
	bool stop;
};

#define SL_GATEWAY_ERROR_LEN 512

/*
 * Brings up a gateway from a checked description, which passes over on success: EAL, tables, ports, interfaces, peers,
 * workers. NULL with error (SL_GATEWAY_ERROR_LEN bytes) saying what is wrong and what to do, and everything undone.
 * Signals it listens to must be blocked in the caller before any thread exists (sl_gateway_block_signals).
 */
struct sl_gateway *sl_gateway_start(struct sl_config *config, const struct sl_config_cores *cores, char *error);
void sl_gateway_block_signals(void);
/* Runs until SIGTERM or SIGINT. */
void sl_gateway_run(struct sl_gateway *gw);
/* Stops workers, closes ports, puts everything back as it was, wipes keys, frees. */
void sl_gateway_stop(struct sl_gateway *gw);

/* One turn of the loop at gw->now; whether there was work. For the loop and tests. */
bool sl_gateway_turn(struct sl_gateway *gw);

/* --- interfaces (control/gateway_if.c) --- */

struct sl_gateway_if *sl_gateway_if_find(struct sl_gateway *gw, const char *name);
/* A new interface of that kind with a free id; not yet published. NULL: too many, or out of memory. */
struct sl_gateway_if *sl_gateway_if_add(struct sl_gateway *gw, const char *name, enum sl_if_kind kind);
/* WireGuard: makes what it needs beside; 0 or a negative errno. */
int sl_gateway_if_make_wireguard(struct sl_gateway_if *gi, uint16_t mtu, bool routes);
/* Takes it away with its peers and addresses. A port must not be polled any more. */
void sl_gateway_if_remove(struct sl_gateway_if *gi);
/* Publishes it as it stands to workers. 0 or -ENOMEM. */
int sl_gateway_if_publish(struct sl_gateway_if *gi);
/* 0, -ENOMEM, -ENOSPC (SL_IF_MAX_ADDRESSES), -EEXIST. Publishes the interface, its connected route and the set of our addresses. */
int sl_gateway_if_add_address(struct sl_gateway_if *gi, const struct sl_prefix *address);
/* 0 or -ENOENT; peers that answered from it choose by route again (protocol.md 41). */
int sl_gateway_if_remove_address(struct sl_gateway_if *gi, const struct sl_prefix *address);
/* A port's gateway of one family; SL_AF_NONE in `gateway` takes it away. 0 or a negative errno. */
int sl_gateway_if_set_gateway(struct sl_gateway_if *gi, enum sl_family family, const struct sl_ip *gateway);
/* Zeros: none (protocol.md 43). 0 or -ENOMEM. */
int sl_gateway_if_set_key(struct sl_gateway_if *gi, const uint8_t private_key[SL_KEY_LEN]);
/* The same with the key before it, which is answered as well; zeros: none. */
int sl_gateway_if_set_keys(
	struct sl_gateway_if *gi, const uint8_t private_key[SL_KEY_LEN], const uint8_t previous_key[SL_KEY_LEN]);
/* 0 picks a free one. 0, -EADDRINUSE, or -ENOMEM with the old one kept. Same port: nothing happens. */
int sl_gateway_if_set_listen_port(struct sl_gateway_if *gi, uint16_t port);
/* Gives its listen port up. */
void sl_gateway_if_close_port(struct sl_gateway_if *gi);
int sl_gateway_if_set_mtu(struct sl_gateway_if *gi, uint16_t mtu);

/* --- peers (control/gateway_peer.c) --- */

/* Never NULL; all zero where nothing is kept. */
const struct sl_gateway_peer *sl_gateway_peer(const struct sl_proto_peer *peer);
/* 0 or -ENOMEM. */
int sl_gateway_peer_set_source(struct sl_proto_peer *peer, enum sl_peer_source source);

struct sl_proto_peer *sl_gateway_peer_find(struct sl_gateway_if *gi, const uint8_t public_key[SL_KEY_LEN]);
/* 0; -EEXIST with *out the peer there is; -ELOOP: our own key, ignored; -ENOSPC; -ENOMEM. name may be NULL. */
int sl_gateway_peer_add(struct sl_gateway_if *gi, const uint8_t public_key[SL_KEY_LEN], const char *name,
	enum sl_peer_source source, struct sl_proto_peer **out);
/*
 * Takes at most `budget` allowed IPs from a peer that is to go; whether none is left. So a peer with many of them goes in steps that
 * do not hold up the loop, with sl_gateway_peer_remove as the last.
 */
bool sl_gateway_peer_strip(struct sl_proto_peer *peer, uint32_t budget);
/* With all its allowed IPs. */
void sl_gateway_peer_remove(struct sl_proto_peer *peer);
/*
 * Removes some of an interface's peers, no more than one turn of the loop bears; `before` (NULL: nothing) is told of each
 * that goes. Whether none is left.
 */
bool sl_gateway_peers_remove(
	struct sl_gateway_if *gi, void (*before)(void *ctx, const struct sl_proto_peer *peer), void *ctx);
/* A literal endpoint, or SL_AF_NONE for none; a name asked for before is forgotten. */
void sl_gateway_peer_set_endpoint(struct sl_proto_peer *peer, const struct sl_endpoint *endpoint);
/* An endpoint by name: looked up off the loop, again until it succeeds. 0 or -ENOMEM or -EINVAL. */
int sl_gateway_peer_set_endpoint_name(struct sl_proto_peer *peer, const char *host, uint16_t port);
/*
 * How often a name is looked up again, in seconds; 0: only when handshakes go unanswered. For the name there is and those to come. 0
 * or -ENOMEM.
 */
int sl_gateway_peer_set_endpoint_refresh(struct sl_proto_peer *peer, uint32_t seconds);
/* An initiation got no answer in time: the name may have another address by now (sl_proto_ops.unanswered). */
void sl_gateway_peer_unanswered(struct sl_proto_peer *peer);
/*
 * Takes some of what the resolver has found; its descriptor stays readable while there is more. Whether there was anything.
 */
bool sl_gateway_take_names(struct sl_gateway *gw);
/* From then on, in Unix seconds, it is taken away; 0: never. 0 or -ENOMEM. */
int sl_gateway_peer_set_expires(struct sl_proto_peer *peer, int64_t expires);
/* Takes away those whose time has come. Whether there was anything to do. */
bool sl_gateway_expire_peers(struct sl_gateway *gw);
/* The interface a peer belongs to. */
struct sl_gateway_if *sl_gateway_peer_if(const struct sl_proto_peer *peer);
