/*
 * Commands to a running simulation, by a Unix socket: a line "COMMAND KEY=VALUE…" gets a line of JSON, {"ok": true, …}
 * or {"ok": false, "error": "…"}. `await` answers when what it waits for has happened, or its time is over; meanwhile the
 * simulation goes on, and other clients are served.
 *
 *   handshake first= count= [window=] [hub=|key=]
 *                                        peers shake hands; window: how many at once without an answer, else all;
 *                                        hub, key: with another identity of the hub, by its number or public key
 *   rehub hub=|key= first= count=        the same
 *   prepare first= count= [hub=|key=]    makes their initiations, which go out with the next `handshake`
 *   forget first= count=                 these peers lose all state, as by a restart
 *   keepalive seconds= first= count=     persistent keepalive, 0: off
 *   traffic flow= first= count= [window=] [mode=echo|up|down] [packets=] [size=] [rate=] [patience=]
 *                                        rate: packets a second; patience: seconds after which a packet is lost
 *   stop [flow=]                         sends no more, of that flow or of any
 *   await [handshakes=1] [flow= [returned=]] [seconds=]
 *                                        no handshake of a command is open; a flow is done, or has so many returned
 *   peers [first= count=]                how many have sessions
 *   report                               all counters
 *   quit
 *
 * first= and count= are all peers where left out. One thread.
 */
#pragma once

#include "tests/peersim/sim.h"

struct sim_control;

/* Listens at a path. NULL with errno. */
struct sim_control *sim_control_open(const char *path);
void sim_control_close(struct sim_control *c);

/* Serves what has come; waits for more at most so many nanoseconds. */
void sim_control_run(struct sim_control *c, struct sim *s, uint64_t wait_ns);

/* The client: sends the words as one line to a simulation's socket and prints its answer. The exit status: 0 where that
 * said "ok": true. */
int sim_control_ask(const char *path, char *const *words, int n);
