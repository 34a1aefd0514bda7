#include "control/diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/diff_build.h"

struct sl_step *sl_diff_step(struct sl_differ *d, enum sl_step_kind kind)
{
	struct sl_steps *steps = &d->out->steps;
	struct sl_step *s;

	steps->steps = sl_array_grow(steps->steps, steps->n_steps, &d->out->capacity, sizeof(*steps->steps));
	s = &steps->steps[steps->n_steps++];
	*s = (struct sl_step){.kind = kind};
	return s;
}

const struct sl_config_port *sl_diff_find_port(const struct sl_config *config, const char *name)
{
	for (uint32_t i = 0; i < config->n_ports; i++)
		if (strcmp(config->ports[i].name, name) == 0)
			return &config->ports[i];
	return NULL;
}

const struct sl_config_interface *sl_diff_find_interface(const struct sl_config *config, const char *name)
{
	for (uint32_t i = 0; i < config->n_interfaces; i++)
		if (strcmp(config->interfaces[i].name, name) == 0 && !config->interfaces[i].unmade)
			return &config->interfaces[i];
	return NULL;
}

/* --- what is not live --- */

static void refuse(struct sl_differ *d, const char *section, const char *name, const char *key)
{
	size_t len = strlen(section) + strlen(name) + strlen(key) + 3;
	char *what = sl_arena_alloc(&d->out->arena, len);

	snprintf(what, len, "%s%s%s%s%s", section, *section ? "." : "", name, *key ? "." : "", key);
	sl_diff_step(d, SL_STEP_REFUSED)->what = what;
	d->out->steps.n_refused++;
}

static void refuse_dataplane(struct sl_differ *d)
{
	const struct sl_config_dataplane *a = &d->old_config->dataplane, *b = &d->new_config->dataplane;

	if (strcmp(d->old_config->name, d->new_config->name) != 0)
		refuse(d, "", "name", "");
	if (a->workers != b->workers || a->n_workers != b->n_workers ||
	        (a->workers == SL_WORKERS_CORES && memcmp(a->cores, b->cores, a->n_workers * sizeof(a->cores[0])) != 0))
		refuse(d, "dataplane", "workers", "");
	if (a->control_core != b->control_core)
		refuse(d, "dataplane", "control-core", "");
	if (a->hugepages != b->hugepages)
		refuse(d, "dataplane", "hugepages", "");
}

static void refuse_ports(struct sl_differ *d)
{
	for (uint32_t i = 0; i < d->old_config->n_ports; i++) {
		const struct sl_config_port *a = &d->old_config->ports[i];
		const struct sl_config_port *b = sl_diff_find_port(d->new_config, a->name);

		if (!b)
			refuse(d, "ports", a->name, "");
		else if (a->device_kind != b->device_kind || strcmp(a->device_arg, b->device_arg) != 0)
			refuse(d, "ports", a->name, "device");
	}
	for (uint32_t i = 0; i < d->new_config->n_ports; i++)
		if (!sl_diff_find_port(d->old_config, d->new_config->ports[i].name))
			refuse(d, "ports", d->new_config->ports[i].name, "");
}

static void change_dataplane(struct sl_differ *d)
{
	const struct sl_config_dataplane *a = &d->old_config->dataplane, *b = &d->new_config->dataplane;
	uint32_t changed = 0;

	if (d->first || a->idle != b->idle)
		changed |= SL_CHANGE_IDLE;
	if (d->first || a->simd != b->simd)
		changed |= SL_CHANGE_SIMD;
	if (changed)
		sl_diff_step(d, SL_STEP_DATAPLANE)->changed = changed;
}

/* --- addresses --- */

/* The same address with the same length: not the same network, so sl_prefix_equal is not what is meant. */
static bool has_address(const struct sl_config_address *list, uint32_t n, const struct sl_prefix *prefix)
{
	for (uint32_t i = 0; i < n; i++)
		if (sl_ip_equal(&list[i].prefix.addr, &prefix->addr) && list[i].prefix.len == prefix->len &&
		        !list[i].unmade)
			return true;
	return false;
}

static bool has_ip(const struct sl_config_address *list, uint32_t n, const struct sl_ip *ip)
{
	for (uint32_t i = 0; i < n; i++)
		if (sl_ip_equal(&list[i].prefix.addr, ip))
			return true;
	return false;
}

