/* sluice bench: what a box or a link can do. Finds the kind of measurement and starts it. */
#include <stdio.h>
#include <string.h>

#include "app/bench.h"
#include "app/commands.h"
#include "app/usage.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} kinds[] = {
	{"self", sl_bench_self, "this machine alone: packets through two gateways in memory"},
	{"client", sl_bench_client, "a link: packets to a server, from it, or both"},
	{"server", sl_bench_server, "the other end of a client"},
};

static void
print_kinds(FILE *out)
{
	fputs("Usage: sluice bench KIND [OPTION...]\n\nMeasures what a box or a link can do.\n\nKinds:\n", out);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		fprintf(out, "  %-8s %s\n", kinds[i].name, kinds[i].summary);
	fputs("\nOptions:\n  -h, --help     this text; `sluice bench KIND --help` tells more\n"
	      "  -V, --version  the version\n",
		out);
}

int
sl_cmd_bench(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (name == NULL) {
		print_kinds(stderr);
		return SL_EXIT_USAGE;
	}
	if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0) {
		print_kinds(stdout);
		return SL_EXIT_DONE;
	}
	if (strcmp(name, "-V") == 0 || strcmp(name, "--version") == 0)
		return sl_print_version();
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(name, kinds[i].name) == 0)
			return kinds[i].run(argc - 1, argv + 1);
	}
	return sl_usage_error("bench", "there is no kind `%s`", name);
}
