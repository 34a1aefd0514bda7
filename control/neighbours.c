#include "control/neighbours.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "control/log.h"
#include "control/neighbour_entries.h"
#include "control/neighbour_frames.h"
#include "dataplane/ip.h"

/* Who is learned without our having asked leaves this share of the table to those we ask. */
#define LEARN_SHARE(max) ((max) - (max) / 4)

static struct sl_log_limit conflict_limit = SL_LOG_LIMIT(5, 10 * SL_NSEC_PER_SEC);

struct sl_neighbour_protocol {
	struct sl_dataplane *dp;
	struct sl_control_out out;
	struct sl_neighbour_entries entries;
	struct sl_neighbour_protocol_stats stats;
	uint64_t announce_at[SL_IF_MAX]; /* ns of the second announcement; 0: none */
	uint64_t announce_next;          /* earliest of them, or UINT64_MAX */
};

int
sl_neighbour_protocol_create(struct sl_neighbour_protocol **out, const struct sl_neighbour_protocol_config *cfg)
{
	struct sl_neighbour_protocol *np = calloc(1, sizeof(*np));

	if (!np)
		return -ENOMEM;
	np->dp = cfg->dp;
	np->out = cfg->out;
	np->announce_next = UINT64_MAX;
	if (sl_neighbour_entries_init(&np->entries, cfg->max_entries, cfg->seed) != 0) {
		free(np);
		return -ENOMEM;
	}
	*out = np;
	return 0;
}

void
sl_neighbour_protocol_destroy(struct sl_neighbour_protocol *np)
{
	if (!np)
		return;
	sl_neighbour_entries_fini(&np->entries);
	free(np);
}

const struct sl_neighbour_protocol_stats *
sl_neighbour_protocol_stats(const struct sl_neighbour_protocol *np)
{
	return &np->stats;
}

/* --- sending --- */

static struct rte_mbuf *
new_frame(struct sl_neighbour_protocol *np, const struct sl_if *ifp)
{
	struct rte_mbuf *m = np->out.alloc(np->out.ctx);

	if (!m) {
		np->stats.no_room++;
		return NULL;
	}
	sl_packet_init(m, SL_IF_NONE);
	sl_packet(m)->flags = SL_PKT_LOCAL;
	sl_packet(m)->out_if = ifp->id;
	return m;
}

static void
send_frame(struct sl_neighbour_protocol *np, struct rte_mbuf *m, bool built, uint8_t family)
{
	if (!built) {
		rte_pktmbuf_free(m);
		np->stats.no_room++;
	} else if (!sl_control_send(&np->out, SL_CMD_FRAME, m)) {
		np->stats.no_room++;
	} else if (family == SL_AF_INET) {
		np->stats.arp_sent++;
	} else {
		np->stats.nd_sent++;
	}
}

/* to_mac NULL: everyone. */
static void
send_request(struct sl_neighbour_protocol *np, const struct sl_if *ifp, const struct sl_ip *source,
	const struct sl_ip *target, const struct rte_ether_addr *to_mac)
{
	struct rte_mbuf *m = new_frame(np, ifp);

	if (m)
		send_frame(np, m, sl_neighbour_build_request(m, &ifp->mac, source, target, to_mac), target->family);
}

static void
send_answer(struct sl_neighbour_protocol *np, const struct sl_if *ifp, const struct sl_ip *ours, const struct sl_ip *to,
	const struct rte_ether_addr *to_mac)
{
	struct rte_mbuf *m = new_frame(np, ifp);

	if (m)
		send_frame(np, m, sl_neighbour_build_answer(m, &ifp->mac, ours, to, to_mac), ours->family);
}

/* --- entries --- */

static const struct sl_if *
port_if(const struct sl_neighbour_protocol *np, uint16_t id)
{
	const struct sl_if *ifp = sl_dataplane_if(np->dp, id);

	return ifp && ifp->kind == SL_IF_PORT ? ifp : NULL;
}

static void
forget(struct sl_neighbour_protocol *np, struct sl_neighbour_entry *e)
{
	sl_neighbour_remove(np->dp->neighbours, e->l3_if, &e->ip);
	sl_neighbour_entries_remove(&np->entries, e);
}

/* Sets an entry's state here and in the workers' table. False where that has no room: the entry is gone then. */
static bool
set_state(struct sl_neighbour_protocol *np, struct sl_neighbour_entry *e, enum sl_neighbour_state state, uint64_t deadline)
{
	const struct rte_ether_addr *mac = sl_neighbour_usable(state) ? &e->mac : NULL;

	if (sl_neighbour_set(np->dp->neighbours, e->l3_if, &e->ip, mac, state) != 0) {
		np->stats.no_room++;
		forget(np, e);
		return false;
	}
	sl_neighbour_entries_set_state(&np->entries, e, state);
	sl_neighbour_entries_set_deadline(&np->entries, e, deadline);
	return true;
}

