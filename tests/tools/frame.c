#include "tests/tools/frame.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define IP_OFFSET sizeof(struct ether_header)
#define TTL	  64
#define BATCH	  64

static uint32_t sum(const void *data, size_t len, uint32_t acc)
{
	const uint8_t *p = data;

	for (size_t i = 0; i + 1 < len; i += 2)
		acc += (uint32_t)p[i] << 8 | p[i + 1];
	if (len % 2)
		acc += (uint32_t)p[len - 1] << 8;
	return acc;
}

static uint16_t fold(uint32_t acc)
{
	while (acc >> 16)
		acc = (acc & 0xffff) + (acc >> 16);
	return htons((uint16_t)~acc);
}

static bool is_ipv4(const struct frame *f)
{
	return (f->data[IP_OFFSET] >> 4) == 4;
}

static size_t udp_offset(const struct frame *f)
{
	return IP_OFFSET + (is_ipv4(f) ? (size_t)(f->data[IP_OFFSET] & 15) * 4 : sizeof(struct ip6_hdr));
}

void frame_udp(struct frame *f, const uint8_t to[ETH_ALEN], const uint8_t from[ETH_ALEN], const union tool_addr *source,
	const union tool_addr *destination, const uint8_t *payload, size_t len)
{
	bool v4 = source->sa.sa_family == AF_INET;
	struct ether_header eth = {.ether_type = htons(v4 ? ETHERTYPE_IP : ETHERTYPE_IPV6)};
	struct udphdr udp = {.dest = v4 ? destination->v4.sin_port : destination->v6.sin6_port};

	memcpy(eth.ether_dhost, to, ETH_ALEN);
	memcpy(eth.ether_shost, from, ETH_ALEN);
	memcpy(f->data, &eth, sizeof(eth));
	if (v4) {
		struct iphdr ip = {.version = 4, .ihl = 5, .ttl = TTL, .protocol = IPPROTO_UDP};

		ip.daddr = destination->v4.sin_addr.s_addr;
		memcpy(f->data + IP_OFFSET, &ip, sizeof(ip));
	} else {
		struct ip6_hdr ip = {.ip6_flow = htonl(6U << 28), .ip6_nxt = IPPROTO_UDP, .ip6_hlim = TTL};

		ip.ip6_dst = destination->v6.sin6_addr;
		memcpy(f->data + IP_OFFSET, &ip, sizeof(ip));
	}
	memcpy(f->data + udp_offset(f), &udp, sizeof(udp));
	if (udp_offset(f) + sizeof(udp) + len > sizeof(f->data))
		tool_die("%zu bytes do not fit into a frame", len);
	memcpy(f->data + udp_offset(f) + sizeof(udp), payload, len);
	frame_set_source(f, source);
	frame_mend(f, len);
}

bool frame_payload(const struct frame *f, size_t *offset, size_t *len)
{
	uint16_t type, udp_len;
	uint8_t protocol;

	if (f->len < IP_OFFSET + sizeof(struct ip6_hdr) + sizeof(struct udphdr))
		return false;
	memcpy(&type, f->data + offsetof(struct ether_header, ether_type), sizeof(type));
	if (type != htons(ETHERTYPE_IP) && type != htons(ETHERTYPE_IPV6))
		return false;
	protocol = f->data[IP_OFFSET + (is_ipv4(f) ? offsetof(struct iphdr, protocol) : offsetof(struct ip6_hdr, ip6_nxt))];
	if (protocol != IPPROTO_UDP)
		return false;
	memcpy(&udp_len, f->data + udp_offset(f) + offsetof(struct udphdr, len), sizeof(udp_len));
	*offset = udp_offset(f) + sizeof(struct udphdr);
	if (ntohs(udp_len) < sizeof(struct udphdr) || udp_offset(f) + ntohs(udp_len) > f->len)
		return false;
	*len = ntohs(udp_len) - sizeof(struct udphdr);
	return true;
}

void frame_set_source(struct frame *f, const union tool_addr *source)
{
	const void *port = is_ipv4(f) ? (const void *)&source->v4.sin_port : &source->v6.sin6_port;

	if (is_ipv4(f))
		memcpy(f->data + IP_OFFSET + offsetof(struct iphdr, saddr), &source->v4.sin_addr, 4);
	else
		memcpy(f->data + IP_OFFSET + offsetof(struct ip6_hdr, ip6_src), &source->v6.sin6_addr, 16);
	memcpy(f->data + udp_offset(f) + offsetof(struct udphdr, source), port, sizeof(uint16_t));
}

void frame_mend(struct frame *f, size_t payload_len)
{
	size_t udp_len = sizeof(struct udphdr) + payload_len, at = udp_offset(f);
	uint16_t be = htons((uint16_t)udp_len), check = 0;
	uint32_t acc = (uint32_t)udp_len + IPPROTO_UDP;

	f->len = at + udp_len;
	memcpy(f->data + at + offsetof(struct udphdr, len), &be, sizeof(be));
	if (is_ipv4(f)) {
		uint8_t *ip = f->data + IP_OFFSET;

		be = htons((uint16_t)(f->len - IP_OFFSET));
		memcpy(ip + offsetof(struct iphdr, tot_len), &be, sizeof(be));
		memset(ip + offsetof(struct iphdr, check), 0, sizeof(check));
		be = fold(sum(ip, at - IP_OFFSET, 0));
		memcpy(ip + offsetof(struct iphdr, check), &be, sizeof(be));
		acc = sum(ip + offsetof(struct iphdr, saddr), 8, acc);
	} else {
		uint8_t *ip = f->data + IP_OFFSET;

		be = htons((uint16_t)udp_len);
		memcpy(ip + offsetof(struct ip6_hdr, ip6_plen), &be, sizeof(be));
		acc = sum(ip + offsetof(struct ip6_hdr, ip6_src), 32, acc);
	}
	memset(f->data + at + offsetof(struct udphdr, check), 0, sizeof(check));
	check = fold(sum(f->data + at, udp_len, acc));
	if (!check)
		check = 0xffff;
	memcpy(f->data + at + offsetof(struct udphdr, check), &check, sizeof(check));
}

int frame_socket(const char *iface)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET};
	/* protocol 0: this socket only sends */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	address.sll_ifindex = (int)if_nametoindex(iface);
	if (fd < 0 || !address.sll_ifindex || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		tool_die("packet socket on %s: %s", iface, strerror(errno));
	return fd;
}

void frame_own_mac(const char *iface, uint8_t mac[ETH_ALEN])
{
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strncpy(request.ifr_name, iface, sizeof(request.ifr_name) - 1);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request))
		tool_die("MAC address of %s: %s", iface, strerror(errno));
	memcpy(mac, request.ifr_hwaddr.sa_data, ETH_ALEN);
	close(fd);
}

void frame_send(int fd, const struct frame *frames, unsigned n)
{
	while (n > 0) {
		struct mmsghdr messages[BATCH] = {0};
		struct iovec parts[BATCH];
		unsigned batch = n < BATCH ? n : BATCH;
		int sent;

		for (unsigned i = 0; i < batch; i++) {
			parts[i] = (struct iovec){.iov_base = (void *)frames[i].data, .iov_len = frames[i].len};
			messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
		}
		sent = sendmmsg(fd, messages, batch, 0);
		if (sent < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
			tool_die("sending a frame: %s", strerror(errno));
		if (sent < 0) {
			tool_sleep_until(tool_now() + TOOL_NSEC_PER_MSEC / 10);
			continue;
		}
		frames += sent;
		n -= (unsigned)sent;
	}
}
