#include "control/bench_api.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <rte_udp.h>

#include "control/command_queue.h"
#include "crypto/wipe.h"
#include "dataplane/ip.h"
#include "dataplane/traffic.h"

#define MAILS      64
#define WORDS_MAX  (8 + 2 * SL_TRAFFIC_SIZES_MAX)
#define PORT_FIRST 49152 /* RFC 6335: dynamic ports */
#define HEX        16

/* A control message that waits for the command to fetch it. */
struct mail {
	struct sl_endpoint from;
	uint8_t bytes[SL_TRAFFIC_CONTROL_LEN];
};

struct session {
	uint32_t id; /* 0: none */
	uint8_t key[SL_TRAFFIC_KEY_LEN];
	struct sl_ip peer;
	uint16_t trial;
	uint64_t began; /* ns */
	struct sl_traffic_plan plan;
	struct sl_endpoint to[SL_TRAFFIC_FLOWS_MAX];
	struct sl_traffic_job *job; /* published; NULL: none */
};

struct sl_bench_api {
	struct sl_api_conn *owner;
	uint16_t l3_if;
	struct sl_traffic *traffic;
	unsigned first, n; /* mails */
	struct mail mails[MAILS];
	struct session sessions[SL_TRAFFIC_SESSIONS];
};

/* --- answers --- */

static void
answer(struct sl_api_conn *c, json_t *o)
{
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	if (text == NULL) {
		c->dead = true;
		return;
	}
	sl_api_write(c, text, strlen(text));
	sl_api_write(c, "\n", 1);
	free(text);
}

static void
refuse(struct sl_api_conn *c, const char *why)
{
	answer(c, json_pack("{s:s}", "error", why));
}

static void
done(struct sl_api_conn *c)
{
	answer(c, json_object());
}

/* --- words --- */

static bool
number(const char *word, uint64_t most, uint64_t *out)
{
	char *end;
	unsigned long long value;

	if (*word < '0' || *word > '9')
		return false;
	errno = 0;
	value = strtoull(word, &end, 10);
	if (errno != 0 || *end != '\0' || value > most)
		return false;
	*out = value;
	return true;
}

static int
digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
from_hex(const char *word, uint8_t *out, size_t n)
{
	if (strlen(word) != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = digit(word[2 * i]), low = digit(word[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high * HEX + low);
	}
	return true;
}

static void
to_hex(const uint8_t *bytes, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[bytes[i] / HEX];
		*out++ = digits[bytes[i] % HEX];
	}
	*out = '\0';
}

static bool
endpoint(char *const *words, struct sl_endpoint *out)
{
	uint64_t port;

	if (!sl_ip_parse(words[0], &out->ip) || !number(words[1], UINT16_MAX, &port) || port == 0)
		return false;
	out->port = (uint16_t)port;
	return true;
}

/* The open session that a word names. */
static struct session *
session(struct sl_bench_api *b, const char *word)
{
	struct session *s;
	uint64_t id;

	if (!number(word, UINT32_MAX, &id) || id == 0)
		return NULL;
	s = &b->sessions[sl_traffic_slot((uint32_t)id)];
	return s->id == id ? s : NULL;
}

/* --- opening and closing --- */

static struct sl_gateway_if *
interface_of(struct sl_gateway *gw, const struct sl_bench_api *b)
{
	struct sl_gateway_if *gi = gw->ifs[b->l3_if];

	return gi && gi->kind == SL_IF_WIREGUARD ? gi : NULL;
}

/* Our address in the interface's subnet of a family; false: it has none. */
static bool
our_address(struct sl_gateway *gw, const struct sl_bench_api *b, uint8_t family, struct sl_ip *out)
{
	const struct sl_gateway_if *gi = interface_of(gw, b);

	for (unsigned i = 0; gi && i < gi->n_addresses; i++) {
		if (gi->addresses[i].addr.family != family)
			continue;
		*out = gi->addresses[i].addr;
		return true;
	}
	return false;
}

static uint16_t
free_port(struct sl_gateway *gw)
{
	for (uint32_t port = PORT_FIRST; port <= UINT16_MAX; port++) {
		if (atomic_load(&gw->dp->listen[port]) == 0)
			return (uint16_t)port;
	}
	return 0;
}

