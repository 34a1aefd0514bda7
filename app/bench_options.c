#include "app/bench_options.h"

#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/bench_report.h"
#include "app/usage.h"

#define SECONDS_MIN 0.1
#define SECONDS_MAX 86400.0
#define PERCENT     1e4 /* millionths */

static const char client_help[] =
	"Usage: sluice bench client SERVER[:PORT] [OPTION...]\n"
	"       sluice bench client [-n NAME] --interface IFACE --to PEER|ADDR[:PORT] [OPTION...]\n"
	"\n"
	"Sends numbered UDP packets to a `sluice bench server`, gets some from it, or both, and tells\n"
	"each second and in the end how many came, were lost, duplicated or reordered, how unevenly\n"
	"they came, and how long probes took there and back. With --interface the workers of a\n"
	"running gateway send and receive, through that interface's tunnel to a peer.\n"
	"\n"
	"Options:\n"
	"  -P, --flows N          parallel flows, 1 to 64; by default 1\n"
	"  -r, --rate RATE        over all flows and in each direction: packets per second such as 10k,\n"
	"                         bits per second such as 100Mbit, or max; by default 10k\n"
	"  -t, --time SECONDS     by default 10\n"
	"  -s, --size LIST        bytes of the IP packets, a run for each, or imix (64, 570, 1420 as\n"
	"                         7:4:1); by default 1400\n"
	"  -R, --reverse          from the server\n"
	"  -B, --both             in both directions at once\n"
	"      --probes N         probes of the round trip per second; by default 1000\n"
	"  -S, --search           look for the highest rate without loss (RFC 2544), up to --rate or,\n"
	"                         by default, to what the sender can\n"
	"      --trial SECONDS    time of each trial of the search; by default 2\n"
	"      --resolution PCT   the search ends when it knows the rate this well; by default 1\n"
	"      --loss PCT         what a trial may lose; by default 0\n"
	"  -4, -6                 IPv4 or IPv6 only, where SERVER is a name or a peer\n"
	"  -n, --name NAME        the gateway; by default the only one that runs\n"
	"      --interface IFACE  its WireGuard interface\n"
	"      --to PEER|ADDR     a peer's name, or an address behind the tunnel\n"
	"  -j, --json             as JSON to stdout; lines for people then go to stderr\n"
	"  -h, --help             this text\n"
	"  -V, --version          the version\n";

static const char server_help[] =
	"Usage: sluice bench server [OPTION...]\n"
	"       sluice bench server [-n NAME] --interface IFACE [OPTION...]\n"
	"\n"
	"The other end of `sluice bench client`. It sends only to clients that have proved their\n"
	"address. With --interface the workers of a running gateway are the end, at the interface's\n"
	"own addresses; the port is taken only while this command runs.\n"
	"\n"
	"Options:\n"
	"      --bind ADDR        listen on this address; by default on all\n"
	"  -p, --port N           UDP port; by default 5210\n"
	"      --limit RATE       packets per second that it sends at most for one client\n"
	"  -1, --once             end after the first session\n"
	"  -n, --name NAME        the gateway; by default the only one that runs\n"
	"      --interface IFACE  its WireGuard interface\n"
	"  -h, --help             this text\n"
	"  -V, --version          the version\n";

enum { OPT_PROBES = 256, OPT_TRIAL, OPT_RESOLUTION, OPT_LOSS, OPT_INTERFACE, OPT_TO, OPT_BIND, OPT_LIMIT };

static const struct option client_longs[] = {
	{"flows", required_argument, NULL, 'P'},
	{"rate", required_argument, NULL, 'r'},
	{"time", required_argument, NULL, 't'},
	{"size", required_argument, NULL, 's'},
	{"reverse", no_argument, NULL, 'R'},
	{"both", no_argument, NULL, 'B'},
	{"probes", required_argument, NULL, OPT_PROBES},
	{"search", no_argument, NULL, 'S'},
	{"trial", required_argument, NULL, OPT_TRIAL},
	{"resolution", required_argument, NULL, OPT_RESOLUTION},
	{"loss", required_argument, NULL, OPT_LOSS},
	{"name", required_argument, NULL, 'n'},
	{"interface", required_argument, NULL, OPT_INTERFACE},
	{"to", required_argument, NULL, OPT_TO},
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{0},
};

