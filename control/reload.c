#include "control/reload.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "control/apply.h"
#include "control/log.h"
#include "control/reload_reply.h"
#include "control/save.h"

#define STEPS_PER_SLICE    32
#define PREFIXES_PER_SLICE 256 /* after as many the next slice begins, with the step at hand where that is not done */
#define ENTRIES_PER_SLICE  256 /* of what `wg` changed */
#define ORDERS_MAX         16
#define FIELDS_LEN         768

enum stage {
	IDLE,
	NOTING,     /* which of it `wg` changed, in slices on the loop */
	COLLECTING, /* save: what it is now, likewise */
	WORKING,    /* the thread reads and compares, or writes */
	APPLYING,   /* in slices on the loop */
	SETTLING,   /* what `wg` changed is the files' again, likewise */
	CLEANING,   /* the thread frees what is left */
};

struct sl_reload {
	struct sl_gateway *gw;
	int fd; /* eventfd: the thread has ended */
	pthread_t thread;
	enum stage stage;
	unsigned n_orders;
	struct sl_order orders[ORDERS_MAX]; /* [0] is under way unless IDLE */
	struct sl_runtime_snapshot runtime; /* of when the order began */
	/* written by the thread before it signals */
	struct sl_config_errors errors;
	struct sl_config *config;
	struct sl_steps *steps;
	struct sl_save *save;
	struct sl_reply reply;
	uint32_t changes; /* among the steps */
	/* ns, boot clock */
	uint64_t began, loaded, longest;
	/* being applied */
	uint32_t at, progress, failed, settled;
	unsigned steps_at_once, prefixes_at_once;
};

void
sl_reload_bound(struct sl_reload *r, unsigned steps, unsigned prefixes)
{
	r->steps_at_once = steps;
	r->prefixes_at_once = prefixes;
}

int
sl_reload_create(struct sl_reload **out, struct sl_gateway *gw)
{
	struct sl_reload *r = calloc(1, sizeof(*r));
	struct epoll_event ev = {.events = EPOLLIN};

	if (r == NULL)
		return -ENOMEM;
	r->gw = gw;
	sl_reload_bound(r, STEPS_PER_SLICE, PREFIXES_PER_SLICE);
	r->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ev.data.fd = r->fd;
	if (r->fd < 0 || epoll_ctl(gw->epoll_fd, EPOLL_CTL_ADD, r->fd, &ev) != 0) {
		int rc = -errno;

		if (r->fd >= 0)
			close(r->fd);
		free(r);
		return rc;
	}
	*out = r;
	return 0;
}

/* Drops what an order has brought; large descriptions take their time. */
static void
discard(struct sl_reload *r)
{
	sl_steps_free(r->steps);
	sl_config_free(r->config);
	sl_config_errors_free(&r->errors);
	sl_save_free(r->save);
	free(r->runtime.entries);
	sl_reply_free(&r->reply);
	r->steps = NULL;
	r->config = NULL;
	r->save = NULL;
	r->runtime.entries = NULL;
}

void
sl_reload_destroy(struct sl_reload *r)
{
	if (r == NULL)
		return;
	if (r->stage == WORKING || r->stage == CLEANING)
		pthread_join(r->thread, NULL);
	sl_runtime_snapshot_end(&r->runtime);
	if (r->stage != IDLE)
		discard(r);
	close(r->fd);
	free(r);
}

/* --- on the thread --- */

static void
load(struct sl_reload *r)
{
	r->config = sl_config_load_again(r->gw->config_path, r->gw->config, &r->errors);
	if (r->config == NULL)
		return;
	r->steps = sl_config_diff(r->gw->config, r->config);
	sl_diff_runtime(r->steps, r->runtime.entries, r->runtime.n, r->orders[0].keep_runtime);
	r->changes = 0;
	for (uint32_t i = 0; i < r->steps->n_steps; i++)
		r->changes += sl_step_is_change(&r->steps->steps[i]);
	sl_reply_changes(&r->reply, r->steps);
}

static void *
work(void *arg)
{
	struct sl_reload *r = arg;
	const uint64_t one = 1;

	/* where these are not to be had any more, it stays on control's */
	pthread_setaffinity_np(pthread_self(), sizeof(r->gw->cores.helpers), &r->gw->cores.helpers);
	if (r->stage == CLEANING)
		discard(r);
	else if (r->orders[0].kind == SL_ORDER_SAVE)
		sl_save_write(r->save, r->gw->config, &r->reply.text, &r->reply.len);
	else
		load(r);
	/* an eventfd of one writer takes a 1 at any time */
	if (write(r->fd, &one, sizeof(one)) != sizeof(one))
		abort();
	return NULL;
}

/* --- on the loop --- */

