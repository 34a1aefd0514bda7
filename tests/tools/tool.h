/*
 * What the scenario tests' tools share: addresses, time, option values, and messages to a person. Plain POSIX programs of one thread; they
 * know neither DPDK nor the gateway's own code (wgpeer alone uses crypto/, to speak the protocol).
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define TOOL_NSEC_PER_SEC  UINT64_C(1000000000)
#define TOOL_NSEC_PER_MSEC UINT64_C(1000000)

/* An IPv4 or IPv6 address with a port: one of them, by sa.sa_family. */
union tool_addr {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* Prints "NAME: message" and ends the program with status 1. */
void tool_die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* CLOCK_MONOTONIC, in nanoseconds. */
uint64_t tool_now(void);

/* Sleeps until that time of tool_now. */
void tool_sleep_until(uint64_t ns);

/* A number in [min, max] from text, or the end of the program naming the option. */
uint64_t tool_number(const char *option, const char *text, uint64_t min, uint64_t max);

/* An address without a port from text; the port is set to `port` (host order). Ends the program when it is none. */
union tool_addr tool_address(const char *text, uint16_t port);

socklen_t tool_addr_len(const union tool_addr *a);
void tool_addr_set_port(union tool_addr *a, uint16_t port);

/* Adds n to an address's host part, as a big-endian number. */
void tool_addr_add(union tool_addr *a, uint32_t n);

/* A UDP socket with large buffers, bound to `local`, or to any address and port where local is NULL and of `family`. */
int tool_udp_socket(const union tool_addr *local, int family);

/* xorshift64*: repeatable noise from a seed that is not 0. */
uint64_t tool_random(uint64_t *state);
