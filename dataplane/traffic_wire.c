#include "dataplane/traffic_wire.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "crypto/wipe.h"

#define CHECK_LEN     8
#define CHECK_AT      (SL_TRAFFIC_HEADER_LEN - CHECK_LEN)
#define CHECK_CONTROL (SL_TRAFFIC_CONTROL_LEN - CHECK_LEN)

#define VERSION_AT 2
#define TYPE_AT    3

static_assert(SL_TRAFFIC_COMMON_LEN + 8 + 8 + CHECK_LEN == SL_TRAFFIC_HEADER_LEN, "common part, sequence, clock, check");

/* --- numbers in a row: the reader and the writer of one message go through the same function --- */

struct cursor {
	uint8_t *at;
	bool writing;
};

static void
pass_bytes(struct cursor *c, void *value, size_t n)
{
	if (c->writing)
		memcpy(c->at, value, n);
	else
		memcpy(value, c->at, n);
	c->at += n;
}

static void
pass8(struct cursor *c, uint8_t *value)
{
	pass_bytes(c, value, sizeof(*value));
}

static void
pass16(struct cursor *c, uint16_t *value)
{
	uint16_t wire = htobe16(*value);

	pass_bytes(c, &wire, sizeof(wire));
	*value = be16toh(wire);
}

static void
pass32(struct cursor *c, uint32_t *value)
{
	uint32_t wire = htobe32(*value);

	pass_bytes(c, &wire, sizeof(wire));
	*value = be32toh(wire);
}

static void
pass64(struct cursor *c, uint64_t *value)
{
	uint64_t wire = htobe64(*value);

	pass_bytes(c, &wire, sizeof(wire));
	*value = be64toh(wire);
}

static void
pass_common(struct cursor *c, uint8_t *version, uint8_t *type, uint32_t *session, uint16_t *trial, uint16_t *flow)
{
	uint16_t magic = SL_TRAFFIC_MAGIC;

	pass16(c, &magic);
	pass8(c, version);
	pass8(c, type);
	pass32(c, session);
	pass16(c, trial);
	pass16(c, flow);
}

/* --- data packets --- */

static bool
is_ours(const uint8_t *p, size_t n)
{
	return n >= SL_TRAFFIC_COMMON_LEN && p[0] == SL_TRAFFIC_MAGIC >> 8 && p[1] == (SL_TRAFFIC_MAGIC & UINT8_MAX);
}

uint8_t
sl_traffic_type(const void *payload, size_t n)
{
	const uint8_t *p = payload;

	return is_ours(p, n) && p[VERSION_AT] == SL_TRAFFIC_VERSION ? p[TYPE_AT] : 0;
}

static void
pass_header(struct cursor *c, struct sl_traffic_header *h)
{
	uint8_t version = SL_TRAFFIC_VERSION;

	pass_common(c, &version, &h->type, &h->session, &h->trial, &h->flow);
	pass64(c, &h->seq);
	pass64(c, &h->stamp);
}

bool
sl_traffic_header_read(const void *payload, size_t n, struct sl_traffic_header *h)
{
	struct cursor c = {.at = (uint8_t *)(uintptr_t)payload};
	uint8_t type = sl_traffic_type(payload, n);

	if (type < SL_TRAFFIC_DATA || type > SL_TRAFFIC_ECHO || n < SL_TRAFFIC_HEADER_LEN)
		return false;
	pass_header(&c, h);
	return true;
}

static bool
check_right(const uint8_t *payload, size_t at, const uint8_t *key)
{
	uint64_t check = sl_siphash(key, payload, at);

	return sl_equal(&check, payload + at, sizeof(check));
}

static void
check_write(uint8_t *payload, size_t at, const uint8_t *key)
{
	uint64_t check = sl_siphash(key, payload, at);

	memcpy(payload + at, &check, sizeof(check));
}

bool
sl_traffic_header_check(const void *payload, const uint8_t key[SL_TRAFFIC_KEY_LEN])
{
	return check_right(payload, CHECK_AT, key);
}

void
sl_traffic_header_write(void *payload, const struct sl_traffic_header *h, const uint8_t key[SL_TRAFFIC_KEY_LEN])
{
	struct cursor c = {.at = payload, .writing = true};
	struct sl_traffic_header copy = *h;

	pass_header(&c, &copy);
	check_write(payload, CHECK_AT, key);
}

/* --- control messages --- */

static void
pass_plan(struct cursor *c, struct sl_traffic_plan *plan)
{
	uint8_t n_sizes = (uint8_t)plan->n_sizes;

	pass8(c, &plan->directions);
	pass8(c, &n_sizes);
	pass16(c, &plan->flows);
	pass64(c, &plan->rate);
	pass64(c, &plan->duration);
	plan->n_sizes = n_sizes;
	for (unsigned i = 0; i < SL_TRAFFIC_SIZES_MAX; i++) {
		pass16(c, &plan->sizes[i].payload);
		pass16(c, &plan->sizes[i].weight);
	}
}

