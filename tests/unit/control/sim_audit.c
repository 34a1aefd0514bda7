/*
 * What must never happen, checked at every packet: a counter used twice under
 * one key, a packet accepted that was not sent or was accepted before, a
 * payload delivered that the other node did not send.
 */
#include "sim.h"

#include <stdarg.h>
#include <stdlib.h>

#include "crypto/bytes.h"

#define PACKETS_AT_FIRST 1024

/* A packet by key and counter, in a table with open addressing. */
struct sim_packet {
	uint64_t key, counter;
	bool used, accepted;
};

void
sim_violation(struct sim *sim, const char *format, ...)
{
	va_list args;

	if (sim->violations++ > 0)
		return;
	va_start(args, format);
	vsnprintf(sim->violation, sizeof(sim->violation), format, args);
	va_end(args);
	sim->violation_at = sim->now;
}

/* Since the beginning. */
static double
sim_seconds(const struct sim *sim)
{
	return (double)(sim->now - SIM_START) / SIM_S;
}

void
sim_verbose(const struct sim_node *node, const char *what, const void *msg, size_t len)
{
	if (node->sim->verbose)
		printf("%12.6f  node %u %s type %u, %zu bytes\n", sim_seconds(node->sim), node->number, what,
			sl_load_le32(msg), len);
}

void
sim_seen(struct sim *sim, enum sim_transition t)
{
	sim->seen[t]++;
	if (sim->verbose)
		printf("%12.6f    %s\n", sim_seconds(sim), sim_transition_text(t));
	sim_trace(sim, SIM_T_COUNT + (uint64_t)t);
}

void
sim_trace(struct sim *sim, uint64_t word)
{
	/* FNV-1a over words */
	sim->trace = (sim->trace ^ word ^ sim->now << 8) * UINT64_C(0x100000001b3);
	sim->trace ^= sim->trace >> 29;
}

static struct sim_packet *
find(struct sim_packet *packets, size_t room, uint64_t key, uint64_t counter)
{
	size_t i = ((key ^ counter * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0x94d049bb133111eb)) >> 20;

	while (packets[i & (room - 1)].used &&
		(packets[i & (room - 1)].key != key || packets[i & (room - 1)].counter != counter))
		i++;
	return &packets[i & (room - 1)];
}

static void
make_room(struct sim *sim)
{
	size_t room = sim->packets_room ? sim->packets_room * 2 : PACKETS_AT_FIRST;
	struct sim_packet *packets;

	if (sim->n_packets * 2 < sim->packets_room)
		return;
	packets = calloc(room, sizeof(*packets));
	if (!packets)
		abort();
	for (size_t i = 0; i < sim->packets_room; i++)
		if (sim->packets[i].used)
			*find(packets, room, sim->packets[i].key, sim->packets[i].counter) = sim->packets[i];
	free(sim->packets);
	sim->packets = packets;
	sim->packets_room = room;
}

void
sim_audit_counter(struct sim_node *node, uint64_t key, uint64_t counter)
{
	struct sim *sim = node->sim;
	struct sim_packet *p;

	make_room(sim);
	p = find(sim->packets, sim->packets_room, key, counter);
	if (p->used)
		sim_violation(sim, "node %u: counter %lu used twice", node->number, counter);
	if (counter >= SL_REJECT_AFTER_MESSAGES)
		sim_violation(sim, "node %u: counter %lu sent", node->number, counter);
	*p = (struct sim_packet){.key = key, .counter = counter, .used = true};
	sim->n_packets++;
}

void
sim_audit_sent(struct sim_node *node, const struct sl_session *s, uint64_t counter)
{
	struct sim *sim = node->sim;

	sim_audit_counter(node, sl_load_le64(s->sender->key), counter);
	if (sim->now - s->created >= SL_REJECT_AFTER_TIME_NS)
		sim_violation(sim, "node %u: sent on a session of %llu s", node->number, (sim->now - s->created) / SIM_S);
	if (!s->initiator && !(atomic_load(&s->facts) & SL_SESSION_CONFIRMED))
		sim_violation(sim, "node %u: responder sent before its session was confirmed", node->number);
}

void
sim_audit_accepted(struct sim_node *node, const struct sl_session *s, uint32_t index, uint64_t counter)
{
	struct sim *sim = node->sim;
	struct sim_packet *p;

	make_room(sim);
	p = find(sim->packets, sim->packets_room, sl_load_le64(s->recv_key), counter);
	if (sim->damaged)
		sim_violation(sim, "node %u: damaged packet accepted", node->number);
	if (index != s->index)
		sim_violation(sim, "node %u: packet for index %u accepted by session %u", node->number, index, s->index);
	if (!p->used) {
		if (!sim->strangers)
			sim_violation(sim, "node %u: packet accepted that was not sent", node->number);
		*p = (struct sim_packet){.key = sl_load_le64(s->recv_key), .counter = counter, .used = true};
		sim->n_packets++;
	}
	if (p->accepted)
		sim_violation(sim, "node %u: replay of counter %lu accepted", node->number, counter);
	p->accepted = true;
}

uint64_t
sim_payload_make(struct sim *sim, unsigned node)
{
	uint64_t payload = sim->next_payload++;

	sim->payloads = sim_grow(sim->payloads, &sim->payloads_room, payload + 1, sizeof(*sim->payloads));
	sim->payloads[payload] = (uint8_t)(1 + node);
	return payload;
}

void
sim_payload_write(uint8_t plain[SIM_PAYLOAD_LEN], uint64_t payload)
{
	memset(plain, 0, SIM_PAYLOAD_LEN);
	sl_store_le64(plain, payload);
}

void
sim_payload_delivered(struct sim_node *node, const uint8_t *plain, size_t len)
{
	uint64_t payload = sl_load_le64(plain);
	uint8_t expected[SIM_PAYLOAD_LEN];
	struct sim *sim = node->sim;

	sim_payload_write(expected, payload);
	if (len != sizeof(expected) || payload == 0 || payload >= sim->next_payload || memcmp(plain, expected, len) != 0) {
		sim_violation(sim, "node %u: plaintext that nobody sent", node->number);
		return;
	}
	if (sim->payloads[payload] == SIM_DELIVERED)
		sim_violation(sim, "node %u: payload %lu delivered twice", node->number, payload);
	else if (sim->payloads[payload] != 1 + (1 - node->number))
		sim_violation(sim, "node %u: payload %lu is not the other node's", node->number, payload);
	sim->payloads[payload] = SIM_DELIVERED;
	node->delivered++;
	node->last_delivered_at = sim->now;
	if (payload > node->newest_delivered)
		node->newest_delivered = payload;
	sim_trace(sim, payload);
}

void
sim_audit_fini(struct sim *sim)
{
	free(sim->packets);
	free(sim->payloads);
	sim->packets = NULL;
	sim->payloads = NULL;
}
