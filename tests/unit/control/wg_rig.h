/*
 * A gateway without ports and workers whose `wg` sockets can be talked to: tables, protocol core and control/api.h, in
 * a mount namespace where /run is its own. What the core sends is counted. One per test; needs root, which scripts/test
 * has. The client's side is a plain socket; nothing waits, each call serves the sockets until they are quiet.
 */
#pragma once

#include "control/api.h"

struct wg_rig {
	struct sl_gateway gw;
	struct sl_config config;
	struct sl_gateway_if *wg0, *wg1;
	unsigned sent;       /* handshake messages */
	uint8_t last[256];   /* the last of them, */
	size_t last_len;     /* and its length */
	uint32_t most_taken; /* allowed IPs that went in one turn */
};

struct wg_rig *wg_rig_create(void);
void wg_rig_destroy(struct wg_rig *r);
/* A client's connection to an interface's socket, or -1. */
int wg_rig_connect(const char *interface);
/* Serves what there is to serve. */
void wg_rig_serve(struct wg_rig *r);
/* Sends text on the connection, serves, and gives what came back; static memory. */
const char *wg_rig_say(struct wg_rig *r, int fd, const char *text);
/* One request on a connection of its own. */
const char *wg_rig_ask(struct wg_rig *r, const char *interface, const char *text);
