#include "app/mesh_files.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/atomic_file.h"
#include "control/key_file.h"
#include "control/secret_stream.h"
#include "crypto/base64.h"
#include "crypto/random.h"
#include "crypto/wipe.h"
#include "crypto/x25519.h"

enum {
	OWNER_ONLY = S_IRUSR | S_IWUSR,
	OWNER_FOLDER = S_IRWXU,
};

struct writer {
	const struct sl_mesh *mesh;
	const struct sl_mesh_givens *given;
	const char *folder, *inventory;
	struct sl_config_errors *errs;
	uint8_t (*private_keys)[SL_KEY_LEN], (*public_keys)[SL_KEY_LEN], (*preshared_keys)[SL_KEY_LEN];
};

static bool fail(struct writer *w, const char *path, const char *why)
{
	sl_config_errors_add(w->errs, false, path, (struct sl_place){0}, "%s", why);
	return false;
}

static bool path_of(struct writer *w, char path[PATH_MAX], const char *name, const char *suffix)
{
	if (snprintf(path, PATH_MAX, "%s/%s%s", w->folder, name, suffix) < PATH_MAX)
		return true;
	return fail(w, w->folder, "the path is too long; use a shorter one");
}

static bool make_folder(struct writer *w, const char *path)
{
	char why[128];

	if (mkdir(path, OWNER_FOLDER) == 0 || errno == EEXIST)
		return true;
	snprintf(why, sizeof(why), "cannot make the folder: %s; name one in a folder that is yours", strerror(errno));
	return fail(w, path, why);
}

/* The key of a file, which is made where it is not there. */
static bool keep_key(struct writer *w, const char *path, bool is_private, uint8_t key[SL_KEY_LEN])
{
	char text[SL_KEY_BASE64_LEN + 2], why[512];
	int rc;

	if (access(path, F_OK) != 0) {
		if (is_private)
			sl_x25519_private(key, &sl_rng_kernel);
		else
			sl_random_bytes(key, SL_KEY_LEN);
		sl_key_to_base64(text, key);
		strcat(text, "\n");
		rc = sl_atomic_write(path, text, strlen(text), OWNER_ONLY, false);
		sl_wipe(text, sizeof(text));
		if (rc == 0)
			return true;
		snprintf(why, sizeof(why), "cannot be written: %s; name a folder that is yours", strerror(-rc));
		if (rc != -EEXIST)
			return fail(w, path, why);
	}
	/* also where somebody made it at the same moment */
	if (sl_key_file_read(path, key, why, sizeof(why)))
		return true;
	sl_config_errors_add(w->errs, false, NULL, (struct sl_place){0}, "%s", why);
	return false;
}

/* Where the key of a pair stands: the same for both. */
static size_t pair_at(const struct sl_mesh *mesh, uint32_t a, uint32_t b)
{
	return a < b ? (size_t)a * mesh->n_sites + b : (size_t)b * mesh->n_sites + a;
}

static bool keep_pair(struct writer *w, uint32_t a, uint32_t b)
{
	const char *x = w->mesh->sites[a].name, *y = w->mesh->sites[b].name;
	char path[PATH_MAX], name[2 * SL_CONFIG_PEER_NAME_MAX + 16];
	bool first = strcmp(x, y) < 0; /* whatever order the inventory has them in */

	snprintf(name, sizeof(name), "keys/%s--%s", first ? x : y, first ? y : x);
	return path_of(w, path, name, ".psk") && keep_key(w, path, false, w->preshared_keys[pair_at(w->mesh, a, b)]);
}

static bool keep_keys(struct writer *w)
{
	char path[PATH_MAX], name[SL_CONFIG_PEER_NAME_MAX + 16];
	bool ok = make_folder(w, w->folder) && path_of(w, path, "keys", "") && make_folder(w, path);

	for (uint32_t i = 0; ok && i < w->mesh->n_sites; i++) {
		snprintf(name, sizeof(name), "keys/%s", w->mesh->sites[i].name);
		ok = path_of(w, path, name, ".key") && keep_key(w, path, true, w->private_keys[i]);
		if (ok)
			sl_x25519_public(w->public_keys[i], w->private_keys[i]);
		for (uint32_t j = 0; ok && w->mesh->preshared_keys && j < i; j++)
			ok = !sl_mesh_linked(w->mesh, i, j) || keep_pair(w, i, j);
	}
	return ok;
}

