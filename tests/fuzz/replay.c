/*
 * Gives every file of a folder to a fuzz target, in the order of their names: the corpus as a regression test in a build
 * with any compiler. A finding ends the process; so does a folder without files.
 *
 *   replay_TARGET FOLDER|FILE...
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tests/fuzz/input.h"

static unsigned replayed;

static void
replay(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct stat st;
	uint8_t *bytes;
	size_t n;

	FUZZ_CHECK(file && fstat(fileno(file), &st) == 0);
	/* as long as the input, so that a read beyond it is found */
	bytes = malloc((size_t)st.st_size ? (size_t)st.st_size : 1);
	FUZZ_CHECK(bytes);
	n = fread(bytes, 1, (size_t)st.st_size, file);
	FUZZ_CHECK(n == (size_t)st.st_size);
	fclose(file);
	/* the last word where it does not come back */
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(bytes, n);
	free(bytes);
	replayed++;
}

static void
replay_folder(const char *folder)
{
	struct dirent **names;
	int n = scandir(folder, &names, NULL, alphasort);

	FUZZ_CHECK(n >= 0);
	for (int i = 0; i < n; i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
		if (names[i]->d_name[0] != '.')
			replay(path);
		free(names[i]);
	}
	free(names);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct stat st;

		FUZZ_CHECK(stat(argv[i], &st) == 0);
		if (S_ISDIR(st.st_mode))
			replay_folder(argv[i]);
		else
			replay(argv[i]);
	}
	printf("%u inputs\n", replayed);
	return replayed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
