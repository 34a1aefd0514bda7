#include "reload_world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/base64.h"
#include "reload_hub.h"

#define KEEPALIVES 3
#define PSKS       3
#define ENDPOINTS  3
#define TAKEN_MOST 4 /* prefixes that a new peer gets at once */

uint32_t
world_below(struct world_random *r, uint32_t n)
{
	r->state ^= r->state << 13;
	r->state ^= r->state >> 7;
	r->state ^= r->state << 17;
	return (uint32_t)((r->state >> 16) % n);
}

/* --- what there is --- */

void
world_public_key(uint32_t peer, uint8_t public_key[SL_KEY_LEN])
{
	static struct remote remotes[WORLD_PEERS];

	if (!remotes[peer].identity.valid)
		remote_init(&remotes[peer], peer);
	memcpy(public_key, remotes[peer].identity.public_key, SL_KEY_LEN);
}

void
world_hub_key(uint32_t version, uint8_t private_key[SL_KEY_LEN])
{
	memset(private_key, 0, SL_KEY_LEN);
	memcpy(private_key + 4, &version, sizeof(version));
	private_key[9] = 0x99;
}

void
world_psk(uint8_t version, uint8_t psk[SL_KEY_LEN])
{
	memset(psk, version, SL_KEY_LEN);
}

uint16_t
world_listen(const struct world *w, uint8_t interface)
{
	return (uint16_t)(51000 + 100 * interface + w->ifs[interface].listen);
}

bool
world_there(const struct world *w, uint32_t peer)
{
	const struct world_peer *p = &w->peers[peer];

	return p->present && !p->disabled && p->expires != WORLD_BEFORE && w->ifs[p->interface].present;
}

static struct sl_prefix
make_prefix(uint32_t prefix)
{
	static const struct {
		uint8_t last, len, family;
	} forms[WORLD_FORMS] = {{0, 24, 4}, {0, 25, 4}, {128, 25, 4}, {7, 32, 4}, {200, 32, 4}, {0, 64, 6}, {7, 128, 6}};
	const uint8_t block = (uint8_t)(prefix / WORLD_FORMS), form = (uint8_t)(prefix % WORLD_FORMS);
	const uint8_t v4[4] = {172, 16, block, forms[form].last};
	uint8_t v6[16] = {0xfd, 0x10, 0, block};

	v6[15] = forms[form].last;
	return (struct sl_prefix){
		.addr = forms[form].family == 4 ? sl_ip4(v4) : sl_ip6(v6), .len = forms[form].len};
}

const struct sl_prefix *
world_prefix(uint32_t prefix)
{
	static struct sl_prefix made[WORLD_PREFIXES];

	if (made[prefix].addr.family == SL_AF_NONE)
		made[prefix] = make_prefix(prefix);
	return &made[prefix];
}

uint32_t
world_block(const struct sl_ip *ip)
{
	bool v6 = ip->family == SL_AF_INET6;

	if (v6 ? ip->bytes[1] != 0x10 : ip->bytes[0] != 172)
		return WORLD_PREFIXES;
	return ip->bytes[v6 ? 3 : 2] * WORLD_FORMS;
}

struct sl_ip
world_address(uint32_t prefix, uint32_t n)
{
	static const uint8_t last[] = {7, 9, 150, 200};
	const struct sl_prefix *p = world_prefix(prefix);
	unsigned bytes = sl_family_bytes(p->addr.family);
	struct sl_ip ip = p->addr;

	for (unsigned i = 0; i < 4; i++, n++) {
		ip.bytes[bytes - 1] = last[n % 4];
		if (sl_prefix_contains(p, &ip))
			return ip;
	}
	return p->addr;
}

struct sl_ip
world_home(const struct world *w, uint32_t peer, bool v6)
{
	const uint8_t interface = w->peers[peer].interface;
	const uint8_t four[4] = {10, (uint8_t)(64 + interface), 0, (uint8_t)(10 + peer)};
	uint8_t six[16] = {0xfd, 0, 0, (uint8_t)(0x64 + interface)};

	six[15] = (uint8_t)(10 + peer);
	return v6 ? sl_ip6(six) : sl_ip4(four);
}

