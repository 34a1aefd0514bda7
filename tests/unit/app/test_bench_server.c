#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "app/bench_server.h"
#include "crypto/protocol.h"

/* A path that sends nothing and remembers what it was asked for. */
struct rig {
	struct sl_bench_path path;
	struct sl_bench_server server;
	uint64_t now;
	unsigned answers; /* messages sent */
	struct sl_endpoint to;
	uint8_t bytes[SL_TRAFFIC_CONTROL_LEN];
	struct sl_traffic_message answer;
	unsigned opened, closed, expected, generated;
	struct sl_endpoint attached[SL_TRAFFIC_FLOWS_MAX];
	struct sl_traffic_plan plan;
};

static struct rig rig;

static int
rig_open(struct sl_bench_path *p, uint32_t id, const uint8_t key[SL_TRAFFIC_KEY_LEN], const struct sl_ip *peer)
{
	rig.opened++;
	return 0;
}

static void
rig_attach(struct sl_bench_path *p, uint32_t id, uint16_t flow, const struct sl_endpoint *to)
{
	rig.attached[flow] = *to;
}

static void
rig_expect(struct sl_bench_path *p, uint32_t id, uint16_t trial, const struct sl_traffic_plan *plan)
{
	rig.expected++;
	rig.plan = *plan;
}

static int
rig_generate(struct sl_bench_path *p, uint32_t id, bool data, uint64_t probes)
{
	cr_assert(data);
	cr_assert_eq(probes, 0u);
	rig.generated++;
	return 0;
}

static void
rig_stats(struct sl_bench_path *p, uint32_t id, uint16_t flow, struct sl_traffic_stats *out)
{
	*out = (struct sl_traffic_stats){.received = 1000u + flow};
}

static void
rig_close(struct sl_bench_path *p, uint32_t id)
{
	rig.closed++;
}

static void
rig_send(struct sl_bench_path *p, uint16_t flow, const struct sl_endpoint *to, const uint8_t message[SL_TRAFFIC_CONTROL_LEN])
{
	rig.answers++;
	rig.to = *to;
	memcpy(rig.bytes, message, sizeof(rig.bytes));
	cr_assert_eq(sl_traffic_message_read(message, SL_TRAFFIC_CONTROL_LEN, &rig.answer), SL_TRAFFIC_OK);
}

static const struct sl_bench_path_ops rig_ops = {
	.open = rig_open,
	.attach = rig_attach,
	.expect = rig_expect,
	.generate = rig_generate,
	.stats = rig_stats,
	.close = rig_close,
	.send = rig_send,
};

static void
begin(void)
{
	rig = (struct rig){.path = {.ops = &rig_ops}, .now = 1000 * SL_NSEC_PER_SEC};
	sl_bench_server_init(&rig.server, &rig.path, 10000, NULL);
}

static void
end(void)
{
	sl_bench_server_fini(&rig.server);
	cr_expect_eq(rig.opened, rig.closed);
}

TestSuite(bench_server, .init = begin, .fini = end);

static struct sl_endpoint
endpoint(const char *text)
{
	struct sl_endpoint e;

	cr_assert(sl_endpoint_parse(text, &e));
	return e;
}

/* Gives the server 256 bytes; whether it answered. */
static bool
give_bytes(const char *from, const uint8_t bytes[static SL_TRAFFIC_CONTROL_LEN])
{
	unsigned before = rig.answers;
	struct sl_bench_mail mail = {.from = endpoint(from)};

	memcpy(mail.bytes, bytes, sizeof(mail.bytes));
	sl_bench_server_message(&rig.server, &mail, rig.now);
	cr_assert_leq(rig.answers - before, 1u, "never more than one answer");
	return rig.answers > before;
}

static bool
give(const char *from, struct sl_traffic_message m, const uint8_t *key)
{
	uint8_t bytes[SL_TRAFFIC_CONTROL_LEN];

	sl_traffic_message_write(bytes, &m, key);
	return give_bytes(from, bytes);
}

