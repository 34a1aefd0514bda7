/*
 * All rows of a run against all targets, for bench/run: a table as text or Markdown, and a plot.
 *
 *   report ROWS.json [--markdown] [--plot FILE.svg] [--machine TEXT] [--programs NAME,…]
 *
 * --programs: only targets of these. A target without a row stands there as not measured. Status 1 where there are such; missed targets do not change it.
 */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "app/svg_bars.h"

#define PLOT_MOST 4.0 /* times the target; longer bars end here, and say what they are */

static const char *
text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static double
number_of(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static const json_t *
row_of(const json_t *rows, const char *name)
{
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		if (strcmp(text_of(row, "name"), name) == 0)
			return row;
	return NULL;
}

static int
digits(double value)
{
	return value == floor(value) || value >= 100 ? 0 : value < 10 ? 2 : 1;
}

/* "1.35 x", "30000 1/s" */
static void
format_value(double value, const char *unit, char *out, size_t size)
{
	bool times = strcmp(unit, "x") == 0;

	snprintf(out, size, "%.*f%s%s", times ? 2 : digits(value), value, times ? "" : " ", unit);
}

static void
format_row(const json_t *row, const char *unit, char value[static SL_SVG_TEXT], char spread[static SL_SVG_TEXT])
{
	const json_t *pair = json_object_get(row, "spread");
	double low = json_number_value(json_array_get(pair, 0)), high = json_number_value(json_array_get(pair, 1));
	int places = strcmp(unit, "x") == 0 ? 2 : digits(low) > digits(high) ? digits(low) : digits(high);

	format_value(number_of(row, "value"), unit, value, SL_SVG_TEXT);
	snprintf(spread, SL_SVG_TEXT, "%.*f-%.*f", places, low, places, high);
}

/* What was measured on either side: "92 against 305 TSC cycles/packet". */
static void
format_figures(const json_t *row, char out[static SL_SVG_TEXT])
{
	double ours = number_of(row, "figure"), other = number_of(row, "reference-figure");

	*out = '\0';
	if (json_object_get(row, "reference-figure"))
		snprintf(out, SL_SVG_TEXT, "%.*f against %.*f %s", digits(ours), ours, digits(other), other, text_of(row, "figure-unit"));
}

static void
print_row(const json_t *target, const json_t *row, bool markdown)
{
	const char *unit = text_of(target, "unit"), *note = text_of(row, "note");
	char want[SL_SVG_TEXT], value[SL_SVG_TEXT] = "not measured", spread[SL_SVG_TEXT] = "", figures[SL_SVG_TEXT] = "";
	const char *verdict = "NOT MEASURED";

	format_value(number_of(target, "target"), unit, want, sizeof(want));
	if (row) {
		format_row(row, unit, value, spread);
		format_figures(row, figures);
		verdict = json_is_true(json_object_get(row, "met")) ? "met" : "MISSED";
	}
	if (markdown) {
		printf("| %s | %s %s | %s | %s | %s | %s%s%s |\n", text_of(target, "work"),
			strcmp(text_of(target, "op"), ">=") == 0 ? "≥" : "≤", want, value, spread, row ? verdict : "**not measured**",
			figures, *figures && *note ? "; " : "", note);
		return;
	}
	printf("%-54s %2s %-22s %-24s %-15s %s\n", text_of(target, "work"), text_of(target, "op"), want, value, spread, verdict);
	if (*note)
		printf("%-54s    (%s)\n", "", note);
}

/* How far the target is reached: 1 is on it, more is better, whichever way it points. */
static double
reached(const json_t *row)
{
	double value = number_of(row, "value"), target = number_of(row, "target");
	bool most = strcmp(text_of(row, "op"), "<=") == 0;

	if (target == 0)
		return json_is_true(json_object_get(row, "met")) ? 1 : 0;
	if (most)
		return value > 0 ? target / value : PLOT_MOST;
	return value / target;
}

static void
plot_row(struct sl_svg_bars *bars, const json_t *target, const json_t *row)
{
	struct sl_svg_bar *bar = sl_svg_bars_add(bars);
	char value[SL_SVG_TEXT], spread[SL_SVG_TEXT], want[SL_SVG_TEXT];

	if (!bar)
		return;
	snprintf(bar->label, sizeof(bar->label), "%s", text_of(target, "name"));
	format_value(number_of(target, "target"), text_of(target, "unit"), want, sizeof(want));
	if (!row) {
		snprintf(bar->words, sizeof(bar->words), "not measured");
		return;
	}
	format_row(row, text_of(target, "unit"), value, spread);
	bar->segments[0] = fmin(reached(row), PLOT_MOST);
	bar->missed = !json_is_true(json_object_get(row, "met"));
	snprintf(bar->words, sizeof(bar->words), "%.*s (%s %.*s)", 30, value, text_of(target, "op"), 30, want);
}

static bool
save_plot(struct sl_svg_bars *bars, const char *path, const char *machine)
{
	bool ok;

	bars->title = "Targets and what was measured";
	bars->subtitle = machine;
	bars->axis = "times the target; a bar that reaches the line meets it (longer than 4 is cut)";
	bars->line = 1;
	bars->line_name = "target";
	ok = sl_svg_bars_save(bars, path);
	if (!ok)
		fprintf(stderr, "report: cannot write %s: %m\n", path);
	sl_svg_bars_clear(bars);
	return ok;
}

static void
print_head(const char *machine, bool markdown)
{
	if (markdown)
		printf("%s\n\n| work | target | result | middle half of the rounds | | ours against the reference |\n"
		       "|---|---|---|---|---|---|\n", machine);
	else
		printf("%s\n\n%-54s %-25s %-24s %s\n", machine, "work", "target", "result", "middle half");
}

/* Whether a comma-separated list has the word; NULL has all. */
static bool
listed(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = list; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, word, len) == 0 && (at[len] == ',' || at[len] == '\0'))
			return true;
	}
	return list == NULL;
}

