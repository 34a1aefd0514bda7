/* sluice peer add: a new peer with keys, addresses and a file of its own, into the running gateway, and its side's file. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/atomic_file.h"
#include "app/commands.h"
#include "app/peer_commands.h"
#include "app/peer_store.h"
#include "app/pool.h"
#include "app/qr.h"
#include "app/usage.h"
#include "control/config_memory.h"
#include "control/config_write.h"
#include "control/net_text.h"
#include "control/secret_stream.h"
#include "crypto/base64.h"
#include "crypto/random.h"
#include "crypto/wipe.h"
#include "crypto/x25519.h"

#define PREFIXES_MAX 256
#define OWNER_ONLY   (S_IRUSR | S_IWUSR)

/* A peer being made. */
struct draft {
	struct sl_peer_store store;
	const struct sl_config_interface *ifp;
	struct sl_config_peer peer;
	char host[SL_HOST_TEXT];
	struct sl_prefix prefixes[PREFIXES_MAX];
	uint8_t private_key[SL_KEY_LEN];
	bool has_private_key;
	char path[PATH_MAX], key_path[PATH_MAX];
};

/* A name that is part of a file's name, too: no dot or dash in front. */
static bool
name_ok(const char *name)
{
	if (name[0] == '\0' || strlen(name) > SL_CONFIG_PEER_NAME_MAX || strchr(".-+@_", name[0]))
		return false;
	for (const unsigned char *c = (const unsigned char *)name; *c; c++)
		if (*c < 0x80 && strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@+-", *c) == NULL)
			return false;
	return true;
}

static bool
is_new(const struct draft *d, const char *name)
{
	for (uint32_t i = 0; i < d->ifp->n_peers; i++) {
		if (strcmp(d->ifp->peers[i].name, name) != 0)
			continue;
		fprintf(stderr, "sluice peer add: there is a peer `%s` already; choose another name\n", name);
		return false;
	}
	return true;
}

/* The prefixes told, separated by commas. */
static bool
take_prefixes(struct draft *d, const char *text)
{
	char *copy = text ? strdup(text) : NULL, *rest = copy, *word;
	bool ok = true;

	while (ok && (word = strsep(&rest, ", ")) != NULL) {
		struct sl_prefix prefix;

		if (*word == '\0')
			continue;
		ok = sl_prefix_parse(word, &prefix) && d->peer.n_allowed_ips < PREFIXES_MAX - 2;
		if (!ok) {
			fprintf(stderr, "sluice peer add: --allowed-ips: `%s` is not an address with a prefix length\n", word);
			break;
		}
		sl_prefix_mask(&prefix);
		d->prefixes[d->peer.n_allowed_ips++] = prefix;
	}
	free(copy);
	return ok;
}

/* Whether an address of that family has been told that the pool holds. */
static bool
has_told(const struct draft *d, uint8_t family)
{
	struct sl_prefix pool;

	for (uint32_t i = 0; i < d->peer.n_allowed_ips; i++) {
		const struct sl_prefix *p = &d->prefixes[i];

		for (uint32_t j = 0; p->addr.family == family && p->len == sl_family_bits(family); j++) {
			if (!sl_pool_prefix(d->ifp, j, &pool))
				break;
			if (sl_prefix_contains(&pool, &p->addr))
				return true;
		}
	}
	return false;
}

/* One address of each family that the pool has, in front of what was told. */
static bool
take_pool(struct draft *d, const struct sl_prefix *live, uint32_t n)
{
	static const uint8_t families[] = {SL_AF_INET6, SL_AF_INET};

	for (size_t i = 0; i < 2; i++) {
		struct sl_prefix address;

		if (!sl_pool_has(d->ifp, families[i]) || has_told(d, families[i]))
			continue;
		if (!sl_pool_next(d->ifp, families[i], live, n, &address)) {
			fprintf(stderr, "sluice peer add: the pool of '%s' has no free %s address; widen `pool`, or remove peers\n",
				d->ifp->name, families[i] == SL_AF_INET ? "IPv4" : "IPv6");
			return false;
		}
		memmove(d->prefixes + 1, d->prefixes, d->peer.n_allowed_ips++ * sizeof(d->prefixes[0]));
		d->prefixes[0] = address;
	}
	return true;
}

static bool
take_addresses(struct draft *d)
{
	struct sl_prefix *live;
	uint32_t n, capacity;
	bool ok;

	if (!sl_peer_store_live_prefixes(&d->store, d->ifp->name, &live, &n, &capacity))
		return false;
	ok = take_pool(d, live, n);
	sl_array_free(live, capacity, sizeof(*live));
	if (!ok)
		return false;
	d->peer.allowed_ips = d->prefixes;
	if (d->peer.n_allowed_ips == 0)
		fprintf(stderr, "sluice peer add: '%s' has neither addresses nor a pool; name addresses with --allowed-ips\n",
			d->ifp->name);
	return d->peer.n_allowed_ips > 0;
}

static bool
take_keys(struct draft *d, const struct sl_peer_options *o)
{
	if (o->psk) {
		sl_random_bytes(d->peer.preshared_key, SL_KEY_LEN);
		d->peer.has_preshared_key = true;
	}
	if (o->public_key == NULL) {
		sl_x25519_keypair(d->private_key, d->peer.public_key, &sl_rng_kernel);
		d->has_private_key = true;
		return true;
	}
	if (o->keep_key || o->qr) {
		fprintf(stderr, "sluice peer add: with --public-key the private one is not here; leave out %s\n",
			o->keep_key ? "--keep-key" : "--qr");
		return false;
	}
	if (sl_key_from_base64(d->peer.public_key, o->public_key, strlen(o->public_key)))
		return true;
	fputs("sluice peer add: --public-key: not a WireGuard key; give what `wg pubkey` prints\n", stderr);
	return false;
}

static int
write_secret_file(const char *path, const char *text, size_t len, bool replace)
{
	int rc = sl_atomic_write(path, text, len, OWNER_ONLY, replace);

	if (rc != 0)
		fprintf(stderr, "sluice peer add: %s: %s\n", path, strerror(-rc));
	return rc;
}

/* The peer's own key beside its file, where that was asked for. */
static bool
keep_key(struct draft *d)
{
	char text[SL_KEY_BASE64_LEN + 2];
	size_t len = strlen(d->path);
	const char *dot = strrchr(d->path, '.');
	int rc;

	if (dot && dot > strrchr(d->path, '/'))
		len = (size_t)(dot - d->path);
	snprintf(d->key_path, sizeof(d->key_path), "%.*s.key", (int)len, d->path);
	sl_key_to_base64(text, d->private_key);
	strcat(text, "\n");
	/* one that is there is left from a command that did not come to its end */
	rc = write_secret_file(d->key_path, text, strlen(text), true);
	sl_wipe(text, sizeof(text));
	d->peer.private_key_file = d->key_path;
	return rc == 0;
}

static bool
write_peer_file(struct draft *d)
{
	char *text = NULL;
	size_t len;
	FILE *out = sl_secret_stream(&text, &len);
	int rc;

	if (out == NULL)
		return false;
	fputs("peers:\n", out);
	sl_config_write_peer(out, &d->peer, 2);
	if (fclose(out) != 0)
		return false;
	rc = write_secret_file(d->path, text, len, false);
	sl_wipe(text, len);
	free(text);
	return rc == 0;
}

static void
undo(const struct draft *d)
{
	sl_atomic_remove(d->path);
	if (d->key_path[0])
		sl_atomic_remove(d->key_path);
}

/* The client's file: made before anything is written, so that what keeps it from being made leaves nothing behind. */
static char *
client_text(const struct draft *d, const struct sl_peer_options *o, size_t *len)
{
	char *text = NULL, why[256] = "out of memory";
	FILE *out = sl_secret_stream(&text, len);
	bool ok = out && sl_client_file(out, d->store.config, d->ifp, &d->peer,
				 d->has_private_key ? d->private_key : NULL, &o->client, why, sizeof(why));

	if (out && fclose(out) != 0)
		ok = false;
	if (ok)
		return text;
	fprintf(stderr, "sluice peer add: %s\n", why);
	if (text)
		sl_wipe(text, *len);
	free(text);
	return NULL;
}

/*
 * Whether the client's file can be given to who asked: found out before there is a peer, for its private key is in that
 * file and nowhere else.
 */
static bool
can_give(const char *text, const struct sl_peer_options *o)
{
	char *code = NULL;
	size_t len = 0;
	bool ok = true;
	FILE *out;

	if (o->output && !o->force && access(o->output, F_OK) == 0) {
		fprintf(stderr, "sluice peer add: %s: %s; choose another name, or replace it with --force\n", o->output,
			strerror(EEXIST));
		return false;
	}
	if (o->qr && (out = sl_secret_stream(&code, &len)) != NULL) {
		ok = sl_qr_write(out, text, false);
		fclose(out);
		if (code)
			sl_wipe(code, len);
		free(code);
	}
	if (!ok)
		fputs("sluice peer add: it is too long for a QR code; leave out --qr, or name fewer --client-allowed-ips\n", stderr);
	return ok;
}

/* The peer is there: what keeps its file from where it was to go does not lose its key. */
static int
give(const char *text, size_t len, const struct sl_peer_options *o)
{
	int code = sl_peer_give(text, len, "peer add", o);
	bool printed = false;

	if (code == SL_EXIT_DONE)
		return code;
	if (o->output) {
		fputs("sluice peer add: the peer has been added; its file is printed instead\n", stderr);
		printed = fwrite(text, 1, len, stdout) == len && fflush(stdout) == 0;
	}
	if (!printed)
		fprintf(stderr, "sluice peer add: the peer has been added, and its file could not be given to anyone; %s\n",
			o->keep_key || o->public_key ? "`sluice export` makes it again" : "remove the peer and add it again");
	return code;
}

/* Makes the peer; whether it is there, and in the gateway if one runs. */
static bool
commit(struct draft *d, const struct sl_peer_options *o)
{
	if (!sl_peer_store_new_path(&d->store, d->ifp, d->peer.name, d->path, sizeof(d->path)))
		return false;
	/* before the key: the one beside a file that is there belongs to its peer */
	if (access(d->path, F_OK) == 0) {
		fprintf(stderr, "sluice peer add: %s: %s; choose another name\n", d->path, strerror(EEXIST));
		return false;
	}
	if (o->keep_key && !keep_key(d))
		return false;
	if (!write_peer_file(d)) {
		if (d->key_path[0])
			sl_atomic_remove(d->key_path);
		return false;
	}
	if (!sl_peer_store_apply(&d->store, d->ifp->name, d->peer.name)) {
		undo(d);
		fputs("sluice peer add: the gateway did not take it; nothing was changed\n", stderr);
		return false;
	}
	if (!d->store.running)
		fprintf(stderr, "sluice peer add: no gateway runs; %s is there for when it does\n", d->path);
	return true;
}

static int
add(struct draft *d, const struct sl_peer_options *o)
{
	char *text;
	size_t len = 0;
	int code = SL_EXIT_FAILED;

	d->ifp = sl_peer_store_interface(&d->store, o->interface);
	if (d->ifp == NULL || !is_new(d, d->peer.name) || !take_prefixes(d, o->allowed_ips) || !take_addresses(d) ||
		!take_keys(d, o))
		return SL_EXIT_FAILED;
	if (o->peer_endpoint)
		(void)sl_endpoint_read(o->peer_endpoint, 0, d->host, &d->peer.endpoint); /* the options have judged it */
	d->peer.expires = o->expires;
	text = client_text(d, o, &len);
	if (text == NULL)
		return SL_EXIT_FAILED;
	if (can_give(text, o) && commit(d, o))
		code = give(text, len, o);
	sl_wipe(text, len);
	free(text);
	return code;
}

int
sl_peer_give(const char *text, size_t len, const char *command, const struct sl_peer_options *o)
{
	int rc = 0;

	if (o->output)
		rc = sl_atomic_write(o->output, text, len, OWNER_ONLY, o->force);
	if (rc != 0) {
		fprintf(stderr, "sluice %s: %s: %s%s\n", command, o->output, strerror(-rc),
			rc == -EEXIST ? "; choose another name, or replace it with --force" : "");
		return SL_EXIT_FAILED;
	}
	if (o->qr && !sl_qr_write(stdout, text, isatty(STDOUT_FILENO))) {
		fprintf(stderr, "sluice %s: it is too long for a QR code; leave out --qr, or name fewer --client-allowed-ips\n", command);
		return SL_EXIT_FAILED;
	}
	if (!o->qr && !o->output)
		fwrite(text, 1, len, stdout);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return SL_EXIT_DONE;
	fprintf(stderr, "sluice %s: cannot write to stdout: %m\n", command);
	return SL_EXIT_FAILED;
}

int
sl_peer_add(const char *name, const struct sl_peer_options *o)
{
	struct draft *d = calloc(1, sizeof(*d));
	int code = SL_EXIT_FAILED;

	if (!name_ok(name)) {
		free(d);
		return sl_usage_error("peer add", "`%s` is no name for a peer; use letters, digits and . _ @ + -", name);
	}
	if (d && sl_peer_store_open(&d->store, "peer add", o->config, o->gateway, true)) {
		d->peer.name = name;
		code = add(d, o);
		sl_peer_store_close(&d->store);
	}
	if (d)
		sl_wipe(d, sizeof(*d));
	free(d);
	return code;
}
