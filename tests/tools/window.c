#include "tests/tools/window.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/tools/tool.h"

#define PATIENCE_NS (5 * TOOL_NSEC_PER_SEC)

static void map(struct window *w, const char *path, int flags)
{
	void *at;
	int fd;

	*w = (struct window){0};
	if (!path)
		return;
	fd = open(path, O_RDWR | O_CLOEXEC | flags, 0600);
	if (fd < 0 || ((flags & O_CREAT) && ftruncate(fd, sizeof(*w->received))))
		tool_die("%s: %s", path, strerror(errno));
	at = mmap(NULL, sizeof(*w->received), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		tool_die("%s: %s", path, strerror(errno));
	w->received = at;
	close(fd);
}

void window_create(struct window *w, const char *path)
{
	map(w, path, O_CREAT | O_TRUNC);
}

void window_open(struct window *w, const char *path)
{
	map(w, path, 0);
	w->since = tool_now();
}

void window_report(struct window *w, uint64_t received)
{
	if (w->received)
		atomic_store_explicit(w->received, received, memory_order_relaxed);
}

bool window_has_room(struct window *w, uint64_t sent, uint64_t now)
{
	uint64_t received;

	if (!w->received)
		return true;
	received = atomic_load_explicit(w->received, memory_order_relaxed);
	if (received != w->seen) {
		w->seen = received;
		w->since = now;
	}
	/* what was given up may come yet */
	if (sent < received + w->given_up + WINDOW_PACKETS)
		return true;
	if (now - w->since < PATIENCE_NS)
		return false;
	w->given_up = sent - received;
	w->since = now;
	return true;
}
