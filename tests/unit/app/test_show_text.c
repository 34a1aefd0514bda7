/* A gateway's answer as text: every peer stands below its interface, whatever order the answer has. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "app/show_text.h"

#define INTERFACE(name)      "{\"name\":\"" name "\"}"
#define PEER(interface, key) "{\"interface\":\"" interface "\",\"public-key\":\"" key "\",\"allowed-ips\":[]}"
#define A1                   PEER("wg0", "a1")
#define A2                   PEER("wg0", "a2")
#define B1                   PEER("wg1", "b1")
#define B2                   PEER("wg1", "b2")
#define NEW                  PEER("wg2", "new")
#define INTERFACES           "\"interfaces\":[" INTERFACE("wg0") ",\n" INTERFACE("wg1") "]"

static const struct {
	const char *name, *answer, *lines; /* the interfaces and peers of the text */
	bool damaged;
} cases[] = {
	{"as the interfaces", "{\n" INTERFACES ",\n\"peers\":[" A1 ",\n" A2 ",\n" B1 "]\n}\n", "wg0 a1 a2 wg1 b1 "},
	{"the other way round", "{\n" INTERFACES ",\n\"peers\":[" B1 ",\n" B2 ",\n" A1 "]\n}\n", "wg0 a1 wg1 b1 b2 "},
	{"in turns", "{\n" INTERFACES ",\n\"peers\":[" A1 ",\n" B1 ",\n" A2 ",\n" B2 "]\n}\n", "wg0 a1 a2 wg1 b1 b2 "},
	{"those of the first alone", "{\n" INTERFACES ",\n\"peers\":[" A1 "]\n}\n", "wg0 a1 wg1 "},
	{"those of the last alone", "{\n" INTERFACES ",\n\"peers\":[" B1 "]\n}\n", "wg0 wg1 b1 "},
	{"none", "{\n" INTERFACES ",\n\"peers\":[]\n}\n", "wg0 wg1 "},
	{"of an interface that has come since", "{\n" INTERFACES ",\n\"peers\":[" NEW ",\n" A1 "]\n}\n", "wg0 a1 wg1 "},
	{"interfaces alone", "{\n" INTERFACES "\n}\n", "wg0 wg1 "},
	{"peers alone, as they come", "{\n\"peers\":[" A1 ",\n" B1 ",\n" A2 "]\n}\n", "a1 b1 a2 "},
	{"damaged behind two", "{\n" INTERFACES ",\n\"peers\":[" A1 ",\n" B1 ",\n{\"interface\"}]\n}\n", "wg0 a1 wg1 b1 ", true},
};

/* The interfaces' names and the peers' keys, in the text's order. */
static void
read_lines(const char *text, char *lines)
{
	char word[64];

	*lines = '\0';
	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		if (sscanf(text, "interface: %60s", word) == 1 || sscanf(text, "peer: %60s", word) == 1)
			sprintf(lines + strlen(lines), "%s ", word);
}

Test(show_text, peers_stand_below_their_interface)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_shown_peers peers;
		json_error_t error;
		json_t *root = sl_shown_begin(cases[i].answer, strlen(cases[i].answer), &peers, &error);
		char *text = NULL, lines[256];
		size_t len;
		FILE *out = open_memstream(&text, &len);

		cr_assert_not_null(root, "%s: %s", cases[i].name, error.text);
		sl_show_text(root, &peers, out);
		fclose(out);
		read_lines(text, lines);
		cr_expect_str_eq(lines, cases[i].lines, "%s: %s", cases[i].name, lines);
		cr_expect_eq(peers.damaged, cases[i].damaged, "%s", cases[i].name);
		cr_expect_null(strstr(text, "\n\n\n"), "%s", cases[i].name);
		json_decref(root);
		free(text);
	}
}
