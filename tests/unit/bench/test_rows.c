#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <jansson.h>

#include "bench/rows.h"
#include "bench/stats.h"

static const char targets[] =
	"[{\"name\": \"plain\", \"program\": \"p\", \"work\": \"w\", \"unit\": \"cycles\", \"op\": \"<=\", \"target\": 250,"
	"  \"kind\": \"figure\", \"figure-unit\": \"cycles\", \"reference\": null},"
	" {\"name\": \"faster\", \"program\": \"p\", \"work\": \"w\", \"unit\": \"x\", \"op\": \">=\", \"target\": 3.0,"
	"  \"kind\": \"reference/ours\", \"figure-unit\": \"cycles\", \"reference\": \"r\"},"
	" {\"name\": \"part\", \"program\": \"p\", \"work\": \"w\", \"unit\": \"x\", \"op\": \"<=\", \"target\": 1,"
	"  \"kind\": \"ours/reference\", \"figure-unit\": \"cycles\", \"reference\": \"r\"},"
	" {\"name\": \"none\", \"program\": \"p\", \"work\": \"w\", \"unit\": \"packets\", \"op\": \"<=\", \"target\": 0,"
	"  \"kind\": \"figure\", \"figure-unit\": \"packets\", \"reference\": null},"
	" {\"name\": \"elsewhere\", \"program\": \"q\", \"work\": \"w\", \"unit\": \"x\", \"op\": \">=\", \"target\": 1,"
	"  \"kind\": \"figure\", \"figure-unit\": \"x\", \"reference\": null}]";

static char path[] = "/tmp/sluice-rows-XXXXXX", out_path[] = "/tmp/sluice-rows-XXXXXX";

/* Starts a program p that promises n names, whose stdout goes to a file. */
static struct bench_options
begin(const char *const *names, unsigned n, int *argc, char **argv)
{
	int fd = mkstemp(path);

	cr_assert_eq(write(fd, targets, sizeof(targets) - 1), (ssize_t)sizeof(targets) - 1);
	close(fd);
	close(mkstemp(out_path));
	setenv("BENCH_TARGETS", path, 1);
	cr_assert_not_null(freopen(out_path, "w", stdout));
	return bench_begin("p", names, n, argc, argv);
}

static void
clean(void)
{
	unlink(path);
	unlink(out_path);
}

static double
number(const json_t *row, const char *key)
{
	cr_assert(json_is_number(json_object_get(row, key)), "%s is a number", key);
	return json_number_value(json_object_get(row, key));
}

Test(rows, what_a_row_says, .fini = clean)
{
	static const char *const names[] = {"plain", "faster", "part", "none"};
	static const double ours[] = {200, 300, 100, 240, 260}, reference[] = {800, 600, 400, 480, 780};
	static const double zero[] = {0, 0, 0};
	static const struct {
		double value, low, high, ratio;
		bool met;
	} want[] = {
		{240, 200, 260, 0.96, true},
		{3, 2, 4, 3, true},
		{1 / 3.0, 0.25, 0.5, 1 / 3.0, true},
		{0, 0, 0, NAN, true},
	};
	char *argv[] = {"p", "--json", "--own", "7", "--rounds", "5", NULL};
	int argc = 6;
	struct bench_options o = begin(names, 4, &argc, argv);
	json_t *rows, *row;
	size_t i;

	cr_expect(o.json && !o.quick && o.rounds == 5);
	cr_expect_eq(argc, 3, "the program's own options are left");
	cr_expect_str_eq(argv[2], "7");
	cr_expect_eq(bench_rounds(9, 99), 5);
	cr_expect_eq(bench_rounds(9, 4), 4);
	bench_row("plain", ours, NULL, 5);
	bench_row("faster", ours, reference, 5);
	bench_note("part", "a word");
	bench_row("part", ours, reference, 5);
	bench_row("none", zero, NULL, 3);
	cr_expect_eq(bench_end(), 0);
	rows = json_load_file(out_path, 0, NULL);
	cr_assert_eq(json_array_size(rows), 4);
	json_array_foreach(rows, i, row) {
		const json_t *spread = json_object_get(row, "spread"), *ratio = json_object_get(row, "ratio");

		cr_expect_str_eq(json_string_value(json_object_get(row, "name")), names[i]);
		cr_expect_float_eq(number(row, "value"), want[i].value, 1e-6, "%s is %g", names[i], number(row, "value"));
		cr_expect_float_eq(json_number_value(json_array_get(spread, 0)), want[i].low, 1e-6);
		cr_expect_float_eq(json_number_value(json_array_get(spread, 1)), want[i].high, 1e-6);
		cr_expect_eq(json_is_true(json_object_get(row, "met")), want[i].met);
		if (isnan(want[i].ratio))
			cr_expect(json_is_null(ratio));
		else
			cr_expect_float_eq(json_number_value(ratio), want[i].ratio, 1e-6);
		cr_expect(json_object_get(row, "unit") && json_object_get(row, "op") && json_object_get(row, "target"));
	}
	cr_expect_str_eq(json_string_value(json_object_get(json_array_get(rows, 2), "note")), "a word");
	cr_expect_eq(json_array_size(json_object_get(json_array_get(rows, 0), "rounds")), 5);
	json_decref(rows);
}

