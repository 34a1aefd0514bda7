#include "app/bench_gateway.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "app/bench_threads.h"
#include "app/client.h"
#include "crypto/protocol.h"
#include "crypto/wipe.h"

#define REQUEST_MAX  1024
#define ANSWER_STEP  16384
#define LOOK_FIRST   SL_NSEC_PER_MSEC /* the gateway is asked for messages this often at first … */
#define LOOK_LATER   (20 * SL_NSEC_PER_MSEC) /* … and less and less often while none come, down to this */

struct gateway {
	struct sl_bench_path path;
	int fd;
	char *answer; /* one line */
	size_t room;
	unsigned n_mails, next_mail;
	struct sl_bench_mail mails[SL_BENCH_MAILS];
};

static struct gateway *
of(struct sl_bench_path *p)
{
	return (struct gateway *)p;
}

/* --- requests --- */

static bool
send_line(struct gateway *g, const char *line, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(g->fd, line, n, MSG_NOSIGNAL);

		if (sent < 0 && errno != EINTR)
			return false;
		if (sent > 0) {
			line += sent;
			n -= (size_t)sent;
		}
	}
	return true;
}

/* Reads one line into g->answer. The gateway sends nothing but answers, so nothing is behind it. */
static bool
read_line(struct gateway *g, size_t *len)
{
	*len = 0;
	do {
		ssize_t n;

		if (*len == g->room) {
			char *more = realloc(g->answer, g->room + ANSWER_STEP);

			if (more == NULL)
				return false;
			g->answer = more;
			g->room += ANSWER_STEP;
		}
		n = recv(g->fd, g->answer + *len, g->room - *len, 0);
		if (n == 0 || (n < 0 && errno != EINTR))
			return false;
		*len += n > 0 ? (size_t)n : 0;
	} while (*len == 0 || g->answer[*len - 1] != '\n');
	return true;
}

/* The gateway's answer, a new reference; NULL with the path's error set. */
static json_t *__attribute__((format(printf, 2, 3)))
request(struct gateway *g, const char *format, ...)
{
	char line[REQUEST_MAX];
	json_t *root = NULL;
	const char *refused;
	va_list args;
	size_t len;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (n > 0 && (size_t)n < sizeof(line) - 1) {
		line[n++] = '\n';
		if (send_line(g, line, (size_t)n) && read_line(g, &len))
			root = json_loadb(g->answer, len, 0, NULL);
	}
	sl_wipe(line, sizeof(line)); /* keys pass through */
	if (root == NULL) {
		snprintf(g->path.error, sizeof(g->path.error), "the gateway does not answer any more");
		return NULL;
	}
	refused = json_string_value(json_object_get(root, "error"));
	if (refused) {
		snprintf(g->path.error, sizeof(g->path.error), "%s", refused);
		json_decref(root);
		return NULL;
	}
	return root;
}

/* Whether a request was answered, its answer being of no interest. */
static bool
was_done(json_t *answer)
{
	json_decref(answer);
	return answer != NULL;
}

static void
to_hex(const uint8_t *bytes, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		sprintf(out + 2 * i, "%02x", bytes[i]);
}

/* --- sessions and trials --- */

static int
gateway_open(struct sl_bench_path *p, uint32_t id, const uint8_t key[SL_TRAFFIC_KEY_LEN], const struct sl_ip *peer)
{
	char hex[2 * SL_TRAFFIC_KEY_LEN + 1], text[SL_IP_STRLEN];
	bool ok;

	to_hex(key, SL_TRAFFIC_KEY_LEN, hex);
	ok = was_done(request(of(p), "bench session %" PRIu32 " %s %s", id, hex, sl_ip_format(peer, text)));
	sl_wipe(hex, sizeof(hex));
	return ok ? 0 : -EIO;
}

static void
gateway_attach(struct sl_bench_path *p, uint32_t id, uint16_t flow, const struct sl_endpoint *to)
{
	char text[SL_IP_STRLEN];

	was_done(request(of(p), "bench attach %" PRIu32 " %u %s %u", id, flow, sl_ip_format(&to->ip, text), to->port));
}

