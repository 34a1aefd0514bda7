#include "dataplane/addr.h"

#include <arpa/inet.h>
#include <stdio.h>

bool
sl_ip_is_multicast(const struct sl_ip *ip)
{
	if (ip->family == SL_AF_INET)
		return (ip->bytes[0] & 0xf0) == 0xe0;
	return ip->family == SL_AF_INET6 && ip->bytes[0] == 0xff;
}

bool
sl_ip_is_loopback(const struct sl_ip *ip)
{
	static const uint8_t loopback6[16] = {[15] = 1};

	if (ip->family == SL_AF_INET)
		return ip->bytes[0] == 127;
	return ip->family == SL_AF_INET6 && memcmp(ip->bytes, loopback6, 16) == 0;
}

bool
sl_ip_is_link_local(const struct sl_ip *ip)
{
	if (ip->family == SL_AF_INET)
		return ip->bytes[0] == 169 && ip->bytes[1] == 254;
	return ip->family == SL_AF_INET6 && ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80;
}

bool
sl_ip_is_zero(const struct sl_ip *ip)
{
	static const uint8_t zero[16];

	return memcmp(ip->bytes, zero, sl_family_bytes(ip->family)) == 0;
}

void
sl_prefix_mask(struct sl_prefix *p)
{
	unsigned bytes = sl_family_bytes(p->addr.family);

	for (unsigned i = 0; i < bytes; i++) {
		unsigned first = i * 8;

		if (p->len <= first)
			p->addr.bytes[i] = 0;
		else if (p->len < first + 8)
			p->addr.bytes[i] &= (uint8_t)(0xff << (first + 8 - p->len));
	}
}

bool
sl_prefix_contains(const struct sl_prefix *p, const struct sl_ip *ip)
{
	unsigned whole = p->len / 8, rest = p->len % 8;

	if (p->addr.family != ip->family || memcmp(p->addr.bytes, ip->bytes, whole) != 0)
		return false;
	return rest == 0 || ((p->addr.bytes[whole] ^ ip->bytes[whole]) >> (8 - rest)) == 0;
}

bool
sl_prefix_equal(const struct sl_prefix *a, const struct sl_prefix *b)
{
	return a->len == b->len && sl_prefix_contains(a, &b->addr);
}

bool
sl_prefix_broadcast(const struct sl_prefix *p, struct sl_ip *out)
{
	uint32_t addr;

	if (p->addr.family != SL_AF_INET || p->len > 30)
		return false;
	memcpy(&addr, p->addr.bytes, 4);
	addr = htonl(ntohl(addr) | (p->len ? UINT32_MAX >> p->len : UINT32_MAX));
	*out = sl_ip4(&addr);
	return true;
}

bool
sl_ip_parse(const char *text, struct sl_ip *out)
{
	struct sl_ip ip = {.family = strchr(text, ':') ? SL_AF_INET6 : SL_AF_INET};

	if (inet_pton(ip.family == SL_AF_INET ? AF_INET : AF_INET6, text, ip.bytes) != 1)
		return false;
	*out = ip;
	return true;
}

/* A decimal number in 0..max without sign, leading zeros or anything after it. */
static bool
parse_number(const char *text, unsigned max, unsigned *out)
{
	unsigned value = 0;

	if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (unsigned)(*text - '0');
		if (value > max)
			return false;
	}
	*out = value;
	return true;
}

bool
sl_prefix_parse(const char *text, struct sl_prefix *out)
{
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	char addr[SL_IP_STRLEN];
	struct sl_prefix p;
	unsigned len;

	if (n >= sizeof(addr))
		return false;
	memcpy(addr, text, n);
	addr[n] = '\0';
	if (!sl_ip_parse(addr, &p.addr))
		return false;
	len = sl_family_bits(p.addr.family);
	if (slash && !parse_number(slash + 1, len, &len))
		return false;
	p.len = (uint8_t)len;
	*out = p;
	return true;
}

bool
sl_endpoint_parse(const char *text, struct sl_endpoint *out)
{
	const char *colon = strrchr(text, ':');
	char addr[SL_IP_STRLEN];
	struct sl_endpoint e;
	unsigned port;
	bool bracketed = text[0] == '[';
	size_t n;

	if (colon == NULL || !parse_number(colon + 1, UINT16_MAX, &port) || port == 0)
		return false;
	n = (size_t)(colon - text);
	if (bracketed) {
		if (n < 2 || text[n - 1] != ']')
			return false;
		text++;
		n -= 2;
	}
	if (n >= sizeof(addr))
		return false;
	memcpy(addr, text, n);
	addr[n] = '\0';
	if (!sl_ip_parse(addr, &e.ip) || (e.ip.family == SL_AF_INET6) != bracketed)
		return false;
	e.port = (uint16_t)port;
	*out = e;
	return true;
}

/* Appends a number and a NUL; returns where that is. */
static char *
put_number(char *at, unsigned n)
{
	char digits[10];
	unsigned len = 0;

	do
		digits[len++] = (char)('0' + n % 10);
	while (n /= 10);
	while (len > 0)
		*at++ = digits[--len];
	*at = '\0';
	return at;
}

static char *
put_ip4(char *at, const uint8_t bytes[4])
{
	for (unsigned i = 0; i < 4; i++) {
		if (i > 0)
			*at++ = '.';
		at = put_number(at, bytes[i]);
	}
	return at;
}

char *
sl_ip_format(const struct sl_ip *ip, char buf[static SL_IP_STRLEN])
{
	if (ip->family == SL_AF_INET)
		put_ip4(buf, ip->bytes);
	else if (ip->family == SL_AF_NONE || !inet_ntop(AF_INET6, ip->bytes, buf, SL_IP_STRLEN))
		memcpy(buf, "none", 5);
	return buf;
}

char *
sl_prefix_format(const struct sl_prefix *p, char buf[static SL_PREFIX_STRLEN])
{
	char *at = buf + strlen(sl_ip_format(&p->addr, buf));

	*at++ = '/';
	put_number(at, p->len);
	return buf;
}

char *
sl_endpoint_format(const struct sl_endpoint *e, char buf[static SL_ENDPOINT_STRLEN])
{
	bool v6 = e->ip.family == SL_AF_INET6;
	char *at = buf;

	if (e->ip.family == SL_AF_NONE)
		return memcpy(buf, "none", 5);
	if (v6)
		*at++ = '[';
	at += strlen(sl_ip_format(&e->ip, at));
	if (v6)
		*at++ = ']';
	*at++ = ':';
	put_number(at, e->port);
	return buf;
}
