/* What a gateway that runs has of its own, beside the files: believed only where it has been told whole. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "app/client.h"
#include "app/peer_store.h"
#include "control/config_memory.h"

#define KEY "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="

static char folder[64], path[96];
/* of the gateway; NULL: it does not answer. %s: the path of its configuration */
static const char *answers_gateway, *answers_peers;
static bool runs;

/* in place of app/client.c */

static char *
answer(const char *text, size_t *len)
{
	char *copy = NULL;

	if (text == NULL || asprintf(&copy, text, path) < 0)
		return NULL;
	*len = strlen(copy);
	return copy;
}

char *
sl_client_ask(const char *command, const char *name, const char *request, size_t *len)
{
	return answer(strcmp(request, "show peers") == 0 ? answers_peers : answers_gateway, len);
}

char *
sl_client_order(const char *command, const char *name, const char *order, size_t *len, bool *failed)
{
	return NULL;
}

bool
sl_client_runs(const char *name)
{
	return runs;
}

static void
setup(void)
{
	FILE *out;

	strcpy(folder, "/tmp/sluice-test-store-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/hub.yaml", folder);
	out = fopen(path, "w");
	cr_assert_not_null(out);
	cr_assert_eq(fchmod(fileno(out), S_IRUSR | S_IWUSR), 0);
	fputs("version: 1\nports: {p: {device: net_null0}}\ninterfaces:\n  wg0: {private-key: " KEY
		  ", addresses: [10.0.0.1/24]}\n",
		out);
	fclose(out);
}

static void
teardown(void)
{
	unlink(path);
	rmdir(folder);
}

#define GATEWAY(set) "{\n\"gateway\":{\"config-path\":\"%s\"" set "}\n}\n"
#define SET          ",\"set-with-wg\":1"
#define PEER(interface, ips) \
	"{\"interface\":\"" interface "\",\"public-key\":\"AAAA=\",\"allowed-ips\":" ips "}"
#define PEERS(list) "{\n\"peers\":[" list "]\n}\n"
#define MINE        PEER("wg0", "[\"10.0.0.2/32\",\"fd00::2/128\"]")

Test(peer_store, what_the_gateway_has_is_told_whole_or_is_an_error, .init = setup, .fini = teardown)
{
	static const struct {
		const char *name;
		bool runs;
		const char *gateway, *peers;
		int n; /* prefixes; -1: an error, -2: the store does not even open */
	} cases[] = {
		{"no gateway runs", false, NULL, NULL, 0},
		{"wg has changed nothing", true, GATEWAY(",\"set-with-wg\":0"), NULL, 0},
		{"two, and those of another interface", true, GATEWAY(SET), PEERS(MINE ",\n" PEER("wg1", "[\"10.1.0.2/32\"]")), 2},
		{"no peers", true, GATEWAY(SET), PEERS(""), 0},
		{"a peer without any", true, GATEWAY(SET), PEERS(PEER("wg0", "[]")), 0},
		{"another file runs", true, "{\"gateway\":{\"config-path\":\"/other%s\",\"set-with-wg\":1}}", NULL, 0},
		{"no answer about itself", true, NULL, PEERS(MINE), -2},
		{"an empty one", true, "", PEERS(MINE), -2},
		{"one that is cut off", true, "{\n\"gateway\":{\"config-path\":\"%s\"" SET, PEERS(MINE), -2},
		{"one that says nothing of wg", true, GATEWAY(""), PEERS(MINE), -2},
		{"no answer about peers", true, GATEWAY(SET), NULL, -1},
		{"an empty one", true, GATEWAY(SET), "", -1},
		{"one that is refused", true, GATEWAY(SET), "{\"error\":\"no\"}\n", -1},
		{"one without peers", true, GATEWAY(SET), "{\n\"ports\":[]\n}\n", -1},
		{"one that is cut off in a peer", true, GATEWAY(SET), "{\n\"peers\":[" MINE ",\n{\"inter", -1},
		{"one that is cut off behind a peer", true, GATEWAY(SET), "{\n\"peers\":[" MINE, -1},
		{"a peer that is none", true, GATEWAY(SET), PEERS(MINE ",\n{\"interface\":\"wg0\",\"rx-bytes\"}"), -1},
		{"a prefix that is none", true, GATEWAY(SET), PEERS(PEER("wg0", "[\"10.0.0.2/32\",\"10.0.0/x\"]")), -1},
		{"a list that is none", true, GATEWAY(SET), PEERS(PEER("wg0", "[\"10.0.0.2/32\",7]")), -1},
		{"no list", true, GATEWAY(SET), PEERS("{\"interface\":\"wg0\",\"public-key\":\"AAAA=\"}"), -1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_peer_store store;
		struct sl_prefix *list;
		uint32_t n, capacity;
		bool ok;

		runs = cases[i].runs;
		answers_gateway = cases[i].gateway;
		answers_peers = cases[i].peers;
		ok = sl_peer_store_open(&store, "peer add", path, NULL, true);
		cr_expect_eq(ok, cases[i].n != -2, "%s", cases[i].name);
		if (!ok)
			continue;
		ok = sl_peer_store_live_prefixes(&store, "wg0", &list, &n, &capacity);
		cr_expect_eq(ok, cases[i].n >= 0, "%s", cases[i].name);
		cr_expect_eq(n, ok ? (uint32_t)cases[i].n : 0, "%s: %u", cases[i].name, n);
		cr_expect(ok || list == NULL, "%s", cases[i].name);
		sl_array_free(list, capacity, sizeof(*list));
		sl_peer_store_close(&store);
	}
}