static void
gateway_expect(struct sl_bench_path *p, uint32_t id, uint16_t trial, const struct sl_traffic_plan *plan)
{
	char sizes[SL_TRAFFIC_SIZES_MAX * 16] = "";
	size_t at = 0;

	for (unsigned i = 0; i < plan->n_sizes; i++)
		at += (size_t)snprintf(
			sizes + at, sizeof(sizes) - at, " %u %u", plan->sizes[i].payload, plan->sizes[i].weight);
	was_done(request(of(p), "bench expect %" PRIu32 " %u %u %u %" PRIu64 " %" PRIu64 "%s", id, trial, plan->directions,
		plan->flows, plan->rate, plan->duration, sizes));
}

static int
gateway_generate(struct sl_bench_path *p, uint32_t id, bool data, uint64_t probes)
{
	return was_done(request(of(p), "bench generate %" PRIu32 " %d %" PRIu64, id, data, probes)) ? 0 : -EIO;
}

static void
gateway_stats(struct sl_bench_path *p, uint32_t id, uint16_t flow, struct sl_traffic_stats *out)
{
	json_t *a = request(of(p), "bench stats %" PRIu32 " %u", id, flow);
	size_t i = 0;

	*out = (struct sl_traffic_stats){0};
	if (a == NULL)
		return;
	out->elapsed = (uint64_t)json_integer_value(json_array_get(a, i++));
	out->sending = json_integer_value(json_array_get(a, i++)) != 0;
	out->sent = (uint64_t)json_integer_value(json_array_get(a, i++));
	out->sent_bytes = (uint64_t)json_integer_value(json_array_get(a, i++));
	out->received = (uint64_t)json_integer_value(json_array_get(a, i++));
	out->received_bytes = (uint64_t)json_integer_value(json_array_get(a, i++));
	out->lost = (uint64_t)json_integer_value(json_array_get(a, i++));
	out->duplicates = (uint64_t)json_integer_value(json_array_get(a, i++));
	out->reordered = (uint64_t)json_integer_value(json_array_get(a, i++));
	out->late = (uint64_t)json_integer_value(json_array_get(a, i++));
	out->extent = (uint64_t)json_integer_value(json_array_get(a, i++));
	out->jitter = (uint64_t)json_integer_value(json_array_get(a, i++));
	json_decref(a);
}

static void
gateway_round_trip(struct sl_bench_path *p, uint32_t id, struct sl_histogram_copy *copy, uint64_t *sent)
{
	json_t *a = request(of(p), "bench round-trip %" PRIu32, id), *pair;
	size_t i;

	*sent = (uint64_t)json_integer_value(json_object_get(a, "sent"));
	json_array_foreach(json_object_get(a, "counts"), i, pair) {
		uint64_t bucket = (uint64_t)json_integer_value(json_array_get(pair, 0));
		uint64_t n = (uint64_t)json_integer_value(json_array_get(pair, 1));

		if (bucket >= SL_HISTOGRAM_BUCKETS)
			continue;
		copy->counts[bucket] += n;
		copy->n += n;
	}
	copy->sum += (uint64_t)json_integer_value(json_object_get(a, "sum"));
	json_decref(a);
}

static void
gateway_close(struct sl_bench_path *p, uint32_t id)
{
	was_done(request(of(p), "bench close %" PRIu32, id));
}

/* --- control messages --- */

static void
gateway_send(
	struct sl_bench_path *p, uint16_t flow, const struct sl_endpoint *to, const uint8_t message[SL_TRAFFIC_CONTROL_LEN])
{
	char hex[2 * SL_TRAFFIC_CONTROL_LEN + 1], text[SL_IP_STRLEN];

	to_hex(message, SL_TRAFFIC_CONTROL_LEN, hex);
	was_done(request(of(p), "bench send %s %u %s", sl_ip_format(&to->ip, text), to->port, hex));
	sl_wipe(hex, sizeof(hex));
}

static bool
take_mail(json_t *from, struct sl_bench_mail *mail)
{
	const char *address = json_string_value(json_array_get(from, 0));
	const char *hex = json_string_value(json_array_get(from, 2));

	if (address == NULL || hex == NULL || strlen(hex) != 2 * sizeof(mail->bytes) || !sl_ip_parse(address, &mail->from.ip))
		return false;
	mail->from.port = (uint16_t)json_integer_value(json_array_get(from, 1));
	for (size_t i = 0; i < sizeof(mail->bytes); i++) {
		unsigned byte;

		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return false;
		mail->bytes[i] = (uint8_t)byte;
	}
	return true;
}

