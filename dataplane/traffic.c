#include "dataplane/traffic.h"

#include <netinet/in.h>
#include <stdlib.h>

#include <rte_ip.h>
#include <rte_udp.h>

#include "crypto/wipe.h"
#include "dataplane/ip.h"
#include "dataplane/worker.h"

#define BURST 32

/* --- headers --- */

static unsigned
ip_len(uint8_t family)
{
	return family == SL_AF_INET ? SL_IP4_HDR_MIN : SL_IP6_HDR_LEN;
}

/* Bytes of IP and UDP header. */
static unsigned
hdr_len(uint8_t family)
{
	return ip_len(family) + SL_UDP_HDR_LEN;
}

/* Headers without lengths and checksums. A packet is never fragmented here: control has held its size against the MTU. */
static void
fill_header(uint8_t *at, const struct sl_ip *from, uint16_t port, const struct sl_endpoint *to)
{
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(at + ip_len(from->family));

	if (from->family == SL_AF_INET) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)at;

		*ip = (struct rte_ipv4_hdr){
			.version_ihl = RTE_IPV4_VHL_DEF,
			.fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG),
			.time_to_live = SL_TRAFFIC_TTL,
			.next_proto_id = IPPROTO_UDP,
		};
		memcpy(&ip->src_addr, from->bytes, sizeof(ip->src_addr));
		memcpy(&ip->dst_addr, to->ip.bytes, sizeof(ip->dst_addr));
	} else {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)at;

		*ip = (struct rte_ipv6_hdr){
			.vtc_flow = rte_cpu_to_be_32(6u << 28), .proto = IPPROTO_UDP, .hop_limits = SL_TRAFFIC_TTL};
		memcpy(ip->src_addr, from->bytes, sizeof(ip->src_addr));
		memcpy(ip->dst_addr, to->ip.bytes, sizeof(ip->dst_addr));
	}
	*udp = (struct rte_udp_hdr){.src_port = rte_cpu_to_be_16(port), .dst_port = rte_cpu_to_be_16(to->port)};
}

/*
 * Lengths and checksums of a packet whose payload has `len` bytes, of which those behind the first `summed` are zeros and add
 * nothing to a sum.
 */
static void
finish_header(uint8_t *at, uint8_t family, uint16_t len, uint16_t summed)
{
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(at + ip_len(family));
	uint16_t udp_len = (uint16_t)(sizeof(*udp) + len);
	uint64_t sum;

	udp->dgram_len = rte_cpu_to_be_16(udp_len);
	if (family == SL_AF_INET) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)at;

		ip->total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + udp_len));
		ip->hdr_checksum = sl_ip4_checksum(ip, sizeof(*ip));
		sum = sl_csum_pseudo(family, &ip->src_addr, &ip->dst_addr, IPPROTO_UDP, udp_len);
	} else {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)at;

		ip->payload_len = rte_cpu_to_be_16(udp_len);
		sum = sl_csum_pseudo(family, ip->src_addr, ip->dst_addr, IPPROTO_UDP, udp_len);
	}
	udp->dgram_cksum = sl_csum_fold(sl_csum_add(sum, udp, sizeof(*udp) + summed));
	if (udp->dgram_cksum == 0)
		udp->dgram_cksum = UINT16_MAX; /* RFC 768: zero would say that there is none */
}

static void
make_local(struct rte_mbuf *m)
{
	sl_packet_init(m, SL_IF_NONE);
	sl_packet(m)->flags = SL_PKT_LOCAL;
}

/* --- control --- */

static void
free_traffic(void *ctx, void *ptr)
{
	struct sl_traffic *t = ptr;

	for (unsigned w = 0; w < t->n_workers; w++)
		free(t->lines[w]);
	sl_wipe(t, sizeof(*t));
	free(t);
}

struct sl_traffic *
sl_traffic_create(uint16_t l3_if, uint16_t port, uint16_t n_workers, const struct sl_clock *clock)
{
	struct sl_traffic *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->clock = clock;
	t->l3_if = l3_if;
	t->port = port;
	t->n_workers = n_workers;
	for (unsigned w = 0; w < n_workers; w++) {
		t->lines[w] = calloc(1, sizeof(*t->lines[w]));
		if (t->lines[w] == NULL) {
			free_traffic(NULL, t);
			return NULL;
		}
	}
	return t;
}