/*
 * Whether an address has to go before others come: because its like comes, at another place or with another length, or
 * because the place has no room for both.
 */
static bool goes_first(const struct sl_differ *d, const struct sl_prefix *address, uint32_t before, uint32_t after)
{
	const struct sl_config *c = d->new_config;

	if (before + after >= SL_IF_MAX_ADDRESSES)
		return true;
	for (uint32_t i = 0; i < c->n_ports; i++)
		if (has_ip(c->ports[i].addresses, c->ports[i].n_addresses, &address->addr))
			return true;
	for (uint32_t i = 0; i < c->n_interfaces; i++)
		if (has_ip(c->interfaces[i].addresses, c->interfaces[i].n_addresses, &address->addr))
			return true;
	return false;
}

/* Those that have to go first, or the others, which go when the new ones are there. */
static void remove_addresses(struct sl_differ *d, bool first)
{
	for (uint32_t i = 0; i < d->old_config->n_ports; i++) {
		const struct sl_config_port *a = &d->old_config->ports[i],
		                            *b = sl_diff_find_port(d->new_config, a->name);

		for (uint32_t j = 0; b && j < a->n_addresses; j++)
			if (!has_address(b->addresses, b->n_addresses, &a->addresses[j].prefix) &&
			        goes_first(d, &a->addresses[j].prefix, a->n_addresses, b->n_addresses) == first) {
				struct sl_step *s = sl_diff_step(d, SL_STEP_ADDRESS_REMOVE);

				s->old_port = a;
				s->address = &a->addresses[j];
			}
	}
	for (uint32_t i = 0; i < d->n_pairs; i++) {
		const struct sl_config_interface *a = d->pairs[i].old_if, *b = d->pairs[i].new_if;

		for (uint32_t j = 0; j < a->n_addresses; j++)
			if (!has_address(b->addresses, b->n_addresses, &a->addresses[j].prefix) &&
			        goes_first(d, &a->addresses[j].prefix, a->n_addresses, b->n_addresses) == first) {
				struct sl_step *s = sl_diff_step(d, SL_STEP_ADDRESS_REMOVE);

				s->old_interface = a;
				s->address = &a->addresses[j];
			}
	}
}

static void add_addresses(struct sl_differ *d)
{
	for (uint32_t i = 0; i < d->new_config->n_ports; i++) {
		const struct sl_config_port *b = &d->new_config->ports[i],
		                            *a = sl_diff_find_port(d->old_config, b->name);

		for (uint32_t j = 0; j < b->n_addresses; j++)
			if (!a || !has_address(a->addresses, a->n_addresses, &b->addresses[j].prefix)) {
				struct sl_step *s = sl_diff_step(d, SL_STEP_ADDRESS_ADD);

				s->new_port = b;
				s->address = &b->addresses[j];
			}
	}
	for (uint32_t i = 0; i < d->new_config->n_interfaces; i++) {
		const struct sl_config_interface *b = &d->new_config->interfaces[i];
		const struct sl_config_interface *a = sl_diff_find_interface(d->old_config, b->name);

		for (uint32_t j = 0; j < b->n_addresses; j++)
			if (!a || !has_address(a->addresses, a->n_addresses, &b->addresses[j].prefix)) {
				struct sl_step *s = sl_diff_step(d, SL_STEP_ADDRESS_ADD);

				s->new_interface = b;
				s->address = &b->addresses[j];
			}
	}
}

/* --- ports --- */

static const struct sl_ip *gateway(const struct sl_config_port *port, uint32_t which)
{
	static const struct sl_ip none;

	if (!port)
		return &none;
	return which == SL_CHANGE_GATEWAY4 ? &port->gateway4 : &port->gateway6;
}

/* Which families have any change of gateway. */
static uint32_t changed_gateways(const struct sl_differ *d)
{
	uint32_t changed = 0;

	for (uint32_t i = 0; i < d->new_config->n_ports; i++) {
		const struct sl_config_port *b = &d->new_config->ports[i],
		                            *a = sl_diff_find_port(d->old_config, b->name);

		if (a)
			changed |= a->unmade & (SL_CHANGE_GATEWAY4 | SL_CHANGE_GATEWAY6);
		if (!sl_ip_equal(gateway(a, SL_CHANGE_GATEWAY4), gateway(b, SL_CHANGE_GATEWAY4)))
			changed |= SL_CHANGE_GATEWAY4;
		if (!sl_ip_equal(gateway(a, SL_CHANGE_GATEWAY6), gateway(b, SL_CHANGE_GATEWAY6)))
			changed |= SL_CHANGE_GATEWAY6;
	}
	return changed;
}

