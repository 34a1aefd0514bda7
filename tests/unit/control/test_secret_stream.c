/* A stream into memory that leaves no copy of what went through it. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/secret_stream.h"
#include "crypto/wipe.h"

#define MARK_LEN 32
#define TEXT_LEN 60000 /* less than malloc takes from the kernel for itself */
#define BLOCKS   64

#ifndef __SANITIZE_ADDRESS__ /* it keeps memory elsewhere, and nobody may look at what is freed */
/* The mark is nowhere as a whole but where it is written. */
static char
mark(size_t i)
{
	return (char)('A' + (i * 7 + i / 5) % 26);
}

static bool
is_mark(const char *at)
{
	for (size_t i = 0; i < MARK_LEN; i++)
		if (at[i] != mark(i))
			return false;
	return true;
}

/* How often it is in the heap. */
static unsigned
marks_in_heap(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long from = 0, to = 0;
	char line[512];
	unsigned n = 0;

	while (fgets(line, sizeof(line), maps))
		if (strstr(line, "[heap]"))
			cr_assert_eq(sscanf(line, "%lx-%lx", &from, &to), 2);
	fclose(maps);
	for (const char *at = (const char *)from; at + MARK_LEN <= (const char *)to; at++)
		n += is_mark(at);
	return n;
}

Test(secret_stream, leaves_nothing_behind)
{
	void *blocks[BLOCKS];
	unsigned n_blocks = 0;
	char *text;
	size_t len;
	FILE *out = sl_secret_stream(&text, &len);

	cr_assert_not_null(out);
	for (size_t i = 0; i < TEXT_LEN; i++) {
		fputc(i < MARK_LEN ? mark(i) : '.', out);
		/* what would let it grow where it is */
		if (i % (TEXT_LEN / BLOCKS) == 0 && n_blocks < BLOCKS)
			blocks[n_blocks++] = malloc(64);
	}
	cr_assert_eq(fclose(out), 0);
	cr_assert_eq(len, TEXT_LEN);
	cr_expect(is_mark(text));
	cr_expect_eq(text[TEXT_LEN - 1], '.');
	cr_expect_eq(text[TEXT_LEN], '\0');
	cr_expect_eq(marks_in_heap(), 1, "%u copies", marks_in_heap());
	sl_wipe(text, len);
	cr_expect_eq(marks_in_heap(), 0, "%u copies", marks_in_heap());
	free(text);
	while (n_blocks > 0)
		free(blocks[--n_blocks]);
}
#endif

Test(secret_stream, of_any_length)
{
	static const size_t lens[] = {0, 1, BUFSIZ - 1, BUFSIZ, BUFSIZ + 1, 4095, 4096, 4097, 1 << 20};

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		char *text;
		size_t len;
		FILE *out = sl_secret_stream(&text, &len);

		for (size_t k = 0; k < lens[i]; k++)
			fputc('a' + (int)(k % 26), out);
		cr_assert_eq(fclose(out), 0);
		cr_assert_eq(len, lens[i]);
		cr_assert_eq(strlen(text), len);
		for (size_t k = 0; k < len; k++)
			cr_assert_eq(text[k], 'a' + (char)(k % 26));
		free(text);
	}
}
