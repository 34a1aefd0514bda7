#include "control/config_load.h"

#include <stdlib.h>
#include <string.h>

/* A port or interface as far as names and addresses go. */
struct place {
	const char *name;
	struct sl_place place;
	const struct sl_config_address *addresses;
	uint32_t n_addresses;
};

/* One address of one of them. */
struct entry {
	const struct place *owner;
	const struct sl_config_address *address;
};

struct places {
	struct place *list;
	uint32_t n;
	struct entry *entries; /* every address */
	uint32_t n_entries;
};

static void collect(const struct sl_loader *ld, struct places *all)
{
	const struct sl_config *config = ld->config;
	uint32_t n = config->n_ports + config->n_interfaces;

	*all = (struct places){.list = sl_config_alloc(n, sizeof(*all->list)),
	        .entries = sl_config_alloc((size_t)n * SL_CONFIG_ADDRESSES_MAX, sizeof(*all->entries))};
	for (uint32_t i = 0; i < config->n_ports; i++)
		all->list[all->n++] = (struct place){
		        ld->ports[i].name, ld->ports[i].place, ld->ports[i].addresses, ld->ports[i].n_addresses};
	for (uint32_t i = 0; i < config->n_interfaces; i++)
		all->list[all->n++] = (struct place){ld->interfaces[i].name, ld->interfaces[i].place,
		        ld->interfaces[i].addresses, ld->interfaces[i].n_addresses};
	for (uint32_t i = 0; i < all->n; i++)
		for (uint32_t j = 0; j < all->list[i].n_addresses; j++)
			all->entries[all->n_entries++] = (struct entry){&all->list[i], &all->list[i].addresses[j]};
}

/* Names are given to routes, and later to policy, without saying which of the two is meant. */
static void check_names(struct sl_loader *ld)
{
	const struct sl_config *config = ld->config;

	for (uint32_t i = 0; i < config->n_interfaces; i++)
		for (uint32_t j = 0; j < config->n_ports; j++)
			if (strcmp(ld->interfaces[i].name, ld->ports[j].name) == 0)
				sl_load_error(ld, ld->interfaces[i].place,
				        "interface '%s' has the name of the port at %s; rename "
				        "one of them",
				        ld->ports[j].name, sl_load_where(ld, ld->ports[j].place));
}

/* What of a device must not be opened twice: the kernel's interface, the PCI function, the name before a vdev's
 * arguments. */
static bool same_device(const struct sl_config_port *a, const struct sl_config_port *b)
{
	bool kernel_a = a->device_kind != SL_DEVICE_PCI && a->device_kind != SL_DEVICE_VDEV;
	bool kernel_b = b->device_kind != SL_DEVICE_PCI && b->device_kind != SL_DEVICE_VDEV;
	size_t len;

	if (!a->device_arg || !b->device_arg)
		return false;
	if (kernel_a && kernel_b)
		return strcmp(a->device_arg, b->device_arg) == 0;
	if (a->device_kind != b->device_kind)
		return false;
	len = strcspn(a->device_arg, ",");
	return len == strcspn(b->device_arg, ",") && memcmp(a->device_arg, b->device_arg, len) == 0;
}

static void check_devices(struct sl_loader *ld)
{
	for (uint32_t i = 0; i < ld->config->n_ports; i++)
		for (uint32_t j = 0; j < i; j++) {
			if (!same_device(&ld->ports[i], &ld->ports[j]))
				continue;
			sl_load_error(ld, ld->ports[i].device_place,
			        "device: '%s' belongs to port '%s' at %s; give each port its "
			        "own",
			        ld->ports[i].device, ld->ports[j].name, sl_load_where(ld, ld->ports[j].device_place));
			break;
		}
}

static bool is_link_local6(const struct entry *e)
{
	return e->address->prefix.addr.family == SL_AF_INET6 && sl_ip_is_link_local(&e->address->prefix.addr);
}

