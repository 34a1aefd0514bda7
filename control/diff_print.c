#include "control/diff_build.h"

#include "crypto/base64.h"
#include "crypto/wipe.h"

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
        [SL_STEP_PEER_RESTORE] = "peer-restore",
        [SL_STEP_PEER_SWEEP] = "peer-sweep",
        [SL_STEP_RUNTIME_REMOVE] = "runtime-peer-remove",
        [SL_STEP_KEPT] = "kept",
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
        {SL_CHANGE_EXPIRES, "expires"},
        {SL_CHANGE_ENDPOINT_REFRESH, "endpoint-refresh"},
        {SL_CHANGE_PREVIOUS_KEY, "previous-private-key"},
        {SL_CHANGE_ALLOWED_IPS, "allowed-ips"},
};

/* What `wg` changed, in words: of a kept entry, and in the order they are listed. */
static const struct {
	enum sl_runtime_change change;
	const char *text;
} runtime_changes[] = {
        {SL_RUNTIME_ADDED, "added"},
        {SL_RUNTIME_REMOVED, "removed"},
        {SL_RUNTIME_PRESHARED_KEY, "preshared-key"},
        {SL_RUNTIME_ENDPOINT, "endpoint"},
        {SL_RUNTIME_KEEPALIVE, "persistent-keepalive"},
        {SL_RUNTIME_ALLOWED_IPS, "allowed-ips"},
        {SL_RUNTIME_PRIVATE_KEY, "private-key"},
        {SL_RUNTIME_LISTEN_PORT, "listen-port"},
};

const char *sl_step_name(enum sl_step_kind kind)
{
	return (size_t)kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "unknown";
}

void sl_diff_print_keys(uint32_t changed, const char *before, const char *between, FILE *out)
{
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		if (changed & changes[i].change) {
			fprintf(out, "%s%s", before, changes[i].key);
			before = between;
		}
}

void sl_diff_print_runtime_keys(uint32_t bits, const char *before, const char *between, FILE *out)
{
	for (size_t i = 0; i < sizeof(runtime_changes) / sizeof(runtime_changes[0]); i++)
		if (bits & runtime_changes[i].change) {
			fprintf(out, "%s%s", before, runtime_changes[i].text);
			before = between;
		}
}

static void print_changes(const struct sl_step *s, FILE *out)
{
	sl_diff_print_keys(s->changed, ": ", ", ", out);
	fputs(s->runtime ? " (set with wg)\n" : "\n", out);
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

const char *sl_diff_place_name(const struct sl_step *s)
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
		fprintf(out, "%c peer %s/%s", sign, sl_diff_place_name(s), peer->name);
	else
		fprintf(out, "%c %s %s", sign, s->new_port ? "port" : "interface", sl_diff_place_name(s));
	print_changes(s, out);
}

static void print_restored(const struct sl_step *s, FILE *out)
{
	if (s->runtime->bits & SL_RUNTIME_REMOVED) {
		fprintf(out, "+ peer %s/%s (removed with wg)\n", sl_diff_place_name(s), s->new_peer->name);
		return;
	}
	fprintf(out, "~ peer %s/%s", sl_diff_place_name(s), s->new_peer->name);
	print_changes(s, out);
}

/* A peer by its key, or an interface: what `wg` did to it. */
static void print_runtime(char sign, const struct sl_step *s, const char *kept, FILE *out)
{
	const struct sl_runtime_entry *e = s->runtime;
	char key[SL_KEY_BASE64_LEN + 1];

	sl_key_to_base64(key, e->public_key);
	if (sl_is_zero(e->public_key, SL_KEY_LEN))
		fprintf(out, "%c interface %s", sign, e->interface);
	else
		fprintf(out, "%c peer %s/%s", sign, e->interface, key);
	if (e->bits & (SL_RUNTIME_ADDED | SL_RUNTIME_REMOVED)) {
		fprintf(out, " (%s with wg%s)\n", e->bits & SL_RUNTIME_ADDED ? "added" : "removed", kept);
		return;
	}
	sl_diff_print_runtime_keys(e->bits, ": ", ", ", out);
	fprintf(out, " (set with wg%s)\n", kept);
}

void sl_step_print(const struct sl_steps *steps, const struct sl_step *s, FILE *out)
{
	char prefix[SL_PREFIX_STRLEN];

	switch (s->kind) {
	case SL_STEP_REFUSED:
		fprintf(out, "! %s: not live; restart to change it\n", s->what);
		break;
	case SL_STEP_ALLOWED_IP_REMOVE:
		fprintf(out, "- allowed-ip %s/%s %s\n", sl_diff_place_name(s), s->old_peer->name,
		        sl_prefix_format(s->allowed_ip, prefix));
		break;
	case SL_STEP_ALLOWED_IP_ADD:
		fprintf(out, "+ allowed-ip %s/%s %s\n", sl_diff_place_name(s), s->new_peer->name,
		        sl_prefix_format(s->allowed_ip, prefix));
		break;
	case SL_STEP_ROUTE_REMOVE:
		print_route('-', steps->old_config, s->route, out);
		break;
	case SL_STEP_ROUTE_ADD:
		print_route('+', steps->new_config, s->route, out);
		break;
	case SL_STEP_ADDRESS_REMOVE:
		fprintf(out, "- address %s %s\n", sl_diff_place_name(s), sl_prefix_format(&s->address->prefix, prefix));
		break;
	case SL_STEP_ADDRESS_ADD:
		fprintf(out, "+ address %s %s\n", sl_diff_place_name(s), sl_prefix_format(&s->address->prefix, prefix));
		break;
	case SL_STEP_LISTEN_REMOVE:
		if (s->runtime)
			break; /* which one it is that goes the description does not know */
		fprintf(out, "- listen-port %s %u\n", sl_diff_place_name(s), s->old_interface->listen_port);
		break;
	case SL_STEP_LISTEN_ADD:
		fprintf(out, "%c listen-port %s %u%s\n", s->runtime ? '~' : '+', sl_diff_place_name(s),
		        s->new_interface->listen_port, s->runtime ? " (set with wg)" : "");
		break;
	case SL_STEP_PEER_RESTORE:
		print_restored(s, out);
		break;
	case SL_STEP_RUNTIME_REMOVE:
		print_runtime('-', s, "", out);
		break;
	case SL_STEP_KEPT:
		print_runtime('=', s, ", kept", out);
		break;
	default:
		print_thing(s, out);
		break;
	}
}
