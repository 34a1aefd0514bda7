#include "tests/peersim/port.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#define MEMORY_MB     "256"
#define BUFFER_LEN    2048
#define BUFFERS       24575
#define BUFFERS_CACHE 256
#define QUEUES_MAX    16
#define DESCRIPTORS   1024
#define WAITING       8192 /* places of a queue before the device; a power of two */
#define WAITING_MANY  4096
#define BURST         64
#define PAUSE_US      20000 /* between two tries to connect */
#define ARGUMENT_LEN  512

struct waiting {
	struct rte_mbuf *mbufs[WAITING];
	uint32_t head, tail;
};

struct sim_port {
	uint16_t id;
	unsigned queues, next_queue;
	struct rte_mempool *pool;
	struct wire_host own;
	uint8_t hub4[4], hub_mac[WIRE_MAC_LEN];
	bool knows_hub;
	struct waiting waiting[];
};

bool sim_dpdk_start(void)
{
	char prefix[64];
	char *argv[] = {"peersim", "--no-huge", "--no-shconf", "--no-pci", "-m", MEMORY_MB, "--no-telemetry",
	        "--log-level=error", prefix, NULL};
	cpu_set_t cpus;

	/* EAL pins its main thread; this one runs where there is room */
	sched_getaffinity(0, sizeof(cpus), &cpus);
	snprintf(prefix, sizeof(prefix), "--file-prefix=peersim-%d", (int)getpid());
	if (rte_eal_init(sizeof(argv) / sizeof(argv[0]) - 1, argv) < 0) {
		fprintf(stderr, "peersim: DPDK did not start: %s\n", rte_strerror(rte_errno));
		return false;
	}
	sched_setaffinity(0, sizeof(cpus), &cpus);
	return true;
}

void sim_dpdk_stop(void)
{
	char dir[PATH_MAX];

	snprintf(dir, sizeof(dir), "%s", rte_eal_get_runtime_dir());
	rte_eal_cleanup();
	rmdir(dir);
}

static bool configure(struct sim_port *p, const char *name, const char *socket, unsigned ring)
{
	const struct rte_eth_conf conf = {0};
	struct rte_ether_addr mac;
	char args[ARGUMENT_LEN];
	int err;

	snprintf(args, sizeof(args), "net_memif_%s,role=client,id=0,rsize=%u,bsize=%d,socket=%s,socket-abstract=no",
	        name, ring, BUFFER_LEN, socket);
	err = rte_dev_probe(args);
	if (err || rte_eth_dev_get_port_by_name(strtok(args, ","), &p->id))
		return false;
	p->pool = rte_pktmbuf_pool_create(
	        name, BUFFERS, BUFFERS_CACHE, 0, RTE_PKTMBUF_HEADROOM + BUFFER_LEN, SOCKET_ID_ANY);
	if (!p->pool || rte_eth_dev_configure(p->id, (uint16_t)p->queues, (uint16_t)p->queues, &conf))
		return false;
	for (uint16_t q = 0; q < p->queues; q++)
		if (rte_eth_rx_queue_setup(p->id, q, DESCRIPTORS, SOCKET_ID_ANY, NULL, p->pool) ||
		        rte_eth_tx_queue_setup(p->id, q, DESCRIPTORS, SOCKET_ID_ANY, NULL))
			return false;
	if (rte_eth_macaddr_get(p->id, &mac))
		return false;
	memcpy(p->own.mac, mac.addr_bytes, WIRE_MAC_LEN);
	return true;
}

