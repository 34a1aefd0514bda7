/* The binary: finds the subcommand and starts it. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "app/commands.h"
#include "app/usage.h"
#include "crypto/init.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
	bool has_keys; /* private keys pass through its memory */
} commands[] = {
	{"run", sl_cmd_run, "run the gateway in the foreground", true},
	{"check", sl_cmd_check, "check a configuration without touching a device", true},
	{"show", sl_cmd_show, "show state and counters of a running gateway"},
	{"reload", sl_cmd_reload, "apply the changed configuration to a running gateway"},
	{"save", sl_cmd_save, "write a running gateway's state as a configuration", true},
	{"peer", sl_cmd_peer, "add, list, show, remove, disable and enable peers", true},
	{"export", sl_cmd_export, "write a peer's wg-quick file, as text or QR code", true},
	{"import", sl_cmd_import, "print wg-quick files as a configuration", true},
	{"mesh", sl_cmd_mesh, "write the configurations of many sites from an inventory", true},
	{"bench", sl_cmd_bench, "measure what a box or a link can do"},
	{"genkey", sl_cmd_genkey, "write a new private key to stdout", true},
	{"pubkey", sl_cmd_pubkey, "read a private key from stdin, write its public key to stdout", true},
	{"genpsk", sl_cmd_genpsk, "write a new preshared key to stdout", true},
};

static void
print_commands(FILE *out)
{
	fputs("Usage: sluice COMMAND [OPTION...]\n\nA WireGuard gateway on DPDK.\n\nCommands:\n", out);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].summary);
	fputs("\nOptions:\n  -h, --help     this text; `sluice COMMAND --help` tells more\n"
	      "  -V, --version  the version\n",
		out);
}

/* The limit alone does not hold for a program that cores are piped to. */
static void
forbid_core_dumps(void)
{
	const struct rlimit none = {0};

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}

int
main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (name == NULL) {
		print_commands(stderr);
		return SL_EXIT_USAGE;
	}
	if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0) {
		print_commands(stdout);
		return SL_EXIT_DONE;
	}
	if (strcmp(name, "-V") == 0 || strcmp(name, "--version") == 0)
		return sl_print_version();
	if (sl_crypto_init() != 0) {
		fputs("sluice: the crypto library does not start on this machine\n", stderr);
		return SL_EXIT_FAILED;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(name, commands[i].name) != 0)
			continue;
		if (commands[i].has_keys)
			forbid_core_dumps();
		return commands[i].run(argc - 1, argv + 1);
	}
	fprintf(stderr, "sluice: no command `%s`; see `sluice --help`\n", name);
	return SL_EXIT_USAGE;
}
