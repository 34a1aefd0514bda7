/*
 * Handshakes as responder: the whole protocol core takes initiations of many peers, together and one at a time. Beside
 * it what they are made of (X25519 against libsodium and libcrypto, BLAKE2s against libcrypto, mac1 as workers check it),
 * and what a data path on another core notices of handshakes at full rate.
 *
 *   handshake [--json] [--quick] [--rounds N] [--simd LEVEL] [--peers N]
 *
 * A round's figure is the median over its bursts. What takes long enough to lose its core on the way, handshakes and
 * X25519, is measured in the thread's CPU time and told in the TSC's cycles. All initiations of a round are answered, and an answer is taken by its initiator.
 */
#include <getopt.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_eal.h>

#include "bench/handshake_set.h"
#include "bench/pass_set.h"
#include "bench/rows.h"
#include "bench/stats.h"
#include "crypto/blake2s.h"
#include "crypto/blake2s_batch.h"
#include "crypto/init.h"
#include "crypto/noise_batch.h"
#include "crypto/wipe.h"
#include "crypto/x25519_batch.h"
#include "crypto/x25519_kernel.h"

#define ROUNDS      15
#define ROUNDS_MAX  1001
#define PEERS       1024
#define PEERS_MAX   65535
#define BURST       SL_PROTO_BATCH
#define ALONE       64  /* handshakes of a round that are taken one at a time */
#define KEYS        32  /* X25519 and BLAKE2s at once */
#define REPEATS     32  /* of what is short, in a round */
#define PASSES      512 /* bursts of the data path in a round */
#define INNER       1420
#define SAMPLES_MAX 4096
#define MAC1_LEN    sizeof(struct sl_msg_initiation)

static const char *const names[] = {"handshakes", "handshakes-data-path"};

static struct {
	enum sl_simd simd;
	unsigned rounds;
	uint32_t n_peers;
	double hz;
	struct handshake_set *set;
} b = {.n_peers = PEERS};

/* The cycles of a round's bursts, or repeats. */
static struct {
	unsigned n;
	double cycles[SAMPLES_MAX];
} samples;

static void
sample(uint64_t since)
{
	if (samples.n < SAMPLES_MAX)
		samples.cycles[samples.n++] = (double)(bench_tsc() - since);
}

/* The CPU time that this thread has had, in TSC cycles. */
static double
cpu_cycles(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return ((double)t.tv_sec * 1e9 + (double)t.tv_nsec) * b.hz / 1e9;
}

static void
sample_cpu(double since)
{
	if (samples.n < SAMPLES_MAX)
		samples.cycles[samples.n++] = cpu_cycles() - since;
}

static double
median(void)
{
	double m = bench_spread(samples.cycles, samples.n).median;

	samples.n = 0;
	return m;
}

static void
fail(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

/* --- the protocol core --- */

/* Handshakes per second of a round: bursts first, then some one at a time. */
static void
measure_core(double *together, double *alone)
{
	struct handshake_set *s = b.set;
	uint32_t i = 0;

	handshake_set_prepare(s);
	for (; i + BURST + ALONE <= s->n; i += BURST) {
		double began = cpu_cycles();

		sl_proto_receive(s->core.ifp, s->msgs + i, BURST, s->now);
		sample_cpu(began);
	}
	*together = b.hz * BURST / median();
	for (; i < s->n; i++) {
		double began = cpu_cycles();

		sl_proto_receive(s->core.ifp, s->msgs + i, 1, s->now);
		sample_cpu(began);
	}
	*alone = b.hz / median();
	if (!handshake_set_check(s))
		fail("an initiation was not answered as it should be");
}

static void
run_core(void)
{
	static double together[ROUNDS_MAX], alone[ROUNDS_MAX], ignored;

	/* the first handshake of each peer computes its static-static secret */
	measure_core(&ignored, &ignored);
	for (unsigned r = 0; r < b.rounds; r++)
		measure_core(&together[r], &alone[r]);
	if (sl_x25519_kernel_of(b.simd) == NULL)
		bench_note("handshakes", "X25519 has no lanes here: one by one, as the library has it");
	bench_row("handshakes", together, NULL, b.rounds);
	bench_info("handshakes as responder, one at a time", "1/s", alone, b.rounds);
}

/* --- what they are made of --- */

static struct {
	uint8_t private_key[KEYS][SL_KEY_LEN], public_key[KEYS][SL_KEY_LEN], out[KEYS][SL_KEY_LEN];
	struct sl_x25519_job jobs[KEYS];
	EVP_PKEY_CTX *ctx[KEYS];
	EVP_PKEY *peers[KEYS];
} x;

static void
prepare_keys(void)
{
	sl_random_bytes(x.private_key, sizeof(x.private_key));
	for (unsigned i = 0; i < KEYS; i++) {
		EVP_PKEY *own = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, x.private_key[i], SL_KEY_LEN);

		(void)crypto_scalarmult_curve25519_base(x.public_key[i], x.private_key[KEYS - 1 - i]);
		x.peers[i] = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, x.public_key[i], SL_KEY_LEN);
		x.ctx[i] = EVP_PKEY_CTX_new(own, NULL);
		if (!x.ctx[i] || EVP_PKEY_derive_init(x.ctx[i]) != 1 || EVP_PKEY_derive_set_peer(x.ctx[i], x.peers[i]) != 1)
			fail("libcrypto takes no X25519 keys");
		x.jobs[i] = (struct sl_x25519_job){x.private_key[i], x.public_key[i], x.out[i], false};
	}
}

