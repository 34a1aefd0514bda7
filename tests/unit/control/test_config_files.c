/* What a configuration takes from files: key files and their modes, included peers, relative paths. */
#include <pthread.h>

#include "control/config.h"
#include "tests/unit/control/config_folder.h"

#define KEY_A  "TDd25Cwq6tMZANIKUaqred+Zt+09HtCqwFeOLtKQ9Cs="
#define KEY_B  "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
#define KEY_C  "JIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw="
#define SECRET "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="

struct file {
	const char *name;
	mode_t mode;
	const char *text;
};

struct files_case {
	const char *name;
	struct file files[6];
	uint32_t peers;   /* when it loads */
	const char *said; /* all of it, with the folder as "@"; "" when it loads in silence */
};

#define HEAD  "version: 1\nports: {p: {device: net_null0}}\ninterfaces:\n  wg0:\n"
#define KEYED HEAD "    private-key-file: wg0.key\n"
#define WG0_KEY                                                                                                        \
	{                                                                                                              \
		"wg0.key", 0600, SECRET "\n"                                                                           \
	}

static const struct files_case cases[] = {
        {"key file beside the file", {{"a.yaml", 0644, KEYED}, WG0_KEY}, 0, ""},
        {"key file without a line end", {{"a.yaml", 0644, KEYED}, {"wg0.key", 0400, SECRET}}, 0, ""},
        {"key file with white space", {{"a.yaml", 0644, KEYED}, {"wg0.key", 0600, " " SECRET " \r\n\n"}}, 0, ""},
        {"key file below", {{"a.yaml", 0644, HEAD "    private-key-file: k/wg0\n"}, {"k/wg0", 0600, SECRET}}, 0, ""},
        {"key file of the group", {{"a.yaml", 0644, KEYED}, {"wg0.key", 0640, SECRET}}, 0,
                "@/a.yaml:5:23: private-key-file: '@/wg0.key' can be read by group or others; run `chmod 600` on it\n"},
        {"key file of the world", {{"a.yaml", 0644, KEYED}, {"wg0.key", 0604, SECRET}}, 0,
                "@/a.yaml:5:23: private-key-file: '@/wg0.key' can be read by group or others; run `chmod 600` on it\n"},
        {"key file that others write", {{"a.yaml", 0644, KEYED}, {"wg0.key", 0622, SECRET}}, 0,
                "@/a.yaml:5:23: private-key-file: '@/wg0.key' can be written by group or others; run `chmod 600` on "
                "it\n"},
        {"key file empty", {{"a.yaml", 0644, KEYED}, {"wg0.key", 0600, ""}}, 0,
                "@/a.yaml:5:23: private-key-file: '@/wg0.key' holds not a WireGuard key; give the 44 characters of "
                "base64 that "
                "`sluice genkey`, `pubkey` or `genpsk` print\n"},
        {"key file with two keys", {{"a.yaml", 0644, KEYED}, {"wg0.key", 0600, SECRET "\n" SECRET "\n"}}, 0,
                "@/a.yaml:5:23: private-key-file: '@/wg0.key' holds not a WireGuard key; give the 44 characters of "
                "base64 that "
                "`sluice genkey`, `pubkey` or `genpsk` print\n"},
        {"key file is a folder", {{"a.yaml", 0644, KEYED}, {"wg0.key/x", 0600, ""}}, 0,
                "@/a.yaml:5:23: private-key-file: cannot read '@/wg0.key': Is a directory; make the key file or name "
                "another\n"},
        {"key file missing", {{"a.yaml", 0644, KEYED}}, 0,
                "@/a.yaml:5:23: private-key-file: cannot read '@/wg0.key': No such file or directory; make the key "
                "file or name "
                "another\n"},
        {"a key for a file", {{"a.yaml", 0600, HEAD "    private-key-file: " SECRET "\n"}}, 0,
                "@/a.yaml:5:23: private-key-file: a key where its file's name belongs; give it as private-key, or put "
                "it in a "
                "file\n"},
        {"a key in a path", {{"a.yaml", 0600, HEAD "    private-key-file: k/" SECRET "\n"}}, 0,
                "@/a.yaml:5:23: private-key-file: cannot read '@/k/*******************************************=': No "
                "such file or "
                "directory; make the key file or name another\n"},
        {"secret in a private file", {{"a.yaml", 0600, HEAD "    private-key: " SECRET "\n"}}, 0, ""},
        {"secret in a readable file", {{"a.yaml", 0644, HEAD "    private-key: " SECRET "\n"}}, 0,
                "@/a.yaml: holds a key and can be read by group or others; run `chmod 600` on it\n"},
        {"psk in a readable file",
                {{"a.yaml", 0640, KEYED "    peers: {a: {public-key: " KEY_A ", preshared-key: " KEY_B "}}\n"},
                        WG0_KEY},
                0, "@/a.yaml: holds a key and can be read by group or others; run `chmod 600` on it\n"},
        {"psk file",
                {{"a.yaml", 0644, KEYED "    peers: {a: {public-key: " KEY_A ", preshared-key-file: psk/a}}\n"},
                        WG0_KEY, {"psk/a", 0600, KEY_B}},
                1, ""},
        {"included peers, by pattern and by name",
                {{"a.yaml", 0644,
                         KEYED "    peers: {a: {public-key: " KEY_A "}}\n    include-peers: [p.d/*.yaml, more.yaml]\n"},
                        WG0_KEY, {"p.d/1.yaml", 0644, "peers: {b: {public-key: " KEY_B "}}\n"},
                        {"p.d/2.txt", 0644, "not read"}, {"more.yaml", 0644, "peers:\n  c: {public-key: " KEY_C "}\n"}},
                3, ""},
        {"paths in an included file start there",
                {{"a.yaml", 0644, KEYED "    include-peers: p.d/*.yaml\n"}, WG0_KEY,
                        {"p.d/1.yaml", 0644, "peers: {b: {public-key: " KEY_B ", preshared-key-file: k/b}}\n"},
                        {"p.d/k/b", 0600, SECRET}},
                1, ""},
        {"a pattern that matches nothing", {{"a.yaml", 0644, KEYED "    include-peers: [p.d/*.yaml]\n"}, WG0_KEY}, 0,
                ""},
        {"a name that is not there", {{"a.yaml", 0644, KEYED "    include-peers: [p.yaml]\n"}, WG0_KEY}, 0,
                "@/a.yaml:6:21: cannot read '@/p.yaml': No such file or directory; mend the path or the file\n"},
        {"an included file without peers",
                {{"a.yaml", 0644, KEYED "    include-peers: [p]\n"}, WG0_KEY, {"p", 0644, "peers:\n"}}, 0, ""},
        {"an included file with other keys",
                {{"a.yaml", 0644, KEYED "    include-peers: [p]\n"}, WG0_KEY, {"p", 0644, "version: 1\npeers: {}\n"}},
                0, "@/p:1:1: unknown key 'version'; did you mean 'peers'?\n"},
        {"an included secret",
                {{"a.yaml", 0600, KEYED "    include-peers: [p]\n"}, WG0_KEY,
                        {"p", 0644, "peers: {b: {public-key: " KEY_B ", preshared-key: " SECRET "}}\n"}},
                0, "@/p: holds a key and can be read by group or others; run `chmod 600` on it\n"},
        {"a file includes itself", {{"a.yaml", 0644, KEYED "    include-peers: [\"*.yaml\"]\n"}, WG0_KEY}, 0,
                "@/a.yaml:6:21: '@/a.yaml' is read already, as '@/a.yaml'; include a file once\n"},
        {"a peer in two files",
                {{"a.yaml", 0644, KEYED "    include-peers: [p1, p2]\n"}, WG0_KEY,
                        {"p1", 0644, "peers: {b: {public-key: " KEY_B "}}\n"},
                        {"p2", 0644, "peers: {b: {public-key: " KEY_C "}}\n"}},
                0, "@/p2:1:9: peer 'b' is given twice, first at @/p1:1:9; rename one or take it out\n"},
        {"a key in two files",
                {{"a.yaml", 0644, KEYED "    include-peers: [p1, p2]\n"}, WG0_KEY,
                        {"p1", 0644, "peers: {b: {public-key: " KEY_B "}}\n"},
                        {"p2", 0644, "peers: {c: {public-key: " KEY_B "}}\n"}},
                0, "@/p2:1:25: public-key: a peer has this key already, at @/p1:1:25; give each peer its own\n"},
        {"a prefix in two files",
                {{"a.yaml", 0644, KEYED "    include-peers: [p1, p2]\n"}, WG0_KEY,
                        {"p1", 0644, "peers: {b: {allowed-ips: [10.0.0.0/8], public-key: " KEY_B "}}\n"},
                        {"p2", 0644, "peers: {c: {allowed-ips: [10.0.0.0/8], public-key: " KEY_C "}}\n"}},
                0, "@/p2:1:27: allowed-ips: '10.0.0.0/8' belongs to peer 'b' at @/p1:1:27; give it to one of them\n"},
        {"wrong text in an included file",
                {{"a.yaml", 0644, KEYED "    include-peers: [p]\n    mut: 1\n"}, WG0_KEY, {"p", 0644, "peers: {b\n"}},
                0,
                "@/a.yaml:7:5: unknown key 'mut'; did you mean 'mtu'?\n"
                "@/p:1:9: peer 'b' has no public-key; add the one that its `wg pubkey` prints\n"
                "@/p:2:1: not YAML: did not find expected ',' or '}', while parsing a flow mapping that starts at line "
                "1; check "
                "indentation, brackets and quotes\n"},
};

