#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "app/wg_quick_lines.h"
#include "control/nearest.h"
#include "control/net_text.h"
#include "crypto/base64.h"
#include "crypto/wipe.h"
#include "crypto/x25519.h"

enum {
	PORT_MAX = 65535,
	KEEPALIVE_MAX = 65535,
	SHOWN = 60, /* bytes of a wrong value that a message repeats */
};

typedef void take_fn(struct sl_wg_quick_reader *r, const char *key, char *value);

static const char *end_of_number(const char *text)
{
	while (isdigit((unsigned char)*text))
		text++;
	return text;
}

/* A decimal number up to max, the whole value. */
static bool number(
        struct sl_wg_quick_reader *r, const char *key, const char *value, uint32_t min, uint32_t max, uint32_t *out)
{
	unsigned long n = strtoul(value, NULL, 10);

	if (*value && *end_of_number(value) == '\0' && n >= min && n <= max) {
		*out = (uint32_t)n;
		return true;
	}
	sl_wg_quick_error(
	        r, false, r->line, "%s: '%.*s' is not a number from %u to %u; give one", key, SHOWN, value, min, max);
	return false;
}

static bool take_key(struct sl_wg_quick_reader *r, const char *key, const char *value, uint8_t out[SL_KEY_LEN])
{
	if (sl_key_from_base64(out, value, strlen(value)))
		return true;
	sl_wg_quick_error(r, false, r->line, "%s: not a key; give the 44 characters of base64 that `wg` writes", key);
	return false;
}

/* Elements of a list; those that are empty do not count. */
static char *next_element(char **rest)
{
	char *element;

	while ((element = strsep(rest, ",")) != NULL)
		if (*element)
			return element;
	return NULL;
}

static void take_private_key(struct sl_wg_quick_reader *r, const char *key, char *value)
{
	if (!take_key(r, key, value, r->w->config.private_key))
		return;
	r->w->config.has_private_key = !sl_is_zero(r->w->config.private_key, SL_KEY_LEN);
	sl_x25519_public(r->w->config.public_key, r->w->config.private_key);
}

static void take_listen_port(struct sl_wg_quick_reader *r, const char *key, char *value)
{
	uint32_t port;

	if (number(r, key, value, 0, PORT_MAX, &port))
		r->w->config.listen_port = (uint16_t)port;
}

static void take_mtu(struct sl_wg_quick_reader *r, const char *key, char *value)
{
	number(r, key, value, SL_CONFIG_MTU_MIN, SL_CONFIG_MTU_MAX, &r->w->config.mtu);
}

static void take_address(struct sl_wg_quick_reader *r, const char *key, char *value)
{
	struct sl_config_interface *ifp = &r->w->config;
	char *element;

	while ((element = next_element(&value)) != NULL) {
		struct sl_config_address address = {.place.line = r->line};
		const char *problem;
		bool given = false;

		if (!sl_prefix_parse(element, &address.prefix)) {
			sl_wg_quick_error(r, false, r->line,
			        "%s: '%.*s' is not an address; give one such as 10.0.0.1/24 or fd00::1/64", key, SHOWN,
			        element);
			continue;
		}
		problem = sl_own_address_problem(&address.prefix);
		for (uint32_t i = 0; i < ifp->n_addresses; i++)
			given |= sl_ip_equal(&r->w->addresses[i].prefix.addr, &address.prefix.addr);
		if (problem)
			sl_wg_quick_error(r, false, r->line, "%s: %.*s %s", key, SHOWN, element, problem);
		else if (ifp->n_addresses == SL_CONFIG_ADDRESSES_MAX)
			sl_wg_quick_error(
			        r, false, r->line, "%s: more than %d; take some out", key, SL_CONFIG_ADDRESSES_MAX);
		else if (!given)
			r->w->addresses[ifp->n_addresses++] = address;
	}
}

static void take_table(struct sl_wg_quick_reader *r, const char *key, char *value)
{
	if (strcasecmp(value, "off") == 0)
		r->w->config.routes = false;
	else if (strcasecmp(value, "auto") != 0)
		sl_wg_quick_error(r, true, r->line,
		        "%s: there is one routing table here, which has the allowed IPs; to keep them out of it write "
		        "`routes: none`",
		        key);
}

