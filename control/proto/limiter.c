#include "control/proto/limiter.h"

#include <stdlib.h>

#include "crypto/blake2s.h"
#include "crypto/bytes.h"
#include "crypto/wipe.h"

#define COST (SL_NSEC_PER_SEC / SL_LIMITER_PER_SECOND)
#define FULL (COST * SL_LIMITER_BURST)

static_assert(SL_LIMITER_IPV4_PREFIX == 32 && SL_LIMITER_IPV6_PREFIX == 64, "prefix_of takes 4 and 8 bytes");
static_assert((SL_LIMITER_ENTRIES & (SL_LIMITER_ENTRIES - 1)) == 0, "buckets are chosen by a mask");

static uint64_t
prefix_of(const struct sl_ip *src)
{
	return src->family == SL_AF_INET ? sl_load_le32(src->bytes) : sl_load_le64(src->bytes);
}

static uint32_t
bucket_of(const struct sl_limiter *l, uint8_t family, uint64_t prefix)
{
	uint8_t in[9], mac[SL_MAC_LEN];

	in[0] = family;
	sl_store_le64(in + 1, prefix);
	sl_blake2s_mac128(mac, l->seed, sizeof(l->seed), in, sizeof(in));
	return sl_load_le32(mac) & (SL_LIMITER_ENTRIES - 1);
}

static bool
begin(struct sl_limiter *l, const struct sl_rng *rng)
{
	l->entries = calloc(SL_LIMITER_ENTRIES, sizeof(*l->entries));
	l->buckets = calloc(SL_LIMITER_ENTRIES, sizeof(*l->buckets));
	if (!l->entries || !l->buckets) {
		sl_limiter_fini(l);
		return false;
	}
	sl_rng_bytes(rng, l->seed, sizeof(l->seed));
	return true;
}

/* The source was used just now: it is the newest. */
static void
append(struct sl_limiter *l, uint32_t id)
{
	struct sl_limiter_entry *e = &l->entries[id - 1];

	e->older = l->newest;
	e->newer = 0;
	*(l->newest ? &l->entries[l->newest - 1].newer : &l->oldest) = id;
	l->newest = id;
}

static void
detach(struct sl_limiter *l, const struct sl_limiter_entry *e)
{
	*(e->older ? &l->entries[e->older - 1].newer : &l->oldest) = e->newer;
	*(e->newer ? &l->entries[e->newer - 1].older : &l->newest) = e->older;
}

static void
put_free(struct sl_limiter *l, uint32_t id)
{
	struct sl_limiter_entry *e = &l->entries[id - 1];
	uint32_t *link = &l->buckets[e->bucket];

	while (*link != id)
		link = &l->entries[*link - 1].next;
	*link = e->next;
	detach(l, e);
	*e = (struct sl_limiter_entry){.next = l->free};
	l->free = id;
	l->used--;
}

/* Every call takes away more than it may add, so what is idle goes without a long step. */
static void
collect(struct sl_limiter *l, uint64_t now)
{
	for (unsigned i = 0; i < SL_LIMITER_COLLECT && l->oldest; i++) {
		if (now - l->entries[l->oldest - 1].at <= SL_LIMITER_IDLE_TIME_NS)
			return;
		put_free(l, l->oldest);
	}
}

/* A place for a new source, 0 at the cap. */
static uint32_t
take_free(struct sl_limiter *l)
{
	uint32_t id = l->free;

	if (id)
		l->free = l->entries[id - 1].next;
	else if (l->fresh < SL_LIMITER_ENTRIES)
		id = ++l->fresh;
	return id;
}

/* The same source as before: its tokens have grown meanwhile. */
static bool
spend(struct sl_limiter *l, uint32_t id, uint64_t now)
{
	struct sl_limiter_entry *e = &l->entries[id - 1];

	detach(l, e);
	append(l, id);
	e->tokens += now - e->at;
	if (e->tokens > FULL)
		e->tokens = FULL;
	e->at = now;
	if (e->tokens < COST)
		return false;
	e->tokens -= COST;
	return true;
}

bool
sl_limiter_allow(struct sl_limiter *l, const struct sl_ip *src, uint64_t now, const struct sl_rng *rng)
{
	uint64_t prefix = prefix_of(src);
	uint32_t bucket, id;

	if (!l->entries && !begin(l, rng))
		return false;
	collect(l, now);
	bucket = bucket_of(l, src->family, prefix);
	for (id = l->buckets[bucket]; id; id = l->entries[id - 1].next)
		if (l->entries[id - 1].prefix == prefix && l->entries[id - 1].family == src->family)
			return spend(l, id, now);
	id = take_free(l);
	if (id == 0)
		return false;
	l->entries[id - 1] = (struct sl_limiter_entry){.prefix = prefix, .tokens = FULL - COST, .at = now,
		.next = l->buckets[bucket], .bucket = bucket, .family = src->family};
	append(l, id);
	l->buckets[bucket] = id;
	l->used++;
	return true;
}

void
sl_limiter_fini(struct sl_limiter *l)
{
	free(l->entries);
	free(l->buckets);
	sl_wipe(l, sizeof(*l));
}
