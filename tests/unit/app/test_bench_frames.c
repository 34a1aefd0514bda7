/* What `sluice bench self` sends, and whether it would notice that something else came out. */
#include <criterion/criterion.h>

#include "app/bench_frames.h"
#include "crypto/init.h"
#include "tests/unit/eal.h"

#define PEERS 5

static struct rte_mempool *pool;
static struct sl_bench_rig *sender, *receiver;

static void
start(void)
{
	struct sl_bench_rig_config cfg = {.peers = PEERS, .mtu = SL_DEFAULT_MTU, .room = 4};

	test_eal_init();
	cr_assert_eq(sl_crypto_init(), 0);
	pool = sl_packet_pool_create("frames", 63, 0, 2000, SOCKET_ID_ANY);
	cr_assert_not_null(pool);
	cr_assert_eq(sl_bench_rig_create(&receiver, &cfg), 0);
	cfg.sender = true;
	cr_assert_eq(sl_bench_rig_create(&sender, &cfg), 0);
}

static void
end(void)
{
	sl_bench_rig_destroy(sender);
	sl_bench_rig_destroy(receiver);
	rte_mempool_free(pool);
}

/* Gives a rig one frame and returns the one that comes out, or NULL. */
static struct rte_mbuf *
through(struct sl_bench_rig *rig, struct rte_mbuf *m, uint16_t port)
{
	sl_worker_receive(rig->w, port, &m, 1);
	sl_worker_run(rig->w, 1000 * SL_NSEC_PER_SEC);
	if (rig->n_out == 0)
		return NULL;
	cr_assert_eq(rig->n_out, 1);
	rig->n_out = 0;
	return rig->out[0];
}

static struct rte_mbuf *
sealed(uint64_t n, uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	sl_frames_clear(sender, m, n, len);
	return through(sender, m, SL_RIG_LAN);
}

static struct rte_mbuf *
opened(uint64_t n, uint64_t counter, uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	sl_frames_sealed(receiver, m, n, counter, len);
	return through(receiver, m, SL_RIG_WAN);
}

static const uint32_t lens[] = {SL_FRAMES_MIN, 64, 65, 1419, 1420};

Test(bench_frames, what_is_sealed_is_right, .init = start, .fini = end)
{
	for (uint64_t n = 0; n < 3 * PEERS; n++) {
		uint32_t len = lens[n % RTE_DIM(lens)];
		struct rte_mbuf *m = sealed(n, len);

		cr_assert_not_null(m);
		cr_expect(sl_frames_sealed_right(sender, m, n, len), "packet %lu of %u bytes", n, len);
		cr_expect_not(sl_frames_sealed_right(sender, m, n + PEERS, len), "another number of the same peer");
		cr_expect_not(sl_frames_sealed_right(sender, m, n + 1, len), "another peer's");
		rte_pktmbuf_free(m);
	}
}

/* Any byte from the outer IP header on. */
Test(bench_frames, a_flipped_bit_of_a_sealed_packet_is_noticed, .init = start, .fini = end)
{
	struct rte_mbuf *m = sealed(7, 64);
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

	for (uint32_t i = RTE_ETHER_HDR_LEN; i < m->pkt_len; i++) {
		p[i] ^= 1;
		cr_expect_not(sl_frames_sealed_right(sender, m, 7, 64), "byte %u", i);
		p[i] ^= 1;
	}
	cr_expect(sl_frames_sealed_right(sender, m, 7, 64));
	rte_pktmbuf_free(m);
}

Test(bench_frames, what_is_opened_is_right, .init = start, .fini = end)
{
	for (uint64_t n = 0; n < 3 * PEERS; n++) {
		uint32_t len = lens[n % RTE_DIM(lens)];
		struct rte_mbuf *m = opened(n, n / PEERS, len);
		uint8_t *p;

		cr_assert_not_null(m, "packet %lu of %u bytes", n, len);
		cr_expect(sl_frames_right(m, PEERS, n, len, 2));
		cr_expect_not(sl_frames_right(m, PEERS, n + 1, len, 2));
		cr_expect_not(sl_frames_right(m, PEERS, n, len, 1), "one hop less");
		p = rte_pktmbuf_mtod(m, uint8_t *);
		for (uint32_t i = RTE_ETHER_HDR_LEN; i < m->pkt_len; i++) {
			p[i] ^= 0x80;
			cr_expect_not(sl_frames_right(m, PEERS, n, len, 2), "byte %u", i);
			p[i] ^= 0x80;
		}
		rte_pktmbuf_free(m);
	}
}

/* A message that came before does not come out. */
Test(bench_frames, a_replay_does_not_arrive, .init = start, .fini = end)
{
	rte_pktmbuf_free(opened(0, 0, 64));
	cr_expect_null(opened(0, 0, 64));
	cr_expect_eq(receiver->w->stats.drops[SL_DROP_REPLAY], 1);
}

Test(bench_frames, imix)
{
	unsigned small = 0, medium = 0, large = 0;

	for (uint64_t n = 0; n < 120; n++) {
		uint32_t len = sl_frames_len(SL_IMIX, n);

		small += len == 64;
		medium += len == 570;
		large += len == 1420;
	}
	cr_expect(small == 70 && medium == 40 && large == 10, "%u %u %u", small, medium, large);
	cr_expect_eq(sl_frames_largest(SL_IMIX), 1420);
	cr_expect_float_eq(sl_frames_mean(SL_IMIX), (7 * 64 + 4 * 570 + 1420) / 12.0, 1e-9);
	cr_expect_eq(sl_frames_mean(512), 512);
}
