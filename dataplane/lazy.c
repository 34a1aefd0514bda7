#include "dataplane/lazy.h"

#include <sys/mman.h>

void *
sl_lazy_alloc(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, bytes, MADV_DONTDUMP);
	return p;
}

void
sl_lazy_free(void *p, size_t bytes)
{
	if (p)
		munmap(p, bytes);
}
