/*
 * The files of a mesh: keys that are made once and kept, and per site a configuration and a wg-quick file, which are
 * made anew, whole or not at all. Only their owner can read them. Main thread.
 */
#pragma once

#include "app/mesh.h"

/*
 * Writes `folder`/SITE.yaml, SITE.conf, keys/SITE.key, keys/A--B.psk and addresses, in which what was given before to sites
 * that are gone stays. inventory: its path, which is never written over; NULL: none. False with errors in errs where something cannot be written, or what is written would be refused;
 * keys that were made by then stay. Files of sites that the inventory does not have stay too, and a warning names them.
 */
bool sl_mesh_write(const struct sl_mesh *mesh, const struct sl_mesh_givens *given, const char *folder,
        const char *inventory, struct sl_config_errors *errs);
