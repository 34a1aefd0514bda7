#include "app/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Flushes the folder a path lies in, so that its new name outlives a crash. */
static int
flush_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];
	int fd, rc;

	if (slash == NULL)
		strcpy(folder, ".");
	else
		snprintf(folder, sizeof(folder), "%.*s", (int)(slash == path ? 1 : slash - path), path);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = fsync(fd) == 0 ? 0 : -errno;
	close(fd);
	return rc;
}

static int
write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return fsync(fd) == 0 ? 0 : -errno;
}

int
sl_atomic_write(const char *path, const char *text, size_t len, mode_t mode, bool replace)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char temporary[PATH_MAX];
	int fd, rc;

	/* hidden, so that patterns like "*" do not take it for one of the files they name */
	if (snprintf(temporary, sizeof(temporary), "%.*s.%s.newXXXXXX", (int)(name - path), path, name) >=
		(int)sizeof(temporary))
		return -ENAMETOOLONG;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = fchmod(fd, mode) == 0 ? write_all(fd, text, len) : -errno;
	close(fd);
	/* a link fails where the name is taken, a rename takes it over */
	if (rc == 0 && (replace ? rename(temporary, path) : link(temporary, path)) != 0)
		rc = -errno;
	if (rc != 0 || !replace)
		unlink(temporary);
	return rc ? rc : flush_folder(path);
}

int
sl_atomic_remove(const char *path)
{
	return unlink(path) == 0 ? flush_folder(path) : -errno;
}
