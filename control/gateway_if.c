/* L3 interfaces of the gateway: ports and WireGuard interfaces, their addresses and what is published of them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_errno.h>

#include "control/gateway.h"
#include "control/log.h"
#include "crypto/wipe.h"

#define HANDSHAKE_RING   4096
#define PORT_FIRST_OWN   49152 /* RFC 6335: dynamic ports, for interfaces that ask for any */
#define PORT_LAST        UINT16_MAX
#define LINK_LOCAL_LEN   64

struct sl_gateway_if *
sl_gateway_if_find(struct sl_gateway *gw, const char *name)
{
	for (unsigned i = 0; i < SL_IF_MAX; i++) {
		if (gw->ifs[i] && strcmp(gw->ifs[i]->name, name) == 0)
			return gw->ifs[i];
	}
	return NULL;
}

struct sl_gateway_if *
sl_gateway_if_add(struct sl_gateway *gw, const char *name, enum sl_if_kind kind)
{
	struct sl_gateway_if *gi;
	uint16_t id = 0;

	while (id < SL_IF_MAX && gw->ifs[id])
		id++;
	if (id == SL_IF_MAX)
		return NULL;
	gi = calloc(1, sizeof(*gi));
	if (gi == NULL)
		return NULL;
	gi->gateway = gw;
	gi->id = id;
	gi->kind = kind;
	snprintf(gi->name, sizeof(gi->name), "%s", name);
	gw->ifs[id] = gi;
	if (kind == SL_IF_WIREGUARD)
		gw->wg_ifs[gw->n_wg_ifs++] = gi;
	return gi;
}

int
sl_gateway_if_make_wireguard(struct sl_gateway_if *gi, uint16_t mtu, bool routes)
{
	struct sl_gateway *gw = gi->gateway;
	struct sl_proto_if_config config = {.name = gi->name, .l3_if = gi->id, .owner = gi};
	static uint32_t rings; /* made so far */
	char ring[RTE_RING_NAMESIZE];
	int rc;

	gi->mtu = mtu;
	gi->routes = routes;
	/* not by its id: the ring of one that had it before lasts until no worker can hold it */
	snprintf(ring, sizeof(ring), "sl_hs%u", rings++);
	gi->handshakes = rte_ring_create(ring, HANDSHAKE_RING, SOCKET_ID_ANY, RING_F_SC_DEQ);
	if (gi->handshakes == NULL)
		return -rte_errno;
	rc = sl_lpm_create(&gi->cryptokey, gw->dp->reclaim, 0);
	if (rc == 0)
		rc = sl_proto_if_create(gw->proto, &config, &gi->proto);
	if (rc == 0)
		sl_allowed_ips_attach(gw->allowed, gi->id, gi->cryptokey, routes);
	return rc;
}

/* Frees what packets of the interface wait in its ring. Only after no worker can hold the ring. */
struct ring_grave {
	struct sl_reclaim_node reclaim;
	struct rte_ring *ring;
};

