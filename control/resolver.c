#include "control/resolver.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include "control/due_queue.h"
#include "crypto/protocol.h"

#define BUCKETS 16384 /* of the names by id, a power of two */

/* What came of a lookup, until it is taken; in its request, so that it needs no memory when there may be none. */
struct answer {
	TAILQ_ENTRY(answer) next;
	bool waits; /* it is in the list */
	unsigned n;
	struct sl_endpoint endpoints[SL_RESOLVER_ADDRESSES];
	const char *error;
	unsigned retry_in; /* seconds */
	bool news;
};

TAILQ_HEAD(answers, answer);

/* A name that is looked up for an id, from asking until cancelling. */
struct request {
	struct sl_due due; /* first; in a queue while it waits, in none while it is looked up or has nothing to wait for */
	struct request *bucket_next;
	struct answer answer;
	uint64_t id;
	uint64_t found;     /* ns: when it was found last; 0: not yet */
	uint32_t refresh;   /* seconds, 0: not by itself */
	unsigned backoff;   /* seconds of the last wait; 0: the last lookup did not fail */
	const char *told;   /* the failure that was told last, static text; NULL: none since it was found */
	uint64_t told_at;   /* ns */
	uint16_t port;
	bool slow;          /* the last lookup took long */
	bool busy;          /* a thread looks it up, without the lock */
	bool cancelled;     /* while that went on: the thread frees it */
	char host[];
};

static_assert(offsetof(struct request, due) == 0, "a queue's node is its request");

/* Lives until control and all threads have let go of it. */
struct sl_resolver {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct request *buckets[BUCKETS];
	uint32_t n_requests;
	struct sl_due_queue waiting;
	struct sl_due_queue slow; /* what has held a thread for long, and is likely to do so again */
	unsigned slow_busy;       /* threads that look up one of those */
	struct answers answers;      /* at most one per request */
	sl_resolver_lookup lookup;
	void *ctx;
	cpu_set_t cpus; /* empty: none were given */
	int fd;
	bool stop;
	unsigned threads, idle; /* those that wait are idle */
	unsigned holders;
};

/* All families: the ports' addresses are none of the kernel's, whose lack of one says nothing (AI_ADDRCONFIG). */
static int
system_lookup(void *ctx, const char *host, uint16_t port, struct sl_endpoint *out, unsigned *n)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM, .ai_protocol = IPPROTO_UDP};
	struct addrinfo *list;
	int err = getaddrinfo(host, NULL, &hints, &list);

	*n = 0;
	if (err)
		return err;
	for (const struct addrinfo *a = list; a && *n < SL_RESOLVER_ADDRESSES; a = a->ai_next) {
		struct sl_endpoint *e = &out[*n];

		if (a->ai_family == AF_INET)
			e->ip = sl_ip4(&((const struct sockaddr_in *)(const void *)a->ai_addr)->sin_addr);
		else if (a->ai_family == AF_INET6)
			e->ip = sl_ip6(&((const struct sockaddr_in6 *)(const void *)a->ai_addr)->sin6_addr);
		else
			continue;
		e->port = port;
		(*n)++;
	}
	freeaddrinfo(list);
	return *n ? 0 : EAI_NONAME;
}

static uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SL_NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

static struct sl_due_queue *
queue_of(struct sl_resolver *r, const struct request *req)
{
	return req->slow ? &r->slow : &r->waiting;
}

static void *thread_main(void *arg);

/* With the lock held, like all that follow. 0 or a positive errno. */
static int
start_thread(struct sl_resolver *r)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	/* signals are for control */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&thread, &attr, thread_main, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	r->threads += err == 0;
	r->holders += err == 0;
	return err;
}

/* The first one that this thread may take, due or not. */
static struct request *
first_request(const struct sl_resolver *r)
{
	struct sl_due *due = sl_due_first(&r->waiting);
	struct sl_due *slow = sl_due_first(&r->slow);

	if (slow && r->slow_busy < SL_RESOLVER_THREADS_SLOW && (!due || slow->at < due->at))
		due = slow;
	return (struct request *)due;
}

/* Sees to it that a thread waits for the next request: one that waits may have seen none yet, or a later one. */
static void
call_thread(struct sl_resolver *r)
{
	if (r->idle == 0 && r->threads < SL_RESOLVER_THREADS && first_request(r))
		start_thread(r); /* where that fails, it waits for one of those that are there */
	pthread_cond_signal(&r->wake);
}

/* Puts a request, for which room has been reserved, where this thread finds it when it is done, or one that is called. */
static void
schedule(struct sl_resolver *r, struct request *req, uint64_t at)
{
	req->due.at = at;
	sl_due_add(queue_of(r, req), &req->due);
}

static void
wait_until(struct sl_resolver *r, uint64_t at)
{
	const struct timespec until = {
		.tv_sec = (time_t)(at / SL_NSEC_PER_SEC), .tv_nsec = (long)(at % SL_NSEC_PER_SEC)};

	r->idle++;
	if (at == UINT64_MAX)
		pthread_cond_wait(&r->wake, &r->lock);
	else
		pthread_cond_timedwait(&r->wake, &r->lock, &until);
	r->idle--;
}

