/*
 * Inside app/mesh_read.c and mesh_yaml.c: an inventory's YAML, node by node, and messages about what has the wrong
 * form. Main thread; nodes and their text belong to the document.
 */
#pragma once

#include <yaml.h>

#include "app/mesh.h"

enum {
	SL_MESH_SHOWN = 60, /* bytes of a wrong value that a message repeats */
};

/* The inventory while it is read. */
struct sl_mesh_reader {
	const char *file;
	yaml_document_t document;
	struct sl_config_errors *errs;
	struct sl_mesh *mesh;
	struct sl_mesh_site *site;       /* the one that is read */
	const yaml_node_t *hubs, *links; /* name sites that may come later */
	uint16_t listen_port;
};

/* Takes the value of a key; `key` is for messages. */
typedef void sl_mesh_take_fn(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key);
typedef void sl_mesh_root_fn(struct sl_mesh_reader *r, const yaml_node_t *root);

struct sl_mesh_key {
	const char *name;
	sl_mesh_take_fn *take;
};

struct sl_place sl_mesh_place(const yaml_node_t *node);
#define SL_MESH_ERROR(r, node, ...) sl_config_errors_add((r)->errs, false, (r)->file, sl_mesh_place(node), __VA_ARGS__)

const yaml_node_t *sl_mesh_node(struct sl_mesh_reader *r, int index);
/* Whether the node is of that kind; else an error says so. */
bool sl_mesh_expect(struct sl_mesh_reader *r, const yaml_node_t *node, yaml_node_type_t type, const char *key);
/* A scalar's text; NULL after an error. */
const char *sl_mesh_text(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key);
/* A decimal number in that range; false after an error. */
bool sl_mesh_number(
        struct sl_mesh_reader *r, const yaml_node_t *node, const char *key, uint32_t min, uint32_t max, uint32_t *out);
/* Each element of a list, or a single value that stands for a list of one. */
void sl_mesh_each(struct sl_mesh_reader *r, const yaml_node_t *node, const char *key, sl_mesh_take_fn *take);
/* Every key of a mapping, each at most once; `what` names the mapping in messages. */
void sl_mesh_mapping(
        struct sl_mesh_reader *r, const yaml_node_t *node, const char *what, const struct sl_mesh_key *keys, size_t n);
/* The one document of a text, by `read_root`. */
void sl_mesh_document(struct sl_mesh_reader *r, const char *text, size_t len, sl_mesh_root_fn *read_root);
