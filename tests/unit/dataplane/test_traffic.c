/* What workers send and take for `sluice bench`: jobs over workers, packets as they leave, packets to us sorted. */
#include <criterion/criterion.h>

#include "crypto/protocol.h"
#include "dataplane/traffic.h"
#include "tests/unit/dataplane/support.h"

#define PORT  5210
#define ID    UINT32_C(80) /* slot 0 */
#define TRIAL 2

static const uint8_t key[SL_TRAFFIC_KEY_LEN] = "a session's key";
static uint8_t packet[RIG_PACKET];

/* In each family: our address on WG0, and the peer's. */
static const struct {
	const char *ours, *theirs;
	unsigned hdr; /* IP and UDP */
} families[] = {{"10.64.0.1", "10.64.0.2", 28}, {"fd00:64::1", "fd00:64::2", 48}};

struct bench {
	struct rig *r;
	struct sl_traffic *t;
	struct sl_traffic_plan plan;
};

static struct bench
begin(uint16_t workers)
{
	struct bench b = {.r = rig_create(workers)};

	b.t = sl_traffic_create(RIG_WG0, PORT, workers, NULL);
	cr_assert_not_null(b.t);
	b.plan = (struct sl_traffic_plan){.directions = SL_TRAFFIC_BOTH, .flows = 3, .rate = 1000, .duration = SL_NSEC_PER_SEC,
		.n_sizes = 2, .sizes = {{36, 1}, {1001, 1}}};
	sl_traffic_publish(b.r->dp, b.t);
	return b;
}

static void
end(struct bench *b)
{
	sl_traffic_withdraw(b->r->dp, b->t);
	for (uint16_t w = 0; w < b->t->n_workers; w++)
		rig_run(b->r, w);
	rig_reclaim(b->r);
	cr_expect_eq(b->r->dp->reclaim->pending, 0u, "the object and its jobs are freed");
	rig_destroy(b->r);
}

static struct sl_traffic_job *
start_job(struct bench *b, unsigned family, uint64_t probes)
{
	const struct sl_traffic_gen_config cfg = {.session = ID, .trial = TRIAL, .data = true, .probes = probes};
	struct sl_endpoint to[SL_TRAFFIC_FLOWS_MAX];
	struct sl_ip from = rig_ip(families[family].ours);
	struct sl_traffic_job *job;

	for (unsigned f = 0; f < SL_TRAFFIC_FLOWS_MAX; f++)
		to[f] = (struct sl_endpoint){.ip = rig_ip(families[family].theirs), .port = (uint16_t)(7000 + f)};
	job = sl_traffic_job_create(b->t, &cfg, &b->plan, key, &from, to, b->r->now);
	cr_assert_not_null(job);
	sl_traffic_set_job(b->r->dp, b->t, sl_traffic_slot(ID), job);
	return job;
}

/* Dirties the pool's buffers: what they held before must not go out. */
static void
dirty_buffers(struct rig *r)
{
	struct rte_mbuf *m[256];

	cr_assert_eq(rte_pktmbuf_alloc_bulk(r->dp->pool, m, 256), 0);
	for (unsigned i = 0; i < 256; i++)
		memset(m[i]->buf_addr, 0xee, m[i]->buf_len);
	rte_pktmbuf_free_bulk(m, 256);
}

/* Holds one packet of a worker's forward stage against what it must be. Its header. */
static struct sl_traffic_header
check_packet(struct rte_mbuf *m, unsigned family)
{
	const uint8_t *at = rte_pktmbuf_mtod(m, const uint8_t *);
	unsigned hdr = families[family].hdr;
	struct sl_traffic_header h;
	struct sl_ip_info info;
	struct sl_ip src, dst, ours = rig_ip(families[family].ours), theirs = rig_ip(families[family].theirs);

	cr_assert_eq(sl_ip_hdr_parse_mbuf(m, &info), SL_IP_OK);
	cr_assert_eq(info.total_len, m->pkt_len);
	src = sl_ip_of(info.family, info.src);
	dst = sl_ip_of(info.family, info.dst);
	cr_expect(sl_ip_equal(&src, &ours) && sl_ip_equal(&dst, &theirs));
	cr_expect(info.family == SL_AF_INET6 || (sl_ip4_checksum(at, SL_IP4_HDR_MIN) == 0 && info.df));
	cr_expect_eq(sl_udp_checksum(m, &info, hdr - SL_UDP_HDR_LEN, m->pkt_len - hdr + SL_UDP_HDR_LEN), 0);
	cr_assert(sl_traffic_header_read(at + hdr, m->pkt_len - hdr, &h));
	cr_expect(sl_traffic_header_check(at + hdr, key));
	cr_expect_eq(at[hdr - 6] << 8 | at[hdr - 5], h.type == SL_TRAFFIC_ECHO ? 7000 : 7000 + h.flow);
	cr_expect_eq(at[hdr - 8] << 8 | at[hdr - 7], PORT);
	for (unsigned i = hdr + SL_TRAFFIC_HEADER_LEN; i < m->pkt_len; i++)
		cr_assert_eq(at[i], 0, "byte %u of %u", i, m->pkt_len);
	cr_expect_eq(sl_packet(m)->flags, SL_PKT_LOCAL);
	return h;
}