/* Waits until a request is due and takes it out; NULL when stopped. */
static struct request *
next_request(struct sl_resolver *r)
{
	while (!r->stop) {
		struct request *req = first_request(r);

		if (req && req->due.at <= now_ns()) {
			sl_due_remove(queue_of(r, req), &req->due);
			call_thread(r);
			return req;
		}
		wait_until(r, req ? req->due.at : UINT64_MAX);
	}
	return NULL;
}

static void
drop_answer(struct sl_resolver *r, struct request *req)
{
	if (req->answer.waits)
		TAILQ_REMOVE(&r->answers, &req->answer, next);
	req->answer.waits = false;
}

/* Whether the log should have what came of a lookup: error NULL for one that found the name. */
static bool
is_news(struct request *req, const char *error, uint64_t now)
{
	const char *told = req->told;

	if (error && told && strcmp(error, told) == 0 && now - req->told_at < SL_RESOLVER_TELL_AGAIN * SL_NSEC_PER_SEC)
		return false;
	req->told = error;
	req->told_at = now;
	return error || told;
}

static void
post(struct sl_resolver *r, struct request *req, const struct sl_endpoint *endpoints, unsigned n, const char *error)
{
	struct answer *a = &req->answer;
	bool untaken = a->waits && a->news;
	const uint64_t one = 1;

	drop_answer(r, req);
	a->n = n;
	memcpy(a->endpoints, endpoints, n * sizeof(*endpoints));
	a->error = error;
	a->retry_in = n ? 0 : req->backoff;
	/* one that has not been taken is not told any more */
	a->news = is_news(req, error, now_ns()) || untaken;
	a->waits = true;
	TAILQ_INSERT_TAIL(&r->answers, a, next);
	/* a full counter is readable as well */
	if (write(r->fd, &one, sizeof(one)) < 0)
		return;
}

static void
looked_up(struct sl_resolver *r, struct request *req, int err, const struct sl_endpoint *endpoints, unsigned n)
{
	uint64_t now = now_ns();

	if (err == 0 && n > 0) {
		req->backoff = 0;
		req->found = now;
		post(r, req, endpoints, n, NULL);
		if (req->refresh)
			schedule(r, req, now + req->refresh * SL_NSEC_PER_SEC);
		return;
	}
	req->backoff = req->backoff ? req->backoff * 2 : SL_RESOLVER_BACKOFF_MIN;
	if (req->backoff > SL_RESOLVER_BACKOFF_MAX)
		req->backoff = SL_RESOLVER_BACKOFF_MAX;
	post(r, req, endpoints, 0, gai_strerror(err ? err : EAI_NONAME));
	schedule(r, req, now + req->backoff * SL_NSEC_PER_SEC);
}

static void
serve(struct sl_resolver *r, struct request *req)
{
	struct sl_endpoint endpoints[SL_RESOLVER_ADDRESSES];
	uint64_t began = now_ns();
	bool slow = req->slow;
	unsigned n = 0;
	int err;

	req->busy = true;
	r->slow_busy += slow;
	pthread_mutex_unlock(&r->lock);
	err = r->lookup(r->ctx, req->host, req->port, endpoints, &n);
	pthread_mutex_lock(&r->lock);
	r->slow_busy -= slow;
	req->slow = now_ns() - began >= SL_RESOLVER_SLOW * SL_NSEC_PER_SEC;
	req->busy = false;
	if (req->cancelled)
		free(req);
	else if (!r->stop)
		looked_up(r, req, err, endpoints, n);
}

static void
free_resolver(struct sl_resolver *r)
{
	struct request *req;

	for (unsigned i = 0; i < BUCKETS; i++) {
		while ((req = r->buckets[i])) {
			r->buckets[i] = req->bucket_next;
			drop_answer(r, req);
			free(req);
		}
	}
	sl_due_free(&r->waiting);
	sl_due_free(&r->slow);
	if (r->fd >= 0)
		close(r->fd);
	pthread_cond_destroy(&r->wake);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* Unlocks, and frees it where nobody else holds it. */
static void
let_go(struct sl_resolver *r)
{
	bool last = --r->holders == 0;

	pthread_mutex_unlock(&r->lock);
	if (last)
		free_resolver(r);
}

static void *
thread_main(void *arg)
{
	struct sl_resolver *r = arg;
	struct request *req;

	if (CPU_COUNT(&r->cpus) > 0)
		pthread_setaffinity_np(pthread_self(), sizeof(r->cpus), &r->cpus);
	pthread_mutex_lock(&r->lock);
	while ((req = next_request(r)))
		serve(r, req);
	let_go(r);
	return NULL;
}

int
sl_resolver_create(struct sl_resolver **out, sl_resolver_lookup lookup, void *ctx, const cpu_set_t *cpus)
{
	struct sl_resolver *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;
	int err;

	if (!r)
		return -ENOMEM;
	TAILQ_INIT(&r->answers);
	r->lookup = lookup ? lookup : system_lookup;
	r->ctx = ctx;
	if (cpus)
		r->cpus = *cpus;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->wake, &attr);
	pthread_condattr_destroy(&attr);
	r->holders = 1;
	r->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	/* the first one at once: without any, no name is ever found */
	pthread_mutex_lock(&r->lock);
	err = r->fd < 0 ? errno : start_thread(r);
	pthread_mutex_unlock(&r->lock);
	if (err) {
		free_resolver(r);
		return -err;
	}
	*out = r;
	return 0;
}

