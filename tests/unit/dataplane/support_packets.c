#include <netinet/in.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <rte_ether.h>

#include "crypto/aead_single.h"
#include "crypto/bytes.h"
#include "tests/unit/dataplane/support.h"

static size_t
ip4_header(uint8_t *out, const struct rig_flow *f, size_t len)
{
	struct rte_ipv4_hdr ip = {
		.version_ihl = 0x45,
		.type_of_service = f->tos,
		.total_length = rte_cpu_to_be_16((uint16_t)(sizeof(ip) + len)),
		.packet_id = rte_cpu_to_be_16(f->id),
		.fragment_offset = rte_cpu_to_be_16(f->df ? RTE_IPV4_HDR_DF_FLAG : 0),
		.time_to_live = f->ttl ? f->ttl : 64,
		.next_proto_id = f->proto ? f->proto : IPPROTO_UDP,
	};
	struct sl_ip src = rig_ip(f->src), dst = rig_ip(f->dst);

	memcpy(&ip.src_addr, src.bytes, 4);
	memcpy(&ip.dst_addr, dst.bytes, 4);
	ip.hdr_checksum = rte_ipv4_cksum(&ip);
	memcpy(out, &ip, sizeof(ip));
	return sizeof(ip);
}

static size_t
ip6_header(uint8_t *out, const struct rig_flow *f, size_t len)
{
	struct rte_ipv6_hdr ip = {
		.vtc_flow = rte_cpu_to_be_32(6u << 28 | (uint32_t)f->tos << 20),
		.payload_len = rte_cpu_to_be_16((uint16_t)len),
		.proto = f->proto ? f->proto : IPPROTO_UDP,
		.hop_limits = f->ttl ? f->ttl : 64,
	};
	struct sl_ip src = rig_ip(f->src), dst = rig_ip(f->dst);

	memcpy(ip.src_addr, src.bytes, 16);
	memcpy(ip.dst_addr, dst.bytes, 16);
	memcpy(out, &ip, sizeof(ip));
	return sizeof(ip);
}

size_t
rig_ip_packet(uint8_t *out, const struct rig_flow *f, const void *payload, size_t len)
{
	size_t hdr = strchr(f->src, ':') ? ip6_header(out, f, len) : ip4_header(out, f, len);

	cr_assert_leq(hdr + len, (size_t)RIG_PACKET);
	if (len > 0)
		memcpy(out + hdr, payload, len);
	return hdr + len;
}

/* The UDP checksum by DPDK's own arithmetic, so that ours is held against another. */
static uint16_t
udp_sum(const uint8_t *packet, const struct rte_udp_hdr *udp)
{
	uint16_t sum = packet[0] >> 4 == 4 ? rte_ipv4_udptcp_cksum((const struct rte_ipv4_hdr *)packet, udp)
					   : rte_ipv6_udptcp_cksum((const struct rte_ipv6_hdr *)packet, udp);

	return sum ? sum : 0xffff;
}

size_t
rig_udp(uint8_t *out, const struct rig_flow *f, const void *payload, size_t len)
{
	struct rte_udp_hdr udp = {
		.src_port = rte_cpu_to_be_16(f->sport),
		.dst_port = rte_cpu_to_be_16(f->dport),
		.dgram_len = rte_cpu_to_be_16((uint16_t)(sizeof(udp) + len)),
	};
	uint8_t datagram[RIG_PACKET];
	size_t total;

	memcpy(datagram, &udp, sizeof(udp));
	if (len > 0)
		memcpy(datagram + sizeof(udp), payload, len);
	total = rig_ip_packet(out, f, datagram, sizeof(udp) + len);
	if (!f->no_udp_sum)
		rig_fix_checksums(out);
	return total;
}

void
rig_fix_checksums(uint8_t *packet)
{
	bool v4 = packet[0] >> 4 == 4;
	size_t hdr = v4 ? (packet[0] & 0xf) * 4u : sizeof(struct rte_ipv6_hdr);
	uint8_t proto = v4 ? packet[9] : packet[6];

	if (v4) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)packet;

		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
	if (proto == IPPROTO_UDP) {
		struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(packet + hdr);

		udp->dgram_cksum = 0;
		udp->dgram_cksum = udp_sum(packet, udp);
	}
}

size_t
rig_ether(const struct rig *r, uint8_t *out, uint16_t in_if, const struct rte_ether_addr *dst, uint16_t type,
	const void *packet, size_t len)
{
	struct rte_ether_hdr eth = {
		.dst_addr = dst ? *dst : r->ifs[in_if].mac,
		.src_addr = {{0x02, 0xbb, 0, 0, 0, 1}},
		.ether_type = rte_cpu_to_be_16(type),
	};

	memcpy(out, &eth, sizeof(eth));
	memcpy(out + sizeof(eth), packet, len);
	return sizeof(eth) + len;
}

