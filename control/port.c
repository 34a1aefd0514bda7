#include "control/port.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include "control/fanout.h"
#include "control/port_args.h"

#define DESCRIPTORS  1024
#define CHECKSUMS_RX (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM)
#define HASH_TYPES   (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP)

static bool in_use[RTE_MAX_ETHPORTS]; /* by DPDK port id */

struct sl_open_port {
	enum sl_device kind;
	char name[SL_CONFIG_NAME_MAX + 1];
	bool has_kernel;  /* an interface of the kernel beneath, in `kernel` */
	bool probed, started;
	struct sl_port_kernel kernel;
	struct rte_device *device;
	struct sl_port queues;
	uint32_t mtu, mtu_max; /* what it is, and what buffers and ring frames hold */
	bool tx_csum, rx_csum;
	struct rte_ether_addr mac;
	const char *driver;
	char *error; /* the caller's, while opening */
};

/* Fails with a message that names the port first. */
static bool
fail(struct sl_open_port *p, const char *device, const char *format, ...) __attribute__((format(printf, 3, 4)));

static bool
fail(struct sl_open_port *p, const char *device, const char *format, ...)
{
	int n = snprintf(p->error, SL_PORT_ERROR_LEN, "port %s (%s): ", p->name, device);
	va_list args;

	va_start(args, format);
	vsnprintf(p->error + n, (size_t)(SL_PORT_ERROR_LEN - n), format, args);
	va_end(args);
	return false;
}

static bool
prepare_kernel(struct sl_open_port *p, const struct sl_config_port *config)
{
	char why[SL_PORT_ERROR_LEN - 64];

	if (config->device_kind != SL_DEVICE_AF_PACKET && config->device_kind != SL_DEVICE_AF_XDP)
		return true;
	if (!sl_port_kernel_prepare(&p->kernel, config->device_arg, config->mtu, why, sizeof(why)))
		return fail(p, config->device, "%s", why);
	p->has_kernel = true;
	return true;
}

/* Takes the DPDK port of that device. False where there is none. */
static bool
take(struct sl_open_port *p, const char *device)
{
	uint16_t port;

	if (rte_eth_dev_get_port_by_name(device, &port) != 0 || in_use[port])
		return false;
	in_use[port] = true;
	p->queues.port = port;
	return true;
}

/* Makes a virtual device. */
static bool
probe(struct sl_open_port *p, const struct sl_config_port *config, const char *devargs)
{
	int err;

	sl_fanout_plain(true);
	err = rte_dev_probe(devargs);
	sl_fanout_plain(false);
	p->queues.n_rx_fds = (uint16_t)sl_fanout_sockets(p->queues.rx_fds, SL_WORKERS_MAX);
	p->probed = err == 0;
	return p->probed ||
		fail(p, config->device, "DPDK cannot open it: %s; %s", rte_strerror(-err),
			geteuid() == 0 ? "the messages above say more" :
					 "run as root or with CAP_NET_RAW and CAP_NET_ADMIN");
}

/* Finds the device that EAL probed at start, or makes the virtual one. */
static bool
find(struct sl_open_port *p, const struct sl_config_port *config, uint16_t workers)
{
	char devargs[SL_PORT_DEVARGS_LEN], name[RTE_ETH_NAME_MAX_LEN];
	uint16_t other;

	if (!sl_port_devargs(config, workers, devargs, sizeof(devargs)))
		return fail(p, config->device, "the device string is too long");
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(devargs, ","), devargs);
	if (rte_eth_dev_get_port_by_name(name, &other) == 0 && in_use[other])
		return fail(p, config->device, "another port has the same device; give it to one of them");
	if (config->device_kind != SL_DEVICE_PCI)
		return probe(p, config, devargs) &&
			(take(p, name) || fail(p, config->device, "DPDK made no port of this device"));
	return take(p, name) ||
		fail(p, config->device,
			"no DPDK driver took this device; is it there (lspci -s %s), and bound to vfio-pci "
			"(dpdk-devbind.py -b vfio-pci %s)?",
			name, name);
}

static uint16_t
at_most(uint16_t wanted, uint16_t limit)
{
	uint16_t n = wanted < limit ? wanted : limit;

	return n ? n : 1;
}

