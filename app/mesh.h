/*
 * The inventory of a mesh: sites with their LANs, who is linked with whom, and what that gives each of them. Pure; main
 * thread. Its form is in sluice-mesh(1).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "app/mesh_given.h"
#include "control/config.h"
#include "control/net_text.h"

enum {
	SL_MESH_SITES_MAX = 1000,
	SL_MESH_LANS_MAX = 64,
	SL_MESH_KEEPALIVE = 25, /* seconds: below the time-outs of common NATs */
};

enum sl_mesh_topology {
	SL_MESH_FULL,
	SL_MESH_HUB,
	SL_MESH_PARTIAL,
};

struct sl_mesh_prefix {
	struct sl_prefix prefix;
	struct sl_place place;
};

struct sl_mesh_site {
	char name[SL_CONFIG_PEER_NAME_MAX + 1];
	struct sl_place place;
	struct sl_config_endpoint endpoint; /* none: it is found by its own handshakes only */
	char host[SL_HOST_TEXT];
	uint16_t listen_port;
	struct sl_mesh_prefix addresses[SL_CONFIG_ADDRESSES_MAX]; /* in the tunnel, with host bits */
	uint32_t n_addresses;
	bool given; /* its addresses are out of the mesh's networks */
	struct sl_mesh_prefix lans[SL_MESH_LANS_MAX];
	uint32_t n_lans;
	char *ports; /* YAML to stand below `ports:`; NULL: none */
	bool hub;
};

struct sl_mesh {
	char interface[SL_CONFIG_NAME_MAX + 1];
	uint32_t mtu;
	enum sl_mesh_topology topology;
	bool preshared_keys;
	struct sl_mesh_prefix network[SL_CONFIG_POOL_MAX];
	uint32_t n_network;
	struct sl_mesh_site *sites; /* in the file's order */
	uint32_t n_sites;
	uint32_t first_hub;
	bool *links; /* n_sites² */
};

/*
 * Reads and checks an inventory; `file` stands for it in messages, given is what its sites have been given before. NULL
 * with at least one error in errs where it is refused. To be freed with sl_mesh_free.
 */
struct sl_mesh *sl_mesh_read(const char *file, const char *text, size_t len, const struct sl_mesh_givens *given,
        struct sl_config_errors *errs);
void sl_mesh_free(struct sl_mesh *mesh);

static inline bool sl_mesh_linked(const struct sl_mesh *mesh, uint32_t a, uint32_t b)
{
	return mesh->links[(size_t)a * mesh->n_sites + b];
}

static inline bool sl_mesh_has_endpoint(const struct sl_mesh_site *site)
{
	return site->endpoint.host || site->endpoint.literal.ip.family;
}

/*
 * The networks that `self` reaches through `peer`: its addresses and LANs, and, for a spoke and its first hub, those of
 * all sites that the spoke is not linked with. To be freed; *n of them.
 */
struct sl_prefix *sl_mesh_allowed(const struct sl_mesh *mesh, uint32_t self, uint32_t peer, uint32_t *n);

/* The keys of one site: its own private key, and of every other site the public key and the preshared key with it. */
struct sl_mesh_keys {
	uint8_t private_key[SL_KEY_LEN];
	uint8_t (*public_keys)[SL_KEY_LEN];
	uint8_t (*preshared_keys)[SL_KEY_LEN]; /* used where mesh->preshared_keys */
};

/* A site's configuration, and its wg-quick file. */
void sl_mesh_write_yaml(FILE *out, const struct sl_mesh *mesh, uint32_t self, const struct sl_mesh_keys *keys);
void sl_mesh_write_conf(FILE *out, const struct sl_mesh *mesh, uint32_t self, const struct sl_mesh_keys *keys);

/* Inside app/mesh*.c: what can only be judged with all sites known. Adds errors and warnings. */
void sl_mesh_settle(
        struct sl_mesh *mesh, const char *file, const struct sl_mesh_givens *given, struct sl_config_errors *errs);
