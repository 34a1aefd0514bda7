/*
 * Reloads at random under traffic, one step of the control loop at a time. Between any two steps packets go both ways with
 * every peer, and must come out where the configuration before or the one after says: whom a change does not concern loses
 * nothing, an allowed IP that moves is the old peer's or the new one's and nobody else's. The state is in the end that of a
 * gateway which was started with the last files, and what was taken is given back.
 *
 * SL_RELOADS says how many, SL_RELOAD_SEED from which seed.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <malloc.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/mount.h>

#include "control/log.h"
#include "control/reload.h"
#include "crypto/base64.h"
#include "crypto/wipe.h"
#include "reload_bed.h"

#define RELOADS       1000
#define WARMING       2 /* half of them */
#define SEED          1
#define START_NS      (1000 * SL_NSEC_PER_SEC)
#define COMPARE_EVERY 60
#define RENEW_NS      (100 * SL_NSEC_PER_SEC)
#define STILL_NS      (3 * SL_NSEC_PER_SEC)
#define WAIT_MS       60000
#define HEAP_SLACK    (20 << 10) /* bytes: arrays that keep their largest size */
#define TABLE_SLACK   1024       /* bytes: a node of a size that is not given back */

/* --- handshakes --- */

static void
public_of(uint32_t version, uint8_t public_key[SL_KEY_LEN])
{
	struct sl_noise_identity identity;
	uint8_t key[SL_KEY_LEN];

	world_hub_key(version, key);
	cr_assert(sl_noise_identity_init(&identity, key));
	memcpy(public_key, identity.public_key, SL_KEY_LEN);
}

/* Peers that are there and have no session, or an old one, make one; some of them with the key of before. */
static void
connect_all(bool renew)
{
	uint8_t key[SL_KEY_LEN], psk[SL_KEY_LEN];

	for (uint32_t i = 0; i < WORLD_PEERS; i++) {
		const struct world_if *ifp = &t.running.ifs[t.running.peers[i].interface];
		struct remote *r = &t.remotes[i];

		if (!world_there(&t.running, i))
			continue;
		if (r->session && !renew && bed_knows_key(&t.running, i) && t.hub->gw.now - r->created < RENEW_NS)
			continue;
		t.key[i] = ifp->previous && world_below(&t.random, 3) == 0 ? ifp->previous : ifp->key;
		public_of(t.key[i], key);
		world_psk(t.running.peers[i].psk, psk);
		cr_assert(remote_connect(t.remotes, WORLD_PEERS, r, t.hub,
				  world_listen(&t.running, t.running.peers[i].interface), key, psk),
			"reload %u: peer %u gets no session", t.reload, i);
	}
}

/* Whom the change has cost its session. */
static void
forget_sessions(const struct world *old, const struct world *new)
{
	for (uint32_t i = 0; i < WORLD_PEERS; i++) {
		bool kept = world_there(old, i) && world_there(new, i) &&
			old->peers[i].interface == new->peers[i].interface && bed_knows_key(new, i);

		if (kept)
			continue;
		t.remotes[i].session = false;
		t.rx_bytes[i] = t.tx_bytes[i] = 0;
	}
}

/* --- what must be so after each --- */

static void
check_running(void)
{
	uint8_t key[SL_KEY_LEN], psk[SL_KEY_LEN];
	char name[8];
	unsigned n = 0;

	for (uint32_t i = 0; i < WORLD_PEERS; i++) {
		const struct world_peer *p = &t.running.peers[i];
		struct sl_gateway_if *gi;
		struct sl_proto_peer *peer;

		snprintf(name, sizeof(name), "wg%u", p->interface);
		gi = hub_if(t.hub, name);
		world_public_key(i, key);
		peer = gi ? sl_gateway_peer_find(gi, key) : NULL;
		cr_assert_eq(peer != NULL, world_there(&t.running, i), "reload %u: peer %u", t.reload, i);
		if (peer == NULL)
			continue;
		n++;
		world_psk(p->psk, psk);
		cr_assert_eq(peer->keepalive_interval, p->keepalive);
		cr_assert(sl_equal(peer->psk, psk, SL_KEY_LEN));
		for (uint32_t k = 0; k < WORLD_PREFIXES; k++) {
			bool owns = sl_allowed_ips_owner(t.hub->gw.allowed, gi->id, world_prefix(k)) == peer->slot;

			cr_assert_eq(owns, t.running.owner[k] == i, "reload %u: prefix %u is%s peer %u's after\n%s", t.reload, k,
				owns ? "" : " not", i, t.hub->answer);
		}
	}
	for (unsigned i = 0; i < t.hub->gw.n_wg_ifs; i++)
		n -= sl_proto_if_n_peers(t.hub->gw.wg_ifs[i]->proto);
	cr_assert_eq(n, 0, "peers that nobody knows");
}

