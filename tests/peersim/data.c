#include "tests/peersim/data.h"

#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "crypto/bytes.h"
#include "tests/peersim/flow.h"
#include "tests/peersim/handshake.h"
#include "tests/peersim/keys.h"
#include "tests/peersim/port.h"
#include "tests/peersim/timers.h"

#define MS(ns)      ((uint32_t)((ns) / SL_NSEC_PER_MSEC))
#define REPLAY_BITS 64

void sim_session_set(struct sim *s, uint32_t peer, enum sim_slot slot, struct sim_session *session)
{
	struct sim_session **at = &s->peers[peer].sessions[slot];

	if (*at) {
		sim_seal_flush(s);
		free(*at);
	}
	*at = session;
}

struct sim_session *sim_session_find(struct sim *s, uint32_t local, enum sim_slot *slot)
{
	const uint32_t peer = sim_index_peer(local);

	for (unsigned i = 0; peer < s->o.peers && i < SIM_SLOTS; i++) {
		struct sim_session *session = s->peers[peer].sessions[i];

		if (session && session->local == local) {
			*slot = (enum sim_slot)i;
			return session;
		}
	}
	return NULL;
}

struct sim_session *sim_sending(struct sim *s, uint32_t peer)
{
	struct sim_session *session = s->peers[peer].sessions[SIM_CURRENT];
	const uint32_t age = session ? s->now_ms - session->born_ms : 0;

	if (!session || age >= MS(SL_REJECT_AFTER_TIME_NS)) {
		sim_want_handshake(s, peer, SIM_NONE);
		return NULL;
	}
	if (session->initiator && age >= MS(SL_REKEY_AFTER_TIME_NS))
		sim_want_handshake(s, peer, SIM_NONE);
	return session;
}

static size_t padded(size_t len)
{
	const size_t whole = (len + SL_PADDING_MULTIPLE - 1) / SL_PADDING_MULTIPLE * SL_PADDING_MULTIPLE;

	return whole > SL_DEFAULT_MTU && len <= SL_DEFAULT_MTU ? SL_DEFAULT_MTU : whole;
}

uint8_t *sim_data_begin(struct sim *s, uint32_t peer, size_t len)
{
	struct sim_session *session = sim_sending(s, peer);
	struct rte_mbuf *m = session ? sim_port_buffer(s->wan) : NULL;
	const bool v6 = s->o.mixed && (peer & 1);
	const size_t room = padded(len);
	struct sl_msg_data head;
	uint8_t *msg, *text;

	if (!m) {
		s->counts.no_buffer += session != NULL;
		return NULL;
	}
	if (s->seal.n == SIM_BATCH)
		sim_seal_flush(s);
	head = (struct sl_msg_data){.type = SL_MSG_DATA, .receiver = session->remote, .counter = session->counter};
	msg = rte_pktmbuf_mtod(m, uint8_t *) + WIRE_ETH_LEN + wire_head(v6);
	memcpy(msg, &head, sizeof(head));
	text = msg + sizeof(head);
	memset(text + len, 0, room - len);
	m->data_len = (uint16_t)(WIRE_ETH_LEN + wire_head(v6) + SL_DATA_OVERHEAD + room);
	s->seal.jobs[s->seal.n] = (struct sl_aead_job){.key = session->send,
	        .counter = session->counter++,
	        .src = text,
	        .dst = text,
	        .tag = text + room,
	        .len = (uint32_t)room};
	s->seal.mbufs[s->seal.n] = m;
	s->seal.peers[s->seal.n++] = peer;
	sim_timer_sent(s, peer, len > 0);
	*(len ? &s->counts.data_sent : &s->counts.keepalives_sent) += 1;
	return text;
}

void sim_seal_flush(struct sim *s)
{
	sl_aead_seal_batch(s->aead, s->seal.jobs, s->seal.n);
	for (unsigned i = 0; i < s->seal.n; i++) {
		struct rte_mbuf *m = s->seal.mbufs[i];
		uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, WIRE_ETH_LEN);
		struct wire_ends ends;

		sim_outer_ends(&s->o, s->seal.peers[i], &ends);
		wire_udp(ip, &ends, m->data_len - WIRE_ETH_LEN - wire_head(ends.v6), 0);
		sim_port_send(s->wan, m, m->data_len, ends.v6, s->seal.peers[i]);
	}
	s->seal.n = 0;
}

