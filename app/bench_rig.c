#include "app/bench_rig.h"

#include <errno.h>
#include <stdlib.h>

#include "crypto/wipe.h"
#include "dataplane/ip.h"

#define START_NS        (1000 * SL_NSEC_PER_SEC)
#define POOL_SIZE       511 /* what the gateway itself makes: nothing, in these runs */
#define JUMBO_SIZE      15
#define NEIGHBOURS      16
#define SESSIONS_MIN    64u
#define HOSTS_LEN       9            /* prefix length of all sources and of all targets */
#define LAN_GATEWAY     0xc0a80102u  /* 192.168.1.2: the router inside */
#define LAN_ADDRESS     0xc0a80101u
#define WG_ADDRESS      0xac100001u  /* 172.16.0.1 */
#define LINK_LEN        24

static struct sl_ip
ip4(uint32_t host_order)
{
	uint32_t be = rte_cpu_to_be_32(host_order);

	return sl_ip4(&be);
}

static struct sl_prefix
prefix(uint32_t addr, uint8_t len)
{
	return (struct sl_prefix){.addr = ip4(addr), .len = len};
}

static uint32_t
own_outside(const struct sl_bench_rig *rig)
{
	return rig->sender ? SL_RIG_SENDER : SL_RIG_RECEIVER;
}

static uint32_t
other_outside(const struct sl_bench_rig *rig)
{
	return rig->sender ? SL_RIG_RECEIVER : SL_RIG_SENDER;
}

struct rte_ether_addr
sl_bench_rig_mac(bool sender, uint16_t port)
{
	return (struct rte_ether_addr){{2, 0, 0, 0, sender, (uint8_t)port}};
}

void
sl_bench_rig_key(uint32_t i, uint8_t key[static SL_KEY_LEN])
{
	for (unsigned k = 0; k < SL_KEY_LEN; k++)
		key[k] = (uint8_t)((i >> k % 4 * 8) + k * 7);
}

uint32_t
sl_bench_rig_padded(const struct sl_bench_rig *rig, uint32_t len)
{
	return RTE_MIN(RTE_ALIGN_CEIL(len, (uint32_t)SL_PADDING_MULTIPLE), (uint32_t)rig->mtu);
}

static uint16_t
take(void *ctx, uint16_t port, struct rte_mbuf **pkts, uint16_t n)
{
	struct sl_bench_rig *rig = ctx;

	n = (uint16_t)RTE_MIN((uint32_t)n, rig->room - rig->n_out);
	memcpy(rig->out + rig->n_out, pkts, n * sizeof(*pkts));
	rig->n_out += n;
	return n;
}

/* mtu: of the WireGuard interface, whichever this is. */
static int
set_if(struct sl_bench_rig *rig, uint16_t id, uint32_t addr, uint16_t mtu, struct sl_lpm *cryptokey)
{
	struct sl_if *ifp = calloc(1, sizeof(*ifp));

	if (!ifp)
		return -ENOMEM;
	ifp->id = id;
	ifp->kind = id == SL_RIG_WG ? SL_IF_WIREGUARD : SL_IF_PORT;
	ifp->mtu = id == SL_RIG_WG ? mtu : mtu + SL_RIG_MTU_ROOM;
	ifp->port = id;
	ifp->mac = sl_bench_rig_mac(rig->sender, id);
	ifp->addresses[ifp->n_addresses++] = prefix(addr, LINK_LEN);
	if (id == SL_RIG_WG) {
		ifp->listen_port = SL_RIG_LISTEN;
		ifp->has_key = true;
		ifp->cryptokey = cryptokey;
		ifp->handshakes = rig->dp->to_control;
	}
	sl_dataplane_set_if(rig->dp, ifp);
	return 0;
}

static int
set_ifs(struct sl_bench_rig *rig, uint16_t mtu, struct sl_lpm *cryptokey)
{
	int err = set_if(rig, SL_RIG_WAN, own_outside(rig), mtu, NULL);

	if (!err)
		err = set_if(rig, SL_RIG_LAN, LAN_ADDRESS, mtu, NULL);
	if (!err)
		err = set_if(rig, SL_RIG_WG, WG_ADDRESS, mtu, cryptokey);
	rig->mtu = mtu;
	return err;
}

