#include "control/diff_build.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/wipe.h"

/* A disabled peer is not there. */
static bool counts(const struct sl_config_peer *peer)
{
	return !peer->disabled;
}

static void index_peers(
        const struct sl_config_interface *ifp, struct sl_config_map *keys, struct sl_config_map *prefixes)
{
	sl_config_map_init(keys, SL_KEY_LEN);
	sl_config_map_init(prefixes, sizeof(struct sl_prefix));
	for (uint32_t i = 0; i < ifp->n_peers; i++) {
		if (!counts(&ifp->peers[i]))
			continue;
		sl_config_map_add(keys, ifp->peers[i].public_key, i);
		for (uint32_t j = 0; j < ifp->peers[i].n_allowed_ips; j++)
			sl_config_map_add(prefixes, &ifp->peers[i].allowed_ips[j], i);
	}
}

void sl_diff_pair_interfaces(struct sl_differ *d)
{
	d->pairs = sl_config_alloc(d->new_config->n_interfaces, sizeof(*d->pairs));
	for (uint32_t i = 0; i < d->new_config->n_interfaces; i++) {
		struct sl_diff_pair *p = &d->pairs[d->n_pairs];

		p->new_if = &d->new_config->interfaces[i];
		p->old_if = sl_diff_find_interface(d->old_config, p->new_if->name);
		if (!p->old_if)
			continue;
		index_peers(p->old_if, &p->old_keys, &p->old_prefixes);
		index_peers(p->new_if, &p->new_keys, &p->new_prefixes);
		d->n_pairs++;
	}
}

void sl_diff_free_pairs(struct sl_differ *d)
{
	for (uint32_t i = 0; i < d->n_pairs; i++) {
		sl_config_map_free(&d->pairs[i].old_keys);
		sl_config_map_free(&d->pairs[i].new_keys);
		sl_config_map_free(&d->pairs[i].old_prefixes);
		sl_config_map_free(&d->pairs[i].new_prefixes);
	}
	free(d->pairs);
}

/* The pair's new peer that has the prefix; NULL if none has. */
static const struct sl_config_peer *new_owner(const struct sl_diff_pair *p, const struct sl_prefix *prefix)
{
	uint32_t i = sl_config_map_find(&p->new_prefixes, prefix);

	return i == SL_CONFIG_MAP_NONE ? NULL : &p->new_if->peers[i];
}

static bool stays(const struct sl_diff_pair *p, const struct sl_config_peer *peer)
{
	return sl_config_map_find(&p->new_keys, peer->public_key) != SL_CONFIG_MAP_NONE;
}

/*
 * Prefixes that contain each other, of peers that stay, are taken and given without any other peer in between: what is
 * given goes from the longest to the shortest, what is taken afterwards from the shortest to the longest.
 */
static int by_length(const void *a, const void *b)
{
	const struct sl_prefix *x = ((const struct sl_step *)a)->allowed_ip, *y = ((const struct sl_step *)b)->allowed_ip;

	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return x < y ? -1 : x > y; /* as the file has them */
}

static int by_length_falling(const void *a, const void *b)
{
	const struct sl_prefix *x = ((const struct sl_step *)a)->allowed_ip, *y = ((const struct sl_step *)b)->allowed_ip;

	return x->len != y->len ? by_length(b, a) : by_length(a, b);
}

static void sort_from(struct sl_differ *d, uint32_t first, int (*order)(const void *, const void *))
{
	struct sl_steps *steps = &d->out->steps;

	if (steps->n_steps > first)
		qsort(steps->steps + first, steps->n_steps - first, sizeof(*steps->steps), order);
}

static void remove_allowed_ips(struct sl_differ *d, const struct sl_diff_pair *p)
{
	for (uint32_t i = 0; i < p->old_if->n_peers; i++) {
		const struct sl_config_peer *peer = &p->old_if->peers[i];

		for (uint32_t j = 0; counts(peer) && stays(p, peer) && j < peer->n_allowed_ips; j++) {
			struct sl_step *s;

			if (new_owner(p, &peer->allowed_ips[j]))
				continue;
			s = sl_diff_step(d, SL_STEP_ALLOWED_IP_REMOVE);
			s->old_interface = p->old_if;
			s->old_peer = peer;
			s->allowed_ip = &peer->allowed_ips[j];
		}
	}
}

void sl_diff_remove_allowed_ips(struct sl_differ *d)
{
	uint32_t first = d->out->steps.n_steps;

	for (uint32_t i = 0; i < d->n_pairs; i++)
		remove_allowed_ips(d, &d->pairs[i]);
	sort_from(d, first, by_length);
}

void sl_diff_remove_peers(struct sl_differ *d, const struct sl_diff_pair *p)
{
	for (uint32_t i = 0; i < p->old_if->n_peers; i++) {
		const struct sl_config_peer *peer = &p->old_if->peers[i];
		struct sl_step *s;

		if (!counts(peer) || stays(p, peer))
			continue;
		s = sl_diff_step(d, SL_STEP_PEER_REMOVE);
		s->old_interface = p->old_if;
		s->old_peer = peer;
	}
}

static bool endpoint_equal(const struct sl_config_endpoint *a, const struct sl_config_endpoint *b)
{
	if (a->host && b->host)
		return a->port == b->port && strcmp(a->host, b->host) == 0;
	return !a->host && !b->host && sl_endpoint_equal(&a->literal, &b->literal);
}

