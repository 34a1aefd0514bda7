#include "control/port_args.h"

#include <linux/if_packet.h>
#include <stdio.h>
#include <string.h>

#include <rte_ether.h>

#include "control/port.h"
#include "control/port_kernel.h"
#include "dataplane/packet.h"

#define RING_FRAMES     1024 /* of each of a queue's two rings */
#define RING_FRAME_UNIT 1024
#define RING_FRAME_MIN  2048
#define PAGE            4096
/* Where the Ethernet header begins in a frame of the ring: the kernel aligns what follows it to 16. */
#define RING_FRAME_HEAD ((uint32_t)TPACKET_ALIGN(TPACKET2_HDRLEN + 16) - RTE_ETHER_HDR_LEN)
/* What net_af_packet thinks stands before the data when it compares a frame with a buffer. */
#define RING_FRAME_PMD  ((uint32_t)(TPACKET2_HDRLEN - sizeof(struct sockaddr_ll)))
/* Ethernet header with two VLAN tags. */
#define FRAME_OVERHEAD  (RTE_ETHER_HDR_LEN + 8)
/* Many devices use buffers in whole kilobytes. */
#define ROOM_UNIT       1024

static uint32_t
round_up(uint32_t n, uint32_t unit)
{
	return (n + unit - 1) / unit * unit;
}

uint32_t
sl_port_ring_frame(uint32_t mtu)
{
	uint32_t frame = round_up(RING_FRAME_HEAD + FRAME_OVERHEAD + mtu, RING_FRAME_UNIT);

	return frame < RING_FRAME_MIN ? RING_FRAME_MIN : frame;
}

uint32_t
sl_port_ring_block(uint32_t frame)
{
	uint32_t block = frame;

	while (block % PAGE)
		block += frame;
	return block;
}

/* Room for data in a buffer that receives from this port. */
static uint32_t
room(const struct sl_config_port *config)
{
	uint32_t n = config->mtu + FRAME_OVERHEAD + SL_HEADROOM + SL_TAILROOM;
	uint32_t ring = sl_port_ring_frame(config->mtu) - RING_FRAME_PMD;

	if (config->device_kind == SL_DEVICE_AF_PACKET && ring > n)
		n = ring;
	return round_up(n, ROOM_UNIT);
}

uint16_t
sl_port_frame_len(const struct sl_config_port *ports, uint32_t n)
{
	uint32_t most = ROOM_UNIT;

	for (uint32_t i = 0; i < n; i++)
		if (room(&ports[i]) > most)
			most = room(&ports[i]);
	return (uint16_t)(most - SL_HEADROOM - SL_TAILROOM);
}

uint32_t
sl_port_mtu_max(const struct sl_config_port *config)
{
	uint32_t buffer = room(config) - FRAME_OVERHEAD - SL_HEADROOM - SL_TAILROOM;
	uint32_t ring = sl_port_ring_frame(config->mtu) - RING_FRAME_HEAD - FRAME_OVERHEAD;

	return config->device_kind == SL_DEVICE_AF_PACKET && ring < buffer ? ring : buffer;
}

bool
sl_port_devargs(const struct sl_config_port *config, uint16_t workers, char *out, size_t size)
{
	uint32_t frame = sl_port_ring_frame(config->mtu), queues = workers, have;
	const char *name = config->name, *arg = config->device_arg;
	int n = -1;

	switch (config->device_kind) {
	case SL_DEVICE_AF_PACKET:
		n = snprintf(out, size, "net_af_packet_%s,iface=%s,qpairs=%u,framesz=%u,blocksz=%u,framecnt=%u", name, arg,
			queues, frame, sl_port_ring_block(frame), RING_FRAMES);
		break;
	case SL_DEVICE_AF_XDP:
		have = sl_port_kernel_queues(arg);
		n = snprintf(out, size, "net_af_xdp_%s,iface=%s,start_queue=0,queue_count=%u", name, arg,
			queues < have ? queues : have);
		break;
	case SL_DEVICE_TAP:
		n = snprintf(out, size, "net_tap_%s,iface=%s", name, arg);
		break;
	case SL_DEVICE_PCI:
	case SL_DEVICE_VDEV:
		n = snprintf(out, size, "%s", arg);
		break;
	}
	return n >= 0 && (size_t)n < size;
}
