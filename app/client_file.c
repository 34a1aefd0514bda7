#include "app/client_file.h"

#include <string.h>

#include "app/pool.h"
#include "crypto/base64.h"
#include "crypto/wipe.h"

#define BEHIND_NAT_KEEPALIVE 25 /* seconds: below the time-outs of common NATs */

static void
write_key(FILE *out, const char *name, const uint8_t key[SL_KEY_LEN])
{
	char text[SL_KEY_BASE64_LEN + 1];

	sl_key_to_base64(text, key);
	fprintf(out, "%s = %s\n", name, text);
	sl_wipe(text, sizeof(text));
}

/* Where the gateway is reached: as told, as the file says, or the first port with a gateway. False where nothing says. */
static bool
find_endpoint(const struct sl_config *config, const struct sl_config_interface *ifp, const char *told, char *text,
	size_t size)
{
	const struct sl_config_endpoint *public = &ifp->public_endpoint;
	char number[SL_ENDPOINT_STRLEN];

	if (told) {
		snprintf(text, size, "%s", told);
		return true;
	}
	if (public->host || public->literal.ip.family) {
		if (public->host)
			snprintf(text, size, "%s:%u", public->host, public->port);
		else
			snprintf(text, size, "%s", sl_endpoint_format(&public->literal, number));
		return true;
	}
	for (uint32_t i = 0; ifp->listen_port && i < config->n_ports; i++) {
		const struct sl_config_port *port = &config->ports[i];
		struct sl_endpoint endpoint = {.port = ifp->listen_port};

		if (port->n_addresses == 0 || (!port->gateway4.family && !port->gateway6.family))
			continue;
		endpoint.ip = port->addresses[0].prefix.addr;
		snprintf(text, size, "%s", sl_endpoint_format(&endpoint, number));
		return true;
	}
	return false;
}

/* A list that is written one element after another. */
struct list {
	FILE *out;
	unsigned n;
};

static void
add_prefix(struct list *l, const struct sl_prefix *prefix)
{
	char text[SL_PREFIX_STRLEN];

	fprintf(l->out, "%s%s", l->n++ ? ", " : "", sl_prefix_format(prefix, text));
}

/* Whether the interface's own networks, or its pool, hold the prefix. */
static bool
is_inside(const struct sl_config_interface *ifp, const struct sl_prefix *prefix)
{
	struct sl_prefix pool;

	for (uint32_t i = 0; i < ifp->n_addresses; i++)
		if (prefix->len >= ifp->addresses[i].prefix.len && sl_prefix_contains(&ifp->addresses[i].prefix, &prefix->addr))
			return true;
	for (uint32_t i = 0; sl_pool_prefix(ifp, i, &pool); i++)
		if (prefix->len >= pool.len && sl_prefix_contains(&pool, &prefix->addr))
			return true;
	return false;
}

/* The peer's own addresses: those of its allowed IPs that are single ones, or, where there are none, inside networks. */
static unsigned
write_addresses(FILE *out, const struct sl_config_interface *ifp, const struct sl_config_peer *peer)
{
	struct list l = {.out = out};

	for (uint32_t i = 0; i < peer->n_allowed_ips; i++) {
		const struct sl_prefix *p = &peer->allowed_ips[i];

		if (p->len == sl_family_bits(p->addr.family) && is_inside(ifp, p)) {
			fputs(l.n ? "" : "Address = ", out);
			add_prefix(&l, p);
		}
	}
	if (l.n)
		fputc('\n', out);
	return l.n;
}

/* The networks inside the tunnel, those of ports that do not lead out, routes through them, and other peers' sites. */
static void
write_split(struct list *l, const struct sl_config *config, const struct sl_config_interface *ifp,
	const struct sl_config_peer *self)
{
	struct sl_prefix prefix;

	for (uint32_t i = 0; i < ifp->n_addresses; i++) {
		prefix = ifp->addresses[i].prefix;
		sl_prefix_mask(&prefix);
		add_prefix(l, &prefix);
	}
	for (uint32_t i = 0; i < ifp->n_pool; i++)
		if (ifp->n_addresses == 0)
			add_prefix(l, &ifp->pool[i]);
	for (uint32_t i = 0; i < config->n_ports; i++) {
		const struct sl_config_port *port = &config->ports[i];

		for (uint32_t j = 0; !port->gateway4.family && !port->gateway6.family && j < port->n_addresses; j++) {
			prefix = port->addresses[j].prefix;
			sl_prefix_mask(&prefix);
			if (!sl_ip_is_link_local(&prefix.addr))
				add_prefix(l, &prefix);
		}
	}
	for (uint32_t i = 0; i < config->n_routes; i++)
		if (config->routes[i].to.len > 0)
			add_prefix(l, &config->routes[i].to);
	for (uint32_t i = 0; i < ifp->n_peers; i++) {
		const struct sl_config_peer *peer = &ifp->peers[i];

		for (uint32_t j = 0; peer != self && !peer->disabled && j < peer->n_allowed_ips; j++)
			if (peer->allowed_ips[j].len > 0 && !is_inside(ifp, &peer->allowed_ips[j]))
				add_prefix(l, &peer->allowed_ips[j]);
	}
}

