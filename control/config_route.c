#include "control/config_load.h"

#include <stdlib.h>
#include <string.h>

enum route_key {
	TO,
	VIA,
	PORT,
	INTERFACE,
};

static void parse_to(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct sl_route_text *text = out;

	text->to_place = node->place;
	if (node->kind == SL_NODE_SCALAR && strcmp(node->text, "default") == 0) {
		sl_load_error(ld, node->place, "to: 'default' leaves the family open; write 0.0.0.0/0 or ::/0");
		return;
	}
	if (sl_value_prefix(ld, node, key, false, &text->route.to))
		sl_prefix_mask(&text->route.to);
}

static void parse_via(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct sl_route_text *text = out;

	text->via_place = node->place;
	sl_value_ip(ld, node, key, &text->route.via);
}

static void parse_route_port(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct sl_route_text *text = out;

	text->port_place = node->place;
	text->port = sl_value_name(ld, node, "port");
}

static void parse_route_interface(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct sl_route_text *text = out;

	text->interface_place = node->place;
	text->interface = sl_value_name(ld, node, "interface");
}

static const struct sl_key route_keys[] = {
        [TO] = {"to", parse_to},
        [VIA] = {"via", parse_via},
        [PORT] = {"port", parse_route_port},
        [INTERFACE] = {"interface", parse_route_interface},
};

/* Whether the keys that are there make a route. Values that were wrong have been reported. */
static bool shape_ok(struct sl_loader *ld, const struct sl_route_text *text, const struct sl_place *seen)
{
	struct sl_place place = text->route.place;

	if (!seen[TO].line) {
		sl_load_error(ld, place, "route has no `to`; give its prefix, such as to: 10.99.0.0/16");
		return false;
	}
	if (!seen[VIA].line && !seen[PORT].line && !seen[INTERFACE].line) {
		sl_load_error(ld, place, "route has no next hop; give via: ADDRESS, port: NAME or interface: NAME");
		return false;
	}
	if (seen[INTERFACE].line && (seen[VIA].line || seen[PORT].line)) {
		sl_load_error(ld, seen[INTERFACE],
		        "interface beside %s; a route into an interface needs no other next hop, keep "
		        "one of them",
		        seen[VIA].line ? "via" : "port");
		return false;
	}
	return text->route.to.addr.family && (!seen[VIA].line || text->route.via.family) &&
	       (!seen[PORT].line || text->port) && (!seen[INTERFACE].line || text->interface);
}

static void parse_route(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct sl_route_text text = {.route = {.port = -1, .interface = -1, .place = node->place}};
	struct sl_place seen[SL_KEYS_MAX] = {{0}};

	if (!sl_load_expect(ld, node, SL_NODE_MAPPING, "route"))
		return;
	sl_load_mapping(ld, node, "route", route_keys, sizeof(route_keys) / sizeof(route_keys[0]), seen, &text);
	if (ld->source->yaml.failed || !shape_ok(ld, &text, seen))
		return;
	ld->routes = sl_array_grow(ld->routes, ld->n_routes, &ld->routes_capacity, sizeof(*ld->routes));
	ld->routes[ld->n_routes++] = text;
}

void sl_parse_routes(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct sl_node element;

	if (!sl_load_expect(ld, node, SL_NODE_SEQUENCE, key))
		return;
	while (element = sl_yaml_next(ld), element.kind != SL_NODE_END)
		parse_route(ld, &element, key, NULL);
}

/* The index of the port of that name; -1, with an error that names the nearest. */
static int32_t find_port(struct sl_loader *ld, const char *name, struct sl_place place)
{
	const char *names[SL_CONFIG_PLACES_MAX];
	uint32_t n = ld->config->n_ports;

	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(ld->ports[i].name, name) == 0)
			return (int32_t)i;
		names[i] = ld->ports[i].name;
	}
	if (n)
		sl_load_error(ld, place, "port: there is no port '%s'; did you mean '%s'?", name,
		        sl_nearest(name, strlen(name), names, n));
	else
		sl_load_error(ld, place, "port: there is no port '%s'; add it under `ports`", name);
	return -1;
}

static int32_t find_interface(struct sl_loader *ld, const char *name, struct sl_place place)
{
	const char *names[SL_CONFIG_PLACES_MAX];
	uint32_t n = ld->config->n_interfaces;

	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(ld->interfaces[i].name, name) == 0)
			return (int32_t)i;
		names[i] = ld->interfaces[i].name;
	}
	if (n)
		sl_load_error(ld, place, "interface: there is no interface '%s'; did you mean '%s'?", name,
		        sl_nearest(name, strlen(name), names, n));
	else
		sl_load_error(ld, place, "interface: there is no interface '%s'; add it under `interfaces`", name);
	return -1;
}

/* Whether the neighbour can be reached on the port without a router. */
static bool on_link(const struct sl_config_port *port, const struct sl_ip *via)
{
	for (uint32_t i = 0; i < port->n_addresses; i++)
		if (sl_prefix_contains(&port->addresses[i].prefix, via))
			return true;
	return false;
}

