#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "app/mesh.h"
#include "app/wg_quick.h"
#include "control/config_write.h"
#include "control/nearest.h"
#include "control/net_text.h"

enum {
	KEYS_MAX = 12, /* more than any mapping here has */
	SHOWN = 60,    /* bytes of a wrong value that a message repeats */
	PORT_MAX = 65535,
	DEFAULT_PORT = 51820,
	NUMBER_DIGITS = 9,
};

/* The inventory while it is read. */
struct reader {
	const char *file;
	yaml_document_t document;
	struct sl_mesh *mesh;
	struct sl_mesh_site *site;       /* the one that is read */
	const yaml_node_t *hubs, *links; /* name sites that may come later */
	uint16_t listen_port;
	struct sl_config_errors *errs;
};

typedef void value_fn(struct reader *r, const yaml_node_t *node, const char *key);

struct key {
	const char *name;
	value_fn *take;
};

static struct sl_place place_of(const yaml_node_t *node)
{
	return (struct sl_place){
	        .line = (uint32_t)node->start_mark.line + 1, .column = (uint32_t)node->start_mark.column + 1};
}

#define ERROR(r, node, ...) sl_config_errors_add((r)->errs, false, (r)->file, place_of(node), __VA_ARGS__)

static const yaml_node_t *node_at(struct reader *r, int index)
{
	return yaml_document_get_node(&r->document, index);
}

static bool expect(struct reader *r, const yaml_node_t *node, yaml_node_type_t type, const char *key)
{
	static const char *const kinds[] = {"nothing", "a value", "a list", "a mapping"};

	if (node->type == type)
		return true;
	ERROR(r, node, "%s: %s where %s belongs", key, kinds[node->type], kinds[type]);
	return false;
}

/* A scalar's text; NULL after an error. */
static const char *text_of(struct reader *r, const yaml_node_t *node, const char *key)
{
	const char *text = (const char *)node->data.scalar.value;

	if (!expect(r, node, YAML_SCALAR_NODE, key))
		return NULL;
	if (*text && strlen(text) == node->data.scalar.length)
		return text;
	ERROR(r, node, "%s: no value; write one or take the key out", key);
	return NULL;
}

/* Each element of a list, or a single value that stands for a list of one. */
static void each(struct reader *r, const yaml_node_t *node, const char *key, value_fn *take)
{
	if (node->type != YAML_SEQUENCE_NODE) {
		take(r, node, key);
		return;
	}
	for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++)
		take(r, node_at(r, *item), key);
}

static const struct key *find_key(const struct key *keys, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

/* Every key of a mapping, each at most once. */
static void read_mapping(struct reader *r, const yaml_node_t *node, const char *what, const struct key *keys, size_t n)
{
	const yaml_node_t *seen[KEYS_MAX] = {NULL};
	const char *names[KEYS_MAX];

	if (!expect(r, node, YAML_MAPPING_NODE, what))
		return;
	for (size_t i = 0; i < n; i++)
		names[i] = keys[i].name;
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *name = node_at(r, pair->key);
		const char *text = text_of(r, name, "a key");
		const struct key *key = text ? find_key(keys, n, text) : NULL;

		if (text == NULL)
			continue;
		if (key == NULL) {
			ERROR(r, name, "unknown key '%.*s'; did you mean '%s'?", SHOWN, text,
			        sl_nearest(text, strlen(text), names, n));
		} else if (seen[key - keys]) {
			struct sl_place first = place_of(seen[key - keys]);

			ERROR(r, name, "'%s' is given twice, first at %u:%u; keep one of them", text, first.line,
			        first.column);
		} else {
			seen[key - keys] = name;
			key->take(r, node_at(r, pair->value), key->name);
		}
	}
}

static bool read_number(
        struct reader *r, const yaml_node_t *node, const char *key, uint32_t min, uint32_t max, uint32_t *out)
{
	const char *text = text_of(r, node, key);
	size_t len = text ? strlen(text) : 0;
	unsigned long n;