static void
set_known(struct sl_neighbour_protocol *np, struct sl_neighbour_entry *e, const struct rte_ether_addr *mac,
	bool confirmed, uint64_t now)
{
	e->mac = *mac;
	e->tries = 0;
	set_state(np, e, confirmed ? SL_NEIGHBOUR_REACHABLE : SL_NEIGHBOUR_STALE,
		now + (confirmed ? SL_NEIGHBOUR_REACHABLE_NS : SL_NEIGHBOUR_STALE_NS));
}

/* A new entry; makes room among the unresolved where that is allowed. NULL without room. */
static struct sl_neighbour_entry *
add_entry(struct sl_neighbour_protocol *np, uint16_t l3_if, const struct sl_ip *ip, bool asked, uint64_t now)
{
	struct sl_neighbour_entries *s = &np->entries;
	struct sl_neighbour_entry *e;

	if (!asked && s->n >= LEARN_SHARE(s->max)) {
		np->stats.no_room++;
		return NULL;
	}
	if (asked && s->n_unresolved > 0 && (s->n_unresolved >= SL_NEIGHBOUR_UNRESOLVED || s->n == s->max)) {
		forget(np, TAILQ_FIRST(&s->unresolved));
		np->stats.evicted++;
	}
	e = sl_neighbour_entries_add(s, l3_if, ip);
	if (!e)
		np->stats.no_room++;
	else
		e->used = now;
	return e;
}

static bool
is_ours(const struct sl_if *ifp, const struct sl_ip *ip)
{
	for (unsigned i = 0; i < ifp->n_addresses; i++)
		if (sl_ip_equal(&ifp->addresses[i].addr, ip))
			return true;
	return false;
}

/* Whether an address can be a neighbour's: on a connected prefix (or link-local IPv6), and a host's. */
static bool
is_on_link(const struct sl_if *ifp, const struct sl_ip *ip)
{
	struct sl_ip broadcast;
	bool inside = ip->family == SL_AF_INET6 && sl_ip_is_link_local(ip);

	if (sl_ip_is_zero(ip) || sl_ip_is_multicast(ip) || sl_ip_is_loopback(ip))
		return false;
	for (unsigned i = 0; i < ifp->n_addresses; i++) {
		const struct sl_prefix *p = &ifp->addresses[i];

		if (!sl_prefix_contains(p, ip))
			continue;
		if (sl_prefix_broadcast(p, &broadcast) && sl_ip_equal(&broadcast, ip))
			return false;
		inside = true;
	}
	return inside;
}

/* --- messages --- */

static void
note_conflict(struct sl_neighbour_protocol *np, const struct sl_if *ifp, const struct sl_neighbour_message *msg, uint64_t now)
{
	char ip[SL_IP_STRLEN], mac[RTE_ETHER_ADDR_FMT_SIZE];

	np->stats.conflicts++;
	rte_ether_format_addr(mac, sizeof(mac), &msg->mac);
	sl_log_limited(&conflict_limit, now, SL_LOG_WARNING,
		"%s: %s is in use by %s as well; give one of the two another address", ifp->name,
		sl_ip_format(&msg->sender, ip), mac);
}

/* Learns who asked for one of our addresses. */
static void
learn(struct sl_neighbour_protocol *np, const struct sl_if *ifp, const struct sl_neighbour_message *msg, uint64_t now)
{
	struct sl_neighbour_entry *e;

	if (!msg->has_mac || !is_on_link(ifp, &msg->sender))
		return;
	e = sl_neighbour_entries_find(&np->entries, ifp->id, &msg->sender);
	if (e && sl_neighbour_usable(e->state) && rte_is_same_ether_addr(&e->mac, &msg->mac))
		return;
	if (!e)
		e = add_entry(np, ifp->id, &msg->sender, false, now);
	if (e)
		set_known(np, e, &msg->mac, false, now);
}

static void
on_request(struct sl_neighbour_protocol *np, const struct sl_if *ifp, const struct sl_neighbour_message *msg, uint64_t now)
{
	struct rte_ether_addr mac;
	bool probe = sl_ip_is_zero(&msg->sender);

	if (!is_ours(ifp, &msg->target)) {
		np->stats.ignored++;
		return;
	}
	if (!probe && is_ours(ifp, &msg->sender)) {
		if (!rte_is_same_ether_addr(&msg->mac, &ifp->mac))
			note_conflict(np, ifp, msg, now);
		return;
	}
	learn(np, ifp, msg, now);
	/* somebody who wants our address and has none yet is told in a way that reaches him */
	if (probe && msg->target.family == SL_AF_INET6)
		send_answer(np, ifp, &msg->target, NULL, NULL);
	else if (msg->has_mac)
		send_answer(np, ifp, &msg->target, &msg->sender, &msg->mac);
	else if (sl_neighbour_lookup(np->dp->neighbours, ifp->id, &msg->sender, &mac))
		send_answer(np, ifp, &msg->target, &msg->sender, &mac);
	else
		np->stats.ignored++;
}

