#include <criterion/criterion.h>
#include <stdlib.h>

#include "reload_bed.h"

#define BURST        48
#define MOVED_PROBES 12

struct bed t;

/* --- who must be heard --- */

bool
bed_knows_key(const struct world *w, uint32_t peer)
{
	const struct world_if *i = &w->ifs[w->peers[peer].interface];

	return t.key[peer] == i->key || t.key[peer] == i->previous;
}

/* Whether the peer is in both, and keeps its session and the port that it sends to. */
bool
bed_lives(const struct world *old, const struct world *new, uint32_t peer)
{
	uint8_t i = old->peers[peer].interface;

	return world_there(old, peer) && world_there(new, peer) && i == new->peers[peer].interface &&
		t.remotes[peer].session && bed_knows_key(old, peer) && bed_knows_key(new, peer) &&
		old->ifs[i].listen == new->ifs[i].listen;
}

static bool
reachable(const struct world *old, const struct world *new, uint8_t place)
{
	return place == WORLD_LAN || (place != WORLD_NOBODY && bed_lives(old, new, place));
}

/*
 * Whether peers that come or go, or are not there, have prefixes around the address that lie in each other, or one expires with what it has just
 * been given, or what moves goes to or from an interface that becomes or ceases to be a way: these are not one step.
 */
static bool
nested(const struct world *old, const struct world *new, const struct sl_ip *ip)
{
	unsigned n = 0;
	bool coming = false, expiring = false, switched = false, moving = false;

	uint32_t first = world_block(ip);

	for (uint32_t i = first; i < first + WORLD_FORMS && i < WORLD_PREFIXES; i++) {
		if ((old->owner[i] == WORLD_NOBODY && new->owner[i] == WORLD_NOBODY) ||
			!sl_prefix_contains(world_prefix(i), ip))
			continue;
		n++;
		moving |= old->owner[i] != new->owner[i];
		for (unsigned k = 0; k < 2; k++) {
			uint8_t o = (k ? new : old)->owner[i];

			if (o == WORLD_NOBODY)
				continue;
			coming |= !world_there(old, o) || !world_there(new, o) ||
				old->peers[o].interface != new->peers[o].interface;
			expiring |= old->peers[o].expires != new->peers[o].expires;
			switched |= old->ifs[old->peers[o].interface].routes != new->ifs[old->peers[o].interface].routes;
		}
	}
	return (coming && (n > 1 || expiring)) || (moving && switched);
}

static bool
may_have(const struct world *w, const struct sl_ip *ip, uint8_t place)
{
	uint32_t first = world_block(ip);

	for (uint32_t i = first; i < first + WORLD_FORMS && i < WORLD_PREFIXES; i++)
		if (w->owner[i] == place && sl_prefix_contains(world_prefix(i), ip))
			return true;
	return false;
}

/* --- probes --- */

static struct probe *
probe_new(const struct sl_ip *src, const struct sl_ip *dst)
{
	struct probe *p = &t.probes[t.n_probes++];

	cr_assert_leq(t.n_probes, BED_PROBES);
	*p = (struct probe){.src = *src, .dst = *dst, .got = WORLD_NOBODY};
	return p;
}

static struct sl_ip
lan_host(const struct sl_ip *like)
{
	struct sl_ip ip;

	cr_assert(sl_ip_parse(like->family == SL_AF_INET ? LAN_HOST4 : LAN_HOST6, &ip));
	return ip;
}

static void
probe_down(const struct world *old, const struct world *new, const struct sl_ip *dst)
{
	struct sl_ip host = lan_host(dst);
	struct probe *p = probe_new(&host, dst);
	uint8_t packet[256];

	p->want[0] = world_route(old, dst);
	p->want[1] = world_route(new, dst);
	p->any = nested(old, new, dst);
	p->must = !p->any && reachable(old, new, p->want[0]) && reachable(old, new, p->want[1]);
	t.moved += p->must && p->want[0] != p->want[1];
	hub_from_lan(t.hub, packet, rig_packet(packet, &host, dst, t.token + t.n_probes - 1));
}

