#include "app/show_text.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/config_memory.h"

#define NSEC_PER_SEC 1000000000LL

struct style {
	const char *bold, *green, *yellow, *off;
};

static const struct style plain = {"", "", "", ""};
static const struct style colour = {"\033[1m", "\033[32m", "\033[33m", "\033[0m"};

static const char *
text(const json_t *o, const char *key)
{
	const char *value = json_string_value(json_object_get(o, key));

	return value ? value : "";
}

static json_int_t
number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* "1 minute, 5 seconds", as `wg` says it. */
static void
print_duration(json_int_t seconds, FILE *out)
{
	static const struct {
		json_int_t seconds;
		const char *name;
	} units[] = {{365 * 86400, "year"}, {86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
	const char *comma = "";

	if (seconds == 0)
		fputs("now", out);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		json_int_t n = seconds / units[i].seconds;

		seconds %= units[i].seconds;
		if (n == 0)
			continue;
		fprintf(out, "%s%lld %s%s", comma, (long long)n, units[i].name, n == 1 ? "" : "s");
		comma = ", ";
	}
}

static void
print_bytes(json_int_t bytes, FILE *out)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024;
		unit++;
	}
	fprintf(out, unit ? "%.2f %s" : "%.0f %s", value, units[unit]);
}

/* "a, b", or a word where there is none. */
static void
print_list(const json_t *list, const char *none, FILE *out)
{
	size_t i;
	const json_t *item;

	if (json_array_size(list) == 0)
		fputs(none, out);
	json_array_foreach(list, i, item) fprintf(out, "%s%s", i ? ", " : "", json_string_value(item));
}

static void
print_interface(const json_t *o, const struct style *s, FILE *out)
{
	fprintf(out, "%sinterface%s: %s%s%s\n", s->green, s->off, s->green, text(o, "name"), s->off);
	if (json_object_get(o, "public-key"))
		fprintf(out, "  %spublic key%s: %s\n  %sprivate key%s: (hidden)\n", s->bold, s->off, text(o, "public-key"), s->bold,
			s->off);
	if (json_object_get(o, "previous-identity")) {
		const json_t *previous = json_object_get(o, "previous-identity");

		fprintf(out, "  %sprevious public key%s: %s, still used by %lld peers\n", s->bold, s->off,
			text(previous, "public-key"), (long long)number(previous, "peers"));
	}
	fprintf(out, "  %slistening port%s: %lld\n  %saddresses%s: ", s->bold, s->off, (long long)number(o, "listen-port"),
		s->bold, s->off);
	print_list(json_object_get(o, "addresses"), "(none)", out);
	fprintf(out, "\n  %smtu%s: %lld\n", s->bold, s->off, (long long)number(o, "mtu"));
	fprintf(out, "  %speers%s: %lld\n", s->bold, s->off, (long long)number(o, "peers"));
	if (json_is_true(json_object_get(o, "under-load")))
		fprintf(out, "  %sunder load%s: cookies are asked for\n", s->bold, s->off);
}

static void
print_handshakes(const json_t *o, const struct style *s, FILE *out)
{
	const json_t *h = json_object_get(o, "handshakes");
	const char *key;
	json_t *value;

	fprintf(out, "  %shandshakes%s: %lld completed; initiations %lld sent, %lld received; responses %lld sent, %lld received; "
		"cookies %lld sent, %lld received\n",
		s->bold, s->off, (long long)number(h, "completed"), (long long)number(h, "initiations-sent"),
		(long long)number(h, "initiations-received"), (long long)number(h, "responses-sent"),
		(long long)number(h, "responses-received"), (long long)number(h, "cookies-sent"),
		(long long)number(h, "cookies-received"));
	if (number(h, "waiting") + number(h, "overdue") > 0)
		fprintf(out, "  %swaiting handshakes%s: %lld, and %lld that waited in vain\n", s->bold, s->off,
			(long long)number(h, "waiting"), (long long)number(h, "overdue"));
	json_object_foreach(json_object_get(h, "failures"), key, value)
		fprintf(out, "  %sfailed handshakes%s: %s %lld\n", s->bold, s->off, key, (long long)json_integer_value(value));
}

