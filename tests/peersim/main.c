/*
 * Up to a million simulated WireGuard peers, and the LAN behind their hub, against a running gateway
 * (tests/peersim/sim.h).
 *
 *   peersim peers --seed TEXT --peers N [--first F] [--mixed] [--psk]   the gateway's `peers:` file, on stdout
 *   peersim keys --seed TEXT                                            the hub's identities: "private public", a line each
 *   peersim run --seed TEXT --peers N --wan SOCKET --lan SOCKET --control SOCKET [options]
 *   peersim ask SOCKET COMMAND [KEY=VALUE…]                             commands: tests/peersim/control.h
 *
 *   --wan, --lan    sockets of the gateway's memif ports, whose device there is
 *                   "net_memif0,role=server,socket=PATH,socket-abstract=no"
 *   --queues N      queue pairs of each port: as many as the gateway has workers
 *   --ring LOG      frames that a port's rings hold, as a power of two; 12
 *   --mixed         half of the peers speak IPv6 outside, half of them inside
 *   --psk           every peer has a preshared key
 *   --seconds S     how long to wait for the gateway
 *
 * `run` says "peersim: ready" once it knows the gateway, and ends by `quit` or SIGTERM.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include <rte_mbuf.h>

#include "crypto/base64.h"
#include "crypto/init.h"
#include "crypto/random.h"
#include "crypto/simd.h"
#include "crypto/x25519.h"
#include "tests/peersim/control.h"
#include "tests/peersim/data.h"
#include "tests/peersim/flow.h"
#include "tests/peersim/handshake.h"
#include "tests/peersim/keys.h"
#include "tests/peersim/port.h"
#include "tests/peersim/timers.h"

#define NS_OF_S        UINT64_C(1000000000)
#define NS_OF_MS       UINT64_C(1000000)
#define WAIT_SECONDS   30
#define QUEUES_MAX     16
#define RING_LOG       12
#define RING_LOG_MIN   8
#define RING_LOG_MAX   14
#define RECEIVE_MAX    16384     /* packets of a port in one turn: more than its ring has */
#define CONTROL_NS     NS_OF_MS /* a busy loop looks for commands that often */
#define SLEEP_MIN_NS   UINT64_C(20000)
#define SLEEP_MAX_NS   UINT64_C(200000)
#define TIMER_SLACK_NS 1000

static const struct wire_host wan_host = {.ip4 = {192, 0, 2, 1}, .ip6 = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};
static const struct wire_host lan_host = {.ip4 = {10, 20, 0, 10}, .ip6 = {0xfd, 0x00, 0x00, 0x20, [15] = 0x10}};
static const uint8_t wan_hub4[4] = {192, 0, 2, 10}, lan_hub4[4] = {10, 20, 0, 1};
static volatile sig_atomic_t ended;

static void on_signal(int sig)
{
	(void)sig;
	ended = 1;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_OF_S + (uint64_t)ts.tv_nsec;
}

/* An outer packet that came to some peer. */
static void take_outer(struct sim *s, struct rte_mbuf *m)
{
	const uint8_t *msg;
	struct wire_ends ends;
	uint32_t peer;
	size_t len;

	if (!wire_parse(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, &ends, &msg, &len) ||
	        ends.from_port != SIM_HUB_PORT || (peer = sim_outer_peer(&s->o, &ends)) == SIM_NONE) {
		s->counts.bad_frames++;
		rte_pktmbuf_free(m);
		return;
	}
	if (len >= SL_KEEPALIVE_LEN && msg[0] == SL_MSG_DATA) {
		sim_data_take(s, m, msg, len);
		return;
	}
	sim_handshake_take(s, peer, msg, len);
	rte_pktmbuf_free(m);
}

