#include "control/config_ahead.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/config_memory.h"

enum {
	THREADS_MIN = 2, /* one waits for the kernel while the other does not */
	THREADS_MAX = 4, /* more than the one that takes can keep up with */
	FILES_MIN = 64,
	WINDOW = 512, /* files that are read and not taken */
	BATCH = 32,   /* files that a thread takes on at once, and after so many that are taken it is told of their room */
};

struct slot {
	struct sl_ahead_file what;
	atomic_bool ready; /* set by its reader when the rest is there, taken back by who takes it */
};

struct sl_ahead {
	char *const *paths;
	size_t n, max;
	pthread_t threads[THREADS_MAX];
	unsigned n_threads;
	size_t taken; /* the taker's: so many are done with */
	struct slot *held; /* the taker's: what it has; NULL: nothing yet */
	pthread_mutex_t lock; /* of what follows, up to the files */
	pthread_cond_t room, ready;
	size_t next, free; /* to be read next; those before are taken, as far as readers were told */
	bool stop, awaited;
	struct slot slots[WINDOW]; /* by number, modulo WINDOW */
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

/* The folder that a reader opens files in: a path is looked up from there, not from the root each time. */
struct folder {
	const char *path; /* one that is in it */
	size_t len;       /* of the folder's part, with its '/' */
	int fd;
};

/* The descriptor to open path from, and *name, what is left of the path. */
static int folder_of(struct folder *f, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) + 1 : 0;
	char *folder;

	*name = path;
	if (len == 0)
		return AT_FDCWD;
	if (f->fd < 0 || len != f->len || memcmp(path, f->path, len) != 0) {
		if (f->fd >= 0)
			close(f->fd);
		folder = sl_config_alloc(len + 1, 1);
		memcpy(folder, path, len);
		f->fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
		free(folder);
		f->path = path;
		f->len = len;
	}
	if (f->fd < 0)
		return AT_FDCWD; /* opening the file says why */
	*name = path + len;
	return f->fd;
}

static void read_file(struct sl_ahead *a, size_t i, struct folder *folder)
{
	struct sl_ahead_file *what = &a->slots[i % WINDOW].what;
	const char *name;
	int at = folder_of(folder, a->paths[i], &name);

	if (sl_file_read(at, name, a->max, &what->file) &&
	        sl_tape_record(&what->tape, what->file.text, what->file.len))
		sl_file_free(&what->file);
}

static void *read_files(void *arg)
{
	struct folder folder = {.fd = -1};
	struct sl_ahead *a = arg;
	size_t first, n;

	/*
	 * In a table of its own descriptors cost neither locks nor counts; sharing one is as right, and slower. A copy of the others'
	 * would keep connections open that they close.
	 */
	(void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_UNSHARE);
	pthread_mutex_lock(&a->lock);
	while ((n = take_on(a, &first)) > 0) {
		pthread_mutex_unlock(&a->lock);
		for (size_t i = first; i < first + n; i++)
			read_file(a, i, &folder);
		pthread_mutex_lock(&a->lock);
		for (size_t i = first; i < first + n; i++)
			atomic_store_explicit(&a->slots[i % WINDOW].ready, true, memory_order_release);
		if (a->awaited)
			pthread_cond_signal(&a->ready);
	}
	pthread_mutex_unlock(&a->lock);
	if (folder.fd >= 0)
		close(folder.fd);
	return NULL;
}

/* One for each CPU that we may run on, within bounds. */
static unsigned threads_wanted(void)
{
	cpu_set_t set;
	int cpus = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : THREADS_MIN;

	return cpus < THREADS_MIN ? THREADS_MIN : cpus > THREADS_MAX ? THREADS_MAX : (unsigned)cpus;
}

struct sl_ahead *sl_ahead_begin(char *const *paths, size_t n, size_t max)
{
	unsigned wanted = threads_wanted();
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
	while (a->n_threads < wanted && pthread_create(&a->threads[a->n_threads], NULL, read_files, a) == 0)
		a->n_threads++;
	if (a->n_threads > 0)
		return a;
	sl_ahead_end(a);
	return NULL;
}

static void await(struct sl_ahead *a, struct slot *slot)
{
	pthread_mutex_lock(&a->lock);
	a->awaited = true;
	while (!atomic_load_explicit(&slot->ready, memory_order_acquire))
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

/* The memory of a slot's tape serves the next file. */
static void clear(struct slot *slot)
{
	sl_file_free(&slot->what.file);
	sl_tape_clear(&slot->what.tape);
}

const struct sl_ahead_file *sl_ahead_take(struct sl_ahead *a)
{
	struct slot *slot;

	if (a->held) {
		clear(a->held);
		atomic_store_explicit(&a->held->ready, false, memory_order_relaxed);
		if (++a->taken % BATCH == 0)
			tell_of_room(a);
	}
	slot = &a->slots[a->taken % WINDOW];
	if (!atomic_load_explicit(&slot->ready, memory_order_acquire))
		await(a, slot);
	a->held = slot;
	return &slot->what;
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
	for (unsigned i = 0; i < WINDOW; i++) {
		clear(&a->slots[i]);
		sl_tape_free(&a->slots[i].what.tape);
	}
	pthread_cond_destroy(&a->ready);
	pthread_cond_destroy(&a->room);
	pthread_mutex_destroy(&a->lock);
	free(a);
}