static void
print_failure(struct sl_slice failure, const struct style *s, FILE *out)
{
	json_t *f = failure.text ? sl_slice_value(failure) : NULL;

	if (f == NULL)
		return;
	fprintf(out, "  %slast handshake failure%s: %s (%s), ", s->bold, s->off, text(f, "text"), text(f, "hint"));
	print_duration(number(f, "ago") / NSEC_PER_SEC, out);
	fputs(number(f, "ago") >= NSEC_PER_SEC ? " ago\n" : "\n", out);
	json_decref(f);
}

/* A line with that text, where there is one. */
static void
print_given(const char *label, struct sl_slice value, const struct style *s, FILE *out)
{
	if (value.text == NULL)
		return;
	fprintf(out, "  %s%s%s: ", s->bold, label, s->off);
	sl_slice_print(value, out);
	fputc('\n', out);
}

static void
print_allowed_ips(struct sl_slice list, const struct style *s, FILE *out)
{
	const char *at = NULL, *comma = "";
	struct sl_slice item;

	fprintf(out, "  %sallowed ips%s: ", s->bold, s->off);
	for (; sl_slice_next(list, &at, &item); comma = ", ") {
		fputs(comma, out);
		sl_slice_print(item, out);
	}
	fputs(*comma ? "\n" : "(none)\n", out);
}

static void
print_peer(const struct sl_shown_peer *p, const struct style *s, FILE *out)
{
	int64_t handshake = p->latest_handshake / NSEC_PER_SEC;
	int64_t ago = handshake ? (int64_t)time(NULL) - handshake : 0;

	fprintf(out, "%speer%s: %s", s->yellow, s->off, s->yellow);
	sl_slice_print(p->public_key, out);
	fprintf(out, "%s\n", s->off);
	print_given("name", p->name, s, out);
	if (p->preshared_key)
		fprintf(out, "  %spreshared key%s: (hidden)\n", s->bold, s->off);
	print_given("endpoint name", p->endpoint_name, s, out);
	print_given("endpoint", p->endpoint, s, out);
	print_allowed_ips(p->allowed_ips, s, out);
	if (handshake) {
		fprintf(out, "  %slatest handshake%s: ", s->bold, s->off);
		print_duration(ago > 0 ? ago : 0, out);
		fputs(ago > 0 ? " ago\n" : "\n", out);
	}
	if (p->rx_bytes || p->tx_bytes) {
		fprintf(out, "  %stransfer%s: ", s->bold, s->off);
		print_bytes(p->rx_bytes, out);
		fputs(" received, ", out);
		print_bytes(p->tx_bytes, out);
		fputs(" sent\n", out);
	}
	if (p->persistent_keepalive) {
		fprintf(out, "  %spersistent keepalive%s: every ", s->bold, s->off);
		print_duration(p->persistent_keepalive, out);
		fputc('\n', out);
	}
	print_failure(p->failure, s, out);
}

