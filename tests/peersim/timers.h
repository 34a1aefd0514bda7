/*
 * What simulated peers do by the clock (protocol.md, section 5): retransmissions, keepalives, a new handshake after
 * data without an answer. A sweep over one number per peer, ten times a second, finds those that are due.
 */
#pragma once

#include "tests/peersim/sim.h"

/* Call after an authenticated message was sent or received; data: not a keepalive. */
void sim_timer_sent(struct sim *s, uint32_t peer, bool data);
void sim_timer_received(struct sim *s, uint32_t peer, bool data);

/* Does what is due. Whether anything was. */
bool sim_timers_run(struct sim *s);
