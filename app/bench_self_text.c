/* What a row of `sluice bench self` looks like: text, JSON, bars. */
#include <string.h>

#include "app/bench_self.h"

#define BITS  8
#define NEVER 0.5 /* cycles: a stage below this has not run */

static const char *const ends[] = {"encap", "decap"};

double
sl_self_pass(const struct sl_self_result *r, enum sl_self_direction direction)
{
	double sum = 0;

	if (direction & SL_SELF_ENCAP)
		sum += r->parts[SL_SELF_SEALING].median;
	if (direction & SL_SELF_DECAP)
		sum += r->parts[SL_SELF_OPENING].median;
	if (direction == SL_SELF_BOTH)
		sum += r->parts[SL_SELF_WIRE].median;
	return sum;
}

static void
name_of(uint32_t size, char *out, size_t room)
{
	if (size == SL_IMIX)
		snprintf(out, room, "imix");
	else
		snprintf(out, room, "%u", size);
}

/* How much of a direction is its AEAD. */
static double
share(const struct sl_self_result *r, enum sl_self_part aead, enum sl_self_part whole)
{
	return r->parts[whole].median > 0 ? r->parts[aead].median / r->parts[whole].median : 0;
}

void
sl_self_print_head(const struct sl_self_options *o, FILE *out)
{
	fprintf(out, "%8s %6s %8s %8s  %10s", "peers", "size", "Mpps", "Gbit/s", "generator");
	if (o->direction & SL_SELF_ENCAP)
		fprintf(out, " %21s %5s", "encap (middle half)", "AEAD");
	if (o->direction & SL_SELF_DECAP)
		fprintf(out, " %5s %21s %5s", "wire", "decap (middle half)", "AEAD");
	fprintf(out, " %6s\n", "sink");
}

static void
print_part(const struct sl_quartiles *q, double aead, FILE *out)
{
	fprintf(out, " %7.0f (%5.0f-%5.0f) %4.0f%%", q->median, q->low, q->high, 100 * aead);
}

static void
print_stages(const struct sl_self_result *r, FILE *out)
{
	for (unsigned end = 0; end < 2; end++)
		for (unsigned i = 0; i < SL_STAGE_COUNT; i++)
			if (r->stages[end][i].median > NEVER)
				fprintf(out, "%24s %-14s %8.1f cycles/packet (%.1f-%.1f)\n", ends[end],
					sl_stage_name((enum sl_stage)i), r->stages[end][i].median, r->stages[end][i].low,
					r->stages[end][i].high);
}

void
sl_self_print(const struct sl_self_options *o, const struct sl_self_result *r, double hz, FILE *out)
{
	double pps = hz / sl_self_pass(r, o->direction);
	char size[16];

	name_of(r->size, size, sizeof(size));
	fprintf(out, "%8u %6s %8.3f %8.3f  %10.0f", r->peers, size, pps / 1e6, pps * sl_frames_mean(r->size) * BITS / 1e9,
		r->parts[SL_SELF_GENERATOR].median);
	if (o->direction & SL_SELF_ENCAP)
		print_part(&r->parts[SL_SELF_SEALING], share(r, SL_SELF_AEAD_SEAL, SL_SELF_SEALING), out);
	if (o->direction & SL_SELF_DECAP) {
		fprintf(out, " %5.0f", r->parts[SL_SELF_WIRE].median);
		print_part(&r->parts[SL_SELF_OPENING], share(r, SL_SELF_AEAD_OPEN, SL_SELF_OPENING), out);
	}
	fprintf(out, " %6.0f\n", r->parts[SL_SELF_SINK].median);
	if (o->stages)
		print_stages(r, out);
}

static json_t *
cycles_json(const struct sl_quartiles *q)
{
	return json_pack("{sfsfsf}", "cycles", q->median, "low", q->low, "high", q->high);
}

