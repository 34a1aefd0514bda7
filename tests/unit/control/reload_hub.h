/*
 * A gateway as the product makes it from a file, with a worker and two ports, all of it moved by one thread: tables,
 * protocol core, sockets and reloads are the real ones, what its one worker sends is caught, and time stands still between
 * two turns. And WireGuard peers outside, which make real sessions with it. For tests that must look between any two steps of
 * the control loop. Needs root for a /run of its own.
 *
 *   wan0  192.0.2.1/24, gateway 192.0.2.254: peers are behind it, number i at 198.51.100.(i + 1), port 40000 + i
 *   lan0  10.20.0.0/16, fd00:20::/64: the host 10.20.0.10, fd00:20::10
 *
 * The creator owns all of it; a hub that is read from a second file beside the first has another name and other devices.
 */
#pragma once

#include <jansson.h>

#include "control/gateway.h"
#include "crypto/noise.h"

#define HUB_SENT      4096
#define HUB_NULL      "net_null"
#define REMOTE_PORT   40000
#define REMOTE_FIRST  0xc6336401u /* 198.51.100.1 */
#define LAN_HOST4     "10.20.0.10"
#define LAN_HOST6     "fd00:20::10"

struct hub_sent {
	uint16_t port;
	struct rte_mbuf *m;
};

struct hub {
	struct sl_gateway gw;
	struct sl_worker *w;
	struct hub_sent sent[HUB_SENT];
	unsigned n_sent;
	char *answer; /* of the last order; NULL: none yet */
	bool failed;
};

struct remote {
	uint32_t id;
	struct sl_noise_identity identity;
	struct sl_noise_handshake handshake;
	struct sl_cookie_jar jar;
	uint8_t hub[SL_KEY_LEN]; /* the hub's public key that the session was made with */
	uint8_t psk[SL_KEY_LEN];
	bool session;
	struct sl_noise_keys keys;
	uint64_t counter, created;
};

extern const struct rte_ether_addr hub_outside_mac, hub_lan_mac; /* of what is next to the ports */

/* What came out of the hub. */
enum came_kind {
	CAME_OTHER,      /* no packet of ours: keepalives, neighbour discovery, ICMP errors */
	CAME_LAN,        /* on the LAN */
	CAME_CLEAR,      /* outside, in the clear */
	CAME_REMOTE,     /* opened by a remote */
	CAME_INITIATION, /* for the remote at that address */
};

struct came {
	enum came_kind kind;
	uint32_t remote;
	struct sl_endpoint to; /* outer destination */
	uint32_t token;
};

/* A /run of its own, EAL and crypto: once per test, first. */
void rig_begin(void);

/* first_if: the lowest interface id, apart from another hub's; name: of its tables, likewise. */
struct hub *hub_create(const char *path, const char *name, uint16_t first_if, uint64_t now);
void hub_destroy(struct hub *h);
/* One turn of the control loop with what its descriptors have to say, a millisecond later. */
void hub_turn(struct hub *h);
/* One pass of the worker. */
void hub_pass(struct hub *h);
/* Turns and passes until nothing is left to do. */
void hub_settle(struct hub *h);
/* A request on the socket of `wg`, served to its end; the answer in static memory. */
const char *hub_wg(struct hub *h, const char *interface, const char *text);
struct sl_gateway_if *hub_if(struct hub *h, const char *name);
/* What `show` says of its configuration, without what counts and without devices; sorted. */
json_t *hub_state(struct hub *h);
/* Receives an answer (sl_order.done). */
void hub_answer(void *ctx, char *text, size_t len, bool failed);

/* --- packets; all are handed to the worker's next pass --- */

/* A UDP packet with the token in it; its length. */
size_t rig_packet(uint8_t *out, const struct sl_ip *src, const struct sl_ip *dst, uint32_t token);
void hub_from_lan(struct hub *h, const uint8_t *packet, size_t len);
void hub_from_remote(struct hub *h, struct remote *r, uint16_t listen_port, const void *message, size_t len);
/* Takes the oldest of what was sent; responses go to their remotes (n of them) at once. False: nothing is left. */
bool hub_take(struct hub *h, struct remote *remotes, uint32_t n, struct came *came);

void remote_init(struct remote *r, uint32_t id);
struct sl_endpoint remote_endpoint(uint32_t id);
/* A whole handshake, from the remote's side, with the hub of that public key. Whether there is a session. */
bool remote_connect(struct remote *remotes, uint32_t n, struct remote *r, struct hub *h, uint16_t listen_port,
	const uint8_t hub[SL_KEY_LEN], const uint8_t psk[SL_KEY_LEN]);
/* Seals and sends a packet; 0 bytes: a keepalive. */
void remote_send(struct remote *r, struct hub *h, uint16_t listen_port, const uint8_t *packet, size_t len);
