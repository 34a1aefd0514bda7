/*
 * One DPDK port of the simulation: a net_memif client, whose server is a port of the gateway. Frames are written into
 * buffers of the port's own pool and wait in a queue until the device takes them, so a full ring loses nothing: while
 * many wait, there are no buffers for more. One thread alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "tests/peersim/wire.h"

struct sim_port;

/* Starts DPDK without hugepages, pinned nowhere. False after a word on stderr. */
bool sim_dpdk_start(void);
void sim_dpdk_stop(void);

/*
 * Connects to the gateway's socket, with rings of 2^ring frames, and asks for the MAC address behind hub4 until it
 * answers, at most so many seconds for both. `own` is what this side is; its mac is set here. NULL after a word on stderr.
 */
struct sim_port *sim_port_open(const char *name, const char *socket, unsigned queues, unsigned ring, unsigned seconds,
        struct wire_host own, const uint8_t hub4[4]);
void sim_port_close(struct sim_port *p);

/* Whether so many frames wait that there are no buffers for more. */
bool sim_port_full(const struct sim_port *p);

/* A buffer to write a frame into, NULL when there is none now. */
struct rte_mbuf *sim_port_buffer(struct sim_port *p);

/* Sends a frame of len bytes to the hub, its Ethernet header is written here; packets of one `flow` go to one queue. */
void sim_port_send(struct sim_port *p, struct rte_mbuf *m, size_t len, bool v6, uint32_t flow);

/* Hands over to the device what it takes. */
void sim_port_flush(struct sim_port *p);

/* Up to n IP packets, their Ethernet headers taken off; neighbours' questions are answered here. */
unsigned sim_port_receive(struct sim_port *p, struct rte_mbuf **out, unsigned n);
