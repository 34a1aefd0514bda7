/*
 * The receiving end of a measurement: the sessions that it knows, and what
 * every receiver (a worker, or a thread at a socket) has counted of them.
 *
 * Control (a gateway's control thread, a bench process's main thread) opens and
 * closes sessions and sets their trial; receivers look, each counting into
 * lines of its own; control sums. A slot that is closed may be opened again at
 * once: a receiver that is still at the old session counts into a trial that
 * nobody asks about.
 */
#pragma once

#include "dataplane/addr.h"
#include "dataplane/traffic_count.h"
#include "dataplane/traffic_histogram.h"

#define SL_TRAFFIC_SESSIONS 8 /* slots; a session's id is its slot plus a multiple of this */

struct sl_traffic_session {
	_Atomic uint32_t id;    /* 0: none */
	_Atomic uint16_t trial; /* packets of others are not counted; 0: none runs */
	_Atomic uint64_t key[SL_TRAFFIC_KEY_LEN / sizeof(uint64_t)];
	_Atomic uint64_t peer[2]; /* inner address its packets come from */
	_Atomic uint8_t family;
};

struct sl_traffic_sink {
	struct sl_traffic_session sessions[SL_TRAFFIC_SESSIONS];
};

/* One receiver's. Large, and touched only where there is traffic. */
struct sl_traffic_lines {
	_Atomic uint64_t refused; /* packets of no session, with a wrong check value or of another trial */
	_Atomic uint64_t probes;  /* that were answered with an echo */
	_Atomic uint64_t echoes;  /* that came back */
	struct sl_histogram round_trip;
	struct sl_traffic_count counts[SL_TRAFFIC_SESSIONS][SL_TRAFFIC_FLOWS_MAX];
};

/* Control. */
void sl_traffic_sink_open(struct sl_traffic_sink *s, uint32_t id, const uint8_t key[SL_TRAFFIC_KEY_LEN],
	const struct sl_ip *peer);
void sl_traffic_sink_trial(struct sl_traffic_sink *s, uint32_t id, uint16_t trial);
void sl_traffic_sink_close(struct sl_traffic_sink *s, uint32_t id);

/* The slot of a session id, whether or not it is open. */
static inline unsigned
sl_traffic_slot(uint32_t id)
{
	return id % SL_TRAFFIC_SESSIONS;
}

enum sl_traffic_fate {
	SL_TRAFFIC_COUNTED, /* done with */
	SL_TRAFFIC_ANSWER,  /* a probe that has been made its echo in place, SL_TRAFFIC_HEADER_LEN bytes: send it back */
	SL_TRAFFIC_CONTROL, /* a control message, for control */
	SL_TRAFFIC_REFUSE,  /* nothing of a session that is open here */
};

/*
 * Receiver: one UDP payload of n bytes from an inner address, at `now` ns of the clock that the probes were stamped with. Counts into
 * this receiver's lines.
 */
enum sl_traffic_fate sl_traffic_sink_take(struct sl_traffic_sink *s, struct sl_traffic_lines *lines, uint8_t *payload,
	size_t n, const struct sl_ip *from, uint64_t now);

/*
 * Control: what n receivers have counted of a trial: one flow's, or with SL_TRAFFIC_FLOW_ALL those of the first `flows` flows. Adds to
 * *out.
 */
void sl_traffic_sink_stats(struct sl_traffic_lines *const *lines, unsigned n, uint32_t id, uint16_t trial, uint16_t flow,
	unsigned flows, struct sl_traffic_stats *out);
