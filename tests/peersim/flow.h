/*
 * Traffic as closed loops: of a flow at most `window` packets are on their way, at most one of each peer, and the next
 * one leaves when one has come through. So a slow machine makes a flow slow and loses nothing; a packet that has not
 * come after the flow's patience was lost by the gateway, or in it. Payloads name flow, peer and number and are
 * compared whole; the peer that gets a packet must be the one it was for.
 */
#pragma once

#include "tests/peersim/sim.h"

struct rte_mbuf;

enum sim_flow_mode {
	SIM_ECHO, /* peer, hub, LAN, and back */
	SIM_UP,   /* peer, hub, LAN */
	SIM_DOWN, /* LAN, hub, peer */
};

#define SIM_FLOW_PAYLOAD_MIN 16
#define SIM_FLOW_PAYLOAD_MAX 1300

/* One packet of a peer. */
struct sim_flow_slot {
	uint32_t number, lost; /* of the last packet; of the last one that was given up, SIM_NONE: none */
	uint32_t sent_ms, older, newer;
	bool away, back; /* on its way; back: on the second half of it */
};

struct sim_flow {
	uint32_t id, first, count, window, size, rate; /* rate: packets a second at most, 0: as it comes */
	uint32_t patience_ms;                          /* after that a packet is lost */
	enum sim_flow_mode mode;
	uint64_t packets; /* 0: until it is stopped */
	bool stopped;
	uint32_t began_ms, cursor, outstanding, oldest, newest;
	uint64_t sent, returned, lost_up, lost_down, late, duplicate, wrong, waited;
	struct sim_flow_slot slots[]; /* count */
};

/* Starts a flow in the place of its id, whatever was there. False out of memory. */
bool sim_flow_start(struct sim *s, const struct sim_flow *wanted);
void sim_flow_free(struct sim *s, uint32_t id);

/* Nothing is to be sent any more, and nothing is on its way. */
bool sim_flow_done(const struct sim_flow *f);

/* Sends what is due, gives up what is late. Whether anything was sent. */
bool sim_flows_run(struct sim *s);

/* An inner packet that a peer got. */
void sim_flow_at_peer(struct sim *s, uint32_t peer, const uint8_t *ip, size_t len);

/* A packet that the LAN host got; the buffer is this module's from here on. */
void sim_flow_at_lan(struct sim *s, struct rte_mbuf *m);
