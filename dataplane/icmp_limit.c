#include "dataplane/icmp_limit.h"

#include <rte_jhash.h>
#include <rte_malloc.h>

#include "crypto/protocol.h"

#define IPV6_SOURCE_BYTES 8 /* a /64 */

struct bucket {
	uint64_t at;     /* ns of the last refill */
	uint32_t tokens; /* as of `at` */
	bool used;       /* a fresh bucket is full */
};

struct sl_icmp_limit {
	uint64_t seed;
	struct bucket global;
	struct bucket sources[SL_ICMP_LIMIT_BUCKETS];
};

struct sl_icmp_limit *
sl_icmp_limit_create(uint64_t seed, int socket)
{
	struct sl_icmp_limit *l = rte_zmalloc_socket("sl_icmp_limit", sizeof(*l), RTE_CACHE_LINE_SIZE, socket);

	if (l)
		l->seed = seed;
	return l;
}

void
sl_icmp_limit_destroy(struct sl_icmp_limit *l)
{
	rte_free(l);
}

/* Adds what has come in since, in whole tokens, so that no part of one is lost. */
static void
refill(struct bucket *b, uint64_t now, uint32_t rate, uint32_t burst)
{
	uint64_t per_token = SL_NSEC_PER_SEC / rate;
	uint64_t gained;

	if (!b->used) {
		*b = (struct bucket){.at = now, .tokens = burst, .used = true};
		return;
	}
	if (now < b->at)
		return;
	gained = (now - b->at) / per_token;
	if (b->tokens + gained >= burst) {
		b->tokens = burst;
		b->at = now;
	} else {
		b->tokens += (uint32_t)gained;
		b->at += gained * per_token;
	}
}

static struct bucket *
source_bucket(struct sl_icmp_limit *l, const struct sl_ip *to)
{
	uint32_t words[2] = {0}; /* the hash wants its input aligned */
	uint32_t hash;

	memcpy(words, to->bytes, to->family == SL_AF_INET ? 4 : IPV6_SOURCE_BYTES);
	hash = rte_jhash_32b(words, RTE_DIM(words), (uint32_t)(l->seed ^ l->seed >> 32) + to->family);
	return &l->sources[hash & (SL_ICMP_LIMIT_BUCKETS - 1)];
}

bool
sl_icmp_limit_allow(struct sl_icmp_limit *l, const struct sl_ip *to, uint64_t now)
{
	struct bucket *source = source_bucket(l, to);

	refill(source, now, SL_ICMP_LIMIT_SOURCE_RATE, SL_ICMP_LIMIT_SOURCE_BURST);
	refill(&l->global, now, SL_ICMP_LIMIT_GLOBAL_RATE, SL_ICMP_LIMIT_GLOBAL_BURST);
	if (source->tokens == 0 || l->global.tokens == 0)
		return false;
	source->tokens--;
	l->global.tokens--;
	return true;
}
