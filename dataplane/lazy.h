/*
 * Large arrays of which little is used: address space at once, memory page by
 * page when first written. Reads of untouched places give zeros. Called by
 * control when tables are made and freed; the memory belongs to the table.
 */
#pragma once

#include <stddef.h>

#define SL_LAZY_SMALL ((size_t)2 << 20) /* bytes: a huge page of x86 */

/* `bytes` of zeros, page aligned and left out of core dumps (it may hold keys). NULL without address space. */
void *sl_lazy_alloc(size_t bytes);
/*
 * The same for an array that fills from the front: behind the first SL_LAZY_SMALL bytes it comes in huge pages where the kernel has
 * them (transparent_hugepage not `never`). A table of a million entries in small pages costs a page walk for each line that is touched.
 * Begins at a multiple of SL_LAZY_SMALL.
 */
void *sl_lazy_alloc_dense(size_t bytes);
/* Makes memory of such an array be there, zeros where nothing is written yet; a hint. From and bytes: whole pages. */
void sl_lazy_populate(void *from, size_t bytes);
/* bytes as given to alloc, of either kind. NULL is allowed. */
void sl_lazy_free(void *p, size_t bytes);
