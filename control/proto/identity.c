/*
 * The identities of an interface (protocol.md 8, 43): the present one, and, while
 * peers move from one key to another, the one before. A peer's state belongs to
 * one of them, by generation: the one under which it last spoke to us. Which
 * one a message is for its mac1 tells.
 */
#include "control/proto/internal.h"
#include "crypto/cookie.h"
#include "crypto/wipe.h"

const struct sl_noise_identity *
sl_identity_of(const struct sl_proto_if *ifp, uint32_t generation)
{
	if (generation == ifp->generation)
		return &ifp->identity;
	return generation != 0 && generation == ifp->previous_generation ? &ifp->previous : NULL;
}

uint32_t
sl_identity_other(const struct sl_proto_if *ifp, uint32_t generation)
{
	if (ifp->previous_generation == 0)
		return generation;
	return generation == ifp->generation ? ifp->previous_generation : ifp->generation;
}

uint32_t
sl_identity_addressed(const struct sl_proto_if *ifp, const struct sl_proto_msg *msg)
{
	if (ifp->previous_generation != 0 && sl_mac1_check(&ifp->previous.mac_keys, msg->data, msg->len))
		return ifp->previous_generation;
	return ifp->generation;
}

/* Where peers of that generation are counted; NULL: they are stale, and not counted. */
static uint32_t *
count_of(struct sl_proto_if *ifp, uint32_t generation)
{
	if (generation == ifp->generation)
		return &ifp->n_present;
	return generation != 0 && generation == ifp->previous_generation ? &ifp->n_previous : NULL;
}

void
sl_peer_enter_identity(struct sl_proto_peer *peer, uint32_t generation)
{
	uint32_t *count = count_of(peer->ifp, generation);

	peer->generation = generation;
	if (count)
		++*count;
}

void
sl_peer_leave_identity(struct sl_proto_peer *peer)
{
	uint32_t *count = count_of(peer->ifp, peer->generation);

	if (count)
		--*count;
	peer->generation = 0;
}

static bool
same_key(const struct sl_noise_identity *a, const struct sl_noise_identity *b)
{
	if (a->valid != b->valid)
		return false;
	return !a->valid || sl_equal(a->private_key, b->private_key, SL_KEY_LEN);
}

/* The generation that an identity has already, or a new one. */
static uint32_t
generation_of(struct sl_proto_if *ifp, const struct sl_noise_identity *identity)
{
	if (same_key(identity, &ifp->identity))
		return ifp->generation;
	if (identity->valid && same_key(identity, &ifp->previous))
		return ifp->previous_generation;
	return ++ifp->last_generation;
}

static void
remove_self(struct sl_proto_if *ifp, const struct sl_noise_identity *identity)
{
	struct sl_proto_peer *self = identity->valid ? sl_proto_peer_find(ifp, identity->public_key) : NULL;

	if (!self)
		return;
	if (ifp->core->ops->own_key)
		ifp->core->ops->own_key(ifp->core->ctx, self);
	else
		sl_proto_peer_remove(self);
}

/* Puts both in place; peers are counted anew by the generation that they have. */
static void
replace(struct sl_proto_if *ifp, const struct sl_noise_identity *present, const struct sl_noise_identity *previous)
{
	uint32_t generation = generation_of(ifp, present);
	uint32_t previous_generation = previous->valid ? generation_of(ifp, previous) : 0;
	uint32_t *of_present = count_of(ifp, generation);
	uint32_t *of_previous = count_of(ifp, previous_generation);
	uint32_t n_present = of_present ? *of_present : 0, n_previous = of_previous ? *of_previous : 0;

	if (generation != ifp->generation) {
		ifp->key_was_absent = !ifp->identity.valid;
		sl_wipe(&ifp->cookie_secret, sizeof(ifp->cookie_secret));
	}
	ifp->identity = *present;
	ifp->previous = *previous;
	ifp->generation = generation;
	ifp->previous_generation = previous_generation;
	ifp->n_present = n_present;
	ifp->n_previous = n_previous;
}

void
sl_proto_if_set_keys(struct sl_proto_if *ifp, const uint8_t private_key[SL_KEY_LEN],
	const uint8_t previous_key[SL_KEY_LEN], uint64_t now)
{
	struct sl_noise_identity present, previous;

	if (!sl_noise_identity_init(&present, private_key))
		sl_noise_identity_wipe(&present);
	if (!sl_noise_identity_init(&previous, previous_key) || !present.valid || same_key(&previous, &present))
		sl_noise_identity_wipe(&previous);
	if (!same_key(&present, &ifp->identity) || !same_key(&previous, &ifp->previous)) {
		replace(ifp, &present, &previous);
		remove_self(ifp, &ifp->identity);
		remove_self(ifp, &ifp->previous);
		sl_if_begin_pass(ifp, SL_PASS_IDENTITY, now);
	}
	sl_noise_identity_wipe(&present);
	sl_noise_identity_wipe(&previous);
}

void
sl_proto_if_set_key(struct sl_proto_if *ifp, const uint8_t private_key[SL_KEY_LEN], uint64_t now)
{
	uint8_t previous[SL_KEY_LEN];

	memcpy(previous, ifp->previous.private_key, sizeof(previous));
	sl_proto_if_set_keys(ifp, private_key, previous, now);
	sl_wipe(previous, sizeof(previous));
}

const struct sl_noise_identity *
sl_proto_if_identity(const struct sl_proto_if *ifp)
{
	return &ifp->identity;
}

const struct sl_noise_identity *
sl_proto_if_previous(const struct sl_proto_if *ifp)
{
	return &ifp->previous;
}

uint32_t
sl_proto_if_n_previous(const struct sl_proto_if *ifp)
{
	return ifp->n_previous;
}

bool
sl_proto_peer_on_previous(const struct sl_proto_peer *peer)
{
	return peer->ifp->previous_generation != 0 && peer->generation == peer->ifp->previous_generation;
}
