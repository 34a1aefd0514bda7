#include "dataplane/port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_errno.h>
#include <rte_ethdev.h>

static void
free_worker(struct sl_port_worker *pw)
{
	void *m;

	if (!pw)
		return;
	for (uint32_t i = 0; i < pw->n_handoffs; i++) {
		struct sl_port_handoff *h = &pw->handoffs[i];

		rte_pktmbuf_free_bulk(h->held, h->n);
		while (rte_ring_sc_dequeue(h->ring, &m) == 0)
			rte_pktmbuf_free(m);
		rte_ring_free(h->ring);
	}
	free(pw->rx);
	free(pw->handoffs);
	free(pw);
}

void
sl_ports_destroy(struct sl_ports *ports)
{
	if (!ports)
		return;
	for (unsigned w = 0; w < ports->n_workers; w++)
		free_worker(ports->workers[w]);
	free(ports);
}

static int
create_workers(struct sl_ports *ports)
{
	unsigned queues = 0;

	for (unsigned p = 0; p < ports->n_ports; p++)
		queues += ports->ports[p].n_rx;
	for (unsigned w = 0; w < ports->n_workers; w++) {
		struct sl_port_worker *pw = aligned_alloc(RTE_CACHE_LINE_SIZE,
			RTE_ALIGN(sizeof(*pw), RTE_CACHE_LINE_SIZE));

		if (!pw)
			return -ENOMEM;
		memset(pw, 0, sizeof(*pw));
		ports->workers[w] = pw;
		pw->rx = calloc(queues, sizeof(*pw->rx));
		pw->handoffs = calloc(ports->n_ports, sizeof(*pw->handoffs));
		if (!pw->rx || !pw->handoffs)
			return -ENOMEM;
	}
	return 0;
}

static void
share_rx(struct sl_ports *ports)
{
	for (unsigned p = 0; p < ports->n_ports; p++) {
		const struct sl_port *port = &ports->ports[p];

		for (uint16_t q = 0; q < port->n_rx; q++) {
			struct sl_port_worker *pw = ports->workers[(p + q) % ports->n_workers];

			pw->rx[pw->n_rx++] = (struct sl_port_rx){
				port->port, q, port->l3_if, q < port->n_rx_fds ? port->rx_fds[q] : -1};
		}
	}
}

/* The ring by which others send through queue q of a port; it is at worker q. */
static struct rte_ring *
create_handoff(struct sl_ports *ports, const char *name, const struct sl_port *port, uint16_t q)
{
	struct sl_port_worker *owner = ports->workers[q];
	struct sl_port_handoff *h = &owner->handoffs[owner->n_handoffs];
	char ring[RTE_RING_NAMESIZE];

	snprintf(ring, sizeof(ring), "%.10s_tx%u_%u", name, port->port, q);
	h->ring = rte_ring_create(ring, SL_PORT_HANDOFF, SOCKET_ID_ANY, RING_F_SC_DEQ | RING_F_EXACT_SZ);
	if (!h->ring)
		return NULL;
	h->port = port->port;
	h->queue = q;
	owner->n_handoffs++;
	return h->ring;
}

static int
share_tx(struct sl_ports *ports, const char *name)
{
	for (unsigned p = 0; p < ports->n_ports; p++) {
		const struct sl_port *port = &ports->ports[p];

		for (uint16_t w = 0; w < ports->n_workers; w++) {
			uint16_t q = w % port->n_tx;
			struct sl_port_tx *tx = &ports->workers[w]->tx[port->port];

			tx->queue = q;
			if (w < port->n_tx)
				continue;
			/* the first that has to go through queue q makes its ring, the others find it */
			tx->ring = w < 2 * port->n_tx ? create_handoff(ports, name, port, q) :
							ports->workers[w - port->n_tx]->tx[port->port].ring;
			if (!tx->ring)
				return -ENOMEM;
		}
	}
	return 0;
}

int
sl_ports_create(struct sl_ports **out, const char *name, const struct sl_port *list, uint16_t n, uint16_t workers)
{
	struct sl_ports *ports;
	int err;

	if (n > SL_PORTS_MAX || workers == 0 || workers > SL_WORKERS_MAX)
		return -EINVAL;
	for (unsigned p = 0; p < n; p++)
		if (list[p].n_rx == 0 || list[p].n_tx == 0 || list[p].port >= RTE_MAX_ETHPORTS)
			return -EINVAL;
	ports = calloc(1, sizeof(*ports));
	if (!ports)
		return -ENOMEM;
	memcpy(ports->ports, list, n * sizeof(*list));
	ports->n_ports = n;
	ports->n_workers = workers;
	err = create_workers(ports);
	if (!err) {
		share_rx(ports);
		err = share_tx(ports, name);
	}
	if (err) {
		sl_ports_destroy(ports);
		return err;
	}
	*out = ports;
	return 0;
}

uint16_t
sl_port_send(void *ctx, uint16_t port, struct rte_mbuf **pkts, uint16_t n)
{
	const struct sl_port_worker *pw = ctx;
	const struct sl_port_tx *tx = &pw->tx[port];

	if (likely(!tx->ring))
		return rte_eth_tx_burst(port, tx->queue, pkts, n);
	return (uint16_t)rte_ring_mp_enqueue_burst(tx->ring, (void **)pkts, n, NULL);
}

/* Sends what is held, then what the ring has, until the port takes no more. */
static unsigned
drain(struct sl_port_handoff *h)
{
	unsigned total = 0;
	uint16_t sent;

	do {
		h->n += rte_ring_sc_dequeue_burst(h->ring, (void **)&h->held[h->n], SL_BURST - h->n, NULL);
		if (h->n == 0)
			break;
		sent = rte_eth_tx_burst(h->port, h->queue, h->held, h->n);
		h->n -= sent;
		memmove(h->held, h->held + sent, h->n * sizeof(h->held[0]));
		total += sent;
	} while (sent > 0 && total < SL_PORT_HANDOFF);
	return total;
}

unsigned
sl_port_handoff(struct sl_port_worker *pw)
{
	unsigned total = 0;

	for (uint32_t i = 0; i < pw->n_handoffs; i++)
		total += drain(&pw->handoffs[i]);
	return total;
}
