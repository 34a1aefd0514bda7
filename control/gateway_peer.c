/* Peers of the gateway: the protocol core's, with their allowed IPs, their names and the endpoints that are names. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/audit.h"
#include "control/gateway.h"
#include "control/log.h"
#include "crypto/base64.h"

#define EXPIRE_PREFIXES 256 /* allowed IPs that go at once with a peer that has expired */

struct sl_gateway_if *
sl_gateway_peer_if(const struct sl_proto_peer *peer)
{
	return sl_proto_if_owner(peer->ifp);
}

struct sl_proto_peer *
sl_gateway_peer_find(struct sl_gateway_if *gi, const uint8_t public_key[SL_KEY_LEN])
{
	return sl_proto_peer_find(gi->proto, public_key);
}

int
sl_gateway_peer_add(struct sl_gateway_if *gi, const uint8_t public_key[SL_KEY_LEN], const char *name,
	enum sl_peer_source source, struct sl_proto_peer **out)
{
	struct sl_gateway_peer *mine = calloc(1, sizeof(*mine));
	int rc;

	if (mine == NULL)
		return -ENOMEM;
	rc = sl_proto_peer_add(gi->proto, public_key, mine, gi->gateway->now, out);
	if (rc != 0) {
		free(mine);
		return rc;
	}
	mine->proto = *out;
	mine->source = source;
	rc = sl_proto_peer_set_name(*out, name);
	if (rc != 0)
		sl_gateway_peer_remove(*out);
	return rc;
}

/* No answer to a name that was asked for counts any more. */
static void
forget_name(struct sl_proto_peer *peer)
{
	struct sl_gateway_peer *mine = sl_gateway_peer(peer);

	if (mine->endpoint_host == NULL)
		return;
	sl_resolver_cancel(sl_gateway_peer_if(peer)->gateway->resolver, peer->slot);
	free(mine->endpoint_host);
	mine->endpoint_host = NULL;
}

bool
sl_gateway_peer_strip(struct sl_proto_peer *peer, uint32_t budget)
{
	struct sl_allowed_ips *allowed = sl_gateway_peer_if(peer)->gateway->allowed;

	sl_allowed_ips_replace_begin(allowed, peer->slot);
	return sl_allowed_ips_replace_end(allowed, peer->slot, budget);
}

void
sl_gateway_peer_remove(struct sl_proto_peer *peer)
{
	struct sl_gateway_peer *mine = sl_gateway_peer(peer);

	sl_allowed_ips_remove_all(sl_gateway_peer_if(peer)->gateway->allowed, peer->slot);
	forget_name(peer);
	sl_proto_peer_remove(peer);
	free(mine);
}

void
sl_gateway_peer_set_endpoint(struct sl_proto_peer *peer, const struct sl_endpoint *endpoint)
{
	forget_name(peer);
	sl_proto_peer_set_endpoint(peer, endpoint, sl_gateway_peer_if(peer)->gateway->now);
}

int
sl_gateway_peer_set_endpoint_name(struct sl_proto_peer *peer, const char *host, uint16_t port)
{
	struct sl_gateway_peer *mine = sl_gateway_peer(peer);
	char *copy = strdup(host);
	int rc;

	if (copy == NULL)
		return -ENOMEM;
	rc = sl_resolver_ask(sl_gateway_peer_if(peer)->gateway->resolver, peer->slot, host, port);
	if (rc != 0) {
		free(copy);
		return rc;
	}
	free(mine->endpoint_host);
	mine->endpoint_host = copy;
	mine->endpoint_port = port;
	return 0;
}

/* Whether a packet to this address could leave the gateway at all: names may have addresses of a family we lack. */
static bool
is_reachable(struct sl_gateway *gw, const struct sl_proto_peer *peer, const struct sl_ip *ip)
{
	return sl_route_lookup_outer(&gw->dp->routes, &gw->dp->peers, ip, sl_gateway_peer_if(peer)->id) != 0;
}

static void
take_answer(struct sl_gateway *gw, const struct sl_resolver_answer *answer)
{
	struct sl_proto_peer *peer = sl_proto_peer_at(gw->proto, (uint32_t)answer->id);
	char text[SL_ENDPOINT_STRLEN];
	unsigned best = 0;

	if (peer == NULL || sl_gateway_peer(peer)->endpoint_host == NULL ||
		strcmp(sl_gateway_peer(peer)->endpoint_host, answer->host) != 0)
		return;
	if (answer->n == 0) {
		sl_log_warning("peer %s: endpoint %s: %s; trying again in %u s", peer->name ? peer->name : "?", answer->host,
			answer->error, answer->retry_in);
		return;
	}
	while (best < answer->n && !is_reachable(gw, peer, &answer->endpoints[best].ip))
		best++;
	if (best == answer->n)
		best = 0;
	sl_log_info("peer %s: endpoint %s is %s", peer->name ? peer->name : "?", answer->host,
		sl_endpoint_format(&answer->endpoints[best], text));
	sl_proto_peer_set_endpoint(peer, &answer->endpoints[best], gw->now);
}

bool
sl_gateway_take_names(struct sl_gateway *gw)
{
	struct sl_resolver_answer answer;
	bool any = false;

	while (sl_resolver_take(gw->resolver, &answer)) {
		take_answer(gw, &answer);
		any = true;
	}
	return any;
}

int
sl_gateway_peer_set_expires(struct sl_proto_peer *peer, int64_t expires)
{
	struct sl_gateway_peer *mine = sl_gateway_peer(peer);

	if (expires && expires != mine->expires) {
		int rc = sl_expiry_add(&sl_gateway_peer_if(peer)->gateway->expiry, expires, peer->slot);

		if (rc != 0)
			return rc;
	}
	mine->expires = expires;
	return 0;
}

bool
sl_gateway_expire_peers(struct sl_gateway *gw)
{
	static const struct sl_actor timer = {.via = "expiry", .uid = -1, .pid = -1};
	char key[SL_KEY_BASE64_LEN + 1];
	struct sl_expiry_entry due;
	struct sl_proto_peer *peer;

	if (gw->expiry.n == 0 || !sl_expiry_due(&gw->expiry, (int64_t)time(NULL), &due))
		return false;
	peer = sl_proto_peer_at(gw->proto, due.peer);
	if (peer && sl_gateway_peer(peer)->expires == due.when) {
		if (!sl_gateway_peer_strip(peer, EXPIRE_PREFIXES))
			return true;
		sl_key_to_base64(key, peer->public_key);
		sl_audit(&timer, "peer-remove", "interface=%s%s%s public-key=%s", sl_gateway_peer_if(peer)->name,
			peer->name ? " peer=" : "", peer->name ? peer->name : "", key);
		sl_gateway_peer_remove(peer);
	}
	sl_expiry_take(&gw->expiry);
	return true;
}
