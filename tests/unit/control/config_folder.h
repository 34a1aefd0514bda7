/* A folder of its own under /tmp for a test that needs files, and what to put in it. Gone with config_folder_remove. */
#pragma once

#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct config_folder {
	char path[64];
	char file[256]; /* the last name asked for */
};

static inline void config_folder_make(struct config_folder *folder)
{
	strcpy(folder->path, "/tmp/sluice-config-XXXXXX");
	cr_assert(mkdtemp(folder->path));
}

static inline const char *config_folder_path(struct config_folder *folder, const char *name)
{
	snprintf(folder->file, sizeof(folder->file), "%s/%s", folder->path, name);
	return folder->file;
}

/* Writes a file; folders on its way are made. */
static inline void config_folder_write(struct config_folder *folder, const char *name, mode_t mode, const char *text)
{
	const char *path = config_folder_path(folder, name);
	char part[sizeof(folder->file)];
	FILE *out;

	for (const char *slash = strchr(path + strlen(folder->path) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		mkdir(part, 0700);
	}
	out = fopen(path, "w");
	cr_assert(out, "%s", path);
	fputs(text, out);
	fclose(out);
	cr_assert_eq(chmod(path, mode), 0);
}

static inline int config_folder_remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static inline void config_folder_remove(struct config_folder *folder)
{
	nftw(folder->path, config_folder_remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}
