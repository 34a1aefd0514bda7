/* Peers of the gateway: the protocol core's, with their allowed IPs, their names and the endpoints that are names. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/audit.h"
#include "control/gateway.h"
#include "control/log.h"
#include "crypto/base64.h"

#define NAMES_AT_ONCE   64  /* answers of the resolver taken in one turn */
#define PREFIXES_AT_ONCE 128 /* allowed IPs that go in one step, with peers or before them */
#define PEERS_AT_ONCE    64

/* Of names that do not resolve, and of those that do again: a server that goes or comes makes many of them at once. */
static struct sl_log_limit lost_limit = SL_LOG_LIMIT(10, SL_NSEC_PER_SEC);
static struct sl_log_limit found_limit = SL_LOG_LIMIT(10, SL_NSEC_PER_SEC);

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

const struct sl_gateway_peer *
sl_gateway_peer(const struct sl_proto_peer *peer)
{
	static const struct sl_gateway_peer nothing;

	return peer->owner ? peer->owner : &nothing;
}

/* The same to be written to; NULL without memory. */
static struct sl_gateway_peer *
get_mine(struct sl_proto_peer *peer)
{
	struct sl_gateway_peer *mine = peer->owner;

	if (mine)
		return mine;
	mine = peer->owner = calloc(1, sizeof(*mine));
	if (mine)
		mine->peer = peer;
	return mine;
}

int
sl_gateway_peer_set_source(struct sl_proto_peer *peer, enum sl_peer_source source)
{
	struct sl_gateway_peer *mine;

	if (sl_gateway_peer(peer)->source == source)
		return 0;
	mine = get_mine(peer);
	if (mine == NULL)
		return -ENOMEM;
	mine->source = source;
	return 0;
}

int
sl_gateway_peer_add(struct sl_gateway_if *gi, const uint8_t public_key[SL_KEY_LEN], const char *name,
	enum sl_peer_source source, struct sl_proto_peer **out)
{
	int rc = sl_proto_peer_add(gi->proto, public_key, NULL, gi->gateway->now, out);

	if (rc != 0)
		return rc;
	rc = sl_gateway_peer_set_source(*out, source);
	if (rc == 0)
		rc = sl_proto_peer_set_name(*out, name);
	if (rc != 0)
		sl_gateway_peer_remove(*out);
	return rc;
}

/* No answer to a name that was asked for counts any more. */
static void
forget_name(struct sl_proto_peer *peer)
{
	struct sl_gateway_peer *mine = peer->owner;

	if (mine == NULL || mine->endpoint_host == NULL)
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
	struct sl_gateway_peer *mine = peer->owner;

	if (mine)
		sl_due_remove(&sl_gateway_peer_if(peer)->gateway->expiry, &mine->expiry);
	sl_allowed_ips_remove_all(sl_gateway_peer_if(peer)->gateway->allowed, peer->slot);
	forget_name(peer);
	sl_proto_peer_remove(peer);
	free(mine);
}

bool
sl_gateway_peers_remove(
	struct sl_gateway_if *gi, void (*before)(void *ctx, const struct sl_proto_peer *peer), void *ctx)
{
	struct sl_proto_cursor cursor;
	struct sl_proto_peer *peer = NULL;
	uint32_t budget = PREFIXES_AT_ONCE;

	sl_proto_cursor_open(&cursor, gi->proto);
	for (unsigned i = 0; i < PEERS_AT_ONCE && (peer = sl_proto_cursor_next(&cursor)) != NULL; i++) {
		uint32_t n = sl_allowed_ips_count(gi->gateway->allowed, peer->slot);

		if (!sl_gateway_peer_strip(peer, budget))
			break;
		budget -= n;
		if (before)
			before(ctx, peer);
		sl_gateway_peer_remove(peer);
	}
	sl_proto_cursor_close(&cursor);
	return sl_proto_if_n_peers(gi->proto) == 0;
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
	struct sl_gateway_peer *mine = get_mine(peer);
	char *copy = mine ? strdup(host) : NULL;
	int rc;

	if (copy == NULL)
		return -ENOMEM;
	rc = sl_resolver_ask(sl_gateway_peer_if(peer)->gateway->resolver, peer->slot, host, port,
		mine->endpoint_refresh);
	if (rc != 0) {
		free(copy);
		return rc;
	}
	free(mine->endpoint_host);
	mine->endpoint_host = copy;
	mine->endpoint_port = port;
	mine->endpoint_found = false;
	mine->unanswered = mine->asked_again = 0;
	return 0;
}

int
sl_gateway_peer_set_endpoint_refresh(struct sl_proto_peer *peer, uint32_t seconds)
{
	struct sl_gateway_peer *mine;

	if (sl_gateway_peer(peer)->endpoint_refresh == seconds)
		return 0;
	mine = get_mine(peer);
	if (mine == NULL)
		return -ENOMEM;
	mine->endpoint_refresh = seconds;
	if (mine->endpoint_host)
		sl_resolver_refresh(sl_gateway_peer_if(peer)->gateway->resolver, peer->slot, seconds);
	return 0;
}

/* Workers' stamps may be a little ahead of this turn's time. */
static bool
heard_within(const struct sl_proto_peer_info *info, uint64_t ns, uint64_t now)
{
	return info->received && info->received + ns > now;
}

