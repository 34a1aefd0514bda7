#include "tests/peersim/handshake.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_mbuf.h>

#include "crypto/bytes.h"
#include "crypto/random.h"
#include "crypto/tai64n.h"
#include "crypto/wipe.h"
#include "tests/peersim/data.h"
#include "tests/peersim/keys.h"
#include "tests/peersim/port.h"
#include "tests/peersim/tasks.h"
#include "tests/peersim/timers.h"

#define MS(ns)         ((uint32_t)((ns) / SL_NSEC_PER_MSEC))
#define GAP_MS         50 /* between two initiations of a peer: TAI64N's grain and the hub's flood rule want that much */
#define PREPARED_BURST 256 /* initiations that were made before and go out in one turn */

/* Batches of one turn share their scratch memory: secrets are wiped where they were used. */
struct scratch {
	struct sl_ikpsk2 s[SL_IKPSK2_BATCH];
	struct sl_ikpsk2_job jobs[SL_IKPSK2_BATCH];
	uint8_t private_keys[SL_IKPSK2_BATCH][SL_KEY_LEN], psks[SL_IKPSK2_BATCH][SL_KEY_LEN];
	uint8_t ephemerals[SL_IKPSK2_BATCH][SL_KEY_LEN], payloads[SL_IKPSK2_BATCH][SL_IKPSK2_PAYLOAD_MAX];
	uint32_t peers[SL_IKPSK2_BATCH];
	unsigned n;
};

static uint64_t now_ns(const struct sim *s)
{
	return s->now_ms * SL_NSEC_PER_MSEC;
}

/* --- the queue --- */

static void push(struct sim *s, uint32_t peer)
{
	if (s->peers[peer].queued)
		return;
	s->peers[peer].queued = true;
	s->queue[(s->queue_head + s->queue_n++) % s->o.peers] = peer;
}

static uint32_t pop(struct sim *s)
{
	const uint32_t peer = s->queue[s->queue_head];

	s->queue_head = (s->queue_head + 1) % s->o.peers;
	s->queue_n--;
	s->peers[peer].queued = false;
	return peer;
}

void sim_want_handshake(struct sim *s, uint32_t peer, uint32_t task)
{
	struct sim_peer *p = &s->peers[peer];

	if (task == SIM_NONE) {
		if ((p->pending && !p->pending->prepared) || p->queued)
			return;
		if (p->initiated_ms && s->now_ms - p->initiated_ms < MS(SL_REKEY_TIMEOUT_NS))
			return;
	} else if (p->pending && !p->pending->prepared) { /* what is under way will do */
		sim_task_leave(s, &p->pending->task, false);
		p->pending->task = task;
		return;
	} else {
		sim_task_leave(s, &p->task, false);
		p->task = task;
	}
	push(s, peer);
}

static void pending_free(struct sim *s, uint32_t peer, bool finished)
{
	struct sim_peer *p = &s->peers[peer];

	if (!p->pending)
		return;
	sim_task_leave(s, &p->pending->task, finished);
	sl_wipe(p->pending, sizeof(*p->pending));
	free(p->pending);
	p->pending = NULL;
}

void sim_handshake_timeout(struct sim *s, uint32_t peer)
{
	struct sim_pending *pending = s->peers[peer].pending;

	if (pending->sends < SL_MAX_HANDSHAKES) {
		pending->retry_ms = SIM_NONE; /* until it goes out */
		s->peers[peer].again = !s->peers[peer].queued;
		push(s, peer);
		return;
	}
	s->counts.gave_up++;
	pending_free(s, peer, false);
}

void sim_handshake_cancel(struct sim *s, uint32_t peer)
{
	pending_free(s, peer, false);
}

void sim_forget(struct sim *s, uint32_t peer)
{
	struct sim_peer *p = &s->peers[peer];

	pending_free(s, peer, false);
	for (unsigned slot = 0; slot < SIM_SLOTS; slot++)
		sim_session_set(s, peer, (enum sim_slot)slot, NULL);
	p->jar = (struct sl_cookie_jar){0};
	p->keepalive_ms = p->unanswered_ms = p->initiated_ms = 0;
	s->due[peer] = p->persistent ? s->now_ms : SIM_NONE;
}

/* --- sending --- */

