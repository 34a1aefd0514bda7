/* sluice peer list, show: the peers of the files, and how they fare in the running gateway. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/client.h"
#include "app/commands.h"
#include "app/peer_commands.h"
#include "app/peer_store.h"
#include "app/shown_peers.h"
#include "control/config_memory.h"
#include "control/config_write.h"
#include "control/rfc3339.h"
#include "crypto/base64.h"

#define NSEC_PER_SEC 1000000000LL
#define ALIVE_SEC 180 /* a session ends this long after its handshake (REJECT_AFTER_TIME) */

/* What the running gateway knows of its peers. */
struct running {
	bool known;  /* a gateway runs, and has answered */
	char *answer; /* in which the peers' texts lie */
	struct sl_config_map keys; /* public key → its index */
	struct sl_shown_peer *peers;
	uint32_t n, capacity;
};

static void
running_free(struct running *r)
{
	sl_config_map_free(&r->keys);
	sl_array_free(r->peers, r->capacity, sizeof(*r->peers));
	free(r->answer);
}

static void
running_add(struct running *r, const struct sl_shown_peer *peer)
{
	uint8_t key[SL_KEY_LEN];

	if (!sl_key_from_base64(key, peer->public_key.text, peer->public_key.len))
		return;
	r->peers = sl_array_grow(r->peers, r->n, &r->capacity, sizeof(*r->peers));
	sl_config_map_add(&r->keys, key, r->n);
	r->peers[r->n++] = *peer;
}

static void
running_ask(const struct sl_peer_store *s, struct running *r)
{
	struct sl_shown_peers peers;
	struct sl_shown_peer peer;
	json_error_t error;
	json_t *root;
	size_t len;

	*r = (struct running){0};
	sl_config_map_init(&r->keys, SL_KEY_LEN);
	r->answer = s->running ? sl_client_ask(s->command, s->config->name, "show peers", &len) : NULL;
	root = r->answer ? sl_shown_begin(r->answer, len, &peers, &error) : NULL;
	while (root && sl_shown_next(&peers, &peer))
		running_add(r, &peer);
	r->known = root && json_object_get(root, "peers") && !peers.damaged;
	json_decref(root);
}

/* NULL: it is not there. */
static const struct sl_shown_peer *
running_find(const struct running *r, const struct sl_config_peer *peer)
{
	uint32_t i = sl_config_map_find(&r->keys, peer->public_key);

	return i == SL_CONFIG_MAP_NONE ? NULL : &r->peers[i];
}

static int64_t
latest_handshake(const struct sl_shown_peer *live)
{
	return live->latest_handshake / NSEC_PER_SEC;
}

static const char *
state_of(const struct sl_config_peer *peer, const struct running *running, const struct sl_shown_peer *live, int64_t now)
{
	if (peer->disabled)
		return "disabled";
	if (peer->expires && peer->expires <= now)
		return "expired";
	if (!running->known)
		return "unknown";
	if (live == NULL)
		return "absent";
	return now - latest_handshake(live) < ALIVE_SEC ? "active" : "idle";
}

static json_t *
describe(const struct sl_peer_store *s, const struct sl_config_interface *ifp, const struct sl_config_peer *peer,
	const struct running *running, int64_t now)
{
	char key[SL_KEY_BASE64_LEN + 1], text[SL_PREFIX_STRLEN], time[SL_TIME_STRLEN];
	json_t *o = json_object(), *ips = json_array();
	const struct sl_shown_peer *live = running_find(running, peer);

	sl_key_to_base64(key, peer->public_key);
	json_object_set_new(o, "name", json_string(peer->name));
	json_object_set_new(o, "interface", json_string(ifp->name));
	json_object_set_new(o, "public-key", json_string(key));
	for (uint32_t i = 0; i < peer->n_allowed_ips; i++)
		json_array_append_new(ips, json_string(sl_prefix_format(&peer->allowed_ips[i], text)));
	json_object_set_new(o, "allowed-ips", ips);
	json_object_set_new(o, "state", json_string(state_of(peer, running, live, now)));
	if (live && latest_handshake(live))
		json_object_set_new(o, "latest-handshake", json_integer((json_int_t)live->latest_handshake));
	if (live && live->endpoint.text)
		json_object_set_new(o, "endpoint", sl_slice_string(live->endpoint));
	if (peer->expires)
		json_object_set_new(o, "expires", json_string(sl_time_format(peer->expires, time)));
	json_object_set_new(o, "file", json_string(s->config->files[peer->place.file]));
	return o;
}

