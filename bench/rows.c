#include "bench/rows.h"

#include <cpuid.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "bench/stats.h"

#define QUICK_ROUNDS 3
#define NAMES_MAX    64

static struct {
	const char *program;
	const char *const *names;
	unsigned n;
	bool done[NAMES_MAX];
	const char *notes[NAMES_MAX];
	struct bench_options options;
	json_t *targets, *rows;
} bench;

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", bench.program);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

static unsigned
find(const char *name)
{
	for (unsigned i = 0; i < bench.n; i++)
		if (strcmp(bench.names[i], name) == 0)
			return i;
	die("a row `%s` was not promised", name);
}

static json_t *
target_of(const char *name)
{
	json_t *target;
	size_t i;

	json_array_foreach(bench.targets, i, target)
		if (strcmp(json_string_value(json_object_get(target, "name")), name) == 0)
			return target;
	die("targets.json has no `%s`", name);
}

static const char *
text_of(const json_t *target, const char *key)
{
	const char *text = json_string_value(json_object_get(target, key));

	return text ? text : "";
}

static void
load_targets(void)
{
	const char *path = getenv("BENCH_TARGETS");
	json_error_t error;

	if (!path)
		path = BENCH_TARGETS_FILE;
	bench.targets = json_load_file(path, 0, &error);
	if (!json_is_array(bench.targets))
		die("%s:%d: %s", path, error.line, error.text);
	for (unsigned i = 0; i < bench.n; i++)
		if (strcmp(text_of(target_of(bench.names[i]), "program"), bench.program) != 0)
			die("targets.json gives `%s` to another program", bench.names[i]);
}

static unsigned
parse_rounds(const char *text)
{
	char *end;
	unsigned long rounds = text ? strtoul(text, &end, 10) : 0;

	if (!text || *end || rounds == 0 || rounds > 1000)
		die("--rounds takes a number from 1 to 1000");
	return (unsigned)rounds;
}

struct bench_options
bench_begin(const char *program, const char *const *names, unsigned n, int *argc, char **argv)
{
	int kept = 1;
	bool list = false;

	bench.program = program;
	bench.names = names;
	bench.n = n;
	if (n > NAMES_MAX)
		die("more than %d rows", NAMES_MAX);
	for (int i = 1; i < *argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			bench.options.json = true;
		} else if (strcmp(argv[i], "--quick") == 0) {
			bench.options.quick = true;
		} else if (strcmp(argv[i], "--list") == 0) {
			list = true;
		} else if (strcmp(argv[i], "--rounds") == 0) {
			bench.options.rounds = parse_rounds(argv[i + 1]);
			i++;
		} else {
			argv[kept++] = argv[i];
		}
	}
	*argc = kept;
	argv[kept] = NULL;
	load_targets();
	for (unsigned i = 0; list && i < n; i++)
		puts(names[i]);
	if (list)
		exit(0);
	bench.rows = json_array();
	setvbuf(stdout, NULL, _IOLBF, 0);
	return bench.options;
}

unsigned
bench_rounds(unsigned usual, unsigned most)
{
	unsigned rounds = bench.options.rounds ? bench.options.rounds : bench.options.quick ? QUICK_ROUNDS : usual;

	return rounds < most ? rounds : most;
}

static bool
has_ifma(void)
{
	unsigned a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_AVX512IFMA);
}

static void
print_row(const json_t *row, const char *figures)
{
	const json_t *spread = json_object_get(row, "spread");
	double value = json_number_value(json_object_get(row, "value"));
	int digits = value < 10 ? 2 : value < 100 ? 1 : 0;
	const char *note = text_of(row, "note");

	printf("%-24s %8.*f %-18s (%.*f-%.*f)  target %s %g: %s%s%s%s\n", text_of(row, "name"), digits, value,
		text_of(row, "unit"), digits, json_number_value(json_array_get(spread, 0)), digits,
		json_number_value(json_array_get(spread, 1)), text_of(row, "op"),
		json_number_value(json_object_get(row, "target")),
		json_is_true(json_object_get(row, "met")) ? "met" : "MISSED", figures, *note ? "; " : "", note);
}

static double
value_of(const char *kind, double ours, const double *reference)
{
	if (strcmp(kind, "reference/ours") == 0)
		return *reference / ours;
	return strcmp(kind, "ours/reference") == 0 ? ours / *reference : ours;
}

/* The figures that the value was made of; as text into `out` where there is a reference. */
static void
add_figures(json_t *row, const json_t *target, double *ours, double *reference, unsigned n, char *out, size_t size)
{
	double mine = bench_spread(ours, n).median, other;

	json_object_set_new(row, "figure", json_real(mine));
	json_object_set(row, "figure-unit", json_object_get(target, "figure-unit"));
	*out = '\0';
	if (!reference)
		return;
	other = bench_spread(reference, n).median;
	json_object_set_new(row, "reference-figure", json_real(other));
	snprintf(out, size, "; %.*f against %.*f %s", mine < 10, mine, other < 10, other, text_of(target, "figure-unit"));
}