size_t
rig_data(uint8_t *out, const struct rig_session *s, uint64_t counter, const void *plain, size_t len, size_t padded)
{
	uint8_t padding[RIG_PACKET] = {0};

	if (padded == 0)
		padded = (len + SL_PADDING_MULTIPLE - 1) / SL_PADDING_MULTIPLE * SL_PADDING_MULTIPLE;
	if (len > 0)
		memcpy(padding, plain, len);
	sl_store_le32(out, SL_MSG_DATA);
	sl_store_le32(out + offsetof(struct sl_msg_data, receiver), s->index);
	sl_store_le64(out + offsetof(struct sl_msg_data, counter), counter);
	sl_aead_seal(out + sizeof(struct sl_msg_data), padding, padded, NULL, 0, counter, s->recv);
	return padded + SL_DATA_OVERHEAD;
}

int
rig_open(uint8_t *out, const struct rig_session *s, const void *msg, size_t len)
{
	const uint8_t *p = msg;

	if (len < SL_DATA_OVERHEAD || sl_load_le32(p) != SL_MSG_DATA || sl_load_le32(p + 4) != s->remote_index)
		return -1;
	if (!sl_aead_open(out, p + sizeof(struct sl_msg_data), len - sizeof(struct sl_msg_data), NULL, 0,
		    sl_load_le64(p + 8), s->send))
		return -1;
	return (int)(len - SL_DATA_OVERHEAD);
}

struct rte_mbuf *
rig_mbuf(struct rig *r, uint16_t in_if, const void *bytes, size_t len, size_t seg)
{
	const uint8_t *p = bytes;
	struct rte_mbuf *head = NULL;

	do {
		struct rte_mbuf *m = rte_pktmbuf_alloc(r->dp->pool);
		size_t part = seg && len > seg ? seg : len;

		cr_assert_not_null(m);
		memcpy(rte_pktmbuf_append(m, (uint16_t)part), p, part);
		p += part;
		len -= part;
		if (head == NULL)
			head = m;
		else
			cr_assert_eq(rte_pktmbuf_chain(head, m), 0);
	} while (len > 0);
	sl_packet_init(head, in_if);
	return head;
}

struct guarded {
	struct rte_mbuf_ext_shared_info shared;
	void *pages;
	size_t size;
};

static void
free_guarded(void *addr, void *opaque)
{
	struct guarded *g = opaque;

	munmap(g->pages, g->size);
	free(g);
}

struct rte_mbuf *
rig_mbuf_guarded(struct rig *r, uint16_t in_if, const void *bytes, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t room = (RTE_PKTMBUF_HEADROOM + len + page - 1) / page * page;
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->dp->pool);
	struct guarded *g = malloc(sizeof(*g));
	uint8_t *pages = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *start;

	cr_assert(m && g && pages != MAP_FAILED);
	cr_assert_eq(mprotect(pages + room, page, PROT_NONE), 0);
	*g = (struct guarded){.pages = pages, .size = room + page};
	g->shared.free_cb = free_guarded;
	g->shared.fcb_opaque = g;
	rte_mbuf_ext_refcnt_set(&g->shared, 1);
	start = pages + room - len - RTE_PKTMBUF_HEADROOM;
	rte_pktmbuf_attach_extbuf(m, start, 0, (uint16_t)(RTE_PKTMBUF_HEADROOM + len), &g->shared);
	rte_pktmbuf_reset_headroom(m);
	if (len > 0)
		memcpy(rte_pktmbuf_append(m, (uint16_t)len), bytes, len);
	sl_packet_init(m, in_if);
	return m;
}

struct rte_mbuf *
rig_wireguard(struct rig *r, uint16_t in_if, const struct rig_flow *flow, const struct rig_session *s, uint64_t counter,
	const void *plain, size_t len)
{
	uint8_t msg[RIG_PACKET], packet[RIG_PACKET];
	size_t n = rig_data(msg, s, counter, plain, len, 0);

	n = rig_udp(packet, flow, msg, n);
	return rig_mbuf(r, in_if, packet, n, 0);
}

size_t
rig_bytes(const struct rte_mbuf *m, uint8_t *out, size_t room)
{
	const void *p;

	cr_assert_leq(m->pkt_len, room);
	p = rte_pktmbuf_read(m, 0, m->pkt_len, out);
	if (p != out && m->pkt_len > 0)
		memcpy(out, p, m->pkt_len);
	return m->pkt_len;
}
