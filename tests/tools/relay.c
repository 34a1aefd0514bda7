/*
 * A bad link for `sluice bench`, in the way of its packets: a relay that clients take for the server. Of the data packets that clients
 * send it loses some, sends some twice, and holds some back until the next has gone; every other packet passes, both ways.
 *
 *   relay --port P --to ADDR --to-port P [--drop N] [--double N] [--swap N]
 *       says "listening"; every Nth data packet is dropped, doubled or held back, the places chosen so that these never meet.
 *       SIGTERM ends it, with what it did as JSON.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/tools/tool.h"

#define PAYLOAD_MAX 65507
#define CLIENTS_MAX 65   /* a control socket and 64 flows */
#define TYPE_AT	    3    /* dataplane/traffic_wire.h */
#define TYPE_DATA   32
#define WAIT_MS	    100

struct client {
	union tool_addr addr;
	int fd; /* connected to the server */
	uint8_t held[PAYLOAD_MAX];
	size_t held_len; /* 0: nothing is held back */
};

static struct {
	union tool_addr server;
	int fd; /* the clients' side */
	uint64_t drop, twice, swap; /* 0: never */
	uint64_t data, dropped, doubled, swapped;
	struct client *clients[CLIENTS_MAX];
	unsigned n_clients;
} relay;

static volatile sig_atomic_t stopped;

static void on_signal(int signal)
{
	stopped = 1;
}

static struct client *client_of(const union tool_addr *addr)
{
	struct client *c;

	for (unsigned i = 0; i < relay.n_clients; i++)
		if (memcmp(&relay.clients[i]->addr, addr, tool_addr_len(addr)) == 0)
			return relay.clients[i];
	if (relay.n_clients == CLIENTS_MAX || (c = calloc(1, sizeof(*c))) == NULL)
		tool_die("too many clients");
	c->addr = *addr;
	c->fd = tool_udp_socket(NULL, relay.server.sa.sa_family);
	if (connect(c->fd, &relay.server.sa, tool_addr_len(&relay.server)))
		tool_die("connect: %s", strerror(errno));
	relay.clients[relay.n_clients++] = c;
	return c;
}

/* Whether data packet number n is one of those: every `every`th, beginning with the `first`. */
static bool falls_on(uint64_t n, uint64_t every, uint64_t first)
{
	return every > 0 && n % every == first;
}

static void pass_on(struct client *c, const uint8_t *bytes, size_t n)
{
	if (send(c->fd, bytes, n, 0) < 0 && errno != ECONNREFUSED)
		tool_die("send: %s", strerror(errno));
}

static void to_server(struct client *c, const uint8_t *bytes, size_t n)
{
	uint64_t number;

	if (n <= TYPE_AT || bytes[TYPE_AT] != TYPE_DATA) {
		pass_on(c, bytes, n);
		return;
	}
	number = relay.data++;
	if (falls_on(number, relay.drop, 2)) {
		relay.dropped++;
		return;
	}
	if (falls_on(number, relay.swap, 5) && c->held_len == 0) {
		relay.swapped++;
		memcpy(c->held, bytes, n);
		c->held_len = n;
		return;
	}
	pass_on(c, bytes, n);
	if (falls_on(number, relay.twice, 8)) {
		relay.doubled++;
		pass_on(c, bytes, n);
	}
	if (c->held_len > 0) {
		pass_on(c, c->held, c->held_len);
		c->held_len = 0;
	}
}

static void run(void)
{
	static uint8_t bytes[PAYLOAD_MAX];

	while (!stopped) {
		struct pollfd fds[1 + CLIENTS_MAX] = {{.fd = relay.fd, .events = POLLIN}};
		unsigned n_clients = relay.n_clients;
		union tool_addr from;
		socklen_t len = sizeof(from);
		ssize_t n;

		for (unsigned i = 0; i < n_clients; i++)
			fds[1 + i] = (struct pollfd){.fd = relay.clients[i]->fd, .events = POLLIN};
		if (poll(fds, 1 + n_clients, WAIT_MS) <= 0)
			continue;
		for (unsigned i = 0; i < n_clients; i++)
			while ((n = recv(fds[1 + i].fd, bytes, sizeof(bytes), MSG_DONTWAIT)) >= 0)
				sendto(relay.fd, bytes, (size_t)n, 0, &relay.clients[i]->addr.sa,
					tool_addr_len(&relay.clients[i]->addr));
		memset(&from, 0, sizeof(from));
		while ((n = recvfrom(relay.fd, bytes, sizeof(bytes), MSG_DONTWAIT, &from.sa, &len)) >= 0) {
			to_server(client_of(&from), bytes, (size_t)n);
			memset(&from, 0, sizeof(from));
			len = sizeof(from);
		}
	}
}

static const struct option long_options[] = {
	{"port", required_argument, NULL, 'p'},
	{"to", required_argument, NULL, 't'},
	{"to-port", required_argument, NULL, 'o'},
	{"drop", required_argument, NULL, 'd'},
	{"double", required_argument, NULL, '2'},
	{"swap", required_argument, NULL, 's'},
	{0},
};

int main(int argc, char **argv)
{
	const struct sigaction action = {.sa_handler = on_signal};
	const char *to = NULL;
	uint16_t port = 0, to_port = 0;
	union tool_addr local;
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case 'p': port = (uint16_t)tool_number("--port", optarg, 1, UINT16_MAX); break;
		case 't': to = optarg; break;
		case 'o': to_port = (uint16_t)tool_number("--to-port", optarg, 1, UINT16_MAX); break;
		case 'd': relay.drop = tool_number("--drop", optarg, 10, UINT32_MAX); break;
		case '2': relay.twice = tool_number("--double", optarg, 10, UINT32_MAX); break;
		case 's': relay.swap = tool_number("--swap", optarg, 10, UINT32_MAX); break;
		default: to = NULL; optind = argc; break;
		}
	}
	if (to == NULL || port == 0 || to_port == 0) {
		fprintf(stderr, "usage: relay --port P --to ADDR --to-port P [--drop N] [--double N] [--swap N]\n");
		return 2;
	}
	relay.server = tool_address(to, to_port);
	local = (union tool_addr){.sa.sa_family = relay.server.sa.sa_family};
	tool_addr_set_port(&local, port);
	relay.fd = tool_udp_socket(&local, 0);
	sigaction(SIGTERM, &action, NULL);
	puts("listening");
	fflush(stdout);
	run();
	printf("{\"data\": %" PRIu64 ", \"dropped\": %" PRIu64 ", \"doubled\": %" PRIu64 ", \"swapped\": %" PRIu64 "}\n",
		relay.data, relay.dropped, relay.doubled, relay.swapped);
	return EXIT_SUCCESS;
}