static void change_port(struct sl_differ *d, const struct sl_config_port *b, uint32_t gateways, bool keeps_one)
{
	const struct sl_config_port *a = sl_diff_find_port(d->old_config, b->name);
	uint32_t changed = 0, had = 0, has = 0;
	struct sl_step *s;

	for (uint32_t which = SL_CHANGE_GATEWAY4; which <= SL_CHANGE_GATEWAY6; which <<= 1) {
		had |= gateway(a, which)->family ? which : a ? a->unmade & which : 0;
		has |= gateway(b, which)->family ? which : 0;
	}
	changed = gateways & (keeps_one ? has : had & ~has);
	if (keeps_one && a)
		changed |= a->unmade & (SL_CHANGE_MTU | SL_CHANGE_FORWARD_CLEAR);
	if (keeps_one && a && a->mtu != b->mtu)
		changed |= SL_CHANGE_MTU;
	if (keeps_one && a && a->forward_clear != b->forward_clear)
		changed |= SL_CHANGE_FORWARD_CLEAR;
	if (!changed)
		return;
	s = sl_diff_step(d, SL_STEP_PORT_CHANGE);
	s->changed = changed;
	s->old_port = a;
	s->new_port = b;
}

/*
 * The first port with a gateway of a family has the default route. So when a gateway changes, those that go are taken
 * away, and all that stay are set, the first port's last: whoever sets a default route replaces the one before.
 */
static void change_ports(struct sl_differ *d)
{
	uint32_t gateways = changed_gateways(d);

	for (uint32_t i = d->new_config->n_ports; i-- > 0;)
		change_port(d, &d->new_config->ports[i], gateways, false);
	for (uint32_t i = d->new_config->n_ports; i-- > 0;)
		change_port(d, &d->new_config->ports[i], gateways, true);
}

/* --- routes --- */

/* The name of the port or interface a route leads to; the two share one name space. */
static const char *route_place(const struct sl_config *config, const struct sl_config_route *route)
{
	return route->port >= 0 ? config->ports[route->port].name : config->interfaces[route->interface].name;
}

static bool place_exists(const struct sl_config *config, const char *name)
{
	return sl_diff_find_port(config, name) || sl_diff_find_interface(config, name);
}

static void index_routes(const struct sl_config *config, struct sl_config_map *map)
{
	sl_config_map_init(map, sizeof(struct sl_prefix));
	for (uint32_t i = 0; i < config->n_routes; i++)
		sl_config_map_add(map, &config->routes[i].to, i);
}

/* A route whose place goes, goes first; else it stays until its successors are there, or replaces it. */
static void remove_routes(struct sl_differ *d, bool first)
{
	const struct sl_config *config = d->old_config;
	struct sl_config_map successors;

	index_routes(d->new_config, &successors);
	for (uint32_t i = 0; i < config->n_routes; i++) {
		bool homeless = !place_exists(d->new_config, route_place(config, &config->routes[i]));

		if (homeless == first &&
		        (homeless || sl_config_map_find(&successors, &config->routes[i].to) == SL_CONFIG_MAP_NONE))
			sl_diff_step(d, SL_STEP_ROUTE_REMOVE)->route = &config->routes[i];
	}
	sl_config_map_free(&successors);
}

static void add_routes(struct sl_differ *d)
{
	const struct sl_config *config = d->new_config;
	struct sl_config_map predecessors;

	index_routes(d->old_config, &predecessors);
	for (uint32_t i = 0; i < config->n_routes; i++) {
		uint32_t n = sl_config_map_find(&predecessors, &config->routes[i].to);
		const struct sl_config_route *old = n == SL_CONFIG_MAP_NONE ? NULL : &d->old_config->routes[n];

		if (old && !old->unmade && sl_ip_equal(&old->via, &config->routes[i].via) &&
		        strcmp(route_place(d->old_config, old), route_place(config, &config->routes[i])) == 0)
			continue;
		sl_diff_step(d, SL_STEP_ROUTE_ADD)->route = &config->routes[i];
	}
	sl_config_map_free(&predecessors);
}

