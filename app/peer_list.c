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
#include "control/config_write.h"
#include "control/rfc3339.h"
#include "crypto/base64.h"

#define ALIVE_SEC 180 /* a session ends this long after its handshake (REJECT_AFTER_TIME) */

/* What the running gateway knows of its peers: public key → its object; NULL where none runs. */
static json_t *
running_peers(const struct sl_peer_store *s)
{
	json_t *map = json_object(), *root, *peer;
	json_error_t error;
	char *answer;
	size_t len, i;

	answer = s->running ? sl_client_ask(s->command, s->config->name, "show peers", &len) : NULL;
	root = answer ? json_loadb(answer, len, 0, &error) : NULL;
	json_array_foreach(json_object_get(root, "peers"), i, peer)
		json_object_set(map, json_string_value(json_object_get(peer, "public-key")), peer);
	if (root == NULL) {
		json_decref(map);
		map = NULL;
	}
	json_decref(root);
	free(answer);
	return map;
}

static int64_t
latest_handshake(const json_t *live)
{
	return (int64_t)json_integer_value(json_object_get(live, "latest-handshake")) / 1000000000;
}

static const char *
state_of(const struct sl_config_peer *peer, const json_t *map, const json_t *live, int64_t now)
{
	if (peer->disabled)
		return "disabled";
	if (peer->expires && peer->expires <= now)
		return "expired";
	if (map == NULL)
		return "unknown";
	if (live == NULL)
		return "absent";
	return now - latest_handshake(live) < ALIVE_SEC ? "active" : "idle";
}

static json_t *
describe(const struct sl_peer_store *s, const struct sl_config_interface *ifp, const struct sl_config_peer *peer,
	const json_t *map, int64_t now)
{
	char key[SL_KEY_BASE64_LEN + 1], text[SL_PREFIX_STRLEN], time[SL_TIME_STRLEN];
	json_t *o = json_object(), *ips = json_array();
	const json_t *live;

	sl_key_to_base64(key, peer->public_key);
	live = json_object_get(map, key);
	json_object_set_new(o, "name", json_string(peer->name));
	json_object_set_new(o, "interface", json_string(ifp->name));
	json_object_set_new(o, "public-key", json_string(key));
	for (uint32_t i = 0; i < peer->n_allowed_ips; i++)
		json_array_append_new(ips, json_string(sl_prefix_format(&peer->allowed_ips[i], text)));
	json_object_set_new(o, "allowed-ips", ips);
	json_object_set_new(o, "state", json_string(state_of(peer, map, live, now)));
	if (live && latest_handshake(live))
		json_object_set(o, "latest-handshake", json_object_get(live, "latest-handshake"));
	if (live && json_object_get(live, "endpoint"))
		json_object_set(o, "endpoint", json_object_get(live, "endpoint"));
	if (peer->expires)
		json_object_set_new(o, "expires", json_string(sl_time_format(peer->expires, time)));
	json_object_set_new(o, "file", json_string(s->config->files[peer->place.file]));
	return o;
}

static void
print_line(const json_t *o)
{
	const char *expires = json_string_value(json_object_get(o, "expires"));
	const json_t *ips = json_object_get(o, "allowed-ips"), *ip;
	size_t i;

	printf("%-24s %-10s %-9s", json_string_value(json_object_get(o, "name")),
		json_string_value(json_object_get(o, "interface")), json_string_value(json_object_get(o, "state")));
	json_array_foreach(ips, i, ip)
		printf("%s%s", i ? "," : " ", json_string_value(ip));
	if (expires)
		printf(" (expires %s)", expires);
	putchar('\n');
}

static void
list_interface(const struct sl_peer_store *s, const struct sl_config_interface *ifp, const json_t *map, bool json,
	const char **separator)
{
	int64_t now = (int64_t)time(NULL);

	for (uint32_t i = 0; i < ifp->n_peers; i++) {
		json_t *o = describe(s, ifp, &ifp->peers[i], map, now);

		if (json) {
			fputs(*separator, stdout);
			json_dumpf(o, stdout, JSON_COMPACT);
			*separator = ",\n";
		} else {
			print_line(o);
		}
		json_decref(o);
	}
}

int
sl_peer_list(const struct sl_peer_options *o)
{
	const char *separator = "";
	struct sl_peer_store s;
	json_t *map;

	if (!sl_peer_store_open(&s, "peer list", o->config, o->gateway, false))
		return SL_EXIT_FAILED;
	if (o->interface && sl_peer_store_interface(&s, o->interface) == NULL) {
		sl_peer_store_close(&s);
		return SL_EXIT_FAILED;
	}
	map = running_peers(&s);
	fputs(o->json ? "{\"peers\": [" : "", stdout);
	for (uint32_t i = 0; i < s.config->n_interfaces; i++)
		if (o->interface == NULL || strcmp(o->interface, s.config->interfaces[i].name) == 0)
			list_interface(&s, &s.config->interfaces[i], map, o->json, &separator);
	fputs(o->json ? "]}\n" : "", stdout);
	json_decref(map);
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
	json_t *map, *object;

	if (!sl_peer_store_open(&s, "peer show", o->config, o->gateway, false))
		return SL_EXIT_FAILED;
	peer = sl_peer_store_find(&s, o->interface, name, &ifp);
	if (peer) {
		map = running_peers(&s);
		object = describe(&s, ifp, peer, map, (int64_t)time(NULL));
		if (o->json) {
			json_dumpf(object, stdout, JSON_INDENT(2));
			putchar('\n');
		} else {
			print_fields(object);
		}
		json_decref(object);
		json_decref(map);
	}
	sl_peer_store_close(&s);
	return peer && fflush(stdout) == 0 ? SL_EXIT_DONE : SL_EXIT_FAILED;
}