/* "@" for the folder, so that the table need not know it. */
static void shorten(char *text, const char *folder)
{
	size_t len = strlen(folder);

	for (char *at = strstr(text, folder); at; at = strstr(at, folder)) {
		*at = '@';
		memmove(at + 1, at + len, strlen(at + len) + 1);
	}
}

static void check_files(const struct files_case *c)
{
	bool ok = c->peers > 0 || *c->said == 0;
	struct sl_config_errors errs;
	struct config_folder folder;
	struct sl_config *config;
	char *said = NULL;
	size_t len;
	FILE *out;

	config_folder_make(&folder);
	for (const struct file *file = c->files; file->name; file++)
		config_folder_write(&folder, file->name, file->mode, file->text);
	sl_config_errors_init(&errs);
	config = sl_config_load(config_folder_path(&folder, "a.yaml"), &errs);
	out = open_memstream(&said, &len);
	sl_config_errors_print(&errs, out);
	fclose(out);
	shorten(said, folder.path);
	cr_expect_eq(config != NULL, ok, "%s: %s", c->name, said);
	cr_expect_str_eq(said, ok ? "" : c->said, "%s: said\n%sfor\n%s", c->name, said, c->said);
	if (config)
		cr_expect_eq(config->n_peers, c->peers, "%s: %u peers", c->name, config->n_peers);
	sl_config_free(config);
	sl_config_errors_free(&errs);
	config_folder_remove(&folder);
	free(said);
}

