/*
 * The packets of `sluice bench client|server`, as they stand on the wire in
 * UDP: data packets and probes, which workers or threads send by the million,
 * and control messages by which a client asks a server for a session and for
 * trials. The same format whether a gateway's workers or a host's sockets are
 * at an end. Pure functions, any thread; nothing is kept.
 *
 * Everything is big endian. The first 12 bytes are common:
 *   magic (2), version (1), type (1), session (4), trial (2), flow (2)
 * Data packet, probe and echo: sequence number (8), sender's clock in ns (8), check value (8), filling.
 * Control message: always SL_TRAFFIC_CONTROL_LEN bytes, request and answer alike, so that no answer is longer than what
 * asked for it; the last 8 bytes are the check value.
 * The check value is SipHash under the session's key. It keeps strangers' packets out of the counts; it protects no secret.
 *
 * A session:   hello →  ← cookie (the server keeps nothing)   open with the cookie →  ← opened: session, key
 * Each flow:   attach, from the flow's own port →  ← attached
 * Each trial:  start with a plan →  ← started, then data; poll →  ← stats, while it runs and after it
 * The end:     close →  ← closed
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/siphash.h"

#define SL_TRAFFIC_PORT         5210
#define SL_TRAFFIC_MAGIC        0x5b1c
#define SL_TRAFFIC_VERSION      1
#define SL_TRAFFIC_COMMON_LEN   12
#define SL_TRAFFIC_HEADER_LEN   36 /* with 28 bytes of IPv4 and UDP the smallest packet has 64 */
#define SL_TRAFFIC_CONTROL_LEN  256
#define SL_TRAFFIC_KEY_LEN      SL_SIPHASH_KEY_LEN

#define SL_TRAFFIC_FLOWS_MAX    64
#define SL_TRAFFIC_FLOW_ALL     UINT16_MAX /* of a poll: all flows together */
#define SL_TRAFFIC_SIZES_MAX    8
#define SL_TRAFFIC_WEIGHTS_MAX  256   /* sum of a plan's weights */
#define SL_TRAFFIC_PAYLOAD_MAX  8972  /* of an IPv4 packet of 9,000 bytes */
#define SL_TRAFFIC_RATE_MAX     UINT64_C(100000000) /* packets per second */
#define SL_TRAFFIC_DURATION_MIN UINT64_C(1000000)   /* ns */
#define SL_TRAFFIC_DURATION_MAX (UINT64_C(86400) * 1000000000)

enum sl_traffic_type {
	SL_TRAFFIC_HELLO = 1,
	SL_TRAFFIC_COOKIE,
	SL_TRAFFIC_OPEN,
	SL_TRAFFIC_OPENED,
	SL_TRAFFIC_ATTACH,
	SL_TRAFFIC_ATTACHED,
	SL_TRAFFIC_START,
	SL_TRAFFIC_STARTED,
	SL_TRAFFIC_POLL,
	SL_TRAFFIC_STATS,
	SL_TRAFFIC_CLOSE,
	SL_TRAFFIC_CLOSED,
	SL_TRAFFIC_REFUSED,
	SL_TRAFFIC_CONTROL_END,
	SL_TRAFFIC_DATA = 32,
	SL_TRAFFIC_PROBE, /* answered with an echo that carries its clock back */
	SL_TRAFFIC_ECHO,
};

enum sl_traffic_refusal {
	SL_TRAFFIC_NOT_REFUSED,
	SL_TRAFFIC_REFUSED_VERSION, /* the server speaks another version: its own is in the answer's header */
	SL_TRAFFIC_REFUSED_BUSY,    /* as many sessions as it takes */
	SL_TRAFFIC_REFUSED_RATE,    /* more packets per second than it sends */
	SL_TRAFFIC_REFUSED_PLAN,    /* a flow is not attached, or it cannot send such packets */
	SL_TRAFFIC_REFUSALS
};

/* Directions of a plan, seen from the client. */
#define SL_TRAFFIC_TO_SERVER   1
#define SL_TRAFFIC_FROM_SERVER 2
#define SL_TRAFFIC_BOTH        (SL_TRAFFIC_TO_SERVER | SL_TRAFFIC_FROM_SERVER)

