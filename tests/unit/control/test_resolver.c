/* The resolver with a lookup of the test's: answers, retries, refreshing, cancelling, and lookups that hang. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <criterion/criterion.h>

#include "control/resolver.h"

#define PATIENCE 20000 /* ms */
#define SLOW     (2 * SL_RESOLVER_THREADS) /* names that take long together */

static struct {
	pthread_mutex_t gate; /* held by the test: "slow" hangs */
	_Atomic unsigned calls;
	_Atomic unsigned in_slow;
	_Atomic int err; /* of "as-told" */
	_Atomic bool late[SLOW]; /* names that have been */
} t = {.gate = PTHREAD_MUTEX_INITIALIZER};

/* This thread gets no memory; sanitizers have an allocator of their own. */
static _Thread_local bool starves;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
extern void *__libc_calloc(size_t n, size_t size);

void *
calloc(size_t n, size_t size)
{
	return starves ? NULL : __libc_calloc(n, size);
}
#endif

static int
lookup(void *ctx, const char *host, uint16_t port, struct sl_endpoint *out, unsigned *n)
{
	unsigned call = atomic_fetch_add(&t.calls, 1), name;

	starves = strcmp(host, "without-memory") == 0;
	if (sscanf(host, "late-then-hangs-%u", &name) == 1 && !atomic_exchange(&t.late[name], true)) {
		struct timespec late = {.tv_sec = SL_RESOLVER_SLOW};

		nanosleep(&late, NULL);
		return EAI_AGAIN;
	}
	if (strcmp(host, "slow") == 0 || strncmp(host, "late", 4) == 0) {
		atomic_fetch_add(&t.in_slow, 1);
		pthread_mutex_lock(&t.gate);
		pthread_mutex_unlock(&t.gate);
	}
	if (strcmp(host, "as-told") == 0 && atomic_load(&t.err))
		return atomic_load(&t.err);
	if (strcmp(host, "nowhere") == 0 || (strcmp(host, "second-time") == 0 && call == 0))
		return EAI_AGAIN;
	cr_assert(sl_ip_parse("192.0.2.7", &out[0].ip) && sl_ip_parse("2001:db8::7", &out[1].ip));
	out[0].port = out[1].port = port;
	*n = 2;
	return 0;
}

static struct sl_resolver *r;
static struct sl_resolver_answer a; /* the last that was taken */

static void
setup(void)
{
	cr_assert_eq(sl_resolver_create(&r, lookup, NULL, NULL), 0);
}

static void
teardown(void)
{
	sl_resolver_destroy(r);
}

TestSuite(resolver, .init = setup, .fini = teardown);

/* Whether an answer comes; it is then in a. */
static bool
wait_for(int ms)
{
	struct pollfd pfd = {.fd = sl_resolver_fd(r), .events = POLLIN};

	return poll(&pfd, 1, ms) == 1 && sl_resolver_take(r, &a);
}

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

Test(resolver, names_become_endpoints)
{
	cr_expect(!sl_resolver_take(r, &a));
	cr_assert_eq(sl_resolver_ask(r, 7, "hub.example", 51820, 0), 0);
	cr_assert(wait_for(PATIENCE));
	cr_expect_eq(a.id, 7);
	cr_expect_str_eq(a.host, "hub.example");
	cr_assert_eq(a.n, 2);
	cr_expect_eq(a.endpoints[0].ip.family, SL_AF_INET);
	cr_expect_eq(a.endpoints[1].ip.family, SL_AF_INET6);
	cr_expect_eq(a.endpoints[1].port, 51820);
	cr_expect(!wait_for(0), "not readable without answers");
}

static int
where_it_runs(void *ctx, const char *host, uint16_t port, struct sl_endpoint *out, unsigned *n)
{
	*n = 0;
	return sched_getaffinity(0, sizeof(cpu_set_t), ctx) == 0 ? EAI_NONAME : EAI_FAIL;
}

/* The last CPU of those that the test has. */
Test(resolver, its_threads_run_where_they_are_told)
{
	cpu_set_t all, told, is;

	cr_assert_eq(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&told);
	for (unsigned i = CPU_SETSIZE; i-- > 0 && CPU_COUNT(&told) == 0;)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &told);
	sl_resolver_destroy(r);
	cr_assert_eq(sl_resolver_create(&r, where_it_runs, &is, &told), 0);
	cr_assert_eq(sl_resolver_ask(r, 1, "a", 1, 0), 0);
	cr_assert(wait_for(PATIENCE));
	cr_expect_str_eq(a.error, gai_strerror(EAI_NONAME));
	cr_expect(CPU_EQUAL(&is, &told));
}

Test(resolver, an_answer_needs_no_memory)
{
	for (unsigned i = 0; i < 2; i++) {
		cr_assert_eq(sl_resolver_ask(r, i, "without-memory", 1, 0), 0);
		cr_assert(wait_for(PATIENCE));
		cr_expect_eq(a.n, 2);
		cr_expect_str_eq(a.host, "without-memory");
	}
}

