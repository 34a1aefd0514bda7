/*
 * The addresses that sites of a mesh were given out of its networks, in a file beside theirs: a site keeps its own
 * whatever comes or goes around it in the inventory. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/config.h"

struct sl_mesh;

/* One address of one site. */
struct sl_mesh_given {
	char site[SL_CONFIG_PEER_NAME_MAX + 1];
	struct sl_ip ip;
};

struct sl_mesh_givens {
	struct sl_mesh_given *list; /* in the file's order; to be freed with sl_mesh_givens_free */
	uint32_t n;
};

/* Reads `folder`/addresses; none where there is no such file. False with errors in errs where it is not one of ours. */
bool sl_mesh_givens_read(struct sl_mesh_givens *given, const char *folder, struct sl_config_errors *errs);
void sl_mesh_givens_free(struct sl_mesh_givens *given);

/*
 * Writes it anew: what the mesh's sites have out of its networks, and what sites have that are not in the inventory any
 * more. 0 or a negative errno, with nothing changed.
 */
int sl_mesh_givens_write(const struct sl_mesh_givens *given, const struct sl_mesh *mesh, const char *folder);
