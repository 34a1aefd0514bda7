#include "control/config_ahead.h"

#include <pthread.h>
#include <stdlib.h>

#include "control/config_load.h"

enum {
	THREADS = 2,
	FILES_MIN = 64,
	WINDOW = 128, /* files that are read and not taken */
	BATCH = 16,   /* files that a thread takes on at once */
};

struct file {
	char *text;
	size_t len;
	struct stat st;
	const char *problem;
	bool ok, ready;
};

struct sl_ahead {
	char *const *paths;
	size_t n, max;
	pthread_t threads[THREADS];
	unsigned n_threads;
	pthread_mutex_t lock; /* of all below; a file that is not ready is its reader's */
	pthread_cond_t room, ready;
	size_t next, taken;
	bool stop;
	struct file files[WINDOW]; /* by number, modulo WINDOW */
};

/* How many files, from *first on, this thread is to read now; 0: it is to end. Locked. */
static size_t take_on(struct sl_ahead *a, size_t *first)
{
	size_t left, room;

	while (!a->stop && a->next < a->n && a->next == a->taken + WINDOW)
		pthread_cond_wait(&a->room, &a->lock);
	if (a->stop)
		return 0;
	*first = a->next;
	left = a->n - a->next;
	room = a->taken + WINDOW - a->next;
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
			a->files[i % WINDOW].ready = true;
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

bool sl_ahead_take(struct sl_ahead *a, char **text, size_t *len, struct stat *st, const char **problem)
{
	struct file *f = &a->files[a->taken % WINDOW], file;

	pthread_mutex_lock(&a->lock);
	while (!f->ready)
		pthread_cond_wait(&a->ready, &a->lock);
	file = *f;
	f->ready = false;
	a->taken++;
	if (a->taken % BATCH == 0)
		pthread_cond_broadcast(&a->room);
	pthread_mutex_unlock(&a->lock);
	*text = file.text;
	*len = file.len;
	*st = file.st;
	*problem = file.problem;
	return file.ok;
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
		if (a->files[i].ready && a->files[i].ok)
			sl_file_free(a->files[i].text, a->files[i].len);
	pthread_cond_destroy(&a->ready);
	pthread_cond_destroy(&a->room);
	pthread_mutex_destroy(&a->lock);
	free(a);
}
