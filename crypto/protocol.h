/*
 * Every limit, size and layout of the WireGuard protocol, in one place. Constants only: no code, no state, used on any
 * core. Times are nanoseconds. The wire structs are packed and little-endian; a message inside a packet is unaligned,
 * so it is copied out, or read through these packed types, never cast to something wider. Numbers follow the WireGuard
 * paper (sections 5 and 6) and its known implementations.
 */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define SL_NSEC_PER_USEC 1000ULL
#define SL_NSEC_PER_MSEC 1000000ULL
#define SL_NSEC_PER_SEC  1000000000ULL

/* Sizes of keys and tags, bytes */
#define SL_KEY_LEN           32 /* X25519 private and public keys, AEAD keys, PSK */
#define SL_TAG_LEN           16 /* Poly1305 */
#define SL_HASH_LEN          32 /* BLAKE2s */
#define SL_HASH_BLOCK_LEN    64
#define SL_MAC_LEN           16 /* mac1, mac2 */
#define SL_COOKIE_LEN        16
#define SL_XNONCE_LEN        24 /* XChaCha20-Poly1305 */
#define SL_AEAD_NONCE_LEN    12
#define SL_TAI64N_LEN        12
#define SL_KEY_BASE64_LEN    44 /* characters, without the NUL */
#define SL_KEY_HEX_LEN       64
#define SL_MAC_LABEL_LEN     8
#define SL_COOKIE_SECRET_LEN 32

/* Labels, hashed without a NUL */
#define SL_NOISE_CONSTRUCTION "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
#define SL_NOISE_IDENTIFIER   "WireGuard v1 zx2c4 Jason@zx2c4.com"
#define SL_LABEL_MAC1         "mac1----"
#define SL_LABEL_COOKIE       "cookie--"
static_assert(sizeof(SL_NOISE_CONSTRUCTION) - 1 == 37, "construction");
static_assert(sizeof(SL_NOISE_IDENTIFIER) - 1 == 34, "identifier");
static_assert(sizeof(SL_LABEL_MAC1) - 1 == SL_MAC_LABEL_LEN, "mac1 label");
static_assert(sizeof(SL_LABEL_COOKIE) - 1 == SL_MAC_LABEL_LEN, "cookie label");

/* Session lifetime */
#define SL_REKEY_AFTER_TIME_NS      (120 * SL_NSEC_PER_SEC) /* initiator: sending on a session this old rekeys */
#define SL_REJECT_AFTER_TIME_NS     (180 * SL_NSEC_PER_SEC) /* neither sent on nor accepted from this age on */
#define SL_REKEY_AFTER_RECV_TIME_NS (165 * SL_NSEC_PER_SEC) /* initiator: receiving on a session this old rekeys */
#define SL_ZERO_KEYS_TIME_NS        (540 * SL_NSEC_PER_SEC) /* keys are wiped this long after the last session */
#define SL_REKEY_AFTER_MESSAGES     (1ULL << 60)
#define SL_REJECT_AFTER_MESSAGES    (UINT64_MAX - (1ULL << 13)) /* 2^64 - 2^13 - 1, compared with >= */
static_assert(SL_REJECT_AFTER_TIME_NS * 3 == SL_ZERO_KEYS_TIME_NS, "three reject times");
static_assert(SL_REJECT_AFTER_MESSAGES == 0xffffffffffffdfffULL, "2^64 - 2^13 - 1");

