#include "control/proto/internal.h"

void
sl_proto_cursor_open(struct sl_proto_cursor *cursor, struct sl_proto_if *ifp)
{
	*cursor = (struct sl_proto_cursor){.ifp = ifp, .at = ifp->first, .next = ifp->cursors};
	if (cursor->next)
		cursor->next->prev = cursor;
	ifp->cursors = cursor;
}

struct sl_proto_peer *
sl_proto_cursor_next(struct sl_proto_cursor *cursor)
{
	struct sl_proto_peer *peer = cursor->at;

	if (peer)
		cursor->at = peer->list_next;
	return peer;
}

void
sl_proto_cursor_close(struct sl_proto_cursor *cursor)
{
	if (!cursor->ifp)
		return;
	if (cursor->prev)
		cursor->prev->next = cursor->next;
	else
		cursor->ifp->cursors = cursor->next;
	if (cursor->next)
		cursor->next->prev = cursor->prev;
	*cursor = (struct sl_proto_cursor){0};
}
