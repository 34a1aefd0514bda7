/*
 * Addresses as every room above crypto passes them: an IP address of either
 * family, a prefix and a UDP endpoint. Plain values in network byte order,
 * copied freely, owned by whoever holds them; all functions are pure and may
 * be called on any thread.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum sl_family {
	SL_AF_NONE = 0,
	SL_AF_INET = 4,
	SL_AF_INET6 = 6,
};

#define SL_IP_STRLEN       46 /* INET6_ADDRSTRLEN */
#define SL_PREFIX_STRLEN   (SL_IP_STRLEN + 4)
#define SL_ENDPOINT_STRLEN (SL_IP_STRLEN + 8)

/* An IPv4 address uses the first 4 bytes; the other 12 are zero, so that two addresses compare with memcmp. */
struct sl_ip {
	uint8_t family; /* enum sl_family */
	uint8_t bytes[16];
};

struct sl_prefix {
	struct sl_ip addr; /* host bits may be set where an interface address is meant */
	uint8_t len;       /* bits, 0..32 or 0..128 */
};

struct sl_endpoint {
	struct sl_ip ip; /* SL_AF_NONE: no endpoint */
	uint16_t port;   /* host byte order */
};

static inline unsigned
sl_family_bytes(uint8_t family)
{
	return family == SL_AF_INET ? 4 : family == SL_AF_INET6 ? 16 : 0;
}

static inline unsigned
sl_family_bits(uint8_t family)
{
	return sl_family_bytes(family) * 8;
}

/* bytes: 4 bytes in network order, at any alignment. */
static inline struct sl_ip
sl_ip4(const void *bytes)
{
	struct sl_ip ip = {.family = SL_AF_INET};

	memcpy(ip.bytes, bytes, 4);
	return ip;
}

/* bytes: 16 bytes, at any alignment. */
static inline struct sl_ip
sl_ip6(const void *bytes)
{
	struct sl_ip ip = {.family = SL_AF_INET6};

	memcpy(ip.bytes, bytes, 16);
	return ip;
}

static inline bool
sl_ip_equal(const struct sl_ip *a, const struct sl_ip *b)
{
	uint64_t x[2], y[2];

	/* two words and a byte: no call */
	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (uint64_t)(a->bytes[15] ^ b->bytes[15])) == 0;
}

static_assert(sizeof(struct sl_ip) == 2 * sizeof(uint64_t) + 1, "two words and a byte");

static inline bool
sl_endpoint_equal(const struct sl_endpoint *a, const struct sl_endpoint *b)
{
	return sl_ip_equal(&a->ip, &b->ip) && a->port == b->port;
}

bool sl_ip_is_multicast(const struct sl_ip *ip);  /* 224/4, ff00::/8 */
bool sl_ip_is_loopback(const struct sl_ip *ip);   /* 127/8, ::1 */
bool sl_ip_is_link_local(const struct sl_ip *ip); /* 169.254/16, fe80::/10 */
bool sl_ip_is_zero(const struct sl_ip *ip);       /* 0.0.0.0, :: */

/* Clears the host bits. */
void sl_prefix_mask(struct sl_prefix *p);
/* Whether ip lies in p; host bits of p are ignored; false for different families. */
bool sl_prefix_contains(const struct sl_prefix *p, const struct sl_ip *ip);
bool sl_prefix_equal(const struct sl_prefix *a, const struct sl_prefix *b);
/* The IPv4 subnet broadcast address of p; false for IPv6 and for /31 and /32, which have none (RFC 3021). */
bool sl_prefix_broadcast(const struct sl_prefix *p, struct sl_ip *out);

/*
 * Parsers take the whole string or nothing: true and *out set, or false and
 * *out untouched. Numbers have no leading zeros, scope ids are refused.
 * sl_prefix_parse: "a.b.c.d/n", "v6/n"; without "/n" the full length.
 * sl_endpoint_parse: "a.b.c.d:port", "[v6]:port", port 1..65535.
 */
bool sl_ip_parse(const char *text, struct sl_ip *out);
bool sl_prefix_parse(const char *text, struct sl_prefix *out);
bool sl_endpoint_parse(const char *text, struct sl_endpoint *out);

/* Formatters write at most the SL_*_STRLEN of their kind, NUL included, and return buf. */
char *sl_ip_format(const struct sl_ip *ip, char buf[static SL_IP_STRLEN]);
char *sl_prefix_format(const struct sl_prefix *p, char buf[static SL_PREFIX_STRLEN]);
char *sl_endpoint_format(const struct sl_endpoint *e, char buf[static SL_ENDPOINT_STRLEN]);
