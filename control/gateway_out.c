#include "control/gateway_out.h"

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "control/command_queue.h"
#include "control/log.h"

#define IPV6_TC_SHIFT 20

/* Lengths and TOS of an outer header; the worker that sends it adds source, identification and checksums. */
static void
finish_header(void *hdr, const struct sl_outer *to, size_t len, uint8_t tos)
{
	uint16_t udp_len = (uint16_t)(sizeof(struct rte_udp_hdr) + len);
	struct rte_udp_hdr *udp;

	memcpy(hdr, to->hdr, to->len);
	if (to->family == SL_AF_INET) {
		struct rte_ipv4_hdr *ip = hdr;

		ip->type_of_service = tos;
		ip->total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + udp_len));
		udp = (struct rte_udp_hdr *)(ip + 1);
	} else {
		struct rte_ipv6_hdr *ip = hdr;

		ip->vtc_flow = rte_cpu_to_be_32((uint32_t)(6u << 28) | (uint32_t)tos << IPV6_TC_SHIFT);
		ip->payload_len = rte_cpu_to_be_16(udp_len);
		udp = (struct rte_udp_hdr *)(ip + 1);
	}
	udp->dgram_len = rte_cpu_to_be_16(udp_len);
}

static void
send_message(void *ctx, struct sl_proto_if *ifp, const struct sl_outer *to, const void *msg, size_t len, uint8_t tos)
{
	struct sl_gateway *gw = ctx;
	struct sl_gateway_if *gi = sl_proto_if_owner(ifp);
	struct rte_mbuf *m = rte_pktmbuf_alloc(gw->dp->pool);
	struct sl_command cmd = {.op = SL_CMD_OUTER, .peer = SL_PEER_NONE, .packet = m};
	char *data;

	if (m == NULL) {
		gi->handshakes_lost++;
		return;
	}
	sl_packet_init(m, SL_IF_NONE);
	sl_packet(m)->wg_if = gi->id;
	sl_packet(m)->flags = SL_PKT_LOCAL | SL_PKT_OUTER;
	data = rte_pktmbuf_append(m, (uint16_t)(to->len + len));
	finish_header(data, to, len, tos);
	memcpy(data + to->len, msg, len);
	if (!sl_command_queue_put_any(gw->commands, &cmd)) {
		gi->handshakes_lost++;
		rte_pktmbuf_free(m);
	}
}

static void
keepalive(void *ctx, uint32_t slot)
{
	struct sl_gateway *gw = ctx;
	const struct sl_command cmd = {.op = SL_CMD_KEEPALIVE, .peer = slot};

	sl_command_queue_put_any(gw->commands, &cmd);
}

static void
drain(void *ctx, uint32_t slot)
{
	struct sl_gateway *gw = ctx;

	sl_command_queue_put_all(gw->commands, SL_CMD_DRAIN_PEER, slot);
}

static void
purge(void *ctx, uint32_t slot)
{
	struct sl_gateway *gw = ctx;

	sl_command_queue_put_all(gw->commands, SL_CMD_PURGE_PEER, slot);
}

static void
wall(void *ctx, struct timespec *now)
{
	sl_clock_wall(now);
}

static void
failure(void *ctx, const struct sl_failure_report *report)
{
	if (report->suppressed)
		sl_log_warning("%s: %s (%lu more lines left out)", sl_proto_if_name(report->ifp), report->line,
			(unsigned long)report->suppressed);
	else
		sl_log_warning("%s: %s", sl_proto_if_name(report->ifp), report->line);
}

static void
unanswered(void *ctx, struct sl_proto_peer *peer)
{
	sl_gateway_peer_unanswered(peer);
}

static void
own_key(void *ctx, struct sl_proto_peer *peer)
{
	sl_log_warning("peer %s has the interface's own public key; it is removed", peer->name ? peer->name : "?");
	sl_gateway_peer_remove(peer);
}

const struct sl_proto_ops sl_gateway_proto_ops = {
	.send = send_message,
	.keepalive = keepalive,
	.drain = drain,
	.purge = purge,
	.wall = wall,
	.failure = failure,
	.unanswered = unanswered,
	.own_key = own_key,
};

static bool
out_command(void *ctx, const struct sl_command *cmd)
{
	struct sl_gateway *gw = ctx;

	return sl_command_queue_put_any(gw->commands, cmd);
}

static struct rte_mbuf *
out_alloc(void *ctx)
{
	struct sl_gateway *gw = ctx;

	return rte_pktmbuf_alloc(gw->dp->pool);
}

struct sl_control_out
sl_gateway_control_out(struct sl_gateway *gw)
{
	return (struct sl_control_out){.command = out_command, .alloc = out_alloc, .ctx = gw};
}
