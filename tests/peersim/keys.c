#include "tests/peersim/keys.h"

#include <string.h>

#include "crypto/base64.h"
#include "crypto/blake2s.h"
#include "crypto/bytes.h"
#include "crypto/wipe.h"
#include "crypto/x25519.h"
#include "crypto/x25519_batch.h"

#define OUTER4     UINT32_C(0x64400001) /* 100.64.0.1 */
#define INNER4     UINT32_C(0x0a400100) /* 10.64.1.0 */
#define HUB4       UINT32_C(0xc000020a) /* 192.0.2.10 */
#define LAN4       UINT32_C(0x0a14000a) /* 10.20.0.10 */
#define PORT_FIRST 1024
#define PORTS      60000
#define HUB_LABEL  "hub"
#define PEER_LABEL "peer"
#define PSK_LABEL  "psk"

static const uint8_t hub6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 0x10};
static const uint8_t lan6[16] = {0xfd, 0x00, 0x00, 0x20, [15] = 0x10};
static const uint8_t outer6[16] = {0x20, 0x01, 0x0d, 0xb8, 0x10, [15] = 1};
static const uint8_t inner6[16] = {0xfd, 0x00, 0x00, 0x64, [11] = 1};

/* 32 bytes out of the seed, a word and a number. */
static void derive(const char *seed, const char *label, uint32_t number, uint8_t out[SL_HASH_LEN])
{
	uint8_t data[16 + sizeof(number)];
	size_t n = strlen(label);

	memcpy(data, label, n);
	sl_store_le32(data + n, number);
	sl_blake2s(out, SL_HASH_LEN, seed, strnlen(seed, SL_KEY_LEN), data, n + sizeof(number));
}

void sim_hub_private(const char *seed, unsigned number, uint8_t private_key[SL_KEY_LEN])
{
	derive(seed, HUB_LABEL, number, private_key);
	sl_x25519_clamp(private_key);
}

void sim_peer_private(const char *seed, uint32_t peer, uint8_t private_key[SL_KEY_LEN])
{
	derive(seed, PEER_LABEL, peer, private_key);
	sl_x25519_clamp(private_key);
}

void sim_peer_psk(const struct sim_options *o, uint32_t peer, uint8_t psk[SL_KEY_LEN])
{
	if (o->psk)
		derive(o->seed, PSK_LABEL, peer, psk);
	else
		memset(psk, 0, SL_KEY_LEN);
}

int sim_hub_add(struct sim *s, const uint8_t public_key[SL_KEY_LEN])
{
	struct sim_hub *hub;

	for (unsigned k = 0; k < s->n_hubs; k++)
		if (memcmp(s->hubs[k].public_key, public_key, SL_KEY_LEN) == 0)
			return (int)k;
	if (s->n_hubs == SIM_HUBS_MAX)
		return -1;
	hub = &s->hubs[s->n_hubs];
	memcpy(hub->public_key, public_key, SL_KEY_LEN);
	sl_mac_keys_init(&hub->macs, public_key);
	sl_ikpsk2_start(&hub->start, SL_NOISE_IDENTIFIER, sizeof(SL_NOISE_IDENTIFIER) - 1, public_key);
	return (int)s->n_hubs++;
}

void sim_keys_ready(struct sim *s, const uint32_t *peers, unsigned n)
{
	struct sl_x25519_job jobs[2 * SL_IKPSK2_BATCH];
	uint8_t private_keys[SL_IKPSK2_BATCH][SL_KEY_LEN];
	unsigned n_jobs = 0;

	for (unsigned i = 0; i < n; i++) {
		struct sim_peer *p = &s->peers[peers[i]];

		if (p->has_public && p->ss_hub == p->hub)
			continue;
		sim_peer_private(s->o.seed, peers[i], private_keys[i]);
		if (!p->has_public)
			jobs[n_jobs++] = (struct sl_x25519_job){.private_key = private_keys[i], .out = p->public_key};
		if (p->ss_hub != p->hub)
			jobs[n_jobs++] = (struct sl_x25519_job){
			        .private_key = private_keys[i], .public_key = s->hubs[p->hub].public_key, .out = p->ss};
		p->has_public = true;
		p->ss_hub = p->hub;
	}
	sl_x25519_batch(s->simd, jobs, n_jobs);
	sl_wipe(private_keys, sizeof(private_keys));
}