static void take_save(struct sl_wg_quick_reader *r, const char *key, char *value)
{
	if (strcasecmp(value, "true") == 0)
		sl_wg_quick_error(
		        r, true, r->line, "%s: nothing is written when the gateway ends; use `sluice save`", key);
	else if (strcasecmp(value, "false") != 0)
		sl_wg_quick_error(r, false, r->line, "%s: '%.*s' is not known; give true or false", key, SHOWN, value);
}

static void leave_dns(struct sl_wg_quick_reader *r, const char *key, char *value)
{
	sl_wg_quick_error(r, true, r->line,
	        "%s: a gateway does not set the machine's resolver; give it to clients with `sluice export --dns`",
	        key);
}

static void leave_mark(struct sl_wg_quick_reader *r, const char *key, char *value)
{
	if (strcasecmp(value, "off") != 0 && strcmp(value, "0") != 0)
		sl_wg_quick_error(r, true, r->line,
		        "%s: marks are for the kernel's routing, which the tunnel's packets do not pass here; leave it "
		        "out",
		        key);
}

static void leave_apps(struct sl_wg_quick_reader *r, const char *key, char *value)
{
	sl_wg_quick_error(r, true, r->line, "%s: which apps use a tunnel is the phone's to say; leave it out", key);
}

/* Commands are not repeated in messages: they may hold secrets. */
static void leave_hook(struct sl_wg_quick_reader *r, const char *key, char *value)
{
	const char *hint = "forwarding needs none; put what is left into the service's unit";

	if (strstr(value, "private-key"))
		hint = "for a key from elsewhere give `private-key-file` or `private-key-command`";
	else if (strcasestr(value, "masquerade") || strcasestr(value, "snat"))
		hint = "for translated addresses the router behind the port has to know the tunnel's networks instead";
	else if (strstr(value, "ip route") || strstr(value, "ip -6 route") || strstr(value, "ip -4 route"))
		hint = "for a route write it below `routes:`";
	sl_wg_quick_error(r, true, r->line, "%s: no commands are run here; %s", key, hint);
}

static void take_public_key(struct sl_wg_quick_reader *r, const char *key, char *value)
{
	r->peer->key_line = r->line;
	take_key(r, key, value, r->peer->config.public_key);
}

static void take_preshared_key(struct sl_wg_quick_reader *r, const char *key, char *value)
{
	struct sl_config_peer *peer = &r->peer->config;

	if (take_key(r, key, value, peer->preshared_key))
		peer->has_preshared_key = !sl_is_zero(peer->preshared_key, SL_KEY_LEN); /* zeros mean none, as for wg */
}

static void take_allowed_ips(struct sl_wg_quick_reader *r, const char *key, char *value)
{
	struct sl_config_peer *peer = &r->peer->config;
	char *element;

	while ((element = next_element(&value)) != NULL) {
		struct sl_prefix prefix, *grown;

		if (!sl_prefix_parse(element + (*element == '+'), &prefix)) {
			sl_wg_quick_error(r, false, r->line,
			        "%s: '%.*s' is not a prefix; give one such as 10.0.0.0/24 or fd00::/64", key, SHOWN,
			        element);
			continue;
		}
		sl_prefix_mask(&prefix);
		grown = realloc(r->peer->allowed, (peer->n_allowed_ips + 1) * sizeof(*grown));
		if (grown == NULL)
			abort();
		r->peer->allowed = grown;
		grown[peer->n_allowed_ips++] = prefix;
	}
}

static void take_endpoint(struct sl_wg_quick_reader *r, const char *key, char *value)
{
	const char *problem = sl_endpoint_read(value, 0, r->peer->host, &r->peer->config.endpoint);

	if (problem)
		sl_wg_quick_error(r, false, r->line, "%s: '%.*s' %s", key, SHOWN, value, problem);
}

static void take_keepalive(struct sl_wg_quick_reader *r, const char *key, char *value)
{
	uint32_t seconds = 0;

	if (strcasecmp(value, "off") == 0 || number(r, key, value, 0, KEEPALIVE_MAX, &seconds))
		r->peer->config.persistent_keepalive = (uint16_t)seconds;
}

