#include "control/secret_stream.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/wipe.h"

#define FIRST_ROOM 4096

struct secret_stream {
	char **text_out;
	size_t *len_out;
	char *text;
	size_t len, room;
	bool failed;
	char buffer[BUFSIZ]; /* the stream's */
};

/* Room for n bytes more and a NUL. Whether there is. */
static bool
make_room(struct secret_stream *s, size_t n)
{
	size_t room = s->room ? s->room : FIRST_ROOM;
	char *text;

	while (room - s->len <= n)
		room *= 2;
	if (room == s->room)
		return true;
	text = malloc(room);
	if (text == NULL)
		return false;
	if (s->text) {
		memcpy(text, s->text, s->len);
		sl_wipe(s->text, s->len);
		free(s->text);
	}
	s->text = text;
	s->room = room;
	return true;
}

static ssize_t
write_text(void *cookie, const char *bytes, size_t n)
{
	struct secret_stream *s = cookie;

	s->failed |= !make_room(s, n);
	if (s->failed) {
		errno = ENOMEM;
		return 0;
	}
	memcpy(s->text + s->len, bytes, n);
	s->len += n;
	return (ssize_t)n;
}

static int
close_text(void *cookie)
{
	struct secret_stream *s = cookie;
	bool failed = s->failed || !make_room(s, 0);

	if (failed && s->text) {
		sl_wipe(s->text, s->len);
		free(s->text);
	}
	if (!failed)
		s->text[s->len] = '\0';
	*s->text_out = failed ? NULL : s->text;
	*s->len_out = failed ? 0 : s->len;
	sl_wipe(s, sizeof(*s));
	free(s);
	if (failed)
		errno = ENOMEM;
	return failed ? EOF : 0;
}

FILE *
sl_secret_stream(char **text, size_t *len)
{
	struct secret_stream *s = calloc(1, sizeof(*s));
	FILE *out = NULL;

	*text = NULL;
	*len = 0;
	if (s == NULL)
		return NULL;
	s->text_out = text;
	s->len_out = len;
	out = fopencookie(s, "w", (cookie_io_functions_t){.write = write_text, .close = close_text});
	if (out == NULL) {
		free(s);
		return NULL;
	}
	setvbuf(out, s->buffer, _IOFBF, sizeof(s->buffer));
	return out;
}
