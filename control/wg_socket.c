/*
 * The `wg` tool's socket (protocol.md section 8): which request a line belongs
 * to. get and set are in control/wg_get.c and control/wg_set.c.
 */
#include <string.h>

#include "control/wg_socket.h"

static bool
wg_line(struct sl_api_conn *c, char *line)
{
	struct sl_wg_state *s = c->state;

	switch (s->request) {
	case SL_WG_NONE:
		if (strcmp(line, "get=1") == 0)
			s->request = SL_WG_GET;
		else if (strcmp(line, "set=1") == 0)
			sl_wg_set_begin(c);
		else if (line[0] != '\0')
			return false; /* not a request: nothing that could be answered */
		return true;
	case SL_WG_GET:
		if (line[0] == '\0')
			sl_wg_get_begin(c);
		return true;
	case SL_WG_SET:
		if (line[0] == '\0')
			sl_wg_set_end(c);
		else
			sl_wg_set_line(c, line);
		return true;
	}
	return false;
}

static bool
wg_busy(const struct sl_api_conn *c)
{
	const struct sl_wg_state *s = c->state;

	return s->getting || s->set.job != SL_WG_JOB_NONE;
}

static void
wg_advance(struct sl_api_conn *c)
{
	struct sl_wg_state *s = c->state;

	if (s->getting)
		sl_wg_get_advance(c);
	else
		sl_wg_set_advance(c);
}

static void
wg_close(struct sl_api_conn *c)
{
	struct sl_wg_state *s = c->state;

	sl_proto_cursor_close(&s->cursor);
}

const struct sl_api_protocol sl_wg_protocol = {
	.state_size = sizeof(struct sl_wg_state),
	.line = wg_line,
	.advance = wg_advance,
	.busy = wg_busy,
	.close = wg_close,
};
