#include "control/proto/backlog.h"

#include <stdlib.h>

#define PIECE	    128 /* entries */
#define DROP_BUDGET 256

struct sl_backlog_piece {
	struct sl_backlog_piece *next;
	uint32_t head, tail; /* the entries in use */
	struct sl_backlog_entry entries[PIECE];
};

static struct sl_backlog_piece *
add_piece(struct sl_backlog *b)
{
	struct sl_backlog_piece *piece = malloc(sizeof(*piece));

	if (!piece)
		return NULL;
	piece->next = NULL;
	piece->head = piece->tail = 0;
	*(b->last ? &b->last->next : &b->first) = piece;
	b->last = piece;
	return piece;
}

bool
sl_backlog_put(struct sl_backlog *b, const struct sl_proto_msg *msg, uint32_t generation, uint64_t now)
{
	struct sl_backlog_piece *piece = b->last;
	struct sl_backlog_entry *e;

	assert(msg->len <= sizeof(e->data));
	if (b->n < SL_BACKLOG_MAX && (!piece || piece->tail == PIECE))
		piece = add_piece(b);
	if (b->n == SL_BACKLOG_MAX || !piece) {
		b->dropped++;
		return false;
	}
	e = &piece->entries[piece->tail++];
	e->at = now;
	e->generation = generation;
	e->len = (uint32_t)msg->len;
	e->src = msg->src;
	e->dst_local = msg->dst_local;
	memcpy(e->data, msg->data, msg->len);
	b->n++;
	return true;
}

/* The first entry, which stays readable until the next call; NULL: none. */
static const struct sl_backlog_entry *
first(struct sl_backlog *b)
{
	struct sl_backlog_piece *piece = b->first;

	if (piece && piece->head == PIECE) {
		b->first = piece->next;
		if (!b->first)
			b->last = NULL;
		free(piece);
		piece = b->first;
	}
	return piece && piece->head < piece->tail ? &piece->entries[piece->head] : NULL;
}

unsigned
sl_backlog_take(struct sl_backlog *b, struct sl_backlog_entry *out, unsigned n, uint64_t now, bool *any)
{
	const struct sl_backlog_entry *e;
	unsigned taken = 0, dropped = 0;

	while (taken < n && dropped < DROP_BUDGET && (e = first(b))) {
		if (now - e->at < SL_REKEY_TIMEOUT_NS)
			out[taken++] = *e;
		else
			dropped++;
		b->first->head++;
		b->n--;
	}
	b->dropped += dropped;
	*any = taken + dropped > 0;
	if (b->n == 0)
		sl_backlog_clear(b);
	return taken;
}

void
sl_backlog_clear(struct sl_backlog *b)
{
	while (b->first) {
		struct sl_backlog_piece *piece = b->first;

		b->first = piece->next;
		free(piece);
	}
	b->last = NULL;
	b->n = 0;
}