static void
measure_x25519(double *ours, double *sodium, double *libcrypto)
{
	uint8_t out[SL_KEY_LEN];
	size_t len = sizeof(out);
	double began;

	for (unsigned k = 0; k < REPEATS / 4; k++) {
		began = cpu_cycles();
		sl_x25519_batch(b.simd, x.jobs, KEYS);
		sample_cpu(began);
	}
	*ours = median() / KEYS;
	for (unsigned i = 0; i < KEYS; i++) {
		began = cpu_cycles();
		if (crypto_scalarmult_curve25519(out, x.private_key[i], x.public_key[i]) != 0)
			fail("libsodium refused a point");
		sample_cpu(began);
		if (!sl_equal(out, x.out[i], sizeof(out)))
			fail("X25519 differs from libsodium");
	}
	*sodium = median();
	for (unsigned i = 0; i < KEYS; i++) {
		began = cpu_cycles();
		if (EVP_PKEY_derive(x.ctx[i], out, &len) != 1 || !sl_equal(out, x.out[i], sizeof(out)))
			fail("X25519 differs from libcrypto");
		sample_cpu(began);
	}
	*libcrypto = median();
}

/* Public keys, as a responder makes one for each handshake. */
static void
measure_public_keys(double *ours, double *sodium)
{
	uint8_t out[SL_KEY_LEN];

	for (unsigned i = 0; i < KEYS; i++)
		x.jobs[i].public_key = NULL;
	for (unsigned k = 0; k < REPEATS / 4; k++) {
		double began = cpu_cycles();

		sl_x25519_batch(b.simd, x.jobs, KEYS);
		sample_cpu(began);
	}
	*ours = median() / KEYS;
	for (unsigned i = 0; i < KEYS; i++) {
		double began = cpu_cycles();

		if (crypto_scalarmult_curve25519_base(out, x.private_key[i]) != 0)
			fail("libsodium refused a scalar");
		sample_cpu(began);
		if (!sl_equal(out, x.out[i], sizeof(out)))
			fail("a public key differs from libsodium");
		x.jobs[i].public_key = x.public_key[i];
	}
	*sodium = median();
}

static void
run_x25519(void)
{
	static double ours[ROUNDS_MAX], sodium[ROUNDS_MAX], libcrypto[ROUNDS_MAX], times[ROUNDS_MAX];
	static double ours_base[ROUNDS_MAX], sodium_base[ROUNDS_MAX];

	prepare_keys();
	for (unsigned r = 0; r < b.rounds; r++) {
		measure_public_keys(&ours_base[r], &sodium_base[r]);
		measure_x25519(&ours[r], &sodium[r], &libcrypto[r]);
		times[r] = (sodium[r] < libcrypto[r] ? sodium[r] : libcrypto[r]) / ours[r];
	}
	bench_info("X25519, 32 at once", "TSC cycles", ours, b.rounds);
	bench_info("X25519, libsodium", "TSC cycles", sodium, b.rounds);
	bench_info("X25519, libcrypto, objects reused", "TSC cycles", libcrypto, b.rounds);
	bench_info("X25519, the faster library / ours", "x", times, b.rounds);
	bench_info("X25519 of the base point, 32 at once", "TSC cycles", ours_base, b.rounds);
	bench_info("X25519 of the base point, libsodium", "TSC cycles", sodium_base, b.rounds);
}

