/* What `wg` changed, noted and brought into the difference to a new file. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/diff.h"
#include "crypto/base64.h"

#define KEY_A  "TDd25Cwq6tMZANIKUaqred+Zt+09HtCqwFeOLtKQ9Cs="
#define KEY_B  "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
#define KEY_C  "JIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw="
#define SECRET "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
#define OTHER  "uAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="

static uint8_t a[SL_KEY_LEN], b[SL_KEY_LEN], c[SL_KEY_LEN];

static void setup(void)
{
	cr_assert(sl_key_from_base64(a, KEY_A, strlen(KEY_A)));
	cr_assert(sl_key_from_base64(b, KEY_B, strlen(KEY_B)));
	cr_assert(sl_key_from_base64(c, KEY_C, strlen(KEY_C)));
}

Test(runtime, notes_what_differs_from_the_file, .init = setup)
{
	struct sl_runtime *rt = sl_runtime_create();

	sl_runtime_changed(rt, "wg0", a, SL_RUNTIME_ENDPOINT);
	sl_runtime_changed(rt, "wg0", a, SL_RUNTIME_KEEPALIVE);
	cr_expect_eq(sl_runtime_bits(rt, "wg0", a), SL_RUNTIME_ENDPOINT | SL_RUNTIME_KEEPALIVE);
	cr_expect_eq(sl_runtime_bits(rt, "wg1", a), 0);
	cr_expect_eq(sl_runtime_bits(rt, "wg0", NULL), 0);

	sl_runtime_removed(rt, "wg0", a);
	cr_expect_eq(sl_runtime_bits(rt, "wg0", a), SL_RUNTIME_REMOVED);
	sl_runtime_added(rt, "wg0", a);
	cr_expect_eq(sl_runtime_bits(rt, "wg0", a), SL_RUNTIME_PEER_ALL, "it is back, with nothing of the file's");

	sl_runtime_added(rt, "wg0", b);
	sl_runtime_changed(rt, "wg0", b, SL_RUNTIME_ENDPOINT);
	cr_expect_eq(sl_runtime_bits(rt, "wg0", b), SL_RUNTIME_ADDED);
	cr_expect_eq(sl_runtime_count(rt), 2);
	sl_runtime_removed(rt, "wg0", b);
	cr_expect_eq(sl_runtime_count(rt), 1, "added and removed leaves nothing");
	sl_runtime_destroy(rt);
}

Test(runtime, memory_does_not_grow_with_peers_that_come_and_go, .init = setup)
{
	struct sl_runtime *rt = sl_runtime_create();

	for (unsigned i = 0; i < 10000; i++) {
		memcpy(b, &i, sizeof(i));
		sl_runtime_added(rt, "wg0", b);
		sl_runtime_changed(rt, "wg0", b, SL_RUNTIME_PEER_ALL);
		sl_runtime_removed(rt, "wg0", b);
	}
	cr_expect_eq(sl_runtime_count(rt), 0);
	sl_runtime_destroy(rt);
}

/* All at once. */
static struct sl_runtime_snapshot snapshot(struct sl_runtime *rt)
{
	struct sl_runtime_snapshot s;

	sl_runtime_snapshot_begin(&s, rt);
	cr_assert(sl_runtime_snapshot_take(&s, UINT32_MAX));
	sl_runtime_snapshot_end(&s);
	cr_assert_not(s.failed);
	return s;
}

static void numbered(struct sl_runtime *rt, const char *interface, unsigned n)
{
	uint8_t key[SL_KEY_LEN] = {1};

	memcpy(key + 4, &n, sizeof(n));
	sl_runtime_changed(rt, interface, key, SL_RUNTIME_ENDPOINT);
}

