/* sluice check: a configuration, without touching a device. */
#include <getopt.h>
#include <stdio.h>

#include "app/commands.h"
#include "app/usage.h"
#include "control/config.h"

static const char help[] =
	"Usage: sluice check -c FILE\n"
	"\n"
	"Checks a configuration with the files it includes and its key files, without touching\n"
	"a device. Every error is told as `file:line:column: what is wrong; what to do`.\n"
	"\n"
	"Options:\n"
	"  -c, --config FILE  the configuration, see sluice.yaml(5)\n"
	"  -h, --help         this text\n"
	"  -V, --version      the version\n";

static const struct option options[] = {
	{"config", required_argument, NULL, 'c'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static int
check(const char *path)
{
	struct sl_config_errors errs;
	struct sl_config *config;

	sl_config_errors_init(&errs);
	config = sl_config_load(path, &errs);
	sl_config_errors_print(&errs, stderr);
	sl_config_errors_free(&errs);
	if (config == NULL)
		return SL_EXIT_FAILED;
	printf("%s: ok: %u ports, %u interfaces, %u peers\n", path, config->n_ports, config->n_interfaces, config->n_peers);
	sl_config_free(config);
	return SL_EXIT_DONE;
}

int
sl_cmd_check(int argc, char **argv)
{
	const char *path = NULL;
	int opt;

	while ((opt = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			path = optarg;
			break;
		case 'h':
			return sl_print_help(help);
		case 'V':
			return sl_print_version();
		default:
			return SL_EXIT_USAGE;
		}
	}
	if (optind < argc)
		return sl_usage_error("check", "takes no argument `%s`", argv[optind]);
	if (path == NULL)
		return sl_usage_error("check", "needs -c FILE");
	return check(path);
}
