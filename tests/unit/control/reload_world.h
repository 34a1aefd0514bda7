/*
 * What a hub's files say, as a model: peers that come, go and change, who has which prefix, and where a packet must come
 * out by that. It is changed at random from a seed, and written as the YAML files of a user with included files. Pure but for
 * world_write; one thread.
 *
 * A peer is one identity for all time (a key); a name whose key changes goes from one identity to another. Prefixes lie in
 * blocks, in which they contain each other; each belongs to one peer at most. Beside them each peer has a home address.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crypto/protocol.h"
#include "dataplane/addr.h"

#define WORLD_PEERS    40
#define WORLD_BLOCKS   32
#define WORLD_FORMS    7 /* prefixes of a block */
#define WORLD_PREFIXES (WORLD_BLOCKS * WORLD_FORMS)
#define WORLD_IFS      2
#define WORLD_ROUTES   4
#define WORLD_FILES    4 /* of an interface: the main one and included ones */
/* Where a packet comes out, beside peers. */
#define WORLD_LAN    254
#define WORLD_NOBODY 255

enum world_expires { WORLD_NEVER, WORLD_LATER, WORLD_BEFORE };

struct world_peer {
	bool present; /* in the files */
	bool disabled;
	bool touched; /* with `wg` since the files were applied */
	uint8_t interface, file, expires, psk, endpoint;
	uint16_t keepalive;
	uint32_t name; /* 0: none */
};

struct world_if {
	bool present, routes, second_address;
	uint8_t mtu, listen;
	uint32_t key, previous; /* versions; previous 0: none */
};

struct world {
	struct world_peer peers[WORLD_PEERS];
	uint8_t owner[WORLD_PREFIXES];
	struct world_if ifs[WORLD_IFS];
	bool lan_other, lan_second; /* another address in the same network; one in another */
	uint8_t routes;             /* a bit per static route */
	uint32_t last_name, last_key;
};

struct world_random {
	uint64_t state;
};

/* Below n. */
uint32_t world_below(struct world_random *r, uint32_t n);

/* The first: two interfaces, half of the peers. */
void world_first(struct world *w);
/* All peers, all prefixes: the largest there can be. */
void world_full(struct world *w);
/* One change at random; `frozen` says which peers are not to be touched, nor their prefixes (NULL: none). */
void world_edit(struct world *w, struct world_random *r, const bool *frozen);
/* The files, below `folder`: hub.yaml and the included ones; devices are net_null<device> and the next. */
void world_write(const struct world *w, const char *folder, unsigned device);

/* Whether the gateway has the peer. */
bool world_there(const struct world *w, uint32_t peer);
const struct sl_prefix *world_prefix(uint32_t prefix);
/* The first of the prefixes of the address's block, WORLD_FORMS of them; WORLD_PREFIXES: it is in none. */
uint32_t world_block(const struct sl_ip *ip);
struct sl_ip world_home(const struct world *w, uint32_t peer, bool v6);
/* An address of the prefix, chosen by n. */
struct sl_ip world_address(uint32_t prefix, uint32_t n);
/* Whose packets may come from that address through that interface. */
uint8_t world_source(const struct world *w, uint8_t interface, const struct sl_ip *ip);
/* Where a packet to that address comes out. */
uint8_t world_route(const struct world *w, const struct sl_ip *ip);
uint16_t world_listen(const struct world *w, uint8_t interface);
void world_hub_key(uint32_t version, uint8_t private_key[SL_KEY_LEN]);
/* Zeros for version 0. */
void world_psk(uint8_t version, uint8_t psk[SL_KEY_LEN]);
void world_public_key(uint32_t peer, uint8_t public_key[SL_KEY_LEN]);
