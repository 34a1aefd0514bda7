#include "reload_hub.h"

#include <criterion/criterion.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/api.h"
#include "control/apply.h"
#include "control/command_queue.h"
#include "control/gateway_out.h"
#include "control/log.h"
#include "control/reload.h"
#include "control/show.h"
#include "crypto/base64.h"
#include "crypto/init.h"
#include "tests/unit/control/private_run.h"
#include "tests/unit/eal.h"

#define PEERS     512
#define EVENTS    16
#define TURN_NS   SL_NSEC_PER_MSEC

const struct rte_ether_addr hub_outside_mac = {{2, 0, 0, 0, 1, 1}}, hub_lan_mac = {{2, 0, 0, 0, 2, 2}};

void
rig_begin(void)
{
	private_run();
	test_eal_init();
	cr_assert_eq(sl_crypto_init(), 0);
}

/* --- the hub --- */

static uint16_t
catch(void *ctx, uint16_t port, struct rte_mbuf **pkts, uint16_t n)
{
	struct hub *h = ctx;

	cr_assert_leq(h->n_sent + n, HUB_SENT);
	for (uint16_t i = 0; i < n; i++)
		h->sent[h->n_sent++] = (struct hub_sent){.port = port, .m = pkts[i]};
	return n;
}

static void
create_tables(struct hub *h, const char *name)
{
	struct sl_gateway *gw = &h->gw;
	struct sl_dataplane_config dp = {.name = name, .pool_size = 2047, .frame_len = 1514, .jumbo_size = 7, .peers = PEERS,
		.sessions = 4 * PEERS, .neighbours = 64, .workers = 1, .socket = SOCKET_ID_ANY};
	struct sl_proto_config proto = {
		.line = 1, .rng = sl_rng_kernel, .ops = &sl_gateway_proto_ops, .ctx = gw, .now = gw->now};
	struct sl_neighbour_protocol_config neighbours = {.max_entries = dp.neighbours};

	cr_assert_eq(sl_dataplane_create(&gw->dp, &dp), 0);
	cr_assert_eq(sl_command_queue_create(&gw->commands, gw->dp), 0);
	gw->out = sl_gateway_control_out(gw);
	neighbours.dp = gw->dp;
	neighbours.out = gw->out;
	sl_icmp_echo_init(&gw->echo, gw->dp, &gw->out);
	proto.peers = &gw->dp->peers;
	proto.sessions = &gw->dp->sessions;
	proto.reclaim = gw->dp->reclaim;
	cr_assert_eq(sl_rib_create(&gw->rib, gw->dp), 0);
	cr_assert_eq(sl_allowed_ips_create(&gw->allowed, gw->dp->peers.capacity, gw->rib), 0);
	cr_assert_eq(sl_proto_create(&gw->proto, &proto), 0);
	cr_assert_eq(sl_neighbour_protocol_create(&gw->neighbours, &neighbours), 0);
	gw->runtime = sl_runtime_create();
	cr_assert_not_null(gw->runtime);
}

/* Every step of the difference to nothing, as at a start. */
static void
apply_all(struct sl_gateway *gw)
{
	struct sl_steps *steps = sl_config_diff(NULL, gw->config);
	char error[SL_GATEWAY_ERROR_LEN] = "";

	sl_allowed_ips_batch_begin(gw->allowed);
	for (uint32_t i = 0; i < steps->n_steps; i++) {
		uint32_t progress = 0;
		int rc;

		do
			rc = sl_gateway_apply(gw, steps, i, &progress, error);
		while (rc == SL_APPLY_MORE);
		cr_assert_eq(rc, 0, "%s", error);
	}
	sl_allowed_ips_batch_commit(gw->allowed);
	sl_steps_free(steps);
}

static void
know(struct hub *h, const char *name, const char *ip, const struct rte_ether_addr *mac)
{
	struct sl_ip addr;

	cr_assert(sl_ip_parse(ip, &addr));
	cr_assert_eq(
		sl_neighbour_set(h->gw.dp->neighbours, hub_if(h, name)->id, &addr, mac, SL_NEIGHBOUR_PERMANENT), 0);
}

struct hub *
hub_create(const char *path, const char *name, uint16_t first_if, uint64_t now)
{
	struct hub *h = calloc(1, sizeof(*h));
	struct sl_worker_config worker = {.tx = catch, .tx_ctx = h, .socket = SOCKET_ID_ANY};
	struct sl_gateway *gw = &h->gw;
	struct sl_config_errors errors;

	sl_config_errors_init(&errors);
	gw->config = sl_config_load(path, &errors);
	cr_assert_not_null(gw->config, "%s", errors.n_messages ? errors.messages[0].text : path);
	sl_config_errors_free(&errors);
	gw->config_path = strdup(path);
	gw->cores.n_workers = 1;
	gw->now = gw->started = now;
	gw->calibrate_at = UINT64_MAX;
	gw->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (uint16_t i = 0; i < first_if; i++)
		gw->ifs[i] = calloc(1, sizeof(*gw->ifs[i])); /* taken, by nobody */
	create_tables(h, name);
	cr_assert_eq(sl_api_create(&gw->api, gw), 0);
	cr_assert_eq(sl_reload_create(&gw->reload, gw), 0);
	cr_assert_eq(sl_worker_create(gw->dp, 0, &worker), 0);
	h->w = gw->dp->workers[0];
	apply_all(gw);
	know(h, "wan0", "192.0.2.254", &hub_outside_mac);
	know(h, "lan0", LAN_HOST4, &hub_lan_mac);
	know(h, "lan0", LAN_HOST6, &hub_lan_mac);
	hub_settle(h);
	return h;
}

