/*
 * What the options -h and -V of every subcommand print, and how wrong usage is
 * told. Main thread; nothing is kept.
 */
#pragma once

/* "sluice VERSION" and what it runs on, to stdout. Returns SL_EXIT_DONE. */
int sl_print_version(void);
/* The text of a command's help to stdout. Returns SL_EXIT_DONE. */
int sl_print_help(const char *help);
/* One line to stderr, `sluice COMMAND: MESSAGE`, and where to read on. Returns SL_EXIT_USAGE. */
int sl_usage_error(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
