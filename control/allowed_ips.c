#include "control/allowed_ips.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "control/prefix_index.h"
#include "crypto/random.h"

#define NONE SL_PREFIX_INDEX_NONE

#define NODES_FIRST          256
#define LOOKED_AT_PER_CHANGE 16 /* prefixes passed over cost a fraction of one that is changed */

struct node {
	struct sl_prefix_key key; /* space: the WireGuard interface */
	uint32_t peer;
	uint32_t next, prev; /* in the peer's list; `next` also links free nodes */
	uint32_t epoch;      /* the list's when it was given */
};

struct list {
	uint32_t first, last; /* node + 1; 0: none, so that untouched memory is an empty list */
	uint32_t count;
	uint32_t epoch; /* counts replacements */
};

struct interface {
	struct sl_lpm *cryptokey;
	bool routes;
};

struct sl_allowed_ips {
	struct sl_rib *rib;
	struct sl_prefix_index index;
	struct node *nodes;
	uint32_t n_nodes; /* ever used */
	uint32_t capacity;
	uint32_t free_first;
	struct list *lists; /* by peer slot; address space, touched when used */
	uint32_t max_peers;
	uint64_t changes;
	unsigned n_routing; /* interfaces whose prefixes are routes */
	struct interface ifs[SL_IF_MAX];
	bool batch; /* between batch_begin and batch_commit */
};

/* Who has the prefix as a route on any interface but `except`. */
static uint32_t
owner_but(const struct sl_allowed_ips *a, const struct sl_prefix *prefix, uint16_t except)
{
	for (unsigned i = 0, left = a->n_routing; i < SL_IF_MAX && left > 0; i++) {
		uint32_t peer;

		if (!a->ifs[i].routes)
			continue;
		left--;
		if (i == except)
			continue;
		peer = sl_allowed_ips_owner(a, (uint16_t)i, prefix);
		if (peer != SL_PEER_NONE)
			return peer;
	}
	return SL_PEER_NONE;
}

/* The route table asks for the owner of a prefix that a connected or static route has let go of. */
static uint32_t
owner_as_route(void *ctx, const struct sl_prefix *prefix)
{
	return owner_but(ctx, prefix, SL_IF_NONE);
}

/*
 * The route that follows when an interface gives a prefix up: while a prefix goes from one interface to another both have
 * it for some steps.
 */
static uint32_t
successor(const struct sl_allowed_ips *a, const struct sl_prefix *prefix, uint16_t wg_if)
{
	return a->n_routing > a->ifs[wg_if].routes ? owner_but(a, prefix, wg_if) : SL_PEER_NONE;
}

