/*
 * The subcommands of the one binary. Each takes its own argv ([0] is its
 * name), parses its options, and returns the exit code: 0 done, 1 refused or
 * failed, 2 wrong usage (config.md, Commands). Main thread.
 */
#pragma once

enum sl_exit {
	SL_EXIT_DONE = 0,
	SL_EXIT_FAILED = 1,
	SL_EXIT_USAGE = 2,
};

int sl_cmd_run(int argc, char **argv);
int sl_cmd_check(int argc, char **argv);
int sl_cmd_show(int argc, char **argv);
int sl_cmd_reload(int argc, char **argv);
int sl_cmd_save(int argc, char **argv);
int sl_cmd_peer(int argc, char **argv);
int sl_cmd_export(int argc, char **argv);
int sl_cmd_import(int argc, char **argv);
int sl_cmd_mesh(int argc, char **argv);
int sl_cmd_genkey(int argc, char **argv);
int sl_cmd_pubkey(int argc, char **argv);
int sl_cmd_genpsk(int argc, char **argv);
int sl_cmd_bench(int argc, char **argv);