static json_t *
addresses_of(const struct sl_gateway_if *gi)
{
	json_t *list = json_array();
	char text[SL_IP_STRLEN];

	for (unsigned i = 0; i < gi->n_addresses; i++)
		json_array_append_new(list, json_string(sl_ip_format(&gi->addresses[i].addr, text)));
	return list;
}

static void
on_open(struct sl_api_conn *c, char **words)
{
	struct sl_gateway *gw = c->gateway;
	struct sl_gateway_if *gi = sl_gateway_if_find(gw, words[0]);
	struct sl_bench_api *b;
	uint64_t port;

	if (gw->bench) {
		refuse(c, "a bench runs at this gateway already; wait for its end");
		return;
	}
	if (gi == NULL || gi->kind != SL_IF_WIREGUARD || gi->n_addresses == 0) {
		refuse(c, gi == NULL || gi->kind != SL_IF_WIREGUARD ? "the gateway has no WireGuard interface of that name" :
								      "the interface has no address that packets could come from");
		return;
	}
	if (!number(words[1], UINT16_MAX, &port) || (port != 0 && atomic_load(&gw->dp->listen[port]) != 0)) {
		refuse(c, "the UDP port is taken by a WireGuard interface; choose another");
		return;
	}
	port = port ? port : free_port(gw);
	b = calloc(1, sizeof(*b));
	if (b)
		b->traffic = sl_traffic_create(gi->id, (uint16_t)port, (uint16_t)gw->cores.n_workers, &gw->clock);
	if (b == NULL || b->traffic == NULL) {
		free(b);
		refuse(c, "out of memory");
		return;
	}
	b->owner = c;
	b->l3_if = gi->id;
	gw->bench = b;
	sl_traffic_publish(gw->dp, b->traffic);
	answer(c, json_pack("{s:i, s:i, s:o}", "port", (int)port, "mtu", (int)gi->mtu, "addresses", addresses_of(gi)));
}

static void
end_session(struct sl_gateway *gw, struct session *s)
{
	struct sl_traffic *t = gw->bench->traffic;

	sl_traffic_sink_close(&t->sink, s->id);
	sl_traffic_set_job(gw->dp, t, sl_traffic_slot(s->id), NULL);
	sl_wipe(s, sizeof(*s));
}

void
sl_bench_api_close(struct sl_api_conn *c)
{
	struct sl_gateway *gw = c->gateway;
	struct sl_bench_api *b = gw->bench;

	if (b == NULL || b->owner != c)
		return;
	sl_traffic_withdraw(gw->dp, b->traffic);
	gw->bench = NULL;
	sl_wipe(b, sizeof(*b));
	free(b);
}

/* --- what a command asks --- */

static void
on_peer(struct sl_api_conn *c, char **words)
{
	struct sl_gateway *gw = c->gateway;
	struct sl_gateway_if *gi = interface_of(gw, gw->bench);
	struct sl_proto_cursor cursor;
	struct sl_proto_peer *peer;
	json_t *list;
	struct sl_prefix p;
	uint32_t at = 0;
	char text[SL_IP_STRLEN];

	if (gi == NULL) {
		refuse(c, "the interface has gone");
		return;
	}
	sl_proto_cursor_open(&cursor, gi->proto);
	while ((peer = sl_proto_cursor_next(&cursor)) != NULL && !(peer->name && strcmp(peer->name, words[0]) == 0))
		;
	sl_proto_cursor_close(&cursor);
	if (peer == NULL) {
		refuse(c, "the interface has no peer of that name");
		return;
	}
	list = json_array();
	while (sl_allowed_ips_next(gw->allowed, peer->slot, &at, &p)) {
		if (p.len == sl_family_bits(p.addr.family))
			json_array_append_new(list, json_string(sl_ip_format(&p.addr, text)));
	}
	answer(c, json_pack("{s:o}", "addresses", list));
}

static void
on_session(struct sl_api_conn *c, char **words)
{
	struct sl_bench_api *b = c->gateway->bench;
	uint8_t key[SL_TRAFFIC_KEY_LEN];
	struct session *s;
	struct sl_ip peer;
	uint64_t id;

	if (!number(words[0], UINT32_MAX, &id) || id == 0 || !from_hex(words[1], key, sizeof(key)) ||
		!sl_ip_parse(words[2], &peer)) {
		refuse(c, "no session can be made of this");
		return;
	}
	s = &b->sessions[sl_traffic_slot((uint32_t)id)];
	if (s->id)
		end_session(c->gateway, s);
	s->id = (uint32_t)id;
	s->peer = peer;
	memcpy(s->key, key, sizeof(key));
	sl_wipe(key, sizeof(key));
	sl_traffic_sink_open(&b->traffic->sink, s->id, s->key, &peer);
	done(c);
}