static const struct option server_longs[] = {
	{"bind", required_argument, NULL, OPT_BIND},
	{"port", required_argument, NULL, 'p'},
	{"limit", required_argument, NULL, OPT_LIMIT},
	{"once", no_argument, NULL, '1'},
	{"name", required_argument, NULL, 'n'},
	{"interface", required_argument, NULL, OPT_INTERFACE},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{0},
};

/* --- values --- */

/* A number with a fraction, between low and high, and nothing behind it. */
static bool
parse_real(const char *text, double low, double high, double *out)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end != '\0' || !isfinite(value) || value < low || value > high)
		return false;
	*out = value;
	return true;
}

static bool
parse_whole(const char *text, uint64_t low, uint64_t high, uint64_t *out)
{
	char *end;
	unsigned long long value;

	if (*text < '0' || *text > '9')
		return false;
	value = strtoull(text, &end, 10);
	if (*end != '\0' || value < low || value > high)
		return false;
	*out = value;
	return true;
}

bool
sl_bench_rate_parse(const char *text, struct sl_bench_rate *rate)
{
	char *end;
	double value;

	*rate = (struct sl_bench_rate){0};
	if (strcmp(text, "max") == 0) {
		rate->max = true;
		return true;
	}
	if ((*text < '0' || *text > '9') && *text != '.')
		return false;
	value = strtod(text, &end);
	switch (*end) {
	case 'k':
		value *= 1e3;
		end++;
		break;
	case 'M':
		value *= 1e6;
		end++;
		break;
	case 'G':
		value *= 1e9;
		end++;
		break;
	default:
		break;
	}
	rate->bits = strcmp(end, "bit") == 0;
	if ((*end != '\0' && !rate->bits) || !isfinite(value) || value <= 0)
		return false;
	rate->value = value;
	return true;
}

static bool
parse_sizes(const char *text, struct sl_bench_client_options *o)
{
	char copy[256], *save, *word;

	if (strlen(text) >= sizeof(copy) || *text == '\0')
		return false;
	strcpy(copy, text);
	o->n_sizes = 0;
	for (word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		uint64_t size = SL_BENCH_IMIX;

		if (o->n_sizes == SL_BENCH_SIZES_MAX)
			return false;
		/* what a packet must have at least depends on the family, which is not known yet */
		if (strcmp(word, "imix") != 0 && !parse_whole(word, 1, UINT16_MAX, &size))
			return false;
		o->sizes[o->n_sizes++] = (uint32_t)size;
	}
	return o->n_sizes > 0;
}

bool
sl_bench_target_split(char *text, char **host, uint16_t *port)
{
	char *colon = strrchr(text, ':'), *end = NULL;
	uint64_t value;

	*host = text;
	if (*text == '[') {
		end = strchr(text, ']');
		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return false;
		colon = end[1] == ':' ? end + 1 : NULL;
		*end = '\0';
		*host = text + 1;
	} else if (colon && strchr(text, ':') != colon) {
		colon = NULL; /* an IPv6 address without a port */
	}
	if (colon) {
		if (!parse_whole(colon + 1, 1, UINT16_MAX, &value))
			return false;
		*colon = '\0';
		*port = (uint16_t)value;
	}
	return **host != '\0';
}

/* --- command lines --- */

static int
wrong(const char *command, const char *text, const char *wanted)
{
	return sl_usage_error(command, "`%s` is not %s", text, wanted);
}