/* The peer at home there, on any interface. */
static uint8_t
at_home(const struct world *w, const struct sl_ip *ip)
{
	uint8_t last = ip->bytes[sl_family_bytes(ip->family) - 1];
	struct sl_ip home;

	if (last < 10 || last >= 10 + WORLD_PEERS || !world_there(w, last - 10u))
		return WORLD_NOBODY;
	home = world_home(w, last - 10u, ip->family == SL_AF_INET6);
	return sl_ip_equal(&home, ip) ? (uint8_t)(last - 10) : WORLD_NOBODY;
}

/* The longest prefix that contains the address, of peers on one interface (-1: on any whose prefixes are routes). */
static uint8_t
longest(const struct world *w, int interface, const struct sl_ip *ip)
{
	uint32_t first = world_block(ip);
	uint8_t owner = WORLD_NOBODY;
	int len = -1;

	for (uint32_t i = first; i < first + WORLD_FORMS && i < WORLD_PREFIXES; i++) {
		const struct sl_prefix *p = world_prefix(i);
		uint8_t o = w->owner[i];

		if (o == WORLD_NOBODY || !world_there(w, o) || p->len <= len || !sl_prefix_contains(p, ip))
			continue;
		if (interface >= 0 ? w->peers[o].interface != interface : !w->ifs[w->peers[o].interface].routes)
			continue;
		owner = o;
		len = p->len;
	}
	return owner;
}

uint8_t
world_source(const struct world *w, uint8_t interface, const struct sl_ip *ip)
{
	uint8_t home = at_home(w, ip);

	if (home != WORLD_NOBODY)
		return w->peers[home].interface == interface ? home : WORLD_NOBODY;
	return longest(w, interface, ip);
}

uint8_t
world_route(const struct world *w, const struct sl_ip *ip)
{
	struct sl_ip host;
	uint8_t peer = at_home(w, ip);

	/* a home lies in its interface's network, so it is routed there whether allowed IPs are routes or not */
	if (peer == WORLD_NOBODY)
		peer = longest(w, -1, ip);
	if (peer != WORLD_NOBODY)
		return peer;
	if (sl_ip_parse(ip->family == SL_AF_INET ? LAN_HOST4 : LAN_HOST6, &host) && sl_ip_equal(&host, ip))
		return WORLD_LAN;
	if (ip->family == SL_AF_INET && ip->bytes[0] == 10 && ip->bytes[1] == 99 && ip->bytes[2] < WORLD_ROUTES)
		return w->routes & 1u << ip->bytes[2] ? WORLD_LAN : WORLD_NOBODY;
	return WORLD_NOBODY;
}

/* --- the first --- */

static void
add_peer(struct world *w, uint32_t peer, uint8_t interface, uint8_t file)
{
	w->peers[peer] = (struct world_peer){.present = true, .interface = interface, .file = file, .name = ++w->last_name};
}

void
world_first(struct world *w)
{
	memset(w, 0, sizeof(*w));
	memset(w->owner, WORLD_NOBODY, sizeof(w->owner));
	for (uint8_t i = 0; i < WORLD_IFS; i++)
		w->ifs[i] = (struct world_if){.present = true, .routes = true, .key = ++w->last_key};
	for (uint32_t i = 0; i < WORLD_PEERS / 2; i++) {
		add_peer(w, i, i % 3 == 2, (uint8_t)(i % WORLD_FILES));
		w->owner[i * WORLD_FORMS] = w->owner[i * WORLD_FORMS + 5] = (uint8_t)i;
	}
}

void
world_full(struct world *w)
{
	world_first(w);
	for (uint32_t i = 0; i < WORLD_PEERS; i++)
		add_peer(w, i, i % 3 == 2, (uint8_t)(i % WORLD_FILES));
	for (uint32_t i = 0; i < WORLD_PREFIXES; i++)
		w->owner[i] = (uint8_t)(i % WORLD_PEERS);
	w->lan_second = true;
	w->routes = (1 << WORLD_ROUTES) - 1;
	for (uint8_t i = 0; i < WORLD_IFS; i++) {
		w->ifs[i].second_address = true;
		w->ifs[i].previous = ++w->last_key;
	}
}

