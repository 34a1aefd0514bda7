/*
 * The protocol core against a second implementation (tests/unit/oracle.h) in both roles: node 0 is ours, the oracle
 * takes the place of node 1. Messages whose randomness is known are equal byte for byte (protocol.md 7, 12–16, 19, 23).
 */
#include <criterion/criterion.h>

#include "crypto/bytes.h"
#include "crypto/init.h"
#include "sim.h"
#include "tests/unit/oracle.h"

#define RING 1024

static struct sim sim;
static struct sim_node *a;
static struct oracle o;
static const uint8_t ephemeral[ORACLE_KEY] = {0x11, 0x22, 0x33, [31] = 0x44};
static const uint8_t fixed[32] = "thirty-two bytes that are known";

/* All randomness of the core from here on. */
static void fixed_bytes(void *ctx, void *out, size_t n)
{
	uint8_t *p = out;

	for (size_t i = 0; i < n; i++)
		p[i] = fixed[i % sizeof(fixed)];
}

static void setup(void)
{
	cr_assert_eq(sl_crypto_init(), 0);
	sim_init(&sim, 11, true);
	sim.link.cut = true;
	a = &sim.nodes[0];
	a->core->rng = (struct sl_rng){.bytes = fixed_bytes};
	oracle_init(&o, sim.nodes[1].private_key, a->public_key, NULL);
}

static void teardown(void)
{
	sim_fini(&sim);
}

TestSuite(proto_oracle, .init = setup, .fini = teardown);

static const uint8_t *last(uint32_t type, size_t len)
{
	const struct sim_event *e = sim_last(&sim, SIM_SENT, 0, type);

	cr_assert_not_null(e, "no message of type %u", type);
	cr_assert_eq(e->len, len);
	return e->data;
}

static void to_us(const void *msg, size_t len)
{
	sim_deliver(&sim, 0, msg, len, NULL);
}

static void with_psk(void)
{
	sl_proto_peer_set_psk(a->peer, fixed);
	memcpy(o.psk, fixed, sizeof(o.psk));
}

/* The stamp that our wall clock gives at this moment of the simulation. */
static void stamp_now(uint8_t stamp[ORACLE_STAMP])
{
	uint64_t ns = SIM_WALL * SL_NSEC_PER_SEC + sim.now;

	oracle_stamp(stamp, ns / SL_NSEC_PER_SEC, (uint32_t)(ns % SL_NSEC_PER_SEC));
}

/* A payload each way on the session there is; ours first where it must be. */
static void data_both_ways(uint64_t our_counter, uint64_t their_counter)
{
	uint8_t plain[SIM_MSG_MAX], number[16] = {0}, msg[sizeof(number) + ORACLE_DATA];
	uint64_t counter, delivered = a->delivered, payload = sim.next_payload;

	sim_send(&sim, 1); /* known to the simulation as sent; the oracle carries it */
	sl_store_le64(number, payload);
	oracle_seal(&o, their_counter, number, sizeof(number), msg);
	to_us(msg, sizeof(msg));
	cr_assert_eq(a->delivered, delivered + 1);
	to_us(msg, sizeof(msg));
	cr_assert_eq(a->delivered, delivered + 1, "a replay");
	payload = sim.next_payload;
	sim_send(&sim, 0);
	cr_assert_eq(oracle_open(&o, last(SL_MSG_DATA, 48), 48, &counter, plain), 16);
	cr_assert_eq(counter, our_counter);
	cr_assert_eq(sl_load_le64(plain), payload);
	cr_assert_eq(sim.violations, 0);
}

static void we_initiate(void)
{
	uint8_t msg1[ORACLE_INITIATION], msg2[ORACLE_RESPONSE], stamp[ORACLE_STAMP], want[ORACLE_STAMP], plain[16];
	struct oracle twin;
	uint64_t counter;

	sim_initiate(&sim, 0);
	cr_assert(oracle_take_initiation(&o, last(SL_MSG_INITIATION, 148), stamp));
	stamp_now(want);
	cr_assert_arr_eq(stamp, want, sizeof(stamp));
	/* its own ephemeral is known, so a third party with our key makes the same message */
	oracle_init(&twin, a->private_key, o.public_key, o.psk);
	oracle_initiation(&twin, fixed, o.peer_index, stamp, NULL, msg1);
	cr_assert_arr_eq(last(SL_MSG_INITIATION, 148), msg1, sizeof(msg1));
	oracle_response(&o, ephemeral, 0xfeedf00d, NULL, msg2);
	to_us(msg2, sizeof(msg2));
	cr_assert_eq(
	        oracle_open(&o, last(SL_MSG_DATA, 32), 32, &counter, plain), 0, "a keepalive right after the response");
	cr_assert_eq(counter, 0);
	data_both_ways(1, 0);
}

Test(proto_oracle, p7_initiator)
{
	we_initiate();
}

Test(proto_oracle, p7_initiator_with_psk)
{
	with_psk();
	we_initiate();
}

