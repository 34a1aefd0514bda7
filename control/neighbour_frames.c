#include "control/neighbour_frames.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>

#include <rte_arp.h>
#include <rte_ip.h>

#include "dataplane/ip.h"

#define ND_HOP_LIMIT   255
#define FRAME_MIN      60 /* without the checksum */
#define OPTION_UNIT    8  /* option lengths count in it */
#define NA_FLAG_ROUTER    0x80
#define NA_FLAG_SOLICITED 0x40
#define NA_FLAG_OVERRIDE  0x20

/* Both messages: ICMPv6 header, flags (an advertisement's), target. */
struct nd_message {
	uint8_t type, code;
	uint16_t checksum;
	uint8_t flags;
	uint8_t reserved[3];
	uint8_t target[16];
} __attribute__((packed));

static_assert(sizeof(struct nd_message) == 24, "RFC 4861 section 4.3");

/* Source or target link-layer address over Ethernet. */
struct nd_option {
	uint8_t type, len;
	struct rte_ether_addr mac;
};

static_assert(sizeof(struct nd_option) == OPTION_UNIT, "RFC 2464 section 6");

struct sl_ip
sl_neighbour_solicited_group(const struct sl_ip *ip)
{
	uint8_t group[16] = {0xff, 0x02, [11] = 0x01, 0xff};

	memcpy(group + 13, ip->bytes + 13, 3);
	return sl_ip6(group);
}

struct sl_ip
sl_neighbour_all_nodes(void)
{
	const uint8_t group[16] = {0xff, 0x02, [15] = 0x01};

	return sl_ip6(group);
}

enum sl_neighbour_parse
sl_neighbour_parse_arp(struct rte_mbuf *m, struct sl_neighbour_message *out)
{
	struct rte_arp_hdr copy;
	const struct rte_arp_hdr *arp = rte_pktmbuf_read(m, 0, sizeof(copy), &copy);
	struct sl_ip target;

	if (!arp || arp->arp_hardware != htons(RTE_ARP_HRD_ETHER) || arp->arp_protocol != htons(RTE_ETHER_TYPE_IPV4) ||
		arp->arp_hlen != RTE_ETHER_ADDR_LEN || arp->arp_plen != sizeof(uint32_t) ||
		!rte_is_valid_assigned_ether_addr(&arp->arp_data.arp_sha))
		return SL_NEIGHBOUR_INVALID;
	if (arp->arp_opcode != htons(RTE_ARP_OP_REQUEST) && arp->arp_opcode != htons(RTE_ARP_OP_REPLY))
		return SL_NEIGHBOUR_OTHER;
	*out = (struct sl_neighbour_message){
		.sender = sl_ip4(&arp->arp_data.arp_sip),
		.has_mac = true,
		.mac = arp->arp_data.arp_sha,
		.override = true,
	};
	target = sl_ip4(&arp->arp_data.arp_tip);
	/* a request for its own address is an announcement (RFC 5227 section 3) */
	out->request = arp->arp_opcode == htons(RTE_ARP_OP_REQUEST) && !sl_ip_equal(&target, &out->sender);
	if (out->request) {
		out->target = target;
	} else {
		out->to = target;
		out->solicited = arp->arp_opcode == htons(RTE_ARP_OP_REPLY) && !sl_ip_equal(&target, &out->sender);
	}
	return SL_NEIGHBOUR_PARSED;
}

/* Looks through the options; false where one has no length or does not fit. */
static bool
parse_options(const uint8_t *p, uint32_t n, uint8_t wanted, struct sl_neighbour_message *out)
{
	while (n > 0) {
		uint32_t len;

		if (n < OPTION_UNIT)
			return false;
		len = p[1] * OPTION_UNIT;
		if (len == 0 || len > n)
			return false;
		if (p[0] == wanted && len == sizeof(struct nd_option)) {
			memcpy(&out->mac, p + offsetof(struct nd_option, mac), sizeof(out->mac));
			out->has_mac = rte_is_valid_assigned_ether_addr(&out->mac);
		}
		p += len;
		n -= len;
	}
	return true;
}

static bool
is_solicited_group(const struct sl_ip *ip)
{
	struct sl_ip group = sl_neighbour_solicited_group(ip);

	return sl_ip_equal(ip, &group);
}

