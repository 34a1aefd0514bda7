/* sluice run: the gateway in the foreground. */
#include <sched.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "app/commands.h"
#include "app/options.h"
#include "app/usage.h"
#include "control/config_memory.h"
#include "control/gateway.h"
#include "control/log.h"

static const char help[] =
	"Usage: sluice run -c FILE\n"
	"\n"
	"Runs the gateway described by FILE in the foreground. Logs go to stderr; the line\n"
	"`sluice: ready` goes to stdout once it forwards. SIGTERM and SIGINT stop it cleanly.\n"
	"\n"
	"Options:\n"
	"  -c, --config FILE  the configuration, see sluice.yaml(5)\n"
	"  -v, --verbose      log more\n"
	"  -h, --help         this text\n"
	"  -V, --version      the version\n";

/* The checked description and its cores, or NULL with everything that is wrong on stderr. */
static struct sl_config *
load(const char *path, struct sl_config_cores *cores)
{
	struct sl_config_errors errs;
	struct sl_config *config;
	cpu_set_t usable;

	sl_config_errors_init(&errs);
	/* once it is said, malloc does not move the limit to what was freed last */
	mallopt(M_MMAP_THRESHOLD, SL_LARGE_ALLOC);
	config = sl_config_load(path, &errs);
	if (config && sched_getaffinity(0, sizeof(usable), &usable) != 0) {
		fprintf(stderr, "sluice run: cannot tell which cores are usable: %m\n");
		sl_config_free(config);
		config = NULL;
	}
	if (config && !sl_config_resolve_cores(config, &usable, cores, &errs)) {
		sl_config_free(config);
		config = NULL;
	}
	sl_config_errors_print(&errs, stderr);
	sl_config_errors_free(&errs);
	return config;
}

static int
run(const char *path)
{
	struct sl_config_cores cores;
	struct sl_config *config = load(path, &cores);
	struct sl_gateway *gw;
	char error[SL_GATEWAY_ERROR_LEN];

	if (config == NULL)
		return SL_EXIT_FAILED;
	sl_gateway_block_signals();
	gw = sl_gateway_start(config, &cores, error);
	if (gw == NULL) {
		sl_log_error("%s", error);
		sl_config_free(config);
		return SL_EXIT_FAILED;
	}
	puts("sluice: ready");
	fflush(stdout);
	sd_notify(0, "READY=1");
	sl_gateway_run(gw);
	sd_notify(0, "STOPPING=1");
	sl_gateway_stop(gw);
	return SL_EXIT_DONE;
}

int
sl_cmd_run(int argc, char **argv)
{
	struct sl_options options;
	int code;

	if (!sl_parse_options(argc, argv, "cv", help, &options, &code))
		return code;
	if (optind < argc)
		return sl_usage_error("run", "takes no argument `%s`", argv[optind]);
	if (options.config == NULL)
		return sl_usage_error("run", "needs -c FILE");
	sl_log_init();
	if (options.verbose)
		sl_log_set_level(SL_LOG_DEBUG);
	return run(options.config);
}
