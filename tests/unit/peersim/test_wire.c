/* Headers that the simulated peers write are those that they accept, and no others. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/peersim/wire.h"

#define ROOM 256

static const struct wire_ends ends4 = {
        .from = {100, 64, 1, 2}, .to = {192, 0, 2, 10}, .from_port = 1026, .to_port = 51820};
static const struct wire_ends ends6 = {.v6 = true,
        .from = {0x20, 0x01, 0x0d, 0xb8, [15] = 7},
        .to = {0x20, 0x01, 0x0d, 0xb8, [15] = 0x10},
        .from_port = 65535,
        .to_port = 1};
static const uint8_t hub4[4] = {192, 0, 2, 10};
static const struct wire_host own = {
        .mac = {2, 0, 0, 0, 0, 9}, .ip4 = {192, 0, 2, 1}, .ip6 = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};

static size_t build(uint8_t *ip, const struct wire_ends *ends, size_t len)
{
	for (size_t i = 0; i < len; i++)
		ip[wire_head(ends->v6) + i] = (uint8_t)(i * 7 + 1);
	wire_udp(ip, ends, len, 0);
	return wire_head(ends->v6) + len;
}

static bool parses(const uint8_t *ip, size_t len)
{
	struct wire_ends ends;
	const uint8_t *payload;
	size_t n;

	return wire_parse(ip, len, &ends, &payload, &n);
}

Test(peersim_wire, reads_what_it_writes)
{
	const struct wire_ends *all[] = {&ends4, &ends6};

	for (unsigned e = 0; e < 2; e++) {
		for (size_t len = 0; len < 100; len++) {
			uint8_t ip[ROOM] = {0};
			struct wire_ends ends = {0};
			const uint8_t *payload;
			size_t n, whole = build(ip, all[e], len);

			cr_assert(wire_parse(ip, whole + len % 16, &ends, &payload, &n), "%zu bytes, padded", len);
			cr_assert_eq(n, len);
			cr_assert_eq(payload, ip + wire_head(ends.v6));
			cr_assert_eq(memcmp(&ends, all[e], sizeof(ends)), 0);
			cr_assert_not(parses(ip, whole - 1), "cut off");
		}
	}
}

/* Every bit counts, but those of the TTL of IPv6, its flow and class, and of its UDP-less neighbours. */
Test(peersim_wire, damage_is_seen)
{
	uint8_t ip[ROOM] = {0};
	size_t len = build(ip, &ends4, 33);

	for (size_t i = 0; i < len * 8; i++) {
		ip[i / 8] ^= (uint8_t)(1 << i % 8);
		cr_assert_not(parses(ip, len), "IPv4, bit %zu", i);
		ip[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	len = build(ip, &ends6, 33);
	for (size_t i = 8 * 8; i < len * 8; i++) {
		ip[i / 8] ^= (uint8_t)(1 << i % 8);
		cr_assert_not(parses(ip, len), "IPv6, bit %zu", i);
		ip[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	cr_assert(parses(ip, len));
}

Test(peersim_wire, the_sum_of_an_rfc)
{
	/* the pseudo-header and a payload by hand: 10.0.0.1:1 to 10.0.0.2:2, "ab" */
	static const struct wire_ends ends = {.from = {10, 0, 0, 1}, .to = {10, 0, 0, 2}, .from_port = 1, .to_port = 2};
	uint8_t ip[ROOM] = {0};
	/* 0a00+0001+0a00+0002 + 0011+000a + 0001+0002+000a + 6162 = 758d */
	const uint8_t sum[2] = {0x8a, 0x72};

	memcpy(ip + wire_head(false), "ab", 2);
	wire_udp(ip, &ends, 2, 0);
	cr_assert_eq(memcmp(ip + 26, sum, 2), 0, "%02x%02x", ip[26], ip[27]);
}

Test(peersim_wire, arp)
{
	uint8_t frame[ROOM], hub_mac[WIRE_MAC_LEN] = {0};
	const uint8_t asker[WIRE_MAC_LEN] = {2, 1, 1, 1, 1, 1};
	struct wire_host hub = {.mac = {2, 1, 1, 1, 1, 1}, .ip4 = {192, 0, 2, 10}};
	bool told;

	wire_ask(frame, &hub, own.ip4);
	cr_assert_eq(wire_answer(frame, WIRE_ARP_LEN, &own, hub4, hub_mac, &told), WIRE_ARP_LEN);
	cr_assert(told, "who asks tells its own address");
	cr_assert_eq(memcmp(hub_mac, asker, WIRE_MAC_LEN), 0);
	cr_assert_eq(memcmp(frame, asker, WIRE_MAC_LEN), 0);
	cr_assert_eq(memcmp(frame + WIRE_ETH_LEN + 8, own.mac, WIRE_MAC_LEN), 0);
	/* the answer, back at who asked */
	cr_assert_eq(wire_answer(frame, WIRE_ARP_LEN, &hub, own.ip4, hub_mac, &told), 0);
	cr_assert(told);
	cr_assert_eq(memcmp(hub_mac, own.mac, WIRE_MAC_LEN), 0);
	/* somebody else is asked for */
	wire_ask(frame, &hub, hub4);
	cr_assert_eq(wire_answer(frame, WIRE_ARP_LEN, &own, hub4, hub_mac, &told), 0);
}