void
hub_destroy(struct hub *h)
{
	struct sl_gateway *gw = &h->gw;

	for (unsigned i = 0; i < h->n_sent; i++)
		rte_pktmbuf_free(h->sent[i].m);
	rte_rcu_qsbr_thread_offline(gw->dp->rcu, 0);
	for (unsigned i = 0; i < SL_IF_MAX; i++) {
		struct sl_gateway_if *gi = gw->ifs[i];

		if (gi && gi->name[0] == '\0') {
			free(gi);
			gw->ifs[i] = NULL;
		} else if (gi) {
			if (gi->kind == SL_IF_WIREGUARD)
				sl_api_remove_interface(gw->api, gi);
			sl_gateway_if_remove(gi);
		}
	}
	sl_api_destroy(gw->api);
	sl_reload_destroy(gw->reload);
	sl_neighbour_protocol_destroy(gw->neighbours);
	sl_reclaim_drain(gw->dp->reclaim);
	sl_proto_destroy(gw->proto);
	sl_allowed_ips_destroy(gw->allowed);
	sl_reclaim_drain(gw->dp->reclaim);
	sl_command_queue_destroy(gw->commands);
	sl_rib_destroy(gw->rib);
	sl_dataplane_destroy(gw->dp);
	close(gw->epoll_fd);
	sl_runtime_destroy(gw->runtime);
	sl_due_free(&gw->expiry);
	free(gw->config_path);
	sl_config_free(gw->config);
	free(h->answer);
	free(h);
}

static bool
take_events(struct hub *h, int wait)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(h->gw.epoll_fd, events, EVENTS, wait);

	for (int i = 0; i < n; i++) {
		if (events[i].data.fd == sl_reload_fd(h->gw.reload))
			sl_reload_event(h->gw.reload);
		else
			sl_api_event(h->gw.api, events[i].data.fd, events[i].events);
	}
	return n > 0;
}

void
hub_turn(struct hub *h)
{
	h->gw.now += TURN_NS;
	take_events(h, 0);
	sl_gateway_turn(&h->gw);
}

void
hub_pass(struct hub *h)
{
	sl_worker_run(h->w, h->gw.now);
}

void
hub_settle(struct hub *h)
{
	bool busy;

	do {
		h->gw.now += TURN_NS;
		busy = take_events(h, 0);
		busy |= sl_gateway_turn(&h->gw);
		busy |= sl_worker_run(h->w, h->gw.now);
		busy |= h->gw.dp->reclaim->pending > 0;
	} while (busy);
}

void
hub_answer(void *ctx, char *text, size_t len, bool failed)
{
	struct hub *h = ctx;

	free(h->answer);
	h->answer = text ? text : strdup("");
	h->failed = failed;
}

const char *
hub_wg(struct hub *h, const char *interface, const char *text)
{
	static char reply[1 << 16];
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t len = 0;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "/var/run/wireguard/%s.sock", interface);
	cr_assert_eq(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0, "%s", interface);
	cr_assert_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	for (unsigned i = 0; i < 4 || len < 2 || memcmp(reply + len - 2, "\n\n", 2) != 0; i++) {
		ssize_t n;

		cr_assert_lt(i, 10000, "no answer");
		hub_turn(h);
		n = recv(fd, reply + len, sizeof(reply) - 1 - len, MSG_DONTWAIT);
		len += n > 0 ? (size_t)n : 0;
	}
	reply[len] = '\0';
	close(fd);
	hub_turn(h);
	return reply;
}

struct sl_gateway_if *
hub_if(struct hub *h, const char *name)
{
	return sl_gateway_if_find(&h->gw, name);
}

/* --- what it is --- */

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The same objects in an order that does not depend on that in which they came. */
static json_t *
sorted(json_t *list)
{
	size_t n = json_array_size(list);
	char **texts = calloc(n + 1, sizeof(*texts));
	json_t *out = json_array();

	for (size_t i = 0; i < n; i++)
		texts[i] = json_dumps(json_array_get(list, i), JSON_SORT_KEYS | JSON_ENCODE_ANY);
	qsort(texts, n, sizeof(*texts), by_text);
	for (size_t i = 0; i < n; i++) {
		json_array_append_new(out, json_string(texts[i]));
		free(texts[i]);
	}
	free(texts);
	json_decref(list);
	return out;
}

