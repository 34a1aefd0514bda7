#include "app/svg_bars.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define WIDTH      900
#define MARGIN     24
#define LABEL_ROOM 300 /* for labels, left of the bars */
#define WORDS_ROOM 150 /* for words, right of the longest bar */
#define ROW        26
#define BAR        16
#define TOP        88  /* title, subtitle, legend */
#define BOTTOM     56  /* axis */
#define TICKS      5   /* at least, of the axis */

static const char *const colours[SL_SVG_SEGMENTS] = {
	"#1b6ca8", "#8cc0e3", "#2e8b57", "#a6d8b6", "#b8860b", "#e8cf8a", "#7b5ea7", "#c9bbe0"};
static const char missed_colour[] = "#c0504d";

struct sl_svg_bar *
sl_svg_bars_add(struct sl_svg_bars *b)
{
	if (b->n == b->room) {
		unsigned room = b->room ? 2 * b->room : 16;
		struct sl_svg_bar *bars = realloc(b->bars, room * sizeof(*bars));

		if (!bars)
			return NULL;
		b->bars = bars;
		b->room = room;
	}
	b->bars[b->n] = (struct sl_svg_bar){0};
	return &b->bars[b->n++];
}

void
sl_svg_bars_clear(struct sl_svg_bars *b)
{
	free(b->bars);
	b->bars = NULL;
	b->n = b->room = 0;
}

/* Text with what XML reserves written out. */
static void
put_text(const char *text, FILE *out)
{
	for (; text && *text; text++) {
		switch (*text) {
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '&':
			fputs("&amp;", out);
			break;
		default:
			fputc(*text, out);
		}
	}
}

static void
put_line(FILE *out, double x, double y, int size, const char *anchor, const char *colour, const char *text)
{
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%d\" text-anchor=\"%s\" fill=\"%s\">", x, y, size, anchor, colour);
	put_text(text, out);
	fputs("</text>\n", out);
}

static double
length_of(const struct sl_svg_bar *bar)
{
	double sum = 0;

	for (unsigned i = 0; i < SL_SVG_SEGMENTS; i++)
		sum += bar->segments[i] > 0 ? bar->segments[i] : 0;
	return sum;
}

/* The longest of what is drawn, never 0. */
static double
longest(const struct sl_svg_bars *b)
{
	double most = b->line;

	for (unsigned i = 0; i < b->n; i++)
		most = fmax(most, length_of(&b->bars[i]));
	return most > 0 ? most : 1;
}

/* A round step, 1, 2 or 5 times a power of ten, that gives TICKS ticks or more up to `most`. */
static double
tick_step(double most)
{
	double power = pow(10, floor(log10(most / TICKS)));
	double part = most / TICKS / power;

	return (part >= 5 ? 5 : part >= 2 ? 2 : 1) * power;
}

static void
put_axis(const struct sl_svg_bars *b, double scale, double most, double foot, FILE *out)
{
	double step = tick_step(most);
	char text[32];

	for (double v = 0; v <= most * 1.0001; v += step) {
		double x = MARGIN + LABEL_ROOM + v * scale;

		fprintf(out, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#e4e4e4\"/>\n", x, TOP, x, foot);
		snprintf(text, sizeof(text), "%g", v);
		put_line(out, x, foot + 16, 11, "middle", "#666", text);
	}
	put_line(out, MARGIN + LABEL_ROOM, foot + 36, 12, "start", "#333", b->axis);
}

static void
put_bar(const struct sl_svg_bar *bar, double scale, double y, FILE *out)
{
	double x = MARGIN + LABEL_ROOM;

	put_line(out, x - 8, y + BAR - 4, 12, "end", "#222", bar->label);
	for (unsigned i = 0; i < SL_SVG_SEGMENTS; i++) {
		double width = bar->segments[i] * scale;

		if (!(width > 0))
			continue;
		fprintf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", x, y, width, BAR,
			bar->missed ? missed_colour : colours[i]);
		x += width;
	}
	put_line(out, x + 6, y + BAR - 4, 11, "start", "#222", bar->words);
}

static void
put_legend(const struct sl_svg_bars *b, FILE *out)
{
	double x = MARGIN;

	for (unsigned i = 0; i < SL_SVG_SEGMENTS && b->names[i]; i++) {
		fprintf(out, "<rect x=\"%.1f\" y=\"62\" width=\"12\" height=\"12\" fill=\"%s\"/>\n", x, colours[i]);
		put_line(out, x + 17, 72, 12, "start", "#333", b->names[i]);
		x += 130;
	}
}

bool
sl_svg_bars_write(const struct sl_svg_bars *b, FILE *out)
{
	double most = longest(b), foot = TOP + (double)ROW * b->n + 4;
	double scale = (WIDTH - 2 * MARGIN - LABEL_ROOM - WORDS_ROOM) / most, line = MARGIN + LABEL_ROOM + b->line * scale;
	int height = (int)foot + BOTTOM;

	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
		"font-family=\"sans-serif\">\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
		WIDTH, height, WIDTH, height, WIDTH, height);
	put_line(out, MARGIN, 30, 18, "start", "#111", b->title);
	put_line(out, MARGIN, 49, 12, "start", "#555", b->subtitle);
	put_legend(b, out);
	put_axis(b, scale, most, foot, out);
	for (unsigned i = 0; i < b->n; i++)
		put_bar(&b->bars[i], scale, TOP + (double)ROW * i + (ROW - BAR) / 2.0, out);
	if (b->line > 0) {
		fprintf(out, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#111\" stroke-dasharray=\"4 3\"/>\n", line,
			TOP - 4, line, foot);
		put_line(out, line, TOP - 8, 11, "middle", "#111", b->line_name);
	}
	fputs("</svg>\n", out);
	return fflush(out) == 0 && !ferror(out);
}

bool
sl_svg_bars_save(const struct sl_svg_bars *b, const char *path)
{
	FILE *out = fopen(path, "we");
	bool ok = out && sl_svg_bars_write(b, out);
	int error = errno;

	if (out && fclose(out) != 0 && ok) {
		ok = false;
		error = errno;
	}
	errno = error;
	return ok;
}
