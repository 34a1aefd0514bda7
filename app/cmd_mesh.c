/* sluice mesh: the configurations of many sites from one inventory. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/file_lock.h"
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

/*
 * The folder's lock, from before its addresses are read until all is written: what another command gives to sites meanwhile
 * would be lost. Makes the folder where it is not there, and says so. Negative after an error.
 */
static int lock(const char *folder, bool *made, struct sl_config_errors *errs)
{
	int fd;

	do {
		*made = mkdir(folder, S_IRWXU) == 0;
		if (!*made && errno != EEXIST) {
			sl_config_errors_add(errs, false, folder, (struct sl_place){0},
			        "cannot make the folder: %s; name one in a folder that is yours", strerror(errno));
			return -1;
		}
		fd = sl_file_lock(folder);
	} while (fd == -ENOENT); /* another command made it and took it away again */
	if (fd < 0)
		sl_config_errors_add(errs, false, folder, (struct sl_place){0},
		        "cannot be locked: %s; name a folder that is yours", strerror(-fd));
	return fd;
}

static bool write_alone(const char *path, const char *folder, struct sl_config_errors *errs, uint32_t *n_sites)
{
	bool made, ok;
	int fd = lock(folder, &made, errs);

	if (fd < 0)
		return false;
	ok = write_mesh(path, folder, errs, n_sites);
	if (!ok && made)
		(void)rmdir(folder); /* where keys are in it, it stays with them */
	close(fd);
	return ok;
}

static int mesh(const char *path, const char *folder)
{
	struct sl_config_errors errs;
	uint32_t n_sites = 0;
	bool ok;

	sl_config_errors_init(&errs);
	ok = write_alone(path, folder, &errs, &n_sites);
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
