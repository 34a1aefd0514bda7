/* What an inventory of sites means. */
#include <stdlib.h>
#include <string.h>

#include "app/mesh_yaml.h"
#include "control/config_write.h"
#include "control/nearest.h"
#include "control/net_text.h"

enum {
	PORT_MAX = 65535,
	DEFAULT_PORT = 51820,
};

static bool read_prefix(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key, struct sl_mesh_prefix *out)
{
	const char *text = sl_mesh_text(r, node, key);

	if (text == NULL)
		return false;
	out->place = sl_mesh_place(node);
	if (strchr(text, '/') && sl_prefix_parse(text, &out->prefix))
		return true;
	SL_MESH_ERROR(r, node,
	        "%s: '%.*s' is not an address with a prefix length; give one such as 10.1.0.0/16 or fd00:1::/64", key,
	        SL_MESH_SHOWN, text);
	return false;
}

/* A prefix onto a list, host bits cleared. */
static void add_network(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key, struct sl_mesh_prefix *list,
        uint32_t *n, uint32_t max)
{
	struct sl_mesh_prefix prefix, masked;

	if (!read_prefix(r, node, key, &prefix))
		return;
	masked = prefix;
	sl_prefix_mask(&masked.prefix);
	if (!sl_ip_equal(&masked.prefix.addr, &prefix.prefix.addr) || prefix.prefix.len == 0) {
		char text[SL_PREFIX_STRLEN];

		SL_MESH_ERROR(r, node,
		        "%s: %s is not a network's address; give one without host bits and not of length 0", key,
		        sl_prefix_format(&prefix.prefix, text));
	} else if (*n == max) {
		SL_MESH_ERROR(r, node, "%s: more than %u; take some out", key, max);
	} else {
		list[(*n)++] = prefix;
	}
}

static void take_lan(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key)
{
	add_network(r, node, key, r->site->lans, &r->site->n_lans, SL_MESH_LANS_MAX);
}

static void take_lans(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key)
{
	sl_mesh_each(r, node, key, take_lan);
}

static void take_address(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key)
{
	struct sl_mesh_site *site = r->site;
	struct sl_mesh_prefix prefix;
	const char *problem;

	if (!read_prefix(r, node, key, &prefix))
		return;
	problem = sl_own_address_problem(&prefix.prefix);
	if (problem)
		SL_MESH_ERROR(r, node, "%s: %s %s", key, (const char *)node->data.scalar.value, problem);
	else if (site->n_addresses == SL_CONFIG_ADDRESSES_MAX)
		SL_MESH_ERROR(r, node, "%s: more than %d; take some out", key, SL_CONFIG_ADDRESSES_MAX);
	else
		site->addresses[site->n_addresses++] = prefix;
}

static void take_addresses(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key)
{
	sl_mesh_each(r, node, key, take_address);
}

/* Its port may be left to listen-port, which may come later: judged again when the site is read. */
static void take_endpoint(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key)
{
	const char *text = sl_mesh_text(r, node, key), *problem;

	if (text == NULL)
		return;
	problem = sl_endpoint_read(text, DEFAULT_PORT, r->site->host, &r->site->endpoint);
	if (problem)
		SL_MESH_ERROR(r, node, "%s: '%.*s' %s", key, SL_MESH_SHOWN, text, problem);
	else if (sl_endpoint_read(text, 0, r->site->host, &r->site->endpoint) != NULL) {
		(void)sl_endpoint_read(text, DEFAULT_PORT, r->site->host, &r->site->endpoint);
		r->site->endpoint.port = 0;
	}
}

static void take_site_port(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key)
{
	uint32_t port;

	if (sl_mesh_number(r, node, key, 1, PORT_MAX, &port))
		r->site->listen_port = (uint16_t)port;
}

/* A value of a port as it is; what it means is judged with the whole of the site's configuration. */
static void write_value(struct sl_mesh_reader *r, FILE *out, const yaml_node_t *node, const char *key)
{
	const char *separator = "[";

	if (node->type != YAML_SEQUENCE_NODE) {
		const char *text = sl_mesh_text(r, node, key);

		if (text)
			sl_yaml_write_text(out, text);
		return;
	}
	for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
		const char *text = sl_mesh_text(r, sl_mesh_node(r, *item), key);

		fputs(separator, out);
		if (text)
			sl_yaml_write_text(out, text);
		separator = ", ";
	}
	fputs(separator[0] == '[' ? "[]" : "]", out);
}

