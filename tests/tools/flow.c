/*
 * Numbered UDP flows, and what became of them. Sender and receiver know each other's counts from the command line alone.
 *
 *   flow recv --port P --count N [--flows F] [--seconds S] [--window FILE]
 *       says "listening", takes packets until all have come or S seconds are over, then prints the tally as JSON
 *   flow send --to ADDR --port P --count N [--flows F] [--size BYTES] [--rate PPS] [--from-port P] [--spread] [--window FILE]
 *       F flows (a source port each) of N packets with BYTES of UDP payload, interleaved; with --spread flow f goes to
 *       the address ADDR + f; with --window no more are on the way at once than the receiver with that file allows
 *   flow sizes --to ADDR --port P --count N [--rate PPS] [--window FILE]
 *       one flow with one packet of every payload size 1..N, numbered by its size
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/tools/probe.h"
#include "tests/tools/tool.h"
#include "tests/tools/window.h"

#define PAYLOAD_MAX   65507
#define BURST	      32
#define TICK_NS	      (TOOL_NSEC_PER_MSEC)
#define LINGER_NS     (300 * TOOL_NSEC_PER_MSEC) /* after the last expected packet: a duplicate would come now */
#define FROM_PORT     40000
#define DEFAULT_SIZE  64
#define DEFAULT_RATE  20000
#define PROBE_COUNT   100000000ULL

struct options {
	const char *to;
	const char *window;
	uint16_t port;
	uint16_t from_port;
	uint32_t flows;
	uint64_t count;
	uint64_t rate; /* packets per second over all flows */
	size_t size;   /* UDP payload, bytes */
	uint64_t seconds;
	bool spread;
};

static int receive(const struct options *o)
{
	union tool_addr any = {.v6 = {.sin6_family = AF_INET6}};
	uint64_t deadline = tool_now() + o->seconds * TOOL_NSEC_PER_SEC;
	static uint8_t payload[PAYLOAD_MAX];
	struct probe_tally tally;
	struct window window;
	int fd;

	tool_addr_set_port(&any, o->port);
	fd = tool_udp_socket(&any, AF_INET6);
	probe_tally_init(&tally, o->flows, o->count);
	window_create(&window, o->window);
	puts("listening");
	fflush(stdout);
	for (bool complete = false; tool_now() < deadline;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (!complete && probe_tally_complete(&tally)) {
			complete = true;
			deadline = tool_now() + LINGER_NS;
		}
		if (poll(&p, 1, 10) <= 0)
			continue;
		while ((n = recv(fd, payload, sizeof(payload), MSG_DONTWAIT)) >= 0)
			probe_tally_add(&tally, payload, (size_t)n);
		window_report(&window, tally.received);
	}
	probe_tally_print(&tally);
	probe_tally_free(&tally);
	close(fd);
	return EXIT_SUCCESS;
}

/* Sends number `seq` of a flow, again where the kernel has no room for it. Refusals by an earlier packet's ICMP error are not this one's. */
static void send_one(int fd, uint32_t flow, uint64_t seq, size_t size)
{
	static uint8_t payload[PAYLOAD_MAX];

	probe_fill(payload, size, flow, seq);
	for (int tries = 0; send(fd, payload, size, 0) < 0; tries++) {
		if (errno != ENOBUFS && errno != EAGAIN && errno != ECONNREFUSED && errno != EHOSTUNREACH)
			tool_die("send of %zu bytes: %s", size, strerror(errno));
		if (errno == ENOBUFS || errno == EAGAIN)
			tool_sleep_until(tool_now() + TICK_NS / 10);
		if (tries > 1000)
			tool_die("the kernel does not take packets: %s", strerror(errno));
	}
}