struct member {
	const char *at;
	uint32_t id;
	uint8_t key[SL_TRAFFIC_KEY_LEN];
};

/* Opens a session; false where it is refused. */
static bool
join(struct member *m, const char *at, uint64_t nonce)
{
	m->at = at;
	cr_assert(give(at, (struct sl_traffic_message){.type = SL_TRAFFIC_HELLO, .nonce = nonce}, NULL));
	cr_assert_eq(rig.answer.type, SL_TRAFFIC_COOKIE);
	cr_assert(give(at, (struct sl_traffic_message){.type = SL_TRAFFIC_OPEN, .nonce = nonce, .cookie = rig.answer.cookie}, NULL));
	if (rig.answer.type != SL_TRAFFIC_OPENED)
		return false;
	cr_assert_eq(rig.answer.nonce, nonce);
	m->id = rig.answer.session;
	memcpy(m->key, rig.answer.key, sizeof(m->key));
	return true;
}

static struct sl_traffic_message
start(const struct member *m, uint16_t trial, uint8_t directions, uint64_t rate)
{
	return (struct sl_traffic_message){
		.type = SL_TRAFFIC_START,
		.session = m->id,
		.trial = trial,
		.plan = {.directions = directions, .flows = 2, .rate = rate, .duration = SL_NSEC_PER_SEC, .n_sizes = 1,
			.sizes = {{100, 1}}},
	};
}

static bool
attach(const struct member *m, const char *at, uint16_t flow)
{
	return give(at, (struct sl_traffic_message){.type = SL_TRAFFIC_ATTACH, .session = m->id, .flow = flow}, m->key);
}

Test(bench_server, a_whole_session)
{
	struct member m;

	cr_assert(join(&m, "10.0.0.1:4000", 1));
	cr_assert(attach(&m, "10.0.0.1:4001", 0));
	cr_expect_eq(rig.answer.type, SL_TRAFFIC_ATTACHED);
	cr_expect_eq(rig.to.port, 4001);
	cr_assert(attach(&m, "10.0.0.1:4002", 1));
	cr_assert(give(m.at, start(&m, 1, SL_TRAFFIC_BOTH, 500), m.key));
	cr_expect_eq(rig.answer.type, SL_TRAFFIC_STARTED);
	cr_expect(sl_traffic_message_check(rig.bytes, m.key));
	cr_expect_eq(rig.generated, 1u);
	cr_expect_eq(rig.attached[1].port, 4002);
	cr_assert(give(m.at, start(&m, 1, SL_TRAFFIC_BOTH, 500), m.key), "asked again: the answer was lost");
	cr_expect_eq(rig.generated, 1u, "but nothing begins again");
	cr_assert(give(m.at,
		(struct sl_traffic_message){.type = SL_TRAFFIC_POLL, .session = m.id, .trial = 1, .flow = 1}, m.key));
	cr_expect_eq(rig.answer.stats.received, 1001u);
	cr_assert(give(m.at, (struct sl_traffic_message){.type = SL_TRAFFIC_CLOSE, .session = m.id}, m.key));
	cr_expect_eq(rig.answer.type, SL_TRAFFIC_CLOSED);
	cr_expect_eq(rig.closed, 1u);
	cr_expect_not(give(m.at, start(&m, 2, SL_TRAFFIC_TO_SERVER, 500), m.key));
}

