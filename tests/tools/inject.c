/*
 * Frames that no honest sender makes.
 *
 *   inject replay --file PCAP --iface IF [--type T] [--index N] [--count N] [--truncate BYTES] [--flip OFFSET]
 *                 [--from ADDR,PORT]
 *       sends captured UDP messages (whose first byte is T, from the N-th on) once more: as they were, cut to BYTES, with
 *       the lowest bit of byte OFFSET flipped (-1: the last byte), or from another source
 *   inject make --iface IF --mac MAC --from ADDR,PORT --to ADDR,PORT [--count N] [--size BYTES] [--type T] [--seed S]
 *               [--sweep HOSTS] [--rate PPS]
 *       sends made-up UDP packets with random payloads (first four bytes the message type T where given), to HOSTS
 *       addresses one after another from ADDR on
 *
 * Prints {"sent": N}; a replay that finds no message to send fails.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tools/frame.h"
#include "tests/tools/tool.h"

#define PCAP_MAGIC	   0xa1b2c3d4U
#define PCAP_LINK_ETHERNET 1
#define MAKE_BATCH	   64
#define COUNT_MAX	   100000000ULL
#define NOT_GIVEN	   (-2)

struct options {
	const char *file, *iface, *mac;
	union tool_addr from, to;
	bool has_from, has_to;
	uint64_t index, count, rate, seed, sweep;
	size_t size;
	long truncate, flip;
	int type; /* message type, or NOT_GIVEN */
};

struct pcap_file {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, figures, snap, link;
};

struct pcap_packet {
	uint32_t seconds, microseconds, captured, length;
};

static void alter(const struct options *o, struct frame *f, size_t offset, size_t len)
{
	if (o->truncate != NOT_GIVEN && (size_t)o->truncate < len)
		len = (size_t)o->truncate;
	if (o->flip != NOT_GIVEN) {
		size_t at = o->flip < 0 ? len - 1 : (size_t)o->flip;

		if (at >= len)
			tool_die("--flip %ld is beyond the %zu bytes of the message", o->flip, len);
		f->data[offset + at] ^= 1;
	}
	if (o->has_from)
		frame_set_source(f, &o->from);
	frame_mend(f, len);
}

static uint64_t replay(const struct options *o)
{
	struct pcap_file head;
	struct pcap_packet packet;
	uint64_t sent = 0, matched = 0;
	FILE *in = fopen(o->file, "rb");
	int fd = frame_socket(o->iface);

	if (!in || fread(&head, sizeof(head), 1, in) != 1 || head.magic != PCAP_MAGIC || head.link != PCAP_LINK_ETHERNET)
		tool_die("%s: no capture of an Ethernet interface", o->file);
	while (sent < o->count && fread(&packet, sizeof(packet), 1, in) == 1) {
		struct frame f = {.len = packet.captured};
		size_t offset, len;

		if (packet.captured > sizeof(f.data) || fread(f.data, packet.captured, 1, in) != 1)
			break;
		if (!frame_payload(&f, &offset, &len) || !len || (o->type != NOT_GIVEN && f.data[offset] != o->type))
			continue;
		if (matched++ < o->index)
			continue;
		alter(o, &f, offset, len);
		frame_send(fd, &f, 1);
		sent++;
	}
	fclose(in);
	if (!sent)
		tool_die("%s: no message of that kind", o->file);
	return sent;
}

static uint64_t make(const struct options *o)
{
	static struct frame frames[MAKE_BATCH];
	uint8_t own[ETH_ALEN], payload[FRAME_MAX];
	const struct ether_addr *mac = ether_aton(o->mac);
	uint64_t random = o->seed, start = tool_now(), sent = 0;
	int fd = frame_socket(o->iface);

	if (!mac)
		tool_die("--mac %s is no MAC address", o->mac);
	frame_own_mac(o->iface, own);
	while (sent < o->count) {
		unsigned n = 0;

		for (; n < MAKE_BATCH && sent + n < o->count; n++) {
			union tool_addr to = o->to;

			tool_addr_add(&to, (uint32_t)((sent + n) % o->sweep));
			for (size_t i = 0; i < o->size; i++)
				payload[i] = (uint8_t)(tool_random(&random) >> 32);
			if (o->type != NOT_GIVEN && o->size >= sizeof(uint32_t))
				memcpy(payload, &(uint32_t){(uint32_t)o->type}, sizeof(uint32_t));
			frame_udp(&frames[n], mac->ether_addr_octet, own, &o->from, &to, payload, o->size);
		}
		frame_send(fd, frames, n);
		sent += n;
		if (o->rate)
			tool_sleep_until(start + sent * TOOL_NSEC_PER_SEC / o->rate);
	}
	return sent;
}

