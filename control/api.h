/*
 * The gateway's Unix sockets: one per WireGuard interface for the `wg` tool
 * (/var/run/wireguard/NAME.sock, protocol.md section 8) and one for the client
 * commands (/run/sluice/NAME.sock, config.md). Non-blocking, served by the
 * control loop in bounded slices: a long reply is made piece by piece as the
 * reader takes it. Control thread alone.
 */
#pragma once

#include <stdbool.h>

#include "control/gateway.h"

struct sl_api;

/*
 * Takes the gateway's name by opening /run/sluice/NAME.sock. 0 and *out set; -EADDRINUSE: a gateway of this name runs; another
 * negative errno. Descriptors are watched through gw->epoll_fd with event data.fd set to the descriptor.
 */
int sl_api_create(struct sl_api **out, struct sl_gateway *gw);
/* Closes and removes all sockets. NULL is fine. */
void sl_api_destroy(struct sl_api *api);

/* Opens an interface's socket for `wg`. 0, -EADDRINUSE where another process serves it, or a negative errno. */
int sl_api_add_interface(struct sl_api *api, struct sl_gateway_if *gi);
void sl_api_remove_interface(struct sl_api *api, struct sl_gateway_if *gi);

/* A descriptor of this module is ready (EPOLLIN, EPOLLOUT …). False where the descriptor is none of its own. */
bool sl_api_event(struct sl_api *api, int fd, uint32_t events);
/* One bounded slice of replies under way. Whether there is more to do at once. */
bool sl_api_advance(struct sl_api *api);