static bool connected(const struct sim_port *p)
{
	struct rte_eth_link link = {0};

	return rte_eth_link_get_nowait(p->id, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

/* The gateway may not be there yet. */
static bool connect_hub(struct sim_port *p, const char *socket, uint64_t deadline)
{
	bool started = false;

	while (rte_get_timer_cycles() < deadline) {
		if (!started && access(socket, F_OK) == 0)
			started = rte_eth_dev_start(p->id) == 0;
		if (started && connected(p)) {
			struct rte_mbuf *none, *ask = sim_port_buffer(p);

			if (ask) {
				wire_ask(rte_pktmbuf_mtod(ask, uint8_t *), &p->own, p->hub4);
				rte_pktmbuf_append(ask, WIRE_ARP_LEN);
				if (rte_eth_tx_burst(p->id, 0, &ask, 1) == 0)
					rte_pktmbuf_free(ask);
			}
			rte_delay_us_sleep(PAUSE_US);
			while (sim_port_receive(p, &none, 1))
				rte_pktmbuf_free(none);
			sim_port_flush(p);
			if (p->knows_hub)
				return true;
		} else {
			rte_delay_us_sleep(PAUSE_US);
		}
	}
	return false;
}

struct sim_port *sim_port_open(const char *name, const char *socket, unsigned queues, unsigned ring, unsigned seconds,
        struct wire_host own, const uint8_t hub4[4])
{
	const uint64_t deadline = rte_get_timer_cycles() + seconds * rte_get_timer_hz();
	struct sim_port *p = calloc(1, sizeof(*p) + queues * sizeof(p->waiting[0]));

	if (!p || queues > QUEUES_MAX)
		return NULL;
	p->queues = queues;
	p->own = own;
	memcpy(p->hub4, hub4, sizeof(p->hub4));
	if (!configure(p, name, socket, ring))
		fprintf(stderr, "peersim: port %s cannot be made: %s\n", name, rte_strerror(rte_errno));
	else if (!connect_hub(p, socket, deadline))
		fprintf(stderr, "peersim: no gateway answers at %s\n", socket);
	else
		return p;
	free(p);
	return NULL;
}

void sim_port_close(struct sim_port *p)
{
	if (!p)
		return;
	rte_eth_dev_stop(p->id);
	rte_eth_dev_close(p->id);
	free(p);
}

static uint32_t in_queue(const struct waiting *w)
{
	return w->tail - w->head;
}

bool sim_port_full(const struct sim_port *p)
{
	for (unsigned q = 0; q < p->queues; q++)
		if (in_queue(&p->waiting[q]) > WAITING_MANY)
			return true;
	return false;
}

struct rte_mbuf *sim_port_buffer(struct sim_port *p)
{
	return sim_port_full(p) ? NULL : rte_pktmbuf_alloc(p->pool);
}

/* Sends a whole frame. */
static void push(struct sim_port *p, struct rte_mbuf *m, unsigned queue)
{
	struct waiting *w = &p->waiting[queue];

	if (in_queue(w) == WAITING) /* twice what sim_port_buffer lets in: only a gateway that is gone */
		rte_pktmbuf_free(m);
	else
		w->mbufs[w->tail++ % WAITING] = m;
}

void sim_port_send(struct sim_port *p, struct rte_mbuf *m, size_t len, bool v6, uint32_t flow)
{
	wire_ethernet(rte_pktmbuf_mtod(m, uint8_t *), p->hub_mac, p->own.mac, v6);
	m->data_len = (uint16_t)len;
	m->pkt_len = (uint32_t)len;
	push(p, m, flow % p->queues);
}

void sim_port_flush(struct sim_port *p)
{
	for (unsigned q = 0; q < p->queues; q++) {
		struct waiting *w = &p->waiting[q];

		while (in_queue(w) > 0) {
			const uint32_t at = w->head % WAITING,
			               n = RTE_MIN(in_queue(w), RTE_MIN((uint32_t)BURST, WAITING - at));
			const uint16_t took = rte_eth_tx_burst(p->id, (uint16_t)q, &w->mbufs[at], (uint16_t)n);

			w->head += took;
			if (took < n)
				break;
		}
	}
}

/* Whether the frame holds an IP packet for us; it then begins there. What else comes ends here. */
static bool take(struct sim_port *p, struct rte_mbuf *m, unsigned queue)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	bool told;
	size_t len;

	if (m->nb_segs > 1) {
		rte_pktmbuf_free(m);
		return false;
	}
	len = wire_answer(frame, m->data_len, &p->own, p->hub4, p->hub_mac, &told);
	p->knows_hub |= told;
	if (len) {
		m->data_len = (uint16_t)len;
		m->pkt_len = (uint32_t)len;
		push(p, m, queue);
		return false;
	}
	if (told || m->data_len < WIRE_ETH_LEN || memcmp(frame, p->own.mac, WIRE_MAC_LEN) != 0) {
		rte_pktmbuf_free(m);
		return false;
	}
	rte_pktmbuf_adj(m, WIRE_ETH_LEN);
	return true;
}

unsigned sim_port_receive(struct sim_port *p, struct rte_mbuf **out, unsigned n)
{
	struct rte_mbuf *mbufs[BURST];
	unsigned taken = 0;

	for (unsigned tries = 0; tries < p->queues && taken == 0; tries++) {
		const unsigned q = p->next_queue++ % p->queues;
		const uint16_t got = rte_eth_rx_burst(p->id, (uint16_t)q, mbufs, (uint16_t)RTE_MIN(n, (unsigned)BURST));

		for (uint16_t i = 0; i < got; i++)
			if (take(p, mbufs[i], q))
				out[taken++] = mbufs[i];
	}
	return taken;
}