/* --- changes --- */

struct edit {
	struct world *w;
	struct world_random *r;
	const bool *frozen;
};

static bool
is_frozen(const struct edit *e, uint32_t peer)
{
	return peer != WORLD_NOBODY && e->frozen && e->frozen[peer];
}

/* One at random that is in the files, or is not; WORLD_NOBODY where chance finds none. */
static uint8_t
any_peer(const struct edit *e, bool present)
{
	for (unsigned i = 0; i < WORLD_PEERS; i++) {
		uint32_t peer = world_below(e->r, WORLD_PEERS);

		if (e->w->peers[peer].present == present && !is_frozen(e, peer))
			return (uint8_t)peer;
	}
	return WORLD_NOBODY;
}

/* A prefix goes to a peer, or to nobody, unless who has it is not to be touched. */
static void
give(const struct edit *e, uint32_t prefix, uint8_t peer)
{
	if (!is_frozen(e, e->w->owner[prefix]))
		e->w->owner[prefix] = peer;
}

static void
edit_add(struct edit *e)
{
	uint8_t peer = any_peer(e, false);

	if (peer == WORLD_NOBODY)
		return;
	add_peer(e->w, peer, (uint8_t)world_below(e->r, WORLD_IFS), (uint8_t)world_below(e->r, WORLD_FILES));
	e->w->peers[peer].expires = world_below(e->r, 8) ? WORLD_NEVER : WORLD_BEFORE;
	for (uint32_t n = world_below(e->r, TAKEN_MOST); n > 0; n--)
		give(e, world_below(e->r, WORLD_PREFIXES), peer);
}

static void
edit_remove(struct edit *e)
{
	uint8_t peer = any_peer(e, true);

	if (peer == WORLD_NOBODY)
		return;
	e->w->peers[peer].present = false;
	for (uint32_t i = 0; i < WORLD_PREFIXES; i++)
		if (e->w->owner[i] == peer)
			e->w->owner[i] = WORLD_NOBODY;
}

static void
edit_prefix(struct edit *e)
{
	uint8_t peer = any_peer(e, true);

	if (peer != WORLD_NOBODY)
		give(e, world_below(e->r, WORLD_PREFIXES), world_below(e->r, 4) == 0 ? WORLD_NOBODY : peer);
}

/* All that one peer has goes to another. */
static void
edit_move_all(struct edit *e)
{
	uint8_t from = any_peer(e, true), to = any_peer(e, true);

	for (uint32_t i = 0; from != WORLD_NOBODY && to != WORLD_NOBODY && i < WORLD_PREFIXES; i++)
		if (e->w->owner[i] == from)
			e->w->owner[i] = to;
}

/* A prefix is cut in two, or two become one. */
static void
edit_split(struct edit *e)
{
	uint32_t first = world_below(e->r, WORLD_BLOCKS) * WORLD_FORMS;
	uint8_t *owner = &e->w->owner[first];
	uint8_t peer = owner[0] != WORLD_NOBODY ? owner[0] : owner[1];

	if (peer == WORLD_NOBODY || is_frozen(e, owner[0]) || is_frozen(e, owner[1]) || is_frozen(e, owner[2]))
		return;
	if (owner[0] != WORLD_NOBODY) {
		owner[0] = WORLD_NOBODY;
		owner[1] = owner[2] = peer;
	} else {
		owner[0] = peer;
		owner[1] = owner[2] = WORLD_NOBODY;
	}
}

/* The name gets another key. */
static void
edit_key(struct edit *e)
{
	uint8_t from = any_peer(e, true), to = any_peer(e, false);

	if (from == WORLD_NOBODY || to == WORLD_NOBODY)
		return;
	e->w->peers[to] = e->w->peers[from];
	e->w->peers[from].present = false;
	for (uint32_t i = 0; i < WORLD_PREFIXES; i++)
		if (e->w->owner[i] == from)
			e->w->owner[i] = to;
}