/* Counters go on, and so do sessions, of whoever was there before. */
static void
check_counters(void)
{
	uint8_t key[SL_KEY_LEN];
	char name[8];

	for (uint32_t i = 0; i < WORLD_PEERS; i++) {
		struct sl_proto_peer_info info;

		if (!world_there(&t.running, i) || !t.remotes[i].session)
			continue;
		snprintf(name, sizeof(name), "wg%u", t.running.peers[i].interface);
		world_public_key(i, key);
		sl_proto_peer_info(sl_gateway_peer_find(hub_if(t.hub, name), key), t.hub->gw.now, &info);
		cr_assert(info.session, "reload %u: peer %u has no session", t.reload, i);
		cr_assert(info.rx_bytes >= t.rx_bytes[i] && info.tx_bytes >= t.tx_bytes[i],
			"reload %u: peer %u is counted anew", t.reload, i);
		t.rx_bytes[i] = info.rx_bytes;
		t.tx_bytes[i] = info.tx_bytes;
	}
}

/* --- reloads --- */

static void
wait_for_thread(void)
{
	struct pollfd fd = {.fd = sl_reload_fd(t.hub->gw.reload), .events = POLLIN};

	cr_assert_eq(poll(&fd, 1, WAIT_MS), 1, "the thread does not end");
}

static void
step(void)
{
	hub_turn(t.hub);
	hub_pass(t.hub);
}

/* Goes to its end, with packets between any two steps, from t.running to t.next. */
static void
reload(bool dry_run, bool keep)
{
	bool json = world_below(&t.random, 2);
	struct sl_order order = {.kind = SL_ORDER_RELOAD, .dry_run = dry_run, .keep_runtime = keep, .json = json,
		.actor = {.via = "reload", .uid = 0, .pid = 1}, .done = hub_answer, .ctx = t.hub};

	free(t.hub->answer);
	t.hub->answer = NULL;
	/* now all at once, now step by step */
	sl_reload_bound(t.hub->gw.reload, 1 + world_below(&t.random, world_below(&t.random, 2) ? 3 : 32), 256);
	cr_assert_eq(sl_reload_order(t.hub->gw.reload, &order), 0);
	bed_traffic(&t.running, &t.next);
	wait_for_thread();
	do {
		step();
		bed_traffic(&t.running, &t.next);
	} while (t.hub->answer == NULL);
	wait_for_thread();
	step();
	if (json) {
		json_t *said = json_loads(t.hub->answer, 0, NULL);

		cr_assert_not_null(said, "%s", t.hub->answer);
		json_decref(said);
	}
}

/* The files are applied, and are what runs. */
static void
reload_files(bool keep)
{
	struct world before = t.running;

	reload(false, keep);
	cr_assert_not(t.hub->failed, "reload %u: %s", t.reload, t.hub->answer);
	hub_settle(t.hub); /* expired peers go one by one */
	bed_traffic(&t.running, &t.next);
	t.running = t.next;
	forget_sessions(&before, &t.running);
	check_running();
	check_counters();
	connect_all(false);
	bed_traffic(&t.running, &t.running);
}

