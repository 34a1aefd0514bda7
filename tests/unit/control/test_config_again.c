/* A load after a load: the same description and the same messages as a first one, with unchanged files left unread. */
#include <time.h>

#include "control/config_load.h"
#include "control/diff.h"
#include "tests/unit/control/config_folder.h"

#define KEY_A  "TDd25Cwq6tMZANIKUaqred+Zt+09HtCqwFeOLtKQ9Cs="
#define KEY_B  "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
#define KEY_C  "JIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw="
#define SECRET "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="

#define ROOT(refresh)                                                                                                  \
	"version: 1\nports: {p: {device: net_null0}}\ninterfaces:\n  wg0:\n    private-key: " SECRET                   \
	"\n    endpoint-refresh: " refresh "\n    peers: {root: {public-key: " KEY_C                                   \
	", allowed-ips: [10.0.0.3/32]}}\n    include-peers: [peers/*.yaml]\n"
#define ONE    "peers:\n  a: {public-key: " KEY_A ", allowed-ips: [10.0.0.1/32, fd00::/64], endpoint: 'a.example:7'}\n"
#define TWO    "peers:\n  b: {public-key: " KEY_B ", endpoint: '192.0.2.1:7', expires: 2040-01-01T00:00:00Z}\n"
#define OTHER  "peers:\n  %s: {public-key: " KEY_B ", allowed-ips: [%s], disabled: true}\n"

enum { LATER = 3600 };

static struct config_folder folder;
static int64_t now; /* ns, an hour ahead: what is written now is long settled then */

static void setup(void)
{
	now = ((int64_t)time(NULL) + LATER) * 1000000000;
	config_folder_make(&folder);
	config_folder_write(&folder, "hub.yaml", 0600, ROOT("60"));
	config_folder_write(&folder, "peers/1.yaml", 0644, ONE);
	config_folder_write(&folder, "peers/2.yaml", 0644, TWO);
}

static void teardown(void)
{
	config_folder_remove(&folder);
}

TestSuite(config_again, .init = setup, .fini = teardown);

/* What is said, and the description; both NULL-safe to compare. */
struct loaded {
	struct sl_config *config;
	char *said;
};

static struct loaded load(const struct sl_config *old, int64_t at)
{
	char path[sizeof(folder.file)];
	struct sl_config_errors errs;
	struct loaded l;
	size_t len;
	FILE *out = open_memstream(&l.said, &len);

	strcpy(path, config_folder_path(&folder, "hub.yaml"));
	sl_config_errors_init(&errs);
	l.config = sl_config_load_at(path, old, at, &errs);
	sl_config_errors_print(&errs, out);
	sl_config_errors_free(&errs);
	fclose(out);
	return l;
}

static void unload(struct loaded *l)
{
	sl_config_free(l->config);
	free(l->said);
}

static void check_places(const struct sl_config *a, const struct sl_config *b)
{
	for (uint32_t i = 0; i < a->n_interfaces; i++)
		for (uint32_t k = 0; k < a->interfaces[i].n_peers; k++) {
			const struct sl_place *x = &a->interfaces[i].peers[k].place, *y = &b->interfaces[i].peers[k].place;

			cr_assert_str_eq(a->files[x->file], b->files[y->file]);
			cr_assert_eq(x->line, y->line);
			cr_assert_eq(x->column, y->column);
		}
}

static void check_same(const struct sl_config *a, const struct sl_config *b)
{
	struct sl_steps *steps = sl_config_diff(a, b);

	cr_assert_eq(steps->n_steps, 0);
	cr_assert_eq(a->n_peers, b->n_peers);
	cr_assert_eq(a->n_files, b->n_files);
	check_places(a, b);
	sl_steps_free(steps);
}

struct change {
	const char *name;
	const char *file, *text; /* text NULL: the file goes */
	uint32_t taken;          /* peers, where it loads */
	bool refused;
};