Test(config_files, table)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_files(&cases[i]);
}

/* Characters of patterns in the folder's own name stand for themselves. */
Test(config_files, folder_named_like_a_pattern)
{
	struct sl_config_errors errs;
	struct config_folder folder;
	struct sl_config *config;

	config_folder_make(&folder);
	config_folder_write(&folder, "odd[1]*/a.yaml", 0644, KEYED "    include-peers: [p.d/*]\n");
	config_folder_write(&folder, "odd[1]*/wg0.key", 0600, SECRET);
	config_folder_write(&folder, "odd[1]*/p.d/1", 0644, "peers: {b: {public-key: " KEY_B "}}\n");
	sl_config_errors_init(&errs);
	config = sl_config_load(config_folder_path(&folder, "odd[1]*/a.yaml"), &errs);
	cr_assert(config, "%s", errs.n_messages ? errs.messages[0].text : "");
	cr_expect_eq(config->n_peers, 1);
	sl_config_free(config);
	config_folder_remove(&folder);
}

Test(config_files, missing_file)
{
	struct sl_config_errors errs;

	sl_config_errors_init(&errs);
	cr_expect_null(sl_config_load("/nonexistent/a.yaml", &errs));
	cr_assert_eq(errs.n_messages, 1);
	cr_expect_str_eq(errs.messages[0].text,
	        "/nonexistent/a.yaml: cannot be read: No such file or directory; mend the path or the file");
	sl_config_errors_free(&errs);
}

