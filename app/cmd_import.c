/* sluice import: wg-quick files as a configuration. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/atomic_file.h"
#include "app/commands.h"
#include "app/read_whole.h"
#include "app/usage.h"
#include "app/wg_quick.h"
#include "control/config_write.h"
#include "control/secret_stream.h"
#include "crypto/base64.h"
#include "crypto/wipe.h"

enum {
	FILES_MAX = 64,
	PORTS_MAX = 64,
};

static const char help[] =
        "Usage: sluice import [OPTION...] FILE...\n"
        "\n"
        "Prints wg-quick files as a configuration, see sluice.yaml(5). FILE may be - for standard input. What of a "
        "file has no\n"
        "meaning here is named on stderr and left out. Peers are named after the comment at their [Peer].\n"
        "\n"
        "Options:\n"
        "      --port NAME=DEVICE  a port of the gateway, such as wan0=af_packet:eth0; several times for several\n"
        "  -i, --interface NAME    the interface's name, by default the file's\n"
        "      --key-file FILE     put the private key into a file of its own, which only its owner can read\n"
        "  -f, --force             also where there is such a file with another key\n"
        "  -h, --help              this text\n"
        "  -V, --version           the version\n";

struct import {
	const char *ports[PORTS_MAX];
	unsigned n_ports;
	const char *interface, *key_file;
	bool force;
	struct sl_wg_quick files[FILES_MAX];
	unsigned n_files;
};

/* Reads one file into the next place. */
static bool read_file(struct import *im, const char *path, struct sl_config_errors *errs)
{
	const char *shown = strcmp(path, "-") == 0 ? "standard input" : path;
	char name[SL_CONFIG_NAME_MAX + 1] = "wg0", *text;
	size_t len;
	bool ok;

	if (im->interface)
		snprintf(name, sizeof(name), "%s", im->interface);
	else if (shown == path && !sl_wg_quick_name(path, name)) {
		sl_config_errors_add(errs, false, shown, (struct sl_place){0},
		        "its name cannot be an interface's; give one of at most %d characters with --interface",
		        SL_CONFIG_NAME_MAX);
		return false;
	}
	for (unsigned i = 0; i < im->n_files; i++) {
		if (strcmp(im->files[i].name, name) == 0) {
			sl_config_errors_add(errs, false, shown, (struct sl_place){0},
			        "a second interface '%s'; import it by itself, with another --interface", name);
			return false;
		}
	}
	text = sl_read_whole(path, &len);
	if (text == NULL) {
		sl_config_errors_add(errs, false, shown, (struct sl_place){0},
		        "cannot read it: %s; name a wg-quick file", strerror(errno));
		return false;
	}
	ok = sl_wg_quick_read(shown, name, text, len, &im->files[im->n_files++], errs);
	sl_read_whole_free(text, len);
	return ok;
}

static void write_yaml(FILE *out, const struct import *im, const char *key_file)
{
	fputs("version: 1\n", out);
	if (im->n_ports)
		fputs("ports:\n", out);
	for (unsigned i = 0; i < im->n_ports; i++) {
		const char *equals = strchr(im->ports[i], '=');

		fprintf(out, "  %.*s: {device: ", (int)(equals - im->ports[i]), im->ports[i]);
		sl_yaml_write_text(out, equals + 1);
		fputs("}\n", out);
	}
	fputs("interfaces:\n", out);
	for (unsigned i = 0; i < im->n_files; i++)
		sl_wg_quick_write(out, &im->files[i], key_file);
}

/* The configuration, to be wiped and freed. */
static char *yaml_of(const struct import *im, const char *key_file, size_t *len)
{
	char *text = NULL;
	FILE *out = sl_secret_stream(&text, len);

	if (out == NULL)
		abort();
	write_yaml(out, im, key_file);
	if (fclose(out) != 0)
		abort();
	return text;
}

/* The private key into its own file, which is made anew where the same key is there already: it may be open to others. */
static bool write_key_file(const struct import *im)
{
	char text[SL_KEY_BASE64_LEN + 2], *there;
	size_t len = 0;
	bool same;
	int rc;

	sl_key_to_base64(text, im->files[0].config.private_key);
	strcat(text, "\n");
	there = sl_read_whole(im->key_file, &len);
	same = there && len == strlen(text) && sl_equal(there, text, len);
	sl_read_whole_free(there, len);
	rc = sl_atomic_write(im->key_file, text, strlen(text), S_IRUSR | S_IWUSR, im->force || same);
	sl_wipe(text, sizeof(text));
	if (rc != 0)
		fprintf(stderr, "sluice import: cannot write the key to '%s': %s; %s\n", im->key_file, strerror(-rc),
		        rc == -EEXIST ? "name another file, or add --force" : "name a file in a folder that is yours");
	return rc == 0;
}

/*
 * What is written is what `check` takes; where it is not, that is said, and nothing is written. Judged with the key in it: a
 * key file's place is relative to the configuration's folder, which is not known yet.
 */
