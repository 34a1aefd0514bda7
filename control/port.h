/*
 * Opening and closing devices: a port of the description becomes a started DPDK
 * port, with as many queues as there are workers where the device has them.
 * What a device lacks (queues, RSS, checksum offload) is done without. Control
 * thread alone: after EAL and the packet pool are there, before workers start,
 * and again after they stopped. sl_port_close undoes all of it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mempool.h>

#include "control/config.h"
#include "control/port_kernel.h"
#include "dataplane/iface.h"
#include "dataplane/port.h"

#define SL_PORT_ERROR_LEN 384

struct sl_open_port; /* opaque; owned by whoever opened it */

/*
 * The frame_len (struct sl_dataplane_config) that a pool needs so that every one of these ports can receive a frame of its MTU
 * into one buffer.
 */
uint16_t sl_port_frame_len(const struct sl_config_port *ports, uint32_t n);

/*
 * Opens and starts a port. l3_if: the L3 interface id it is to have. error gets at most SL_PORT_ERROR_LEN bytes: which
 * port, why, and what to do. NULL on failure, with everything undone.
 */
struct sl_open_port *sl_port_open(const struct sl_config_port *config, uint16_t l3_if, uint16_t workers,
	struct rte_mempool *pool, char *error);
/* Stops and closes it and puts the kernel's interface back as it was. NULL is allowed. */
void sl_port_close(struct sl_open_port *p);

/* For sl_ports_create. */
struct sl_port sl_port_queues(const struct sl_open_port *p);
/*
 * Fills what a port's struct sl_if takes from the description and the device: id, kind, mtu, name, port, mac, outside,
 * forward_clear, offloads. Addresses are left alone.
 */
void sl_port_fill_if(const struct sl_open_port *p, const struct sl_config_port *config, struct sl_if *ifp);
/* New MTU of a running port. 0 or a negative errno, with the old one kept: -ERANGE above what its buffers hold. */
int sl_port_set_mtu(struct sl_open_port *p, uint32_t mtu);

/* The EUI-64 link-local address of a MAC address (RFC 4291 appendix A). */
struct sl_ip sl_port_link_local(const struct rte_ether_addr *mac);

struct sl_port_status {
	bool up;
	bool full_duplex;
	uint32_t speed; /* Mbit/s; 0: not known */
	uint16_t n_rx, n_tx;
	uint16_t mtu;
	struct rte_ether_addr mac;
	const char *driver; /* static text, such as "net_af_packet" */
	uint64_t rx_packets, rx_bytes, rx_missed, rx_errors, rx_no_buffer;
	uint64_t tx_packets, tx_bytes, tx_errors;
};

/* Control, any time; no waiting. */
void sl_port_status(const struct sl_open_port *p, struct sl_port_status *out);
