#include "control/resolver.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

struct request {
	TAILQ_ENTRY(request) next;
	uint64_t id;
	char host[SL_RESOLVER_HOST_LEN];
	uint16_t port;
	bool cancelled;    /* while it is being looked up */
	unsigned backoff;  /* seconds of the last wait */
	struct timespec due;
};

struct answer {
	TAILQ_ENTRY(answer) next;
	struct sl_resolver_answer body;
};

TAILQ_HEAD(requests, request);
TAILQ_HEAD(answers, answer);

/* Lives until both control and the thread have let go of it. */
struct sl_resolver {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct requests waiting; /* in the order they are due */
	struct request *current; /* the thread's, being looked up */
	struct answers answers;
	sl_resolver_lookup lookup;
	void *ctx;
	int fd;
	bool stop;
	unsigned holders;
};

static int
system_lookup(void *ctx, const char *host, uint16_t port, struct sl_endpoint *out, unsigned *n)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM, .ai_protocol = IPPROTO_UDP, .ai_flags = AI_ADDRCONFIG};
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

static bool
earlier(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

static void
insert(struct sl_resolver *r, struct request *req)
{
	struct request *other;

	/* most are due last */
	TAILQ_FOREACH_REVERSE (other, &r->waiting, requests, next)
		if (!earlier(&req->due, &other->due))
			break;
	if (other)
		TAILQ_INSERT_AFTER(&r->waiting, other, req, next);
	else
		TAILQ_INSERT_HEAD(&r->waiting, req, next);
	pthread_cond_signal(&r->wake);
}

/* Waits until a request is due and takes it out; NULL when stopped. With the lock held. */
static struct request *
next_request(struct sl_resolver *r)
{
	while (!r->stop) {
		struct request *req = TAILQ_FIRST(&r->waiting);
		struct timespec now;

		if (!req) {
			pthread_cond_wait(&r->wake, &r->lock);
			continue;
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (!earlier(&now, &req->due)) {
			TAILQ_REMOVE(&r->waiting, req, next);
			return req;
		}
		pthread_cond_timedwait(&r->wake, &r->lock, &req->due);
	}
	return NULL;
}

static void
post(struct sl_resolver *r, const struct request *req, const struct sl_endpoint *endpoints, unsigned n, const char *error)
{
	struct answer *a = calloc(1, sizeof(*a));
	const uint64_t one = 1;

	if (!a)
		return;
	a->body.id = req->id;
	memcpy(a->body.host, req->host, sizeof(a->body.host));
	a->body.n = n;
	memcpy(a->body.endpoints, endpoints, n * sizeof(*endpoints));
	a->body.error = error;
	a->body.retry_in = n ? 0 : req->backoff;
	TAILQ_INSERT_TAIL(&r->answers, a, next);
	/* a full counter is readable as well */
	if (write(r->fd, &one, sizeof(one)) < 0)
		return;
}

static void
retry_later(struct sl_resolver *r, struct request *req)
{
	clock_gettime(CLOCK_MONOTONIC, &req->due);
	req->due.tv_sec += req->backoff;
	insert(r, req);
}

static void
serve(struct sl_resolver *r, struct request *req)
{
	struct sl_endpoint endpoints[SL_RESOLVER_ADDRESSES];
	unsigned n = 0;
	int err;

	r->current = req;
	pthread_mutex_unlock(&r->lock);
	err = r->lookup(r->ctx, req->host, req->port, endpoints, &n);
	pthread_mutex_lock(&r->lock);
	r->current = NULL;
	if (req->cancelled || r->stop) {
		free(req);
	} else if (err == 0 && n > 0) {
		post(r, req, endpoints, n, NULL);
		free(req);
	} else {
		req->backoff = req->backoff ? req->backoff * 2 : SL_RESOLVER_BACKOFF_MIN;
		if (req->backoff > SL_RESOLVER_BACKOFF_MAX)
			req->backoff = SL_RESOLVER_BACKOFF_MAX;
		post(r, req, endpoints, 0, gai_strerror(err ? err : EAI_NONAME));
		retry_later(r, req);
	}
}

static void
free_resolver(struct sl_resolver *r)
{
	struct request *req;
	struct answer *a;

	while ((req = TAILQ_FIRST(&r->waiting))) {
		TAILQ_REMOVE(&r->waiting, req, next);
		free(req);
	}
	while ((a = TAILQ_FIRST(&r->answers))) {
		TAILQ_REMOVE(&r->answers, a, next);
		free(a);
	}
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

	pthread_mutex_lock(&r->lock);
	while ((req = next_request(r)))
		serve(r, req);
	let_go(r);
	return NULL;
}

static int
start_thread(struct sl_resolver *r)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	r->holders = 2;
	/* signals are for control */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&thread, &attr, thread_main, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

int
sl_resolver_create(struct sl_resolver **out, sl_resolver_lookup lookup, void *ctx)
{
	struct sl_resolver *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;
	int err;

	if (!r)
		return -ENOMEM;
	TAILQ_INIT(&r->waiting);
	TAILQ_INIT(&r->answers);
	r->lookup = lookup ? lookup : system_lookup;
	r->ctx = ctx;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->wake, &attr);
	pthread_condattr_destroy(&attr);
	r->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	err = r->fd < 0 ? -errno : start_thread(r);
	if (err) {
		free_resolver(r);
		return err;
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
	pthread_cond_signal(&r->wake);
	let_go(r);
}

/* Forgets question and answers of an id. With the lock held. */
static void
forget(struct sl_resolver *r, uint64_t id)
{
	struct request *req;
	struct answer *a, *after;

	TAILQ_FOREACH (req, &r->waiting, next)
		if (req->id == id)
			break;
	if (req) {
		TAILQ_REMOVE(&r->waiting, req, next);
		free(req);
	}
	if (r->current && r->current->id == id)
		r->current->cancelled = true;
	for (a = TAILQ_FIRST(&r->answers); a; a = after) {
		after = TAILQ_NEXT(a, next);
		if (a->body.id == id) {
			TAILQ_REMOVE(&r->answers, a, next);
			free(a);
		}
	}
}

int
sl_resolver_ask(struct sl_resolver *r, uint64_t id, const char *host, uint16_t port)
{
	struct request *req;

	if (strlen(host) >= SL_RESOLVER_HOST_LEN)
		return -EINVAL;
	req = calloc(1, sizeof(*req));
	if (!req)
		return -ENOMEM;
	req->id = id;
	req->port = port;
	strcpy(req->host, host);
	clock_gettime(CLOCK_MONOTONIC, &req->due);
	pthread_mutex_lock(&r->lock);
	forget(r, id);
	insert(r, req);
	pthread_mutex_unlock(&r->lock);
	return 0;
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

bool
sl_resolver_take(struct sl_resolver *r, struct sl_resolver_answer *out)
{
	struct answer *a;
	uint64_t count;

	pthread_mutex_lock(&r->lock);
	a = TAILQ_FIRST(&r->answers);
	if (a)
		TAILQ_REMOVE(&r->answers, a, next);
	/* readable means that there is an answer */
	if (TAILQ_EMPTY(&r->answers) && read(r->fd, &count, sizeof(count)) < 0)
		count = 0;
	pthread_mutex_unlock(&r->lock);
	if (a)
		*out = a->body;
	free(a);
	return a != NULL;
}
