#include "app/peer_options.h"

#include <stdlib.h>
#include <string.h>

#include "app/commands.h"
#include "app/options.h"
#include "app/usage.h"
#include "control/net_text.h"
#include "control/rfc3339.h"

enum {
	KEEPALIVE_MAX = 65535,
};

static const struct option known[] = {
	{"config", required_argument, NULL, 'c'},
	{"name", required_argument, NULL, 'n'},
	{"interface", required_argument, NULL, 'i'},
	{"output", required_argument, NULL, 'o'},
	{"public-key", required_argument, NULL, 'p'},
	{"allowed-ips", required_argument, NULL, 'a'},
	{"peer-endpoint", required_argument, NULL, 'E'},
	{"private-key-file", required_argument, NULL, 'P'},
	{"expires", required_argument, NULL, 'x'},
	{"psk", no_argument, NULL, 's'},
	{"keep-key", no_argument, NULL, 'K'},
	{"qr", no_argument, NULL, 'q'},
	{"json", no_argument, NULL, 'j'},
	{"force", no_argument, NULL, 'f'},
	{"full-tunnel", no_argument, NULL, 'F'},
	{"split-tunnel", no_argument, NULL, 'S'},
	{"kill-switch", no_argument, NULL, 'k'},
	{"client-allowed-ips", required_argument, NULL, 'A'},
	{"dns", required_argument, NULL, 'd'},
	{"endpoint", required_argument, NULL, 'e'},
	{"keepalive", required_argument, NULL, 'l'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
};

#define KNOWN (sizeof(known) / sizeof(known[0]))

/* A point in time, or a span from now: 30d, 12h, 90m. */
static bool
parse_expires(const char *text, int64_t now, int64_t *out)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
	char *end;
	long n = strtol(text, &end, 10);

	if (sl_time_parse(text, out))
		return true;
	if (end == text || n <= 0 || n > 100000 || end[0] == '\0' || end[1] != '\0')
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (units[i].unit == end[0]) {
			*out = now + n * units[i].seconds;
			return true;
		}
	}
	return false;
}

static bool
parse_keepalive(const char *text, int *out)
{
	char *end;
	long n = strcmp(text, "off") == 0 ? 0 : strtol(text, &end, 10);

	if (n < 0 || n > KEEPALIVE_MAX || (strcmp(text, "off") != 0 && (end == text || *end)))
		return false;
	*out = (int)n;
	return true;
}

static bool
prefix_ok(const char *text)
{
	struct sl_prefix prefix;

	return sl_prefix_parse(text, &prefix);
}

static bool
server_or_domain_ok(const char *text)
{
	struct sl_ip ip;

	return sl_ip_parse(text, &ip) || sl_host_ok(text);
}

/* Each element of a list with commas, at least one of them; `what` they are. False after an error. */
static bool
list_ok(const char *command, const char *option, const char *list, bool (*ok)(const char *text), const char *what)
{
	char *copy = strdup(list), *rest = copy, *word;
	unsigned n = 0;
	bool good = copy != NULL;

	while (good && (word = strsep(&rest, ", ")) != NULL) {
		if (*word == '\0')
			continue;
		n++;
		good = ok(word);
		if (!good)
			sl_usage_error(command, "%s: `%s` is not %s", option, word, what);
	}
	if (good && n == 0)
		sl_usage_error(command, "%s: nothing in it; give %s", option, what);
	free(copy);
	return good && n > 0;
}

static bool
endpoint_ok(const char *command, const char *option, const char *text)
{
	struct sl_config_endpoint endpoint;
	char host[SL_HOST_TEXT];
	const char *problem = sl_endpoint_read(text, 0, host, &endpoint);

	if (problem)
		sl_usage_error(command, "%s: `%s` %s", option, text, problem);
	return problem == NULL;
}

static bool
take_expires(const char *command, int64_t now, struct sl_peer_options *o)
{
	if (!parse_expires(optarg, now, &o->expires))
		sl_usage_error(command, "--expires: `%s` is no time; give one such as 2026-12-31T18:00:00Z, or 30d, 12h, 90m", optarg);
	else if (o->expires <= now)
		sl_usage_error(command, "--expires: `%s` is past; give a time to come, or 30d, 12h, 90m", optarg);
	else
		return true;
	return false;
}

/* What the peer's own file is to say. False after an error. */
static bool
take_client(const char *command, int letter, struct sl_peer_options *o)
{
	switch (letter) {
	case 'A':
		o->client.allowed_ips = optarg;
		return list_ok(command, "--client-allowed-ips", optarg, prefix_ok, "a network, such as 10.20.0.0/16");
	case 'd':
		o->client.dns = optarg;
		return list_ok(command, "--dns", optarg, server_or_domain_ok, "an address of a name server, or a domain");
	case 'e':
		o->client.endpoint = optarg;
		return endpoint_ok(command, "--endpoint", optarg);
	default:
		if (parse_keepalive(optarg, &o->client.keepalive))
			return true;
		sl_usage_error(command, "--keepalive: `%s` is not a number of seconds from 0 to %d", optarg, KEEPALIVE_MAX);
		return false;
	}
}

/* One option; false after an error. */
static bool
take(const char *command, int letter, int64_t now, struct sl_peer_options *o)
{
	switch (letter) {
	case 'c': o->config = optarg; break;
	case 'n': o->gateway = optarg; break;
	case 'i': o->interface = optarg; break;
	case 'o': o->output = optarg; break;
	case 'p': o->public_key = optarg; break;
	case 'a': o->allowed_ips = optarg; break;
	case 'E': o->peer_endpoint = optarg; return endpoint_ok(command, "--peer-endpoint", optarg);
	case 'P': o->key_file = optarg; break;
	case 's': o->psk = true; break;
	case 'K': o->keep_key = true; break;
	case 'q': o->qr = true; break;
	case 'j': o->json = true; break;
	case 'f': o->force = true; break;
	case 'F': o->client.tunnel = SL_CLIENT_FULL; break;
	case 'S': o->client.tunnel = SL_CLIENT_SPLIT; break;
	case 'k': o->client.kill_switch = true; break;
	case 'x': return take_expires(command, now, o);
	case 'A':
	case 'd':
	case 'e':
	case 'l': return take_client(command, letter, o);
	default:
		return false; /* getopt has said why */
	}
	return true;
}

bool
sl_peer_options_parse(
	int argc, char **argv, const char *accepted, const char *help, int64_t now, struct sl_peer_options *o, int *code)
{
	struct option longs[KNOWN + 1];
	char letters[SL_OPTION_LETTERS(KNOWN)];
	int opt;

	*o = (struct sl_peer_options){.client.keepalive = -1};
	sl_select_options(known, KNOWN, accepted, longs, letters);
	while ((opt = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if (opt == 'h' || opt == 'V') {
			*code = opt == 'h' ? sl_print_help(help) : sl_print_version();
			return false;
		}
		if (!take(argv[0], opt, now, o)) {
			*code = SL_EXIT_USAGE;
			return false;
		}
	}
	return true;
}
