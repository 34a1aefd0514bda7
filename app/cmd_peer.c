/* sluice peer: peers as files. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/peer_commands.h"
#include "app/usage.h"

static const char help[] =
	"Usage: sluice peer add NAME [OPTION...]\n"
	"       sluice peer list [--json]\n"
	"       sluice peer show NAME [--json]\n"
	"       sluice peer remove|disable|enable NAME\n"
	"\n"
	"Works on the files of a running gateway, or of -c FILE, and applies what it changes to the gateway if it runs.\n"
	"\n"
	"`add` takes the next free addresses of the interface's pool, makes the keys, writes the peer's file, and prints\n"
	"what the peer puts into its wg-quick file. Its private key is not kept unless --keep-key says so.\n"
	"\n"
	"Options:\n"
	"  -c, --config FILE         the configuration, by default the running gateway's\n"
	"  -n, --name NAME           the gateway, by default the only one that runs\n"
	"  -i, --interface NAME      the interface, by default the only one\n"
	"  -j, --json                list, show: as JSON\n"
	"  -h, --help                this text\n"
	"  -V, --version             the version\n"
	"\n"
	"Of add:\n"
	"      --allowed-ips LIST    networks behind the peer, or addresses in place of the pool's\n"
	"      --public-key KEY      the peer has its own keys\n"
	"      --psk                 with a preshared key\n"
	"      --expires TIME        2026-12-31T18:00:00Z, or 30d, 12h, 90m from now\n"
	"      --peer-endpoint A:P   where the peer is\n"
	"      --keep-key            keep the peer's private key beside its file, for `sluice export`\n"
	"  and those of `sluice export`: -o, --qr, --full-tunnel, --kill-switch, --dns, …\n";

#define COMMON "cnij"

static const struct {
	const char *verb;
	const char *options;
	bool has_name;
} verbs[] = {
	{"add", "cnioaxpsEKqfFSkAdel", true},
	{"list", COMMON, false},
	{"show", COMMON, true},
	{"remove", "cni", true},
	{"disable", "cni", true},
	{"enable", "cni", true},
};

static int
run(const char *verb, const char *name, const struct sl_peer_options *o)
{
	if (strcmp(verb, "add") == 0)
		return sl_peer_add(name, o);
	if (strcmp(verb, "list") == 0)
		return sl_peer_list(o);
	if (strcmp(verb, "show") == 0)
		return sl_peer_show(name, o);
	if (strcmp(verb, "remove") == 0)
		return sl_peer_remove(name, o);
	return sl_peer_disable(name, strcmp(verb, "disable") == 0, o);
}

int
sl_cmd_peer(int argc, char **argv)
{
	struct sl_peer_options o;
	const char *verb = argc > 1 ? argv[1] : "";
	int code;

	if (strcmp(verb, "-h") == 0 || strcmp(verb, "--help") == 0)
		return sl_print_help(help);
	if (strcmp(verb, "-V") == 0 || strcmp(verb, "--version") == 0)
		return sl_print_version();
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		char name[32];

		if (strcmp(verb, verbs[i].verb) != 0)
			continue;
		snprintf(name, sizeof(name), "peer %s", verb);
		argv[1] = name; /* for getopt's messages */
		if (!sl_peer_options_parse(argc - 1, argv + 1, verbs[i].options, help, (int64_t)time(NULL), &o, &code))
			return code;
		if (optind + verbs[i].has_name > argc - 1)
			return sl_usage_error(name, "which peer? give its name");
		if (optind + verbs[i].has_name < argc - 1)
			return sl_usage_error(name, "takes no argument `%s`", argv[optind + 1 + verbs[i].has_name]);
		return run(verb, verbs[i].has_name ? argv[optind + 1] : NULL, &o);
	}
	return sl_usage_error("peer", *verb ? "there is no `%s`; add, list, show, remove, disable and enable there are"
						: "what about it? add, list, show, remove, disable or enable%s",
		verb);
}
