#include "control/config_load.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "control/net_text.h"
#include "control/rfc3339.h"

enum {
	DECIMAL_MAX = 10, /* digits of a number that fits 32 bits */
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
	const char *problem;

	if (!sl_value_text(ld, node, what))
		return NULL;
	problem = sl_name_problem(node->text);
	if (problem == NULL)
		return sl_arena_text(&ld->arena, node->text, node->len);
	sl_load_error(ld, node->place, "%s name '%s' %s", what, sl_show(node->text, node->len), problem);
	return NULL;
}

bool sl_value_endpoint(
        struct sl_loader *ld, const struct sl_node *node, const char *key, struct sl_config_endpoint *out)
{
	char host[SL_HOST_TEXT];
	const char *problem;

	memset(out, 0, sizeof(*out));
	if (!sl_value_text(ld, node, key))
		return false;
	problem = sl_endpoint_read(node->text, 0, host, out);
	if (out->host)
		out->host = sl_arena_text(&ld->arena, host, strlen(host));
	if (problem)
		sl_load_error(ld, node->place, "%s: '%s' %s", key, sl_show(node->text, node->len), problem);
	return problem == NULL;
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

void sl_parse_address(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct sl_address_list *list = out;
	struct sl_config_address address = {.place = node->place};
	const char *problem;

	if (!sl_value_prefix(ld, node, key, list->need_len, &address.prefix))
		return;
	problem = sl_own_address_problem(&address.prefix);
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