/* --- the phases --- */

/* What would be in the way of what comes. */
static void make_room(struct sl_differ *d)
{
	remove_routes(d, true);
	remove_addresses(d, true);
	for (uint32_t i = 0; i < d->n_pairs; i++)
		if (d->pairs[i].old_if->listen_port != d->pairs[i].new_if->listen_port &&
		        !d->pairs[i].old_if->unmade_listen_port)
			sl_diff_step(d, SL_STEP_LISTEN_REMOVE)->old_interface = d->pairs[i].old_if;
	for (uint32_t i = 0; i < d->old_config->n_interfaces; i++)
		if (!sl_diff_find_interface(d->new_config, d->old_config->interfaces[i].name) &&
		        !d->old_config->interfaces[i].unmade)
			sl_diff_step(d, SL_STEP_INTERFACE_REMOVE)->old_interface = &d->old_config->interfaces[i];
}

static void put_places(struct sl_differ *d)
{
	const struct sl_config *config = d->new_config;

	for (uint32_t i = 0; d->first && i < config->n_ports; i++)
		sl_diff_step(d, SL_STEP_PORT_ADD)->new_port = &config->ports[i];
	for (uint32_t i = 0; i < config->n_interfaces; i++)
		if (!sl_diff_find_interface(d->old_config, config->interfaces[i].name))
			sl_diff_step(d, SL_STEP_INTERFACE_ADD)->new_interface = &config->interfaces[i];
	for (uint32_t i = 0; i < d->n_pairs; i++)
		sl_diff_change_interface(d, &d->pairs[i]);
	add_addresses(d);
	change_ports(d);
	for (uint32_t i = 0; i < config->n_interfaces; i++) {
		const struct sl_config_interface *a = sl_diff_find_interface(d->old_config, config->interfaces[i].name);

		if (!a || a->unmade_listen_port || a->listen_port != config->interfaces[i].listen_port)
			sl_diff_step(d, SL_STEP_LISTEN_ADD)->new_interface = &config->interfaces[i];
	}
}

static void put_peers(struct sl_differ *d)
{
	sl_diff_add_allowed_ips(d);
	for (uint32_t i = 0; i < d->new_config->n_interfaces; i++) {
		const struct sl_config_interface *ifp = &d->new_config->interfaces[i];

		for (uint32_t j = 0; !sl_diff_find_interface(d->old_config, ifp->name) && j < ifp->n_peers; j++)
			sl_diff_add_peer(d, ifp, &ifp->peers[j]);
	}
	for (uint32_t i = 0; i < d->n_pairs; i++)
		sl_diff_add_peers(d, &d->pairs[i]);
}

/* All that is new is there: what nobody has any more goes. */
static void take_away(struct sl_differ *d)
{
	sl_diff_remove_allowed_ips(d);
	for (uint32_t i = 0; i < d->n_pairs; i++)
		sl_diff_remove_peers(d, &d->pairs[i]);
	sl_diff_change_routes(d, true);
	sl_diff_change_routes(d, false);
	remove_routes(d, false);
	remove_addresses(d, false);
}

struct sl_steps *sl_config_diff(const struct sl_config *old_config, const struct sl_config *new_config)
{
	static const struct sl_config nothing;
	struct sl_steps_owned *out = sl_config_alloc(1, sizeof(*out));
	struct sl_differ d = {.out = out,
	        .old_config = old_config ? old_config : &nothing,
	        .new_config = new_config,
	        .first = old_config == NULL};

	out->steps.old_config = old_config;
	out->steps.new_config = new_config;
	if (!d.first) {
		refuse_dataplane(&d);
		refuse_ports(&d);
	}
	change_dataplane(&d);
	sl_diff_pair_interfaces(&d);
	make_room(&d);
	put_places(&d);
	put_peers(&d);
	add_routes(&d);
	take_away(&d);
	sl_diff_free_pairs(&d);
	return &out->steps;
}

void sl_steps_free(struct sl_steps *steps)
{
	struct sl_steps_owned *owned = (struct sl_steps_owned *)steps;

	if (!steps)
		return;
	free(steps->steps);
	sl_arena_free(&owned->arena);
	free(owned);
}
