/*
 * The kernel's interface beneath an af_packet or af_xdp port: checked, made
 * ready, and put back as it was. The kernel must not answer or forward beside
 * the gateway, so an interface with addresses is refused; IPv6 is turned off on
 * it (its automatic link-local address would answer neighbour discovery), so
 * are its own forwarding and ARP answers, and the offloads that make frames
 * larger than the MTU. Control thread, at start and stop; plain system calls,
 * no memory beyond the caller's struct.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Offloads turned off where they are on. */
enum sl_kernel_offload {
	SL_KERNEL_TSO,
	SL_KERNEL_GSO,
	SL_KERNEL_GRO,
	SL_KERNEL_LRO,
	SL_KERNEL_OFFLOADS
};

/* Settings below /proc/sys/net. */
enum sl_kernel_setting {
	SL_KERNEL_DISABLE_IPV6,
	SL_KERNEL_FORWARDING,
	SL_KERNEL_ARP_IGNORE,
	SL_KERNEL_SETTINGS
};

/* What was changed, to be put back. */
struct sl_port_kernel {
	char name[IF_NAMESIZE];
	unsigned index;       /* of the interface */
	short flags_set;      /* IFF_UP, IFF_ALLMULTI where they were off */
	uint32_t turned_off;  /* bit per enum sl_kernel_offload */
	uint32_t changed;     /* bit per enum sl_kernel_setting */
	int old_settings[SL_KERNEL_SETTINGS];
	int old_mtu; /* 0: not changed */
	int mtu;     /* as it is now */
};

/*
 * Makes interface `name` ready for a port of that MTU: raised to it where it is smaller. False with `error` saying what
 * is wrong and what to do (size bytes), and everything put back.
 */
bool sl_port_kernel_prepare(struct sl_port_kernel *k, const char *name, uint32_t mtu, char *error, size_t size);
/* Puts everything back, as far as the interface still exists. Safe to call twice. */
void sl_port_kernel_restore(struct sl_port_kernel *k);

/* Raises the interface's MTU to at least mtu. 0 or a negative errno. */
int sl_port_kernel_set_mtu(struct sl_port_kernel *k, uint32_t mtu);
/* Whether it is up with a carrier. */
bool sl_port_kernel_running(const struct sl_port_kernel *k);
/* Receive queues of the interface; 1 where it does not tell. */
uint32_t sl_port_kernel_queues(const char *name);
