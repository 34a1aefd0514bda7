/* Distribution of queues over workers, sending, and the hand-off to the owner of a queue; over net_ring ports. */
#include <errno.h>

#include <criterion/criterion.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include "dataplane/packet.h"
#include "dataplane/port.h"
#include "tests/unit/eal.h"

static unsigned
polls(const struct sl_ports *ports, unsigned worker, uint16_t port, uint16_t queue)
{
	const struct sl_port_worker *pw = ports->workers[worker];
	unsigned n = 0;

	for (uint32_t i = 0; i < pw->n_rx; i++)
		n += pw->rx[i].port == port && pw->rx[i].queue == queue && pw->rx[i].l3_if == port + 10;
	return n;
}

Test(port, every_receive_queue_has_one_worker)
{
	static const struct {
		uint16_t workers, ports, n_rx;
	} cases[] = {{1, 1, 1}, {1, 4, 3}, {4, 1, 4}, {4, 4, 1}, {4, 3, 2}, {2, 5, 2}, {64, 2, 64}};

	test_eal_init();
	for (unsigned c = 0; c < RTE_DIM(cases); c++) {
		struct sl_port list[8];
		struct sl_ports *ports;
		unsigned most = 0, total = cases[c].ports * cases[c].n_rx;

		for (uint16_t p = 0; p < cases[c].ports; p++)
			list[p] = (struct sl_port){.port = p, .l3_if = p + 10, .n_rx = cases[c].n_rx, .n_tx = cases[c].workers};
		cr_assert_eq(sl_ports_create(&ports, "t", list, cases[c].ports, cases[c].workers), 0);
		for (uint16_t p = 0; p < cases[c].ports; p++)
			for (uint16_t q = 0; q < cases[c].n_rx; q++) {
				unsigned by = 0;

				for (unsigned w = 0; w < cases[c].workers; w++)
					by += polls(ports, w, p, q);
				cr_expect_eq(by, 1, "case %u port %u queue %u", c, p, q);
				cr_expect_eq(polls(ports, (p + q) % cases[c].workers, p, q), 1);
			}
		for (unsigned w = 0; w < cases[c].workers; w++) {
			most = RTE_MAX(most, ports->workers[w]->n_rx);
			cr_expect_eq(ports->workers[w]->n_handoffs, 0);
		}
		cr_expect_leq(most, total / cases[c].workers + cases[c].n_rx, "case %u: unevenly shared", c);
		sl_ports_destroy(ports);
	}
}

Test(port, what_cannot_be_is_refused)
{
	struct sl_port list[SL_PORTS_MAX + 1] = {{.n_rx = 1, .n_tx = 1}};
	struct sl_ports *ports;

	test_eal_init();
	cr_expect_eq(sl_ports_create(&ports, "t", list, 1, 0), -EINVAL);
	cr_expect_eq(sl_ports_create(&ports, "t", list, 1, SL_WORKERS_MAX + 1), -EINVAL);
	cr_expect_eq(sl_ports_create(&ports, "t", list, SL_PORTS_MAX + 1, 1), -EINVAL);
	list[0].n_tx = 0;
	cr_expect_eq(sl_ports_create(&ports, "t", list, 1, 1), -EINVAL);
	list[0] = (struct sl_port){.port = RTE_MAX_ETHPORTS, .n_rx = 1, .n_tx = 1};
	cr_expect_eq(sl_ports_create(&ports, "t", list, 1, 1), -EINVAL);
}

/* A port whose transmit queues are rings of `size`. */
static uint16_t
ring_port(struct rte_ring **tx, unsigned n, unsigned size, struct rte_mempool *pool)
{
	struct rte_eth_conf conf = {0};
	char name[32];
	int port;

	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "wire%u", i);
		tx[i] = rte_ring_create(name, size, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
		cr_assert_not_null(tx[i]);
	}
	port = rte_eth_from_rings("p", tx, n, tx, n, 0);
	cr_assert_geq(port, 0);
	cr_assert_eq(rte_eth_dev_configure((uint16_t)port, (uint16_t)n, (uint16_t)n, &conf), 0);
	for (uint16_t i = 0; i < n; i++) {
		cr_assert_eq(rte_eth_rx_queue_setup((uint16_t)port, i, 64, 0, NULL, pool), 0);
		cr_assert_eq(rte_eth_tx_queue_setup((uint16_t)port, i, 64, 0, NULL), 0);
	}
	cr_assert_eq(rte_eth_dev_start((uint16_t)port), 0);
	return (uint16_t)port;
}

/* n packets that say whose they are and in which order. */
static void
make(struct rte_mempool *pool, struct rte_mbuf **pkts, unsigned n, unsigned worker)
{
	static unsigned serial[SL_WORKERS_MAX];

	cr_assert_eq(rte_pktmbuf_alloc_bulk(pool, pkts, n), 0);
	for (unsigned i = 0; i < n; i++) {
		uint32_t *at = (uint32_t *)(void *)rte_pktmbuf_append(pkts[i], 60);

		at[0] = worker;
		at[1] = serial[worker]++;
	}
}