void
sl_traffic_publish(struct sl_dataplane *dp, struct sl_traffic *t)
{
	atomic_store_explicit(&dp->traffic, t, memory_order_release);
}

void
sl_traffic_withdraw(struct sl_dataplane *dp, struct sl_traffic *t)
{
	atomic_store_explicit(&dp->traffic, NULL, memory_order_release);
	for (unsigned i = 0; i < SL_TRAFFIC_SESSIONS; i++)
		sl_traffic_set_job(dp, t, i, NULL);
	sl_reclaim_defer(dp->reclaim, &t->node, free_traffic, NULL, t);
}

static void
free_job(void *ctx, void *ptr)
{
	struct sl_traffic_job *job = ptr;

	sl_wipe(job->key, sizeof(job->key));
	free(job);
}

/* How many of the plan's flows are a worker's. */
static uint16_t
flows_of(unsigned worker, unsigned n_workers, unsigned flows)
{
	return worker < flows ? (uint16_t)((flows - worker - 1) / n_workers + 1) : 0;
}

/* `whole` per second over all flows: the share of the flows that are a worker's. */
static uint64_t
share_of(uint64_t whole, unsigned worker, unsigned n_workers, unsigned flows)
{
	uint64_t share = 0;

	for (unsigned f = worker; f < flows; f += n_workers)
		share += sl_traffic_share(whole, f, flows);
	return share;
}

struct sl_traffic_job *
sl_traffic_job_create(const struct sl_traffic *t, const struct sl_traffic_gen_config *cfg, const struct sl_traffic_plan *plan,
	const uint8_t key[SL_TRAFFIC_KEY_LEN], const struct sl_ip *from, const struct sl_endpoint *to, uint64_t now)
{
	size_t size = sizeof(struct sl_traffic_job) + t->n_workers * sizeof(struct sl_traffic_worker_gen);
	struct sl_traffic_job *job = aligned_alloc(alignof(struct sl_traffic_job), size);

	if (job == NULL)
		return NULL;
	memset(job, 0, size);
	memcpy(job->key, key, sizeof(job->key));
	job->family = from->family;
	job->n_workers = t->n_workers;
	for (unsigned f = 0; f < plan->flows; f++)
		fill_header(job->headers[f].bytes, from, t->port, &to[f]);
	for (unsigned w = 0; w < t->n_workers; w++) {
		struct sl_traffic_gen_config mine = *cfg;

		mine.first_flow = (uint16_t)w;
		mine.flow_step = t->n_workers;
		mine.n_flows = flows_of(w, t->n_workers, plan->flows);
		mine.rate = share_of(plan->rate, w, t->n_workers, plan->flows);
		mine.probes = share_of(cfg->probes, w, t->n_workers, plan->flows);
		sl_traffic_gen_begin(&job->workers[w].gen, &mine, plan, now);
		/* without a flow there is nothing to do from the beginning */
		atomic_store_explicit(&job->workers[w].gen.ended, mine.n_flows == 0, memory_order_relaxed);
	}
	return job;
}

void
sl_traffic_set_job(struct sl_dataplane *dp, struct sl_traffic *t, unsigned slot, struct sl_traffic_job *job)
{
	struct sl_traffic_job *old = atomic_exchange_explicit(&t->jobs[slot], job, memory_order_acq_rel);

	if (old)
		sl_reclaim_defer(dp->reclaim, &old->node, free_job, NULL, old);
}

void
sl_traffic_job_stats(const struct sl_traffic_job *job, uint16_t flow, struct sl_traffic_stats *out)
{
	for (unsigned w = 0; w < job->n_workers; w++) {
		const struct sl_traffic_gen *g = &job->workers[w].gen;

		out->sending |= !atomic_load_explicit(&g->ended, memory_order_acquire);
		if (flow == SL_TRAFFIC_FLOW_ALL) {
			out->sent += sl_traffic_gen_total(g);
			out->sent_bytes += atomic_load_explicit(&g->bytes, memory_order_relaxed);
		} else if (flow % job->n_workers == w && flow / job->n_workers < g->cfg.n_flows) {
			out->sent += atomic_load_explicit(&g->sent[flow / job->n_workers], memory_order_relaxed);
		}
	}
}