/* Rates of a part that takes so many cycles per packet. */
static void
add_rates(json_t *o, const struct sl_self_result *r, double cycles, double hz)
{
	double pps = cycles > 0 ? hz / cycles : 0;

	json_object_set_new(o, "mpps", json_real(pps / 1e6));
	json_object_set_new(o, "gbit-s", json_real(pps * sl_frames_mean(r->size) * BITS / 1e9));
}

static json_t *
end_json(const struct sl_self_result *r, unsigned end, double hz)
{
	enum sl_self_part whole = end == 0 ? SL_SELF_SEALING : SL_SELF_OPENING;
	enum sl_self_part aead = end == 0 ? SL_SELF_AEAD_SEAL : SL_SELF_AEAD_OPEN;
	json_t *o = cycles_json(&r->parts[whole]), *stages = json_object();

	add_rates(o, r, r->parts[whole].median, hz);
	json_object_set_new(o, "aead", cycles_json(&r->parts[aead]));
	json_object_set_new(o, "aead-share", json_real(share(r, aead, whole)));
	for (unsigned i = 0; i < SL_STAGE_COUNT; i++)
		if (r->stages[end][i].median > NEVER)
			json_object_set_new(stages, sl_stage_name((enum sl_stage)i), cycles_json(&r->stages[end][i]));
	json_object_set_new(o, "stages", stages);
	return o;
}

json_t *
sl_self_json(const struct sl_self_options *o, const struct sl_self_result *r, double hz)
{
	double pass = sl_self_pass(r, o->direction);
	json_t *row = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "peers", (json_int_t)r->peers, "burst",
		(json_int_t)o->burst, "buffers", (json_int_t)o->buffers, "packets", (json_int_t)r->packets, "arrived",
		(json_int_t)r->arrived, "verified", (json_int_t)r->verified, "wrong", (json_int_t)r->wrong, "drops",
		(json_int_t)r->drops, "bytes", (json_int_t)r->bytes, "seconds", r->seconds);

	json_object_set_new(row, "size", r->size == SL_IMIX ? json_string("imix") : json_integer(r->size));
	json_object_set_new(row, "cycles", json_real(pass));
	add_rates(row, r, pass, hz);
	json_object_set_new(row, "generator", cycles_json(&r->parts[SL_SELF_GENERATOR]));
	if (o->direction & SL_SELF_ENCAP)
		json_object_set_new(row, "encap", end_json(r, 0, hz));
	if (o->direction & SL_SELF_DECAP) {
		json_object_set_new(row, "wire", cycles_json(&r->parts[SL_SELF_WIRE]));
		json_object_set_new(row, "decap", end_json(r, 1, hz));
	}
	json_object_set_new(row, "sink", cycles_json(&r->parts[SL_SELF_SINK]));
	return row;
}

void
sl_self_plot(struct sl_svg_bars *bars, const struct sl_self_options *o, const struct sl_self_result *r)
{
	struct sl_svg_bar *bar = sl_svg_bars_add(bars);
	double seal = r->parts[SL_SELF_AEAD_SEAL].median, open = r->parts[SL_SELF_AEAD_OPEN].median;
	double pass = sl_self_pass(r, o->direction);
	char size[16];

	if (!bar)
		return;
	name_of(r->size, size, sizeof(size));
	snprintf(bar->label, sizeof(bar->label), "%s%s, %u peer%s", size, r->size == SL_IMIX ? "" : " B", r->peers,
		r->peers == 1 ? "" : "s");
	snprintf(bar->words, sizeof(bar->words), "%.0f", pass);
	if (o->direction & SL_SELF_ENCAP) {
		bar->segments[0] = seal;
		bar->segments[1] = r->parts[SL_SELF_SEALING].median - seal;
	}
	if (o->direction & SL_SELF_DECAP) {
		bar->segments[2] = open;
		bar->segments[3] = r->parts[SL_SELF_OPENING].median - open;
	}
}