static struct {
	uint8_t msg[KEYS][MAC1_LEN], mac[KEYS][SL_MAC_LEN];
	struct sl_mac_keys own;
	const uint8_t *msgs[KEYS], *keys[KEYS];
	uint8_t *macs[KEYS];
} h;

static void
prepare_messages(void)
{
	uint8_t key[SL_KEY_LEN];

	sl_random_bytes(key, sizeof(key));
	sl_mac_keys_init(&h.own, key);
	sl_random_bytes(h.msg, sizeof(h.msg));
	for (unsigned i = 0; i < KEYS; i++) {
		sl_macs_write(&h.own, NULL, h.msg[i], MAC1_LEN);
		h.msgs[i] = h.msg[i];
		h.keys[i] = h.own.mac1;
		h.macs[i] = h.mac[i];
	}
}

static double
measure_mac1(const struct sl_blake2s_kernel *kernel)
{
	for (unsigned k = 0; k < REPEATS; k++) {
		uint64_t began = bench_tsc();

		if (sl_mac1_check_batch(kernel, &h.own, h.msgs, MAC1_LEN, KEYS) != UINT32_MAX)
			fail("a right mac1 was refused");
		sample(began);
	}
	return b.hz * KEYS / median();
}

/* TSC cycles of a hash of 100 bytes. */
static void
measure_blake2s(double *ours, double *portable, double *libcrypto)
{
	static const size_t len = 100;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t out[SL_HASH_LEN];
	uint8_t *outs[KEYS];
	uint64_t began;

	for (unsigned i = 0; i < KEYS; i++)
		outs[i] = x.out[i];
	for (unsigned k = 0; k < REPEATS; k++) {
		began = bench_tsc();
		sl_blake2s_batch(sl_blake2s_kernel_of(b.simd), outs, SL_HASH_LEN, NULL, 0, h.msgs, len, KEYS);
		sample(began);
	}
	*ours = median() / KEYS;
	for (unsigned i = 0; i < KEYS; i++) {
		began = bench_tsc();
		sl_blake2s(out, sizeof(out), NULL, 0, h.msgs[i], len);
		sample(began);
	}
	*portable = median();
	for (unsigned i = 0; i < KEYS; i++) {
		began = bench_tsc();
		if (EVP_DigestInit_ex(ctx, EVP_blake2s256(), NULL) != 1 || EVP_DigestUpdate(ctx, h.msgs[i], len) != 1 ||
			EVP_DigestFinal_ex(ctx, out, NULL) != 1)
			fail("libcrypto has no BLAKE2s");
		sample(began);
		if (memcmp(out, outs[i], sizeof(out)) != 0)
			fail("BLAKE2s differs from libcrypto");
	}
	*libcrypto = median();
	EVP_MD_CTX_free(ctx);
}

static void
run_blake2s(void)
{
	static double ours[ROUNDS_MAX], portable[ROUNDS_MAX], libcrypto[ROUNDS_MAX], lanes[ROUNDS_MAX], single[ROUNDS_MAX];

	prepare_messages();
	for (unsigned r = 0; r < b.rounds; r++) {
		measure_blake2s(&ours[r], &portable[r], &libcrypto[r]);
		lanes[r] = measure_mac1(sl_blake2s_kernel_of(b.simd));
		single[r] = measure_mac1(NULL);
	}
	bench_info("BLAKE2s of 100 bytes, 32 at once", "TSC cycles", ours, b.rounds);
	bench_info("BLAKE2s of 100 bytes, one by one", "TSC cycles", portable, b.rounds);
	bench_info("BLAKE2s of 100 bytes, libcrypto, object reused", "TSC cycles", libcrypto, b.rounds);
	bench_info("mac1 of initiations, bursts of 32", "1/s", lanes, b.rounds);
	bench_info("mac1 of initiations, one by one", "1/s", single, b.rounds);
}

