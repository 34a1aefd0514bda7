/*
 * set=1: lines are applied as they come, as the kernel does; the first error
 * ends what is applied, and the answer carries it as a negative errno, which is
 * what `wg` expects of a set.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/wg_socket.h"
#include "crypto/base64.h"
#include "crypto/wipe.h"

#define SWEEP_PER_SLICE    256 /* allowed IPs */
#define REMOVED_AT_ONCE    16  /* allowed IPs of a peer that goes with its line; one with more goes in slices */

static struct sl_wg_set *
set_of(struct sl_api_conn *c)
{
	struct sl_wg_state *s = c->state;

	return &s->set;
}

void
sl_wg_set_begin(struct sl_api_conn *c)
{
	struct sl_wg_state *s = c->state;

	s->request = SL_WG_SET;
	s->set = (struct sl_wg_set){.peer = SL_PEER_NONE, .taken_from = SL_PEER_NONE};
}

static void
audit(struct sl_api_conn *c, const char *change, const uint8_t *public_key, const char *setting)
{
	char key[SL_KEY_BASE64_LEN + 1] = "";

	if (public_key)
		sl_key_to_base64(key, public_key);
	sl_audit(&c->actor, change, "interface=%s%s%s%s%s", c->gi->name, public_key ? " public-key=" : "", key,
		setting ? " keys=" : "", setting ? setting : "");
}

/* A setting of the interface is no longer what the file says. */
static void
note_interface(struct sl_api_conn *c, uint32_t bit, const char *setting)
{
	sl_runtime_changed(c->gateway->runtime, c->gi->name, NULL, bit);
	audit(c, "interface-change", NULL, setting);
}

/* The same of the peer that lines are about: told once, and of one that is new not at all. */
static void
note_peer(struct sl_api_conn *c, const struct sl_proto_peer *peer, uint32_t bit, const char *setting)
{
	struct sl_wg_set *set = set_of(c);

	sl_runtime_changed(c->gateway->runtime, c->gi->name, peer->public_key, bit);
	if (!set->created && !(set->noted & bit))
		audit(c, "peer-change", peer->public_key, setting);
	set->noted |= bit;
}

/* A peer is removed: to be called before, for its key goes with it. */
static void
note_removal(struct sl_api_conn *c, const uint8_t public_key[SL_KEY_LEN])
{
	sl_runtime_removed(c->gateway->runtime, c->gi->name, public_key);
	audit(c, "peer-remove", public_key, NULL);
}

/* A decimal number of at most `max`; base prefixes, signs and white space are no part of the protocol. */
static bool
parse_number(const char *text, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (*text == '\0')
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (uint64_t)(*text - '0');
		if (value > max)
			return false;
	}
	*out = value;
	return true;
}

static struct sl_proto_peer *
current_peer(struct sl_api_conn *c)
{
	struct sl_wg_set *set = set_of(c);

	return set->peer == SL_PEER_NONE ? NULL : sl_proto_peer_at(c->gateway->proto, set->peer);
}

/* What is left to do for a peer once its lines are over. */
static void
finish_peer(struct sl_api_conn *c)
{
	struct sl_wg_set *set = set_of(c);
	struct sl_proto_peer *peer = current_peer(c);

	if (peer && set->has_keepalive) {
		if (set->keepalive != peer->keepalive_interval)
			note_peer(c, peer, SL_RUNTIME_KEEPALIVE, "persistent-keepalive");
		sl_proto_peer_set_keepalive(peer, set->keepalive, c->gateway->now);
	}
	set->has_keepalive = false;
	/* what was not given again goes */
	if (peer && set->replacing && set->given < sl_allowed_ips_count(c->gateway->allowed, peer->slot))
		note_peer(c, peer, SL_RUNTIME_ALLOWED_IPS, "allowed-ips");
	if (peer && set->replacing && !sl_allowed_ips_replace_end(c->gateway->allowed, peer->slot, SWEEP_PER_SLICE)) {
		set->job = SL_WG_JOB_SWEEP;
		set->sweep = peer->slot;
	}
	set->replacing = false;
}

