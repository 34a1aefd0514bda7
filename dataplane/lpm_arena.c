#include "dataplane/lpm_arena.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>

/* Sizes: 32 bytes, then multiples of a cache line up to 512, then 8 steps to each doubling. */
#define TINY          32u
#define LINE          64u
#define SMALL_MAX     512u
#define SMALL_CLASSES (1 + SMALL_MAX / LINE)
#define SMALL_LOG     9
#define STEPS_LOG     3
#define STEPS         (1u << STEPS_LOG)

#define SLAB_UNITS      (SL_LPM_SLAB_BYTES / SL_LPM_UNIT)
#define FREE_SLABS_KEPT 8 /* empty slabs that keep their memory, against flapping */
#define HUGE_PAGE       ((size_t)2 << 20)
#define COMMIT_MAX      HUGE_PAGE

static_assert(SMALL_CLASSES + (13 - SMALL_LOG) * STEPS <= SL_LPM_CLASSES, "classes up to SL_LPM_BLOCK_MAX");
static_assert(SL_LPM_BLOCK_MAX == 1u << 13, "as above");

static unsigned class_of(size_t bytes)
{
	unsigned log;

	if (bytes <= TINY)
		return 0;
	if (bytes <= SMALL_MAX)
		return (unsigned)((bytes + LINE - 1) / LINE);
	log = 63 - (unsigned)__builtin_clzll(bytes - 1);
	return SMALL_CLASSES + (log - SMALL_LOG) * STEPS + (unsigned)((bytes - 1) >> (log - STEPS_LOG)) - STEPS;
}

static uint32_t class_bytes(unsigned size_class)
{
	unsigned k;

	if (size_class == 0)
		return TINY;
	if (size_class < SMALL_CLASSES)
		return size_class * LINE;
	k = size_class - SMALL_CLASSES;
	return (k % STEPS + STEPS + 1) << (k / STEPS + SMALL_LOG - STEPS_LOG);
}

int sl_lpm_arena_init(struct sl_lpm_arena *a, uint64_t max_bytes)
{
	const size_t limit = (size_t)SL_LPM_UNIT << SL_LPM_BLOCK_BITS;
	void *base, *slabs;

	*a = (struct sl_lpm_arena){0};
	a->reserved = max_bytes < limit ? max_bytes : limit;
	a->reserved = (a->reserved + SL_LPM_SLAB_BYTES - 1) & ~((size_t)SL_LPM_SLAB_BYTES - 1);
	a->slabs_size = a->reserved / SL_LPM_SLAB_BYTES * sizeof(struct sl_lpm_slab);
	/* blocks begin at the address of a huge page, so that large tables can use them */
	a->mapped = a->reserved + HUGE_PAGE;
	base = mmap(NULL, a->mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return -ENOMEM;
	slabs = mmap(NULL, a->slabs_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (slabs == MAP_FAILED) {
		munmap(base, a->mapped);
		return -ENOMEM;
	}
	a->map = base;
	a->base = (uint8_t *)(((uintptr_t)base + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
	a->slabs = slabs;
	a->bytes = SL_LPM_ZEROS;
	madvise(a->map, a->mapped, MADV_DONTDUMP);
	return 0;
}

void sl_lpm_arena_fini(struct sl_lpm_arena *a)
{
	munmap(a->map, a->mapped);
	munmap(a->slabs, a->slabs_size);
}

/* Makes the next slab usable. The steps grow with the table: a small one stays small, a large one makes few calls. */
static bool commit_more(struct sl_lpm_arena *a)
{
	size_t step = a->committed < SL_LPM_SLAB_BYTES ? SL_LPM_SLAB_BYTES : a->committed;

	if (step > COMMIT_MAX)
		step = COMMIT_MAX;
	if (step > a->reserved - a->committed)
		step = a->reserved - a->committed;
	if (step == 0 || mprotect(a->base + a->committed, step, PROT_READ | PROT_WRITE) != 0)
		return false;
	/* a hint: without huge pages a large table only costs time */
	if (step == HUGE_PAGE)
		madvise(a->base + a->committed, step, MADV_HUGEPAGE);
	a->committed += step;
	return true;
}

static void list_push(struct sl_lpm_arena *a, uint32_t *head, uint32_t slab)
{
	a->slabs[slab].prev = 0;
	a->slabs[slab].next = *head;
	if (*head != 0)
		a->slabs[*head - 1].prev = slab + 1;
	*head = slab + 1;
}

static void list_remove(struct sl_lpm_arena *a, uint32_t *head, uint32_t slab)
{
	struct sl_lpm_slab *s = &a->slabs[slab];

	if (s->prev != 0)
		a->slabs[s->prev - 1].next = s->next;
	else
		*head = s->next;
	if (s->next != 0)
		a->slabs[s->next - 1].prev = s->prev;
}

/* An empty slab for the class, in its list; false where memory is short. */
static bool take_slab(struct sl_lpm_arena *a, unsigned size_class)
{
	uint32_t slab, size = class_bytes(size_class);

	if (a->free_slabs != 0) {
		slab = a->free_slabs - 1;
		list_remove(a, &a->free_slabs, slab);
		a->n_free--;
	} else {
		if ((size_t)(a->n_slabs + 1) * SL_LPM_SLAB_BYTES > a->committed && !commit_more(a))
			return false;
		slab = a->n_slabs++;
	}
	a->slabs[slab].free = 0;
	a->slabs[slab].live = 0;
	a->slabs[slab].fresh = slab == 0 ? (uint16_t)((SL_LPM_ZEROS + size - 1) / size) : 0;
	a->slabs[slab].size_class = (uint8_t)size_class;
	list_push(a, &a->partial[size_class], slab);
	return true;
}

uint32_t sl_lpm_arena_alloc(struct sl_lpm_arena *a, size_t bytes)
{
	unsigned size_class = class_of(bytes);
	uint32_t size = class_bytes(size_class);
	struct sl_lpm_slab *s;
	uint32_t slab, block;

	if (a->partial[size_class] == 0 && !take_slab(a, size_class))
		return 0;
	slab = a->partial[size_class] - 1;
	s = &a->slabs[slab];
	if (s->free != 0) {
		block = s->free;
		s->free = *(uint32_t *)sl_lpm_block(a->base, block);
	} else {
		block = slab * SLAB_UNITS + s->fresh++ * (size / SL_LPM_UNIT);
	}
	s->live++;
	if (s->free == 0 && (s->fresh + 1u) * size > SL_LPM_SLAB_BYTES)
		list_remove(a, &a->partial[size_class], slab);
	a->bytes += size;
	return block;
}

void sl_lpm_arena_free(struct sl_lpm_arena *a, uint32_t block)
{
	uint32_t slab = block / SLAB_UNITS;
	struct sl_lpm_slab *s = &a->slabs[slab];
	uint32_t size = class_bytes(s->size_class);
	bool was_full = s->free == 0 && (s->fresh + 1u) * size > SL_LPM_SLAB_BYTES;

	*(uint32_t *)sl_lpm_block(a->base, block) = s->free;
	s->free = block;
	s->live--;
	a->bytes -= size;
	if (was_full)
		list_push(a, &a->partial[s->size_class], slab);
	if (s->live > 0)
		return;
	list_remove(a, &a->partial[s->size_class], slab);
	list_push(a, &a->free_slabs, slab);
	if (++a->n_free > FREE_SLABS_KEPT)
		madvise(a->base + (size_t)slab * SL_LPM_SLAB_BYTES, SL_LPM_SLAB_BYTES, MADV_DONTNEED);
}