/* --- pipes --- */

#define PIPED (4 << 16) /* bytes: more than a pipe holds, so that each side waits for the other */

/* A gateway's file with a FIFO "p" as its included file. */
static struct sl_config *load_piped(struct config_folder *folder, struct sl_config_errors *errs)
{
	config_folder_write(folder, "a.yaml", 0644, KEYED "    include-peers: [p]\n");
	config_folder_write(folder, "wg0.key", 0600, SECRET);
	sl_config_errors_init(errs);
	return sl_config_load(config_folder_path(folder, "a.yaml"), errs);
}

Test(config_files, fifo_that_nobody_writes_to, .timeout = 60)
{
	struct sl_config_errors errs;
	struct config_folder folder;

	config_folder_make(&folder);
	cr_assert_eq(mkfifo(config_folder_path(&folder, "p"), 0600), 0);
	cr_expect_null(load_piped(&folder, &errs));
	cr_assert_eq(errs.n_messages, 1);
	shorten(errs.messages[0].text, folder.path);
	cr_expect_str_eq(errs.messages[0].text,
	        "@/a.yaml:6:21: cannot read '@/p': it is a FIFO that nobody writes to; mend the path or the file");
	sl_config_errors_free(&errs);
	config_folder_remove(&folder);
}

static void *write_piped(void *arg)
{
	FILE *out = fopen(arg, "w"); /* waits for the reader */

	for (unsigned i = 0; i < PIPED / 2; i++)
		fputs("#\n", out);
	fputs("peers: {b: {public-key: " KEY_B "}}\n", out);
	fclose(out);
	return NULL;
}

Test(config_files, fifo_is_read_to_its_end, .timeout = 60)
{
	struct sl_config_errors errs;
	struct config_folder folder;
	struct sl_config *config;
	pthread_t writer;
	char path[128];

	config_folder_make(&folder);
	strcpy(path, config_folder_path(&folder, "p"));
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_assert_eq(pthread_create(&writer, NULL, write_piped, path), 0);
	config = load_piped(&folder, &errs);
	cr_assert(config, "%s", errs.n_messages ? errs.messages[0].text : "");
	cr_expect_eq(config->n_peers, 1);
	pthread_join(writer, NULL);
	sl_config_free(config);
	config_folder_remove(&folder);
}

/* As of process substitution, whose writer has ended already. */
Test(config_files, pipe_of_a_shell)
{
	static const char text[] = HEAD "    peers: {}\n";
	struct sl_config_errors errs;
	struct sl_config *config;
	char path[32];
	int fds[2];

	cr_assert_eq(pipe(fds), 0);
	cr_assert_eq(write(fds[1], text, sizeof(text) - 1), (ssize_t)sizeof(text) - 1);
	close(fds[1]);
	snprintf(path, sizeof(path), "/dev/fd/%d", fds[0]);
	sl_config_errors_init(&errs);
	config = sl_config_load(path, &errs);
	cr_assert(config, "%s", errs.n_messages ? errs.messages[0].text : "");
	cr_expect_eq(config->n_interfaces, 1);
	sl_config_free(config);
	close(fds[0]);
}
