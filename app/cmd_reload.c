/* sluice reload: the changed file into the running gateway, or what it would change. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/client.h"
#include "app/commands.h"
#include "app/options.h"
#include "app/usage.h"

static const char help[] =
	"Usage: sluice reload [--dry-run] [--keep-runtime] [--json] [-n NAME]\n"
	"\n"
	"Has the running gateway read its configuration again, and prints what changes. All of it is applied, or, where a\n"
	"file is wrong or a change is not live, nothing. Peers that do not change lose no packet, no session and no counter.\n"
	"\n"
	"What was changed with `wg` since is set back to what the files say.\n"
	"\n"
	"Options:\n"
	"  -d, --dry-run       only say what would change\n"
	"  -k, --keep-runtime  leave what was changed with `wg` as it is\n"
	"  -j, --json          as JSON\n"
	"  -n, --name NAME     the gateway; by default the only one that runs\n"
	"  -h, --help          this text\n"
	"  -V, --version       the version\n";

int
sl_cmd_reload(int argc, char **argv)
{
	struct sl_options options;
	char order[64], *answer;
	bool failed;
	size_t len;
	int code;

	if (!sl_parse_options(argc, argv, "djkn", help, &options, &code))
		return code;
	if (optind < argc)
		return sl_usage_error("reload", "takes no argument `%s`; it reads the file that `run` was given", argv[optind]);
	snprintf(order, sizeof(order), "reload%s%s%s", options.dry_run ? " dry-run" : "",
		options.keep_runtime ? " keep-runtime" : "", options.json ? " json" : "");
	answer = sl_client_order("reload", options.name, order, &len, &failed);
	if (answer == NULL)
		return SL_EXIT_FAILED;
	/* JSON is for the program that asked; words about a failure are for whoever watches */
	fwrite(answer, 1, len, failed && !options.json ? stderr : stdout);
	free(answer);
	return failed || fflush(stdout) != 0 ? SL_EXIT_FAILED : SL_EXIT_DONE;
}
