#include <criterion/criterion.h>

#include <stdlib.h>

#include "dataplane/traffic_sink.h"

#define ID  UINT32_C(83) /* slot 3 */
#define NOW UINT64_C(5000000)

static const uint8_t key[SL_TRAFFIC_KEY_LEN] = "a session's key";
static struct sl_traffic_sink sink;
static struct sl_traffic_lines *lines;
static struct sl_ip peer, stranger;

static void
open_session(void)
{
	cr_assert(sl_ip_parse("10.0.0.1", &peer));
	cr_assert(sl_ip_parse("10.0.0.2", &stranger));
	lines = calloc(1, sizeof(*lines));
	sl_traffic_sink_open(&sink, ID, key, &peer);
	sl_traffic_sink_trial(&sink, ID, 4);
}

static void
close_session(void)
{
	free(lines);
}

TestSuite(traffic_sink, .init = open_session, .fini = close_session);

static enum sl_traffic_fate
give(struct sl_traffic_header h, const uint8_t *with, const struct sl_ip *from, uint8_t bytes[static 100])
{
	sl_traffic_header_write(bytes, &h, with);
	return sl_traffic_sink_take(&sink, lines, bytes, 100, from, NOW);
}

static struct sl_traffic_stats
stats_of(uint16_t flow)
{
	struct sl_traffic_stats s = {0};

	sl_traffic_sink_stats(&lines, 1, ID, 4, flow, 8, &s);
	return s;
}

static const struct sl_traffic_header good = {.type = SL_TRAFFIC_DATA, .session = ID, .trial = 4, .flow = 7, .seq = 0};

Test(traffic_sink, what_is_counted_and_what_is_refused)
{
	static const struct {
		const char *what;
		int member;
		uint64_t value;
		enum sl_traffic_fate fate;
	} cases[] = {
		{"a packet of the session", 0, SL_TRAFFIC_DATA, SL_TRAFFIC_COUNTED},
		{"of another session in the same slot", 1, ID + SL_TRAFFIC_SESSIONS, SL_TRAFFIC_REFUSE},
		{"of a slot without a session", 1, ID + 1, SL_TRAFFIC_REFUSE},
		{"of session 0", 1, 0, SL_TRAFFIC_REFUSE},
		{"of an earlier trial", 2, 3, SL_TRAFFIC_REFUSE},
		{"of a later trial", 2, 5, SL_TRAFFIC_REFUSE},
		{"of trial 0", 2, 0, SL_TRAFFIC_REFUSE},
		{"of a flow that cannot be", 3, SL_TRAFFIC_FLOWS_MAX, SL_TRAFFIC_REFUSE},
		{"of the last flow there can be", 3, UINT16_MAX, SL_TRAFFIC_REFUSE},
	};
	uint8_t bytes[100] = {0};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_traffic_header h = good;

		if (cases[i].member == 0)
			h.type = (uint8_t)cases[i].value;
		else if (cases[i].member == 1)
			h.session = (uint32_t)cases[i].value;
		else if (cases[i].member == 2)
			h.trial = (uint16_t)cases[i].value;
		else
			h.flow = (uint16_t)cases[i].value;
		cr_expect_eq(give(h, key, &peer, bytes), cases[i].fate, "%s", cases[i].what);
	}
	cr_expect_eq(stats_of(7).received, 1u);
	cr_expect_eq(stats_of(7).received_bytes, 100u);
	cr_expect_eq(stats_of(SL_TRAFFIC_FLOW_ALL).received, 1u);
	cr_expect_eq(stats_of(6).received, 0u);
	cr_expect_eq(atomic_load(&lines->refused), 8u);
}

Test(traffic_sink, strangers_are_refused)
{
	uint8_t bytes[100] = {0}, other[SL_TRAFFIC_KEY_LEN] = "guessed";

	cr_expect_eq(give(good, other, &peer, bytes), SL_TRAFFIC_REFUSE);
	cr_expect_eq(give(good, key, &stranger, bytes), SL_TRAFFIC_REFUSE);
	sl_traffic_sink_close(&sink, ID);
	cr_expect_eq(give(good, key, &peer, bytes), SL_TRAFFIC_REFUSE);
	cr_expect_eq(stats_of(SL_TRAFFIC_FLOW_ALL).received, 0u);
	for (size_t n = 0; n < sizeof(bytes); n++)
		cr_expect_eq(sl_traffic_sink_take(&sink, lines, bytes, n, &peer, NOW), SL_TRAFFIC_REFUSE);
}

Test(traffic_sink, a_probe_becomes_its_echo_and_the_echo_a_time)
{
	struct sl_traffic_header h = good, echo;
	struct sl_histogram_copy *times = calloc(1, sizeof(*times));
	uint8_t bytes[100] = {0};

	h.type = SL_TRAFFIC_PROBE;
	h.stamp = NOW - 1000;
	h.seq = 99;
	cr_assert_eq(give(h, key, &peer, bytes), SL_TRAFFIC_ANSWER);
	cr_assert(sl_traffic_header_read(bytes, SL_TRAFFIC_HEADER_LEN, &echo));
	cr_expect_eq(echo.type, SL_TRAFFIC_ECHO);
	cr_expect_eq(echo.stamp, h.stamp);
	cr_expect_eq(echo.seq, h.seq);
	cr_expect(sl_traffic_header_check(bytes, key));
	cr_assert_eq(sl_traffic_sink_take(&sink, lines, bytes, SL_TRAFFIC_HEADER_LEN, &peer, NOW), SL_TRAFFIC_COUNTED);
	/* an echo from before the clock's last step is no time, and does no harm */
	echo.stamp = NOW + 5;
	cr_assert_eq(give(echo, key, &peer, bytes), SL_TRAFFIC_COUNTED);
	sl_histogram_gather(times, &lines->round_trip);
	cr_expect_eq(times->n, 2u);
	cr_expect_eq(sl_histogram_percentile(times, 0), 0u);
	cr_expect_eq(sl_histogram_mean(times), 500u);
	cr_expect_eq(stats_of(SL_TRAFFIC_FLOW_ALL).received, 0u, "probes are no data");
	free(times);
}

Test(traffic_sink, control_messages_go_to_control)
{
	const struct sl_traffic_message hello = {.type = SL_TRAFFIC_HELLO};
	uint8_t bytes[SL_TRAFFIC_CONTROL_LEN];

	sl_traffic_message_write(bytes, &hello, NULL);
	cr_expect_eq(sl_traffic_sink_take(&sink, lines, bytes, sizeof(bytes), &stranger, NOW), SL_TRAFFIC_CONTROL);
	cr_expect_eq(sl_traffic_sink_take(&sink, lines, bytes, sizeof(bytes) - 1, &stranger, NOW), SL_TRAFFIC_REFUSE);
}