/* Macs and headers; false where there is no buffer. */
static bool send_message(struct sim *s, uint32_t peer, const void *msg, size_t len)
{
	struct rte_mbuf *m = sim_port_buffer(s->wan);
	struct sim_peer *p = &s->peers[peer];
	static const uint8_t none[SL_MAC_LEN];
	struct wire_ends ends;
	uint8_t *ip, *out;

	if (!m)
		return false;
	sim_outer_ends(&s->o, peer, &ends);
	ip = rte_pktmbuf_mtod(m, uint8_t *) + WIRE_ETH_LEN;
	out = ip + wire_head(ends.v6);
	memcpy(out, msg, len);
	sl_cookie_jar_stamp(&p->jar, now_ns(s), &s->hubs[p->hub].macs, out, len);
	s->counts.mac2 += memcmp(out + len - SL_MAC_LEN, none, SL_MAC_LEN) != 0;
	wire_udp(ip, &ends, len, SL_HANDSHAKE_TOS);
	sim_port_send(s->wan, m, WIRE_ETH_LEN + wire_head(ends.v6) + len, ends.v6, peer);
	p->initiated_ms = s->now_ms;
	return true;
}

static void send_initiation(struct sim *s, uint32_t peer)
{
	struct sim_pending *pending = s->peers[peer].pending;

	pending->prepared = !send_message(s, peer, &pending->msg, sizeof(pending->msg));
	if (pending->prepared) {
		s->counts.no_buffer++;
		push(s, peer);
		return;
	}
	s->counts.begun += pending->sends == 0;
	s->counts.initiations++;
	pending->sends++;
	pending->retry_ms = s->now_ms + MS(SL_REKEY_TIMEOUT_NS) + sim_random(s, MS(SL_TIMER_JITTER_MAX_NS) + 1);
	sim_due(s, peer, pending->retry_ms);
}

/* The peer was queued for a task, and begins what that wants. */
static void adopt_task(struct sim *s, struct sim_peer *p)
{
	if (p->task == SIM_NONE)
		return;
	sim_task_leave(s, &p->pending->task, false);
	p->pending->task = p->task;
	p->task = SIM_NONE;
}

/* A new initiation of that peer stands in the message; keeps it, or sends it. */
static void initiation_made(
        struct sim *s, uint32_t peer, const struct sl_ikpsk2 *noise, const struct sl_msg_initiation *msg)
{
	struct sim_peer *p = &s->peers[peer];
	bool keep;

	if (!p->pending) {
		p->pending = calloc(1, sizeof(*p->pending));
		if (!p->pending)
			abort();
		p->pending->task = SIM_NONE;
	}
	adopt_task(s, p);
	p->pending->noise = *noise;
	p->pending->msg = *msg;
	p->pending->local = msg->sender;
	keep = p->pending->task != SIM_NONE && s->tasks[p->pending->task].prepare;
	if (keep) {
		p->pending->prepared = true;
		s->counts.prepared++;
		sim_task_leave(s, &p->pending->task, true);
	} else {
		send_initiation(s, peer);
	}
}

static void make_initiations(struct sim *s, struct scratch *c)
{
	struct sl_msg_initiation msgs[SL_IKPSK2_BATCH];
	uint8_t stamp[SL_TAI64N_LEN];
	struct timespec ts;

	sim_keys_ready(s, c->peers, c->n);
	clock_gettime(CLOCK_REALTIME, &ts);
	sl_tai64n(stamp, (uint64_t)ts.tv_sec, (uint32_t)ts.tv_nsec);
	sl_random_bytes(c->ephemerals, c->n * SL_KEY_LEN);
	for (unsigned i = 0; i < c->n; i++) {
		struct sim_peer *p = &s->peers[c->peers[i]];
		const struct sim_hub *hub = &s->hubs[p->hub];

		c->s[i] = hub->start;
		msgs[i] =
		        (struct sl_msg_initiation){.type = SL_MSG_INITIATION, .sender = sim_index_new(p, c->peers[i])};
		c->jobs[i] = (struct sl_ikpsk2_job){.s = &c->s[i],
		        .own_public = p->public_key,
		        .rs = hub->public_key,
		        .ss = p->ss,
		        .e_private = c->ephemerals[i],
		        .payload = stamp,
		        .out = msgs[i].ephemeral};
	}
	sl_ikpsk2_write1_batch(s->simd, c->jobs, c->n, SL_TAI64N_LEN);
	for (unsigned i = 0; i < c->n; i++)
		if (c->jobs[i].result == SL_NOISE_OK)
			initiation_made(s, c->peers[i], &c->s[i], &msgs[i]);
	sl_wipe(c, sizeof(*c));
}

