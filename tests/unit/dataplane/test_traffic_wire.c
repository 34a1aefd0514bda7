#include <criterion/criterion.h>

#include <stdlib.h>

#include "dataplane/traffic_wire.h"

static const uint8_t key[SL_TRAFFIC_KEY_LEN] = "0123456789abcde";

/* Offsets of the format, as traffic_wire.h gives it. */
enum { AT_MAGIC = 0, AT_VERSION = 2, AT_TYPE = 3, AT_SESSION = 4, AT_TRIAL = 8, AT_FLOW = 10, AT_BODY = 12 };

static struct sl_traffic_message
start(void)
{
	return (struct sl_traffic_message){
		.type = SL_TRAFFIC_START,
		.session = 0x01020304,
		.trial = 7,
		.flow = 0,
		.plan = {.directions = SL_TRAFFIC_BOTH, .flows = 3, .rate = 1000, .duration = 2000000000, .n_sizes = 2,
			.sizes = {{36, 7}, {1392, 1}}},
	};
}

Test(traffic_wire, a_header_stands_as_documented)
{
	const struct sl_traffic_header h = {.type = SL_TRAFFIC_DATA, .session = 0x01020304, .trial = 0x0506, .flow = 0x0708,
		.seq = 0x1112131415161718, .stamp = 0x2122232425262728};
	const uint8_t wanted[] = {0x5b, 0x1c, 1, 32, 1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
		0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28};
	uint8_t bytes[SL_TRAFFIC_HEADER_LEN];
	struct sl_traffic_header back;

	sl_traffic_header_write(bytes, &h, key);
	cr_expect_arr_eq(bytes, wanted, sizeof(wanted));
	cr_expect(sl_traffic_header_check(bytes, key));
	cr_assert(sl_traffic_header_read(bytes, sizeof(bytes), &back));
	cr_expect_eq(back.session, h.session);
	cr_expect_eq(back.trial, h.trial);
	cr_expect_eq(back.flow, h.flow);
	cr_expect_eq(back.seq, h.seq);
	cr_expect_eq(back.stamp, h.stamp);
}

