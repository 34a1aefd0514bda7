#include "app/shown_peers.h"

#include <stdlib.h>
#include <string.h>

/* A line never begins within a string: line ends are escaped there. */
static const char section[] = "\n\"peers\":[";

/* Where the list ends that begins at `at`: a peer holds no list of objects. Behind its bracket, or NULL. */
static const char *
list_end(const char *at, const char *end)
{
	if (at < end && *at == ']')
		return at + 1;
	while ((at = memmem(at, (size_t)(end - at), "}]", 2)) != NULL) {
		at += 2;
		if (at < end && (*at == '\n' || (*at == ',' && at + 1 < end && at[1] == '\n')))
			return at;
	}
	return NULL;
}

json_t *
sl_shown_begin(const char *answer, size_t len, struct sl_shown_peers *peers, json_error_t *error)
{
	const char *list = memmem(answer, len, section, sizeof(section) - 1), *end = answer + len;
	size_t head;
	json_t *root;
	char *rest;

	*peers = (struct sl_shown_peers){0};
	if (list) {
		peers->at = list + sizeof(section) - 1;
		peers->end = list_end(peers->at, end);
	}
	if (list == NULL || peers->end == NULL) {
		peers->at = NULL;
		return json_loadb(answer, len, 0, error);
	}
	/* all but what is in the brackets */
	head = (size_t)(peers->at - answer);
	rest = malloc(len);
	if (rest == NULL)
		return json_loadb("", 0, 0, error);
	memcpy(rest, answer, head);
	memcpy(rest + head, peers->end - 1, (size_t)(end - peers->end) + 1);
	root = json_loadb(rest, head + (size_t)(end - peers->end) + 1, 0, error);
	free(rest);
	return root;
}

/* Behind the string whose opening quote is at `at`; NULL where it does not end. */
static const char *
string_end(const char *at, const char *end)
{
	for (at++; at < end; at++) {
		if (*at == '\\')
			at++;
		else if (*at == '"')
			return at + 1;
	}
	return NULL;
}

/* Behind any value. */
static const char *
value_end(const char *at, const char *end)
{
	unsigned depth = 0;

	if (*at == '"')
		return string_end(at, end);
	for (; at && at < end; at++) {
		if (*at == '"') {
			at = string_end(at, end);
			if (at == NULL)
				return NULL;
			at--;
		} else if (*at == '{' || *at == '[') {
			depth++;
		} else if (depth == 0 && (*at == ',' || *at == '}' || *at == ']')) {
			return at;
		} else if (*at == '}' || *at == ']') {
			if (--depth == 0)
				return at + 1;
		}
	}
	return NULL;
}

static int64_t
number(struct sl_slice s)
{
	return strtoll(s.text, NULL, 10); /* a comma or brace follows */
}

/* One member of a peer. Those that are not shown are passed over. */
static void
take_member(struct sl_shown_peer *p, struct sl_slice key, struct sl_slice value)
{
	const struct {
		const char *key;
		struct sl_slice *slice;
		int64_t *number;
	} members[] = {
		{"name", &p->name, NULL},
		{"interface", &p->interface, NULL},
		{"public-key", &p->public_key, NULL},
		{"endpoint", &p->endpoint, NULL},
		{"endpoint-name", &p->endpoint_name, NULL},
		{"persistent-keepalive", NULL, &p->persistent_keepalive},
		{"rx-bytes", NULL, &p->rx_bytes},
		{"tx-bytes", NULL, &p->tx_bytes},
		{"latest-handshake", NULL, &p->latest_handshake},
		{"handshake-failure", &p->failure, NULL},
		{"allowed-ips", &p->allowed_ips, NULL},
	};

	if (sl_slice_is(key, "preshared-key"))
		p->preshared_key = *value.text == 't';
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (!sl_slice_is(key, members[i].key))
			continue;
		if (members[i].number)
			*members[i].number = number(value);
		else
			*members[i].slice = value;
		return;
	}
}

/* The member at *at, which moves to what follows. */
static bool
next_member(const char **at, const char *end, struct sl_slice *key, struct sl_slice *value)
{
	const char *begin = *at, *behind = begin < end && *begin == '"' ? string_end(begin, end) : NULL;

	if (behind == NULL || behind == end || *behind != ':')
		return false;
	*key = (struct sl_slice){begin + 1, (size_t)(behind - begin) - 2};
	begin = behind + 1;
	behind = begin < end ? value_end(begin, end) : NULL;
	if (behind == NULL)
		return false;
	*value = (struct sl_slice){begin, (size_t)(behind - begin)};
	if (*begin == '"')
		*value = (struct sl_slice){begin + 1, value->len - 2};
	*at = behind;
	return true;
}

bool
sl_shown_next(struct sl_shown_peers *peers, struct sl_shown_peer *peer)
{
	const char *at = peers->at, *end = peers->end;
	struct sl_slice key, value;

	if (at == NULL || *at == ']')
		return false;
	*peer = (struct sl_shown_peer){0};
	peers->damaged = true;
	peers->at = NULL;
	do {
		if (at >= end || (*at != '{' && *at != ','))
			return false;
		at++;
		if (!next_member(&at, end, &key, &value))
			return false;
		take_member(peer, key, value);
	} while (at < end && *at == ',');
	if (at + 1 >= end || *at != '}' || peer->interface.text == NULL || peer->public_key.text == NULL)
		return false;
	at++;
	/* the next one's line, or the end of the list */
	if (*at == ',')
		at += 2;
	peers->at = at;
	peers->damaged = at >= end;
	return !peers->damaged;
}

bool
sl_slice_is(struct sl_slice s, const char *text)
{
	return s.text && strlen(text) == s.len && memcmp(s.text, text, s.len) == 0;
}

json_t *
sl_slice_string(struct sl_slice s)
{
	json_error_t error;

	if (memchr(s.text, '\\', s.len) == NULL)
		return json_stringn(s.text, s.len);
	return json_loadb(s.text - 1, s.len + 2, JSON_DECODE_ANY, &error);
}

json_t *
sl_slice_value(struct sl_slice s)
{
	json_error_t error;

	return json_loadb(s.text, s.len, JSON_DECODE_ANY, &error);
}

void
sl_slice_print(struct sl_slice s, FILE *out)
{
	json_t *decoded;

	if (memchr(s.text, '\\', s.len) == NULL) {
		fwrite(s.text, 1, s.len, out);
		return;
	}
	decoded = sl_slice_string(s);
	fputs(decoded ? json_string_value(decoded) : "", out);
	json_decref(decoded);
}

bool
sl_slice_next(struct sl_slice list, const char **at, struct sl_slice *item)
{
	const char *begin, *behind, *end;

	if (list.text == NULL)
		return false;
	begin = *at ? *at : list.text + 1;
	end = list.text + list.len;
	if (begin >= end)
		return false;
	if (*begin == ',')
		begin++;
	behind = *begin == '"' ? string_end(begin, end) : NULL;
	if (behind == NULL)
		return false;
	*item = (struct sl_slice){begin + 1, (size_t)(behind - begin) - 2};
	*at = behind;
	return true;
}
