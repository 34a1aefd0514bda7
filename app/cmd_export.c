/* sluice export: the client's wg-quick file for a peer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/peer_commands.h"
#include "app/peer_store.h"
#include "app/usage.h"
#include "control/key_file.h"
#include "control/secret_stream.h"
#include "crypto/wipe.h"

static const char help[] =
	"Usage: sluice export PEER [--qr] [-o FILE] [OPTION...]\n"
	"\n"
	"Prints what a peer puts into its wg-quick file to reach this gateway. The peer's private key is in it where the\n"
	"gateway keeps it (`private-key-file`) or --private-key-file names it.\n"
	"\n"
	"Options:\n"
	"      --split-tunnel             only what lies behind the gateway goes through the tunnel (the default)\n"
	"      --full-tunnel              everything does\n"
	"      --kill-switch              with --full-tunnel: nothing leaves but through the tunnel, by nftables rules\n"
	"      --client-allowed-ips LIST  these networks go through the tunnel\n"
	"      --dns LIST                 name servers and search domains of the client\n"
	"      --endpoint A:P             where the gateway is reached, in place of `public-endpoint`\n"
	"      --keepalive SECONDS        by default 25 where the gateway does not know where the peer is\n"
	"      --private-key-file FILE    the peer's private key\n"
	"      --qr                       as a QR code\n"
	"  -o, --output FILE              into a file that only its owner can read\n"
	"  -f, --force                    also where there is such a file\n"
	"  -c, --config FILE              the configuration, by default the running gateway's\n"
	"  -n, --name NAME                the gateway, by default the only one that runs\n"
	"  -i, --interface NAME           the interface of the peer\n"
	"  -h, --help                     this text\n"
	"  -V, --version                  the version\n";

/* The peer's own key, where it is to be had. False after an error. */
static bool
read_key(const struct sl_config_peer *peer, const char *named, uint8_t key[SL_KEY_LEN], bool *has)
{
	const char *path = named ? named : peer->private_key_file;
	char why[256];

	*has = path != NULL;
	if (path == NULL || sl_key_file_read(path, key, why, sizeof(why)))
		return true;
	fprintf(stderr, "sluice export: %s\n", why);
	return false;
}

static int
export(const struct sl_peer_store *s, const char *name, const struct sl_peer_options *o)
{
	const struct sl_config_interface *ifp;
	const struct sl_config_peer *peer = sl_peer_store_find(s, o->interface, name, &ifp);
	char why[256] = "out of memory", *text = NULL;
	uint8_t key[SL_KEY_LEN] = {0};
	bool has_key, ok = false;
	int code = SL_EXIT_FAILED;
	size_t len = 0;
	FILE *out;

	if (peer == NULL || !read_key(peer, o->key_file, key, &has_key))
		return SL_EXIT_FAILED;
	if (o->qr && !has_key) {
		fprintf(stderr, "sluice export: the private key of `%s` is not here; name its file with --private-key-file\n", name);
		return SL_EXIT_FAILED;
	}
	out = sl_secret_stream(&text, &len);
	if (out) {
		ok = sl_client_file(out, s->config, ifp, peer, has_key ? key : NULL, &o->client, why, sizeof(why));
		ok = fclose(out) == 0 && ok;
	}
	if (ok)
		code = sl_peer_give(text, len, "export", o);
	else
		fprintf(stderr, "sluice export: %s\n", why);
	if (text)
		sl_wipe(text, len);
	free(text);
	sl_wipe(key, sizeof(key));
	return code;
}

int
sl_cmd_export(int argc, char **argv)
{
	struct sl_peer_options o;
	struct sl_peer_store s;
	int code;

	if (!sl_peer_options_parse(argc, argv, "cniofqFSkAdelP", help, (int64_t)time(NULL), &o, &code))
		return code;
	if (optind == argc)
		return sl_usage_error("export", "for which peer? give its name");
	if (optind + 1 < argc)
		return sl_usage_error("export", "takes one peer, not also `%s`", argv[optind + 1]);
	if (!sl_peer_store_open(&s, "export", o.config, o.gateway, false))
		return SL_EXIT_FAILED;
	code = export(&s, argv[optind], &o);
	sl_peer_store_close(&s);
	return code;
}
