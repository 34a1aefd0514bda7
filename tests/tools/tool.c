#include "tests/tools/tool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SOCKET_BUFFER (64 << 20) /* bytes; a receiver must not lose what the gateway delivered */

void tool_die(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

uint64_t tool_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * TOOL_NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

void tool_sleep_until(uint64_t ns)
{
	struct timespec ts = {.tv_sec = (time_t)(ns / TOOL_NSEC_PER_SEC), .tv_nsec = (long)(ns % TOOL_NSEC_PER_SEC)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

uint64_t tool_number(const char *option, const char *text, uint64_t min, uint64_t max)
{
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 0);
	if (errno || end == text || *end || n < min || n > max)
		tool_die("%s %s: want a number from %llu to %llu", option, text, (unsigned long long)min,
			(unsigned long long)max);
	return n;
}

union tool_addr tool_address(const char *text, uint16_t port)
{
	union tool_addr a = {0};

	if (inet_pton(AF_INET, text, &a.v4.sin_addr) == 1)
		a.sa.sa_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &a.v6.sin6_addr) == 1)
		a.sa.sa_family = AF_INET6;
	else
		tool_die("%s is no IPv4 or IPv6 address", text);
	tool_addr_set_port(&a, port);
	return a;
}

socklen_t tool_addr_len(const union tool_addr *a)
{
	return a->sa.sa_family == AF_INET ? sizeof(a->v4) : sizeof(a->v6);
}

void tool_addr_set_port(union tool_addr *a, uint16_t port)
{
	if (a->sa.sa_family == AF_INET)
		a->v4.sin_port = htons(port);
	else
		a->v6.sin6_port = htons(port);
}

void tool_addr_add(union tool_addr *a, uint32_t n)
{
	uint32_t be;
	uint8_t *low = a->sa.sa_family == AF_INET ? (uint8_t *)&a->v4.sin_addr : a->v6.sin6_addr.s6_addr + 12;

	memcpy(&be, low, sizeof(be));
	be = htonl(ntohl(be) + n);
	memcpy(low, &be, sizeof(be));
}

int tool_udp_socket(const union tool_addr *local, int family)
{
	int size = SOCKET_BUFFER, fd;

	if (local)
		family = local->sa.sa_family;
	fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		tool_die("socket: %s", strerror(errno));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
		setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		tool_die("socket buffers of %d bytes: %s", size, strerror(errno));
	if (local && bind(fd, &local->sa, tool_addr_len(local)))
		tool_die("bind: %s", strerror(errno));
	return fd;
}

uint64_t tool_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545F4914F6CDD1DULL;
}
