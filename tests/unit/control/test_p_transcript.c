/*
 * Conversations that wireguard-go has had (tests/tools/wgrecord.c, transcript_*.txt), replayed against our protocol
 * core with the same keys and the same randomness: where ours is the word, it must say exactly what wireguard-go took;
 * what wireguard-go said must be taken, and its data open to the recorded packets (protocol.md 2, 7, 12–16, 22).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/aead_single.h"
#include "crypto/bytes.h"
#include "crypto/init.h"
#include "sim.h"
#include "tests/unit/control/transcript.h"
#include "tests/unit/oracle.h"

#define LINES    64
#define TEXT_MAX 1024
#define RING     1024

struct line {
	char name[32];
	uint8_t data[TEXT_MAX];
	size_t len;
};

static struct line lines[LINES];
static unsigned n_lines;
static struct sim sim;
static struct sim_node *a;
static struct oracle o;        /* our end, to see that the recording is what it should be */
static const uint8_t *keys[2]; /* what 32 random bytes are, one after another */
static unsigned n_keys;

static void load_transcript(const char *name)
{
	char path[512], text[2 * TEXT_MAX + 64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", SL_TRANSCRIPT_DIR, name);
	f = fopen(path, "r");
	cr_assert_not_null(f, "%s", path);
	while (fgets(text, sizeof(text), f)) {
		struct line *l = &lines[n_lines];
		char *hex = strchr(text, ' ') + 1;

		if (text[0] == '#')
			continue;
		cr_assert_lt(n_lines, LINES);
		snprintf(l->name, sizeof(l->name), "%.*s", (int)(hex - 1 - text), text);
		for (unsigned byte; sscanf(hex, "%2x", &byte) == 1; hex += 2)
			l->data[l->len++] = (uint8_t)byte;
		n_lines++;
	}
	fclose(f);
}

/* The nth line of that name, from 0; NULL: there are not so many. */
static const struct line *find(const char *name, unsigned nth)
{
	for (unsigned i = 0; i < n_lines; i++)
		if (strcmp(lines[i].name, name) == 0 && nth-- == 0)
			return &lines[i];
	return NULL;
}

static const struct line *recorded(const char *name, unsigned nth, size_t len)
{
	const struct line *l = find(name, nth);

	cr_assert_not_null(l, "%s %u", name, nth);
	cr_assert_eq(l->len, len, "%s %u", name, nth);
	return l;
}

static void fixed_bytes(void *ctx, void *out, size_t n)
{
	memset(out, 0, n);
	if (n == sizeof(transcript_seed))
		memcpy(out, transcript_seed, n);
	else if (n == SL_COOKIE_NONCES * sizeof(transcript_nonce)) /* made at once; the recording has the first */
		memcpy(out, transcript_nonce, sizeof(transcript_nonce));
	else if (n == 32)
		memcpy(out, keys[n_keys++], n);
}

/* Node 0 is the gateway of the recording, node 1 no more than the name of wireguard-go's key. */
static void begin(const char *transcript, const uint8_t *key1, const uint8_t *key2)
{
	cr_assert_eq(sl_crypto_init(), 0);
	load_transcript(transcript);
	keys[0] = key1;
	keys[1] = key2;
	sim_init(&sim, 1, true);
	memcpy(sim.nodes[0].private_key, transcript_our_key, 32);
	memcpy(sim.nodes[1].private_key, transcript_their_key, 32);
	for (unsigned i = 0; i < 2; i++)
		oracle_public(sim.nodes[i].public_key, sim.nodes[i].private_key);
	sim.rng = (struct sl_rng){.bytes = fixed_bytes};
	sim_restart(&sim, 1);
	sim_restart(&sim, 0);
	sim.link.cut = true;
	a = &sim.nodes[0];
	sl_proto_peer_set_psk(a->peer, transcript_psk);
	oracle_init(&o, transcript_our_key, sim.nodes[1].public_key, transcript_psk);
}

static void is_sent(uint32_t type, const char *name, size_t len)
{
	const struct sim_event *e = sim_last(&sim, SIM_SENT, 0, type);

	cr_assert_not_null(e, "%s", name);
	cr_assert_eq(e->len, len);
	cr_assert_arr_eq(e->data, recorded(name, 0, len)->data, len, "%s", name);
}

/* All data of the recording, by the session whose index it names. */
static void data_as_recorded(void)
{
	uint32_t index = sl_load_le32(recorded("received", 0, find("received", 0)->len)->data + 4);
	const struct sl_session *s = &a->sessions.slots[sl_session_slot_of(&a->sessions, index)];
	unsigned packets = 0;

	cr_assert_eq(s->index, index);
	for (const struct line *l; (l = find("received", packets)) != NULL; packets++) {
		const struct line *plain = recorded("received_plain", packets, l->len - SL_DATA_OVERHEAD);
		uint64_t counter = sl_load_le64(l->data + 8);
		uint8_t got[TEXT_MAX];

		cr_assert_eq(sl_load_le32(l->data), SL_MSG_DATA);
		cr_assert_eq(counter, packets);
		cr_assert(sl_aead_open(got, l->data + 16, l->len - 16, NULL, 0, counter, s->recv_key), "packet %u",
		        packets);
		cr_assert_arr_eq(got, plain->data, plain->len, "packet %u", packets);
		cr_assert_eq(oracle_open(&o, l->data, l->len, &counter, got), (long)plain->len);
	}
	cr_assert_eq(packets, 3);
	for (unsigned i = 0; i < packets; i++) {
		const struct line *l = find("sent", i), *plain = find("sent_plain", i);
		uint8_t msg[TEXT_MAX];

		sl_store_le32(msg, SL_MSG_DATA);
		sl_store_le32(msg + 4, s->remote_index);
		sl_store_le64(msg + 8, i);
		sl_aead_seal(msg + 16, plain->data, plain->len, NULL, 0, i, s->sender->key);
		cr_assert_eq(l->len, plain->len + SL_DATA_OVERHEAD);
		cr_assert_arr_eq(msg, l->data, l->len, "packet %u", i);
	}
}

Test(proto_transcript, p7_wireguard_go_initiates)
{
	uint8_t stamp[ORACLE_STAMP], response[ORACLE_RESPONSE];
	struct sl_endpoint src;
	const uint8_t *source;

	begin("transcript_initiates.txt", transcript_cookie_secret, transcript_ephemeral[0]);
	source = recorded("source", 0, 6)->data;
	src = (struct sl_endpoint){.ip = sl_ip4(source), .port = (uint16_t)(source[4] << 8 | source[5])};
	sl_proto_if_note_load(a->ifp, RING / 8, RING, sim.now);
	sim_deliver(&sim, 0, recorded("initiation_1", 0, 148)->data, 148, &src);
	is_sent(SL_MSG_COOKIE_REPLY, "cookie_reply", 64);
	cr_assert_eq(sim_count(&sim, SIM_SENT, 0, SL_MSG_RESPONSE), 0);

	sim_deliver(&sim, 0, recorded("initiation_2", 0, 148)->data, 148, &src);
	is_sent(SL_MSG_RESPONSE, "response", 92);
	cr_assert_eq(sim_count(&sim, SIM_SENT, 0, SL_MSG_COOKIE_REPLY), 1, "its mac2 was right");
	cr_assert_arr_eq(a->peer->latest_timestamp, recorded("stamp", 1, 12)->data, 12);
	cr_assert_not(sl_sessions_sendable(a->peer, sim.now));

	cr_assert(oracle_take_initiation(&o, recorded("initiation_2", 0, 148)->data, stamp));
	oracle_response(&o, transcript_ephemeral[0], sl_load_le32(find("response", 0)->data + 4), NULL, response);
	cr_assert_arr_eq(response, find("response", 0)->data, sizeof(response));
	data_as_recorded();
	sim_deliver(&sim, 0, find("received", 0)->data, find("received", 0)->len, &src);
	cr_assert(sl_sessions_sendable(a->peer, sim.now), "its first packet confirms the key");
	sim_fini(&sim);
}

Test(proto_transcript, p7_wireguard_go_responds)
{
	uint8_t stamp[ORACLE_STAMP], initiation[ORACLE_INITIATION];

	begin("transcript_responds.txt", transcript_ephemeral[0], transcript_ephemeral[1]);
	a->wall_offset = ((int64_t)TRANSCRIPT_WALL - (int64_t)SIM_WALL) * (int64_t)SIM_S - (int64_t)sim.now;
	sim_initiate(&sim, 0);
	is_sent(SL_MSG_INITIATION, "initiation_1", 148);
	sim_deliver(&sim, 0, recorded("cookie_reply", 0, 64)->data, 64, NULL);
	cr_assert_eq(sl_proto_if_counters(a->ifp)->cookies_received, 1);
	sim_run_for(&sim, 5 * SIM_S); /* the jitter is 0 */
	cr_assert_eq(sim_count(&sim, SIM_SENT, 0, SL_MSG_INITIATION), 2);
	is_sent(SL_MSG_INITIATION, "initiation_2", 148);

	sim_deliver(&sim, 0, recorded("response", 0, 92)->data, 92, NULL);
	cr_assert(sl_sessions_sendable(a->peer, sim.now));
	cr_assert_eq(sim_count(&sim, SIM_SENT, 0, SL_MSG_DATA), 1, "a keepalive confirms the key");
	oracle_stamp(stamp, TRANSCRIPT_WALL + 5, 0);
	oracle_initiation(
	        &o, transcript_ephemeral[1], sl_load_le32(find("initiation_2", 0)->data + 4), stamp, NULL, initiation);
	cr_assert_arr_eq(initiation, find("initiation_2", 0)->data, 132, "but for mac2");
	cr_assert(oracle_take_response(&o, find("response", 0)->data));
	data_as_recorded();
	sim_fini(&sim);
}