/* What the files make of what runs: peers touched with `wg` are kept as they are. */
static void
overlay(void)
{
	t.next = t.files;
	for (uint32_t i = 0; i < WORLD_PEERS; i++)
		if (t.running.peers[i].touched)
			t.next.peers[i] = t.running.peers[i];
	for (uint32_t i = 0; i < WORLD_PREFIXES; i++) {
		uint8_t file = t.files.owner[i], now = t.running.owner[i];

		if ((file != WORLD_NOBODY && t.running.peers[file].touched) ||
			(now != WORLD_NOBODY && t.running.peers[now].touched))
			t.next.owner[i] = now;
	}
}

static void
edit_files(bool keep)
{
	const struct world before = t.files;
	bool frozen[WORLD_PEERS];
	unsigned n = 1 + world_below(&t.random, world_below(&t.random, 8) ? 6 : 80);

	for (uint32_t i = 0; i < WORLD_PEERS; i++)
		frozen[i] = t.running.peers[i].touched;
	while (n-- > 0)
		world_edit(&t.files, &t.random, keep ? frozen : NULL);
	/* nor does the file give away what is kept: nobody could say whose it is */
	for (uint32_t i = 0; keep && i < WORLD_PREFIXES; i++)
		if (t.running.owner[i] != WORLD_NOBODY && frozen[t.running.owner[i]])
			t.files.owner[i] = before.owner[i] != WORLD_NOBODY && t.files.peers[before.owner[i]].present
				? before.owner[i] : WORLD_NOBODY;
	world_write(&t.files, t.folder.path, 0);
}

/* --- files that are refused --- */

static void
append(const char *name, const char *text)
{
	FILE *out = fopen(config_folder_path(&t.folder, name), "a");

	cr_assert_not_null(out);
	fputs(text, out);
	fclose(out);
}

static void
reload_refused(void)
{
	static const struct {
		const char *file, *text, *says;
	} cases[] = {
		{"hub.yaml", "nonsense: 1\n", "hub.yaml:"},
		{"hub.yaml", "dataplane: {workers: 2}\n", "not live"},
		{"wg0.d/9.yaml", "peers: [\n", "9.yaml:2:1:"},
		{"wg0.d/9.yaml", "peers:\n  a: {public-key: short}\n", "9.yaml:2:19:"},
		{"wg0.d/9.yaml", "peers:\n  a: {allowed-ips: [1.2.3.4/33]}\n", "9.yaml:2:21:"},
	};
	unsigned n = world_below(&t.random, sizeof(cases) / sizeof(cases[0]) + 1);
	struct world other = t.files;
	json_t *before = hub_state(t.hub), *after;
	const char *says = "not live";

	for (unsigned i = 0; i < 5; i++)
		world_edit(&other, &t.random, NULL);
	world_write(&other, t.folder.path, n < sizeof(cases) / sizeof(cases[0]) ? 0 : 2);
	if (n < sizeof(cases) / sizeof(cases[0])) {
		append(cases[n].file, cases[n].text);
		says = cases[n].says;
	}
	t.next = t.running;
	reload(false, world_below(&t.random, 2));
	cr_assert(t.hub->failed, "%s", t.hub->answer);
	cr_assert(strstr(t.hub->answer, says), "%s is not in: %s", says, t.hub->answer);
	after = hub_state(t.hub);
	cr_assert(json_equal(before, after), "a refused file has changed something");
	json_decref(before);
	json_decref(after);
	check_running();
	remove(config_folder_path(&t.folder, "wg0.d/9.yaml"));
	world_write(&t.files, t.folder.path, 0);
	t.refused++;
}

/* --- the wg tool --- */

static void
say(uint32_t peer, const char *format, ...)
{
	char text[512], hex[SL_KEY_HEX_LEN + 1], name[8];
	uint8_t key[SL_KEY_LEN];
	va_list args;
	int len;

	world_public_key(peer, key);
	sl_key_to_hex(hex, key);
	len = snprintf(text, sizeof(text), "set=1\npublic_key=%s\n", hex);
	va_start(args, format);
	vsnprintf(text + len, sizeof(text) - (size_t)len, format, args);
	va_end(args);
	snprintf(name, sizeof(name), "wg%u", t.next.peers[peer].interface);
	cr_assert_str_eq(hub_wg(t.hub, name, text), "errno=0\n\n");
}

