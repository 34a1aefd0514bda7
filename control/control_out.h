/*
 * How parts of the control core that make packets (neighbours, ICMP echo,
 * handshakes) hand them to workers: an interface of two functions, so that
 * these parts do no I/O of their own and tests see what they would send.
 * Control thread alone.
 */
#pragma once

#include <stdbool.h>

#include "dataplane/dataplane.h"

struct sl_control_out {
	/* Queues a command to a worker of the callee's choice. The packet passes over; false: it stays the caller's. */
	bool (*command)(void *ctx, const struct sl_command *cmd);
	/* An empty packet, whose sl_packet the caller initialises, or NULL. */
	struct rte_mbuf *(*alloc)(void *ctx);
	void *ctx;
};

/* Queues a command with a packet, or frees the packet. Whether it was queued. */
static inline bool
sl_control_send(const struct sl_control_out *out, enum sl_command_op op, struct rte_mbuf *m)
{
	const struct sl_command cmd = {.op = op, .peer = SL_PEER_NONE, .packet = m};

	if (out->command(out->ctx, &cmd))
		return true;
	rte_pktmbuf_free(m);
	return false;
}