static void
on_attach(struct sl_api_conn *c, char **words)
{
	struct session *s = session(c->gateway->bench, words[0]);
	struct sl_endpoint to;
	uint64_t flow;

	/* data goes to the session's own address alone */
	if (s == NULL || !number(words[1], SL_TRAFFIC_FLOWS_MAX - 1, &flow) || !endpoint(words + 2, &to) ||
		!sl_ip_equal(&to.ip, &s->peer)) {
		refuse(c, "no such session, or no such flow of it");
		return;
	}
	s->to[flow] = to;
	done(c);
}

static void
on_expect(struct sl_api_conn *c, char **words, unsigned n)
{
	struct sl_gateway *gw = c->gateway;
	struct session *s = session(gw->bench, words[0]);
	struct sl_traffic_plan plan = {.n_sizes = (n - 6) / 2};
	uint64_t trial, directions, flows, size, weight;
	bool right = s && n % 2 == 0 && plan.n_sizes <= SL_TRAFFIC_SIZES_MAX && number(words[1], UINT16_MAX, &trial) &&
		number(words[2], UINT8_MAX, &directions) && number(words[3], UINT16_MAX, &flows) &&
		number(words[4], UINT64_MAX, &plan.rate) && number(words[5], UINT64_MAX, &plan.duration);

	for (unsigned i = 0; right && i < plan.n_sizes; i++) {
		right = number(words[6 + 2 * i], UINT16_MAX, &size) && number(words[7 + 2 * i], UINT16_MAX, &weight);
		if (right)
			plan.sizes[i] = (struct sl_traffic_size){(uint16_t)size, (uint16_t)weight};
	}
	if (right) {
		plan.directions = (uint8_t)directions;
		plan.flows = (uint16_t)flows;
		right = directions <= SL_TRAFFIC_BOTH && sl_traffic_plan_valid(&plan);
	}
	if (!right) {
		refuse(c, "no such session, or no valid plan");
		return;
	}
	sl_traffic_set_job(gw->dp, gw->bench->traffic, sl_traffic_slot(s->id), NULL);
	s->job = NULL;
	s->trial = (uint16_t)trial;
	s->plan = plan;
	s->began = gw->now;
	sl_traffic_sink_trial(&gw->bench->traffic->sink, s->id, s->trial);
	done(c);
}

/* Whether packets for an address leave through the interface of the bench. */
static bool
leads_into(struct sl_gateway *gw, const struct sl_gateway_if *gi, const struct sl_ip *to)
{
	uint32_t route = sl_route_lookup(&gw->dp->routes, to);

	switch (SL_ROUTE_KIND(route)) {
	case SL_ROUTE_PEER:
		return gw->dp->peers.slots[SL_ROUTE_ID(route)].wg_if == gi->id;
	case SL_ROUTE_IF:
		return SL_ROUTE_ID(route) == gi->id;
	case SL_ROUTE_VIA:
		return gw->dp->routes.next_hops[SL_ROUTE_ID(route)].out_if == gi->id;
	case SL_ROUTE_NONE:
		break;
	}
	return false;
}

/* NULL, or what keeps a session's plan from being sent. *from gets our address. */
static const char *
cannot_send(struct sl_gateway *gw, const struct session *s, bool data, struct sl_ip *from)
{
	const struct sl_gateway_if *gi = interface_of(gw, gw->bench);
	unsigned overhead = (s->peer.family == SL_AF_INET ? SL_IP4_HDR_MIN : SL_IP6_HDR_LEN) + SL_UDP_HDR_LEN;

	if (gi == NULL)
		return "the interface has gone";
	if (!our_address(gw, gw->bench, s->peer.family, from))
		return "the interface has no address of this family";
	if (!leads_into(gw, gi, &s->peer))
		return "packets for that address do not leave through the interface: no peer's allowed IPs have it";
	for (unsigned i = 0; data && i < s->plan.n_sizes; i++) {
		if (overhead + s->plan.sizes[i].payload > gi->mtu)
			return "packets of this size do not fit the interface's MTU; choose a smaller --size";
	}
	for (unsigned f = 0; f < s->plan.flows; f++) {
		if (s->to[f].port == 0)
			return "not every flow is attached";
	}
	return NULL;
}

