#include "control/rib.h"

#include <errno.h>
#include <stdlib.h>

#include "control/prefix_index.h"
#include "crypto/random.h"

#define NO_HOP UINT32_MAX

struct candidate {
	bool present;
	uint16_t out_if;
	uint32_t hop; /* next hop, or NO_HOP where the route is the interface itself */
};

/* The connected and static routes of one prefix. */
struct entry {
	struct sl_prefix_key key;
	struct candidate from[SL_RIB_SOURCES];
	uint32_t next_free;
	bool used;
};

/* A next hop, shared by all routes through one gateway. Its number rests until no worker can hold a route to it. */
struct hop {
	uint32_t refs;
	bool resting;
	struct sl_reclaim_node reclaim;
};

struct sl_rib {
	struct sl_dataplane *dp;
	sl_rib_allowed_fn allowed;
	void *allowed_ctx;
	struct sl_prefix_index index;
	struct entry *entries;
	uint32_t n_entries; /* ever used */
	uint32_t capacity;
	uint32_t free_first;
	struct hop hops[SL_NEXT_HOPS];
};

int
sl_rib_create(struct sl_rib **out, struct sl_dataplane *dp)
{
	struct sl_rib *rib = calloc(1, sizeof(*rib));
	uint32_t seed;

	if (rib == NULL)
		return -ENOMEM;
	sl_random_bytes(&seed, sizeof(seed));
	sl_prefix_index_init(&rib->index, seed);
	rib->dp = dp;
	rib->free_first = SL_PREFIX_INDEX_NONE;
	*out = rib;
	return 0;
}

void
sl_rib_destroy(struct sl_rib *rib)
{
	if (rib == NULL)
		return;
	sl_prefix_index_fini(&rib->index);
	free(rib->entries);
	free(rib);
}

void
sl_rib_set_allowed_source(struct sl_rib *rib, sl_rib_allowed_fn fn, void *ctx)
{
	rib->allowed = fn;
	rib->allowed_ctx = ctx;
}

static void
hop_rested(void *ctx, void *ptr)
{
	struct hop *hop = ptr;

	hop->resting = false;
}

static void
hop_release(struct sl_rib *rib, uint32_t id)
{
	if (id == NO_HOP || --rib->hops[id].refs > 0)
		return;
	rib->hops[id].resting = true;
	sl_reclaim_defer(rib->dp->reclaim, &rib->hops[id].reclaim, hop_rested, NULL, &rib->hops[id]);
}

static int
hop_take(struct sl_rib *rib, uint16_t out_if, const struct sl_ip *gateway, uint32_t *id)
{
	struct sl_next_hop *hops = rib->dp->routes.next_hops;
	uint32_t free_id = NO_HOP;

	for (uint32_t i = 0; i < SL_NEXT_HOPS; i++) {
		if (rib->hops[i].refs == 0) {
			if (free_id == NO_HOP && !rib->hops[i].resting)
				free_id = i;
		} else if (hops[i].out_if == out_if && sl_ip_equal(&hops[i].gateway, gateway)) {
			rib->hops[i].refs++;
			*id = i;
			return 0;
		}
	}
	if (free_id == NO_HOP)
		return -ENOSPC;
	hops[free_id] = (struct sl_next_hop){.gateway = *gateway, .out_if = out_if};
	rib->hops[free_id].refs = 1;
	*id = free_id;
	return 0;
}

static uint32_t
candidate_value(const struct candidate *c)
{
	return c->hop == NO_HOP ? SL_ROUTE(SL_ROUTE_IF, c->out_if) : SL_ROUTE(SL_ROUTE_VIA, c->hop);
}

static const struct candidate *
winner(const struct entry *e)
{
	for (unsigned i = 0; i < SL_RIB_SOURCES; i++) {
		if (e->from[i].present)
			return &e->from[i];
	}
	return NULL;
}

/* Publishes a value (0: none) for a prefix that is not an allowed IP's of length 0. */
static int
publish(struct sl_rib *rib, const struct sl_prefix *prefix, uint32_t value)
{
	int rc;

	if (value != 0)
		return sl_lpm_set(rib->dp->routes.lpm, prefix, value, NULL);
	rc = sl_lpm_remove(rib->dp->routes.lpm, prefix, NULL);
	return rc == -ENOENT ? 0 : rc;
}

/* What stands for a prefix where no connected or static route does. */
static uint32_t
allowed_value(struct sl_rib *rib, const struct sl_prefix *prefix)
{
	uint32_t peer = SL_PEER_NONE;

	if (prefix->len != 0 && rib->allowed)
		peer = rib->allowed(rib->allowed_ctx, prefix);
	return peer == SL_PEER_NONE ? 0 : SL_ROUTE(SL_ROUTE_PEER, peer);
}

static int
publish_winner(struct sl_rib *rib, const struct entry *e)
{
	const struct candidate *c = winner(e);

	return publish(rib, &e->key.prefix, c ? candidate_value(c) : allowed_value(rib, &e->key.prefix));
}

static struct sl_prefix_key
key_for(const struct sl_prefix *prefix)
{
	struct sl_prefix_key key = {.prefix = *prefix};

	sl_prefix_mask(&key.prefix);
	return key;
}