/* How a key is written, what takes it, and how. */
struct key {
	const char *name;
	take_fn *take;
	bool many;     /* may stand several times */
	bool empty;    /* may have no value */
	bool as_it_is; /* white space in the value counts */
};

static const struct key interface_keys[] = {
        {"PrivateKey", take_private_key},
        {"ListenPort", take_listen_port},
        {"FwMark", leave_mark},
        {"Address", take_address, .many = true, .empty = true},
        {"DNS", leave_dns, .many = true, .empty = true},
        {"MTU", take_mtu},
        {"Table", take_table},
        {"PreUp", leave_hook, .many = true, .as_it_is = true},
        {"PostUp", leave_hook, .many = true, .as_it_is = true},
        {"PreDown", leave_hook, .many = true, .as_it_is = true},
        {"PostDown", leave_hook, .many = true, .as_it_is = true},
        {"SaveConfig", take_save},
        {"IncludedApplications", leave_apps, .many = true, .empty = true},
        {"ExcludedApplications", leave_apps, .many = true, .empty = true},
};

static const struct key peer_keys[] = {
        {"PublicKey", take_public_key},
        {"PresharedKey", take_preshared_key},
        {"AllowedIPs", take_allowed_ips, .many = true, .empty = true},
        {"Endpoint", take_endpoint},
        {"PersistentKeepalive", take_keepalive},
};

static const struct key *find_key(const struct key *keys, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

/* Keys that give packets another form: a peer with them cannot be talked to. */
static bool is_amnezia(const char *name)
{
	static const char *const names[] = {
	        "Jc", "Jmin", "Jmax", "S1", "S2", "S3", "S4", "H1", "H2", "H3", "H4", "I1", "I2", "I3", "I4", "I5"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(names[i], name) == 0)
			return true;
	return false;
}

static void unknown_key(struct sl_wg_quick_reader *r, const struct key *keys, size_t n, const char *name)
{
	bool in_peer = keys == peer_keys;
	const struct key *elsewhere = in_peer ? find_key(interface_keys, sizeof(interface_keys) / sizeof(keys[0]), name)
	                                      : find_key(peer_keys, sizeof(peer_keys) / sizeof(keys[0]), name);
	const char *names[SL_WG_QUICK_KEYS];

	if (is_amnezia(name)) {
		sl_wg_quick_error(r, false, r->line,
		        "%s: a key of AmneziaWG, whose packets are not WireGuard's; take such keys out, at both ends",
		        name);
		return;
	}
	for (size_t i = 0; i < n; i++)
		names[i] = keys[i].name;
	if (elsewhere)
		sl_wg_quick_error(r, false, r->line, "%s: not a key of %s; put it below %s", elsewhere->name,
		        in_peer ? "[Peer]" : "[Interface]", in_peer ? "[Interface]" : "[Peer]");
	else
		sl_wg_quick_error(r, false, r->line, "unknown key '%s'; did you mean '%s'?",
		        sl_wg_quick_word(name), sl_nearest(name, strlen(name), names, n));
}

void sl_wg_quick_take(struct sl_wg_quick_reader *r, const char *name, char *value)
{
	bool in_peer = r->section == SL_WG_QUICK_PEER;
	const struct key *keys = in_peer ? peer_keys : interface_keys;
	size_t n = in_peer ? sizeof(peer_keys) / sizeof(keys[0]) : sizeof(interface_keys) / sizeof(keys[0]);
	const struct key *key = find_key(keys, n, name);
	char *to = value;

	if (key == NULL) {
		unknown_key(r, keys, n, name);
		return;
	}
	for (const char *from = value; !key->as_it_is && (*to = *from) != '\0'; from++)
		to += !isspace((unsigned char)*from);
	if (*value == '\0' && !key->empty) {
		sl_wg_quick_error(r, false, r->line, "%s: no value; write one or take the line out", key->name);
		return;
	}
	if (!key->many && r->seen[key - keys])
		sl_wg_quick_error(r, true, r->line, "%s: given in line %u already; this one counts, as for wg",
		        key->name, r->seen[key - keys]);
	r->seen[key - keys] = r->line;
	key->take(r, key->name, value);
}
