#include "control/config_load.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "control/rfc3339.h"

enum {
	DECIMAL_MAX = 10, /* digits of a number that fits 32 bits */
	HOST_MAX = 253,   /* RFC 1035 section 2.3.4, without the root's dot */
	HOST_LABEL_MAX = 63,
	PORT_MAX = 65535,
	WORDS_TEXT = 128,
};

bool sl_value_text(struct sl_loader *ld, const struct sl_node *node, const char *key)
{
	if (!sl_load_expect(ld, node, SL_NODE_SCALAR, key))
		return false;
	if (node->bad)
		return false;
	if (node->len)
		return true;
	sl_load_error(ld, node->place, "%s: no value; write one or take the key out", key);
	return false;
}

/* Decimal digits without leading zeros. */
static bool parse_decimal(const char *text, size_t len, uint64_t *out)
{
	uint64_t value = 0;

	if (len == 0 || len > DECIMAL_MAX || (len > 1 && text[0] == '0'))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)text[i]))
			return false;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	*out = value;
	return true;
}

bool sl_value_number(
        struct sl_loader *ld, const struct sl_node *node, const char *key, uint32_t min, uint32_t max, uint32_t *out)
{
	uint64_t value;

	if (!sl_value_text(ld, node, key))
		return false;
	/* with more digits than any that is in range */
	if (node->len > DECIMAL_MAX && strspn(node->text, "0123456789") == node->len && node->text[0] != '0')
		value = UINT64_MAX;
	else if (!parse_decimal(node->text, node->len, &value)) {
		sl_load_error(ld, node->place, "%s: '%s' is not a decimal number; give one from %u to %u", key,
		        sl_show(node->text, node->len), min, max);
		return false;
	}
	if (value < min || value > max) {
		sl_load_error(ld, node->place, "%s: %s is out of range; give a number from %u to %u", key,
		        sl_show(node->text, node->len), min, max);
		return false;
	}
	*out = (uint32_t)value;
	return true;
}

bool sl_value_word(struct sl_loader *ld, const struct sl_node *node, const char *key, const char *const *words,
        size_t n, uint32_t *out)
{
	char list[WORDS_TEXT] = "";
	size_t len = 0;

	if (!sl_value_text(ld, node, key))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(node->text, words[i]) == 0) {
			*out = (uint32_t)i;
			return true;
		}
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s",
		        i == 0       ? ""
		        : i == n - 1 ? " or "
		                     : ", ",
		        words[i]);
	}
	sl_load_error(ld, node->place, "%s: '%s' is not known; give %s", key, sl_show(node->text, node->len), list);
	return false;
}

bool sl_value_bool(struct sl_loader *ld, const struct sl_node *node, const char *key, bool *out)
{
	static const char *const words[] = {"false", "true"};
	uint32_t index;

	if (!sl_value_word(ld, node, key, words, 2, &index))
		return false;
	*out = index == 1;
	return true;
}

bool sl_value_ip(struct sl_loader *ld, const struct sl_node *node, const char *key, struct sl_ip *out)
{
	if (!sl_value_text(ld, node, key))
		return false;
	if (sl_ip_parse(node->text, out))
		return true;
	sl_load_error(ld, node->place, "%s: '%s' is not an IP address; give one such as 192.0.2.1 or 2001:db8::1", key,
	        sl_show(node->text, node->len));
	return false;
}

bool sl_value_prefix(
        struct sl_loader *ld, const struct sl_node *node, const char *key, bool need_len, struct sl_prefix *out)
{
	if (!sl_value_text(ld, node, key))
		return false;
	if (!sl_prefix_parse(node->text, out)) {
		if (strpbrk(node->text, ", ")) {
			sl_load_error(ld, node->place, "%s: several in one value; write a list in brackets, such as [a, b]", key);
			return false;
		}
		sl_load_error(ld, node->place,
		        "%s: '%s' is not an address with a prefix length; give one such as 192.0.2.1/24 or "
		        "2001:db8::1/64",
		        key, sl_show(node->text, node->len));
		return false;
	}
	if (need_len && !strchr(node->text, '/')) {
		sl_load_error(ld, node->place, "%s: '%s' has no prefix length; write the network's, such as %s/%d", key,
		        node->text, node->text, out->addr.family == SL_AF_INET ? 24 : 64);
		return false;
	}
	return true;
}

const char *sl_value_name(struct sl_loader *ld, const struct sl_node *node, const char *what)
{
	static const char *const taken[] = {"all", "interfaces", ".", ".."};

	if (!sl_value_text(ld, node, what))
		return NULL;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (strcmp(node->text, taken[i]) == 0) {
			sl_load_error(ld, node->place, "%s name '%s' has a meaning of its own; choose another", what,
			        node->text);
			return NULL;
		}
	for (size_t i = 0; i < node->len; i++)
		if (!isalnum((unsigned char)node->text[i]) && !strchr("_=+.-", node->text[i])) {
			sl_load_error(ld, node->place, "%s name '%s' is not valid; use letters, digits and _ = + . -",
			        what, sl_show(node->text, node->len));
			return NULL;
		}
	if (node->len > SL_CONFIG_NAME_MAX) {
		sl_load_error(ld, node->place, "%s name '%s' is too long; use at most %d characters", what,
		        sl_show(node->text, node->len), SL_CONFIG_NAME_MAX);
		return NULL;
	}
	return sl_arena_text(&ld->arena, node->text, node->len);
}