/* --- the data path meanwhile --- */

static struct {
	_Atomic bool run, stop, parked;
	_Atomic uint64_t done;
} control = {.parked = true};

static void *
control_main(void *arg)
{
	struct handshake_set *s = b.set;

	bench_pin(1);
	while (!atomic_load(&control.stop)) {
		if (!atomic_load(&control.run)) {
			atomic_store(&control.parked, true);
			sched_yield();
			continue;
		}
		atomic_store(&control.parked, false);
		handshake_set_prepare(s);
		for (uint32_t i = 0; i + BURST <= s->n; i += BURST)
			sl_proto_receive(s->core.ifp, s->msgs + i, BURST, s->now);
		sl_reclaim_poll(&s->core.reclaim);
		atomic_fetch_add(&control.done, s->n);
	}
	return NULL;
}

static void
set_control(bool run)
{
	atomic_store(&control.run, run);
	while (atomic_load(&control.parked) == run)
		sched_yield();
}

/* TSC cycles of a packet through the whole encap pass. */
static double
measure_pass(struct pass_set *p)
{
	struct rte_mbuf *frames[SL_BURST];

	for (unsigned k = 0; k < PASSES; k++) {
		uint64_t began;

		pass_set_clear(p, frames, SL_BURST, INNER);
		began = bench_tsc();
		sl_worker_receive(p->w, PASS_LAN, frames, SL_BURST);
		sl_worker_run(p->w, p->now);
		sample(began);
		if (!pass_set_check(p, SL_BURST, INNER, true))
			fail("a packet got lost");
	}
	return median() / SL_BURST;
}

static void
run_data_path(void)
{
	static double busy[ROUNDS_MAX], quiet[ROUNDS_MAX];
	struct pass_set *p;
	pthread_t thread;

	if (bench_cores() < 2) {
		bench_missing("handshakes-data-path", "it takes two cores");
		return;
	}
	p = pass_set_create(1, SL_BURST, false, false);
	if (!p || pthread_create(&thread, NULL, control_main, NULL) != 0)
		fail("no memory");
	measure_pass(p);
	for (unsigned r = 0; r < b.rounds; r++) {
		set_control(false);
		quiet[r] = measure_pass(p);
		set_control(true);
		busy[r] = measure_pass(p);
	}
	atomic_store(&control.stop, true);
	pthread_join(thread, NULL);
	bench_row("handshakes-data-path", busy, quiet, b.rounds);
	pass_set_destroy(p);
}

/* --- start --- */

static void
take_options(int argc, char **argv)
{
	static const struct option options[] = {{"simd", required_argument, NULL, 's'}, {"peers", required_argument, NULL, 'p'},
		{0}};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's' && sl_simd_parse(optarg, &b.simd) && sl_simd_supported(b.simd))
			continue;
		if (c == 'p' && atoi(optarg) >= BURST + ALONE && atoi(optarg) <= PEERS_MAX) {
			b.n_peers = (uint32_t)atoi(optarg);
			continue;
		}
		fprintf(stderr,
			"usage: handshake [--json] [--quick] [--rounds N] [--simd LEVEL of this CPU] [--peers %d..%d]\n",
			BURST + ALONE, PEERS_MAX);
		exit(2);
	}
}

int
main(int argc, char **argv)
{
	char *eal[] = {"handshake", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m", "512", "--log-level", "4"};

	bench_begin("handshake", names, RTE_DIM(names), &argc, argv);
	take_options(argc, argv);
	b.rounds = bench_rounds(ROUNDS, ROUNDS_MAX);
	setenv("XDG_RUNTIME_DIR", "/tmp", 0);
	bench_cores(); /* before EAL takes all but one from this thread */
	if (rte_eal_init(RTE_DIM(eal), eal) < 0 || sl_crypto_init() != 0)
		fail("EAL did not start");
	bench_pin(0);
	b.hz = bench_tsc_hz();
	b.set = handshake_set_create(b.n_peers, b.simd);
	if (!b.set)
		return 1;
	run_core();
	run_x25519();
	run_blake2s();
	run_data_path();
	handshake_set_destroy(b.set);
	rte_eal_cleanup();
	return bench_end();
}
