/*
 * Commands from control to workers, none of which may get lost because a ring
 * is full for a moment: what does not fit waits here in order, bounded, and is
 * handed on in the next turn of the loop. Control thread alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/dataplane.h"

struct sl_command_queue;

/* Commands that may wait per worker; beyond, packets are refused and peers' commands dropped. */
#define SL_COMMANDS_WAITING 65536

/* 0 or -ENOMEM. dp is borrowed; workers must exist. */
int sl_command_queue_create(struct sl_command_queue **out, struct sl_dataplane *dp);
/* Frees the packets of commands that still wait. NULL is fine. */
void sl_command_queue_destroy(struct sl_command_queue *q);

/* To one worker. False where even the waiting room is full: a packet stays the caller's. */
bool sl_command_queue_put(struct sl_command_queue *q, uint16_t worker, const struct sl_command *cmd);
/* To a worker of the queue's choice, in turns. */
bool sl_command_queue_put_any(struct sl_command_queue *q, const struct sl_command *cmd);
/* The same command without packet to every worker. */
void sl_command_queue_put_all(struct sl_command_queue *q, enum sl_command_op op, uint32_t peer);
/* Hands on what waits, as far as the rings take it. Whether anything still waits. */
bool sl_command_queue_flush(struct sl_command_queue *q);
