#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "app/svg_bars.h"

static char *
written(const struct sl_svg_bars *b)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	cr_assert(sl_svg_bars_write(b, out));
	fclose(out);
	return text;
}

static unsigned
count(const char *text, const char *part)
{
	unsigned n = 0;

	for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
		n++;
	return n;
}

/* The width of the nth rectangle of a bar's height; the background and the legend's have another. */
static double
bar_width(const char *svg, unsigned nth)
{
	const char *at = svg;

	for (unsigned i = 0; i <= nth; i++) {
		at = strstr(at + 1, "height=\"16\" fill");
		cr_assert_not_null(at);
	}
	while (strncmp(at, "width=\"", 7) != 0)
		at--;
	return strtod(at + 7, NULL);
}

Test(svg_bars, lengths_are_in_proportion)
{
	struct sl_svg_bars b = {.title = "t", .names = {"a", "b"}};
	char *svg;

	for (unsigned i = 1; i <= 20; i++) {
		struct sl_svg_bar *bar = sl_svg_bars_add(&b);

		cr_assert_not_null(bar);
		bar->segments[0] = i;
		bar->segments[1] = 2 * i;
	}
	svg = written(&b);
	cr_expect_eq(count(svg, "height=\"16\""), 40);
	for (unsigned i = 0; i < 20; i++) {
		cr_expect_float_eq(bar_width(svg, 2 * i), bar_width(svg, 0) * (i + 1), 1.2);
		cr_expect_float_eq(bar_width(svg, 2 * i + 1), bar_width(svg, 0) * 2 * (i + 1), 1.2);
	}
	free(svg);
	sl_svg_bars_clear(&b);
}

Test(svg_bars, text_is_escaped_and_all_is_closed)
{
	struct sl_svg_bars b = {.title = "a < b & c > d", .subtitle = "s", .axis = "x", .line = 2, .line_name = "target"};
	struct sl_svg_bar *bar = sl_svg_bars_add(&b);
	char *svg;

	snprintf(bar->label, sizeof(bar->label), "<one>");
	bar->segments[0] = 1;
	bar->missed = true;
	svg = written(&b);
	cr_expect(strstr(svg, "a &lt; b &amp; c &gt; d"));
	cr_expect(strstr(svg, ">&lt;one&gt;<"));
	cr_expect(strstr(svg, ">target<"));
	cr_expect_eq(count(svg, "#c0504d"), 1, "what fell short has its own colour");
	cr_expect_eq(count(svg, "<text"), count(svg, "</text>"));
	cr_expect_str_eq(svg + strlen(svg) - 7, "</svg>\n");
	free(svg);
	sl_svg_bars_clear(&b);
}

/* Nothing, zero and what is no number draw no bar, and take nobody's room. */
Test(svg_bars, empty_and_odd_figures)
{
	struct sl_svg_bars b = {.title = "t"};
	char *svg = written(&b);

	cr_expect_eq(count(svg, "height=\"16\""), 0);
	free(svg);
	sl_svg_bars_add(&b);
	sl_svg_bars_add(&b)->segments[0] = -3;
	sl_svg_bars_add(&b)->segments[0] = (double)NAN;
	svg = written(&b);
	cr_expect_eq(count(svg, "height=\"16\""), 0);
	cr_expect_eq(count(svg, "nan"), 0);
	free(svg);
	sl_svg_bars_clear(&b);
}

Test(svg_bars, a_file_that_cannot_be)
{
	struct sl_svg_bars b = {.title = "t"};

	cr_expect_not(sl_svg_bars_save(&b, "/nowhere/at/all.svg"));
}