static void
wg_remove(uint32_t peer)
{
	t.next.peers[peer].present = false;
	for (uint32_t i = 0; i < WORLD_PREFIXES; i++)
		if (t.next.owner[i] == peer)
			t.next.owner[i] = WORLD_NOBODY;
	say(peer, "remove=true\n\n");
}

static void
wg_add(uint32_t peer)
{
	char home4[SL_IP_STRLEN], home6[SL_IP_STRLEN];
	struct sl_ip four, six;

	t.next.peers[peer] = (struct world_peer){.present = true, .keepalive = 25};
	four = world_home(&t.next, peer, false);
	six = world_home(&t.next, peer, true);
	say(peer, "persistent_keepalive_interval=25\nallowed_ip=%s/32\nallowed_ip=%s/128\n\n", sl_ip_format(&four, home4),
		sl_ip_format(&six, home6));
}

/* A prefix goes to the peer, from another of its interface or from nobody. */
static void
wg_move(uint32_t peer)
{
	uint32_t n = world_below(&t.random, WORLD_PREFIXES);
	char text[SL_PREFIX_STRLEN];
	uint8_t owner = t.running.owner[n];

	if (owner != WORLD_NOBODY &&
		(!world_there(&t.running, owner) || t.running.peers[owner].interface != t.running.peers[peer].interface))
		return;
	if (owner != WORLD_NOBODY)
		t.next.peers[owner].touched = true;
	t.next.owner[n] = (uint8_t)peer;
	say(peer, "update_only=true\nallowed_ip=%s\n\n", sl_prefix_format(world_prefix(n), text));
}

/* Somebody changes something by hand. */
static void
touch(void)
{
	uint32_t peer = world_below(&t.random, WORLD_PEERS);
	char hex[SL_KEY_HEX_LEN + 1];
	uint8_t psk[SL_KEY_LEN];
	struct world before;

	t.next = t.running;
	if (!world_there(&t.running, peer)) {
		if (t.files.peers[peer].present || t.running.peers[peer].touched || !t.running.ifs[0].present)
			return;
		wg_add(peer);
	} else if (world_below(&t.random, 4) == 0) {
		wg_remove(peer);
	} else if (world_below(&t.random, 3) == 0) {
		t.next.peers[peer].keepalive = (uint16_t)(1 + world_below(&t.random, 100));
		say(peer, "persistent_keepalive_interval=%u\n\n", t.next.peers[peer].keepalive);
	} else if (world_below(&t.random, 2) == 0) {
		t.next.peers[peer].psk = (uint8_t)world_below(&t.random, 3);
		world_psk(t.next.peers[peer].psk, psk);
		sl_key_to_hex(hex, psk);
		say(peer, "preshared_key=%s\n\n", hex);
	} else {
		wg_move(peer);
	}
	t.next.peers[peer].touched = true;
	bed_traffic(&t.running, &t.next);
	before = t.running;
	t.running = t.next;
	forget_sessions(&before, &t.running);
	check_running();
	connect_all(false);
}

static bool
any_touched(void)
{
	for (uint32_t i = 0; i < WORLD_PEERS; i++)
		if (t.running.peers[i].touched)
			return true;
	return false;
}

/* --- the same as a fresh start --- */

/* What one has and the other has not. */
static void
list_others(json_t *a, json_t *b, const char *what)
{
	const char *key;
	json_t *list, *one, *other;
	size_t i, k;

	json_object_foreach (a, key, list) {
		json_array_foreach (list, i, one) {
			json_array_foreach (json_object_get(b, key), k, other)
				if (json_equal(one, other))
					break;
			if (k == json_array_size(json_object_get(b, key)))
				cr_log_error("%s: %s", what, json_string_value(one));
		}
	}
}