static void
bury_ring(void *ctx, void *ptr)
{
	struct ring_grave *grave = ptr;
	void *m;

	while (rte_ring_sc_dequeue(grave->ring, &m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(grave->ring);
	free(grave);
}

static void
remove_wireguard(struct sl_gateway_if *gi)
{
	struct sl_gateway *gw = gi->gateway;
	struct ring_grave *grave;
	struct sl_proto_cursor cursor;
	struct sl_proto_peer *peer;

	for (unsigned i = 0; i < gw->n_wg_ifs; i++) {
		if (gw->wg_ifs[i] == gi) {
			gw->wg_ifs[i] = gw->wg_ifs[--gw->n_wg_ifs];
			break;
		}
	}
	if (gi->proto) {
		sl_proto_cursor_open(&cursor, gi->proto);
		while ((peer = sl_proto_cursor_next(&cursor)) != NULL)
			sl_gateway_peer_remove(peer);
		sl_proto_cursor_close(&cursor);
		sl_allowed_ips_detach(gw->allowed, gi->id);
		sl_proto_if_destroy(gi->proto);
	}
	sl_lpm_destroy(gi->cryptokey);
	grave = gi->handshakes ? malloc(sizeof(*grave)) : NULL;
	if (grave) {
		grave->ring = gi->handshakes;
		sl_reclaim_defer(gw->dp->reclaim, &grave->reclaim, bury_ring, NULL, grave);
	}
}

void
sl_gateway_if_remove(struct sl_gateway_if *gi)
{
	struct sl_gateway *gw = gi->gateway;

	sl_gateway_if_close_port(gi);
	while (gi->n_addresses > 0) {
		const struct sl_prefix last = gi->addresses[gi->n_addresses - 1];

		sl_gateway_if_remove_address(gi, &last);
	}
	for (unsigned f = 0; f < 2; f++)
		sl_gateway_if_set_gateway(gi, f ? SL_AF_INET6 : SL_AF_INET, &(struct sl_ip){0});
	sl_dataplane_clear_if(gw->dp, gi->id);
	if (gi->kind == SL_IF_WIREGUARD)
		remove_wireguard(gi);
	else
		sl_neighbour_protocol_forget_if(gw->neighbours, gi->id);
	gw->ifs[gi->id] = NULL;
	sl_port_close(gi->port);
	free(gi->device);
	free(gi);
}

static bool
has_ipv6(const struct sl_gateway_if *gi)
{
	for (unsigned i = 0; i < gi->n_addresses; i++) {
		if (gi->addresses[i].addr.family == SL_AF_INET6)
			return true;
	}
	return false;
}

/* What a port takes from its device, and the link-local address that IPv6 on a link needs (RFC 4291 section 2.8). */
static void
fill_port(const struct sl_gateway_if *gi, struct sl_if *ifp)
{
	struct sl_config_port config = {.name = gi->name, .mtu = gi->mtu, .forward_clear = gi->forward_clear};

	config.gateway4 = gi->gateways[0];
	config.gateway6 = gi->gateways[1];
	sl_port_fill_if(gi->port, &config, ifp);
	ifp->id = gi->id;
	ifp->mtu = gi->mtu;
	ifp->outside = gi->outside;
	ifp->forward_clear = gi->forward_clear;
	if (has_ipv6(gi) && ifp->n_addresses < SL_IF_MAX_ADDRESSES) {
		struct sl_prefix link_local = {.addr = sl_port_link_local(&ifp->mac), .len = LINK_LOCAL_LEN};

		ifp->addresses[ifp->n_addresses++] = link_local;
	}
}

static void
fill_wireguard(const struct sl_gateway_if *gi, struct sl_if *ifp)
{
	const struct sl_noise_identity *identity = sl_proto_if_identity(gi->proto);
	const struct sl_noise_identity *previous = sl_proto_if_previous(gi->proto);

	ifp->listen_port = gi->listen_port;
	ifp->cryptokey = gi->cryptokey;
	ifp->handshakes = gi->handshakes;
	ifp->has_key = identity->valid;
	if (identity->valid)
		ifp->mac_keys = identity->mac_keys;
	ifp->has_previous_key = previous->valid;
	if (previous->valid)
		ifp->previous_mac_keys = previous->mac_keys;
}

int
sl_gateway_if_publish(struct sl_gateway_if *gi)
{
	struct sl_if *ifp = calloc(1, sizeof(*ifp));

	if (ifp == NULL)
		return -ENOMEM;
	ifp->id = gi->id;
	ifp->kind = gi->kind;
	ifp->mtu = gi->mtu;
	memcpy(ifp->name, gi->name, sizeof(ifp->name));
	memcpy(ifp->addresses, gi->addresses, gi->n_addresses * sizeof(gi->addresses[0]));
	ifp->n_addresses = (uint8_t)gi->n_addresses;
	if (gi->kind == SL_IF_PORT)
		fill_port(gi, ifp);
	else
		fill_wireguard(gi, ifp);
	sl_dataplane_set_if(gi->gateway->dp, ifp);
	return 0;
}

/* --- our addresses --- */

static unsigned
list_addresses(const struct sl_if *ifp, struct sl_localaddr_entry *out)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ifp->n_addresses; i++) {
		const struct sl_prefix *p = &ifp->addresses[i];
		uint8_t scope = sl_ip_is_link_local(&p->addr) && p->addr.family == SL_AF_INET6 ? SL_LOCALADDR_SCOPED : 0;
		struct sl_ip broadcast;

		out[n++] = (struct sl_localaddr_entry){
			.ip = p->addr, .flags = SL_LOCALADDR_UNICAST | scope, .l3_if = ifp->id};
		if (ifp->kind == SL_IF_PORT && sl_prefix_broadcast(p, &broadcast))
			out[n++] = (struct sl_localaddr_entry){
				.ip = broadcast, .flags = SL_LOCALADDR_BROADCAST, .l3_if = ifp->id};
	}
	if (ifp->kind == SL_IF_PORT)
		n += sl_neighbour_groups(ifp, out + n);
	return n;
}

