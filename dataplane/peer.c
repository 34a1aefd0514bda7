#include "dataplane/peer.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <netinet/in.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_pause.h>
#include <rte_udp.h>

#include "crypto/protocol.h"
#include "crypto/wipe.h"
#include "dataplane/lazy.h"

#define PEERS_PER_WORD    64
#define PEERS_PER_SUMMARY (64 * PEERS_PER_WORD)
#define IP_VERSION4_IHL5  0x45
#define IP_VERSION6       0x60

static uint32_t
summary_words(const struct sl_peers *p)
{
	return (p->dirty.words + 63) / 64;
}

/* What worker w keeps of peers. False where memory is short. */
static bool
add_worker(struct sl_peers *p, uint16_t w)
{
	p->sending[w] = sl_lazy_alloc_dense(p->capacity * sizeof(*p->sending[w]));
	p->receiving[w] = sl_lazy_alloc_dense(p->capacity * sizeof(*p->receiving[w]));
	return p->sending[w] && p->receiving[w] &&
		sl_peer_memory_add(&p->memory, p->sending[w], sizeof(*p->sending[w]), p->capacity) == 0 &&
		sl_peer_memory_add(&p->memory, p->receiving[w], sizeof(*p->receiving[w]), p->capacity) == 0;
}

int
sl_peers_init(struct sl_peers *p, uint32_t capacity, uint16_t workers)
{
	*p = (struct sl_peers){
		.slots = sl_lazy_alloc_dense(capacity * sizeof(struct sl_peer)),
		.outers = sl_lazy_alloc_dense(capacity * sizeof(struct sl_peer_outer)),
		.rest = sl_lazy_alloc(capacity * sizeof(struct sl_peer_rest)), /* first touched by a worker whose packet waits */
		.sending = calloc(workers, sizeof(*p->sending)),
		.receiving = calloc(workers, sizeof(*p->receiving)),
		.dirty.words = (capacity + PEERS_PER_WORD - 1) / PEERS_PER_WORD,
		.capacity = capacity,
		.workers = workers,
	};
	p->dirty.bits = sl_lazy_alloc(p->dirty.words * sizeof(*p->dirty.bits));
	p->dirty.summary = sl_lazy_alloc(summary_words(p) * sizeof(*p->dirty.summary));
	if (!p->slots || !p->outers || !p->rest || !p->sending || !p->receiving || !p->dirty.bits || !p->dirty.summary)
		goto fail;
	for (uint16_t w = 0; w < workers; w++)
		if (!add_worker(p, w))
			goto fail;
	return 0;
fail:
	sl_peers_fini(p);
	return -ENOMEM;
}

void
sl_peers_fini(struct sl_peers *p)
{
	sl_peer_memory_fini(&p->memory);
	for (uint16_t w = 0; p->sending && p->receiving && w < p->workers; w++) {
		sl_lazy_free(p->sending[w], p->capacity * sizeof(*p->sending[w]));
		sl_lazy_free(p->receiving[w], p->capacity * sizeof(*p->receiving[w]));
	}
	free(p->sending);
	free(p->receiving);
	sl_lazy_free(p->dirty.summary, summary_words(p) * sizeof(*p->dirty.summary));
	sl_lazy_free(p->dirty.bits, p->dirty.words * sizeof(*p->dirty.bits));
	for (uint32_t i = 0; i < p->had_sessions; i++)
		for (unsigned place = 0; place < SL_PEER_SENDERS; place++)
			sl_wipe(sl_peer_sender(p, i, place), sizeof(struct sl_sender));
	sl_lazy_free(p->rest, p->capacity * sizeof(struct sl_peer_rest));
	sl_lazy_free(p->outers, p->capacity * sizeof(struct sl_peer_outer));
	sl_lazy_free(p->slots, p->capacity * sizeof(struct sl_peer));
	*p = (struct sl_peers){0};
}

/* --- facts --- */

/*
 * Clears a summary bit whose word has become empty. A worker sets the word before the summary, so looking at the word
 * again after the summary was cleared finds every bit whose summary bit this has just erased.
 */
static void
settle_summary(struct sl_dirty *d, uint32_t word)
{
	uint64_t bit = UINT64_C(1) << (word % 64);

	if (atomic_load(&d->bits[word]) != 0)
		return;
	atomic_fetch_and(&d->summary[word / 64], ~bit);
	if (atomic_load(&d->bits[word]) != 0)
		atomic_fetch_or(&d->summary[word / 64], bit);
}

