#include "app/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int
sl_file_lock(const char *path)
{
	for (;;) {
		struct stat mine, there;
		int fd = open(path, O_RDONLY | O_CLOEXEC), rc;

		if (fd < 0)
			return -errno;
		while ((rc = flock(fd, LOCK_EX)) != 0 && errno == EINTR)
			;
		if (rc != 0 || fstat(fd, &mine) != 0) {
			rc = -errno;
			close(fd);
			return rc;
		}
		/* not one that has been replaced meanwhile */
		if (stat(path, &there) == 0 && mine.st_dev == there.st_dev && mine.st_ino == there.st_ino)
			return fd;
		close(fd);
	}
}
