#include "control/proto/failures.h"

#include <stdio.h>
#include <stdlib.h>

#include "control/proto/internal.h"
#include "crypto/base64.h"

static const struct {
	const char *name, *text, *hint;
} causes[SL_FAILURE_COUNT] = {
#define CAUSE(id, n, t, h) [SL_FAILURE_##id] = {n, t, h},
	SL_FAILURES(CAUSE)
#undef CAUSE
};

const char *
sl_failure_name(enum sl_failure cause)
{
	return causes[cause].name;
}

const char *
sl_failure_text(enum sl_failure cause)
{
	return causes[cause].text;
}

const char *
sl_failure_hint(enum sl_failure cause)
{
	return causes[cause].hint;
}

#define LINE_COST (SL_NSEC_PER_SEC / SL_FAILURE_PER_SECOND)
#define LINE_FULL (LINE_COST * SL_FAILURE_BURST)

bool
sl_failure_limit_take(struct sl_failure_limit *limit, uint64_t now)
{
	limit->tokens += now - limit->at;
	limit->at = now;
	if (limit->tokens > LINE_FULL)
		limit->tokens = LINE_FULL;
	if (limit->tokens < LINE_COST) {
		limit->suppressed++;
		return false;
	}
	limit->tokens -= LINE_COST;
	return true;
}

static bool
line_due(struct sl_failure_counts *counts, enum sl_failure cause, uint64_t now)
{
	uint64_t wait = counts->logged_cause == cause ? SL_FAILURE_PEER_TIME_NS : SL_FAILURE_CHANGE_TIME_NS;

	return counts->logged == 0 || now - counts->logged >= wait;
}

static void
format_line(char line[SL_FAILURE_LINE_LEN], const struct sl_proto_if *ifp, const struct sl_proto_peer *peer,
	enum sl_failure cause, const struct sl_endpoint *src, const uint8_t *key)
{
	char who[SL_KEY_BASE64_LEN + 1], stranger[SL_KEY_BASE64_LEN + 1] = "", from[SL_ENDPOINT_STRLEN] = "";

	if (src && src->ip.family != SL_AF_NONE)
		sl_endpoint_format(src, from);
	if (key)
		sl_key_to_base64(stranger, key);
	if (peer && !peer->name)
		sl_key_to_base64(who, peer->public_key);
	snprintf(line, SL_FAILURE_LINE_LEN, "%s %s: handshake failed: %s%s%s%s%s; %s", peer ? "peer" : "interface",
		!peer ? ifp->name : peer->name ? peer->name : who, sl_failure_text(cause), *stranger ? " " : "", stranger,
		*from ? " from " : "", from, sl_failure_hint(cause));
}

/* Where it is counted: of a peer that has none yet, made now; without memory it is the interface's counters that tell alone. */
static struct sl_failure_counts *
counts_of(struct sl_proto_if *ifp, struct sl_proto_peer *peer)
{
	if (!peer)
		return &ifp->strangers;
	if (!peer->failures)
		peer->failures = calloc(1, sizeof(*peer->failures));
	return peer->failures;
}

const struct sl_failure_counts *
sl_proto_peer_failures(const struct sl_proto_peer *peer)
{
	static const struct sl_failure_counts none;

	return peer->failures ? peer->failures : &none;
}

void
sl_failure_note(struct sl_proto_if *ifp, struct sl_proto_peer *peer, enum sl_failure cause,
	const struct sl_endpoint *src, const uint8_t *key, uint64_t now)
{
	struct sl_failure_counts *counts = counts_of(ifp, peer);
	struct sl_proto *core = ifp->core;
	char line[SL_FAILURE_LINE_LEN];
	struct sl_failure_report report = {.ifp = ifp, .peer = peer, .cause = cause, .line = line};

	ifp->counters.failures[cause]++;
	if (!counts)
		return;
	if (counts->count[cause] < UINT16_MAX)
		counts->count[cause]++;
	counts->last_cause = (uint8_t)cause;
	counts->last = now;
	if (!core->ops->failure || !line_due(counts, cause, now) || !sl_failure_limit_take(&core->failure_limit, now))
		return;
	counts->logged = now;
	counts->logged_cause = (uint8_t)cause;
	report.suppressed = core->failure_limit.suppressed;
	core->failure_limit.suppressed = 0;
	format_line(line, ifp, peer, cause, src, key);
	core->ops->failure(core->ctx, &report);
}