/* Queues, hashing and checksum offload as far as the device has them. */
static bool
configure(struct sl_open_port *p, const struct sl_config_port *config, const struct rte_eth_dev_info *info, uint16_t workers)
{
	struct rte_eth_conf conf = {
		/* net_af_packet says 1518 whatever its frames hold; the kernel's interface has the MTU there */
		.rxmode.mtu = p->kind == SL_DEVICE_AF_PACKET ? 0 : config->mtu,
		.rxmode.offloads = info->rx_offload_capa & CHECKSUMS_RX,
		.txmode.offloads = info->tx_offload_capa & (RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_MULTI_SEGS),
	};
	int err;

	p->queues.n_rx = at_most(workers, info->max_rx_queues);
	p->queues.n_tx = at_most(workers, info->max_tx_queues);
	if (p->queues.n_rx > 1 && (info->flow_type_rss_offloads & HASH_TYPES)) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = info->flow_type_rss_offloads & HASH_TYPES;
	}
	err = rte_eth_dev_configure(p->queues.port, p->queues.n_rx, p->queues.n_tx, &conf);
	if (err && conf.rxmode.mq_mode == RTE_ETH_MQ_RX_RSS) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_NONE;
		conf.rx_adv_conf.rss_conf.rss_hf = 0;
		err = rte_eth_dev_configure(p->queues.port, p->queues.n_rx, p->queues.n_tx, &conf);
	}
	if (err)
		return fail(p, config->device, "the device refused %u+%u queues at MTU %u (it says %u to %u): %s; set `mtu` within that",
			p->queues.n_rx, p->queues.n_tx, config->mtu, info->min_mtu, info->max_mtu, rte_strerror(-err));
	p->rx_csum = (conf.rxmode.offloads & CHECKSUMS_RX) == CHECKSUMS_RX;
	p->tx_csum = (conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_UDP_CKSUM) != 0;
	return true;
}

static int
setup_queues(struct sl_open_port *p, const struct rte_eth_dev_info *info, struct rte_mempool *pool)
{
	uint16_t rx = DESCRIPTORS, tx = DESCRIPTORS, port = p->queues.port;
	int err = rte_eth_dev_adjust_nb_rx_tx_desc(port, &rx, &tx);
	int socket = rte_eth_dev_socket_id(port);

	for (uint16_t q = 0; q < p->queues.n_rx && !err; q++)
		err = rte_eth_rx_queue_setup(port, q, rx, (unsigned)socket, NULL, pool);
	for (uint16_t q = 0; q < p->queues.n_tx && !err; q++)
		err = rte_eth_tx_queue_setup(port, q, tx, (unsigned)socket, NULL);
	return err;
}

/* Neighbour discovery comes to multicast addresses: the device must let them in. */
static void
listen_multicast(struct sl_open_port *p)
{
	if (!p->has_kernel && rte_eth_allmulticast_enable(p->queues.port) != 0)
		rte_eth_promiscuous_enable(p->queues.port);
}

static bool
start(struct sl_open_port *p, const struct sl_config_port *config, uint16_t workers, struct rte_mempool *pool)
{
	struct rte_eth_dev_info info;
	int err = rte_eth_dev_info_get(p->queues.port, &info);

	if (err)
		return fail(p, config->device, "DPDK does not know the device: %s", rte_strerror(-err));
	p->device = info.device;
	p->driver = info.driver_name;
	if (!configure(p, config, &info, workers))
		return false;
	err = setup_queues(p, &info, pool);
	if (err)
		return fail(p, config->device, "no memory for its %u+%u queues: %s", p->queues.n_rx, p->queues.n_tx,
			rte_strerror(-err));
	err = rte_eth_macaddr_get(p->queues.port, &p->mac);
	if (!err)
		err = rte_eth_dev_start(p->queues.port);
	if (err)
		return fail(p, config->device, "the device does not start: %s", rte_strerror(-err));
	p->started = true;
	/* virtual devices may look at the MTU here alone; those without the function carry what their buffers hold */
	if (!p->has_kernel && p->kind != SL_DEVICE_PCI)
		rte_eth_dev_set_mtu(p->queues.port, (uint16_t)config->mtu);
	listen_multicast(p);
	/* net_tap gives the kernel's end the same address; two neighbours must have two */
	if (p->kind == SL_DEVICE_TAP)
		p->mac.addr_bytes[RTE_ETHER_ADDR_LEN - 1] ^= 1;
	return true;
}