static void write_port(struct sl_mesh_reader *r, FILE *out, const yaml_node_t *node, const char *port)
{
	static const char *const keys[] = {"device", "addresses", "gateway", "mtu", "forward-clear"};
	size_t n = sizeof(keys) / sizeof(keys[0]);
	const char *separator = "{";

	fputs("  ", out);
	sl_yaml_write_text(out, port);
	fputs(": ", out);
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		const char *key = sl_mesh_text(r, sl_mesh_node(r, pair->key), port);
		bool known = false;

		for (size_t i = 0; key && i < n; i++)
			known |= strcmp(key, keys[i]) == 0;
		if (key && !known)
			SL_MESH_ERROR(r, sl_mesh_node(r, pair->key), "unknown key '%.*s'; did you mean '%s'?",
			        SL_MESH_SHOWN, key, sl_nearest(key, strlen(key), keys, n));
		if (!known)
			continue;
		fprintf(out, "%s%s: ", separator, key);
		write_value(r, out, sl_mesh_node(r, pair->value), key);
		separator = ", ";
	}
	fputs(separator[0] == '{' ? "{}\n" : "}\n", out);
}

static void take_ports(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key)
{
	size_t len = 0;
	FILE *out;

	if (!sl_mesh_expect(r, node, YAML_MAPPING_NODE, key))
		return;
	out = open_memstream(&r->site->ports, &len);
	if (out == NULL)
		abort();
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		const char *name = sl_mesh_text(r, sl_mesh_node(r, pair->key), key);

		if (name && sl_name_problem(name))
			SL_MESH_ERROR(r, sl_mesh_node(r, pair->key), "port name '%.*s' %s", SL_MESH_SHOWN, name,
			        sl_name_problem(name));
		else if (name && sl_mesh_expect(r, sl_mesh_node(r, pair->value), YAML_MAPPING_NODE, name))
			write_port(r, out, sl_mesh_node(r, pair->value), name);
	}
	fclose(out);
}

/* Names of sites are names of peers and of files: no `--`, which stands between two of them. */
static bool site_name_ok(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t len = strlen(name);

	return len && len <= SL_CONFIG_PEER_NAME_MAX && strspn(name, letters) == len && name[0] != '.' &&
	       name[0] != '-' && name[len - 1] != '-' && strstr(name, "--") == NULL;
}

static int find_site(const struct sl_mesh *mesh, const char *name)
{
	for (uint32_t i = 0; i < mesh->n_sites; i++)
		if (strcmp(mesh->sites[i].name, name) == 0)
			return (int)i;
	return -1;
}

static void read_site(struct sl_mesh_reader *r, const yaml_node_t *name, const yaml_node_t *node)
{
	static const struct sl_mesh_key keys[] = {{"endpoint", take_endpoint}, {"listen-port", take_site_port},
	        {"lans", take_lans}, {"addresses", take_addresses}, {"ports", take_ports}};
	struct sl_mesh *mesh = r->mesh;
	const char *text = sl_mesh_text(r, name, "a site");
	int other;

	if (text == NULL)
		return;
	other = find_site(mesh, text);
	if (!site_name_ok(text)) {
		SL_MESH_ERROR(r, name, "site name '%.*s' is not valid; use letters, digits and single - _ .",
		        SL_MESH_SHOWN, text);
	} else if (other >= 0) {
		SL_MESH_ERROR(r, name, "site '%s' is given twice, first at %u:%u; rename one of them", text,
		        mesh->sites[other].place.line, mesh->sites[other].place.column);
	} else if (mesh->n_sites == SL_MESH_SITES_MAX) {
		SL_MESH_ERROR(r, name, "more than %d sites; take some out", SL_MESH_SITES_MAX);
	} else {
		r->site = &mesh->sites[mesh->n_sites++];
		snprintf(r->site->name, sizeof(r->site->name), "%s", text);
		r->site->place = sl_mesh_place(name);
		if (node->type != YAML_SCALAR_NODE || node->data.scalar.length)
			sl_mesh_mapping(r, node, text, keys, sizeof(keys) / sizeof(keys[0]));
	}
}