static struct entry *
entry_find(const struct sl_rib *rib, const struct sl_prefix *prefix)
{
	struct sl_prefix_key key = key_for(prefix);
	uint32_t n = sl_prefix_index_find(&rib->index, rib->entries, sizeof(*rib->entries), &key);

	return n == SL_PREFIX_INDEX_NONE ? NULL : &rib->entries[n];
}

static int
entries_grow(struct sl_rib *rib)
{
	uint32_t capacity = rib->capacity ? rib->capacity * 2 : 64;
	struct entry *entries = realloc(rib->entries, capacity * sizeof(*entries));

	if (entries == NULL)
		return -ENOMEM;
	rib->entries = entries;
	rib->capacity = capacity;
	return 0;
}

static struct entry *
entry_add(struct sl_rib *rib, const struct sl_prefix *prefix)
{
	uint32_t n = rib->free_first;

	if (n == SL_PREFIX_INDEX_NONE) {
		if (rib->n_entries == rib->capacity && entries_grow(rib) != 0)
			return NULL;
		n = rib->n_entries;
	}
	if (sl_prefix_index_reserve(&rib->index, rib->entries, sizeof(*rib->entries), rib->index.count + 1) != 0)
		return NULL;
	if (n == rib->n_entries)
		rib->n_entries++;
	else
		rib->free_first = rib->entries[n].next_free;
	rib->entries[n] = (struct entry){.key = key_for(prefix), .used = true};
	if (sl_prefix_index_add(&rib->index, rib->entries, sizeof(*rib->entries), n) != 0)
		return NULL; /* cannot be: there is room */
	return &rib->entries[n];
}

/* Drops the entry where no source is left. */
static void
entry_tidy(struct sl_rib *rib, struct entry *e)
{
	uint32_t n = (uint32_t)(e - rib->entries);

	if (winner(e))
		return;
	sl_prefix_index_remove(&rib->index, rib->entries, sizeof(*rib->entries), n);
	e->used = false;
	e->next_free = rib->free_first;
	rib->free_first = n;
}

int
sl_rib_set(struct sl_rib *rib, enum sl_rib_source source, const struct sl_prefix *prefix, uint16_t out_if,
	const struct sl_ip *gateway)
{
	struct candidate old, new = {.present = true, .out_if = out_if, .hop = NO_HOP};
	struct entry *e;
	int rc;

	if (gateway && gateway->family != prefix->addr.family)
		return -EINVAL;
	rc = gateway ? hop_take(rib, out_if, gateway, &new.hop) : 0;
	if (rc != 0)
		return rc;
	e = entry_find(rib, prefix);
	if (e == NULL)
		e = entry_add(rib, prefix);
	if (e == NULL) {
		hop_release(rib, new.hop);
		return -ENOMEM;
	}
	old = e->from[source];
	e->from[source] = new;
	rc = publish_winner(rib, e);
	if (rc != 0) {
		e->from[source] = old;
		entry_tidy(rib, e);
		hop_release(rib, new.hop);
		return rc;
	}
	if (old.present)
		hop_release(rib, old.hop);
	return 0;
}

int
sl_rib_clear(struct sl_rib *rib, enum sl_rib_source source, const struct sl_prefix *prefix)
{
	struct entry *e = entry_find(rib, prefix);
	struct candidate old;
	int rc;

	if (e == NULL || !e->from[source].present)
		return -ENOENT;
	old = e->from[source];
	e->from[source].present = false;
	rc = publish_winner(rib, e);
	if (rc != 0) {
		e->from[source] = old;
		return rc;
	}
	hop_release(rib, old.hop);
	entry_tidy(rib, e);
	return 0;
}

int
sl_rib_allowed(struct sl_rib *rib, const struct sl_prefix *prefix, uint32_t peer)
{
	uint32_t value = peer == SL_PEER_NONE ? 0 : SL_ROUTE(SL_ROUTE_PEER, peer);

	if (prefix->len == 0) {
		_Atomic uint32_t *slot = &rib->dp->routes.allowed_default[prefix->addr.family == SL_AF_INET6];

		atomic_store_explicit(slot, value, memory_order_release);
		return 0;
	}
	return entry_find(rib, prefix) ? 0 : publish(rib, prefix, value);
}

void
sl_rib_begin(struct sl_rib *rib)
{
	sl_lpm_begin(rib->dp->routes.lpm);
}

void
sl_rib_commit(struct sl_rib *rib)
{
	sl_lpm_commit(rib->dp->routes.lpm);
}

bool
sl_rib_next(const struct sl_rib *rib, uint32_t *cursor, struct sl_rib_entry *entry)
{
	for (; *cursor < rib->n_entries * SL_RIB_SOURCES; ++*cursor) {
		const struct entry *e = &rib->entries[*cursor / SL_RIB_SOURCES];
		const struct candidate *c = &e->from[*cursor % SL_RIB_SOURCES];

		if (!e->used || !c->present)
			continue;
		*entry = (struct sl_rib_entry){
			.prefix = e->key.prefix,
			.source = *cursor % SL_RIB_SOURCES,
			.out_if = c->out_if,
			.active = winner(e) == c,
		};
		if (c->hop != NO_HOP)
			entry->gateway = rib->dp->routes.next_hops[c->hop].gateway;
		++*cursor;
		return true;
	}
	return false;
}
