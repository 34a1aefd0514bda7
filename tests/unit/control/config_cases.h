/*
 * A wrong configuration and everything that is said about it, for the tables of test_config_errors*.c. The text is
 * loaded as "t.yaml".
 */
#pragma once

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config.h"

#define KEY_A   "TDd25Cwq6tMZANIKUaqred+Zt+09HtCqwFeOLtKQ9Cs="
#define KEY_B   "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
#define PRIVATE "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
#define PUBLIC  "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=" /* of PRIVATE */

#define VERSION "version: 1\n"
/* keys of a port, as they stand in line 3 */
#define PORT(keys) VERSION "ports:\n  wan0: {" keys "}\n"
/* more of an interface, from line 7 on */
#define IFACE(lines)                                                                                                   \
	VERSION "ports:\n  wan0: {device: net_null0, addresses: [192.0.2.1/24]}\n"                                     \
	        "interfaces:\n  wg0:\n    private-key: " PRIVATE "\n" lines
/* more of a peer, from line 10 on */
#define PEER(lines) IFACE("    peers:\n      a:\n        public-key: " KEY_A "\n" lines)
/* a list of routes, from line 8 on */
#define ROUTE(lines)                                                                                                   \
	VERSION "ports:\n  wan0: {device: net_null0, addresses: [192.0.2.1/24, '2001:db8::1/64'], gateway: "           \
	        "192.0.2.254}\n"                                                                                       \
	        "  lan0: {device: net_null1, addresses: [10.20.0.1/16]}\n"                                             \
	        "interfaces:\n  wg0: {private-key: " PRIVATE "}\nroutes:\n" lines

struct config_case {
	const char *name;
	const char *yaml;
	const char *messages; /* as sl_config_errors_print writes them */
	size_t len;           /* of a text with NUL bytes; 0: up to its end */
};

/* Loads each text and compares all that is said; a text with no error in it must load, one with any must not. */
static inline void run_config_cases(const struct config_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct sl_config_errors errs;
		struct sl_config *config;
		char *said = NULL;
		size_t len = cases[i].len ? cases[i].len : strlen(cases[i].yaml), said_len;
		FILE *out = open_memstream(&said, &said_len);

		sl_config_errors_init(&errs);
		config = sl_config_load_text("t.yaml", cases[i].yaml, len, &errs);
		sl_config_errors_print(&errs, out);
		fclose(out);
		cr_expect_str_eq(
		        said, cases[i].messages, "%s: said\n%sfor\n%s", cases[i].name, said, cases[i].messages);
		cr_expect_eq(config != NULL, errs.n_errors == 0, "%s: refused or not", cases[i].name);
		sl_config_free(config);
		sl_config_errors_free(&errs);
		free(said);
	}
}
