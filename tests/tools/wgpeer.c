/*
 * Many WireGuard peers in one process, at packet level: each shakes hands with the gateway, then sends a numbered UDP flow to a host behind it
 * and tallies the flow that it gets from there. So a test can hold one session over many sockets, renew it in the middle of traffic, or have
 * fifty peers, without fifty daemons.
 *
 *   wgpeer keys N                 N lines "private public", in base64
 *   wgpeer run --peers FILE --remote KEY --endpoint ADDR,PORT [--endpoint ADDR,PORT] --to ADDR,PORT [options]
 *
 *   --peers FILE     a line per peer: private key, inner IPv4 address and, where there is one, PSK
 *   --endpoint A,P   the gateway's; with two of them sockets take turns between them
 *   --from-port P    source port of the first socket
 *   --sockets S      sockets per peer; packet i of a peer's flow f leaves through socket f modulo S
 *   --flows F        flows per peer, numbered on over the peers: peer p has the flows p * F to p * F + F - 1
 *   --count N        packets per flow                     --rate PPS   over all peers
 *   --size BYTES     UDP payload                          --twice      every message is sent again through the next socket
 *   --rekey-ms T     a new handshake per peer every T ms  --expect N   packets that come back per flow
 *   --seconds S      the longest it may take
 *   --progress FILE  tells a sender's window what has come    --window FILE   waits for the receiver with that file
 *
 * It says "up" when every peer has a session. It ends when all is sent and all that is expected has come (plus a moment for
 * duplicates), with a line of JSON; a gateway that does not answer ends it with status 1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/base64.h"
#include "crypto/bytes.h"
#include "crypto/init.h"
#include "crypto/random.h"
#include "crypto/x25519.h"
#include "tests/tools/probe.h"
#include "tests/tools/tool.h"
#include "tests/tools/wgpeer_core.h"
#include "tests/tools/window.h"

#define PEERS_MAX     128
#define SOCKETS_MAX   16 /* per peer */
#define ENDPOINTS_MAX 2
#define BURST	      32
#define FROM_PORT     30000
#define RETRY_NS      (TOOL_NSEC_PER_SEC)
#define LINGER_NS     (300 * TOOL_NSEC_PER_MSEC)
#define IDLE_NS	      (TOOL_NSEC_PER_MSEC)
#define KEEPALIVE_NS  (TOOL_NSEC_PER_SEC) /* a peer that only receives shows that it lives */
#define COUNT_MAX     UINT64_C(10000000)

struct options {
	const char *peers, *progress, *window;
	uint8_t remote[SL_KEY_LEN];
	bool has_remote, twice;
	union tool_addr endpoints[ENDPOINTS_MAX];
	unsigned n_endpoints;
	uint32_t to; /* network order */
	uint16_t to_port, from_port;
	unsigned sockets, flows;
	uint64_t count, expect, rate, rekey_ns, seconds;
	size_t size;
};

struct run {
	struct options o;
	struct wgpeer peers[PEERS_MAX];
	unsigned n_peers;
	int fds[PEERS_MAX * SOCKETS_MAX];
	struct pollfd polls[PEERS_MAX * SOCKETS_MAX];
	struct probe_tally tally;
	struct window to_us, from_us;
	uint32_t next_index;
	uint64_t sent, unopened, keepalive_at;
};

static struct run run;

static unsigned first_socket(unsigned peer)
{
	return peer * run.o.sockets;
}

static void send_message(unsigned peer, unsigned socket, const uint8_t *message, size_t len)
{
	const int fd = run.fds[first_socket(peer) + socket % run.o.sockets];

	while (send(fd, message, len, 0) < 0) {
		if (errno != ENOBUFS && errno != EAGAIN && errno != ECONNREFUSED && errno != EINTR)
			tool_die("send: %s", strerror(errno));
	}
}

static void initiate(unsigned peer, uint64_t now)
{
	uint8_t message[WGPEER_MESSAGE_MAX];
	size_t len = wgpeer_initiate(&run.peers[peer], ++run.next_index, now, message);

	send_message(peer, 0, message, len);
}