/* From a peer, from an address that is its own or not, to the host or to another peer. */
static struct probe *
probe_up(const struct world *old, const struct world *new, uint8_t from, const struct sl_ip *src, const struct sl_ip *dst)
{
	const struct world *worlds[] = {old, new};
	uint8_t interface = (world_there(old, from) ? old : new)->peers[from].interface;
	struct probe *p;
	uint8_t packet[256];

	if (!t.remotes[from].session || world_route(old, dst) != world_route(new, dst) || nested(old, new, dst))
		return NULL;
	p = probe_new(src, dst);
	p->up = true;
	p->from = from;
	p->interface = interface;
	for (unsigned k = 0; k < 2; k++) {
		bool own = world_there(worlds[k], from) && worlds[k]->peers[from].interface == interface &&
			world_source(worlds[k], interface, src) == from;

		p->want[k] = own ? world_route(worlds[k], dst) : WORLD_NOBODY;
	}
	p->any = nested(old, new, src);
	p->must = !p->any && bed_lives(old, new, from) && p->want[0] != WORLD_NOBODY && p->want[1] != WORLD_NOBODY &&
		reachable(old, new, p->want[0]);
	remote_send(&t.remotes[from], t.hub, world_listen(old, interface), packet,
		rig_packet(packet, src, dst, t.token + t.n_probes - 1));
	return p;
}

/* One of the addresses that the peer has before or after. */
static struct sl_ip
own_address(const struct world *w, uint32_t peer)
{
	uint32_t first = world_below(&t.random, WORLD_PREFIXES);

	for (uint32_t i = 0; world_below(&t.random, 4) && i < WORLD_PREFIXES; i++) {
		uint32_t prefix = (first + i) % WORLD_PREFIXES;

		if (w->owner[prefix] == peer)
			return world_address(prefix, world_below(&t.random, 4));
	}
	return world_home(w, peer, world_below(&t.random, 2));
}

void
bed_pass(void)
{
	struct came came;

	hub_pass(t.hub);
	while (hub_take(t.hub, t.remotes, WORLD_PEERS, &came)) {
		uint32_t n = came.token - t.token;

		/* whose session was dropped would be called */
		if (came.kind == CAME_INITIATION && came.remote < WORLD_PEERS)
			cr_expect_not(bed_lives(&t.running, &t.next, came.remote), "reload %u: peer %u lost its session",
				t.reload, came.remote);
		if (came.token == UINT32_MAX || came.kind == CAME_OTHER || came.kind == CAME_INITIATION || n >= t.n_probes)
			continue;
		if (came.kind == CAME_CLEAR)
			continue; /* nobody has that address: by the default route */
		t.probes[n].came++;
		t.probes[n].got = came.kind == CAME_LAN ? WORLD_LAN : (uint8_t)came.remote;
		if (came.kind == CAME_REMOTE && t.running.peers[came.remote].endpoint == t.next.peers[came.remote].endpoint) {
			struct sl_endpoint at = remote_endpoint(came.remote);

			cr_expect(sl_endpoint_equal(&came.to, &at), "reload %u: peer %u is where it is no more", t.reload,
				came.remote);
		}
	}
}

/* For whoever has to find out why: who has what around the address. */
static void
tell(const struct world *w, const char *when, const struct sl_ip *ip)
{
	uint32_t first = world_block(ip);

	for (uint32_t i = first; i < first + WORLD_FORMS && i < WORLD_PREFIXES; i++) {
		const struct world_peer *p = w->owner[i] == WORLD_NOBODY ? NULL : &w->peers[w->owner[i]];

		if (p && sl_prefix_contains(world_prefix(i), ip))
			cr_log_error("%s: /%u is peer %u's, name %u, wg%u%s%s%s%s", when, world_prefix(i)->len, w->owner[i], p->name,
				p->interface, p->present ? "" : ", absent", p->disabled ? ", disabled" : "",
				p->expires == WORLD_BEFORE ? ", expired" : "", p->touched ? ", touched" : "");
	}
	cr_log_error("%s: routes of wg0 %d, of wg1 %d", when, w->ifs[0].routes, w->ifs[1].routes);
}

