#include "bench/tables_set.h"

#include <stdlib.h>

static const char *const names[BENCH_SHAPES] = {
        "ipv4 mixed", "ipv4 /32", "ipv4 /32 far", "ipv6 mixed", "ipv6 /128", "ipv6 /128 far"};

uint64_t bench_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static struct sl_prefix make_prefix(enum bench_shape shape, unsigned i, uint64_t *state)
{
	/* about the shares of the lengths in the Internet's tables */
	static const uint8_t lens4[16] = {24, 24, 24, 24, 24, 24, 24, 24, 22, 23, 20, 21, 19, 16, 28, 32};
	static const uint8_t lens6[16] = {64, 64, 64, 64, 64, 48, 48, 48, 48, 40, 44, 32, 32, 36, 56, 29};
	uint64_t r[3] = {bench_random(state), bench_random(state), bench_random(state)};
	struct sl_prefix p = {.addr.family = SL_AF_INET6, .len = 128};

	memcpy(p.addr.bytes, r, 16);
	switch (shape) {
	case BENCH_IPV4_MIXED:
		p = (struct sl_prefix){sl_ip4(r), lens4[r[2] % 16]};
		p.addr.bytes[0] = (uint8_t)(1 + r[1] % 223);
		break;
	case BENCH_IPV4_HOSTS:
		p = (struct sl_prefix){{SL_AF_INET, {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}}, 32};
		break;
	case BENCH_IPV4_SCATTERED:
		p = (struct sl_prefix){sl_ip4(r), 32};
		break;
	case BENCH_IPV6_MIXED:
		p.len = lens6[r[2] % 16];
		p.addr.bytes[0] = 0x20 + r[1] % 16;
		break;
	case BENCH_IPV6_HOSTS:
		memset(p.addr.bytes, 0, 8);
		p.addr.bytes[7] = r[2] % 8;
		p.addr.bytes[0] = 0xfd;
		break;
	default:
		p.addr.bytes[0] = 0xfd;
	}
	sl_prefix_mask(&p);
	return p;
}

static int by_prefix(const void *a, const void *b)
{
	const struct sl_prefix *x = a, *y = b;
	int c = memcmp(&x->addr, &y->addr, sizeof(x->addr));

	return c != 0 ? c : (int)x->len - (int)y->len;
}

/* Drops doubles; returns how many remain. */
static unsigned sort_unique(struct sl_prefix *p, unsigned n)
{
	unsigned kept = 0;

	qsort(p, n, sizeof(*p), by_prefix);
	for (unsigned i = 0; i < n; i++) {
		if (kept == 0 || by_prefix(&p[kept - 1], &p[i]) != 0)
			p[kept++] = p[i];
	}
	return kept;
}

bool bench_set_make(struct bench_set *set, enum bench_shape shape, unsigned n)
{
	uint64_t state = shape + 1;
	unsigned have = 0, made = 0;

	set->name = names[shape];
	set->n = n;
	set->prefixes = malloc(n * sizeof(*set->prefixes));
	if (set->prefixes == NULL)
		return false;
	while (have < n) {
		while (have < n)
			set->prefixes[have++] = make_prefix(shape, made++, &state);
		have = sort_unique(set->prefixes, n);
	}
	/* in no order, as a configuration may be */
	for (unsigned i = n - 1; i > 0; i--) {
		unsigned j = (unsigned)(bench_random(&state) % (i + 1));
		struct sl_prefix p = set->prefixes[i];

		set->prefixes[i] = set->prefixes[j];
		set->prefixes[j] = p;
	}
	return true;
}

void bench_set_free(struct bench_set *set)
{
	free(set->prefixes);
}

void bench_set_queries(const struct bench_set *set, struct sl_ip *out, unsigned n)
{
	uint64_t state = 4711;

	for (unsigned i = 0; i < n; i++) {
		const struct sl_prefix *p = &set->prefixes[bench_random(&state) % set->n];
		uint64_t r[2] = {bench_random(&state), bench_random(&state)};

		out[i] = p->addr;
		for (unsigned bit = p->len; bit < sl_family_bits(p->addr.family); bit++)
			out[i].bytes[bit / 8] ^= (uint8_t)((r[bit / 64] >> bit % 64 & 1) << (7 - bit % 8));
	}
}

uint32_t bench_set_long_blocks(const struct bench_set *set)
{
	uint8_t *seen = calloc(1, 1u << 21);
	uint32_t n = 0;

	for (unsigned i = 0; i < set->n && seen != NULL; i++) {
		const uint8_t *b = set->prefixes[i].addr.bytes;
		uint32_t block = (uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2];

		if (set->prefixes[i].len <= 24 || seen[block / 8] >> block % 8 & 1)
			continue;
		seen[block / 8] |= (uint8_t)(1u << block % 8);
		n++;
	}
	free(seen);
	return n;
}