static void
compare(const char *path, const char *what)
{
	json_t *running = hub_state(t.hub), *fresh;
	struct hub *other;

	/* sockets of its own */
	cr_assert_eq(mount("tmpfs", "/run", "tmpfs", 0, "mode=755"), 0);
	other = hub_create(path, "fresh", 16, START_NS);
	fresh = hub_state(other);
	if (!json_equal(running, fresh)) {
		list_others(running, fresh, "only what runs has");
		list_others(fresh, running, "it lacks");
		cr_assert(false, "reload %u: %s starts otherwise", t.reload, what);
	}
	hub_destroy(other);
	cr_assert_eq(umount("/run"), 0);
	json_decref(running);
	json_decref(fresh);
}

static void
compare_files(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/fresh", t.folder.path);
	mkdir(path, 0700);
	world_write(&t.files, path, 4);
	snprintf(path, sizeof(path), "%s/fresh/hub.yaml", t.folder.path);
	compare(path, "a gateway of these files");
}

/* The text with the devices of another gateway. */
static void
other_devices(char *text)
{
	for (char *at = text; (at = strstr(at, HUB_NULL)) != NULL; at++)
		at[strlen(HUB_NULL)] = (char)(at[strlen(HUB_NULL)] + 4);
}

static void
compare_saved(void)
{
	struct sl_order order = {.kind = SL_ORDER_SAVE, .done = hub_answer, .ctx = t.hub};

	free(t.hub->answer);
	t.hub->answer = NULL;
	cr_assert_eq(sl_reload_order(t.hub->gw.reload, &order), 0);
	for (struct pollfd fd = {.fd = sl_reload_fd(t.hub->gw.reload), .events = POLLIN}; poll(&fd, 1, 1) == 0;)
		step();
	step();
	cr_assert(t.hub->answer && !t.hub->failed);
	wait_for_thread();
	step();
	other_devices(t.hub->answer);
	config_folder_write(&t.folder, "saved.yaml", 0600, t.hub->answer);
	compare(t.folder.file, "a gateway of what was saved");
}

/* --- memory --- */

struct usage {
	uint64_t peers, allowed, cryptokey, routes, sessions, mbufs, pending, files, runtime;
	uint64_t tables, heap; /* bytes */
};

static uint64_t
count_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint64_t n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Of a gateway without peers. */
static struct usage
empty(void)
{
	struct sl_gateway *gw = &t.hub->gw;
	struct usage u = {0};

	world_first(&t.files);
	for (uint32_t i = 0; i < WORLD_PEERS; i++)
		t.files.peers[i].present = false;
	memset(t.files.owner, WORLD_NOBODY, sizeof(t.files.owner));
	world_write(&t.files, t.folder.path, 0);
	t.next = t.files;
	reload_files(false);
	reload_files(false); /* nothing to change: no long answer is held */
	for (unsigned i = 0; i < 8; i++)
		hub_settle(t.hub);
	bed_pass();
	for (unsigned i = 0; i < gw->n_wg_ifs; i++) {
		u.peers += sl_proto_if_n_peers(gw->wg_ifs[i]->proto);
		u.cryptokey += sl_lpm_count(gw->wg_ifs[i]->cryptokey);
		u.tables += sl_lpm_memory(gw->wg_ifs[i]->cryptokey);
	}
	u.allowed = sl_allowed_ips_total(gw->allowed);
	u.routes = sl_lpm_count(gw->dp->routes.lpm);
	u.tables += sl_lpm_memory(gw->dp->routes.lpm);
	u.sessions = gw->dp->sessions.reserved;
	u.mbufs = rte_mempool_in_use_count(gw->dp->pool);
	u.pending = gw->dp->reclaim->pending;
	u.runtime = sl_runtime_count(gw->runtime);
	u.files = count_files();
	u.heap = mallinfo2().uordblks;
	return u;
}

