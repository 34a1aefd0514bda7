/* Sorts very many paths that begin alike. Pure; any thread. */
#pragma once

#include <stddef.h>

/* By their bytes, as strcmp has it. */
void sl_paths_sort(char **paths, size_t n);
