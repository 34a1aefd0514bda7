/*
 * The batch X25519: every kernel there is, natively where the CPU runs it, and compiled for any CPU (tests/emulate),
 * and the library path. EMULATED_ROUNDS is small because emulation is slow.
 */
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <xmmintrin.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/init.h"
#include "crypto/wipe.h"
#include "crypto/x25519.h"
#include "crypto/x25519_batch.h"
#include "crypto/x25519_kernel.h"
#include "tests/unit/crypto/vectors.h"

#define JOBS_MAX        40 /* more than a call of any kernel takes */
#define NATIVE_ROUNDS   300
#define EMULATED_ROUNDS 12
#define GUARD           0xa5

extern const struct sl_x25519_kernel sl_x25519_avx512_emulated;

struct subject {
	const char *name;
	const struct sl_x25519_kernel *kernel; /* NULL: the library */
	unsigned int rounds;
};

static struct subject subjects[5];
static unsigned int n_subjects;

static bool runs_avx2(void)
{
	return sl_simd_supported(SL_SIMD_AVX2) && sl_x25519_kernel_of(SL_SIMD_AVX2) == &sl_x25519_avx2;
}

static void setup(void)
{
	const struct sl_x25519_kernel *native = sl_x25519_kernel_of(SL_SIMD_AUTO);

	cr_assert_eq(sl_crypto_init(), 0);
	n_subjects = 0;
	subjects[n_subjects++] = (struct subject){"library", NULL, NATIVE_ROUNDS};
	subjects[n_subjects++] = (struct subject){"avx512, emulated", &sl_x25519_avx512_emulated, EMULATED_ROUNDS};
	if (runs_avx2())
		subjects[n_subjects++] = (struct subject){"avx2", &sl_x25519_avx2, NATIVE_ROUNDS};
	if (native != NULL && native != &sl_x25519_avx2)
		subjects[n_subjects++] = (struct subject){native->name, native, NATIVE_ROUNDS};
}

TestSuite(x25519_batch, .init = setup);

#define FOR_EACH_SUBJECT(s) for (const struct subject *s = subjects; s < subjects + n_subjects; s++)

/* A batch with its own memory. */
struct set {
	uint8_t private_key[JOBS_MAX][32];
	uint8_t public_key[JOBS_MAX][32];
	uint8_t out[JOBS_MAX + 1][32];
	struct sl_x25519_job jobs[JOBS_MAX];
};

static void prepare(struct set *set)
{
	memset(set->out, GUARD, sizeof(set->out));
	for (unsigned int i = 0; i < JOBS_MAX; i++)
		set->jobs[i] = (struct sl_x25519_job){
		        .private_key = set->private_key[i], .public_key = set->public_key[i], .out = set->out[i]};
}

