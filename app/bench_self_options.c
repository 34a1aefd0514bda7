/* The options of `sluice bench self`. */
#include <getopt.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "app/bench_self.h"
#include "app/commands.h"
#include "app/usage.h"

static const char help[] =
	"Usage: sluice bench self [OPTION...]\n"
	"\n"
	"Sends packets through a tunnel between two gateways inside this process, over ports that\n"
	"are memory, and counts TSC cycles per packet of each part: generator, encap, wire, decap,\n"
	"sink, and what of encap and decap is the AEAD. One core does it all. Needs no root.\n"
	"\n"
	"Options:\n"
	"      --size LIST      bytes of IP inside the tunnel, or imix (64, 570, 1420 as 7:4:1);\n"
	"                       by default 64,128,256,512,1024,1420,8900,imix\n"
	"      --peers LIST     peers that the packets go to in turn, 1 to 1M; by default 1\n"
	"      --direction D    encap, decap or both; by default both\n"
	"      --burst N        packets a worker gets at once, 1 to 64; by default 32\n"
	"      --buffers N      packets under way at once: few stay in the caches; by default 256\n"
	"      --seconds S      time of each row; by default 1\n"
	"      --simd LEVEL     auto, sse, avx2 or avx512; by default auto\n"
	"      --core N         the core to run on; by default the last usable one\n"
	"      --stages         the cycles of each stage of the packet path too\n"
	"  -j, --json           as JSON\n"
	"      --plot FILE.svg  a plot too\n"
	"  -h, --help           this text\n"
	"  -V, --version        the version\n";

enum { OPT_SIZE = 256, OPT_PEERS, OPT_DIRECTION, OPT_BURST, OPT_BUFFERS, OPT_SECONDS, OPT_SIMD, OPT_CORE, OPT_STAGES, OPT_PLOT };

static const struct option longs[] = {
	{"size", required_argument, NULL, OPT_SIZE},
	{"peers", required_argument, NULL, OPT_PEERS},
	{"direction", required_argument, NULL, OPT_DIRECTION},
	{"burst", required_argument, NULL, OPT_BURST},
	{"buffers", required_argument, NULL, OPT_BUFFERS},
	{"seconds", required_argument, NULL, OPT_SECONDS},
	{"simd", required_argument, NULL, OPT_SIMD},
	{"core", required_argument, NULL, OPT_CORE},
	{"stages", no_argument, NULL, OPT_STAGES},
	{"json", no_argument, NULL, 'j'},
	{"plot", required_argument, NULL, OPT_PLOT},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{0},
};

#define SECONDS_MAX 3600
#define SIZE_MIN    64

static int
wrong(const char *option, const char *text, const char *wanted)
{
	return sl_usage_error("bench self", "--%s %s: takes %s", option, text, wanted);
}

/* A whole number between low and high, "1M" and "10k" among them; *end where it ends. */
static bool
parse_number(const char *text, char **end, uint64_t low, uint64_t high, uint32_t *out)
{
	unsigned long long value;

	if (*text < '0' || *text > '9')
		return false;
	value = strtoull(text, end, 10);
	if (value <= high && (**end == 'k' || **end == 'M'))
		value *= *(*end)++ == 'k' ? 1000 : 1000000;
	*out = (uint32_t)value;
	return value >= low && value <= high;
}

/* "1,2,3"; with `imix` that word too. Returns how many, 0 where it is not such a list. */
static uint32_t
parse_list(const char *text, uint32_t low, uint32_t high, bool imix, uint32_t list[static SL_SELF_LIST_MAX])
{
	uint32_t n = 0;
	char *end;

	while (n < SL_SELF_LIST_MAX) {
		if (imix && strncmp(text, "imix", 4) == 0) {
			list[n] = SL_IMIX;
			end = (char *)(uintptr_t)text + 4;
		} else if (!parse_number(text, &end, low, high, &list[n])) {
			return 0;
		}
		n++;
		if (*end == '\0')
			return n;
		if (*end != ',')
			return 0;
		text = end + 1;
	}
	return 0;
}

