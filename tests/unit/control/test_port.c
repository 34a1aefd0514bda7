/*
 * Ports on real devices: veth pairs in a network namespace of the test's own,
 * so root is needed, which scripts/test has, and nothing is left behind.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "control/eal.h"
#include "control/port.h"
#include "control/port_args.h"
#include "dataplane/ip.h"

#define POOL      4095
#define FRAME     1514
#define PATIENCE  20000 /* ms */
#define AGAIN     10    /* ms, between two looks */

static struct rte_mempool *pool;

static void
run(const char *command)
{
	cr_assert_eq(system(command), 0, "%s", command);
}

static void
namespace(void)
{
	cr_assert_eq(unshare(CLONE_NEWNET), 0, "a network namespace needs root");
	run("ip link add pa type veth peer name pb && ip link set pb up && ethtool -K pb tx off tso off gso off >/dev/null");
}

static void
eal(const struct sl_config_port *port, uint16_t workers)
{
	struct sl_config config = {.ports = port, .n_ports = 1, .dataplane.hugepages = SL_HUGEPAGES_OFF};
	struct sl_config_cores cores = {.n_workers = workers};
	struct sl_eal_needs needs = {
		.pool_size = POOL, .frame_len = sl_port_frame_len(port, 1), .workers = workers, .ports = 1};
	struct sl_eal_report report;

	cr_assert(sl_eal_start(&config, &cores, &needs, &report), "%s", report.error);
	pool = sl_packet_pool_create("pool", POOL, 0, needs.frame_len, SOCKET_ID_ANY);
	cr_assert_not_null(pool);
}

static struct sl_config_port
af_packet(uint32_t mtu)
{
	return (struct sl_config_port){
		.name = "lan0", .device_kind = SL_DEVICE_AF_PACKET, .device = "af_packet:pa", .device_arg = "pa", .mtu = mtu};
}

static uint32_t
ethtool_get(const char *name, uint32_t command)
{
	struct ethtool_value v = {.cmd = command};
	struct ifreq ifr = {.ifr_data = (void *)&v};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	cr_assert_eq(ioctl(fd, SIOCETHTOOL, &ifr), 0);
	close(fd);
	return v.data;
}

static int
setting(const char *path)
{
	FILE *f = fopen(path, "r");
	int value;

	cr_assert(f && fscanf(f, "%d", &value) == 1, "%s", path);
	fclose(f);
	return value;
}

