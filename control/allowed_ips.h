/*
 * Who owns which allowed IP: the control core's own book of every interface's
 * cryptokey table. Each peer's prefixes are a list, so that removing a peer
 * costs what it owns, and each (interface, prefix) is found by hash, so that a
 * prefix moves from one peer to another in one step. Every change is published
 * into the interface's sl_lpm for the workers, and into the route table
 * (control/rib.h) unless the interface says `routes: none`.
 *
 * Control thread alone. Peers are named by their dataplane slot.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/rib.h"
#include "dataplane/dataplane.h"

struct sl_allowed_ips;

/* dp and rib are borrowed. max_peers: slots. 0 or -ENOMEM. */
int sl_allowed_ips_create(struct sl_allowed_ips **out, uint32_t max_peers, struct sl_rib *rib);
/* The interfaces' tables were detached before, or are no longer read. */
void sl_allowed_ips_destroy(struct sl_allowed_ips *a);

#define SL_ALLOWED_IPS_MORE 1

/*
 * Whether the interface's prefixes are routes, changed while it runs: of those that come from now on at once, of those that
 * are there at most `budget` a call. *cursor is 0 at first. 0 when all is done, SL_ALLOWED_IPS_MORE, or -ENOMEM.
 */
int sl_allowed_ips_set_routes(
	struct sl_allowed_ips *a, uint16_t wg_if, bool routes, uint32_t *cursor, uint32_t budget);

/* Room for n prefixes in all, so that adding them does not have to grow in between. 0 or -ENOMEM. */
int sl_allowed_ips_reserve(struct sl_allowed_ips *a, uint32_t n);

/* Introduces an interface: its cryptokey table (borrowed) and whether its prefixes are routes. */
void sl_allowed_ips_attach(struct sl_allowed_ips *a, uint16_t wg_if, struct sl_lpm *cryptokey, bool routes);
/* All its peers' prefixes were removed before. */
void sl_allowed_ips_detach(struct sl_allowed_ips *a, uint16_t wg_if);

/*
 * All changes of prefixes and routes between the two, on whatever interface, are published as one, which costs a fraction of
 * publishing each. For one turn of the control loop at most, and for the first start. Not nested.
 */
void sl_allowed_ips_batch_begin(struct sl_allowed_ips *a);
void sl_allowed_ips_batch_commit(struct sl_allowed_ips *a);

/*
 * A new set in place of a peer's old one, without a gap for what is in both: begin, then add the new set, then end
 * takes away what was not added again, at most `budget` prefixes a call. end returns whether it is done.
 */
void sl_allowed_ips_replace_begin(struct sl_allowed_ips *a, uint32_t peer);
bool sl_allowed_ips_replace_end(struct sl_allowed_ips *a, uint32_t peer, uint32_t budget);

/*
 * Gives the prefix (host bits are masked) to `peer`, taking it from whoever has it on that interface (protocol.md 44).
 * *taken_from (may be NULL) is that peer or SL_PEER_NONE. 0, -ENOMEM with nothing changed, or -EINVAL.
 */
int sl_allowed_ips_add(struct sl_allowed_ips *a, uint16_t wg_if, uint32_t peer, const struct sl_prefix *prefix,
	uint32_t *taken_from);
/* Takes the prefix from this very peer. 0, or -ENOENT where it is not its own. */
int sl_allowed_ips_remove(struct sl_allowed_ips *a, uint16_t wg_if, uint32_t peer, const struct sl_prefix *prefix);
/* Takes all from the peer; returns how many. */
uint32_t sl_allowed_ips_remove_all(struct sl_allowed_ips *a, uint32_t peer);

/* The owner of exactly this prefix, or SL_PEER_NONE. */
uint32_t sl_allowed_ips_owner(const struct sl_allowed_ips *a, uint16_t wg_if, const struct sl_prefix *prefix);
uint32_t sl_allowed_ips_count(const struct sl_allowed_ips *a, uint32_t peer);
uint32_t sl_allowed_ips_total(const struct sl_allowed_ips *a);
/* How often a prefix came, went or moved so far: what is done in slices is measured by it. */
uint64_t sl_allowed_ips_changes(const struct sl_allowed_ips *a);

/*
 * A peer's prefixes in the order they were given. *cursor is 0 at first; false when there are no more. Where the list
 * changes between two calls, prefixes may be left out or come twice.
 */
bool sl_allowed_ips_next(const struct sl_allowed_ips *a, uint32_t peer, uint32_t *cursor, struct sl_prefix *prefix);