/* --- the interface's keys --- */

static int
set_private_key(struct sl_api_conn *c, const char *value)
{
	uint8_t key[SL_KEY_LEN];
	int rc;

	if (!sl_key_from_hex(key, value, strlen(value)))
		return -EINVAL;
	if (!sl_equal(key, sl_proto_if_identity(c->gi->proto)->private_key, SL_KEY_LEN))
		note_interface(c, SL_RUNTIME_PRIVATE_KEY, "private-key");
	rc = sl_gateway_if_set_key(c->gi, key);
	sl_wipe(key, sizeof(key));
	return rc;
}

static int
set_listen_port(struct sl_api_conn *c, const char *value)
{
	uint64_t port;

	if (!parse_number(value, UINT16_MAX, &port))
		return -EINVAL;
	if (port != c->gi->listen_port)
		note_interface(c, SL_RUNTIME_LISTEN_PORT, "listen-port");
	return sl_gateway_if_set_listen_port(c->gi, (uint16_t)port);
}

static int
set_fwmark(struct sl_api_conn *c, const char *value)
{
	uint64_t mark;

	if (!parse_number(value, UINT32_MAX, &mark))
		return -EINVAL;
	if (c->gi->fwmark != mark)
		sl_proto_if_forget_source(c->gi->proto, NULL, c->gateway->now);
	c->gi->fwmark = (uint32_t)mark;
	return 0;
}

static int
replace_peers(struct sl_api_conn *c, const char *value)
{
	if (strcmp(value, "true") != 0)
		return -EINVAL;
	set_of(c)->job = SL_WG_JOB_REMOVE_PEERS;
	return 0;
}

/* --- a peer's keys --- */

static int
select_peer(struct sl_api_conn *c, const char *value)
{
	struct sl_wg_set *set = set_of(c);
	struct sl_proto_peer *peer;
	uint8_t key[SL_KEY_LEN];
	int rc;

	finish_peer(c);
	set->in_peer = true;
	set->peer = SL_PEER_NONE;
	set->ignore = false;
	set->noted = 0;
	if (!sl_key_from_hex(key, value, strlen(value)))
		return -EINVAL;
	rc = sl_gateway_peer_add(c->gi, key, NULL, SL_SOURCE_SOCKET, &peer);
	set->created = rc == 0;
	if (rc == -ELOOP) {
		set->ignore = true; /* ourselves (protocol.md 44) */
		return 0;
	}
	if (rc != 0 && rc != -EEXIST)
		return rc;
	if (set->created) {
		sl_runtime_added(c->gateway->runtime, c->gi->name, key);
		audit(c, "peer-add", key, NULL);
	}
	set->peer = peer->slot;
	return 0;
}

static void
drop_peer(struct sl_api_conn *c, struct sl_proto_peer *peer)
{
	struct sl_wg_set *set = set_of(c);

	note_removal(c, peer->public_key);
	sl_gateway_peer_remove(peer);
	set->peer = SL_PEER_NONE;
	set->ignore = true;
}

static int
remove_peer(struct sl_api_conn *c, struct sl_proto_peer *peer, const char *value)
{
	struct sl_wg_set *set = set_of(c);

	if (strcmp(value, "true") != 0)
		return -EINVAL;
	if (sl_gateway_peer_strip(peer, REMOVED_AT_ONCE)) {
		drop_peer(c, peer);
		return 0;
	}
	memcpy(set->doomed, peer->public_key, sizeof(set->doomed));
	set->job = SL_WG_JOB_REMOVE_PEER;
	set->peer = SL_PEER_NONE;
	set->ignore = true;
	return 0;
}

/* The peer must have been there: one that this request has made goes again. */
static int
update_only(struct sl_api_conn *c, struct sl_proto_peer *peer, const char *value)
{
	if (strcmp(value, "true") != 0)
		return -EINVAL;
	if (set_of(c)->created)
		drop_peer(c, peer);
	return 0;
}