	if (text == NULL)
		return false;
	n = len <= NUMBER_DIGITS && strspn(text, "0123456789") == len ? strtoul(text, NULL, 10)
	                                                              : (unsigned long)max + 1;
	if (n >= min && n <= max) {
		*out = (uint32_t)n;
		return true;
	}
	ERROR(r, node, "%s: '%.*s' is not a number from %u to %u; give one", key, SHOWN, text, min, max);
	return false;
}

static bool read_prefix(struct reader *r, const yaml_node_t *node, const char *key, struct sl_mesh_prefix *out)
{
	const char *text = text_of(r, node, key);

	if (text == NULL)
		return false;
	out->place = place_of(node);
	if (strchr(text, '/') && sl_prefix_parse(text, &out->prefix))
		return true;
	ERROR(r, node, "%s: '%.*s' is not an address with a prefix length; give one such as 10.1.0.0/16 or fd00:1::/64",
	        key, SHOWN, text);
	return false;
}

/* A prefix onto a list, host bits cleared. */
static void add_network(struct reader *r, const yaml_node_t *node, const char *key, struct sl_mesh_prefix *list,
        uint32_t *n, uint32_t max)
{
	struct sl_mesh_prefix prefix, masked;

	if (!read_prefix(r, node, key, &prefix))
		return;
	masked = prefix;
	sl_prefix_mask(&masked.prefix);
	if (!sl_ip_equal(&masked.prefix.addr, &prefix.prefix.addr) || prefix.prefix.len == 0) {
		char text[SL_PREFIX_STRLEN];

		ERROR(r, node, "%s: %s is not a network's address; give one without host bits and not of length 0", key,
		        sl_prefix_format(&prefix.prefix, text));
	} else if (*n == max) {
		ERROR(r, node, "%s: more than %u; take some out", key, max);
	} else {
		list[(*n)++] = prefix;
	}
}

static void take_lan(struct reader *r, const yaml_node_t *node, const char *key)
{
	add_network(r, node, key, r->site->lans, &r->site->n_lans, SL_MESH_LANS_MAX);
}

static void take_lans(struct reader *r, const yaml_node_t *node, const char *key)
{
	each(r, node, key, take_lan);
}

static void take_address(struct reader *r, const yaml_node_t *node, const char *key)
{
	struct sl_mesh_site *site = r->site;
	struct sl_mesh_prefix prefix;
	const char *problem;

	if (!read_prefix(r, node, key, &prefix))
		return;
	problem = sl_own_address_problem(&prefix.prefix);
	if (problem)
		ERROR(r, node, "%s: %s %s", key, (const char *)node->data.scalar.value, problem);
	else if (site->n_addresses == SL_CONFIG_ADDRESSES_MAX)
		ERROR(r, node, "%s: more than %d; take some out", key, SL_CONFIG_ADDRESSES_MAX);
	else
		site->addresses[site->n_addresses++] = prefix;
}

static void take_addresses(struct reader *r, const yaml_node_t *node, const char *key)
{
	each(r, node, key, take_address);
}

/* Its port may be left to listen-port, which may come later: judged again when the site is read. */
static void take_endpoint(struct reader *r, const yaml_node_t *node, const char *key)
{
	const char *text = text_of(r, node, key), *problem;

	if (text == NULL)
		return;
	problem = sl_endpoint_read(text, DEFAULT_PORT, r->site->host, &r->site->endpoint);
	if (problem)
		ERROR(r, node, "%s: '%.*s' %s", key, SHOWN, text, problem);
	else if (sl_endpoint_read(text, 0, r->site->host, &r->site->endpoint) != NULL) {
		(void)sl_endpoint_read(text, DEFAULT_PORT, r->site->host, &r->site->endpoint);
		r->site->endpoint.port = 0;
	}
}

static void take_site_port(struct reader *r, const yaml_node_t *node, const char *key)
{
	uint32_t port;

	if (read_number(r, node, key, 1, PORT_MAX, &port))
		r->site->listen_port = (uint16_t)port;
}

