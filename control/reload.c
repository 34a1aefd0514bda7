#include "control/reload.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "control/diff.h"
#include "control/log.h"

#define STEPS_PER_SLICE 32

struct sl_reload {
	struct sl_gateway *gw;
	int fd; /* eventfd: the thread has ended */
	pthread_t thread;
	bool loading;
	bool again;
	/* written by the thread before it signals */
	struct sl_config_errors errors;
	struct sl_config *config;
	struct sl_steps *steps;
	/* being applied */
	bool applying;
	uint32_t at;
	uint32_t failed;
};

int
sl_reload_create(struct sl_reload **out, struct sl_gateway *gw)
{
	struct sl_reload *r = calloc(1, sizeof(*r));
	struct epoll_event ev = {.events = EPOLLIN};

	if (r == NULL)
		return -ENOMEM;
	r->gw = gw;
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

/* Drops what a load has brought. */
static void
discard(struct sl_reload *r)
{
	sl_steps_free(r->steps);
	sl_config_free(r->config);
	sl_config_errors_free(&r->errors);
	r->steps = NULL;
	r->config = NULL;
}

void
sl_reload_destroy(struct sl_reload *r)
{
	if (r == NULL)
		return;
	if (r->loading)
		pthread_join(r->thread, NULL);
	discard(r);
	close(r->fd);
	free(r);
}

static void *
load(void *arg)
{
	struct sl_reload *r = arg;
	const uint64_t one = 1;

	r->config = sl_config_load(r->gw->config_path, &r->errors);
	if (r->config)
		r->steps = sl_config_diff(r->gw->config, r->config);
	/* an eventfd of one writer takes a 1 at any time */
	if (write(r->fd, &one, sizeof(one)) != sizeof(one))
		abort();
	return NULL;
}

void
sl_reload_request(struct sl_reload *r)
{
	if (r->loading || r->applying) {
		r->again = true;
		return;
	}
	sl_config_errors_init(&r->errors);
	r->loading = pthread_create(&r->thread, NULL, load, r) == 0;
	if (!r->loading)
		sl_log_error("reload: no thread can be started; nothing was changed");
}

int
sl_reload_fd(const struct sl_reload *r)
{
	return r->fd;
}

static void
log_messages(const struct sl_config_errors *errors)
{
	for (uint32_t i = 0; i < errors->n_messages; i++)
		sl_log(errors->messages[i].warning ? SL_LOG_WARNING : SL_LOG_ERROR, "%s", errors->messages[i].text);
}

/* Names what only a restart changes. Whether there was any. */
static bool
refuse(const struct sl_reload *r)
{
	bool any = false;

	for (uint32_t i = 0; i < r->steps->n_steps; i++) {
		const struct sl_step *s = &r->steps->steps[i];
		bool simd = s->kind == SL_STEP_DATAPLANE && s->changed & SL_CHANGE_SIMD;

		if (s->kind != SL_STEP_REFUSED && !simd)
			continue;
		sl_log_error("reload: %s: not live; restart to change it", simd ? "dataplane.simd" : s->what);
		any = true;
	}
	return any;
}

static void
finish(struct sl_reload *r)
{
	r->applying = false;
	discard(r);
	if (r->again) {
		r->again = false;
		sl_reload_request(r);
	}
}

void
sl_reload_event(struct sl_reload *r)
{
	uint64_t n;

	if (read(r->fd, &n, sizeof(n)) != sizeof(n))
		return;
	pthread_join(r->thread, NULL);
	r->loading = false;
	log_messages(&r->errors);
	if (r->config == NULL || r->steps == NULL) {
		sl_log_error("reload: %s refused; the running configuration is untouched", r->gw->config_path);
		finish(r);
	} else if (refuse(r)) {
		sl_log_error("reload: nothing was changed");
		finish(r);
	} else {
		r->applying = true;
		r->at = 0;
		r->failed = 0;
	}
}

bool
sl_reload_advance(struct sl_reload *r)
{
	struct sl_config *old = r->gw->config;
	char error[SL_GATEWAY_ERROR_LEN];

	if (!r->applying)
		return false;
	sl_allowed_ips_batch_begin(r->gw->allowed);
	for (unsigned i = 0; i < STEPS_PER_SLICE && r->at < r->steps->n_steps; i++) {
		if (sl_gateway_apply(r->gw, r->steps, r->at++, error) != 0) {
			sl_log_error("reload: %s", error);
			r->failed++;
		}
	}
	sl_allowed_ips_batch_commit(r->gw->allowed);
	if (r->at < r->steps->n_steps)
		return true;
	if (r->failed)
		sl_log_error("reload: %u of %u changes could not be made", r->failed, r->steps->n_steps);
	else
		sl_log_notice("reload: %u changes made", r->steps->n_steps);
	r->gw->config = r->config;
	r->config = old; /* freed with the steps that point into it */
	finish(r);
	return true;
}
