#include "control/save.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_memory.h"
#include "control/config_write.h"
#include "control/secret_stream.h"
#include "crypto/base64.h"
#include "crypto/wipe.h"

#define ENTRIES_PER_SLICE  64
#define PREFIXES_PER_SLICE 512

/* What a peer or interface that `wg` touched is now. */
struct saved {
	struct sl_config_peer peer; /* name NULL: it has none, or is not there */
	struct sl_prefix *prefixes;
	uint32_t room;
	bool present;
	/* an interface's: */
	bool has_private_key;
	uint8_t private_key[SL_KEY_LEN];
	uint16_t listen_port;
};

struct sl_save {
	struct sl_gateway *gw;
	const struct sl_runtime_entry *entries;
	uint32_t n, at;
	uint32_t cursor; /* in the allowed IPs of the peer at hand */
	struct saved *saved; /* per entry */
	/* on the thread: */
	struct sl_config_map index; /* interface and key → entry */
	bool failed;
};

struct sl_save *sl_save_begin(struct sl_gateway *gw, const struct sl_runtime_entry *entries, uint32_t n)
{
	struct sl_save *save = calloc(1, sizeof(*save));

	if (save)
		save->saved = calloc(n ? n : 1, sizeof(*save->saved));
	if (save == NULL || save->saved == NULL) {
		free(save);
		return NULL;
	}
	save->gw = gw;
	save->entries = entries;
	save->n = n;
	return save;
}

void sl_save_free(struct sl_save *save)
{
	if (save == NULL)
		return;
	for (uint32_t i = 0; i < save->n; i++) {
		free((char *)save->saved[i].peer.name);
		free((char *)save->saved[i].peer.endpoint.host);
		free(save->saved[i].prefixes);
	}
	sl_wipe(save->saved, save->n * sizeof(*save->saved));
	free(save->saved);
	sl_config_map_free(&save->index);
	free(save);
}

static bool collect_prefixes(struct sl_save *save, struct saved *s, const struct sl_proto_peer *peer, unsigned *budget)
{
	struct sl_prefix prefix;

	while (*budget > 0) {
		struct sl_prefix *more;

		if (!sl_allowed_ips_next(save->gw->allowed, peer->slot, &save->cursor, &prefix))
			return true;
		--*budget;
		if (s->peer.n_allowed_ips == s->room) {
			s->room = s->room ? s->room * 2 : 4;
			more = realloc(s->prefixes, s->room * sizeof(*more));
			if (more == NULL) {
				save->failed = true;
				return true;
			}
			s->prefixes = more;
		}
		s->prefixes[s->peer.n_allowed_ips++] = prefix;
		s->peer.allowed_ips = s->prefixes;
	}
	return false;
}

static void collect_fields(struct saved *s, const struct sl_proto_peer *peer)
{
	const struct sl_gateway_peer *mine = sl_gateway_peer(peer);

	s->present = true;
	s->peer.name = peer->name ? strdup(peer->name) : NULL;
	s->peer.has_preshared_key = peer->has_psk;
	memcpy(s->peer.public_key, peer->public_key, SL_KEY_LEN);
	memcpy(s->peer.preshared_key, peer->psk, SL_KEY_LEN);
	s->peer.persistent_keepalive = peer->keepalive_interval;
	s->peer.endpoint.literal = peer->configured_endpoint;
	if (mine->endpoint_host) {
		s->peer.endpoint.host = strdup(mine->endpoint_host);
		s->peer.endpoint.port = mine->endpoint_port;
	}
}

static void collect_interface(struct saved *s, const struct sl_gateway_if *gi)
{
	const struct sl_noise_identity *identity = sl_proto_if_identity(gi->proto);

	s->has_private_key = identity->valid;
	memcpy(s->private_key, identity->private_key, SL_KEY_LEN);
	s->listen_port = gi->listen_port;
}

bool sl_save_collect(struct sl_save *save)
{
	unsigned budget = PREFIXES_PER_SLICE;

	for (unsigned i = 0; i < ENTRIES_PER_SLICE && save->at < save->n && budget > 0; i++) {
		const struct sl_runtime_entry *e = &save->entries[save->at];
		struct saved *s = &save->saved[save->at];
		struct sl_gateway_if *gi = sl_gateway_if_find(save->gw, e->interface);
		struct sl_proto_peer *peer = NULL;

		if (gi && gi->kind == SL_IF_WIREGUARD && sl_is_zero(e->public_key, SL_KEY_LEN))
			collect_interface(s, gi);
		else if (gi && gi->kind == SL_IF_WIREGUARD)
			peer = sl_gateway_peer_find(gi, e->public_key);
		if (peer && !s->present)
			collect_fields(s, peer);
		if (peer && !collect_prefixes(save, s, peer, &budget))
			return true; /* more of this one */
		save->cursor = 0;
		save->at++;
	}
	return save->at < save->n;
}

