/*
 * Waking a thread that sleeps: a flag that says it does, and an eventfd it
 * waits for. While nobody sleeps, a wake costs a fence and a load; only a
 * sleeper costs its waker a system call. Any thread may wake; one sleeps.
 *
 * The sleeper: sl_waker_doze, then a last look at whatever others could have
 * left for it, then wait for the descriptor, then sl_waker_rise. The waker:
 * leave the thing, then sl_waker_wake. One of the two always sees the other.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

struct sl_waker {
	int fd; /* eventfd; -1: not there */
	_Atomic bool asleep;
};

/* 0 or a negative errno. */
int sl_waker_init(struct sl_waker *w);
void sl_waker_fini(struct sl_waker *w);

static inline void
sl_waker_doze(struct sl_waker *w)
{
	atomic_store_explicit(&w->asleep, true, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
}

/* Awake again: forgets what woke it. */
void sl_waker_rise(struct sl_waker *w);

/* The system call of sl_waker_wake. */
void sl_waker_signal(struct sl_waker *w);

static inline void
sl_waker_wake(struct sl_waker *w)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&w->asleep, memory_order_relaxed))
		sl_waker_signal(w);
}
