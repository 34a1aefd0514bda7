/*
 * What the packet fuzzers stand on: the unit tests' dataplane with peers and
 * sessions under known keys, made once per process and put back as it was after
 * every input. One thread plays worker and control.
 *
 *   peer 1  on WG0 behind an IPv4 endpoint, 10.64.0.2 fd00:64::2, and 192.0.2.0/24 behind it
 *   peer 2  on WG0 behind an IPv6 endpoint, 10.64.0.3 fd00:64::3
 *   peer 3  on WG1 behind an endpoint within peer 1's tunnel, 10.65.0.2 fd00:65::2
 *   peer 4  on WG0, without a session, 10.64.0.4
 *   peer 5  on WG1, without an endpoint, 10.65.0.5
 */
#pragma once

#include "tests/fuzz/input.h"
#include "tests/unit/dataplane/support.h"

#define FUZZ_PEERS    5
#define FUZZ_SESSIONS 3 /* session i is peer i + 1's */
#define FUZZ_FRAME    4096
/* Hosts on the LAN whose MAC address nobody knows before an input says so. */
#define FUZZ_STRANGER4 "10.20.5.6"
#define FUZZ_STRANGER6 "fd00:20::6"

struct fuzz_rig {
	struct rig *r;
	struct rig_session sessions[FUZZ_SESSIONS];
	uint32_t mbufs;    /* in use at rest */
	unsigned received; /* since the last pass */
};

/* How a frame lies in memory. */
enum fuzz_layout {
	FUZZ_POOL,  /* as a port delivers it */
	FUZZ_EXACT, /* nothing behind its last byte: a read or write beyond is found */
};

/* The one of this process. */
struct fuzz_rig *fuzz_rig(void);
/* A frame arrives at a port, in segments of at most `seg` bytes (0: one segment); passes when as many wait as a pass takes. */
void fuzz_receive(struct fuzz_rig *f, uint16_t in_if, const uint8_t *frame, size_t len, enum fuzz_layout layout, size_t seg);
/* A packet in an Ethernet frame to the port. */
void fuzz_receive_packet(
	struct fuzz_rig *f, uint16_t in_if, const uint8_t *packet, size_t len, enum fuzz_layout layout, size_t seg);
/* The worker's pass; what it sends and the books are checked. */
void fuzz_run(struct fuzz_rig *f);
/* After an input: lets all time limits pass, checks that all memory is back and puts everything as it was. */
void fuzz_settle(struct fuzz_rig *f);

/* A data message to us over UDP from the peer: the outer packet's length. v6: of the outer packet. */
size_t fuzz_sealed(struct fuzz_rig *f, uint8_t *out, unsigned session, bool v6, uint64_t counter, const uint8_t *plain, size_t len);
/* Writes addresses and lengths into an inner packet of any bytes where it has room for them: hints as in fuzz_inner.c, dst a number of
 * fixture.c's destinations and, above those, how far the length it says is from the right one. */
void fuzz_make_inner(uint8_t *packet, size_t len, unsigned session, uint8_t hints, uint8_t dst);
