/* Peers read out of a gateway's answer: what stands in it, whatever else is there, and answers that are cut off. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "app/shown_peers.h"

static const char head[] = "{\n\"gateway\":{\"name\":\"hub\"},\n\"interfaces\":[{\"name\":\"wg0\"},\n{\"name\":\"wg1\"}],";
static const char first[] =
	"{\"name\":\"a\\\"}],b\\u0009\",\"interface\":\"wg0\",\"source\":\"file\",\"public-key\":\"AAAA=\",\"preshared-key\":true,"
	"\"endpoint\":\"[2001:db8::1]:51820\",\"endpoint-name\":\"a.example\",\"persistent-keepalive\":25,\"rx-bytes\":1,"
	"\"tx-bytes\":9007199254740993,\"latest-handshake\":1700000000000000005,\"session\":false,"
	"\"handshake-failure\":{\"cause\":\"no-answer\",\"text\":\"no }] answer\",\"ago\":7,\"counts\":{\"no-answer\":3}},"
	"\"allowed-ips\":[\"10.0.0.1/32\",\"2001:db8::/64\"]}";
static const char second[] =
	"{\"interface\":\"wg1\",\"source\":\"socket\",\"public-key\":\"BBBB=\",\"preshared-key\":false,\"persistent-keepalive\":0,"
	"\"rx-bytes\":0,\"tx-bytes\":0,\"latest-handshake\":0,\"session\":false,\"unknown\":[{\"x\":[1]}],\"allowed-ips\":[]}";
static const char tail[] = ",\n\"ports\":[{\"name\":\"wan0\"}]\n}\n";

static char *
printed(struct sl_slice s)
{
	static char text[256];
	FILE *out = fmemopen(text, sizeof(text), "w");

	sl_slice_print(s, out);
	fclose(out);
	return text;
}

Test(shown_peers, what_stands_there)
{
	char answer[4096];
	struct sl_shown_peers peers;
	struct sl_shown_peer p;
	struct sl_slice item;
	json_error_t error;
	const char *at = NULL;
	json_t *root, *failure;

	snprintf(answer, sizeof(answer), "%s\n\"peers\":[%s,\n%s]%s", head, first, second, tail);
	root = sl_shown_begin(answer, strlen(answer), &peers, &error);
	cr_assert_not_null(root, "%s", error.text);
	cr_assert_eq(json_array_size(json_object_get(root, "peers")), 0, "read apart");
	cr_assert_eq(json_array_size(json_object_get(root, "interfaces")), 2);
	cr_assert_eq(json_array_size(json_object_get(root, "ports")), 1);

	cr_assert(sl_shown_next(&peers, &p));
	cr_assert_str_eq(printed(p.name), "a\"}],b\t");
	cr_assert(sl_slice_is(p.interface, "wg0"));
	cr_assert_not(sl_slice_is(p.interface, "wg"));
	cr_assert(sl_slice_is(p.public_key, "AAAA="));
	cr_assert(sl_slice_is(p.endpoint, "[2001:db8::1]:51820"));
	cr_assert(sl_slice_is(p.endpoint_name, "a.example"));
	cr_assert(p.preshared_key);
	cr_assert_eq(p.persistent_keepalive, 25);
	cr_assert_eq(p.rx_bytes, 1);
	cr_assert_eq(p.tx_bytes, 9007199254740993);
	cr_assert_eq(p.latest_handshake, 1700000000000000005);
	failure = sl_slice_value(p.failure);
	cr_assert_eq(json_integer_value(json_object_get(failure, "ago")), 7);
	cr_assert(sl_slice_next(p.allowed_ips, &at, &item));
	cr_assert(sl_slice_is(item, "10.0.0.1/32"));
	cr_assert(sl_slice_next(p.allowed_ips, &at, &item));
	cr_assert(sl_slice_is(item, "2001:db8::/64"));
	cr_assert_not(sl_slice_next(p.allowed_ips, &at, &item));

	cr_assert(sl_shown_next(&peers, &p));
	cr_assert_null(p.name.text);
	cr_assert_null(p.endpoint.text);
	cr_assert_null(p.failure.text);
	cr_assert(sl_slice_is(p.public_key, "BBBB="));
	cr_assert_not(p.preshared_key);
	at = NULL;
	cr_assert_not(sl_slice_next(p.allowed_ips, &at, &item));
	cr_assert_not(sl_slice_next((struct sl_slice){0}, &at, &item), "no list at all");
	cr_assert_not(sl_shown_next(&peers, &p));
	cr_assert_not(peers.damaged);
	json_decref(failure);
	json_decref(root);
}

Test(shown_peers, none_and_not_asked_for)
{
	static const struct {
		const char *answer;
		bool section;
	} cases[] = {
		{"{\n\"peers\":[]\n}\n", true},
		{"{\n\"ports\":[]\n}\n", false},
		{"{\"error\": \"no\"}\n", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_shown_peers peers;
		struct sl_shown_peer p;
		json_error_t error;
		json_t *root = sl_shown_begin(cases[i].answer, strlen(cases[i].answer), &peers, &error);

		cr_assert_not_null(root, "%s", cases[i].answer);
		cr_assert_eq(json_object_get(root, "peers") != NULL, cases[i].section);
		cr_assert_not(sl_shown_next(&peers, &p));
		cr_assert_not(peers.damaged);
		json_decref(root);
	}
}

/* Cut off anywhere, it is never taken for a whole one; bytes changed anywhere, it is read without harm. */
Test(shown_peers, damaged_answers)
{
	char answer[4096];
	size_t len;

	len = (size_t)snprintf(answer, sizeof(answer), "%s\n\"peers\":[%s,\n%s]%s", head, first, second, tail);
	for (size_t i = 0; i < 3 * len; i++) {
		size_t left = i < len ? i : len;
		char *copy = calloc(1, left + 1);
		struct sl_shown_peers peers;
		struct sl_shown_peer p;
		json_error_t error;
		json_t *root;

		memcpy(copy, answer, left);
		if (i >= len)
			copy[i % len] = i < 2 * len ? '"' : '}';
		root = sl_shown_begin(copy, left, &peers, &error);
		while (sl_shown_next(&peers, &p)) {
			struct sl_slice item;
			const char *at = NULL;

			while (sl_slice_next(p.allowed_ips, &at, &item))
				;
		}
		if (i < len - 2) /* all but the line end */
			cr_assert(root == NULL || peers.damaged, "cut off at %zu", i);
		json_decref(root);
		free(copy);
	}
}