/* --- on the thread --- */

static const struct sl_runtime_entry *entry_of(
        const struct sl_save *save, const char *interface, const uint8_t *public_key, uint32_t *at)
{
	struct sl_runtime_entry key = {.bits = 0};

	strncpy(key.interface, interface, sizeof(key.interface) - 1);
	if (public_key)
		memcpy(key.public_key, public_key, SL_KEY_LEN);
	*at = sl_config_map_find(&save->index, &key);
	return *at == SL_CONFIG_MAP_NONE ? NULL : &save->entries[*at];
}

static void settle(void *ctx, struct sl_config_interface *ifp)
{
	struct sl_save *save = ctx;
	uint32_t at;
	const struct sl_runtime_entry *e = entry_of(save, ifp->name, NULL, &at);

	if (e == NULL)
		return;
	if (e->bits & SL_RUNTIME_PRIVATE_KEY) {
		const struct saved *s = &save->saved[at];

		ifp->private_key_source = NULL;
		ifp->has_private_key = s->has_private_key;
		memcpy(ifp->private_key, s->private_key, SL_KEY_LEN);
	}
	if (e->bits & SL_RUNTIME_LISTEN_PORT)
		ifp->listen_port = save->saved[at].listen_port;
}

/* A peer that `wg` made has no name in a file; its key gives it one. */
static void write_added(const struct saved *s, FILE *out)
{
	struct sl_config_peer peer = s->peer;
	char hex[SL_KEY_HEX_LEN + 1], name[sizeof("peer-") + 16];

	if (peer.name == NULL) {
		sl_key_to_hex(hex, peer.public_key);
		snprintf(name, sizeof(name), "peer-%.16s", hex);
		peer.name = name;
	}
	sl_config_write_peer(out, &peer, SL_CONFIG_PEER_INDENT);
	sl_wipe(&peer, sizeof(peer));
}

static void write_peers(void *ctx, const struct sl_config_interface *ifp, FILE *out)
{
	struct sl_save *save = ctx;

	for (uint32_t i = 0; i < ifp->n_peers; i++) {
		struct sl_config_peer peer = ifp->peers[i];
		uint32_t at;
		const struct sl_runtime_entry *e = entry_of(save, ifp->name, peer.public_key, &at);
		const struct sl_config_peer *now = e ? &save->saved[at].peer : NULL;

		if (e && !save->saved[at].present && !peer.disabled)
			continue; /* removed */
		if (e && e->bits & SL_RUNTIME_PRESHARED_KEY) {
			peer.preshared_key_source = NULL;
			peer.has_preshared_key = now->has_preshared_key;
			memcpy(peer.preshared_key, now->preshared_key, SL_KEY_LEN);
		}
		if (e && e->bits & SL_RUNTIME_ENDPOINT)
			peer.endpoint = now->endpoint;
		if (e && e->bits & SL_RUNTIME_KEEPALIVE)
			peer.persistent_keepalive = now->persistent_keepalive;
		if (e && e->bits & SL_RUNTIME_ALLOWED_IPS) {
			peer.allowed_ips = now->allowed_ips;
			peer.n_allowed_ips = now->n_allowed_ips;
		}
		sl_config_write_peer(out, &peer, SL_CONFIG_PEER_INDENT);
		sl_wipe(&peer, sizeof(peer));
	}
	for (uint32_t i = 0; i < save->n; i++)
		if (save->entries[i].bits & SL_RUNTIME_ADDED && save->saved[i].present &&
		        strcmp(save->entries[i].interface, ifp->name) == 0)
			write_added(&save->saved[i], out);
}

void sl_save_write(struct sl_save *save, const struct sl_config *config, char **text, size_t *len)
{
	struct sl_config_writer writer = {.settle = settle, .peers = write_peers, .ctx = save};
	FILE *out = save->failed ? NULL : sl_secret_stream(text, len);

	if (out == NULL) {
		*text = NULL;
		return;
	}
	sl_config_map_init(&save->index, offsetof(struct sl_runtime_entry, bits));
	for (uint32_t i = 0; i < save->n; i++)
		sl_config_map_add(&save->index, &save->entries[i], i);
	sl_config_write(out, config, &writer);
	fclose(out);
}