/* RFC 7748, section 5.2, each vector in every lane beside others, and section 6.1 */
Test(x25519_batch, rfc7748)
{
	static const char *const vectors[][3] = {
	        {"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
	                "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
	                "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"},
	        {"4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
	                "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
	                "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"},
	        {"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a", NULL,
	                "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"},
	        {"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", NULL,
	                "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"},
	        {"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
	                "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
	                "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
	};
	const unsigned int n_vectors = sizeof(vectors) / sizeof(vectors[0]);

	FOR_EACH_SUBJECT(s)
	{
		for (unsigned int shift = 0; shift < n_vectors; shift++) {
			struct set set;

			prepare(&set);
			for (unsigned int i = 0; i < 8; i++) {
				const char *const *v = vectors[(i + shift) % n_vectors];

				unhex(v[0], set.private_key[i], 32);
				if (v[1] != NULL)
					unhex(v[1], set.public_key[i], 32);
				else
					set.jobs[i].public_key = NULL;
			}
			sl_x25519_batch_with(s->kernel, set.jobs, 8);
			for (unsigned int i = 0; i < 8; i++) {
				cr_assert(set.jobs[i].ok);
				cr_assert(is_hex(set.out[i], 32, vectors[(i + shift) % n_vectors][2]), "%s, lane %u",
				        s->name, i);
			}
		}
	}
}

/* RFC 7748, section 5.2: the iterated test in all lanes at once; a million of them if SL_X25519_MILLION is set */
Test(x25519_batch, rfc7748_iterated)
{
	static const char one[] = "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079";
	static const char thousand[] = "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51";
	static const char million[] = "7c3911e0ab2586fd864497297e575e6f3bc601c0883c30df5f4dd2d24f665424";

	FOR_EACH_SUBJECT(s)
	{
		bool far = getenv("SL_X25519_MILLION") != NULL && s->rounds == NATIVE_ROUNDS;
		struct set set;

		if (s->kernel == NULL)
			continue;
		prepare(&set);
		memset(set.private_key, 0, sizeof(set.private_key));
		memset(set.public_key, 0, sizeof(set.public_key));
		for (unsigned int i = 0; i < 8; i++)
			set.private_key[i][0] = set.public_key[i][0] = 9;
		for (unsigned int n = 1; n <= (far ? 1000000 : 1000); n++) {
			const char *want = n == 1 ? one : n == 1000 ? thousand : n == 1000000 ? million : NULL;

			sl_x25519_batch_with(s->kernel, set.jobs, 8);
			memcpy(set.public_key, set.private_key, sizeof(set.public_key));
			memcpy(set.private_key, set.out, 8 * 32);
			for (unsigned int i = 0; want != NULL && i < 8; i++)
				cr_assert(is_hex(set.private_key[i], 32, want), "%s, lane %u, %u", s->name, i, n);
		}
	}
}

static void libcrypto_x25519(uint8_t out[32], const uint8_t private_key[32], const uint8_t public_key[32])
{
	EVP_PKEY *priv = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, private_key, 32);
	size_t n = 32;

	if (public_key == NULL) {
		cr_assert_eq(EVP_PKEY_get_raw_public_key(priv, out, &n), 1);
	} else {
		EVP_PKEY *pub = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, public_key, 32);
		EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(priv, NULL);

		cr_assert(EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, pub) == 1);
		cr_assert_eq(EVP_PKEY_derive(ctx, out, &n), 1);
		EVP_PKEY_CTX_free(ctx);
		EVP_PKEY_free(pub);
	}
	EVP_PKEY_free(priv);
}

/* Points at the borders of limbs, of the field and above it. */
static void strange_point(struct seeded *seed, uint8_t point[32])
{
	static const uint64_t limbs[] = {0, 1, 1ULL << 50, (1ULL << 50) - 1, (1ULL << 51) - 1};

	switch (seeded_below(seed, 6)) {
	case 0: /* 2^255 - 1 - x: the field's prime and above */
		memset(point, 0xff, 32);
		point[0] = (uint8_t)(0xe0 + seeded_below(seed, 32));
		if (point[0] == 0xec || point[0] == 0xed || point[0] == 0xee)
			point[0] = 0xeb; /* of low order */
		point[31] = seeded_below(seed, 2) ? 0xff : 0x7f;
		break;
	case 1: /* runs of ones */
		memset(point, 0, 32);
		for (uint64_t at = seeded_below(seed, 250), end = at + 1 + seeded_below(seed, 100);
		        at < end && at < 255; at++)
			point[at / 8] |= (uint8_t)(1 << at % 8);
		point[0] |= 2;
		break;
	case 2: /* a small number */
		memset(point, 0, 32);
		point[0] = (uint8_t)(2 + seeded_below(seed, 250));
		break;
	case 3: /* limbs of 51 bits that are as small or as large as can be, or at the middle */
		memset(point, 0, 32);
		for (unsigned int limb = 0; limb < 5; limb++) {
			uint64_t value = limbs[seeded_below(seed, 5)];

			for (unsigned int bit = 0; bit < 51; bit++)
				point[(51 * limb + bit) / 8] |= (uint8_t)((value >> bit & 1) << (51 * limb + bit) % 8);
		}
		point[1] ^= 2; /* not of low order */
		break;
	default:
		seeded_bytes(seed, point, 32);
	}
}

