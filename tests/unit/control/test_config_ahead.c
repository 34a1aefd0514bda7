/* Files read ahead of who takes them: each in its turn, whatever is wrong with some, and wherever it ends. */
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

static void take_and_check(struct sl_ahead *a, unsigned i)
{
	const char *problem = NULL;
	struct stat st;
	size_t len;
	char *text;

	if (!sl_ahead_take(a, &text, &len, &st, &problem)) {
		cr_assert_eq(lens[i], SIZE_MAX, "file %u: %s", i, problem);
		cr_assert_str_eq(problem, "No such file or directory");
		return;
	}
	cr_assert_eq(len, lens[i], "file %u", i);
	cr_assert_eq(st.st_size, (off_t)len);
	for (size_t k = 0; k < len; k++)
		cr_assert_eq(text[k], 'a' + (int)(i % 26));
	cr_assert_eq(text[len], '\0');
	sl_file_free(text, len);
}

Test(config_ahead, each_in_its_turn)
{
	for (unsigned end = 0; end <= FILES; end += 50) {
		struct sl_ahead *a = sl_ahead_begin(paths, FILES, MAX);

		cr_assert_not_null(a);
		for (unsigned i = 0; i < end; i++)
			take_and_check(a, i);
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