static void we_respond(void)
{
	uint8_t msg1[ORACLE_INITIATION], msg2[ORACLE_RESPONSE], stamp[ORACLE_STAMP];
	struct oracle twin;
	uint8_t ignored[ORACLE_STAMP];

	oracle_stamp(stamp, SIM_WALL, 0);
	oracle_initiation(&o, ephemeral, 0x00c0ffee, stamp, NULL, msg1);
	to_us(msg1, sizeof(msg1));
	oracle_init(&twin, a->private_key, o.public_key, o.psk);
	cr_assert(oracle_take_initiation(&twin, msg1, ignored));
	cr_assert(oracle_take_response(&o, last(SL_MSG_RESPONSE, 92)));
	oracle_response(&twin, fixed, o.peer_index, NULL, msg2);
	cr_assert_arr_eq(last(SL_MSG_RESPONSE, 92), msg2, sizeof(msg2));
	cr_assert_eq(sim_count(&sim, SIM_SENT, 0, SL_MSG_DATA), 0, "nothing before their first packet");
	data_both_ways(0, 0);
}

Test(proto_oracle, p7_responder)
{
	we_respond();
}

Test(proto_oracle, p7_responder_with_psk)
{
	with_psk();
	we_respond();
}

/* Our cookie reply, whole; and their message with that cookie, which is let in. */
Test(proto_oracle, p14_our_cookie_reply)
{
	struct sl_endpoint src = {.ip = sim.nodes[1].self.ip, .port = 0x1234};
	uint8_t msg[ORACLE_INITIATION], want[ORACLE_COOKIE_REPLY], cookie[ORACLE_COOKIE], stamp[ORACLE_STAMP];

	sl_proto_if_note_load(a->ifp, RING / 8, RING, sim.now);
	oracle_stamp(stamp, SIM_WALL, 0);
	oracle_initiation(&o, ephemeral, 0x00c0ffee, stamp, NULL, msg);
	sim_deliver(&sim, 0, msg, sizeof(msg), &src);
	oracle_cookie(cookie, fixed, src.ip.bytes, 4, src.port);
	oracle_cookie_reply(want, a->public_key, cookie, fixed, msg + 116, 0x00c0ffee);
	cr_assert_arr_eq(last(SL_MSG_COOKIE_REPLY, 64), want, sizeof(want));
	cr_assert(oracle_open_cookie_reply(cookie, last(SL_MSG_COOKIE_REPLY, 64), a->public_key, msg + 116));
	oracle_initiation(&o, ephemeral, 0x00c0ffee, stamp, cookie, msg);
	sim_deliver(&sim, 0, msg, sizeof(msg), &src);
	cr_assert(oracle_take_response(&o, last(SL_MSG_RESPONSE, 92)));
	cr_assert_eq(sim_count(&sim, SIM_SENT, 0, SL_MSG_COOKIE_REPLY), 1);
}

/* Their cookie reply to our initiation, and to our response: the next message of ours carries the cookie. */
Test(proto_oracle, p12_mac2_by_their_cookie)
{
	uint8_t reply[ORACLE_COOKIE_REPLY], mac[ORACLE_MAC];
	const uint8_t *msg;

	sim_initiate(&sim, 0);
	msg = last(SL_MSG_INITIATION, 148);
	oracle_cookie_reply(reply, o.public_key, fixed, fixed, msg + 116, sl_load_le32(msg + 4));
	to_us(reply, sizeof(reply));
	cr_assert_eq(sl_proto_if_counters(a->ifp)->cookies_received, 1);
	sim_run_for(&sim, 5 * SIM_S + SL_TIMER_JITTER_MAX_NS);
	cr_assert_eq(sim_count(&sim, SIM_SENT, 0, SL_MSG_INITIATION), 2);
	msg = last(SL_MSG_INITIATION, 148);
	oracle_mac2(mac, fixed, msg, 148);
	cr_assert_arr_eq(msg + 132, mac, sizeof(mac));
	oracle_mac1(mac, o.public_key, msg, 148);
	cr_assert_arr_eq(msg + 116, mac, sizeof(mac));
}

Test(proto_oracle, p14_their_reply_to_our_response)
{
	uint8_t reply[ORACLE_COOKIE_REPLY], mac[ORACLE_MAC], msg[ORACLE_INITIATION], stamp[ORACLE_STAMP];
	const uint8_t *response;

	for (unsigned i = 0; i < 2; i++) {
		oracle_stamp(stamp, SIM_WALL + i, 0);
		oracle_initiation(&o, ephemeral, 0x00c0ffee, stamp, NULL, msg);
		to_us(msg, sizeof(msg));
		response = last(SL_MSG_RESPONSE, 92);
		if (i == 0) {
			oracle_cookie_reply(
			        reply, o.public_key, fixed, fixed, response + 60, sl_load_le32(response + 4));
			to_us(reply, sizeof(reply));
			cr_assert_eq(sl_proto_if_counters(a->ifp)->cookies_received, 1);
		}
		sim_run_for(&sim, SIM_S);
	}
	cr_assert_eq(sim_count(&sim, SIM_SENT, 0, SL_MSG_RESPONSE), 2);
	oracle_mac2(mac, fixed, response, 92);
	cr_assert_arr_eq(response + 76, mac, sizeof(mac));
}
