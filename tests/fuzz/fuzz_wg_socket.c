/*
 * The `wg` tool's text, as lines of two connections at one WireGuard interface of
 * a gateway that has tables, a protocol core and a worker, but no ports. A line
 * `@` goes over to the other connection, so that one is in the middle of a get
 * or a removal while the other changes what it stands at.
 *
 * Afterwards what `get` says, given to `set`, must come to the same `get`; and with all peers removed every slot, session,
 * prefix and buffer is back.
 */
#include <sched.h>

#include "control/api_conn.h"
#include "control/command_queue.h"
#include "control/gateway_out.h"
#include "control/log.h"
#include "control/wg_socket.h"
#include "crypto/init.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/leaks.h"
#include "tests/unit/dataplane/support.h"

#define TEXT_MAX   16384
#define PEERS      4096
#define SESSIONS   16384
#define POOL       1023
#define JUMBO      7
#define STEP_NS    SL_NSEC_PER_SEC
#define SLICES_MAX 100000 /* more than any request of TEXT_MAX bytes makes */
#define TIMERS     256
#define TURNS      600    /* until what is removed must be gone */

static struct sl_gateway *gw;
static struct sl_gateway_if *gi;

static uint16_t
swallow(void *ctx, uint16_t port, struct rte_mbuf **pkts, uint16_t n)
{
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

static void
create_tables(void)
{
	struct sl_dataplane_config cfg = {.name = "sl",
		.pool_size = POOL,
		.frame_len = RTE_ETHER_MAX_LEN,
		.jumbo_size = JUMBO,
		.peers = PEERS,
		.sessions = SESSIONS,
		.neighbours = 64,
		.workers = 1,
		.socket = SOCKET_ID_ANY};
	struct sl_worker_config worker = {.tx = swallow, .socket = SOCKET_ID_ANY};

	FUZZ_CHECK(sl_dataplane_create(&gw->dp, &cfg) == 0);
	FUZZ_CHECK(sl_worker_create(gw->dp, 0, &worker) == 0);
}

static void
create_control(void)
{
	struct sl_proto_config proto = {.peers = &gw->dp->peers,
		.sessions = &gw->dp->sessions,
		.reclaim = gw->dp->reclaim,
		.line = 1,
		.rng = sl_rng_kernel,
		.ops = &sl_gateway_proto_ops,
		.ctx = gw,
		.now = gw->now};

	FUZZ_CHECK(sl_command_queue_create(&gw->commands, gw->dp) == 0);
	gw->out = sl_gateway_control_out(gw);
	FUZZ_CHECK(sl_rib_create(&gw->rib, gw->dp) == 0);
	FUZZ_CHECK(sl_allowed_ips_create(&gw->allowed, PEERS, gw->rib) == 0);
	FUZZ_CHECK(sl_proto_create(&gw->proto, &proto) == 0);
	gi = sl_gateway_if_add(gw, "wg0", SL_IF_WIREGUARD);
	FUZZ_CHECK(gi && sl_gateway_if_make_wireguard(gi, SL_DEFAULT_MTU, true) == 0);
	FUZZ_CHECK(sl_gateway_if_publish(gi) == 0);
}

static void
create(void)
{
	cpu_set_t cpus;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	rig_eal();
	sched_setaffinity(0, sizeof(cpus), &cpus);
	sl_log_set_level(SL_LOG_ERROR);
	gw = calloc(1, sizeof(*gw));
	gw->runtime = sl_runtime_create();
	FUZZ_CHECK(gw);
	gw->now = RIG_START_NS;
	gw->cores.n_workers = 1;
	create_tables();
	create_control();
}

/* --- connections --- */

static void
conn_open(struct sl_api_conn *c)
{
	*c = (struct sl_api_conn){.gateway = gw, .gi = gi, .protocol = &sl_wg_protocol, .fd = -1};
	c->state = calloc(1, sl_wg_protocol.state_size);
	FUZZ_CHECK(c->state);
}

static void
conn_close(struct sl_api_conn *c)
{
	c->protocol->close(c);
	free(c->out);
	free(c->state);
}

static void
conn_advance(struct sl_api_conn *c, unsigned slices)
{
	for (unsigned i = 0; i < slices && c->protocol->busy(c); i++)
		c->protocol->advance(c);
}

/* One line, exactly as long as it is; what is under way for this connection ends first. */
static void
conn_line(struct sl_api_conn *c, const char *text, size_t len)
{
	char *line = malloc(len + 1);

	FUZZ_CHECK(line);
	memcpy(line, text, len);
	line[len] = '\0';
	conn_advance(c, SLICES_MAX);
	FUZZ_CHECK(!c->protocol->busy(c));
	if (!c->closing && !c->dead)
		c->closing = !c->protocol->line(c, line);
	free(line);
}

static void
conn_text(struct sl_api_conn *c, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		conn_line(c, text, len);
		text += len + (text[len] == '\n');
	}
	conn_advance(c, SLICES_MAX);
}

