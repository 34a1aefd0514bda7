#include "control/config_load.h"

#include <string.h>

#include "crypto/wipe.h"
#include "crypto/x25519.h"

enum {
	LISTEN_PORT_MAX = 65535,
};

/* An interface while it is read. */
struct interface {
	struct sl_config_interface config;
	struct sl_address_list addresses;
	struct sl_place mtu_place;
	struct sl_include_list include;
	uint32_t endpoint_refresh; /* of peers that do not say */
	struct sl_prefix pool[SL_CONFIG_POOL_MAX];
};

static void parse_private_key(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct sl_config_interface *ifp = &((struct interface *)out)->config;

	ifp->has_private_key = sl_value_secret(ld, node, key, ifp->private_key, &ifp->private_key_source);
}

static void parse_previous_key(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct sl_config_interface *ifp = &((struct interface *)out)->config;

	ifp->has_previous_key = sl_value_secret(ld, node, key, ifp->previous_private_key, &ifp->previous_key_source);
}

static void parse_pool_prefix(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct interface *i = out;
	struct sl_prefix prefix;

	if (!sl_value_prefix(ld, node, key, true, &prefix))
		return;
	sl_prefix_mask(&prefix);
	if (i->config.n_pool == SL_CONFIG_POOL_MAX)
		sl_load_error(ld, node->place, "pool: more than %d prefixes; use wider ones", SL_CONFIG_POOL_MAX);
	else
		i->pool[i->config.n_pool++] = prefix;
}

static void parse_pool(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	sl_load_list(ld, node, key, parse_pool_prefix, out);
}

static void parse_public_endpoint(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	sl_value_endpoint(ld, node, key, &((struct interface *)out)->config.public_endpoint);
}

static void parse_interface_refresh(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	sl_parse_refresh(ld, node, key, &((struct interface *)out)->endpoint_refresh);
}

static void parse_listen_port(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct sl_config_interface *ifp = &((struct interface *)out)->config;
	uint32_t port;

	ifp->listen_port_place = node->place;
	if (sl_value_number(ld, node, key, 0, LISTEN_PORT_MAX, &port))
		ifp->listen_port = (uint16_t)port;
}

static void parse_interface_addresses(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	sl_load_list(ld, node, key, sl_parse_address, &((struct interface *)out)->addresses);
}

static void parse_interface_mtu(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct interface *i = out;

	i->mtu_place = node->place;
	sl_parse_mtu(ld, node, key, &i->config.mtu);
}

static void parse_interface_routes(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	static const char *const words[] = {"none", "allowed-ips"};
	uint32_t word;

	if (sl_value_word(ld, node, key, words, 2, &word))
		((struct interface *)out)->config.routes = word == 1;
}

static void parse_include_peers(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	sl_load_list(ld, node, key, sl_parse_include, &((struct interface *)out)->include);
}

enum interface_key {
	PRIVATE_KEY,
	PREVIOUS_KEY = PRIVATE_KEY + SL_SECRET_KEYS,
};

static const struct sl_key interface_keys[] = {
        [PRIVATE_KEY] = SL_SECRET("private-key", parse_private_key),
        [PREVIOUS_KEY] = SL_SECRET("previous-private-key", parse_previous_key),
        {"listen-port", parse_listen_port},
        {"addresses", parse_interface_addresses},
        {"mtu", parse_interface_mtu},
        {"peers", sl_parse_peers},
        {"include-peers", parse_include_peers},
        {"routes", parse_interface_routes},
        {"endpoint-refresh", parse_interface_refresh},
        {"pool", parse_pool},
        {"public-endpoint", parse_public_endpoint},
};

/* The identity of before: only beside another, which it is to give way to. */
static void settle_previous(
        struct sl_loader *ld, struct sl_config_interface *ifp, const struct sl_place *seen, bool has_own)
{
	if (!sl_check_secret(ld, interface_keys, seen, PREVIOUS_KEY) || !ifp->has_previous_key)
		return;
	ifp->has_previous_key = false;
	if (!has_own) {
		sl_load_error(ld, ifp->place,
		        "interface '%s' has a previous-private-key and no private-key; the one that is left is its "
		        "private-key",
		        ifp->name);
		return;
	}
	sl_x25519_clamp(ifp->previous_private_key);
	if (sl_equal(ifp->previous_private_key, ifp->private_key, SL_KEY_LEN)) {
		sl_load_error(ld, ifp->place,
		        "interface '%s' has the same key as private-key and previous-private-key; give the new one as "
		        "private-key",
		        ifp->name);
		return;
	}
	ifp->has_previous_key = true;
	sl_x25519_public(ifp->previous_public_key, ifp->previous_private_key);
}

/* Derives the public key. A private key of zeros means no identity (protocol.md 8). Whether the file gives one at all. */
static bool settle_identity(struct sl_loader *ld, struct sl_config_interface *ifp, const struct sl_place *seen)
{
	if (!sl_check_secret(ld, interface_keys, seen, PRIVATE_KEY)) {
		sl_load_warn(ld, ifp->place,
		        "interface '%s' has no private key and is silent until `wg set` gives it one; "
		        "add private-key-file",
		        ifp->name);
		return false;
	}
	if (!ifp->has_private_key)
		return true; /* what is wrong with it has been said */
	if (sl_is_zero(ifp->private_key, SL_KEY_LEN)) {
		ifp->has_private_key = false;
		sl_load_warn(ld, ifp->place,
		        "interface '%s' has a private key of zeros, which means none; make one with "
		        "`sluice genkey`",
		        ifp->name);
		return true;
	}
	sl_x25519_clamp(ifp->private_key);
	sl_x25519_public(ifp->public_key, ifp->private_key);
	return true;
}