void
sl_resolver_destroy(struct sl_resolver *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_broadcast(&r->wake);
	let_go(r);
}

/* Where the request of an id is linked, or would be. */
static struct request **
link_of(struct sl_resolver *r, uint64_t id)
{
	struct request **link = &r->buckets[id & (BUCKETS - 1)];

	while (*link && (*link)->id != id)
		link = &(*link)->bucket_next;
	return link;
}

/* Forgets question and answer of an id. */
static void
forget(struct sl_resolver *r, uint64_t id)
{
	struct request **link = link_of(r, id);
	struct request *req = *link;

	if (!req)
		return;
	*link = req->bucket_next;
	r->n_requests--;
	drop_answer(r, req);
	if (req->busy) {
		req->cancelled = true;
		return;
	}
	sl_due_remove(queue_of(r, req), &req->due);
	free(req);
}

/* Puts a new request in the place of what its id had. 0 or -ENOMEM with the old one kept. */
static int
replace(struct sl_resolver *r, struct request *req)
{
	if (sl_due_reserve(&r->waiting, r->n_requests + 1) != 0 || sl_due_reserve(&r->slow, r->n_requests + 1) != 0)
		return -ENOMEM;
	forget(r, req->id);
	*link_of(r, req->id) = req;
	r->n_requests++;
	schedule(r, req, now_ns());
	call_thread(r);
	return 0;
}

int
sl_resolver_ask(struct sl_resolver *r, uint64_t id, const char *host, uint16_t port, uint32_t refresh)
{
	struct request *req;
	int rc;

	if (strlen(host) >= SL_RESOLVER_HOST_LEN)
		return -EINVAL;
	req = calloc(1, sizeof(*req) + strlen(host) + 1);
	if (!req)
		return -ENOMEM;
	req->id = id;
	req->port = port;
	req->refresh = refresh;
	strcpy(req->host, host);
	pthread_mutex_lock(&r->lock);
	rc = replace(r, req);
	pthread_mutex_unlock(&r->lock);
	if (rc)
		free(req);
	return rc;
}

/* Whether it was found, and neither is nor is about to be looked up: then it may be given another time. */
static bool
is_settled(const struct request *req, uint64_t now)
{
	return !req->busy && req->found && req->backoff == 0 && (req->due.place == 0 || req->due.at > now);
}

void
sl_resolver_refresh(struct sl_resolver *r, uint64_t id, uint32_t seconds)
{
	struct request *req;

	pthread_mutex_lock(&r->lock);
	req = *link_of(r, id);
	if (req) {
		req->refresh = seconds;
		if (is_settled(req, now_ns())) {
			sl_due_remove(queue_of(r, req), &req->due);
			if (seconds)
				schedule(r, req, req->found + seconds * SL_NSEC_PER_SEC);
			call_thread(r);
		}
	}
	pthread_mutex_unlock(&r->lock);
}

void
sl_resolver_again(struct sl_resolver *r, uint64_t id)
{
	uint64_t now = now_ns();
	struct request *req;

	pthread_mutex_lock(&r->lock);
	req = *link_of(r, id);
	if (req && is_settled(req, now)) {
		sl_due_remove(queue_of(r, req), &req->due);
		schedule(r, req, now);
		call_thread(r);
	}
	pthread_mutex_unlock(&r->lock);
}

void
sl_resolver_cancel(struct sl_resolver *r, uint64_t id)
{
	pthread_mutex_lock(&r->lock);
	forget(r, id);
	pthread_mutex_unlock(&r->lock);
}

int
sl_resolver_fd(const struct sl_resolver *r)
{
	return r->fd;
}

/* Copies it out: the request may go then. */
static void
take(struct sl_resolver *r, struct answer *a, struct sl_resolver_answer *out)
{
	struct request *req = (struct request *)(void *)((char *)a - offsetof(struct request, answer));

	*out = (struct sl_resolver_answer){
		.id = req->id, .n = a->n, .error = a->error, .retry_in = a->retry_in, .news = a->news};
	strcpy(out->host, req->host);
	memcpy(out->endpoints, a->endpoints, a->n * sizeof(a->endpoints[0]));
	drop_answer(r, req);
}

bool
sl_resolver_take(struct sl_resolver *r, struct sl_resolver_answer *out)
{
	struct answer *a;
	uint64_t count;

	pthread_mutex_lock(&r->lock);
	a = TAILQ_FIRST(&r->answers);
	if (a)
		take(r, a, out);
	/* readable means that there is an answer */
	if (TAILQ_EMPTY(&r->answers) && read(r->fd, &count, sizeof(count)) < 0)
		count = 0;
	pthread_mutex_unlock(&r->lock);
	return a != NULL;
}