static void
fuzzed_lines(struct sl_api_conn *conns, const char *text, size_t size)
{
	unsigned at = 0;

	while (size > 0) {
		const char *end = memchr(text, '\n', size);
		size_t len = end ? (size_t)(end - text) : size;

		if (len == 1 && *text == '@')
			at = 1 - at;
		else if (len < SL_API_LINE_MAX && end)
			conn_line(&conns[at], text, len);
		conn_advance(&conns[1 - at], 1);
		text += len + (end != NULL);
		size -= len + (end != NULL);
	}
}

/* --- what must hold afterwards --- */

/* What a get says, without what moves by itself. For free. */
static char *
state_text(void)
{
	static const char *const moving[] = {"last_handshake_time", "tx_bytes", "rx_bytes", "errno", "protocol_version"};
	struct sl_api_conn c;
	char *text, *to;

	conn_open(&c);
	conn_text(&c, "get=1\n\n");
	FUZZ_CHECK(c.out_len > 0);
	text = to = calloc(1, c.out_len + 1);
	FUZZ_CHECK(text);
	for (const char *p = c.out, *end = c.out + c.out_len; p < end;) {
		const char *next = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1;
		bool moves = next - p == 1;

		for (size_t i = 0; i < RTE_DIM(moving); i++)
			moves |= strncmp(p, moving[i], strlen(moving[i])) == 0;
		if (!moves)
			to = mempcpy(to, p, (size_t)(next - p));
		p = next;
	}
	conn_close(&c);
	return text;
}

static void
set(const char *first, const char *rest)
{
	struct sl_api_conn c;

	conn_open(&c);
	conn_text(&c, first);
	conn_text(&c, rest);
	conn_line(&c, "", 0);
	conn_advance(&c, SLICES_MAX);
	FUZZ_CHECK(c.out_len == strlen("errno=0\n\n") && memcmp(c.out, "errno=0\n\n", c.out_len) == 0);
	conn_close(&c);
}

static void
check_round_trip(void)
{
	char *before = state_text(), *after;

	set("set=1\nreplace_peers=true\n", before);
	after = state_text();
	if (strcmp(before, after) != 0) {
		fprintf(stderr, "get said:\n%s\nand after a set of that:\n%s\n", before, after);
		abort();
	}
	free(before);
	free(after);
}

static void
turn(void)
{
	gw->now += STEP_NS;
	sl_command_queue_flush(gw->commands);
	sl_worker_run(gw->dp->workers[0], gw->now);
	while (sl_proto_advance(gw->proto, gw->now, TIMERS)) {
	}
	sl_reclaim_poll(gw->dp->reclaim);
}

/* No peers, no key; all that they took is free again. */
static void
check_nothing_left(void)
{
	set("set=1\nprivate_key=0000000000000000000000000000000000000000000000000000000000000000\nfwmark=0\n",
		"replace_peers=true\n");
	FUZZ_CHECK(sl_proto_if_n_peers(gi->proto) == 0);
	FUZZ_CHECK(sl_allowed_ips_total(gw->allowed) == 0);
	for (unsigned i = 0; i < TURNS; i++) {
		turn();
		if (gw->dp->reclaim->pending == 0 && rte_mempool_in_use_count(gw->dp->pool) == 0)
			break;
	}
	FUZZ_CHECK(gw->dp->sessions.reserved == 0);
	FUZZ_CHECK(rte_mempool_in_use_count(gw->dp->pool) == 0);
	sl_gateway_if_close_port(gi);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_api_conn conns[2];

	if (size > TEXT_MAX)
		return 0;
	if (gw == NULL) {
		fuzz_leak_checks(false);
		create();
		fuzz_leak_checks(true);
	}
	conn_open(&conns[0]);
	conn_open(&conns[1]);
	fuzzed_lines(conns, (const char *)data, size);
	turn();
	conn_advance(&conns[0], SLICES_MAX);
	conn_advance(&conns[1], SLICES_MAX);
	conn_close(&conns[0]);
	conn_close(&conns[1]);
	check_round_trip();
	check_nothing_left();
	return 0;
}
