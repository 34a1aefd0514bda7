/*
 * Cookies, both ways (protocol.md 13–16): whether a message brings the one
 * that we gave its sender, giving one, and keeping what a peer gave us.
 */
#include "control/proto/internal.h"
#include "crypto/wipe.h"

static void
cookie_of(struct sl_proto_if *ifp, const struct sl_endpoint *src, uint64_t now, uint8_t cookie[SL_COOKIE_LEN])
{
	sl_cookie_make(&ifp->cookie_secret, now, &ifp->core->rng, src->ip.bytes, sl_family_bytes(src->ip.family),
		__builtin_bswap16(src->port), cookie);
}

/* Who has no cookie sends zeros; nothing needs to be computed to see that. */
static bool
brings_none(const struct sl_proto_msg *msg)
{
	return sl_is_zero(msg->data + msg->len - SL_MAC_LEN, SL_MAC_LEN);
}

/* Nonces are no secrets and need not be made one by one: a system call for each costs as much as sealing a cookie. */
static const uint8_t *
next_nonce(struct sl_proto *core)
{
	if (core->cookie_nonces_left == 0) {
		sl_rng_bytes(&core->rng, core->cookie_nonces, sizeof(core->cookie_nonces));
		core->cookie_nonces_left = SL_COOKIE_NONCES;
	}
	return core->cookie_nonces[SL_COOKIE_NONCES - core->cookie_nonces_left--];
}

enum sl_admission
sl_cookie_admit(struct sl_proto_if *ifp, const struct sl_proto_msg *msg, uint64_t now)
{
	uint8_t cookie[SL_COOKIE_LEN];
	bool right = false;

	if (!brings_none(msg)) {
		cookie_of(ifp, &msg->src, now, cookie);
		right = sl_mac2_check(cookie, msg->data, msg->len);
		sl_wipe(cookie, sizeof(cookie));
	}
	if (!right)
		return SL_ADMIT_COOKIE;
	return sl_limiter_allow(&ifp->limiter, &msg->src.ip, now, &ifp->core->rng) ? SL_ADMITTED : SL_ADMIT_LIMITED;
}

void
sl_cookie_answer(struct sl_proto_if *ifp, const struct sl_noise_identity *identity, const struct sl_proto_msg *msg,
	uint64_t now)
{
	struct sl_proto *core = ifp->core;
	struct sl_msg_cookie_reply reply;
	uint8_t cookie[SL_COOKIE_LEN], mac1[SL_MAC_LEN];
	struct sl_msg_initiation head; /* type and sender stand alike in both messages */
	struct sl_outer outer;

	memcpy(&head, msg->data, offsetof(struct sl_msg_initiation, ephemeral));
	memcpy(mac1, msg->data + msg->len - SL_MACS_LEN, sizeof(mac1));
	cookie_of(ifp, &msg->src, now, cookie);
	sl_cookie_reply_create(&reply, &identity->mac_keys, cookie, next_nonce(core), mac1, head.sender);
	sl_wipe(cookie, sizeof(cookie));
	sl_outer_make(&outer, &msg->src, &msg->dst_local, ifp->listen_port);
	ifp->counters.cookies_sent++;
	core->ops->send(core->ctx, ifp, &outer, &reply, sizeof(reply), 0);
}

void
sl_cookie_consume(struct sl_proto_if *ifp, const struct sl_proto_msg *msg, uint64_t now)
{
	struct sl_proto *core = ifp->core;
	struct sl_proto_peer *peer = NULL;
	struct sl_msg_cookie_reply reply;
	uint32_t slot;

	memcpy(&reply, msg->data, sizeof(reply));
	slot = sl_session_slot_of(core->sessions, reply.receiver);
	if (slot != SL_SESSION_NONE)
		peer = sl_proto_peer_at(core, sl_proto_session_at(core, slot)->peer);
	if (!peer || peer->ifp != ifp || !peer->handshake ||
		!sl_cookie_jar_consume(&peer->handshake->jar, now, &peer->handshake->keys, &reply)) {
		ifp->counters.unexpected++;
		return;
	}
	ifp->counters.cookies_received++;
}
