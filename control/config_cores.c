#include "control/config.h"

/* Where the choice of cores meets its problems. */
struct chooser {
	const struct sl_config *config;
	const cpu_set_t *usable;
	struct sl_config_cores *cores;
	struct sl_config_errors *errs;
};

static bool usable(const struct chooser *c, uint32_t core)
{
	return CPU_ISSET(core, c->usable);
}

static bool unusable_core(const struct chooser *c, const char *key, uint32_t core, struct sl_place place)
{
	sl_config_errors_add(c->errs, false, c->config->files[place.file], place,
	        "%s: core %u is not one this process may run on; choose one that `taskset -p` or the unit's "
	        "CPUAffinity allows",
	        key, core);
	return false;
}

static bool choose_control(struct chooser *c)
{
	const struct sl_config_dataplane *dp = &c->config->dataplane;
	uint32_t core = 0;

	if (dp->control_core >= 0) {
		c->cores->control = (uint16_t)dp->control_core;
		return usable(c, c->cores->control) ||
		       unusable_core(c, "control-core", c->cores->control, dp->control_core_place);
	}
	/* the first core that no worker of a list has, else the first */
	for (uint32_t pass = 0; pass < 2; pass++)
		for (core = 0; core < CPU_SETSIZE; core++) {
			bool listed = false;

			for (uint32_t i = 0; dp->workers == SL_WORKERS_CORES && i < dp->n_workers; i++)
				listed |= dp->cores[i] == core;
			if (usable(c, core) && (pass == 1 || !listed)) {
				c->cores->control = (uint16_t)core;
				return true;
			}
		}
	return unusable_core(c, "control-core", 0, dp->place);
}

/* The named cores as they are. */
static bool choose_listed(struct chooser *c)
{
	const struct sl_config_dataplane *dp = &c->config->dataplane;
	bool ok = true;

	for (uint32_t i = 0; i < dp->n_workers; i++) {
		c->cores->workers[i] = dp->cores[i];
		if (!usable(c, dp->cores[i]))
			ok = unusable_core(c, "workers", dp->cores[i], dp->workers_place);
	}
	c->cores->n_workers = dp->n_workers;
	return ok;
}

/* n cores after the control core, wrapping round; the control core itself comes last. */
static bool choose_counted(struct chooser *c, uint32_t n)
{
	const struct sl_config_dataplane *dp = &c->config->dataplane;
	uint32_t available = (uint32_t)CPU_COUNT(c->usable);
	uint32_t core = c->cores->control;

	if (n > available) {
		sl_config_errors_add(c->errs, false, c->config->files[dp->workers_place.file], dp->workers_place,
		        "workers: %u workers, but this process may run on %u cores; give at most that many", n,
		        available);
		return false;
	}
	for (uint32_t i = 0; i < n; i++) {
		do
			core = (core + 1) % CPU_SETSIZE;
		while (!usable(c, core));
		c->cores->workers[i] = (uint16_t)core;
	}
	c->cores->n_workers = n;
	return true;
}

/* A worker that shares control's core must let go of it, whatever was asked. */
static void settle_idle(struct chooser *c)
{
	const struct sl_config_dataplane *dp = &c->config->dataplane;
	struct sl_place place = dp->workers_place.line ? dp->workers_place : dp->place;

	c->cores->idle = dp->idle;
	c->cores->shared = false;
	for (uint32_t i = 0; i < c->cores->n_workers; i++)
		c->cores->shared |= c->cores->workers[i] == c->cores->control;
	if (!c->cores->shared)
		return;
	c->cores->idle = SL_IDLE_ADAPTIVE;
	sl_config_errors_add(c->errs, true, c->config->files[place.file], place,
	        "a worker shares core %u with control, so idle is adaptive%s; give them cores of their own if there "
	        "are more",
	        c->cores->control, dp->idle == SL_IDLE_POLL ? " although poll was asked for" : "");
}

static void settle_helpers(struct chooser *c)
{
	c->cores->helpers = *c->usable;
	for (uint32_t i = 0; i < c->cores->n_workers; i++)
		CPU_CLR(c->cores->workers[i], &c->cores->helpers);
	if (CPU_COUNT(&c->cores->helpers) == 0)
		CPU_SET(c->cores->control, &c->cores->helpers);
}

bool sl_config_resolve_cores(const struct sl_config *config, const cpu_set_t *usable_cores,
        struct sl_config_cores *cores, struct sl_config_errors *errs)
{
	const struct sl_config_dataplane *dp = &config->dataplane;
	struct chooser c = {.config = config, .usable = usable_cores, .cores = cores, .errs = errs};
	uint32_t automatic = (uint32_t)CPU_COUNT(usable_cores) - 1;
	bool ok;

	*cores = (struct sl_config_cores){0};
	if (!choose_control(&c))
		return false;
	if (automatic > SL_CONFIG_CORES_MAX)
		automatic = SL_CONFIG_CORES_MAX;
	switch (dp->workers) {
	case SL_WORKERS_CORES:
		ok = choose_listed(&c);
		break;
	case SL_WORKERS_COUNT:
		ok = choose_counted(&c, dp->n_workers);
		break;
	default:
		ok = choose_counted(&c, automatic ? automatic : 1);
		break;
	}
	if (ok) {
		settle_idle(&c);
		settle_helpers(&c);
	}
	return ok;
}
