#include "tests/tools/probe.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tools/tool.h"

#define MARK 0x534c5057U /* tells our payloads from other traffic to the same port */

struct header {
	uint32_t mark;
	uint32_t flow;
	uint64_t seq;
};

static_assert(sizeof(struct header) == PROBE_HEADER_LEN, "header");

static void pattern(uint8_t *out, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(seed + i * 7);
}

void probe_fill(uint8_t *payload, size_t len, uint32_t flow, uint64_t seq)
{
	struct header h = {.mark = MARK, .flow = flow, .seq = seq};

	if (len < sizeof(h)) {
		pattern(payload, len, len);
		return;
	}
	memcpy(payload, &h, sizeof(h));
	pattern(payload + sizeof(h), len - sizeof(h), flow + seq);
}

static bool pattern_holds(const uint8_t *in, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i++)
		if (in[i] != (uint8_t)(seed + i * 7))
			return false;
	return true;
}

/* Flow and number of a payload. Short ones are of flow 0, numbered as `flow sizes` numbers its packets: from length 1 on. */
static bool parse(const uint8_t *payload, size_t len, uint32_t *flow, uint64_t *seq)
{
	struct header h;

	if (len < sizeof(h)) {
		*flow = 0;
		*seq = len - 1;
		return len > 0 && pattern_holds(payload, len, len);
	}
	memcpy(&h, payload, sizeof(h));
	*flow = h.flow;
	*seq = h.seq;
	return h.mark == MARK && pattern_holds(payload + sizeof(h), len - sizeof(h), h.flow + h.seq);
}

void probe_tally_init(struct probe_tally *t, uint32_t flows, uint64_t count)
{
	memset(t, 0, sizeof(*t));
	t->flows = flows;
	t->count = count;
	t->seen = calloc((flows * count + 63) / 64, sizeof(*t->seen));
	if (!t->seen)
		tool_die("no memory for %u flows of %" PRIu64 " packets", flows, count);
}

void probe_tally_free(struct probe_tally *t)
{
	free(t->seen);
	t->seen = NULL;
}

void probe_tally_add(struct probe_tally *t, const uint8_t *payload, size_t len)
{
	uint32_t flow;
	uint64_t seq, bit;

	if (!parse(payload, len, &flow, &seq) || flow >= t->flows || seq >= t->count) {
		t->corrupt++;
		return;
	}
	bit = flow * t->count + seq;
	if (t->seen[bit / 64] & 1ULL << bit % 64) {
		t->duplicated++;
		return;
	}
	t->seen[bit / 64] |= 1ULL << bit % 64;
	t->received++;
	if (seq < t->next[flow])
		t->reordered++;
	else
		t->next[flow] = seq + 1;
}

bool probe_tally_complete(const struct probe_tally *t)
{
	return t->received == t->flows * t->count;
}

void probe_tally_print(const struct probe_tally *t)
{
	printf("{\"received\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"duplicated\": %" PRIu64 ", \"reordered\": %" PRIu64
	       ", \"corrupt\": %" PRIu64 "}\n",
		t->received, t->flows * t->count - t->received, t->duplicated, t->reordered, t->corrupt);
	fflush(stdout);
}
