#include "control/config_write.h"

#include <ctype.h>
#include <string.h>

#include "control/rfc3339.h"
#include "crypto/base64.h"
#include "crypto/wipe.h"

/* Whether a scalar needs no quotes, here and for any other reader of YAML. */
static bool is_plain(const char *text)
{
	static const char *const words[] = {
	        "null", "Null", "NULL", "true", "True", "TRUE", "false", "False", "FALSE", "y", "n", "yes", "no", "on", "off"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(text, words[i]) == 0)
			return false;
	if (!isalnum((unsigned char)text[0]) && text[0] != '/' && text[0] != '.')
		return false;
	for (const char *c = text; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("_./+=-", *c))
			return false;
	return true;
}

void sl_yaml_write_text(FILE *out, const char *text)
{
	if (is_plain(text)) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(out, "\\%c", *c);
		else if (*c < ' ' || *c == 0x7f)
			fprintf(out, "\\x%02x", *c);
		else
			fputc(*c, out);
	}
	fputc('"', out);
}

static void write_secret(FILE *out, int indent, const char *key, const char *source, const uint8_t secret[SL_KEY_LEN])
{
	char text[SL_KEY_BASE64_LEN + 1];

	if (source) {
		fprintf(out, "%*s%s\n", indent, "", source);
		return;
	}
	sl_key_to_base64(text, secret);
	fprintf(out, "%*s%s: %s\n", indent, "", key, text);
	sl_wipe(text, sizeof(text));
}

static void write_endpoint(FILE *out, int indent, const char *key, const struct sl_config_endpoint *endpoint)
{
	char text[SL_ENDPOINT_STRLEN];

	if (endpoint->host)
		fprintf(out, "%*s%s: \"%s:%u\"\n", indent, "", key, endpoint->host, endpoint->port);
	else if (endpoint->literal.ip.family)
		fprintf(out, "%*s%s: \"%s\"\n", indent, "", key, sl_endpoint_format(&endpoint->literal, text));
}

static void write_prefixes(FILE *out, int indent, const char *key, const struct sl_prefix *prefixes, uint32_t n)
{
	char text[SL_PREFIX_STRLEN];

	if (n == 0)
		return;
	fprintf(out, "%*s%s: [", indent, "", key);
	for (uint32_t i = 0; i < n; i++)
		fprintf(out, "%s\"%s\"", i ? ", " : "", sl_prefix_format(&prefixes[i], text));
	fputs("]\n", out);
}

static void write_addresses(FILE *out, const struct sl_config_address *addresses, uint32_t n)
{
	char text[SL_PREFIX_STRLEN];

	if (n == 0)
		return;
	fputs("    addresses: [", out);
	for (uint32_t i = 0; i < n; i++)
		fprintf(out, "%s\"%s\"", i ? ", " : "", sl_prefix_format(&addresses[i].prefix, text));
	fputs("]\n", out);
}

static void write_refresh(FILE *out, int indent, uint32_t seconds)
{
	if (seconds)
		fprintf(out, "%*sendpoint-refresh: %u\n", indent, "", seconds);
}

void sl_config_write_peer(FILE *out, const struct sl_config_peer *peer, int indent)
{
	char key[SL_KEY_BASE64_LEN + 1], time[SL_TIME_STRLEN];
	int deeper = indent + 2;

	fprintf(out, "%*s", indent, "");
	sl_yaml_write_text(out, peer->name);
	sl_key_to_base64(key, peer->public_key);
	fprintf(out, ":\n%*spublic-key: %s\n", deeper, "", key);
	if (peer->has_preshared_key)
		write_secret(out, deeper, "preshared-key", peer->preshared_key_source, peer->preshared_key);
	write_endpoint(out, deeper, "endpoint", &peer->endpoint);
	write_refresh(out, deeper, peer->endpoint_refresh);
	write_prefixes(out, deeper, "allowed-ips", peer->allowed_ips, peer->n_allowed_ips);
	if (peer->persistent_keepalive)
		fprintf(out, "%*spersistent-keepalive: %u\n", deeper, "", peer->persistent_keepalive);
	if (peer->disabled)
		fprintf(out, "%*sdisabled: true\n", deeper, "");
	if (peer->expires)
		fprintf(out, "%*sexpires: \"%s\"\n", deeper, "", sl_time_format(peer->expires, time));
	if (peer->private_key_file) {
		fprintf(out, "%*sprivate-key-file: ", deeper, "");
		sl_yaml_write_text(out, peer->private_key_file);
		fputc('\n', out);
	}
}