/* A list as it was told, separated by commas or spaces: wg takes commas alone, and nothing empty between them. */
static void
write_words(FILE *out, const char *list)
{
	const char *comma = "";

	for (list += strspn(list, ", "); *list; list += strspn(list, ", ")) {
		size_t len = strcspn(list, ", ");

		fprintf(out, "%s%.*s", comma, (int)len, list);
		comma = ", ";
		list += len;
	}
}

static void
write_allowed_ips(FILE *out, const struct sl_config *config, const struct sl_config_interface *ifp,
	const struct sl_config_peer *peer, const struct sl_client_options *options)
{
	struct list l = {.out = out};

	fputs("AllowedIPs = ", out);
	if (options->allowed_ips)
		write_words(out, options->allowed_ips);
	else if (options->tunnel == SL_CLIENT_FULL)
		fputs("0.0.0.0/0, ::/0", out);
	else
		write_split(&l, config, ifp, peer);
	fputc('\n', out);
}

/*
 * Rules that let nothing out but through the tunnel, to this machine itself, and what finding the router takes. The
 * tunnel's own packets carry the mark that wg-quick gives it for a default route. The rules are of the table alone, so
 * they hold when the tunnel's interface is lost, and go when it is taken down.
 */
static void
write_kill_switch(FILE *out)
{
	fputs("PostUp = nft \"table inet sluice_kill_switch { chain output { type filter hook output priority filter; "
	      "policy drop; oifname lo accept; oifname %i accept; meta mark $(wg show %i fwmark) accept; "
	      "fib daddr type local accept; udp sport 68 udp dport 67 accept; udp sport 546 udp dport 547 accept; "
	      "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit } accept; }; }\"\n"
	      "PostDown = nft delete table inet sluice_kill_switch\n",
		out);
}

static int
keepalive_of(const struct sl_config_peer *peer, const struct sl_client_options *options)
{
	bool known = peer->endpoint.host || peer->endpoint.literal.ip.family;

	if (options->keepalive >= 0)
		return options->keepalive;
	return known ? 0 : BEHIND_NAT_KEEPALIVE;
}

bool
sl_client_file(FILE *out, const struct sl_config *config, const struct sl_config_interface *ifp,
	const struct sl_config_peer *peer, const uint8_t *private_key, const struct sl_client_options *options, char *why,
	size_t size)
{
	char endpoint[512];

	if (!ifp->has_private_key) {
		snprintf(why, size, "interface '%s' has no private key; give it one first", ifp->name);
		return false;
	}
	if (!find_endpoint(config, ifp, options->endpoint, endpoint, sizeof(endpoint))) {
		snprintf(why, size,
			"nothing says where '%s' is reached; give it `public-endpoint: ADDRESS:PORT`, or use --endpoint", ifp->name);
		return false;
	}
	if (options->kill_switch && (options->tunnel != SL_CLIENT_FULL || options->allowed_ips)) {
		snprintf(why, size, "a kill switch needs a full tunnel; %s",
			options->allowed_ips ? "leave out --client-allowed-ips" : "add --full-tunnel");
		return false;
	}
	fprintf(out, "# %s\n[Interface]\n", peer->name);
	if (private_key)
		write_key(out, "PrivateKey", private_key);
	else
		fputs("# PrivateKey = the key that belongs to this peer; the gateway does not have it\n", out);
	write_addresses(out, ifp, peer);
	if (options->dns) {
		fputs("DNS = ", out);
		write_words(out, options->dns);
		fputc('\n', out);
	}
	if (ifp->mtu != SL_DEFAULT_MTU)
		fprintf(out, "MTU = %u\n", ifp->mtu);
	if (options->kill_switch)
		write_kill_switch(out);
	fputs("\n[Peer]\n", out);
	write_key(out, "PublicKey", ifp->public_key);
	if (peer->has_preshared_key)
		write_key(out, "PresharedKey", peer->preshared_key);
	fprintf(out, "Endpoint = %s\n", endpoint);
	write_allowed_ips(out, config, ifp, peer, options);
	if (keepalive_of(peer, options))
		fprintf(out, "PersistentKeepalive = %d\n", keepalive_of(peer, options));
	return true;
}
