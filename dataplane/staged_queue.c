#include "dataplane/staged_queue.h"

#include <rte_cycles.h>
#include <rte_jhash.h>

#define NONE UINT16_MAX

static uint32_t
bucket_of(const struct sl_neighbour_queues *qs, uint16_t out_if, const struct sl_ip *ip)
{
	uint32_t words[(sizeof(*ip) + 3) / 4] = {0}; /* the hash wants its input aligned */

	memcpy(words, ip, sizeof(*ip));
	return rte_jhash_32b(words, RTE_DIM(words), qs->seed ^ out_if) & (SL_NEIGHBOUR_BUCKETS - 1);
}

void
sl_neighbour_queues_init(struct sl_neighbour_queues *qs)
{
	qs->n = 0;
	qs->seed = (uint32_t)rte_rdtsc();
	qs->oldest = qs->newest = NONE;
	for (unsigned i = 0; i < SL_NEIGHBOUR_BUCKETS; i++)
		qs->buckets[i] = NONE;
	qs->free = 0;
	for (unsigned i = 0; i < SL_STAGED_NEIGHBOURS; i++)
		qs->queues[i].newer = i + 1 < SL_STAGED_NEIGHBOURS ? (uint16_t)(i + 1) : NONE;
}

struct sl_neighbour_queue *
sl_neighbour_queue_find(const struct sl_neighbour_queues *qs, uint16_t out_if, const struct sl_ip *ip)
{
	for (uint16_t i = qs->buckets[bucket_of(qs, out_if, ip)]; i != NONE; i = qs->queues[i].chain) {
		const struct sl_neighbour_queue *q = &qs->queues[i];

		if (q->out_if == out_if && sl_ip_equal(&q->ip, ip))
			return (struct sl_neighbour_queue *)(uintptr_t)q;
	}
	return NULL;
}

struct sl_neighbour_queue *
sl_neighbour_queue_new(struct sl_neighbour_queues *qs, uint16_t out_if, const struct sl_ip *ip, uint64_t now)
{
	uint16_t *bucket = &qs->buckets[bucket_of(qs, out_if, ip)];
	uint16_t id = qs->free;
	struct sl_neighbour_queue *q = &qs->queues[id];

	qs->free = q->newer;
	*q = (struct sl_neighbour_queue){
		.ip = *ip,
		.out_if = out_if,
		.chain = *bucket,
		.older = qs->newest,
		.newer = NONE,
		.since = now,
	};
	*bucket = id;
	if (qs->newest == NONE)
		qs->oldest = id;
	else
		qs->queues[qs->newest].newer = id;
	qs->newest = id;
	qs->n++;
	return q;
}

void
sl_neighbour_queue_free(struct sl_neighbour_queues *qs, struct sl_neighbour_queue *q)
{
	uint16_t *link = &qs->buckets[bucket_of(qs, q->out_if, &q->ip)];
	uint16_t id = (uint16_t)(q - qs->queues);

	while (*link != id)
		link = &qs->queues[*link].chain;
	*link = q->chain;
	if (q->older == NONE)
		qs->oldest = q->newer;
	else
		qs->queues[q->older].newer = q->newer;
	if (q->newer == NONE)
		qs->newest = q->older;
	else
		qs->queues[q->newer].older = q->older;
	q->newer = qs->free;
	qs->free = id;
	qs->n--;
}

struct sl_neighbour_queue *
sl_neighbour_queue_oldest(struct sl_neighbour_queues *qs)
{
	return qs->oldest == NONE ? NULL : &qs->queues[qs->oldest];
}

struct sl_neighbour_queue *
sl_neighbour_queue_newer(struct sl_neighbour_queues *qs, const struct sl_neighbour_queue *q)
{
	return q->newer == NONE ? NULL : &qs->queues[q->newer];
}
