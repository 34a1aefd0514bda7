/* The examples of conf/ are what users copy: each must pass the check, once the key files it names are there. */
#include <glob.h>

#include "control/config.h"
#include "tests/unit/control/config_folder.h"

static const char key[] = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n";

static void read_whole(const char *path, char *text, size_t size)
{
	FILE *in = fopen(path, "r");
	size_t len;

	cr_assert(in, "%s", path);
	len = fread(text, 1, size - 1, in);
	cr_assert(len > 0 && len < size - 1, "%s", path);
	text[len] = 0;
	fclose(in);
}

/* Writes a key into each file that a `…-key-file: NAME` of the text names. */
static void make_keys(struct config_folder *folder, const char *text)
{
	static const char mark[] = "-key-file: ";
	char name[128];

	for (const char *at = strstr(text, mark); at; at = strstr(at + 1, mark))
		if (sscanf(at + sizeof(mark) - 1, "%127s", name) == 1)
			config_folder_write(folder, name, 0600, key);
}

static void check_example(const char *path, uint32_t ports, uint32_t interfaces, uint32_t peers, uint32_t routes)
{
	struct sl_config_errors errs;
	struct config_folder folder;
	struct sl_config *config;
	char text[8192];

	read_whole(path, text, sizeof(text));
	config_folder_make(&folder);
	make_keys(&folder, text);
	config_folder_write(&folder, "example.yaml", 0644, text);
	sl_config_errors_init(&errs);
	config = sl_config_load(config_folder_path(&folder, "example.yaml"), &errs);
	cr_assert(config, "%s: %s", path, errs.n_messages ? errs.messages[0].text : "refused without a word");
	cr_expect_eq(errs.n_warnings, 0, "%s: %s", path, errs.n_messages ? errs.messages[0].text : "");
	cr_expect_eq(config->n_ports, ports, "%s", path);
	cr_expect_eq(config->n_interfaces, interfaces, "%s", path);
	cr_expect_eq(config->n_peers, peers, "%s", path);
	cr_expect_eq(config->n_routes, routes, "%s", path);
	sl_config_free(config);
	sl_config_errors_free(&errs);
	config_folder_remove(&folder);
}

static const struct {
	const char *name;
	uint32_t ports, interfaces, peers, routes;
} examples[] = {
        {"hub.yaml", 2, 1, 3, 1},
        {"one-armed.yaml", 1, 1, 1, 0},
        {"site-a.yaml", 2, 1, 1, 0},
        {"site-b.yaml", 2, 1, 1, 0},
        {"spoke.yaml", 2, 1, 1, 0},
};

/* The table names every file there is. */
Test(config_examples, each_loads)
{
	glob_t found = {0};

	cr_assert_eq(glob(SL_CONF_DIR "/*.yaml", 0, NULL, &found), 0);
	cr_assert_eq(found.gl_pathc, sizeof(examples) / sizeof(examples[0]));
	for (size_t i = 0; i < found.gl_pathc; i++) {
		cr_assert_str_eq(strrchr(found.gl_pathv[i], '/') + 1, examples[i].name);
		check_example(found.gl_pathv[i], examples[i].ports, examples[i].interfaces, examples[i].peers,
		        examples[i].routes);
	}
	globfree(&found);
}
