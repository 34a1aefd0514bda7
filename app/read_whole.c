#include "app/read_whole.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/wipe.h"

enum {
	READ_AT_ONCE = 64 * 1024,
};

static const size_t file_max = 256UL * 1024 * 1024;

void sl_read_whole_free(char *text, size_t len)
{
	if (text)
		sl_wipe(text, len);
	free(text);
}

/* Into memory that is wiped where it is left behind, with room for a NUL. *len: what has been read, also after an error. */
static char *read_all(int fd, size_t *len)
{
	char *text = NULL;
	size_t room = 0;
	ssize_t n;
	int error;

	do {
		if (*len + 1 >= room) {
			char *grown = malloc(room * 2 + READ_AT_ONCE);

			if (grown == NULL)
				abort();
			if (text)
				memcpy(grown, text, *len);
			sl_read_whole_free(text, *len);
			text = grown;
			room = room * 2 + READ_AT_ONCE;
		}
		n = read(fd, text + *len, room - 1 - *len);
		if (n > 0)
			*len += (size_t)n;
	} while ((n > 0 && *len <= file_max) || (n < 0 && errno == EINTR));
	if (n == 0) {
		text[*len] = '\0';
		return text;
	}
	error = n > 0 ? EFBIG : errno;
	sl_read_whole_free(text, *len);
	errno = error;
	return NULL;
}

char *sl_read_whole(const char *path, size_t *len)
{
	bool given = strcmp(path, "-") == 0;
	int fd = given ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), error;
	char *text;

	*len = 0;
	if (fd < 0)
		return NULL;
	text = read_all(fd, len);
	error = errno;
	if (!given)
		close(fd);
	errno = error;
	return text;
}
