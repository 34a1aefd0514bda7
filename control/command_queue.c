#include "control/command_queue.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_CAPACITY 256

/* What waits for one worker: a ring that grows. */
struct waiting {
	struct sl_command *commands;
	uint32_t capacity; /* a power of two */
	uint32_t first, n;
};

struct sl_command_queue {
	struct sl_dataplane *dp;
	uint16_t next; /* worker of the next command to any */
	struct waiting waiting[SL_WORKERS_MAX];
};

int
sl_command_queue_create(struct sl_command_queue **out, struct sl_dataplane *dp)
{
	struct sl_command_queue *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return -ENOMEM;
	q->dp = dp;
	*out = q;
	return 0;
}

void
sl_command_queue_destroy(struct sl_command_queue *q)
{
	if (q == NULL)
		return;
	for (unsigned w = 0; w < SL_WORKERS_MAX; w++) {
		struct waiting *wait = &q->waiting[w];

		for (uint32_t i = 0; i < wait->n; i++)
			rte_pktmbuf_free(wait->commands[(wait->first + i) & (wait->capacity - 1)].packet);
		free(wait->commands);
	}
	free(q);
}

static bool
grow(struct waiting *wait)
{
	uint32_t capacity = wait->capacity ? wait->capacity * 2 : FIRST_CAPACITY;
	struct sl_command *commands;

	if (capacity > SL_COMMANDS_WAITING)
		return false;
	commands = malloc(capacity * sizeof(*commands));
	if (commands == NULL)
		return false;
	for (uint32_t i = 0; i < wait->n; i++)
		commands[i] = wait->commands[(wait->first + i) & (wait->capacity - 1)];
	free(wait->commands);
	*wait = (struct waiting){.commands = commands, .capacity = capacity, .n = wait->n};
	return true;
}

bool
sl_command_queue_put(struct sl_command_queue *q, uint16_t worker, const struct sl_command *cmd)
{
	struct waiting *wait = &q->waiting[worker];

	/* Never past one that waits: a peer's commands keep their order. */
	if (wait->n == 0 && sl_dataplane_command(q->dp, worker, cmd))
		return true;
	if (wait->n == wait->capacity && !grow(wait))
		return false;
	wait->commands[(wait->first + wait->n) & (wait->capacity - 1)] = *cmd;
	wait->n++;
	return true;
}

bool
sl_command_queue_put_any(struct sl_command_queue *q, const struct sl_command *cmd)
{
	uint16_t worker = q->next;

	q->next = (uint16_t)((worker + 1) % q->dp->n_workers);
	return sl_command_queue_put(q, worker, cmd);
}

void
sl_command_queue_put_all(struct sl_command_queue *q, enum sl_command_op op, uint32_t peer)
{
	const struct sl_command cmd = {.op = op, .peer = peer};

	for (uint16_t w = 0; w < q->dp->n_workers; w++)
		sl_command_queue_put(q, w, &cmd);
}

bool
sl_command_queue_flush(struct sl_command_queue *q)
{
	bool left = false;

	for (uint16_t w = 0; w < q->dp->n_workers; w++) {
		struct waiting *wait = &q->waiting[w];

		while (wait->n > 0 && sl_dataplane_command(q->dp, w, &wait->commands[wait->first])) {
			wait->first = (wait->first + 1) & (wait->capacity - 1);
			wait->n--;
		}
		left |= wait->n > 0;
	}
	return left;
}
