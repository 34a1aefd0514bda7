/*
 * WireGuard's handshake (paper, section 5.4; Noise_IKpsk2) as pure functions: messages in, messages and keys out; no
 * I/O, time, randomness or globals. Timestamps, ephemerals, indices and the PSK are arguments. Called by the control
 * core; all memory is the caller's. A call that fails leaves the handshake it was given as it was, writes no message
 * and leaves no secret on the stack.
 *
 * Initiator:  create_initiation → … → consume_response → begin_session
 * Responder:  consume_initiation_static → (find the peer) → consume_initiation_finish → (check timestamp)
 *             → commit_initiation → create_response → begin_session
 *
 * Macs are not written here: sl_cookie_jar_stamp does it when the message goes out. The costly steps take several
 * handshakes at once in crypto/noise_batch.h; those here run at the best SIMD level of the CPU.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crypto/attrs.h"
#include "crypto/cookie.h"
#include "crypto/ikpsk2.h"
#include "crypto/protocol.h"

/* Our own static key and what follows from it. All zero: no identity. */
struct sl_noise_identity {
	uint8_t private_key[SL_KEY_LEN]; /* clamped */
	uint8_t public_key[SL_KEY_LEN];
	struct sl_mac_keys mac_keys; /* of our public key: to check mac1 and to write cookie replies */
	bool valid;
};

/* Sets the identity from a private key of any bits, which is clamped. An all-zero key means none: false, and the
 * identity is wiped. */
SL_MUST_CHECK bool sl_noise_identity_init(struct sl_noise_identity *id, const uint8_t private_key[SL_KEY_LEN]);
void sl_noise_identity_wipe(struct sl_noise_identity *id);

/*
 * DH of our static key and a peer's, to be cached with the peer. False where it is zero (low-order key): ss is then all
 * zero, and every handshake with it fails with SL_NOISE_BAD_KEY.
 */
SL_MUST_CHECK bool sl_noise_static_static(
        uint8_t ss[SL_KEY_LEN], const struct sl_noise_identity *id, const uint8_t remote[SL_KEY_LEN]);

/* States are facts in the past tense. */
enum sl_noise_state {
	SL_NOISE_ZEROED = 0,
	SL_NOISE_CREATED_INITIATION,
	SL_NOISE_CONSUMED_INITIATION,
	SL_NOISE_CREATED_RESPONSE,
	SL_NOISE_CONSUMED_RESPONSE,
};

/* One handshake under way. All zero is a valid start. */
struct sl_noise_handshake {
	enum sl_noise_state state;
	uint32_t local_index;  /* host order; chosen by us */
	uint32_t remote_index; /* host order; chosen by the peer */
	struct sl_ikpsk2 noise;
};

/* An initiation between its two calls. Holds what it needs of the message. */
struct sl_noise_interim {
	struct sl_ikpsk2 noise;
	uint32_t remote_index;
	uint8_t enc_timestamp[SL_TAI64N_LEN + SL_TAG_LEN];
	bool has_static; /* noise.rs holds the initiator's static key, which is not yet proven */
	bool authenticated;
};

/* What a session starts with. Wipe after use. */
struct sl_noise_keys {
	uint8_t send[SL_KEY_LEN];
	uint8_t recv[SL_KEY_LEN];
	uint32_t local_index;
	uint32_t remote_index;
	bool initiator;
};

/*
 * Starts a handshake, whatever its state was. remote: the peer's static key; ss: its static-static secret; timestamp:
 * TAI64N; ephemeral_private: fresh random bytes, clamped in use; local_index: ours. Fills msg but for the macs, which
 * are zero. BAD_STATE without an identity.
 */
SL_MUST_CHECK enum sl_noise_result sl_noise_create_initiation(struct sl_noise_handshake *hs,
        const struct sl_noise_identity *id, const uint8_t remote[SL_KEY_LEN], const uint8_t ss[SL_KEY_LEN],
        const uint8_t timestamp[SL_TAI64N_LEN], const uint8_t ephemeral_private[SL_KEY_LEN], uint32_t local_index,
        struct sl_msg_initiation *msg);

/* First half: decrypts the initiator's static key into interim->noise.rs. On failure interim is wiped. */
SL_MUST_CHECK enum sl_noise_result sl_noise_consume_initiation_static(
        struct sl_noise_interim *interim, const struct sl_noise_identity *id, const struct sl_msg_initiation *msg);

/* Second half, once the peer is found: proves the static key and gives the timestamp. On failure interim is wiped. */
SL_MUST_CHECK enum sl_noise_result sl_noise_consume_initiation_finish(
        struct sl_noise_interim *interim, const uint8_t ss[SL_KEY_LEN], uint8_t timestamp[SL_TAI64N_LEN]);

/* Makes an authenticated initiation the peer's handshake, replacing what was there, and wipes interim. BAD_STATE before
 * finish. */
SL_MUST_CHECK enum sl_noise_result sl_noise_commit_initiation(
        struct sl_noise_handshake *hs, struct sl_noise_interim *interim);

/* Drops an interim that will not be committed. */
void sl_noise_interim_wipe(struct sl_noise_interim *interim);

/* Answers a committed initiation. psk: 32 zero bytes for none. Fills msg but for the macs. */
SL_MUST_CHECK enum sl_noise_result sl_noise_create_response(struct sl_noise_handshake *hs,
        const uint8_t psk[SL_KEY_LEN], const uint8_t ephemeral_private[SL_KEY_LEN], uint32_t local_index,
        struct sl_msg_response *msg);

/* Takes the answer to our initiation; the caller found hs by msg->receiver. Unchanged unless the message is authentic.
 */
SL_MUST_CHECK enum sl_noise_result sl_noise_consume_response(struct sl_noise_handshake *hs,
        const struct sl_noise_identity *id, const uint8_t psk[SL_KEY_LEN], const struct sl_msg_response *msg);

/* Session keys by role after create_response or consume_response; the handshake is wiped to ZEROED. */
SL_MUST_CHECK enum sl_noise_result sl_noise_begin_session(struct sl_noise_handshake *hs, struct sl_noise_keys *keys);

void sl_noise_handshake_wipe(struct sl_noise_handshake *hs);
