/*
 * Frames from outside to their verdict, through the worker: raw bytes, or
 * headers made right around them, or messages sealed or given a mac1 so that
 * they get further; with time, commands and trouble in between.
 *
 * Input, repeated: an operation (enum op in the low nibble, enum flag above), what it needs, and for packets a length
 * and bytes.
 */
#include "crypto/bytes.h"
#include "tests/fuzz/fixture.h"

#define OPERATIONS_MAX 24
#define SEALED_IN_MAX  1400
#define FRAGMENTS_MAX  8
#define TIME_BITS      38 /* the longest step is over REJECT_AFTER_TIME */
#define MAX_MTU_STEP   900

enum op {
	OP_FRAME,      /* bytes are the frame */
	OP_PACKET,     /* in a frame to us */
	OP_CHECKSUMS,  /* the same with checksums and, but for what the input adds, lengths made right */
	OP_UDP4,       /* the payload of a datagram to a listen port */
	OP_UDP6,
	OP_SEALED4,    /* the plaintext of a data message */
	OP_SEALED6,
	OP_CIPHERTEXT, /* behind the header of a data message of a session */
	OP_HANDSHAKE,  /* behind a type and before a right mac1 */
	OP_COMMAND,
	OP_TIME,
	OP_FRAGMENTS,  /* a sealed message in IPv4 fragments */
	OP_REFUSE,     /* ports take less; a neighbour that packets wait for may answer */
	OP_SESSION,    /* a session ages, nears its counter's limit, or is no longer sent on */
	OP_MTU,
	OP_PASS,
};

enum flag { FLAG_LAN = 0x10, FLAG_EXACT = 0x20, FLAG_SEGMENTS = 0x40, FLAG_PASS = 0x80 };

struct frame {
	uint16_t in_if;
	enum fuzz_layout layout;
	size_t seg;
	uint8_t bytes[FUZZ_FRAME]; /* of the input */
	size_t len;
	uint8_t packet[RIG_PACKET];
};

static void
give_packet(struct fuzz_rig *f, const struct frame *fr, size_t len)
{
	fuzz_receive_packet(f, fr->in_if, fr->packet, len, fr->layout, fr->seg);
}

static void
with_checksums(struct fuzz_rig *f, struct frame *fr, int8_t off, bool no_udp_sum)
{
	int total = (int)fr->len + off;

	memcpy(fr->packet, fr->bytes, fr->len);
	/* what has the lengths that the checksums are taken over */
	if (total >= (int)(sizeof(struct rte_ipv6_hdr) + sizeof(struct rte_udp_hdr)) &&
		fr->len >= sizeof(struct rte_ipv6_hdr) + sizeof(struct rte_udp_hdr)) {
		bool v4 = fr->packet[0] >> 4 == 4;
		uint16_t len = rte_cpu_to_be_16((uint16_t)total);
		uint16_t payload = rte_cpu_to_be_16((uint16_t)(total - (int)sizeof(struct rte_ipv6_hdr)));

		if (v4)
			fr->packet[0] = 0x45;
		memcpy(fr->packet + (v4 ? 2 : 4), v4 ? &len : &payload, sizeof(len));
		rig_fix_checksums(fr->packet);
		/* which IPv4 allows, and which lets any length of the datagram through */
		if (no_udp_sum && v4)
			memset(fr->packet + sizeof(struct rte_ipv4_hdr) + offsetof(struct rte_udp_hdr, dgram_cksum), 0, sizeof(rte_be16_t));
	}
	give_packet(f, fr, fr->len);
}

static void
datagram(struct fuzz_rig *f, struct frame *fr, bool v6, uint16_t dport, const uint8_t *payload, size_t len)
{
	struct rig_flow flow = {.src = v6 ? "2001:db8:7::7" : "198.51.100.7",
		.dst = v6 ? "2001:db8::10" : "203.0.113.10",
		.sport = 4444,
		.dport = dport};

	give_packet(f, fr, rig_udp(fr->packet, &flow, payload, len));
}

/* Counters that matter: in order, again, far ahead, at the limit. */
static uint64_t
counter_of(uint8_t c)
{
	static const uint64_t special[] = {SL_REJECT_AFTER_MESSAGES - 1, SL_REJECT_AFTER_MESSAGES, UINT64_MAX,
		SL_REKEY_AFTER_MESSAGES, SL_COUNTER_WINDOW_SIZE, SL_COUNTER_WINDOW_SIZE + 1, SL_COUNTER_BITS, 1u << 20};

	return c < UINT8_MAX - RTE_DIM(special) ? c : special[UINT8_MAX - c > 0 ? (UINT8_MAX - c) % RTE_DIM(special) : 0];
}