/* Entries come and go between two slices: those that stay are in it once. */
Test(runtime, a_snapshot_is_taken_in_slices)
{
	struct sl_runtime *rt = sl_runtime_create();
	struct sl_runtime_snapshot s;
	uint8_t key[SL_KEY_LEN] = {1};
	struct sl_runtime_entry gone = {.interface = "wg0", .bits = SL_RUNTIME_ENDPOINT};

	for (unsigned i = 0; i < 1000; i++)
		numbered(rt, "wg0", i);
	free(snapshot(rt).entries); /* what is settled below has been seen */
	sl_runtime_snapshot_begin(&s, rt);
	for (unsigned i = 0; i < 9; i++) {
		cr_assert_not(sl_runtime_snapshot_take(&s, 100));
		cr_expect_eq(s.n, 100 * (i + 1));
		/* the next that would be taken, and one that was */
		for (unsigned k = 0; k < 2; k++) {
			unsigned n = k ? 100 * i : 100 * (i + 1) + i;

			memcpy(key + 4, &n, sizeof(n));
			memcpy(gone.public_key, key, sizeof(key));
			sl_runtime_settle(rt, &gone, 1);
		}
	}
	numbered(rt, "wg0", 5000);
	cr_expect(sl_runtime_snapshot_take(&s, 1000));
	sl_runtime_snapshot_end(&s);
	cr_expect_eq(s.n, 1000 - 9 + 1, "%u", s.n);
	for (uint32_t i = 1, before = 0, number; i < s.n; i++, before = number) {
		memcpy(&number, s.entries[i].public_key + 4, sizeof(number));
		cr_assert_gt(number, before, "%u after %u", number, before);
	}
	free(s.entries);
	sl_runtime_destroy(rt);
}

Test(runtime, an_interface_is_forgotten_in_slices)
{
	struct sl_runtime *rt = sl_runtime_create();
	unsigned calls = 1;

	for (unsigned i = 0; i < 1000; i++)
		numbered(rt, i % 2 ? "wg0" : "wg1", i);
	while (!sl_runtime_forget_interface(rt, "wg1", 100)) {
		calls++;
		numbered(rt, "wg0", 2000 + calls);
	}
	cr_expect_geq(calls, 10);
	cr_expect_eq(sl_runtime_count(rt), 500 + calls - 1);
	sl_runtime_destroy(rt);
}

Test(runtime, a_snapshot_settles_only_what_it_saw, .init = setup)
{
	struct sl_runtime *rt = sl_runtime_create();
	struct sl_runtime_snapshot seen;

	seen = snapshot(rt);
	cr_expect_null(seen.entries);
	cr_expect_eq(seen.n, 0);
	sl_runtime_changed(rt, "wg0", a, SL_RUNTIME_ENDPOINT);
	sl_runtime_changed(rt, "wg0", b, SL_RUNTIME_ENDPOINT);
	sl_runtime_changed(rt, "wg0", NULL, SL_RUNTIME_PRIVATE_KEY);
	seen = snapshot(rt);
	cr_assert_eq(seen.n, 3);
	sl_runtime_changed(rt, "wg0", a, SL_RUNTIME_KEEPALIVE);
	sl_runtime_changed(rt, "wg1", c, SL_RUNTIME_KEEPALIVE);
	sl_runtime_settle(rt, seen.entries, seen.n);
	cr_expect_eq(sl_runtime_bits(rt, "wg0", a), SL_RUNTIME_KEEPALIVE);
	cr_expect_eq(sl_runtime_bits(rt, "wg0", b), 0);
	cr_expect_eq(sl_runtime_bits(rt, "wg0", NULL), 0);
	cr_expect_eq(sl_runtime_bits(rt, "wg1", c), SL_RUNTIME_KEEPALIVE);
	free(seen.entries);
	cr_expect(sl_runtime_forget_interface(rt, "wg1", 100));
	cr_expect_eq(sl_runtime_count(rt), 1);
	sl_runtime_destroy(rt);
}

/* Whoever sets the same once more while a reload is under way has the last word. */
Test(runtime, what_is_noted_again_after_the_snapshot_stays, .init = setup)
{
	struct sl_runtime *rt = sl_runtime_create();
	struct sl_runtime_snapshot seen;

	sl_runtime_changed(rt, "wg0", a, SL_RUNTIME_ENDPOINT | SL_RUNTIME_KEEPALIVE);
	sl_runtime_removed(rt, "wg0", b);
	sl_runtime_added(rt, "wg0", c);
	seen = snapshot(rt);
	sl_runtime_changed(rt, "wg0", a, SL_RUNTIME_KEEPALIVE);
	sl_runtime_added(rt, "wg0", b);
	sl_runtime_removed(rt, "wg0", b);
	sl_runtime_removed(rt, "wg0", c);
	sl_runtime_added(rt, "wg0", c);
	sl_runtime_settle(rt, seen.entries, seen.n);
	free(seen.entries);
	cr_expect_eq(sl_runtime_bits(rt, "wg0", a), SL_RUNTIME_KEEPALIVE);
	cr_expect_eq(sl_runtime_bits(rt, "wg0", b), SL_RUNTIME_REMOVED);
	cr_expect_eq(sl_runtime_bits(rt, "wg0", c), SL_RUNTIME_ADDED);
	seen = snapshot(rt);
	sl_runtime_settle(rt, seen.entries, seen.n);
	free(seen.entries);
	cr_expect_eq(sl_runtime_count(rt), 0, "the next one has seen them");
	sl_runtime_destroy(rt);
}