static void
edit_fields(struct edit *e)
{
	uint8_t peer = any_peer(e, true);
	struct world_peer *p;

	if (peer == WORLD_NOBODY)
		return;
	p = &e->w->peers[peer];
	switch (world_below(e->r, 8)) {
	case 0: p->psk = (uint8_t)world_below(e->r, PSKS); break;
	case 1: p->keepalive = (uint16_t)(25 * world_below(e->r, KEEPALIVES)); break;
	case 2: p->endpoint = (uint8_t)world_below(e->r, ENDPOINTS); break;
	case 3: p->name = ++e->w->last_name; break;
	case 4: p->file = (uint8_t)world_below(e->r, WORLD_FILES); break;
	case 5: p->disabled = !p->disabled; break;
	case 6: p->expires = (uint8_t)world_below(e->r, 3); break;
	case 7: p->interface = !p->interface; break;
	}
}

static void
edit_interface(struct edit *e)
{
	uint32_t which = world_below(e->r, WORLD_IFS);
	struct world_if *i = &e->w->ifs[which];

	switch (world_below(e->r, 10)) {
	case 0: /* a new key, the old one goes on */
		i->previous = i->key;
		i->key = ++e->w->last_key;
		break;
	case 1: i->previous = 0; break;
	case 2: /* without a hand-over */
		i->previous = 0;
		i->key = ++e->w->last_key;
		break;
	case 3: i->mtu = !i->mtu; break;
	case 4: i->routes = !i->routes; break;
	case 5: i->listen = !i->listen; break;
	case 6: /* the second one goes altogether, unless something must stay as it is */
		if (which == 1 && !e->frozen)
			i->present = !i->present;
		break;
	default: i->second_address = !i->second_address; break;
	}
}

static void
edit_places(struct edit *e)
{
	switch (world_below(e->r, 3)) {
	case 0: e->w->lan_other = !e->w->lan_other; break;
	case 1: e->w->lan_second = !e->w->lan_second; break;
	case 2: e->w->routes ^= (uint8_t)(1u << world_below(e->r, WORLD_ROUTES)); break;
	}
}

void
world_edit(struct world *w, struct world_random *r, const bool *frozen)
{
	static void (*const edits[])(struct edit *) = {edit_add, edit_add, edit_remove, edit_prefix, edit_prefix, edit_prefix,
		edit_move_all, edit_split, edit_key, edit_fields, edit_fields, edit_fields, edit_places, edit_interface};
	struct edit e = {.w = w, .r = r, .frozen = frozen};

	edits[world_below(r, sizeof(edits) / sizeof(edits[0]))](&e);
}

/* --- the files --- */

static void
write_key(FILE *out, const char *name, const uint8_t key[SL_KEY_LEN])
{
	char text[SL_KEY_BASE64_LEN + 1];

	sl_key_to_base64(text, key);
	fprintf(out, "%s: %s", name, text);
}

static void
write_prefixes(const struct world *w, uint32_t peer, FILE *out)
{
	char text[SL_PREFIX_STRLEN], home4[SL_IP_STRLEN], home6[SL_IP_STRLEN];
	struct sl_ip four = world_home(w, peer, false), six = world_home(w, peer, true);

	fprintf(out, ", allowed-ips: [%s, \"%s\"", sl_ip_format(&four, home4), sl_ip_format(&six, home6));
	for (uint32_t i = 0; i < WORLD_PREFIXES; i++) {
		if (w->owner[i] == peer)
			fprintf(out, ", \"%s\"", sl_prefix_format(world_prefix(i), text));
	}
	fputs("]", out);
}

static void
write_peer(const struct world *w, uint32_t peer, const char *indent, FILE *out)
{
	const struct world_peer *p = &w->peers[peer];
	struct sl_endpoint endpoint = remote_endpoint(peer);
	uint8_t key[SL_KEY_LEN];
	char text[SL_ENDPOINT_STRLEN];

	fprintf(out, "%sn%u: {", indent, p->name);
	world_public_key(peer, key);
	write_key(out, "public-key", key);
	if (p->psk) {
		world_psk(p->psk, key);
		write_key(out, ", preshared-key", key);
	}
	endpoint.port = (uint16_t)(endpoint.port + 1000 * (p->endpoint - 1));
	if (p->endpoint)
		fprintf(out, ", endpoint: \"%s\"", sl_endpoint_format(&endpoint, text));
	if (p->keepalive)
		fprintf(out, ", persistent-keepalive: %u", p->keepalive);
	if (p->disabled)
		fputs(", disabled: true", out);
	if (p->expires)
		fprintf(out, ", expires: %s", p->expires == WORLD_LATER ? "2099-01-01T00:00:00Z" : "2001-01-01T00:00:00Z");
	write_prefixes(w, peer, out);
	fputs("}\n", out);
}

