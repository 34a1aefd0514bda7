/*
 * The inside of a load of the configuration: the YAML event reader, tables of keys, and the parsers of the sections, a
 * file each. Not for use outside control/config*.c. One thread per loader; the loader owns what it collects until the
 * load is over and the description takes it.
 *
 * YAML is read as a stream of events, straight into the structs of control/config.h: a node is looked at once, in file
 * order. Every parser consumes its node whole, whatever is wrong with it, and reports rather than returns errors.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/stat.h>

#include "control/config.h"
#include "control/config_ahead.h"
#include "control/config_memory.h"
#include "control/nearest.h"
#include "control/yaml_events.h"

enum sl_node_kind {
	SL_NODE_END, /* of the sequence or mapping, or of everything after a syntax error */
	SL_NODE_SCALAR,
	SL_NODE_SEQUENCE,
	SL_NODE_MAPPING,
};

/* One node of the YAML text. */
struct sl_node {
	enum sl_node_kind kind;
	struct sl_place place;
	const char *text; /* scalar: NUL-terminated and without other NULs; gone with the next node */
	size_t len;
	bool null; /* nothing, `~` or `null`, not quoted */
	bool bad;  /* an error has been reported about it already */
};

/* One file of the configuration while it is read. */
struct sl_source {
	struct sl_yaml yaml;
	uint32_t file;      /* index into the description's files */
	const char *folder; /* "" or ending in '/': where relative paths start */
	bool secret;        /* a key stands in it */
};

/* A prefix that an interface's peers are allowed, while the interface is being read. */
struct sl_allowed {
	struct sl_prefix prefix;
	uint32_t peer; /* index among the interface's peers */
	struct sl_place place;
};

/* A `routes:` entry before its names are looked up. */
struct sl_route_text {
	struct sl_config_route route;
	const char *port, *interface; /* NULL: not given */
	struct sl_place to_place, via_place, port_place, interface_place;
};

struct sl_loader {
	struct sl_config *config;
	struct sl_arena arena; /* the description's */
	struct sl_config_errors *errs;
	struct sl_source *source; /* the file being read */

	const char **files;
	uint32_t n_files, files_capacity;
	struct sl_ahead *ahead;        /* of the files that are included now; NULL: they are read one by one */
	const char *folder;            /* of the file that was begun last: included ones have it from each other */
	struct sl_config_map included; /* device and inode of every file → its index */

	struct sl_config_port *ports;
	uint32_t ports_capacity;
	struct sl_config_interface *interfaces;
	uint32_t interfaces_capacity;
	uint32_t *peers_capacity; /* of each interface's peers */
	uint32_t peers_capacity_capacity;
	struct sl_route_text *routes;
	uint32_t n_routes, routes_capacity;
	bool version_seen;

	/* config_again.c: */
	const struct sl_config *old;    /* NULL: everything is read */
	struct sl_config_map old_marks; /* identities of its files → their index */
	struct sl_config_mark *marks;   /* beside files */
	uint32_t marks_capacity;
	int64_t now;                    /* ns, wall clock */
	bool again_failed;              /* something is wrong: everything is to be read for the messages */
	bool shifted;                   /* peers were taken out: marks do not say where they are */

	/* of the interface being read */
	const char *interface_name;
	uint32_t endpoint_refresh;
	struct sl_config_peer *peers;
	uint32_t n_peers, peers_room;
	struct sl_config_map peer_names; /* → index in peers */
	struct sl_allowed *allowed;
	uint32_t n_allowed, allowed_capacity;
	struct sl_config_map allowed_prefixes; /* → index in allowed */

	/* over all interfaces */
	struct sl_config_map public_keys; /* → index in key_places */
	struct sl_place *key_places;
	uint32_t n_key_places, key_places_capacity;
	struct sl_config_map routed; /* prefixes of interfaces that have routes → index in routed_places */
	struct sl_place *routed_places;
	uint32_t n_routed_places, routed_places_capacity;

	struct sl_prefix *prefixes; /* scratch: one list of prefixes */
	uint32_t prefixes_capacity;
};

/* --- messages (config_yaml.c) --- */

