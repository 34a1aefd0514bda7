/* Which cores a gateway takes out of those it may run on. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "control/config.h"

struct cores_case {
	const char *dataplane; /* the mapping's keys */
	const char *usable;    /* one digit a core */
	bool ok;
	int control;
	const char *workers; /* one digit a core, in order */
	const char *helpers; /* one digit a core */
	enum sl_idle idle;
	const char *said; /* within the messages; "" for none at all */
};

static const struct cores_case cases[] = {
        {"", "0123", true, 0, "123", "0", SL_IDLE_ADAPTIVE, ""},
        {"workers: auto", "0123", true, 0, "123", "0", SL_IDLE_ADAPTIVE, ""},
        {"workers: auto, idle: poll", "0123", true, 0, "123", "0", SL_IDLE_POLL, ""},
        {"workers: auto", "5", true, 5, "5", "5", SL_IDLE_ADAPTIVE,
                "a worker shares core 5 with control, so idle is adaptive;"},
        {"workers: 1, idle: poll", "3", true, 3, "3", "3", SL_IDLE_ADAPTIVE, "idle is adaptive although poll was asked for"},
        {"workers: 2", "0123", true, 0, "12", "03", SL_IDLE_ADAPTIVE, ""},
        {"workers: 2, control-core: 2", "0123", true, 2, "30", "12", SL_IDLE_ADAPTIVE, ""},
        {"workers: 4, control-core: 2", "0123", true, 2, "3012", "2", SL_IDLE_ADAPTIVE, "shares core 2"},
        {"workers: 2, idle: poll", "01", true, 0, "10", "0", SL_IDLE_ADAPTIVE, "poll was asked for"},
        {"workers: 2, control-core: 4", "147", true, 4, "71", "4", SL_IDLE_ADAPTIVE, ""},
        {"workers: 5", "0123", false, 0, "", "", 0, "t.yaml:2:22: workers: 5 workers, but this process may run on 4 cores"},
        {"workers: [1, 3]", "0123", true, 0, "13", "02", SL_IDLE_ADAPTIVE, ""},
        {"workers: [0, 1]", "0123", true, 2, "01", "23", SL_IDLE_ADAPTIVE, ""},
        {"workers: [0, 1-3]", "0123", true, 0, "0123", "0", SL_IDLE_ADAPTIVE, "shares core 0"},
        {"workers: [3, 1], control-core: 1, idle: poll", "0123", true, 1, "31", "02", SL_IDLE_ADAPTIVE, "shares core 1"},
        {"workers: [1, 5-7]", "0156", false, 0, "", "", 0,
                "t.yaml:2:22: workers: core 7 is not one this process may run on"},
        {"control-core: 6", "0123", false, 0, "", "", 0,
                "t.yaml:2:27: control-core: core 6 is not one this process may run on"},
};

static void check_case(const struct cores_case *c)
{
	struct sl_config_errors errs;
	struct sl_config_cores cores;
	struct sl_config *config;
	char text[256], workers[SL_CONFIG_CORES_MAX + 1] = "", helpers[11] = "";
	cpu_set_t usable;
	bool ok;

	CPU_ZERO(&usable);
	for (const char *core = c->usable; *core; core++)
		CPU_SET((size_t)(*core - '0'), &usable);
	snprintf(text, sizeof(text), "version: 1\ndataplane: {%s}\nports: {p: {device: net_null0}}\n", c->dataplane);
	sl_config_errors_init(&errs);
	config = sl_config_load_text("t.yaml", text, strlen(text), &errs);
	cr_assert(config, "%s", c->dataplane);
	ok = sl_config_resolve_cores(config, &usable, &cores, &errs);
	cr_expect_eq(ok, c->ok, "%s", c->dataplane);
	cr_expect_eq(errs.n_errors == 0, ok, "%s", c->dataplane);
	if (*c->said)
		cr_expect(errs.n_messages == 1 && strstr(errs.messages[0].text, c->said), "%s: %s", c->dataplane,
		        errs.n_messages ? errs.messages[0].text : "silent");
	else
		cr_expect_eq(errs.n_messages, 0, "%s", c->dataplane);
	if (ok) {
		for (uint32_t i = 0; i < cores.n_workers; i++)
			workers[i] = (char)('0' + cores.workers[i]);
		cr_expect_str_eq(workers, c->workers, "%s: workers %s", c->dataplane, workers);
		for (size_t core = 0, n = 0; core < 10; core++)
			if (CPU_ISSET(core, &cores.helpers))
				helpers[n++] = (char)('0' + core);
		cr_expect_str_eq(helpers, c->helpers, "%s: helpers %s", c->dataplane, helpers);
		cr_expect_eq(cores.control, c->control, "%s: control %u", c->dataplane, cores.control);
		cr_expect_eq(cores.idle, c->idle, "%s", c->dataplane);
		cr_expect_eq(cores.shared, strstr(c->said, "shares") != NULL || strstr(c->said, "poll was") != NULL);
	}
	sl_config_free(config);
	sl_config_errors_free(&errs);
}

Test(config_cores, table)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_case(&cases[i]);
}
