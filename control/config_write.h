/*
 * A description as YAML that loads as the same description. Pure: any thread. Secrets are named as the file named them
 * where it did (their source in control/config.h), else they stand in the text, so the text is for a file that only its
 * owner reads.
 */
#pragma once

#include <stdio.h>

#include "control/config.h"

/* A scalar as YAML: plain where that is safe, else in double quotes. Bytes of UTF-8 are left as they are. */
void sl_yaml_write_text(FILE *out, const char *text);

/* One peer, its name and keys, indented by `indent` spaces. */
void sl_config_write_peer(FILE *out, const struct sl_config_peer *peer, int indent);

/*
 * The whole description. `peers`, where given, writes the peers of an interface in place of those in the description
 * (by sl_config_write_peer with SL_CONFIG_PEER_INDENT), and `settle` may change what is written of the interface itself.
 */
enum {
	SL_CONFIG_PEER_INDENT = 6,
};
struct sl_config_writer {
	void (*settle)(void *ctx, struct sl_config_interface *ifp);
	void (*peers)(void *ctx, const struct sl_config_interface *ifp, FILE *out);
	void *ctx;
};
void sl_config_write(FILE *out, const struct sl_config *config, const struct sl_config_writer *writer);
