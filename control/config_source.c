#include "control/config_load.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/wipe.h"

enum {
	READ_FIRST = 16 * 1024,
	WRITER_MSEC = 1000, /* for a FIFO's writer to come */
};

/* The folder part of a path, with its '/'; "" where there is none. */
static const char *folder_of(struct sl_loader *ld, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) + 1 : 0;

	if (!ld->folder || strlen(ld->folder) != len || memcmp(ld->folder, path, len) != 0)
		ld->folder = sl_arena_text(&ld->arena, path, len);
	return ld->folder;
}

const char *sl_source_path(struct sl_loader *ld, const char *path)
{
	const char *folder = ld->source->folder;
	size_t folder_len = path[0] == '/' ? 0 : strlen(folder), len = strlen(path);
	char *whole = sl_arena_alloc(&ld->arena, folder_len + len + 1);

	memcpy(whole, folder, folder_len);
	memcpy(whole + folder_len, path, len);
	return whole;
}

void sl_file_free(char *text, size_t len)
{
	if (text)
		sl_wipe(text, len);
	free(text);
}

/* A larger copy; the old text, which may hold keys, is wiped. */
static char *grow(char *text, size_t used, size_t size)
{
	char *grown = sl_config_alloc(size, 1);

	if (used)
		memcpy(grown, text, used);
	sl_file_free(text, used);
	return grown;
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

static bool read_all(int fd, const struct stat *st, size_t max, char **text, size_t *len, const char **problem)
{
	size_t size = READ_FIRST, whole = 0;
	bool awaited = false;

	if (S_ISREG(st->st_mode) && st->st_size > 0 && (size_t)st->st_size <= max) {
		whole = (size_t)st->st_size; /* its end need not be asked for */
		size = whole + 2;            /* room for the NUL, and to see that it has not grown */
	}
	*text = grow(NULL, 0, size);
	for (*len = 0;;) {
		ssize_t n = read_some(fd, *text + *len, size - *len - 1);

		if (n < 0) {
			*problem = strerror(errno);
			return false;
		}
		if (n == 0 && *len == 0 && S_ISFIFO(st->st_mode)) {
			*problem = "it is a FIFO that nobody writes to";
			if (awaited)
				return false;
			/* who is to write may be about to open it */
			poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, WRITER_MSEC);
			awaited = true;
			continue;
		}
		if (n == 0)
			return true;
		*len += (size_t)n;
		if (*len > max) {
			*problem = "it is too large";
			return false;
		}
		if (*len == whole)
			return true;
		if (*len + 1 == size) {
			*text = grow(*text, *len, size * 2);
			size *= 2;
		}
	}
}

bool sl_file_read(const char *path, size_t max, char **text, size_t *len, struct stat *st, const char **problem)
{
	bool ok;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, st) < 0) {
		*problem = strerror(errno);
		if (fd >= 0)
			close(fd);
		return false;
	}
	ok = read_all(fd, st, max, text, len, problem);
	close(fd);
	if (!ok)
		sl_file_free(*text, *len);
	return ok;
}

uint32_t sl_source_add(struct sl_loader *ld, const char *path)
{
	ld->files = sl_array_grow(ld->files, ld->n_files, &ld->files_capacity, sizeof(*ld->files));
	ld->marks = sl_array_grow(ld->marks, ld->n_files, &ld->marks_capacity, sizeof(*ld->marks));
	ld->marks[ld->n_files] = (struct sl_config_mark){0};
	ld->files[ld->n_files] = sl_arena_text(&ld->arena, path, strlen(path));
	return ld->n_files++;
}

void sl_source_read(struct sl_loader *ld, uint32_t file, const char *text, size_t len, const struct stat *st,
        void (*read)(struct sl_loader *ld, const struct sl_node *root))
{
	struct sl_source *outer = ld->source;
	struct sl_source source = {.file = file, .folder = folder_of(ld, ld->files[file])};
	const char *problem = st ? sl_secret_mode_problem(st) : NULL;
	struct sl_node root;

	ld->source = &source;
	sl_yaml_begin(&source.yaml, text, len);
	root = sl_yaml_root(ld);
	if (root.kind != SL_NODE_END)
		read(ld, &root);
	if (!source.yaml.failed)
		sl_yaml_finish(ld);
	sl_yaml_end(&source.yaml);
	if (source.secret && problem)
		sl_load_error(ld, (struct sl_place){.file = file}, "holds a key and %s", problem);
	ld->source = outer;
}

bool sl_source_first_time(struct sl_loader *ld, const char *path, const struct stat *st, struct sl_place place)
{
	uint64_t identity[2] = {st->st_dev, st->st_ino};
	uint32_t earlier = sl_config_map_add(&ld->included, identity, ld->n_files);

	if (earlier == SL_CONFIG_MAP_NONE)
		return true;
	sl_load_error(ld, place, "'%s' is read already, as '%s'; include a file once", path, ld->files[earlier]);
	return false;
}

void sl_source_load(struct sl_loader *ld, const char *path, struct sl_place place,
        void (*read)(struct sl_loader *ld, const struct sl_node *root))
{
	const char *problem;
	struct stat st;
	uint32_t file, first = ld->n_peers;
	size_t len;
	char *text;
	bool ok;

	if (place.line && sl_again_take(ld, path, place))
		return;
	if (ld->ahead)
		ok = sl_ahead_take(ld->ahead, &text, &len, &st, &problem);
	else
		ok = sl_file_read(path, SL_SOURCE_MAX, &text, &len, &st, &problem);
	if (!ok) {
		/* the file on the command line has no place: it is the place */
		if (place.line)
			sl_load_error(ld, place, "cannot read '%s': %s; mend the path or the file", path, problem);
		else
			sl_load_error(ld, (struct sl_place){.file = sl_source_add(ld, path)},
			        "cannot be read: %s; mend the path or the file", problem);
		return;
	}
	if (sl_source_first_time(ld, path, &st, place)) {
		file = sl_source_add(ld, path);
		sl_source_read(ld, file, text, len, &st, read);
		if (place.line)
			sl_again_mark(ld, file, path, &st, first);
	}
	sl_file_free(text, len);
}
