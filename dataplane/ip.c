#include "dataplane/ip.h"

#include <netinet/in.h>

#include "dataplane/packet.h"

struct ext_hdr {
	uint8_t next;
	uint8_t len; /* in units of 8 bytes, the first 8 not counted */
	uint8_t data[6];
};

static_assert(sizeof(struct ext_hdr) == 8, "the least an extension header can be");

static bool
upper4(const struct rte_mbuf *m, const struct sl_ip_info *info, struct sl_ip_upper *out)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

	*out = (struct sl_ip_upper){
		.proto = info->proto,
		.fragment = info->fragment,
		.first = ((p[6] & 0x1f) | p[7]) == 0,
		.off = info->hdr_len,
	};
	return true;
}

bool
sl_ip_upper(const struct rte_mbuf *m, const struct sl_ip_info *info, struct sl_ip_upper *out)
{
	struct sl_ip_upper u = {.proto = info->proto, .first = true, .off = info->hdr_len};

	if (likely(info->family == SL_AF_INET))
		return upper4(m, info, out);
	for (unsigned walked = 0;; walked++) {
		struct ext_hdr copy;
		const struct ext_hdr *ext;

		if (u.proto != IPPROTO_HOPOPTS && u.proto != IPPROTO_ROUTING && u.proto != IPPROTO_DSTOPTS &&
			u.proto != IPPROTO_FRAGMENT)
			break;
		if (walked == SL_IP6_EXT_MAX || u.off + sizeof(copy) > info->total_len)
			return false;
		ext = rte_pktmbuf_read(m, u.off, sizeof(copy), &copy);
		if (ext == NULL)
			return false;
		if (u.proto == IPPROTO_FRAGMENT) {
			u.fragment = true;
			u.frag_off = u.off;
			u.first = (ext->data[0] | (ext->data[1] & 0xf8)) == 0;
			u.off += sizeof(copy);
			u.proto = ext->next;
			if (!u.first)
				break;
			continue;
		}
		u.off += 8 + 8 * (uint32_t)ext->len;
		u.proto = ext->next;
		if (u.off > info->total_len)
			return false;
	}
	*out = u;
	return true;
}

void
sl_ip_trim_chain(struct rte_mbuf *m, uint32_t len)
{
	struct rte_mbuf *seg = m;
	uint32_t left = len;
	uint16_t kept = 1;

	while (seg->next && left > seg->data_len) {
		left -= seg->data_len;
		seg = seg->next;
		kept++;
	}
	seg->data_len = (uint16_t)left;
	rte_pktmbuf_free(seg->next);
	seg->next = NULL;
	m->nb_segs = kept;
	m->pkt_len = len;
}

/* A sum whose bytes stand at odd places is the sum at even places with its bytes swapped (RFC 1071, 2.B). */
static uint64_t
swap_sum(uint64_t sum)
{
	return rte_bswap16((uint16_t)~sl_csum_fold(sum));
}

uint64_t
sl_csum_add_mbuf(uint64_t sum, const struct rte_mbuf *m, uint32_t off, uint32_t len)
{
	uint32_t done = 0;

	while (m && off >= m->data_len) {
		off -= m->data_len;
		m = m->next;
	}
	for (; m && done < len; m = m->next, off = 0) {
		uint32_t part = RTE_MIN(m->data_len - off, len - done);
		const uint8_t *p = rte_pktmbuf_mtod_offset(m, const uint8_t *, off);

		if (done % 2 == 0)
			sum = sl_csum_add(sum, p, part);
		else
			sum += swap_sum(sl_csum_add(0, p, part));
		done += part;
	}
	return sum;
}

uint16_t
sl_udp_checksum(const struct rte_mbuf *m, const struct sl_ip_info *info, uint32_t off, uint32_t len)
{
	uint64_t sum = sl_csum_pseudo(info->family, info->src, info->dst, IPPROTO_UDP, len);

	return sl_csum_fold(sl_csum_add_mbuf(sum, m, off, len));
}