Test(resolver, a_name_that_fails_is_tried_again)
{
	sl_resolver_ask(r, 1, "second-time", 1, 0);
	cr_assert(wait_for(PATIENCE));
	cr_expect_eq(a.n, 0);
	cr_expect_eq(a.retry_in, SL_RESOLVER_BACKOFF_MIN);
	cr_expect_str_eq(a.error, gai_strerror(EAI_AGAIN));
	cr_assert(wait_for(PATIENCE));
	cr_expect_eq(a.n, 2);
}

Test(resolver, others_are_served_while_one_waits)
{
	sl_resolver_ask(r, 1, "nowhere", 1, 0);
	cr_assert(wait_for(PATIENCE));
	sl_resolver_ask(r, 2, "hub.example", 1, 0);
	do
		cr_assert(wait_for(PATIENCE));
	while (a.id == 1);
	cr_expect_eq(a.id, 2);
}

/* A name that fails is retried for as long as it does: that is one line in a log, not one for each try. */
Test(resolver, failures_are_news_when_they_begin_change_and_end)
{
	static const struct {
		int err;
		bool news;
	} tries[] = {{EAI_AGAIN, true}, {EAI_NONAME, true}, {0, true}, {0, false}, {EAI_AGAIN, true}, {EAI_AGAIN, false}};

	atomic_store(&t.err, tries[0].err);
	sl_resolver_ask(r, 1, "as-told", 1, 0);
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		cr_assert(wait_for(PATIENCE));
		cr_expect_eq(a.n != 0, tries[i].err == 0, "try %zu", i);
		cr_expect_eq(a.news, tries[i].news, "try %zu", i);
		if (i + 1 < sizeof(tries) / sizeof(tries[0]))
			atomic_store(&t.err, tries[i + 1].err);
		if (tries[i].err == 0)
			sl_resolver_again(r, 1);
	}
	sl_resolver_ask(r, 2, "hub.example", 1, 0);
	do
		cr_assert(wait_for(PATIENCE));
	while (a.id == 1);
	cr_expect_not(a.news, "found at once is none");
}

static void
hang(unsigned n)
{
	while (atomic_load(&t.in_slow) < n)
		sched_yield();
}

Test(resolver, a_name_that_hangs_delays_no_other)
{
	pthread_mutex_lock(&t.gate);
	sl_resolver_ask(r, 1, "slow", 1, 0);
	hang(1);
	sl_resolver_ask(r, 2, "hub.example", 1, 0);
	cr_assert(wait_for(PATIENCE));
	cr_expect_eq(a.id, 2);
	/* one is due while another thread that waited for it is taken by a name that hangs */
	sl_resolver_ask(r, 3, "hub.example", 1, 1);
	cr_assert(wait_for(PATIENCE));
	sl_resolver_ask(r, 4, "slow", 1, 0);
	hang(2);
	cr_assert(wait_for(PATIENCE));
	cr_expect_eq(a.id, 3);
	pthread_mutex_unlock(&t.gate);
}

Test(resolver, names_that_took_long_do_not_hold_all_threads_however_many)
{
	char name[32];

	pthread_mutex_lock(&t.gate);
	for (uint64_t id = 0; id < SLOW; id++) {
		snprintf(name, sizeof(name), "late-then-hangs-%u", (unsigned)id);
		sl_resolver_ask(r, id, name, 1, 0);
	}
	for (unsigned i = 0; i < SLOW; i++)
		cr_assert(wait_for(PATIENCE));
	hang(SL_RESOLVER_THREADS_SLOW);
	for (uint64_t id = SLOW; id < 3 * SLOW; id++) {
		sl_resolver_ask(r, id, "hub.example", 1, 0);
		cr_assert(wait_for(PATIENCE));
		cr_expect_eq(a.id, id);
	}
	cr_expect_eq(atomic_load(&t.in_slow), SL_RESOLVER_THREADS_SLOW);
	pthread_mutex_unlock(&t.gate);
}

Test(resolver, a_name_is_looked_up_again_at_its_interval)
{
	sl_resolver_ask(r, 1, "hub.example", 1, 1);
	sl_resolver_ask(r, 2, "other.example", 1, 0);
	cr_assert(wait_for(PATIENCE) && wait_for(PATIENCE));
	for (unsigned i = 0; i < 2; i++) {
		cr_assert(wait_for(PATIENCE));
		cr_expect_eq(a.id, 1);
		cr_expect_eq(a.n, 2);
	}
	sl_resolver_cancel(r, 1);
	cr_expect(!wait_for(1200));
}

/*
 * Whether a name that was found longer ago than its new interval is looked up at once, and not an interval from now. Two seconds
 * are never over before two seconds; a busy machine may take longer than that for what is at once.
 */
