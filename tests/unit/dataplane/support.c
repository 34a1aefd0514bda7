#include "tests/unit/dataplane/support.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>
#include <rte_eal.h>
#include <rte_errno.h>

#include "crypto/init.h"
#include "tests/unit/test_simd.h"

#define RIG_POOL     8191
#define RIG_JUMBO    31
#define RIG_FRAME    1518
#define RIG_PEERS    1024
#define RIG_SESSIONS 1024
#define RIG_RING     64

struct rig_tx {
	struct rig *rig;
	uint16_t worker;
};

void
rig_eal(void)
{
	static bool up;
	char *argv[] = {"test", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m", "256", "-l", "0",
		"--log-level", "4", NULL};
	cpu_set_t cpus;

	if (up)
		return;
	up = true;
	setenv("XDG_RUNTIME_DIR", "/tmp", 0);
	cr_assert_eq(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	cr_assert_geq(rte_eal_init(11, argv), 0, "EAL: %s", rte_strerror(rte_errno));
	/* EAL has put this thread on one core, and all that it begins would share that: workers are to run beside each other. */
	cr_assert_eq(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
	cr_assert_eq(sl_crypto_init(), 0);
}

static uint16_t
catch_tx(void *ctx, uint16_t port, struct rte_mbuf **pkts, uint16_t n)
{
	struct rig_tx *tx = ctx;
	struct rig *r = tx->rig;
	uint16_t taken = n > r->tx_refuse ? n - r->tx_refuse : 0;

	for (uint16_t i = 0; i < taken; i++) {
		cr_assert_lt(r->n_sent, RIG_SENT_MAX);
		r->sent[r->n_sent++] = (struct rig_sent){.worker = tx->worker, .port = port, .m = pkts[i]};
	}
	return taken;
}

struct sl_ip
rig_ip(const char *text)
{
	struct sl_ip ip;

	cr_assert(sl_ip_parse(text, &ip), "%s", text);
	return ip;
}

static struct sl_prefix
rig_prefix(const char *text)
{
	struct sl_prefix p;

	cr_assert(sl_prefix_parse(text, &p), "%s", text);
	return p;
}

static void
add_address(struct sl_if *ifp, const char *text)
{
	ifp->addresses[ifp->n_addresses++] = rig_prefix(text);
}

void
rig_publish_if(struct rig *r, uint16_t id)
{
	struct sl_if *copy = malloc(sizeof(*copy));

	cr_assert_not_null(copy);
	*copy = r->ifs[id];
	sl_dataplane_set_if(r->dp, copy);
}

static void
make_port(struct rig *r, uint16_t id, const char *name, const char *v4, const char *v6)
{
	struct sl_if *ifp = &r->ifs[id];

	*ifp = (struct sl_if){.id = id, .kind = SL_IF_PORT, .mtu = RIG_MTU, .port = id};
	snprintf(ifp->name, sizeof(ifp->name), "%s", name);
	ifp->mac = (struct rte_ether_addr){{0x02, 0, 0, 0, 0, (uint8_t)id}};
	ifp->outside = id == RIG_WAN;
	add_address(ifp, v4);
	add_address(ifp, v6);
	add_address(ifp, "fe80::1/64");
	rig_publish_if(r, id);
}

static void
make_wireguard(struct rig *r, uint16_t id, const char *name, uint16_t port, const char *v4, const char *v6)
{
	struct sl_if *ifp = &r->ifs[id];
	uint8_t public_key[SL_KEY_LEN];
	char ring[RTE_RING_NAMESIZE];

	*ifp = (struct sl_if){.id = id, .kind = SL_IF_WIREGUARD, .mtu = RIG_WG_MTU, .listen_port = port, .has_key = true};
	snprintf(ifp->name, sizeof(ifp->name), "%s", name);
	add_address(ifp, v4);
	add_address(ifp, v6);
	memset(public_key, id, sizeof(public_key));
	sl_mac_keys_init(&ifp->mac_keys, public_key);
	cr_assert_eq(sl_lpm_create(&ifp->cryptokey, r->dp->reclaim, 1 << 26), 0);
	snprintf(ring, sizeof(ring), "rig_hs_%u", id);
	ifp->handshakes = rte_ring_create(ring, RIG_RING, SOCKET_ID_ANY, RING_F_SC_DEQ);
	cr_assert_not_null(ifp->handshakes);
	atomic_store(&r->dp->listen[port], id + 1);
	rig_publish_if(r, id);
}

static unsigned
add_local(struct sl_localaddr_entry *entries, unsigned n, const struct sl_if *ifp)
{
	for (unsigned i = 0; i < ifp->n_addresses; i++) {
		const struct sl_prefix *p = &ifp->addresses[i];
		struct sl_ip broadcast;

		entries[n++] = (struct sl_localaddr_entry){.ip = p->addr,
			.flags = SL_LOCALADDR_UNICAST | (sl_ip_is_link_local(&p->addr) ? SL_LOCALADDR_SCOPED : 0),
			.l3_if = ifp->id};
		if (sl_prefix_broadcast(p, &broadcast))
			entries[n++] = (struct sl_localaddr_entry){
				.ip = broadcast, .flags = SL_LOCALADDR_BROADCAST, .l3_if = ifp->id};
	}
	if (ifp->kind == SL_IF_PORT)
		entries[n++] = (struct sl_localaddr_entry){.ip = rig_ip("ff02::1"),
			.flags = SL_LOCALADDR_MULTICAST | SL_LOCALADDR_SCOPED,
			.l3_if = ifp->id};
	return n;
}

static void
make_tables(struct rig *r)
{
	struct sl_localaddr_entry entries[64];
	struct sl_localaddr *set;
	unsigned n = 0;

	for (uint16_t id = RIG_WAN; id < RIG_IFS; id++) {
		n = add_local(entries, n, &r->ifs[id]);
		for (unsigned i = 0; i < r->ifs[id].n_addresses; i++) {
			struct sl_prefix p = r->ifs[id].addresses[i];

			if (sl_ip_is_link_local(&p.addr))
				continue;
			sl_prefix_mask(&p);
			cr_assert_eq(sl_lpm_set(r->dp->routes.lpm, &p, SL_ROUTE(SL_ROUTE_IF, id), NULL), 0);
		}
	}
	cr_assert_eq(sl_localaddr_create(&set, entries, n), 0);
	atomic_store(&r->dp->localaddr, set);
	r->dp->routes.next_hops[0] = (struct sl_next_hop){.gateway = rig_ip("203.0.113.1"), .out_if = RIG_WAN};
	r->dp->routes.next_hops[1] = (struct sl_next_hop){.gateway = rig_ip("2001:db8::1"), .out_if = RIG_WAN};
	rig_route(r, "0.0.0.0/0", SL_ROUTE(SL_ROUTE_VIA, 0));
	rig_route(r, "::/0", SL_ROUTE(SL_ROUTE_VIA, 1));
}

struct rig *
rig_create(uint16_t workers)
{
	struct sl_dataplane_config cfg = {
		.name = "rig",
		.pool_size = RIG_POOL,
		.frame_len = RIG_FRAME,
		.jumbo_size = RIG_JUMBO,
		.peers = RIG_PEERS,
		.sessions = RIG_SESSIONS,
		.neighbours = 64,
		.workers = workers,
		.socket = SOCKET_ID_ANY,
		.random = {1, 2, 3, 4, 5, 6, 7, 8},
	};
	struct rig *r = calloc(1, sizeof(*r));

	rig_eal();
	cr_assert_not_null(r);
	r->now = RIG_START_NS;
	r->tx = calloc(workers, sizeof(*r->tx));
	cr_assert_eq(sl_dataplane_create(&r->dp, &cfg), 0);
	for (uint16_t i = 0; i < workers; i++) {
		struct sl_worker_config wc = {
			.simd = test_simd(), .tx = catch_tx, .tx_ctx = &r->tx[i], .socket = SOCKET_ID_ANY, .icmp_seed = 7};

		r->tx[i] = (struct rig_tx){.rig = r, .worker = i};
		cr_assert_eq(sl_worker_create(r->dp, i, &wc), 0);
		r->dp->workers[i]->now = r->now;
	}
	r->w = r->dp->workers[0];
	make_port(r, RIG_WAN, "wan0", "203.0.113.10/24", "2001:db8::10/64");
	make_port(r, RIG_LAN, "lan0", "10.20.0.1/16", "fd00:20::1/64");
	make_wireguard(r, RIG_WG0, "wg0", RIG_WG0_PORT, "10.64.0.1/16", "fd00:64::1/64");
	make_wireguard(r, RIG_WG1, "wg1", RIG_WG1_PORT, "10.65.0.1/16", "fd00:65::1/64");
	make_tables(r);
	r->mbufs_before = rte_mempool_in_use_count(r->dp->pool) + rte_mempool_in_use_count(r->dp->jumbo);
	return r;
}

void
rig_forget_sent(struct rig *r)
{
	for (unsigned i = 0; i < r->n_sent; i++)
		rte_pktmbuf_free(r->sent[i].m);
	r->n_sent = 0;
}

void
rig_reclaim(struct rig *r)
{
	sl_reclaim_drain(r->dp->reclaim);
}

static void
drain(struct rte_ring *ring)
{
	struct rte_mbuf *m;

	while ((m = rig_take_ring(ring)) != NULL)
		rte_pktmbuf_free(m);
}

void
rig_destroy(struct rig *r)
{
	struct sl_dataplane *dp = r->dp;

	rig_forget_sent(r);
	drain(dp->to_control);
	drain(r->ifs[RIG_WG0].handshakes);
	drain(r->ifs[RIG_WG1].handshakes);
	while (dp->n_workers > 0 && dp->workers[dp->n_workers - 1]) {
		sl_worker_destroy(dp->workers[dp->n_workers - 1]);
		dp->n_workers--;
	}
	cr_expect_eq(rte_mempool_in_use_count(dp->pool) + rte_mempool_in_use_count(dp->jumbo), r->mbufs_before,
		"%u packet buffers were not given back", rte_mempool_in_use_count(dp->pool));
	for (uint16_t id = RIG_WG0; id < RIG_IFS; id++) {
		sl_lpm_destroy(r->ifs[id].cryptokey);
		rte_ring_free(r->ifs[id].handshakes);
	}
	sl_dataplane_destroy(dp);
	free(r->tx);
	free(r);
}

void
rig_peer(struct rig *r, uint32_t slot, uint16_t wg_if, const char *endpoint, const char *local)
{
	struct sl_peer *peer = &r->dp->peers.slots[slot];
	struct sl_outer outer = {0};

	if (endpoint) {
		struct sl_endpoint e;
		struct sl_ip ip = local ? rig_ip(local) : (struct sl_ip){0};

		cr_assert(sl_endpoint_parse(endpoint, &e), "%s", endpoint);
		sl_outer_make(&outer, &e, local ? &ip : NULL, r->ifs[wg_if].listen_port);
	}
	peer->wg_if = wg_if;
	cr_assert(sl_peer_outer_write(&r->dp->peers, slot, &outer));
	atomic_store(&peer->watched, 1);
	if (atomic_load(&peer->live) == 0)
		atomic_store(&peer->live, sl_peers_incarnation(&r->dp->peers));
}

void
rig_route(struct rig *r, const char *prefix, uint32_t value)
{
	struct sl_prefix p = rig_prefix(prefix);

	cr_assert_eq(sl_lpm_set(r->dp->routes.lpm, &p, value, NULL), 0);
}

void
rig_allow(struct rig *r, uint32_t slot, const char *prefix)
{
	struct sl_prefix p = rig_prefix(prefix);
	uint16_t wg_if = r->dp->peers.slots[slot].wg_if;

	cr_assert_eq(sl_lpm_set(r->ifs[wg_if].cryptokey, &p, slot + 1, NULL), 0);
	if (p.len == 0)
		atomic_store(&r->dp->routes.allowed_default[p.addr.family == SL_AF_INET6], SL_ROUTE(SL_ROUTE_PEER, slot));
	else
		rig_route(r, prefix, SL_ROUTE(SL_ROUTE_PEER, slot));
}

void
rig_neighbour(struct rig *r, uint16_t out_if, const char *ip, uint8_t last)
{
	struct rte_ether_addr mac = {{0x02, 0xaa, 0, 0, 0, last}};
	struct sl_ip addr = rig_ip(ip);

	cr_assert_eq(sl_neighbour_set(r->dp->neighbours, out_if, &addr, &mac, SL_NEIGHBOUR_REACHABLE), 0);
}

struct rig_session
rig_session(struct rig *r, uint32_t peer, bool initiator, bool current)
{
	struct sl_session_table *t = &r->dp->sessions;
	struct rig_session s = {.slot = sl_session_reserve(t, peer, r->dp->peers.slots[peer].wg_if)};
	struct sl_session_keys keys = {.initiator = initiator, .created = r->now,
		.incarnation = atomic_load(&r->dp->peers.slots[peer].live)};

	cr_assert_neq(s.slot, SL_SESSION_NONE);
	s.s = &t->slots[s.slot];
	s.index = s.s->index;
	s.remote_index = 0xabcd0000u + s.slot;
	memset(s.send, 0x10 + (int)s.slot, sizeof(s.send));
	memset(s.recv, 0x80 + (int)s.slot, sizeof(s.recv));
	keys.remote_index = s.remote_index;
	memcpy(keys.send, s.send, sizeof(keys.send));
	memcpy(keys.recv, s.recv, sizeof(keys.recv));
	sl_session_publish(t, s.slot, &keys);
	if (current)
		atomic_store(&r->dp->peers.slots[peer].current, sl_session_id(t, s.slot));
	return s;
}

void
rig_run(struct rig *r, uint16_t worker)
{
	sl_worker_run(r->dp->workers[worker], r->now);
}

void
rig_receive(struct rig *r, uint16_t worker, uint16_t in_if, struct rte_mbuf *m)
{
	sl_worker_receive(r->dp->workers[worker], in_if, &m, 1);
}

void
rig_stage(struct rig *r, sl_stage_fn fn, struct rte_mbuf **pkts, unsigned n)
{
	r->w->now = r->now;
	fn(r->w, pkts, n);
}

struct rte_mbuf *
rig_take(struct rig *r, enum sl_stage stage)
{
	struct sl_vector *v = r->w->stages[stage];
	struct rte_mbuf *m;

	if (v->n == 0)
		return NULL;
	m = v->pkts[0];
	memmove(v->pkts, v->pkts + 1, --v->n * sizeof(v->pkts[0]));
	if (v->n == 0)
		r->w->pending &= ~(1u << stage);
	return m;
}

unsigned
rig_waiting(const struct rig *r, enum sl_stage stage)
{
	return r->w->stages[stage]->n;
}

uint64_t
rig_drops(const struct rig *r, enum sl_drop reason)
{
	return atomic_load(&r->w->stats.drops[reason]);
}

uint64_t
rig_all_drops(const struct rig *r)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < SL_DROP_COUNT; i++)
		sum += rig_drops(r, (enum sl_drop)i);
	return sum;
}

