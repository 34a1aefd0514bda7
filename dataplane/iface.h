/*
 * L3 interfaces: the places that addresses, routes and neighbours name. A port
 * (later a port and VLAN) or a WireGuard interface; a small integer stands for
 * each. Descriptions are immutable once published: control builds a new one,
 * swaps the pointer and frees the old when no worker can hold it.
 */
#pragma once

#include <rte_ether.h>
#include <rte_ring.h>

#include "crypto/cookie.h"
#include "dataplane/addr.h"
#include "dataplane/lpm.h"
#include "dataplane/reclaim.h"

#define SL_IF_MAX           1024 /* L3 interfaces */
#define SL_IF_MAX_ADDRESSES 32   /* addresses of one interface */
#define SL_IF_NAME_LEN      16

enum sl_if_kind {
	SL_IF_PORT = 1,
	SL_IF_WIREGUARD,
};

struct sl_if {
	uint16_t id;
	uint8_t kind; /* enum sl_if_kind */
	uint8_t n_addresses;
	uint16_t mtu; /* L3 bytes; a WireGuard interface's is the inner MTU (0: no limit and normal padding) */
	char name[SL_IF_NAME_LEN];
	struct sl_prefix addresses[SL_IF_MAX_ADDRESSES]; /* with host bits: the address and its prefix length */
	/* a port's */
	uint16_t port; /* DPDK port id */
	struct rte_ether_addr mac;
	bool outside;       /* has a gateway: clear packets from it do not enter tunnels … */
	bool forward_clear; /* … unless this is set */
	bool tx_udp_csum4, tx_udp_csum6; /* the port fills in UDP checksums over IPv4 / IPv6 */
	bool rx_csum;       /* the port verifies IP and UDP checksums */
	/* a WireGuard interface's */
	uint16_t listen_port;      /* host order */
	bool has_key;              /* without a private key nothing is answered */
	struct sl_lpm *cryptokey;  /* allowed IPs → peer slot + 1; lives as long as the interface */
	struct sl_mac_keys mac_keys; /* of our public key, to check mac1 */
	bool has_previous_key;     /* an identity that peers still move away from is answered as well */
	struct sl_mac_keys previous_mac_keys;
	struct rte_ring *handshakes;  /* messages 1–3 to control; many producers, control consumes */
	/* control's, for freeing */
	struct sl_reclaim_node reclaim;
};

/* The source address for a packet to `to` leaving by the interface: the one whose prefix contains it, else the first of
 * its family that is not link-local unless `to` is; NULL where there is none. */
const struct sl_ip *sl_if_source(const struct sl_if *ifp, const struct sl_ip *to);
