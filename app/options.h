/*
 * The options that subcommands share, parsed in one place. Main thread, once
 * per process.
 */
#pragma once

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

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

/* Room for the letters of n options, an argument's colon with each. */
#define SL_OPTION_LETTERS(n) (2 * (n) + 1)

/*
 * Fills getopt's two tables with what a command accepts of the n_all options there are: -h and -V always, and those whose
 * letters are in `accepted`. longs has room for n_all + 1, letters for SL_OPTION_LETTERS(n_all).
 */
void sl_select_options(
	const struct option *all, size_t n_all, const char *accepted, struct option *longs, char *letters);
