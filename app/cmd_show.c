/* sluice show: state and counters of a running gateway. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/client.h"
#include "app/commands.h"
#include "app/options.h"
#include "app/show_text.h"
#include "app/usage.h"

static const char help[] =
	"Usage: sluice show [WHAT] [--json] [-n NAME]\n"
	"\n"
	"Shows a running gateway. Without WHAT: its interfaces and peers, as `wg show` does.\n"
	"\n"
	"WHAT is one of\n"
	"  interface  WireGuard interfaces, with their handshakes by outcome\n"
	"  peers      peers, with endpoint, traffic, latest handshake and why the last one failed\n"
	"  ports      ports, with addresses and device counters\n"
	"  routes     connected and static routes\n"
	"  workers    worker cores: packets in and out, busy share, packet buffers\n"
	"  drops      dropped packets by reason\n"
	"  stages     packets, bursts and cycles of each stage of the packet path\n"
	"  all        everything\n"
	"\n"
	"Options:\n"
	"  -j, --json       as JSON, integers in bytes, packets, nanoseconds\n"
	"  -n, --name NAME  the gateway; by default the only one that runs\n"
	"  -h, --help       this text\n"
	"  -V, --version    the version\n";

static const char *const whats[] = {
	"interface", "peers", "ports", "routes", "workers", "drops", "stages", "all"};

static bool
is_what(const char *what)
{
	for (size_t i = 0; i < sizeof(whats) / sizeof(whats[0]); i++) {
		if (strcmp(what, whats[i]) == 0)
			return true;
	}
	return false;
}

static int
print(const char *answer, size_t len, bool as_json)
{
	struct sl_shown_peers peers;
	json_error_t error;
	json_t *root;
	const char *refused;
	bool ok;

	if (as_json && strncmp(answer, "{\"error\"", 8) != 0) {
		fwrite(answer, 1, len, stdout);
		return fflush(stdout) == 0 ? SL_EXIT_DONE : SL_EXIT_FAILED;
	}
	root = sl_shown_begin(answer, len, &peers, &error);
	refused = json_string_value(json_object_get(root, "error"));
	if (refused)
		fprintf(stderr, "sluice show: %s\n", refused);
	else if (root)
		sl_show_text(root, &peers, stdout);
	ok = root && !peers.damaged;
	if (!ok)
		fprintf(stderr, "sluice show: the gateway's answer is cut off or damaged: %s\n", root ? "a peer" : error.text);
	json_decref(root);
	return refused || !ok || fflush(stdout) != 0 ? SL_EXIT_FAILED : SL_EXIT_DONE;
}

int
sl_cmd_show(int argc, char **argv)
{
	struct sl_options options;
	const char *what = "wg";
	char request[64], *answer;
	size_t len;
	int code;

	if (!sl_parse_options(argc, argv, "jn", help, &options, &code))
		return code;
	if (optind < argc) {
		what = argv[optind++];
		if (!is_what(what))
			return sl_usage_error("show", "there is no `%s` to show", what);
	}
	if (optind < argc)
		return sl_usage_error("show", "takes one WHAT, not also `%s`", argv[optind]);
	snprintf(request, sizeof(request), "show %s", what);
	answer = sl_client_ask("show", options.name, request, &len);
	if (answer == NULL)
		return SL_EXIT_FAILED;
	code = print(answer, len, options.json);
	free(answer);
	return code;
}
