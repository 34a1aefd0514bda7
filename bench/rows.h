/*
 * The rows a measuring program ends with: one per target of bench/targets.json that the program promises. A program
 *
 *	static const char *const names[] = {"aead-64", …};
 *
 *	bench_begin("aead", names, RTE_DIM(names), &argc, argv);     takes --json, --quick, --rounds, --list
 *	… round after round: ours[round] and reference[round], measured side by side …
 *	bench_row("aead-64", ours, reference, rounds);
 *	return bench_end();
 *
 * and never states a target itself. Text goes to stdout as it is known, a line a row; with --json one array of objects
 * {"name", "unit", "value", "op", "target", "reference", "ratio", "spread", "met", …} in the end. One thread; the
 * arrays stay the caller's and keep their order.
 *
 * What a row's value is, its target says in "kind": "figure" is ours, the others are "reference/ours" and "ours/reference".
 * It is computed round by round; the row has the median and the quartiles of that.
 */
#pragma once

#include <stdbool.h>

struct bench_options {
	bool json;       /* only rows go to stdout; use stderr for words to people */
	bool quick;      /* as few rounds as give a shape, for a look or a test */
	unsigned rounds; /* 0: the program's own number */
};

/*
 * Takes the options above out of argv and leaves the program's own; ends the process on --list (after printing the
 * names, one a line), on a wrong use of these options, and where targets.json cannot be read (BENCH_TARGETS names another
 * file). names: what the program promises, which stays the caller's.
 */
struct bench_options bench_begin(const char *program, const char *const *names, unsigned n, int *argc, char **argv);

/* How many rounds: --rounds, else 3 with --quick, else `usual`. At most `most`. */
unsigned bench_rounds(unsigned usual, unsigned most);

/* A row that has a target. reference is NULL where the target is an absolute figure. Unknown names end the process. */
void bench_row(const char *name, const double *ours, const double *reference, unsigned rounds);
/* What the row above does not tell, such as why it cannot be met here. Before bench_row. */
void bench_note(const char *name, const char *note);
/* A figure beside the targets: printed as text, and left out of the JSON. */
void bench_info(const char *what, const char *unit, const double *values, unsigned rounds);
/* A promised row that cannot be measured here: said on stderr, and bench_end returns 1. */
void bench_missing(const char *name, const char *why);

/* Writes the JSON. Status for main: 0 where every promised row is there, met or not; else 1, naming those that are not. */
int bench_end(void);
