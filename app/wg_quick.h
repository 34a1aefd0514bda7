/*
 * A wg-quick(8) file as an interface of ours. Reading follows wg and wg-quick: keys and sections in any case, white
 * space anywhere, `#` to the end of the line, lists over several lines, the last of two values counts. Pure; main
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "control/config.h"
#include "control/net_text.h"

/* A peer, and the lines that messages name. */
struct sl_wg_quick_peer {
	struct sl_config_peer config;
	char name[SL_CONFIG_PEER_NAME_MAX + 1];
	char host[SL_HOST_TEXT];   /* what config.endpoint.host points to once the file is read */
	struct sl_prefix *allowed; /* config.allowed_ips once the file is read */
	unsigned line, key_line;   /* of [Peer], and of PublicKey (0: none) */
};

struct sl_wg_quick {
	char name[SL_CONFIG_NAME_MAX + 1];
	struct sl_config_interface config; /* its peers stand below */
	struct sl_config_address addresses[SL_CONFIG_ADDRESSES_MAX];
	struct sl_wg_quick_peer *peers;
	unsigned n_peers;
};

/*
 * Reads a file's text. `file` stands for it in messages, which have the form `file:line: what; what to do`; what has no
 * meaning here is a warning that names it. False where there was an error. Either way *out is to be freed.
 */
bool sl_wg_quick_read(const char *file, const char *name, const char *text, size_t len, struct sl_wg_quick *out,
        struct sl_config_errors *errs);

/* Wipes the keys. */
void sl_wg_quick_free(struct sl_wg_quick *w);

/* The interface's name as wg-quick takes it from the file's, wg0 of /etc/wireguard/wg0.conf. False where it cannot be
 * one. */
bool sl_wg_quick_name(const char *path, char name[SL_CONFIG_NAME_MAX + 1]);

/*
 * The name that a comment gives a peer: `# bob`, `# Name = bob`, and what common tools write (`### Client bob`,
 * `### begin bob ###`, `# friendly_name=bob`). False where it is no name. *explicit: it says that it is one.
 */
bool sl_wg_quick_comment(const char *comment, char name[SL_CONFIG_PEER_NAME_MAX + 1], bool *explicit_name);

/* The interface as YAML below `interfaces:`. key_file: stands in place of the private key, or NULL. */
void sl_wg_quick_write(FILE *out, const struct sl_wg_quick *w, const char *key_file);