static int
set_psk(struct sl_api_conn *c, struct sl_proto_peer *peer, const char *value)
{
	uint8_t psk[SL_KEY_LEN];

	if (!sl_key_from_hex(psk, value, strlen(value)))
		return -EINVAL;
	if (!sl_equal(psk, peer->psk, SL_KEY_LEN))
		note_peer(c, peer, SL_RUNTIME_PRESHARED_KEY, "preshared-key");
	sl_proto_peer_set_psk(peer, psk);
	sl_wipe(psk, sizeof(psk));
	return 0;
}

static int
set_endpoint(struct sl_api_conn *c, struct sl_proto_peer *peer, const char *value)
{
	struct sl_endpoint endpoint;

	if (!sl_endpoint_parse(value, &endpoint))
		return -EINVAL;
	if (!sl_endpoint_equal(&endpoint, &peer->configured_endpoint))
		note_peer(c, peer, SL_RUNTIME_ENDPOINT, "endpoint");
	sl_gateway_peer_set_endpoint(peer, &endpoint);
	return 0;
}

static int
set_keepalive(struct sl_api_conn *c, struct sl_proto_peer *peer, const char *value)
{
	struct sl_wg_set *set = set_of(c);
	uint64_t seconds;

	if (!parse_number(value, UINT16_MAX, &seconds))
		return -EINVAL;
	set->keepalive = (uint16_t)seconds;
	set->has_keepalive = true;
	return 0;
}

static int
replace_allowed_ips(struct sl_api_conn *c, struct sl_proto_peer *peer, const char *value)
{
	if (strcmp(value, "true") != 0)
		return -EINVAL;
	sl_allowed_ips_replace_begin(c->gateway->allowed, peer->slot);
	set_of(c)->replacing = true;
	set_of(c)->given = 0;
	return 0;
}

/* A prefix goes to the peer, from another perhaps, whose set is then not the file's any more either. */
static int
give_allowed_ip(struct sl_api_conn *c, struct sl_proto_peer *peer, const struct sl_prefix *prefix)
{
	bool own = sl_allowed_ips_owner(c->gateway->allowed, c->gi->id, prefix) == peer->slot;
	const struct sl_proto_peer *other;
	uint32_t from;
	int rc = sl_allowed_ips_add(c->gateway->allowed, c->gi->id, peer->slot, prefix, &from);

	set_of(c)->given++;
	if (rc != 0 || own)
		return rc;
	note_peer(c, peer, SL_RUNTIME_ALLOWED_IPS, "allowed-ips");
	other = from == SL_PEER_NONE ? NULL : sl_proto_peer_at(c->gateway->proto, from);
	if (other == NULL)
		return 0;
	sl_runtime_changed(c->gateway->runtime, c->gi->name, other->public_key, SL_RUNTIME_ALLOWED_IPS);
	if (from != set_of(c)->taken_from)
		audit(c, "peer-change", other->public_key, "allowed-ips");
	set_of(c)->taken_from = from;
	return 0;
}

static int
set_allowed_ip(struct sl_api_conn *c, struct sl_proto_peer *peer, const char *value)
{
	bool remove = value[0] == '-';
	struct sl_prefix prefix;
	int rc;

	if (!sl_prefix_parse(value + remove, &prefix))
		return -EINVAL;
	sl_prefix_mask(&prefix);
	if (!remove)
		return give_allowed_ip(c, peer, &prefix);
	rc = sl_allowed_ips_remove(c->gateway->allowed, c->gi->id, peer->slot, &prefix);
	if (rc == 0)
		note_peer(c, peer, SL_RUNTIME_ALLOWED_IPS, "allowed-ips");
	return rc == -ENOENT ? 0 : rc;
}

static int
check_protocol_version(struct sl_api_conn *c, struct sl_proto_peer *peer, const char *value)
{
	return strcmp(value, "1") == 0 ? 0 : -EPROTONOSUPPORT;
}