int
sl_bench_rig_set_mtu(struct sl_bench_rig *rig, uint16_t mtu)
{
	return set_ifs(rig, mtu, sl_dataplane_if(rig->dp, SL_RIG_WG)->cryptokey);
}

static int
add_localaddr(struct sl_bench_rig *rig)
{
	struct sl_localaddr_entry local[] = {
		{.ip = ip4(own_outside(rig)), .flags = SL_LOCALADDR_UNICAST, .l3_if = SL_RIG_WAN},
		{.ip = ip4(LAN_ADDRESS), .flags = SL_LOCALADDR_UNICAST, .l3_if = SL_RIG_LAN},
		{.ip = ip4(WG_ADDRESS), .flags = SL_LOCALADDR_UNICAST, .l3_if = SL_RIG_WG},
	};
	struct sl_localaddr *set;
	int err = sl_localaddr_create(&set, local, RTE_DIM(local));

	if (!err)
		atomic_store(&rig->dp->localaddr, set);
	return err;
}

/* The hosts behind this end by the router inside; the other end is on the link outside. */
static int
add_routes(struct sl_bench_rig *rig)
{
	struct sl_prefix hosts = prefix((rig->sender ? SL_RIG_SOURCE : SL_RIG_TARGET) & ~UINT32_C(1), HOSTS_LEN);
	struct sl_prefix outside = prefix(SL_RIG_SENDER & ~UINT32_C(1), LINK_LEN);
	struct rte_ether_addr mac = sl_bench_rig_mac(!rig->sender, SL_RIG_WAN);
	struct rte_ether_addr router = sl_bench_rig_mac(!rig->sender, SL_RIG_LAN);
	struct sl_ip other = ip4(other_outside(rig)), inside = ip4(LAN_GATEWAY);
	struct sl_route_table *routes = &rig->dp->routes;
	int err;

	routes->next_hops[0] = (struct sl_next_hop){.gateway = inside, .out_if = SL_RIG_LAN};
	err = sl_lpm_set(routes->lpm, &hosts, SL_ROUTE(SL_ROUTE_VIA, 0), NULL);
	if (!err)
		err = sl_lpm_set(routes->lpm, &outside, SL_ROUTE(SL_ROUTE_IF, SL_RIG_WAN), NULL);
	if (!err)
		err = sl_neighbour_set(rig->dp->neighbours, SL_RIG_WAN, &other, &mac, SL_NEIGHBOUR_REACHABLE);
	if (!err)
		err = sl_neighbour_set(rig->dp->neighbours, SL_RIG_LAN, &inside, &router, SL_NEIGHBOUR_REACHABLE);
	return err;
}

static int
add_session(struct sl_bench_rig *rig, uint32_t i, const struct sl_bench_rig *other)
{
	struct sl_session_table *t = &rig->dp->sessions;
	struct sl_session_keys keys = {
		.created = START_NS,
		.initiator = rig->sender,
		.remote_index = other ? other->sessions[i]->index : i,
		.incarnation = atomic_load(&rig->dp->peers.slots[i].live),
	};
	uint32_t slot = sl_session_reserve(t, i, SL_RIG_WG);

	if (slot == SL_SESSION_NONE)
		return -ENOSPC;
	sl_peer_memory_prepare(&rig->dp->peers.memory, i); /* as control does */
	sl_bench_rig_key(i, rig->sender ? keys.send : keys.recv);
	sl_session_publish(t, slot, &keys);
	sl_wipe(&keys, sizeof(keys));
	atomic_store(&rig->dp->peers.slots[i].current, sl_session_id(t, slot));
	rig->sessions[i] = &t->slots[slot];
	return 0;
}

