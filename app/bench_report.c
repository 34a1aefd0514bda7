#include "app/bench_report.h"

#include <inttypes.h>

#include "crypto/protocol.h"

#define BITS 8.0

static const char *const limit_names[] = {
	[SL_BENCH_LIMIT_NONE] = "stopped",
	[SL_BENCH_LIMIT_LOSS] = "loss",
	[SL_BENCH_LIMIT_RATE] = "rate",
	[SL_BENCH_LIMIT_SENDER] = "sender",
	[SL_BENCH_LIMIT_ALL_LOST] = "loss-at-any-rate",
};

static const char *const limit_texts[] = {
	[SL_BENCH_LIMIT_NONE] = "stopped before the end",
	[SL_BENCH_LIMIT_LOSS] = "above that, packets are lost",
	[SL_BENCH_LIMIT_RATE] = "the highest rate asked for",
	[SL_BENCH_LIMIT_SENDER] = "more the sender could not send: the way may carry more",
	[SL_BENCH_LIMIT_ALL_LOST] = "packets were lost at every rate",
};

unsigned
sl_bench_overhead(uint8_t family)
{
	return family == SL_AF_INET ? 20 + 8 : 40 + 8;
}

static double
per_second(uint64_t n, uint64_t ns)
{
	return ns ? (double)n * (double)SL_NSEC_PER_SEC / (double)ns : 0;
}

static uint64_t
ip_bytes(uint64_t packets, uint64_t payload, uint8_t family)
{
	return payload + packets * sl_bench_overhead(family);
}

/* Of all packets whose fate is known. */
static double
loss_ratio(const struct sl_bench_way *w)
{
	return w->lost ? (double)w->lost / (double)(w->lost + w->received) : 0;
}

/* --- text --- */

/* "12.3 us"; three digits are as much as such a time is worth. */
static const char *
time_text(uint64_t ns, char text[static 16])
{
	if (ns < 1000000)
		snprintf(text, 16, "%.1f us", (double)ns / 1e3);
	else if (ns < SL_NSEC_PER_SEC)
		snprintf(text, 16, "%.2f ms", (double)ns / 1e6);
	else
		snprintf(text, 16, "%.2f s", (double)ns / 1e9);
	return text;
}

static void
print_way(FILE *out, const char *name, const struct sl_bench_way *w, uint8_t family)
{
	char jitter[16];

	fprintf(out,
		"  %-11s %9.2f Mbit/s %9.0f packets/s  lost %" PRIu64 " (%.3g%%)  reordered %" PRIu64 "  duplicates %" PRIu64
		"  jitter %s\n",
		name, per_second(ip_bytes(w->received, w->received_bytes, family), w->elapsed) * BITS / 1e6,
		per_second(w->received, w->elapsed), w->lost, loss_ratio(w) * 100, w->reordered, w->duplicates,
		time_text(w->jitter, jitter));
}

static void
print_ways(FILE *out, const struct sl_bench_way *to, const struct sl_bench_way *from, const struct sl_traffic_plan *plan,
	uint8_t family)
{
	if (plan->directions & SL_TRAFFIC_TO_SERVER)
		print_way(out, "to server", to, family);
	if (plan->directions & SL_TRAFFIC_FROM_SERVER)
		print_way(out, "from server", from, family);
}

static void
print_round_trip(FILE *out, const struct sl_bench_round_trip *r)
{
	char a[16], b[16], c[16], d[16], e[16];

	if (r->sent == 0 && r->answered == 0)
		return;
	fprintf(out, "  %-11s p50 %s  p90 %s  p99 %s  p99.9 %s  max %s  (%" PRIu64 " probes, %" PRIu64 " answered)\n",
		"round trip", time_text(r->p50, a), time_text(r->p90, b), time_text(r->p99, c), time_text(r->p999, d),
		time_text(r->max, e), r->sent, r->answered);
}

void
sl_bench_print_interval(FILE *out, const struct sl_bench_interval *i, const struct sl_traffic_plan *plan, uint8_t family)
{
	fprintf(out, "%.1f-%.1f s\n", (double)i->begin / 1e9, (double)i->end / 1e9);
	print_ways(out, &i->to_server, &i->from_server, plan, family);
	print_round_trip(out, &i->round_trip);
	fflush(out);
}

static void
print_counts(FILE *out, const char *name, const struct sl_bench_way *w)
{
	fprintf(out, "  %-11s sent %" PRIu64 ", received %" PRIu64 ", lost %" PRIu64, name, w->sent, w->received, w->lost);
	if (w->late)
		fprintf(out, ", %" PRIu64 " of them came too late to be told from duplicates", w->late);
	if (w->reordered)
		fprintf(out, "; reordering extent %" PRIu64, w->extent);
	fputc('\n', out);
}

void
sl_bench_print_result(FILE *out, const struct sl_bench_result *r, uint8_t family)
{
	fprintf(out, "%s %.1f s\n", r->cut_short ? "Stopped after" : "Summary of", (double)r->elapsed / 1e9);
	print_ways(out, &r->to_server, &r->from_server, &r->plan, family);
	if (r->plan.directions & SL_TRAFFIC_TO_SERVER)
		print_counts(out, "to server", &r->to_server);
	if (r->plan.directions & SL_TRAFFIC_FROM_SERVER)
		print_counts(out, "from server", &r->from_server);
	print_round_trip(out, &r->round_trip);
	fflush(out);
}