static void
on_generate(struct sl_api_conn *c, char **words)
{
	struct sl_gateway *gw = c->gateway;
	struct sl_bench_api *b = gw->bench;
	struct session *s = session(b, words[0]);
	uint64_t data, probes;
	struct sl_ip from;
	const char *why = "no such session, or nothing is planned for it";

	if (s && s->trial && number(words[1], 1, &data) && number(words[2], SL_TRAFFIC_RATE_MAX, &probes))
		why = cannot_send(gw, s, data != 0, &from);
	if (why == NULL) {
		const struct sl_traffic_gen_config cfg = {
			.session = s->id, .trial = s->trial, .data = data != 0, .probes = probes};

		s->job = sl_traffic_job_create(b->traffic, &cfg, &s->plan, s->key, &from, s->to, gw->now);
		why = s->job ? NULL : "out of memory";
	}
	if (why) {
		refuse(c, why);
		return;
	}
	sl_traffic_set_job(gw->dp, b->traffic, sl_traffic_slot(s->id), s->job);
	sl_command_queue_put_all(gw->commands, SL_CMD_NUDGE, SL_PEER_NONE);
	done(c);
}

static void
on_stats(struct sl_api_conn *c, char **words)
{
	struct sl_gateway *gw = c->gateway;
	struct sl_bench_api *b = gw->bench;
	const struct session *s = session(b, words[0]);
	struct sl_traffic_stats st = {0};
	uint64_t flow;

	if (s == NULL || !number(words[1], UINT16_MAX, &flow) || (flow >= SL_TRAFFIC_FLOWS_MAX && flow != SL_TRAFFIC_FLOW_ALL)) {
		refuse(c, "no such session, or no such flow of it");
		return;
	}
	st.elapsed = gw->now - s->began;
	if (s->job)
		sl_traffic_job_stats(s->job, (uint16_t)flow, &st);
	sl_traffic_sink_stats(
		b->traffic->lines, b->traffic->n_workers, s->id, s->trial, (uint16_t)flow, s->plan.flows, &st);
	answer(c,
		json_pack("[I,i,I,I,I,I,I,I,I,I,I,I]", (json_int_t)st.elapsed, (int)st.sending, (json_int_t)st.sent,
			(json_int_t)st.sent_bytes, (json_int_t)st.received, (json_int_t)st.received_bytes, (json_int_t)st.lost,
			(json_int_t)st.duplicates, (json_int_t)st.reordered, (json_int_t)st.late, (json_int_t)st.extent,
			(json_int_t)st.jitter));
}

static void
on_round_trip(struct sl_api_conn *c, char **words)
{
	struct sl_bench_api *b = c->gateway->bench;
	const struct session *s = session(b, words[0]);
	struct sl_histogram_copy *copy = s ? calloc(1, sizeof(*copy)) : NULL;
	json_t *counts;
	uint64_t sent = 0;

	if (copy == NULL) {
		refuse(c, s ? "out of memory" : "no such session");
		return;
	}
	for (unsigned w = 0; w < b->traffic->n_workers; w++) {
		sl_histogram_gather(copy, &b->traffic->lines[w]->round_trip);
		if (s->job)
			sent += atomic_load_explicit(&s->job->workers[w].gen.probes_sent, memory_order_relaxed);
	}
	counts = json_array();
	for (unsigned i = 0; i < SL_HISTOGRAM_BUCKETS; i++) {
		if (copy->counts[i])
			json_array_append_new(counts, json_pack("[i,I]", (int)i, (json_int_t)copy->counts[i]));
	}
	answer(c, json_pack("{s:I, s:I, s:o}", "sent", (json_int_t)sent, "sum", (json_int_t)copy->sum, "counts", counts));
	free(copy);
}

static void
on_close(struct sl_api_conn *c, char **words)
{
	struct session *s = session(c->gateway->bench, words[0]);

	if (s)
		end_session(c->gateway, s);
	done(c);
}

/* --- control messages --- */