static const struct change changes[] = {
        {"nothing", "peers/x", "", 2, false},
        {"another file, which moves those behind it", "peers/0.yaml",
                "peers:\n  c: {public-key: qFzmFZkHHDOsuBFGqIF+X/vXY8/oDcBnZDM1Sn/Rr0k=, allowed-ips: [10.9.0.1/32]}\n", 2,
                false},
        {"a file that is gone", "peers/1.yaml", NULL, 1, false},
        {"a file that is another", "peers/2.yaml", "peers:\n  bb: {public-key: " KEY_B "}\n", 1, false},
        {"the default of all peers", "hub.yaml", ROOT("120"), 0, false},
        {"a name twice", "peers/0.yaml", "peers:\n  b: {public-key: " KEY_A "}\n", 0, true},
        {"a key twice", "peers/3.yaml", "peers:\n  c: {public-key: " KEY_A "}\n", 0, true},
        {"a prefix twice", "peers/0.yaml",
                "peers:\n  c: {public-key: qFzmFZkHHDOsuBFGqIF+X/vXY8/oDcBnZDM1Sn/Rr0k=, allowed-ips: [fd00::1/64]}\n", 0,
                true},
        {"no YAML", "peers/3.yaml", "peers: [\n", 0, true},
        {"our own key among them", "hub.yaml",
                "version: 1\nports: {p: {device: net_null0}}\ninterfaces:\n  wg0:\n    private-key: " SECRET
                "\n    peers: {me: {public-key: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=}}\n    endpoint-refresh: 60\n"
                "    include-peers: [peers/*.yaml]\n",
                2, false},
};

Test(config_again, is_as_a_first_load)
{
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		const struct change *c = &changes[i];
		struct loaded first, again, fresh;

		teardown();
		setup();
		first = load(NULL, now);
		cr_assert_str_empty(first.said);
		if (c->text)
			config_folder_write(&folder, c->file, 0600, c->text);
		else
			cr_assert_eq(unlink(config_folder_path(&folder, c->file)), 0);
		again = load(first.config, now);
		fresh = load(NULL, now);
		cr_assert_str_eq(again.said, fresh.said, "%s", c->name);
		cr_assert_eq(again.config == NULL, c->refused, "%s: %s", c->name, again.said);
		cr_assert_eq(fresh.config == NULL, c->refused, "%s", c->name);
		if (!c->refused) {
			cr_assert_eq(fresh.config->n_taken, 0);
			cr_assert_eq(again.config->n_taken, c->taken, "%s: %u", c->name, again.config->n_taken);
			check_same(fresh.config, again.config);
		}
		unload(&first);
		unload(&again);
		unload(&fresh);
	}
}

/* And so after many of them, each from the one before, which is gone then. */
Test(config_again, one_after_another)
{
	struct loaded at = load(NULL, now), fresh;
	char text[512];

	for (unsigned i = 0; i < 50; i++) {
		struct loaded next;

		snprintf(text, sizeof(text), OTHER, i % 2 ? "peer" : "another", i % 3 ? "10.0.1.0/24" : "10.1.1.0/24, 10.7.0.0/16");
		config_folder_write(&folder, "peers/2.yaml", 0644, text);
		next = load(at.config, now);
		cr_assert_not_null(next.config, "%s", next.said);
		unload(&at);
		at = next;
		fresh = load(NULL, now);
		check_same(fresh.config, at.config);
		cr_assert_geq(at.config->n_taken, 1);
		unload(&fresh);
	}
	unload(&at);
}

/* A change within the same tick of the file's clock would not be seen. */
Test(config_again, what_has_just_been_written_is_read)
{
	struct loaded first = load(NULL, now - LATER * 1000000000LL), again = load(first.config, now);

	cr_assert_eq(again.config->n_taken, 0);
	unload(&first);
	first = again;
	again = load(first.config, now);
	cr_assert_eq(again.config->n_taken, 2);
	unload(&first);
	unload(&again);
}

Test(config_again, keys_that_stand_elsewhere_are_read)
{
	struct loaded first, again;

	config_folder_write(&folder, "peers/psk", 0600, SECRET "\n");
	config_folder_write(&folder, "peers/2.yaml", 0644, "peers:\n  b: {public-key: " KEY_B ", preshared-key-file: psk}\n");
	first = load(NULL, now);
	config_folder_write(&folder, "peers/psk", 0600, KEY_A "\n");
	again = load(first.config, now);
	cr_assert_eq(again.config->n_taken, 1);
	cr_assert_eq(again.config->interfaces[0].peers[2].preshared_key[0], 0x4c);
	unload(&first);
	unload(&again);
}
