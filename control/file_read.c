#include "control/file_read.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/config_memory.h"
#include "crypto/wipe.h"

enum {
	READ_FIRST = 16 * 1024,
	WRITER_MSEC = 1000, /* for a FIFO's writer to come */
};

void sl_file_free(struct sl_file *file)
{
	if (file->text)
		sl_wipe(file->text, file->len);
	free(file->text);
	file->text = NULL;
	file->len = 0;
}

/* Moves the text to `size` bytes; what was there, which may hold keys, is wiped. */
static void grow(struct sl_file *file, size_t size)
{
	char *grown = sl_config_alloc(size, 1);
	size_t len = file->len;

	if (len)
		memcpy(grown, file->text, len);
	sl_file_free(file);
	file->text = grown;
	file->len = len;
}

/*
 * The descriptor was opened not to wait, for a FIFO's writer may never come. One that is there is waited for, however slow it
 * is.
 */
static ssize_t read_some(int fd, char *to, size_t room)
{
	for (;;) {
		ssize_t n = read(fd, to, room);

		if (n >= 0)
			return n;
		if (errno != EINTR && (errno != EAGAIN || fcntl(fd, F_SETFL, 0) != 0))
			return -1;
	}
}

static bool fail(struct sl_file *file, const char *problem)
{
	file->problem = problem;
	return false;
}

static bool read_all(int fd, size_t max, struct sl_file *file)
{
	size_t size = READ_FIRST, whole = 0;
	bool awaited = false;

	if (S_ISREG(file->st.st_mode) && file->st.st_size > 0 && (size_t)file->st.st_size <= max) {
		whole = (size_t)file->st.st_size; /* its end need not be asked for */
		size = whole + 2;                 /* room for the NUL, and to see that it has not grown */
	}
	for (grow(file, size);;) {
		ssize_t n = read_some(fd, file->text + file->len, size - file->len - 1);

		if (n < 0)
			return fail(file, strerror(errno));
		if (n == 0 && file->len == 0 && S_ISFIFO(file->st.st_mode)) {
			if (awaited)
				return fail(file, "it is a FIFO that nobody writes to");
			/* who is to write may be about to open it */
			poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, WRITER_MSEC);
			awaited = true;
			continue;
		}
		if (n == 0)
			return true;
		file->len += (size_t)n;
		if (file->len > max)
			return fail(file, "it is too large");
		if (file->len == whole)
			return true;
		if (file->len + 1 == size) {
			size *= 2;
			grow(file, size);
		}
	}
}

bool sl_file_read(int at, const char *path, size_t max, struct sl_file *file)
{
	bool ok;
	int fd;

	*file = (struct sl_file){.text = NULL};
	fd = openat(at, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &file->st) < 0) {
		file->problem = strerror(errno);
		if (fd >= 0)
			close(fd);
		return false;
	}
	ok = read_all(fd, max, file);
	close(fd);
	if (!ok)
		sl_file_free(file);
	return ok;
}