/* The peers of an interface that stand in that file; whether there are any. */
static bool
write_peers(const struct world *w, uint8_t interface, uint8_t file, const char *head, const char *indent, FILE *out)
{
	bool any = false;

	for (uint32_t i = 0; i < WORLD_PEERS; i++) {
		if (!w->peers[i].present || w->peers[i].interface != interface || w->peers[i].file != file)
			continue;
		fputs(any ? "" : head, out);
		any = true;
		write_peer(w, i, indent, out);
	}
	return any;
}

static FILE *
create(const char *path)
{
	FILE *out = fopen(path, "w");

	cr_assert_not_null(out, "%s", path);
	cr_assert_eq(fchmod(fileno(out), 0600), 0);
	return out;
}

static void
write_included(const struct world *w, uint8_t interface, const char *folder)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/wg%u.d", folder, interface);
	mkdir(path, 0700);
	for (uint8_t file = 1; file < WORLD_FILES; file++) {
		FILE *out;
		bool any;

		snprintf(path, sizeof(path), "%s/wg%u.d/%u.yaml", folder, interface, file);
		out = create(path);
		any = write_peers(w, interface, file, "peers:\n", "  ", out);
		fclose(out);
		if (!any)
			unlink(path);
	}
}

static void
write_interface(const struct world *w, uint8_t i, FILE *out)
{
	const struct world_if *ifp = &w->ifs[i];
	uint8_t key[SL_KEY_LEN];

	fprintf(out, "  wg%u:\n    ", i);
	world_hub_key(ifp->key, key);
	write_key(out, "private-key", key);
	world_hub_key(ifp->previous, key);
	if (ifp->previous)
		write_key(out, "\n    previous-private-key", key);
	fprintf(out, "\n    listen-port: %u\n    mtu: %u\n    addresses: [10.%u.0.1/16, \"fd00:%u::1/64\"%s]\n%s",
		world_listen(w, i), ifp->mtu ? 1380 : 1420, 64 + i, 64 + i,
		ifp->second_address ? i ? ", 10.67.0.1/24" : ", 10.66.0.1/24" : "", ifp->routes ? "" : "    routes: none\n");
	fprintf(out, "    include-peers: [wg%u.d/*.yaml]\n", i);
	write_peers(w, i, 0, "    peers:\n", "      ", out);
}

void
world_write(const struct world *w, const char *folder, unsigned device)
{
	char path[256];
	FILE *out;

	snprintf(path, sizeof(path), "%s/hub.yaml", folder);
	out = create(path);
	fprintf(out,
		"version: 1\nname: unit\nports:\n"
		"  wan0: {device: " HUB_NULL "%u, addresses: [192.0.2.1/24], gateway: 192.0.2.254}\n"
		"  lan0: {device: " HUB_NULL "%u, addresses: [10.20.0.%u/16, \"fd00:20::1/64\"%s]}\n"
		"interfaces:\n",
		device, device + 1, w->lan_other ? 2 : 1, w->lan_second ? ", 10.21.0.1/24" : "");
	for (uint8_t i = 0; i < WORLD_IFS; i++) {
		if (!w->ifs[i].present)
			continue;
		write_interface(w, i, out);
		write_included(w, i, folder);
	}
	if (w->routes)
		fputs("routes:\n", out);
	for (unsigned i = 0; i < WORLD_ROUTES; i++)
		if (w->routes & 1u << i)
			fprintf(out, "  - {to: 10.99.%u.0/24, via: " LAN_HOST4 "}\n", i);
	fclose(out);
}
