/* sluice save: the running state as YAML. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/atomic_file.h"
#include "app/client.h"
#include "app/commands.h"
#include "app/options.h"
#include "app/usage.h"
#include "crypto/wipe.h"

static const char help[] =
	"Usage: sluice save [-o FILE [--force]] [-n NAME]\n"
	"\n"
	"Writes the running gateway's state as one configuration: the files as they were read last, with what was changed\n"
	"with `wg` since in its place, and the peers of included files in it. Keys stand where the files name them; those\n"
	"that stand in the files, or were set with `wg`, stand in what is written.\n"
	"\n"
	"Options:\n"
	"  -o, --output FILE  to this file, readable by its owner alone, instead of stdout\n"
	"  -f, --force        also where there is such a file\n"
	"  -n, --name NAME    the gateway; by default the only one that runs\n"
	"  -h, --help         this text\n"
	"  -V, --version      the version\n";

static int
write_to(const char *path, const char *text, size_t len, bool force)
{
	int rc = sl_atomic_write(path, text, len, S_IRUSR | S_IWUSR, force);

	if (rc != 0)
		fprintf(stderr, "sluice save: %s: %s%s\n", path, strerror(-rc),
			rc == -EEXIST ? "; choose another name, or replace it with --force" : "");
	return rc ? SL_EXIT_FAILED : SL_EXIT_DONE;
}

int
sl_cmd_save(int argc, char **argv)
{
	struct sl_options options;
	char *text;
	bool failed;
	size_t len;
	int code;

	if (!sl_parse_options(argc, argv, "fno", help, &options, &code))
		return code;
	if (optind < argc)
		return sl_usage_error("save", "takes no argument `%s`; name a file with -o", argv[optind]);
	text = sl_client_order("save", options.name, "save", &len, &failed);
	if (text == NULL)
		return SL_EXIT_FAILED;
	if (failed) {
		fputs("sluice save: the gateway could not write its state; its log says why\n", stderr);
		code = SL_EXIT_FAILED;
	} else if (options.output) {
		code = write_to(options.output, text, len, options.force);
	} else {
		fwrite(text, 1, len, stdout);
		code = fflush(stdout) == 0 ? SL_EXIT_DONE : SL_EXIT_FAILED;
	}
	sl_wipe(text, len);
	free(text);
	return code;
}
