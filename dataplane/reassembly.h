/*
 * Reassembly of fragments that are addressed to us: large WireGuard messages
 * that were cut on their way. One table per worker, on the worker's thread,
 * its memory fixed at creation: at most SL_REASSEMBLY_FLOWS datagrams at a
 * time, of at most 8 fragments each; what is not complete SL_REASSEMBLY_NS
 * after its first fragment is dropped. The table owns the fragments it holds.
 */
#pragma once

#include "dataplane/worker.h"

#define SL_REASSEMBLY_FLOWS 256
#define SL_REASSEMBLY_NS    (2 * SL_NSEC_PER_SEC)

/* NULL where memory is short. */
struct sl_reassembly *sl_reassembly_create(int socket);
/* Frees what waits. NULL is allowed. */
void sl_reassembly_destroy(struct sl_reassembly *r);

/* Housekeeping of the worker loop: drops (reassembly) what was not completed in time. */
void sl_reassembly_expire(struct sl_worker *w);