struct sl_open_port *
sl_port_open(const struct sl_config_port *config, uint16_t l3_if, uint16_t workers, struct rte_mempool *pool, char *error)
{
	struct sl_open_port *p = calloc(1, sizeof(*p));

	if (!p) {
		snprintf(error, SL_PORT_ERROR_LEN, "out of memory");
		return NULL;
	}
	p->kind = config->device_kind;
	snprintf(p->name, sizeof(p->name), "%s", config->name);
	p->queues = (struct sl_port){.port = RTE_MAX_ETHPORTS, .l3_if = l3_if};
	p->mtu = config->mtu;
	p->mtu_max = sl_port_mtu_max(config);
	p->error = error;
	if (prepare_kernel(p, config) && find(p, config, workers) && start(p, config, workers, pool)) {
		p->error = NULL;
		return p;
	}
	sl_port_close(p);
	return NULL;
}

void
sl_port_close(struct sl_open_port *p)
{
	if (!p)
		return;
	if (p->started)
		rte_eth_dev_stop(p->queues.port);
	if (p->queues.port != RTE_MAX_ETHPORTS) {
		rte_eth_dev_close(p->queues.port);
		in_use[p->queues.port] = false;
	}
	if (p->probed && p->device)
		rte_dev_remove(p->device);
	if (p->has_kernel)
		sl_port_kernel_restore(&p->kernel);
	free(p);
}

struct sl_port
sl_port_queues(const struct sl_open_port *p)
{
	return p->queues;
}

void
sl_port_fill_if(const struct sl_open_port *p, const struct sl_config_port *config, struct sl_if *ifp)
{
	ifp->id = p->queues.l3_if;
	ifp->kind = SL_IF_PORT;
	ifp->mtu = (uint16_t)p->mtu;
	snprintf(ifp->name, sizeof(ifp->name), "%s", config->name);
	ifp->port = p->queues.port;
	ifp->mac = p->mac;
	ifp->outside = config->gateway4.family != SL_AF_NONE || config->gateway6.family != SL_AF_NONE;
	ifp->forward_clear = config->forward_clear;
	ifp->tx_udp_csum4 = ifp->tx_udp_csum6 = p->tx_csum;
	ifp->rx_csum = p->rx_csum;
}

int
sl_port_set_mtu(struct sl_open_port *p, uint32_t mtu)
{
	int err;

	if (mtu > p->mtu_max)
		return -ERANGE;
	err = p->has_kernel ? sl_port_kernel_set_mtu(&p->kernel, mtu) : rte_eth_dev_set_mtu(p->queues.port, (uint16_t)mtu);
	/* a device without that function carries what its buffers hold */
	if (err && err != -ENOTSUP)
		return err;
	p->mtu = mtu;
	return 0;
}

struct sl_ip
sl_port_link_local(const struct rte_ether_addr *mac)
{
	const uint8_t *m = mac->addr_bytes;
	const uint8_t bytes[16] = {0xfe, 0x80, [8] = m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]};

	return sl_ip6(bytes);
}

void
sl_port_status(const struct sl_open_port *p, struct sl_port_status *out)
{
	struct rte_eth_link link = {0};
	struct rte_eth_stats stats = {0};

	*out = (struct sl_port_status){
		.n_rx = p->queues.n_rx, .n_tx = p->queues.n_tx, .mtu = (uint16_t)p->mtu, .mac = p->mac, .driver = p->driver};
	if (rte_eth_link_get_nowait(p->queues.port, &link) == 0) {
		out->up = link.link_status == RTE_ETH_LINK_UP;
		out->full_duplex = link.link_duplex == RTE_ETH_LINK_FULL_DUPLEX;
		out->speed = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
	}
	if (p->has_kernel)
		out->up = sl_port_kernel_running(&p->kernel);
	if (rte_eth_stats_get(p->queues.port, &stats) != 0)
		return;
	out->rx_packets = stats.ipackets;
	out->rx_bytes = stats.ibytes;
	out->rx_missed = stats.imissed;
	out->rx_errors = stats.ierrors;
	out->rx_no_buffer = stats.rx_nombuf;
	out->tx_packets = stats.opackets;
	out->tx_bytes = stats.obytes;
	out->tx_errors = stats.oerrors;
}