Test(traffic, packets_are_whole_and_carry_nothing_old)
{
	for (unsigned family = 0; family < 2; family++) {
		struct bench b = begin(1);
		uint64_t next[3] = {0}, bytes = 0, n = 0;
		struct sl_traffic_stats st = {0};
		struct sl_traffic_job *job;
		struct rte_mbuf *m;

		dirty_buffers(b.r);
		job = start_job(&b, family, 0);
		b.r->w->now = b.r->now + 20 * SL_NSEC_PER_MSEC;
		cr_expect(sl_traffic_generate(b.r->w, b.t));
		while ((m = rig_take(b.r, SL_STAGE_FORWARD)) != NULL) {
			struct sl_traffic_header h = check_packet(m, family);

			cr_expect_eq(h.session, ID);
			cr_expect_eq(h.trial, TRIAL);
			cr_expect_eq(h.seq, next[h.flow]++);
			cr_expect_eq(h.stamp, b.r->w->now);
			bytes += m->pkt_len - families[family].hdr;
			n++;
			rte_pktmbuf_free(m);
		}
		cr_expect_eq(n, 21u, "20 ms of 1000 a second, and the first at once");
		cr_expect_eq(atomic_load(&b.r->w->stats.generated), 21u);
		sl_traffic_job_stats(job, SL_TRAFFIC_FLOW_ALL, &st);
		cr_expect_eq(st.sent, 21u);
		cr_expect_eq(st.sent_bytes, bytes);
		cr_expect(st.sending);
		st = (struct sl_traffic_stats){0};
		sl_traffic_job_stats(job, 2, &st);
		cr_expect_eq(st.sent, 7u);
		/* nothing more is due at this time, and the worker knows when there will be */
		cr_expect_not(sl_traffic_generate(b.r->w, b.t));
		cr_expect_eq(sl_traffic_wait(b.r->w, b.t), SL_NSEC_PER_MSEC);
		end(&b);
	}
}

Test(traffic, workers_share_the_flows_and_the_rate)
{
	for (uint16_t workers = 1; workers <= 4; workers++) {
		struct bench b = begin(workers);
		struct sl_traffic_job *job = start_job(&b, 0, 10);
		struct sl_traffic_stats st = {0};
		uint64_t flows[3] = {0};

		for (uint64_t ms = 0; ms <= 1100; ms += 10) {
			for (uint16_t i = 0; i < workers; i++) {
				struct sl_worker *w = b.r->dp->workers[i];
				struct sl_vector *v = w->stages[SL_STAGE_FORWARD];

				w->now = b.r->now + ms * SL_NSEC_PER_MSEC;
				while (sl_traffic_generate(w, b.t))
					;
				for (unsigned k = 0; k < v->n; k++)
					flows[check_packet(v->pkts[k], 0).flow] += 1;
				rte_pktmbuf_free_bulk(v->pkts, v->n);
				v->n = 0;
				w->pending = 0;
			}
		}
		sl_traffic_job_stats(job, SL_TRAFFIC_FLOW_ALL, &st);
		cr_expect_eq(st.sent, 1000u, "%u workers: %lu", workers, st.sent);
		cr_expect_not(st.sending);
		for (unsigned f = 0; f < 3; f++)
			cr_expect(flows[f] >= 333 && flows[f] <= 338, "flow %u, %u workers: %lu", f, workers, flows[f]);
		cr_expect_eq(sl_traffic_wait(b.r->w, b.t), UINT64_MAX);
		end(&b);
	}
}