/* A file that somebody keeps an inventory in is not a site's. */
static bool is_inventory(struct writer *w, const char *path)
{
	struct stat ours, there;

	return w->inventory && stat(w->inventory, &ours) == 0 && stat(path, &there) == 0 &&
	       ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

static bool put_file(struct writer *w, const char *path, const char *text, size_t len)
{
	char why[128];
	int rc;

	if (is_inventory(w, path))
		return fail(w, path, "is the inventory; write into another folder");
	rc = sl_atomic_write(path, text, len, OWNER_ONLY, true);
	if (rc == 0)
		return true;
	snprintf(why, sizeof(why), "cannot be written: %s; name a folder that is yours", strerror(-rc));
	return fail(w, path, why);
}

/* Whether `check` would take it, what it only warns of aside. */
static bool is_accepted(struct writer *w, const char *path, const char *text, size_t len)
{
	struct sl_config_errors errs;
	struct sl_config *config;
	bool ok;

	sl_config_errors_init(&errs);
	config = sl_config_load_text(path, text, len, &errs);
	ok = config != NULL;
	for (uint32_t i = 0; i < errs.n_messages; i++)
		if (!errs.messages[i].warning)
			sl_config_errors_add(w->errs, false, NULL, (struct sl_place){0}, "%s", errs.messages[i].text);
	sl_config_errors_free(&errs);
	sl_config_free(config);
	return ok;
}

/* One of a site's two files: judged where it is a configuration, and written where `write` says so. */
static bool site_file(struct writer *w, uint32_t i, const struct sl_mesh_keys *keys, bool yaml, bool write)
{
	char path[PATH_MAX], *text = NULL;
	size_t len = 0;
	FILE *out = sl_secret_stream(&text, &len);
	bool ok;

	if (out == NULL)
		abort();
	(yaml ? sl_mesh_write_yaml : sl_mesh_write_conf)(out, w->mesh, i, keys);
	ok = fclose(out) == 0 && path_of(w, path, w->mesh->sites[i].name, yaml ? ".yaml" : ".conf");
	if (ok && yaml && !write)
		ok = is_accepted(w, path, text, len);
	if (ok && write)
		ok = put_file(w, path, text, len);
	if (text)
		sl_wipe(text, len);
	free(text);
	return ok;
}

/* Before the files that hold them: what was given to a site stays its own, even if this run does not come to its end. */
static bool put_addresses(struct writer *w)
{
	char path[PATH_MAX], why[128];
	int rc;

	if (!path_of(w, path, "addresses", ""))
		return false;
	if (is_inventory(w, path))
		return fail(w, path, "is the inventory; write into another folder");
	rc = sl_mesh_givens_write(w->given, w->mesh, w->folder);
	if (rc == 0)
		return true;
	snprintf(why, sizeof(why), "cannot be written: %s; name a folder that is yours", strerror(-rc));
	return fail(w, path, why);
}

/* All sites twice: nothing is written unless all of it is right. */
static bool site_files(struct writer *w)
{
	uint32_t n = w->mesh->n_sites;
	uint8_t(*preshared)[SL_KEY_LEN] = calloc(n, SL_KEY_LEN);
	struct sl_mesh_keys keys = {.public_keys = w->public_keys, .preshared_keys = preshared};
	bool ok = true;

	if (preshared == NULL)
		abort();
	for (unsigned pass = 0; ok && pass < 2; pass++) {
		ok = pass == 0 || put_addresses(w);
		for (uint32_t i = 0; i < n && (ok || pass == 0); i++) {
			memcpy(keys.private_key, w->private_keys[i], SL_KEY_LEN);
			for (uint32_t j = 0; j < n; j++)
				memcpy(preshared[j], w->preshared_keys[pair_at(w->mesh, i, j)], SL_KEY_LEN);
			ok &= site_file(w, i, &keys, true, pass == 1);
			if (ok && pass == 1)
				ok = site_file(w, i, &keys, false, true);
		}
	}
	sl_wipe(&keys, sizeof(keys));
	sl_wipe(preshared, (size_t)n * SL_KEY_LEN);
	free(preshared);
	return ok;
}

static bool is_site(const struct sl_mesh *mesh, const char *name, size_t len)
{
	for (uint32_t i = 0; i < mesh->n_sites; i++)
		if (strlen(mesh->sites[i].name) == len && memcmp(mesh->sites[i].name, name, len) == 0)
			return true;
	return false;
}

/* A site is known by its key: files of others are none of our business. */
static void name_strangers(struct writer *w)
{
	char path[PATH_MAX];
	struct dirent **entries;
	int n;

	if (!path_of(w, path, "keys", ""))
		return;
	n = scandir(path, &entries, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name, *end = strrchr(name, '.');

		if (end && end > name && strcmp(end, ".key") == 0 && !is_site(w->mesh, name, (size_t)(end - name)))
			sl_config_errors_add(w->errs, true, w->folder, (struct sl_place){0},
			        "site '%.*s' is not in the inventory; its files stay: %.*s.yaml, %.*s.conf, keys/%s "
			        "and its .psk files",
			        (int)(end - name), name, (int)(end - name), name, (int)(end - name), name, name);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

bool sl_mesh_write(const struct sl_mesh *mesh, const struct sl_mesh_givens *given, const char *folder,
        const char *inventory, struct sl_config_errors *errs)
{
	size_t n = mesh->n_sites;
	struct writer w = {.mesh = mesh, .given = given, .folder = folder, .inventory = inventory, .errs = errs};
	bool ok;

	w.private_keys = calloc(n, SL_KEY_LEN);
	w.public_keys = calloc(n, SL_KEY_LEN);
	w.preshared_keys = calloc(n * n, SL_KEY_LEN);
	if (w.private_keys == NULL || w.public_keys == NULL || w.preshared_keys == NULL)
		abort();
	ok = keep_keys(&w) && site_files(&w);
	if (ok)
		name_strangers(&w);
	sl_wipe(w.private_keys, n * SL_KEY_LEN);
	sl_wipe(w.preshared_keys, n * n * SL_KEY_LEN);
	free(w.private_keys);
	free(w.public_keys);
	free(w.preshared_keys);
	return ok;
}
