/*
 * The difference of two descriptions as a list of steps: description (old) → description (new) → steps → applied.
 *
 * A pure function, on any thread; starting the gateway is the difference to NULL. Steps point into both descriptions,
 * which must outlive them, and their order makes them applicable one after the other without a gap for packets: what is
 * put comes before what is taken away, and what moves between peers, or has a successor, moves in one step. Only what would
 * be in the way goes first. When any step is SL_STEP_REFUSED (they come first) nothing is to be applied.
 *
 * The order: refused; dataplane; routes, addresses, listen ports and interfaces that are in the way; ports and interfaces;
 * their addresses; gateways; listen ports; allowed IPs of peers that were there; peers; routes; what nobody has any more:
 * allowed IPs, peers; whether allowed IPs are routes; then routes and addresses; what `wg` changed.
 *
 * What the `wg` tool changed at run time is no part of the old description. sl_diff_runtime brings it in: either the
 * file has its way again, or what was changed is kept and the steps that would undo it are taken out.
 *
 * A peer that is disabled is in neither description as far as the difference goes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "control/config.h"
#include "control/runtime.h"

enum sl_step_kind {
	SL_STEP_REFUSED,           /* `what` is not live: only a restart changes it */
	SL_STEP_DATAPLANE,         /* changed: IDLE, SIMD; at first start all of it */
	SL_STEP_ALLOWED_IP_REMOVE, /* old_interface, old_peer, allowed_ip */
	SL_STEP_PEER_REMOVE,       /* old_interface, old_peer; whatever allowed IPs it still has go with it */
	SL_STEP_ROUTE_REMOVE,      /* route, of the old description */
	SL_STEP_ADDRESS_REMOVE,    /* old_port or old_interface, address */
	SL_STEP_LISTEN_REMOVE,     /* old_interface; its listen port is free for another then */
	SL_STEP_INTERFACE_REMOVE,  /* old_interface with its peers, addresses and listen port */
	SL_STEP_PORT_ADD,          /* new_port, opened without addresses and gateways; first start only */
	SL_STEP_PORT_CHANGE, /* new_port, and old_port unless it is new; changed: MTU, FORWARD_CLEAR, GATEWAY4, GATEWAY6
	                      */
	SL_STEP_INTERFACE_ADD,    /* new_interface with key and MTU; without addresses, listen port and peers */
	SL_STEP_INTERFACE_CHANGE, /* old_interface, new_interface, changed: KEY, MTU, ROUTES, PREVIOUS_KEY */
	SL_STEP_ADDRESS_ADD,      /* new_port or new_interface, address */
	SL_STEP_LISTEN_ADD,       /* new_interface; its listen_port, 0: pick one */
	SL_STEP_PEER_ADD, /* new_interface, new_peer with all its allowed IPs, which it takes from whoever has them */
	SL_STEP_PEER_CHANGE, /* new_interface, old_peer, new_peer, changed: NAME, PRESHARED_KEY, ENDPOINT, KEEPALIVE,
	                        EXPIRES, ENDPOINT_REFRESH */
	SL_STEP_ALLOWED_IP_ADD, /* new_interface, new_peer, allowed_ip, taken from whoever has it; old_interface, old_peer:
	                           who had it by the old description, or NULL */
	SL_STEP_ROUTE_ADD, /* route, of the new description; replaces one to the same prefix, so that there is no gap */
	SL_STEP_PEER_RESTORE, /* new_interface, new_peer, changed: what `wg` set otherwise, or removed, as the file has it */
	SL_STEP_PEER_SWEEP, /* new_interface, new_peer: the end of PEER_RESTORE, which only gave allowed IPs; no change of its
	                       own */
	SL_STEP_RUNTIME_REMOVE, /* new_interface, runtime: a peer that `wg` added and the file does not have */
	SL_STEP_KEPT,           /* runtime: what `wg` changed and is left so; nothing to apply */
};