static void keepalive(unsigned peer)
{
	uint8_t message[WGPEER_MESSAGE_MAX];
	size_t len = wgpeer_seal(&run.peers[peer], NULL, 0, message);

	if (len)
		send_message(peer, 0, message, len);
}

static void take(unsigned peer, const uint8_t *message, size_t len, uint64_t now)
{
	uint8_t packet[WGPEER_MESSAGE_MAX];
	const uint8_t *payload;
	size_t packet_len, payload_len;

	switch (wgpeer_receive(&run.peers[peer], message, len, now, packet, &packet_len)) {
	case WGPEER_SESSION:
		keepalive(peer); /* the gateway may send on the session once it has seen a packet of it */
		break;
	case WGPEER_PACKET:
		payload = wgpeer_udp_payload(packet, packet_len, run.o.to_port, &payload_len);
		if (payload)
			probe_tally_add(&run.tally, payload, payload_len);
		break;
	case WGPEER_KEEPALIVE:
		break;
	case WGPEER_NOTHING:
		if (len >= 4 && sl_load_le32(message) == SL_MSG_DATA)
			run.unopened++;
		break;
	}
}

/* Takes everything that has come; waits at most until `until` for it. */
static void receive(uint64_t until)
{
	static uint8_t message[WGPEER_MESSAGE_MAX];
	const unsigned n = run.n_peers * run.o.sockets;
	uint64_t now = tool_now();
	struct timespec wait = {.tv_nsec = until > now ? (long)(until - now) : 0};
	ssize_t len;

	if (ppoll(run.polls, n, &wait, NULL) <= 0)
		return;
	now = tool_now();
	for (unsigned i = 0; i < n; i++) {
		if (!run.polls[i].revents)
			continue;
		for (unsigned burst = 0; burst < BURST; burst++) {
			len = recv(run.fds[i], message, sizeof(message), MSG_DONTWAIT);
			if (len < 0)
				break;
			take(i / run.o.sockets, message, (size_t)len, now);
		}
	}
}

/* Handshakes that are due: the first, those without an answer, and those that --rekey-ms asks for. Whether all peers are up. */
static bool shake_hands(uint64_t now)
{
	bool all = true;

	for (unsigned p = 0; p < run.n_peers; p++) {
		struct wgpeer *peer = &run.peers[p];
		const bool pending = peer->handshake.state == SL_NOISE_CREATED_INITIATION;
		const uint64_t age = now - peer->initiated_at;

		if ((!peer->initiated_at || (pending && age > RETRY_NS)) ||
			(!pending && run.o.rekey_ns && age > run.o.rekey_ns))
			initiate(p, now);
		all = all && peer->handshakes > 0;
	}
	if (now > run.keepalive_at + KEEPALIVE_NS) {
		for (unsigned p = 0; p < run.n_peers; p++)
			keepalive(p);
		run.keepalive_at = now;
	}
	return all;
}

/* The i-th packet of all: flows take turns. */
static void send_data(uint64_t i)
{
	const uint32_t flow = (uint32_t)(i % (run.n_peers * run.o.flows));
	const unsigned peer = flow / run.o.flows;
	uint8_t payload[WGPEER_MESSAGE_MAX], packet[WGPEER_MESSAGE_MAX], message[WGPEER_MESSAGE_MAX];
	size_t len;

	probe_fill(payload, run.o.size, flow, i / (run.n_peers * run.o.flows));
	len = wgpeer_build_udp(packet, run.peers[peer].address, run.o.to, (uint16_t)(run.o.from_port + flow), run.o.to_port,
		payload, run.o.size);
	len = wgpeer_seal(&run.peers[peer], packet, len, message);
	send_message(peer, flow, message, len);
	if (run.o.twice)
		send_message(peer, flow + 1, message, len);
}

