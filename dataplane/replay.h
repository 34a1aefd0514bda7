/*
 * The replay window of a session (RFC 6479): a ring of 64-bit words in which
 * one bit stands for one counter. Workers call it after a packet was
 * authenticated, under the session's lock or as its owner: check and set are
 * one step. Memory is the session's; all zero is the initial state.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crypto/protocol.h"

#define SL_REPLAY_WORDS (SL_COUNTER_BITS / SL_COUNTER_WORD_BITS)

struct sl_replay {
	uint64_t greatest; /* counter accepted; 0 also before the first, whose bit is not set then */
	uint64_t words[SL_REPLAY_WORDS];
};

static_assert((SL_REPLAY_WORDS & (SL_REPLAY_WORDS - 1)) == 0, "the ring is indexed by a mask");

/* Back to the state before the first packet. */
static inline void sl_replay_init(struct sl_replay *r)
{
	*r = (struct sl_replay){0};
}

/* Where the counter's bit stands. */
static inline const uint64_t *sl_replay_word(const struct sl_replay *r, uint64_t counter)
{
	return &r->words[counter / SL_COUNTER_WORD_BITS % SL_REPLAY_WORDS];
}

/*
 * True if this counter is seen for the first time, is less than SL_REJECT_AFTER_MESSAGES and at most
 * SL_COUNTER_WINDOW_SIZE behind the greatest one; it is then marked as seen. False otherwise, with nothing changed.
 */
static inline bool sl_replay_accept(struct sl_replay *r, uint64_t counter)
{
	uint64_t index = counter / SL_COUNTER_WORD_BITS;
	uint64_t bit = UINT64_C(1) << (counter % SL_COUNTER_WORD_BITS);
	uint64_t *word = &r->words[index % SL_REPLAY_WORDS];

	if (counter >= SL_REJECT_AFTER_MESSAGES)
		return false;
	if (counter > r->greatest) {
		uint64_t current = r->greatest / SL_COUNTER_WORD_BITS;
		uint64_t stale = index - current < SL_REPLAY_WORDS ? index - current : SL_REPLAY_WORDS;

		for (uint64_t i = 1; i <= stale; i++)
			r->words[(current + i) % SL_REPLAY_WORDS] = 0;
		r->greatest = counter;
	} else if (r->greatest - counter > SL_COUNTER_WINDOW_SIZE) {
		return false;
	}
	if (*word & bit)
		return false;
	*word |= bit;
	return true;
}
