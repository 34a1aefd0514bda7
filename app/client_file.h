/*
 * The other side's configuration: what a peer puts into wg-quick(8) to reach an interface of this gateway. Pure; main
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "control/config.h"

enum sl_client_tunnel {
	SL_CLIENT_SPLIT, /* what lies behind the gateway, the rest goes its own way */
	SL_CLIENT_FULL,  /* everything */
};

struct sl_client_options {
	enum sl_client_tunnel tunnel;
	bool kill_switch;        /* with FULL: nothing leaves but through the tunnel, by nftables rules while it is up */
	const char *allowed_ips; /* in place of what `tunnel` says; NULL: none */
	const char *dns;         /* for the client's resolver; NULL: none */
	const char *endpoint;    /* in place of the interface's public endpoint; NULL: none */
	int keepalive;           /* seconds; -1: 25 where the gateway does not know where the peer is, else none */
};

/*
 * Writes the file. private_key: the peer's, or NULL, and a comment says where it belongs. False, with a reason that says
 * what to do in why (size bytes), where the file cannot be made; out is then as it was.
 */
bool sl_client_file(FILE *out, const struct sl_config *config, const struct sl_config_interface *ifp,
	const struct sl_config_peer *peer, const uint8_t *private_key, const struct sl_client_options *options, char *why,
	size_t size);
