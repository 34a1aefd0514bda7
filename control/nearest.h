/*
 * The word that was probably meant. Pure.
 */
#pragma once

#include <stddef.h>

/* The word of the list that takes the fewest changes of a letter to become the len bytes of `text`; case does not count. n ≥ 1. */
const char *sl_nearest(const char *text, size_t len, const char *const *words, size_t n);
