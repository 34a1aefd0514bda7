/*
 * Arrays of workers with an element for each peer, and when their memory comes: before a peer's first session, by control,
 * rather than in the packet path when a worker first writes there, which for a huge page takes some 200 us. The first
 * SL_LAZY_SMALL bytes of an array are left to whoever writes them, in small pages, so that a small gateway stays small.
 *
 * Arrays come from sl_lazy_alloc_dense and are added while nothing runs; they must outlive the last prepare. One thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct sl_peer_array;

/* All zero: none yet. */
struct sl_peer_memory {
	struct sl_peer_array *arrays;
	uint32_t n;
};

/* n elements of `size` bytes, by peer slot. 0 or -ENOMEM. */
int sl_peer_memory_add(struct sl_peer_memory *m, void *base, size_t size, uint32_t n);
void sl_peer_memory_fini(struct sl_peer_memory *m);
/* The peer in that slot is about to be active. Costs a look at one bit for each array unless a neighbour's memory is not there yet. */
void sl_peer_memory_prepare(struct sl_peer_memory *m, uint32_t slot);