Test(bench_server, a_cookie_is_good_for_its_address_and_its_time)
{
	struct sl_traffic_message open = {.type = SL_TRAFFIC_OPEN, .nonce = 1};

	cr_assert(give("10.0.0.1:4000", (struct sl_traffic_message){.type = SL_TRAFFIC_HELLO, .nonce = 1}, NULL));
	open.cookie = rig.answer.cookie;
	cr_expect_not(give("10.0.0.2:4000", open, NULL), "another address");
	cr_expect_not(give("10.0.0.1:4001", open, NULL), "another port");
	open.nonce++;
	cr_expect_not(give("10.0.0.1:4000", open, NULL), "another nonce");
	open.nonce--;
	open.cookie++;
	cr_expect_not(give("10.0.0.1:4000", open, NULL), "another cookie");
	open.cookie--;
	rig.now += 2 * SL_BENCH_COOKIE_NS;
	cr_expect_not(give("10.0.0.1:4000", open, NULL), "too late");
	rig.now -= SL_BENCH_COOKIE_NS;
	cr_expect_eq(rig.opened, 0u);
	cr_expect(give("10.0.0.1:4000", open, NULL));
	cr_expect_eq(rig.answer.type, SL_TRAFFIC_OPENED);
}

Test(bench_server, opening_twice_gives_one_session)
{
	struct member a, b;

	cr_assert(join(&a, "10.0.0.1:4000", 1));
	cr_assert(join(&b, "10.0.0.1:4000", 1));
	cr_expect_eq(a.id, b.id);
	cr_expect_arr_eq(a.key, b.key, sizeof(a.key));
	cr_expect_eq(rig.opened, 1u);
	cr_assert(join(&b, "10.0.0.1:4000", 2));
	cr_expect_neq(a.id, b.id);
}

Test(bench_server, sessions_are_limited)
{
	static const char *const ats[] = {"10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3", "10.0.0.1:4"};
	static const char *const others[] = {"10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1", "10.0.0.5:1"};
	struct member m;

	for (unsigned i = 0; i < SL_BENCH_SESSIONS_PER_ADDRESS; i++)
		cr_expect(join(&m, ats[i], i));
	cr_expect_not(join(&m, "10.0.0.1:5", 9), "of one address");
	cr_expect_eq(rig.answer.refusal, SL_TRAFFIC_REFUSED_BUSY);
	for (unsigned i = 0; i < 4; i++)
		cr_expect(join(&m, others[i], i));
	cr_expect_not(join(&m, "10.0.0.6:1", 9), "of all");
	cr_expect_eq(rig.opened, (unsigned)SL_TRAFFIC_SESSIONS);
	rig.now += SL_BENCH_SILENCE_NS + 1;
	sl_bench_server_tick(&rig.server, rig.now);
	cr_expect_eq(rig.closed, (unsigned)SL_TRAFFIC_SESSIONS, "who is not heard from makes room");
	cr_expect(join(&m, "10.0.0.6:1", 9));
}

Test(bench_server, strangers_get_nothing)
{
	struct member m;
	struct sl_traffic_message msg;
	uint8_t other[SL_TRAFFIC_KEY_LEN] = "guessed";

	cr_assert(join(&m, "10.0.0.1:4000", 1));
	msg = start(&m, 1, SL_TRAFFIC_TO_SERVER, 500);
	cr_expect_not(give(m.at, msg, other), "without the key");
	cr_expect_not(give(m.at, msg, NULL));
	cr_expect_not(give("10.0.0.2:4000", msg, m.key), "from another address");
	cr_expect_not(give("10.0.0.1:4001", msg, m.key), "from another port");
	msg.session += SL_TRAFFIC_SESSIONS;
	cr_expect_not(give(m.at, msg, m.key), "another session in its slot");
	cr_expect_not(attach(&m, "10.0.0.2:4001", 0), "a flow of another address");
	for (uint8_t type = 0; type < 40; type++) {
		if (type == SL_TRAFFIC_HELLO)
			continue;
		msg = (struct sl_traffic_message){.type = type, .nonce = 5, .cookie = 6, .refusal = 1};
		cr_expect_not(give("10.0.0.9:1", msg, other), "type %u", type);
	}
	cr_expect_eq(rig.expected, 0u);
}

