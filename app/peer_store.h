/*
 * The peers in a gateway's files, for the commands that look at them and change them: which files, one command at a time,
 * each change whole or not at all, and into the running gateway. Main thread; errors go to stderr as they are found.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/config.h"

struct sl_peer_store {
	const char *command; /* for messages: "peer add" */
	char *path;          /* of the configuration, absolute */
	int lock;            /* descriptor that holds the lock; -1 */
	struct sl_config *config;
	bool running;     /* a gateway of this configuration runs */
	bool set_with_wg; /* and has been changed with `wg`, so that it has more or less than the files say */
};

/*
 * Finds the configuration: `path`, or that of the running gateway `name` (NULL: the only one), and loads it. change: waits
 * for other commands that change it, and keeps them waiting until close. False after an error, such as a gateway of this
 * configuration's name that runs and does not say what it runs.
 */
bool sl_peer_store_open(
	struct sl_peer_store *s, const char *command, const char *path, const char *name, bool change);
void sl_peer_store_close(struct sl_peer_store *s);

/* The interface of that name, or, for NULL, the only one. NULL after an error. */
const struct sl_config_interface *sl_peer_store_interface(const struct sl_peer_store *s, const char *name);
/* The peer of that name on the interface, or, for NULL, on whichever has it alone. NULL after an error. */
const struct sl_config_peer *sl_peer_store_find(
	const struct sl_peer_store *s, const char *interface, const char *name, const struct sl_config_interface **ifp);

/*
 * The allowed IPs of all peers that the interface has in the gateway, n of them, where `wg` has changed any; else none,
 * for then the files say them. In *list, to be freed with sl_array_free. False after an error, with none: a gateway runs
 * and has not told, so no address can be known to be free.
 */
bool sl_peer_store_live_prefixes(
	const struct sl_peer_store *s, const char *interface, struct sl_prefix **list, uint32_t *n, uint32_t *capacity);

/*
 * The file for a new peer: the interface's first include pattern with the name for its star, in a folder that is made
 * where it is not there. In path (size bytes); false after an error.
 */
bool sl_peer_store_new_path(
	const struct sl_peer_store *s, const struct sl_config_interface *ifp, const char *peer, char *path, size_t size);

/*
 * Has the running gateway apply what has been changed; where none runs there is nothing to do. False after an error, the
 * gateway being as before; the caller puts the files back. What else the files have changed since the gateway read them goes
 * live with it, and is told on stderr: all but what is about this peer of that interface.
 */
bool sl_peer_store_apply(const struct sl_peer_store *s, const char *interface, const char *peer);
