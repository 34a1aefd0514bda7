/*
 * State of one connection of the `wg` tool, between lines and slices. Control
 * thread alone; owned by the connection.
 */
#pragma once

#include "control/api_conn.h"

enum sl_wg_request {
	SL_WG_NONE,
	SL_WG_GET,
	SL_WG_SET,
};

/* What a set has begun and goes on in slices. */
enum sl_wg_job {
	SL_WG_JOB_NONE,
	SL_WG_JOB_REMOVE_PEERS, /* replace_peers */
	SL_WG_JOB_REMOVE_PEER,  /* one with many allowed IPs */
	SL_WG_JOB_SWEEP,        /* allowed IPs that a replacement left behind */
};

struct sl_wg_set {
	int error;     /* the first, a positive errno; what follows is ignored */
	uint32_t peer; /* slot of the peer that lines are about; SL_PEER_NONE: the interface's, or to be ignored */
	bool in_peer;  /* a public_key has been read */
	bool created;  /* by this request */
	bool ignore;   /* until the next peer */
	bool replacing;
	bool end;      /* the request ends after the job */
	uint32_t given;      /* allowed IPs since the replacement began */
	uint32_t noted;      /* enum sl_runtime_change: told of this peer already */
	uint32_t taken_from; /* slot of the peer that was told last to have lost an allowed IP; SL_PEER_NONE: none */
	bool has_keepalive;
	uint16_t keepalive; /* applied last, so that all else is in place when it sends */
	enum sl_wg_job job;
	uint32_t sweep; /* slot of the peer that is being swept */
	uint8_t doomed[SL_KEY_LEN]; /* public key of the peer that is being removed */
};

struct sl_wg_state {
	enum sl_wg_request request;
	/* get: */
	bool getting;
	struct sl_proto_cursor cursor;
	struct sl_proto_peer *peer; /* whose allowed IPs are being listed */
	uint32_t peer_slot;
	uint32_t allowed_cursor;
	/* set: */
	struct sl_wg_set set;
};

void sl_wg_get_begin(struct sl_api_conn *c);
void sl_wg_get_advance(struct sl_api_conn *c);
void sl_wg_set_begin(struct sl_api_conn *c);
void sl_wg_set_line(struct sl_api_conn *c, char *line);
void sl_wg_set_end(struct sl_api_conn *c);
void sl_wg_set_advance(struct sl_api_conn *c);