/* UDP payload bytes, and how many of each sum-of-weights packets have them. */
struct sl_traffic_size {
	uint16_t payload;
	uint16_t weight;
};

/* What is sent in a trial. */
struct sl_traffic_plan {
	uint8_t directions;
	uint16_t flows;
	uint64_t rate;     /* packets per second over all flows, in each direction; 0: as many as the sender can */
	uint64_t duration; /* ns */
	unsigned n_sizes;
	struct sl_traffic_size sizes[SL_TRAFFIC_SIZES_MAX];
};

/* What one end has sent and received in a trial. Bytes are UDP payloads. */
struct sl_traffic_stats {
	uint64_t elapsed; /* ns since the trial began there */
	bool sending;
	uint64_t sent, sent_bytes;
	uint64_t received, received_bytes; /* each packet once */
	uint64_t lost;      /* gaps below the highest sequence number that has come */
	uint64_t duplicates;
	uint64_t reordered; /* RFC 4737 section 3.3 */
	uint64_t late;      /* too far behind to know whether they are duplicates; they count as lost */
	uint64_t extent;    /* the largest reordering extent, RFC 4737 section 4.2 */
	uint64_t jitter;    /* ns, RFC 3550 section 6.4.1, the mean over flows */
};

/* Of a data packet, probe or echo. */
struct sl_traffic_header {
	uint8_t type;
	uint32_t session;
	uint16_t trial;
	uint16_t flow;
	uint64_t seq;
	uint64_t stamp; /* ns of the sender's clock */
};

/* A control message; which members count is the type's affair, the others are zero. */
struct sl_traffic_message {
	uint8_t version;
	uint8_t type;
	uint32_t session;
	uint16_t trial;
	uint16_t flow;
	uint64_t nonce, cookie;          /* hello, cookie, open, opened, refused */
	uint8_t key[SL_TRAFFIC_KEY_LEN]; /* opened */
	uint64_t rate_max;               /* opened: packets per second that the server sends at most */
	uint8_t refusal;                 /* refused: enum sl_traffic_refusal */
	struct sl_traffic_plan plan;     /* start */
	struct sl_traffic_stats stats;   /* stats */
};

enum sl_traffic_verdict {
	SL_TRAFFIC_OK,
	SL_TRAFFIC_FOREIGN,       /* not of this protocol: too short, or another magic */
	SL_TRAFFIC_OTHER_VERSION, /* a control message of another version; only version and type are set */
	SL_TRAFFIC_MALFORMED,
};

/* The type of n bytes of UDP payload, or 0 where they are none of this protocol and version. */
uint8_t sl_traffic_type(const void *payload, size_t n);

static inline bool
sl_traffic_is_control(uint8_t type)
{
	return type >= SL_TRAFFIC_HELLO && type < SL_TRAFFIC_CONTROL_END;
}

/* Reads the header of a data packet, probe or echo. False: none, or shorter than one. Does not look at the check value. */
bool sl_traffic_header_read(const void *payload, size_t n, struct sl_traffic_header *h);
/* Whether the check value of n ≥ SL_TRAFFIC_HEADER_LEN bytes is right; in constant time. */
bool sl_traffic_header_check(const void *payload, const uint8_t key[SL_TRAFFIC_KEY_LEN]);
/* Writes SL_TRAFFIC_HEADER_LEN bytes with their check value. */
void sl_traffic_header_write(void *payload, const struct sl_traffic_header *h, const uint8_t key[SL_TRAFFIC_KEY_LEN]);

/* Reads a control message, whose every field is held against its limits. */
enum sl_traffic_verdict sl_traffic_message_read(const void *payload, size_t n, struct sl_traffic_message *m);
/* Whether the check value of SL_TRAFFIC_CONTROL_LEN bytes is right; in constant time. */
bool sl_traffic_message_check(const void *payload, const uint8_t key[SL_TRAFFIC_KEY_LEN]);
/* Writes SL_TRAFFIC_CONTROL_LEN bytes. key NULL: there is none yet, the check value is zero. */
void sl_traffic_message_write(void *payload, const struct sl_traffic_message *m, const uint8_t *key);

/* Whether a plan is within the limits above. */
bool sl_traffic_plan_valid(const struct sl_traffic_plan *plan);