/* Adds a number to the last bytes of an address of n bytes. */
static void add(uint8_t *address, size_t n, uint32_t number)
{
	for (uint64_t carry = number; carry && n > 0; carry >>= 8) {
		carry += address[--n];
		address[n] = (uint8_t)carry;
	}
}

static void inner_address(const struct sim_options *o, uint32_t peer, bool *v6, uint8_t out[16])
{
	*v6 = o->mixed && (peer & 2);
	if (*v6) {
		memcpy(out, inner6, sizeof(inner6));
		add(out, 16, peer);
	} else {
		sl_store_be32(out, INNER4 + peer);
	}
}

void sim_outer_ends(const struct sim_options *o, uint32_t peer, struct wire_ends *ends)
{
	ends->v6 = o->mixed && (peer & 1);
	ends->from_port = (uint16_t)(PORT_FIRST + peer % PORTS);
	ends->to_port = SIM_HUB_PORT;
	if (ends->v6) {
		memcpy(ends->from, outer6, sizeof(outer6));
		add(ends->from, 8, peer);
		memcpy(ends->to, hub6, sizeof(hub6));
	} else {
		sl_store_be32(ends->from, OUTER4 + peer);
		sl_store_be32(ends->to, HUB4);
	}
}

void sim_inner_ends(const struct sim_options *o, uint32_t peer, struct wire_ends *ends)
{
	inner_address(o, peer, &ends->v6, ends->from);
	if (ends->v6)
		memcpy(ends->to, lan6, sizeof(lan6));
	else
		sl_store_be32(ends->to, LAN4);
}

uint32_t sim_outer_peer(const struct sim_options *o, const struct wire_ends *to)
{
	struct wire_ends ends;
	uint32_t peer;

	if (to->v6)
		peer = (uint32_t)(to->to[4] - outer6[4]) << 24 | (uint32_t)to->to[5] << 16 | (uint32_t)to->to[6] << 8 |
		       to->to[7];
	else
		peer = __builtin_bswap32(sl_load_le32(to->to)) - OUTER4;
	if (peer >= o->peers)
		return SIM_NONE;
	sim_outer_ends(o, peer, &ends);
	return ends.v6 == to->v6 && ends.from_port == to->to_port && memcmp(ends.from, to->to, ends.v6 ? 16 : 4) == 0
	               ? peer
	               : SIM_NONE;
}

static void write_peer(FILE *out, const struct sim_options *o, uint32_t peer, const uint8_t public_key[SL_KEY_LEN])
{
	char text[SL_KEY_BASE64_LEN + 1];
	uint8_t address[16], psk[SL_KEY_LEN];
	bool v6;

	sl_key_to_base64(text, public_key);
	fprintf(out, "  peer-%u: {public-key: \"%s\"", peer, text);
	if (o->psk) {
		sim_peer_psk(o, peer, psk);
		sl_key_to_base64(text, psk);
		fprintf(out, ", preshared-key: \"%s\"", text);
	}
	inner_address(o, peer, &v6, address);
	if (v6)
		fprintf(out, ", allowed-ips: [\"fd00:64::%x:%x:%x/128\"]}\n", address[10] << 8 | address[11],
		        address[12] << 8 | address[13], address[14] << 8 | address[15]);
	else
		fprintf(out, ", allowed-ips: [%u.%u.%u.%u/32]}\n", address[0], address[1], address[2], address[3]);
}

bool sim_write_peers(FILE *out, const struct sim_options *o, uint32_t first, uint32_t count)
{
	uint8_t private_keys[SL_IKPSK2_BATCH][SL_KEY_LEN], public_keys[SL_IKPSK2_BATCH][SL_KEY_LEN];
	struct sl_x25519_job jobs[SL_IKPSK2_BATCH];

	fprintf(out, "peers:\n");
	for (uint32_t done = 0, n; done < count; done += n) {
		n = count - done < SL_IKPSK2_BATCH ? count - done : SL_IKPSK2_BATCH;
		for (uint32_t i = 0; i < n; i++) {
			sim_peer_private(o->seed, first + done + i, private_keys[i]);
			jobs[i] = (struct sl_x25519_job){.private_key = private_keys[i], .out = public_keys[i]};
		}
		sl_x25519_batch(sl_simd_best(), jobs, n);
		for (uint32_t i = 0; i < n; i++)
			write_peer(out, o, first + done + i, public_keys[i]);
	}
	sl_wipe(private_keys, sizeof(private_keys));
	return fflush(out) == 0 && !ferror(out);
}
