#include "app/peer_store.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/client.h"
#include "app/file_lock.h"
#include "dataplane/iface.h"
#include "app/shown_peers.h"
#include "control/config_memory.h"

/* A gateway that runs has not said what its part in this is: there is no going on as if it did not run. */
static void
say_damaged(const char *command, const char *why)
{
	fprintf(stderr, "sluice %s: the gateway's answer is cut off or damaged: %s; nothing was changed, try again\n",
		command, why);
}

/*
 * The path that the running gateway was given, absolute and to be freed, and whether it was changed with `wg`. NULL after
 * an error.
 */
static char *
path_of_running(const char *command, const char *name, bool *set_with_wg)
{
	json_error_t error;
	size_t len;
	char *answer = sl_client_ask(command, name, "show gateway", &len), *path = NULL;
	json_t *root = answer ? json_loadb(answer, len, 0, &error) : NULL;
	const json_t *gateway = json_object_get(root, "gateway"), *set = json_object_get(gateway, "set-with-wg");
	const char *text = json_string_value(json_object_get(gateway, "config-path"));

	*set_with_wg = json_integer_value(set) > 0;
	if (text && json_is_integer(set))
		path = strdup(text);
	else if (answer)
		say_damaged(command, root ? "not which file it runs, and what `wg` has changed" : error.text);
	json_decref(root);
	free(answer);
	return path;
}

static bool
lock(struct sl_peer_store *s)
{
	s->lock = sl_file_lock(s->path);
	if (s->lock < 0)
		fprintf(stderr, "sluice %s: %s: %s\n", s->command, s->path, strerror(-s->lock));
	return s->lock >= 0;
}

static bool
load(struct sl_peer_store *s)
{
	struct sl_config_errors errors;

	sl_config_errors_init(&errors);
	s->config = sl_config_load(s->path, &errors);
	if (s->config == NULL) {
		sl_config_errors_print(&errors, stderr);
		fprintf(stderr, "sluice %s: the configuration has to be right before it can be worked with\n", s->command);
	}
	sl_config_errors_free(&errors);
	return s->config != NULL;
}

/* Finds out whether the gateway of that name runs, and runs this file. False where it runs and does not say. */
static bool
find_running(struct sl_peer_store *s)
{
	char *path;

	if (!sl_client_runs(s->config->name))
		return true;
	path = path_of_running(s->command, s->config->name, &s->set_with_wg);
	if (path == NULL)
		return false;
	s->running = strcmp(path, s->path) == 0;
	if (!s->running)
		fprintf(stderr, "sluice %s: the gateway `%s` runs %s; it is left alone\n", s->command, s->config->name, path);
	free(path);
	return true;
}

bool
sl_peer_store_open(struct sl_peer_store *s, const char *command, const char *path, const char *name, bool change)
{
	*s = (struct sl_peer_store){.command = command, .lock = -1};
	if (path) {
		s->path = realpath(path, NULL);
		if (s->path == NULL)
			fprintf(stderr, "sluice %s: %s: %m\n", command, path);
	} else {
		s->path = path_of_running(command, name, &s->set_with_wg);
	}
	if (s->path == NULL || (change && !lock(s)) || !load(s) || !find_running(s)) {
		sl_peer_store_close(s);
		return false;
	}
	return true;
}

void
sl_peer_store_close(struct sl_peer_store *s)
{
	sl_config_free(s->config);
	if (s->lock >= 0)
		close(s->lock);
	free(s->path);
	*s = (struct sl_peer_store){.lock = -1};
}

