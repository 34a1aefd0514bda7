/*
 * Applying a difference to the running gateway, a bounded piece at a time: no call takes longer than some hundred table
 * entries do, whatever the step is about. Control thread alone.
 */
#pragma once

#include "control/diff.h"
#include "control/gateway.h"

/* One call did not finish the step: there is more to do for it. */
#define SL_APPLY_MORE 1

/*
 * Applies a step or goes on with it; *progress is 0 at its beginning and the step's own from then on. 0 when it is done,
 * SL_APPLY_MORE, or a negative errno with error (SL_GATEWAY_ERROR_LEN bytes) set. SL_STEP_PORT_ADD opens the port, so it
 * is for the first start only.
 */
int sl_gateway_apply(
	struct sl_gateway *gw, const struct sl_steps *steps, uint32_t step, uint32_t *progress, char *error);

/* --- between control/apply.c and control/apply_peer.c --- */

#define SL_APPLY_PREFIXES 256 /* changes of allowed IPs in one call */

/* Says what could not be done, and why where the errno tells; returns rc. */
int sl_apply_fail(char *error, int rc, const char *what, const char *name);
struct sl_gateway_if *sl_apply_if(struct sl_gateway *gw, const struct sl_config_interface *interface);
int sl_apply_peer_add(struct sl_gateway *gw, const struct sl_step *s, uint32_t *progress, char *error);
int sl_apply_peer_change(struct sl_gateway *gw, const struct sl_step *s, uint32_t *progress, char *error);
int sl_apply_peer_restore(struct sl_gateway *gw, const struct sl_step *s, uint32_t *progress, char *error);
int sl_apply_peer_sweep(struct sl_gateway *gw, const struct sl_step *s);
/* Removes the peer of that key, if it is there. */
int sl_apply_peer_remove(struct sl_gateway_if *gi, const uint8_t public_key[SL_KEY_LEN]);
int sl_apply_allowed_ip(struct sl_gateway *gw, const struct sl_step *s, char *error);