/* RFC 4861 section 7.1.1 */
static bool
parse_solicitation(const struct sl_ip *src, const struct sl_ip *dst, const struct nd_message *msg, uint32_t options,
	struct sl_neighbour_message *out)
{
	out->request = true;
	out->sender = *src;
	out->target = sl_ip6(msg->target);
	if (!parse_options((const uint8_t *)(msg + 1), options, ND_OPT_SOURCE_LINKADDR, out))
		return false;
	return !sl_ip_is_zero(src) || (is_solicited_group(dst) && !out->has_mac);
}

/* RFC 4861 section 7.1.2 */
static bool
parse_advertisement(
	const struct sl_ip *dst, const struct nd_message *msg, uint32_t options, struct sl_neighbour_message *out)
{
	out->sender = sl_ip6(msg->target);
	out->to = *dst;
	out->solicited = msg->flags & NA_FLAG_SOLICITED;
	out->override = msg->flags & NA_FLAG_OVERRIDE;
	if (!parse_options((const uint8_t *)(msg + 1), options, ND_OPT_TARGET_LINKADDR, out))
		return false;
	return !(sl_ip_is_multicast(dst) && out->solicited);
}

enum sl_neighbour_parse
sl_neighbour_parse_nd(struct rte_mbuf *m, struct sl_neighbour_message *out)
{
	const struct nd_message *msg;
	struct sl_ip src, dst, target;
	struct sl_ip_upper upper;
	struct sl_ip_info info;
	uint32_t len;
	bool ok;

	if (rte_pktmbuf_linearize(m) != 0 || sl_ip_hdr_parse_mbuf(m, &info) != SL_IP_OK || info.family != SL_AF_INET6 ||
		!sl_ip_upper(m, &info, &upper) || upper.proto != IPPROTO_ICMPV6 || upper.fragment || info.ttl != ND_HOP_LIMIT)
		return SL_NEIGHBOUR_INVALID;
	len = info.total_len - upper.off;
	if (len < sizeof(struct icmp6_hdr) ||
		sl_csum_fold(sl_csum_add_mbuf(sl_csum_pseudo(SL_AF_INET6, info.src, info.dst, IPPROTO_ICMPV6, len), m,
			upper.off, len)) != 0)
		return SL_NEIGHBOUR_INVALID;
	msg = rte_pktmbuf_mtod_offset(m, const struct nd_message *, upper.off);
	if (msg->code != 0)
		return SL_NEIGHBOUR_INVALID;
	if (msg->type != ND_NEIGHBOR_SOLICIT && msg->type != ND_NEIGHBOR_ADVERT)
		return SL_NEIGHBOUR_OTHER;
	if (len < sizeof(*msg))
		return SL_NEIGHBOUR_INVALID;
	target = sl_ip6(msg->target);
	if (sl_ip_is_multicast(&target))
		return SL_NEIGHBOUR_INVALID;
	src = sl_ip6(info.src);
	dst = sl_ip6(info.dst);
	len -= sizeof(*msg);
	*out = (struct sl_neighbour_message){0};
	ok = msg->type == ND_NEIGHBOR_SOLICIT ? parse_solicitation(&src, &dst, msg, len, out) :
						parse_advertisement(&dst, msg, len, out);
	return ok ? SL_NEIGHBOUR_PARSED : SL_NEIGHBOUR_INVALID;
}

/* The Ethernet header and room for `len` bytes behind it, filled up to the least frame; NULL without room. */
static void *
build_ethernet(struct rte_mbuf *m, const struct rte_ether_addr *src, const struct rte_ether_addr *dst, uint16_t type,
	uint16_t len)
{
	uint16_t total = (uint16_t)RTE_MAX(sizeof(struct rte_ether_hdr) + len, (size_t)FRAME_MIN);
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)rte_pktmbuf_append(m, total);

	if (!eth)
		return NULL;
	memset(eth, 0, total);
	eth->src_addr = *src;
	eth->dst_addr = *dst;
	eth->ether_type = htons(type);
	return eth + 1;
}

static bool
build_arp(struct rte_mbuf *m, uint16_t op, const struct rte_ether_addr *mac, const struct sl_ip *ours,
	const struct sl_ip *target, const struct rte_ether_addr *to_mac)
{
	static const struct rte_ether_addr everyone = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	struct rte_arp_hdr *arp =
		build_ethernet(m, mac, to_mac ? to_mac : &everyone, RTE_ETHER_TYPE_ARP, sizeof(struct rte_arp_hdr));

	if (!arp)
		return false;
	arp->arp_hardware = htons(RTE_ARP_HRD_ETHER);
	arp->arp_protocol = htons(RTE_ETHER_TYPE_IPV4);
	arp->arp_hlen = RTE_ETHER_ADDR_LEN;
	arp->arp_plen = sizeof(uint32_t);
	arp->arp_opcode = htons(op);
	arp->arp_data.arp_sha = *mac;
	memcpy(&arp->arp_data.arp_sip, ours->bytes, sizeof(uint32_t));
	if (to_mac)
		arp->arp_data.arp_tha = *to_mac;
	memcpy(&arp->arp_data.arp_tip, target->bytes, sizeof(uint32_t));
	return true;
}