static json_t *
only(json_t *o, const char *const *keys)
{
	json_t *out = json_object();

	for (; *keys; keys++)
		if (json_object_get(o, *keys))
			json_object_set(out, *keys, json_object_get(o, *keys));
	json_decref(o);
	return out;
}

static json_t *
shown_peer(struct hub *h, const struct sl_proto_peer *peer)
{
	char text[SL_SHOW_PEER_MAX + 4];
	size_t len = sl_show_peer(&h->gw, peer, text);
	json_t *o;

	strcpy(text + len, "]}"); /* the list that the caller goes on with */
	o = json_loads(text, 0, NULL);
	cr_assert_not_null(o, "%s", text);
	return o;
}

static json_t *
peer_state(struct hub *h, const struct sl_proto_peer *peer)
{
	static const char *const keys[] = {"name", "interface", "public-key", "preshared-key", "persistent-keepalive", NULL};
	json_t *o = only(shown_peer(h, peer), keys), *prefixes = json_array();
	char text[SL_PREFIX_STRLEN + SL_ENDPOINT_STRLEN], hex[SL_KEY_HEX_LEN + 1];
	struct sl_prefix prefix;
	uint32_t cursor = 0;

	while (sl_allowed_ips_next(h->gw.allowed, peer->slot, &cursor, &prefix)) {
		const uint32_t owner = sl_lpm_get(sl_gateway_peer_if(peer)->cryptokey, &prefix);

		cr_expect_eq(owner, peer->slot + 1, "the table that workers read has another owner");
		json_array_append_new(prefixes, json_string(sl_prefix_format(&prefix, text)));
	}
	json_object_set_new(o, "allowed-ips", sorted(prefixes));
	if (peer->name == NULL) { /* as it is saved */
		sl_key_to_hex(hex, peer->public_key);
		snprintf(text, sizeof(text), "peer-%.16s", hex);
		json_object_set_new(o, "name", json_string(text));
	}
	json_object_set_new(o, "endpoint", json_string(sl_endpoint_format(&peer->configured_endpoint, text)));
	json_object_set_new(o, "expires", json_integer(sl_gateway_peer(peer)->expires));
	for (unsigned i = 0; i < SL_KEY_LEN; i++)
		snprintf(text + 2 * i, 3, "%02x", peer->psk[i]);
	json_object_set_new(o, "psk", json_string(text));
	return o;
}

static json_t *
interface_state(struct hub *h, struct sl_gateway_if *gi, json_t *peers)
{
	static const char *const keys[] = {"name", "public-key", "listen-port", "mtu", "addresses", "peers", NULL};
	json_t *o = sl_show_interface(gi), *previous = json_object_get(json_object_get(o, "previous-identity"), "public-key");
	struct sl_proto_cursor cursor;
	struct sl_proto_peer *peer;

	json_incref(previous);
	o = only(o, keys);
	if (previous)
		json_object_set_new(o, "previous", previous);
	json_object_set_new(o, "addresses", sorted(json_incref(json_object_get(o, "addresses"))));
	json_object_set_new(o, "routes", json_boolean(gi->routes));
	json_object_set_new(o, "cryptokey", json_integer((json_int_t)sl_lpm_count(gi->cryptokey)));
	sl_proto_cursor_open(&cursor, gi->proto);
	while ((peer = sl_proto_cursor_next(&cursor)) != NULL)
		json_array_append_new(peers, peer_state(h, peer));
	sl_proto_cursor_close(&cursor);
	return o;
}

json_t *
hub_state(struct hub *h)
{
	static const char *const port_keys[] = {"name", "mtu", "addresses", "gateway", "forward-clear", NULL};
	json_t *o = json_object(), *peers = json_array(), *ifs = json_array(), *routes = json_array(), *route;
	uint32_t cursor = 0;

	for (unsigned i = 0; i < SL_IF_MAX; i++) {
		struct sl_gateway_if *gi = h->gw.ifs[i];
		json_t *port;

		if (gi == NULL || gi->name[0] == '\0')
			continue;
		if (gi->kind == SL_IF_WIREGUARD) {
			json_array_append_new(ifs, interface_state(h, gi, peers));
			continue;
		}
		port = only(sl_show_port(gi), port_keys);
		json_object_set_new(port, "addresses", sorted(json_incref(json_object_get(port, "addresses"))));
		json_array_append_new(ifs, port);
	}
	while ((route = sl_show_route(&h->gw, &cursor)) != NULL)
		json_array_append_new(routes, route);
	json_object_set_new(o, "interfaces", sorted(ifs));
	json_object_set_new(o, "peers", sorted(peers));
	json_object_set_new(o, "routes", sorted(routes));
	json_object_set_new(o, "table", json_integer((json_int_t)sl_lpm_count(h->gw.dp->routes.lpm)));
	json_object_set_new(o, "listening", json_integer(0));
	for (unsigned i = 0; i <= UINT16_MAX; i++)
		if (atomic_load(&h->gw.dp->listen[i]))
			json_object_set_new(o, "listening",
				json_integer(json_integer_value(json_object_get(o, "listening")) + 1));
	return o;
}