/* The next peers of the queue. */
static bool initiate(struct sim *s)
{
	struct scratch c = {0};
	unsigned prepared = 0;
	bool any = false;

	if (sim_port_full(s->wan))
		return false;
	for (uint32_t left = s->queue_n; left > 0 && c.n < SL_IKPSK2_BATCH && prepared < PREPARED_BURST; left--) {
		const uint32_t peer = pop(s);
		struct sim_peer *p = &s->peers[peer];
		const bool prepare = p->task != SIM_NONE && s->tasks[p->task].prepare;
		const bool answered = p->again && !p->pending && p->task == SIM_NONE;

		p->again = false;
		if (answered)
			continue;
		if (p->pending && p->pending->prepared && !prepare) {
			adopt_task(s, p);
			send_initiation(s, peer);
			prepared++;
		} else if (p->initiated_ms && s->now_ms - p->initiated_ms < GAP_MS) {
			push(s, peer);
			continue;
		} else {
			c.peers[c.n++] = peer;
		}
		any = true;
	}
	if (c.n > 0)
		make_initiations(s, &c);
	return any;
}

/* --- answers of the hub --- */

static struct sim_session *new_session(struct sim *s, uint32_t local, uint32_t remote, bool initiator)
{
	struct sim_session *session = calloc(1, sizeof(*session));

	if (!session)
		abort();
	session->local = local;
	session->remote = remote;
	session->initiator = initiator;
	session->born_ms = s->now_ms;
	return session;
}

/* Each scratch entry that went well starts a session, whose keys are `send` and `recv` by role. */
static void split(struct sim *s, struct scratch *c, struct sim_session **sessions, unsigned n, bool initiator)
{
	struct sl_ikpsk2 *states[SL_IKPSK2_BATCH];
	uint8_t *first[SL_IKPSK2_BATCH], *second[SL_IKPSK2_BATCH];

	for (unsigned i = 0; i < n; i++) {
		states[i] = c->jobs[i].s;
		first[i] = initiator ? sessions[i]->send : sessions[i]->recv;
		second[i] = initiator ? sessions[i]->recv : sessions[i]->send;
	}
	sl_ikpsk2_split_batch(
	        s->simd, (struct sl_ikpsk2 *const *)states, (uint8_t *const *)first, (uint8_t *const *)second, n);
}

/* Our initiation was answered: the session is the one to send on (protocol.md 22, 23). */
static void begin_as_initiator(struct sim *s, uint32_t peer, struct sim_session *session)
{
	struct sim_peer *p = &s->peers[peer];

	s->counts.rekeys += p->sessions[SIM_CURRENT] != NULL;
	if (p->sessions[SIM_NEXT]) {
		sim_session_set(s, peer, SIM_PREVIOUS, p->sessions[SIM_NEXT]);
		p->sessions[SIM_NEXT] = NULL;
		sim_session_set(s, peer, SIM_CURRENT, session);
	} else {
		sim_session_set(s, peer, SIM_PREVIOUS, p->sessions[SIM_CURRENT]);
		p->sessions[SIM_CURRENT] = session;
	}
	s->counts.finished++;
	pending_free(s, peer, true);
	sim_timer_received(s, peer, false);
	sim_data_begin(s, peer, 0);
}

/* Whether the hub answered an initiation that is still there; the job is then in the batch. */
static bool enter_response(struct sim *s, struct scratch *c, const struct sl_msg_response *msg)
{
	const uint32_t peer = sim_index_peer(msg->receiver);
	struct sim_peer *p = peer < s->o.peers ? &s->peers[peer] : NULL;
	struct sl_mac_keys own;

	if (!p || !p->pending || p->pending->prepared || p->pending->local != msg->receiver) {
		s->counts.stale++;
		return false;
	}
	sl_mac_keys_init(&own, p->public_key);
	if (!sl_mac1_check(&own, msg, sizeof(*msg))) {
		s->counts.bad_mac1++;
		return false;
	}
	for (unsigned i = 0; i < c->n; i++)
		if (c->peers[i] == peer) /* the same message twice */
			return false;
	sim_peer_private(s->o.seed, peer, c->private_keys[c->n]);
	sim_peer_psk(&s->o, peer, c->psks[c->n]);
	c->s[c->n] = p->pending->noise;
	c->peers[c->n] = peer;
	c->jobs[c->n] = (struct sl_ikpsk2_job){.s = &c->s[c->n],
	        .own_private = c->private_keys[c->n],
	        .psk = c->psks[c->n],
	        .msg = msg->ephemeral,
	        .out = c->payloads[c->n]};
	c->n++;
	return true;
}

