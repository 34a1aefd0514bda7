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

static uint32_t *
bucket_of(struct sl_limiter *l, uint8_t family, uint64_t prefix)
{
	uint8_t in[9], mac[SL_MAC_LEN];

	in[0] = family;
	sl_store_le64(in + 1, prefix);
	sl_blake2s_mac128(mac, l->seed, sizeof(l->seed), in, sizeof(in));
	return &l->buckets[sl_load_le32(mac) & (SL_LIMITER_ENTRIES - 1)];
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
	for (uint32_t i = 0; i < SL_LIMITER_ENTRIES; i++)
		l->entries[i].next = i + 1 < SL_LIMITER_ENTRIES ? i + 2 : 0;
	l->free = 1;
	sl_rng_bytes(rng, l->seed, sizeof(l->seed));
	return true;
}

static void
put_free(struct sl_limiter *l, uint32_t *link)
{
	uint32_t id = *link;
	struct sl_limiter_entry *e = &l->entries[id - 1];

	*link = e->next;
	*e = (struct sl_limiter_entry){.next = l->free};
	l->free = id;
	l->used--;
}

/* At most once a second: an entry is judged idle in the second after it became so. */
static void
collect(struct sl_limiter *l, uint64_t now)
{
	if (l->used == 0 || now - l->collected_at < SL_LIMITER_IDLE_TIME_NS)
		return;
	l->collected_at = now;
	for (uint32_t b = 0; b < SL_LIMITER_ENTRIES; b++) {
		uint32_t *link = &l->buckets[b];

		while (*link) {
			if (now - l->entries[*link - 1].at > SL_LIMITER_IDLE_TIME_NS)
				put_free(l, link);
			else
				link = &l->entries[*link - 1].next;
		}
	}
}

bool
sl_limiter_allow(struct sl_limiter *l, const struct sl_ip *src, uint64_t now, const struct sl_rng *rng)
{
	uint64_t prefix = prefix_of(src);
	struct sl_limiter_entry *e;
	uint32_t *bucket, id;

	if (!l->entries && !begin(l, rng))
		return false;
	collect(l, now);
	bucket = bucket_of(l, src->family, prefix);
	for (id = *bucket; id; id = l->entries[id - 1].next) {
		e = &l->entries[id - 1];
		if (e->prefix != prefix || e->family != src->family)
			continue;
		e->tokens += now - e->at;
		if (e->tokens > FULL)
			e->tokens = FULL;
		e->at = now;
		if (e->tokens < COST)
			return false;
		e->tokens -= COST;
		return true;
	}
	id = l->free;
	if (id == 0)
		return false;
	e = &l->entries[id - 1];
	l->free = e->next;
	*e = (struct sl_limiter_entry){
		.prefix = prefix, .tokens = FULL - COST, .at = now, .next = *bucket, .family = src->family};
	*bucket = id;
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
