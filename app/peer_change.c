/* sluice peer remove, disable, enable: an entry of a file goes or changes, and the running gateway with it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app/atomic_file.h"
#include "app/commands.h"
#include "app/peer_commands.h"
#include "app/peer_store.h"
#include "app/read_whole.h"
#include "app/yaml_edit.h"
#include "crypto/wipe.h"

/* The file a peer stands in, and where in it. */
struct place {
	const char *interface, *peer;
	const char *path;
	bool included;
	struct sl_yaml_path entry;
	char *text; /* of the file, with a NUL behind it */
	size_t len;
	mode_t mode;
};

static bool
read_file(const char *command, struct place *p)
{
	struct stat st;

	p->text = stat(p->path, &st) == 0 ? sl_read_whole(p->path, &p->len) : NULL;
	if (p->text == NULL) {
		fprintf(stderr, "sluice %s: %s: %m\n", command, p->path);
		return false;
	}
	p->mode = st.st_mode & (S_IRWXU | S_IRWXG | S_IRWXO);
	return true;
}

static bool
find_place(const struct sl_peer_store *s, const struct sl_config_interface *ifp, const struct sl_config_peer *peer,
	struct place *p)
{
	*p = (struct place){.interface = ifp->name,
		.peer = peer->name,
		.path = s->config->files[peer->place.file],
		.included = peer->place.file != 0};
	if (p->included)
		p->entry = (struct sl_yaml_path){{"peers", peer->name}, 2};
	else
		p->entry = (struct sl_yaml_path){{"interfaces", ifp->name, "peers", peer->name}, 4};
	return read_file(s->command, p);
}

/* Puts the new text, or for NULL no file, in place of the old, and has it applied; all or nothing. */
static int
change(const struct sl_peer_store *s, const struct place *p, const char *text)
{
	int rc = text ? sl_atomic_write(p->path, text, strlen(text), p->mode, true) : sl_atomic_remove(p->path);

	if (rc != 0) {
		fprintf(stderr, "sluice %s: %s: %s\n", s->command, p->path, strerror(-rc));
		return SL_EXIT_FAILED;
	}
	if (sl_peer_store_apply(s, p->interface, p->peer))
		return SL_EXIT_DONE;
	rc = sl_atomic_write(p->path, p->text, p->len, p->mode, true);
	if (rc == 0)
		fprintf(stderr, "sluice %s: the gateway did not take it; nothing was changed\n", s->command);
	else
		fprintf(stderr, "sluice %s: the gateway did not take it, and %s cannot be put back: %s\n", s->command, p->path,
			strerror(-rc));
	return SL_EXIT_FAILED;
}

/* An included file with this peer alone goes as a whole. */
static bool
is_alone(const struct place *p)
{
	const struct sl_yaml_path whole = {.n = 0}, peers = {{"peers"}, 1};

	return p->included && sl_yaml_count(p->text, &whole) == 1 && sl_yaml_count(p->text, &peers) == 1;
}

/* The key that the hub kept for the peer, if it lies beside the peer's file, goes with it. */
static void
remove_key(const struct sl_config_peer *peer, const struct place *p)
{
	const char *slash = strrchr(p->path, '/');
	size_t folder = slash ? (size_t)(slash - p->path) + 1 : 0;

	if (peer->private_key_file && strncmp(peer->private_key_file, p->path, folder) == 0 &&
		strchr(peer->private_key_file + folder, '/') == NULL)
		sl_atomic_remove(peer->private_key_file);
}

static int
no_edit(const struct sl_peer_store *s, const struct place *p)
{
	fprintf(stderr, "sluice %s: %s: the entry cannot be found in the text; change it by hand\n", s->command, p->path);
	return SL_EXIT_FAILED;
}

int
sl_peer_remove(const char *name, const struct sl_peer_options *o)
{
	const struct sl_config_interface *ifp;
	const struct sl_config_peer *peer;
	struct sl_peer_store s;
	int code = SL_EXIT_FAILED;
	struct place p;

	if (!sl_peer_store_open(&s, "peer remove", o->config, o->gateway, true))
		return SL_EXIT_FAILED;
	peer = sl_peer_store_find(&s, o->interface, name, &ifp);
	if (peer && find_place(&s, ifp, peer, &p)) {
		bool alone = is_alone(&p);
		char *text = alone ? NULL : sl_yaml_without(p.text, &p.entry);

		code = alone || text ? change(&s, &p, text) : no_edit(&s, &p);
		if (code == SL_EXIT_DONE)
			remove_key(peer, &p);
		if (text)
			sl_wipe(text, strlen(text));
		free(text);
		sl_read_whole_free(p.text, p.len);
	}
	sl_peer_store_close(&s);
	return code;
}

int
sl_peer_disable(const char *name, bool disabled, const struct sl_peer_options *o)
{
	const struct sl_config_interface *ifp;
	const struct sl_config_peer *peer;
	struct sl_peer_store s;
	int code = SL_EXIT_FAILED;
	struct place p;

	if (!sl_peer_store_open(&s, disabled ? "peer disable" : "peer enable", o->config, o->gateway, true))
		return SL_EXIT_FAILED;
	peer = sl_peer_store_find(&s, o->interface, name, &ifp);
	if (peer && !disabled && !peer->disabled && peer->expires && peer->expires <= (int64_t)time(NULL)) {
		fprintf(stderr, "sluice %s: `%s` has expired; change `expires` in %s, or take it out\n", s.command, name,
			s.config->files[peer->place.file]);
	} else if (peer && peer->disabled == disabled) {
		fprintf(stderr, "sluice %s: `%s` is %s already\n", s.command, name, disabled ? "disabled" : "enabled");
		code = SL_EXIT_DONE;
	} else if (peer && find_place(&s, ifp, peer, &p)) {
		char *text;

		p.entry.keys[p.entry.n++] = "disabled";
		text = disabled ? sl_yaml_with(p.text, &p.entry, "true") : sl_yaml_without(p.text, &p.entry);
		code = text ? change(&s, &p, text) : no_edit(&s, &p);
		if (text)
			sl_wipe(text, strlen(text));
		free(text);
		sl_read_whole_free(p.text, p.len);
	}
	sl_peer_store_close(&s);
	return code;
}
