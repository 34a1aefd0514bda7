/*
 * mac1, mac2 and cookies: WireGuard paper, sections 5.4.4 and 5.4.7. Pure functions of keys, messages and time; workers
 * check mac1, the control core does the rest. All memory is the caller's. Messages are whole initiations or responses
 * (their length says where the macs are).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/attrs.h"
#include "crypto/blake2s_batch.h"
#include "crypto/protocol.h"
#include "crypto/random.h"

/* The two keys that follow from a public key: our own to check and to answer, a peer's to send. Not secret. */
struct sl_mac_keys {
	uint8_t mac1[SL_KEY_LEN];
	uint8_t cookie[SL_KEY_LEN];
};

void sl_mac_keys_init(struct sl_mac_keys *keys, const uint8_t public_key[SL_KEY_LEN]);

/*
 * Whether mac1 of a received message is right for these keys (our own). len is the message's size, at least
 * SL_MACS_LEN; shorter is false.
 */
SL_MUST_CHECK bool sl_mac1_check(const struct sl_mac_keys *own, const void *msg, size_t len);

/* Messages that are checked together at most. */
#define SL_MAC1_BATCH 64

/*
 * The same for n messages of len bytes each, up to SL_MAC1_BATCH, in the lanes of the kernel (sl_blake2s_kernel_of;
 * NULL: one by one): bit i is set where mac1 of msgs[i] is right.
 */
SL_MUST_CHECK uint64_t sl_mac1_check_batch(const struct sl_blake2s_kernel *kernel, const struct sl_mac_keys *own,
        const uint8_t *const *msgs, size_t len, unsigned int n);

/* The same for mac2 and the cookie that its source should hold. */
SL_MUST_CHECK bool sl_mac2_check(const uint8_t cookie[SL_COOKIE_LEN], const void *msg, size_t len);

/* Writes mac1 for a recipient, and mac2 where there is a cookie (else NULL: mac2 is zero), into a message whose other
 * bytes are final. */
void sl_macs_write(const struct sl_mac_keys *recipient, const uint8_t *cookie, void *msg, size_t len);

/* The secret behind the cookies we hand out: random, renewed when SL_COOKIE_SECRET_TIME_NS old. All zero is a valid
 * start. */
struct sl_cookie_secret {
	uint8_t secret[SL_COOKIE_SECRET_LEN];
	uint64_t born_ns;
	bool valid;
};

/* The cookie of a source at time now_ns; renews the secret if it is due. ip: 4 or 16 bytes; port_be: as in the UDP
 * header. */
void sl_cookie_make(struct sl_cookie_secret *secret, uint64_t now_ns, const struct sl_rng *rng, const void *ip,
        size_t ip_len, uint16_t port_be, uint8_t cookie[SL_COOKIE_LEN]);

/* The arithmetic alone: MAC(secret, ip || port). */
void sl_cookie_compute(uint8_t cookie[SL_COOKIE_LEN], const uint8_t secret[SL_COOKIE_SECRET_LEN], const void *ip,
        size_t ip_len, uint16_t port_be);

/* Answers a message (mac1 and sender index as it carried them) with the cookie of its source, under a random nonce. */
void sl_cookie_reply_create(struct sl_msg_cookie_reply *reply, const struct sl_mac_keys *own,
        const uint8_t cookie[SL_COOKIE_LEN], const uint8_t nonce[SL_XNONCE_LEN], const uint8_t mac1[SL_MAC_LEN],
        uint32_t receiver);

/* Opens a cookie reply against the mac1 of the message it answers; false leaves cookie zeroed. keys: of the peer that
 * answers. */
SL_MUST_CHECK bool sl_cookie_reply_open(uint8_t cookie[SL_COOKIE_LEN], const struct sl_msg_cookie_reply *reply,
        const struct sl_mac_keys *peer, const uint8_t mac1[SL_MAC_LEN]);

/* What we remember of cookies per peer we send to. All zero is a valid start. */
struct sl_cookie_jar {
	uint8_t cookie[SL_COOKIE_LEN];
	uint8_t sent_mac1[SL_MAC_LEN];
	uint64_t born_ns;
	bool has_cookie;
	bool has_sent_mac1;
};

/* Before a handshake message goes out: writes both macs, with the cookie while it is fresh, and records mac1 for a
 * reply. */
void sl_cookie_jar_stamp(
        struct sl_cookie_jar *jar, uint64_t now_ns, const struct sl_mac_keys *peer, void *msg, size_t len);

/*
 * Takes a cookie reply. False, and the jar unchanged, unless it answers the recorded mac1; the record is cleared on
 * success, so a replayed reply fails. Only stores: nothing is sent and no timer moves.
 */
SL_MUST_CHECK bool sl_cookie_jar_consume(struct sl_cookie_jar *jar, uint64_t now_ns, const struct sl_mac_keys *peer,
        const struct sl_msg_cookie_reply *reply);
