/*
 * Reading the configuration again while the gateway runs (SIGHUP): load, check
 * and difference happen on a thread of their own, for they may take longer than
 * a step of the control loop; applying goes on in slices on the loop. A file
 * with errors, or a change that is not live, leaves everything as it is.
 * Control thread alone, but for the thread that lies inside.
 */
#pragma once

#include <stdbool.h>

#include "control/gateway.h"

struct sl_reload;

/* Watches a descriptor of its own through gw->epoll_fd. 0 or a negative errno. */
int sl_reload_create(struct sl_reload **out, struct sl_gateway *gw);
/* Waits for a load under way. NULL is fine. */
void sl_reload_destroy(struct sl_reload *r);

/* Begins to read gw->config_path; while one is under way, it is read once more afterwards. */
void sl_reload_request(struct sl_reload *r);
int sl_reload_fd(const struct sl_reload *r);
/* The descriptor is readable: the load has ended. */
void sl_reload_event(struct sl_reload *r);
/* One slice of applying. Whether there is more to do at once. */
bool sl_reload_advance(struct sl_reload *r);