/* On the target is met, a hair beyond is not. */
Test(rows, met_and_missed, .fini = clean)
{
	static const char *const names[] = {"plain", "faster", "none"};
	static const double exact[] = {250}, three[] = {1}, third[] = {2.999}, one[] = {1};
	char *argv[] = {"p", "--json", NULL};
	int argc = 2;
	json_t *rows;

	begin(names, 3, &argc, argv);
	bench_row("plain", exact, NULL, 1);
	bench_row("faster", three, third, 1);
	bench_row("none", one, NULL, 1);
	cr_expect_eq(bench_end(), 0, "a missed target is no failure of the program");
	rows = json_load_file(out_path, 0, NULL);
	cr_expect(json_is_true(json_object_get(json_array_get(rows, 0), "met")));
	cr_expect(json_is_false(json_object_get(json_array_get(rows, 1), "met")));
	cr_expect(json_is_false(json_object_get(json_array_get(rows, 2), "met")));
	json_decref(rows);
}

Test(rows, a_row_that_is_missing_fails, .fini = clean)
{
	static const char *const names[] = {"plain", "none"};
	static const double one[] = {1};
	char *argv[] = {"p", NULL};
	int argc = 1;

	begin(names, 2, &argc, argv);
	bench_row("none", one, NULL, 1);
	bench_missing("plain", "because");
	cr_expect_eq(bench_end(), 1);
}

static void
begin_one(const char *name, char *option)
{
	static const char *names[1];
	char *argv[] = {"p", option, NULL};
	int argc = option ? 2 : 1;

	names[0] = name;
	begin(names, 1, &argc, argv);
}

Test(rows, another_programs_name_is_refused, .exit_code = 2, .fini = clean)
{
	begin_one("elsewhere", NULL);
}

Test(rows, a_name_without_a_target_is_refused, .exit_code = 2, .fini = clean)
{
	begin_one("nobody", NULL);
}

Test(rows, rounds_without_a_number_are_refused, .exit_code = 2, .fini = clean)
{
	begin_one("plain", "--rounds");
}

Test(rows, a_comparison_needs_its_reference, .exit_code = 2, .fini = clean)
{
	static const double one[] = {1};

	begin_one("faster", NULL);
	bench_row("faster", one, NULL, 1);
}

Test(rows, an_unpromised_row_is_refused, .exit_code = 2, .fini = clean)
{
	static const double one[] = {1};

	begin_one("faster", NULL);
	bench_row("plain", one, NULL, 1);
}

/* What the repository asks of itself: every target is whole, and no two have one name. */
Test(rows, targets_are_whole)
{
	static const char *const keys[] = {"name", "program", "work", "unit", "op", "kind", "figure-unit"};
	json_t *all = json_load_file(BENCH_TARGETS_FILE, 0, NULL), *target, *names = json_object();
	size_t i;

	cr_assert_gt(json_array_size(all), 30);
	json_array_foreach(all, i, target) {
		const char *name = json_string_value(json_object_get(target, "name"));
		const char *op = json_string_value(json_object_get(target, "op"));
		const char *kind = json_string_value(json_object_get(target, "kind"));

		for (unsigned k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
			cr_assert(json_is_string(json_object_get(target, keys[k])), "%zu has %s", i, keys[k]);
		cr_expect(json_is_number(json_object_get(target, "target")), "%s", name);
		cr_expect(strcmp(op, "<=") == 0 || strcmp(op, ">=") == 0, "%s", name);
		cr_expect(strcmp(kind, "figure") == 0 || json_is_string(json_object_get(target, "reference")), "%s", name);
		cr_expect_null(json_object_get(names, name), "%s is there twice", name);
		json_object_set_new(names, name, json_true());
	}
	json_decref(names);
	json_decref(all);
}

Test(rows, pinned_to_one_core)
{
	int core = bench_pin(0);

	cr_assert_geq(core, 0);
	cr_expect_eq(bench_pin(bench_cores()), core, "places wrap round");
	cr_expect_gt(bench_tsc_hz(), 1e8);
	cr_expect_lt(bench_tsc(), bench_tsc());
}
