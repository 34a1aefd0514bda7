/* What the `wg` tool changed, brought into a difference: undone by further steps, or kept from the steps there are. */
#include <stdlib.h>
#include <string.h>

#include "control/diff_build.h"
#include "crypto/wipe.h"

/* How entries are found: by what comes before the bits. */
#define ENTRY_KEY_LEN offsetof(struct sl_runtime_entry, bits)

static const struct {
	uint32_t runtime, change;
} fields[] = {
        {SL_RUNTIME_PRESHARED_KEY, SL_CHANGE_PRESHARED_KEY},
        {SL_RUNTIME_ENDPOINT, SL_CHANGE_ENDPOINT},
        {SL_RUNTIME_KEEPALIVE, SL_CHANGE_KEEPALIVE},
        {SL_RUNTIME_ALLOWED_IPS, SL_CHANGE_ALLOWED_IPS},
};

static uint32_t changes_of(uint32_t runtime)
{
	uint32_t changed = 0;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (runtime & fields[i].runtime)
			changed |= fields[i].change;
	return changed;
}

static bool is_interface(const struct sl_runtime_entry *e)
{
	return sl_is_zero(e->public_key, SL_KEY_LEN);
}

static struct sl_step *append(struct sl_steps *steps, enum sl_step_kind kind, const struct sl_runtime_entry *e)
{
	struct sl_steps_owned *owned = (struct sl_steps_owned *)steps;
	struct sl_step *s;

	steps->steps = sl_array_grow(steps->steps, steps->n_steps, &owned->capacity, sizeof(*steps->steps));
	s = &steps->steps[steps->n_steps++];
	*s = (struct sl_step){.kind = kind, .runtime = e};
	return s;
}

/* --- kept --- */

struct entry_map {
	const struct sl_runtime_entry *entries;
	struct sl_config_map map; /* → index in entries */
};

static uint32_t noted(const struct entry_map *m, const char *interface, const uint8_t *public_key)
{
	struct sl_runtime_entry key = {.bits = 0};
	uint32_t i;

	strncpy(key.interface, interface, sizeof(key.interface) - 1);
	if (public_key)
		memcpy(key.public_key, public_key, SL_KEY_LEN);
	i = sl_config_map_find(&m->map, &key);
	return i == SL_CONFIG_MAP_NONE ? 0 : m->entries[i].bits;
}

/*
 * An allowed IP that goes to a peer whose set is kept: it does not get it, but who had it, and is not kept either, gives
 * it up. Whether there is anybody.
 */
static bool only_takes(const struct entry_map *m, struct sl_step *s)
{
	if (!s->old_peer ||
	        noted(m, s->old_interface->name, s->old_peer->public_key) & (SL_RUNTIME_ALLOWED_IPS | SL_RUNTIME_REMOVED))
		return false;
	s->kind = SL_STEP_ALLOWED_IP_REMOVE;
	s->new_interface = NULL;
	s->new_peer = NULL;
	return true;
}

/* Takes out of a step what is to be kept. Whether anything of it is left. */
static bool leaves(const struct entry_map *m, struct sl_step *s)
{
	const struct sl_config_interface *ifp = s->new_interface ? s->new_interface : s->old_interface;
	const struct sl_config_peer *peer = s->new_peer ? s->new_peer : s->old_peer;
	uint32_t bits = ifp ? noted(m, ifp->name, peer ? peer->public_key : NULL) : 0;

	switch (s->kind) {
	case SL_STEP_PEER_ADD:
		return !(bits & (SL_RUNTIME_ADDED | SL_RUNTIME_REMOVED));
	case SL_STEP_PEER_CHANGE:
		s->changed &= ~changes_of(bits);
		return s->changed != 0 && !(bits & SL_RUNTIME_REMOVED);
	case SL_STEP_ALLOWED_IP_ADD:
		return !(bits & (SL_RUNTIME_ALLOWED_IPS | SL_RUNTIME_REMOVED)) || only_takes(m, s);
	case SL_STEP_ALLOWED_IP_REMOVE:
		return !(bits & (SL_RUNTIME_ALLOWED_IPS | SL_RUNTIME_REMOVED));
	case SL_STEP_INTERFACE_CHANGE:
		if (bits & SL_RUNTIME_PRIVATE_KEY)
			s->changed &= ~(uint32_t)SL_CHANGE_KEY;
		return s->changed != 0;
	case SL_STEP_LISTEN_ADD:
	case SL_STEP_LISTEN_REMOVE:
		return !(bits & SL_RUNTIME_LISTEN_PORT);
	default:
		return true;
	}
}

static void keep_all(struct sl_steps *steps, const struct sl_runtime_entry *entries, uint32_t n)
{
	struct entry_map m = {.entries = entries};
	uint32_t kept = 0;

	sl_config_map_init(&m.map, ENTRY_KEY_LEN);
	for (uint32_t i = 0; i < n; i++)
		sl_config_map_add(&m.map, &entries[i], i);
	for (uint32_t i = 0; i < steps->n_steps; i++)
		if (leaves(&m, &steps->steps[i]))
			steps->steps[kept++] = steps->steps[i];
	steps->n_steps = kept;
	sl_config_map_free(&m.map);
	for (uint32_t i = 0; i < n; i++)
		if (sl_diff_find_interface(steps->new_config, entries[i].interface))
			append(steps, SL_STEP_KEPT, &entries[i]);
}

