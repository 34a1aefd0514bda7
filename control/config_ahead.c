#include "control/config_ahead.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "control/config_load.h"

enum {
	THREADS = 2,
	FILES_MIN = 64,
	WINDOW = 512, /* files that are read and not taken */
	BATCH = 32,   /* files that a thread takes on at once, and after so many that are taken it is told of their room */
};

struct file {
	char *text;
	size_t len;
	struct stat st;
	const char *problem;
	bool ok;
	atomic_bool ready; /* set by its reader when the rest is there, taken back by who takes it */
};

struct sl_ahead {
	char *const *paths;
	size_t n, max;
	pthread_t threads[THREADS];
	unsigned n_threads;
	size_t taken; /* the taker's */
	pthread_mutex_t lock; /* of what follows, up to the files */
	pthread_cond_t room, ready;
	size_t next, free; /* to be read next; those before are taken, as far as readers were told */
	bool stop, awaited;
	struct file files[WINDOW]; /* by number, modulo WINDOW */
};

/* How many files, from *first on, this thread is to read now; 0: it is to end. Locked. */
static size_t take_on(struct sl_ahead *a, size_t *first)
{
	size_t left, room;

	while (!a->stop && a->next < a->n && a->next == a->free + WINDOW)
		pthread_cond_wait(&a->room, &a->lock);
	if (a->stop)
		return 0;
	*first = a->next;
	left = a->n - a->next;
	room = a->free + WINDOW - a->next;
	if (left > room)
		left = room;
	if (left > BATCH)
		left = BATCH;
	a->next += left;
	return left;
}

static void *read_files(void *arg)
{
	struct sl_ahead *a = arg;
	size_t first, n;

	pthread_mutex_lock(&a->lock);
	while ((n = take_on(a, &first)) > 0) {
		pthread_mutex_unlock(&a->lock);
		for (size_t i = first; i < first + n; i++) {
			struct file *f = &a->files[i % WINDOW];

			f->ok = sl_file_read(a->paths[i], a->max, &f->text, &f->len, &f->st, &f->problem);
		}
		pthread_mutex_lock(&a->lock);
		for (size_t i = first; i < first + n; i++)
			atomic_store_explicit(&a->files[i % WINDOW].ready, true, memory_order_release);
		if (a->awaited)
			pthread_cond_signal(&a->ready);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

struct sl_ahead *sl_ahead_begin(char *const *paths, size_t n, size_t max)
{
	struct sl_ahead *a;

	if (n < FILES_MIN)
		return NULL;
	a = sl_config_alloc(1, sizeof(*a));
	a->paths = paths;
	a->n = n;
	a->max = max;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->room, NULL);
	pthread_cond_init(&a->ready, NULL);
	while (a->n_threads < THREADS && pthread_create(&a->threads[a->n_threads], NULL, read_files, a) == 0)
		a->n_threads++;
	if (a->n_threads > 0)
		return a;
	sl_ahead_end(a);
	return NULL;
}

static void await(struct sl_ahead *a, struct file *f)
{
	pthread_mutex_lock(&a->lock);
	a->awaited = true;
	while (!atomic_load_explicit(&f->ready, memory_order_acquire))
		pthread_cond_wait(&a->ready, &a->lock);
	a->awaited = false;
	pthread_mutex_unlock(&a->lock);
}

static void tell_of_room(struct sl_ahead *a)
{
	pthread_mutex_lock(&a->lock);
	a->free = a->taken;
	pthread_cond_broadcast(&a->room);
	pthread_mutex_unlock(&a->lock);
}

bool sl_ahead_take(struct sl_ahead *a, char **text, size_t *len, struct stat *st, const char **problem)
{
	struct file *f = &a->files[a->taken % WINDOW];
	bool ok;

	if (!atomic_load_explicit(&f->ready, memory_order_acquire))
		await(a, f);
	*text = f->text;
	*len = f->len;
	*st = f->st;
	*problem = f->problem;
	ok = f->ok;
	atomic_store_explicit(&f->ready, false, memory_order_relaxed);
	a->taken++;
	if (a->taken % BATCH == 0)
		tell_of_room(a);
	return ok;
}

void sl_ahead_end(struct sl_ahead *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_broadcast(&a->room);
	pthread_mutex_unlock(&a->lock);
	for (unsigned i = 0; i < a->n_threads; i++)
		pthread_join(a->threads[i], NULL);
	for (unsigned i = 0; i < WINDOW; i++)
		if (atomic_load(&a->files[i].ready) && a->files[i].ok)
			sl_file_free(a->files[i].text, a->files[i].len);
	pthread_cond_destroy(&a->ready);
	pthread_cond_destroy(&a->room);
	pthread_mutex_destroy(&a->lock);
	free(a);
}