Test(traffic, without_buffers_nothing_is_sent_and_nothing_is_lost)
{
	struct bench b = begin(1);
	static struct rte_mbuf *m[65536];
	unsigned taken = rte_mempool_avail_count(b.r->dp->pool);
	struct sl_traffic_job *job = start_job(&b, 0, 0);
	struct sl_traffic_stats st = {0};

	cr_assert_lt(taken, 65536u);
	cr_assert_eq(rte_pktmbuf_alloc_bulk(b.r->dp->pool, m, taken), 0);
	b.r->w->now = b.r->now + 5 * SL_NSEC_PER_MSEC;
	cr_expect_not(sl_traffic_generate(b.r->w, b.t));
	rte_pktmbuf_free_bulk(m, taken);
	cr_expect(sl_traffic_generate(b.r->w, b.t));
	cr_expect_eq(rig_waiting(b.r, SL_STAGE_FORWARD), 6u);
	sl_traffic_job_stats(job, SL_TRAFFIC_FLOW_ALL, &st);
	cr_expect_eq(st.sent, 6u);
	while ((m[0] = rig_take(b.r, SL_STAGE_FORWARD)) != NULL)
		rte_pktmbuf_free(m[0]);
	end(&b);
}

/* --- receiving --- */

static struct rte_mbuf *
local_packet(struct bench *b, unsigned family, uint16_t dport, const void *payload, size_t len)
{
	const struct rig_flow flow = {families[family].theirs, families[family].ours, 7000, dport};
	struct rte_mbuf *m = rig_mbuf(b->r, RIG_WG0, packet, rig_udp(packet, &flow, payload, len), 0);

	sl_packet(m)->flags = SL_PKT_DECAPPED;
	sl_packet(m)->punt = SL_PUNT_LOCAL;
	return m;
}

static void
open_session(struct bench *b, unsigned family)
{
	struct sl_ip peer = rig_ip(families[family].theirs);

	sl_traffic_sink_open(&b->t->sink, ID, key, &peer);
	sl_traffic_sink_trial(&b->t->sink, ID, TRIAL);
}

static struct rte_mbuf *
measuring_packet(struct bench *b, unsigned family, uint8_t type, uint64_t seq)
{
	const struct sl_traffic_header h = {.type = type, .session = ID, .trial = TRIAL, .flow = 1, .seq = seq, .stamp = 5};
	uint8_t payload[200] = {0};

	sl_traffic_header_write(payload, &h, key);
	return local_packet(b, family, PORT, payload, sizeof(payload));
}

Test(traffic, data_packets_are_counted_and_end_here)
{
	for (unsigned family = 0; family < 2; family++) {
		struct bench b = begin(1);
		struct sl_traffic_stats st = {0};
		struct rte_mbuf *m[4];

		open_session(&b, family);
		for (unsigned i = 0; i < 4; i++)
			m[i] = measuring_packet(&b, family, SL_TRAFFIC_DATA, i == 3 ? 5 : i);
		cr_expect_eq(sl_traffic_sift(b.r->w, b.t, m, 4), 0u);
		sl_traffic_sink_stats(b.t->lines, 1, ID, TRIAL, 1, 3, &st);
		cr_expect_eq(st.received, 4u);
		cr_expect_eq(st.lost, 2u);
		cr_expect_eq(st.received_bytes, 800u);
		cr_expect_eq(atomic_load(&b.r->w->stats.delivered), 4u);
		end(&b);
	}
}

Test(traffic, probes_go_back)
{
	for (unsigned family = 0; family < 2; family++) {
		struct bench b = begin(1);
		struct sl_traffic_header h;
		struct rte_mbuf *m;

		open_session(&b, family);
		m = measuring_packet(&b, family, SL_TRAFFIC_PROBE, 9);
		cr_expect_eq(sl_traffic_sift(b.r->w, b.t, &m, 1), 0u);
		m = rig_take(b.r, SL_STAGE_FORWARD);
		cr_assert_not_null(m);
		h = check_packet(m, family);
		cr_expect_eq(h.type, SL_TRAFFIC_ECHO);
		cr_expect_eq(h.seq, 9u);
		cr_expect_eq(h.stamp, 5u);
		cr_expect_eq(m->pkt_len, families[family].hdr + SL_TRAFFIC_HEADER_LEN);
		rte_pktmbuf_free(m);
		end(&b);
	}
}

