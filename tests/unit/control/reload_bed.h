/*
 * What the test of random reloads consists of: a hub, its peers, what its files say and what runs; and the packets that
 * are sent between any two steps of the control loop, with what must become of them. One of it per process, one thread.
 */
#pragma once

#include "config_folder.h"
#include "reload_hub.h"
#include "reload_world.h"

#define BED_PROBES 512

struct probe {
	bool up;
	uint8_t from;        /* up: the peer that sends */
	uint8_t interface;   /* up: its own */
	struct sl_ip src, dst;
	uint8_t want[2];     /* before and after; WORLD_NOBODY: nowhere */
	bool must;           /* it must come out */
	bool any;            /* prefixes in each other change together: whoever has one that contains the address */
	unsigned came;
	uint8_t got;
};

struct bed {
	struct config_folder folder;
	struct hub *hub;
	struct remote remotes[WORLD_PEERS];
	uint32_t key[WORLD_PEERS]; /* version of the hub's key that the session was made with */
	struct world files, running, next;
	struct world_random random;
	struct probe probes[BED_PROBES];
	unsigned n_probes;
	uint32_t token; /* of the first of these */
	uint64_t sent, moved, rounds, refused, kept;
	uint64_t rx_bytes[WORLD_PEERS], tx_bytes[WORLD_PEERS]; /* as last seen */
	unsigned reload;
};

extern struct bed t;

/* Whether the peer is in both, and keeps its session and the port that it sends to. */
bool bed_lives(const struct world *old, const struct world *new, uint32_t peer);
/* Whether its session was made with a key that the interface has. */
bool bed_knows_key(const struct world *w, uint32_t peer);
/*
 * What goes on between two steps of the way from the one to the other: everyone is heard and reached, as before or as
 * after; an allowed IP that moves is one of the two peers' and nobody else's.
 */
void bed_traffic(const struct world *old, const struct world *new);
/* Takes what has come out since, and holds it against what was sent. */
void bed_pass(void);
