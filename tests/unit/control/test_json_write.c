/* JSON written straight into memory, read back by a JSON library. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <jansson.h>

#include "control/json_write.h"

Test(json_write, is_read_back)
{
	char every[2 * 128 + 16], buf[2048];
	struct sl_json_writer w;
	json_error_t error;
	json_t *o;
	size_t n = 0;

	for (int c = 1; c < 128; c++)
		every[n++] = (char)c;
	strcpy(every + n, "é€\"\\");
	sl_json_begin(&w, buf, sizeof(buf));
	sl_json_text(&w, "every", every);
	sl_json_text(&w, "empty", "");
	sl_json_int(&w, "zero", 0);
	sl_json_int(&w, "large", INT64_MAX);
	sl_json_bool(&w, "yes", true);
	sl_json_bool(&w, "no", false);
	sl_json_raw(&w, "list", "[1,2]");
	cr_assert_not(w.full);
	*w.at++ = '}';
	o = json_loadb(buf, (size_t)(w.at - buf), 0, &error);
	cr_assert_not_null(o, "%s", error.text);
	cr_assert_str_eq(json_string_value(json_object_get(o, "every")), every);
	cr_assert_str_eq(json_string_value(json_object_get(o, "empty")), "");
	cr_assert_eq(json_integer_value(json_object_get(o, "zero")), 0);
	cr_assert_eq(json_integer_value(json_object_get(o, "large")), INT64_MAX);
	cr_assert(json_is_true(json_object_get(o, "yes")));
	cr_assert(json_is_false(json_object_get(o, "no")));
	cr_assert_eq(json_array_size(json_object_get(o, "list")), 2);
	cr_assert_eq(json_object_size(o), 7);
	json_decref(o);
}

/* Bytes that are no UTF-8, by what they become: each a U+FFFD, "?" here. */
Test(json_write, only_utf8_is_written)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"\x7f", "\x7f"},
		{"\x80", "?"},
		{"a\xff" "b", "a?b"},
		{"\xc3\xa9\xc3", "\xc3\xa9?"},                      /* cut after its first byte */
		{"\xe2\x82", "??"},
		{"\xe2\x82\"", "??\""},
		{"\xe2\x82\xac", "\xe2\x82\xac"},
		{"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
		{"\xf0\x9f\x98", "???"},
		{"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
		{"\xf4\x90\x80\x80", "????"},                       /* beyond U+10FFFF */
		{"\xed\x9f\xbf", "\xed\x9f\xbf"},
		{"\xed\xa0\x80", "???"},                            /* a surrogate */
		{"\xc0\xaf", "??"}, {"\xc1\xbf", "??"},             /* longer than need be */
		{"\xe0\x9f\xbf", "???"}, {"\xf0\x8f\xbf\xbf", "????"},
		{"\xe0\xa0\x80", "\xe0\xa0\x80"}, {"\xf0\x90\x80\x80", "\xf0\x90\x80\x80"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char buf[128], want[64];
		struct sl_json_writer w;
		size_t n = 0;
		json_t *o;

		for (const char *c = cases[i].want; *c; c++) {
			bool none = *c == '?';

			memcpy(want + n, none ? "\xef\xbf\xbd" : c, none ? 3 : 1);
			n += none ? 3 : 1;
		}
		want[n] = '\0';
		sl_json_begin(&w, buf, sizeof(buf));
		sl_json_text(&w, "text", cases[i].text);
		*w.at++ = '}';
		o = json_loadb(buf, (size_t)(w.at - buf), 0, NULL);
		cr_assert_not_null(o, "case %zu", i);
		cr_expect_str_eq(json_string_value(json_object_get(o, "text")), want, "case %zu", i);
		json_decref(o);
	}
}

Test(json_write, writes_no_further_than_there_is_room)
{
	static const char whole[] = "{\"key\":\"a\\u0001\",\"n\":18446744073709551615";

	for (size_t size = 0; size <= sizeof(whole); size++) {
		char *buf = malloc(size + 1);
		struct sl_json_writer w;

		buf[size] = '#';
		sl_json_begin(&w, buf, size);
		sl_json_text(&w, "key", "a\001");
		sl_json_int(&w, "n", UINT64_MAX);
		cr_assert_eq(w.full, size < sizeof(whole) - 1, "%zu", size);
		cr_assert_eq(buf[size], '#');
		if (!w.full)
			cr_assert_eq(memcmp(buf, whole, sizeof(whole) - 1), 0);
		free(buf);
	}
}
