/*
 * Keys, PSKs and addresses of simulated peers, all of which follow from a seed and a number; so a million peers need no
 * key files, and who writes the gateway's configuration and who simulates the peers agree. Pure but for sim_keys_ready,
 * which fills in what a peer has not computed yet.
 *
 *            outside                                inside
 *   peer i   100.64.0.1 + i, or with --mixed, and   10.64.1.0 + i, or with --mixed, and bit 1 of i set,
 *            i odd, 2001:db8:1000+i/65536:i::1      fd00:64::1:0:0 + i
 *            UDP port 1024 + i modulo 60000
 *   hub      192.0.2.10, 2001:db8::10, port 51820   10.64.0.1, fd00:64::1; on the LAN 10.20.0.1, fd00:20::1
 *   others   the router 192.0.2.1, 2001:db8::1      the LAN host 10.20.0.10, fd00:20::10
 */
#pragma once

#include <stdio.h>

#include "tests/peersim/sim.h"
#include "tests/peersim/wire.h"

#define SIM_HUB_PORT 51820

void sim_hub_private(const char *seed, unsigned number, uint8_t private_key[SL_KEY_LEN]);
void sim_peer_private(const char *seed, uint32_t peer, uint8_t private_key[SL_KEY_LEN]);
/* Zero where the peers have none. */
void sim_peer_psk(const struct sim_options *o, uint32_t peer, uint8_t psk[SL_KEY_LEN]);

/* Sets up hub identity number k of the simulation with that public key; the next free number, or one that has it
 * already. -1: too many. */
int sim_hub_add(struct sim *s, const uint8_t public_key[SL_KEY_LEN]);

/* Up to SL_IKPSK2_BATCH peers get their public keys, and secrets shared with their present hub identity. */
void sim_keys_ready(struct sim *s, const uint32_t *peers, unsigned n);

/* From a peer's outer address to the hub's, and from its inner address to the LAN host. */
void sim_outer_ends(const struct sim_options *o, uint32_t peer, struct wire_ends *ends);
void sim_inner_ends(const struct sim_options *o, uint32_t peer, struct wire_ends *ends);
/* The peer that has this outer address; SIM_NONE. */
uint32_t sim_outer_peer(const struct sim_options *o, const struct wire_ends *to);

/* The `peers:` file of the gateway for peers first..first+count-1. False when out could not be written. */
bool sim_write_peers(FILE *out, const struct sim_options *o, uint32_t first, uint32_t count);