/* --- in the difference --- */

#define FILE_OF(key, port, peers)                                                                                      \
	"version: 1\nports: {p: {device: net_null0}}\ninterfaces:\n  wg0: {private-key: " key ", listen-port: " port     \
	", peers: {" peers "}}\n"
#define PEER_A(more) "a: {public-key: " KEY_A ", allowed-ips: [10.0.0.1/32" more "}"
#define PEER_B       "b: {public-key: " KEY_B ", allowed-ips: [10.0.0.2/32]}"

struct runtime_case {
	const char *name;
	const char *old_text, *new_text;
	struct {
		const uint8_t *key; /* NULL: the interface; noted where bits is not 0 */
		uint32_t bits;
	} noted[3];
	const char *undone, *kept;
};

static const struct runtime_case cases[] = {
        {"nothing was changed", FILE_OF(SECRET, "1", PEER_A("]")), FILE_OF(SECRET, "1", PEER_A("]")), {{NULL, 0}}, "",
                ""},
        {"a peer's settings", FILE_OF(SECRET, "1", PEER_A("]")), FILE_OF(SECRET, "1", PEER_A("]")),
                {{a, SL_RUNTIME_ENDPOINT | SL_RUNTIME_ALLOWED_IPS}},
                "~ peer wg0/a: endpoint, allowed-ips (set with wg)\n",
                "= peer wg0/" KEY_A ": endpoint, allowed-ips (set with wg, kept)\n"},
        {"a peer removed", FILE_OF(SECRET, "1", PEER_A("]")), FILE_OF(SECRET, "1", PEER_A("]")),
                {{a, SL_RUNTIME_REMOVED}}, "+ peer wg0/a (removed with wg)\n",
                "= peer wg0/" KEY_A " (removed with wg, kept)\n"},
        {"a peer added", FILE_OF(SECRET, "1", PEER_A("]")), FILE_OF(SECRET, "1", PEER_A("]")),
                {{c, SL_RUNTIME_ADDED}}, "- peer wg0/" KEY_C " (added with wg)\n",
                "= peer wg0/" KEY_C " (added with wg, kept)\n"},
        {"a peer added, then in the file", FILE_OF(SECRET, "1", ""), FILE_OF(SECRET, "1", PEER_A("]")),
                {{a, SL_RUNTIME_ADDED}}, "+ peer wg0/a\n~ peer wg0/a: allowed-ips (set with wg)\n",
                "= peer wg0/" KEY_A " (added with wg, kept)\n"},
        {"the interface", FILE_OF(SECRET, "1", ""), FILE_OF(SECRET, "1", ""),
                {{NULL, SL_RUNTIME_PRIVATE_KEY | SL_RUNTIME_LISTEN_PORT}},
                "~ listen-port wg0 1 (set with wg)\n~ interface wg0: private-key (set with wg)\n",
                "= interface wg0: private-key, listen-port (set with wg, kept)\n"},
        {"the file changes the same", FILE_OF(SECRET, "1", PEER_A("]") ", " PEER_B),
                FILE_OF(OTHER, "2", PEER_A(", 10.0.0.9/32], persistent-keepalive: 5, endpoint: 192.0.2.1:1") ", " PEER_B),
                {{a, SL_RUNTIME_ENDPOINT | SL_RUNTIME_ALLOWED_IPS},
                        {NULL, SL_RUNTIME_PRIVATE_KEY | SL_RUNTIME_LISTEN_PORT}},
                "- listen-port wg0 1\n"
                "~ interface wg0: private-key\n"
                "+ listen-port wg0 2\n"
                "~ peer wg0/a: endpoint, persistent-keepalive\n"
                "+ allowed-ip wg0/a 10.0.0.9/32\n"
                "~ listen-port wg0 2 (set with wg)\n"
                "~ peer wg0/a: endpoint, allowed-ips (set with wg)\n"
                "~ interface wg0: private-key (set with wg)\n",
                "~ peer wg0/a: persistent-keepalive\n"
                "= peer wg0/" KEY_A ": endpoint, allowed-ips (set with wg, kept)\n"
                "= interface wg0: private-key, listen-port (set with wg, kept)\n"},
        {"the file takes the peer away", FILE_OF(SECRET, "1", PEER_A("]")), FILE_OF(SECRET, "1", ""),
                {{a, SL_RUNTIME_ENDPOINT}}, "- peer wg0/a\n",
                "- peer wg0/a\n= peer wg0/" KEY_A ": endpoint (set with wg, kept)\n"},
        {"the interface goes", FILE_OF(SECRET, "1", PEER_A("]")), "version: 1\nports: {p: {device: net_null0}}\n",
                {{a, SL_RUNTIME_ENDPOINT}}, "- interface wg0\n", "- interface wg0\n"},
        {"a disabled peer is not there", FILE_OF(SECRET, "1", PEER_A("]") ", " PEER_B),
                FILE_OF(SECRET, "1", PEER_A("], disabled: true") ", " PEER_B), {{NULL, 0}}, "- peer wg0/a\n",
                "- peer wg0/a\n"},
        {"and comes back", FILE_OF(SECRET, "1", PEER_A("], disabled: true") ", " PEER_B),
                FILE_OF(SECRET, "1", PEER_A("]") ", " PEER_B), {{NULL, 0}}, "+ peer wg0/a\n", "+ peer wg0/a\n"},
        {"its address may go to another", FILE_OF(SECRET, "1", PEER_A("]") ", " PEER_B),
                FILE_OF(SECRET, "1", "a: {public-key: " KEY_A ", disabled: true}, b: {public-key: " KEY_B
                                     ", allowed-ips: [10.0.0.2/32, 10.0.0.1/32]}"),
                {{NULL, 0}}, "+ allowed-ip wg0/b 10.0.0.1/32\n- peer wg0/a\n",
                "+ allowed-ip wg0/b 10.0.0.1/32\n- peer wg0/a\n"},
};

