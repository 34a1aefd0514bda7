/*
 * Records a conversation with wireguard-go over UDP on 127.0.0.1, all that is random on our side being fixed
 * (tests/unit/control/transcript.h), for tests/unit/control/test_p_transcript.c. Our side is the tests' second
 * implementation (tests/unit/oracle.h), not the gateway's code.
 *
 *   wgrecord config          prints a configuration for wireguard-go
 *   wgrecord responder PORT  waits for wireguard-go's initiation, answers it with a cookie, and the next with a
 * response wgrecord initiator PORT THEIR_PORT puts wireguard-go under load, takes its cookie, and initiates with it
 *
 * Both then exchange echo requests (10.9.0.1 is us, 10.9.0.2 wireguard-go) and print a line per item: NAME HEX. Status
 * 1 where anything comes that is not as it should be. tests/tools/record_transcripts runs it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/base64.h"
#include "crypto/index.h"
#include "tests/tools/tool.h"
#include "tests/unit/control/transcript.h"
#include "tests/unit/oracle.h"

#define PACKETS      3 /* echo requests and replies */
#define MSG_MAX      2048
#define JUNK_AT_ONCE 256 /* more than wireguard-go's queue holds before it is under load */
#define JUNK_ROUNDS  200
#define WAIT_S       20
#define INSIDE_US    0x0a090001u
#define INSIDE_THEM  0x0a090002u

static struct oracle o;
static int fd;
static union tool_addr them;

static void print(const char *name, const void *data, size_t len)
{
	const uint8_t *p = data;

	printf("%s ", name);
	for (size_t i = 0; i < len; i++)
		printf("%02x", p[i]);
	printf("\n");
}

static uint32_t index_of(uint32_t slot)
{
	struct sl_index_key key;

	sl_index_key_init(&key, transcript_seed);
	return sl_index_seal(&key, UINT32_C(1) << TRANSCRIPT_SLOT_BITS | slot);
}

