/*
 * Handshakes by command: a task is a range of peers, of which each is begun once, and is over with an answer or when
 * the peer gives up.
 */
#pragma once

#include "tests/peersim/sim.h"

/*
 * Starts a task; prepare: the initiations are made and kept. window: how many may be without an answer, 0: all. False
 * where there is no place for one more.
 */
bool sim_task_start(struct sim *s, bool prepare, uint32_t first, uint32_t count, uint32_t window);

/* Whether some task has peers without a session. */
bool sim_tasks_open(const struct sim *s);

/* Begins the next peers of a task. Whether there were any. */
bool sim_task_feed(struct sim *s, uint32_t task);

/* A peer has no more to do with its task (SIM_NONE: it has none), which becomes SIM_NONE. */
void sim_task_leave(struct sim *s, uint32_t *task, bool finished);
