/*
 * A name server for the scenarios: answers what a file says at that moment, late or not at all where the file says so.
 *
 *   names --listen ADDR FILE
 *       says "listening" and then each question, "TYPE NAME". Ends with SIGTERM. Lines of FILE, read anew at each question:
 *
 *       NAME ADDRESS...       its addresses; those of the family that is asked for
 *       NAME after MS ADDRESS...  the same, that much later
 *       NAME broken           the server's failure (SERVFAIL)
 *       NAME silent           no answer
 *
 *   A name that is not there does not exist (NXDOMAIN).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tests/tools/tool.h"

#define DNS_PORT     53
#define HEADER       12  /* RFC 1035, 4.1.1 */
#define RECORD       12  /* of a resource record, with a pointer for its name: what stands before the data, 4.1.3 */
#define MESSAGE_MAX  512 /* over UDP without EDNS, RFC 1035, 4.2.1 */
#define LABEL_MAX    63
#define TYPE_A       1
#define TYPE_AAAA    28
#define CLASS_IN     1
#define RCODE_FAILED 2
#define RCODE_NONE   3
#define TTL          0
#define PENDING_MAX  1024
#define LATE_MAX     60000
#define NAME_POINTER 0xc000 /* RFC 1035, 4.1.4 */

struct pending {
	uint64_t at; /* of tool_now */
	union tool_addr to;
	socklen_t to_len;
	uint8_t data[MESSAGE_MAX];
	size_t len;
};

static struct {
	int fd;
	const char *file;
	struct pending pending[PENDING_MAX];
	unsigned n_pending;
} server;

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static unsigned get16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

/* The question's name, dots between labels; where what follows it begins, or 0. */
static size_t read_name(const uint8_t *data, size_t len, char name[MESSAGE_MAX])
{
	size_t at = HEADER, out = 0;

	while (at < len && data[at] != 0) {
		size_t n = data[at++];

		if (n > LABEL_MAX || at + n >= len)
			return 0;
		if (out)
			name[out++] = '.';
		memcpy(name + out, data + at, n);
		out += n;
		at += n;
	}
	name[out] = '\0';
	return at + 1 + 4 <= len ? at + 1 : 0;
}

/* One more answer; the message's new length. */
static size_t add_address(uint8_t *data, size_t len, const union tool_addr *a, unsigned type)
{
	bool v4 = a->sa.sa_family == AF_INET;
	size_t size = v4 ? sizeof(a->v4.sin_addr) : sizeof(a->v6.sin6_addr);

	if (v4 != (type == TYPE_A) || len + RECORD + size > MESSAGE_MAX)
		return len;
	put16(data + len, NAME_POINTER | HEADER);
	put16(data + len + 2, type);
	put16(data + len + 4, CLASS_IN);
	put16(data + len + 6, TTL >> 16);
	put16(data + len + 8, TTL);
	put16(data + len + 10, (unsigned)size);
	memcpy(data + len + RECORD, v4 ? (const void *)&a->v4.sin_addr : &a->v6.sin6_addr, size);
	put16(data + 6, get16(data + 6) + 1);
	return len + RECORD + size;
}

/* Makes an answer of the words that stand behind the name; false: there is to be none. */
static bool answer(struct pending *p, char *words, unsigned type)
{
	char *save, *word = words ? strtok_r(words, " \t\n", &save) : NULL;

	if (!words) {
		p->data[3] |= RCODE_NONE;
		return true;
	}
	if (word && strcmp(word, "silent") == 0)
		return false;
	if (word && strcmp(word, "broken") == 0) {
		p->data[3] |= RCODE_FAILED;
		return true;
	}
	if (word && strcmp(word, "after") == 0) {
		word = strtok_r(NULL, " \t\n", &save);
		p->at += tool_number("after", word ? word : "", 0, LATE_MAX) * TOOL_NSEC_PER_MSEC;
		word = strtok_r(NULL, " \t\n", &save);
	}
	for (; word; word = strtok_r(NULL, " \t\n", &save)) {
		union tool_addr a = tool_address(word, 0);

		p->len = add_address(p->data, p->len, &a, type);
	}
	return true;
}

/* What the file says of a name, in a buffer of `size`; NULL: nothing. */
static char *look_up(const char *name, char *line, size_t size)
{
	FILE *in = fopen(server.file, "r");
	char *found = NULL;

	while (in && !found && fgets(line, (int)size, in)) {
		size_t len = strcspn(line, " \t\n");

		if (len == strlen(name) && strncasecmp(line, name, len) == 0)
			found = line + len;
	}
	if (in)
		fclose(in);
	return found;
}

static void take_question(void)
{
	struct pending *p = &server.pending[server.n_pending];
	char name[MESSAGE_MAX], line[MESSAGE_MAX];
	unsigned type;
	size_t end;
	ssize_t n;

	p->to_len = sizeof(p->to);
	n = recvfrom(server.fd, p->data, sizeof(p->data), 0, &p->to.sa, &p->to_len);
	if (n < HEADER || server.n_pending + 1 == PENDING_MAX)
		return;
	end = read_name(p->data, (size_t)n, name);
	if (end == 0)
		return;
	type = get16(p->data + end);
	printf("%s %s\n", type == TYPE_A ? "A" : type == TYPE_AAAA ? "AAAA" : "other", name);
	p->at = tool_now();
	p->len = end + 4;
	p->data[2] |= 0x84; /* a response, with authority */
	p->data[3] = 0x80;
	memset(p->data + 6, 0, 6); /* no answers yet, no further sections */
	if (answer(p, look_up(name, line, sizeof(line)), type))
		server.n_pending++;
}

/* Sends what is due; how long until the next is, in milliseconds, -1 for ever. */
static int send_due(void)
{
	uint64_t now = tool_now();
	int wait = -1;

	for (unsigned i = 0; i < server.n_pending;) {
		struct pending *p = &server.pending[i];
		int left = p->at > now ? (int)((p->at - now) / TOOL_NSEC_PER_MSEC) + 1 : 0;

		if (left == 0) {
			sendto(server.fd, p->data, p->len, 0, &p->to.sa, p->to_len);
			*p = server.pending[--server.n_pending];
			continue;
		}
		if (wait < 0 || left < wait)
			wait = left;
		i++;
	}
	return wait;
}

int main(int argc, char **argv)
{
	union tool_addr local;

	if (argc != 4 || strcmp(argv[1], "--listen") != 0)
		tool_die("usage: names --listen ADDR FILE");
	local = tool_address(argv[2], DNS_PORT);
	server.file = argv[3];
	server.fd = tool_udp_socket(&local, local.sa.sa_family);
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("listening");
	for (;;) {
		struct pollfd p = {.fd = server.fd, .events = POLLIN};

		if (poll(&p, 1, send_due()) < 0 && errno != EINTR)
			tool_die("poll: %s", strerror(errno));
		if (p.revents & POLLIN)
			take_question();
	}
}
