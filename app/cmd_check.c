/* sluice check: a configuration, without touching a device. */
#include <stdio.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/options.h"
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

static const char *
plural(uint32_t n)
{
	return n == 1 ? "" : "s";
}

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
	printf("%s: ok: %u port%s, %u interface%s, %u peer%s\n", path, config->n_ports, plural(config->n_ports),
		config->n_interfaces, plural(config->n_interfaces), config->n_peers, plural(config->n_peers));
	sl_config_free(config);
	return SL_EXIT_DONE;
}

int
sl_cmd_check(int argc, char **argv)
{
	struct sl_options options;
	int code;

	if (!sl_parse_options(argc, argv, "c", help, &options, &code))
		return code;
	if (optind < argc)
		return sl_usage_error("check", "takes no argument `%s`", argv[optind]);
	if (options.config == NULL)
		return sl_usage_error("check", "needs -c FILE");
	return check(options.config);
}