static void
check_usage(const struct usage *before, const struct usage *after)
{
	cr_expect_eq(after->peers, 0);
	cr_expect_eq(after->allowed, 0);
	cr_expect_eq(after->cryptokey, 0);
	cr_expect_eq(after->routes, before->routes);
	cr_expect_eq(after->sessions, 0);
	cr_expect_eq(after->mbufs, 0, "%lu packet buffers", (unsigned long)after->mbufs);
	cr_expect_eq(after->pending, 0);
	cr_expect_eq(after->runtime, 0);
	cr_expect_eq(after->files, before->files, "%lu descriptors after %lu", (unsigned long)after->files,
		(unsigned long)before->files);
	cr_expect_leq(after->tables, before->tables + TABLE_SLACK, "tables of %lu bytes after %lu", (unsigned long)after->tables,
		(unsigned long)before->tables);
	cr_expect_leq(after->heap, before->heap + HEAP_SLACK, "%lu bytes of heap after %lu", (unsigned long)after->heap,
		(unsigned long)before->heap);
}

/* --- the test --- */

static void
begin(void)
{
	const char *seed = getenv("SL_RELOAD_SEED");

	rig_begin();
	sl_log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC), false);
	t.random.state = UINT64_C(0x9e3779b97f4a7c15) * (seed ? strtoull(seed, NULL, 10) : SEED);
	config_folder_make(&t.folder);
	cr_assert_eq(mount("tmpfs", t.folder.path, "tmpfs", 0, "mode=700"), 0);
	for (uint32_t i = 0; i < WORLD_PEERS; i++)
		remote_init(&t.remotes[i], i);
	world_full(&t.files);
	t.next = t.running = t.files;
	world_write(&t.files, t.folder.path, 0);
	t.hub = hub_create(config_folder_path(&t.folder, "hub.yaml"), "sl", 0, START_NS);
	connect_all(false);
	bed_traffic(&t.running, &t.running);
}

static void
one_reload(void)
{
	bool keep;

	while (world_below(&t.random, 3) == 0)
		touch();
	if (world_below(&t.random, 8) == 0)
		reload_refused();
	keep = any_touched() && world_below(&t.random, 2);
	edit_files(keep);
	if (keep)
		overlay();
	else
		t.next = t.files;
	if (world_below(&t.random, 8) == 0) {
		struct world next = t.next;

		t.next = t.running;
		reload(true, keep);
		cr_assert_not(t.hub->failed);
		t.next = next;
	}
	reload_files(keep);
	t.kept += keep;
}

/* From the last configuration to the first one, and from there some reloads on. */
static void
some_reloads(unsigned first, unsigned last)
{
	world_first(&t.files);
	world_write(&t.files, t.folder.path, 0);
	t.next = t.files;
	reload_files(false);
	for (t.reload = first; t.reload <= last; t.reload++) {
		one_reload();
		t.hub->gw.now += world_below(&t.random, 4) ? 0 : STILL_NS;
		if (t.reload % COMPARE_EVERY != 0)
			continue;
		if (!any_touched())
			compare_files();
		compare_saved();
	}
}

Test(reload_random, as_a_fresh_start_and_nobody_else_loses_a_packet)
{
	const char *count = getenv("SL_RELOADS");
	unsigned reloads = count ? (unsigned)strtoul(count, NULL, 10) : RELOADS;
	struct usage before, after;

	begin();
	/* tables that only grow have grown when a part is done */
	some_reloads(1, reloads / WARMING);
	before = empty();
	some_reloads(reloads / WARMING + 1, reloads);
	after = empty();
	check_usage(&before, &after);
	cr_log_info("heap %ld bytes more", (long)after.heap - (long)before.heap);
	cr_log_info("%u reloads, %lu of them with --keep-runtime, %lu refused; %lu packets in %lu rounds, %lu while "
		    "their prefix moved",
		reloads, (unsigned long)t.kept, (unsigned long)t.refused, (unsigned long)t.sent, (unsigned long)t.rounds,
		(unsigned long)t.moved);
	hub_destroy(t.hub);
	cr_assert_eq(umount(t.folder.path), 0);
	config_folder_remove(&t.folder);
}
