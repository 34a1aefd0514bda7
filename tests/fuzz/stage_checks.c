/*
 * Checks between the stages: the linker puts these functions before those of the stages that take packets from outside
 * (--wrap), so that a packet which claims more than arrived ends the process where it was let through, and not where
 * some code happens to touch what is beyond. What lengths must be is worked out here from the bytes, not with the
 * dataplane's own parser. Worker's thread.
 */
#include "tests/fuzz/input.h"
#include "tests/unit/dataplane/support.h"

#define IP4_LEN_OFF 2
#define IP6_LEN_OFF 4
#define UDP_LEN_OFF 4
#define IP6_HDR     40
#define UDP_HDR     8

static uint32_t
be16_at(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t
ip_length(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? be16_at(ip + IP4_LEN_OFF) : IP6_HDR + be16_at(ip + IP6_LEN_OFF);
}

/* Every segment within its buffer, and as many bytes in all as they have. */
static void
check_buffers(struct rte_mbuf *m)
{
	uint32_t bytes = 0;
	unsigned segments = 0;

	for (const struct rte_mbuf *seg = m; seg; seg = seg->next, segments++) {
		FUZZ_CHECK((uint32_t)seg->data_off + seg->data_len <= seg->buf_len);
		bytes += seg->data_len;
	}
	FUZZ_CHECK(bytes == m->pkt_len);
	FUZZ_CHECK(segments == m->nb_segs);
}

/* Data at an IP header that was accepted: the packet is as long as that says. */
static void
check_packet(struct rte_mbuf *m)
{
	FUZZ_CHECK(m->data_len >= sizeof(struct rte_ipv4_hdr));
	FUZZ_CHECK(ip_length(rte_pktmbuf_mtod(m, const uint8_t *)) == m->pkt_len);
}

/* Data at a message: it fills the datagram that it came in, and that fits its IP packet. */
static void
check_message(struct rte_mbuf *m)
{
	const uint8_t *message = rte_pktmbuf_mtod(m, const uint8_t *), *udp = message - UDP_HDR;
	const uint8_t *ip = (const uint8_t *)m->buf_addr + sl_packet(m)->outer_off;

	FUZZ_CHECK(ip < udp);
	FUZZ_CHECK(be16_at(udp + UDP_LEN_OFF) == UDP_HDR + m->pkt_len);
	FUZZ_CHECK((uint32_t)(message - ip) + m->pkt_len <= ip_length(ip));
}

#define WRAP(stage, check) \
	void __real_sl_stage_##stage(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n); \
	void __wrap_sl_stage_##stage(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n); \
	void __wrap_sl_stage_##stage(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n) \
	{ \
		for (unsigned i = 0; i < n; i++) { \
			check_buffers(pkts[i]); \
			check(pkts[i]); \
		} \
		__real_sl_stage_##stage(w, pkts, n); \
	}

/* What comes out of a message is no longer than its plaintext was; packets stay in order. */
void __real_sl_stage_decap(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n);
void __wrap_sl_stage_decap(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n);
void
__wrap_sl_stage_decap(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	const struct sl_vector *out = w->stages[SL_STAGE_IP_INPUT];
	struct rte_mbuf *in[SL_VECTOR];
	uint32_t lengths[SL_VECTOR], first = out->n;

	FUZZ_CHECK(n <= SL_VECTOR);
	for (unsigned i = 0; i < n; i++) {
		check_buffers(pkts[i]);
		in[i] = pkts[i];
		lengths[i] = pkts[i]->pkt_len;
	}
	__real_sl_stage_decap(w, pkts, n);
	for (uint32_t k = first, i = 0; k < out->n; k++, i++) {
		while (i < n && in[i] != out->pkts[k])
			i++;
		FUZZ_CHECK(i < n);
		check_packet(out->pkts[k]);
		FUZZ_CHECK(out->pkts[k]->pkt_len <= lengths[i]);
	}
}

WRAP(reassembly, check_packet)
WRAP(outer_udp, check_packet)
WRAP(handshake, check_message)
WRAP(open, check_message)
WRAP(forward, check_packet)
