/*
 * The peers in a gateway's answer to `show`, read one after another where they stand: there may be very many, and a tree of all of them takes
 * longer than everything else. The other sections are read as JSON in the ordinary way. Memory: the caller's answer, which ends with a NUL
 * and must outlive what is read from it.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Some text of the answer, not terminated; NULL: not given. Strings are without their quotes, and as they are escaped in JSON. */
struct sl_slice {
	const char *text;
	size_t len;
};

struct sl_shown_peer {
	struct sl_slice name, interface, public_key, endpoint, endpoint_name;
	struct sl_slice allowed_ips; /* the list, with its brackets */
	struct sl_slice failure;     /* the object "handshake-failure" */
	bool preshared_key;
	int64_t persistent_keepalive; /* s */
	int64_t latest_handshake;     /* ns, wall time; 0: never */
	int64_t rx_bytes, tx_bytes;
};

struct sl_shown_peers {
	const char *at;  /* NULL: the answer has no such section */
	const char *end; /* behind the section */
	bool damaged;    /* it is not what a gateway writes */
};

/* All but the peers, to be json_decref'd, with `peers` at the first of them; NULL with *error where it is no JSON. */
json_t *sl_shown_begin(const char *answer, size_t len, struct sl_shown_peers *peers, json_error_t *error);
/* The next peer; false after the last. */
bool sl_shown_next(struct sl_shown_peers *peers, struct sl_shown_peer *peer);

bool sl_slice_is(struct sl_slice s, const char *text);
/* As it is meant: what was escaped in JSON is no more. */
void sl_slice_print(struct sl_slice s, FILE *out);
/* The same as JSON that the caller gets; NULL without memory. value: strings get their quotes back, others stay as they are. */
json_t *sl_slice_string(struct sl_slice s);
json_t *sl_slice_value(struct sl_slice s);
/* The next string of a list; *at is NULL at first. */
bool sl_slice_next(struct sl_slice list, const char **at, struct sl_slice *item);