static int transmit(const struct options *o, bool sizes)
{
	union tool_addr to = tool_address(o->to, o->port);
	uint64_t total = o->flows * o->count, start, sent = 0;
	int fds[PROBE_FLOWS_MAX];
	struct window window;

	window_open(&window, o->window);
	for (uint32_t f = 0; f < o->flows; f++) {
		union tool_addr from = {.sa.sa_family = to.sa.sa_family};

		tool_addr_set_port(&from, (uint16_t)(o->from_port + f));
		fds[f] = tool_udp_socket(&from, 0);
		if (o->spread && f)
			tool_addr_add(&to, 1);
		if (connect(fds[f], &to.sa, tool_addr_len(&to)))
			tool_die("connect to %s: %s", o->to, strerror(errno));
	}
	start = tool_now();
	while (sent < total) {
		uint64_t now = tool_now(), due = (now - start) * o->rate / TOOL_NSEC_PER_SEC + 1;
		unsigned n;

		for (n = 0; n < BURST && sent < total && sent < due && window_has_room(&window, sent, now); n++, sent++) {
			uint32_t flow = (uint32_t)(sent % o->flows);
			uint64_t seq = sent / o->flows;

			send_one(fds[flow], flow, seq, sizes ? seq + 1 : o->size);
		}
		if (sent >= due)
			tool_sleep_until(start + sent * TOOL_NSEC_PER_SEC / o->rate);
		else if (n < BURST)
			tool_sleep_until(now + TICK_NS / 10);
	}
	printf("{\"sent\": %" PRIu64 ", \"milliseconds\": %" PRIu64 "}\n", total,
		(tool_now() - start) / TOOL_NSEC_PER_MSEC);
	for (uint32_t f = 0; f < o->flows; f++)
		close(fds[f]);
	return EXIT_SUCCESS;
}

static const struct option long_options[] = {
	{"to", required_argument, NULL, 't'},
	{"port", required_argument, NULL, 'p'},
	{"from-port", required_argument, NULL, 'o'},
	{"flows", required_argument, NULL, 'f'},
	{"count", required_argument, NULL, 'c'},
	{"rate", required_argument, NULL, 'r'},
	{"size", required_argument, NULL, 's'},
	{"seconds", required_argument, NULL, 'd'},
	{"spread", no_argument, NULL, 'w'},
	{"window", required_argument, NULL, 'i'},
	{0},
};

__attribute__((noreturn)) static void usage(void)
{
	fprintf(stderr, "usage: flow recv|send|sizes --port P --count N [--to ADDR] [--flows F] [--size BYTES] [--rate PPS]\n"
			"            [--from-port P] [--seconds S] [--spread] [--window FILE]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	struct options o = {
		.from_port = FROM_PORT, .flows = 1, .rate = DEFAULT_RATE, .size = DEFAULT_SIZE, .seconds = 10};
	const char *mode = argc > 1 ? argv[1] : "";
	bool sizes = !strcmp(mode, "sizes");
	int c;

	if (argc < 2)
		usage();
	optind = 2;
	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case 't': o.to = optarg; break;
		case 'p': o.port = (uint16_t)tool_number("--port", optarg, 1, UINT16_MAX); break;
		case 'o': o.from_port = (uint16_t)tool_number("--from-port", optarg, 1, UINT16_MAX - PROBE_FLOWS_MAX); break;
		case 'f': o.flows = (uint32_t)tool_number("--flows", optarg, 1, PROBE_FLOWS_MAX); break;
		case 'c': o.count = tool_number("--count", optarg, 1, PROBE_COUNT); break;
		case 'r': o.rate = tool_number("--rate", optarg, 1, UINT32_MAX); break;
		case 's': o.size = tool_number("--size", optarg, PROBE_HEADER_LEN, PAYLOAD_MAX); break;
		case 'd': o.seconds = tool_number("--seconds", optarg, 1, UINT32_MAX); break;
		case 'w': o.spread = true; break;
		case 'i': o.window = optarg; break;
		default: usage();
		}
	}
	if (!o.port || !o.count)
		usage();
	if (!strcmp(mode, "recv"))
		return receive(&o);
	if (o.to && (sizes || !strcmp(mode, "send")))
		return transmit(&o, sizes);
	usage();
}
