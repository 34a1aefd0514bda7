#include "tests/peersim/tasks.h"

#include "tests/peersim/handshake.h"

#define FEED 256 /* peers that a task queues at once */

static void task_check_end(struct sim *s, struct sim_task *t)
{
	if (t->next == t->count && t->outstanding == 0 && !t->ended_ms)
		t->ended_ms = s->now_ms;
}

void sim_task_leave(struct sim *s, uint32_t *task, bool finished)
{
	struct sim_task *t;

	if (*task == SIM_NONE)
		return;
	t = &s->tasks[*task];
	*task = SIM_NONE;
	t->outstanding--;
	*(finished ? &t->finished : &t->gave_up) += 1;
	task_check_end(s, t);
}

bool sim_task_start(struct sim *s, bool prepare, uint32_t first, uint32_t count, uint32_t window)
{
	struct sim_task *t = NULL;

	for (unsigned i = 0; i < SIM_TASKS_MAX; i++) {
		struct sim_task *other = &s->tasks[i];

		if (!other->used || (other->ended_ms && (!t || (t->used && other->ended_ms < t->ended_ms))))
			t = other;
		if (!other->used)
			break;
	}
	if (!t)
		return false;
	*t = (struct sim_task){.used = true,
	        .prepare = prepare,
	        .first = first,
	        .count = count,
	        .window = window ? window : count,
	        .began_ms = s->now_ms};
	task_check_end(s, t);
	return true;
}

bool sim_tasks_open(const struct sim *s)
{
	for (unsigned i = 0; i < SIM_TASKS_MAX; i++)
		if (s->tasks[i].used && !s->tasks[i].ended_ms)
			return true;
	return false;
}

bool sim_task_feed(struct sim *s, uint32_t task)
{
	struct sim_task *t = &s->tasks[task];
	unsigned n = 0;

	for (; n < FEED && t->next < t->count && t->outstanding < t->window; n++) {
		t->outstanding++;
		sim_want_handshake(s, t->first + t->next++, task);
	}
	return n > 0;
}
