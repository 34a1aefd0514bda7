/*
 * What `sluice bench client|server --interface` asks of this gateway, over the
 * socket of the client commands: a path for measuring packets through one
 * WireGuard interface. The command keeps the protocol and its rules to itself;
 * the gateway carries control messages to and fro, and its workers send and
 * count. One command at a time has this path, and it ends with its connection.
 *
 * A request is one line, `bench WORD…`, and is answered with one line of JSON:
 *   open IFACE PORT            takes the UDP port (0: a free one) → {"port", "mtu", "addresses"}
 *   peer NAME                  → {"addresses"}: of its allowed IPs those that are one address
 *   session ID KEY ADDRESS     KEY in hex
 *   attach ID FLOW ADDRESS PORT
 *   expect ID TRIAL DIRECTIONS FLOWS RATE DURATION SIZE WEIGHT [SIZE WEIGHT…]
 *   generate ID DATA PROBES
 *   stats ID FLOW              → what struct sl_traffic_stats has, as an array in its order
 *   round-trip ID              → {"sent", "sum", "counts": [[bucket, count], …]}
 *   close ID
 *   send ADDRESS PORT BYTES    in hex
 *   receive                    → {"mails": [[address, port, bytes], …]}
 * Anything else is {"error": "…"}. Control thread alone.
 */
#pragma once

#include <stdbool.h>

#include "control/api_conn.h"

struct sl_bench_api;

/* One request, without the word `bench`. */
void sl_bench_api_line(struct sl_api_conn *c, char *line);
/* A connection ends: with it the path, where it has it. */
void sl_bench_api_close(struct sl_api_conn *c);
/* A packet that workers have marked SL_PUNT_TRAFFIC. It passes over. */
void sl_bench_api_packet(struct sl_gateway *gw, struct rte_mbuf *m);
