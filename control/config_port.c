#include "control/config_load.h"

#include <ctype.h>
#include <string.h>

/* A port while it is read. */
struct port {
	struct sl_config_port port;
	struct sl_address_list addresses;
	struct sl_place mtu_place;
	struct sl_place gateway_places[2]; /* IPv4, IPv6 */
};

/* "31:00.0" or "0000:31:00.0", hexadecimal; out gets the long form in lower case. */
static bool parse_pci(const char *text, size_t len, char out[sizeof("0000:00:00.0")])
{
	static const char shape[] = "xxxx:xx:xx.x";
	size_t short_len = sizeof("00:00.0") - 1, skip = sizeof("0000:") - 1;

	memcpy(out, "0000:", skip);
	if (len == short_len)
		memcpy(out + skip, text, short_len + 1);
	else if (len == sizeof(shape) - 1)
		memcpy(out, text, len + 1);
	else
		return false;
	for (size_t i = 0; i < sizeof(shape) - 1; i++) {
		if (shape[i] == 'x' ? !isxdigit((unsigned char)out[i]) : out[i] != shape[i])
			return false;
		out[i] = (char)tolower((unsigned char)out[i]);
	}
	return true;
}

/* Whether this can be the name of an interface of the kernel, and stand in a DPDK device string. */
static bool kernel_name_ok(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > SL_CONFIG_NAME_MAX || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isgraph((unsigned char)name[i]) || strchr("/:,", name[i]))
			return false;
	return true;
}

static bool vdev_ok(const char *text)
{
	for (const char *c = text; *c; c++)
		if (!isgraph((unsigned char)*c))
			return false;
	return strncmp(text, "net_", 4) == 0 && (isalnum((unsigned char)text[4]));
}

static const struct {
	const char *prefix;
	enum sl_device kind;
} kernel_devices[] = {
        {"af_packet:", SL_DEVICE_AF_PACKET},
        {"af_xdp:", SL_DEVICE_AF_XDP},
        {"tap:", SL_DEVICE_TAP},
};

/* A device that belongs to a kernel interface. False when it is of another form. */
static bool parse_kernel_device(struct sl_loader *ld, const struct sl_node *node, struct sl_config_port *port)
{
	for (size_t i = 0; i < sizeof(kernel_devices) / sizeof(kernel_devices[0]); i++) {
		size_t len = strlen(kernel_devices[i].prefix);

		if (strncmp(node->text, kernel_devices[i].prefix, len) != 0)
			continue;
		port->device_kind = kernel_devices[i].kind;
		if (kernel_name_ok(node->text + len))
			port->device_arg = sl_arena_text(&ld->arena, node->text + len, node->len - len);
		else
			sl_load_error(ld, node->place,
			        "device: '%s' does not name an interface; write %sIFACE, at most %d "
			        "characters",
			        sl_show(node->text, node->len), kernel_devices[i].prefix, SL_CONFIG_NAME_MAX);
		return true;
	}
	return false;
}

static void unknown_device(struct sl_loader *ld, const struct sl_node *node)
{
	if (kernel_name_ok(node->text))
		sl_load_error(ld, node->place,
		        "device: '%s' is not known; for the kernel's interface of that name write "
		        "\"af_packet:%s\"",
		        node->text, node->text);
	else
		sl_load_error(ld, node->place,
		        "device: '%s' is not known; give a PCI address such as \"0000:31:00.0\", "
		        "\"af_packet:IFACE\", \"af_xdp:IFACE\", \"tap:IFACE\" or \"net_…\"",
		        sl_show(node->text, node->len));
}

static void parse_device(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct sl_config_port *port = &((struct port *)out)->port;
	char pci[sizeof("0000:00:00.0")];

	port->device_place = node->place;
	if (!sl_value_text(ld, node, key))
		return;
	port->device = sl_arena_text(&ld->arena, node->text, node->len);
	if (parse_kernel_device(ld, node, port))
		return;
	if (parse_pci(node->text, node->len, pci)) {
		port->device_kind = SL_DEVICE_PCI;
		port->device_arg = sl_arena_text(&ld->arena, pci, strlen(pci));
	} else if (vdev_ok(node->text)) {
		port->device_kind = SL_DEVICE_VDEV;
		port->device_arg = port->device;
	} else {
		unknown_device(ld, node);
	}
}

static void parse_port_addresses(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct port *p = out;

	p->addresses.need_len = true;
	sl_load_list(ld, node, key, sl_parse_address, &p->addresses);
}

