/* Steps about peers and their allowed IPs. */
#include <errno.h>
#include <time.h>

#include "control/apply.h"

/* Besides the name, which it is made with. */
#define ALL_FIELDS                                                                                                     \
	(SL_CHANGE_PRESHARED_KEY | SL_CHANGE_ENDPOINT_REFRESH | SL_CHANGE_ENDPOINT | SL_CHANGE_EXPIRES | SL_CHANGE_KEEPALIVE)

static int
set_endpoint(struct sl_proto_peer *peer, const struct sl_config_endpoint *endpoint)
{
	if (endpoint->host)
		return sl_gateway_peer_set_endpoint_name(peer, endpoint->host, endpoint->port);
	sl_gateway_peer_set_endpoint(peer, &endpoint->literal);
	return 0;
}

/* What can be set at once, by the bits in `changed`. */
static int
set_fields(struct sl_gateway *gw, struct sl_proto_peer *peer, const struct sl_config_peer *config, uint32_t changed)
{
	int rc = 0;

	if (changed & SL_CHANGE_NAME)
		rc = sl_proto_peer_set_name(peer, config->name);
	if (changed & SL_CHANGE_PRESHARED_KEY)
		sl_proto_peer_set_psk(peer, config->preshared_key);
	if (rc == 0 && changed & SL_CHANGE_ENDPOINT_REFRESH)
		rc = sl_gateway_peer_set_endpoint_refresh(peer, config->endpoint_refresh);
	if (rc == 0 && changed & SL_CHANGE_ENDPOINT)
		rc = set_endpoint(peer, &config->endpoint);
	if (rc == 0 && changed & SL_CHANGE_EXPIRES)
		rc = sl_gateway_peer_set_expires(peer, config->expires);
	if (changed & SL_CHANGE_KEEPALIVE)
		sl_proto_peer_set_keepalive(peer, config->persistent_keepalive, gw->now);
	return rc;
}

/* What the file says of a peer that was just made: as to the rest it is as it should be. */
static uint32_t
fields_given(const struct sl_config_peer *config)
{
	uint32_t fields = SL_CHANGE_ENDPOINT_REFRESH | SL_CHANGE_EXPIRES; /* cost nothing where nothing changes */

	if (config->has_preshared_key)
		fields |= SL_CHANGE_PRESHARED_KEY;
	if (config->endpoint.host || config->endpoint.literal.ip.family)
		fields |= SL_CHANGE_ENDPOINT;
	if (config->persistent_keepalive)
		fields |= SL_CHANGE_KEEPALIVE;
	return fields;
}

/* Gives the peer some more of its allowed IPs; SL_APPLY_MORE until it has them all. */
static int
add_prefixes(struct sl_gateway_if *gi, const struct sl_proto_peer *peer, const struct sl_config_peer *config,
	uint32_t *progress)
{
	uint32_t left = config->n_allowed_ips - *progress;
	uint32_t end = *progress + RTE_MIN(left, (uint32_t)SL_APPLY_PREFIXES);

	for (; *progress < end; ++*progress) {
		int rc = sl_allowed_ips_add(
			gi->gateway->allowed, gi->id, peer->slot, &config->allowed_ips[*progress], NULL);

		if (rc != 0)
			return rc;
	}
	return *progress < config->n_allowed_ips ? SL_APPLY_MORE : 0;
}

/* The file gives it allowed IPs, but it is not there: nobody has them. SL_APPLY_MORE until that is so. */
static int
release_prefixes(struct sl_gateway_if *gi, const struct sl_config_peer *config, uint32_t *progress)
{
	struct sl_allowed_ips *allowed = gi->gateway->allowed;
	uint32_t left = config->n_allowed_ips - *progress;
	uint32_t end = *progress + RTE_MIN(left, (uint32_t)SL_APPLY_PREFIXES);

	for (; *progress < end; ++*progress) {
		const struct sl_prefix *prefix = &config->allowed_ips[*progress];
		uint32_t owner = sl_allowed_ips_owner(allowed, gi->id, prefix);

		if (owner != SL_PEER_NONE)
			sl_allowed_ips_remove(allowed, gi->id, owner, prefix);
	}
	return *progress < config->n_allowed_ips ? SL_APPLY_MORE : 0;
}

static bool
has_expired(const struct sl_config_peer *config)
{
	return config->expires && config->expires <= (int64_t)time(NULL);
}

int
sl_apply_peer_add(struct sl_gateway *gw, const struct sl_step *s, uint32_t *progress, char *error)
{
	const struct sl_config_peer *config = s->new_peer;
	struct sl_gateway_if *gi = sl_apply_if(gw, s->new_interface);
	struct sl_proto_peer *peer;
	uint32_t fields = fields_given(config);
	int rc;

	if (has_expired(config) && *progress == 0) { /* one that `wg` has added goes */
		rc = sl_apply_peer_remove(gi, config->public_key);
		if (rc != 0)
			return rc;
	}
	if (has_expired(config) && sl_gateway_peer_find(gi, config->public_key) == NULL)
		return release_prefixes(gi, config, progress);
	rc = sl_gateway_peer_add(gi, config->public_key, config->name, SL_SOURCE_FILE, &peer);
	if (rc == -ELOOP)
		return 0; /* the check has warned */
	if (rc == -EEXIST) { /* made with `wg` before the file named it, or by the call before */
		if (*progress == 0)
			sl_runtime_adopted(gw->runtime, gi->name, config->public_key);
		fields = ALL_FIELDS;
		rc = sl_gateway_peer_set_source(peer, SL_SOURCE_FILE);
		if (rc == 0)
			rc = sl_proto_peer_set_name(peer, config->name);
	}
	if (rc == 0 && *progress == 0)
		rc = set_fields(gw, peer, config, fields & ~SL_CHANGE_KEEPALIVE);
	if (rc == 0)
		rc = add_prefixes(gi, peer, config, progress);
	if (rc == 0)
		rc = set_fields(gw, peer, config, fields & SL_CHANGE_KEEPALIVE);
	return rc < 0 ? sl_apply_fail(error, rc, "peer", config->name) : rc;
}

