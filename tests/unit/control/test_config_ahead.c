/* Files read ahead of who takes them: each in its turn, whatever is wrong with some, and wherever it ends. */
#include <poll.h>
#include <unistd.h>

#include "control/config_load.h"
#include "tests/unit/control/config_folder.h"

enum { FILES = 500, LARGE = 100 * 1000, MAX = 200 * 1000 };

static struct config_folder folder;
static char *paths[FILES];
static size_t lens[FILES]; /* SIZE_MAX: there is no such file */

static void setup(void)
{
	static char text[LARGE + 1];

	config_folder_make(&folder);
	for (unsigned i = 0; i < FILES; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%u.yaml", i);
		paths[i] = strdup(config_folder_path(&folder, name));
		lens[i] = i % 50 == 7 ? SIZE_MAX : i % 50 == 8 ? LARGE : i % 97;
		if (lens[i] == SIZE_MAX)
			continue;
		memset(text, 'a' + (int)(i % 26), lens[i]);
		text[lens[i]] = '\0';
		config_folder_write(&folder, name, 0600, text);
	}
}

static void teardown(void)
{
	for (unsigned i = 0; i < FILES; i++)
		free(paths[i]);
	config_folder_remove(&folder);
}

TestSuite(config_ahead, .init = setup, .fini = teardown);

/* A text of one word: small enough for a tape or not. */
static void check_tape(const struct sl_tape *tape, unsigned i)
{
	unsigned scalars = 0;

	cr_assert_eq(tape->n > 0, lens[i] <= SL_TAPE_TEXT_MAX, "file %u", i);
	for (uint32_t k = 0; k < tape->n; k++) {
		const struct sl_tape_event *event = &tape->events[k];

		if (event->type != YAML_SCALAR_EVENT)
			continue;
		scalars++;
		cr_assert_eq(event->len, lens[i], "file %u", i);
		for (size_t c = 0; c < lens[i]; c++)
			cr_assert_eq(tape->text[event->text + c], 'a' + (int)(i % 26));
	}
	cr_assert_eq(scalars, tape->n > 0 && lens[i] > 0, "file %u", i);
}

static void check_file(const struct sl_ahead_file *what, unsigned i)
{
	const struct sl_file *file = &what->file;

	if (file->problem) {
		cr_assert_eq(lens[i], SIZE_MAX, "file %u: %s", i, file->problem);
		cr_assert_str_eq(file->problem, "No such file or directory");
		return;
	}
	cr_assert_eq(file->st.st_size, (off_t)lens[i], "file %u", i);
	check_tape(&what->tape, i);
	if (what->tape.n > 0)
		return;
	cr_assert_eq(file->len, lens[i], "file %u", i);
	for (size_t k = 0; k < file->len; k++)
		cr_assert_eq(file->text[k], 'a' + (int)(i % 26));
	cr_assert_eq(file->text[file->len], '\0');
}

Test(config_ahead, each_in_its_turn)
{
	for (unsigned end = 0; end <= FILES; end += 50) {
		struct sl_ahead *a = sl_ahead_begin(paths, FILES, MAX);

		cr_assert_not_null(a);
		for (unsigned i = 0; i < end; i++)
			check_file(sl_ahead_take(a), i);
		sl_ahead_end(a);
	}
}

Test(config_ahead, not_for_a_few)
{
	cr_assert_null(sl_ahead_begin(paths, 3, MAX));
	sl_ahead_end(NULL);
}

/* A gateway's peers, with a file for each. */
Test(config_ahead, of_a_configuration)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	struct sl_config_errors errs;
	struct sl_config *config;
	char name[64], text[256];

	config_folder_write(&folder, "hub", 0600,
	        "version: 1\nports: {p: {device: net_null0}}\ninterfaces:\n"
	        "  wg0: {private-key: yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=, include-peers: [p/*.yaml]}\n");
	for (unsigned i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "p/%03u.yaml", i);
		snprintf(text, sizeof(text), "peers:\n  n%u: {public-key: %c%c%c25Cwq6tMZANIKUaqred+Zt+09HtCqwFeOLtKQ9Cs=}\n", i,
		        digits[i / 26], digits[i % 26], 'x');
		config_folder_write(&folder, name, 0600, text);
	}
	sl_config_errors_init(&errs);
	config = sl_config_load(config_folder_path(&folder, "hub"), &errs);
	sl_config_errors_print(&errs, stderr);
	cr_assert_not_null(config);
	cr_assert_eq(config->n_peers, FILES);
	for (unsigned i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		cr_assert_str_eq(config->interfaces[0].peers[i].name, name);
	}
	sl_config_free(config);
	sl_config_errors_free(&errs);
}

/* What others close while files are read is closed: a peer of a connection, say, that waits for its end. */
Test(config_ahead, holds_nothing_open)
{
	enum { PATIENCE_MSEC = 20 * 1000 };
	static char *many[4 * FILES];
	struct sl_ahead *a;
	int ends[2];

	for (unsigned i = 0; i < 4 * FILES; i++)
		many[i] = paths[0];
	cr_assert_eq(pipe(ends), 0);
	a = sl_ahead_begin(many, 4 * FILES, MAX);
	cr_assert_not_null(a);
	cr_assert_null(sl_ahead_take(a)->file.problem);
	close(ends[1]);
	cr_assert_eq(poll(&(struct pollfd){.fd = ends[0]}, 1, PATIENCE_MSEC), 1, "the end of the pipe is not told");
	sl_ahead_end(a);
	close(ends[0]);
}