/* Builds the set of all our addresses anew and puts it in the place of the old one. */
static int
publish_addresses(struct sl_gateway *gw)
{
	enum { PER_IF = 2 * SL_IF_MAX_ADDRESSES + SL_NEIGHBOUR_GROUPS_MAX };
	struct sl_localaddr_entry *entries;
	struct sl_localaddr *set;
	unsigned n = 0, n_ifs = 0;
	int rc;

	for (unsigned i = 0; i < SL_IF_MAX; i++)
		n_ifs += gw->ifs[i] != NULL;
	entries = malloc((n_ifs + 1) * PER_IF * sizeof(*entries));
	if (entries == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < SL_IF_MAX; i++) {
		const struct sl_if *ifp = sl_dataplane_if(gw->dp, (uint16_t)i);

		if (gw->ifs[i] && ifp)
			n += list_addresses(ifp, entries + n);
	}
	rc = sl_localaddr_create(&set, entries, n);
	free(entries);
	if (rc != 0)
		return rc;
	sl_localaddr_retire(atomic_exchange(&gw->dp->localaddr, set), gw->dp->reclaim);
	return 0;
}

/* Whether the prefix of an address is a connected route: not where it is the address alone, or link-local. */
static bool
is_connected_route(const struct sl_prefix *p)
{
	return p->len < sl_family_bits(p->addr.family) &&
		!(p->addr.family == SL_AF_INET6 && sl_ip_is_link_local(&p->addr));
}

/* The connected route of a prefix follows the first interface that has an address in it. */
static int
publish_connected(struct sl_gateway *gw, const struct sl_prefix *prefix)
{
	if (!is_connected_route(prefix))
		return 0;
	for (unsigned i = 0; i < SL_IF_MAX; i++) {
		const struct sl_gateway_if *gi = gw->ifs[i];

		for (unsigned k = 0; gi && k < gi->n_addresses; k++) {
			if (sl_prefix_equal(&gi->addresses[k], prefix))
				return sl_rib_set(gw->rib, SL_RIB_CONNECTED, prefix, gi->id, NULL);
		}
	}
	sl_rib_clear(gw->rib, SL_RIB_CONNECTED, prefix);
	return 0;
}

int
sl_gateway_if_add_address(struct sl_gateway_if *gi, const struct sl_prefix *address)
{
	int rc;

	for (unsigned i = 0; i < gi->n_addresses; i++) {
		if (sl_ip_equal(&gi->addresses[i].addr, &address->addr))
			return -EEXIST;
	}
	/* one place is the link-local address's */
	if (gi->n_addresses + 1 >= SL_IF_MAX_ADDRESSES)
		return -ENOSPC;
	gi->addresses[gi->n_addresses++] = *address;
	rc = sl_gateway_if_publish(gi);
	if (rc == 0)
		rc = publish_addresses(gi->gateway);
	if (rc == 0)
		rc = publish_connected(gi->gateway, address);
	if (rc == 0 && gi->kind == SL_IF_PORT)
		sl_neighbour_protocol_announce(gi->gateway->neighbours, gi->id, gi->gateway->now);
	if (rc != 0)
		gi->n_addresses--;
	return rc;
}

