#include "control/neighbour_entries.h"

#include <errno.h>
#include <stdlib.h>

#define BUCKETS_MIN 64

int
sl_neighbour_entries_init(struct sl_neighbour_entries *s, uint32_t max, uint64_t seed)
{
	*s = (struct sl_neighbour_entries){.max = max, .seed = seed, .n_buckets = BUCKETS_MIN};
	while (s->n_buckets < max)
		s->n_buckets *= 2;
	TAILQ_INIT(&s->unresolved);
	s->buckets = calloc(s->n_buckets, sizeof(*s->buckets));
	s->heap = calloc(max ? max : 1, sizeof(*s->heap));
	if (s->buckets && s->heap)
		return 0;
	sl_neighbour_entries_fini(s);
	return -ENOMEM;
}

void
sl_neighbour_entries_fini(struct sl_neighbour_entries *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		free(s->heap[i]);
	free(s->heap);
	free(s->buckets);
	*s = (struct sl_neighbour_entries){0};
}

/* Addresses are chosen by others: the hash is seeded and mixes every bit. */
static uint64_t
mix(uint64_t h, uint64_t word)
{
	h ^= word;
	h *= UINT64_C(0x9e3779b97f4a7c15);
	h ^= h >> 32;
	h *= UINT64_C(0xd6e8feb86659fd93);
	return h ^ h >> 29;
}

static struct sl_neighbour_entry **
bucket(const struct sl_neighbour_entries *s, uint16_t l3_if, const struct sl_ip *ip)
{
	uint64_t words[2], h;

	memcpy(words, ip->bytes, sizeof(words));
	h = mix(mix(mix(s->seed, words[0]), words[1]), (uint64_t)l3_if << 8 | ip->family);
	return &s->buckets[h & (s->n_buckets - 1)];
}

struct sl_neighbour_entry *
sl_neighbour_entries_find(const struct sl_neighbour_entries *s, uint16_t l3_if, const struct sl_ip *ip)
{
	struct sl_neighbour_entry *e = *bucket(s, l3_if, ip);

	while (e && !(e->l3_if == l3_if && sl_ip_equal(&e->ip, ip)))
		e = e->chain;
	return e;
}

static void
put(struct sl_neighbour_entries *s, uint32_t at, struct sl_neighbour_entry *e)
{
	s->heap[at] = e;
	e->heap = at;
}

/* Moves an entry to where its deadline belongs. */
static void
sift(struct sl_neighbour_entries *s, struct sl_neighbour_entry *e)
{
	uint32_t at = e->heap, child;

	while (at > 0 && s->heap[(at - 1) / 2]->deadline > e->deadline) {
		put(s, at, s->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	while ((child = 2 * at + 1) < s->n) {
		if (child + 1 < s->n && s->heap[child + 1]->deadline < s->heap[child]->deadline)
			child++;
		if (s->heap[child]->deadline >= e->deadline)
			break;
		put(s, at, s->heap[child]);
		at = child;
	}
	put(s, at, e);
}

struct sl_neighbour_entry *
sl_neighbour_entries_add(struct sl_neighbour_entries *s, uint16_t l3_if, const struct sl_ip *ip)
{
	struct sl_neighbour_entry **b = bucket(s, l3_if, ip), *e;

	if (s->n == s->max)
		return NULL;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->ip = *ip;
	e->l3_if = l3_if;
	e->deadline = UINT64_MAX;
	e->chain = *b;
	*b = e;
	put(s, s->n++, e);
	return e;
}

void
sl_neighbour_entries_set_state(
	struct sl_neighbour_entries *s, struct sl_neighbour_entry *e, enum sl_neighbour_state state)
{
	bool was = e->state == SL_NEIGHBOUR_INCOMPLETE || e->state == SL_NEIGHBOUR_FAILED;
	bool is = state == SL_NEIGHBOUR_INCOMPLETE || state == SL_NEIGHBOUR_FAILED;

	if (was && !is) {
		TAILQ_REMOVE(&s->unresolved, e, age);
		s->n_unresolved--;
	} else if (is && !was) {
		TAILQ_INSERT_TAIL(&s->unresolved, e, age);
		s->n_unresolved++;
	}
	e->state = (uint8_t)state;
}

void
sl_neighbour_entries_set_deadline(struct sl_neighbour_entries *s, struct sl_neighbour_entry *e, uint64_t deadline)
{
	e->deadline = deadline;
	sift(s, e);
}

void
sl_neighbour_entries_remove(struct sl_neighbour_entries *s, struct sl_neighbour_entry *e)
{
	struct sl_neighbour_entry **link = bucket(s, e->l3_if, &e->ip), *last = s->heap[--s->n];

	while (*link != e)
		link = &(*link)->chain;
	*link = e->chain;
	if (last != e) {
		put(s, e->heap, last);
		sift(s, last);
	}
	sl_neighbour_entries_set_state(s, e, SL_NEIGHBOUR_NONE);
	free(e);
}

void
sl_neighbour_entries_remove_if(struct sl_neighbour_entries *s, uint16_t l3_if)
{
	for (uint32_t i = 0; i < s->n_buckets; i++) {
		struct sl_neighbour_entry *e = s->buckets[i], *after;

		for (; e; e = after) {
			after = e->chain;
			if (e->l3_if == l3_if)
				sl_neighbour_entries_remove(s, e);
		}
	}
}