struct rte_mbuf *
sl_traffic_packet(struct rte_mempool *pool, const struct sl_ip *from, uint16_t port, const struct sl_endpoint *to,
	const void *payload, uint16_t len)
{
	unsigned hdr = hdr_len(from->family);
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t *at = m ? (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(hdr + len)) : NULL;

	if (at == NULL) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	make_local(m);
	fill_header(at, from, port, to);
	memcpy(at + hdr, payload, len);
	finish_header(at, from->family, len, len);
	return m;
}

/* --- worker: sending --- */

static uint64_t
time_of(const struct sl_worker *w, const struct sl_traffic *t)
{
	return t->clock ? sl_clock_read(t->clock) : w->now;
}

/* Writes one packet into an empty buffer. False where it has no room. */
static bool
write_packet(struct rte_mbuf *m, const struct sl_traffic_job *job, const struct sl_traffic_packet *p)
{
	unsigned hdr = hdr_len(job->family);
	uint8_t *at = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(hdr + p->payload));

	if (unlikely(at == NULL))
		return false;
	make_local(m);
	memcpy(at, job->headers[p->header.flow].bytes, hdr);
	sl_traffic_header_write(at + hdr, &p->header, job->key);
	/* never what a buffer held before */
	memset(at + hdr + SL_TRAFFIC_HEADER_LEN, 0, p->payload - SL_TRAFFIC_HEADER_LEN);
	finish_header(at, job->family, p->payload, SL_TRAFFIC_HEADER_LEN);
	return true;
}

/* One burst of a job. What finds no room is not sent, and the numbers behind it are not used: it is the last of its flow. */
static bool
run_job(struct sl_worker *w, struct sl_traffic *t, struct sl_traffic_job *job)
{
	struct sl_traffic_gen *g = &job->workers[w->index].gen;
	struct sl_traffic_packet packets[BURST];
	struct rte_mbuf *m[BURST];
	uint64_t now = time_of(w, t);
	unsigned n, room = RTE_MIN(sl_worker_room(w, SL_STAGE_FORWARD), (unsigned)BURST), sent = 0;

	if (sl_traffic_gen_wait(g, now) > 0 || room == 0 || rte_pktmbuf_alloc_bulk(w->dp->pool, m, room) != 0)
		return false;
	n = sl_traffic_gen_take(g, now, packets, room);
	while (sent < n && write_packet(m[sent], job, &packets[sent]))
		sent++;
	sl_traffic_gen_sent(g, packets, sent);
	sl_worker_enqueue_bulk(w, SL_STAGE_FORWARD, m, sent);
	sl_count(&w->stats.generated, sent);
	rte_pktmbuf_free_bulk(m + sent, room - sent);
	if (unlikely(sent < n))
		atomic_store_explicit(&g->ended, true, memory_order_release);
	return n > 0;
}

/* A job of a slot that is not yet at its end for this worker, or NULL. */
static struct sl_traffic_job *
live_job(const struct sl_worker *w, const struct sl_traffic *t, unsigned slot)
{
	struct sl_traffic_job *job = atomic_load_explicit(&t->jobs[slot], memory_order_acquire);

	return job && !atomic_load_explicit(&job->workers[w->index].gen.ended, memory_order_relaxed) ? job : NULL;
}

bool
sl_traffic_generate(struct sl_worker *w, struct sl_traffic *t)
{
	bool any = false;

	for (unsigned i = 0; i < SL_TRAFFIC_SESSIONS; i++) {
		struct sl_traffic_job *job = live_job(w, t, i);

		if (job)
			any |= run_job(w, t, job);
	}
	return any;
}

uint64_t
sl_traffic_wait(const struct sl_worker *w, const struct sl_traffic *t)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < SL_TRAFFIC_SESSIONS; i++) {
		const struct sl_traffic_job *job = live_job(w, t, i);

		if (job)
			least = RTE_MIN(least, sl_traffic_gen_wait(&job->workers[w->index].gen, time_of(w, t)));
	}
	return least;
}

/* --- worker: receiving --- */

