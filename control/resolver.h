/*
 * Endpoint names looked up off the control loop: getaddrinfo on threads of their
 * own, which are started as they are needed. Control asks and takes answers; an eventfd tells when there are any.
 * A name that does not resolve is tried again with backoff until it does or is
 * cancelled; one that did is looked up again at the interval it was given, and
 * when control asks for it. Names whose last lookup took long never hold all the
 * threads, so that those of a server that does not answer delay no others. All functions
 * are control's, and none of them blocks on the network; sl_resolver_destroy does
 * not wait for a lookup that hangs. Requests and answers are copied; there is at
 * most one of each per id.
 */
#pragma once

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/addr.h"

#define SL_RESOLVER_ADDRESSES   8
#define SL_RESOLVER_HOST_LEN    256
#define SL_RESOLVER_BACKOFF_MIN 1  /* seconds to the first retry, then doubled … */
#define SL_RESOLVER_BACKOFF_MAX 60 /* … up to this */

/* A lookup of a server that does not answer takes some ten seconds, and at a start all names are new. */
#define SL_RESOLVER_THREADS         64 /* at most, as many as have had something to do at once */
#define SL_RESOLVER_THREADS_SLOW    16 /* of those, for names whose last lookup took long */
#define SL_RESOLVER_SLOW            1  /* seconds that are long */

#define SL_RESOLVER_TELL_AGAIN 3600 /* seconds: how often one that goes on failing is worth a line in the log */

struct sl_resolver;

struct sl_resolver_answer {
	uint64_t id; /* as given to sl_resolver_ask */
	char host[SL_RESOLVER_HOST_LEN];
	unsigned n; /* endpoints; 0: failed, tried again by itself in retry_in seconds */
	struct sl_endpoint endpoints[SL_RESOLVER_ADDRESSES]; /* in the system's order of preference (RFC 6724) */
	const char *error; /* static text where n is 0 */
	unsigned retry_in;
	/* a failure that is the first in a row, has another reason, or has gone on for long; the success after one */
	bool news;
};

/* Looks one name up: fills at most SL_RESOLVER_ADDRESSES endpoints and *n. 0 or an EAI_* code. On one of the resolver's threads. */
typedef int (*sl_resolver_lookup)(void *ctx, const char *host, uint16_t port, struct sl_endpoint *out, unsigned *n);

/*
 * lookup NULL: getaddrinfo. cpus: where its threads run, if these are to be had; NULL: where the caller's thread does. 0 and *out set, or
 * a negative errno.
 */
int sl_resolver_create(struct sl_resolver **out, sl_resolver_lookup lookup, void *ctx, const cpu_set_t *cpus);
/* Drops what was asked. A lookup in progress ends on its own and is forgotten. NULL is allowed. */
void sl_resolver_destroy(struct sl_resolver *r);

/*
 * Asks for host; port goes into the answers. Looked up again that many seconds after each time it was found; 0: only
 * when asked to. A second question of the same id replaces the first. 0, -EINVAL for a name that is too long, or -ENOMEM.
 */
int sl_resolver_ask(struct sl_resolver *r, uint64_t id, const char *host, uint16_t port, uint32_t refresh);
/* Another interval for what was asked, counted from when it was found last; nothing where nothing was asked. */
void sl_resolver_refresh(struct sl_resolver *r, uint64_t id, uint32_t seconds);
/* Looks a name that was found up once more now. One that is being looked up, or is tried again with backoff, stays with that. */
void sl_resolver_again(struct sl_resolver *r, uint64_t id);
/* No answer of this id is given any more. */
void sl_resolver_cancel(struct sl_resolver *r, uint64_t id);

/* Readable while answers wait; for poll or epoll only. */
int sl_resolver_fd(const struct sl_resolver *r);
/* Takes one answer; false where there is none. */
bool sl_resolver_take(struct sl_resolver *r, struct sl_resolver_answer *out);