/* Empties a wire, checking that each worker's packets are in order; counts per worker. */
static void
take(struct rte_ring *wire, unsigned *per_worker, uint32_t *next)
{
	void *m;

	while (rte_ring_dequeue(wire, &m) == 0) {
		const uint32_t *at = rte_pktmbuf_mtod((struct rte_mbuf *)m, const uint32_t *);

		cr_expect_eq(at[1], next[at[0]]++, "worker %u out of order", at[0]);
		per_worker[at[0]]++;
		rte_pktmbuf_free(m);
	}
}

Test(port, workers_beyond_the_queues_hand_over_in_order)
{
	enum { WORKERS = 5, QUEUES = 2, WIRE = 100 };
	unsigned per_worker[SL_WORKERS_MAX] = {0};
	uint32_t next[SL_WORKERS_MAX] = {0};
	struct rte_ring *wires[QUEUES];
	struct rte_mbuf *pkts[SL_BURST];
	struct rte_mempool *pool;
	struct sl_ports *ports;
	struct sl_port list;

	test_eal_init();
	pool = sl_packet_pool_create("t", 8191, 0, 256, SOCKET_ID_ANY);
	list = (struct sl_port){.port = ring_port(wires, QUEUES, WIRE, pool), .n_rx = QUEUES, .n_tx = QUEUES};
	cr_assert_eq(sl_ports_create(&ports, "t", &list, 1, WORKERS), 0);
	cr_expect_eq(ports->workers[0]->n_handoffs, 1);
	cr_expect_eq(ports->workers[1]->n_handoffs, 1);
	cr_expect_eq(ports->workers[2]->n_handoffs, 0);
	cr_expect_eq(ports->workers[4]->tx[list.port].ring, ports->workers[2]->tx[list.port].ring);
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned w = 0; w < WORKERS; w++) {
			make(pool, pkts, 30, w);
			cr_assert_eq(sl_port_send(ports->workers[w], list.port, pkts, 30), 30, "round %u worker %u", round, w);
		}
		/* the wire takes 100: 30 of the owner, then what the hand-off brings; the rest waits, in order */
		for (unsigned w = 0; w < WORKERS; w++)
			sl_port_handoff(ports->workers[w]);
		take(wires[0], per_worker, next);
		take(wires[1], per_worker, next);
		for (unsigned w = 0; w < WORKERS; w++)
			sl_port_handoff(ports->workers[w]);
		take(wires[0], per_worker, next);
		take(wires[1], per_worker, next);
	}
	for (unsigned w = 0; w < WORKERS; w++)
		cr_expect_eq(per_worker[w], 600, "worker %u", w);
	sl_ports_destroy(ports);
	cr_expect_eq(rte_mempool_in_use_count(pool), 0);
}

Test(port, what_does_not_fit_stays_the_callers)
{
	enum { WIRE = 16 };
	struct rte_mbuf *pkts[SL_PORT_HANDOFF + SL_BURST];
	struct rte_ring *wire;
	struct rte_mempool *pool;
	struct sl_ports *ports;
	struct sl_port list;
	unsigned taken = 0;

	test_eal_init();
	pool = sl_packet_pool_create("t", 8191, 0, 256, SOCKET_ID_ANY);
	list = (struct sl_port){.port = ring_port(&wire, 1, WIRE, pool), .n_rx = 1, .n_tx = 1};
	cr_assert_eq(sl_ports_create(&ports, "t", &list, 1, 2), 0);
	make(pool, pkts, SL_BURST, 0);
	cr_expect_eq(sl_port_send(ports->workers[0], list.port, pkts, SL_BURST), WIRE);
	rte_pktmbuf_free_bulk(pkts + WIRE, SL_BURST - WIRE);
	make(pool, pkts, SL_PORT_HANDOFF + SL_BURST, 1);
	for (unsigned i = 0; i < SL_PORT_HANDOFF + SL_BURST; i += SL_BURST) {
		uint16_t n = sl_port_send(ports->workers[1], list.port, pkts + i, SL_BURST);

		taken += n;
		rte_pktmbuf_free_bulk(pkts + i + n, SL_BURST - n);
	}
	cr_expect_eq(taken, SL_PORT_HANDOFF);
	cr_expect_eq(sl_port_handoff(ports->workers[0]), 0, "the wire is full");
	cr_expect_eq(rte_mempool_in_use_count(pool), WIRE + SL_PORT_HANDOFF);
	sl_ports_destroy(ports);
	cr_expect_eq(rte_mempool_in_use_count(pool), WIRE, "packets in rings go with it");
}
