#include "control/runtime.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#define SNAPSHOT_ROOM 64 /* entries, at first */

/* In the tree, and in a list in the order in which they were noted, for walks in slices. */
struct node {
	struct sl_runtime_entry entry; /* first: the tree knows it as that */
	struct node *prev, *next;
	uint32_t again; /* bits that were noted since a snapshot took it last */
};

struct sl_runtime {
	void *tree; /* of struct sl_runtime_entry, tsearch(3) */
	uint32_t n;
	struct node *first, *last;
	struct node *forgetting; /* where sl_runtime_forget_interface goes on; NULL: at the first */
	struct sl_runtime_snapshot *snapshots; /* under way */
};

static const uint8_t no_key[SL_KEY_LEN];

static int compare(const void *a, const void *b)
{
	const struct sl_runtime_entry *x = a, *y = b;
	int order = strcmp(x->interface, y->interface);

	return order ? order : memcmp(x->public_key, y->public_key, SL_KEY_LEN);
}

static struct sl_runtime_entry entry_key(const char *interface, const uint8_t *public_key)
{
	struct sl_runtime_entry e = {.bits = 0};

	strncpy(e.interface, interface, sizeof(e.interface) - 1);
	memcpy(e.public_key, public_key ? public_key : no_key, SL_KEY_LEN);
	return e;
}

struct sl_runtime *sl_runtime_create(void)
{
	return calloc(1, sizeof(struct sl_runtime));
}

void sl_runtime_destroy(struct sl_runtime *rt)
{
	if (rt == NULL)
		return;
	tdestroy(rt->tree, free);
	free(rt);
}

static struct sl_runtime_entry *find(const struct sl_runtime *rt, const char *interface, const uint8_t *public_key)
{
	struct sl_runtime_entry key = entry_key(interface, public_key), **found;

	found = tfind(&key, &rt->tree, compare);
	return found ? *found : NULL;
}

/* The entry of that name, made where there is none; NULL without memory. */
static struct sl_runtime_entry *get(struct sl_runtime *rt, const char *interface, const uint8_t *public_key)
{
	struct sl_runtime_entry *e = find(rt, interface, public_key);
	struct node *node;

	if (e)
		return e;
	node = calloc(1, sizeof(*node));
	if (node == NULL)
		return NULL;
	node->entry = entry_key(interface, public_key);
	if (tsearch(&node->entry, &rt->tree, compare) == NULL) {
		free(node);
		return NULL;
	}
	node->prev = rt->last;
	if (rt->last)
		rt->last->next = node;
	else
		rt->first = node;
	rt->last = node;
	rt->n++;
	return &node->entry;
}

static void drop(struct sl_runtime *rt, struct sl_runtime_entry *e)
{
	struct node *node = (struct node *)e;

	if (rt->forgetting == node)
		rt->forgetting = node->next;
	for (struct sl_runtime_snapshot *s = rt->snapshots; s; s = s->next)
		if (s->at == node)
			s->at = node->next;
	if (node->prev)
		node->prev->next = node->next;
	else
		rt->first = node->next;
	if (node->next)
		node->next->prev = node->prev;
	else
		rt->last = node->prev;
	tdelete(e, &rt->tree, compare);
	rt->n--;
	free(node);
}

/* Sets the bits, and leaves those in `kept`. */
static void note(struct sl_runtime_entry *e, uint32_t kept, uint32_t bits)
{
	e->bits = (e->bits & kept) | bits;
	((struct node *)e)->again |= bits;
}

void sl_runtime_added(struct sl_runtime *rt, const char *interface, const uint8_t *public_key)
{
	struct sl_runtime_entry *e = get(rt, interface, public_key);

	/* One of the file that was removed and comes back: it is there again, with nothing of what the file says. */
	if (e)
		note(e, 0, e->bits & SL_RUNTIME_REMOVED ? SL_RUNTIME_PEER_ALL : SL_RUNTIME_ADDED);
}

void sl_runtime_removed(struct sl_runtime *rt, const char *interface, const uint8_t *public_key)
{
	struct sl_runtime_entry *e = get(rt, interface, public_key);

	if (e == NULL)
		return;
	if (e->bits & SL_RUNTIME_ADDED)
		drop(rt, e);
	else
		note(e, 0, SL_RUNTIME_REMOVED);
}

void sl_runtime_changed(struct sl_runtime *rt, const char *interface, const uint8_t *public_key, uint32_t bits)
{
	struct sl_runtime_entry *e = get(rt, interface, public_key);

	if (e && !(e->bits & SL_RUNTIME_ADDED))
		note(e, UINT32_MAX, bits);
}

void sl_runtime_adopted(struct sl_runtime *rt, const char *interface, const uint8_t *public_key)
{
	struct sl_runtime_entry *e = find(rt, interface, public_key);

	if (e && e->bits & SL_RUNTIME_ADDED)
		drop(rt, e); /* it has no other bits */
}

uint32_t sl_runtime_bits(const struct sl_runtime *rt, const char *interface, const uint8_t *public_key)
{
	const struct sl_runtime_entry *e = find(rt, interface, public_key);

	return e ? e->bits : 0;
}

void sl_runtime_settle(struct sl_runtime *rt, const struct sl_runtime_entry *entries, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct sl_runtime_entry *e = find(rt, entries[i].interface, entries[i].public_key);

		if (e == NULL)
			continue;
		e->bits &= ~entries[i].bits | ((struct node *)e)->again;
		if (e->bits == 0)
			drop(rt, e);
	}
}

uint32_t sl_runtime_count(const struct sl_runtime *rt)
{
	return rt->n;
}

void sl_runtime_snapshot_begin(struct sl_runtime_snapshot *s, struct sl_runtime *rt)
{
	*s = (struct sl_runtime_snapshot){.rt = rt, .at = rt->first, .next = rt->snapshots};
	rt->snapshots = s;
}

static bool make_room(struct sl_runtime_snapshot *s)
{
	uint32_t room = s->room ? s->room * 2 : SNAPSHOT_ROOM;
	struct sl_runtime_entry *more;

	if (s->n < s->room)
		return true;
	more = realloc(s->entries, room * sizeof(*more));
	if (more == NULL)
		return false;
	s->entries = more;
	s->room = room;
	return true;
}

bool sl_runtime_snapshot_take(struct sl_runtime_snapshot *s, uint32_t budget)
{
	for (; s->at; s->at = ((struct node *)s->at)->next) {
		if (budget-- == 0)
			return false;
		if (!make_room(s)) {
			s->failed = true;
			break;
		}
		s->entries[s->n++] = ((struct node *)s->at)->entry;
		((struct node *)s->at)->again = 0;
	}
	return true;
}

void sl_runtime_snapshot_end(struct sl_runtime_snapshot *s)
{
	struct sl_runtime_snapshot **link;

	if (s->rt == NULL)
		return;
	for (link = &s->rt->snapshots; *link != s; link = &(*link)->next)
		;
	*link = s->next;
	s->rt = NULL;
}

bool sl_runtime_forget_interface(struct sl_runtime *rt, const char *interface, uint32_t budget)
{
	struct node *at = rt->forgetting ? rt->forgetting : rt->first;

	for (; at; budget--) {
		struct node *next = at->next;

		if (budget == 0) {
			rt->forgetting = at;
			return false;
		}
		if (strcmp(at->entry.interface, interface) == 0)
			drop(rt, &at->entry);
		at = next;
	}
	rt->forgetting = NULL;
	return true;
}