/* RFC 2464 section 7 */
static struct rte_ether_addr
group_mac(const struct sl_ip *group)
{
	struct rte_ether_addr mac = {{0x33, 0x33}};

	memcpy(mac.addr_bytes + 2, group->bytes + 12, 4);
	return mac;
}

struct nd_build {
	uint8_t type, flags, option;
	const struct rte_ether_addr *mac;
	const struct sl_ip *src, *dst, *target;
	const struct rte_ether_addr *dst_mac; /* NULL: that of the group dst */
};

static bool
build_nd(struct rte_mbuf *m, const struct nd_build *b)
{
	const uint16_t len = sizeof(struct nd_message) + sizeof(struct nd_option);
	struct rte_ether_addr group = group_mac(b->dst);
	struct rte_ipv6_hdr *ip = build_ethernet(
		m, b->mac, b->dst_mac ? b->dst_mac : &group, RTE_ETHER_TYPE_IPV6, (uint16_t)(sizeof(struct rte_ipv6_hdr) + len));
	struct nd_option *option;
	struct nd_message *msg;

	if (!ip)
		return false;
	ip->vtc_flow = htonl(6u << 28);
	ip->payload_len = htons(len);
	ip->proto = IPPROTO_ICMPV6;
	ip->hop_limits = ND_HOP_LIMIT;
	memcpy(ip->src_addr, b->src->bytes, sizeof(ip->src_addr));
	memcpy(ip->dst_addr, b->dst->bytes, sizeof(ip->dst_addr));
	msg = (struct nd_message *)(ip + 1);
	msg->type = b->type;
	msg->flags = b->flags;
	memcpy(msg->target, b->target->bytes, sizeof(msg->target));
	option = (struct nd_option *)(msg + 1);
	option->type = b->option;
	option->len = 1;
	option->mac = *b->mac;
	msg->checksum = sl_csum_fold(
		sl_csum_add(sl_csum_pseudo(SL_AF_INET6, ip->src_addr, ip->dst_addr, IPPROTO_ICMPV6, len), msg, len));
	return true;
}

bool
sl_neighbour_build_request(struct rte_mbuf *m, const struct rte_ether_addr *mac, const struct sl_ip *ours,
	const struct sl_ip *target, const struct rte_ether_addr *to_mac)
{
	struct sl_ip group;

	if (target->family == SL_AF_INET)
		return build_arp(m, RTE_ARP_OP_REQUEST, mac, ours, target, to_mac);
	group = sl_neighbour_solicited_group(target);
	return build_nd(m, &(struct nd_build){
				   .type = ND_NEIGHBOR_SOLICIT,
				   .option = ND_OPT_SOURCE_LINKADDR,
				   .mac = mac,
				   .src = ours,
				   .dst = to_mac ? target : &group,
				   .target = target,
				   .dst_mac = to_mac,
			   });
}

bool
sl_neighbour_build_answer(struct rte_mbuf *m, const struct rte_ether_addr *mac, const struct sl_ip *ours,
	const struct sl_ip *to, const struct rte_ether_addr *to_mac)
{
	struct sl_ip all = sl_neighbour_all_nodes();

	if (ours->family == SL_AF_INET)
		return build_arp(m, to_mac ? RTE_ARP_OP_REPLY : RTE_ARP_OP_REQUEST, mac, ours, to_mac ? to : ours, to_mac);
	return build_nd(m, &(struct nd_build){
				   .type = ND_NEIGHBOR_ADVERT,
				   .flags = NA_FLAG_ROUTER | NA_FLAG_OVERRIDE | (to_mac ? NA_FLAG_SOLICITED : 0),
				   .option = ND_OPT_TARGET_LINKADDR,
				   .mac = mac,
				   .src = ours,
				   .dst = to_mac ? to : &all,
				   .target = ours,
				   .dst_mac = to_mac,
			   });
}
