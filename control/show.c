#include "control/show.h"

#include <limits.h>
#include <stdlib.h>

#include <inttypes.h>

#include "control/json_write.h"
#include "crypto/aead.h"
#include "crypto/base64.h"

static void
set_int(json_t *o, const char *key, uint64_t value)
{
	json_object_set_new(o, key, json_integer((json_int_t)value));
}

static void
set_text(json_t *o, const char *key, const char *value)
{
	json_object_set_new(o, key, json_string(value));
}

static uint64_t
load(_Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static json_t *
addresses(const struct sl_prefix *prefixes, unsigned n)
{
	char text[SL_PREFIX_STRLEN];
	json_t *list = json_array();

	for (unsigned i = 0; i < n; i++)
		json_array_append_new(list, json_string(sl_prefix_format(&prefixes[i], text)));
	return list;
}

json_t *
sl_show_gateway(struct sl_gateway *gw)
{
	json_t *o = json_object();
	char path[PATH_MAX];

	set_text(o, "name", gw->config->name);
	set_text(o, "version", SL_VERSION);
	set_text(o, "config", gw->config_path);
	if (realpath(gw->config_path, path))
		set_text(o, "config-path", path);
	set_int(o, "uptime", gw->now - gw->started);
	set_int(o, "sessions", gw->dp->sessions.reserved);
	set_int(o, "reclaim-pending", gw->dp->reclaim->pending);
	set_int(o, "set-with-wg", sl_runtime_count(gw->runtime));
	return o;
}

static json_t *
handshakes(const struct sl_gateway_if *gi)
{
	const struct sl_proto_if_counters *n = sl_proto_if_counters(gi->proto);
	json_t *o = json_object(), *failures = json_object();

	set_int(o, "initiations-sent", n->initiations_sent);
	set_int(o, "initiations-received", n->initiations_received);
	set_int(o, "responses-sent", n->responses_sent);
	set_int(o, "responses-received", n->responses_received);
	set_int(o, "cookies-sent", n->cookies_sent);
	set_int(o, "cookies-received", n->cookies_received);
	set_int(o, "completed", n->completed);
	set_int(o, "malformed", n->malformed);
	set_int(o, "waiting", sl_proto_if_waiting(gi->proto));
	set_int(o, "overdue", n->overdue);
	set_int(o, "lost", gi->handshakes_lost);
	for (unsigned i = 0; i < SL_FAILURE_COUNT; i++) {
		if (n->failures[i])
			set_int(failures, sl_failure_name(i), n->failures[i]);
	}
	json_object_set_new(o, "failures", failures);
	return o;
}

json_t *
sl_show_interface(struct sl_gateway_if *gi)
{
	const struct sl_noise_identity *identity = sl_proto_if_identity(gi->proto);
	char key[SL_KEY_BASE64_LEN + 1];
	json_t *o = json_object();

	set_text(o, "name", gi->name);
	if (identity->valid) {
		sl_key_to_base64(key, identity->public_key);
		set_text(o, "public-key", key);
	}
	if (sl_proto_if_previous(gi->proto)->valid) {
		json_t *previous = json_object();

		sl_key_to_base64(key, sl_proto_if_previous(gi->proto)->public_key);
		set_text(previous, "public-key", key);
		set_int(previous, "peers", sl_proto_if_n_previous(gi->proto));
		json_object_set_new(o, "previous-identity", previous);
	}
	set_int(o, "listen-port", gi->listen_port);
	set_int(o, "mtu", gi->mtu);
	json_object_set_new(o, "addresses", addresses(gi->addresses, gi->n_addresses));
	set_int(o, "peers", sl_proto_if_n_peers(gi->proto));
	json_object_set_new(o, "under-load", json_boolean(sl_proto_if_under_load(gi->proto, gi->gateway->now)));
	json_object_set_new(o, "handshakes", handshakes(gi));
	return o;
}

static json_t *
failures(const struct sl_failure_counts *f, uint64_t now)
{
	json_t *o = json_object(), *counts = json_object();

	for (unsigned i = 0; i < SL_FAILURE_COUNT; i++) {
		if (f->count[i])
			set_int(counts, sl_failure_name(i), f->count[i]);
	}
	if (f->last) {
		set_text(o, "cause", sl_failure_name(f->last_cause));
		set_text(o, "text", sl_failure_text(f->last_cause));
		set_text(o, "hint", sl_failure_hint(f->last_cause));
		set_int(o, "ago", now - f->last);
	}
	json_object_set_new(o, "counts", counts);
	return o;
}

static bool
write_failures(struct sl_json_writer *w, const struct sl_failure_counts *f, uint64_t now)
{
	json_t *o = failures(f, now);
	char *text = json_dumps(o, JSON_COMPACT);

	json_decref(o);
	if (text)
		sl_json_raw(w, "handshake-failure", text);
	free(text);
	return text != NULL;
}

size_t
sl_show_peer(struct sl_gateway *gw, const struct sl_proto_peer *peer, char buf[SL_SHOW_PEER_MAX])
{
	const struct sl_gateway_peer *mine = sl_gateway_peer(peer);
	struct sl_proto_peer_info info;
	struct sl_json_writer w;
	char endpoint[SL_ENDPOINT_STRLEN], key[SL_KEY_BASE64_LEN + 1];

	sl_proto_peer_info(peer, gw->now, &info);
	sl_key_to_base64(key, peer->public_key);
	sl_json_begin(&w, buf, SL_SHOW_PEER_MAX);
	if (peer->name)
		sl_json_text(&w, "name", peer->name);
	sl_json_text(&w, "interface", sl_gateway_peer_if(peer)->name);
	sl_json_text(&w, "source", mine->source == SL_SOURCE_FILE ? "file" : "socket");
	sl_json_text(&w, "public-key", key);
	sl_json_bool(&w, "preshared-key", peer->has_psk);
	if (info.endpoint.ip.family != SL_AF_NONE)
		sl_json_text(&w, "endpoint", sl_endpoint_format(&info.endpoint, endpoint));
	if (mine->endpoint_host)
		sl_json_text(&w, "endpoint-name", mine->endpoint_host);
	sl_json_int(&w, "persistent-keepalive", peer->keepalive_interval);
	sl_json_int(&w, "rx-bytes", info.rx_bytes);
	sl_json_int(&w, "tx-bytes", info.tx_bytes);
	sl_json_int(&w, "latest-handshake",
		(uint64_t)info.latest_handshake.tv_sec * SL_NSEC_PER_SEC + (uint64_t)info.latest_handshake.tv_nsec);
	sl_json_bool(&w, "session", info.session);
	sl_json_int(&w, "session-age", info.session_age);
	sl_json_bool(&w, "handshaking", info.handshaking);
	if (peer->failures && !write_failures(&w, peer->failures, gw->now))
		return 0;
	sl_json_raw(&w, "allowed-ips", "[");
	return w.full ? 0 : (size_t)(w.at - buf);
}

json_t *
sl_show_port(struct sl_gateway_if *gi)
{
	struct sl_port_status status;
	char mac[RTE_ETHER_ADDR_FMT_SIZE], text[SL_IP_STRLEN];
	json_t *o = json_object(), *gateways = json_array();

	sl_port_status(gi->port, &status);
	rte_ether_format_addr(mac, sizeof(mac), &status.mac);
	set_text(o, "name", gi->name);
	set_text(o, "device", gi->device);
	set_text(o, "driver", status.driver);
	set_text(o, "mac", mac);
	json_object_set_new(o, "up", json_boolean(status.up));
	set_int(o, "speed", (uint64_t)status.speed * 1000000);
	set_int(o, "mtu", gi->mtu);
	json_object_set_new(o, "addresses", addresses(gi->addresses, gi->n_addresses));
	for (unsigned i = 0; i < RTE_DIM(gi->gateways); i++) {
		if (gi->gateways[i].family != SL_AF_NONE)
			json_array_append_new(gateways, json_string(sl_ip_format(&gi->gateways[i], text)));
	}
	json_object_set_new(o, "gateway", gateways);
	json_object_set_new(o, "forward-clear", json_boolean(gi->forward_clear));
	set_int(o, "rx-queues", status.n_rx);
	set_int(o, "tx-queues", status.n_tx);
	set_int(o, "rx-packets", status.rx_packets);
	set_int(o, "rx-bytes", status.rx_bytes);
	set_int(o, "rx-missed", status.rx_missed);
	set_int(o, "rx-errors", status.rx_errors);
	set_int(o, "rx-no-buffer", status.rx_no_buffer);
	set_int(o, "tx-packets", status.tx_packets);
	set_int(o, "tx-bytes", status.tx_bytes);
	set_int(o, "tx-errors", status.tx_errors);
	return o;
}

json_t *
sl_show_route(struct sl_gateway *gw, uint32_t *cursor)
{
	char text[SL_PREFIX_STRLEN];
	struct sl_rib_entry e;
	json_t *o;

	if (!sl_rib_next(gw->rib, cursor, &e))
		return NULL;
	o = json_object();
	set_text(o, "to", sl_prefix_format(&e.prefix, text));
	set_text(o, "source", e.source == SL_RIB_CONNECTED ? "connected" : "static");
	if (e.gateway.family != SL_AF_NONE)
		set_text(o, "via", sl_ip_format(&e.gateway, text));
	if (gw->ifs[e.out_if])
		set_text(o, gw->ifs[e.out_if]->kind == SL_IF_PORT ? "port" : "interface", gw->ifs[e.out_if]->name);
	json_object_set_new(o, "active", json_boolean(e.active));
	return o;
}

/* Whose batches of messages a worker has opened in their order ring, its own too. */
static json_t *
batches_opened(struct sl_gateway *gw, struct sl_worker_stats *s)
{
	json_t *list = json_array();

	for (unsigned w = 0; w < gw->dp->n_workers; w++) {
		uint64_t batches = load(&s->helped[w]);
		json_t *o;

		if (batches == 0)
			continue;
		o = json_object();
		set_int(o, "worker", w);
		set_int(o, "batches", batches);
		json_array_append_new(list, o);
	}
	return list;
}

json_t *
sl_show_worker(struct sl_gateway *gw, uint16_t worker)
{
	struct sl_worker_stats *s = &gw->dp->workers[worker]->stats;
	json_t *o = json_object();
	uint64_t dropped = 0;

	for (unsigned i = 0; i < SL_DROP_COUNT; i++)
		dropped += load(&s->drops[i]);
	set_int(o, "worker", worker);
	set_int(o, "core", gw->cores.workers[worker]);
	set_text(o, "aead", sl_aead_backend(gw->dp->workers[worker]->aead));
	set_int(o, "received", load(&s->received));
	set_int(o, "generated", load(&s->generated));
	set_int(o, "from-control", load(&s->from_control));
	set_int(o, "transmitted", load(&s->transmitted));
	set_int(o, "dropped", dropped);
	set_int(o, "delivered", load(&s->delivered));
	set_int(o, "to-control", load(&s->to_control));
	set_int(o, "merged", load(&s->merged));
	set_int(o, "queued", load(&s->queued));
	set_int(o, "busy-cycles", load(&s->busy_cycles));
	set_int(o, "idle-cycles", load(&s->idle_cycles));
	set_int(o, "ecn-mismatch", load(&s->ecn_mismatch));
	json_object_set_new(o, "helped", batches_opened(gw, s));
	return o;
}

json_t *
sl_show_drop(struct sl_gateway *gw, enum sl_drop reason)
{
	uint64_t packets = 0;
	json_t *o;

	for (unsigned w = 0; w < gw->dp->n_workers; w++)
		packets += load(&gw->dp->workers[w]->stats.drops[reason]);
	if (packets == 0)
		return NULL;
	o = json_object();
	set_text(o, "reason", sl_drop_name(reason));
	set_int(o, "packets", packets);
	set_text(o, "meaning", sl_drop_text(reason));
	return o;
}

json_t *
sl_show_stage(struct sl_gateway *gw, enum sl_stage stage)
{
	uint64_t packets = 0, bursts = 0, cycles = 0;
	json_t *o = json_object();

	for (unsigned w = 0; w < gw->dp->n_workers; w++) {
		struct sl_stage_stats *s = &gw->dp->workers[w]->stats.stages[stage];

		packets += load(&s->packets);
		bursts += load(&s->bursts);
		cycles += load(&s->cycles);
	}
	set_text(o, "stage", sl_stage_name(stage));
	set_int(o, "packets", packets);
	set_int(o, "bursts", bursts);
	set_int(o, "cycles", cycles);
	return o;
}

json_t *
sl_show_mbufs(struct sl_gateway *gw)
{
	json_t *o = json_object();

	set_int(o, "in-use", rte_mempool_in_use_count(gw->dp->pool));
	set_int(o, "baseline", gw->mbufs_at_rest);
	return o;
}
