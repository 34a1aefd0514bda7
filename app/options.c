#include "app/options.h"

#include <string.h>

#include "app/commands.h"
#include "app/usage.h"

static const struct option known[] = {
	{"config", required_argument, NULL, 'c'},
	{"name", required_argument, NULL, 'n'},
	{"json", no_argument, NULL, 'j'},
	{"verbose", no_argument, NULL, 'v'},
	{"dry-run", no_argument, NULL, 'd'},
	{"keep-runtime", no_argument, NULL, 'k'},
	{"output", required_argument, NULL, 'o'},
	{"force", no_argument, NULL, 'f'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
};

#define KNOWN (sizeof(known) / sizeof(known[0]))

void
sl_select_options(const struct option *all, size_t n_all, const char *accepted, struct option *longs, char *letters)
{
	size_t n = 0, at = 0;

	for (size_t i = 0; i < n_all; i++) {
		if (all[i].val != 'h' && all[i].val != 'V' && strchr(accepted, all[i].val) == NULL)
			continue;
		longs[n++] = all[i];
		letters[at++] = (char)all[i].val;
		if (all[i].has_arg == required_argument)
			letters[at++] = ':';
	}
	longs[n] = (struct option){0};
	letters[at] = '\0';
}

bool
sl_parse_options(int argc, char **argv, const char *accepted, const char *help, struct sl_options *options, int *code)
{
	struct option longs[KNOWN + 1];
	char letters[SL_OPTION_LETTERS(KNOWN)];
	int opt;

	*options = (struct sl_options){0};
	sl_select_options(known, KNOWN, accepted, longs, letters);
	while ((opt = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		switch (opt) {
		case 'c':
			options->config = optarg;
			break;
		case 'n':
			options->name = optarg;
			break;
		case 'j':
			options->json = true;
			break;
		case 'v':
			options->verbose = true;
			break;
		case 'd':
			options->dry_run = true;
			break;
		case 'k':
			options->keep_runtime = true;
			break;
		case 'o':
			options->output = optarg;
			break;
		case 'f':
			options->force = true;
			break;
		case 'h':
			*code = sl_print_help(help);
			return false;
		case 'V':
			*code = sl_print_version();
			return false;
		default:
			*code = SL_EXIT_USAGE; /* getopt has said why */
			return false;
		}
	}
	return true;
}
