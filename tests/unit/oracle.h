/*
 * A second implementation of WireGuard's messages, for tests alone: both roles of the handshake, macs, cookies and
 * data, written from the paper and the Noise specification on libcrypto and libsodium. It shares no header and no line
 * with the code under test, so that a mistake made alike in making and in reading a message does not go unnoticed.
 *
 * One thread; all memory is the caller's. Time and randomness are arguments. Numbers are in host order. A library call
 * that fails where it cannot ends the process.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ORACLE_KEY = 32,
	ORACLE_MAC = 16,
	ORACLE_COOKIE = 16,
	ORACLE_STAMP = 12,
	ORACLE_NONCE = 24,
	ORACLE_INITIATION = 148,
	ORACLE_RESPONSE = 92,
	ORACLE_COOKIE_REPLY = 64,
	ORACLE_DATA = 32, /* what a data message has beside its plaintext */
};

/* One end of a tunnel. */
struct oracle {
	uint8_t private_key[ORACLE_KEY], public_key[ORACLE_KEY];
	uint8_t peer_key[ORACLE_KEY], psk[ORACLE_KEY];
	/* the handshake under way */
	uint8_t ck[ORACLE_KEY], h[ORACLE_KEY];
	uint8_t own_ephemeral[ORACLE_KEY], peer_ephemeral[ORACLE_KEY];
	uint32_t own_index, peer_index;
	/* the session */
	uint8_t send[ORACLE_KEY], recv[ORACLE_KEY];
};

/* psk NULL: none. The private key is clamped. */
void oracle_init(struct oracle *o, const uint8_t private_key[ORACLE_KEY], const uint8_t peer_key[ORACLE_KEY],
        const uint8_t *psk);
void oracle_public(uint8_t public_key[ORACLE_KEY], const uint8_t private_key[ORACLE_KEY]);

/* Messages 1 and 2, whole. cookie NULL: mac2 is zero. */
void oracle_initiation(struct oracle *o, const uint8_t ephemeral[ORACLE_KEY], uint32_t index,
        const uint8_t stamp[ORACLE_STAMP], const uint8_t *cookie, uint8_t msg[ORACLE_INITIATION]);
void oracle_response(struct oracle *o, const uint8_t ephemeral[ORACLE_KEY], uint32_t index, const uint8_t *cookie,
        uint8_t msg[ORACLE_RESPONSE]);
/* False where anything in the message is wrong: type, mac1, a tag, or the static key of another peer. */
bool oracle_take_initiation(struct oracle *o, const uint8_t msg[ORACLE_INITIATION], uint8_t stamp[ORACLE_STAMP]);
bool oracle_take_response(struct oracle *o, const uint8_t msg[ORACLE_RESPONSE]);

/* After either message 2: a data message of len + ORACLE_DATA bytes. */
void oracle_seal(const struct oracle *o, uint64_t counter, const void *plain, size_t len, uint8_t *msg);
/* The plaintext's length, or -1. Looks at neither replay nor age. */
long oracle_open(const struct oracle *o, const uint8_t *msg, size_t len, uint64_t *counter, uint8_t *plain);

void oracle_stamp(uint8_t stamp[ORACLE_STAMP], uint64_t seconds, uint32_t nanoseconds);
void oracle_mac1(uint8_t mac[ORACLE_MAC], const uint8_t recipient[ORACLE_KEY], const uint8_t *msg, size_t msg_len);
void oracle_mac2(uint8_t mac[ORACLE_MAC], const uint8_t cookie[ORACLE_COOKIE], const uint8_t *msg, size_t msg_len);
/* The cookie of a source: address 4 or 16 bytes. */
void oracle_cookie(uint8_t cookie[ORACLE_COOKIE], const uint8_t secret[ORACLE_KEY], const uint8_t *address,
        size_t address_len, uint16_t port);
/* answerer: public key of the one under load; mac1 and index: of the message that is answered. */
void oracle_cookie_reply(uint8_t msg[ORACLE_COOKIE_REPLY], const uint8_t answerer[ORACLE_KEY],
        const uint8_t cookie[ORACLE_COOKIE], const uint8_t nonce[ORACLE_NONCE], const uint8_t mac1[ORACLE_MAC],
        uint32_t index);
bool oracle_open_cookie_reply(uint8_t cookie[ORACLE_COOKIE], const uint8_t msg[ORACLE_COOKIE_REPLY],
        const uint8_t answerer[ORACLE_KEY], const uint8_t mac1[ORACLE_MAC]);
