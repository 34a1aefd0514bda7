#include "dataplane/lazy.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

void *
sl_lazy_alloc(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, bytes, MADV_DONTDUMP);
	return p;
}

/* Gives address space back, whole pages: what lies before and behind the part that is kept. */
static void
trim(char *map, size_t mapped, char *p, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *end = p + (bytes + page - 1) / page * page;

	if (p > map)
		munmap(map, (size_t)(p - map));
	if (end < map + mapped)
		munmap(end, (size_t)(map + mapped - end));
}

void *
sl_lazy_alloc_dense(size_t bytes)
{
	size_t mapped = bytes + SL_LAZY_SMALL;
	char *map = sl_lazy_alloc(mapped), *p;

	if (map == NULL)
		return NULL;
	p = map + (SL_LAZY_SMALL - (uintptr_t)map % SL_LAZY_SMALL) % SL_LAZY_SMALL;
	trim(map, mapped, p, bytes);
	/* a hint: without huge pages a large table only costs time */
	if (bytes > SL_LAZY_SMALL)
		madvise(p + SL_LAZY_SMALL, bytes - SL_LAZY_SMALL, MADV_HUGEPAGE);
	return p;
}

void
sl_lazy_populate(void *from, size_t bytes)
{
	/* of Linux 5.14; where it is not there, who writes first waits */
	madvise(from, bytes, MADV_POPULATE_WRITE);
}

void
sl_lazy_free(void *p, size_t bytes)
{
	if (p)
		munmap(p, bytes);
}