void sim_data_take(struct sim *s, struct rte_mbuf *m, const uint8_t *msg, size_t len)
{
	struct sl_msg_data head;
	struct sim_session *session;
	enum sim_slot slot;
	uint8_t *text;

	if (len < SL_KEEPALIVE_LEN) {
		s->counts.bad_frames++;
		rte_pktmbuf_free(m);
		return;
	}
	memcpy(&head, msg, sizeof(head));
	session = sim_session_find(s, head.receiver, &slot);
	if (!session || s->now_ms - session->born_ms >= MS(SL_REJECT_AFTER_TIME_NS)) {
		s->counts.unknown_index++;
		rte_pktmbuf_free(m);
		return;
	}
	rte_pktmbuf_adj(m, (uint16_t)(msg + sizeof(head) - rte_pktmbuf_mtod(m, const uint8_t *)));
	text = rte_pktmbuf_mtod(m, uint8_t *);
	len -= SL_DATA_OVERHEAD;
	s->open.jobs[s->open.n] = (struct sl_aead_job){.key = session->recv,
	        .counter = head.counter,
	        .src = text,
	        .dst = text,
	        .tag = text + len,
	        .len = (uint32_t)len};
	s->open.mbufs[s->open.n] = m;
	s->open.locals[s->open.n] = head.receiver;
	if (++s->open.n == SIM_BATCH)
		sim_open_flush(s);
}

static bool replay_accept(struct sim_session *session, uint64_t counter)
{
	if (!session->any || counter > session->top) {
		const uint64_t ahead = session->any ? counter - session->top : REPLAY_BITS;

		session->seen = ahead < REPLAY_BITS ? session->seen << ahead | 1 : 1;
		session->top = counter;
		session->any = true;
		return true;
	}
	if (session->top - counter >= REPLAY_BITS || (session->seen >> (session->top - counter) & 1))
		return false;
	session->seen |= UINT64_C(1) << (session->top - counter);
	return true;
}

/* The hub has proven that it has the session, which so becomes the one to send on (protocol.md 22). */
static void promote(struct sim *s, uint32_t peer)
{
	struct sim_peer *p = &s->peers[peer];

	sim_session_set(s, peer, SIM_PREVIOUS, p->sessions[SIM_CURRENT]);
	p->sessions[SIM_CURRENT] = p->sessions[SIM_NEXT];
	p->sessions[SIM_NEXT] = NULL;
	s->counts.answered++;
}

/* A message of a session was authentic. */
static void received(struct sim *s, const struct sl_aead_job *job, uint32_t local)
{
	const uint32_t peer = sim_index_peer(local);
	enum sim_slot slot;
	struct sim_session *session = sim_session_find(s, local, &slot);

	if (!session)
		return;
	if (!replay_accept(session, job->counter)) {
		s->counts.replayed++;
		return;
	}
	if (slot == SIM_NEXT)
		promote(s, peer);
	if (slot != SIM_PREVIOUS && session->initiator && !session->asked &&
	        s->now_ms - session->born_ms >= MS(SL_REKEY_AFTER_RECV_TIME_NS)) {
		session->asked = true;
		sim_want_handshake(s, peer, SIM_NONE);
	}
	sim_timer_received(s, peer, job->len > 0);
	if (job->len == 0) {
		s->counts.keepalives_received++;
		return;
	}
	s->counts.data_received++;
	sim_flow_at_peer(s, peer, job->dst, job->len);
}

void sim_open_flush(struct sim *s)
{
	const unsigned n = s->open.n;

	if (n == 0)
		return;
	s->counts.bad_tag += n - sl_aead_open_batch(s->aead, s->open.jobs, n);
	s->open.n = 0;
	for (unsigned i = 0; i < n; i++) {
		if (s->open.jobs[i].ok)
			received(s, &s->open.jobs[i], s->open.locals[i]);
		rte_pktmbuf_free(s->open.mbufs[i]);
	}
}
