/*
 * The path over this host's UDP sockets. A thread at each socket receives, a
 * thread per flow sends. A server has one socket for all; a client one for
 * control and one per flow, so that flows differ in their source port.
 */
#pragma once

#include "app/bench_path.h"

/* Listens on an address (SL_AF_NONE: all of both families) and port. NULL with error (SL_BENCH_ERROR_LEN bytes) set. */
struct sl_bench_path *sl_bench_sockets_listen(const struct sl_ip *bind, uint16_t port, char *error);
/* Sockets towards a server. NULL with error set. */
struct sl_bench_path *sl_bench_sockets_connect(const struct sl_endpoint *server, unsigned flows, char *error);
