/*
 * A plot as SVG: horizontal bars, each of one or more segments stacked, with a label before and words behind, and where
 * asked a line across all bars, such as a target. Pure but for the file that is written; the caller owns the bars, texts
 * are copied.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#define SL_SVG_SEGMENTS 8
#define SL_SVG_TEXT     96

struct sl_svg_bar {
	char label[SL_SVG_TEXT], words[SL_SVG_TEXT]; /* words: what it comes to, behind the bar */
	double segments[SL_SVG_SEGMENTS];
	bool missed; /* drawn in the colour of what fell short */
};

struct sl_svg_bars {
	const char *title, *subtitle, *axis; /* what the lengths are, with unit */
	const char *names[SL_SVG_SEGMENTS];  /* of segments, for the legend; NULL: no more */
	double line;                         /* 0: none */
	const char *line_name;
	struct sl_svg_bar *bars;
	unsigned n, room;
};

/* The next bar, all zero. NULL where memory is short. Valid until the next call. */
struct sl_svg_bar *sl_svg_bars_add(struct sl_svg_bars *b);
/* Frees the bars; the object can be used again. */
void sl_svg_bars_clear(struct sl_svg_bars *b);

/* False where out cannot be written. A width of 900 units, as high as it takes. */
bool sl_svg_bars_write(const struct sl_svg_bars *b, FILE *out);
/* The same to a file of that name; false with errno. */
bool sl_svg_bars_save(const struct sl_svg_bars *b, const char *path);
