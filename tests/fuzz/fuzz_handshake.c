/*
 * Handshake messages into the protocol core, in the middle of what two cores
 * say to one another over the simulated link: raw bytes of any size; messages
 * of theirs, changed; initiations, responses and cookie replies made with the
 * right keys up to a point that the input chooses. Time, load, keys and settings
 * change in between. Seeded: an input is always the same run.
 *
 * Input, repeated: an operation (enum op), a byte of who and how, and what the operation needs.
 */
#include "crypto/bytes.h"
#include "crypto/wipe.h"
#include "crypto/x25519.h"
#include "tests/fuzz/input.h"
#include "tests/unit/control/sim.h"

#define SEED           3
#define OPERATIONS_MAX 24
#define RAW_MAX        200
#define TIME_BITS      19 /* of milliseconds, about nine minutes */
#define RUN_MAX        (2000 * SIM_S)
#define BATCH          40
#define RING           4096

enum op {
	OP_RAW,
	OP_INITIATE,
	OP_CHANGED,  /* the last message of that type, changed */
	OP_MADE_INITIATION,
	OP_MADE_RESPONSE,
	OP_MADE_COOKIE,
	OP_TIME,
	OP_LOAD,
	OP_SEND,
	OP_LINK,
	OP_PSK,
	OP_KEEPALIVE,
	OP_UP,
	OP_KEY,
	OP_WALL,
	OP_BATCH,
	OPS,
};

enum how {
	HOW_NODE = 1,      /* to which it goes, or who does it */
	HOW_MAC = 2,       /* mac1 is made right at the end */
	HOW_CHANGE = 4,    /* one byte is changed before that */
	HOW_STRANGER = 8,  /* from another address */
	HOW_MAC2 = 0x10,   /* with the cookie of that address, where the node has handed one out */
};

static struct sim sim;
static uint64_t ran;

static struct sim_node *
node_of(uint8_t how)
{
	return &sim.nodes[how & HOW_NODE];
}

/* Changes, macs and delivers a message to the node of `how`, in memory of its exact size. */
static void
deliver(struct fuzz_input *in, uint8_t how, const void *msg, size_t len)
{
	struct sim_node *node = node_of(how);
	struct sl_endpoint stranger = {.port = 9};
	uint8_t *copy = malloc(len ? len : 1);

	FUZZ_CHECK(copy);
	if (len > 0)
		memcpy(copy, msg, len);
	if (how & HOW_CHANGE && len > 0) {
		size_t at = fuzz_u8(in) % len;

		copy[at] ^= (uint8_t)(fuzz_u8(in) | 1);
	}
	stranger.ip = sl_ip4("\xc6\x33\x64\x09");
	if (how & HOW_MAC && len >= SL_MACS_LEN) {
		const struct sl_endpoint *src = how & HOW_STRANGER ? &stranger : &sim.nodes[1 - (how & HOW_NODE)].self;
		uint8_t cookie[SL_COOKIE_LEN];

		sl_cookie_make(&node->ifp->cookie_secret, sim.now, &sim.rng, src->ip.bytes,
			sl_family_bytes(src->ip.family), rte_cpu_to_be_16(src->port), cookie);
		sl_macs_write(&node->ifp->identity.mac_keys, how & HOW_MAC2 ? cookie : NULL, copy, len);
	}
	sim_deliver(&sim, how & HOW_NODE, copy, len, how & HOW_STRANGER ? &stranger : NULL);
	free(copy);
}

static void
raw(struct fuzz_input *in, uint8_t how)
{
	uint8_t type = fuzz_u8(in), bytes[RAW_MAX];
	size_t len = fuzz_bytes(in, bytes, sizeof(bytes));

	if (len >= sizeof(uint32_t) && type < 5)
		sl_store_le32(bytes, type);
	deliver(in, how, bytes, len);
}

static void
changed(struct fuzz_input *in, uint8_t how)
{
	const struct sim_event *e = sim_last(&sim, SIM_SENT, 1 - (how & HOW_NODE), fuzz_u8(in) % 5);
	uint8_t shorter = fuzz_u8(in);

	if (e)
		deliver(in, how, e->data, e->len - shorter % (how & HOW_CHANGE ? 2 : 1));
}

/* A key pair that the input chooses, and ours of the other node for 0. */
static void
identity_of(struct sl_noise_identity *id, const struct sim_node *as, uint8_t choice)
{
	uint8_t key[SL_KEY_LEN];

	memcpy(key, as->private_key, sizeof(key));
	key[9] ^= choice;
	FUZZ_CHECK(sl_noise_identity_init(id, key));
}

