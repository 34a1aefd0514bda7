#include "control/config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/config_load.h"
#include "crypto/wipe.h"

enum {
	VERSION = 1,
	GATEWAY_NAME_MAX = 63, /* it is part of a socket's path */
};

/* What sl_config_load returns the head of. */
struct owned {
	struct sl_config config;
	struct sl_arena arena;
	uint32_t ports_capacity, interfaces_capacity;
	uint32_t *peers_capacity; /* in the arena, one for each interface */
};

static void parse_version(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	ld->version_seen = true;
	if (!sl_value_text(ld, node, key))
		return;
	if (strcmp(node->text, "1") != 0)
		sl_load_error(ld, node->place, "version: '%s' is not known; this Sluice reads version %d",
		        sl_show(node->text, node->len), VERSION);
}

static void parse_name(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	if (!sl_value_text(ld, node, key))
		return;
	for (size_t i = 0; i < node->len; i++)
		if (!islower((unsigned char)node->text[i]) && !isdigit((unsigned char)node->text[i]) &&
		        !(node->text[i] == '-' && i > 0)) {
			sl_load_error(ld, node->place, "name: '%s' is not valid; use a-z, 0-9 and, within, '-'",
			        sl_show(node->text, node->len));
			return;
		}
	if (node->len > GATEWAY_NAME_MAX) {
		sl_load_error(ld, node->place, "name: '%s' is too long; use at most %d characters",
		        sl_show(node->text, node->len), GATEWAY_NAME_MAX);
		return;
	}
	ld->config->name = sl_arena_text(&ld->arena, node->text, node->len);
}

static void read_root(struct sl_loader *ld, const struct sl_node *root)
{
	static const struct sl_key keys[] = {
	        {"version", parse_version},
	        {"name", parse_name},
	        {"dataplane", sl_parse_dataplane},
	        {"ports", sl_parse_ports},
	        {"interfaces", sl_parse_interfaces},
	        {"routes", sl_parse_routes},
	        {"nat", NULL},
	        {"policy", NULL},
	        {"groups", NULL},
	        {"metrics", NULL},
	};
	struct sl_place seen[SL_KEYS_MAX];

	if (root->null || (root->kind == SL_NODE_SCALAR && !root->bad)) {
		sl_load_error(ld, root->place, "no keys here; begin with `version: 1`, see sluice.yaml(5)");
		return;
	}
	sl_load_mapping(ld, root, "the file", keys, sizeof(keys) / sizeof(keys[0]), seen, NULL);
	if (!ld->version_seen && !ld->source->yaml.failed && root->kind == SL_NODE_MAPPING)
		sl_load_error(ld, root->place, "no version; begin the file with `version: 1`");
}

static void loader_init(struct sl_loader *ld, struct owned *owned, struct sl_config_errors *errs)
{
	*ld = (struct sl_loader){.config = &owned->config, .errs = errs};
	owned->config.name = "sluice";
	owned->config.dataplane.control_core = -1;
	sl_config_map_init(&ld->old_marks, sizeof(uint64_t));
	sl_config_map_init(&ld->included, 2 * sizeof(uint64_t));
	sl_config_map_init(&ld->peer_names, SL_CONFIG_PEER_NAME_MAX + 1);
	sl_config_map_init(&ld->allowed_prefixes, sizeof(struct sl_prefix));
	sl_config_map_init(&ld->routed, sizeof(struct sl_prefix));
	sl_config_map_init(&ld->public_keys, SL_KEY_LEN);
}

/* Hands what was collected to the description and frees the rest. */
static void loader_finish(struct sl_loader *ld, struct owned *owned)
{
	struct sl_config *config = ld->config;

	config->files = sl_arena_copy(&ld->arena, ld->files, ld->n_files * sizeof(*ld->files));
	config->n_files = ld->n_files;
	if (ld->shifted)
		memset(ld->marks, 0, ld->n_files * sizeof(*ld->marks));
	config->marks = sl_arena_copy(&ld->arena, ld->marks, ld->n_files * sizeof(*ld->marks));
	config->path = config->files[0];
	config->ports = ld->ports;
	config->interfaces = ld->interfaces;
	owned->ports_capacity = ld->ports_capacity;
	owned->interfaces_capacity = ld->interfaces_capacity;
	owned->peers_capacity =
	        sl_arena_copy(&ld->arena, ld->peers_capacity, config->n_interfaces * sizeof(*ld->peers_capacity));
	owned->arena = ld->arena;

	free(ld->files);
	free(ld->marks);
	sl_config_map_free(&ld->old_marks);
	free(ld->peers_capacity);
	free(ld->routes);
	free(ld->allowed);
	free(ld->key_places);
	free(ld->routed_places);
	free(ld->prefixes);
	sl_config_map_free(&ld->included);
	sl_config_map_free(&ld->peer_names);
	sl_config_map_free(&ld->allowed_prefixes);
	sl_config_map_free(&ld->routed);
	sl_config_map_free(&ld->public_keys);
}

static struct sl_config *load(const char *path, const char *text, size_t len, const struct sl_config *old, int64_t now,
        struct sl_config_errors *errs)
{
	struct owned *owned = sl_config_alloc(1, sizeof(*owned));
	uint32_t errors_before = errs->n_errors;
	struct sl_loader ld;

	loader_init(&ld, owned, errs);
	ld.now = now;
	if (old)
		sl_again_begin(&ld, old);
	if (text)
		sl_source_read(&ld, sl_source_add(&ld, path), &(struct sl_source_text){text, len, NULL, NULL}, read_root);
	else
		sl_source_load(&ld, path, (struct sl_place){0}, read_root);
	sl_resolve_routes(&ld);
	sl_check_whole(&ld);
	loader_finish(&ld, owned);
	sl_config_errors_sort(errs);
	if (errs->n_errors == errors_before && !ld.again_failed)
		return &owned->config;
	sl_config_free(&owned->config);
	return NULL;
}

struct sl_config *sl_config_load_at(
        const char *path, const struct sl_config *old, int64_t now, struct sl_config_errors *errs)
{
	struct sl_config_errors again;
	struct sl_config *config;

	if (!old)
		return load(path, NULL, 0, NULL, now, errs);
	sl_config_errors_init(&again);
	config = load(path, NULL, 0, old, now, &again);
	if (!config) {
		sl_config_errors_free(&again);
		return load(path, NULL, 0, NULL, now, errs);
	}
	sl_config_errors_free(errs);
	*errs = again;
	return config;
}

static int64_t wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

struct sl_config *sl_config_load(const char *path, struct sl_config_errors *errs)
{
	return sl_config_load_at(path, NULL, wall_ns(), errs);
}

struct sl_config *sl_config_load_again(
        const char *path, const struct sl_config *old, struct sl_config_errors *errs)
{
	return sl_config_load_at(path, old, wall_ns(), errs);
}

struct sl_config *sl_config_load_text(const char *name, const char *text, size_t len, struct sl_config_errors *errs)
{
	return load(name, text, len, NULL, wall_ns(), errs);
}

void sl_config_free(struct sl_config *config)
{
	struct owned *owned = (struct owned *)config;

	if (!config)
		return;
	for (uint32_t i = 0; i < config->n_interfaces; i++)
		sl_array_free(
		        (void *)config->interfaces[i].peers, owned->peers_capacity[i], sizeof(struct sl_config_peer));
	sl_array_free((void *)config->interfaces, owned->interfaces_capacity, sizeof(struct sl_config_interface));
	sl_array_free((void *)config->ports, owned->ports_capacity, sizeof(struct sl_config_port));
	sl_arena_free(&owned->arena);
	free(owned);
}
