/* The longest-prefix-match table against a plain list of prefixes, and its memory. */
#include "dataplane/lpm_table.h"

#include <errno.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "tests/unit/dataplane/qsbr.h"

#define MODEL_MAX 4096

struct model {
	unsigned n;
	struct sl_prefix prefix[MODEL_MAX];
	uint32_t value[MODEL_MAX];
};

static struct rte_rcu_qsbr *rcu;
static struct sl_reclaim reclaim;
static struct sl_lpm *lpm, *second; /* bursts may ask both */
static uint64_t empty_bytes;

static const char *const in_second[] = {"0.0.0.0/1", "1.0.0.0/8", "1.1.0.0/16", "10.1.2.0/24", "::/1", "11::/16"};

static struct sl_prefix prefix(const char *text)
{
	struct sl_prefix p;

	cr_assert(sl_prefix_parse(text, &p), "%s", text);
	return p;
}

static void setup(void)
{
	rcu = test_qsbr(1);
	sl_reclaim_init(&reclaim, rcu);
	cr_assert_eq(sl_lpm_create(&lpm, &reclaim, 0), 0);
	empty_bytes = sl_lpm_memory(lpm);
	cr_assert_eq(sl_lpm_create(&second, &reclaim, 0), 0);
	for (unsigned i = 0; i < sizeof(in_second) / sizeof(*in_second); i++) {
		struct sl_prefix p = prefix(in_second[i]);

		cr_assert_eq(sl_lpm_set(second, &p, 1000 + i, NULL), 0);
	}
}

static void teardown(void)
{
	sl_lpm_destroy(lpm);
	sl_lpm_destroy(second);
	sl_reclaim_drain(&reclaim);
	cr_expect_eq(reclaim.pending, 0);
	free(rcu);
}

TestSuite(lpm, .init = setup, .fini = teardown);