/* --- undone --- */

static void undo_interface(struct sl_steps *steps, const struct sl_config_interface *old_if,
        const struct sl_config_interface *new_if, const struct sl_runtime_entry *e, enum sl_step_kind kind)
{
	struct sl_step *s;

	if (!(e->bits & (kind == SL_STEP_INTERFACE_CHANGE ? SL_RUNTIME_PRIVATE_KEY : SL_RUNTIME_LISTEN_PORT)))
		return;
	s = append(steps, kind, e);
	s->old_interface = old_if;
	s->new_interface = new_if;
	s->changed = kind == SL_STEP_INTERFACE_CHANGE ? SL_CHANGE_KEY : 0;
}

/*
 * In this order an allowed IP that `wg` moved goes back in one step, and no peer's are taken before who is to have them is
 * there again.
 */
enum phase {
	COMES_BACK, /* peers that were removed */
	SET_BACK,   /* peers that were changed; they get what they lack */
	SWEPT,      /* and lose what is not theirs */
	GOES,       /* peers that were added */
	PHASES,
};

static void undo_peer(struct sl_steps *steps, const struct sl_config_interface *ifp, const struct sl_config_map *peers,
        const struct sl_runtime_entry *e, enum phase phase)
{
	uint32_t i = sl_config_map_find(peers, e->public_key);
	uint32_t changed = e->bits & SL_RUNTIME_ADDED ? SL_CHANGE_ALLOWED_IPS : changes_of(e->bits);
	struct sl_step *s;

	if (i == SL_CONFIG_MAP_NONE) {
		/* What the old file had the difference takes away itself. */
		if (phase == GOES && e->bits & SL_RUNTIME_ADDED)
			append(steps, SL_STEP_RUNTIME_REMOVE, e)->new_interface = ifp;
		return;
	}
	if (phase == SWEPT ? !(changed & SL_CHANGE_ALLOWED_IPS) || e->bits & SL_RUNTIME_REMOVED
	                   : phase != (e->bits & SL_RUNTIME_REMOVED ? COMES_BACK : SET_BACK))
		return;
	s = append(steps, phase == SWEPT ? SL_STEP_PEER_SWEEP : SL_STEP_PEER_RESTORE, e);
	s->new_interface = ifp;
	s->new_peer = &ifp->peers[i];
	s->changed = changed;
}

/* One interface's entries, [from, to). */
static void undo(struct sl_steps *steps, const struct sl_runtime_entry *entries, uint32_t from, uint32_t to)
{
	const struct sl_config_interface *old_if = sl_diff_find_interface(steps->old_config, entries[from].interface);
	const struct sl_config_interface *new_if = sl_diff_find_interface(steps->new_config, entries[from].interface);
	struct sl_config_map peers;

	if (!old_if || !new_if)
		return; /* it goes, or came with this file */
	sl_config_map_init(&peers, SL_KEY_LEN);
	for (uint32_t i = 0; i < new_if->n_peers; i++)
		if (!new_if->peers[i].disabled)
			sl_config_map_add(&peers, new_if->peers[i].public_key, i);
	for (uint32_t i = from; i < to; i++)
		if (is_interface(&entries[i]))
			undo_interface(steps, old_if, new_if, &entries[i], SL_STEP_INTERFACE_CHANGE);
	for (enum phase phase = COMES_BACK; phase < PHASES; phase++)
		for (uint32_t i = from; i < to; i++)
			if (!is_interface(&entries[i]))
				undo_peer(steps, new_if, &peers, &entries[i], phase);
	sl_config_map_free(&peers);
}

static int by_interface(const void *a, const void *b)
{
	const struct sl_runtime_entry *x = a, *y = b;

	return strcmp(x->interface, y->interface);
}

/* All listen ports are given up before any is taken: `wg` may have swapped them. */
static void undo_listen_ports(struct sl_steps *steps, const struct sl_runtime_entry *entries, uint32_t n,
        enum sl_step_kind kind)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct sl_config_interface *old_if, *new_if;

		if (!is_interface(&entries[i]))
			continue;
		old_if = sl_diff_find_interface(steps->old_config, entries[i].interface);
		new_if = sl_diff_find_interface(steps->new_config, entries[i].interface);
		if (old_if && new_if)
			undo_interface(steps, old_if, new_if, &entries[i], kind);
	}
}

void sl_diff_runtime(struct sl_steps *steps, struct sl_runtime_entry *entries, uint32_t n, bool keep)
{
	if (n == 0 || steps->old_config == NULL)
		return;
	if (keep) {
		keep_all(steps, entries, n);
		return;
	}
	qsort(entries, n, sizeof(*entries), by_interface);
	undo_listen_ports(steps, entries, n, SL_STEP_LISTEN_REMOVE);
	undo_listen_ports(steps, entries, n, SL_STEP_LISTEN_ADD);
	for (uint32_t from = 0, to; from < n; from = to) {
		for (to = from + 1; to < n && by_interface(&entries[from], &entries[to]) == 0;)
			to++;
		undo(steps, entries, from, to);
	}
}