/* Handshake timing */
#define SL_REKEY_ATTEMPT_TIME_NS (90 * SL_NSEC_PER_SEC)
#define SL_REKEY_TIMEOUT_NS      (5 * SL_NSEC_PER_SEC)    /* retransmission; one initiation per peer and this */
#define SL_TIMER_JITTER_MAX_NS   (333 * SL_NSEC_PER_MSEC) /* added to retransmission and new-handshake timers, 0..max */
#define SL_KEEPALIVE_TIMEOUT_NS  (10 * SL_NSEC_PER_SEC)
#define SL_NEW_HANDSHAKE_TIME_NS (15 * SL_NSEC_PER_SEC)  /* from the first unanswered data packet, plus jitter */
#define SL_MAX_HANDSHAKES        20                      /* initiations sent before giving up */
#define SL_FLOOD_TIME_NS         (20 * SL_NSEC_PER_MSEC) /* initiations of one peer closer than this are dropped */
static_assert(SL_NEW_HANDSHAKE_TIME_NS == SL_KEEPALIVE_TIMEOUT_NS + SL_REKEY_TIMEOUT_NS, "keepalive + rekey timeout");
static_assert(SL_REKEY_AFTER_RECV_TIME_NS == SL_REJECT_AFTER_TIME_NS - SL_KEEPALIVE_TIMEOUT_NS - SL_REKEY_TIMEOUT_NS,
        "reject - keepalive - rekey timeout");
static_assert(SL_REKEY_ATTEMPT_TIME_NS / SL_REKEY_TIMEOUT_NS <= SL_MAX_HANDSHAKES, "sends within the attempt time");

/* Cookies and load */
#define SL_COOKIE_SECRET_TIME_NS (120 * SL_NSEC_PER_SEC) /* life of the secret behind the cookies we hand out */
#define SL_COOKIE_USE_TIME_NS    (115 * SL_NSEC_PER_SEC) /* a received cookie is used while it is younger than this */
#define SL_UNDER_LOAD_TIME_NS    (1 * SL_NSEC_PER_SEC)   /* load is remembered this long */
#define SL_UNDER_LOAD_RING_SHARE 8                       /* under load from 1/8 of the interface's ring */
#define SL_LIMITER_PER_SECOND    20
#define SL_LIMITER_BURST         5
#define SL_LIMITER_IDLE_TIME_NS  (1 * SL_NSEC_PER_SEC) /* entries unused longer are collected */
#define SL_LIMITER_IPV4_PREFIX   32
#define SL_LIMITER_IPV6_PREFIX   64
static_assert(SL_COOKIE_USE_TIME_NS < SL_COOKIE_SECRET_TIME_NS, "a cookie is dropped before its secret is");

/* Replay window, RFC 6479: a ring of 64-bit words of which one is always being reused */
#define SL_COUNTER_BITS        8192
#define SL_COUNTER_WORD_BITS   64
#define SL_COUNTER_WINDOW_SIZE (SL_COUNTER_BITS - SL_COUNTER_WORD_BITS)
static_assert(SL_COUNTER_WINDOW_SIZE == 8128, "usable window");

/* Data path */
#define SL_MAX_STAGED_PACKETS 128  /* per peer */
#define SL_PADDING_MULTIPLE   16   /* plaintext is padded with zeros to this, within the inner MTU */
#define SL_DEFAULT_MTU        1420 /* inner: 1500 less IPv6 40, UDP 8, data message 32 */
#define SL_HANDSHAKE_TOS      0x88 /* TOS byte of initiation and response; a cookie reply has 0 */
#define SL_OUTER_TTL          64

/* Messages. The type is read as one LE32: the three reserved zero bytes are checked with it. */
enum sl_msg_type {
	SL_MSG_INITIATION = 1,
	SL_MSG_RESPONSE = 2,
	SL_MSG_COOKIE_REPLY = 3,
	SL_MSG_DATA = 4,
};

struct sl_msg_initiation {
	uint32_t type;
	uint32_t sender;
	uint8_t ephemeral[SL_KEY_LEN];
	uint8_t enc_static[SL_KEY_LEN + SL_TAG_LEN];
	uint8_t enc_timestamp[SL_TAI64N_LEN + SL_TAG_LEN];
	uint8_t mac1[SL_MAC_LEN];
	uint8_t mac2[SL_MAC_LEN];
} __attribute__((packed));

