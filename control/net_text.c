#include "control/net_text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PORT_MAX = 65535,
	PORT_DIGITS = 5,
	LABEL_MAX = 63, /* RFC 1035 section 2.3.4, */
	HOST_MAX = 253, /* without the root's dot */
};

const char *sl_own_address_problem(const struct sl_prefix *prefix)
{
	struct sl_prefix network = *prefix;
	struct sl_ip broadcast;

	if (prefix->len == 0)
		return "has a prefix length of 0; give the network's";
	if (sl_ip_is_zero(&prefix->addr) || sl_ip_is_multicast(&prefix->addr) || sl_ip_is_loopback(&prefix->addr))
		return "cannot be an interface's; give a unicast one";
	sl_prefix_mask(&network);
	if (prefix->len + 1u < sl_family_bits(prefix->addr.family) && sl_ip_equal(&network.addr, &prefix->addr))
		return "is the network's own address; give a host's in it";
	if (sl_prefix_broadcast(prefix, &broadcast) && sl_ip_equal(&broadcast, &prefix->addr))
		return "is the network's broadcast address; give a host's in it";
	return NULL;
}

const char *sl_name_problem(const char *text)
{
	static const char *const taken[] = {"all", "interfaces", ".", ".."};
	size_t len = strlen(text);

	if (len == 0)
		return "is empty; give one";
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (strcmp(text, taken[i]) == 0)
			return "has a meaning of its own; choose another";
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("_=+.-", text[i]))
			return "is not valid; use letters, digits and _ = + . -";
	_Static_assert(SL_CONFIG_NAME_MAX == 15, "the message says it");
	return len > SL_CONFIG_NAME_MAX ? "is too long; use at most 15 characters" : NULL;
}

bool sl_host_ok(const char *host)
{
	size_t label = 0, len = strlen(host);
	bool letter = false;

	if (len && host[len - 1] == '.')
		len--;
	if (len == 0 || len > HOST_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (host[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
			continue;
		}
		/* underscores are found in the field */
		if (!isalnum((unsigned char)host[i]) && !((host[i] == '-' && label) || host[i] == '_'))
			return false;
		if (++label > LABEL_MAX)
			return false;
		letter |= !isdigit((unsigned char)host[i]);
	}
	return label != 0 && letter;
}

static uint16_t parse_port(const char *text)
{
	size_t len = strlen(text);
	unsigned long port;

	if (len == 0 || len > PORT_DIGITS || strspn(text, "0123456789") != len || text[0] == '0')
		return 0;
	port = strtoul(text, NULL, 10);
	return port <= PORT_MAX ? (uint16_t)port : 0;
}

const char *sl_endpoint_read(const char *text, uint16_t port, char host[SL_HOST_TEXT], struct sl_config_endpoint *out)
{
	const char *colon = strrchr(text, ':');

	*out = (struct sl_config_endpoint){0};
	if (sl_endpoint_parse(text, &out->literal)) {
		out->port = out->literal.port;
	} else if (port && sl_ip_parse(text, &out->literal.ip)) {
		out->port = out->literal.port = port;
	} else {
		if (colon == NULL && port == 0)
			return "has no port; add one, such as :51820";
		if (snprintf(host, SL_HOST_TEXT, "%.*s", (int)(colon ? (size_t)(colon - text) : strlen(text)), text) >=
		        SL_HOST_TEXT)
			return "is too long; write ADDRESS:PORT or NAME:PORT";
		if (strchr(host, ':') && host[0] != '[')
			return "is not an address and port; write an IPv6 one as [2001:db8::1]:51820";
		out->port = colon ? parse_port(colon + 1) : port;
		if (out->port == 0)
			return "has a port that is none; give a number from 1 to 65535";
		if (!sl_host_ok(host))
			return "is neither an IP address nor a host name with a port; write ADDRESS:PORT or NAME:PORT";
		out->host = host;
		return NULL;
	}
	if (sl_ip_is_zero(&out->literal.ip) || sl_ip_is_multicast(&out->literal.ip) || sl_ip_is_loopback(&out->literal.ip))
		return "is nothing to send to; give a peer's own address";
	return NULL;
}
