/*
 * Rows for measuring programs that are scripts: reads "NAME OURS [REFERENCE]" lines, one per round, and writes the rows
 * of bench/rows.h.
 *
 *   row PROGRAM NAME[,NAME…] [--json] [--list] <FIGURES
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/rows.h"

#define NAMES_MAX  16
#define ROUNDS_MAX 1000
#define NAME_LEN   64

static struct {
	double ours[ROUNDS_MAX], reference[ROUNDS_MAX];
	unsigned n;
	bool compared;
} figures[NAMES_MAX];

/* False on a line that is none. */
static bool
take_line(const char *line, const char *const *names, unsigned n)
{
	char name[NAME_LEN];
	double ours, reference = 0;
	int fields = sscanf(line, "%63s %lf %lf", name, &ours, &reference);

	for (unsigned i = 0; fields >= 2 && i < n; i++) {
		if (strcmp(name, names[i]) != 0 || figures[i].n == ROUNDS_MAX)
			continue;
		figures[i].ours[figures[i].n] = ours;
		figures[i].reference[figures[i].n++] = reference;
		figures[i].compared = fields == 3;
		return true;
	}
	return false;
}

int
main(int argc, char **argv)
{
	const char *names[NAMES_MAX];
	unsigned n = 0;
	char line[256];
	int words = argc - 2;

	if (argc < 3) {
		fputs("usage: row PROGRAM NAME[,NAME...] [--json] [--list] <FIGURES\n", stderr);
		return 2;
	}
	for (char *name = strtok(argv[2], ","); name && n < NAMES_MAX; name = strtok(NULL, ","))
		names[n++] = name;
	bench_begin(argv[1], names, n, &words, argv + 2);
	while (fgets(line, sizeof(line), stdin)) {
		if (take_line(line, names, n))
			continue;
		fprintf(stderr, "%s: not a figure: %s", argv[1], line);
		return 2;
	}
	for (unsigned i = 0; i < n; i++)
		if (figures[i].n > 0)
			bench_row(names[i], figures[i].ours, figures[i].compared ? figures[i].reference : NULL, figures[i].n);
	return bench_end();
}
