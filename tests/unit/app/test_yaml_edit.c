/* One entry of a YAML file changes, and nothing else. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "app/yaml_edit.h"

#define P(...) {{__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *)}

static const struct {
	const char *name, *text;
	struct sl_yaml_path path;
	const char *value; /* NULL: taken out */
	const char *expected;
} cases[] = {
        {"block entry", "peers:\n  a:\n    k: 1\n  b:\n    k: 2\n", P("peers", "a"), NULL, "peers:\n  b:\n    k: 2\n"},
        {"last block entry", "peers:\n  a:\n    k: 1\n  b:\n    k: 2\nroutes: []\n", P("peers", "b"), NULL,
                "peers:\n  a:\n    k: 1\nroutes: []\n"},
        {"only block entry", "peers:\n  a:\n    k: 1\n", P("peers", "a"), NULL, "peers:\n"},
        {"comments around stay", "peers: # all\n  # one\n  a: # here\n    k: 1 # x\n\n  # two\n  b: {k: 2}\n",
                P("peers", "a"), NULL, "peers: # all\n  # one\n\n  # two\n  b: {k: 2}\n"},
        {"flow value in a block", "peers:\n  a: {k: 1,\n      l: 2} # gone\n  b: {k: 2}\n", P("peers", "a"), NULL,
                "peers:\n  b: {k: 2}\n"},
        {"first flow entry", "peers: {a: {k: 1}, b: {k: 2}}\n", P("peers", "a"), NULL, "peers: {b: {k: 2}}\n"},
        {"last flow entry", "peers: {a: {k: 1}, b: {k: 2}}\n", P("peers", "b"), NULL, "peers: {a: {k: 1}}\n"},
        {"only flow entry", "peers: {a: {k: 1}}\n", P("peers", "a"), NULL, "peers: {}\n"},
        {"characters are not bytes", "\"\xc3\xbc\xc3\xa4\": \xe2\x82\xac\npeers:\n  \xc3\xb6: {k: 1}\n  b: {k: 2}\n",
                P("peers", "b"), NULL, "\"\xc3\xbc\xc3\xa4\": \xe2\x82\xac\npeers:\n  \xc3\xb6: {k: 1}\n"},
        {"a byte order mark stays", "\xef\xbb\xbfpeers:\n  a: {k: 1}\n  b: {k: 2}\n", P("peers", "a"), NULL,
                "\xef\xbb\xbfpeers:\n  b: {k: 2}\n"},
        {"quoted key", "peers:\n  'a': {k: 1}\n  b: {k: 2}\n", P("peers", "a"), NULL, "peers:\n  b: {k: 2}\n"},
        {"empty value", "peers:\n  a:\n  b: {k: 2}\n", P("peers", "a"), NULL, "peers:\n  b: {k: 2}\n"},
        {"a scalar", "peers:\n  a:\n    k: 1\n    disabled: true\n", P("peers", "a", "disabled"), NULL,
                "peers:\n  a:\n    k: 1\n"},
        {"without a line end", "peers:\n  a:\n    k: 1\n  b: {k: 2}", P("peers", "b"), NULL, "peers:\n  a:\n    k: 1\n"},
        {"lists within", "peers:\n  a:\n    ips:\n      - 10.0.0.1\n      - 10.0.0.2\n    k: 1\n  b: {k: 2}\n",
                P("peers", "a", "ips"), NULL, "peers:\n  a:\n    k: 1\n  b: {k: 2}\n"},
        {"deep", "interfaces:\n  wg0:\n    mtu: 1\n    peers:\n      a: {k: 1}\n      b: {k: 2}\n",
                P("interfaces", "wg0", "peers", "a"), NULL,
                "interfaces:\n  wg0:\n    mtu: 1\n    peers:\n      b: {k: 2}\n"},
        {"not there", "peers:\n  a: {k: 1}\n", P("peers", "b"), NULL, NULL},
        {"no mapping", "peers: [a, b]\n", P("peers", "a"), NULL, NULL},

        {"set in a block", "peers:\n  a:\n    # c\n    k: 1\n", P("peers", "a", "disabled"), "true",
                "peers:\n  a:\n    # c\n    disabled: true\n    k: 1\n"},
        {"set in a flow", "peers:\n  a: {k: 1}\n", P("peers", "a", "disabled"), "true",
                "peers:\n  a: {disabled: true, k: 1}\n"},
        {"set again", "peers:\n  a:\n    disabled: false # why\n    k: 1\n", P("peers", "a", "disabled"), "true",
                "peers:\n  a:\n    disabled: true # why\n    k: 1\n"},
        {"set over quotes", "peers: {a: {expires: \"2026-01-01\", k: 1}}", P("peers", "a", "expires"), "2027-01-01",
                "peers: {a: {expires: 2027-01-01, k: 1}}"},
        {"set in an empty mapping", "peers:\n  a: {}\n", P("peers", "a", "disabled"), "true", NULL},
        {"set below what is not there", "peers:\n  a: {k: 1}\n", P("peers", "b", "disabled"), "true", NULL},
};

Test(yaml_edit, changes_one_entry)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *got = cases[i].value ? sl_yaml_with(cases[i].text, &cases[i].path, cases[i].value)
		                           : sl_yaml_without(cases[i].text, &cases[i].path);

		if (cases[i].expected == NULL)
			cr_expect_null(got, "%s", cases[i].name);
		else
			cr_expect(got && strcmp(got, cases[i].expected) == 0, "%s: '%s'", cases[i].name, got ? got : "");
		free(got);
	}
}

Test(yaml_edit, counts_entries)
{
	static const struct {
		const char *text;
		long n;
	} counts[] = {{"peers: {a: {k: 1}, b: {k: 2}}\n", 2}, {"peers:\n  a: {k: 1, l: {x: y}}\n", 1}, {"peers: {}\n", 0},
	        {"peers:\n", -1}, {"x: y\n", -1}, {"peers: [1]\n", -1}};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		cr_expect_eq(sl_yaml_count(counts[i].text, &(struct sl_yaml_path)P("peers")), counts[i].n, "%s", counts[i].text);
	cr_expect_eq(sl_yaml_count("a: 1\nb: 2\n", &(struct sl_yaml_path){.n = 0}), 2);
}