static void parse_gateway(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct port *p = out;
	struct sl_place *place;
	struct sl_ip ip, *gateway;

	if (!sl_value_ip(ld, node, key, &ip))
		return;
	place = &p->gateway_places[ip.family == SL_AF_INET6];
	gateway = ip.family == SL_AF_INET ? &p->port.gateway4 : &p->port.gateway6;
	if (gateway->family) {
		sl_load_error(ld, node->place, "gateway: a second IPv%d gateway, the first is at %s; keep one of them",
		        ip.family, sl_load_where(ld, *place));
		return;
	}
	*gateway = ip;
	*place = node->place;
	if (p->port.gateway_place.line == 0)
		p->port.gateway_place = node->place;
}

static void parse_gateways(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	sl_load_list(ld, node, key, parse_gateway, out);
}

static void parse_port_mtu(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct port *p = out;

	p->mtu_place = node->place;
	sl_parse_mtu(ld, node, key, &p->port.mtu);
}

static void parse_forward_clear(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	sl_value_bool(ld, node, key, &((struct port *)out)->port.forward_clear);
}

/* A gateway is a neighbour: it is inside one of the port's prefixes, or IPv6 link-local. */
static void check_gateway(struct sl_loader *ld, const struct port *p, const struct sl_ip *gateway)
{
	struct sl_place place = p->gateway_places[gateway->family == SL_AF_INET6];
	char text[SL_IP_STRLEN];
	bool on_link = gateway->family == SL_AF_INET6 && sl_ip_is_link_local(gateway);

	if (gateway->family == SL_AF_NONE)
		return;
	sl_ip_format(gateway, text);
	for (uint32_t i = 0; i < p->addresses.n; i++) {
		const struct sl_prefix *prefix = &p->addresses.list[i].prefix;

		if (sl_ip_equal(&prefix->addr, gateway)) {
			sl_load_error(ld, place, "gateway: %s is this port's own address; give the router's", text);
			return;
		}
		on_link |= sl_prefix_contains(prefix, gateway);
	}
	if (!on_link)
		sl_load_error(ld, place,
		        "gateway: %s is in none of this port's prefixes; give a neighbour, or add an "
		        "address in its network",
		        text);
}

static void parse_port(struct sl_loader *ld, const struct sl_node *node, struct port *p)
{
	static const struct sl_key keys[] = {
	        {"device", parse_device},
	        {"addresses", parse_port_addresses},
	        {"gateway", parse_gateways},
	        {"mtu", parse_port_mtu},
	        {"forward-clear", parse_forward_clear},
	};
	struct sl_place seen[SL_KEYS_MAX];

	p->port.mtu = SL_CONFIG_PORT_MTU_DEFAULT;
	sl_load_mapping(ld, node, p->port.name, keys, sizeof(keys) / sizeof(keys[0]), seen, p);
	if (ld->source->yaml.failed)
		return;
	if ((node->kind == SL_NODE_MAPPING || node->null) && seen[0].line == 0)
		sl_load_error(ld, p->port.place,
		        "port '%s' has no device; give one, such as device: \"af_packet:eth1\"", p->port.name);
	check_gateway(ld, p, &p->port.gateway4);
	check_gateway(ld, p, &p->port.gateway6);
	sl_check_mtu(ld, p->port.mtu, p->mtu_place, &p->addresses);
	p->port.addresses = sl_arena_copy(&ld->arena, p->addresses.list, p->addresses.n * sizeof(p->addresses.list[0]));
	p->port.n_addresses = p->addresses.n;
}

/* Adds the port unless its name is taken. */
static void add_port(struct sl_loader *ld, const struct sl_config_port *port)
{
	struct sl_config *config = ld->config;

	for (uint32_t i = 0; i < config->n_ports; i++)
		if (strcmp(ld->ports[i].name, port->name) == 0) {
			sl_load_error(ld, port->place, "port '%s' is given twice, first at %s; keep one of them",
			        port->name, sl_load_where(ld, ld->ports[i].place));
			return;
		}
	if (config->n_ports == SL_CONFIG_PLACES_MAX) {
		sl_load_error(ld, port->place, "more than %d ports; take some out", SL_CONFIG_PLACES_MAX);
		return;
	}
	ld->ports = sl_array_grow(ld->ports, config->n_ports, &ld->ports_capacity, sizeof(*ld->ports));
	ld->ports[config->n_ports++] = *port;
}

void sl_parse_ports(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct sl_node name, value;

	if (!sl_load_expect(ld, node, SL_NODE_MAPPING, key))
		return;
	while (name = sl_yaml_next(ld), name.kind != SL_NODE_END) {
		struct port p = {.port.place = name.place};

		p.port.name = sl_value_name(ld, &name, "port");
		value = sl_yaml_next(ld);
		if (!p.port.name) {
			sl_yaml_skip(ld, &value);
			continue;
		}
		parse_port(ld, &value, &p);
		add_port(ld, &p.port);
	}
}