static void
sealed(struct fuzz_rig *f, struct frame *fr, bool v6, uint8_t session, uint8_t counter, uint8_t dst)
{
	size_t len = RTE_MIN(fr->len, (size_t)SEALED_IN_MAX), n;

	session %= 4 * FUZZ_SESSIONS;
	fuzz_make_inner(fr->bytes, len, session % FUZZ_SESSIONS, session / FUZZ_SESSIONS, dst);
	n = fuzz_sealed(f, fr->packet, session % FUZZ_SESSIONS, v6, counter_of(counter), fr->bytes, len);
	give_packet(f, fr, n);
}

static void
ciphertext(struct fuzz_rig *f, struct frame *fr, uint8_t session, uint8_t counter)
{
	uint8_t msg[FUZZ_FRAME + sizeof(struct sl_msg_data)];

	sl_store_le32(msg, SL_MSG_DATA);
	sl_store_le32(msg + offsetof(struct sl_msg_data, receiver), f->sessions[session % FUZZ_SESSIONS].index);
	sl_store_le64(msg + offsetof(struct sl_msg_data, counter), counter_of(counter));
	memcpy(msg + sizeof(struct sl_msg_data), fr->bytes, fr->len);
	datagram(f, fr, false, RIG_WG0_PORT, msg, sizeof(struct sl_msg_data) + RTE_MIN(fr->len, (size_t)SEALED_IN_MAX));
}

static void
handshake(struct fuzz_rig *f, struct frame *fr, uint8_t type)
{
	uint8_t msg[sizeof(struct sl_msg_initiation)] = {0};
	size_t len = type % 4 == SL_MSG_RESPONSE      ? sizeof(struct sl_msg_response)
		     : type % 4 == SL_MSG_COOKIE_REPLY ? sizeof(struct sl_msg_cookie_reply)
						       : sizeof(struct sl_msg_initiation);

	memcpy(msg, fr->bytes, RTE_MIN(fr->len, len));
	sl_store_le32(msg, type % 4);
	sl_macs_write(&f->r->ifs[RIG_WG0].mac_keys, NULL, msg, len);
	datagram(f, fr, type & 4, RIG_WG0_PORT, msg, len);
}

/* A sealed message cut into fragments of a size of the input's, some in the wrong order, twice or missing. */
static void
fragments(struct fuzz_rig *f, struct frame *fr, uint8_t session, uint8_t size, uint8_t order)
{
	uint8_t whole[RIG_PACKET];
	size_t len = RTE_MIN(fr->len, (size_t)SEALED_IN_MAX);
	size_t n = fuzz_sealed(f, whole, session % FUZZ_SESSIONS, false, order, fr->bytes, len);
	size_t hdr = sizeof(struct rte_ipv4_hdr), payload = n - hdr, part = 8u * (1 + size);

	for (unsigned i = 0; i < FRAGMENTS_MAX; i++) {
		unsigned at = (i ^ (order & 7)) * (unsigned)part;
		size_t here = RTE_MIN(part, payload - RTE_MIN((size_t)at, payload));
		bool more = at + here < payload;
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)fr->packet;

		if (at >= payload || (order & 8 && i == 1))
			continue;
		memcpy(fr->packet, whole, hdr);
		memcpy(fr->packet + hdr, whole + hdr + at, here);
		ip->packet_id = rte_cpu_to_be_16(order);
		ip->fragment_offset = rte_cpu_to_be_16((uint16_t)(at / 8 | (more ? RTE_IPV4_HDR_MF_FLAG : 0)));
		ip->total_length = rte_cpu_to_be_16((uint16_t)(hdr + here));
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
		give_packet(f, fr, hdr + here);
	}
}

static void
command(struct fuzz_rig *f, uint8_t op, uint8_t peer)
{
	static const enum sl_command_op ops[] = {SL_CMD_KEEPALIVE, SL_CMD_DRAIN_PEER, SL_CMD_PURGE_PEER};
	struct sl_command cmd = {.op = ops[op % RTE_DIM(ops)], .peer = 1 + peer % FUZZ_PEERS};

	FUZZ_CHECK(sl_dataplane_command(f->r->dp, 0, &cmd));
}