static union tool_addr address_and_port(const char *option, char *text)
{
	char *comma = strrchr(text, ',');

	if (!comma)
		tool_die("%s %s: want ADDRESS,PORT", option, text);
	*comma = '\0';
	return tool_address(text, (uint16_t)tool_number(option, comma + 1, 0, UINT16_MAX));
}

static const struct option long_options[] = {
	{"file", required_argument, NULL, 'f'},
	{"iface", required_argument, NULL, 'i'},
	{"mac", required_argument, NULL, 'm'},
	{"from", required_argument, NULL, 's'},
	{"to", required_argument, NULL, 'd'},
	{"type", required_argument, NULL, 't'},
	{"index", required_argument, NULL, 'n'},
	{"count", required_argument, NULL, 'c'},
	{"truncate", required_argument, NULL, 'l'},
	{"flip", required_argument, NULL, 'b'},
	{"size", required_argument, NULL, 'z'},
	{"seed", required_argument, NULL, 'r'},
	{"sweep", required_argument, NULL, 'w'},
	{"rate", required_argument, NULL, 'p'},
	{0},
};

__attribute__((noreturn)) static void usage(void)
{
	fprintf(stderr, "usage: inject replay|make OPTIONS; the head of tests/tools/inject.c lists them\n");
	exit(2);
}

static void parse(struct options *o, int argc, char **argv)
{
	int c;

	optind = 2;
	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case 'f': o->file = optarg; break;
		case 'i': o->iface = optarg; break;
		case 'm': o->mac = optarg; break;
		case 's': o->from = address_and_port("--from", optarg); o->has_from = true; break;
		case 'd': o->to = address_and_port("--to", optarg); o->has_to = true; break;
		case 't': o->type = (int)tool_number("--type", optarg, 0, UINT8_MAX); break;
		case 'n': o->index = tool_number("--index", optarg, 0, COUNT_MAX); break;
		case 'c': o->count = tool_number("--count", optarg, 1, COUNT_MAX); break;
		case 'l': o->truncate = (long)tool_number("--truncate", optarg, 0, FRAME_MAX); break;
		case 'b': o->flip = !strcmp(optarg, "-1") ? -1 : (long)tool_number("--flip", optarg, 0, FRAME_MAX); break;
		case 'z': o->size = tool_number("--size", optarg, 0, FRAME_MAX); break;
		case 'r': o->seed = tool_number("--seed", optarg, 1, UINT64_MAX); break;
		case 'w': o->sweep = tool_number("--sweep", optarg, 1, UINT32_MAX); break;
		case 'p': o->rate = tool_number("--rate", optarg, 0, UINT32_MAX); break;
		default: usage();
		}
	}
}

int main(int argc, char **argv)
{
	struct options o = {
		.count = 1, .seed = 1, .sweep = 1, .size = 64, .truncate = NOT_GIVEN, .flip = NOT_GIVEN, .type = NOT_GIVEN};
	const char *mode = argc > 1 ? argv[1] : "";
	uint64_t sent;

	if (argc < 2)
		usage();
	parse(&o, argc, argv);
	if (!strcmp(mode, "replay") && o.file && o.iface)
		sent = replay(&o);
	else if (!strcmp(mode, "make") && o.iface && o.mac && o.has_from && o.has_to)
		sent = make(&o);
	else
		usage();
	printf("{\"sent\": %" PRIu64 "}\n", sent);
	return EXIT_SUCCESS;
}