const struct sl_config_interface *
sl_peer_store_interface(const struct sl_peer_store *s, const char *name)
{
	const struct sl_config *config = s->config;

	if (name == NULL && config->n_interfaces == 1)
		return &config->interfaces[0];
	for (uint32_t i = 0; name && i < config->n_interfaces; i++)
		if (strcmp(config->interfaces[i].name, name) == 0)
			return &config->interfaces[i];
	if (name)
		fprintf(stderr, "sluice %s: there is no interface `%s`; there is", s->command, name);
	else
		fprintf(stderr, "sluice %s: there are several interfaces; choose one with -i:", s->command);
	for (uint32_t i = 0; i < config->n_interfaces; i++)
		fprintf(stderr, "%s %s", i ? "," : "", config->interfaces[i].name);
	fputs(config->n_interfaces ? "\n" : " none\n", stderr);
	return NULL;
}

const struct sl_config_peer *
sl_peer_store_find(
	const struct sl_peer_store *s, const char *interface, const char *name, const struct sl_config_interface **ifp)
{
	const struct sl_config_peer *found = NULL;

	for (uint32_t i = 0; i < s->config->n_interfaces; i++) {
		const struct sl_config_interface *at = &s->config->interfaces[i];

		for (uint32_t j = 0; (!interface || strcmp(at->name, interface) == 0) && j < at->n_peers; j++) {
			if (strcmp(at->peers[j].name, name) != 0)
				continue;
			if (found) {
				fprintf(stderr, "sluice %s: `%s` is a peer of several interfaces; choose one with -i\n", s->command, name);
				return NULL;
			}
			found = &at->peers[j];
			*ifp = at;
		}
	}
	if (found == NULL)
		fprintf(stderr, "sluice %s: there is no peer `%s`; `sluice peer list` tells which there are\n", s->command, name);
	return found;
}

/* One more prefix. False where the text is none. */
static bool
add_prefix(struct sl_prefix **list, uint32_t *n, uint32_t *capacity, struct sl_slice text)
{
	char copy[SL_PREFIX_STRLEN];
	struct sl_prefix prefix;

	if (text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.text, text.len);
	copy[text.len] = '\0';
	if (!sl_prefix_parse(copy, &prefix))
		return false;
	*list = sl_array_grow(*list, *n, capacity, sizeof(**list));
	(*list)[(*n)++] = prefix;
	return true;
}

/* All prefixes of a peer's list. False where it is none, or not to its end. */
static bool
add_prefixes(struct sl_prefix **list, uint32_t *n, uint32_t *capacity, struct sl_slice allowed)
{
	const char *at = NULL, *end;
	struct sl_slice item;

	while (sl_slice_next(allowed, &at, &item))
		if (!add_prefix(list, n, capacity, item))
			return false;
	end = at ? at : allowed.text + (allowed.text != NULL);
	return allowed.text && end + 1 == allowed.text + allowed.len && *end == ']';
}

/* Why the answer does not tell; NULL where it does. */
static const char *
read_prefixes(
	const char *answer, size_t len, const char *interface, struct sl_prefix **list, uint32_t *n, uint32_t *capacity)
{
	struct sl_shown_peers peers;
	struct sl_shown_peer peer;
	json_error_t error;
	json_t *root = sl_shown_begin(answer, len, &peers, &error);
	bool ok = root && peers.at;

	json_decref(root);
	if (!ok)
		return "no list of peers";
	while (sl_shown_next(&peers, &peer))
		if (sl_slice_is(peer.interface, interface) && !add_prefixes(list, n, capacity, peer.allowed_ips))
			return "a peer's allowed IPs";
	return peers.damaged ? "a peer" : NULL;
}

bool
sl_peer_store_live_prefixes(
	const struct sl_peer_store *s, const char *interface, struct sl_prefix **list, uint32_t *n, uint32_t *capacity)
{
	const char *why;
	char *answer;
	size_t len;

	*list = NULL;
	*n = *capacity = 0;
	if (!s->running || !s->set_with_wg)
		return true;
	answer = sl_client_ask(s->command, s->config->name, "show peers", &len);
	if (answer == NULL)
		return false;
	why = read_prefixes(answer, len, interface, list, n, capacity);
	free(answer);
	if (why == NULL)
		return true;
	say_damaged(s->command, why);
	sl_array_free(*list, *capacity, sizeof(**list));
	*list = NULL;
	*n = *capacity = 0;
	return false;
}

