/* Large arrays: zeros, little memory while little is written, huge pages only for what fills and is no longer small. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/lazy.h"

#define BYTES ((size_t)64 << 20)
#define MIB   ((size_t)1 << 20)

struct mapping {
	size_t resident; /* bytes */
	char flags[512];
};

/* What the kernel says of the mapping that an address lies in. */
static struct mapping
mapping_of(const void *address)
{
	struct mapping m = {0};
	FILE *f = fopen("/proc/self/smaps", "re");
	bool here = false;
	char line[512];

	cr_assert_not_null(f);
	while (fgets(line, sizeof(line), f)) {
		uintptr_t from, to;
		size_t kb;

		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2)
			here = from <= (uintptr_t)address && (uintptr_t)address < to;
		else if (here && sscanf(line, "Rss: %zu kB", &kb) == 1)
			m.resident = kb * 1024;
		else if (here && strncmp(line, "VmFlags:", 8) == 0)
			snprintf(m.flags, sizeof(m.flags), "%s", line + 8);
	}
	fclose(f);
	cr_assert_gt(strlen(m.flags), 0);
	return m;
}

static bool
has(const void *address, const char *flag)
{
	return strstr(mapping_of(address).flags, flag) != NULL;
}

Test(lazy, little_memory_while_little_is_written)
{
	unsigned char *p = sl_lazy_alloc(BYTES);
	size_t sum = 0;

	cr_assert_not_null(p);
	for (size_t i = 0; i < BYTES; i += MIB) {
		sum += p[i];
		p[i] = 1;
	}
	cr_assert_eq(sum, 0);
	cr_assert_leq(mapping_of(p).resident, BYTES / MIB * (size_t)sysconf(_SC_PAGESIZE));
	cr_assert(has(p, " dd"), "not left out of core dumps");
	cr_assert_not(has(p + BYTES / 2, " hg"));
	sl_lazy_free(p, BYTES);
}

Test(lazy, dense_arrays_ask_for_huge_pages_once_they_are_large)
{
	unsigned char *p = sl_lazy_alloc_dense(BYTES), *small = sl_lazy_alloc_dense(SL_LAZY_SMALL);
	size_t sum = 0;

	cr_assert_not_null(p);
	cr_assert_not_null(small);
	cr_assert_not(has(p, " hg"));
	cr_assert_not(has(p + SL_LAZY_SMALL - 1, " hg"));
	cr_assert_not(has(small, " hg"));
	if (access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) == 0) {
		cr_assert(has(p + SL_LAZY_SMALL, " hg"));
		cr_assert(has(p + BYTES - 1, " hg"));
	}
	cr_assert(has(p, " dd") && has(p + BYTES - 1, " dd"), "not left out of core dumps");
	p[0] = 1;
	cr_assert_leq(mapping_of(p).resident, (size_t)sysconf(_SC_PAGESIZE), "a small table must stay small");
	for (size_t i = 1; i < BYTES; i += 4096)
		sum += p[i];
	cr_assert_eq(sum, 0);
	memset(p, 0xff, BYTES);
	sl_lazy_free(p, BYTES);
	sl_lazy_free(small, SL_LAZY_SMALL);
}