static bool
make_initiation(struct fuzz_input *in, uint8_t how, struct sl_msg_initiation *msg)
{
	struct sim_node *to = node_of(how), *as = &sim.nodes[1 - (how & HOW_NODE)];
	uint8_t choice = fuzz_u8(in), timestamp[SL_TAI64N_LEN] = {0x40}, ephemeral[SL_KEY_LEN] = {1, 2, 3};
	uint8_t ss[SL_KEY_LEN];
	struct sl_noise_handshake hs = {0};
	struct sl_noise_identity id;

	identity_of(&id, as, choice & 1 ? fuzz_u8(in) : 0);
	if (choice & 2)
		fuzz_bytes(in, timestamp, sizeof(timestamp));
	else
		memset(timestamp + 1, fuzz_u8(in), sizeof(timestamp) - 1);
	ephemeral[7] = fuzz_u8(in);
	if (!sl_noise_static_static(ss, &id, to->public_key))
		return false;
	return sl_noise_create_initiation(&hs, &id, to->public_key, ss, timestamp, ephemeral, fuzz_u16(in), msg) == SL_NOISE_OK;
}

static void
made_initiation(struct fuzz_input *in, uint8_t how)
{
	struct sl_msg_initiation msg;

	if (make_initiation(in, how, &msg))
		deliver(in, how, &msg, sizeof(msg));
}

/* Answers the node's last initiation as its peer would, with a psk and ephemeral of the input's. */
static void
made_response(struct fuzz_input *in, uint8_t how)
{
	struct sim_node *to = node_of(how), *as = &sim.nodes[1 - (how & HOW_NODE)];
	const struct sim_event *e = sim_last(&sim, SIM_SENT, how & HOW_NODE, SL_MSG_INITIATION);
	uint8_t psk[SL_KEY_LEN] = {fuzz_u8(in)}, ephemeral[SL_KEY_LEN] = {fuzz_u8(in), 5};
	uint8_t ss[SL_KEY_LEN], timestamp[SL_TAI64N_LEN];
	struct sl_noise_handshake hs = {0};
	struct sl_msg_initiation initiation;
	struct sl_noise_interim interim;
	struct sl_noise_identity id;
	struct sl_msg_response msg;

	if (e == NULL)
		return;
	identity_of(&id, as, 0);
	memcpy(&initiation, e->data, sizeof(initiation));
	if (sl_noise_consume_initiation_static(&interim, &id, &initiation) != SL_NOISE_OK ||
		!sl_noise_static_static(ss, &id, to->public_key) ||
		sl_noise_consume_initiation_finish(&interim, ss, timestamp) != SL_NOISE_OK ||
		sl_noise_commit_initiation(&hs, &interim) != SL_NOISE_OK ||
		sl_noise_create_response(&hs, psk, ephemeral, fuzz_u16(in), &msg) != SL_NOISE_OK)
		return;
	deliver(in, how, &msg, sizeof(msg));
}

static void
made_cookie(struct fuzz_input *in, uint8_t how)
{
	const struct sim_event *e = sim_last(&sim, SIM_SENT, how & HOW_NODE, 1 + fuzz_u8(in) % 2);
	uint8_t cookie[SL_COOKIE_LEN] = {fuzz_u8(in)}, nonce[SL_XNONCE_LEN] = {fuzz_u8(in)};
	const struct sim_node *as = &sim.nodes[1 - (how & HOW_NODE)];
	struct sl_msg_cookie_reply msg;

	if (e == NULL)
		return;
	sl_cookie_reply_create(&msg, &as->ifp->identity.mac_keys, cookie, nonce, e->data + e->len - SL_MACS_LEN,
		sl_load_le32(e->data + offsetof(struct sl_msg_initiation, sender)));
	deliver(in, how & (uint8_t)~HOW_MAC, &msg, sizeof(msg));
}