void
sl_bench_print_trial(FILE *out, unsigned number, uint64_t wanted, const struct sl_bench_result *r, bool passed)
{
	const struct sl_bench_way *ways[] = {&r->to_server, &r->from_server};

	if (wanted)
		fprintf(out, "trial %u: %" PRIu64 " packets/s:", number, wanted);
	else
		fprintf(out, "trial %u: as many as the sender can:", number);
	for (unsigned d = 0; d < 2; d++) {
		if (r->plan.directions & (d == 0 ? SL_TRAFFIC_TO_SERVER : SL_TRAFFIC_FROM_SERVER))
			fprintf(out, " %s %.0f/s, %" PRIu64 " of %" PRIu64 " lost;", d == 0 ? "to server" : "from server",
				per_second(ways[d]->sent, ways[d]->elapsed), ways[d]->lost, ways[d]->sent);
	}
	fprintf(out, " %s\n", passed ? "passed" : "failed");
	fflush(out);
}

void
sl_bench_print_search(FILE *out, const struct sl_bench_search *s, uint64_t mean_size)
{
	fprintf(out, "Highest rate without loss: %" PRIu64 " packets/s, %.2f Mbit/s in each direction (%u trials; %s)\n", s->passed,
		(double)(s->passed * mean_size) * BITS / 1e6, s->trials, limit_texts[s->limit]);
	fflush(out);
}

/* --- JSON --- */

static void
put(json_t *o, const char *key, uint64_t value)
{
	json_object_set_new(o, key, json_integer((json_int_t)value));
}

static json_t *
json_way(const struct sl_bench_way *w, uint8_t family)
{
	json_t *o = json_object();

	put(o, "elapsed", w->elapsed);
	put(o, "sent", w->sent);
	put(o, "sent-bytes", ip_bytes(w->sent, w->sent_bytes, family));
	put(o, "received", w->received);
	put(o, "received-bytes", ip_bytes(w->received, w->received_bytes, family));
	put(o, "bits-per-second", (uint64_t)(per_second(ip_bytes(w->received, w->received_bytes, family), w->elapsed) * BITS));
	put(o, "packets-per-second", (uint64_t)per_second(w->received, w->elapsed));
	put(o, "lost", w->lost);
	json_object_set_new(o, "loss-ratio", json_real(loss_ratio(w)));
	put(o, "late", w->late);
	put(o, "duplicates", w->duplicates);
	put(o, "reordered", w->reordered);
	put(o, "reordering-extent", w->extent);
	put(o, "jitter", w->jitter);
	return o;
}

static void
put_ways(json_t *o, const struct sl_bench_way *to, const struct sl_bench_way *from, const struct sl_traffic_plan *plan,
	uint8_t family)
{
	if (plan->directions & SL_TRAFFIC_TO_SERVER)
		json_object_set_new(o, "to-server", json_way(to, family));
	if (plan->directions & SL_TRAFFIC_FROM_SERVER)
		json_object_set_new(o, "from-server", json_way(from, family));
}

static void
put_round_trip(json_t *o, const struct sl_bench_round_trip *r)
{
	json_t *rtt = json_object();

	put(rtt, "probes", r->sent);
	put(rtt, "answered", r->answered);
	put(rtt, "min", r->min);
	put(rtt, "mean", r->mean);
	put(rtt, "p50", r->p50);
	put(rtt, "p90", r->p90);
	put(rtt, "p99", r->p99);
	put(rtt, "p99.9", r->p999);
	put(rtt, "max", r->max);
	json_object_set_new(o, "round-trip", rtt);
}

json_t *
sl_bench_json_interval(const struct sl_bench_interval *i, const struct sl_traffic_plan *plan, uint8_t family)
{
	json_t *o = json_object();

	put(o, "begin", i->begin);
	put(o, "end", i->end);
	put_ways(o, &i->to_server, &i->from_server, plan, family);
	put_round_trip(o, &i->round_trip);
	return o;
}

json_t *
sl_bench_json_result(const struct sl_bench_result *r, uint8_t family)
{
	json_t *o = json_object(), *flows = json_array();

	json_object_set_new(o, "cut-short", json_boolean(r->cut_short));
	put(o, "elapsed", r->elapsed);
	put_ways(o, &r->to_server, &r->from_server, &r->plan, family);
	put_round_trip(o, &r->round_trip);
	for (unsigned f = 0; f < r->plan.flows && !r->cut_short; f++) {
		json_t *flow = json_object();

		put_ways(flow, &r->flows[f].to_server, &r->flows[f].from_server, &r->plan, family);
		json_array_append_new(flows, flow);
	}
	json_object_set_new(o, "flows", flows);
	return o;
}

json_t *
sl_bench_json_trial(uint64_t wanted, const struct sl_bench_result *r, bool passed)
{
	json_t *o = json_object();

	put(o, "rate", wanted);
	if (r->plan.directions & SL_TRAFFIC_TO_SERVER) {
		put(o, "to-server-sent", r->to_server.sent);
		put(o, "to-server-lost", r->to_server.lost);
	}
	if (r->plan.directions & SL_TRAFFIC_FROM_SERVER) {
		put(o, "from-server-sent", r->from_server.sent);
		put(o, "from-server-lost", r->from_server.lost);
	}
	json_object_set_new(o, "passed", json_boolean(passed));
	return o;
}

json_t *
sl_bench_json_search(const struct sl_bench_search *s, uint64_t mean_size)
{
	json_t *o = json_object();

	put(o, "packets-per-second", s->passed);
	put(o, "bits-per-second", (uint64_t)((double)(s->passed * mean_size) * BITS));
	put(o, "failed-packets-per-second", s->failed);
	json_object_set_new(o, "limited-by", json_string(limit_names[s->limit]));
	return o;
}