/* Where peers' files are, for the commands that write them. */
static void keep_patterns(struct sl_loader *ld, struct interface *i)
{
	uint32_t n = i->include.n;
	const char **patterns = n ? sl_arena_alloc(&ld->arena, n * sizeof(*patterns)) : NULL;

	for (uint32_t j = 0; j < n; j++)
		patterns[j] = sl_source_path(ld, i->include.list[j].pattern);
	i->config.include_peers = patterns;
	i->config.n_include_peers = n;
}

static void parse_interface(struct sl_loader *ld, const struct sl_node *node, struct interface *i)
{
	struct sl_place seen[SL_KEYS_MAX] = {{0}};
	struct sl_config_interface *ifp = &i->config;

	ifp->mtu = SL_DEFAULT_MTU;
	ifp->routes = true;
	sl_load_mapping(
	        ld, node, ifp->name, interface_keys, sizeof(interface_keys) / sizeof(interface_keys[0]), seen, i);
	if (!ld->source->yaml.failed) {
		settle_previous(ld, ifp, seen, settle_identity(ld, ifp, seen));
		sl_check_mtu(ld, ifp->mtu, i->mtu_place, &i->addresses);
		ld->interface_name = ifp->name;
		ld->endpoint_refresh = i->endpoint_refresh;
		sl_load_included(ld, &i->include);
	}
	ifp->addresses = sl_arena_copy(&ld->arena, i->addresses.list, i->addresses.n * sizeof(i->addresses.list[0]));
	ifp->n_addresses = i->addresses.n;
	ifp->pool = sl_arena_copy(&ld->arena, i->pool, ifp->n_pool * sizeof(i->pool[0]));
	keep_patterns(ld, i);
}

/* Whether another interface has the name or the listen port (protocol.md 21). */
static bool interface_taken(struct sl_loader *ld, const struct sl_config_interface *ifp)
{
	struct sl_config *config = ld->config;

	for (uint32_t i = 0; i < config->n_interfaces; i++) {
		const struct sl_config_interface *other = &ld->interfaces[i];

		if (strcmp(other->name, ifp->name) == 0) {
			sl_load_error(ld, ifp->place, "interface '%s' is given twice, first at %s; keep one of them",
			        ifp->name, sl_load_where(ld, other->place));
			return true;
		}
		if (ifp->listen_port && other->listen_port == ifp->listen_port)
			sl_load_error(ld, ifp->listen_port_place,
			        "listen-port: %u belongs to interface '%s' at %s; give each its own", ifp->listen_port,
			        other->name, sl_load_where(ld, other->listen_port_place));
	}
	if (config->n_interfaces < SL_CONFIG_PLACES_MAX)
		return false;
	sl_load_error(ld, ifp->place, "more than %d interfaces; take some out", SL_CONFIG_PLACES_MAX);
	return true;
}

/* Moves the peers that were read to the interface, and the interface to the description. */
static void add_interface(struct sl_loader *ld, struct sl_config_interface *ifp, uint32_t endpoint_refresh)
{
	struct sl_config *config = ld->config;
	uint32_t n = config->n_interfaces;

	sl_interface_finish(ld, ifp, endpoint_refresh);
	ifp->peers = ld->peers;
	ifp->n_peers = ld->n_peers;
	ifp->endpoint_refresh = endpoint_refresh;
	ld->interfaces = sl_array_grow(ld->interfaces, n, &ld->interfaces_capacity, sizeof(*ld->interfaces));
	ld->peers_capacity =
	        sl_array_grow(ld->peers_capacity, n, &ld->peers_capacity_capacity, sizeof(*ld->peers_capacity));
	ld->interfaces[n] = *ifp;
	ld->peers_capacity[n] = ld->peers_room;
	config->n_interfaces++;
	config->n_peers += ld->n_peers;
	ld->peers = NULL;
	ld->n_peers = ld->peers_room = 0;
}

static void read_interface(struct sl_loader *ld, const struct sl_node *node, const char *name, struct sl_place place)
{
	struct interface i = {.config.name = name, .config.place = place};

	sl_config_map_clear(&ld->peer_names);
	sl_config_map_clear(&ld->allowed_prefixes);
	ld->n_allowed = 0;
	parse_interface(ld, node, &i);
	if (!interface_taken(ld, &i.config)) {
		add_interface(ld, &i.config, i.endpoint_refresh);
	} else {
		sl_array_free(ld->peers, ld->peers_room, sizeof(*ld->peers));
		ld->peers = NULL;
		ld->n_peers = ld->peers_room = 0;
	}
	sl_wipe(&i.config, sizeof(i.config));
}

void sl_parse_interfaces(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct sl_node name, value;

	if (!sl_load_expect(ld, node, SL_NODE_MAPPING, key))
		return;
	while (name = sl_yaml_next(ld), name.kind != SL_NODE_END) {
		struct sl_place place = name.place;
		const char *copy = sl_value_name(ld, &name, "interface");

		value = sl_yaml_next(ld);
		if (copy)
			read_interface(ld, &value, copy, place);
		else
			sl_yaml_skip(ld, &value);
	}
}
