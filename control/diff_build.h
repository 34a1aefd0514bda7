/*
 * The inside of the difference: the list being made, and the part about interfaces and peers, which is apart because it
 * is the one with large numbers. Used by control/diff*.c alone, one thread per differ.
 */
#pragma once

#include "control/config_memory.h"
#include "control/diff.h"

/* An interface in both descriptions, and who has what in it. Values are indices of peers. */
struct sl_diff_pair {
	const struct sl_config_interface *old_if, *new_if;
	struct sl_config_map old_keys, new_keys;
	struct sl_config_map old_prefixes, new_prefixes;
};

struct sl_steps_owned {
	struct sl_steps steps;
	uint32_t capacity;
	struct sl_arena arena; /* what refused steps name */
};

struct sl_differ {
	struct sl_steps_owned *out;
	const struct sl_config *old_config; /* never NULL: an empty one at first start */
	const struct sl_config *new_config;
	bool first;
	struct sl_diff_pair *pairs;
	uint32_t n_pairs;
};

/* A new step of that kind at the end; valid until the next. */
struct sl_step *sl_diff_step(struct sl_differ *d, enum sl_step_kind kind);

/* By name; NULL if there is none. */
const struct sl_config_port *sl_diff_find_port(const struct sl_config *config, const char *name);
const struct sl_config_interface *sl_diff_find_interface(const struct sl_config *config, const char *name);

/* Finds the interfaces in both descriptions and indexes their peers. */
void sl_diff_pair_interfaces(struct sl_differ *d);
void sl_diff_free_pairs(struct sl_differ *d);

/* Allowed IPs that nobody of their interface has any more, of peers that stay. */
void sl_diff_remove_allowed_ips(struct sl_differ *d);
/* With all that they still have. */
void sl_diff_remove_peers(struct sl_differ *d, const struct sl_diff_pair *p);
/* All but `routes`, which waits until all allowed IPs are where they belong. */
void sl_diff_change_interface(struct sl_differ *d, const struct sl_diff_pair *p);
/* Interfaces whose allowed IPs become routes, or cease to be: in this order, so that what one gives up another has. */
void sl_diff_change_routes(struct sl_differ *d, bool on);
void sl_diff_add_peer(struct sl_differ *d, const struct sl_config_interface *ifp, const struct sl_config_peer *peer);
/* New peers come with their allowed IPs; those that were there are changed. */
void sl_diff_add_peers(struct sl_differ *d, const struct sl_diff_pair *p);
/* What peers that were there did not have. */
void sl_diff_add_allowed_ips(struct sl_differ *d);

/* --- printing (diff_print.c) --- */

/* The keys that changed, in the order of the table: the first after `before`, the others after `between`. */
void sl_diff_print_keys(uint32_t changed, const char *before, const char *between, FILE *out);
/* The same of what `wg` changed. */
void sl_diff_print_runtime_keys(uint32_t bits, const char *before, const char *between, FILE *out);
/* The port or interface a step is about. */
const char *sl_diff_place_name(const struct sl_step *s);
