/*
 * The options that subcommands share, parsed in one place. Main thread, once
 * per process.
 */
#pragma once

#include <stdbool.h>

struct sl_options {
	const char *config; /* -c, --config */
	const char *name;   /* -n, --name */
	bool json;          /* -j, --json */
	const char *output; /* -o, --output */
	bool verbose;       /* -v, --verbose */
	bool dry_run;       /* -d, --dry-run */
	bool keep_runtime;  /* -k, --keep-runtime */
	bool force;         /* -f, --force */
};

/*
 * Parses a subcommand's options: -h and -V always, and those whose letters are in `accepted`. True: the command goes on, its
 * first operand is argv[optind]. False: help, the version or an error has been printed, and *code is the exit code.
 */
bool sl_parse_options(
	int argc, char **argv, const char *accepted, const char *help, struct sl_options *options, int *code);