/* A value of a port as it is; what it means is judged with the whole of the site's configuration. */
static void write_value(struct reader *r, FILE *out, const yaml_node_t *node, const char *key)
{
	const char *separator = "[";

	if (node->type != YAML_SEQUENCE_NODE) {
		const char *text = text_of(r, node, key);

		if (text)
			sl_yaml_write_text(out, text);
		return;
	}
	for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
		const char *text = text_of(r, node_at(r, *item), key);

		fputs(separator, out);
		if (text)
			sl_yaml_write_text(out, text);
		separator = ", ";
	}
	fputs(separator[0] == '[' ? "[]" : "]", out);
}

static void write_port(struct reader *r, FILE *out, const yaml_node_t *node, const char *port)
{
	static const char *const keys[] = {"device", "addresses", "gateway", "mtu", "forward-clear"};
	size_t n = sizeof(keys) / sizeof(keys[0]);
	const char *separator = "{";

	fputs("  ", out);
	sl_yaml_write_text(out, port);
	fputs(": ", out);
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		const char *key = text_of(r, node_at(r, pair->key), port);
		bool known = false;

		for (size_t i = 0; key && i < n; i++)
			known |= strcmp(key, keys[i]) == 0;
		if (key && !known)
			ERROR(r, node_at(r, pair->key), "unknown key '%.*s'; did you mean '%s'?", SHOWN, key,
			        sl_nearest(key, strlen(key), keys, n));
		if (!known)
			continue;
		fprintf(out, "%s%s: ", separator, key);
		write_value(r, out, node_at(r, pair->value), key);
		separator = ", ";
	}
	fputs(separator[0] == '{' ? "{}\n" : "}\n", out);
}