Test(traffic_wire, every_bit_of_a_header_is_checked)
{
	const struct sl_traffic_header h = {.type = SL_TRAFFIC_PROBE, .session = 9, .trial = 1, .seq = 5};
	uint8_t bytes[SL_TRAFFIC_HEADER_LEN];

	sl_traffic_header_write(bytes, &h, key);
	for (unsigned bit = 0; bit < sizeof(bytes) * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_expect_not(sl_traffic_header_check(bytes, key), "bit %u", bit);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

Test(traffic_wire, what_is_no_header)
{
	const struct sl_traffic_header h = {.type = SL_TRAFFIC_DATA, .session = 9, .trial = 1};
	static const struct {
		unsigned at;
		uint8_t value;
		size_t len;
	} cases[] = {
		{AT_MAGIC, 0, SL_TRAFFIC_HEADER_LEN},
		{AT_VERSION, 2, SL_TRAFFIC_HEADER_LEN},
		{AT_TYPE, 0, SL_TRAFFIC_HEADER_LEN},
		{AT_TYPE, SL_TRAFFIC_STATS, SL_TRAFFIC_HEADER_LEN},
		{AT_TYPE, SL_TRAFFIC_ECHO + 1, SL_TRAFFIC_HEADER_LEN},
		{AT_MAGIC, SL_TRAFFIC_MAGIC >> 8, SL_TRAFFIC_HEADER_LEN - 1},
		{AT_MAGIC, SL_TRAFFIC_MAGIC >> 8, SL_TRAFFIC_COMMON_LEN},
		{AT_MAGIC, SL_TRAFFIC_MAGIC >> 8, 0},
	};
	struct sl_traffic_header back;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t bytes[SL_TRAFFIC_HEADER_LEN];

		sl_traffic_header_write(bytes, &h, key);
		bytes[cases[i].at] = cases[i].value;
		cr_expect_not(sl_traffic_header_read(bytes, cases[i].len, &back), "case %u", i);
	}
}

Test(traffic_wire, messages_come_back_as_they_were)
{
	const struct sl_traffic_message cases[] = {
		{.type = SL_TRAFFIC_HELLO, .nonce = 5},
		{.type = SL_TRAFFIC_OPEN, .nonce = 5, .cookie = UINT64_MAX},
		{.type = SL_TRAFFIC_OPENED, .session = 16, .nonce = 5, .key = "secret", .rate_max = 77},
		{.type = SL_TRAFFIC_ATTACH, .session = 16, .flow = 63},
		start(),
		{.type = SL_TRAFFIC_POLL, .session = 16, .trial = 3, .flow = SL_TRAFFIC_FLOW_ALL},
		{.type = SL_TRAFFIC_STATS, .session = 16, .trial = 3, .flow = 1,
			.stats = {1, true, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
		{.type = SL_TRAFFIC_REFUSED, .nonce = 1, .refusal = SL_TRAFFIC_REFUSED_PLAN},
		{.type = SL_TRAFFIC_CLOSE, .session = 16},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t bytes[SL_TRAFFIC_CONTROL_LEN];
		struct sl_traffic_message back, wanted = cases[i];

		wanted.version = SL_TRAFFIC_VERSION;
		sl_traffic_message_write(bytes, &cases[i], key);
		cr_expect(sl_traffic_message_check(bytes, key), "case %u", i);
		cr_assert_eq(sl_traffic_message_read(bytes, sizeof(bytes), &back), SL_TRAFFIC_OK, "case %u", i);
		cr_expect_eq(back.type, wanted.type);
		cr_expect_eq(back.session, wanted.session);
		cr_expect_eq(back.trial, wanted.trial);
		cr_expect_eq(back.flow, wanted.flow);
		cr_expect_eq(back.nonce, wanted.nonce);
		cr_expect_eq(back.cookie, wanted.cookie);
		cr_expect_eq(back.rate_max, wanted.rate_max);
		cr_expect_eq(back.refusal, wanted.refusal);
		cr_expect_arr_eq(back.key, wanted.key, sizeof(back.key));
		cr_expect_eq(back.plan.rate, wanted.plan.rate);
		cr_expect_eq(back.plan.duration, wanted.plan.duration);
		cr_expect_eq(back.plan.n_sizes, wanted.plan.n_sizes);
		cr_expect_arr_eq(back.plan.sizes, wanted.plan.sizes, sizeof(back.plan.sizes));
		cr_expect_eq(back.stats.sending, wanted.stats.sending);
		cr_expect_eq(back.stats.elapsed, wanted.stats.elapsed);
		cr_expect_eq(back.stats.sent_bytes, wanted.stats.sent_bytes);
		cr_expect_eq(back.stats.lost, wanted.stats.lost);
		cr_expect_eq(back.stats.jitter, wanted.stats.jitter);
	}
}

/* Where the plan's numbers stand, behind the common part. */
enum { AT_DIRECTIONS = AT_BODY, AT_N_SIZES = AT_BODY + 1, AT_FLOWS = AT_BODY + 2, AT_RATE = AT_BODY + 4,
	AT_DURATION = AT_BODY + 12, AT_SIZES = AT_BODY + 20 };

/* Hostile messages: each differs from a good one in a few bytes, and none may pass. */
Test(traffic_wire, messages_beyond_the_limits_are_refused)
{
	static const struct {
		const char *what;
		unsigned at, n;
		uint8_t bytes[8];
		enum sl_traffic_verdict verdict;
	} cases[] = {
		{"another magic", AT_MAGIC, 1, {0}, SL_TRAFFIC_FOREIGN},
		{"another version", AT_VERSION, 1, {2}, SL_TRAFFIC_OTHER_VERSION},
		{"version 0", AT_VERSION, 1, {0}, SL_TRAFFIC_OTHER_VERSION},
		{"type 0", AT_TYPE, 1, {0}, SL_TRAFFIC_FOREIGN},
		{"an unknown type", AT_TYPE, 1, {SL_TRAFFIC_CONTROL_END}, SL_TRAFFIC_FOREIGN},
		{"a data packet's type", AT_TYPE, 1, {SL_TRAFFIC_DATA}, SL_TRAFFIC_FOREIGN},
		{"the last type", AT_TYPE, 1, {255}, SL_TRAFFIC_FOREIGN},
		{"trial 0", AT_TRIAL, 2, {0, 0}, SL_TRAFFIC_MALFORMED},
		{"no direction", AT_DIRECTIONS, 1, {0}, SL_TRAFFIC_MALFORMED},
		{"a third direction", AT_DIRECTIONS, 1, {4}, SL_TRAFFIC_MALFORMED},
		{"no flow", AT_FLOWS, 2, {0, 0}, SL_TRAFFIC_MALFORMED},
		{"65 flows", AT_FLOWS, 2, {0, 65}, SL_TRAFFIC_MALFORMED},
		{"65535 flows", AT_FLOWS, 2, {255, 255}, SL_TRAFFIC_MALFORMED},
		{"a rate of 2^63", AT_RATE, 8, {128}, SL_TRAFFIC_MALFORMED},
		{"a rate above the limit", AT_RATE, 8, {0, 0, 0, 0, 5, 245, 225, 1}, SL_TRAFFIC_MALFORMED},
		{"no time", AT_DURATION, 8, {0}, SL_TRAFFIC_MALFORMED},
		{"endless", AT_DURATION, 8, {255, 255, 255, 255, 255, 255, 255, 255}, SL_TRAFFIC_MALFORMED},
		{"no size", AT_N_SIZES, 1, {0}, SL_TRAFFIC_MALFORMED},
		{"nine sizes", AT_N_SIZES, 1, {9}, SL_TRAFFIC_MALFORMED},
		{"255 sizes", AT_N_SIZES, 1, {255}, SL_TRAFFIC_MALFORMED},
		{"three sizes, the third empty", AT_N_SIZES, 1, {3}, SL_TRAFFIC_MALFORMED},
		{"a packet shorter than its header", AT_SIZES, 2, {0, 35}, SL_TRAFFIC_MALFORMED},
		{"a packet of 8973", AT_SIZES, 2, {0x23, 0x0d}, SL_TRAFFIC_MALFORMED},
		{"a packet of 65535", AT_SIZES, 2, {255, 255}, SL_TRAFFIC_MALFORMED},
		{"no weight", AT_SIZES + 2, 2, {0, 0}, SL_TRAFFIC_MALFORMED},
		{"weights of 257", AT_SIZES + 2, 2, {1, 0}, SL_TRAFFIC_MALFORMED},
		{"something behind the end", 200, 1, {1}, SL_TRAFFIC_MALFORMED},
		{"something right before the check value", SL_TRAFFIC_CONTROL_LEN - 9, 1, {1}, SL_TRAFFIC_MALFORMED},
	};
	const struct sl_traffic_message good = start();
	uint8_t bytes[SL_TRAFFIC_CONTROL_LEN];
	struct sl_traffic_message m;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sl_traffic_message_write(bytes, &good, key);
		memcpy(bytes + cases[i].at, cases[i].bytes, cases[i].n);
		cr_expect_eq(sl_traffic_message_read(bytes, sizeof(bytes), &m), cases[i].verdict, "%s", cases[i].what);
	}
	sl_traffic_message_write(bytes, &good, key);
	for (size_t n = 0; n < sizeof(bytes); n++)
		cr_expect_eq(sl_traffic_message_read(bytes, n, &m), SL_TRAFFIC_FOREIGN, "%zu bytes", n);
	cr_expect_eq(sl_traffic_message_read(bytes, sizeof(bytes), &m), SL_TRAFFIC_OK);
}

/* Whatever stands in a message: it is read without harm, and what is accepted is within the limits. */
Test(traffic_wire, random_messages_do_no_harm)
{
	unsigned accepted = 0;

	srandom(5210);
	for (unsigned i = 0; i < 200000; i++) {
		uint8_t *bytes = calloc(1, SL_TRAFFIC_CONTROL_LEN); /* of its own, so that a sanitizer sees its ends */
		size_t n = i % 4 ? SL_TRAFFIC_CONTROL_LEN : (size_t)random() % SL_TRAFFIC_CONTROL_LEN;
		struct sl_traffic_message m = start();

		m.type = (uint8_t)(random() % 40);
		sl_traffic_message_write(bytes, &m, key);
		for (long k = random() % 6; k > 0; k--)
			bytes[random() % 64] = (uint8_t)(random() % 4 ? random() % 10 : random());
		if (sl_traffic_message_read(bytes, n, &m) == SL_TRAFFIC_OK) {
			accepted++;
			cr_assert(m.type != SL_TRAFFIC_START || sl_traffic_plan_valid(&m.plan));
			cr_assert(m.type != SL_TRAFFIC_ATTACH || m.flow < SL_TRAFFIC_FLOWS_MAX);
		}
		free(bytes);
	}
	cr_expect_gt(accepted, 1000u);
}

Test(traffic_wire, a_message_of_another_key_is_told)
{
	const struct sl_traffic_message m = start();
	uint8_t bytes[SL_TRAFFIC_CONTROL_LEN], other[SL_TRAFFIC_KEY_LEN] = "another";

	sl_traffic_message_write(bytes, &m, key);
	cr_expect_not(sl_traffic_message_check(bytes, other));
	for (unsigned i = 0; i < sizeof(bytes); i++) {
		bytes[i] ^= 0x80;
		cr_expect_not(sl_traffic_message_check(bytes, key), "byte %u", i);
		bytes[i] ^= 0x80;
	}
}