/* Sends and receives until all is done. False where the gateway did not answer in time. */
static bool traffic(void)
{
	const uint64_t deadline = tool_now() + run.o.seconds * TOOL_NSEC_PER_SEC;
	const uint64_t total = run.n_peers * run.o.flows * run.o.count;
	uint64_t start = 0, linger = 0, now;

	while ((now = tool_now()) < deadline) {
		const bool up = shake_hands(now);
		uint64_t until = now + IDLE_NS;

		if (up && !start) {
			start = now;
			puts("up");
			fflush(stdout);
		}
		for (unsigned n = 0; start && n < BURST && run.sent < total; n++, run.sent++) {
			const uint64_t due = start + run.sent * TOOL_NSEC_PER_SEC / run.o.rate;

			if (due > now) {
				until = due < until ? due : until;
				break;
			}
			if (!window_has_room(&run.from_us, run.sent, now))
				break;
			until = now;
			send_data(run.sent);
		}
		receive(until);
		window_report(&run.to_us, run.tally.received);
		if (start && run.sent == total && probe_tally_complete(&run.tally)) {
			linger = linger ? linger : tool_now() + LINGER_NS;
			if (tool_now() > linger)
				break;
		}
	}
	return start != 0;
}

static void open_sockets(void)
{
	const unsigned n = run.n_peers * run.o.sockets;

	for (unsigned i = 0; i < n; i++) {
		const union tool_addr *to = &run.o.endpoints[i % run.o.sockets % run.o.n_endpoints];
		union tool_addr from = {.sa.sa_family = to->sa.sa_family};

		tool_addr_set_port(&from, (uint16_t)(run.o.from_port + i));
		run.fds[i] = tool_udp_socket(&from, 0);
		if (connect(run.fds[i], &to->sa, tool_addr_len(to)))
			tool_die("connect: %s", strerror(errno));
		run.polls[i] = (struct pollfd){.fd = run.fds[i], .events = POLLIN};
	}
}

static void key_from_text(uint8_t key[SL_KEY_LEN], const char *text)
{
	if (!sl_key_from_base64(key, text, strlen(text)))
		tool_die("%s is no key", text);
}

static void read_peers(void)
{
	char line[256], key[64], address[64], psk_text[64];
	FILE *in = fopen(run.o.peers, "r");

	if (!in)
		tool_die("%s: %s", run.o.peers, strerror(errno));
	while (fgets(line, sizeof(line), in)) {
		uint8_t private_key[SL_KEY_LEN], psk[SL_KEY_LEN] = {0};
		struct wgpeer *peer = &run.peers[run.n_peers];
		int words = sscanf(line, "%63s %63s %63s", key, address, psk_text);

		if (words < 2 || run.n_peers == PEERS_MAX)
			tool_die("%s: line %u is no peer, or above the %d that fit", run.o.peers, run.n_peers + 1, PEERS_MAX);
		key_from_text(private_key, key);
		if (words == 3)
			key_from_text(psk, psk_text);
		wgpeer_init(peer, private_key, run.o.remote, psk);
		peer->address = tool_address(address, 0).v4.sin_addr.s_addr;
		run.n_peers++;
	}
	fclose(in);
}

static int print_keys(uint64_t n)
{
	uint8_t private_key[SL_KEY_LEN], public_key[SL_KEY_LEN];
	char a[SL_KEY_BASE64_LEN + 1], b[SL_KEY_BASE64_LEN + 1];

	while (n-- > 0) {
		sl_x25519_keypair(private_key, public_key, &sl_rng_kernel);
		sl_key_to_base64(a, private_key);
		sl_key_to_base64(b, public_key);
		printf("%s %s\n", a, b);
	}
	return EXIT_SUCCESS;
}

static union tool_addr address_and_port(const char *option, char *text)
{
	char *comma = strrchr(text, ',');

	if (!comma)
		tool_die("%s %s: want ADDRESS,PORT", option, text);
	*comma = '\0';
	return tool_address(text, (uint16_t)tool_number(option, comma + 1, 1, UINT16_MAX));
}

__attribute__((noreturn)) static void usage(void)
{
	fprintf(stderr, "usage: wgpeer keys N | wgpeer run OPTIONS; the head of tests/tools/wgpeer.c lists them\n");
	exit(2);
}