Test(bench_server, plans_it_does_not_carry_out)
{
	struct member m;

	cr_assert(join(&m, "10.0.0.1:4000", 1));
	cr_assert(attach(&m, "10.0.0.1:4001", 0));
	cr_assert(give(m.at, start(&m, 1, SL_TRAFFIC_FROM_SERVER, 500), m.key));
	cr_expect_eq(rig.answer.refusal, SL_TRAFFIC_REFUSED_PLAN, "a flow is not attached");
	cr_assert(attach(&m, "10.0.0.1:4002", 1));
	cr_assert(give(m.at, start(&m, 2, SL_TRAFFIC_FROM_SERVER, 10001), m.key));
	cr_expect_eq(rig.answer.refusal, SL_TRAFFIC_REFUSED_RATE);
	cr_expect_eq(rig.generated, 0u);
	cr_assert(give(m.at, start(&m, 3, SL_TRAFFIC_FROM_SERVER, 0), m.key));
	cr_expect_eq(rig.generated, 1u);
	cr_expect_eq(rig.plan.rate, 10000u, "as fast as it can is as fast as it may");
	cr_expect_not(give(m.at, start(&m, 2, SL_TRAFFIC_FROM_SERVER, 10), m.key), "an old message");
	cr_assert(give(m.at, start(&m, 4, SL_TRAFFIC_TO_SERVER, 20000), m.key), "what it receives is the client's affair");
	cr_expect_eq(rig.answer.type, SL_TRAFFIC_STARTED);
	cr_expect_eq(rig.generated, 1u);
	cr_expect_not(give(m.at,
		(struct sl_traffic_message){.type = SL_TRAFFIC_POLL, .session = m.id, .trial = 4, .flow = 2}, m.key));
	cr_expect_not(give(m.at,
		(struct sl_traffic_message){.type = SL_TRAFFIC_POLL, .session = m.id, .trial = 3, .flow = 0}, m.key));
}

Test(bench_server, a_silent_client_is_sent_nothing)
{
	struct member m;

	cr_assert(join(&m, "10.0.0.1:4000", 1));
	rig.now += SL_BENCH_SILENCE_NS;
	sl_bench_server_tick(&rig.server, rig.now);
	cr_expect_eq(rig.closed, 0u);
	cr_assert(attach(&m, "10.0.0.1:4001", 0));
	rig.now += SL_BENCH_SILENCE_NS;
	sl_bench_server_tick(&rig.server, rig.now);
	cr_expect_eq(rig.closed, 0u);
	rig.now++;
	sl_bench_server_tick(&rig.server, rig.now);
	cr_expect_eq(rig.closed, 1u);
}

/* Who forges addresses gets no use out of it: few answers, none longer than its question (they are all of one length). */
Test(bench_server, answers_to_strangers_are_limited)
{
	const struct sl_traffic_message hello = {.type = SL_TRAFFIC_HELLO, .nonce = 1};

	for (unsigned i = 0; i < 5 * SL_BENCH_ANSWERS_RATE; i++)
		give("192.0.2.1:53", hello, NULL);
	cr_expect_eq(rig.answers, (unsigned)SL_BENCH_ANSWERS_RATE);
	rig.now += SL_NSEC_PER_SEC / 10;
	for (unsigned i = 0; i < SL_BENCH_ANSWERS_RATE; i++)
		give("192.0.2.1:53", hello, NULL);
	cr_expect_eq(rig.answers, SL_BENCH_ANSWERS_RATE + SL_BENCH_ANSWERS_RATE / 10);
}

Test(bench_server, another_version_is_told)
{
	const struct sl_traffic_message hello = {.type = SL_TRAFFIC_HELLO};
	uint8_t bytes[SL_TRAFFIC_CONTROL_LEN];

	sl_traffic_message_write(bytes, &hello, NULL);
	bytes[2]++;
	cr_assert(give_bytes("10.0.0.1:4000", bytes));
	cr_expect_eq(rig.answer.refusal, SL_TRAFFIC_REFUSED_VERSION);
	bytes[3] = SL_TRAFFIC_REFUSED;
	cr_expect_not(give_bytes("10.0.0.1:4000", bytes), "a refusal is not refused");
}
