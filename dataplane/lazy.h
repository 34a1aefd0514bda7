/*
 * Large arrays of which little is used: address space at once, memory page by
 * page when first written. Reads of untouched places give zeros. Called by
 * control when tables are made and freed; the memory belongs to the table.
 */
#pragma once

#include <stddef.h>

/* `bytes` of zeros, page aligned and left out of core dumps (it may hold keys). NULL without address space. */
void *sl_lazy_alloc(size_t bytes);
/* bytes as given to alloc. NULL is allowed. */
void sl_lazy_free(void *p, size_t bytes);