static void consume_responses(struct sim *s)
{
	struct sim_session *sessions[SL_IKPSK2_BATCH];
	uint32_t remotes[SL_IKPSK2_BATCH];
	struct scratch c = {0};
	unsigned good = 0;

	sim_open_flush(s); /* what waits there has keys of sessions that may go now */
	for (unsigned i = 0; i < s->inbox.n_responses; i++)
		if (enter_response(s, &c, &s->inbox.responses[i]))
			remotes[c.n - 1] = s->inbox.responses[i].sender;
	sl_ikpsk2_read2_batch(s->simd, c.jobs, c.n, 0);
	for (unsigned i = 0; i < c.n; i++) {
		if (c.jobs[i].result != SL_NOISE_OK) {
			s->counts.bad_auth++;
			continue;
		}
		c.jobs[good] = c.jobs[i];
		c.peers[good] = c.peers[i];
		sessions[good++] = new_session(s, s->peers[c.peers[i]].pending->local, remotes[i], true);
	}
	split(s, &c, sessions, good, true);
	for (unsigned i = 0; i < good; i++)
		begin_as_initiator(s, c.peers[i], sessions[i]);
	s->inbox.n_responses = 0;
	sl_wipe(&c, sizeof(c));
}

/* --- initiations of the hub --- */

/* Keeps of a batch the jobs that went well and that `good` likes; counts the others. */
static void keep_good(struct sim *s, struct scratch *c, uint32_t *senders,
        bool (*good)(struct sim *, struct scratch *, unsigned), uint64_t *disliked)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < c->n; i++) {
		const bool authentic = c->jobs[i].result == SL_NOISE_OK;

		if (!authentic || !good(s, c, i)) {
			*(authentic ? disliked : &s->counts.bad_auth) += 1;
			continue;
		}
		c->jobs[kept] = c->jobs[i];
		c->peers[kept] = c->peers[i];
		senders[kept++] = senders[i];
	}
	c->n = kept;
}

static bool is_our_hub(struct sim *s, struct scratch *c, unsigned i)
{
	return memcmp(c->jobs[i].s->rs, s->hubs[s->peers[c->peers[i]].hub].public_key, SL_KEY_LEN) == 0;
}

static bool is_newer(struct sim *s, struct scratch *c, unsigned i)
{
	uint8_t *last = s->peers[c->peers[i]].hub_stamp;

	if (!sl_tai64n_after(c->jobs[i].out, last))
		return false;
	memcpy(last, c->jobs[i].out, SL_TAI64N_LEN);
	return true;
}

static void read_initiations(struct sim *s, struct scratch *c, uint32_t *senders)
{
	sim_keys_ready(s, s->inbox.to, s->inbox.n_initiations);
	for (unsigned i = 0; i < s->inbox.n_initiations; i++) {
		const struct sl_msg_initiation *msg = &s->inbox.initiations[i];
		struct sim_peer *p = &s->peers[s->inbox.to[i]];
		struct sl_mac_keys own;

		sl_mac_keys_init(&own, p->public_key);
		if (!sl_mac1_check(&own, msg, sizeof(*msg))) {
			s->counts.bad_mac1++;
			continue;
		}
		sim_peer_private(s->o.seed, s->inbox.to[i], c->private_keys[c->n]);
		sim_peer_psk(&s->o, s->inbox.to[i], c->psks[c->n]);
		sl_ikpsk2_start(&c->s[c->n], SL_NOISE_IDENTIFIER, sizeof(SL_NOISE_IDENTIFIER) - 1, p->public_key);
		c->peers[c->n] = s->inbox.to[i];
		senders[c->n] = msg->sender;
		c->jobs[c->n] = (struct sl_ikpsk2_job){.s = &c->s[c->n],
		        .own_private = c->private_keys[c->n],
		        .ss = p->ss,
		        .psk = c->psks[c->n],
		        .e_private = c->ephemerals[c->n],
		        .msg = msg->ephemeral,
		        .out = c->payloads[c->n]};
		c->n++;
	}
	sl_ikpsk2_read1_static_batch(s->simd, c->jobs, c->n);
	keep_good(s, c, senders, is_our_hub, &s->counts.wrong_hub);
	for (unsigned i = 0; i < c->n; i++)
		c->jobs[i].msg += SL_IKPSK2_MSG1_LEN(0) - SL_TAG_LEN;
	sl_ikpsk2_read1_payload_batch(s->simd, c->jobs, c->n, SL_TAI64N_LEN);
	keep_good(s, c, senders, is_newer, &s->counts.old_stamp);
}