enum sl_change {
	SL_CHANGE_IDLE = 1 << 0,
	SL_CHANGE_SIMD = 1 << 1,
	SL_CHANGE_MTU = 1 << 2,
	SL_CHANGE_FORWARD_CLEAR = 1 << 3,
	SL_CHANGE_GATEWAY4 = 1 << 4,
	SL_CHANGE_GATEWAY6 = 1 << 5,
	SL_CHANGE_KEY = 1 << 6,
	SL_CHANGE_ROUTES = 1 << 7,
	SL_CHANGE_NAME = 1 << 8,
	SL_CHANGE_PRESHARED_KEY = 1 << 9,
	SL_CHANGE_ENDPOINT = 1 << 10,
	SL_CHANGE_KEEPALIVE = 1 << 11,
	SL_CHANGE_EXPIRES = 1 << 12,
	SL_CHANGE_ENDPOINT_REFRESH = 1 << 13,
	SL_CHANGE_PREVIOUS_KEY = 1 << 14,
	SL_CHANGE_ALLOWED_IPS = 1 << 15, /* PEER_RESTORE: all of them */
};

/* Fields that the step's kind does not name are NULL or 0. */
struct sl_step {
	enum sl_step_kind kind;
	uint32_t changed; /* of enum sl_change */
	const struct sl_config_port *old_port, *new_port;
	const struct sl_config_interface *old_interface, *new_interface;
	const struct sl_config_peer *old_peer, *new_peer;
	const struct sl_config_route *route;
	const struct sl_config_address *address;
	const struct sl_prefix *allowed_ip;
	const struct sl_runtime_entry *runtime;
	const char *what; /* refused: the key that is not live, such as "dataplane.workers" or a port's name */
};

struct sl_steps {
	const struct sl_config *old_config; /* NULL at first start */
	const struct sl_config *new_config;
	struct sl_step *steps;
	uint32_t n_steps;
	uint32_t n_refused;
};

/* Ports are told apart by name, interfaces by name, peers by public key, routes by all they say. Free with
 * sl_steps_free. */
struct sl_steps *sl_config_diff(const struct sl_config *old_config, const struct sl_config *new_config);
void sl_steps_free(struct sl_steps *steps);

/*
 * The step could not be applied: marks it in the new description, which is the caller's and becomes the running one, so that the next
 * difference from it has what is missing once more. What could not be taken away is not marked.
 */
void sl_diff_unmade(const struct sl_step *step);

/*
 * Brings in what was changed at run time: n entries, which are sorted and must outlive the steps. keep: it stays, and steps that would
 * change it are taken out; else steps follow that undo it.
 */
void sl_diff_runtime(struct sl_steps *steps, struct sl_runtime_entry *entries, uint32_t n, bool keep);

/* Whether a step is told: it changes something, or says what is kept. */
static inline bool sl_step_is_told(const struct sl_step *step)
{
	return step->kind != SL_STEP_PEER_SWEEP;
}

/* Whether it changes something, and counts. */
static inline bool sl_step_is_change(const struct sl_step *step)
{
	return sl_step_is_told(step) && step->kind != SL_STEP_KEPT;
}

/* The kind's name in messages and logs, such as "peer-add". */
const char *sl_step_name(enum sl_step_kind kind);

/* One line for a person: "+ peer wg0/laptop", "! dataplane.workers: not live, restart to change it". Never a key's
 * value. */
void sl_step_print(const struct sl_steps *steps, const struct sl_step *step, FILE *out);

/* One JSON object without a line end: {"change": "peer-change", "interface", "peer", "keys": [...], …}. Never a key's value. */
void sl_step_print_json(const struct sl_steps *steps, const struct sl_step *step, FILE *out);

/*
 * The same as the fields of an audit line, such as "interface=wg0 peer=laptop keys=endpoint", at most size bytes, and
 * where in the files it is said.
 */
void sl_step_fields(const struct sl_steps *steps, const struct sl_step *step, char *fields, size_t size);