static bool
found_at_once(void)
{
	double before;

	sl_resolver_refresh(r, 1, 0);
	wait_for(200); /* one that was on its way */
	cr_expect(!wait_for(2200), "not at all");
	before = now();
	sl_resolver_refresh(r, 1, 2);
	cr_assert(wait_for(PATIENCE));
	return now() - before < 2;
}

Test(resolver, the_interval_changes_at_once)
{
	unsigned tries = 1;

	sl_resolver_ask(r, 1, "hub.example", 1, 3600);
	cr_assert(wait_for(PATIENCE));
	sl_resolver_refresh(r, 9, 1);
	sl_resolver_refresh(r, 1, 2);
	cr_assert(wait_for(PATIENCE), "sooner");
	while (!found_at_once())
		cr_assert_lt(tries++, 10, "never at once");
}

Test(resolver, a_name_is_looked_up_again_when_asked_to_but_keeps_its_backoff)
{
	double before;

	sl_resolver_ask(r, 1, "hub.example", 1, 0);
	cr_assert(wait_for(PATIENCE));
	sl_resolver_again(r, 1);
	cr_assert(wait_for(PATIENCE));
	cr_expect_eq(a.n, 2);
	cr_expect_eq(atomic_load(&t.calls), 2);
	before = now();
	sl_resolver_ask(r, 2, "nowhere", 1, 0);
	cr_assert(wait_for(PATIENCE));
	for (unsigned i = 0; i < 100; i++)
		sl_resolver_again(r, 2);
	cr_assert(wait_for(PATIENCE));
	cr_expect_geq(now() - before, SL_RESOLVER_BACKOFF_MIN);
}

Test(resolver, many_names_are_asked_for_and_cancelled_in_any_order)
{
	enum { NAMES = 40000 };
	uint64_t seen = 0;

	for (uint64_t id = 0; id < NAMES; id++)
		cr_assert_eq(sl_resolver_ask(r, id, "hub.example", 1, (uint32_t)(60 + id * 7919 % 1000)), 0);
	while (seen < NAMES && wait_for(PATIENCE))
		seen++;
	cr_expect_eq(seen, NAMES);
	for (uint64_t i = 0; i < NAMES; i++)
		sl_resolver_cancel(r, i * 7919 % NAMES);
	sl_resolver_again(r, 1);
	cr_expect(!wait_for(200));
	cr_expect_eq(atomic_load(&t.calls), NAMES);
}

Test(resolver, cancelled_and_replaced_questions_have_no_answer)
{
	pthread_mutex_lock(&t.gate);
	for (uint64_t id = 10; id < 10 + SL_RESOLVER_THREADS; id++)
		sl_resolver_ask(r, id, "slow", 1, 0);
	hang(SL_RESOLVER_THREADS);
	sl_resolver_ask(r, 2, "a", 1, 0);
	sl_resolver_ask(r, 2, "b", 1, 0);
	sl_resolver_ask(r, 3, "c", 1, 0);
	for (uint64_t id = 10; id < 10 + SL_RESOLVER_THREADS; id++)
		sl_resolver_cancel(r, id);
	sl_resolver_cancel(r, 3);
	pthread_mutex_unlock(&t.gate);
	cr_assert(wait_for(PATIENCE));
	cr_expect_eq(a.id, 2);
	cr_expect_str_eq(a.host, "b");
	cr_expect(!wait_for(200));
	cr_expect_eq(atomic_load(&t.calls), SL_RESOLVER_THREADS + 1);
}

Test(resolver, neither_asking_nor_destroying_waits_for_a_lookup_that_hangs)
{
	pthread_mutex_lock(&t.gate); /* who waits, waits for ever */
	for (uint64_t id = 1000; id < 1000 + SL_RESOLVER_THREADS; id++)
		sl_resolver_ask(r, id, "slow", 1, 0);
	hang(SL_RESOLVER_THREADS);
	for (uint64_t id = 2; id < 1000; id++)
		cr_assert_eq(sl_resolver_ask(r, id, "x", 1, 0), 0);
	sl_resolver_destroy(r);
	r = NULL;
	pthread_mutex_unlock(&t.gate);
}

Test(resolver, the_system_knows_localhost)
{
	char longer[SL_RESOLVER_HOST_LEN + 1];

	sl_resolver_destroy(r);
	cr_assert_eq(sl_resolver_create(&r, NULL, NULL, NULL), 0);
	memset(longer, 'a', SL_RESOLVER_HOST_LEN);
	longer[SL_RESOLVER_HOST_LEN] = '\0';
	cr_expect_eq(sl_resolver_ask(r, 1, longer, 1, 0), -EINVAL);
	sl_resolver_ask(r, 1, "localhost", 9, 0);
	cr_assert(wait_for(PATIENCE));
	cr_assert_geq(a.n, 1);
	cr_expect(sl_ip_is_loopback(&a.endpoints[0].ip));
	cr_expect_eq(a.endpoints[0].port, 9);
}