/* What is not the bench's goes on to control as it would without it; what only pretends to be is dropped. */
Test(traffic, others_packets_are_left_alone)
{
	enum what { NOT_DECAPPED, OTHER_IF, OTHER_PORT, ARP, FRAGMENT, SHORT_UDP, TOO_SHORT, N_LEFT, WRONG_KEY = N_LEFT, STRANGER,
		N_WHAT };
	struct bench b = begin(1);

	open_session(&b, 0);
	for (unsigned what = 0; what < N_WHAT; what++) {
		struct rte_mbuf *m = measuring_packet(&b, 0, SL_TRAFFIC_DATA, 0), *before = m;
		uint8_t *at = rte_pktmbuf_mtod(m, uint8_t *);

		switch ((enum what)what) {
		case NOT_DECAPPED:
			sl_packet(m)->flags = 0;
			break;
		case OTHER_IF:
			sl_packet(m)->in_if = RIG_WG1;
			break;
		case OTHER_PORT:
			at[23] ^= 1;
			break;
		case ARP:
			sl_packet(m)->punt = SL_PUNT_ARP;
			break;
		case FRAGMENT:
			at[6] = 0x20; /* more fragments */
			break;
		case SHORT_UDP:
			at[24] = 0;
			at[25] = 8 + SL_TRAFFIC_HEADER_LEN - 1;
			break;
		case TOO_SHORT:
			at[24] = 1; /* 256 and more, in a packet that has less */
			break;
		case WRONG_KEY:
			at[28 + SL_TRAFFIC_HEADER_LEN - 1] ^= 1;
			break;
		case STRANGER:
			at[15]++;
			break;
		case N_WHAT:
			break;
		}
		if (what < N_LEFT) {
			cr_assert_eq(sl_traffic_sift(b.r->w, b.t, &m, 1), 1u, "case %u", what);
			cr_assert_eq(m, before);
			cr_expect_neq(sl_packet(m)->punt, SL_PUNT_TRAFFIC);
			rte_pktmbuf_free(m);
		} else {
			cr_assert_eq(sl_traffic_sift(b.r->w, b.t, &m, 1), 0u, "case %u", what);
		}
	}
	cr_expect_eq(rig_drops(b.r, SL_DROP_NOT_FOR_US), (uint64_t)(N_WHAT - N_LEFT));
	cr_expect_eq(atomic_load(&b.r->w->stats.delivered), 0u);
	end(&b);
}

Test(traffic, control_messages_are_marked)
{
	const struct sl_traffic_message hello = {.type = SL_TRAFFIC_HELLO, .nonce = 1};
	struct bench b = begin(1);
	uint8_t bytes[SL_TRAFFIC_CONTROL_LEN];
	struct rte_mbuf *m;

	sl_traffic_message_write(bytes, &hello, NULL);
	m = local_packet(&b, 1, PORT, bytes, sizeof(bytes));
	cr_assert_eq(sl_traffic_sift(b.r->w, b.t, &m, 1), 1u);
	cr_expect_eq(sl_packet(m)->punt, SL_PUNT_TRAFFIC);
	rte_pktmbuf_free(m);
	end(&b);
}

/* Through the whole pass: without a bench a packet for the port goes to control, with one it is counted; all add up. */
Test(traffic, the_pass_adds_up)
{
	struct bench b = begin(1);
	struct rte_mbuf *m;

	sl_traffic_publish(b.r->dp, NULL);
	open_session(&b, 0);
	m = measuring_packet(&b, 0, SL_TRAFFIC_DATA, 0);
	rig_stage(b.r, sl_stage_punt, &m, 1);
	m = rig_take_ring(b.r->dp->to_control);
	cr_assert_not_null(m);
	rte_pktmbuf_free(m);
	sl_traffic_publish(b.r->dp, b.t);
	m = measuring_packet(&b, 0, SL_TRAFFIC_DATA, 0);
	rig_stage(b.r, sl_stage_punt, &m, 1);
	cr_expect_null(rig_take_ring(b.r->dp->to_control));
	cr_expect_eq(atomic_load(&b.r->w->stats.delivered), 1u);
	start_job(&b, 0, 0);
	b.r->now += 5 * SL_NSEC_PER_MSEC;
	rig_run(b.r, 0);
	cr_expect_eq(atomic_load(&b.r->w->stats.generated), 6u);
	rig_check_conservation(b.r, 2);
	end(&b);
}