static void begin(struct sl_reload *r);

/* The order is over: takes it from the queue, and begins the next. */
static void
finish(struct sl_reload *r)
{
	r->stage = IDLE;
	memmove(r->orders, r->orders + 1, --r->n_orders * sizeof(r->orders[0]));
	if (r->n_orders > 0)
		begin(r);
}

static bool
start_thread(struct sl_reload *r, enum stage stage)
{
	r->stage = stage;
	return pthread_create(&r->thread, NULL, work, r) == 0;
}

/* Gives the answer, and has what is left freed. */
static void
answer(struct sl_reload *r, bool failed)
{
	const struct sl_order *order = &r->orders[0];

	if (order->done) {
		size_t len;
		char *text = sl_reply_take(&r->reply, &len);

		order->done(order->ctx, text, len, failed);
	}
	if (!start_thread(r, CLEANING)) {
		discard(r);
		finish(r);
	}
}

/* Ends the answer with this line, which the log has as well. */
static void
conclude(struct sl_reload *r, bool failed, const char *line)
{
	sl_log(failed ? SL_LOG_ERROR : SL_LOG_NOTICE, "reload: %s", line);
	sl_reply_end(&r->reply, failed, line);
	answer(r, failed);
}

int
sl_reload_order(struct sl_reload *r, const struct sl_order *order)
{
	/* A signal asks for no more than the one before that has not begun yet. */
	for (unsigned i = 1; i < r->n_orders; i++)
		if (order->done == NULL && r->orders[i].done == NULL)
			return 0;
	if (r->n_orders == ORDERS_MAX)
		return -EBUSY;
	r->orders[r->n_orders++] = *order;
	if (r->n_orders == 1)
		begin(r);
	return 0;
}

/* What `wg` changed is known: the order itself begins. */
static void
noted(struct sl_reload *r)
{
	sl_runtime_snapshot_end(&r->runtime);
	if (r->runtime.failed) {
		conclude(r, true, "out of memory; nothing was changed");
		return;
	}
	if (r->orders[0].kind == SL_ORDER_SAVE) {
		r->save = sl_save_begin(r->gw, r->runtime.entries, r->runtime.n);
		r->stage = COLLECTING;
		if (r->save == NULL)
			answer(r, true);
		return;
	}
	if (!start_thread(r, WORKING))
		conclude(r, true, "no thread can be started; nothing was changed");
}

static void
note(struct sl_reload *r)
{
	if (sl_runtime_snapshot_take(&r->runtime, ENTRIES_PER_SLICE))
		noted(r);
}

static void
begin(struct sl_reload *r)
{
	r->began = sl_clock_boot_ns();
	r->longest = 0;
	r->reply = (struct sl_reply){.json = r->orders[0].json};
	sl_config_errors_init(&r->errors);
	sl_runtime_snapshot_begin(&r->runtime, r->gw->runtime);
	r->stage = NOTING;
	note(r);
}

void
sl_reload_forget(struct sl_reload *r, const void *ctx)
{
	for (unsigned i = 0; i < r->n_orders; i++) {
		if (r->orders[i].ctx != ctx || r->orders[i].done == NULL)
			continue;
		r->orders[i].done = NULL;
		if (i > 0) { /* not begun */
			memmove(&r->orders[i], &r->orders[i + 1], (--r->n_orders - i) * sizeof(r->orders[0]));
			i--;
		}
	}
}

int
sl_reload_fd(const struct sl_reload *r)
{
	return r->fd;
}

/* The messages of a load: to the log, and in front of the answer. */
static void
take_messages(struct sl_reload *r)
{
	const struct sl_config_errors *errors = &r->errors;

	for (uint32_t i = 0; i < errors->n_messages; i++)
		sl_log(errors->messages[i].warning ? SL_LOG_WARNING : SL_LOG_ERROR, "%s", errors->messages[i].text);
	if (r->config == NULL)
		sl_reply_messages(&r->reply, errors);
}

/* What only a restart changes; a level of SIMD is one that the workers' keys and tables are made for. */
static bool
is_refused(const struct sl_step *s)
{
	return s->kind == SL_STEP_REFUSED || (s->kind == SL_STEP_DATAPLANE && s->changed & SL_CHANGE_SIMD);
}

static bool
any_refused(const struct sl_reload *r)
{
	bool any = false;

	/* they come first */
	for (uint32_t i = 0; i < r->steps->n_steps && r->steps->steps[i].kind <= SL_STEP_DATAPLANE; i++) {
		const struct sl_step *s = &r->steps->steps[i];

		if (!is_refused(s))
			continue;
		sl_log_error("reload: %s: not live; restart to change it",
			s->kind == SL_STEP_DATAPLANE ? "dataplane.simd" : s->what);
		any = true;
	}
	return any;
}

