/*
 * Small changes to YAML that a person wrote: one entry of a mapping goes, or gets a value, and every other byte stays,
 * comments included. An entry is named by the keys that lead to it. Pure; any thread; texts are UTF-8 and were loaded
 * before, so what is not YAML is not expected. Results are NUL-terminated and to be freed; NULL where the entry, or the
 * mapping it belongs in, is not there, or memory runs out.
 */
#pragma once

#include <stddef.h>

struct sl_yaml_path {
	const char *keys[8];
	unsigned n;
};

/* The text without the entry. */
char *sl_yaml_without(const char *text, const struct sl_yaml_path *path);

/*
 * The text with the entry holding `value`, which is a scalar as it stands in YAML. Where it is not there it becomes the
 * first of its mapping, which must be there and have another entry.
 */
char *sl_yaml_with(const char *text, const struct sl_yaml_path *path, const char *value);

/* How many entries the mapping at path has; -1 where there is none. An empty path is the whole document. */
long sl_yaml_count(const char *text, const struct sl_yaml_path *path);
