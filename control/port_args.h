/*
 * A port's device as DPDK wants it written, and the sizes that go with it: pure
 * functions of the description, used when ports are opened and by tests.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/config.h"

#define SL_PORT_DEVARGS_LEN 512

/*
 * The device arguments of a port: "net_af_packet_lan0,iface=eth1,…", a PCI address, or a vdev string as it is. False
 * where they do not fit.
 */
bool sl_port_devargs(const struct sl_config_port *config, uint16_t workers, char *out, size_t size);

/* The largest MTU that the port's buffers and ring frames hold, as they are made for `config`. */
uint32_t sl_port_mtu_max(const struct sl_config_port *config);

/* Bytes of one frame of net_af_packet's rings for that MTU; divides a block. */
uint32_t sl_port_ring_frame(uint32_t mtu);
/* Bytes of one block: whole pages and whole frames, without a gap between blocks. */
uint32_t sl_port_ring_block(uint32_t frame);