static bool receive(struct sim *s)
{
	struct rte_mbuf *mbufs[SIM_BATCH];
	unsigned n, all = 0;

	for (unsigned got = 0; got < RECEIVE_MAX && (n = sim_port_receive(s->wan, mbufs, SIM_BATCH));
	        got += n, all += n)
		for (unsigned i = 0; i < n; i++)
			take_outer(s, mbufs[i]);
	sim_open_flush(s);
	for (unsigned got = 0; got < RECEIVE_MAX && (n = sim_port_receive(s->lan, mbufs, SIM_BATCH));
	        got += n, all += n)
		for (unsigned i = 0; i < n; i++)
			sim_flow_at_lan(s, mbufs[i]);
	return all > 0;
}

static void loop(struct sim *s, struct sim_control *control)
{
	uint64_t sleep = 0, controlled = 0;

	while (!s->stop && !ended) {
		const uint64_t now = now_ns();
		bool any;

		s->now_ms = (uint32_t)((now - s->start_ns) / NS_OF_MS) + 1;
		any = receive(s);
		any |= sim_flows_run(s);
		any |= sim_handshakes_run(s);
		any |= sim_timers_run(s);
		sim_seal_flush(s);
		sim_port_flush(s->wan);
		sim_port_flush(s->lan);
		if (any)
			sleep = 0;
		else
			sleep = sleep == 0 ? SLEEP_MIN_NS : sleep * 2 < SLEEP_MAX_NS ? sleep * 2 : SLEEP_MAX_NS;
		if (!any || now - controlled > CONTROL_NS) {
			sim_control_run(control, s, sleep);
			controlled = now;
		}
	}
}

static bool make(struct sim *s)
{
	uint8_t private_key[SL_KEY_LEN], public_key[SL_KEY_LEN];

	s->simd = sl_simd_best();
	s->aead = sl_aead_create(SL_SIMD_AUTO);
	s->peers = calloc(s->o.peers, sizeof(*s->peers));
	s->due = malloc(s->o.peers * sizeof(*s->due));
	s->queue = malloc(s->o.peers * sizeof(*s->queue));
	if (!s->aead || !s->peers || !s->due || !s->queue)
		return false;
	for (uint32_t i = 0; i < s->o.peers; i++) {
		s->due[i] = SIM_NONE;
		s->peers[i].task = SIM_NONE;
		s->peers[i].ss_hub = UINT8_MAX;
	}
	s->random = 1;
	s->start_ns = now_ns();
	sim_hub_private(s->o.seed, 0, private_key);
	sl_x25519_public(public_key, private_key);
	return sim_hub_add(s, public_key) == 0;
}

static void unmake(struct sim *s)
{
	for (uint32_t i = 0; i < SIM_FLOWS_MAX; i++)
		sim_flow_free(s, i);
	for (uint32_t i = 0; i < s->o.peers; i++)
		sim_forget(s, i);
	sim_port_close(s->wan);
	sim_port_close(s->lan);
	sl_aead_destroy(s->aead);
	free(s->peers);
	free(s->due);
	free(s->queue);
}

static int run(struct sim *s)
{
	struct sim_control *control;
	int status = EXIT_FAILURE;

	if (!s->o.wan || !s->o.lan || !s->o.control) {
		fprintf(stderr, "peersim: run wants --wan, --lan and --control\n");
		return 2;
	}
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
	if (!sim_dpdk_start())
		return EXIT_FAILURE;
	if (!make(s)) {
		fprintf(stderr, "peersim: no memory, or no crypto for this CPU\n");
		return EXIT_FAILURE;
	}
	s->wan = sim_port_open("wan", s->o.wan, s->o.queues, s->o.ring, s->o.seconds, wan_host, wan_hub4);
	s->lan = s->wan ? sim_port_open("lan", s->o.lan, s->o.queues, s->o.ring, s->o.seconds, lan_host, lan_hub4) : NULL;
	control = s->lan ? sim_control_open(s->o.control) : NULL;
	if (s->lan && !control)
		fprintf(stderr, "peersim: %s: %s\n", s->o.control, strerror(errno));
	if (control) {
		puts("peersim: ready");
		fflush(stdout);
		loop(s, control);
		sim_control_close(control);
		status = EXIT_SUCCESS;
	}
	unmake(s);
	sim_dpdk_stop();
	return status;
}