int
sl_gateway_if_remove_address(struct sl_gateway_if *gi, const struct sl_prefix *address)
{
	struct sl_gateway *gw = gi->gateway;
	const struct sl_prefix gone = *address;
	unsigned i = 0;

	while (i < gi->n_addresses && !sl_ip_equal(&gi->addresses[i].addr, &gone.addr))
		i++;
	if (i == gi->n_addresses)
		return -ENOENT;
	memmove(&gi->addresses[i], &gi->addresses[i + 1], (gi->n_addresses - i - 1) * sizeof(gi->addresses[0]));
	gi->n_addresses--;
	if (sl_gateway_if_publish(gi) != 0 || publish_addresses(gw) != 0)
		sl_log_error("%s: out of memory while an address was removed; workers still know it", gi->name);
	publish_connected(gw, &gone);
	for (unsigned k = 0; k < gw->n_wg_ifs; k++) {
		if (gw->wg_ifs[k]->proto)
			sl_proto_if_forget_source(gw->wg_ifs[k]->proto, &gone.addr, gw->now);
	}
	return 0;
}

int
sl_gateway_if_set_gateway(struct sl_gateway_if *gi, enum sl_family family, const struct sl_ip *gateway)
{
	struct sl_prefix any = {.addr.family = family};
	struct sl_ip *mine = &gi->gateways[family == SL_AF_INET6];
	bool had = mine->family != SL_AF_NONE;
	int rc = 0;

	if (gateway->family != SL_AF_NONE)
		rc = sl_rib_set(gi->gateway->rib, SL_RIB_STATIC, &any, gi->id, gateway);
	else if (had)
		rc = sl_rib_clear(gi->gateway->rib, SL_RIB_STATIC, &any);
	if (rc != 0)
		return rc;
	*mine = *gateway;
	gi->outside = gi->gateways[0].family != SL_AF_NONE || gi->gateways[1].family != SL_AF_NONE;
	return had || gi->outside ? sl_gateway_if_publish(gi) : 0;
}

/* --- WireGuard settings --- */

int
sl_gateway_if_set_key(struct sl_gateway_if *gi, const uint8_t private_key[SL_KEY_LEN])
{
	sl_proto_if_set_key(gi->proto, private_key, gi->gateway->now);
	return sl_gateway_if_publish(gi);
}

int
sl_gateway_if_set_keys(
	struct sl_gateway_if *gi, const uint8_t private_key[SL_KEY_LEN], const uint8_t previous_key[SL_KEY_LEN])
{
	sl_proto_if_set_keys(gi->proto, private_key, previous_key, gi->gateway->now);
	return sl_gateway_if_publish(gi);
}

static uint16_t
pick_port(struct sl_gateway *gw)
{
	const uint32_t n = PORT_LAST - PORT_FIRST_OWN + 1;
	uint32_t start;

	sl_random_bytes(&start, sizeof(start));
	for (uint32_t i = 0; i < n; i++) {
		uint16_t port = (uint16_t)(PORT_FIRST_OWN + (start % n + i) % n);

		if (atomic_load(&gw->dp->listen[port]) == 0)
			return port;
	}
	return 0;
}

void
sl_gateway_if_close_port(struct sl_gateway_if *gi)
{
	if (gi->listen_port != 0)
		atomic_store(&gi->gateway->dp->listen[gi->listen_port], 0);
	gi->listen_port = 0;
}

int
sl_gateway_if_set_listen_port(struct sl_gateway_if *gi, uint16_t port)
{
	struct sl_gateway *gw = gi->gateway;
	uint16_t old = gi->listen_port;
	int rc;

	if (port != 0 && port == old)
		return 0;
	if (port == 0)
		port = pick_port(gw);
	if (port == 0 || atomic_load(&gw->dp->listen[port]) != 0)
		return -EADDRINUSE;
	gi->listen_port = port;
	rc = sl_gateway_if_publish(gi);
	if (rc != 0) {
		gi->listen_port = old;
		return rc;
	}
	atomic_store(&gw->dp->listen[port], (uint16_t)(gi->id + 1));
	if (old != 0)
		atomic_store(&gw->dp->listen[old], 0);
	sl_proto_if_set_listen_port(gi->proto, port, gw->now);
	return 0;
}

int
sl_gateway_if_set_mtu(struct sl_gateway_if *gi, uint16_t mtu)
{
	uint16_t old = gi->mtu;
	int rc = gi->port ? sl_port_set_mtu(gi->port, mtu) : 0;

	if (rc != 0)
		return rc;
	gi->mtu = mtu;
	rc = sl_gateway_if_publish(gi);
	if (rc != 0)
		gi->mtu = old;
	return rc;
}