static int
packet_socket(const char *name)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));

	to.sll_ifindex = (int)if_nametoindex(name);
	cr_assert_eq(bind(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* Waits for a frame of that length on any queue; counts the queue. */
static struct rte_mbuf *
receive(const struct sl_port *q, uint32_t len, unsigned *per_queue)
{
	for (unsigned ms = 0; ms < PATIENCE; ms++) {
		for (uint16_t i = 0; i < q->n_rx; i++) {
			struct rte_mbuf *m;

			while (rte_eth_rx_burst(q->port, i, &m, 1) == 1) {
				if (per_queue)
					per_queue[i]++;
				if (m->pkt_len == len)
					return m;
				rte_pktmbuf_free(m);
			}
		}
		rte_delay_us_sleep(1000);
	}
	return NULL;
}

/* An Ethernet frame with an IPv4 UDP packet, or a fragment of one. */
static size_t
make_frame(uint8_t *out, uint16_t sport, uint16_t frag, size_t len)
{
	struct rte_ipv4_hdr *ip = (void *)(out + RTE_ETHER_HDR_LEN);
	struct rte_udp_hdr *udp = (void *)(ip + 1);

	memset(out, 0, len);
	memset(out, 0xff, RTE_ETHER_ADDR_LEN);
	out[6] = 2;
	out[12] = 8;
	ip->version_ihl = RTE_IPV4_VHL_DEF;
	ip->total_length = htons((uint16_t)(len - RTE_ETHER_HDR_LEN));
	ip->packet_id = htons(7);
	ip->fragment_offset = htons(frag);
	ip->time_to_live = 64;
	ip->next_proto_id = IPPROTO_UDP;
	ip->src_addr = htonl(0x0a000001);
	ip->dst_addr = htonl(0x0a000002);
	ip->hdr_checksum = sl_ip4_checksum(ip, sizeof(*ip));
	udp->src_port = htons(sport);
	udp->dst_port = htons(9);
	udp->dgram_len = htons((uint16_t)(len - RTE_ETHER_HDR_LEN - sizeof(*ip)));
	return len;
}

/* Whether the port's status comes to that: the kernel tells of a link's state a moment after it has changed. */
static bool
comes(struct sl_open_port *p, bool up)
{
	struct sl_port_status status;

	for (unsigned ms = 0; ms < PATIENCE; ms += AGAIN) {
		sl_port_status(p, &status);
		if (status.up == up)
			return true;
		poll(NULL, 0, AGAIN);
	}
	return false;
}

Test(port, open_changes_the_kernel_interface_and_close_puts_it_back)
{
	struct sl_config_port config = af_packet(1500);
	char error[SL_PORT_ERROR_LEN];
	struct sl_port_status status;
	struct sl_open_port *p;
	struct sl_if ifp = {0};

	namespace();
	run("ip link set pa up && ethtool -K pa gro on && echo 1 >/proc/sys/net/ipv4/conf/pa/forwarding");
	eal(&config, 1);
	p = sl_port_open(&config, 5, 1, pool, error);
	cr_assert_not_null(p, "%s", error);
	cr_expect_eq(setting("/proc/sys/net/ipv6/conf/pa/disable_ipv6"), 1);
	cr_expect_eq(setting("/proc/sys/net/ipv4/conf/pa/forwarding"), 0);
	cr_expect_eq(ethtool_get("pa", ETHTOOL_GGRO), 0);
	cr_expect_eq(ethtool_get("pa", ETHTOOL_GTSO), 0);
	cr_expect_neq(system("ip -6 addr show dev pa | grep -q fe80"), 0);

	sl_port_fill_if(p, &config, &ifp);
	cr_expect_eq(ifp.id, 5);
	cr_expect_eq(ifp.kind, SL_IF_PORT);
	cr_expect_eq(ifp.mtu, 1500);
	cr_expect_str_eq(ifp.name, "lan0");
	cr_expect(!ifp.outside && !ifp.rx_csum && !ifp.tx_udp_csum4);
	cr_expect(rte_is_valid_assigned_ether_addr(&ifp.mac));
	sl_port_status(p, &status);
	cr_expect_str_eq(status.driver, "net_af_packet");
	cr_expect(comes(p, true));
	run("ip link set pb down");
	cr_expect(comes(p, false));
	run("ip link set pb up");

	sl_port_close(p);
	cr_expect_eq(setting("/proc/sys/net/ipv6/conf/pa/disable_ipv6"), 0);
	cr_expect_eq(setting("/proc/sys/net/ipv4/conf/pa/forwarding"), 1);
	cr_expect_eq(ethtool_get("pa", ETHTOOL_GGRO), 1);
	cr_expect_eq(ethtool_get("pa", ETHTOOL_GTSO), 1);
	cr_expect_eq(system("ip link show dev pa | grep -q ALLMULTI"), 256);

	p = sl_port_open(&config, 5, 1, pool, error);
	cr_assert_not_null(p, "a second time: %s", error);
	sl_port_close(p);
	cr_expect_eq(rte_mempool_in_use_count(pool), 0);
}

Test(port, frames_of_every_size_pass_both_ways)
{
	static const uint32_t mtus[] = {1500, 1964, 4000, 9000};
	uint8_t frame[9200], back[9200];
	char error[SL_PORT_ERROR_LEN];

	namespace();
	run("ip link set pb mtu 9100");
	for (unsigned i = 0; i < RTE_DIM(mtus); i++) {
		struct sl_config_port config = af_packet(mtus[i]);
		uint32_t len = mtus[i] + RTE_ETHER_HDR_LEN;
		struct sl_open_port *p;
		struct rte_mbuf *m;
		struct sl_port q;
		int fd;

		if (i == 0)
			eal(&config, 1);
		rte_mempool_free(pool);
		pool = sl_packet_pool_create("pool", 1023, 0, sl_port_frame_len(&config, 1), SOCKET_ID_ANY);
		cr_assert_not_null(pool);
		p = sl_port_open(&config, 1, 1, pool, error);
		cr_assert_not_null(p, "%s", error);
		q = sl_port_queues(p);
		fd = packet_socket("pb");
		make_frame(frame, 1, 0, len);
		cr_assert_eq(write(fd, frame, len), (ssize_t)len, "mtu %u", mtus[i]);
		m = receive(&q, len, NULL);
		cr_assert_not_null(m, "mtu %u", mtus[i]);
		cr_expect_eq(m->nb_segs, 1);
		cr_expect_eq(memcmp(rte_pktmbuf_mtod(m, void *), frame, len), 0);
		cr_expect_geq(rte_pktmbuf_headroom(m) + rte_pktmbuf_tailroom(m), SL_HEADROOM);
		cr_assert_eq(rte_eth_tx_burst(q.port, 0, &m, 1), 1);
		do {
			struct pollfd pfd = {.fd = fd, .events = POLLIN};

			cr_assert_eq(poll(&pfd, 1, PATIENCE), 1, "mtu %u: nothing came out", mtus[i]);
		} while (read(fd, back, sizeof(back)) != (ssize_t)len);
		cr_expect_eq(memcmp(back, frame, len), 0);
		close(fd);
		sl_port_close(p);
	}
}

Test(port, fragments_arrive_as_fragments)
{
	struct sl_config_port config = af_packet(1500);
	char error[SL_PORT_ERROR_LEN];
	struct sl_open_port *p;
	uint8_t frame[FRAME];
	struct rte_mbuf *m;
	struct sl_port q;
	int fd;

	namespace();
	eal(&config, 2);
	p = sl_port_open(&config, 1, 2, pool, error);
	cr_assert_not_null(p, "%s", error);
	q = sl_port_queues(p);
	cr_expect_eq(q.n_rx, 2);
	fd = packet_socket("pb");
	make_frame(frame, 1, RTE_IPV4_HDR_MF_FLAG, RTE_ETHER_HDR_LEN + 20 + 1480);
	cr_assert_geq(write(fd, frame, RTE_ETHER_HDR_LEN + 20 + 1480), 0);
	m = receive(&q, RTE_ETHER_HDR_LEN + 20 + 1480, NULL);
	cr_expect_not_null(m, "the kernel kept the first fragment");
	rte_pktmbuf_free(m);
	make_frame(frame, 1, 1480 / 8, RTE_ETHER_HDR_LEN + 20 + 600);
	cr_assert_geq(write(fd, frame, RTE_ETHER_HDR_LEN + 20 + 600), 0);
	m = receive(&q, RTE_ETHER_HDR_LEN + 20 + 600, NULL);
	cr_expect_not_null(m, "the kernel put the fragments together");
	rte_pktmbuf_free(m);
	close(fd);
	sl_port_close(p);
}

Test(port, flows_spread_over_queues)
{
	struct sl_config_port config = af_packet(1500);
	char error[SL_PORT_ERROR_LEN];
	unsigned per_queue[2] = {0};
	struct sl_open_port *p;
	uint8_t frame[FRAME];
	struct sl_port q;
	int fd;

	namespace();
	eal(&config, 2);
	p = sl_port_open(&config, 1, 2, pool, error);
	cr_assert_not_null(p, "%s", error);
	q = sl_port_queues(p);
	fd = packet_socket("pb");
	for (uint16_t flow = 1; flow <= 64; flow++) {
		make_frame(frame, flow, 0, 200 + flow);
		cr_assert_eq(write(fd, frame, 200u + flow), 200 + flow);
		struct rte_mbuf *m = receive(&q, 200u + flow, per_queue);

		cr_assert_not_null(m);
		rte_pktmbuf_free(m);
	}
	cr_expect_gt(per_queue[0], 8);
	cr_expect_gt(per_queue[1], 8);
	close(fd);
	sl_port_close(p);
}

Test(port, refusals_say_what_to_do)
{
	static const struct {
		const char *setup, *device, *words;
	} cases[] = {
		{"ip addr add 192.0.2.1/24 dev pa", "pa", "192.0.2.1"},
		{"ip addr flush dev pa; ip addr add 2001:db8::1/64 dev pa nodad", "pa", "2001:db8::1"},
		{"ip addr flush dev pa", "nosuch", "no interface nosuch"},
		{"true", "averyveryverylongname", "no interface averyveryverylongname"},
	};
	struct sl_config_port config = af_packet(1500);
	char error[SL_PORT_ERROR_LEN];

	namespace();
	run("ip link set pa up; ethtool -K pa gro on");
	eal(&config, 1);
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		run(cases[i].setup);
		config.device_arg = cases[i].device;
		cr_expect_null(sl_port_open(&config, 1, 1, pool, error));
		cr_expect(strstr(error, cases[i].words), "%s: %s", cases[i].words, error);
		cr_expect(strstr(error, "port lan0"), "%s", error);
		cr_expect_eq(setting("/proc/sys/net/ipv6/conf/pa/disable_ipv6"), 0);
		cr_expect_eq(ethtool_get("pa", ETHTOOL_GGRO), 1);
	}
}

Test(port, interface_that_is_down_comes_up_and_goes_down_again)
{
	struct sl_config_port config = af_packet(1600);
	char error[SL_PORT_ERROR_LEN];
	struct sl_open_port *p;

	namespace();
	run("ip link set pb mtu 9000");
	eal(&config, 1);
	p = sl_port_open(&config, 1, 1, pool, error);
	cr_assert_not_null(p, "%s", error);
	cr_expect_eq(system("ip link show dev pa | grep -q 'ALLMULTI.*UP.*mtu 1600'"), 0);
	cr_expect_eq(sl_port_set_mtu(p, 1700), 0);
	cr_expect_eq(system("ip link show dev pa | grep -q 'mtu 1700'"), 0);
	cr_expect_eq(sl_port_set_mtu(p, 9000), -ERANGE);
	sl_port_close(p);
	cr_expect_eq(system("ip link show dev pa | grep -q 'UP.*mtu'"), 256);
	cr_expect_eq(system("ip link show dev pa | grep -q 'mtu 1500'"), 0);
}

Test(port, vdev_and_tap)
{
	struct sl_config_port config = {
		.name = "n0", .device_kind = SL_DEVICE_VDEV, .device = "net_null0,size=100", .device_arg = "net_null0,size=100",
		.mtu = 1500, .gateway4.family = SL_AF_INET};
	char error[SL_PORT_ERROR_LEN];
	struct sl_open_port *p, *tap;
	struct sl_if ifp = {0};
	struct rte_mbuf *m;

	namespace();
	eal(&config, 2);
	p = sl_port_open(&config, 1, 2, pool, error);
	cr_assert_not_null(p, "%s", error);
	cr_expect_null(sl_port_open(&config, 1, 2, pool, error));
	cr_expect(strstr(error, "same device"), "%s", error);
	sl_port_fill_if(p, &config, &ifp);
	cr_expect(ifp.outside);
	cr_assert_eq(rte_eth_rx_burst(sl_port_queues(p).port, 0, &m, 1), 1);
	rte_pktmbuf_free(m);
	config = (struct sl_config_port){
		.name = "t0", .device_kind = SL_DEVICE_TAP, .device = "tap:sltap", .device_arg = "sltap", .mtu = 1400};
	tap = sl_port_open(&config, 2, 2, pool, error);
	cr_assert_not_null(tap, "%s", error);
	cr_expect_eq(system("ip link show dev sltap | grep -q 'UP.*mtu 1400'"), 0);
	sl_port_fill_if(tap, &config, &ifp);
	cr_expect_eq(sl_port_queues(tap).n_rx, 2);
	sl_port_close(tap);
	sl_port_close(p);
}