static void
print_port(const json_t *o, const struct style *s, FILE *out)
{
	fprintf(out, "%sport%s: %s%s%s\n", s->green, s->off, s->green, text(o, "name"), s->off);
	fprintf(out, "  %sdevice%s: %s (%s), %s\n", s->bold, s->off, text(o, "device"), text(o, "driver"),
		json_is_true(json_object_get(o, "up")) ? "up" : "down");
	fprintf(out, "  %smac%s: %s\n  %smtu%s: %lld\n  %saddresses%s: ", s->bold, s->off, text(o, "mac"), s->bold, s->off,
		(long long)number(o, "mtu"), s->bold, s->off);
	print_list(json_object_get(o, "addresses"), "(none)", out);
	if (json_array_size(json_object_get(o, "gateway"))) {
		fprintf(out, "\n  %sgateway%s: ", s->bold, s->off);
		print_list(json_object_get(o, "gateway"), "", out);
	}
	fprintf(out, "\n  %squeues%s: %lld receive, %lld transmit\n", s->bold, s->off, (long long)number(o, "rx-queues"),
		(long long)number(o, "tx-queues"));
	fprintf(out, "  %sreceived%s: %lld packets, ", s->bold, s->off, (long long)number(o, "rx-packets"));
	print_bytes(number(o, "rx-bytes"), out);
	fprintf(out, "; %lld missed, %lld errors, %lld without buffer\n", (long long)number(o, "rx-missed"),
		(long long)number(o, "rx-errors"), (long long)number(o, "rx-no-buffer"));
	fprintf(out, "  %ssent%s: %lld packets, ", s->bold, s->off, (long long)number(o, "tx-packets"));
	print_bytes(number(o, "tx-bytes"), out);
	fprintf(out, "; %lld errors\n", (long long)number(o, "tx-errors"));
}

static void
print_route(const json_t *o, const struct style *s, FILE *out)
{
	fputs(text(o, "to"), out);
	if (json_object_get(o, "via"))
		fprintf(out, " via %s", text(o, "via"));
	if (json_object_get(o, "port"))
		fprintf(out, " port %s", text(o, "port"));
	if (json_object_get(o, "interface"))
		fprintf(out, " interface %s", text(o, "interface"));
	fprintf(out, " %s%s\n", text(o, "source"), json_is_true(json_object_get(o, "active")) ? "" : ", not in use");
}

static void
print_worker(const json_t *o, const struct style *s, FILE *out)
{
	double busy = (double)number(o, "busy-cycles"), all = busy + (double)number(o, "idle-cycles");
	const json_t *helped = json_object_get(o, "helped"), *item;
	size_t i;

	fprintf(out, "%sworker%s %lld: core %lld, %s, busy %.1f%%\n", s->green, s->off, (long long)number(o, "worker"),
		(long long)number(o, "core"), text(o, "aead"), all > 0 ? 100 * busy / all : 0.0);
	fprintf(out, "  %sin%s: %lld received, %lld generated, %lld from control\n", s->bold, s->off,
		(long long)number(o, "received"), (long long)number(o, "generated"), (long long)number(o, "from-control"));
	fprintf(out, "  %sout%s: %lld transmitted, %lld dropped, %lld delivered, %lld to control, %lld merged, %lld queued\n",
		s->bold, s->off, (long long)number(o, "transmitted"), (long long)number(o, "dropped"),
		(long long)number(o, "delivered"), (long long)number(o, "to-control"), (long long)number(o, "merged"),
		(long long)number(o, "queued"));
	json_array_foreach(helped, i, item)
		fprintf(out, "  %sopened%s: %lld batches of worker %lld\n", s->bold, s->off, (long long)number(item, "batches"),
			(long long)number(item, "worker"));
}

static void
print_drop(const json_t *o, const struct style *s, FILE *out)
{
	fprintf(out, "%12lld  %-20s %s\n", (long long)number(o, "packets"), text(o, "reason"), text(o, "meaning"));
}

static void
print_stage(const json_t *o, const struct style *s, FILE *out)
{
	double packets = (double)number(o, "packets"), bursts = (double)number(o, "bursts");

	fprintf(out, "%-12s %14lld packets %12lld bursts %8.1f packets/burst %10.0f cycles/packet\n", text(o, "stage"),
		(long long)number(o, "packets"), (long long)number(o, "bursts"), bursts > 0 ? packets / bursts : 0.0,
		packets > 0 ? (double)number(o, "cycles") / packets : 0.0);
}

typedef void (*print_fn)(const json_t *o, const struct style *s, FILE *out);

