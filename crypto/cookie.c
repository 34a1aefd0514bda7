#include "crypto/cookie.h"

#include <assert.h>
#include <string.h>

#include "crypto/aead_single.h"
#include "crypto/blake2s.h"
#include "crypto/wipe.h"

#define IPV6_LEN 16

/* H(label || public key) */
static void labelled_key(uint8_t out[SL_KEY_LEN], const char *label, const uint8_t public_key[SL_KEY_LEN])
{
	struct sl_blake2s s;

	sl_blake2s_init(&s, SL_HASH_LEN, NULL, 0);
	sl_blake2s_update(&s, label, SL_MAC_LABEL_LEN);
	sl_blake2s_update(&s, public_key, SL_KEY_LEN);
	sl_blake2s_final(&s, out);
}

void sl_mac_keys_init(struct sl_mac_keys *keys, const uint8_t public_key[SL_KEY_LEN])
{
	labelled_key(keys->mac1, SL_LABEL_MAC1, public_key);
	labelled_key(keys->cookie, SL_LABEL_COOKIE, public_key);
}

uint64_t sl_mac1_check_batch(const struct sl_blake2s_kernel *kernel, const struct sl_mac_keys *own,
        const uint8_t *const *msgs, size_t len, unsigned int n)
{
	uint8_t macs[SL_MAC1_BATCH][SL_MAC_LEN];
	const uint8_t *keys[SL_MAC1_BATCH] = {NULL};
	uint8_t *outs[SL_MAC1_BATCH] = {NULL};
	uint64_t right = 0;

	assert(n <= SL_MAC1_BATCH);
	if (len < SL_MACS_LEN)
		return 0;
	for (unsigned int i = 0; i < n; i++) {
		keys[i] = own->mac1;
		outs[i] = macs[i];
	}
	sl_blake2s_batch(kernel, outs, SL_MAC_LEN, keys, sizeof(own->mac1), msgs, len - SL_MACS_LEN, n);
	for (unsigned int i = 0; i < n; i++)
		right |= (uint64_t)sl_equal(macs[i], msgs[i] + len - SL_MACS_LEN, SL_MAC_LEN) << i;
	return right;
}

bool sl_mac1_check(const struct sl_mac_keys *own, const void *msg, size_t len)
{
	const uint8_t *m = msg;

	return sl_mac1_check_batch(NULL, own, &m, len, 1) != 0;
}

bool sl_mac2_check(const uint8_t cookie[SL_COOKIE_LEN], const void *msg, size_t len)
{
	const uint8_t *m = msg;
	uint8_t mac[SL_MAC_LEN];

	if (len < SL_MACS_LEN)
		return false;
	sl_blake2s_mac128(mac, cookie, SL_COOKIE_LEN, m, len - SL_MAC_LEN);
	return sl_equal(mac, m + len - SL_MAC_LEN, SL_MAC_LEN);
}

void sl_macs_write(const struct sl_mac_keys *recipient, const uint8_t *cookie, void *msg, size_t len)
{
	uint8_t *m = msg;

	assert(len >= SL_MACS_LEN);
	sl_blake2s_mac128(m + len - SL_MACS_LEN, recipient->mac1, sizeof(recipient->mac1), m, len - SL_MACS_LEN);
	if (cookie != NULL)
		sl_blake2s_mac128(m + len - SL_MAC_LEN, cookie, SL_COOKIE_LEN, m, len - SL_MAC_LEN);
	else
		memset(m + len - SL_MAC_LEN, 0, SL_MAC_LEN);
}

void sl_cookie_compute(uint8_t cookie[SL_COOKIE_LEN], const uint8_t secret[SL_COOKIE_SECRET_LEN], const void *ip,
        size_t ip_len, uint16_t port_be)
{
	uint8_t source[IPV6_LEN + sizeof(port_be)];

	assert(ip_len <= IPV6_LEN);
	memcpy(source, ip, ip_len);
	memcpy(source + ip_len, &port_be, sizeof(port_be));
	sl_blake2s_mac128(cookie, secret, SL_COOKIE_SECRET_LEN, source, ip_len + sizeof(port_be));
}

void sl_cookie_make(struct sl_cookie_secret *secret, uint64_t now_ns, const struct sl_rng *rng, const void *ip,
        size_t ip_len, uint16_t port_be, uint8_t cookie[SL_COOKIE_LEN])
{
	if (!secret->valid || now_ns - secret->born_ns >= SL_COOKIE_SECRET_TIME_NS) {
		sl_rng_bytes(rng, secret->secret, sizeof(secret->secret));
		secret->born_ns = now_ns;
		secret->valid = true;
	}
	sl_cookie_compute(cookie, secret->secret, ip, ip_len, port_be);
}

void sl_cookie_reply_create(struct sl_msg_cookie_reply *reply, const struct sl_mac_keys *own,
        const uint8_t cookie[SL_COOKIE_LEN], const uint8_t nonce[SL_XNONCE_LEN], const uint8_t mac1[SL_MAC_LEN],
        uint32_t receiver)
{
	reply->type = SL_MSG_COOKIE_REPLY;
	reply->receiver = receiver;
	memcpy(reply->nonce, nonce, SL_XNONCE_LEN);
	sl_xaead_seal(reply->enc_cookie, cookie, SL_COOKIE_LEN, mac1, SL_MAC_LEN, nonce, own->cookie);
}

bool sl_cookie_reply_open(uint8_t cookie[SL_COOKIE_LEN], const struct sl_msg_cookie_reply *reply,
        const struct sl_mac_keys *peer, const uint8_t mac1[SL_MAC_LEN])
{
	return sl_xaead_open(
	        cookie, reply->enc_cookie, sizeof(reply->enc_cookie), mac1, SL_MAC_LEN, reply->nonce, peer->cookie);
}

void sl_cookie_jar_stamp(
        struct sl_cookie_jar *jar, uint64_t now_ns, const struct sl_mac_keys *peer, void *msg, size_t len)
{
	if (jar->has_cookie && now_ns - jar->born_ns >= SL_COOKIE_USE_TIME_NS) {
		sl_wipe(jar->cookie, sizeof(jar->cookie));
		jar->has_cookie = false;
	}
	sl_macs_write(peer, jar->has_cookie ? jar->cookie : NULL, msg, len);
	memcpy(jar->sent_mac1, (const uint8_t *)msg + len - SL_MACS_LEN, SL_MAC_LEN);
	jar->has_sent_mac1 = true;
}

bool sl_cookie_jar_consume(struct sl_cookie_jar *jar, uint64_t now_ns, const struct sl_mac_keys *peer,
        const struct sl_msg_cookie_reply *reply)
{
	uint8_t cookie[SL_COOKIE_LEN];

	if (!jar->has_sent_mac1 || !sl_cookie_reply_open(cookie, reply, peer, jar->sent_mac1))
		return false;
	memcpy(jar->cookie, cookie, sizeof(cookie));
	jar->born_ns = now_ns;
	jar->has_cookie = true;
	jar->has_sent_mac1 = false;
	sl_wipe(cookie, sizeof(cookie));
	return true;
}
