#include "app/read_whole.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

char *sl_read_whole(const char *path, size_t *len)
{
	FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char *text = NULL;
	size_t room = 0, n = 1;

	*len = 0;
	while (in && n > 0) {
		char *grown = malloc(room * 2 + READ_AT_ONCE);

		if (grown == NULL)
			abort();
		if (text)
			memcpy(grown, text, *len);
		sl_read_whole_free(text, *len);
		text = grown;
		room = room * 2 + READ_AT_ONCE;
		n = fread(text + *len, 1, room - *len, in);
		*len += n;
		if (*len > file_max) {
			errno = EFBIG;
			break;
		}
	}
	if (in == NULL || ferror(in) || *len > file_max) {
		int error = errno;

		sl_read_whole_free(text, *len);
		text = NULL;
		errno = error;
	}
	if (in && in != stdin)
		fclose(in);
	return text;
}