static void
loaded(struct sl_reload *r)
{
	r->loaded = sl_clock_boot_ns();
	take_messages(r);
	if (r->config == NULL) {
		char *line = NULL;

		if (asprintf(&line, "%s refused; the running configuration is untouched", r->gw->config_path) < 0)
			line = NULL;
		conclude(r, true, line ? line : "refused; the running configuration is untouched");
		free(line);
	} else if (any_refused(r)) {
		conclude(r, true, "changes that are not live; nothing was changed");
	} else if (r->orders[0].dry_run) {
		conclude(r, false, "dry run; nothing was changed");
	} else {
		r->stage = APPLYING;
		r->at = r->progress = r->failed = r->settled = 0;
	}
}

void
sl_reload_event(struct sl_reload *r)
{
	uint64_t n;

	if (read(r->fd, &n, sizeof(n)) != sizeof(n))
		return;
	pthread_join(r->thread, NULL);
	if (r->stage == CLEANING)
		finish(r);
	else if (r->orders[0].kind == SL_ORDER_SAVE)
		answer(r, r->reply.text == NULL);
	else
		loaded(r);
}

/* One call's worth of the step at hand. */
static void
apply(struct sl_reload *r)
{
	const struct sl_step *s = &r->steps->steps[r->at];
	char text[SL_GATEWAY_ERROR_LEN];
	int rc = sl_gateway_apply(r->gw, r->steps, r->at, &r->progress, text);

	if (rc == SL_APPLY_MORE)
		return;
	if (rc != 0) {
		sl_log_error("reload: %s", text);
		sl_diff_unmade(s);
		r->failed++;
	} else if (sl_step_is_change(s)) {
		char fields[FIELDS_LEN];

		sl_step_fields(r->steps, s, fields, sizeof(fields));
		sl_audit(&r->orders[0].actor, sl_step_name(s->kind), "%s", fields);
	}
	r->at++;
	r->progress = 0;
}

/* All is applied, and what is to be settled is. */
static void
applied(struct sl_reload *r)
{
	struct sl_config *old = r->gw->config;
	uint64_t end = sl_clock_boot_ns();
	char line[192];

	r->gw->config = r->config;
	r->config = old; /* freed with the steps that point into it */
	if (r->failed)
		snprintf(line, sizeof(line), "%u of %u changes could not be made; the log says why, and the next reload tries them again",
			r->failed, r->changes);
	else
		snprintf(line, sizeof(line), "%u change%s made; read in %.1f ms, applied in %.1f ms, longest step %.2f ms",
			r->changes, r->changes == 1 ? "" : "s", (double)(r->loaded - r->began) / SL_NSEC_PER_MSEC,
			(double)(end - r->loaded) / SL_NSEC_PER_MSEC, (double)r->longest / SL_NSEC_PER_MSEC);
	conclude(r, r->failed > 0, line);
}

/* Some more of what `wg` changed is the files' again; whether that was all. */
static bool
settle(struct sl_reload *r)
{
	uint32_t n = RTE_MIN(r->runtime.n - r->settled, (uint32_t)ENTRIES_PER_SLICE);

	if (r->orders[0].keep_runtime)
		return true;
	if (n > 0)
		sl_runtime_settle(r->gw->runtime, r->runtime.entries + r->settled, n);
	r->settled += n;
	return r->settled == r->runtime.n;
}

/* One slice of the steps; whether that was the last. */
static bool
apply_some(struct sl_reload *r)
{
	const struct sl_allowed_ips *allowed = r->gw->allowed;
	uint64_t prefixes = sl_allowed_ips_changes(allowed);

	sl_allowed_ips_batch_begin(r->gw->allowed);
	for (unsigned i = 0; i < r->steps_at_once && r->at < r->steps->n_steps; i++) {
		apply(r);
		if (sl_allowed_ips_changes(allowed) - prefixes >= r->prefixes_at_once)
			break;
	}
	sl_allowed_ips_batch_commit(r->gw->allowed);
	return r->at == r->steps->n_steps;
}

bool
sl_reload_advance(struct sl_reload *r)
{
	uint64_t from = sl_clock_boot_ns();
	bool done = false;

	switch (r->stage) {
	case NOTING:
		note(r);
		break;
	case COLLECTING:
		if (!sl_save_collect(r->save) && !start_thread(r, WORKING))
			answer(r, true);
		break;
	case APPLYING:
		if (apply_some(r))
			r->stage = SETTLING;
		break;
	case SETTLING:
		done = settle(r);
		break;
	default:
		return false;
	}
	r->longest = RTE_MAX(r->longest, sl_clock_boot_ns() - from);
	if (done)
		applied(r);
	return true;
}