static int print_keys(const struct sim_options *o)
{
	uint8_t private_key[SL_KEY_LEN], public_key[SL_KEY_LEN];
	char a[SL_KEY_BASE64_LEN + 1], b[SL_KEY_BASE64_LEN + 1];

	for (unsigned k = 0; k < SIM_HUBS_MAX; k++) {
		sim_hub_private(o->seed, k, private_key);
		sl_x25519_public(public_key, private_key);
		sl_key_to_base64(a, private_key);
		sl_key_to_base64(b, public_key);
		printf("%s %s\n", a, b);
	}
	return EXIT_SUCCESS;
}

__attribute__((noreturn)) static void usage(void)
{
	fprintf(stderr,
	        "usage: peersim peers|keys|run OPTIONS | peersim ask SOCKET COMMAND…; the head of tests/peersim/main.c "
	        "lists them\n");
	exit(2);
}

static uint32_t number(const char *option, const char *value, uint32_t min, uint32_t max)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (end == value || *end || n < min || n > max) {
		fprintf(stderr, "peersim: --%s: a number from %u to %u, not %s\n", option, min, max, value);
		exit(2);
	}
	return (uint32_t)n;
}

static const struct option options[] = {{"seed", required_argument, NULL, 's'}, {"peers", required_argument, NULL, 'n'},
        {"first", required_argument, NULL, 'f'}, {"wan", required_argument, NULL, 'w'},
        {"lan", required_argument, NULL, 'l'}, {"control", required_argument, NULL, 'c'},
        {"queues", required_argument, NULL, 'q'}, {"seconds", required_argument, NULL, 't'}, {"ring", required_argument, NULL, 'r'},
        {"mixed", no_argument, NULL, 'm'}, {"psk", no_argument, NULL, 'p'}, {0}};

static void parse(struct sim_options *o, uint32_t *first, int argc, char **argv)
{
	int c, i = 0;

	optind = 2;
	while ((c = getopt_long(argc, argv, "", options, &i)) != -1) {
		switch (c) {
		case 's':
			snprintf(o->seed, sizeof(o->seed), "%s", optarg);
			break;
		case 'n':
			o->peers = number(options[i].name, optarg, 1, SIM_PEERS_MAX);
			break;
		case 'f':
			*first = number(options[i].name, optarg, 0, SIM_PEERS_MAX - 1);
			break;
		case 'w':
			o->wan = optarg;
			break;
		case 'l':
			o->lan = optarg;
			break;
		case 'c':
			o->control = optarg;
			break;
		case 'q':
			o->queues = number(options[i].name, optarg, 1, QUEUES_MAX);
			break;
		case 'r':
			o->ring = number(options[i].name, optarg, RING_LOG_MIN, RING_LOG_MAX);
			break;
		case 't':
			o->seconds = number(options[i].name, optarg, 1, UINT16_MAX);
			break;
		case 'm':
			o->mixed = true;
			break;
		case 'p':
			o->psk = true;
			break;
		default:
			usage();
		}
	}
	if (optind != argc)
		usage();
}

int main(int argc, char **argv)
{
	static struct sim sim = {.o = {.peers = 1, .queues = 1, .ring = RING_LOG, .seconds = WAIT_SECONDS}};
	uint32_t first = 0;

	if (argc >= 4 && strcmp(argv[1], "ask") == 0)
		return sim_control_ask(argv[2], argv + 3, argc - 3);
	if (argc < 2)
		usage();
	parse(&sim.o, &first, argc, argv);
	if (sl_crypto_init()) {
		fprintf(stderr, "peersim: the crypto library does not start\n");
		return EXIT_FAILURE;
	}
	if (strcmp(argv[1], "run") == 0)
		return run(&sim);
	if (strcmp(argv[1], "keys") == 0)
		return print_keys(&sim.o);
	if (strcmp(argv[1], "peers") == 0)
		return sim_write_peers(stdout, &sim.o, first, sim.o.peers) ? EXIT_SUCCESS : EXIT_FAILURE;
	usage();
}