void sl_load_error(struct sl_loader *ld, struct sl_place place, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
void sl_load_warn(struct sl_loader *ld, struct sl_place place, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* "file:line:column" of another place, for a message. Valid until the fourth next call by this thread. */
const char *sl_load_where(const struct sl_loader *ld, struct sl_place place);

/*
 * A scalar as a message repeats it: no further than its first white space or SL_SHOWN_MAX bytes, and not at all where
 * it may hold a key, which a lost quote or a wrong key's name can bring anywhere. Valid as long as sl_load_where's.
 */
enum {
	SL_SHOWN_MAX = 64,
};
const char *sl_show(const char *text, size_t len);

/* --- the event reader (config_yaml.c) --- */

/* The next node of ld->source. */
struct sl_node sl_yaml_next(struct sl_loader *ld);
/* Reads over what is left of a node. */
void sl_yaml_skip(struct sl_loader *ld, const struct sl_node *node);
/* The root node; END, with an error, where there is none. */
struct sl_node sl_yaml_root(struct sl_loader *ld);
/* After the root node: an error if more documents follow. */
void sl_yaml_finish(struct sl_loader *ld);

/* --- tables of keys (config_yaml.c) --- */

/* Consumes the node; `key` is for messages. */
typedef void sl_parse_fn(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out);

struct sl_key {
	const char *name;
	sl_parse_fn *parse; /* NULL: known, but not in this version */
};

enum {
	SL_KEYS_MAX = 24, /* in one table */
};

/* True for a node of that kind; else an error saying so, the node is read over. An empty value is no error, and false.
 */
bool sl_load_expect(struct sl_loader *ld, const struct sl_node *node, enum sl_node_kind kind, const char *key);

/* Reads a mapping by its table. seen[i] is where keys[i] stands, line 0 if it does not. */
void sl_load_mapping(struct sl_loader *ld, const struct sl_node *node, const char *key, const struct sl_key *keys,
        size_t n_keys, struct sl_place seen[SL_KEYS_MAX], void *out);

/* Reads a sequence, or a single value that stands for a sequence of one. Calls parse for each element. */
void sl_load_list(struct sl_loader *ld, const struct sl_node *node, const char *key, sl_parse_fn *parse, void *out);

/* --- scalars (config_value.c); false after an error --- */

/* The node as text; an empty one is an error. */
bool sl_value_text(struct sl_loader *ld, const struct sl_node *node, const char *key);
bool sl_value_number(
        struct sl_loader *ld, const struct sl_node *node, const char *key, uint32_t min, uint32_t max, uint32_t *out);
/* The index of the word among n. */
bool sl_value_word(struct sl_loader *ld, const struct sl_node *node, const char *key, const char *const *words,
        size_t n, uint32_t *out);
bool sl_value_bool(struct sl_loader *ld, const struct sl_node *node, const char *key, bool *out);
bool sl_value_ip(struct sl_loader *ld, const struct sl_node *node, const char *key, struct sl_ip *out);
/* A prefix; host bits as written. need_len: "/n" must be there. */
bool sl_value_prefix(
        struct sl_loader *ld, const struct sl_node *node, const char *key, bool need_len, struct sl_prefix *out);
/* The name of a port or interface, copied; NULL after an error. */
const char *sl_value_name(struct sl_loader *ld, const struct sl_node *node, const char *what);
bool sl_value_endpoint(
        struct sl_loader *ld, const struct sl_node *node, const char *key, struct sl_config_endpoint *out);
/* A point in time, Unix seconds. */
bool sl_value_time(struct sl_loader *ld, const struct sl_node *node, const char *key, int64_t *out);
/* `off`, which is 0, or seconds from SL_CONFIG_REFRESH_MIN to SL_CONFIG_REFRESH_MAX. */
void sl_parse_refresh(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out);
void sl_parse_mtu(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out);

/* Addresses of a port or interface, collected by sl_parse_address with `key` as the element's name. */
struct sl_address_list {
	struct sl_config_address list[SL_CONFIG_ADDRESSES_MAX];
	uint32_t n;
	bool need_len;
};
void sl_parse_address(struct sl_loader *ld, const struct sl_node *node, const char *key, void *list);
/* An error when mtu cannot carry IPv6 although there is an IPv6 address. */
void sl_check_mtu(struct sl_loader *ld, uint32_t mtu, struct sl_place mtu_place, const struct sl_address_list *list);

/* --- keys (config_keys.c) --- */

#define SL_NOT_A_KEY                                                                                                   \
	"not a WireGuard key; give the 44 characters of base64 that `sluice genkey`, `pubkey` or `genpsk` print"

/* A key in the text; marks the file as one with a secret unless it is public. */
bool sl_value_key(
        struct sl_loader *ld, const struct sl_node *node, const char *key, bool is_public, uint8_t out[SL_KEY_LEN]);
/* A key in the file that the node names. */
bool sl_value_key_file(struct sl_loader *ld, const struct sl_node *node, const char *key, uint8_t out[SL_KEY_LEN]);
/* A key in text that came from elsewhere, white space around it allowed; `whose` names it in the error. */
bool sl_load_key_text(struct sl_loader *ld, struct sl_place place, const char *key, const char *whose, const char *text,
        size_t len, uint8_t out[SL_KEY_LEN]);

/* --- secrets from outside the files (config_secret.c) --- */

enum {
	SL_SECRET_KEYS = 4, /* forms of a secret */
};

/* The four keys of a secret, one after another in a table: as text, -file, -env, -command. */
#define SL_SECRET(name, parse) {name, parse}, {name "-file", parse}, {name "-env", parse}, {name "-command", parse}

/*
 * A secret key by the form that the key's name says. A command runs without a shell and has 10 seconds. *source: the
 * line of YAML that names where it is, NULL where it stands in the text.
 */
bool sl_value_secret(struct sl_loader *ld, const struct sl_node *node, const char *key, uint8_t out[SL_KEY_LEN],
        const char **source);
/* After the mapping: an error where two forms of the secret at keys[first] are given. Whether any is. */
bool sl_check_secret(struct sl_loader *ld, const struct sl_key *keys, const struct sl_place *seen, unsigned first);
/* The node's path with each ${VARIABLE} replaced by the environment's, in the arena; NULL after an error. */
const char *sl_expand_path(struct sl_loader *ld, const struct sl_node *node, const char *key);

/* --- files (config_source.c) --- */

/* The path as it is opened: relative ones start at the folder of the file being read. In the arena. */
const char *sl_source_path(struct sl_loader *ld, const char *path);
/* What is wrong with a file of this mode that holds secrets; NULL if nothing. */
const char *sl_secret_mode_problem(const struct stat *st);
/* Adds a file to the description; its index. */
uint32_t sl_source_add(struct sl_loader *ld, const char *path);
/* What is to be read, all of it the caller's. */
struct sl_source_text {
	const char *text; /* may be NULL with a tape */
	size_t len;
	const struct sl_tape *tape; /* of the text; NULL: the text is read */
	const struct stat *st;      /* of its file; NULL: the rule on readable secrets does not apply */
};
/* Reads a text by `read`, which gets the root node. */
void sl_source_read(struct sl_loader *ld, uint32_t file, const struct sl_source_text *text,
        void (*read)(struct sl_loader *ld, const struct sl_node *root));
enum {
	SL_SOURCE_MAX = 1024 * 1024 * 1024, /* bytes of a file */
};
/* The same for a file that is named at `place` (line 0: on the command line). */
void sl_source_load(struct sl_loader *ld, const char *path, struct sl_place place,
        void (*read)(struct sl_loader *ld, const struct sl_node *root));

/* Whether the file is new among those read; else an error. */
bool sl_source_first_time(struct sl_loader *ld, const char *path, const struct stat *st, struct sl_place place);

/* --- a load after a load (config_again.c) --- */

/* sl_config_load_again, or sl_config_load where old is NULL, at a time (ns, wall clock) of the caller's. */
struct sl_config *sl_config_load_at(
        const char *path, const struct sl_config *old, int64_t now, struct sl_config_errors *errs);
void sl_again_begin(struct sl_loader *ld, const struct sl_config *old);
/* Whether the peers of that included file have been taken from the old description, or it is given twice. */
bool sl_again_take(struct sl_loader *ld, const char *path, struct sl_place place);
/* An included file has been read; its peers begin at `first`. */
void sl_again_mark(struct sl_loader *ld, uint32_t file, const char *path, const struct stat *st, uint32_t first);

/* --- sections, a file each; parse functions for the tables --- */

void sl_parse_dataplane(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out);
void sl_parse_ports(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out);
void sl_parse_interfaces(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out);
void sl_parse_routes(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out);
/* config_peer.c: the `peers` of an interface or included file, and the included files. */
enum {
	SL_INCLUDES_MAX = 256, /* patterns of one interface */
};
void sl_parse_peers(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out);
struct sl_include_list {
	struct {
		const char *pattern;
		struct sl_place place;
	} list[SL_INCLUDES_MAX];
	uint32_t n;
};
/* One pattern into the list. */
void sl_parse_include(struct sl_loader *ld, const struct sl_node *node, const char *key, void *list);
/* Reads the peers of all files that the patterns stand for. */
void sl_load_included(struct sl_loader *ld, const struct sl_include_list *list);
/* A peer's endpoint_refresh until its interface is read whole: as the interface says. */
#define SL_REFRESH_INHERIT UINT32_MAX

/* config_allowed.c: gives the peers what the interface says for all, takes peers with our own key out, and finds prefixes that another interface routes already. */
void sl_interface_finish(struct sl_loader *ld, struct sl_config_interface *ifp, uint32_t endpoint_refresh);

/* --- checks over the whole, after reading (config_check.c, config_route.c) --- */

void sl_check_whole(struct sl_loader *ld);
void sl_resolve_routes(struct sl_loader *ld);
