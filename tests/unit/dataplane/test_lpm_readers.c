/*
 * Readers of the longest-prefix-match table during changes: whatever they see must be an answer that the table gave
 * before or after some single change.
 */
#include "dataplane/lpm.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "tests/unit/dataplane/qsbr.h"

enum {
	COVER = 1, /* 10.0.0.0/8 and fd00::/8, at times without it */
	B = 2,     /* the specifics are B or C at all times */
	C = 3,
	OTHER = 9, /* whatever comes and goes around them */
	READERS = 2,
	BURST = 40,
};

static struct rte_rcu_qsbr *rcu;
static struct sl_reclaim reclaim;
static struct sl_lpm *lpm;
static atomic_bool stop;
static _Atomic uint64_t bursts;

/* Lengths that end inside and at the edges of nodes. */
static const char *const specifics[] = {"10.1.2.3/32", "10.200.0.0/16", "10.128.64.0/18", "10.33.0.0/17",
        "10.99.99.128/25", "10.14.0.0/15", "fd00:1::1/128", "fd00:2::/32", "fd12:3456:789a:1::/64",
        "fd00:4:0:0:8000::/65", "fd01:203:4::/47"};

#define SPECIFICS (sizeof(specifics) / sizeof(*specifics))

static struct sl_prefix prefixes[SPECIFICS];

static struct sl_prefix parse(const char *text)
{
	struct sl_prefix p;

	cr_assert(sl_prefix_parse(text, &p), "%s", text);
	return p;
}

/* All specifics, single and in bursts. */
static uint64_t read_once(unsigned round)
{
	struct sl_lpm_key keys[BURST];
	uint32_t values[BURST], addrs[BURST];
	uint64_t wrong = 0;
	unsigned n4 = 0;

	for (unsigned i = 0; i < BURST; i++) {
		const struct sl_ip *ip = &prefixes[(i + round) % SPECIFICS].addr;

		keys[i] = (struct sl_lpm_key){lpm, ip->bytes, ip->family};
		if (ip->family == SL_AF_INET)
			memcpy(&addrs[n4++], ip->bytes, sizeof(*addrs));
	}
	sl_lpm_lookup_burst(keys, values, BURST);
	for (unsigned i = 0; i < BURST; i++)
		wrong += values[i] != B && values[i] != C;
	sl_lpm_lookup4_burst(lpm, 0, addrs, values, n4);
	for (unsigned i = 0; i < n4; i++)
		wrong += values[i] != B && values[i] != C;
	for (unsigned i = 0; i < SPECIFICS; i++) {
		uint32_t single = sl_lpm_lookup(lpm, &prefixes[i].addr);
		uint8_t len;
		uint32_t shorter = sl_lpm_lookup_shorter(lpm, &prefixes[i].addr, 8, &len);

		wrong += single != B && single != C;
		wrong += shorter != 0 && (shorter != COVER || len != 8);
	}
	return wrong;
}

static void *reader(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg;
	uint64_t wrong = 0;

	rte_rcu_qsbr_thread_register(rcu, id);
	rte_rcu_qsbr_thread_online(rcu, id);
	for (unsigned round = 0; !atomic_load_explicit(&stop, memory_order_relaxed); round++) {
		wrong += read_once(round);
		atomic_fetch_add_explicit(&bursts, 1, memory_order_relaxed);
		rte_rcu_qsbr_quiescent(rcu, id);
	}
	rte_rcu_qsbr_thread_offline(rcu, id);
	rte_rcu_qsbr_thread_unregister(rcu, id);
	return (void *)(uintptr_t)wrong;
}

