/*
 * The gateway's state as JSON objects, one at a time: what `sluice show --json`
 * prints and what the plain form is made of. Keys are lower-case with hyphens
 * in YAML's words; integers are bytes, packets, nanoseconds. Control thread
 * alone; objects belong to the caller (json_decref).
 */
#pragma once

#include <jansson.h>

#include "control/gateway.h"

json_t *sl_show_gateway(struct sl_gateway *gw);
json_t *sl_show_interface(struct sl_gateway_if *gi);
/*
 * Writes a peer as text, for there are many: up to the list of its allowed IPs, which may be long, and which the caller goes on with and closes.
 * The length; 0 without memory.
 */
#define SL_SHOW_PEER_MAX 8192 /* bytes */
size_t sl_show_peer(struct sl_gateway *gw, const struct sl_proto_peer *peer, char buf[SL_SHOW_PEER_MAX]);
json_t *sl_show_port(struct sl_gateway_if *gi);
/* One connected or static route; or NULL at the end. *cursor is 0 at first. */
json_t *sl_show_route(struct sl_gateway *gw, uint32_t *cursor);
json_t *sl_show_worker(struct sl_gateway *gw, uint16_t worker);
/* A drop reason summed over workers; NULL where it never happened. */
json_t *sl_show_drop(struct sl_gateway *gw, enum sl_drop reason);
json_t *sl_show_stage(struct sl_gateway *gw, enum sl_stage stage);
/* {"in-use", "baseline"}: packet buffers, now and when the gateway became ready. */
json_t *sl_show_mbufs(struct sl_gateway *gw);