int
sl_apply_peer_change(struct sl_gateway *gw, const struct sl_step *s, uint32_t *progress, char *error)
{
	const struct sl_config_peer *config = s->new_peer;
	struct sl_gateway_if *gi = sl_apply_if(gw, s->new_interface);
	struct sl_proto_peer *peer = sl_gateway_peer_find(gi, config->public_key);
	int rc = 0;

	/* One that had expired comes back with a later time; another that is not there the `wg` tool has removed. */
	if (s->changed & SL_CHANGE_EXPIRES && (peer == NULL || *progress > 0) &&
		!(sl_runtime_bits(gw->runtime, gi->name, config->public_key) & SL_RUNTIME_REMOVED))
		return sl_apply_peer_add(gw, s, progress, error);
	if (peer)
		rc = set_fields(gw, peer, config, s->changed);
	return rc ? sl_apply_fail(error, rc, "peer", config->name) : 0;
}

/* Gives it the allowed IPs the file says; the others go with SL_STEP_PEER_SWEEP. */
static int
restore_prefixes(
	struct sl_gateway_if *gi, const struct sl_proto_peer *peer, const struct sl_config_peer *config, uint32_t *progress)
{
	if (*progress == 0)
		sl_allowed_ips_replace_begin(gi->gateway->allowed, peer->slot);
	return add_prefixes(gi, peer, config, progress);
}

int
sl_apply_peer_sweep(struct sl_gateway *gw, const struct sl_step *s)
{
	struct sl_proto_peer *peer = sl_gateway_peer_find(sl_apply_if(gw, s->new_interface), s->new_peer->public_key);

	if (peer == NULL || sl_allowed_ips_replace_end(gw->allowed, peer->slot, SL_APPLY_PREFIXES))
		return 0;
	return SL_APPLY_MORE;
}

int
sl_apply_peer_restore(struct sl_gateway *gw, const struct sl_step *s, uint32_t *progress, char *error)
{
	const struct sl_config_peer *config = s->new_peer;
	struct sl_gateway_if *gi = sl_apply_if(gw, s->new_interface);
	struct sl_proto_peer *peer = sl_gateway_peer_find(gi, config->public_key);
	int rc = 0;

	if (s->runtime->bits & SL_RUNTIME_REMOVED)
		return sl_apply_peer_add(gw, s, progress, error);
	if (peer == NULL)
		return 0; /* removed since; noted as that */
	if (s->changed & SL_CHANGE_ALLOWED_IPS)
		rc = restore_prefixes(gi, peer, config, progress);
	if (rc == 0)
		rc = set_fields(gw, peer, config, s->changed);
	return rc < 0 ? sl_apply_fail(error, rc, "peer", config->name) : rc;
}

int
sl_apply_peer_remove(struct sl_gateway_if *gi, const uint8_t public_key[SL_KEY_LEN])
{
	struct sl_proto_peer *peer = sl_gateway_peer_find(gi, public_key);

	if (peer == NULL)
		return 0;
	if (!sl_gateway_peer_strip(peer, SL_APPLY_PREFIXES))
		return SL_APPLY_MORE;
	sl_gateway_peer_remove(peer);
	return 0;
}

int
sl_apply_allowed_ip(struct sl_gateway *gw, const struct sl_step *s, char *error)
{
	bool add = s->kind == SL_STEP_ALLOWED_IP_ADD;
	const struct sl_config_peer *config = add ? s->new_peer : s->old_peer;
	struct sl_gateway_if *gi = sl_apply_if(gw, add ? s->new_interface : s->old_interface);
	struct sl_proto_peer *peer = sl_gateway_peer_find(gi, config->public_key);
	int rc;

	if (peer == NULL) { /* expired, or removed with `wg` */
		uint32_t owner = add ? sl_allowed_ips_owner(gw->allowed, gi->id, s->allowed_ip) : SL_PEER_NONE;

		if (owner != SL_PEER_NONE)
			sl_allowed_ips_remove(gw->allowed, gi->id, owner, s->allowed_ip);
		return 0;
	}
	rc = add ? sl_allowed_ips_add(gw->allowed, gi->id, peer->slot, s->allowed_ip, NULL)
		 : sl_allowed_ips_remove(gw->allowed, gi->id, peer->slot, s->allowed_ip);
	return rc && rc != -ENOENT ? sl_apply_fail(error, rc, "allowed IPs of peer", config->name) : 0;
}