/* RFC 4861 section 7.2.5; ARP is a special case of it. */
static void
on_answer(struct sl_neighbour_protocol *np, const struct sl_if *ifp, const struct sl_neighbour_message *msg, uint64_t now)
{
	struct sl_neighbour_entry *e;
	bool confirmed = msg->solicited && is_ours(ifp, &msg->to);

	if (is_ours(ifp, &msg->sender)) {
		if (!msg->has_mac || !rte_is_same_ether_addr(&msg->mac, &ifp->mac))
			note_conflict(np, ifp, msg, now);
		return;
	}
	e = sl_neighbour_entries_find(&np->entries, ifp->id, &msg->sender);
	if (!e || (!msg->has_mac && !sl_neighbour_usable(e->state))) {
		np->stats.ignored++;
	} else if (!sl_neighbour_usable(e->state)) {
		set_known(np, e, &msg->mac, confirmed, now);
	} else if (!msg->has_mac || rte_is_same_ether_addr(&msg->mac, &e->mac)) {
		if (confirmed)
			set_known(np, e, &e->mac, true, now);
	} else if (msg->override) {
		set_known(np, e, &msg->mac, confirmed, now);
	} else if (e->state == SL_NEIGHBOUR_REACHABLE) {
		set_known(np, e, &e->mac, false, now);
	}
}

static void
on_message(struct sl_neighbour_protocol *np, struct rte_mbuf *m, enum sl_neighbour_parse verdict,
	const struct sl_neighbour_message *msg, uint64_t now)
{
	const struct sl_if *ifp = port_if(np, sl_packet(m)->in_if);

	if (verdict == SL_NEIGHBOUR_INVALID)
		np->stats.invalid++;
	else if (verdict == SL_NEIGHBOUR_OTHER || !ifp)
		np->stats.ignored++;
	else if (msg->request)
		on_request(np, ifp, msg, now);
	else
		on_answer(np, ifp, msg, now);
	rte_pktmbuf_free(m);
}

void
sl_neighbour_protocol_arp(struct sl_neighbour_protocol *np, struct rte_mbuf *m, uint64_t now)
{
	struct sl_neighbour_message msg;

	np->stats.arp_received++;
	on_message(np, m, sl_neighbour_parse_arp(m, &msg), &msg, now);
}

void
sl_neighbour_protocol_nd(struct sl_neighbour_protocol *np, struct rte_mbuf *m, uint64_t now)
{
	struct sl_neighbour_message msg;

	np->stats.nd_received++;
	on_message(np, m, sl_neighbour_parse_nd(m, &msg), &msg, now);
}

bool
sl_neighbour_protocol_is_nd(const struct rte_mbuf *m)
{
	struct sl_ip_upper upper;
	struct sl_ip_info info;
	const uint8_t *type;
	uint8_t copy;

	if (sl_ip_hdr_parse_mbuf(m, &info) != SL_IP_OK || info.family != SL_AF_INET6 || !sl_ip_upper(m, &info, &upper) ||
		upper.proto != IPPROTO_ICMPV6 || !upper.first)
		return false;
	type = rte_pktmbuf_read(m, upper.off, sizeof(*type), &copy);
	return type && *type >= ND_ROUTER_SOLICIT && *type <= ND_REDIRECT;
}

/* --- resolving and refreshing --- */

/* Asks for an unresolved entry, or gives it up. */
static void
resolve(struct sl_neighbour_protocol *np, struct sl_neighbour_entry *e, uint64_t now)
{
	const struct sl_if *ifp = port_if(np, e->l3_if);
	const struct sl_ip *source = ifp ? sl_if_source(ifp, &e->ip) : NULL;

	if (e->tries == SL_NEIGHBOUR_TRIES || !source) {
		np->stats.failed++;
		set_state(np, e, SL_NEIGHBOUR_FAILED, now + SL_NEIGHBOUR_NEGATIVE_NS);
		return;
	}
	e->tries++;
	sl_neighbour_entries_set_deadline(&np->entries, e, now + SL_NEIGHBOUR_RETRY_NS);
	send_request(np, ifp, source, &e->ip, NULL);
}

void
sl_neighbour_protocol_miss(struct sl_neighbour_protocol *np, const struct sl_neighbour_miss *miss, uint64_t now)
{
	const struct sl_if *ifp = port_if(np, miss->out_if);
	struct sl_neighbour_entry *e;

	if (!ifp || sl_ip_is_multicast(&miss->ip) || sl_ip_is_zero(&miss->ip) || is_ours(ifp, &miss->ip) ||
		sl_neighbour_entries_find(&np->entries, miss->out_if, &miss->ip))
		return;
	e = add_entry(np, miss->out_if, &miss->ip, true, now);
	if (e && set_state(np, e, SL_NEIGHBOUR_INCOMPLETE, now))
		resolve(np, e, now);
}