struct wishes {
	const char *plot, *machine, *programs;
	bool markdown;
};

static int
report(const json_t *targets, const json_t *rows, const struct wishes *w)
{
	struct sl_svg_bars bars = {0};
	unsigned met = 0, missed = 0, absent = 0;
	const json_t *target;
	bool ok = true;
	size_t i;

	print_head(w->machine, w->markdown);
	json_array_foreach(targets, i, target) {
		const json_t *row = row_of(rows, text_of(target, "name"));

		if (!listed(w->programs, text_of(target, "program")))
			continue;
		if (!row)
			absent++;
		else if (json_is_true(json_object_get(row, "met")))
			met++;
		else
			missed++;
		print_row(target, row, w->markdown);
		if (w->plot)
			plot_row(&bars, target, row);
	}
	if (w->plot)
		ok = save_plot(&bars, w->plot, w->machine);
	printf("\n%u targets met, %u missed, %u not measured\n", met, missed, absent);
	return ok && absent == 0 ? 0 : 1;
}

static json_t *
load(const char *path)
{
	json_error_t error;
	json_t *array = json_load_file(path, 0, &error);

	if (!json_is_array(array))
		fprintf(stderr, "report: %s:%d: %s\n", path, error.line, array ? "is no array" : error.text);
	return array;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {{"markdown", no_argument, NULL, 'm'}, {"plot", required_argument, NULL, 'p'},
		{"machine", required_argument, NULL, 'c'}, {"programs", required_argument, NULL, 'o'}, {0}};
	struct wishes w = {.machine = ""};
	json_t *targets, *rows;
	int opt, status;

	while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (opt == 'm')
			w.markdown = true;
		else if (opt == 'p')
			w.plot = optarg;
		else if (opt == 'c')
			w.machine = optarg;
		else if (opt == 'o')
			w.programs = optarg;
		else
			return 2;
	}
	if (optind != argc - 1) {
		fputs("usage: report ROWS.json [--markdown] [--plot FILE.svg] [--machine TEXT] [--programs NAME,...]\n", stderr);
		return 2;
	}
	targets = load(BENCH_TARGETS_FILE);
	rows = load(argv[optind]);
	if (!json_is_array(targets) || !json_is_array(rows))
		return 2;
	status = report(targets, rows, &w);
	json_decref(targets);
	json_decref(rows);
	return status;
}