/* The first word from `word` on, below `end`, that may have bits; `end` if there is none. */
static uint32_t
next_dirty_word(const struct sl_dirty *d, uint32_t word, uint32_t end)
{
	while (word < end) {
		uint64_t left = atomic_load(&d->summary[word / 64]) & (UINT64_MAX << (word % 64));

		if (left) {
			word = word / 64 * 64 + (uint32_t)__builtin_ctzll(left);
			return word < end ? word : end;
		}
		word = (word / 64 + 1) * 64;
	}
	return end;
}

struct taken {
	uint32_t *slots;
	uint32_t *facts;
	unsigned n, max;
};

/* Takes what there is of the word's bits under mask. */
static void
take_word(struct sl_peers *p, uint32_t word, uint64_t mask, struct taken *t)
{
	uint64_t left = atomic_load(&p->dirty.bits[word]) & mask;

	while (left && t->n < t->max) {
		uint32_t slot = word * PEERS_PER_WORD + (uint32_t)__builtin_ctzll(left);
		uint32_t facts;

		/* The bit goes first: a fact raised in between sets it again, and is at worst found taken already. */
		atomic_fetch_and(&p->dirty.bits[word], ~(left & -left));
		left &= left - 1;
		facts = atomic_exchange(&p->slots[slot].facts, 0);
		if (facts == 0)
			continue;
		t->slots[t->n] = slot;
		t->facts[t->n++] = facts;
	}
	settle_summary(&p->dirty, word);
}

/* Takes from the peers first..end-1. */
static void
take_range(struct sl_peers *p, uint32_t first, uint32_t end, struct taken *t)
{
	uint32_t end_word = (end + PEERS_PER_WORD - 1) / PEERS_PER_WORD;
	uint32_t word = first / PEERS_PER_WORD;

	while (t->n < t->max && (word = next_dirty_word(&p->dirty, word, end_word)) < end_word) {
		uint64_t mask = UINT64_MAX;

		if (word == first / PEERS_PER_WORD)
			mask &= UINT64_MAX << (first % PEERS_PER_WORD);
		if (word == end / PEERS_PER_WORD)
			mask &= (UINT64_C(1) << (end % PEERS_PER_WORD)) - 1;
		take_word(p, word, mask, t);
		word++;
	}
}

unsigned
sl_peers_take_facts(struct sl_peers *p, uint32_t *cursor, uint32_t *slots, uint32_t *facts, unsigned n)
{
	struct taken t = {.slots = slots, .facts = facts, .max = n};
	uint32_t start = *cursor < p->capacity ? *cursor : 0;

	take_range(p, start, p->capacity, &t);
	take_range(p, 0, start, &t);
	if (t.n > 0)
		*cursor = (slots[t.n - 1] + 1) % p->capacity;
	return t.n;
}

bool
sl_peers_any_facts(const struct sl_peers *p)
{
	for (uint32_t i = 0; i < summary_words(p); i++)
		if (atomic_load_explicit(&p->dirty.summary[i], memory_order_relaxed) != 0)
			return true;
	return false;
}

/* --- endpoint --- */

#define OUTER_WORDS (sizeof(struct sl_outer) / sizeof(uint64_t))

/* A writer needs some 20 ns; more means that its thread was taken off the core, which may be ours. */
#define SPINS_BEFORE_YIELD 1000

void
sl_peer_outer_read(const struct sl_peers *p, uint32_t slot, struct sl_outer *out)
{
	const struct sl_peer *peer = &p->slots[slot];
	const struct sl_peer_outer *from = &p->outers[slot];
	uint64_t words[OUTER_WORDS];

	for (unsigned spins = 0;; spins++) {
		uint32_t seq = atomic_load_explicit(&peer->endpoint_seq, memory_order_acquire);

		if (likely((seq & 1) == 0)) {
			for (unsigned i = 0; i < OUTER_WORDS; i++)
				words[i] = atomic_load_explicit(&from->words[i], memory_order_relaxed);
			/* Keeps the words' loads before the second look at the sequence. */
			atomic_thread_fence(memory_order_acquire);
			if (likely(atomic_load_explicit(&peer->endpoint_seq, memory_order_relaxed) == seq))
				break;
		}
		if (spins < SPINS_BEFORE_YIELD)
			rte_pause();
		else
			sched_yield();
	}
	memcpy(out, words, sizeof(*out));
}

