/* What of a wg-quick file needs all of its peers at once. */
#include <stdlib.h>
#include <string.h>

#include "app/wg_quick_lines.h"

/* As keys of the map are: one length. */
static void pad(char padded[SL_CONFIG_PEER_NAME_MAX + 1], const char *name)
{
	memset(padded, 0, SL_CONFIG_PEER_NAME_MAX + 1);
	memcpy(padded, name, strnlen(name, SL_CONFIG_PEER_NAME_MAX));
}

bool sl_wg_quick_is_taken(const struct sl_wg_quick_reader *r, const char *name)
{
	char padded[SL_CONFIG_PEER_NAME_MAX + 1];

	pad(padded, name);
	return sl_config_map_find(&r->names, padded) != SL_CONFIG_MAP_NONE;
}

static void take_name(struct sl_wg_quick_reader *r, const char *name, uint32_t peer)
{
	char padded[SL_CONFIG_PEER_NAME_MAX + 1];

	pad(padded, name);
	sl_config_map_add(&r->names, padded, peer);
}

void sl_wg_quick_take_name(struct sl_wg_quick_reader *r)
{
	uint32_t n = r->w->n_peers;

	if (n && r->w->peers[n - 1].name[0])
		take_name(r, r->w->peers[n - 1].name, n - 1);
}

/*
 * For every prefix of every peer, in their order, the next peer that has it too: the same one where it stands there twice,
 * SL_CONFIG_MAP_NONE where none follows. To be freed.
 */
static uint32_t *find_next(const struct sl_wg_quick *w)
{
	size_t n = 0;
	uint32_t *next, *holder, n_holders = 0;
	struct sl_config_map seen;

	for (unsigned i = 0; i < w->n_peers; i++)
		n += w->peers[i].config.n_allowed_ips;
	next = sl_config_alloc(n, sizeof(*next));
	holder = sl_config_alloc(n, sizeof(*holder)); /* of each prefix, as far as has been seen from the end */
	sl_config_map_init(&seen, sizeof(struct sl_prefix));
	for (unsigned i = w->n_peers; i-- > 0;)
		for (uint32_t j = w->peers[i].config.n_allowed_ips; j-- > 0;) {
			uint32_t at = sl_config_map_add(&seen, &w->peers[i].allowed[j], n_holders);

			next[--n] = at == SL_CONFIG_MAP_NONE ? at : holder[at];
			holder[at == SL_CONFIG_MAP_NONE ? n_holders++ : at] = i;
		}
	sl_config_map_free(&seen);
	free(holder);
	return next;
}

/* A prefix belongs to the last peer that names it, as for wg. */
static void settle_prefixes(struct sl_wg_quick_reader *r)
{
	struct sl_wg_quick *w = r->w;
	uint32_t *list = find_next(w);
	const uint32_t *next = list;
	char text[SL_PREFIX_STRLEN];

	for (unsigned i = 0; i < w->n_peers; i++) {
		struct sl_wg_quick_peer *p = &w->peers[i];
		uint32_t kept = 0;

		for (uint32_t j = 0; j < p->config.n_allowed_ips; j++, next++) {
			if (*next == SL_CONFIG_MAP_NONE)
				p->allowed[kept++] = p->allowed[j];
			else if (*next != i)
				sl_wg_quick_error(r, true, p->line,
				        "AllowedIPs: %s is given again, to the peer in line %u; that one has it, as for wg",
				        sl_prefix_format(&p->allowed[j], text), w->peers[*next].line);
		}
		p->config.n_allowed_ips = kept;
	}
	free(list);
}

/* peer-1, peer-2 and so on by their places, or the next number that is free. */
static void name_all(struct sl_wg_quick_reader *r)
{
	struct sl_wg_quick *w = r->w;
	unsigned number = 0; /* given last: those before it from a nameless peer's place on are taken */

	sl_wg_quick_take_name(r);
	for (unsigned i = 0; i < w->n_peers; i++) {
		struct sl_wg_quick_peer *p = &w->peers[i];

		if (p->name[0])
			continue;
		if (number < i)
			number = i;
		do
			snprintf(p->name, sizeof(p->name), "peer-%u", ++number);
		while (sl_wg_quick_is_taken(r, p->name));
		take_name(r, p->name, i);
	}
}

static void check_keys(struct sl_wg_quick_reader *r)
{
	struct sl_wg_quick *w = r->w;
	struct sl_config_map keys;

	sl_config_map_init(&keys, SL_KEY_LEN);
	for (unsigned i = 0; i < w->n_peers; i++) {
		const struct sl_wg_quick_peer *p = &w->peers[i];
		uint32_t first;

		if (p->key_line == 0) {
			sl_wg_quick_error(r, false, p->line,
			        "[Peer]: no PublicKey; add the one that the peer's `wg pubkey` prints");
			continue;
		}
		first = sl_config_map_add(&keys, p->config.public_key, i);
		if (first != SL_CONFIG_MAP_NONE)
			sl_wg_quick_error(r, false, p->key_line,
			        "PublicKey: the peer in line %u has this key already; make one section of the two",
			        w->peers[first].line);
	}
	sl_config_map_free(&keys);
}

void sl_wg_quick_settle(struct sl_wg_quick_reader *r)
{
	struct sl_wg_quick *w = r->w;

	settle_prefixes(r);
	name_all(r);
	check_keys(r);
	for (unsigned i = 0; i < w->n_peers; i++) {
		struct sl_wg_quick_peer *p = &w->peers[i];

		p->config.name = p->name;
		p->config.allowed_ips = p->allowed;
		if (p->config.endpoint.host)
			p->config.endpoint.host = p->host;
	}
	w->config.name = w->name;
	w->config.addresses = w->addresses;
	for (uint32_t i = 0; i < w->config.n_addresses && w->config.mtu < SL_CONFIG_MTU_MIN_IPV6; i++)
		if (w->addresses[i].prefix.addr.family == SL_AF_INET6) {
			sl_wg_quick_error(r, false, w->addresses[i].place.line,
			        "Address: an IPv6 one needs an MTU of at least %d, here it is %u; raise it",
			        SL_CONFIG_MTU_MIN_IPV6, w->config.mtu);
			break;
		}
}