/* The hub's new session, on which nothing is sent before the hub has (protocol.md 22, 23). */
static void begin_as_responder(struct sim *s, uint32_t peer, struct sim_session *session)
{
	sim_session_set(s, peer, SIM_NEXT, session);
	sim_session_set(s, peer, SIM_PREVIOUS, NULL);
	sim_timer_received(s, peer, false);
}

static void answer_initiations(struct sim *s)
{
	struct sl_msg_response msgs[SL_IKPSK2_BATCH];
	struct sim_session *sessions[SL_IKPSK2_BATCH];
	uint32_t senders[SL_IKPSK2_BATCH];
	struct scratch c = {0};

	sim_open_flush(s); /* as for responses */
	sl_random_bytes(c.ephemerals, sizeof(c.ephemerals));
	read_initiations(s, &c, senders);
	for (unsigned i = 0; i < c.n; i++) {
		msgs[i] = (struct sl_msg_response){.type = SL_MSG_RESPONSE,
		        .sender = sim_index_new(&s->peers[c.peers[i]], c.peers[i]),
		        .receiver = senders[i]};
		c.jobs[i].out = msgs[i].ephemeral;
	}
	sl_ikpsk2_write2_batch(s->simd, c.jobs, c.n, 0);
	for (unsigned i = 0; i < c.n; i++)
		sessions[i] = new_session(s, msgs[i].sender, msgs[i].receiver, false);
	split(s, &c, sessions, c.n, false);
	for (unsigned i = 0; i < c.n; i++) {
		begin_as_responder(s, c.peers[i], sessions[i]);
		send_message(s, c.peers[i], &msgs[i], sizeof(msgs[i]));
	}
	s->inbox.n_initiations = 0;
	sl_wipe(&c, sizeof(c));
}

/* --- what comes --- */

static void take_cookie(struct sim *s, const struct sl_msg_cookie_reply *reply)
{
	const uint32_t peer = sim_index_peer(reply->receiver);
	struct sim_peer *p = peer < s->o.peers ? &s->peers[peer] : NULL;
	enum sim_slot slot;

	if (!p ||
	        !((p->pending && p->pending->local == reply->receiver) || sim_session_find(s, reply->receiver, &slot)))
		s->counts.stale++;
	else if (sl_cookie_jar_consume(&p->jar, now_ns(s), &s->hubs[p->hub].macs, reply))
		s->counts.cookies++;
	else
		s->counts.bad_cookie++;
}

void sim_handshake_take(struct sim *s, uint32_t peer, const uint8_t *msg, size_t len)
{
	struct sim_inbox *in = &s->inbox;
	struct sl_msg_cookie_reply reply;

	switch (len < sizeof(uint32_t) ? 0 : sl_load_le32(msg)) {
	case SL_MSG_INITIATION:
		if (len != sizeof(struct sl_msg_initiation))
			break;
		memcpy(&in->initiations[in->n_initiations], msg, len);
		in->to[in->n_initiations] = peer;
		if (++in->n_initiations == SL_IKPSK2_BATCH)
			answer_initiations(s);
		return;
	case SL_MSG_RESPONSE:
		if (len != sizeof(struct sl_msg_response))
			break;
		memcpy(&in->responses[in->n_responses], msg, len);
		if (++in->n_responses == SL_IKPSK2_BATCH)
			consume_responses(s);
		return;
	case SL_MSG_COOKIE_REPLY:
		if (len != sizeof(reply))
			break;
		memcpy(&reply, msg, len);
		take_cookie(s, &reply);
		return;
	}
	s->counts.bad_frames++;
}

bool sim_handshakes_run(struct sim *s)
{
	bool any = s->inbox.n_responses > 0 || s->inbox.n_initiations > 0;

	if (s->inbox.n_responses > 0)
		consume_responses(s);
	if (s->inbox.n_initiations > 0)
		answer_initiations(s);
	for (uint32_t i = 0; i < SIM_TASKS_MAX; i++)
		if (s->tasks[i].used && !s->tasks[i].ended_ms)
			any |= sim_task_feed(s, i);
	return initiate(s) || any;
}
