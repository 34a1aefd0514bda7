/*
 * A worker that takes its time. What it found to seal by in a pass it goes on sealing by until the pass ends, whatever
 * control has done meanwhile: the key must stand there until then, and the counter that it takes last be nobody else's.
 * The packet itself is lost.
 */
#include "sim.h"

#include "crypto/bytes.h"

/* ns, by turns: from passes of one step to one in which several sessions follow one another. */
static const uint64_t lengths[] = {0, 20 * SIM_MS, 0, SIM_S, 300 * SIM_MS, 20 * SIM_S, 5 * SIM_S};

void
sim_pass_found(struct sim_node *node, const struct sl_session *s)
{
	struct sim_pass *pass = &node->pass;

	if (s->sender == &s->own)
		sim_seen(node->sim, SIM_T_SENT_OWN);
	if (!node->sim->slow_workers)
		return;
	if (pass->n == 0) {
		rte_rcu_qsbr_thread_register(node->rcu, 0);
		rte_rcu_qsbr_thread_online(node->rcu, 0);
		pass->until = node->sim->now + lengths[pass->number++ % (sizeof(lengths) / sizeof(*lengths))];
	}
	for (unsigned i = 0; i < pass->n; i++)
		if (pass->found[i].id == atomic_load(&s->live))
			return;
	if (pass->n < SIM_PASS_MAX)
		pass->found[pass->n++] = (struct sim_found){
			.id = atomic_load(&s->live), .key = sl_load_le64(s->sender->key), .sender = s->sender};
}

static void
seal_late(struct sim_node *node, const struct sim_found *found)
{
	uint64_t counter = sl_sender_counter(found->sender);

	if (counter < SL_REJECT_AFTER_MESSAGES)
		sim_audit_counter(node, found->key, sl_sender_take(found->sender, 1));
	if (node->peer && atomic_load(&node->peers.slots[node->peer->slot].current) != found->id)
		sim_seen(node->sim, SIM_T_SEALED_LATE);
}

void
sim_pass_step(struct sim_node *node)
{
	struct sim_pass *pass = &node->pass;

	for (unsigned i = 0; i < pass->n; i++)
		if (sl_load_le64(pass->found[i].sender->key) != pass->found[i].key)
			sim_violation(node->sim, "node %u: a key went while a worker sealed by it", node->number);
	if (pass->n == 0 || node->sim->now < pass->until)
		return;
	for (unsigned i = 0; i < pass->n; i++)
		seal_late(node, &pass->found[i]);
	sim_pass_end(node);
}

void
sim_pass_end(struct sim_node *node)
{
	if (node->pass.n > 0)
		rte_rcu_qsbr_thread_offline(node->rcu, 0);
	node->pass.n = 0;
}
