#include <stdlib.h>
#include <string.h>

#include "app/mesh.h"

static bool address_taken(const struct sl_mesh *mesh, const struct sl_ip *ip)
{
	for (uint32_t i = 0; i < mesh->n_sites; i++)
		for (uint32_t j = 0; j < mesh->sites[i].n_addresses; j++)
			if (sl_ip_equal(&mesh->sites[i].addresses[j].prefix.addr, ip))
				return true;
	return false;
}

static void increment(struct sl_ip *ip)
{
	for (unsigned i = sl_family_bytes(ip->family); i-- > 0 && ++ip->bytes[i] == 0;)
		;
}

static bool was_given(const struct sl_mesh_givens *given, const struct sl_ip *ip)
{
	for (uint32_t i = 0; i < given->n; i++)
		if (sl_ip_equal(&given->list[i].ip, ip))
			return true;
	return false;
}

/* The lowest address of the network that is a host's, free, and none that was given before. False: there is none. */
static bool next_address(const struct sl_mesh *mesh, const struct sl_prefix *network,
        const struct sl_mesh_givens *given, struct sl_prefix *out)
{
	*out = *network;
	for (uint32_t tried = 0; tried <= SL_MESH_SITES_MAX * SL_CONFIG_ADDRESSES_MAX + given->n; tried++) {
		if (!sl_prefix_contains(network, &out->addr))
			return false;
		if (sl_own_address_problem(out) == NULL && !address_taken(mesh, &out->addr) &&
		        !was_given(given, &out->addr))
			return true;
		increment(&out->addr);
	}
	return false;
}

/* What the site was given out of the network before, while it is a host's there and nobody else has it. */
static bool same_address(const struct sl_mesh *mesh, const struct sl_mesh_site *site, const struct sl_prefix *network,
        const struct sl_mesh_givens *given, struct sl_prefix *out)
{
	*out = *network;
	for (uint32_t i = 0; i < given->n; i++) {
		out->addr = given->list[i].ip;
		if (strcmp(given->list[i].site, site->name) == 0 && sl_prefix_contains(network, &out->addr) &&
		        sl_own_address_problem(out) == NULL && !address_taken(mesh, &out->addr))
			return true;
	}
	return false;
}

/* Out of network j. Those that sites had which are gone come last, for they may come back. */
static void give_address(struct sl_mesh *mesh, const char *file, struct sl_mesh_site *site, uint32_t j,
        const struct sl_mesh_givens *given, struct sl_config_errors *errs)
{
	static const struct sl_mesh_givens none;
	const struct sl_prefix *network = &mesh->network[j].prefix;
	struct sl_mesh_prefix address = {.place = site->place};
	char text[SL_PREFIX_STRLEN];

	if (same_address(mesh, site, network, given, &address.prefix) ||
	        next_address(mesh, network, given, &address.prefix) ||
	        next_address(mesh, network, &none, &address.prefix))
		site->addresses[site->n_addresses++] = address;
	else
		sl_config_errors_add(errs, false, file, site->place,
		        "no address of %s is left for site '%s'; give a wider network", sl_prefix_format(network, text),
		        site->name);
}

static bool has_been_given(const struct sl_mesh_givens *given, const char *site)
{
	for (uint32_t i = 0; i < given->n; i++)
		if (strcmp(given->list[i].site, site) == 0)
			return true;
	return false;
}

/* Sites without addresses get one of each network: those first that have had one, the others in the file's order. */
static void give_addresses(
        struct sl_mesh *mesh, const char *file, const struct sl_mesh_givens *given, struct sl_config_errors *errs)
{
	for (uint32_t i = 0; i < mesh->n_sites; i++)
		mesh->sites[i].given = mesh->sites[i].n_addresses == 0;
	for (unsigned pass = 0; pass < 2; pass++)
		for (uint32_t i = 0; i < mesh->n_sites; i++) {
			struct sl_mesh_site *site = &mesh->sites[i];

			if (!site->given || has_been_given(given, site->name) != (pass == 0))
				continue;
			if (mesh->n_network == 0)
				sl_config_errors_add(errs, false, file, site->place,
				        "site '%s' has no addresses in the tunnel; give it `addresses`, or the mesh a "
				        "`network`",
				        site->name);
			for (uint32_t j = 0; j < mesh->n_network; j++)
				give_address(mesh, file, site, j, given, errs);
		}
}

static void check_addresses(struct sl_mesh *mesh, const char *file, struct sl_config_errors *errs)
{
	char text[SL_IP_STRLEN];

	for (uint32_t i = 0; i < mesh->n_sites; i++)
		for (uint32_t j = 0; j < mesh->sites[i].n_addresses; j++)
			for (uint32_t o = 0; o <= i; o++)
				for (uint32_t k = 0; k < (o == i ? j : mesh->sites[o].n_addresses); k++) {
					const struct sl_mesh_prefix *a = &mesh->sites[i].addresses[j],
					                            *b = &mesh->sites[o].addresses[k];

					if (sl_ip_equal(&a->prefix.addr, &b->prefix.addr))
						sl_config_errors_add(errs, false, file, a->place,
						        "addresses: %s belongs to site '%s' already, at %u:%u; give "
						        "each its own",
						        sl_ip_format(&a->prefix.addr, text), mesh->sites[o].name,
						        b->place.line, b->place.column);
				}
}