/* Makes the folder of a path; 0 or a negative errno. */
static int
make_folder(const char *path)
{
	char folder[PATH_MAX];
	char *slash;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (slash == NULL || slash == folder)
		return 0;
	*slash = '\0';
	return mkdir(folder, S_IRWXU) == 0 || errno == EEXIST ? 0 : -errno;
}

bool
sl_peer_store_new_path(
	const struct sl_peer_store *s, const struct sl_config_interface *ifp, const char *peer, char *path, size_t size)
{
	const char *pattern, *star, *slash;
	int rc;

	if (ifp->n_include_peers == 0) {
		fprintf(stderr,
			"sluice %s: interface '%s' includes no files for peers; add `include-peers: [peers.d/*.yaml]` to it\n", s->command,
			ifp->name);
		return false;
	}
	pattern = ifp->include_peers[0];
	star = strchr(pattern, '*');
	slash = strrchr(pattern, '/');
	if (star == NULL || strpbrk(star + 1, "*?[") || strcspn(pattern, "?[") < (size_t)(star - pattern) ||
		(slash && slash > star) || star[1] != '.') {
		fprintf(stderr,
			"sluice %s: no file name can be made of `%s`; let the first of include-peers be a folder and a star, such as "
			"peers.d/*.yaml\n",
			s->command, pattern);
		return false;
	}
	if (snprintf(path, size, "%.*s%s%s", (int)(star - pattern), pattern, peer, star + 1) >= (int)size) {
		fprintf(stderr, "sluice %s: the file's name would be too long\n", s->command);
		return false;
	}
	rc = make_folder(path);
	if (rc != 0)
		fprintf(stderr, "sluice %s: %s: its folder cannot be made: %s\n", s->command, path, strerror(-rc));
	return rc == 0;
}

/* Whether a line of a reload's answer tells a change, of anything but this peer: "+ allowed-ip wg0/laptop 10.0.0.1/32". */
static bool
is_other_change(const char *line, const char *interface, const char *peer)
{
	char mine[SL_IF_NAME_LEN + SL_CONFIG_PEER_NAME_MAX + 2];
	const char *at;
	size_t len;

	if (strchr("+-~", line[0]) == NULL || line[1] != ' ')
		return false;
	if (strncmp(line + 2, "peer ", 5) != 0 && strncmp(line + 2, "allowed-ip ", 11) != 0)
		return true;
	at = strchr(line + 2, ' ') + 1;
	len = (size_t)snprintf(mine, sizeof(mine), "%s/%s", interface, peer);
	return strncmp(at, mine, len) != 0 || strchr(" :\n", at[len]) == NULL;
}

static void
tell_others(const struct sl_peer_store *s, const char *answer, const char *interface, const char *peer)
{
	unsigned others = 0;

	for (const char *line = answer; *line; line += strcspn(line, "\n"), line += *line == '\n')
		others += is_other_change(line, interface, peer);
	if (others == 0)
		return;
	fprintf(stderr, "sluice %s: the files had %u other change%s, which %s live now too:\n", s->command, others,
		others == 1 ? "" : "s", others == 1 ? "is" : "are");
	for (const char *line = answer; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (is_other_change(line, interface, peer))
			fprintf(stderr, "%.*s\n", (int)strcspn(line, "\n"), line);
}

bool
sl_peer_store_apply(const struct sl_peer_store *s, const char *interface, const char *peer)
{
	char *answer;
	bool failed;
	size_t len;

	if (!s->running)
		return true;
	answer = sl_client_order(s->command, s->config->name, "reload keep-runtime peer", &len, &failed);
	if (answer == NULL)
		return false;
	if (failed)
		fputs(answer, stderr);
	else
		tell_others(s, answer, interface, peer);
	free(answer);
	return !failed;
}