static void
print_line(const struct sl_config_interface *ifp, const struct sl_config_peer *peer, const struct running *running,
	int64_t now)
{
	const struct sl_shown_peer *live = running_find(running, peer);
	char text[SL_PREFIX_STRLEN], time[SL_TIME_STRLEN];

	printf("%-24s %-10s %-9s", peer->name, ifp->name, state_of(peer, running, live, now));
	for (uint32_t i = 0; i < peer->n_allowed_ips; i++)
		printf("%s%s", i ? "," : " ", sl_prefix_format(&peer->allowed_ips[i], text));
	if (peer->expires)
		printf(" (expires %s)", sl_time_format(peer->expires, time));
	putchar('\n');
}

static void
print_json(const struct sl_peer_store *s, const struct sl_config_interface *ifp, const struct sl_config_peer *peer,
	const struct running *running, int64_t now)
{
	json_t *o = describe(s, ifp, peer, running, now);

	json_dumpf(o, stdout, JSON_COMPACT);
	json_decref(o);
}

static void
list_interface(const struct sl_peer_store *s, const struct sl_config_interface *ifp, const struct running *running, bool json,
	const char **separator)
{
	int64_t now = (int64_t)time(NULL);

	for (uint32_t i = 0; i < ifp->n_peers; i++) {
		if (!json) {
			print_line(ifp, &ifp->peers[i], running, now);
			continue;
		}
		fputs(*separator, stdout);
		print_json(s, ifp, &ifp->peers[i], running, now);
		*separator = ",\n";
	}
}

int
sl_peer_list(const struct sl_peer_options *o)
{
	const char *separator = "";
	struct sl_peer_store s;
	struct running running;

	if (!sl_peer_store_open(&s, "peer list", o->config, o->gateway, false))
		return SL_EXIT_FAILED;
	if (o->interface && sl_peer_store_interface(&s, o->interface) == NULL) {
		sl_peer_store_close(&s);
		return SL_EXIT_FAILED;
	}
	running_ask(&s, &running);
	fputs(o->json ? "{\"peers\": [" : "", stdout);
	for (uint32_t i = 0; i < s.config->n_interfaces; i++)
		if (o->interface == NULL || strcmp(o->interface, s.config->interfaces[i].name) == 0)
			list_interface(&s, &s.config->interfaces[i], &running, o->json, &separator);
	fputs(o->json ? "]}\n" : "", stdout);
	running_free(&running);
	sl_peer_store_close(&s);
	return fflush(stdout) == 0 ? SL_EXIT_DONE : SL_EXIT_FAILED;
}

static void
print_fields(const json_t *o)
{
	const json_t *value, *ip;
	const char *key;
	size_t i;

	json_object_foreach((json_t *)o, key, value) {
		printf("%s:", key);
		if (json_is_array(value))
			json_array_foreach(value, i, ip)
				printf("%s %s", i ? "," : "", json_string_value(ip));
		else if (json_is_integer(value)) {
			char text[SL_TIME_STRLEN];

			printf(" %s", sl_time_format((int64_t)json_integer_value(value) / 1000000000, text));
		} else
			printf(" %s", json_string_value(value));
		putchar('\n');
	}
}

int
sl_peer_show(const char *name, const struct sl_peer_options *o)
{
	const struct sl_config_interface *ifp;
	const struct sl_config_peer *peer;
	struct sl_peer_store s;
	struct running running;
	json_t *object;

	if (!sl_peer_store_open(&s, "peer show", o->config, o->gateway, false))
		return SL_EXIT_FAILED;
	peer = sl_peer_store_find(&s, o->interface, name, &ifp);
	if (peer) {
		running_ask(&s, &running);
		object = describe(&s, ifp, peer, &running, (int64_t)time(NULL));
		if (o->json) {
			json_dumpf(object, stdout, JSON_INDENT(2));
			putchar('\n');
		} else {
			print_fields(object);
		}
		json_decref(object);
		running_free(&running);
	}
	sl_peer_store_close(&s);
	return peer && fflush(stdout) == 0 ? SL_EXIT_DONE : SL_EXIT_FAILED;
}