/* Link-local addresses belong to their link: two ports may have the same one. */
static void check_duplicates(struct sl_loader *ld, const struct places *all)
{
	struct sl_config_map seen;

	sl_config_map_init(&seen, sizeof(struct sl_ip));
	for (uint32_t i = 0; i < all->n_entries; i++) {
		const struct entry *e = &all->entries[i], *first;
		uint32_t earlier = sl_config_map_add(&seen, &e->address->prefix.addr, i);
		char text[SL_IP_STRLEN];

		if (earlier == SL_CONFIG_MAP_NONE)
			continue;
		first = &all->entries[earlier];
		if (is_link_local6(e) && first->owner != e->owner)
			continue;
		sl_load_error(ld, e->address->place,
		        "addresses: %s is given to '%s' already, at %s; give an address once",
		        sl_ip_format(&e->address->prefix.addr, text), first->owner->name,
		        sl_load_where(ld, first->address->place));
	}
	sl_config_map_free(&seen);
}

static void report_overlap(struct sl_loader *ld, const struct entry *e, const struct entry *other)
{
	char text[SL_PREFIX_STRLEN], wide[SL_PREFIX_STRLEN];
	struct sl_prefix network = e->address->prefix, outer = other->address->prefix;

	sl_prefix_mask(&network);
	sl_prefix_mask(&outer);
	sl_prefix_format(&network, text);
	sl_prefix_format(&outer, wide);
	if (network.len == outer.len)
		sl_load_error(ld, e->address->place,
		        "addresses: the network %s is on '%s' already, at %s; a network is on one "
		        "port or interface",
		        text, other->owner->name, sl_load_where(ld, other->address->place));
	else
		sl_load_warn(ld, e->address->place,
		        "addresses: the network %s is a part of %s on '%s' at %s; its hosts must not "
		        "be there",
		        text, wide, other->owner->name, sl_load_where(ld, other->address->place));
}

/* A network on two ports or interfaces is no route; one within another is, the longer prefix wins, but seldom what was
 * meant. */
static void check_overlaps(struct sl_loader *ld, const struct places *all)
{
	struct sl_config_map networks; /* → the first entry of that network */

	sl_config_map_init(&networks, sizeof(struct sl_prefix));
	for (uint32_t i = 0; i < all->n_entries; i++) {
		struct sl_prefix network = all->entries[i].address->prefix;

		sl_prefix_mask(&network);
		sl_config_map_add(&networks, &network, i);
	}
	for (uint32_t i = 0; i < all->n_entries; i++) {
		const struct entry *e = &all->entries[i];

		for (uint8_t len = e->address->prefix.len; len > 0 && !is_link_local6(e); len--) {
			struct sl_prefix network = {e->address->prefix.addr, len};
			uint32_t found;

			sl_prefix_mask(&network);
			found = sl_config_map_find(&networks, &network);
			if (found != SL_CONFIG_MAP_NONE && all->entries[found].owner != e->owner &&
			        !sl_ip_equal(&all->entries[found].address->prefix.addr, &e->address->prefix.addr)) {
				report_overlap(ld, e, &all->entries[found]);
				break;
			}
		}
	}
	sl_config_map_free(&networks);
}

/* Several ports may be outside ports, each with its router; one of the routers is the default. */
static void check_gateways(struct sl_loader *ld)
{
	const struct sl_config_port *first[2] = {NULL, NULL};

	for (uint32_t i = 0; i < ld->config->n_ports; i++) {
		const struct sl_config_port *port = &ld->ports[i];
		const struct sl_ip *gateways[2] = {&port->gateway4, &port->gateway6};

		for (int f = 0; f < 2; f++) {
			if (gateways[f]->family && first[f])
				sl_load_warn(ld, port->gateway_place,
				        "gateway: port '%s' at %s has an IPv%d gateway too, and that one "
				        "is the default route; add `routes` for what goes this way",
				        first[f]->name, sl_load_where(ld, first[f]->gateway_place),
				        gateways[f]->family);
			if (gateways[f]->family && !first[f])
				first[f] = port;
		}
	}
}

void sl_check_whole(struct sl_loader *ld)
{
	struct places all;

	if (ld->errs->n_errors == 0 && ld->config->n_ports == 0)
		sl_load_warn(ld, (struct sl_place){0}, "no ports, so no packet can come or go; add `ports`");
	collect(ld, &all);
	check_names(ld);
	check_devices(ld);
	check_duplicates(ld, &all);
	check_overlaps(ld, &all);
	check_gateways(ld);
	free(all.list);
	free(all.entries);
}