/* NULL, or what the option takes. */
static const char *
client_option(int opt, struct sl_bench_client_options *o)
{
	uint64_t whole = 0;
	double real = 0;

	switch (opt) {
	case 'P':
		if (!parse_whole(optarg, 1, SL_TRAFFIC_FLOWS_MAX, &whole))
			return "a number of flows, 1 to 64";
		o->flows = (unsigned)whole;
		return NULL;
	case 'r':
		return sl_bench_rate_parse(optarg, &o->rate) ? NULL : "a rate, such as 10k, 100Mbit or max";
	case 't':
		return parse_real(optarg, SECONDS_MIN, SECONDS_MAX, &o->seconds) ? NULL : "a time in seconds, 0.1 to 86400";
	case 's':
		return parse_sizes(optarg, o) ? NULL : "a list of sizes, such as 64,1420,imix";
	case OPT_PROBES:
		return parse_whole(optarg, 0, SL_BENCH_PROBES_MAX, &o->probes) ? NULL : "a number of probes, 0 to 100000";
	case OPT_TRIAL:
		return parse_real(optarg, SECONDS_MIN, SECONDS_MAX, &o->trial_seconds) ? NULL : "a time in seconds, 0.1 to 86400";
	case OPT_RESOLUTION:
	case OPT_LOSS:
		if (!parse_real(optarg, opt == OPT_LOSS ? 0 : 0.01, 50, &real))
			return "a percentage up to 50";
		*(opt == OPT_LOSS ? &o->loss : &o->resolution) = (uint32_t)(real * PERCENT);
		return NULL;
	default:
		return NULL;
	}
}

static void
client_flag(int opt, struct sl_bench_client_options *o)
{
	switch (opt) {
	case 'R':
		o->directions = SL_TRAFFIC_FROM_SERVER;
		break;
	case 'B':
		o->directions = SL_TRAFFIC_BOTH;
		break;
	case 'S':
		o->search = true;
		break;
	case '4':
		o->family = SL_AF_INET;
		break;
	case '6':
		o->family = SL_AF_INET6;
		break;
	case 'n':
		o->name = optarg;
		break;
	case OPT_INTERFACE:
		o->interface = optarg;
		break;
	case OPT_TO:
		o->target = optarg;
		break;
	case 'j':
		o->json = true;
		break;
	default:
		break;
	}
}

/* What options say together. True: all is well. */
static bool
client_target(int argc, char **argv, struct sl_bench_client_options *o, int *code)
{
	bool gateway = o->interface != NULL;

	if (gateway != (o->target != NULL)) {
		*code = sl_usage_error("bench client", "--interface and --to go together");
		return false;
	}
	if (!gateway && o->name) {
		*code = sl_usage_error("bench client", "-n goes with --interface");
		return false;
	}
	if (gateway ? optind < argc : optind + 1 != argc) {
		*code = gateway ? sl_usage_error("bench client", "takes no argument `%s` with --to", argv[optind])
				: sl_usage_error("bench client", "takes one SERVER");
		return false;
	}
	if (!gateway)
		o->target = argv[optind];
	return true;
}

bool
sl_bench_client_parse(int argc, char **argv, struct sl_bench_client_options *o, int *code)
{
	bool rate_given = false;
	const char *wanted;
	int opt;

	*o = (struct sl_bench_client_options){
		.flows = 1,
		.rate = {.value = 1e4},
		.seconds = 10,
		.directions = SL_TRAFFIC_TO_SERVER,
		.sizes = {1400},
		.n_sizes = 1,
		.probes = 1000,
		.trial_seconds = 2,
		.resolution = (uint32_t)PERCENT,
	};
	while ((opt = getopt_long(argc, argv, "P:r:t:s:RBS46n:jhV", client_longs, NULL)) != -1) {
		if (opt == 'h' || opt == 'V' || opt == '?') {
			*code = opt == 'h' ? sl_print_help(client_help) : opt == 'V' ? sl_print_version() : 2;
			return false;
		}
		wanted = client_option(opt, o);
		if (wanted) {
			*code = wrong("bench client", optarg, wanted);
			return false;
		}
		client_flag(opt, o);
		rate_given |= opt == 'r';
	}
	/* a search begins at what the sender can, unless it is told where */
	if (o->search && !rate_given)
		o->rate.max = true;
	return client_target(argc, argv, o, code);
}

