/*
 * The kernel's interface beneath an af_packet, af_xdp or tap port: checked, made
 * ready, and put back as it was. The kernel must not answer for the gateway, so
 * an interface with addresses is refused, and IPv6 is turned off on it (its
 * automatic link-local address would answer neighbour discovery); offloads that
 * make frames larger than the MTU are turned off. Control thread, at start and
 * stop; plain system calls, no memory beyond the caller's struct.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sl_kernel_offload {
	SL_KERNEL_RX_CSUM,
	SL_KERNEL_TX_CSUM,
	SL_KERNEL_TSO,
	SL_KERNEL_GSO,
	SL_KERNEL_GRO,
	SL_KERNEL_LRO,
	SL_KERNEL_OFFLOADS
};

/* What was changed, to be put back. */
struct sl_port_kernel {
	char name[IF_NAMESIZE];
	bool brought_up;
	bool disabled_ipv6;
	uint32_t turned_off; /* bit per enum sl_kernel_offload */
	int old_mtu;         /* 0: not changed */
	int mtu;             /* as it is now */
	uint8_t mac[6];
	unsigned index;      /* of the interface */
};

/*
 * Makes interface `name` ready for a port of that MTU (0: keep). False with `error` saying what is wrong and what to do
 * (size bytes), and everything put back.
 */
bool sl_port_kernel_prepare(struct sl_port_kernel *k, const char *name, uint32_t mtu, char *error, size_t size);
/* Puts everything back, as far as the interface still exists. Safe to call twice. */
void sl_port_kernel_restore(struct sl_port_kernel *k);