static bool via_usable(struct sl_loader *ld, const struct sl_route_text *text, const char *shown)
{
	const struct sl_config *config = ld->config;
	const struct sl_ip *via = &text->route.via;

	if (via->family != text->route.to.addr.family) {
		sl_load_error(ld, text->via_place, "via: %s is not of the family of `to`; give an IPv%d neighbour",
		        shown, text->route.to.addr.family);
		return false;
	}
	for (uint32_t i = 0; i < config->n_ports; i++)
		for (uint32_t j = 0; j < ld->ports[i].n_addresses; j++)
			if (sl_ip_equal(&ld->ports[i].addresses[j].prefix.addr, via)) {
				sl_load_error(ld, text->via_place,
				        "via: %s is our own address on port '%s'; give the neighbour's", shown,
				        ld->ports[i].name);
				return false;
			}
	return true;
}

/* Finds the port that `via` is a neighbour on, the longest prefix first. */
static void resolve_via(struct sl_loader *ld, struct sl_route_text *text)
{
	const struct sl_ip *via = &text->route.via;
	char shown[SL_IP_STRLEN];
	int best = -1;

	sl_ip_format(via, shown);
	if (!via_usable(ld, text, shown))
		return;
	if (via->family == SL_AF_INET6 && sl_ip_is_link_local(via)) {
		if (!text->port)
			sl_load_error(ld, text->via_place,
			        "via: %s is link-local and can be on any port; add port: NAME", shown);
		return;
	}
	if (text->port) {
		if (text->route.port >= 0 && !on_link(&ld->ports[text->route.port], via))
			sl_load_error(ld, text->via_place,
			        "via: %s is in none of the prefixes of port '%s'; give a neighbour, or "
			        "add an address in its network",
			        shown, text->port);
		return;
	}
	for (uint32_t i = 0; i < ld->config->n_ports; i++)
		for (uint32_t j = 0; j < ld->ports[i].n_addresses; j++) {
			const struct sl_prefix *prefix = &ld->ports[i].addresses[j].prefix;

			if (prefix->len > best && sl_prefix_contains(prefix, via)) {
				best = prefix->len;
				text->route.port = (int32_t)i;
			}
		}
	if (best < 0)
		sl_load_error(ld, text->via_place,
		        "via: %s is in none of the prefixes of any port; give a neighbour, or use "
		        "interface: NAME to route into a tunnel",
		        shown);
}

/* The gateway that is a default route of this family already; NULL if none is. */
static const struct sl_config_port *gateway_port(struct sl_loader *ld, uint8_t family)
{
	for (uint32_t i = 0; i < ld->config->n_ports; i++)
		if ((family == SL_AF_INET ? ld->ports[i].gateway4 : ld->ports[i].gateway6).family)
			return &ld->ports[i];
	return NULL;
}

/* A gateway is a default route; a tunnel that is to have everything takes the two halves, and leaves outer packets the
 * gateway. */
static void check_default(struct sl_loader *ld, const struct sl_route_text *text)
{
	bool ipv4 = text->route.to.addr.family == SL_AF_INET;
	const struct sl_config_port *port;

	if (text->route.to.len != 0)
		return;
	port = gateway_port(ld, text->route.to.addr.family);
	if (!port)
		return;
	if (text->interface)
		sl_load_error(ld, text->to_place,
		        "to: the gateway of port '%s' at %s is the IPv%d default route already; write %s for a full "
		        "tunnel",
		        port->name, sl_load_where(ld, port->gateway_place), text->route.to.addr.family,
		        ipv4 ? "0.0.0.0/1 and 128.0.0.0/1" : "::/1 and 8000::/1");
	else
		sl_load_error(ld, text->to_place,
		        "to: the gateway of port '%s' at %s is the IPv%d default route already; keep one of them",
		        port->name, sl_load_where(ld, port->gateway_place), text->route.to.addr.family);
}

void sl_resolve_routes(struct sl_loader *ld)
{
	struct sl_config_route *routes = sl_arena_alloc(&ld->arena, ld->n_routes * sizeof(*routes));
	struct sl_config_map seen;

	sl_config_map_init(&seen, sizeof(struct sl_prefix));
	for (uint32_t i = 0; i < ld->n_routes; i++) {
		struct sl_route_text *text = &ld->routes[i];
		uint32_t earlier = sl_config_map_add(&seen, &text->route.to, i);

		if (earlier != SL_CONFIG_MAP_NONE)
			sl_load_error(ld, text->to_place,
			        "to: this prefix has a route already, at %s; keep one of them",
			        sl_load_where(ld, ld->routes[earlier].to_place));
		if (text->port)
			text->route.port = find_port(ld, text->port, text->port_place);
		if (text->interface)
			text->route.interface = find_interface(ld, text->interface, text->interface_place);
		if (text->route.via.family)
			resolve_via(ld, text);
		check_default(ld, text);
		routes[i] = text->route;
	}
	sl_config_map_free(&seen);
	ld->config->routes = routes;
	ld->config->n_routes = ld->n_routes;
}