static json_t *
make_row(const json_t *target, double *values, unsigned n)
{
	struct bench_spread s;
	double want = json_number_value(json_object_get(target, "target"));
	bool least = strcmp(text_of(target, "op"), ">=") == 0;
	json_t *row = json_object(), *rounds = json_array();

	for (unsigned i = 0; i < n; i++)
		json_array_append_new(rounds, json_real(values[i]));
	s = bench_spread(values, n);
	json_object_set(row, "name", json_object_get(target, "name"));
	json_object_set(row, "unit", json_object_get(target, "unit"));
	json_object_set_new(row, "value", json_real(s.median));
	json_object_set(row, "op", json_object_get(target, "op"));
	json_object_set(row, "target", json_object_get(target, "target"));
	json_object_set(row, "reference", json_object_get(target, "reference"));
	/* where the target is an absolute figure, it is the only thing to hold the value against */
	if (strcmp(text_of(target, "kind"), "figure") == 0)
		json_object_set_new(row, "ratio", want > 0 ? json_real(s.median / want) : json_null());
	else
		json_object_set_new(row, "ratio", json_real(s.median));
	json_object_set_new(row, "spread", json_pack("[ff]", s.low, s.high));
	json_object_set_new(row, "met", json_boolean(least ? s.median >= want : s.median <= want));
	json_object_set(row, "work", json_object_get(target, "work"));
	json_object_set_new(row, "rounds", rounds);
	return row;
}

static void
add_note(json_t *row, const json_t *target, const char *note)
{
	if (!note && strcmp(text_of(target, "needs"), "avx512ifma") == 0 && !has_ifma())
		note = "asked where AVX-512 IFMA exists, and this CPU has none";
	if (!note && json_is_false(json_object_get(row, "met")) &&
		strcmp(text_of(target, "set-on"), "avx512ifma") == 0 && !has_ifma())
		note = "set on a CPU with AVX-512 IFMA, and this one has none";
	if (note)
		json_object_set_new(row, "note", json_string(note));
}

void
bench_row(const char *name, const double *ours, const double *reference, unsigned rounds)
{
	unsigned at = find(name);
	const json_t *target = target_of(name);
	const char *kind = text_of(target, "kind");
	double *values = calloc(3 * (size_t)rounds, sizeof(*values));
	char figures[128];
	json_t *row;

	if (!values || rounds == 0)
		die("%s has no rounds", name);
	if (!reference && strcmp(kind, "figure") != 0)
		die("%s was measured without its reference", name);
	for (unsigned i = 0; i < rounds; i++) {
		values[i] = value_of(kind, ours[i], reference ? &reference[i] : NULL);
		values[rounds + i] = ours[i];
		values[2 * rounds + i] = reference ? reference[i] : 0;
	}
	row = make_row(target, values, rounds);
	add_figures(row, target, values + rounds, reference ? values + 2 * rounds : NULL, rounds, figures, sizeof(figures));
	add_note(row, target, bench.notes[at]);
	free(values);
	json_array_append_new(bench.rows, row);
	bench.done[at] = true;
	if (!bench.options.json)
		print_row(row, figures);
}

void
bench_note(const char *name, const char *note)
{
	bench.notes[find(name)] = note;
}

void
bench_info(const char *what, const char *unit, const double *values, unsigned rounds)
{
	double *copy = calloc(rounds, sizeof(*copy));
	struct bench_spread s;
	int digits;

	if (!copy || rounds == 0)
		die("%s has no rounds", what);
	memcpy(copy, values, rounds * sizeof(*copy));
	s = bench_spread(copy, rounds);
	free(copy);
	digits = s.median < 10 ? 2 : s.median < 100 ? 1 : 0;
	if (!bench.options.json)
		printf("  %-40s %.*f %s (%.*f-%.*f)\n", what, digits, s.median, unit, digits, s.low, digits, s.high);
}

void
bench_missing(const char *name, const char *why)
{
	find(name);
	fprintf(stderr, "%s: %s was not measured: %s\n", bench.program, name, why);
}

int
bench_end(void)
{
	int status = 0;

	if (bench.options.json) {
		json_dumpf(bench.rows, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(7));
		putchar('\n');
	}
	for (unsigned i = 0; i < bench.n; i++) {
		if (bench.done[i])
			continue;
		fprintf(stderr, "%s: the row %s is missing\n", bench.program, bench.names[i]);
		status = 1;
	}
	json_decref(bench.rows);
	json_decref(bench.targets);
	return fflush(stdout) == 0 ? status : 1;
}