static bool overlaps(const struct sl_prefix *a, const struct sl_prefix *b)
{
	return a->len <= b->len ? sl_prefix_contains(a, &b->addr) : sl_prefix_contains(b, &a->addr);
}

static void check_lan(struct sl_mesh *mesh, const char *file, uint32_t site, const struct sl_mesh_prefix *lan,
        struct sl_config_errors *errs)
{
	char text[SL_PREFIX_STRLEN], other[SL_PREFIX_STRLEN];

	sl_prefix_format(&lan->prefix, text);
	for (uint32_t o = 0; o <= site; o++)
		for (uint32_t k = 0; k < mesh->sites[o].n_lans; k++) {
			const struct sl_mesh_prefix *b = &mesh->sites[o].lans[k];

			if (b == lan)
				break; /* what comes later is held against this one */
			if (overlaps(&lan->prefix, &b->prefix))
				sl_config_errors_add(errs, false, file, lan->place,
				        "lans: %s overlaps %s of site '%s' at %u:%u; renumber one of them", text,
				        sl_prefix_format(&b->prefix, other), mesh->sites[o].name, b->place.line,
				        b->place.column);
		}
	for (uint32_t o = 0; o < mesh->n_sites; o++)
		for (uint32_t k = 0; k < mesh->sites[o].n_addresses; k++) {
			struct sl_prefix network = mesh->sites[o].addresses[k].prefix;

			sl_prefix_mask(&network);
			if (!overlaps(&lan->prefix, &network))
				continue;
			sl_config_errors_add(errs, false, file, lan->place,
			        "lans: %s overlaps the tunnel's network %s of site '%s'; renumber one of them", text,
			        sl_prefix_format(&network, other), mesh->sites[o].name);
			return;
		}
}

/* Somebody has to be found: where neither of a pair says where it is, no handshake starts. */
static void check_pairs(struct sl_mesh *mesh, const char *file, struct sl_config_errors *errs)
{
	bool partial = mesh->topology == SL_MESH_PARTIAL;

	for (uint32_t i = 0; i < mesh->n_sites; i++) {
		const struct sl_mesh_site *site = &mesh->sites[i];
		bool linked = false;

		for (uint32_t j = 0; j < mesh->n_sites; j++) {
			linked |= sl_mesh_linked(mesh, i, j);
			if (j < i && sl_mesh_linked(mesh, i, j) && !sl_mesh_has_endpoint(site) &&
			        !sl_mesh_has_endpoint(&mesh->sites[j]))
				sl_config_errors_add(errs, partial, file, site->place,
				        "sites '%s' and '%s' have no endpoint, so neither finds the other; give one of "
				        "them an "
				        "endpoint%s",
				        mesh->sites[j].name, site->name,
				        partial ? "" : ", or use `topology: hub-and-spoke`");
		}
		if (!linked)
			sl_config_errors_add(errs, true, file, site->place,
			        "site '%s' is linked with no other; add it to `links`", site->name);
	}
}

void sl_mesh_settle(
        struct sl_mesh *mesh, const char *file, const struct sl_mesh_givens *given, struct sl_config_errors *errs)
{
	check_addresses(mesh, file, errs);
	give_addresses(mesh, file, given, errs);
	for (uint32_t i = 0; i < mesh->n_sites; i++)
		for (uint32_t j = 0; j < mesh->sites[i].n_lans; j++)
			check_lan(mesh, file, i, &mesh->sites[i].lans[j], errs);
	check_pairs(mesh, file, errs);
}

static void append(struct sl_prefix **list, uint32_t *n, const struct sl_mesh_site *site)
{
	struct sl_prefix *grown = realloc(*list, (*n + site->n_addresses + site->n_lans + 1) * sizeof(*grown));

	if (grown == NULL)
		abort();
	*list = grown;
	for (uint32_t i = 0; i < site->n_addresses; i++) {
		grown[*n] = site->addresses[i].prefix;
		grown[*n].len = (uint8_t)sl_family_bits(grown[*n].addr.family);
		(*n)++;
	}
	for (uint32_t i = 0; i < site->n_lans; i++)
		grown[(*n)++] = site->lans[i].prefix;
}

struct sl_prefix *sl_mesh_allowed(const struct sl_mesh *mesh, uint32_t self, uint32_t peer, uint32_t *n)
{
	struct sl_prefix *list = NULL;
	bool by_hub = mesh->topology == SL_MESH_HUB && !mesh->sites[self].hub && peer == mesh->first_hub;

	*n = 0;
	append(&list, n, &mesh->sites[peer]);
	for (uint32_t i = 0; by_hub && i < mesh->n_sites; i++)
		if (i != self && !sl_mesh_linked(mesh, self, i))
			append(&list, n, &mesh->sites[i]);
	return list;
}