static void change_peer(struct sl_differ *d, const struct sl_diff_pair *p, const struct sl_config_peer *a,
        const struct sl_config_peer *b)
{
	uint32_t changed = 0;
	struct sl_step *s;

	if (strcmp(a->name, b->name) != 0)
		changed |= SL_CHANGE_NAME;
	if (a->has_preshared_key != b->has_preshared_key || !sl_equal(a->preshared_key, b->preshared_key, SL_KEY_LEN))
		changed |= SL_CHANGE_PRESHARED_KEY;
	if (!endpoint_equal(&a->endpoint, &b->endpoint))
		changed |= SL_CHANGE_ENDPOINT;
	if (a->persistent_keepalive != b->persistent_keepalive)
		changed |= SL_CHANGE_KEEPALIVE;
	if (a->expires != b->expires)
		changed |= SL_CHANGE_EXPIRES;
	if (a->endpoint_refresh != b->endpoint_refresh)
		changed |= SL_CHANGE_ENDPOINT_REFRESH;
	if (!changed)
		return;
	s = sl_diff_step(d, SL_STEP_PEER_CHANGE);
	s->changed = changed;
	s->old_interface = p->old_if;
	s->new_interface = p->new_if;
	s->old_peer = a;
	s->new_peer = b;
}

void sl_diff_add_peer(struct sl_differ *d, const struct sl_config_interface *ifp, const struct sl_config_peer *peer)
{
	struct sl_step *s;

	if (!counts(peer))
		return;
	s = sl_diff_step(d, SL_STEP_PEER_ADD);
	s->new_interface = ifp;
	s->new_peer = peer;
}

/* New peers come with their allowed IPs; those that were there get what they did not have. */
void sl_diff_add_peers(struct sl_differ *d, const struct sl_diff_pair *p)
{
	for (uint32_t i = 0; i < p->new_if->n_peers; i++) {
		const struct sl_config_peer *peer = &p->new_if->peers[i];
		uint32_t old = sl_config_map_find(&p->old_keys, peer->public_key);

		if (old == SL_CONFIG_MAP_NONE || p->old_if->peers[old].unmade)
			sl_diff_add_peer(d, p->new_if, peer);
		else if (counts(peer))
			change_peer(d, p, &p->old_if->peers[old], peer);
	}
}

static void add_allowed_ips(struct sl_differ *d, const struct sl_diff_pair *p)
{
	for (uint32_t i = 0; i < p->new_if->n_peers; i++) {
		const struct sl_config_peer *peer = &p->new_if->peers[i];
		uint32_t old = sl_config_map_find(&p->old_keys, peer->public_key);

		for (uint32_t j = 0; counts(peer) && old != SL_CONFIG_MAP_NONE && j < peer->n_allowed_ips; j++) {
			struct sl_step *s;
			uint32_t owner = sl_config_map_find(&p->old_prefixes, &peer->allowed_ips[j]);

			if (owner == old)
				continue;
			s = sl_diff_step(d, SL_STEP_ALLOWED_IP_ADD);
			if (owner != SL_CONFIG_MAP_NONE) {
				s->old_interface = p->old_if;
				s->old_peer = &p->old_if->peers[owner];
			}
			s->new_interface = p->new_if;
			s->new_peer = peer;
			s->allowed_ip = &peer->allowed_ips[j];
		}
	}
}

void sl_diff_add_allowed_ips(struct sl_differ *d)
{
	uint32_t first = d->out->steps.n_steps;

	for (uint32_t i = 0; i < d->n_pairs; i++)
		add_allowed_ips(d, &d->pairs[i]);
	sort_from(d, first, by_length_falling);
}

static void change_interface(struct sl_differ *d, const struct sl_diff_pair *p, uint32_t changed)
{
	struct sl_step *s;

	if (!changed)
		return;
	s = sl_diff_step(d, SL_STEP_INTERFACE_CHANGE);
	s->changed = changed;
	s->old_interface = p->old_if;
	s->new_interface = p->new_if;
}

void sl_diff_change_interface(struct sl_differ *d, const struct sl_diff_pair *p)
{
	uint32_t changed = p->old_if->unmade_changes & ~(uint32_t)SL_CHANGE_ROUTES;

	if (p->old_if->has_private_key != p->new_if->has_private_key ||
	        !sl_equal(p->old_if->private_key, p->new_if->private_key, SL_KEY_LEN))
		changed |= SL_CHANGE_KEY;
	if (p->old_if->has_previous_key != p->new_if->has_previous_key ||
	        !sl_equal(p->old_if->previous_private_key, p->new_if->previous_private_key, SL_KEY_LEN))
		changed |= SL_CHANGE_PREVIOUS_KEY;
	if (p->old_if->mtu != p->new_if->mtu)
		changed |= SL_CHANGE_MTU;
	change_interface(d, p, changed);
}

void sl_diff_change_routes(struct sl_differ *d, bool on)
{
	for (uint32_t i = 0; i < d->n_pairs; i++) {
		const struct sl_diff_pair *p = &d->pairs[i];

		if ((p->old_if->routes != p->new_if->routes || p->old_if->unmade_changes & SL_CHANGE_ROUTES) &&
		        p->new_if->routes == on)
			change_interface(d, p, SL_CHANGE_ROUTES);
	}
}