static struct sl_config *load(const char *text)
{
	struct sl_config_errors errs;
	struct sl_config *config;

	sl_config_errors_init(&errs);
	config = sl_config_load_text("t.yaml", text, strlen(text), &errs);
	sl_config_errors_print(&errs, stderr);
	cr_assert_not_null(config);
	sl_config_errors_free(&errs);
	return config;
}

static void expect_difference(const struct runtime_case *t, bool keep)
{
	struct sl_config *from = load(t->old_text), *to = load(t->new_text);
	struct sl_steps *steps = sl_config_diff(from, to);
	struct sl_runtime *rt = sl_runtime_create();
	struct sl_runtime_snapshot seen;
	char *said = NULL;
	size_t len;
	FILE *out = open_memstream(&said, &len);

	for (size_t i = 0; i < 3 && t->noted[i].bits; i++) {
		if (t->noted[i].bits == SL_RUNTIME_ADDED)
			sl_runtime_added(rt, "wg0", t->noted[i].key);
		else if (t->noted[i].bits == SL_RUNTIME_REMOVED)
			sl_runtime_removed(rt, "wg0", t->noted[i].key);
		else
			sl_runtime_changed(rt, "wg0", t->noted[i].key, t->noted[i].bits);
	}
	seen = snapshot(rt);
	sl_diff_runtime(steps, seen.entries, seen.n, keep);
	for (uint32_t i = 0; i < steps->n_steps; i++)
		if (sl_step_is_told(&steps->steps[i]))
			sl_step_print(steps, &steps->steps[i], out);
	fclose(out);
	/* the entries of one interface come in the order of their keys, the interface's own first: compare as sets of lines */
	cr_expect_eq(strlen(said), strlen(keep ? t->kept : t->undone), "%s:\n%s", t->name, said);
	for (char *line = strtok(said, "\n"); line; line = strtok(NULL, "\n"))
		cr_expect_not_null(strstr(keep ? t->kept : t->undone, line), "%s: %s", t->name, line);
	free(said);
	sl_steps_free(steps);
	free(seen.entries);
	sl_runtime_destroy(rt);
	sl_config_free(from);
	sl_config_free(to);
}

Test(runtime, the_file_has_its_way, .init = setup)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_difference(&cases[i], false);
}

Test(runtime, or_what_was_changed_is_kept, .init = setup)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_difference(&cases[i], true);
}
