/*
 * Decrypted packets of any bytes: sealed as a peer would, then opened, checked,
 * routed to a port, to a second peer, through a nested tunnel, to ourselves or to
 * nowhere, with the ICMP errors and fragments that come of it.
 *
 * Input, repeated: session and outer family; hints (1: make it IPv4, 2: IPv6, of the peer's address, to destination
 * `dst`; 4: a buffer without room; 8: in segments; 0x10: a small interface MTU; 0x20: several of it; 0x80: pass now); dst;
 * length; plaintext.
 */
#include "tests/fuzz/fixture.h"

#define PACKETS_MAX  16
#define COPIES       40
#define SMALL_MTU    1280
#define SEGMENT      100
#define SESSION_BITS 0x3f
#define OUTER_V6     0x40

enum hint { HINT_EXACT = 4, HINT_SEGMENTS = 8, HINT_SMALL_MTU = 0x10, HINT_COPIES = 0x20, HINT_PASS = 0x80 };

static void
one_packet(struct fuzz_rig *f, struct fuzz_input *in, uint64_t *counter)
{
	uint8_t first = fuzz_u8(in), hints = fuzz_u8(in), dst = fuzz_u8(in);
	uint8_t plain[FUZZ_FRAME], packet[RIG_PACKET];
	unsigned session = (first & SESSION_BITS) % FUZZ_SESSIONS;
	size_t len = fuzz_bytes(in, plain, RIG_MTU);

	fuzz_make_inner(plain, len, session, hints, dst);
	if (hints & HINT_SMALL_MTU && f->r->ifs[RIG_WG0].mtu != SMALL_MTU) {
		f->r->ifs[RIG_WG0].mtu = f->r->ifs[RIG_LAN].mtu = SMALL_MTU;
		rig_publish_if(f->r, RIG_WG0);
		rig_publish_if(f->r, RIG_LAN);
	}
	for (unsigned i = 0; i < (hints & HINT_COPIES ? COPIES : 1); i++) {
		size_t n = fuzz_sealed(f, packet, session, first & OUTER_V6, ++*counter, plain, len);

		fuzz_receive_packet(f, RIG_WAN, packet, n, hints & HINT_EXACT ? FUZZ_EXACT : FUZZ_POOL,
			hints & HINT_SEGMENTS ? SEGMENT : 0);
	}
	if (hints & HINT_PASS)
		fuzz_run(f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct fuzz_rig *f = fuzz_rig();
	uint64_t counter = 0;

	for (unsigned i = 0; i < PACKETS_MAX && in.n > 0; i++)
		one_packet(f, &in, &counter);
	fuzz_settle(f);
	return 0;
}