static int
add_peer(struct sl_bench_rig *rig, uint32_t i, struct sl_lpm *cryptokey, const struct sl_bench_rig *other)
{
	struct sl_peer *peer = &rig->dp->peers.slots[i];
	struct sl_endpoint remote = {.ip = ip4(other_outside(rig)), .port = SL_RIG_LISTEN};
	struct sl_prefix allowed = prefix((rig->sender ? SL_RIG_TARGET : SL_RIG_SOURCE) + i, 32);
	struct sl_ip local = ip4(own_outside(rig));
	struct sl_outer outer;
	int err;

	sl_outer_make(&outer, &remote, &local, SL_RIG_LISTEN);
	peer->wg_if = SL_RIG_WG;
	sl_peer_outer_write(&rig->dp->peers, i, &outer);
	atomic_store(&peer->watched, 1);
	atomic_store(&peer->live, sl_peers_incarnation(&rig->dp->peers));
	err = sl_lpm_set(cryptokey, &allowed, i + 1, NULL);
	if (!err)
		err = sl_lpm_set(rig->dp->routes.lpm, &allowed, SL_ROUTE(SL_ROUTE_PEER, i), NULL);
	return err ? err : add_session(rig, i, other);
}

static int
add_peers(struct sl_bench_rig *rig, struct sl_lpm *cryptokey, const struct sl_bench_rig *other)
{
	int err = 0;

	sl_lpm_begin(rig->dp->routes.lpm);
	sl_lpm_begin(cryptokey);
	for (uint32_t i = 0; !err && i < rig->peers; i++)
		err = add_peer(rig, i, cryptokey, other);
	sl_lpm_commit(cryptokey);
	sl_lpm_commit(rig->dp->routes.lpm);
	return err;
}

static int
create_dataplane(struct sl_bench_rig *rig, const struct sl_bench_rig_config *cfg)
{
	struct sl_dataplane_config dc = {
		.name = rig->sender ? "sender" : "receiver",
		.pool_size = POOL_SIZE,
		.frame_len = RTE_ETHER_MTU,
		.jumbo_size = JUMBO_SIZE,
		.peers = rig->peers,
		.sessions = rte_align32pow2(RTE_MAX(rig->peers, SESSIONS_MIN)),
		.neighbours = NEIGHBOURS,
		.workers = 1,
		.socket = SOCKET_ID_ANY,
	};
	struct sl_worker_config wc = {.simd = cfg->simd, .tx = take, .tx_ctx = rig, .socket = SOCKET_ID_ANY};
	int err = sl_dataplane_create(&rig->dp, &dc);

	if (!err)
		err = sl_worker_create(rig->dp, 0, &wc);
	if (!err)
		rig->w = rig->dp->workers[0];
	return err;
}

int
sl_bench_rig_create(struct sl_bench_rig **out, const struct sl_bench_rig_config *cfg)
{
	struct sl_bench_rig *rig = calloc(1, sizeof(*rig));
	struct sl_lpm *cryptokey = NULL;
	int err = rig ? 0 : -ENOMEM;

	if (err)
		return err;
	rig->peers = cfg->peers;
	rig->sender = cfg->sender;
	rig->room = cfg->room;
	rig->out = calloc(cfg->room, sizeof(struct rte_mbuf *));
	rig->sessions = calloc(cfg->peers, sizeof(struct sl_session *));
	err = rig->out && rig->sessions ? create_dataplane(rig, cfg) : -ENOMEM;
	if (!err)
		err = sl_lpm_create(&cryptokey, rig->dp->reclaim, 0);
	if (!err)
		err = set_ifs(rig, cfg->mtu, cryptokey);
	if (!err)
		err = add_localaddr(rig);
	if (!err)
		err = add_routes(rig);
	if (!err)
		err = add_peers(rig, cryptokey, cfg->other);
	if (err) {
		sl_bench_rig_destroy(rig);
		return err;
	}
	atomic_store(&rig->dp->listen[SL_RIG_LISTEN], SL_RIG_WG + 1);
	*out = rig;
	return 0;
}

void
sl_bench_rig_destroy(struct sl_bench_rig *rig)
{
	const struct sl_if *wg;

	if (!rig)
		return;
	if (rig->out)
		rte_pktmbuf_free_bulk(rig->out, rig->n_out);
	if (rig->dp) {
		wg = sl_dataplane_if(rig->dp, SL_RIG_WG);
		if (rig->w)
			sl_worker_destroy(rig->w);
		if (wg)
			sl_lpm_destroy(wg->cryptokey);
		sl_dataplane_destroy(rig->dp);
	}
	free(rig->sessions);
	free(rig->out);
	free(rig);
}
