/*
 * Handshakes of the simulated peers in both roles, SL_IKPSK2_BATCH side by side (crypto/ikpsk2.h). A peer that wants
 * one waits in a queue; sim_handshakes_run makes and sends the next ones.
 */
#pragma once

#include "tests/peersim/sim.h"

/*
 * The peer wants a session, by itself (task SIM_NONE: nothing happens while one is under way, or within 5 s of the last
 * initiation), or for a task.
 */
void sim_want_handshake(struct sim *s, uint32_t peer, uint32_t task);

/* No answer came in time. */
void sim_handshake_timeout(struct sim *s, uint32_t peer);

/* Takes a message that came to that peer. */
void sim_handshake_take(struct sim *s, uint32_t peer, const uint8_t *msg, size_t len);

/* Works on what was taken, and sends initiations. Whether there was anything to do. */
bool sim_handshakes_run(struct sim *s);

/* The peer drops a handshake that is under way, or was prepared. */
void sim_handshake_cancel(struct sim *s, uint32_t peer);

/* The peer loses handshake and sessions, as by a restart. */
void sim_forget(struct sim *s, uint32_t peer);