static void
on_send(struct sl_api_conn *c, char **words)
{
	struct sl_gateway *gw = c->gateway;
	struct sl_bench_api *b = gw->bench;
	const struct sl_gateway_if *gi = interface_of(gw, b);
	uint8_t bytes[SL_TRAFFIC_CONTROL_LEN];
	struct sl_endpoint to;
	struct sl_ip from;
	struct rte_mbuf *m;

	if (!endpoint(words, &to) || !from_hex(words[2], bytes, sizeof(bytes))) {
		refuse(c, "no message can be made of this");
		return;
	}
	if (gi == NULL || !our_address(gw, b, to.ip.family, &from) || !leads_into(gw, gi, &to.ip)) {
		refuse(c, "packets for that address do not leave through the interface: no peer's allowed IPs have it");
		return;
	}
	m = sl_traffic_packet(gw->dp->pool, &from, b->traffic->port, &to, bytes, sizeof(bytes));
	sl_wipe(bytes, sizeof(bytes)); /* a session's key stands in one of them */
	/* a message that does not leave is asked for again */
	if (m)
		sl_control_send(&gw->out, SL_CMD_OUTPUT, m);
	done(c);
}

void
sl_bench_api_packet(struct sl_gateway *gw, struct rte_mbuf *m)
{
	struct sl_bench_api *b = gw->bench;
	struct sl_ip_info info;
	struct sl_ip_upper upper;

	/* the worker that marked it has parsed all this */
	if (b && b->n < MAILS && sl_ip_hdr_parse_mbuf(m, &info) == SL_IP_OK && sl_ip_upper(m, &info, &upper) &&
		upper.off + SL_UDP_HDR_LEN + SL_TRAFFIC_CONTROL_LEN <= m->data_len) {
		const struct rte_udp_hdr *udp = rte_pktmbuf_mtod_offset(m, const struct rte_udp_hdr *, upper.off);
		struct mail *mail = &b->mails[(b->first + b->n++) % MAILS];

		mail->from = (struct sl_endpoint){.ip = sl_ip_of(info.family, info.src), .port = rte_be_to_cpu_16(udp->src_port)};
		memcpy(mail->bytes, udp + 1, sizeof(mail->bytes));
	}
	rte_pktmbuf_free(m);
}

static void
on_receive(struct sl_api_conn *c, char **words)
{
	struct sl_bench_api *b = c->gateway->bench;
	char hex[2 * SL_TRAFFIC_CONTROL_LEN + 1], address[SL_IP_STRLEN];
	json_t *mails = json_array();

	for (; b->n > 0; b->n--) {
		struct mail *mail = &b->mails[b->first];

		to_hex(mail->bytes, sizeof(mail->bytes), hex);
		json_array_append_new(mails,
			json_pack("[s,i,s]", sl_ip_format(&mail->from.ip, address), (int)mail->from.port, hex));
		b->first = (b->first + 1) % MAILS;
	}
	answer(c, json_pack("{s:o}", "mails", mails));
}

/* --- requests --- */

static const struct {
	const char *word;
	unsigned words; /* that follow */
	void (*run)(struct sl_api_conn *c, char **words);
} requests[] = {
	{"peer", 1, on_peer},
	{"session", 3, on_session},
	{"attach", 4, on_attach},
	{"generate", 3, on_generate},
	{"stats", 2, on_stats},
	{"round-trip", 1, on_round_trip},
	{"close", 1, on_close},
	{"send", 3, on_send},
	{"receive", 0, on_receive},
};

void
sl_bench_api_line(struct sl_api_conn *c, char *line)
{
	struct sl_bench_api *b = c->gateway->bench;
	char *words[WORDS_MAX + 1], *save = NULL;
	unsigned n = 0;

	for (char *word = strtok_r(line, " ", &save); word && n <= WORDS_MAX; word = strtok_r(NULL, " ", &save))
		words[n++] = word;
	if (n == 3 && strcmp(words[0], "open") == 0) {
		on_open(c, words + 1);
		return;
	}
	if (n > 0 && n <= WORDS_MAX && b && b->owner == c) {
		if (strcmp(words[0], "expect") == 0 && n >= 9) {
			on_expect(c, words + 1, n - 1);
			return;
		}
		for (unsigned i = 0; i < RTE_DIM(requests); i++) {
			if (strcmp(words[0], requests[i].word) != 0 || n - 1 != requests[i].words)
				continue;
			requests[i].run(c, words + 1);
			return;
		}
	}
	refuse(c, "this gateway (version " SL_VERSION ") does not know the request");
}