static bool
parse_one(const char *text, uint64_t low, uint64_t high, uint32_t *out)
{
	char *end;

	return parse_number(text, &end, low, high, out) && *end == '\0';
}

static bool
parse_direction(const char *text, enum sl_self_direction *out)
{
	static const struct {
		const char *name;
		enum sl_self_direction direction;
	} names[] = {{"encap", SL_SELF_ENCAP}, {"decap", SL_SELF_DECAP}, {"both", SL_SELF_BOTH}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i].name) == 0) {
			*out = names[i].direction;
			return true;
		}
	}
	return false;
}

static bool
parse_seconds(const char *text, double *out)
{
	char *end;

	*out = strtod(text, &end);
	return end != text && *end == '\0' && isfinite(*out) && *out > 0 && *out <= SECONDS_MAX;
}

static bool
parse_core(const char *text, int *out)
{
	cpu_set_t usable;
	uint32_t core;

	if (!parse_one(text, 0, CPU_SETSIZE - 1, &core) || sched_getaffinity(0, sizeof(usable), &usable) != 0)
		return false;
	*out = (int)core;
	return CPU_ISSET(core, &usable);
}

/* One option with its text. 0, or the exit code of an error that was printed. */
static int
parse_option(int opt, const char *text, struct sl_self_options *o)
{
	switch (opt) {
	case OPT_SIZE:
		o->n_sizes = parse_list(text, SIZE_MIN, SL_FRAMES_MAX, true, o->sizes);
		return o->n_sizes ? 0 : wrong("size", text, "at most 16 sizes from 64 to 8900, or imix, such as 64,1420,imix");
	case OPT_PEERS:
		o->n_peers = parse_list(text, 1, SL_RIG_PEERS_MAX, false, o->peers);
		return o->n_peers ? 0 : wrong("peers", text, "at most 16 numbers from 1 to 1M, such as 1,1000,1M");
	case OPT_DIRECTION:
		return parse_direction(text, &o->direction) ? 0 : wrong("direction", text, "encap, decap or both");
	case OPT_BURST:
		return parse_one(text, 1, SL_BURST, &o->burst) ? 0 : wrong("burst", text, "a number from 1 to 64");
	case OPT_BUFFERS:
		return parse_one(text, 1, SL_SELF_BUFFERS_MAX, &o->buffers) ? 0 : wrong("buffers", text, "a number from 1 to 16384");
	case OPT_SECONDS:
		return parse_seconds(text, &o->seconds) ? 0 : wrong("seconds", text, "a number above 0, at most 3600");
	case OPT_SIMD:
		if (!sl_simd_parse(text, &o->simd))
			return wrong("simd", text, "auto, sse, avx2 or avx512");
		return sl_simd_supported(o->simd) ? 0 : wrong("simd", text, "a level that this CPU has, and it does not have that one");
	case OPT_CORE:
		return parse_core(text, &o->core) ? 0 : wrong("core", text, "the number of a core that this process may use");
	default:
		return SL_EXIT_USAGE;
	}
}

bool
sl_self_parse(int argc, char **argv, struct sl_self_options *o, int *code)
{
	int opt;

	*o = (struct sl_self_options){
		.sizes = {64, 128, 256, 512, 1024, 1420, 8900, SL_IMIX},
		.n_sizes = 8,
		.peers = {1},
		.n_peers = 1,
		.direction = SL_SELF_BOTH,
		.burst = 32,
		.buffers = 256,
		.seconds = 1,
		.core = -1,
	};
	*code = 0;
	while (*code == 0 && (opt = getopt_long(argc, argv, "jhV", longs, NULL)) != -1) {
		switch (opt) {
		case 'h':
			*code = sl_print_help(help);
			return false;
		case 'V':
			*code = sl_print_version();
			return false;
		case 'j':
			o->json = true;
			break;
		case OPT_STAGES:
			o->stages = true;
			break;
		case OPT_PLOT:
			o->plot = optarg;
			break;
		default:
			*code = opt == '?' ? SL_EXIT_USAGE : parse_option(opt, optarg, o);
		}
	}
	if (*code == 0 && optind < argc)
		*code = sl_usage_error("bench self", "takes no argument `%s`", argv[optind]);
	return *code == 0;
}