/* A known entry whose time has come: probed when it is used, forgotten when it is not, or does not answer. */
static void
refresh(struct sl_neighbour_protocol *np, struct sl_neighbour_entry *e, uint64_t now)
{
	const struct sl_if *ifp = port_if(np, e->l3_if);
	const struct sl_ip *source = ifp ? sl_if_source(ifp, &e->ip) : NULL;
	bool used = sl_neighbour_take_used(np->dp->neighbours, e->l3_if, &e->ip);

	if (used)
		e->used = now;
	if (e->tries == SL_NEIGHBOUR_TRIES || !source) {
		np->stats.failed++;
		forget(np, e);
	} else if (used || e->tries > 0) {
		e->tries++;
		sl_neighbour_entries_set_deadline(&np->entries, e, now + SL_NEIGHBOUR_RETRY_NS);
		send_request(np, ifp, source, &e->ip, &e->mac);
	} else if (now - e->used >= SL_NEIGHBOUR_IDLE_NS) {
		forget(np, e);
	} else {
		set_state(np, e, SL_NEIGHBOUR_STALE, now + SL_NEIGHBOUR_STALE_NS);
	}
}

static void
serve(struct sl_neighbour_protocol *np, struct sl_neighbour_entry *e, uint64_t now)
{
	if (e->state == SL_NEIGHBOUR_INCOMPLETE)
		resolve(np, e, now);
	else if (e->state == SL_NEIGHBOUR_FAILED)
		forget(np, e);
	else
		refresh(np, e, now);
}

/* --- announcements --- */

static void
announce(struct sl_neighbour_protocol *np, const struct sl_if *ifp)
{
	for (unsigned i = 0; i < ifp->n_addresses; i++)
		send_answer(np, ifp, &ifp->addresses[i].addr, NULL, NULL);
}

void
sl_neighbour_protocol_announce(struct sl_neighbour_protocol *np, uint16_t l3_if, uint64_t now)
{
	const struct sl_if *ifp = port_if(np, l3_if);

	if (!ifp)
		return;
	announce(np, ifp);
	np->announce_at[l3_if] = now + SL_NEIGHBOUR_RETRY_NS;
	np->announce_next = RTE_MIN(np->announce_next, np->announce_at[l3_if]);
}

static void
announce_again(struct sl_neighbour_protocol *np, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (unsigned i = 0; i < SL_IF_MAX; i++) {
		const struct sl_if *ifp = port_if(np, (uint16_t)i);

		if (np->announce_at[i] == 0)
			continue;
		if (np->announce_at[i] > now) {
			next = RTE_MIN(next, np->announce_at[i]);
			continue;
		}
		np->announce_at[i] = 0;
		if (ifp)
			announce(np, ifp);
	}
	np->announce_next = next;
}

void
sl_neighbour_protocol_forget_if(struct sl_neighbour_protocol *np, uint16_t l3_if)
{
	sl_neighbour_remove_if(np->dp->neighbours, l3_if);
	sl_neighbour_entries_remove_if(&np->entries, l3_if);
	np->announce_at[l3_if] = 0;
}

/* --- time --- */

uint64_t
sl_neighbour_protocol_deadline(const struct sl_neighbour_protocol *np)
{
	const struct sl_neighbour_entry *e = sl_neighbour_entries_first(&np->entries);

	return e ? RTE_MIN(e->deadline, np->announce_next) : np->announce_next;
}

void
sl_neighbour_protocol_tick(struct sl_neighbour_protocol *np, uint64_t now, unsigned budget)
{
	struct sl_neighbour_entry *e;

	if (now >= np->announce_next)
		announce_again(np, now);
	while (budget-- > 0 && (e = sl_neighbour_entries_first(&np->entries)) && e->deadline <= now)
		serve(np, e, now);
}

unsigned
sl_neighbour_groups(const struct sl_if *ifp, struct sl_localaddr_entry out[SL_NEIGHBOUR_GROUPS_MAX])
{
	unsigned n = 0;

	for (unsigned i = 0; i < ifp->n_addresses; i++) {
		if (ifp->addresses[i].addr.family != SL_AF_INET6)
			continue;
		if (n == 0)
			out[n++].ip = sl_neighbour_all_nodes();
		out[n++].ip = sl_neighbour_solicited_group(&ifp->addresses[i].addr);
	}
	for (unsigned i = 0; i < n; i++) {
		out[i].flags = SL_LOCALADDR_MULTICAST | SL_LOCALADDR_SCOPED;
		out[i].l3_if = ifp->id;
	}
	return n;
}
