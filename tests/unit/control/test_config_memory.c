/* Memory of a configuration: pieces of every size and alignment, none over another. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/config_memory.h"

enum { PIECES = 3000, LARGE = 200 * 1000 };

static struct sl_arena arena;

/* A piece in one of the ways there are; full of its number. */
static uint8_t *
make(unsigned i, size_t *len)
{
	static uint8_t bytes[LARGE + 32];
	struct sl_prefix prefixes[9];

	memset(bytes, (int)(i & 0xff), sizeof(bytes));
	memset(prefixes, (int)(i & 0xff), sizeof(prefixes));
	*len = i % 500 == 499 ? LARGE + i % 32 : i % 61;
	switch (i % 4) {
	case 0:
		return (uint8_t *)sl_arena_text(&arena, (const char *)bytes, *len);
	case 1:
		*len = (1 + i % 9) * sizeof(prefixes[0]);
		return (uint8_t *)sl_arena_prefixes(&arena, prefixes, 1 + i % 9);
	case 2:
		*len += 1;
		return sl_arena_copy(&arena, bytes, *len);
	default:
		return memset(sl_arena_alloc(&arena, *len), (int)(i & 0xff), *len);
	}
}

Test(config_memory, pieces_keep_apart)
{
	static uint8_t *pieces[PIECES];
	static size_t lens[PIECES];

	for (unsigned i = 0; i < PIECES; i++) {
		pieces[i] = make(i, &lens[i]);
		if (i % 4 >= 2)
			cr_assert_eq((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
	}
	for (unsigned i = 0; i < PIECES; i++)
		for (size_t k = 0; k < lens[i]; k++)
			cr_assert_eq(pieces[i][k], i & 0xff, "piece %u", i);
	for (unsigned i = 0; i < PIECES; i += 4)
		cr_assert_eq(pieces[i][lens[i]], '\0');
	cr_assert_null(sl_arena_copy(&arena, "", 0));
	cr_assert_null(sl_arena_prefixes(&arena, NULL, 0));
	sl_arena_free(&arena);
}
