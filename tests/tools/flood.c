/*
 * Initiations that pass the first check: mac1 is right, everything else is random, and each comes from another address. What an attacker
 * can send who knows the gateway's public key and nothing more.
 *
 *   flood --iface IF --mac MAC --remote KEY --from ADDR,PORT --to ADDR,PORT [--sources N] [--rate PPS] [--seconds S]
 *
 *   --mac MAC      of the gateway's port          --remote KEY   the gateway's public key
 *   --from A,P     the first source; N sources count up from it, one packet each in turn
 *   --rate PPS     0, the default: as fast as packets go out
 *
 * Prints {"sent": N, "milliseconds": N}.
 */
#include <getopt.h>
#include <inttypes.h>
#include <netinet/ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/base64.h"
#include "crypto/cookie.h"
#include "crypto/init.h"
#include "tests/tools/frame.h"
#include "tests/tools/tool.h"

#define BATCH	      64
#define MESSAGES      1024 /* different ones, a multiple of BATCH */
#define MAX_RATE      10000000
#define MAX_SECONDS   600
#define RANDOM_SEED   0x5eed

struct options {
	const char *iface, *mac;
	uint8_t remote[SL_KEY_LEN];
	union tool_addr from, to;
	bool has_remote, has_from, has_to;
	uint32_t sources;
	uint64_t rate, seconds;
};

static struct frame frames[MESSAGES];

static void make_messages(const struct options *o)
{
	const struct ether_addr *mac = ether_aton(o->mac);
	uint64_t random = RANDOM_SEED;
	struct sl_mac_keys keys;
	uint8_t own[ETH_ALEN];

	if (!mac)
		tool_die("--mac %s is no MAC address", o->mac);
	frame_own_mac(o->iface, own);
	sl_mac_keys_init(&keys, o->remote);
	for (unsigned i = 0; i < MESSAGES; i++) {
		uint8_t bytes[sizeof(struct sl_msg_initiation)];
		const uint32_t type = SL_MSG_INITIATION;

		for (size_t k = 0; k < sizeof(bytes); k++)
			bytes[k] = (uint8_t)(tool_random(&random) >> 32);
		memcpy(bytes, &type, sizeof(type));
		sl_macs_write(&keys, NULL, bytes, sizeof(bytes));
		frame_udp(&frames[i], mac->ether_addr_octet, own, &o->from, &o->to, bytes, sizeof(bytes));
	}
}

static void give_sources(const struct options *o, struct frame *batch, uint64_t sent)
{
	for (unsigned i = 0; i < BATCH; i++) {
		union tool_addr source = o->from;

		tool_addr_add(&source, (uint32_t)((sent + i) % o->sources));
		frame_set_source(&batch[i], &source);
		frame_mend(&batch[i], sizeof(struct sl_msg_initiation));
	}
}

static void flood(const struct options *o)
{
	const uint64_t start = tool_now(), end = start + o->seconds * TOOL_NSEC_PER_SEC;
	const int fd = frame_socket(o->iface);
	uint64_t sent = 0;

	while (tool_now() < end) {
		struct frame *batch = &frames[sent % MESSAGES];

		give_sources(o, batch, sent);
		frame_send(fd, batch, BATCH);
		sent += BATCH;
		if (o->rate)
			tool_sleep_until(start + sent * TOOL_NSEC_PER_SEC / o->rate);
	}
	printf("{\"sent\": %" PRIu64 ", \"milliseconds\": %" PRIu64 "}\n", sent, (tool_now() - start) / TOOL_NSEC_PER_MSEC);
}

static union tool_addr address_and_port(const char *option, char *text)
{
	char *comma = strrchr(text, ',');

	if (!comma)
		tool_die("%s %s: want ADDRESS,PORT", option, text);
	*comma = '\0';
	return tool_address(text, (uint16_t)tool_number(option, comma + 1, 1, UINT16_MAX));
}

static const struct option long_options[] = {
	{"iface", required_argument, NULL, 'i'},
	{"mac", required_argument, NULL, 'm'},
	{"remote", required_argument, NULL, 'k'},
	{"from", required_argument, NULL, 's'},
	{"to", required_argument, NULL, 'd'},
	{"sources", required_argument, NULL, 'n'},
	{"rate", required_argument, NULL, 'r'},
	{"seconds", required_argument, NULL, 't'},
	{0},
};

__attribute__((noreturn)) static void usage(void)
{
	fprintf(stderr, "usage: flood OPTIONS; the head of tests/tools/flood.c lists them\n");
	exit(2);
}

int main(int argc, char **argv)
{
	struct options o = {.sources = 1, .seconds = 1};
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case 'i': o.iface = optarg; break;
		case 'm': o.mac = optarg; break;
		case 'k': o.has_remote = sl_key_from_base64(o.remote, optarg, strlen(optarg)); break;
		case 's': o.from = address_and_port("--from", optarg); o.has_from = true; break;
		case 'd': o.to = address_and_port("--to", optarg); o.has_to = true; break;
		case 'n': o.sources = (uint32_t)tool_number("--sources", optarg, 1, UINT32_MAX); break;
		case 'r': o.rate = tool_number("--rate", optarg, 0, MAX_RATE); break;
		case 't': o.seconds = tool_number("--seconds", optarg, 1, MAX_SECONDS); break;
		default: usage();
		}
	}
	if (!o.iface || !o.mac || !o.has_remote || !o.has_from || !o.has_to || o.from.sa.sa_family != o.to.sa.sa_family)
		usage();
	if (sl_crypto_init())
		tool_die("the crypto library does not start");
	make_messages(&o);
	flood(&o);
	return EXIT_SUCCESS;
}