/* A packet for us, as far as it matters here. */
struct local {
	struct sl_ip_info info;
	struct sl_ip_upper upper;
	uint16_t src_port;
	uint8_t *payload;
	uint16_t len;
};

/*
 * Whether it is UDP for the bench's port, in one segment. The UDP checksum is not looked at: the tunnel has authenticated the packet,
 * and measuring packets have a check value of their own.
 */
static bool
parse(const struct sl_traffic *t, struct rte_mbuf *m, struct local *l)
{
	const struct sl_packet *p = sl_packet(m);
	const struct rte_udp_hdr *udp;
	uint16_t len;

	if (p->punt != SL_PUNT_LOCAL || !(p->flags & SL_PKT_DECAPPED) || p->in_if != t->l3_if || m->nb_segs != 1 ||
		sl_ip_hdr_parse_mbuf(m, &l->info) != SL_IP_OK || !sl_ip_upper(m, &l->info, &l->upper) ||
		l->upper.proto != IPPROTO_UDP || l->upper.fragment ||
		l->upper.off + sizeof(*udp) + SL_TRAFFIC_HEADER_LEN > l->info.total_len)
		return false;
	udp = rte_pktmbuf_mtod_offset(m, const struct rte_udp_hdr *, l->upper.off);
	len = rte_be_to_cpu_16(udp->dgram_len);
	if (rte_be_to_cpu_16(udp->dst_port) != t->port || len < sizeof(*udp) + SL_TRAFFIC_HEADER_LEN ||
		l->upper.off + len > l->info.total_len)
		return false;
	l->src_port = rte_be_to_cpu_16(udp->src_port);
	l->payload = rte_pktmbuf_mtod_offset(m, uint8_t *, l->upper.off + sizeof(*udp));
	l->len = (uint16_t)(len - sizeof(*udp));
	return true;
}

/* Sends a probe, whose payload has become an echo, back to where it came from: new headers take the place of the old. */
static void
send_back(struct sl_worker *w, const struct sl_traffic *t, struct rte_mbuf *m, const struct local *l)
{
	struct sl_endpoint to = {.ip = sl_ip_of(l->info.family, l->info.src), .port = l->src_port};
	struct sl_ip from = sl_ip_of(l->info.family, l->info.dst);
	uint8_t *at;

	rte_pktmbuf_adj(m, (uint16_t)(l->upper.off - ip_len(l->info.family)));
	sl_ip_trim(m, hdr_len(l->info.family) + SL_TRAFFIC_HEADER_LEN);
	at = rte_pktmbuf_mtod(m, uint8_t *);
	fill_header(at, &from, t->port, &to);
	finish_header(at, l->info.family, SL_TRAFFIC_HEADER_LEN, SL_TRAFFIC_HEADER_LEN);
	m->ol_flags &= RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT;
	make_local(m);
	sl_worker_enqueue(w, SL_STAGE_FORWARD, m);
}

/* Whether the packet is still on its way to control. */
static bool
sift_one(struct sl_worker *w, struct sl_traffic *t, struct rte_mbuf *m, uint64_t now)
{
	struct local l;
	struct sl_ip from;

	if (!parse(t, m, &l))
		return true;
	from = sl_ip_of(l.info.family, l.info.src);
	switch (sl_traffic_sink_take(&t->sink, t->lines[w->index], l.payload, l.len, &from, now)) {
	case SL_TRAFFIC_COUNTED:
		sl_count(&w->stats.delivered, 1);
		rte_pktmbuf_free(m);
		return false;
	case SL_TRAFFIC_ANSWER:
		send_back(w, t, m, &l);
		return false;
	case SL_TRAFFIC_CONTROL:
		sl_packet(m)->punt = SL_PUNT_TRAFFIC;
		return true;
	case SL_TRAFFIC_REFUSE:
		break;
	}
	sl_worker_drop(w, m, SL_DROP_NOT_FOR_US);
	return false;
}

unsigned
sl_traffic_sift(struct sl_worker *w, struct sl_traffic *t, struct rte_mbuf **pkts, unsigned n)
{
	uint64_t now = time_of(w, t);
	unsigned left = 0;

	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		if (sift_one(w, t, m, now))
			pkts[left++] = m;
	}
	return left;
}