static_assert(sizeof(struct sl_msg_initiation) == 148, "initiation");
static_assert(offsetof(struct sl_msg_initiation, type) == 0, "type");
static_assert(offsetof(struct sl_msg_initiation, sender) == 4, "sender");
static_assert(offsetof(struct sl_msg_initiation, ephemeral) == 8, "ephemeral");
static_assert(offsetof(struct sl_msg_initiation, enc_static) == 40, "static");
static_assert(offsetof(struct sl_msg_initiation, enc_timestamp) == 88, "timestamp");
static_assert(offsetof(struct sl_msg_initiation, mac1) == 116, "mac1");
static_assert(offsetof(struct sl_msg_initiation, mac2) == 132, "mac2");

struct sl_msg_response {
	uint32_t type;
	uint32_t sender;
	uint32_t receiver;
	uint8_t ephemeral[SL_KEY_LEN];
	uint8_t enc_nothing[SL_TAG_LEN];
	uint8_t mac1[SL_MAC_LEN];
	uint8_t mac2[SL_MAC_LEN];
} __attribute__((packed));

static_assert(sizeof(struct sl_msg_response) == 92, "response");
static_assert(offsetof(struct sl_msg_response, type) == 0, "type");
static_assert(offsetof(struct sl_msg_response, sender) == 4, "sender");
static_assert(offsetof(struct sl_msg_response, receiver) == 8, "receiver");
static_assert(offsetof(struct sl_msg_response, ephemeral) == 12, "ephemeral");
static_assert(offsetof(struct sl_msg_response, enc_nothing) == 44, "nothing");
static_assert(offsetof(struct sl_msg_response, mac1) == 60, "mac1");
static_assert(offsetof(struct sl_msg_response, mac2) == 76, "mac2");

struct sl_msg_cookie_reply {
	uint32_t type;
	uint32_t receiver;
	uint8_t nonce[SL_XNONCE_LEN];
	uint8_t enc_cookie[SL_COOKIE_LEN + SL_TAG_LEN];
} __attribute__((packed));

static_assert(sizeof(struct sl_msg_cookie_reply) == 64, "cookie reply");
static_assert(offsetof(struct sl_msg_cookie_reply, type) == 0, "type");
static_assert(offsetof(struct sl_msg_cookie_reply, receiver) == 4, "receiver");
static_assert(offsetof(struct sl_msg_cookie_reply, nonce) == 8, "nonce");
static_assert(offsetof(struct sl_msg_cookie_reply, enc_cookie) == 32, "cookie");

/* The header of a data message; ciphertext and tag follow. */
struct sl_msg_data {
	uint32_t type;
	uint32_t receiver;
	uint64_t counter;
	uint8_t ciphertext[];
} __attribute__((packed));

static_assert(sizeof(struct sl_msg_data) == 16, "data header");
static_assert(offsetof(struct sl_msg_data, type) == 0, "type");
static_assert(offsetof(struct sl_msg_data, receiver) == 4, "receiver");
static_assert(offsetof(struct sl_msg_data, counter) == 8, "counter");
static_assert(offsetof(struct sl_msg_data, ciphertext) == 16, "ciphertext");

#define SL_DATA_OVERHEAD                                                                                               \
	((uint32_t)sizeof(struct sl_msg_data) + SL_TAG_LEN) /* what a data message adds to its plaintext */
#define SL_KEEPALIVE_LEN SL_DATA_OVERHEAD
static_assert(SL_KEEPALIVE_LEN == 32, "keepalive");
static_assert(SL_DEFAULT_MTU == 1500 - 40 - 8 - (int)SL_DATA_OVERHEAD, "default MTU");

/* mac1 and mac2 are the last 32 bytes of an initiation and of a response. */
#define SL_MACS_LEN (2 * SL_MAC_LEN)
static_assert(offsetof(struct sl_msg_initiation, mac1) == sizeof(struct sl_msg_initiation) - SL_MACS_LEN, "macs last");
static_assert(offsetof(struct sl_msg_response, mac1) == sizeof(struct sl_msg_response) - SL_MACS_LEN, "macs last");
