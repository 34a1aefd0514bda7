#include "app/mesh_yaml.h"

#include <stdlib.h>
#include <string.h>

#include "control/nearest.h"

enum {
	KEYS_MAX = 12, /* more than any mapping here has */
	NUMBER_DIGITS = 9,
};

struct sl_place sl_mesh_place(const yaml_node_t *node)
{
	return (struct sl_place){
	        .line = (uint32_t)node->start_mark.line + 1, .column = (uint32_t)node->start_mark.column + 1};
}

const yaml_node_t *sl_mesh_node(struct sl_mesh_reader *r, int index)
{
	return yaml_document_get_node(&r->document, index);
}

bool sl_mesh_expect(struct sl_mesh_reader *r, const yaml_node_t *node, yaml_node_type_t type, const char *key)
{
	static const char *const kinds[] = {"nothing", "a value", "a list", "a mapping"};

	if (node->type == type)
		return true;
	SL_MESH_ERROR(r, node, "%s: %s where %s belongs", key, kinds[node->type], kinds[type]);
	return false;
}

const char *sl_mesh_text(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key)
{
	const char *text = (const char *)node->data.scalar.value;

	if (!sl_mesh_expect(r, node, YAML_SCALAR_NODE, key))
		return NULL;
	if (*text && strlen(text) == node->data.scalar.length)
		return text;
	SL_MESH_ERROR(r, node, "%s: no value; write one or take the key out", key);
	return NULL;
}

void sl_mesh_each(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key, sl_mesh_take_fn *take)
{
	if (node->type != YAML_SEQUENCE_NODE) {
		take(r, node, key);
		return;
	}
	for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++)
		take(r, sl_mesh_node(r, *item), key);
}

static const struct sl_mesh_key *find_key(const struct sl_mesh_key *keys, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

void sl_mesh_mapping(
        struct sl_mesh_reader *r, const yaml_node_t *node, const char *what, const struct sl_mesh_key *keys, size_t n)
{
	const yaml_node_t *seen[KEYS_MAX] = {NULL};
	const char *names[KEYS_MAX];

	if (!sl_mesh_expect(r, node, YAML_MAPPING_NODE, what))
		return;
	for (size_t i = 0; i < n; i++)
		names[i] = keys[i].name;
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *name = sl_mesh_node(r, pair->key);
		const char *text = sl_mesh_text(r, name, "a key");
		const struct sl_mesh_key *key = text ? find_key(keys, n, text) : NULL;

		if (text == NULL)
			continue;
		if (key == NULL) {
			SL_MESH_ERROR(r, name, "unknown key '%.*s'; did you mean '%s'?", SL_MESH_SHOWN, text,
			        sl_nearest(text, strlen(text), names, n));
		} else if (seen[key - keys]) {
			struct sl_place first = sl_mesh_place(seen[key - keys]);

			SL_MESH_ERROR(r, name, "'%s' is given twice, first at %u:%u; keep one of them", text,
			        first.line, first.column);
		} else {
			seen[key - keys] = name;
			key->take(r, sl_mesh_node(r, pair->value), key->name);
		}
	}
}

bool sl_mesh_number(
        struct sl_mesh_reader *r, const yaml_node_t *node, const char *key, uint32_t min, uint32_t max, uint32_t *out)
{
	const char *text = sl_mesh_text(r, node, key);
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
	SL_MESH_ERROR(
	        r, node, "%s: '%.*s' is not a number from %u to %u; give one", key, SL_MESH_SHOWN, text, min, max);
	return false;
}

/* The next document, to be deleted; false after an error. */
static bool load_document(struct sl_mesh_reader *r, yaml_parser_t *parser, yaml_document_t *document)
{
	struct sl_place place;

	if (yaml_parser_load(parser, document))
		return true;
	place = (struct sl_place){
	        .line = (uint32_t)parser->problem_mark.line + 1, .column = (uint32_t)parser->problem_mark.column + 1};
	sl_config_errors_add(r->errs, false, r->file, place, "not YAML: %s; mend it here or just before",
	        parser->problem ? parser->problem : "it cannot be read");
	return false;
}

/* What stands behind the inventory would go unread. */
static void refuse_second(struct sl_mesh_reader *r, yaml_parser_t *parser)
{
	yaml_document_t second;
	yaml_node_t *root;

	if (!load_document(r, parser, &second))
		return;
	root = yaml_document_get_root_node(&second);
	if (root)
		SL_MESH_ERROR(r, root, "a second document starts here; keep one in a file");
	yaml_document_delete(&second);
}

void sl_mesh_document(struct sl_mesh_reader *r, const char *text, size_t len, sl_mesh_root_fn *read_root)
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