Test(x25519_batch, equals_libcrypto_and_the_library)
{
	FOR_EACH_SUBJECT(s)
	{
		struct seeded seed = {11};

		for (unsigned int round = 0; round < s->rounds; round++) {
			unsigned int n = 1 + round % JOBS_MAX;
			struct set set;

			prepare(&set);
			for (unsigned int i = 0; i < JOBS_MAX; i++) {
				seeded_bytes(&seed, set.private_key[i], 32);
				if (seeded_below(&seed, 8) == 0)
					memset(set.private_key[i], seeded_below(&seed, 2) ? 0xff : 0, 32);
				strange_point(&seed, set.public_key[i]);
				if (seeded_below(&seed, 4) == 0)
					set.jobs[i].public_key = NULL;
			}
			sl_x25519_batch_with(s->kernel, set.jobs, n);
			for (unsigned int i = 0; i < n; i++) {
				uint8_t want[32], library[32];

				libcrypto_x25519(want, set.private_key[i], set.jobs[i].public_key);
				cr_assert(set.jobs[i].ok);
				cr_assert_arr_eq(
				        set.out[i], want, 32, "%s, round %u, job %u of %u", s->name, round, i, n);
				if (set.jobs[i].public_key == NULL)
					sl_x25519_public(library, set.private_key[i]);
				else
					cr_assert(sl_x25519_shared(library, set.private_key[i], set.public_key[i]));
				cr_assert_arr_eq(set.out[i], library, 32);
			}
			for (unsigned int i = n * 32; i < sizeof(set.out); i++)
				cr_assert_eq(((uint8_t *)set.out)[i], GUARD, "%u jobs write %u outputs", n, n);
		}
	}
}

/* Every count, by one secret and neighbours that do not matter: which lane a job falls into makes no difference. */
Test(x25519_batch, every_count)
{
	FOR_EACH_SUBJECT(s)
	{
		struct seeded seed = {12};
		uint8_t want[JOBS_MAX][32];
		struct set set;

		prepare(&set);
		seeded_bytes(&seed, set.private_key, sizeof(set.private_key));
		seeded_bytes(&seed, set.public_key, sizeof(set.public_key));
		for (unsigned int i = 0; i < JOBS_MAX; i++)
			cr_assert(sl_x25519_shared(want[i], set.private_key[i], set.public_key[i]));
		for (unsigned int n = 0; n <= (s->rounds == EMULATED_ROUNDS ? 24 : JOBS_MAX); n++) {
			memset(set.out, GUARD, sizeof(set.out));
			sl_x25519_batch_with(s->kernel, set.jobs, n);
			cr_assert_arr_eq(set.out, want, n * 32, "%s, %u jobs", s->name, n);
			for (unsigned int i = n * 32; i < sizeof(set.out); i++)
				cr_assert_eq(((uint8_t *)set.out)[i], GUARD);
		}
	}
}

