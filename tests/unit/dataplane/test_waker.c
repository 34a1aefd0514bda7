/* dataplane/waker.h: no wake-up is lost, and nobody pays for one while nobody sleeps. */
#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>

#include "dataplane/waker.h"

enum { ROUNDS = 20000, PATIENCE_MS = 5000 };

static bool
is_readable(const struct sl_waker *w, int ms)
{
	struct pollfd fd = {.fd = w->fd, .events = POLLIN};

	return poll(&fd, 1, ms) == 1;
}

Test(waker, only_a_sleeper_is_signalled)
{
	struct sl_waker w;

	cr_assert_eq(sl_waker_init(&w), 0);
	sl_waker_wake(&w);
	cr_expect_not(is_readable(&w, 0));
	sl_waker_doze(&w);
	sl_waker_wake(&w);
	sl_waker_wake(&w);
	cr_expect(is_readable(&w, 0));
	sl_waker_rise(&w);
	cr_expect_not(is_readable(&w, 0), "what woke it is forgotten");
	sl_waker_fini(&w);
}

static struct {
	struct sl_waker waker;
	_Atomic int posted, taken;
} t;

static void *
poster(void *arg)
{
	for (int i = 1; i <= ROUNDS; i++) {
		while (atomic_load(&t.taken) != i - 1)
			;
		atomic_store_explicit(&t.posted, i, memory_order_relaxed);
		sl_waker_wake(&t.waker);
	}
	return NULL;
}

/* A wake-up may be the round before's: what was posted was seen before its sl_waker_wake() came. One that is
 * early costs a look; one that is lost, the patience. */
static void
sleep_until(int round)
{
	while (atomic_load_explicit(&t.posted, memory_order_relaxed) != round) {
		sl_waker_doze(&t.waker);
		if (atomic_load_explicit(&t.posted, memory_order_relaxed) != round)
			cr_assert(is_readable(&t.waker, PATIENCE_MS), "round %d was slept through", round);
		sl_waker_rise(&t.waker);
	}
}

Test(waker, no_wake_up_is_lost_between_the_last_look_and_the_sleep)
{
	pthread_t thread;

	cr_assert_eq(sl_waker_init(&t.waker), 0);
	cr_assert_eq(pthread_create(&thread, NULL, poster, NULL), 0);
	for (int i = 1; i <= ROUNDS; i++) {
		sleep_until(i);
		atomic_store(&t.taken, i);
	}
	pthread_join(thread, NULL);
	sl_waker_fini(&t.waker);
}