static void
pass_stats(struct cursor *c, struct sl_traffic_stats *stats)
{
	uint8_t sending = stats->sending;

	pass8(c, &sending);
	stats->sending = sending != 0;
	pass64(c, &stats->elapsed);
	pass64(c, &stats->sent);
	pass64(c, &stats->sent_bytes);
	pass64(c, &stats->received);
	pass64(c, &stats->received_bytes);
	pass64(c, &stats->lost);
	pass64(c, &stats->duplicates);
	pass64(c, &stats->reordered);
	pass64(c, &stats->late);
	pass64(c, &stats->extent);
	pass64(c, &stats->jitter);
}

/* What lies between the common part and the check value. */
static void
pass_body(struct cursor *c, struct sl_traffic_message *m)
{
	switch (m->type) {
	case SL_TRAFFIC_OPENED:
		pass64(c, &m->nonce);
		pass_bytes(c, m->key, sizeof(m->key));
		pass64(c, &m->rate_max);
		break;
	case SL_TRAFFIC_HELLO:
	case SL_TRAFFIC_COOKIE:
	case SL_TRAFFIC_OPEN:
		pass64(c, &m->nonce);
		pass64(c, &m->cookie);
		break;
	case SL_TRAFFIC_START:
		pass_plan(c, &m->plan);
		break;
	case SL_TRAFFIC_STATS:
		pass_stats(c, &m->stats);
		break;
	case SL_TRAFFIC_REFUSED:
		pass64(c, &m->nonce);
		pass8(c, &m->refusal);
		break;
	default:
		break;
	}
}

bool
sl_traffic_plan_valid(const struct sl_traffic_plan *plan)
{
	unsigned weights = 0;

	if (plan->directions == 0 || plan->directions > SL_TRAFFIC_BOTH || plan->flows == 0 ||
		plan->flows > SL_TRAFFIC_FLOWS_MAX || plan->rate > SL_TRAFFIC_RATE_MAX ||
		plan->duration < SL_TRAFFIC_DURATION_MIN || plan->duration > SL_TRAFFIC_DURATION_MAX)
		return false;
	if (plan->n_sizes == 0 || plan->n_sizes > SL_TRAFFIC_SIZES_MAX)
		return false;
	for (unsigned i = 0; i < plan->n_sizes; i++) {
		const struct sl_traffic_size *s = &plan->sizes[i];

		if (s->payload < SL_TRAFFIC_HEADER_LEN || s->payload > SL_TRAFFIC_PAYLOAD_MAX || s->weight == 0)
			return false;
		weights += s->weight;
	}
	return weights <= SL_TRAFFIC_WEIGHTS_MAX;
}

static bool
message_valid(const struct sl_traffic_message *m)
{
	switch (m->type) {
	case SL_TRAFFIC_START:
		return m->trial != 0 && sl_traffic_plan_valid(&m->plan);
	case SL_TRAFFIC_ATTACH:
	case SL_TRAFFIC_ATTACHED:
		return m->flow < SL_TRAFFIC_FLOWS_MAX;
	case SL_TRAFFIC_POLL:
	case SL_TRAFFIC_STATS:
		return m->flow < SL_TRAFFIC_FLOWS_MAX || m->flow == SL_TRAFFIC_FLOW_ALL;
	case SL_TRAFFIC_REFUSED:
		return m->refusal != SL_TRAFFIC_NOT_REFUSED && m->refusal < SL_TRAFFIC_REFUSALS;
	default:
		return true;
	}
}

enum sl_traffic_verdict
sl_traffic_message_read(const void *payload, size_t n, struct sl_traffic_message *m)
{
	const uint8_t *p = payload;
	struct cursor c = {.at = (uint8_t *)(uintptr_t)payload};

	memset(m, 0, sizeof(*m));
	if (!is_ours(p, n) || n != SL_TRAFFIC_CONTROL_LEN || !sl_traffic_is_control(p[TYPE_AT]))
		return SL_TRAFFIC_FOREIGN;
	m->version = p[VERSION_AT];
	m->type = p[TYPE_AT];
	if (m->version != SL_TRAFFIC_VERSION)
		return SL_TRAFFIC_OTHER_VERSION;
	pass_common(&c, &m->version, &m->type, &m->session, &m->trial, &m->flow);
	pass_body(&c, m);
	/* what this version gives no meaning to is zero, so that a later one may give it some */
	if (!sl_is_zero(c.at, (size_t)(p + CHECK_CONTROL - c.at)) || !message_valid(m))
		return SL_TRAFFIC_MALFORMED;
	return SL_TRAFFIC_OK;
}

bool
sl_traffic_message_check(const void *payload, const uint8_t key[SL_TRAFFIC_KEY_LEN])
{
	return check_right(payload, CHECK_CONTROL, key);
}

void
sl_traffic_message_write(void *payload, const struct sl_traffic_message *m, const uint8_t *key)
{
	struct cursor c = {.at = payload, .writing = true};
	struct sl_traffic_message copy = *m;

	memset(payload, 0, SL_TRAFFIC_CONTROL_LEN);
	copy.version = SL_TRAFFIC_VERSION;
	pass_common(&c, &copy.version, &copy.type, &copy.session, &copy.trial, &copy.flow);
	pass_body(&c, &copy);
	if (key)
		check_write(payload, CHECK_CONTROL, key);
}
