#include "control/config_load.h"

#include <string.h>

#include "crypto/wipe.h"

/*
 * Takes the peers that are the interface itself out, with a warning (protocol.md 44), and their prefixes from the list.
 * There is at most one unless the file is wrong anyway.
 */
static void drop_self(struct sl_loader *ld, const struct sl_config_interface *ifp)
{
	for (uint32_t i = 0; i < ld->n_peers; i++) {
		struct sl_config_peer *peer = &ld->peers[i];
		uint32_t kept = 0;

		if (memcmp(peer->public_key, ifp->public_key, SL_KEY_LEN) != 0 &&
		        (!ifp->has_previous_key ||
		                memcmp(peer->public_key, ifp->previous_public_key, SL_KEY_LEN) != 0))
			continue;
		sl_load_warn(ld, peer->place,
		        "peer '%s' has the public key of interface '%s' itself and is left out; take it "
		        "out of the file",
		        peer->name, ifp->name);
		ld->shifted = true;
		memmove(peer, peer + 1, (ld->n_peers - i - 1) * sizeof(*peer));
		sl_wipe(&ld->peers[--ld->n_peers], sizeof(*peer));
		for (uint32_t j = 0; j < ld->n_allowed; j++) {
			struct sl_allowed allowed = ld->allowed[j];

			if (allowed.peer == i)
				continue;
			allowed.peer -= allowed.peer > i;
			ld->allowed[kept++] = allowed;
		}
		ld->n_allowed = kept;
		i--;
	}
}

/* Allowed IPs are routes, and a route leads to one place (config.md, Routing). */
static void check_routed(struct sl_loader *ld, const struct sl_config_interface *ifp)
{
	char text[SL_PREFIX_STRLEN];

	for (uint32_t i = 0; i < ld->n_allowed; i++) {
		const struct sl_allowed *allowed = &ld->allowed[i];
		uint32_t earlier = sl_config_map_add(&ld->routed, &allowed->prefix, ld->n_routed_places);

		if (earlier != SL_CONFIG_MAP_NONE) {
			sl_load_error(ld, allowed->place,
			        "allowed-ips: %s is a route to another interface already, at %s; give one "
			        "of the interfaces `routes: none`",
			        sl_prefix_format(&allowed->prefix, text),
			        sl_load_where(ld, ld->routed_places[earlier]));
			continue;
		}
		ld->routed_places = sl_array_grow(ld->routed_places, ld->n_routed_places, &ld->routed_places_capacity,
		        sizeof(*ld->routed_places));
		ld->routed_places[ld->n_routed_places++] = allowed->place;
	}
}

void sl_interface_finish(struct sl_loader *ld, struct sl_config_interface *ifp, uint32_t endpoint_refresh)
{
	for (uint32_t i = 0; i < ld->n_peers; i++)
		if (ld->peers[i].endpoint_refresh == SL_REFRESH_INHERIT)
			ld->peers[i].endpoint_refresh = endpoint_refresh;
	if (ifp->has_private_key)
		drop_self(ld, ifp);
	if (ifp->routes)
		check_routed(ld, ifp);
}