static const struct option long_options[] = {
	{"peers", required_argument, NULL, 'p'},
	{"remote", required_argument, NULL, 'k'},
	{"endpoint", required_argument, NULL, 'e'},
	{"to", required_argument, NULL, 't'},
	{"from-port", required_argument, NULL, 'o'},
	{"sockets", required_argument, NULL, 's'},
	{"flows", required_argument, NULL, 'f'},
	{"count", required_argument, NULL, 'c'},
	{"rate", required_argument, NULL, 'r'},
	{"size", required_argument, NULL, 'z'},
	{"twice", no_argument, NULL, '2'},
	{"rekey-ms", required_argument, NULL, 'm'},
	{"expect", required_argument, NULL, 'x'},
	{"seconds", required_argument, NULL, 'd'},
	{"progress", required_argument, NULL, 'g'},
	{"window", required_argument, NULL, 'i'},
	{0},
};

static void parse(struct options *o, int argc, char **argv)
{
	union tool_addr to;
	int c;

	optind = 2;
	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case 'p': o->peers = optarg; break;
		case 'k': key_from_text(o->remote, optarg); o->has_remote = true; break;
		case 'e':
			if (o->n_endpoints == ENDPOINTS_MAX)
				tool_die("more than %d endpoints", ENDPOINTS_MAX);
			o->endpoints[o->n_endpoints++] = address_and_port("--endpoint", optarg);
			break;
		case 't':
			to = address_and_port("--to", optarg);
			o->to = to.v4.sin_addr.s_addr;
			o->to_port = ntohs(to.v4.sin_port);
			break;
		case 'o': o->from_port = (uint16_t)tool_number("--from-port", optarg, 1, UINT16_MAX / 2); break;
		case 's': o->sockets = (unsigned)tool_number("--sockets", optarg, 1, SOCKETS_MAX); break;
		case 'f': o->flows = (unsigned)tool_number("--flows", optarg, 1, PROBE_FLOWS_MAX); break;
		case 'c': o->count = tool_number("--count", optarg, 0, COUNT_MAX); break;
		case 'r': o->rate = tool_number("--rate", optarg, 1, UINT32_MAX); break;
		case 'z': o->size = tool_number("--size", optarg, PROBE_HEADER_LEN, SL_DEFAULT_MTU - 28); break;
		case '2': o->twice = true; break;
		case 'm': o->rekey_ns = tool_number("--rekey-ms", optarg, 30, UINT32_MAX) * TOOL_NSEC_PER_MSEC; break;
		case 'x': o->expect = tool_number("--expect", optarg, 0, COUNT_MAX); break;
		case 'd': o->seconds = tool_number("--seconds", optarg, 1, UINT32_MAX); break;
		case 'g': o->progress = optarg; break;
		case 'i': o->window = optarg; break;
		default: usage();
		}
	}
	if (!o->peers || !o->has_remote || !o->n_endpoints || !o->to_port)
		usage();
}

int main(int argc, char **argv)
{
	uint64_t handshakes = 0, reused = 0;

	if (sl_crypto_init())
		tool_die("the crypto library does not start");
	if (argc == 3 && !strcmp(argv[1], "keys"))
		return print_keys(tool_number("keys", argv[2], 1, UINT32_MAX));
	if (argc < 2 || strcmp(argv[1], "run"))
		usage();
	run.o = (struct options){
		.from_port = FROM_PORT, .sockets = 1, .flows = 1, .count = 100, .rate = 1000, .size = 64, .seconds = 30};
	parse(&run.o, argc, argv);
	read_peers();
	if (run.n_peers * run.o.flows > PROBE_FLOWS_MAX)
		tool_die("more than %d flows", PROBE_FLOWS_MAX);
	open_sockets();
	window_create(&run.to_us, run.o.progress);
	window_open(&run.from_us, run.o.window);
	probe_tally_init(&run.tally, run.n_peers * run.o.flows, run.o.expect);
	if (!traffic())
		tool_die("not every peer got a session");
	for (unsigned p = 0; p < run.n_peers; p++) {
		handshakes += run.peers[p].handshakes;
		reused += run.peers[p].reused;
	}
	printf("{\"sent\": %" PRIu64 ", \"handshakes\": %" PRIu64 ", \"reused\": %" PRIu64 ", \"unopened\": %" PRIu64 "}\n", run.sent,
		handshakes, reused, run.unopened);
	probe_tally_print(&run.tally);
	return EXIT_SUCCESS;
}