static bool loads(const struct import *im)
{
	struct sl_config_errors errs;
	struct sl_config *config;
	size_t len;
	char *text = yaml_of(im, NULL, &len);

	sl_config_errors_init(&errs);
	config = sl_config_load_text("the result", text, len, &errs);
	if (config == NULL)
		sl_config_errors_print(&errs, stderr);
	sl_config_errors_free(&errs);
	sl_config_free(config);
	sl_wipe(text, len);
	free(text);
	return config != NULL;
}

static void print_hints(const struct import *im)
{
	bool secrets = false;

	for (unsigned i = 0; i < im->n_files; i++) {
		const struct sl_wg_quick *w = &im->files[i];

		secrets |= w->config.has_private_key && im->key_file == NULL;
		for (unsigned j = 0; j < w->n_peers; j++)
			secrets |= w->peers[j].config.has_preshared_key;
	}
	if (im->n_ports == 0)
		fputs("sluice import: no ports yet; add `ports:` with the devices it runs on, or use --port "
		      "NAME=DEVICE\n",
		        stderr);
	if (secrets)
		fputs("sluice import: there are secrets in it; put it into a file of mode 0600\n", stderr);
}

static int finish(const struct import *im)
{
	size_t len = 0;
	char *text = yaml_of(im, im->key_file, &len);
	bool ok = loads(im) && (im->key_file == NULL || write_key_file(im));

	if (ok && (fwrite(text, 1, len, stdout) != len || fflush(stdout) != 0)) {
		fprintf(stderr, "sluice import: cannot write to stdout: %m\n");
		ok = false;
	}
	if (ok)
		print_hints(im);
	sl_wipe(text, len);
	free(text);
	return ok ? SL_EXIT_DONE : SL_EXIT_FAILED;
}

static int import(struct import *im, char *const *paths)
{
	struct sl_config_errors errs;
	int code = SL_EXIT_FAILED;
	bool ok = true;

	sl_config_errors_init(&errs);
	for (; *paths; paths++)
		ok &= read_file(im, *paths, &errs);
	sl_config_errors_print(&errs, stderr);
	sl_config_errors_free(&errs);
	if (ok && im->key_file && !im->files[0].config.has_private_key) {
		fputs("sluice import: there is no private key to put into a file; leave out --key-file\n", stderr);
		ok = false;
	}
	if (ok)
		code = finish(im);
	for (unsigned i = 0; i < im->n_files; i++)
		sl_wg_quick_free(&im->files[i]);
	return code;
}

static bool port_ok(const char *text)
{
	const char *equals = strchr(text, '=');
	char name[SL_CONFIG_NAME_MAX + 1];

	if (equals == NULL || equals[1] == '\0' || equals - text > SL_CONFIG_NAME_MAX)
		return false;
	snprintf(name, sizeof(name), "%.*s", (int)(equals - text), text);
	return sl_name_problem(name) == NULL;
}

/* SL_EXIT_DONE where the command goes on, -1 where it is done, else the exit code. */
static int parse(struct import *im, int argc, char **argv)
{
	static const struct option longs[] = {{"port", required_argument, NULL, 'p'},
	        {"interface", required_argument, NULL, 'i'}, {"key-file", required_argument, NULL, 'k'},
	        {"force", no_argument, NULL, 'f'}, {"help", no_argument, NULL, 'h'},
	        {"version", no_argument, NULL, 'V'}, {0}};
	int opt;

	while ((opt = getopt_long(argc, argv, "i:fhV", longs, NULL)) != -1) {
		if (opt == 'h' || opt == 'V') {
			(void)(opt == 'h' ? sl_print_help(help) : sl_print_version());
			return -1;
		}
		if (opt == '?')
			return SL_EXIT_USAGE; /* getopt has said why */
		if (opt == 'p' && (!port_ok(optarg) || im->n_ports == PORTS_MAX))
			return sl_usage_error(
			        "import", "--port `%s`: give NAME=DEVICE, such as wan0=af_packet:eth0", optarg);
		if (opt == 'i' && sl_name_problem(optarg))
			return sl_usage_error("import", "--interface: `%s` %s", optarg, sl_name_problem(optarg));
		if (opt == 'k' && strcmp(optarg, "-") == 0)
			return sl_usage_error("import",
			        "--key-file -: the configuration is what goes to stdout; name a file for the key");
		if (opt == 'p')
			im->ports[im->n_ports++] = optarg;
		else if (opt == 'i')
			im->interface = optarg;
		else if (opt == 'k')
			im->key_file = optarg;
		else
			im->force = true;
	}
	if (optind == argc)
		return sl_usage_error("import", "which file? name one, or - for standard input");
	if (argc - optind > 1 && (im->interface || im->key_file))
		return sl_usage_error("import", "--interface and --key-file are for one file");
	if (argc - optind > FILES_MAX)
		return sl_usage_error("import", "more than %d files", FILES_MAX);
	return SL_EXIT_DONE;
}

int sl_cmd_import(int argc, char **argv)
{
	static struct import im;
	int code;

	im = (struct import){0};
	code = parse(&im, argc, argv);
	if (code != SL_EXIT_DONE)
		return code < 0 ? SL_EXIT_DONE : code;
	return import(&im, argv + optind);
}
