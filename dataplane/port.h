/*
 * What workers need of DPDK ports: which receive queues a worker polls, and how
 * it gets packets out. Control fills the object before workers start and frees
 * it after they stopped; in between it does not change, and each worker touches
 * only its own part and rings.
 *
 * Receiving: queue q of the port at place p is polled by worker (p + q) mod
 * workers, so a port with few queues is served all the same and single-queue
 * ports spread over workers.
 *
 * Sending: worker w has transmit queue w of a port to itself. On a port with
 * fewer queues than workers, worker w hands packets to worker w mod queues
 * through a ring, and that one sends them; a transmit queue has one user, so there is no
 * lock. A packet in the ring counts as transmitted: its owner keeps it until the port takes it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "dataplane/worker.h"

#define SL_PORTS_MAX    64
#define SL_PORT_HANDOFF 1024 /* packets a hand-off ring holds */

/* One port as control opened it. */
struct sl_port {
	uint16_t port;  /* DPDK port id */
	uint16_t l3_if; /* L3 interface id that its packets come in on */
	uint16_t n_rx, n_tx; /* queues, at least 1 each */
	/* By receive queue: a descriptor that polls readable while packets wait. Only the first n_rx_fds queues have one. */
	int rx_fds[SL_WORKERS_MAX];
	uint16_t n_rx_fds;
};

struct sl_port_rx {
	uint16_t port, queue, l3_if;
	int fd; /* -1: none, packets are only found by looking */
};

/* A transmit queue's ring for packets of other workers, at the worker that owns the queue. */
struct sl_port_handoff {
	struct rte_ring *ring;
	uint16_t port, queue;
	uint16_t n;      /* taken from the ring, refused by the port so far */
	struct rte_mbuf *held[SL_BURST];
};

/* How a worker sends on one port. */
struct sl_port_tx {
	uint16_t queue;
	struct rte_ring *ring; /* NULL: the queue is this worker's own */
};

struct sl_port_worker {
	struct sl_port_rx *rx;
	struct sl_port_handoff *handoffs;
	uint32_t n_rx, n_handoffs;
	struct sl_port_tx tx[RTE_MAX_ETHPORTS]; /* by DPDK port id */
};

struct sl_ports {
	struct sl_port ports[SL_PORTS_MAX];
	uint16_t n_ports, n_workers;
	struct sl_port_worker *workers[SL_WORKERS_MAX];
};

/*
 * Distributes the queues of n ports over workers. name: prefix of ring names, unique within the process. Needs EAL.
 * 0 and *out set, -EINVAL for too many ports or workers, or -ENOMEM.
 */
int sl_ports_create(struct sl_ports **out, const char *name, const struct sl_port *ports, uint16_t n, uint16_t workers);
/* After the workers stopped and before ports are closed; frees packets still in rings. NULL is allowed. */
void sl_ports_destroy(struct sl_ports *ports);

/*
 * The worker's transmit function (sl_worker_tx_fn); ctx is that worker's struct sl_port_worker. What a full queue or
 * ring refuses stays the caller's.
 */
uint16_t sl_port_send(void *ctx, uint16_t port, struct rte_mbuf **pkts, uint16_t n);

/* The worker that owns queues others send through: sends what they handed over. Returns how many packets moved. */
unsigned sl_port_handoff(struct sl_port_worker *pw);
