/* Memory of workers' arrays is there before a peer is active, and no more of it than its neighbours share. */
#include <criterion/criterion.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dataplane/lazy.h"
#include "dataplane/peer_memory.h"

#define PEERS 100000

static struct sl_peer_memory memory;
static const size_t sizes[] = {64, 192};
enum { ARRAYS = 2 };
static char *arrays[ARRAYS];

static void
setup(void)
{
	for (unsigned i = 0; i < ARRAYS; i++) {
		arrays[i] = sl_lazy_alloc_dense(PEERS * sizes[i]);
		cr_assert_not_null(arrays[i]);
		cr_assert_eq((uintptr_t)arrays[i] % SL_LAZY_SMALL, 0);
		cr_assert_eq(sl_peer_memory_add(&memory, arrays[i], sizes[i], PEERS), 0);
	}
}

static void
teardown(void)
{
	sl_peer_memory_fini(&memory);
	for (unsigned i = 0; i < ARRAYS; i++)
		sl_lazy_free(arrays[i], PEERS * sizes[i]);
}

TestSuite(peer_memory, .init = setup, .fini = teardown);

static bool
is_there(const char *p)
{
	uintptr_t page = (uintptr_t)p & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
	unsigned char resident;

	cr_assert_eq(mincore((void *)page, 1, &resident), 0);
	return resident & 1;
}

/* All of the elements in these bytes of an array, or none of them. */
static bool
any_there(const char *p, size_t bytes)
{
	unsigned n = 0, pages = 0;

	for (size_t at = 0; at < bytes; at += (size_t)sysconf(_SC_PAGESIZE), pages++)
		n += is_there(p + at);
	cr_assert(n == 0 || n == pages, "%u of %u pages", n, pages);
	return n > 0;
}

Test(peer_memory, comes_with_the_first_active_peer)
{
	static const uint32_t slots[] = {0, 100, 10000, 32768, 40000, 99999};

	for (unsigned i = 0; i < ARRAYS; i++)
		for (size_t at = 0; at < PEERS * sizes[i]; at += SL_LAZY_SMALL)
			cr_assert_not(is_there(arrays[i] + at));
	for (unsigned k = 0; k < sizeof(slots) / sizeof(*slots); k++) {
		sl_peer_memory_prepare(&memory, slots[k]);
		for (unsigned i = 0; i < ARRAYS; i++) {
			char *element = arrays[i] + slots[k] * sizes[i];
			bool small = (size_t)(element - arrays[i]) < SL_LAZY_SMALL;

			cr_assert_eq(is_there(element), !small, "slot %u, array %u", slots[k], i);
			cr_assert_eq(is_there(element + sizes[i] - 1), !small, "slot %u, array %u", slots[k], i);
		}
	}
	/* 40000 and 99999 are in the second and the last unit of the smaller array; between them nobody was active */
	cr_assert(any_there(arrays[0] + SL_LAZY_SMALL, SL_LAZY_SMALL));
	cr_assert_not(any_there(arrays[0] + 2 * SL_LAZY_SMALL, SL_LAZY_SMALL));
	cr_assert(any_there(arrays[0] + 3 * SL_LAZY_SMALL, PEERS * sizes[0] - 3 * SL_LAZY_SMALL));
	for (unsigned i = 0; i < ARRAYS; i++)
		cr_assert_not(any_there(arrays[i], SL_LAZY_SMALL), "a small gateway stays small");
}

Test(peer_memory, of_an_element_in_two_units)
{
	uint32_t slot = (uint32_t)(2 * SL_LAZY_SMALL / sizes[1]);

	cr_assert_neq(2 * SL_LAZY_SMALL % sizes[1], 0);
	sl_peer_memory_prepare(&memory, slot);
	cr_assert(is_there(arrays[1] + SL_LAZY_SMALL));
	cr_assert(is_there(arrays[1] + 2 * SL_LAZY_SMALL));
	cr_assert_not(is_there(arrays[1] + 3 * SL_LAZY_SMALL));
}

Test(peer_memory, what_stands_there_stays)
{
	char *element = arrays[1] + 50000 * sizes[1];

	*element = 42;
	sl_peer_memory_prepare(&memory, 50000);
	cr_assert_eq(*element, 42);
	element[1] = 43;
	sl_peer_memory_prepare(&memory, 50001);
	sl_peer_memory_prepare(&memory, 50000);
	cr_assert_eq(element[0], 42);
	cr_assert_eq(element[1], 43);
}
