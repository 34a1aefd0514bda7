#include "app/usage.h"

#include <stdarg.h>
#include <stdio.h>

#include "app/commands.h"

int
sl_print_version(void)
{
	puts("sluice " SL_VERSION);
	return SL_EXIT_DONE;
}

int
sl_print_help(const char *help)
{
	fputs(help, stdout);
	return SL_EXIT_DONE;
}

int
sl_usage_error(const char *command, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "sluice %s: ", command);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "; see `sluice %s --help`\n", command);
	return SL_EXIT_USAGE;
}
