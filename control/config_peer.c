#include "control/config_load.h"
#include "control/path_sort.h"

#include <ctype.h>
#include <glob.h>
#include <string.h>

#include "crypto/wipe.h"

enum {
	KEEPALIVE_MAX = 65535, /* seconds: what the wg socket can carry */
};

/* A peer while it is read. */
struct peer {
	struct sl_config_peer config;
	struct sl_place key_place;
	uint32_t n_prefixes; /* in the loader's scratch list */
	bool has_key;
};

static void parse_public_key(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct peer *p = out;

	p->key_place = node->place;
	p->has_key = sl_value_key(ld, node, key, true, p->config.public_key);
}

static void parse_preshared_key(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct sl_config_peer *peer = &((struct peer *)out)->config;

	peer->has_preshared_key = sl_value_secret(ld, node, key, peer->preshared_key, &peer->preshared_key_source);
}

/* Not read here: a hub that keeps its clients' keys needs them for `export` alone. */
static void parse_private_key_file(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	if (sl_value_text(ld, node, key))
		((struct peer *)out)->config.private_key_file = sl_expand_path(ld, node, key);
}

static void parse_disabled(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	sl_value_bool(ld, node, key, &((struct peer *)out)->config.disabled);
}

static void parse_expires(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	sl_value_time(ld, node, key, &((struct peer *)out)->config.expires);
}

static void parse_endpoint_refresh(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	sl_parse_refresh(ld, node, key, &((struct peer *)out)->config.endpoint_refresh);
}

static void parse_endpoint(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	sl_value_endpoint(ld, node, key, &((struct peer *)out)->config.endpoint);
}

static void parse_keepalive(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	uint32_t seconds;

	if (node->kind == SL_NODE_SCALAR && strcmp(node->text, "off") == 0)
		return;
	if (sl_value_number(ld, node, key, 0, KEEPALIVE_MAX, &seconds))
		((struct peer *)out)->config.persistent_keepalive = (uint16_t)seconds;
}

/* One prefix: remembered with its place, and refused where a peer of this interface has it. */
static void parse_allowed_ip(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct sl_allowed allowed = {.peer = ld->n_peers, .place = node->place};
	struct peer *p = out;
	uint32_t earlier;

	if (!sl_value_prefix(ld, node, key, false, &allowed.prefix))
		return;
	sl_prefix_mask(&allowed.prefix);
	earlier = sl_config_map_add(&ld->allowed_prefixes, &allowed.prefix, ld->n_allowed);
	if (earlier != SL_CONFIG_MAP_NONE) {
		const struct sl_allowed *first = &ld->allowed[earlier];

		if (first->peer == ld->n_peers)
			sl_load_error(ld, node->place,
			        "allowed-ips: '%s' is given twice, first at %s; keep one of them", node->text,
			        sl_load_where(ld, first->place));
		else
			sl_load_error(ld, node->place,
			        "allowed-ips: '%s' belongs to peer '%s' at %s; give it to one of them", node->text,
			        ld->peers[first->peer].name, sl_load_where(ld, first->place));
		return;
	}
	ld->allowed = sl_array_grow(ld->allowed, ld->n_allowed, &ld->allowed_capacity, sizeof(*ld->allowed));
	ld->allowed[ld->n_allowed++] = allowed;
	ld->prefixes = sl_array_grow(ld->prefixes, p->n_prefixes, &ld->prefixes_capacity, sizeof(*ld->prefixes));
	ld->prefixes[p->n_prefixes++] = allowed.prefix;
}

static void parse_allowed_ips(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	sl_load_list(ld, node, key, parse_allowed_ip, out);
}

enum peer_key {
	PUBLIC_KEY,
	PRESHARED_KEY,
};

static const struct sl_key peer_keys[] = {
        [PUBLIC_KEY] = {"public-key", parse_public_key},
        [PRESHARED_KEY] = SL_SECRET("preshared-key", parse_preshared_key),
        {"endpoint", parse_endpoint},
        {"endpoint-refresh", parse_endpoint_refresh},
        {"allowed-ips", parse_allowed_ips},
        {"persistent-keepalive", parse_keepalive},
        {"disabled", parse_disabled},
        {"expires", parse_expires},
        {"private-key-file", parse_private_key_file},
};

/* A name is shown, asked for on the command line and part of file names. */
static const char *peer_name(struct sl_loader *ld, const struct sl_node *node)
{
	if (!sl_value_text(ld, node, "peer"))
		return NULL;
	for (size_t i = 0; i < node->len; i++) {
		unsigned char c = (unsigned char)node->text[i];
		bool control = c == 0xc2 && (unsigned char)node->text[i + 1] < 0xa0; /* C1, in UTF-8 */

		if (control || (c < 0x80 && (!isgraph(c) || strchr("/\\'\"`$", c)))) {
			sl_load_error(ld, node->place, "peer name '%s' is not valid; use letters, digits and - _ . @ +",
			        sl_show(node->text, node->len));
			return NULL;
		}
	}
	if (node->len > SL_CONFIG_PEER_NAME_MAX) {
		sl_load_error(ld, node->place, "peer name '%s' is too long; use at most %d bytes",
		        sl_show(node->text, node->len), SL_CONFIG_PEER_NAME_MAX);
		return NULL;
	}
	return sl_arena_text(&ld->arena, node->text, node->len);
}

static void check_public_key(struct sl_loader *ld, const struct peer *p)
{
	uint32_t earlier = sl_config_map_add(&ld->public_keys, p->config.public_key, ld->n_key_places);

	if (earlier != SL_CONFIG_MAP_NONE) {
		sl_load_error(ld, p->key_place,
		        "public-key: a peer has this key already, at %s; give each peer its own",
		        sl_load_where(ld, ld->key_places[earlier]));
		return;
	}
	ld->key_places =
	        sl_array_grow(ld->key_places, ld->n_key_places, &ld->key_places_capacity, sizeof(*ld->key_places));
	ld->key_places[ld->n_key_places++] = p->key_place;
}