/* Asks for the name once in the time that a row of tries takes, and only while nothing else comes from the peer either. */
void
sl_gateway_peer_unanswered(struct sl_proto_peer *peer)
{
	struct sl_gateway *gw = sl_gateway_peer_if(peer)->gateway;
	struct sl_gateway_peer *mine = peer->owner;
	struct sl_proto_peer_info info;

	if (mine == NULL || mine->endpoint_host == NULL)
		return;
	sl_proto_peer_info(peer, gw->now, &info);
	if (heard_within(&info, SL_NEW_HANDSHAKE_TIME_NS, gw->now))
		return;
	mine->unanswered = gw->now;
	if (mine->asked_again && gw->now - mine->asked_again < SL_REKEY_ATTEMPT_TIME_NS)
		return;
	mine->asked_again = gw->now;
	sl_resolver_again(gw->resolver, peer->slot);
}

/* Whether a packet to this address could leave the gateway at all: names may have addresses of a family we lack. */
static bool
is_reachable(struct sl_gateway *gw, const struct sl_proto_peer *peer, const struct sl_ip *ip)
{
	return sl_route_lookup_outer(&gw->dp->routes, &gw->dp->peers, ip, sl_gateway_peer_if(peer)->id) != 0;
}

/*
 * Whether a name that was found again leaves the endpoint alone: where the peer is is among the answers, or it is heard
 * from there within the life of a session, and no handshake has gone unanswered since.
 */
static bool
keeps_endpoint(
	const struct sl_gateway *gw, const struct sl_proto_peer *peer, const struct sl_resolver_answer *answer)
{
	const struct sl_gateway_peer *mine = sl_gateway_peer(peer);
	struct sl_proto_peer_info info;

	if (!mine->endpoint_found)
		return false;
	sl_proto_peer_info(peer, gw->now, &info);
	for (unsigned i = 0; i < answer->n; i++)
		if (sl_endpoint_equal(&answer->endpoints[i], &info.endpoint))
			return true;
	return info.session && info.received > mine->unanswered && heard_within(&info, SL_REJECT_AFTER_TIME_NS, gw->now);
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
		if (answer->news)
			sl_log_limited(&lost_limit, gw->now, SL_LOG_WARNING,
				"peer %s: endpoint %s is not found: %s; it is looked up again until it is", peer->name ? peer->name : "?",
				answer->host, answer->error);
		sl_log_debug("peer %s: endpoint %s: %s; looked up again in %u s", peer->name ? peer->name : "?", answer->host,
			answer->error, answer->retry_in);
		return;
	}
	if (answer->news)
		sl_log_limited(&found_limit, gw->now, SL_LOG_INFO, "peer %s: endpoint %s is found again",
			peer->name ? peer->name : "?", answer->host);
	if (keeps_endpoint(gw, peer, answer))
		return;
	while (best < answer->n && !is_reachable(gw, peer, &answer->endpoints[best].ip))
		best++;
	if (best == answer->n)
		best = 0;
	sl_log_info("peer %s: endpoint %s is %s", peer->name ? peer->name : "?", answer->host,
		sl_endpoint_format(&answer->endpoints[best], text));
	((struct sl_gateway_peer *)peer->owner)->endpoint_found = true;
	sl_proto_peer_set_endpoint(peer, &answer->endpoints[best], gw->now);
}

bool
sl_gateway_take_names(struct sl_gateway *gw)
{
	struct sl_resolver_answer answer;
	bool any = false;

	for (unsigned i = 0; i < NAMES_AT_ONCE && sl_resolver_take(gw->resolver, &answer); i++) {
		take_answer(gw, &answer);
		any = true;
	}
	return any;
}

int
sl_gateway_peer_set_expires(struct sl_proto_peer *peer, int64_t expires)
{
	struct sl_due_queue *queue = &sl_gateway_peer_if(peer)->gateway->expiry;
	struct sl_gateway_peer *mine;

	if (expires == sl_gateway_peer(peer)->expires)
		return 0;
	mine = get_mine(peer);
	if (mine == NULL || sl_due_reserve(queue, queue->n + 1) != 0)
		return -ENOMEM;
	sl_due_remove(queue, &mine->expiry);
	mine->expires = expires;
	mine->expiry.at = expires > 0 ? (uint64_t)expires : 0;
	if (expires)
		sl_due_add(queue, &mine->expiry);
	return 0;
}

bool
sl_gateway_expire_peers(struct sl_gateway *gw)
{
	static const struct sl_actor timer = {.via = "expiry", .uid = -1, .pid = -1};
	char key[SL_KEY_BASE64_LEN + 1];
	const struct sl_due *due = sl_due_first(&gw->expiry);
	const struct sl_gateway_peer *mine;
	struct sl_proto_peer *peer;

	if (due == NULL || (int64_t)due->at > (int64_t)time(NULL))
		return false;
	mine = RTE_PTR_SUB(due, offsetof(struct sl_gateway_peer, expiry));
	peer = mine->peer;
	if (!sl_gateway_peer_strip(peer, PREFIXES_AT_ONCE))
		return true;
	sl_key_to_base64(key, peer->public_key);
	sl_audit(&timer, "peer-remove", "interface=%s%s%s public-key=%s", sl_gateway_peer_if(peer)->name,
		peer->name ? " peer=" : "", peer->name ? peer->name : "", key);
	sl_gateway_peer_remove(peer);
	return true;
}