int
sl_allowed_ips_create(struct sl_allowed_ips **out, uint32_t max_peers, struct sl_rib *rib)
{
	struct sl_allowed_ips *a = calloc(1, sizeof(*a));
	uint32_t seed;

	if (a == NULL)
		return -ENOMEM;
	a->lists = mmap(NULL, max_peers * sizeof(*a->lists), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (a->lists == MAP_FAILED) {
		free(a);
		return -ENOMEM;
	}
	sl_random_bytes(&seed, sizeof(seed));
	sl_prefix_index_init(&a->index, seed);
	a->max_peers = max_peers;
	a->free_first = NONE;
	a->rib = rib;
	sl_rib_set_allowed_source(rib, owner_as_route, a);
	*out = a;
	return 0;
}

void
sl_allowed_ips_destroy(struct sl_allowed_ips *a)
{
	if (a == NULL)
		return;
	sl_rib_set_allowed_source(a->rib, NULL, NULL);
	sl_prefix_index_fini(&a->index);
	munmap(a->lists, a->max_peers * sizeof(*a->lists));
	if (a->nodes)
		munmap(a->nodes, a->capacity * sizeof(*a->nodes));
	free(a);
}

/* By moving pages, not what is in them: growing takes no longer with many nodes. */
static int
nodes_reserve(struct sl_allowed_ips *a, uint32_t n)
{
	struct node *nodes;

	if (n <= a->capacity)
		return 0;
	n = RTE_MAX(n, (uint32_t)NODES_FIRST);
	if (n < a->capacity + a->capacity / 2)
		n = a->capacity + a->capacity / 2;
	if (a->nodes)
		nodes = mremap(a->nodes, a->capacity * sizeof(*nodes), n * sizeof(*nodes), MREMAP_MAYMOVE);
	else
		nodes = mmap(NULL, n * sizeof(*nodes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (nodes == MAP_FAILED)
		return -ENOMEM;
	a->nodes = nodes;
	a->capacity = n;
	return 0;
}

int
sl_allowed_ips_reserve(struct sl_allowed_ips *a, uint32_t n)
{
	int rc = nodes_reserve(a, n);

	return rc ? rc : sl_prefix_index_reserve(&a->index, a->nodes, sizeof(*a->nodes), n);
}

void
sl_allowed_ips_attach(struct sl_allowed_ips *a, uint16_t wg_if, struct sl_lpm *cryptokey, bool routes)
{
	a->ifs[wg_if] = (struct interface){.cryptokey = cryptokey, .routes = routes};
	a->n_routing += routes;
	if (a->batch)
		sl_lpm_begin(cryptokey);
}

void
sl_allowed_ips_detach(struct sl_allowed_ips *a, uint16_t wg_if)
{
	if (a->batch && a->ifs[wg_if].cryptokey)
		sl_lpm_commit(a->ifs[wg_if].cryptokey);
	a->n_routing -= a->ifs[wg_if].routes;
	a->ifs[wg_if] = (struct interface){0};
}

void
sl_allowed_ips_batch_begin(struct sl_allowed_ips *a)
{
	a->batch = true;
	sl_rib_begin(a->rib);
	for (unsigned i = 0; i < SL_IF_MAX; i++) {
		if (a->ifs[i].cryptokey)
			sl_lpm_begin(a->ifs[i].cryptokey);
	}
}

void
sl_allowed_ips_batch_commit(struct sl_allowed_ips *a)
{
	/* The source checks are ready before packets are routed to the peers. */
	for (unsigned i = 0; i < SL_IF_MAX; i++) {
		if (a->ifs[i].cryptokey)
			sl_lpm_commit(a->ifs[i].cryptokey);
	}
	sl_rib_commit(a->rib);
	a->batch = false;
}

static void
list_append(struct sl_allowed_ips *a, uint32_t peer, uint32_t n)
{
	struct list *list = &a->lists[peer];

	a->nodes[n].peer = peer;
	a->nodes[n].epoch = list->epoch;
	a->nodes[n].next = 0;
	a->nodes[n].prev = list->last;
	if (list->last)
		a->nodes[list->last - 1].next = n + 1;
	else
		list->first = n + 1;
	list->last = n + 1;
	list->count++;
}

static void
list_remove(struct sl_allowed_ips *a, uint32_t n)
{
	struct node *node = &a->nodes[n];
	struct list *list = &a->lists[node->peer];

	if (node->prev)
		a->nodes[node->prev - 1].next = node->next;
	else
		list->first = node->next;
	if (node->next)
		a->nodes[node->next - 1].prev = node->prev;
	else
		list->last = node->prev;
	list->count--;
}

/* Gives the prefix to `peer` in the tables that workers read; SL_PEER_NONE takes it out. */
static int
publish(struct sl_allowed_ips *a, uint16_t wg_if, const struct sl_prefix *prefix, uint32_t peer)
{
	const struct interface *ifp = &a->ifs[wg_if];
	uint32_t before = sl_lpm_get(ifp->cryptokey, prefix);
	int rc;

	a->changes++;
	if (peer == SL_PEER_NONE)
		rc = sl_lpm_remove(ifp->cryptokey, prefix, NULL);
	else
		rc = sl_lpm_set(ifp->cryptokey, prefix, peer + 1, NULL);
	if (rc != 0 || !ifp->routes)
		return rc;
	rc = sl_rib_allowed(a->rib, prefix, peer == SL_PEER_NONE ? successor(a, prefix, wg_if) : peer);
	if (rc == 0)
		return 0;
	/* Putting back what was there needs no more memory than there was a moment ago. */
	if (before == 0)
		sl_lpm_remove(ifp->cryptokey, prefix, NULL);
	else
		sl_lpm_set(ifp->cryptokey, prefix, before, NULL);
	return rc;
}

static struct sl_prefix_key
key_for(uint16_t wg_if, const struct sl_prefix *prefix)
{
	struct sl_prefix_key key = {.prefix = *prefix, .space = wg_if};

	sl_prefix_mask(&key.prefix);
	return key;
}

static uint32_t
find(const struct sl_allowed_ips *a, uint16_t wg_if, const struct sl_prefix *prefix)
{
	struct sl_prefix_key key = key_for(wg_if, prefix);

	return sl_prefix_index_find(&a->index, a->nodes, sizeof(*a->nodes), &key);
}

static int
add_new(struct sl_allowed_ips *a, uint16_t wg_if, uint32_t peer, const struct sl_prefix *prefix)
{
	bool recycled = a->free_first != NONE;
	uint32_t n = recycled ? a->free_first : a->n_nodes;
	int rc = nodes_reserve(a, n + 1);

	if (rc == 0)
		rc = sl_prefix_index_reserve(&a->index, a->nodes, sizeof(*a->nodes), a->index.count + 1);
	if (rc == 0)
		rc = publish(a, wg_if, prefix, peer);
	if (rc != 0)
		return rc;
	if (recycled)
		a->free_first = a->nodes[n].next;
	else
		a->n_nodes++;
	a->nodes[n].key = key_for(wg_if, prefix);
	list_append(a, peer, n);
	return sl_prefix_index_add(&a->index, a->nodes, sizeof(*a->nodes), n);
}

int
sl_allowed_ips_add(struct sl_allowed_ips *a, uint16_t wg_if, uint32_t peer, const struct sl_prefix *prefix,
	uint32_t *taken_from)
{
	struct sl_prefix masked = *prefix;
	uint32_t n, owner;
	int rc;

	if (peer >= a->max_peers || a->ifs[wg_if].cryptokey == NULL || prefix->len > sl_family_bits(prefix->addr.family))
		return -EINVAL;
	if (taken_from)
		*taken_from = SL_PEER_NONE;
	sl_prefix_mask(&masked);
	n = find(a, wg_if, &masked);
	if (n == NONE)
		return add_new(a, wg_if, peer, &masked);
	owner = a->nodes[n].peer;
	rc = owner == peer ? 0 : publish(a, wg_if, &masked, peer);
	if (rc != 0)
		return rc;
	/* to the end of the list in either case: what was not given again since a replacement began stands first */
	list_remove(a, n);
	list_append(a, peer, n);
	if (taken_from && owner != peer)
		*taken_from = owner;
	return 0;
}

static int
remove_node(struct sl_allowed_ips *a, uint32_t n)
{
	struct node *node = &a->nodes[n];
	int rc = publish(a, node->key.space, &node->key.prefix, SL_PEER_NONE);

	if (rc != 0)
		return rc;
	sl_prefix_index_remove(&a->index, a->nodes, sizeof(*a->nodes), n);
	list_remove(a, n);
	node->peer = SL_PEER_NONE;
	node->next = a->free_first;
	a->free_first = n;
	return 0;
}

int
sl_allowed_ips_remove(struct sl_allowed_ips *a, uint16_t wg_if, uint32_t peer, const struct sl_prefix *prefix)
{
	uint32_t n = find(a, wg_if, prefix);

	if (n == NONE || a->nodes[n].peer != peer)
		return -ENOENT;
	return remove_node(a, n);
}

uint32_t
sl_allowed_ips_remove_all(struct sl_allowed_ips *a, uint32_t peer)
{
	uint32_t removed = 0;

	while (a->lists[peer].first && remove_node(a, a->lists[peer].first - 1) == 0)
		removed++;
	return removed;
}

void
sl_allowed_ips_replace_begin(struct sl_allowed_ips *a, uint32_t peer)
{
	a->lists[peer].epoch++;
}

bool
sl_allowed_ips_replace_end(struct sl_allowed_ips *a, uint32_t peer, uint32_t budget)
{
	const struct list *list = &a->lists[peer];

	while (list->first && a->nodes[list->first - 1].epoch != list->epoch) {
		if (budget-- == 0)
			return false;
		if (remove_node(a, list->first - 1) != 0)
			return true;
	}
	return true;
}

int
sl_allowed_ips_set_routes(struct sl_allowed_ips *a, uint16_t wg_if, bool routes, uint32_t *cursor, uint32_t budget)
{
	struct interface *ifp = &a->ifs[wg_if];
	uint32_t look = budget * LOOKED_AT_PER_CHANGE;

	a->n_routing += (unsigned)routes - (unsigned)ifp->routes;
	ifp->routes = routes;
	for (; *cursor < a->n_nodes; ++*cursor) {
		const struct node *node = &a->nodes[*cursor];
		int rc;

		if (budget == 0 || look-- == 0)
			return SL_ALLOWED_IPS_MORE;
		if (node->peer == SL_PEER_NONE || node->key.space != wg_if)
			continue;
		rc = sl_rib_allowed(
			a->rib, &node->key.prefix, routes ? node->peer : successor(a, &node->key.prefix, wg_if));
		if (rc != 0)
			return rc;
		budget--;
		a->changes++;
	}
	return 0;
}

uint32_t
sl_allowed_ips_owner(const struct sl_allowed_ips *a, uint16_t wg_if, const struct sl_prefix *prefix)
{
	uint32_t n = find(a, wg_if, prefix);

	return n == NONE ? SL_PEER_NONE : a->nodes[n].peer;
}

uint32_t
sl_allowed_ips_count(const struct sl_allowed_ips *a, uint32_t peer)
{
	return a->lists[peer].count;
}

uint32_t
sl_allowed_ips_total(const struct sl_allowed_ips *a)
{
	return a->index.count;
}

uint64_t
sl_allowed_ips_changes(const struct sl_allowed_ips *a)
{
	return a->changes;
}

bool
sl_allowed_ips_next(const struct sl_allowed_ips *a, uint32_t peer, uint32_t *cursor, struct sl_prefix *prefix)
{
	/* 0 begins; a node + 1 continues there; the end is marked so that it is not taken for a beginning */
	uint32_t at = *cursor == 0 ? a->lists[peer].first : *cursor;

	if (at == 0 || at == UINT32_MAX || a->nodes[at - 1].peer != peer)
		return false;
	*prefix = a->nodes[at - 1].key.prefix;
	*cursor = a->nodes[at - 1].next ? a->nodes[at - 1].next : UINT32_MAX;
	return true;
}
