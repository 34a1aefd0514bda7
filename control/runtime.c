#include "control/runtime.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

struct sl_runtime {
	void *tree; /* of struct sl_runtime_entry, tsearch(3) */
	uint32_t n;
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

	if (e)
		return e;
	e = malloc(sizeof(*e));
	if (e == NULL)
		return NULL;
	*e = entry_key(interface, public_key);
	if (tsearch(e, &rt->tree, compare) == NULL) {
		free(e);
		return NULL;
	}
	rt->n++;
	return e;
}

static void drop(struct sl_runtime *rt, struct sl_runtime_entry *e)
{
	tdelete(e, &rt->tree, compare);
	rt->n--;
	free(e);
}

void sl_runtime_added(struct sl_runtime *rt, const char *interface, const uint8_t *public_key)
{
	struct sl_runtime_entry *e = get(rt, interface, public_key);

	/* One of the file that was removed and comes back: it is there again, with nothing of what the file says. */
	if (e)
		e->bits = e->bits & SL_RUNTIME_REMOVED ? SL_RUNTIME_PEER_ALL : SL_RUNTIME_ADDED;
}

void sl_runtime_removed(struct sl_runtime *rt, const char *interface, const uint8_t *public_key)
{
	struct sl_runtime_entry *e = get(rt, interface, public_key);

	if (e == NULL)
		return;
	if (e->bits & SL_RUNTIME_ADDED)
		drop(rt, e);
	else
		e->bits = SL_RUNTIME_REMOVED;
}

void sl_runtime_changed(struct sl_runtime *rt, const char *interface, const uint8_t *public_key, uint32_t bits)
{
	struct sl_runtime_entry *e = get(rt, interface, public_key);

	if (e && !(e->bits & SL_RUNTIME_ADDED))
		e->bits |= bits;
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
		e->bits &= ~entries[i].bits;
		if (e->bits == 0)
			drop(rt, e);
	}
}

struct listing {
	struct sl_runtime_entry *entries;
	uint32_t n;
	const char *interface; /* NULL: of all interfaces */
};

static void list(const void *node, VISIT visit, void *arg)
{
	const struct sl_runtime_entry *e = *(const struct sl_runtime_entry *const *)node;
	struct listing *l = arg;

	if ((visit == postorder || visit == leaf) && (!l->interface || strcmp(l->interface, e->interface) == 0))
		l->entries[l->n++] = *e;
}

uint32_t sl_runtime_count(const struct sl_runtime *rt)
{
	return rt->n;
}

static struct sl_runtime_entry *snapshot(const struct sl_runtime *rt, const char *interface, uint32_t *n)
{
	struct listing l = {.interface = interface};

	*n = 0;
	if (rt->n == 0)
		return NULL;
	l.entries = malloc(rt->n * sizeof(*l.entries));
	if (l.entries == NULL) {
		*n = SL_RUNTIME_NO_MEMORY;
		return NULL;
	}
	twalk_r(rt->tree, list, &l);
	*n = l.n;
	return l.entries;
}

struct sl_runtime_entry *sl_runtime_snapshot(const struct sl_runtime *rt, uint32_t *n)
{
	return snapshot(rt, NULL, n);
}

void sl_runtime_forget_interface(struct sl_runtime *rt, const char *interface)
{
	struct sl_runtime_entry *gone;
	uint32_t n;

	gone = snapshot(rt, interface, &n);
	for (uint32_t i = 0; gone && i < n; i++)
		drop(rt, find(rt, interface, gone[i].public_key));
	free(gone);
}