/* Each object of a list; with `spaced` an empty line between two. */
static void
print_all(const json_t *list, print_fn print, const char *none, bool spaced, const struct style *s, FILE *out)
{
	const json_t *item;
	size_t i;

	if (list && json_array_size(list) == 0 && none)
		fprintf(out, "%s\n", none);
	json_array_foreach(list, i, item) {
		if (spaced && i > 0)
			fputc('\n', out);
		print(item, s, out);
	}
}

/* Peers of one interface that follow one another in the answer. */
struct run {
	struct sl_slice interface;
	struct sl_shown_peers from;
	uint32_t n;
};

/* All runs of the answer, *n of them, to be freed with sl_array_free; `peers` is at its end then. */
static struct run *
find_runs(struct sl_shown_peers *peers, uint32_t *n, uint32_t *capacity)
{
	struct sl_shown_peers from = *peers;
	struct sl_shown_peer peer;
	struct run *runs = NULL;

	for (*n = *capacity = 0; sl_shown_next(peers, &peer); from = *peers) {
		struct run *last = *n ? &runs[*n - 1] : NULL;

		if (last == NULL || last->interface.len != peer.interface.len ||
			memcmp(last->interface.text, peer.interface.text, peer.interface.len) != 0) {
			runs = sl_array_grow(runs, *n, capacity, sizeof(*runs));
			last = &runs[(*n)++];
			*last = (struct run){peer.interface, from, 0};
		}
		last->n++;
	}
	return runs;
}

static void
print_run(const struct run *run, bool spaced, const struct style *s, FILE *out)
{
	struct sl_shown_peers peers = run->from;
	struct sl_shown_peer peer;

	for (uint32_t i = 0; i < run->n && sl_shown_next(&peers, &peer); i++) {
		if (spaced || i > 0)
			fputc('\n', out);
		print_peer(&peer, s, out);
	}
}

/*
 * As `wg show`: each interface, followed by its peers, whatever order they come in; those without have an interface that has come
 * since. Where only interfaces were asked for, their handshakes.
 */
static void
print_wireguard(const json_t *root, struct sl_shown_peers *peers, const struct style *s, FILE *out)
{
	const json_t *interfaces = json_object_get(root, "interfaces"), *interface;
	bool asked = json_object_get(root, "peers") != NULL;
	uint32_t n, capacity;
	struct run *runs = find_runs(peers, &n, &capacity);
	size_t i;

	json_array_foreach(interfaces, i, interface) {
		if (i > 0)
			fputc('\n', out);
		print_interface(interface, s, out);
		if (!asked)
			print_handshakes(interface, s, out);
		for (uint32_t j = 0; j < n; j++)
			if (sl_slice_is(runs[j].interface, text(interface, "name")))
				print_run(&runs[j], true, s, out);
	}
	if (interfaces == NULL && asked && n == 0)
		fputs("no peers\n", out);
	for (uint32_t j = 0; interfaces == NULL && asked && j < n; j++)
		print_run(&runs[j], j > 0, s, out);
	sl_array_free(runs, capacity, sizeof(*runs));
}

void
sl_show_text(const json_t *root, struct sl_shown_peers *peers, FILE *out)
{
	const struct style *s = isatty(fileno(out)) ? &colour : &plain;
	const json_t *mbufs = json_object_get(root, "mbufs");

	print_wireguard(root, peers, s, out);
	print_all(json_object_get(root, "ports"), print_port, "no ports", true, s, out);
	print_all(json_object_get(root, "routes"), print_route, "no routes", false, s, out);
	print_all(json_object_get(root, "workers"), print_worker, NULL, false, s, out);
	if (mbufs)
		fprintf(out, "%sbuffers%s: %lld in use, %lld at rest\n", s->bold, s->off, (long long)number(mbufs, "in-use"),
			(long long)number(mbufs, "baseline"));
	print_all(json_object_get(root, "drops"), print_drop, "nothing was dropped", false, s, out);
	print_all(json_object_get(root, "stages"), print_stage, NULL, false, s, out);
}