/* All encodings of points of small order, as in test_x25519.c */
static const char *const low_order[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

/* Each in each lane, among lanes that are right and stay so. */
Test(x25519_batch, p8_low_order_points_fail_alone)
{
	const unsigned int n_points = sizeof(low_order) / sizeof(low_order[0]);

	FOR_EACH_SUBJECT(s)
	{
		struct seeded seed = {13};

		for (unsigned int lane = 0; lane < 8; lane++) {
			for (unsigned int k = 0; k < n_points; k++) {
				unsigned int other = (lane + 1 + k % 7) % 8;
				struct set set;

				/* under emulation not all combinations */
				if (s->rounds == EMULATED_ROUNDS && (k + lane) % 3 != 0)
					continue;
				prepare(&set);
				seeded_bytes(&seed, set.private_key, sizeof(set.private_key));
				seeded_bytes(&seed, set.public_key, sizeof(set.public_key));
				unhex(low_order[k], set.public_key[lane], 32);
				unhex(low_order[(k + 1) % n_points], set.public_key[other], 32);
				set.public_key[other][31] |= 0x80;
				sl_x25519_batch_with(s->kernel, set.jobs, 8);
				for (unsigned int i = 0; i < 8; i++) {
					bool low = i == lane || i == other;
					uint8_t want[32] = {0};

					cr_assert_eq(set.jobs[i].ok, !low, "%s, lane %u, point %u", s->name, i, k);
					if (!low)
						cr_assert(
						        sl_x25519_shared(want, set.private_key[i], set.public_key[i]));
					cr_assert_arr_eq(set.out[i], want, 32, "%s, lane %u, point %u", s->name, i, k);
				}
			}
		}
	}
}

/* The same point in its two encodings. */
Test(x25519_batch, points_above_the_prime_equal_those_below)
{
	FOR_EACH_SUBJECT(s)
	{
		struct seeded seed = {14};
		struct set set;

		prepare(&set);
		for (unsigned int x = 2; x < 19; x++) {
			seeded_bytes(&seed, set.private_key[0], 32);
			memcpy(set.private_key[1], set.private_key[0], 32);
			memset(set.public_key[0], 0, 32);
			set.public_key[0][0] = (uint8_t)x;
			memset(set.public_key[1], 0xff, 32);
			set.public_key[1][0] = (uint8_t)(0xed + x);
			set.public_key[1][31] = 0x7f;
			sl_x25519_batch_with(s->kernel, set.jobs, 2);
			cr_assert(set.jobs[0].ok && set.jobs[1].ok);
			cr_assert_arr_eq(set.out[0], set.out[1], 32, "%s, u = %u", s->name, x);
		}
	}
}

/*
 * How a thread rounds, and that it is trapped when a result is not exact, does not matter to the arithmetic on doubles,
 * and stays as it was.
 */
Test(x25519_batch, any_floating_point_mode)
{
	FOR_EACH_SUBJECT(s)
	{
		struct seeded seed = {15};
		struct set set;

		prepare(&set);
		seeded_bytes(&seed, set.private_key, sizeof(set.private_key));
		seeded_bytes(&seed, set.public_key, sizeof(set.public_key));
		for (unsigned int mode = 0; mode < 4; mode++) {
			const unsigned int before = _mm_getcsr(), set_to = mode << 13, modes = 0xffc0;
			unsigned int after;

			for (unsigned int i = 0; i < 4; i++)
				set.jobs[i].public_key = NULL;
			memset(set.out, GUARD, sizeof(set.out));
			_mm_setcsr(set_to);
			sl_x25519_batch_with(s->kernel, set.jobs, 8);
			after = _mm_getcsr();
			_mm_setcsr(before);
			cr_assert_eq(after & modes, set_to);
			for (unsigned int i = 0; i < 8; i++) {
				uint8_t want[32];

				if (set.jobs[i].public_key == NULL)
					sl_x25519_public(want, set.private_key[i]);
				else
					cr_assert(sl_x25519_shared(want, set.private_key[i], set.public_key[i]));
				cr_assert_arr_eq(set.out[i], want, 32, "%s, mode %u, job %u", s->name, mode, i);
			}
		}
	}
}

/* The upper and lower halves of all registers. */
#define STORE(i) "vmovdqu %%ymm" #i ", 32*" #i "(%0)\n\t"
#define STORE_REGISTERS(left)                                                                                          \
	__asm__ volatile(STORE(0) STORE(1) STORE(2) STORE(3) STORE(4) STORE(5) STORE(6) STORE(7) STORE(8) STORE(9)     \
	                         STORE(10) STORE(11) STORE(12) STORE(13) STORE(14) STORE(15)                           \
	                 :                                                                                             \
	                 : "r"(left)                                                                                   \
	                 : "memory")

Test(x25519_batch, p10_registers_are_cleared)
{
	const uint8_t *scalars[4], *points[4];
	uint8_t out[4][32], key[32], left[16][32];
	struct seeded seed = {16};

	if (!runs_avx2())
		cr_skip_test("this CPU has no AVX2");
	seeded_bytes(&seed, key, sizeof(key));
	for (unsigned int i = 0; i < 4; i++)
		scalars[i] = points[i] = key;
	memset(left, GUARD, sizeof(left));
	sl_x25519_avx2.multiply(out, scalars, points, 4);
	STORE_REGISTERS(left);
	cr_assert(sl_is_zero(left, sizeof(left)));
	memset(left, GUARD, sizeof(left));
	sl_x25519_avx2.multiply_base(out, scalars, 4);
	STORE_REGISTERS(left);
	cr_assert(sl_is_zero(left, sizeof(left)));
}

/* Scalars of one digit to the base of 16 at each place, of the same digit everywhere, and of two in turn. */
Test(x25519_batch, public_keys_of_all_digits)
{
	FOR_EACH_SUBJECT(s)
	{
		const unsigned int count = 64 * 16 + 256;
		struct set set;

		prepare(&set);
		for (unsigned int i = 0; i < 8; i++)
			set.jobs[i].public_key = NULL;
		for (unsigned int first = 0; first < count; first += 8) {
			for (unsigned int i = 0; i < 8; i++) {
				unsigned int which = first + i;

				memset(set.private_key[i], which < 64 * 16 ? 0 : (int)(which - 64 * 16), 32);
				if (which < 64 * 16)
					set.private_key[i][which / 32] = (uint8_t)(which % 16 << 4 * (which / 16 % 2));
			}
			sl_x25519_batch_with(s->kernel, set.jobs, 8);
			for (unsigned int i = 0; i < 8; i++) {
				uint8_t want[32];

				sl_x25519_public(want, set.private_key[i]);
				cr_assert(set.jobs[i].ok);
				cr_assert_arr_eq(set.out[i], want, 32, "%s, scalar %u", s->name, first + i);
			}
		}
	}
}

static void prepare_random(struct set *set, uint64_t number)
{
	struct seeded seed = {number};

	prepare(set);
	seeded_bytes(&seed, set->private_key, sizeof(set->private_key));
	seeded_bytes(&seed, set->public_key, sizeof(set->public_key));
}

static void check_by_library(const struct set *set, unsigned int n, unsigned int number)
{
	for (unsigned int i = 0; i < n; i++) {
		uint8_t want[32];

		if (set->jobs[i].public_key == NULL)
			sl_x25519_public(want, set->private_key[i]);
		else
			cr_assert(sl_x25519_shared(want, set->private_key[i], set->public_key[i]));
		cr_assert(set->jobs[i].ok, "case %u, job %u", number, i);
		cr_assert_arr_eq(set->out[i], want, 32, "case %u, job %u", number, i);
	}
}

/* A pass is only made where it is the faster way. */
static unsigned int passes;

static void count_pass(
        uint8_t (*out)[SL_KEY_LEN], const uint8_t *const *scalars, const uint8_t *const *points, unsigned int n)
{
	passes++;
	cr_assert_eq(n, 8);
	for (unsigned int i = 0; i < n; i++)
		if (!sl_x25519_shared(out[i], scalars[i], points[i]))
			memset(out[i], 0, SL_KEY_LEN);
}

Test(x25519_batch, few_jobs_go_to_the_library)
{
	static const struct {
		unsigned int points, bases, passes;
	} cases[] = {{0, 0, 0}, {1, 0, 0}, {0, 1, 0}, {0, 2, 0}, {1, 1, 1}, {2, 0, 1}, {2, 1, 1}, {0, 3, 1}, {8, 0, 1},
	        {9, 0, 1}, {10, 0, 2}, {8, 1, 1}, {16, 8, 3}};
	struct sl_x25519_kernel kernel = sl_x25519_avx512_emulated;

	kernel.multiply = count_pass;
	kernel.multiply_base = NULL;
	for (unsigned int c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		unsigned int n = cases[c].points + cases[c].bases;
		struct set set;

		prepare_random(&set, c);
		for (unsigned int i = cases[c].points; i < n; i++)
			set.jobs[i].public_key = NULL;
		passes = 0;
		sl_x25519_batch_with(&kernel, set.jobs, n);
		cr_assert_eq(passes, cases[c].passes, "%u points, %u bases", cases[c].points, cases[c].bases);
		check_by_library(&set, n, c);
	}
}

static unsigned int base_passes;

static void count_base_passes(uint8_t (*out)[SL_KEY_LEN], const uint8_t *const *scalars, unsigned int n)
{
	cr_assert(n > 0 && n % 4 == 0 && n <= 8);
	base_passes += n / 4;
	for (unsigned int i = 0; i < n; i++)
		sl_x25519_public(out[i], scalars[i]);
}

static void count_passes(
        uint8_t (*out)[SL_KEY_LEN], const uint8_t *const *scalars, const uint8_t *const *points, unsigned int n)
{
	cr_assert(n > 0 && n % 4 == 0 && n <= 8);
	passes += n / 4;
	for (unsigned int i = 0; i < n; i++)
		if (!sl_x25519_shared(out[i], scalars[i], points[i]))
			memset(out[i], 0, SL_KEY_LEN);
}

/* Where a kernel has passes for public keys, these go apart from points, but for the last ones if lanes are free. */
Test(x25519_batch, public_keys_have_passes_of_their_own)
{
	static const struct {
		unsigned int points, bases, worth_base, passes, base_passes;
	} cases[] = {{0, 1, 1, 0, 1}, {0, 1, 2, 0, 0}, {0, 3, 1, 0, 1}, {0, 4, 1, 0, 1}, {0, 5, 1, 0, 2},
	        {0, 5, 2, 0, 1}, {1, 0, 1, 0, 0}, {1, 1, 1, 1, 0}, {2, 1, 1, 1, 0}, {3, 1, 1, 1, 0}, {3, 2, 1, 1, 1},
	        {4, 1, 1, 1, 1}, {1, 4, 1, 0, 1}, {2, 3, 1, 1, 1}, {6, 2, 1, 2, 0}, {1, 5, 1, 1, 1}, {6, 9, 1, 2, 2},
	        {8, 8, 1, 2, 2}, {9, 0, 1, 2, 0}, {16, 8, 1, 4, 2}};
	struct sl_x25519_kernel kernel = {.lanes = 4, .most = 8, .worth = SL_X25519_COST_POINT + SL_X25519_COST_BASE};

	kernel.multiply = count_passes;
	kernel.multiply_base = count_base_passes;
	for (unsigned int c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		unsigned int n = cases[c].points + cases[c].bases;
		struct set set;

		prepare_random(&set, c);
		/* the kinds alternate as long as there are both */
		for (unsigned int i = 0, bases = 0; i < n; i++)
			if (bases < cases[c].bases && (i % 2 || n - i == cases[c].bases - bases))
				set.jobs[i].public_key = NULL, bases++;
		kernel.worth_base = cases[c].worth_base;
		passes = base_passes = 0;
		sl_x25519_batch_with(&kernel, set.jobs, n);
		cr_assert_eq(passes, cases[c].passes, "case %u: %u passes", c, passes);
		cr_assert_eq(base_passes, cases[c].base_passes, "case %u: %u base passes", c, base_passes);
		check_by_library(&set, n, c);
	}
}

Test(x25519_batch, kernels_by_level)
{
	cr_assert_null(sl_x25519_kernel_of(SL_SIMD_SSE));
	cr_assert_eq(sl_x25519_lanes(SL_SIMD_SSE), 1);
	if (sl_simd_supported(SL_SIMD_AVX2) && __builtin_cpu_supports("fma"))
		cr_assert(sl_x25519_kernel_of(SL_SIMD_AVX2) == &sl_x25519_avx2 && sl_x25519_lanes(SL_SIMD_AVX2) == 4);
	cr_assert_eq(sl_x25519_kernel_of(SL_SIMD_AUTO), sl_x25519_kernel_of(sl_simd_best()));
	if (sl_simd_best() == SL_SIMD_AVX512 && __builtin_cpu_supports("avx512ifma"))
		cr_assert_eq(sl_x25519_kernel_of(SL_SIMD_AVX512), &sl_x25519_avx512);
}