static const char *
server_option(int opt, struct sl_bench_server_options *o)
{
	struct sl_bench_rate rate;
	uint64_t whole = 0;

	switch (opt) {
	case OPT_BIND:
		return sl_ip_parse(optarg, &o->bind) ? NULL : "an address";
	case 'p':
		if (!parse_whole(optarg, 1, UINT16_MAX, &whole))
			return "a port, 1 to 65535";
		o->port = (uint16_t)whole;
		return NULL;
	case OPT_LIMIT:
		if (!sl_bench_rate_parse(optarg, &rate) || rate.max || rate.bits || rate.value < 1 ||
			rate.value > (double)SL_TRAFFIC_RATE_MAX)
			return "a number of packets per second, up to 100M";
		o->limit = (uint64_t)rate.value;
		return NULL;
	case '1':
		o->once = true;
		return NULL;
	case 'n':
		o->name = optarg;
		return NULL;
	case OPT_INTERFACE:
		o->interface = optarg;
		return NULL;
	default:
		return NULL;
	}
}

bool
sl_bench_server_parse(int argc, char **argv, struct sl_bench_server_options *o, int *code)
{
	const char *wanted;
	int opt;

	*o = (struct sl_bench_server_options){.port = SL_TRAFFIC_PORT, .limit = SL_TRAFFIC_RATE_MAX};
	while ((opt = getopt_long(argc, argv, "p:1n:hV", server_longs, NULL)) != -1) {
		if (opt == 'h' || opt == 'V' || opt == '?') {
			*code = opt == 'h' ? sl_print_help(server_help) : opt == 'V' ? sl_print_version() : 2;
			return false;
		}
		wanted = server_option(opt, o);
		if (wanted) {
			*code = wrong("bench server", optarg, wanted);
			return false;
		}
	}
	if (optind < argc)
		*code = sl_usage_error("bench server", "takes no argument `%s`", argv[optind]);
	else if (!o->interface && o->name)
		*code = sl_usage_error("bench server", "-n goes with --interface");
	else if (o->interface && o->bind.family)
		*code = sl_usage_error("bench server", "--bind does not go with --interface");
	else
		return true;
	return false;
}

/* --- plans --- */

bool
sl_bench_plan_sizes(struct sl_traffic_plan *plan, uint32_t size, uint8_t family)
{
	static const struct sl_traffic_size imix[] = {{64, 7}, {570, 4}, {1420, 1}};
	unsigned overhead = sl_bench_overhead(family);

	if (size == SL_BENCH_IMIX) {
		plan->n_sizes = sizeof(imix) / sizeof(imix[0]);
		for (unsigned i = 0; i < plan->n_sizes; i++) {
			plan->sizes[i] = imix[i];
			plan->sizes[i].payload = (uint16_t)(imix[i].payload - overhead);
			/* the smallest packets of IPv6 are a little larger */
			if (plan->sizes[i].payload < SL_TRAFFIC_HEADER_LEN)
				plan->sizes[i].payload = SL_TRAFFIC_HEADER_LEN;
		}
		return true;
	}
	if (size < overhead + SL_TRAFFIC_HEADER_LEN || size > overhead + SL_TRAFFIC_PAYLOAD_MAX)
		return false;
	plan->n_sizes = 1;
	plan->sizes[0] = (struct sl_traffic_size){.payload = (uint16_t)(size - overhead), .weight = 1};
	return true;
}

uint64_t
sl_bench_plan_mean(const struct sl_traffic_plan *plan, uint8_t family)
{
	uint64_t bytes = 0, weights = 0;

	for (unsigned i = 0; i < plan->n_sizes; i++) {
		bytes += (uint64_t)(plan->sizes[i].payload + sl_bench_overhead(family)) * plan->sizes[i].weight;
		weights += plan->sizes[i].weight;
	}
	return weights ? bytes / weights : 0;
}

uint64_t
sl_bench_plan_rate(const struct sl_bench_rate *rate, const struct sl_traffic_plan *plan, uint8_t family)
{
	double packets = rate->value;

	if (rate->max)
		return 0;
	if (rate->bits)
		packets /= (double)(sl_bench_plan_mean(plan, family) * 8);
	if (packets < 1)
		return 1;
	return packets > (double)SL_TRAFFIC_RATE_MAX ? SL_TRAFFIC_RATE_MAX : (uint64_t)packets;
}