static void take_sites(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key)
{
	size_t n;

	if (!sl_mesh_expect(r, node, YAML_MAPPING_NODE, key))
		return;
	n = (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
	r->mesh->sites = calloc(n + 1, sizeof(*r->mesh->sites));
	if (r->mesh->sites == NULL)
		abort();
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++)
		read_site(r, sl_mesh_node(r, pair->key), sl_mesh_node(r, pair->value));
}

static void take_network(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key)
{
	add_network(r, node, key, r->mesh->network, &r->mesh->n_network, SL_CONFIG_POOL_MAX);
}

static void take_networks(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key)
{
	sl_mesh_each(r, node, key, take_network);
}

static void take_interface(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key)
{
	const char *text = sl_mesh_text(r, node, key);

	if (text && sl_name_problem(text))
		SL_MESH_ERROR(r, node, "%s: name '%.*s' %s", key, SL_MESH_SHOWN, text, sl_name_problem(text));
	else if (text)
		strcpy(r->mesh->interface, text);
}

static void take_listen_port(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key)
{
	uint32_t port;

	if (sl_mesh_number(r, node, key, 1, PORT_MAX, &port))
		r->listen_port = (uint16_t)port;
}

static void take_mtu(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key)
{
	sl_mesh_number(r, node, key, SL_CONFIG_MTU_MIN_IPV6, SL_CONFIG_MTU_MAX, &r->mesh->mtu);
}

static void take_topology(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key)
{
	static const char *const words[] = {"full", "hub-and-spoke", "partial"};
	const char *text = sl_mesh_text(r, node, key);

	for (unsigned i = 0; text && i < 3; i++)
		if (strcmp(text, words[i]) == 0) {
			r->mesh->topology = (enum sl_mesh_topology)i;
			return;
		}
	if (text)
		SL_MESH_ERROR(r, node, "%s: '%.*s' is not known; give full, hub-and-spoke or partial", key,
		        SL_MESH_SHOWN, text);
}