static const struct {
	const char *key;
	int (*set)(struct sl_api_conn *c, const char *value);
} interface_keys[] = {
	{"private_key", set_private_key},
	{"listen_port", set_listen_port},
	{"fwmark", set_fwmark},
	{"replace_peers", replace_peers},
};

static const struct {
	const char *key;
	int (*set)(struct sl_api_conn *c, struct sl_proto_peer *peer, const char *value);
} peer_keys[] = {
	{"remove", remove_peer},
	{"update_only", update_only},
	{"preshared_key", set_psk},
	{"endpoint", set_endpoint},
	{"persistent_keepalive_interval", set_keepalive},
	{"replace_allowed_ips", replace_allowed_ips},
	{"allowed_ip", set_allowed_ip},
	{"protocol_version", check_protocol_version},
};

static int
apply_interface_key(struct sl_api_conn *c, const char *key, const char *value)
{
	for (size_t i = 0; i < RTE_DIM(interface_keys); i++) {
		if (strcmp(key, interface_keys[i].key) == 0)
			return interface_keys[i].set(c, value);
	}
	return -EINVAL;
}

static int
apply_peer_key(struct sl_api_conn *c, const char *key, const char *value)
{
	struct sl_proto_peer *peer = current_peer(c);

	for (size_t i = 0; i < RTE_DIM(peer_keys); i++) {
		if (strcmp(key, peer_keys[i].key) != 0)
			continue;
		/* After `remove`, or where the peer went meanwhile, its other keys are read and ignored. */
		return peer && !set_of(c)->ignore ? peer_keys[i].set(c, peer, value) : 0;
	}
	return -EINVAL;
}

void
sl_wg_set_line(struct sl_api_conn *c, char *line)
{
	struct sl_wg_set *set = set_of(c);
	char *value = strchr(line, '=');
	int rc;

	if (set->error)
		return;
	if (value == NULL) {
		set->error = EPROTO;
		return;
	}
	*value++ = '\0';
	if (strcmp(line, "public_key") == 0)
		rc = select_peer(c, value);
	else if (set->in_peer)
		rc = apply_peer_key(c, line, value);
	else
		rc = apply_interface_key(c, line, value);
	if (rc != 0)
		set->error = -rc;
	sl_wipe(value, strlen(value));
}

static void
answer(struct sl_api_conn *c)
{
	struct sl_wg_state *s = c->state;

	sl_api_printf(c, "errno=%d\n\n", -s->set.error);
	s->request = SL_WG_NONE;
}

void
sl_wg_set_end(struct sl_api_conn *c)
{
	struct sl_wg_set *set = set_of(c);

	finish_peer(c);
	if (set->job == SL_WG_JOB_NONE)
		answer(c);
	else
		set->end = true;
}

static void
note_removed_peer(void *ctx, const struct sl_proto_peer *peer)
{
	note_removal(ctx, peer->public_key);
}

/* Goes on with the peer that is being removed; whether it is gone. Others may have removed it meanwhile. */
static bool
remove_doomed(struct sl_api_conn *c)
{
	struct sl_proto_peer *peer = sl_gateway_peer_find(c->gi, set_of(c)->doomed);

	if (peer == NULL)
		return true;
	if (!sl_gateway_peer_strip(peer, SWEEP_PER_SLICE))
		return false;
	note_removal(c, peer->public_key);
	sl_gateway_peer_remove(peer);
	return true;
}

void
sl_wg_set_advance(struct sl_api_conn *c)
{
	struct sl_wg_set *set = set_of(c);
	bool done;

	if (set->job == SL_WG_JOB_REMOVE_PEERS)
		done = sl_gateway_peers_remove(c->gi, note_removed_peer, c);
	else if (set->job == SL_WG_JOB_REMOVE_PEER)
		done = remove_doomed(c);
	else /* of a peer that has gone meanwhile there is nothing left to sweep */
		done = sl_allowed_ips_replace_end(c->gateway->allowed, set->sweep, SWEEP_PER_SLICE);
	if (!done)
		return;
	set->job = SL_WG_JOB_NONE;
	if (set->end)
		answer(c);
}
