/*
 * A load after a load: included files that are as they were are not read again, their peers are taken from the description there is. What
 * could be wrong with them is looked for as with any other; once something is, everything is read from the files, for the places in the
 * messages.
 */
#include "control/config_load.h"

#include <string.h>

/* A file that was changed so short a time before it was read may be changed again without another time: it is read each time. */
#define SETTLED_NS (2 * 1000 * 1000 * 1000LL)
#define NS         (1000 * 1000 * 1000LL)

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0xff51afd7ed558ccdULL;
	return h ^ h >> 32;
}

static int64_t ns_of(const struct timespec *t)
{
	return t->tv_sec * NS + t->tv_nsec;
}

/* What a file is told apart by; 0: it cannot be relied on. Any change of it changes st_ctim. */
static uint64_t identity_of(const struct sl_loader *ld, const char *path, const struct stat *st)
{
	uint64_t h = 0x9e3779b97f4a7c15ULL;

	if (!S_ISREG(st->st_mode) || ns_of(&st->st_ctim) + SETTLED_NS > ld->now)
		return 0;
	for (; *path; path++)
		h = mix(h, (unsigned char)*path);
	h = mix(h, st->st_dev);
	h = mix(h, st->st_ino);
	h = mix(h, (uint64_t)st->st_size);
	h = mix(h, (uint64_t)ns_of(&st->st_mtim));
	h = mix(h, (uint64_t)ns_of(&st->st_ctim));
	return h ? h : 1;
}

void sl_again_mark(struct sl_loader *ld, uint32_t file, const char *path, const struct stat *st, uint32_t first)
{
	struct sl_config_mark mark = {.identity = identity_of(ld, path, st), .first = first, .n = ld->n_peers - first};

	/* A key that stands elsewhere may have changed without this file. */
	for (uint32_t i = first; i < ld->n_peers; i++)
		if (ld->peers[i].preshared_key_source)
			mark.identity = 0;
	ld->marks[file] = mark;
}

void sl_again_begin(struct sl_loader *ld, const struct sl_config *old)
{
	ld->old = old;
	for (uint32_t i = 0; i < old->n_files; i++)
		if (old->marks[i].identity)
			sl_config_map_add(&ld->old_marks, &old->marks[i].identity, i);
}

/* The interface of the old description whose peers the file holds; NULL where they cannot be taken as they are. */
static const struct sl_config_interface *old_interface(const struct sl_loader *ld, uint32_t file)
{
	const struct sl_config_mark *mark = &ld->old->marks[file];

	for (uint32_t i = 0; i < ld->old->n_interfaces; i++) {
		const struct sl_config_interface *ifp = &ld->old->interfaces[i];

		if (mark->first < ifp->n_peers && mark->n <= ifp->n_peers - mark->first &&
		        ifp->peers[mark->first].place.file == file)
			return strcmp(ifp->name, ld->interface_name) == 0 ? ifp : NULL;
	}
	return NULL;
}

static const char *copy_text(struct sl_loader *ld, const char *text)
{
	return text ? sl_arena_text(&ld->arena, text, strlen(text)) : NULL;
}

/* Whether none of this interface has what the peer has; its prefixes and key are noted as those of a peer that is read. */
static bool claim(struct sl_loader *ld, const struct sl_config_peer *peer)
{
	char padded[SL_CONFIG_PEER_NAME_MAX + 1] = "";

	memcpy(padded, peer->name, strlen(peer->name));
	if (sl_config_map_add(&ld->peer_names, padded, ld->n_peers) != SL_CONFIG_MAP_NONE ||
	        sl_config_map_add(&ld->public_keys, peer->public_key, ld->n_key_places) != SL_CONFIG_MAP_NONE)
		return false;
	ld->key_places =
	        sl_array_grow(ld->key_places, ld->n_key_places, &ld->key_places_capacity, sizeof(*ld->key_places));
	ld->key_places[ld->n_key_places++] = peer->place;
	for (uint32_t i = 0; i < peer->n_allowed_ips; i++) {
		struct sl_allowed allowed = {
		        .prefix = peer->allowed_ips[i], .peer = ld->n_peers, .place = peer->place};

		if (sl_config_map_add(&ld->allowed_prefixes, &allowed.prefix, ld->n_allowed) != SL_CONFIG_MAP_NONE)
			return false;
		ld->allowed =
		        sl_array_grow(ld->allowed, ld->n_allowed, &ld->allowed_capacity, sizeof(*ld->allowed));
		ld->allowed[ld->n_allowed++] = allowed;
	}
	return true;
}

static void take_peer(struct sl_loader *ld, const struct sl_config_peer *old, uint32_t file)
{
	struct sl_config_peer *peer;

	ld->peers = sl_array_grow(ld->peers, ld->n_peers, &ld->peers_room, sizeof(*ld->peers));
	peer = &ld->peers[ld->n_peers];
	*peer = *old;
	peer->unmade = false;
	peer->place.file = file;
	peer->name = copy_text(ld, old->name);
	peer->allowed_ips = sl_arena_prefixes(&ld->arena, old->allowed_ips, old->n_allowed_ips);
	peer->private_key_file = copy_text(ld, old->private_key_file);
	peer->endpoint.host = copy_text(ld, old->endpoint.host);
	if (!claim(ld, peer))
		ld->again_failed = true;
	ld->config->n_taken++;
	ld->n_peers++;
}

bool sl_again_take(struct sl_loader *ld, const char *path, struct sl_place place)
{
	const struct sl_config_interface *from;
	uint64_t identity;
	struct stat st;
	uint32_t old_file, file;

	if (!ld->old || ld->again_failed || stat(path, &st) != 0)
		return false;
	identity = identity_of(ld, path, &st);
	old_file = identity ? sl_config_map_find(&ld->old_marks, &identity) : SL_CONFIG_MAP_NONE;
	from = old_file == SL_CONFIG_MAP_NONE ? NULL : old_interface(ld, old_file);
	if (!from || from->endpoint_refresh != ld->endpoint_refresh)
		return false;
	if (!sl_source_first_time(ld, path, &st, place))
		return true;
	file = sl_source_add(ld, path);
	for (uint32_t i = 0; i < ld->old->marks[old_file].n; i++)
		take_peer(ld, &from->peers[ld->old->marks[old_file].first + i], file);
	ld->marks[file] = (struct sl_config_mark){identity, ld->n_peers - ld->old->marks[old_file].n,
	        ld->old->marks[old_file].n};
	return true;
}