static void take_preshared(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key)
{
	const char *text = sl_mesh_text(r, node, key);

	if (text && strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		SL_MESH_ERROR(r, node, "%s: '%.*s' is not known; give true or false", key, SL_MESH_SHOWN, text);
	else if (text)
		r->mesh->preshared_keys = text[0] == 't';
}

static void keep_hubs(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key)
{
	r->hubs = node;
}

static void keep_links(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key)
{
	r->links = node;
}

/* The site that a node names; -1 after an error. */
static int site_of(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key)
{
	const char *text = sl_mesh_text(r, node, key), **names;
	int site = text ? find_site(r->mesh, text) : -1;

	if (text == NULL || site >= 0 || r->mesh->n_sites == 0)
		return site;
	names = malloc(r->mesh->n_sites * sizeof(*names));
	if (names == NULL)
		abort();
	for (uint32_t i = 0; i < r->mesh->n_sites; i++)
		names[i] = r->mesh->sites[i].name;
	SL_MESH_ERROR(r, node, "%s: no site '%.*s'; did you mean '%s'?", key, SL_MESH_SHOWN, text,
	        sl_nearest(text, strlen(text), names, r->mesh->n_sites));
	free(names);
	return -1;
}

static void link_sites(struct sl_mesh *mesh, uint32_t a, uint32_t b)
{
	mesh->links[(size_t)a * mesh->n_sites + b] = mesh->links[(size_t)b * mesh->n_sites + a] = a != b;
}

static void take_hub(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key)
{
	int hub = site_of(r, node, key);

	if (hub < 0)
		return;
	if (r->mesh->first_hub == UINT32_MAX)
		r->mesh->first_hub = (uint32_t)hub;
	r->mesh->sites[hub].hub = true;
	for (uint32_t i = 0; i < r->mesh->n_sites; i++)
		link_sites(r->mesh, (uint32_t)hub, i);
}

static void take_link(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key)
{
	yaml_node_item_t *items = node->data.sequence.items.start;
	int a, b;

	if (node->type != YAML_SEQUENCE_NODE || node->data.sequence.items.top - items != 2) {
		SL_MESH_ERROR(r, node, "%s: a link is a pair of sites, such as [berlin, oslo]", key);
		return;
	}
	a = site_of(r, sl_mesh_node(r, items[0]), key);
	b = site_of(r, sl_mesh_node(r, items[1]), key);
	if (a >= 0 && a == b)
		SL_MESH_ERROR(r, node, "%s: '%s' with itself; name two sites", key, r->mesh->sites[a].name);
	else if (a >= 0 && b >= 0)
		link_sites(r->mesh, (uint32_t)a, (uint32_t)b);
}

/* Who is linked with whom, once all sites are known. */
static void read_links(struct sl_mesh_reader *r, const yaml_node_t *root)
{
	struct sl_mesh *mesh = r->mesh;
	bool hub = mesh->topology == SL_MESH_HUB, partial = mesh->topology == SL_MESH_PARTIAL;

	mesh->first_hub = UINT32_MAX;
	if (hub != (r->hubs != NULL))
		SL_MESH_ERROR(r, r->hubs ? r->hubs : root,
		        hub ? "no hub; name the site that is it, `hub: NAME`"
		            : "hub: only with `topology: hub-and-spoke`; take one of them out");
	if (partial != (r->links != NULL))
		SL_MESH_ERROR(r, r->links ? r->links : root,
		        partial ? "no links; name the pairs of sites, `links: [[A, B]]`"
		                : "links: only with `topology: partial`; take one of them out");
	if (hub && r->hubs)
		sl_mesh_each(r, r->hubs, "hub", take_hub);
	if (partial && r->links && sl_mesh_expect(r, r->links, YAML_SEQUENCE_NODE, "links"))
		sl_mesh_each(r, r->links, "links", take_link);
	for (uint32_t i = 0; mesh->topology == SL_MESH_FULL && i < mesh->n_sites; i++)
		for (uint32_t j = 0; j < i; j++)
			link_sites(mesh, i, j);
}

static void read_root(struct sl_mesh_reader *r, const yaml_node_t *root)
{
	static const struct sl_mesh_key keys[] = {{"interface", take_interface}, {"listen-port", take_listen_port},
	        {"mtu", take_mtu}, {"network", take_networks}, {"topology", take_topology}, {"hub", keep_hubs},
	        {"links", keep_links}, {"preshared-keys", take_preshared}, {"sites", take_sites}};
	struct sl_mesh *mesh = r->mesh;

	sl_mesh_mapping(r, root, "the inventory", keys, sizeof(keys) / sizeof(keys[0]));
	if (mesh->n_sites < 2 && r->errs->n_errors == 0)
		SL_MESH_ERROR(r, root, "fewer than two sites; add them below `sites:`");
	mesh->links = calloc((size_t)mesh->n_sites * mesh->n_sites + 1, sizeof(*mesh->links));
	if (mesh->links == NULL)
		abort();
	for (uint32_t i = 0; i < mesh->n_sites; i++) {
		struct sl_mesh_site *site = &mesh->sites[i];

		if (site->listen_port == 0)
			site->listen_port = r->listen_port;
		if (sl_mesh_has_endpoint(site) && site->endpoint.port == 0)
			site->endpoint.port = site->endpoint.literal.port = site->listen_port;
	}
	read_links(r, root);
}

struct sl_mesh *sl_mesh_read(const char *file, const char *text, size_t len, const struct sl_mesh_givens *given,
        struct sl_config_errors *errs)
{
	struct sl_mesh_reader r = {
	        .file = file, .mesh = calloc(1, sizeof(struct sl_mesh)), .listen_port = DEFAULT_PORT, .errs = errs};
	uint32_t before = errs->n_errors;

	if (r.mesh == NULL)
		abort();
	*r.mesh = (struct sl_mesh){.interface = "wg0", .mtu = SL_DEFAULT_MTU, .preshared_keys = true};
	sl_mesh_document(&r, text, len, read_root);
	if (errs->n_errors == before)
		sl_mesh_settle(r.mesh, file, given, errs);
	if (errs->n_errors == before)
		return r.mesh;
	sl_mesh_free(r.mesh);
	return NULL;
}

void sl_mesh_free(struct sl_mesh *mesh)
{
	for (uint32_t i = 0; mesh && i < mesh->n_sites; i++)
		free(mesh->sites[i].ports);
	if (mesh) {
		free(mesh->sites);
		free(mesh->links);
	}
	free(mesh);
}