static void
change_session(struct fuzz_rig *f, uint8_t what, uint8_t session)
{
	struct sl_session *s = f->sessions[session % FUZZ_SESSIONS].s;

	switch (what % 4) {
	case 0:
		s->created = f->r->now - SL_REJECT_AFTER_TIME_NS;
		break;
	case 1:
		sl_sender_set_counter(s->sender, SL_REJECT_AFTER_MESSAGES - what);
		break;
	case 2:
		atomic_store(&f->r->dp->peers.slots[s->peer].current, 0);
		break;
	case 3:
		atomic_store(&f->r->dp->peers.slots[s->peer].current, atomic_load(&s->live));
		break;
	}
}

static void
change_mtu(struct fuzz_rig *f, uint8_t which, uint16_t less)
{
	uint16_t id = (uint16_t)(RIG_WAN + which % (RIG_IFS - RIG_WAN));

	f->r->ifs[id].mtu = (uint16_t)(RIG_MTU - less % MAX_MTU_STEP);
	rig_publish_if(f->r, id);
}

/* Operations that are no packet; whether it was one. */
static bool
circumstance(struct fuzz_rig *f, enum op op, struct fuzz_input *in)
{
	uint8_t a = fuzz_u8(in), b = fuzz_u8(in);

	switch (op) {
	case OP_COMMAND:
		command(f, a, b);
		return true;
	case OP_TIME:
		f->r->now += UINT64_C(1) << a % TIME_BITS;
		return true;
	case OP_REFUSE:
		f->r->tx_refuse = a;
		if (b & 1)
			rig_neighbour(f->r, RIG_LAN, b & 2 ? FUZZ_STRANGER6 : FUZZ_STRANGER4, 6);
		return true;
	case OP_SESSION:
		change_session(f, a, b);
		return true;
	case OP_MTU:
		change_mtu(f, a, (uint16_t)(b * 4));
		return true;
	default:
		return op == OP_PASS;
	}
}

static void
packet(struct fuzz_rig *f, uint8_t first, struct fuzz_input *in)
{
	uint8_t a = fuzz_u8(in), b = fuzz_u8(in), c = fuzz_u8(in);
	struct frame fr = {.in_if = first & FLAG_LAN ? RIG_LAN : RIG_WAN,
		.layout = first & FLAG_EXACT ? FUZZ_EXACT : FUZZ_POOL,
		.seg = first & FLAG_SEGMENTS ? 1u + c : 0};

	fr.len = fuzz_bytes(in, fr.bytes, RIG_MTU + RTE_ETHER_HDR_LEN);
	switch ((enum op)(first & 0xf)) {
	case OP_FRAME:
		fuzz_receive(f, fr.in_if, fr.bytes, fr.len, fr.layout, fr.seg);
		break;
	case OP_PACKET:
		memcpy(fr.packet, fr.bytes, fr.len);
		give_packet(f, &fr, fr.len);
		break;
	case OP_CHECKSUMS:
		with_checksums(f, &fr, (int8_t)a, b & 1);
		break;
	case OP_UDP4:
	case OP_UDP6:
		datagram(f, &fr, (first & 0xf) == OP_UDP6, a & 1 ? RIG_WG1_PORT : RIG_WG0_PORT, fr.bytes, RTE_MIN(fr.len, (size_t)SEALED_IN_MAX));
		break;
	case OP_SEALED4:
	case OP_SEALED6:
		sealed(f, &fr, (first & 0xf) == OP_SEALED6, a, b, c);
		break;
	case OP_CIPHERTEXT:
		ciphertext(f, &fr, a, b);
		break;
	case OP_HANDSHAKE:
		handshake(f, &fr, a);
		break;
	case OP_FRAGMENTS:
		fragments(f, &fr, a, b, c);
		break;
	default:
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct fuzz_rig *f = fuzz_rig();

	for (unsigned i = 0; i < OPERATIONS_MAX && in.n > 0; i++) {
		uint8_t first = fuzz_u8(&in);
		enum op op = first & 0xf;

		if (op >= OP_COMMAND && op != OP_FRAGMENTS)
			circumstance(f, op, &in);
		else
			packet(f, first, &in);
		if (op == OP_PASS || first & FLAG_PASS)
			fuzz_run(f);
	}
	fuzz_settle(f);
	return 0;
}