static void check_peer(struct sl_loader *ld, const struct sl_node *node, struct peer *p, const struct sl_place *seen)
{
	struct sl_config_peer *peer = &p->config;

	if (p->has_key)
		check_public_key(ld, p);
	else if ((node->kind == SL_NODE_MAPPING || node->null) && seen[PUBLIC_KEY].line == 0)
		sl_load_error(ld, peer->place, "peer '%s' has no public-key; add the one that its `wg pubkey` prints",
		        peer->name);
	sl_check_secret(ld, peer_keys, seen, PRESHARED_KEY);
	if (peer->has_preshared_key && sl_is_zero(peer->preshared_key, SL_KEY_LEN))
		peer->has_preshared_key = false; /* zeros mean none, as for `wg` */
}

static void read_peer(struct sl_loader *ld, const struct sl_node *node, const char *name, struct sl_place place)
{
	struct peer p = {.config = {.name = name, .place = place, .endpoint_refresh = SL_REFRESH_INHERIT}};
	struct sl_place seen[SL_KEYS_MAX] = {{0}};
	char padded[SL_CONFIG_PEER_NAME_MAX + 1] = "";
	uint32_t earlier;

	memcpy(padded, name, strlen(name));
	earlier = sl_config_map_add(&ld->peer_names, padded, ld->n_peers);
	if (earlier != SL_CONFIG_MAP_NONE) {
		sl_load_error(ld, place, "peer '%s' is given twice, first at %s; rename one or take it out", name,
		        sl_load_where(ld, ld->peers[earlier].place));
		sl_yaml_skip(ld, node);
		return;
	}
	sl_load_mapping(ld, node, name, peer_keys, sizeof(peer_keys) / sizeof(peer_keys[0]), seen, &p);
	if (!ld->source->yaml.failed)
		check_peer(ld, node, &p, seen);
	p.config.allowed_ips = sl_arena_prefixes(&ld->arena, ld->prefixes, p.n_prefixes);
	p.config.n_allowed_ips = p.n_prefixes;
	ld->peers = sl_array_grow(ld->peers, ld->n_peers, &ld->peers_room, sizeof(*ld->peers));
	ld->peers[ld->n_peers++] = p.config;
	sl_wipe(&p.config, sizeof(p.config));
}

void sl_parse_peers(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct sl_node name, value;

	if (!sl_load_expect(ld, node, SL_NODE_MAPPING, key))
		return;
	while (name = sl_yaml_next(ld), name.kind != SL_NODE_END) {
		struct sl_place place = name.place;
		const char *copy = peer_name(ld, &name);

		value = sl_yaml_next(ld);
		if (copy)
			read_peer(ld, &value, copy, place);
		else
			sl_yaml_skip(ld, &value);
	}
}

void sl_parse_include(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct sl_include_list *list = out;

	if (!sl_value_text(ld, node, key))
		return;
	if (list->n == SL_INCLUDES_MAX) {
		sl_load_error(ld, node->place, "include-peers: more than %d patterns; use wildcards", SL_INCLUDES_MAX);
		return;
	}
	list->list[list->n].pattern = sl_arena_text(&ld->arena, node->text, node->len);
	list->list[list->n++].place = node->place;
}

static void read_included(struct sl_loader *ld, const struct sl_node *root)
{
	static const struct sl_key keys[] = {{"peers", sl_parse_peers}};
	struct sl_place seen[SL_KEYS_MAX];

	if (root->kind == SL_NODE_SCALAR && !root->null && !root->bad)
		sl_load_error(ld, root->place, "no keys here; an included file holds `peers:` and peers below it");
	else
		sl_load_mapping(ld, root, "included file", keys, 1, seen, NULL);
}

/* The folder is as written, whatever characters it has: only what the user wrote is a pattern. */
static const char *glob_pattern(struct sl_loader *ld, const char *pattern)
{
	const char *folder = pattern[0] == '/' ? "" : ld->source->folder;
	char *whole = sl_arena_alloc(&ld->arena, 2 * strlen(folder) + strlen(pattern) + 1);
	char *end = whole;

	for (; *folder; folder++) {
		if (strchr("*?[]\\", *folder))
			*end++ = '\\';
		*end++ = *folder;
	}
	strcpy(end, pattern);
	return whole;
}

void sl_load_included(struct sl_loader *ld, const struct sl_include_list *list)
{
	for (uint32_t i = 0; i < list->n; i++) {
		const char *pattern = list->list[i].pattern;
		struct sl_place place = list->list[i].place;
		glob_t found = {0};

		if (!strpbrk(pattern, "*?[")) {
			sl_source_load(ld, sl_source_path(ld, pattern), place, read_included);
			continue;
		}
		/* glob sorts by the locale's rules, which takes as long as finding the files */
		if (glob(glob_pattern(ld, pattern), GLOB_NOSORT, NULL, &found) == GLOB_NOSPACE)
			sl_load_error(ld, place,
			        "include-peers: '%.64s' matches too many files; use fewer, larger ones", pattern);
		sl_paths_sort(found.gl_pathv, found.gl_pathc);
		if (!ld->old) /* else few are read */
			ld->ahead = sl_ahead_begin(found.gl_pathv, found.gl_pathc, SL_SOURCE_MAX);
		for (size_t j = 0; j < found.gl_pathc; j++)
			sl_source_load(ld, found.gl_pathv[j], place, read_included);
		sl_ahead_end(ld->ahead);
		ld->ahead = NULL;
		globfree(&found);
	}
}
