#include "control/diff.h"

static const char *const names[] = {
        [SL_STEP_REFUSED] = "refused",
        [SL_STEP_DATAPLANE] = "dataplane",
        [SL_STEP_ALLOWED_IP_REMOVE] = "allowed-ip-remove",
        [SL_STEP_PEER_REMOVE] = "peer-remove",
        [SL_STEP_ROUTE_REMOVE] = "route-remove",
        [SL_STEP_ADDRESS_REMOVE] = "address-remove",
        [SL_STEP_LISTEN_REMOVE] = "listen-remove",
        [SL_STEP_INTERFACE_REMOVE] = "interface-remove",
        [SL_STEP_PORT_ADD] = "port-add",
        [SL_STEP_PORT_CHANGE] = "port-change",
        [SL_STEP_INTERFACE_ADD] = "interface-add",
        [SL_STEP_INTERFACE_CHANGE] = "interface-change",
        [SL_STEP_ADDRESS_ADD] = "address-add",
        [SL_STEP_LISTEN_ADD] = "listen-add",
        [SL_STEP_PEER_ADD] = "peer-add",
        [SL_STEP_PEER_CHANGE] = "peer-change",
        [SL_STEP_ALLOWED_IP_ADD] = "allowed-ip-add",
        [SL_STEP_ROUTE_ADD] = "route-add",
};

static const struct {
	enum sl_change change;
	const char *key;
} changes[] = {
        {SL_CHANGE_IDLE, "idle"},
        {SL_CHANGE_SIMD, "simd"},
        {SL_CHANGE_MTU, "mtu"},
        {SL_CHANGE_FORWARD_CLEAR, "forward-clear"},
        {SL_CHANGE_GATEWAY4, "gateway (IPv4)"},
        {SL_CHANGE_GATEWAY6, "gateway (IPv6)"},
        {SL_CHANGE_KEY, "private-key"},
        {SL_CHANGE_ROUTES, "routes"},
        {SL_CHANGE_NAME, "name"},
        {SL_CHANGE_PRESHARED_KEY, "preshared-key"},
        {SL_CHANGE_ENDPOINT, "endpoint"},
        {SL_CHANGE_KEEPALIVE, "persistent-keepalive"},
};

const char *sl_step_name(enum sl_step_kind kind)
{
	return (size_t)kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "unknown";
}

static void print_changes(uint32_t changed, FILE *out)
{
	const char *separator = ": ";

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		if (changed & changes[i].change) {
			fprintf(out, "%s%s", separator, changes[i].key);
			separator = ", ";
		}
	fputc('\n', out);
}

static void print_route(char sign, const struct sl_config *config, const struct sl_config_route *route, FILE *out)
{
	char to[SL_PREFIX_STRLEN], via[SL_IP_STRLEN];

	fprintf(out, "%c route %s", sign, sl_prefix_format(&route->to, to));
	if (route->via.family)
		fprintf(out, " via %s", sl_ip_format(&route->via, via));
	if (route->port >= 0)
		fprintf(out, " port %s\n", config->ports[route->port].name);
	else
		fprintf(out, " interface %s\n", config->interfaces[route->interface].name);
}

static const char *place_name(const struct sl_step *s)
{
	if (s->new_port || s->old_port)
		return (s->new_port ? s->new_port : s->old_port)->name;
	return (s->new_interface ? s->new_interface : s->old_interface)->name;
}

/* Steps about a whole port, interface, peer or the dataplane. */
static void print_thing(const struct sl_step *s, FILE *out)
{
	char sign = s->changed ? '~' : s->new_port || s->new_interface ? '+' : '-';
	const struct sl_config_peer *peer = s->new_peer ? s->new_peer : s->old_peer;

	if (s->kind == SL_STEP_DATAPLANE)
		fprintf(out, "%c dataplane", sign);
	else if (peer)
		fprintf(out, "%c peer %s/%s", sign, place_name(s), peer->name);
	else
		fprintf(out, "%c %s %s", sign, s->new_port ? "port" : "interface", place_name(s));
	print_changes(s->changed, out);
}

void sl_step_print(const struct sl_steps *steps, const struct sl_step *s, FILE *out)
{
	char prefix[SL_PREFIX_STRLEN];

	switch (s->kind) {
	case SL_STEP_REFUSED:
		fprintf(out, "! %s: not live; restart to change it\n", s->what);
		break;
	case SL_STEP_ALLOWED_IP_REMOVE:
		fprintf(out, "- allowed-ip %s/%s %s\n", place_name(s), s->old_peer->name,
		        sl_prefix_format(s->allowed_ip, prefix));
		break;
	case SL_STEP_ALLOWED_IP_ADD:
		fprintf(out, "+ allowed-ip %s/%s %s\n", place_name(s), s->new_peer->name,
		        sl_prefix_format(s->allowed_ip, prefix));
		break;
	case SL_STEP_ROUTE_REMOVE:
		print_route('-', steps->old_config, s->route, out);
		break;
	case SL_STEP_ROUTE_ADD:
		print_route('+', steps->new_config, s->route, out);
		break;
	case SL_STEP_ADDRESS_REMOVE:
		fprintf(out, "- address %s %s\n", place_name(s), sl_prefix_format(&s->address->prefix, prefix));
		break;
	case SL_STEP_ADDRESS_ADD:
		fprintf(out, "+ address %s %s\n", place_name(s), sl_prefix_format(&s->address->prefix, prefix));
		break;
	case SL_STEP_LISTEN_REMOVE:
		fprintf(out, "- listen-port %s %u\n", place_name(s), s->old_interface->listen_port);
		break;
	case SL_STEP_LISTEN_ADD:
		fprintf(out, "+ listen-port %s %u\n", place_name(s), s->new_interface->listen_port);
		break;
	default:
		print_thing(s, out);
		break;
	}
}