static void
judge(const struct world *old, const struct world *new, const struct probe *p)
{
	bool right = p->got == p->want[0] || p->got == p->want[1] || p->got == WORLD_NOBODY;
	char src[SL_IP_STRLEN], dst[SL_IP_STRLEN];

	if (p->any && !right)
		right = p->up ? may_have(old, &p->src, p->from) || may_have(new, &p->src, p->from)
			      : may_have(old, &p->dst, p->got) || may_have(new, &p->dst, p->got);
	if (p->must && p->got == WORLD_NOBODY)
		right = false;
	if (!right || p->came > 1) {
		tell(old, "before", p->up ? &p->src : &p->dst);
		tell(new, "after", p->up ? &p->src : &p->dst);
		cr_log_error("%s", t.hub->answer ? t.hub->answer : "no answer yet");
	}
	cr_assert(right && p->came <= 1,
		"reload %u, seed %s: %s peer %u (%s to %s): came out %u times, at %u; before %u, after %u%s", t.reload,
		getenv("SL_RELOAD_SEED") ? getenv("SL_RELOAD_SEED") : "1", p->up ? "up from" : "down", p->from,
		sl_ip_format(&p->src, src), sl_ip_format(&p->dst, dst), p->came, p->got, p->want[0], p->want[1],
		p->must ? ", and must" : "");
}

/* An address of a prefix that moves: both peers send from it, and one of them is heard. */
static void
probe_moved(const struct world *old, const struct world *new, uint32_t prefix)
{
	struct sl_ip ip = world_address(prefix, world_below(&t.random, 4)), host = lan_host(&ip);
	uint8_t a, b;
	unsigned first = t.n_probes;

	probe_down(old, new, &ip);
	a = old->owner[prefix];
	b = new->owner[prefix];
	if (a != WORLD_NOBODY && (world_there(old, a) || world_there(new, a)))
		probe_up(old, new, a, &ip, &host);
	if (b != WORLD_NOBODY && b != a && (world_there(old, b) || world_there(new, b)))
		probe_up(old, new, b, &ip, &host);
	if (t.n_probes - first == 3 && !t.probes[first + 1].any && bed_lives(old, new, a) && bed_lives(old, new, b) &&
		t.probes[first + 1].want[0] != WORLD_NOBODY && t.probes[first + 2].want[1] != WORLD_NOBODY &&
		old->peers[a].interface == old->peers[b].interface) {
		hub_pass(t.hub); /* together, in one pass, so that they see the same tables */
		bed_pass();
		cr_assert_eq(t.probes[first + 1].came + t.probes[first + 2].came, 1,
			"reload %u: from a prefix that moves one of both is heard", t.reload);
	}
}

/* What is between two steps: everyone is heard and reached, as before or as after. */
void
bed_traffic(const struct world *old, const struct world *new)
{
	unsigned moved = 0;

	t.n_probes = 0;
	for (uint32_t i = 0; i < WORLD_PEERS; i++) {
		const struct world *w = world_there(old, i) ? old : new;
		struct sl_ip own, other;
		uint32_t to = world_below(&t.random, WORLD_PEERS);

		if (!world_there(old, i) && !world_there(new, i))
			continue;
		own = own_address(w, i);
		probe_down(old, new, &own);
		own = own_address(w, i);
		other = to != i && own.family == SL_AF_INET && world_there(old, to) ? world_home(old, to, false) : lan_host(&own);
		if (!probe_up(old, new, (uint8_t)i, &own, &other)) {
			other = lan_host(&own);
			probe_up(old, new, (uint8_t)i, &own, &other);
		}
		if (i % BURST == BURST - 1)
			bed_pass();
	}
	bed_pass();
	for (uint32_t first = world_below(&t.random, WORLD_PREFIXES), i = 0; i < WORLD_PREFIXES && moved < MOVED_PROBES; i++) {
		uint32_t prefix = (first + i) % WORLD_PREFIXES;

		if (old->owner[prefix] == new->owner[prefix] && world_below(&t.random, 64))
			continue;
		probe_moved(old, new, prefix);
		moved++;
	}
	bed_pass();
	for (unsigned i = 0; i < t.n_probes; i++)
		judge(old, new, &t.probes[i]);
	t.token += t.n_probes;
	t.sent += t.n_probes;
	t.rounds++;
}
