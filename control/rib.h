/*
 * The routes from all sources, and which of them wins: longest prefix first
 * (the table's work), then connected over static over allowed IP (config.md,
 * Routing). The winner of each prefix is published into the dataplane's route
 * table. Connected and static routes are kept here; allowed IPs are kept by
 * control/allowed_ips.h, which is asked through a callback when a better route
 * goes away. Control thread alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/dataplane.h"

struct sl_rib;

enum sl_rib_source {
	SL_RIB_CONNECTED, /* an interface's own prefix */
	SL_RIB_STATIC,    /* configured: a route, or a port's gateway */
	SL_RIB_SOURCES
};

/* The peer that holds exactly this prefix as an allowed IP which is a route, or SL_PEER_NONE. */
typedef uint32_t (*sl_rib_allowed_fn)(void *ctx, const struct sl_prefix *prefix);

/* dp is borrowed. 0 or -ENOMEM. */
int sl_rib_create(struct sl_rib **out, struct sl_dataplane *dp);
void sl_rib_destroy(struct sl_rib *rib);
void sl_rib_set_allowed_source(struct sl_rib *rib, sl_rib_allowed_fn fn, void *ctx);

/*
 * Adds or replaces the route of one source: into interface out_if, by way of the neighbour `gateway` unless NULL (only
 * where out_if is a port). Host bits of prefix are masked. 0, -ENOMEM, -ENOSPC (SL_NEXT_HOPS used up), -EINVAL.
 */
int sl_rib_set(struct sl_rib *rib, enum sl_rib_source source, const struct sl_prefix *prefix, uint16_t out_if,
	const struct sl_ip *gateway);
/* 0 or -ENOENT. */
int sl_rib_clear(struct sl_rib *rib, enum sl_rib_source source, const struct sl_prefix *prefix);

/* An allowed IP begins (peer) or ceases (SL_PEER_NONE) to be a route. 0 or -ENOMEM. */
int sl_rib_allowed(struct sl_rib *rib, const struct sl_prefix *prefix, uint32_t peer);
/* Changes between the two are published as one. */
void sl_rib_begin(struct sl_rib *rib);
void sl_rib_commit(struct sl_rib *rib);

/* For `show routes`: connected and static routes in slices. *cursor is 0 at first; false at the end. */
struct sl_rib_entry {
	struct sl_prefix prefix;
	enum sl_rib_source source;
	uint16_t out_if;
	struct sl_ip gateway; /* SL_AF_NONE: none */
	bool active;          /* this source's route is the one in use */
};

bool sl_rib_next(const struct sl_rib *rib, uint32_t *cursor, struct sl_rib_entry *entry);