/* What has come since it was asked last. False: the gateway has gone. */
static bool
fetch_mails(struct gateway *g)
{
	json_t *a = request(g, "bench receive"), *one;
	size_t i;

	if (a == NULL)
		return false;
	g->n_mails = g->next_mail = 0;
	json_array_foreach(json_object_get(a, "mails"), i, one) {
		if (g->n_mails < SL_BENCH_MAILS && take_mail(one, &g->mails[g->n_mails]))
			g->n_mails++;
	}
	json_decref(a);
	return true;
}

static int
gateway_receive(struct sl_bench_path *p, unsigned ms, struct sl_bench_mail *mail)
{
	struct gateway *g = of(p);
	uint64_t deadline = sl_bench_now() + ms * SL_NSEC_PER_MSEC, look = LOOK_FIRST;

	while (g->next_mail == g->n_mails) {
		struct timespec ts = {0};

		if (p->error[0] != '\0' || !fetch_mails(g))
			return -1;
		if (g->n_mails > 0)
			break;
		if (sl_bench_now() >= deadline)
			return 0;
		ts.tv_nsec = (long)look;
		nanosleep(&ts, NULL);
		look = look * 2 < LOOK_LATER ? look * 2 : LOOK_LATER;
	}
	*mail = g->mails[g->next_mail++];
	return 1;
}

static uint64_t
gateway_now(struct sl_bench_path *p)
{
	return sl_bench_now();
}

static void
free_gateway(struct gateway *g)
{
	close(g->fd);
	if (g->answer)
		sl_wipe(g->answer, g->room);
	free(g->answer);
	sl_wipe(g, sizeof(*g));
	free(g);
}

static void
gateway_destroy(struct sl_bench_path *p)
{
	free_gateway(of(p));
}

static const struct sl_bench_path_ops gateway_ops = {
	.open = gateway_open,
	.attach = gateway_attach,
	.expect = gateway_expect,
	.generate = gateway_generate,
	.stats = gateway_stats,
	.round_trip = gateway_round_trip,
	.close = gateway_close,
	.send = gateway_send,
	.receive = gateway_receive,
	.now = gateway_now,
	.destroy = gateway_destroy,
};

/* --- opening --- */

struct sl_bench_path *
sl_bench_gateway_open(const char *command, const char *name, const char *interface, uint16_t port, char *error)
{
	struct gateway *g = calloc(1, sizeof(*g));
	json_t *a;

	error[0] = '\0';
	if (g == NULL) {
		snprintf(error, SL_BENCH_ERROR_LEN, "out of memory");
		return NULL;
	}
	g->path.ops = &gateway_ops;
	g->fd = sl_client_connect(command, name);
	if (g->fd < 0) {
		free(g);
		return NULL;
	}
	a = strpbrk(interface, " \n") ? NULL : request(g, "bench open %s %u", interface, port);
	if (a == NULL) {
		snprintf(error, SL_BENCH_ERROR_LEN, "%.60s: %.180s", interface,
			g->path.error[0] ? g->path.error : "that is no interface's name");
		free_gateway(g);
		return NULL;
	}
	json_decref(a);
	return &g->path;
}

bool
sl_bench_gateway_target(struct sl_bench_path *p, const char *target, uint8_t family, struct sl_ip *out)
{
	json_t *a, *one;
	bool found = false;
	size_t i;

	if (sl_ip_parse(target, out))
		return true;
	if (strpbrk(target, " \n")) {
		snprintf(p->error, sizeof(p->error), "`%s` is neither an address nor a peer's name", target);
		return false;
	}
	a = request(of(p), "bench peer %s", target);
	if (a == NULL)
		return false;
	json_array_foreach(json_object_get(a, "addresses"), i, one) {
		if (!found && sl_ip_parse(json_string_value(one), out))
			found = family == SL_AF_NONE || out->family == family;
	}
	json_decref(a);
	if (!found)
		snprintf(p->error, sizeof(p->error),
			"the peer `%s` has no single address among its allowed IPs; give --to an address behind it", target);
	return found;
}