static uint64_t random_u64(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static struct sl_ip ip(const char *text)
{
	struct sl_ip a;

	cr_assert(sl_ip_parse(text, &a), "%s", text);
	return a;
}

static int model_find(const struct model *m, const struct sl_prefix *p)
{
	for (unsigned i = 0; i < m->n; i++) {
		if (sl_prefix_equal(&m->prefix[i], p))
			return (int)i;
	}
	return -1;
}

static uint32_t model_lookup(const struct model *m, const struct sl_ip *a, unsigned max_len, uint8_t *len)
{
	uint32_t best = 0;
	int best_len = -1;

	for (unsigned i = 0; i < m->n; i++) {
		const struct sl_prefix *p = &m->prefix[i];

		if (p->len <= max_len && (int)p->len > best_len && sl_prefix_contains(p, a)) {
			best = m->value[i];
			best_len = p->len;
		}
	}
	*len = best_len < 0 ? 0 : (uint8_t)best_len;
	return best;
}

/* Few byte values, so that prefixes nest, collide and fill nodes; now and then any. */
static uint8_t random_byte(uint64_t *s, unsigned spread)
{
	uint64_t r = random_u64(s);

	switch (r % 8) {
	case 0:
		return (uint8_t)(r >> 8);
	case 1:
		return (uint8_t)(1u << (r >> 8 & 7));
	case 2:
		return 255;
	default:
		return (uint8_t)((r >> 8) % spread);
	}
}

static struct sl_ip random_ip(uint64_t *s, uint8_t family, unsigned spread)
{
	struct sl_ip a = {.family = family};

	for (unsigned i = 0; i < sl_family_bytes(family); i++)
		a.bytes[i] = i < 6 && family == SL_AF_INET6 ? (uint8_t)(i * 17 * (random_u64(s) % 16 != 0))
		                                            : random_byte(s, spread);
	return a;
}

static void model_set(struct model *m, const struct sl_prefix *p, uint32_t value)
{
	int at = model_find(m, p);
	uint32_t old = 12345;

	cr_assert_eq(sl_lpm_set(lpm, p, value, &old), 0);
	cr_assert_eq(old, at < 0 ? 0 : m->value[at]);
	if (at < 0) {
		cr_assert_lt(m->n, MODEL_MAX);
		at = (int)m->n++;
		m->prefix[at] = *p;
		sl_prefix_mask(&m->prefix[at]);
	}
	m->value[at] = value;
}

static void model_remove(struct model *m, const struct sl_prefix *p)
{
	int at = model_find(m, p);
	uint32_t old = 12345;

	if (at < 0) {
		cr_assert_eq(sl_lpm_remove(lpm, p, &old), -ENOENT);
		return;
	}
	cr_assert_eq(sl_lpm_remove(lpm, p, &old), 0);
	cr_assert_eq(old, m->value[at]);
	m->n--;
	m->prefix[at] = m->prefix[m->n];
	m->value[at] = m->value[m->n];
}

static void check_address(const struct model *m, const struct sl_ip *a, uint64_t *s)
{
	unsigned max_len = (unsigned)(random_u64(s) % (sl_family_bits(a->family) + 1));
	uint8_t len, want_len;
	uint32_t want = model_lookup(m, a, 128, &want_len);

	cr_assert_eq(sl_lpm_lookup(lpm, a), want);
	cr_assert_eq(sl_lpm_lookup_shorter(lpm, a, 128, &len), want);
	cr_assert_eq(len, want_len);
	want = model_lookup(m, a, max_len, &want_len);
	cr_assert_eq(sl_lpm_lookup_shorter(lpm, a, max_len, &len), want, "max_len %u", max_len);
	cr_assert_eq(len, want_len);
}

/* The burst of IPv4 addresses alone against single lookups. */
static void check_burst4(const struct sl_ip *a, unsigned n)
{
	uint32_t addrs[77], values[78];

	for (unsigned i = 0; i < n; i++)
		memcpy(&addrs[i], a[i].bytes, sizeof(addrs[i]));
	for (unsigned way = 0; way < 4; way++) {
		bool compact = atomic_exchange(&lpm->compact, way % 2);
		uint32_t otherwise = way / 2 * 99;

		memset(values, 0xff, sizeof(values));
		sl_lpm_lookup4_burst(lpm, otherwise, addrs, values, n);
		for (unsigned i = 0; i < n; i++) {
			uint32_t want = sl_lpm_lookup(lpm, &a[i]);

			cr_assert_eq(values[i], want != 0 ? want : otherwise, "%u of %u", i, n);
		}
		cr_assert_eq(values[n], UINT32_MAX);
		atomic_store(&lpm->compact, compact);
	}
}

/* Addresses at the edges of the model's prefixes and others, one by one and in a burst over both families. */
static void check_lookups(const struct model *m, uint8_t family, uint64_t *s, unsigned spread)
{
	struct sl_ip a[77];
	struct sl_lpm_key keys[77];
	uint32_t values[77];
	unsigned mixed = (unsigned)(random_u64(s) % 3); /* of seven keys so many ask the second table */

	for (unsigned i = 0; i < 77; i++) {
		a[i] = random_ip(s, family, spread);
		if (m->n > 0 && i % 2 == 0) {
			a[i] = m->prefix[random_u64(s) % m->n].addr;
			a[i].bytes[random_u64(s) % sl_family_bytes(family)] ^= (uint8_t)(i % 4 == 0 ? 0 : 1 << i % 8);
		}
		if (i % 5 == 4)
			a[i] = a[i - 1]; /* as packets of one flow */
		check_address(m, &a[i], s);
		keys[i] = (struct sl_lpm_key){
		        i % 13 == 5 ? NULL : lpm, a[i].bytes, i % 17 == 6 ? SL_AF_NONE : a[i].family};
		if (keys[i].table != NULL && i % 7 < mixed)
			keys[i].table = second;
	}
	if (family == SL_AF_INET)
		check_burst4(a, (unsigned)(random_u64(s) % 78));
	for (unsigned way = 0; way < 2; way++) {
		bool compact = atomic_exchange(&lpm->compact, way);

		atomic_store(&second->compact, way);
		sl_lpm_lookup_burst(keys, values, 77);
		for (unsigned i = 0; i < 77; i++) {
			bool asked = keys[i].table != NULL && keys[i].family != SL_AF_NONE;

			cr_assert_eq(values[i], asked ? sl_lpm_lookup(keys[i].table, &a[i]) : 0);
		}
		atomic_store(&lpm->compact, compact);
	}
}

struct seen {
	const struct model *m;
	unsigned n;
	unsigned budget;
	struct sl_prefix last;
	int first_len;
};

static bool see(void *ctx, const struct sl_prefix *p, uint32_t value)
{
	struct seen *seen = ctx;
	int at = model_find(seen->m, p);

	cr_assert_geq(at, 0);
	cr_assert_eq(seen->m->value[at], value);
	cr_assert_eq(sl_lpm_get(lpm, p), value);
	if (seen->n > 0) {
		int c = memcmp(seen->last.addr.bytes, p->addr.bytes, 16);

		cr_assert(c < 0 || (c == 0 && seen->last.len < p->len), "walk out of order");
	}
	seen->last = *p;
	seen->n++;
	return seen->n % seen->budget != 0;
}

/* In slices of `budget` each prefix comes exactly once. */
static void check_walk(const struct model *m, uint8_t family, unsigned budget)
{
	struct seen seen = {.m = m, .budget = budget};
	bool done = sl_lpm_walk(lpm, family, NULL, see, &seen);

	while (!done) {
		struct sl_prefix after = seen.last;

		done = sl_lpm_walk(lpm, family, &after, see, &seen);
	}
	cr_assert_eq(seen.n, m->n);
	cr_assert_eq(sl_lpm_count(lpm), m->n);
}

/* Random changes at a table of about `target` prefixes, then all away. batch: changes between begin and commit. */
static void run_model(uint8_t family, uint64_t seed, unsigned spread, unsigned target, unsigned changes, unsigned batch)
{
	struct model *m = calloc(1, sizeof(*m));
	uint64_t s = seed;

	cr_assert_not_null(m);
	for (unsigned i = 0; i < changes; i++) {
		struct sl_prefix p = {.addr = random_ip(&s, family, spread)};

		if (batch > 0 && i % batch == 0)
			sl_lpm_begin(lpm);
		p.len = (uint8_t)(random_u64(&s) % (sl_family_bits(family) + 1));
		if (random_u64(&s) % 3 == 0)
			p.len = (uint8_t)(p.len & ~7u);
		if (m->n > 0 && random_u64(&s) % 4 == 0)
			p = m->prefix[random_u64(&s) % m->n];
		if (m->n >= MODEL_MAX - 1 || random_u64(&s) % (2 * target) < m->n) {
			if (m->n > 0 && random_u64(&s) % 8 != 0)
				p = m->prefix[random_u64(&s) % m->n];
			model_remove(m, &p);
		} else {
			model_set(m, &p, (uint32_t)(random_u64(&s) % 4 + 1));
		}
		if (batch > 0 && i % batch == batch - 1)
			sl_lpm_commit(lpm);
		if (i % 3 == 0)
			sl_reclaim_poll(&reclaim);
		if (i % 64 == 63)
			check_lookups(m, family, &s, spread);
		if (i % 512 == 511)
			check_walk(m, family, 1 + (unsigned)(random_u64(&s) % 50));
	}
	check_walk(m, family, 100);
	while (m->n > 0)
		model_remove(m, &m->prefix[random_u64(&s) % m->n]);
	sl_reclaim_drain(&reclaim);
	cr_expect_eq(sl_lpm_count(lpm), 0);
	cr_expect_lt(sl_lpm_memory(lpm), empty_bytes + 4096, "%lu bytes left of %lu", sl_lpm_memory(lpm), empty_bytes);
	for (unsigned i = 0; i < SL_LPM_ZEROS; i++)
		cr_assert_eq(lpm->base[i], 0, "byte %u of what stays zero", i);
	free(m);
}

Test(lpm, model_ipv4)
{
	for (unsigned seed = 1; seed <= 12; seed++)
		run_model(SL_AF_INET, seed, 2 + seed % 5 * seed, 50 + 60 * seed, 6000, 0);
}

Test(lpm, model_ipv6)
{
	for (unsigned seed = 1; seed <= 12; seed++)
		run_model(SL_AF_INET6, seed, 2 + seed % 4, 50 + 60 * seed, 6000, 0);
}

Test(lpm, model_in_batches)
{
	for (unsigned seed = 1; seed <= 6; seed++) {
		run_model(SL_AF_INET, seed, 3, 400, 6400, 64);
		run_model(SL_AF_INET6, seed, 3, 400, 6400, 64);
	}
}

/* Nodes become plain arrays and back; the values of neighbours are the same or not. */
Test(lpm, full_nodes)
{
	struct model *m = calloc(1, sizeof(*m));
	uint64_t s = 7;

	cr_assert_not_null(m);
	for (unsigned round = 0; round < 4; round++) {
		for (unsigned i = 0; i < 256; i++) {
			struct sl_prefix p = prefix("10.1.2.0/32");

			p.addr.bytes[3] = (uint8_t)(i * 77);
			model_set(m, &p, round % 2 == 0 ? i + 1 : i / 16 + 1);
			if (i % 4 == 0) {
				p.len = (uint8_t)(25 + i / 4 % 7);
				model_set(m, &p, 1000 + i);
			}
			if (i % 16 == 0)
				check_lookups(m, SL_AF_INET, &s, 256);
		}
		check_walk(m, SL_AF_INET, 1000);
		while (m->n > 20)
			model_remove(m, &m->prefix[random_u64(&s) % m->n]);
		check_lookups(m, SL_AF_INET, &s, 256);
	}
	free(m);
}

/* Which kinds of node stand at which depth, and whether edges lead to edges. */
struct kinds {
	unsigned at[5][4];
	unsigned edge_to_edge;
	unsigned edge_above_node; /* and ends above depth 3 */
};

static void count_kinds(struct kinds *k, uint64_t slot, unsigned depth)
{
	uint32_t ref = sl_lpm_child(slot);
	enum sl_lpm_kind kind = sl_lpm_kind(ref);

	k->at[depth][kind]++;
	if (kind == SL_LPM_EDGE) {
		const struct sl_lpm_edge *e = sl_lpm_node(lpm->base, ref);
		enum sl_lpm_kind next = sl_lpm_kind(sl_lpm_ref(e->slot));

		k->edge_to_edge += next == SL_LPM_EDGE;
		k->edge_above_node += depth > 0 && e->len < 24 && (next == SL_LPM_SPARSE || next == SL_LPM_DIRECT);
		count_kinds(k, e->slot, e->len / 8);
	} else if (kind != SL_LPM_NONE) {
		for (unsigned pos = 0; pos < SL_LPM_FANOUT; pos++)
			count_kinds(k, sl_lpm_node_slot(lpm->base, ref, (uint8_t)pos), depth + 1);
	}
}

/* IPv4 prefixes under a few beginnings of `common` bytes: nodes of many kinds at many depths. */
static void grow(struct model *m, uint64_t *s, unsigned common, unsigned n)
{
	struct sl_ip begin = random_ip(s, SL_AF_INET, 256);

	for (unsigned i = 0; i < n; i++) {
		struct sl_prefix p = {.addr = random_ip(s, SL_AF_INET, 256)};

		memcpy(p.addr.bytes, begin.bytes, common);
		if (random_u64(s) % 8 == 0)
			begin = random_ip(s, SL_AF_INET, 256);
		p.len = (uint8_t)(8 * common + random_u64(s) % (33 - 8 * common));
		if (random_u64(s) % 2 == 0)
			p.len = (uint8_t)(p.len & ~7u);
		if (random_u64(s) % 4 == 0)
			memset(p.addr.bytes + common, (int)(i % 3), 4 - common);
		model_set(m, &p, i + 1);
	}
}

/* So many prefixes that differ in one byte: arrays further down. */
static void grow_dense(struct model *m, uint64_t *s, unsigned at, unsigned n)
{
	struct sl_prefix p = {.addr = random_ip(s, SL_AF_INET, 256), .len = (uint8_t)(8 * (at + 1))};

	for (unsigned i = 0; i < n; i++) {
		p.addr.bytes[at] = (uint8_t)i;
		model_set(m, &p, i + 1);
	}
}

/* The only SPARSE node that there is at depth 0. */
static void grow_halves(struct model *m)
{
	struct sl_prefix low = prefix("0.0.0.0/1"), high = prefix("128.0.0.0/1");

	model_set(m, &low, 1);
	model_set(m, &high, 2);
}

static bool kinds_complete(const struct kinds *k)
{
	for (unsigned depth = 0; depth < 4; depth++) {
		for (unsigned kind = SL_LPM_NONE; kind <= SL_LPM_EDGE; kind++) {
			if (k->at[depth][kind] == 0)
				return false;
		}
	}
	return k->edge_to_edge > 0 && k->edge_above_node > 0;
}

/* Bursts of 0 to 70 IPv4 addresses in tables that have nodes of all kinds at all depths. */
Test(lpm, burst4_through_all_kinds_of_nodes)
{
	struct model *m = calloc(1, sizeof(*m));
	struct kinds kinds = {0};
	uint64_t s = 21;

	cr_assert_not_null(m);
	for (unsigned round = 0; round < 400; round++) {
		unsigned parts = (unsigned)(random_u64(&s) % 4);

		count_kinds(&kinds, lpm->work[0], 0); /* empty */
		if (round % 16 == 0)
			grow_halves(m);
		if (round % 8 == 1)
			grow_dense(m, &s, 2 + round / 8 % 2, 200);
		for (unsigned i = 0; i <= parts && round % 16 != 0; i++)
			grow(m, &s, (unsigned)(random_u64(&s) % 4),
			        1 + (unsigned)(random_u64(&s) % (1u << random_u64(&s) % 10)));
		count_kinds(&kinds, lpm->work[0], 0);
		check_lookups(m, SL_AF_INET, &s, 256);
		for (unsigned n = 0; n <= 70; n++) {
			struct sl_ip a[70];

			for (unsigned i = 0; i < n; i++) {
				a[i] = m->prefix[random_u64(&s) % m->n].addr;
				a[i].bytes[random_u64(&s) % 4] ^= (uint8_t)(random_u64(&s) % 4);
			}
			check_burst4(a, n);
		}
		while (m->n > 0)
			model_remove(m, &m->prefix[random_u64(&s) % m->n]);
		sl_reclaim_drain(&reclaim);
	}
	cr_expect(kinds_complete(&kinds));
	cr_expect_eq(lpm->work[0], 0);
	free(m);
}

Test(lpm, p44_nesting_and_moves)
{
	struct sl_prefix any = prefix("0.0.0.0/0"), net = prefix("10.0.0.0/8"), host = prefix("10.1.2.3/32");
	struct sl_ip a = ip("10.1.2.3"), b = ip("10.1.2.4"), c = ip("11.0.0.1");
	uint32_t old;

	cr_expect_eq(sl_lpm_set(lpm, &any, 1, NULL), 0);
	cr_expect_eq(sl_lpm_set(lpm, &net, 2, NULL), 0);
	cr_expect_eq(sl_lpm_set(lpm, &host, 3, &old), 0);
	cr_expect_eq(old, 0);
	cr_expect_eq(sl_lpm_lookup(lpm, &a), 3);
	cr_expect_eq(sl_lpm_lookup(lpm, &b), 2);
	cr_expect_eq(sl_lpm_lookup(lpm, &c), 1);
	cr_expect_eq(sl_lpm_set(lpm, &host, 4, &old), 0);
	cr_expect_eq(old, 3);
	cr_expect_eq(sl_lpm_lookup(lpm, &a), 4);
	cr_expect_eq(sl_lpm_remove(lpm, &net, &old), 0);
	cr_expect_eq(old, 2);
	cr_expect_eq(sl_lpm_lookup(lpm, &b), 1);
	cr_expect_eq(sl_lpm_count(lpm), 2);
	a = ip("::1");
	cr_expect_eq(sl_lpm_lookup(lpm, &a), 0, "families are apart");
}

Test(lpm, refuses)
{
	struct sl_prefix p = prefix("10.0.0.0/8"), none = {.len = 0};
	struct sl_ip a = {.family = SL_AF_NONE};

	cr_expect_eq(sl_lpm_set(lpm, &p, 0, NULL), -EINVAL);
	cr_expect_eq(sl_lpm_set(lpm, &none, 1, NULL), -EINVAL);
	cr_expect_eq(sl_lpm_remove(lpm, &none, NULL), -EINVAL);
	cr_expect_eq(sl_lpm_remove(lpm, &p, NULL), -ENOENT);
	p.len = 33;
	cr_expect_eq(sl_lpm_set(lpm, &p, 1, NULL), -EINVAL);
	cr_expect_eq(sl_lpm_get(lpm, &p), 0);
	cr_expect_eq(sl_lpm_lookup(lpm, &a), 0);
	cr_expect_eq(sl_lpm_lookup_shorter(lpm, &a, 128, NULL), 0);
}

Test(lpm, p44_host_bits_are_ignored)
{
	struct sl_prefix p = prefix("10.1.2.3/16"), q = prefix("10.1.9.9/16");
	struct sl_ip a = ip("10.1.200.1");

	cr_expect_eq(sl_lpm_set(lpm, &p, 5, NULL), 0);
	cr_expect_eq(sl_lpm_get(lpm, &q), 5);
	cr_expect_eq(sl_lpm_lookup(lpm, &a), 5);
	cr_expect_eq(sl_lpm_remove(lpm, &q, NULL), 0);
	cr_expect_eq(sl_lpm_count(lpm), 0);
}

/* Readers see an edit only as a whole, and nothing of one that is given up. */
Test(lpm, commit_and_abort)
{
	struct sl_prefix p = prefix("10.0.0.0/8"), q = prefix("fd00::/8");
	struct sl_ip a = ip("10.1.1.1"), b = ip("fd00::1");
	uint64_t bytes;

	cr_expect_eq(sl_lpm_set(lpm, &p, 1, NULL), 0);
	sl_reclaim_drain(&reclaim);
	bytes = sl_lpm_memory(lpm);
	for (unsigned abort = 0; abort < 2; abort++) {
		sl_lpm_begin(lpm);
		for (uint32_t i = 0; i < 1000; i++) {
			struct sl_prefix host = {.addr = sl_ip4(&i), .len = 32};

			cr_assert_eq(sl_lpm_set(lpm, &host, i + 1, NULL), 0);
		}
		cr_expect_eq(sl_lpm_set(lpm, &p, 2, NULL), 0);
		cr_expect_eq(sl_lpm_set(lpm, &q, 3, NULL), 0);
		cr_expect_eq(sl_lpm_lookup(lpm, &a), 1);
		cr_expect_eq(sl_lpm_lookup(lpm, &b), 0);
		cr_expect_eq(sl_lpm_get(lpm, &p), 2);
		cr_expect_eq(sl_lpm_count(lpm), 1002);
		if (abort == 0) {
			sl_lpm_abort(lpm);
			cr_expect_eq(sl_lpm_count(lpm), 1);
			cr_expect_eq(sl_lpm_lookup(lpm, &a), 1);
			cr_expect_eq(sl_lpm_get(lpm, &q), 0);
			sl_reclaim_drain(&reclaim);
			cr_expect_leq(sl_lpm_memory(lpm), bytes + 1024, "abort leaks");
		}
	}
	sl_lpm_commit(lpm);
	cr_expect_eq(sl_lpm_lookup(lpm, &a), 2);
	cr_expect_eq(sl_lpm_lookup(lpm, &b), 3);
}

/* A full table may refuse to give up some prefixes, since it copies nodes, but never all of them. */
static void remove_all_of_full(struct model *m)
{
	sl_reclaim_drain(&reclaim);
	while (m->n > 0) {
		unsigned before = m->n;

		for (unsigned i = m->n; i-- > 0;) {
			int rc = sl_lpm_remove(lpm, &m->prefix[i], NULL);

			sl_reclaim_poll(&reclaim);
			if (rc == -ENOMEM) {
				cr_assert_eq(sl_lpm_get(lpm, &m->prefix[i]), m->value[i]);
				continue;
			}
			cr_assert_eq(rc, 0);
			m->n--;
			m->prefix[i] = m->prefix[m->n];
			m->value[i] = m->value[m->n];
		}
		cr_assert_lt(m->n, before, "a full table gives up none of %u prefixes", before);
	}
	sl_reclaim_drain(&reclaim);
}

/* A table that is full refuses and stays what it was. */
Test(lpm, no_memory)
{
	struct model *m = calloc(1, sizeof(*m));
	struct sl_lpm *big = lpm;
	uint64_t s = 3;
	unsigned refused = 0;

	cr_assert_not_null(m);
	cr_assert_eq(sl_lpm_create(&lpm, &reclaim, 640 << 10), 0);
	for (unsigned i = 0; i < 40000 && refused < 300; i++) {
		struct sl_prefix p = {.addr = random_ip(&s, SL_AF_INET, 256), .len = (uint8_t)(random_u64(&s) % 33)};
		uint32_t was = sl_lpm_get(lpm, &p);
		int rc;

		if (m->n == MODEL_MAX)
			break;
		rc = sl_lpm_set(lpm, &p, i + 1, NULL);
		cr_assert(rc == 0 || rc == -ENOMEM);
		if (rc == 0 && was == 0) {
			m->prefix[m->n] = p;
			sl_prefix_mask(&m->prefix[m->n]);
			m->value[m->n++] = i + 1;
		} else if (rc == 0) {
			m->value[model_find(m, &p)] = i + 1;
		} else {
			cr_assert_eq(sl_lpm_get(lpm, &p), was);
			refused++;
			check_lookups(m, SL_AF_INET, &s, 256);
		}
		if (refused < 100)
			sl_reclaim_poll(&reclaim);
	}
	cr_expect_geq(refused, 300, "the table never filled: %u prefixes", m->n);
	check_walk(m, SL_AF_INET, 1000);
	remove_all_of_full(m);
	cr_expect_lt(sl_lpm_memory(lpm), empty_bytes + 4096, "a refused change leaks");
	sl_lpm_destroy(lpm);
	lpm = big;
	free(m);
}

Test(lpm, small_tables_are_small)
{
	cr_expect_lt(empty_bytes, 4096);
	for (uint32_t i = 0; i < 4; i++) {
		struct sl_prefix p = prefix("10.64.0.0/32"), q = prefix("fd00:64::/128");

		p.addr.bytes[3] = q.addr.bytes[15] = (uint8_t)i;
		cr_assert_eq(sl_lpm_set(lpm, &p, i + 1, NULL), 0);
		cr_assert_eq(sl_lpm_set(lpm, &q, i + 1, NULL), 0);
	}
	sl_reclaim_drain(&reclaim);
	cr_expect_lt(sl_lpm_memory(lpm), 4096, "%lu bytes", sl_lpm_memory(lpm));
	cr_expect(lpm->compact);
}

/* 300,000 scattered /32 and isolated /128: at most 100 bytes each. */
Test(lpm, bytes_per_scattered_prefix)
{
	const uint8_t families[] = {SL_AF_INET, SL_AF_INET6};
	uint64_t s = 11;

	for (unsigned f = 0; f < 2; f++) {
		uint64_t bytes = sl_lpm_memory(lpm), count = sl_lpm_count(lpm);

		sl_lpm_begin(lpm);
		for (unsigned i = 0; i < 300000; i++) {
			struct sl_prefix p = {.addr.family = families[f], .len = (uint8_t)sl_family_bits(families[f])};
			uint64_t r[2] = {random_u64(&s), random_u64(&s)};

			memcpy(p.addr.bytes, r, sl_family_bytes(families[f]));
			cr_assert_eq(sl_lpm_set(lpm, &p, i + 1, NULL), 0);
		}
		sl_lpm_commit(lpm);
		cr_expect_not(lpm->compact);
		sl_reclaim_drain(&reclaim);
		bytes = (sl_lpm_memory(lpm) - bytes) / (sl_lpm_count(lpm) - count);
		cr_expect_leq(bytes, 100, "%lu bytes per prefix, family %u", bytes, families[f]);
	}
}