unsigned
rig_exit(struct rig *r, struct rte_mbuf **taken)
{
	unsigned exit = SL_STAGE_COUNT + SL_DROP_COUNT, found = 0;

	if (taken)
		*taken = NULL;
	for (unsigned i = 0; i < SL_STAGE_COUNT; i++) {
		struct rte_mbuf *m;

		while ((m = rig_take(r, (enum sl_stage)i)) != NULL) {
			exit = i;
			found++;
			if (taken)
				*taken = m;
			else
				rte_pktmbuf_free(m);
		}
	}
	for (unsigned i = 0; i < SL_DROP_COUNT; i++) {
		uint64_t n = atomic_exchange(&r->w->stats.drops[i], 0);

		if (n > 0)
			exit = SL_STAGE_COUNT + i;
		found += (unsigned)n;
	}
	cr_assert_eq(found, 1, "%u packets came out of one", found);
	return exit;
}

const char *
rig_exit_name(unsigned exit)
{
	static char text[64];

	if (exit < SL_STAGE_COUNT)
		return sl_stage_name((enum sl_stage)exit);
	snprintf(text, sizeof(text), "dropped: %s", sl_drop_name((enum sl_drop)(exit - SL_STAGE_COUNT)));
	return text;
}

struct rte_mbuf *
rig_take_ring(struct rte_ring *ring)
{
	void *m;

	return rte_ring_sc_dequeue(ring, &m) == 0 ? m : NULL;
}

void
rig_check_conservation(const struct rig *r, uint64_t stray)
{
	uint64_t in = stray, out = 0;

	for (uint16_t i = 0; i < r->dp->n_workers; i++) {
		const struct sl_worker_stats *s = &r->dp->workers[i]->stats;

		in += s->received + s->generated + s->from_control;
		out += s->transmitted + s->delivered + s->to_control + s->merged + s->queued;
		for (unsigned d = 0; d < SL_DROP_COUNT; d++)
			out += s->drops[d];
	}
	cr_expect_eq(in, out, "conservation: %lu in, %lu out", in, out);
}