static uint32_t word(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void send_to_them(const void *msg, size_t len)
{
	if (sendto(fd, msg, len, 0, &them.sa, tool_addr_len(&them)) != (ssize_t)len)
		tool_die("cannot send");
}

static size_t receive(uint8_t *msg)
{
	socklen_t size = sizeof(them);
	ssize_t n = recvfrom(fd, msg, MSG_MAX, 0, &them.sa, &size);

	if (n < 4)
		tool_die("nothing came for %u s", WAIT_S);
	return (size_t)n;
}

static size_t expect(uint8_t *msg, uint32_t type, size_t len)
{
	size_t n = receive(msg);

	if (word(msg) != type || (len != 0 && n != len))
		tool_die("expected a message of type %u, got type %u of %zu bytes", type, word(msg), n);
	return n;
}

static uint16_t checksum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

static void put_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* An ICMP echo of 64 bytes in all; type 8: request, 0: reply. */
static void make_echo(uint8_t packet[64], uint8_t type, uint16_t id, uint16_t seq, uint32_t src, uint32_t dst)
{
	memset(packet, 0, 64);
	packet[0] = 0x45;
	put_be16(packet + 2, 64);
	packet[8] = 64;
	packet[9] = 1;
	put_be16(packet + 12, (uint16_t)(src >> 16));
	put_be16(packet + 14, (uint16_t)src);
	put_be16(packet + 16, (uint16_t)(dst >> 16));
	put_be16(packet + 18, (uint16_t)dst);
	put_be16(packet + 10, checksum(packet, 20));
	packet[20] = type;
	put_be16(packet + 24, id);
	put_be16(packet + 26, seq);
	for (unsigned i = 28; i < 64; i++)
		packet[i] = (uint8_t)i;
	put_be16(packet + 22, checksum(packet + 20, 44));
}

static void send_data(uint64_t counter, const uint8_t *plain, size_t len)
{
	uint8_t msg[MSG_MAX];

	oracle_seal(&o, counter, plain, len, msg);
	print("sent_plain", plain, len);
	print("sent", msg, len + ORACLE_DATA);
	send_to_them(msg, len + ORACLE_DATA);
}

/* The next data message that is not a keepalive. */
static size_t receive_data(uint8_t *plain)
{
	for (;;) {
		uint8_t msg[MSG_MAX];
		size_t len = expect(msg, 4, 0);
		uint64_t counter;
		long n = oracle_open(&o, msg, len, &counter, plain);

		if (n < 0)
			tool_die("a data message that does not open");
		print("received", msg, len);
		print("received_plain", plain, (size_t)n);
		if (n > 0)
			return (size_t)n;
	}
}

/* --- wireguard-go begins --- */

static void take_initiation(const char *name, uint8_t msg[ORACLE_INITIATION])
{
	uint8_t stamp[ORACLE_STAMP], source[6];

	expect(msg, 1, ORACLE_INITIATION);
	if (!oracle_take_initiation(&o, msg, stamp))
		tool_die("an initiation that does not open");
	memcpy(source, &them.v4.sin_addr, 4);
	memcpy(source + 4, &them.v4.sin_port, 2);
	print("source", source, sizeof(source));
	print(name, msg, ORACLE_INITIATION);
	print("stamp", stamp, sizeof(stamp));
}

static void responder(void)
{
	uint8_t msg[MSG_MAX], reply[ORACLE_COOKIE_REPLY], cookie[ORACLE_COOKIE], mac[ORACLE_MAC], plain[MSG_MAX];
	uint8_t response[ORACLE_RESPONSE];

	take_initiation("initiation_1", msg);
	oracle_cookie(cookie, transcript_cookie_secret, (const uint8_t *)&them.v4.sin_addr, 4, ntohs(them.v4.sin_port));
	oracle_cookie_reply(reply, o.public_key, cookie, transcript_nonce, msg + 116, word(msg + 4));
	print("cookie_reply", reply, sizeof(reply));
	send_to_them(reply, sizeof(reply));
	take_initiation("initiation_2", msg);
	oracle_mac2(mac, cookie, msg, ORACLE_INITIATION);
	if (memcmp(mac, msg + 132, sizeof(mac)) != 0)
		tool_die("the cookie was not used");
	oracle_response(&o, transcript_ephemeral[0], index_of(0), NULL, response);
	print("response", response, sizeof(response));
	send_to_them(response, sizeof(response));
	for (unsigned i = 0; i < PACKETS; i++) {
		uint8_t echo[64];

		if (receive_data(plain) < 28 || plain[20] != 8)
			tool_die("not an echo request");
		make_echo(echo, 0, (uint16_t)(plain[24] << 8 | plain[25]), (uint16_t)(plain[26] << 8 | plain[27]),
		        INSIDE_US, INSIDE_THEM);
		memcpy(echo + 28, plain + 28, 36);
		put_be16(echo + 22, 0);
		put_be16(echo + 22, checksum(echo + 20, 44));
		send_data(i, echo, sizeof(echo));
	}
}

/* --- we begin --- */

/* Messages with a right mac1 and nothing in them, until one is answered with a cookie. */
static void put_under_load(void)
{
	uint8_t msg[MSG_MAX] = {1}, got[MSG_MAX];

	for (unsigned round = 0; round < JUNK_ROUNDS; round++) {
		for (unsigned i = 0; i < JUNK_AT_ONCE; i++) {
			msg[8 + i % 100]++;
			oracle_mac1(msg + 116, o.peer_key, msg, ORACLE_INITIATION);
			send_to_them(msg, ORACLE_INITIATION);
		}
		while (recv(fd, got, sizeof(got), MSG_DONTWAIT) > 0) {
			if (word(got) == 3)
				return;
		}
	}
	tool_die("wireguard-go is not under load");
}

static void initiator(void)
{
	uint8_t msg[MSG_MAX], stamp[ORACLE_STAMP], cookie[ORACLE_COOKIE], first[ORACLE_INITIATION],
	        second[ORACLE_INITIATION];

	oracle_stamp(stamp, TRANSCRIPT_WALL, 0);
	oracle_initiation(&o, transcript_ephemeral[0], index_of(0), stamp, NULL, first);
	put_under_load();
	send_to_them(first, sizeof(first));
	do /* those to the others still come in */
		expect(msg, 3, ORACLE_COOKIE_REPLY);
	while (word(msg + 4) != index_of(0));
	if (!oracle_open_cookie_reply(cookie, msg, o.peer_key, first + 116))
		tool_die("a cookie reply that does not open");
	print("initiation_1", first, sizeof(first));
	print("cookie_reply", msg, ORACLE_COOKIE_REPLY);
	oracle_stamp(stamp, TRANSCRIPT_WALL + 5, 0);
	oracle_initiation(&o, transcript_ephemeral[1], index_of(1), stamp, cookie, second);
	print("initiation_2", second, sizeof(second));
	send_to_them(second, sizeof(second));
	expect(msg, 2, ORACLE_RESPONSE);
	print("response", msg, ORACLE_RESPONSE);
	if (!oracle_take_response(&o, msg))
		tool_die("a response that does not open");
	for (unsigned i = 0; i < PACKETS; i++) {
		uint8_t echo[64], plain[MSG_MAX];

		make_echo(echo, 8, 77, (uint16_t)i, INSIDE_US, INSIDE_THEM);
		send_data(i, echo, sizeof(echo));
		if (receive_data(plain) != 64 || plain[20] != 0 || memcmp(plain + 24, echo + 24, 40) != 0)
			tool_die("not the answer to the echo request");
	}
}

static void config(void)
{
	char ours[SL_KEY_BASE64_LEN + 1], theirs[SL_KEY_BASE64_LEN + 1], psk[SL_KEY_BASE64_LEN + 1];

	sl_key_to_base64(ours, o.public_key);
	sl_key_to_base64(theirs, transcript_their_key);
	sl_key_to_base64(psk, transcript_psk);
	printf("[Interface]\nPrivateKey = %s\nListenPort = 51821\n\n[Peer]\nPublicKey = %s\nPresharedKey = %s\n"
	       "AllowedIPs = 10.9.0.1/32\n",
	        theirs, ours, psk);
}

int main(int argc, char **argv)
{
	struct timeval wait = {.tv_sec = WAIT_S};
	uint8_t their_public[32];
	union tool_addr local;

	oracle_public(their_public, transcript_their_key);
	oracle_init(&o, transcript_our_key, their_public, transcript_psk);
	if (argc == 2 && strcmp(argv[1], "config") == 0) {
		config();
		return 0;
	}
	if (argc < 3)
		tool_die("usage: wgrecord config | responder PORT | initiator PORT THEIR_PORT");
	local = tool_address("127.0.0.1", (uint16_t)tool_number("PORT", argv[2], 1, UINT16_MAX));
	fd = tool_udp_socket(&local, AF_INET);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	if (strcmp(argv[1], "responder") == 0) {
		responder();
	} else if (argc == 4) {
		them = tool_address("127.0.0.1", (uint16_t)tool_number("THEIR_PORT", argv[3], 1, UINT16_MAX));
		initiator();
	}
	return 0;
}
