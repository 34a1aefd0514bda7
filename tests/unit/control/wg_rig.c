#include "wg_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/log.h"
#include "crypto/init.h"
#include "tests/unit/control/private_run.h"
#include "tests/unit/eal.h"

#define PEERS    512
#define EVENTS   16
#define REPLY    (1 << 20)
#define TURNS    100000
#define START_NS (1000 * SL_NSEC_PER_SEC)

static void op_send(
        void *ctx, struct sl_proto_if *ifp, const struct sl_outer *to, const void *msg, size_t len, uint8_t tos)
{
	struct wg_rig *r = ctx;

	cr_assert_leq(len, sizeof(r->last));
	memcpy(r->last, msg, len);
	r->last_len = len;
	r->sent++;
}

static void op_slot(void *ctx, uint32_t slot)
{
}

static void op_wall(void *ctx, struct timespec *now)
{
	*now = (struct timespec){.tv_sec = 1700000000};
}

static void op_own_key(void *ctx, struct sl_proto_peer *peer)
{
	sl_gateway_peer_remove(peer);
}

static void op_unanswered(void *ctx, struct sl_proto_peer *peer)
{
	sl_gateway_peer_unanswered(peer);
}

static const struct sl_proto_ops ops = {
        .send = op_send,
        .keepalive = op_slot,
        .drain = op_slot,
        .purge = op_slot,
        .wall = op_wall,
        .unanswered = op_unanswered,
        .own_key = op_own_key,
};

static struct sl_gateway_if *interface(struct wg_rig *r, const char *name)
{
	struct sl_gateway_if *gi = sl_gateway_if_add(&r->gw, name, SL_IF_WIREGUARD);

	cr_assert_not_null(gi);
	cr_assert_eq(sl_gateway_if_make_wireguard(gi, SL_DEFAULT_MTU, true), 0);
	cr_assert_eq(sl_gateway_if_publish(gi), 0);
	cr_assert_eq(sl_api_add_interface(r->gw.api, gi), 0);
	return gi;
}

struct wg_rig *wg_rig_create(void)
{
	struct sl_dataplane_config dp = {.name = "sl",
	        .pool_size = 1023,
	        .frame_len = 1514,
	        .jumbo_size = 7,
	        .peers = PEERS,
	        .sessions = 4 * PEERS,
	        .neighbours = 64,
	        .workers = 1,
	        .socket = SOCKET_ID_ANY};
	struct wg_rig *r = calloc(1, sizeof(*r));
	struct sl_proto_config proto = {.line = 1, .rng = sl_rng_kernel, .ops = &ops, .ctx = r, .now = START_NS};

	private_run();
	test_eal_init();
	cr_assert_eq(sl_crypto_init(), 0);
	r->config.name = (char *)"unit";
	r->gw.config = &r->config;
	r->gw.now = START_NS;
	sl_log_set_level(SL_LOG_WARNING); /* the audit trail has tests of its own */
	r->gw.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r->gw.runtime = sl_runtime_create();
	cr_assert_not_null(r->gw.runtime);
	cr_assert_eq(sl_dataplane_create(&r->gw.dp, &dp), 0);
	proto.peers = &r->gw.dp->peers;
	proto.sessions = &r->gw.dp->sessions;
	proto.reclaim = r->gw.dp->reclaim;
	cr_assert_eq(sl_rib_create(&r->gw.rib, r->gw.dp), 0);
	cr_assert_eq(sl_allowed_ips_create(&r->gw.allowed, r->gw.dp->peers.capacity, r->gw.rib), 0);
	cr_assert_eq(sl_proto_create(&r->gw.proto, &proto), 0);
	cr_assert_eq(sl_api_create(&r->gw.api, &r->gw), 0);
	r->wg0 = interface(r, "wg0");
	r->wg1 = interface(r, "wg1");
	return r;
}

static void remove_interface(struct wg_rig *r, struct sl_gateway_if *gi)
{
	sl_api_remove_interface(r->gw.api, gi);
	sl_gateway_if_remove(gi);
}

void wg_rig_destroy(struct wg_rig *r)
{
	remove_interface(r, r->wg0);
	remove_interface(r, r->wg1);
	sl_api_destroy(r->gw.api);
	sl_reclaim_drain(r->gw.dp->reclaim);
	sl_proto_destroy(r->gw.proto);
	sl_allowed_ips_destroy(r->gw.allowed);
	sl_reclaim_drain(r->gw.dp->reclaim);
	sl_rib_destroy(r->gw.rib);
	sl_dataplane_destroy(r->gw.dp);
	sl_runtime_destroy(r->gw.runtime);
	close(r->gw.epoll_fd);
	free(r);
}

int wg_rig_connect(const char *name)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* where the backlog is full this fails instead of waiting for us to serve */
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/var/run/wireguard/%s.sock", name);
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0) {
		fcntl(fd, F_SETFL, 0);
		return fd;
	}
	close(fd);
	return -1;
}

void wg_rig_serve(struct wg_rig *r)
{
	struct epoll_event events[EVENTS];
	uint32_t before, after;
	bool more;
	int n;

	/* The loop of the gateway: it comes to rest only if no descriptor goes on being ready for nothing. */
	for (unsigned turns = 0;; turns++) {
		cr_assert_lt(turns, TURNS, "the sockets do not come to rest");
		n = epoll_wait(r->gw.epoll_fd, events, EVENTS, 0);
		for (int i = 0; i < n; i++)
			sl_api_event(r->gw.api, events[i].data.fd, events[i].events);
		before = sl_allowed_ips_total(r->gw.allowed);
		more = sl_api_advance(r->gw.api);
		after = sl_allowed_ips_total(r->gw.allowed);
		if (after < before && before - after > r->most_taken)
			r->most_taken = before - after;
		if (n <= 0 && !more)
			break;
	}
	sl_reclaim_poll(r->gw.dp->reclaim);
}

const char *wg_rig_say(struct wg_rig *r, int fd, const char *text)
{
	static char reply[REPLY];
	size_t len = 0;

	cr_assert_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	for (;;) {
		ssize_t n;

		wg_rig_serve(r);
		n = recv(fd, reply + len, sizeof(reply) - 1 - len, MSG_DONTWAIT);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	reply[len] = '\0';
	return reply;
}

const char *wg_rig_ask(struct wg_rig *r, const char *name, const char *text)
{
	int fd = wg_rig_connect(name);
	const char *reply;

	cr_assert_geq(fd, 0, "%s", name);
	reply = wg_rig_say(r, fd, text);
	close(fd);
	wg_rig_serve(r);
	return reply;
}