bool
sl_peer_outer_write(struct sl_peers *p, uint32_t slot, const struct sl_outer *outer)
{
	struct sl_peer *peer = &p->slots[slot];
	struct sl_peer_outer *to = &p->outers[slot];
	uint32_t seq = atomic_load_explicit(&peer->endpoint_seq, memory_order_relaxed);
	uint64_t words[OUTER_WORDS];

	if (seq & 1)
		return false;
	if (!atomic_compare_exchange_strong_explicit(
		    &peer->endpoint_seq, &seq, seq + 1, memory_order_acquire, memory_order_relaxed))
		return false;
	/* Keeps the odd sequence before the words' stores. */
	atomic_thread_fence(memory_order_release);
	memcpy(words, outer, sizeof(words));
	for (unsigned i = 0; i < OUTER_WORDS; i++)
		atomic_store_explicit(&to->words[i], words[i], memory_order_relaxed);
	atomic_store_explicit(&peer->endpoint_seq, seq + 2, memory_order_release);
	return true;
}

void
sl_peer_end_ways(struct sl_peers *p, uint32_t slot)
{
	_Atomic uint32_t *seq = &p->slots[slot].endpoint_seq;
	uint32_t stands = atomic_load_explicit(seq, memory_order_relaxed);

	/* A worker that writes the endpoint needs some 20 ns, and counts on itself: two steps in one, or after it. */
	for (unsigned spins = 0;; spins++) {
		if (likely((stands & 1) == 0) &&
			atomic_compare_exchange_weak_explicit(seq, &stands, stands + 2, memory_order_acq_rel, memory_order_relaxed))
			return;
		if (spins < SPINS_BEFORE_YIELD)
			rte_pause();
		else
			sched_yield();
		stands = atomic_load_explicit(seq, memory_order_relaxed);
	}
}

void
sl_outer_make(struct sl_outer *out, const struct sl_endpoint *remote, const struct sl_ip *local, uint16_t local_port)
{
	const struct rte_udp_hdr udp = {
		.src_port = rte_cpu_to_be_16(local_port),
		.dst_port = rte_cpu_to_be_16(remote->port),
	};

	*out = (struct sl_outer){.family = remote->ip.family};
	if (local && local->family == remote->ip.family)
		out->local = 1;
	if (remote->ip.family == SL_AF_INET) {
		struct rte_ipv4_hdr ip = {
			.version_ihl = IP_VERSION4_IHL5,
			.time_to_live = SL_OUTER_TTL,
			.next_proto_id = IPPROTO_UDP,
		};

		if (out->local)
			memcpy(&ip.src_addr, local->bytes, sizeof(ip.src_addr));
		memcpy(&ip.dst_addr, remote->ip.bytes, sizeof(ip.dst_addr));
		memcpy(out->hdr, &ip, sizeof(ip));
		memcpy(out->hdr + sizeof(ip), &udp, sizeof(udp));
		out->len = sizeof(ip) + sizeof(udp);
	} else if (remote->ip.family == SL_AF_INET6) {
		struct rte_ipv6_hdr ip = {
			.vtc_flow = rte_cpu_to_be_32((uint32_t)IP_VERSION6 << 24),
			.proto = IPPROTO_UDP,
			.hop_limits = SL_OUTER_TTL,
		};

		if (out->local)
			memcpy(ip.src_addr, local->bytes, sizeof(ip.src_addr));
		memcpy(ip.dst_addr, remote->ip.bytes, sizeof(ip.dst_addr));
		memcpy(out->hdr, &ip, sizeof(ip));
		memcpy(out->hdr + sizeof(ip), &udp, sizeof(udp));
		out->len = sizeof(ip) + sizeof(udp);
	}
}

void
sl_outer_remote(const struct sl_outer *outer, struct sl_endpoint *remote)
{
	struct rte_udp_hdr udp;

	*remote = (struct sl_endpoint){0};
	if (outer->family == SL_AF_INET)
		remote->ip = sl_ip4(outer->hdr + offsetof(struct rte_ipv4_hdr, dst_addr));
	else if (outer->family == SL_AF_INET6)
		remote->ip = sl_ip6(outer->hdr + offsetof(struct rte_ipv6_hdr, dst_addr));
	else
		return;
	memcpy(&udp, outer->hdr + outer->len - sizeof(udp), sizeof(udp));
	remote->port = rte_be_to_cpu_16(udp.dst_port);
}

bool
sl_outer_local(const struct sl_outer *outer, struct sl_ip *local)
{
	if (!outer->local)
		return false;
	if (outer->family == SL_AF_INET)
		*local = sl_ip4(outer->hdr + offsetof(struct rte_ipv4_hdr, src_addr));
	else
		*local = sl_ip6(outer->hdr + offsetof(struct rte_ipv6_hdr, src_addr));
	return true;
}
