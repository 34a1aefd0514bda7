/*
 * Longest-prefix match for IPv4 and IPv6 in one object: the cryptokey table of
 * a WireGuard interface, or the route table. Control is the only writer;
 * workers look up at the same time without locks.
 *
 * Shape: a trie with a stride of 8 bits whose nodes are never changed once a
 * reader can see them. A change copies the nodes from the changed one up to
 * the root and publishes them with one store, so a lookup sees the table as it
 * was at one moment, before or after a change, never in between. Several
 * changes can be published as one (sl_lpm_begin, sl_lpm_commit). Old nodes are
 * freed through struct sl_reclaim. See lpm_node.h for the nodes.
 *
 * The nodes live in an arena of the table's own: address space is reserved at
 * creation, memory is taken as the table grows and given back as it shrinks.
 *
 * Values are non-zero; 0 means "no match". Prefixes are given with or without
 * host bits, which are ignored.
 *
 * A worker may call the sl_lpm_lookup* functions between two quiescent
 * reports; all others are control's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/addr.h"
#include "dataplane/reclaim.h"

struct sl_lpm;

/* Address space of a table when max_bytes is 0: room for tens of millions of prefixes. */
#define SL_LPM_DEFAULT_MAX_BYTES (UINT64_C(4) << 30)

/*
 * max_bytes: the most its nodes may take, 0 for the default, at most 8 GiB. reclaim is borrowed and must outlive the
 * table. 0 and *out set, or -ENOMEM.
 */
int sl_lpm_create(struct sl_lpm **out, struct sl_reclaim *reclaim, uint64_t max_bytes);

/* Call after the table was unpublished: its memory goes once no reader can hold it (a later poll of reclaim). NULL is
 * allowed. */
void sl_lpm_destroy(struct sl_lpm *t);

/*
 * Inserts a prefix or replaces its value; readers see the old value or the new one, never a shorter prefix instead.
 * *old (may be NULL) gets the value that was replaced, 0 for a new prefix.
 * 0; -EINVAL for value 0, an unknown family or a length out of range; -ENOMEM with the table as it was.
 */
int sl_lpm_set(struct sl_lpm *t, const struct sl_prefix *prefix, uint32_t value, uint32_t *old);

/*
 * Removes exactly this prefix. *old (may be NULL) gets its value.
 * 0; -ENOENT where it is not there; -EINVAL as above; -ENOMEM with the table as it was (a copy could not be made).
 */
int sl_lpm_remove(struct sl_lpm *t, const struct sl_prefix *prefix, uint32_t *old);

/* The value of exactly this prefix, 0 where it is not there. Inside begin/commit it sees the changes so far. */
uint32_t sl_lpm_get(const struct sl_lpm *t, const struct sl_prefix *prefix);

/*
 * Many changes as one: between begin and commit, set and remove work on a private version (and are several times
 * faster); commit publishes it with one store per family. abort drops all changes since begin. Not nested.
 */
void sl_lpm_begin(struct sl_lpm *t);
void sl_lpm_commit(struct sl_lpm *t);
void sl_lpm_abort(struct sl_lpm *t);

/* Called for one prefix; returning false ends the walk. It must not change the table. */
typedef bool (*sl_lpm_walk_fn)(void *ctx, const struct sl_prefix *prefix, uint32_t value);

/*
 * Calls fn for all prefixes of a family in the order (address, length), beginning behind `after`, or at the first one
 * for NULL. `after` need not exist, so a walk can be cut into slices with changes in between. Returns false if fn ended
 * it.
 */
bool sl_lpm_walk(
        const struct sl_lpm *t, enum sl_family family, const struct sl_prefix *after, sl_lpm_walk_fn fn, void *ctx);

/* Prefixes in the table, both families. */
uint64_t sl_lpm_count(const struct sl_lpm *t);

/* Bytes held by the table: its nodes, also those that wait for readers, and the control structures. */
uint64_t sl_lpm_memory(const struct sl_lpm *t);

/* --- lookups: workers and control --- */

/* Value of the longest prefix that contains the address, or 0. addr: 4 bytes in network order, at any alignment. */
uint32_t sl_lpm_lookup4(const struct sl_lpm *t, const void *addr);
/* addr: 16 bytes, at any alignment. */
uint32_t sl_lpm_lookup6(const struct sl_lpm *t, const void *addr);
/* 0 for SL_AF_NONE. */
uint32_t sl_lpm_lookup(const struct sl_lpm *t, const struct sl_ip *ip);

/* Counts what was published: an answer holds as long as this stays what it was before the lookup. */
uint64_t sl_lpm_changes(const struct sl_lpm *t);

/*
 * The same for n IPv4 addresses in network order, their memory accesses overlapped; `otherwise` is the answer where
 * nothing matches. Any n.
 */
void sl_lpm_lookup4_burst(
        const struct sl_lpm *t, uint32_t otherwise, const uint32_t *addrs, uint32_t *values, unsigned n);

struct sl_lpm_key {
	const struct sl_lpm *table; /* NULL: the answer is 0 */
	const uint8_t *addr;        /* 4 or 16 bytes, in the packet if you like: nothing beyond them is read */
	uint8_t family;             /* SL_AF_INET or SL_AF_INET6; the answer for any other is 0 */
};

/* The same for n keys at once, their memory accesses overlapped. Any n; best from 8. */
void sl_lpm_lookup_burst(const struct sl_lpm_key *keys, uint32_t *values, unsigned n);

/*
 * The longest match whose length is at most max_len; *len (may be NULL) gets its length where the value is not 0. With
 * max_len ≥ 128 the longest of all, so it tells the matched length. Slower than the above: up to some 100 ns a level.
 */
uint32_t sl_lpm_lookup_shorter(const struct sl_lpm *t, const struct sl_ip *ip, unsigned max_len, uint8_t *len);
