/*
 * Test vectors for the crypto room's tests: hex, seeded bytes, and the text files of Debian's
 * python3-cryptography-vectors (records of `name = value` lines, divided by empty lines). A test that names a file
 * fails where the file is missing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define VECTORS_DIR "/usr/lib/python3/dist-packages/cryptography_vectors/"

/* Decodes hex of any length; returns the bytes written. Aborts on anything else, or where cap is too small. */
size_t unhex(const char *hex, void *out, size_t cap);

/* Whether n bytes are those of hex, all of them. */
bool is_hex(const void *data, size_t n, const char *hex);

/* A small seeded generator, so that a failing round can be run again. */
struct seeded {
	uint64_t state;
};

uint64_t seeded_next(struct seeded *s);
/* 0..below-1 */
uint64_t seeded_below(struct seeded *s, uint64_t below);
void seeded_bytes(struct seeded *s, void *out, size_t n);

#define RECORD_FIELDS 12
#define RECORD_TEXT   8192

struct record {
	unsigned int n;
	char *name[RECORD_FIELDS];
	char *value[RECORD_FIELDS];
	char text[RECORD_TEXT];
};

/* Opens VECTORS_DIR/name; NULL where it is missing. */
FILE *vectors_open(const char *name);

/* The next record of the file; false at its end. */
bool vectors_next(FILE *f, struct record *r);

/* A field's text, or NULL. */
const char *record_text(const struct record *r, const char *name);

/* A field's bytes, from hex or from "text in quotes"; returns their number. Aborts where the field is missing. */
size_t record_bytes(const struct record *r, const char *name, void *out, size_t cap);
