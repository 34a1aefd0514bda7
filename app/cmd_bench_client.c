/* sluice bench client: measures the way to a sluice bench server. See bench_client.h. */
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/bench.h"
#include "app/bench_client.h"
#include "app/bench_gateway.h"
#include "app/bench_options.h"
#include "app/bench_report.h"
#include "app/bench_search.h"
#include "app/bench_sockets.h"
#include "app/bench_threads.h"
#include "app/commands.h"
#include "crypto/protocol.h"

static volatile sig_atomic_t stopped;

static void
on_signal(int signal)
{
	stopped = 1;
}

/* What all runs share. */
struct runs {
	const struct sl_bench_client_options *o;
	struct sl_bench_client client;
	uint8_t family;
	FILE *out;      /* lines for people */
	json_t *all;    /* array of runs */
	json_t *intervals; /* of the run that is under way */
	struct sl_traffic_plan plan;
	struct sl_bench_result result;
};

static int
failed(const char *what)
{
	fprintf(stderr, "sluice bench client: %s\n", what);
	return SL_EXIT_FAILED;
}

/* The address that a name stands for, with the port kept. */
static bool
resolve(const char *host, uint8_t family, struct sl_endpoint *server)
{
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found = NULL;
	struct sockaddr_storage addr = {0};
	uint16_t port = server->port;
	int rc;

	hints.ai_family = family == SL_AF_INET ? AF_INET : family == SL_AF_INET6 ? AF_INET6 : AF_UNSPEC;
	rc = getaddrinfo(host, NULL, &hints, &found);
	if (rc != 0) {
		fprintf(stderr, "sluice bench client: %s: %s\n", host, gai_strerror(rc));
		return false;
	}
	memcpy(&addr, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	sl_bench_endpoint(&addr, server);
	server->port = port;
	return true;
}

/* The path to the server, through a gateway or this host's sockets. NULL after a line on stderr. */
static struct sl_bench_path *
open_path(const struct sl_bench_client_options *o, struct sl_endpoint *server)
{
	char text[256], *host, error[SL_BENCH_ERROR_LEN] = "";
	struct sl_bench_path *path = NULL;

	server->port = SL_TRAFFIC_PORT;
	if (strlen(o->target) >= sizeof(text) || !sl_bench_target_split(strcpy(text, o->target), &host, &server->port)) {
		snprintf(error, sizeof(error), "`%.100s` is no address; write ADDR, ADDR:PORT or [ADDR6]:PORT", o->target);
	} else if (o->interface) {
		path = sl_bench_gateway_open("bench client", o->name, o->interface, 0, error);
		if (path && !sl_bench_gateway_target(path, host, o->family, &server->ip)) {
			memcpy(error, path->error, sizeof(error));
			path->ops->destroy(path);
			path = NULL;
		}
	} else if (resolve(host, o->family, server)) {
		path = sl_bench_sockets_connect(server, o->flows, error);
	}
	if (path == NULL && error[0] != '\0')
		failed(error);
	return path;
}

static const char *
direction_text(uint8_t directions)
{
	return directions == SL_TRAFFIC_BOTH     ? "both directions" :
		directions == SL_TRAFFIC_TO_SERVER ? "to the server" :
						     "from the server";
}

static const char *
direction_name(uint8_t directions)
{
	return directions == SL_TRAFFIC_BOTH ? "both" : directions == SL_TRAFFIC_TO_SERVER ? "to-server" : "from-server";
}

static void
print_head(const struct runs *r, uint32_t size)
{
	char text[SL_ENDPOINT_STRLEN], bytes[32] = "IMIX";

	if (size != SL_BENCH_IMIX)
		snprintf(bytes, sizeof(bytes), "%u bytes", size);
	fprintf(r->out, "%s, %s, %u flow%s, packets of %s, ", sl_endpoint_format(&r->client.server, text),
		direction_text(r->o->directions), r->plan.flows, r->plan.flows > 1 ? "s" : "", bytes);
	if (r->plan.rate == 0)
		fputs("as many as the sender can", r->out);
	else
		fprintf(r->out, "%s%lu packets/s", r->o->search ? "up to " : "", (unsigned long)r->plan.rate);
	fprintf(r->out, ", %g s%s\n", (double)r->plan.duration / 1e9, r->o->search ? " each trial" : "");
	fflush(r->out);
}

static void
on_interval(void *ctx, const struct sl_bench_interval *i)
{
	struct runs *r = ctx;

	sl_bench_print_interval(r->out, i, &r->plan, r->family);
	if (r->o->json)
		json_array_append_new(r->intervals, sl_bench_json_interval(i, &r->plan, r->family));
}

/* One trial at the rate that was asked for. */
static bool
run_fixed(struct runs *r, json_t *run)
{
	r->intervals = json_array();
	json_object_set_new(run, "intervals", r->intervals);
	if (!sl_bench_client_trial(&r->client, &r->plan, r->o->probes, on_interval, r, &r->result))
		return false;
	sl_bench_print_result(r->out, &r->result, r->family);
	json_object_set_new(run, "summary", sl_bench_json_result(&r->result, r->family));
	return true;
}

/* A trial in both directions is as good as the worse of them. */
static struct sl_bench_trial_result
trial_result(const struct sl_bench_result *result)
{
	const struct sl_bench_way *to = &result->to_server, *from = &result->from_server;
	struct sl_bench_trial_result t = {.rate = UINT64_MAX, .sent = to->sent + from->sent, .lost = to->lost + from->lost};
	uint64_t rate;

	for (unsigned d = 0; d < 2; d++) {
		if (!(result->plan.directions & (d == 0 ? SL_TRAFFIC_TO_SERVER : SL_TRAFFIC_FROM_SERVER)))
			continue;
		rate = (d == 0 ? to : from)->sent * SL_NSEC_PER_SEC / result->plan.duration;
		t.rate = rate < t.rate ? rate : t.rate;
	}
	return t;
}

static bool
run_search(struct runs *r, json_t *run)
{
	uint64_t mean = sl_bench_plan_mean(&r->plan, r->family);
	struct sl_bench_search s;
	json_t *trials = json_array();

	json_object_set_new(run, "trials", trials);
	sl_bench_search_begin(&s, r->plan.rate, r->o->resolution, r->o->loss);
	while (!stopped && sl_bench_search_next(&s, &r->plan.rate)) {
		struct sl_bench_trial_result t;
		bool passed;

		if (!sl_bench_client_trial(&r->client, &r->plan, r->o->probes, NULL, NULL, &r->result))
			return false;
		if (r->result.cut_short)
			break;
		t = trial_result(&r->result);
		passed = sl_bench_search_result(&s, &t);
		sl_bench_print_trial(r->out, s.trials, r->plan.rate, &r->result, passed);
		json_array_append_new(trials, sl_bench_json_trial(r->plan.rate, &r->result, passed));
	}
	sl_bench_print_search(r->out, &s, mean);
	json_object_set_new(run, "search", sl_bench_json_search(&s, mean));
	return true;
}

static json_t *
run_json(const struct runs *r, uint32_t size)
{
	json_t *run = json_object();

	json_object_set_new(run, "size", size == SL_BENCH_IMIX ? json_string("imix") : json_integer(size));
	json_object_set_new(run, "rate", r->plan.rate ? json_integer((json_int_t)r->plan.rate) : json_null());
	json_object_set_new(run, "duration", json_integer((json_int_t)r->plan.duration));
	json_array_append_new(r->all, run);
	return run;
}

/* The trial, or search, of one size. */
static bool
run_size(struct runs *r, uint32_t size)
{
	double seconds = r->o->search ? r->o->trial_seconds : r->o->seconds;
	json_t *run;

	r->plan = (struct sl_traffic_plan){
		.directions = r->o->directions,
		.flows = (uint16_t)r->o->flows,
		.duration = (uint64_t)(seconds * (double)SL_NSEC_PER_SEC),
	};
	if (!sl_bench_plan_sizes(&r->plan, size, r->family)) {
		snprintf(r->client.error, sizeof(r->client.error), "packets of %u bytes: there can be %u to %u over %s", size,
			sl_bench_overhead(r->family) + SL_TRAFFIC_HEADER_LEN, sl_bench_overhead(r->family) + SL_TRAFFIC_PAYLOAD_MAX,
			r->family == SL_AF_INET ? "IPv4" : "IPv6");
		return false;
	}
	r->plan.rate = sl_bench_plan_rate(&r->o->rate, &r->plan, r->family);
	print_head(r, size);
	run = run_json(r, size);
	return r->o->search ? run_search(r, run) : run_fixed(r, run);
}

static json_t *
whole_json(const struct runs *r)
{
	json_t *root = json_object();
	char text[SL_ENDPOINT_STRLEN];

	json_object_set_new(root, "server", json_string(sl_endpoint_format(&r->client.server, text)));
	json_object_set_new(root, "family", json_string(r->family == SL_AF_INET ? "ipv4" : "ipv6"));
	json_object_set_new(root, "by", json_string(r->o->interface ? "gateway" : "host"));
	json_object_set_new(root, "direction", json_string(direction_name(r->o->directions)));
	json_object_set_new(root, "flows", json_integer(r->o->flows));
	json_object_set(root, "runs", r->all);
	return root;
}

static int
run_all(struct runs *r, struct sl_bench_path *path, const struct sl_endpoint *server)
{
	bool ok = sl_bench_client_open(&r->client, path, server, r->o->flows);

	r->client.stop = &stopped;
	for (unsigned i = 0; ok && !stopped && i < r->o->n_sizes; i++)
		ok = run_size(r, r->o->sizes[i]);
	if (!ok)
		failed(r->client.error);
	sl_bench_client_close(&r->client);
	if (ok && r->o->json) {
		json_t *root = whole_json(r);

		json_dumpf(root, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(root);
	}
	return ok && fflush(stdout) == 0 ? SL_EXIT_DONE : SL_EXIT_FAILED;
}

int
sl_bench_client(int argc, char **argv)
{
	const struct sigaction action = {.sa_handler = on_signal};
	struct sl_bench_client_options o;
	struct runs *r;
	struct sl_endpoint server;
	struct sl_bench_path *path;
	int code;

	if (!sl_bench_client_parse(argc, argv, &o, &code))
		return code;
	path = open_path(&o, &server);
	if (path == NULL)
		return SL_EXIT_FAILED;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	r = calloc(1, sizeof(*r));
	if (r) {
		r->o = &o;
		r->family = server.ip.family;
		r->out = o.json ? stderr : stdout;
		r->all = json_array();
		code = run_all(r, path, &server);
		json_decref(r->all);
		free(r);
	} else {
		code = failed("out of memory");
	}
	path->ops->destroy(path);
	return code;
}