static void write_interface(FILE *out, const struct sl_config_interface *given, const struct sl_config_writer *writer)
{
	struct sl_config_interface ifp = *given;

	if (writer && writer->settle)
		writer->settle(writer->ctx, &ifp);
	fputs("  ", out);
	sl_yaml_write_text(out, ifp.name);
	fputs(":\n", out);
	if (ifp.has_private_key)
		write_secret(out, 4, "private-key", ifp.private_key_source, ifp.private_key);
	if (ifp.has_previous_key)
		write_secret(out, 4, "previous-private-key", ifp.previous_key_source, ifp.previous_private_key);
	if (ifp.listen_port)
		fprintf(out, "    listen-port: %u\n", ifp.listen_port);
	write_addresses(out, ifp.addresses, ifp.n_addresses);
	fprintf(out, "    mtu: %u\n", ifp.mtu);
	if (!ifp.routes)
		fputs("    routes: none\n", out);
	write_prefixes(out, 4, "pool", ifp.pool, ifp.n_pool);
	write_endpoint(out, 4, "public-endpoint", &ifp.public_endpoint);
	fputs("    peers:\n", out);
	if (writer && writer->peers)
		writer->peers(writer->ctx, given, out);
	else
		for (uint32_t i = 0; i < ifp.n_peers; i++)
			sl_config_write_peer(out, &ifp.peers[i], SL_CONFIG_PEER_INDENT);
	sl_wipe(&ifp, sizeof(ifp));
}

static void write_dataplane(FILE *out, const struct sl_config_dataplane *d)
{
	static const char *const hugepages[] = {"auto", "on", "off"};

	if (d->place.line == 0)
		return;
	fputs("dataplane:\n  workers: ", out);
	if (d->workers == SL_WORKERS_COUNT)
		fprintf(out, "%u\n", d->n_workers);
	else if (d->workers == SL_WORKERS_AUTO)
		fputs("auto\n", out);
	for (uint32_t i = 0; d->workers == SL_WORKERS_CORES && i < d->n_workers; i++)
		fprintf(out, "%s%u%s", i ? ", " : "[", d->cores[i], i + 1 == d->n_workers ? "]\n" : "");
	if (d->control_core >= 0)
		fprintf(out, "  control-core: %d\n", d->control_core);
	fprintf(out, "  idle: %s\n  simd: %s\n  hugepages: %s\n", d->idle == SL_IDLE_POLL ? "poll" : "adaptive",
	        sl_simd_name(d->simd), hugepages[d->hugepages]);
}

static void write_port(FILE *out, const struct sl_config_port *port)
{
	const struct sl_ip *gateways[] = {&port->gateway4, &port->gateway6};
	const char *separator = "    gateway: [";
	char text[SL_IP_STRLEN];

	fputs("  ", out);
	sl_yaml_write_text(out, port->name);
	fputs(":\n    device: ", out);
	sl_yaml_write_text(out, port->device);
	fputc('\n', out);
	write_addresses(out, port->addresses, port->n_addresses);
	for (size_t i = 0; i < 2; i++) {
		if (!gateways[i]->family)
			continue;
		fprintf(out, "%s\"%s\"", separator, sl_ip_format(gateways[i], text));
		separator = ", ";
	}
	if (separator[0] == ',')
		fputs("]\n", out);
	fprintf(out, "    mtu: %u\n", port->mtu);
	if (port->forward_clear)
		fputs("    forward-clear: true\n", out);
}

static void write_route(FILE *out, const struct sl_config *config, const struct sl_config_route *route)
{
	char to[SL_PREFIX_STRLEN], via[SL_IP_STRLEN];

	fprintf(out, "  - {to: \"%s\"", sl_prefix_format(&route->to, to));
	if (route->via.family)
		fprintf(out, ", via: \"%s\"", sl_ip_format(&route->via, via));
	fputs(route->port >= 0 ? ", port: " : ", interface: ", out);
	sl_yaml_write_text(out, route->port >= 0 ? config->ports[route->port].name
	                                         : config->interfaces[route->interface].name);
	fputs("}\n", out);
}

void sl_config_write(FILE *out, const struct sl_config *config, const struct sl_config_writer *writer)
{
	fputs("version: 1\nname: ", out);
	sl_yaml_write_text(out, config->name);
	fputc('\n', out);
	write_dataplane(out, &config->dataplane);
	fputs("ports:\n", out);
	for (uint32_t i = 0; i < config->n_ports; i++)
		write_port(out, &config->ports[i]);
	fputs("interfaces:\n", out);
	for (uint32_t i = 0; i < config->n_interfaces; i++)
		write_interface(out, &config->interfaces[i], writer);
	if (config->n_routes)
		fputs("routes:\n", out);
	for (uint32_t i = 0; i < config->n_routes; i++)
		write_route(out, config, &config->routes[i]);
}