static void take_ports(struct reader *r, const yaml_node_t *node, const char *key)
{
	size_t len = 0;
	FILE *out;

	if (!expect(r, node, YAML_MAPPING_NODE, key))
		return;
	out = open_memstream(&r->site->ports, &len);
	if (out == NULL)
		abort();
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		const char *name = text_of(r, node_at(r, pair->key), key);

		if (name && sl_name_problem(name))
			ERROR(r, node_at(r, pair->key), "port name '%.*s' %s", SHOWN, name, sl_name_problem(name));
		else if (name && expect(r, node_at(r, pair->value), YAML_MAPPING_NODE, name))
			write_port(r, out, node_at(r, pair->value), name);
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

static void read_site(struct reader *r, const yaml_node_t *name, const yaml_node_t *node)
{
	static const struct key keys[] = {{"endpoint", take_endpoint}, {"listen-port", take_site_port},
	        {"lans", take_lans}, {"addresses", take_addresses}, {"ports", take_ports}};
	struct sl_mesh *mesh = r->mesh;
	const char *text = text_of(r, name, "a site");
	int other;

	if (text == NULL)
		return;
	other = find_site(mesh, text);
	if (!site_name_ok(text)) {
		ERROR(r, name, "site name '%.*s' is not valid; use letters, digits and single - _ .", SHOWN, text);
	} else if (other >= 0) {
		ERROR(r, name, "site '%s' is given twice, first at %u:%u; rename one of them", text,
		        mesh->sites[other].place.line, mesh->sites[other].place.column);
	} else if (mesh->n_sites == SL_MESH_SITES_MAX) {
		ERROR(r, name, "more than %d sites; take some out", SL_MESH_SITES_MAX);
	} else {
		r->site = &mesh->sites[mesh->n_sites++];
		snprintf(r->site->name, sizeof(r->site->name), "%s", text);
		r->site->place = place_of(name);
		if (node->type != YAML_SCALAR_NODE || node->data.scalar.length)
			read_mapping(r, node, text, keys, sizeof(keys) / sizeof(keys[0]));
	}
}

static void take_sites(struct reader *r, const yaml_node_t *node, const char *key)
{
	size_t n;

	if (!expect(r, node, YAML_MAPPING_NODE, key))
		return;
	n = (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
	r->mesh->sites = calloc(n + 1, sizeof(*r->mesh->sites));
	if (r->mesh->sites == NULL)
		abort();
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++)
		read_site(r, node_at(r, pair->key), node_at(r, pair->value));
}

static void take_network(struct reader *r, const yaml_node_t *node, const char *key)
{
	add_network(r, node, key, r->mesh->network, &r->mesh->n_network, SL_CONFIG_POOL_MAX);
}

static void take_networks(struct reader *r, const yaml_node_t *node, const char *key)
{
	each(r, node, key, take_network);
}

static void take_interface(struct reader *r, const yaml_node_t *node, const char *key)
{
	const char *text = text_of(r, node, key);

	if (text && sl_name_problem(text))
		ERROR(r, node, "%s: name '%.*s' %s", key, SHOWN, text, sl_name_problem(text));
	else if (text)
		strcpy(r->mesh->interface, text);
}

static void take_listen_port(struct reader *r, const yaml_node_t *node, const char *key)
{
	uint32_t port;

	if (read_number(r, node, key, 1, PORT_MAX, &port))
		r->listen_port = (uint16_t)port;
}

static void take_mtu(struct reader *r, const yaml_node_t *node, const char *key)
{
	read_number(r, node, key, SL_CONFIG_MTU_MIN_IPV6, SL_CONFIG_MTU_MAX, &r->mesh->mtu);
}

static void take_topology(struct reader *r, const yaml_node_t *node, const char *key)
{
	static const char *const words[] = {"full", "hub-and-spoke", "partial"};
	const char *text = text_of(r, node, key);

	for (unsigned i = 0; text && i < 3; i++)
		if (strcmp(text, words[i]) == 0) {
			r->mesh->topology = (enum sl_mesh_topology)i;
			return;
		}
	if (text)
		ERROR(r, node, "%s: '%.*s' is not known; give full, hub-and-spoke or partial", key, SHOWN, text);
}

static void take_preshared(struct reader *r, const yaml_node_t *node, const char *key)
{
	const char *text = text_of(r, node, key);

	if (text && strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		ERROR(r, node, "%s: '%.*s' is not known; give true or false", key, SHOWN, text);
	else if (text)
		r->mesh->preshared_keys = text[0] == 't';
}

static void keep_hubs(struct reader *r, const yaml_node_t *node, const char *key)
{
	r->hubs = node;
}

static void keep_links(struct reader *r, const yaml_node_t *node, const char *key)
{
	r->links = node;
}

/* The site that a node names; -1 after an error. */
static int site_of(struct reader *r, const yaml_node_t *node, const char *key)
{
	const char *text = text_of(r, node, key), **names;
	int site = text ? find_site(r->mesh, text) : -1;

	if (text == NULL || site >= 0 || r->mesh->n_sites == 0)
		return site;
	names = malloc(r->mesh->n_sites * sizeof(*names));
	if (names == NULL)
		abort();
	for (uint32_t i = 0; i < r->mesh->n_sites; i++)
		names[i] = r->mesh->sites[i].name;
	ERROR(r, node, "%s: no site '%.*s'; did you mean '%s'?", key, SHOWN, text,
	        sl_nearest(text, strlen(text), names, r->mesh->n_sites));
	free(names);
	return -1;
}

static void link_sites(struct sl_mesh *mesh, uint32_t a, uint32_t b)
{
	mesh->links[(size_t)a * mesh->n_sites + b] = mesh->links[(size_t)b * mesh->n_sites + a] = a != b;
}

static void take_hub(struct reader *r, const yaml_node_t *node, const char *key)
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

static void take_link(struct reader *r, const yaml_node_t *node, const char *key)
{
	yaml_node_item_t *items = node->data.sequence.items.start;
	int a, b;

	if (node->type != YAML_SEQUENCE_NODE || node->data.sequence.items.top - items != 2) {
		ERROR(r, node, "%s: a link is a pair of sites, such as [berlin, oslo]", key);
		return;
	}
	a = site_of(r, node_at(r, items[0]), key);
	b = site_of(r, node_at(r, items[1]), key);
	if (a >= 0 && a == b)
		ERROR(r, node, "%s: '%s' with itself; name two sites", key, r->mesh->sites[a].name);
	else if (a >= 0 && b >= 0)
		link_sites(r->mesh, (uint32_t)a, (uint32_t)b);
}

/* Who is linked with whom, once all sites are known. */
static void read_links(struct reader *r, const yaml_node_t *root)
{
	struct sl_mesh *mesh = r->mesh;
	bool hub = mesh->topology == SL_MESH_HUB, partial = mesh->topology == SL_MESH_PARTIAL;

	mesh->first_hub = UINT32_MAX;
	if (hub != (r->hubs != NULL))
		ERROR(r, r->hubs ? r->hubs : root,
		        hub ? "no hub; name the site that is it, `hub: NAME`"
		            : "hub: only with `topology: hub-and-spoke`; take one of them out");
	if (partial != (r->links != NULL))
		ERROR(r, r->links ? r->links : root,
		        partial ? "no links; name the pairs of sites, `links: [[A, B]]`"
		                : "links: only with `topology: partial`; take one of them out");
	if (hub && r->hubs)
		each(r, r->hubs, "hub", take_hub);
	if (partial && r->links && expect(r, r->links, YAML_SEQUENCE_NODE, "links"))
		each(r, r->links, "links", take_link);
	for (uint32_t i = 0; mesh->topology == SL_MESH_FULL && i < mesh->n_sites; i++)
		for (uint32_t j = 0; j < i; j++)
			link_sites(mesh, i, j);
}

static void read_root(struct reader *r, const yaml_node_t *root)
{
	static const struct key keys[] = {{"interface", take_interface}, {"listen-port", take_listen_port},
	        {"mtu", take_mtu}, {"network", take_networks}, {"topology", take_topology}, {"hub", keep_hubs},
	        {"links", keep_links}, {"preshared-keys", take_preshared}, {"sites", take_sites}};
	struct sl_mesh *mesh = r->mesh;

	read_mapping(r, root, "the inventory", keys, sizeof(keys) / sizeof(keys[0]));
	if (mesh->n_sites < 2 && r->errs->n_errors == 0)
		ERROR(r, root, "fewer than two sites; add them below `sites:`");
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

/* The next document, to be deleted; false after an error. */
static bool load_document(struct reader *r, yaml_parser_t *parser, yaml_document_t *document)
{
	struct sl_place place;

	if (yaml_parser_load(parser, document))
		return true;
	place = (struct sl_place){.line = (uint32_t)parser->problem_mark.line + 1,
	        .column = (uint32_t)parser->problem_mark.column + 1};
	sl_config_errors_add(r->errs, false, r->file, place, "not YAML: %s; mend it here or just before",
	        parser->problem ? parser->problem : "it cannot be read");
	return false;
}

/* What stands behind the inventory would go unread. */
static void refuse_second(struct reader *r, yaml_parser_t *parser)
{
	yaml_document_t second;
	yaml_node_t *root;

	if (!load_document(r, parser, &second))
		return;
	root = yaml_document_get_root_node(&second);
	if (root)
		ERROR(r, root, "a second document starts here; keep one in a file");
	yaml_document_delete(&second);
}

static void read_document(struct reader *r, const char *text, size_t len)
{
	yaml_parser_t parser;
	yaml_node_t *root;

	if (!yaml_parser_initialize(&parser))
		abort();
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	if (load_document(r, &parser, &r->document)) {
		root = yaml_document_get_root_node(&r->document);
		if (root) {
			read_root(r, root);
			refuse_second(r, &parser);
		} else {
			sl_config_errors_add(r->errs, false, r->file, (struct sl_place){.line = 1, .column = 1},
			        "an empty inventory; see sluice-mesh(1) for its form");
		}
		yaml_document_delete(&r->document);
	}
	yaml_parser_delete(&parser);
}

struct sl_mesh *sl_mesh_read(const char *file, const char *text, size_t len, const struct sl_mesh_givens *given,
        struct sl_config_errors *errs)
{
	struct reader r = {
	        .file = file, .mesh = calloc(1, sizeof(struct sl_mesh)), .listen_port = DEFAULT_PORT, .errs = errs};
	uint32_t before = errs->n_errors;

	if (r.mesh == NULL)
		abort();
	*r.mesh = (struct sl_mesh){.interface = "wg0", .mtu = SL_DEFAULT_MTU, .preshared_keys = true};
	read_document(&r, text, len);
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