/* A host name as resolvers take it; underscores are found in the field. */
static bool host_ok(const char *host, size_t len)
{
	size_t label = 0;
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
		if (!isalnum((unsigned char)host[i]) && !((host[i] == '-' && label) || host[i] == '_'))
			return false;
		if (++label > HOST_LABEL_MAX)
			return false;
		letter |= !isdigit((unsigned char)host[i]);
	}
	/* all digits and dots: an IPv4 address that is wrong, not a name */
	return label != 0 && letter;
}

static bool endpoint_literal(
        struct sl_loader *ld, const struct sl_node *node, const char *key, struct sl_config_endpoint *out)
{
	const struct sl_ip *ip = &out->literal.ip;

	out->port = out->literal.port;
	if (!sl_ip_is_zero(ip) && !sl_ip_is_multicast(ip) && !sl_ip_is_loopback(ip))
		return true;
	sl_load_error(ld, node->place, "%s: nothing can be sent to '%s'; give a peer's own address", key, node->text);
	return false;
}

bool sl_value_endpoint(
        struct sl_loader *ld, const struct sl_node *node, const char *key, struct sl_config_endpoint *out)
{
	const char *colon;
	uint64_t port;

	memset(out, 0, sizeof(*out));
	if (!sl_value_text(ld, node, key))
		return false;
	if (sl_endpoint_parse(node->text, &out->literal))
		return endpoint_literal(ld, node, key, out);
	colon = strrchr(node->text, ':');
	if (!colon) {
		sl_load_error(ld, node->place, "%s: '%s' has no port; add one, such as :51820", key,
		        sl_show(node->text, node->len));
		return false;
	}
	if (node->text[0] != '[' && memchr(node->text, ':', (size_t)(colon - node->text))) {
		sl_load_error(ld, node->place,
		        "%s: '%s' is not an address and port; write an IPv6 one as [2001:db8::1]:51820", key,
		        sl_show(node->text, node->len));
		return false;
	}
	if (!parse_decimal(colon + 1, strlen(colon + 1), &port) || port == 0 || port > PORT_MAX) {
		sl_load_error(ld, node->place, "%s: '%s' is not a port; give a number from 1 to %d", key,
		        sl_show(colon + 1, strlen(colon + 1)), PORT_MAX);
		return false;
	}
	if (!host_ok(node->text, (size_t)(colon - node->text))) {
		sl_load_error(ld, node->place,
		        "%s: '%s' is neither an IP address nor a host name; write ADDRESS:PORT or "
		        "NAME:PORT",
		        key, sl_show(node->text, (size_t)(colon - node->text)));
		return false;
	}
	out->host = sl_arena_text(&ld->arena, node->text, (size_t)(colon - node->text));
	out->port = (uint16_t)port;
	return true;
}

bool sl_value_time(struct sl_loader *ld, const struct sl_node *node, const char *key, int64_t *out)
{
	if (!sl_value_text(ld, node, key))
		return false;
	if (sl_time_parse(node->text, out))
		return true;
	sl_load_error(ld, node->place, "%s: '%s' is not a time; give one such as 2026-12-31T18:00:00Z", key,
	        sl_show(node->text, node->len));
	return false;
}

void sl_parse_refresh(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	if (node->kind == SL_NODE_SCALAR && strcmp(node->text, "off") == 0)
		*(uint32_t *)out = 0;
	else
		sl_value_number(ld, node, key, SL_CONFIG_REFRESH_MIN, SL_CONFIG_REFRESH_MAX, out);
}

void sl_parse_mtu(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	sl_value_number(ld, node, key, SL_CONFIG_MTU_MIN, SL_CONFIG_MTU_MAX, out);
}

/* What keeps an address from being a host's own; NULL if nothing does. */
static const char *address_problem(const struct sl_prefix *prefix)
{
	const struct sl_ip *ip = &prefix->addr;
	unsigned bits = sl_family_bits(ip->family);
	struct sl_prefix network = *prefix;
	struct sl_ip broadcast;

	if (prefix->len == 0)
		return "has a prefix length of 0; give the network's";
	if (sl_ip_is_zero(ip) || sl_ip_is_multicast(ip) || sl_ip_is_loopback(ip))
		return "cannot be an address of ours; give a unicast one";
	sl_prefix_mask(&network);
	if (prefix->len < bits - 1u && sl_ip_equal(&network.addr, ip))
		return "is the network's own address; give a host's in it";
	if (sl_prefix_broadcast(prefix, &broadcast) && sl_ip_equal(&broadcast, ip))
		return "is the network's broadcast address; give a host's in it";
	return NULL;
}

void sl_parse_address(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct sl_address_list *list = out;
	struct sl_config_address address = {.place = node->place};
	const char *problem;

	if (!sl_value_prefix(ld, node, key, list->need_len, &address.prefix))
		return;
	problem = address_problem(&address.prefix);
	if (problem)
		sl_load_error(ld, node->place, "%s: %s %s", key, node->text, problem);
	else if (list->n == SL_CONFIG_ADDRESSES_MAX)
		sl_load_error(ld, node->place, "%s: more than %d; take some out", key, SL_CONFIG_ADDRESSES_MAX);
	else
		list->list[list->n++] = address;
}

void sl_check_mtu(struct sl_loader *ld, uint32_t mtu, struct sl_place mtu_place, const struct sl_address_list *list)
{
	if (mtu >= SL_CONFIG_MTU_MIN_IPV6)
		return;
	for (uint32_t i = 0; i < list->n; i++)
		if (list->list[i].prefix.addr.family == SL_AF_INET6) {
			sl_load_error(ld, mtu_place,
			        "mtu: %u is too small for the IPv6 address at %s; give at least %d", mtu,
			        sl_load_where(ld, list->list[i].place), SL_CONFIG_MTU_MIN_IPV6);
			return;
		}
}