static uint64_t random_u64(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* A prefix near a specific that does not contain its address: nodes around it split, fill and collapse. */
static struct sl_prefix near_one(uint64_t *s)
{
	const struct sl_prefix *near = &prefixes[random_u64(s) % SPECIFICS];
	unsigned bits = sl_family_bits(near->addr.family), flip = (unsigned)(random_u64(s) % (bits - 8)) + 8;
	struct sl_prefix p = *near;

	p.addr.bytes[flip / 8] ^= (uint8_t)(0x80 >> flip % 8);
	for (unsigned i = flip / 8 + 1; i < bits / 8; i++)
		p.addr.bytes[i] ^= (uint8_t)(random_u64(s) % 3);
	p.len = (uint8_t)(flip + 1 + random_u64(s) % (bits - flip));
	return p;
}

static struct sl_prefix neighbour(uint64_t *s)
{
	struct sl_prefix p;
	bool clear;

	do {
		p = near_one(s);
		clear = true;
		for (unsigned i = 0; i < SPECIFICS; i++)
			clear &= !sl_prefix_contains(&p, &prefixes[i].addr);
	} while (!clear);
	return p;
}

static void change(uint64_t *s, bool batch)
{
	static const char *const covers[] = {"10.0.0.0/8", "fd00::/8"};
	struct sl_prefix p;

	if (batch)
		sl_lpm_begin(lpm);
	for (unsigned n = batch ? 10 : 1; n > 0; n--) {
		switch (random_u64(s) % 8) {
		case 0:
			p = parse(covers[random_u64(s) % 2]);
			if (sl_lpm_get(lpm, &p) == 0)
				sl_lpm_set(lpm, &p, COVER, NULL);
			else
				sl_lpm_remove(lpm, &p, NULL);
			break;
		case 1:
		case 2:
			sl_lpm_set(lpm, &prefixes[random_u64(s) % SPECIFICS], random_u64(s) % 2 ? B : C, NULL);
			break;
		case 3:
		case 4:
		case 5:
			p = neighbour(s);
			sl_lpm_set(lpm, &p, OTHER, NULL);
			break;
		default:
			p = neighbour(s);
			sl_lpm_remove(lpm, &p, NULL);
		}
	}
	if (batch)
		sl_lpm_commit(lpm);
}

static bool remove_other(void *ctx, const struct sl_prefix *p, uint32_t value)
{
	*(struct sl_prefix *)ctx = *p;
	return value != OTHER;
}

/* Takes all the others away, one by one, so that nodes collapse under the readers. */
static void thin_out(void)
{
	const enum sl_family families[] = {SL_AF_INET, SL_AF_INET6};
	struct sl_prefix p;

	for (unsigned f = 0; f < 2; f++) {
		while (!sl_lpm_walk(lpm, families[f], NULL, remove_other, &p)) {
			cr_assert_eq(sl_lpm_remove(lpm, &p, NULL), 0);
			sl_reclaim_poll(&reclaim);
		}
	}
}

Test(lpm_readers, specifics_are_never_missed)
{
	pthread_t threads[READERS];
	uint64_t s = 5;

	rcu = test_qsbr(READERS);
	sl_reclaim_init(&reclaim, rcu);
	cr_assert_eq(sl_lpm_create(&lpm, &reclaim, 0), 0);
	for (unsigned i = 0; i < SPECIFICS; i++) {
		prefixes[i] = parse(specifics[i]);
		sl_prefix_mask(&prefixes[i]);
		cr_assert_eq(sl_lpm_set(lpm, &prefixes[i], B, NULL), 0);
	}
	for (uintptr_t i = 0; i < READERS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, reader, (void *)i), 0);
	for (unsigned i = 0; i < 150000 || atomic_load(&bursts) < 2000; i++) {
		change(&s, i % 16 == 0);
		sl_reclaim_poll(&reclaim);
		if (i % 10000 == 9999)
			thin_out();
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < READERS; i++) {
		void *wrong;

		pthread_join(threads[i], &wrong);
		cr_expect_eq((uintptr_t)wrong, 0, "%lu wrong answers", (uintptr_t)wrong);
	}
	thin_out();
	sl_lpm_destroy(lpm);
	sl_reclaim_drain(&reclaim);
	cr_expect_eq(reclaim.pending, 0);
	free(rcu);
}