static void
batch(struct fuzz_input *in, uint8_t how)
{
	static struct sl_msg_initiation msgs[BATCH];
	struct sl_proto_msg in_msgs[BATCH];
	struct sim_node *to = node_of(how);
	unsigned n = 1 + fuzz_u8(in) % BATCH, made = 1 + fuzz_u8(in) % 3, k = 0;

	for (; k < made && make_initiation(in, how, &msgs[k]); k++) {
	}
	for (unsigned i = 0; i < n && k > 0; i++) {
		if (i >= k)
			msgs[i] = msgs[i % k];
		in_msgs[i] = (struct sl_proto_msg){.data = (const uint8_t *)&msgs[i],
			.len = sizeof(msgs[i]) - (i + 1 == n && how & HOW_CHANGE),
			.src = sim.nodes[1 - (how & HOW_NODE)].self,
			.dst_local = to->self.ip};
		sl_macs_write(&to->ifp->identity.mac_keys, NULL, &msgs[i], sizeof(msgs[i]));
	}
	sl_proto_receive(to->ifp, in_msgs, k > 0 ? n : 0, sim.now);
	sim_run_for(&sim, 0);
}

static void
pass_time(uint8_t bits, uint8_t fine)
{
	uint64_t ns = (UINT64_C(1) << bits % TIME_BITS) * SIM_MS + fine * (SIM_MS / 8);

	if (ran + ns > RUN_MAX)
		return;
	ran += ns;
	sim_run_for(&sim, ns);
}

/* Another private key, or the first one again. */
static void
change_key(struct sim_node *node, uint8_t choice)
{
	node->private_key[20] ^= choice & 1;
	sl_proto_if_set_key(node->ifp, node->private_key, sim.now);
	if (sl_proto_if_identity(node->ifp)->valid)
		memcpy(node->public_key, sl_proto_if_identity(node->ifp)->public_key, SL_KEY_LEN);
	sim_run_for(&sim, 0);
}

static void
setting(enum op op, uint8_t how, uint8_t a, uint8_t b)
{
	struct sim_node *node = node_of(how);
	uint8_t psk[SL_KEY_LEN] = {a};

	switch (op) {
	case OP_LOAD:
		sl_proto_if_note_load(node->ifp, a * (RING / UINT8_MAX), RING, sim.now);
		break;
	case OP_LINK:
		sim.link.cut = a & 1;
		sim.link.loss = a & 2 ? 0.3 : 0;
		sim.link.duplication = a & 4 ? 0.3 : 0;
		sim.link.delay_max = sim.link.delay_min + (b & 15) * SIM_S;
		break;
	case OP_PSK:
		sl_proto_peer_set_psk(node->peer, psk);
		break;
	case OP_KEEPALIVE:
		sl_proto_peer_set_keepalive(node->peer, a % 64, sim.now);
		break;
	case OP_UP:
		sl_proto_if_set_up(node->ifp, a & 1, sim.now);
		break;
	case OP_KEY:
		change_key(node, a);
		break;
	case OP_WALL:
		node->wall_offset = (int64_t)(int8_t)a * (int64_t)SIM_S;
		break;
	default:
		break;
	}
	sim_run_for(&sim, 0);
}

static void
operation(struct fuzz_input *in)
{
	enum op op = fuzz_u8(in) % OPS;
	uint8_t how = fuzz_u8(in), a;

	switch (op) {
	case OP_RAW:
		raw(in, how);
		break;
	case OP_INITIATE:
		sim_initiate(&sim, how & HOW_NODE);
		break;
	case OP_CHANGED:
		changed(in, how);
		break;
	case OP_MADE_INITIATION:
		made_initiation(in, how);
		break;
	case OP_MADE_RESPONSE:
		made_response(in, how);
		break;
	case OP_MADE_COOKIE:
		made_cookie(in, how);
		break;
	case OP_TIME:
		pass_time(how, fuzz_u8(in));
		break;
	case OP_SEND:
		sim_send(&sim, how & HOW_NODE);
		break;
	case OP_BATCH:
		batch(in, how);
		break;
	default:
		a = fuzz_u8(in);
		setting(op, how, a, fuzz_u8(in));
		break;
	}
}

/* What no message and no order of events may bring about. */
static void
check(void)
{
	FUZZ_CHECK(sim.violations == 0);
	for (unsigned i = 0; i < 2; i++) {
		const struct sim_node *node = &sim.nodes[i];

		FUZZ_CHECK(sl_proto_if_n_peers(node->ifp) == 1);
		FUZZ_CHECK(node->sessions.reserved <= SL_SESSION_ROLES + 1);
		FUZZ_CHECK(node->ifp->limiter.used <= SL_LIMITER_ENTRIES);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};

	sim_init(&sim, SEED, true);
	ran = 0;
	for (unsigned i = 0; i < OPERATIONS_MAX && in.n > 0; i++)
		operation(&in);
	check();
	sim_fini(&sim);
	return 0;
}
