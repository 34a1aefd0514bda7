/* sluice mesh: the configurations of many sites from one inventory. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/mesh.h"
#include "app/mesh_files.h"
#include "app/options.h"
#include "app/read_whole.h"
#include "app/usage.h"

static const char help[] = "Usage: sluice mesh INVENTORY.yaml -o DIR\n"
                           "\n"
                           "Links sites with each other: writes for each of them a configuration, DIR/SITE.yaml, and a "
                           "wg-quick file, DIR/SITE.conf.\n"
                           "Keys are kept in DIR/keys and addresses in DIR/addresses, so the same inventory gives the same files again.\n"
                           "\n"
                           "Options:\n"
                           "  -o, --output DIR  the folder, which is made where it is not there\n"
                           "  -h, --help        this text\n"
                           "  -V, --version     the version\n";

static bool write_mesh(const char *path, const char *folder, struct sl_config_errors *errs, uint32_t *n_sites)
{
	size_t len;
	char *text = sl_read_whole(path, &len);
	struct sl_mesh *mesh = NULL;
	struct sl_mesh_givens given;
	bool ok;

	if (text == NULL) {
		sl_config_errors_add(errs, false, path, (struct sl_place){0}, "cannot read it: %s; name an inventory",
		        strerror(errno));
		return false;
	}
	if (sl_mesh_givens_read(&given, folder, errs))
		mesh = sl_mesh_read(path, text, len, &given, errs);
	sl_read_whole_free(text, len);
	ok = mesh && sl_mesh_write(mesh, &given, folder, path, errs);
	if (ok)
		*n_sites = mesh->n_sites;
	sl_mesh_free(mesh);
	sl_mesh_givens_free(&given);
	return ok;
}

static int mesh(const char *path, const char *folder)
{
	struct sl_config_errors errs;
	uint32_t n_sites = 0;
	bool ok;

	sl_config_errors_init(&errs);
	ok = write_mesh(path, folder, &errs, &n_sites);
	sl_config_errors_print(&errs, stderr);
	sl_config_errors_free(&errs);
	if (ok)
		printf("%s: %u sites\n", folder, n_sites);
	return ok ? SL_EXIT_DONE : SL_EXIT_FAILED;
}

int sl_cmd_mesh(int argc, char **argv)
{
	struct sl_options options;
	int code;

	if (!sl_parse_options(argc, argv, "o", help, &options, &code))
		return code;
	if (optind == argc)
		return sl_usage_error("mesh", "which inventory? name its file");
	if (optind + 1 < argc)
		return sl_usage_error("mesh", "takes one inventory, not also `%s`", argv[optind + 1]);
	if (options.output == NULL)
		return sl_usage_error("mesh", "needs -o DIR");
	return mesh(argv[optind], options.output);
}
