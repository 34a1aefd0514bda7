#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/proto/internal.h"
#include "crypto/wipe.h"

#define PASS_SLICE 256 /* peers; some 100 ns to 1 µs each */

int
sl_proto_if_create(struct sl_proto *core, const struct sl_proto_if_config *cfg, struct sl_proto_if **out)
{
	struct sl_proto_if *ifp = calloc(1, sizeof(*ifp));

	if (!ifp)
		return -ENOMEM;
	ifp->name = strdup(cfg->name);
	if (!ifp->name) {
		free(ifp);
		return -ENOMEM;
	}
	ifp->core = core;
	ifp->owner = cfg->owner;
	ifp->l3_if = cfg->l3_if;
	ifp->listen_port = cfg->listen_port;
	ifp->up = true;
	ifp->generation = ifp->last_generation = 1;
	ifp->next = core->ifs;
	core->ifs = ifp;
	*out = ifp;
	return 0;
}

static void
end_pass(struct sl_proto_if *ifp)
{
	if (!ifp->pass)
		return;
	ifp->pass = 0;
	sl_proto_cursor_close(&ifp->pass_at);
	ifp->core->passes--;
}

void
sl_proto_if_destroy(struct sl_proto_if *ifp)
{
	struct sl_proto_if **link;

	if (!ifp)
		return;
	assert(ifp->n_peers == 0);
	end_pass(ifp);
	while (ifp->cursors)
		sl_proto_cursor_close(ifp->cursors);
	for (link = &ifp->core->ifs; *link != ifp; link = &(*link)->next)
		;
	*link = ifp->next;
	sl_limiter_fini(&ifp->limiter);
	sl_backlog_clear(&ifp->backlog);
	sl_noise_identity_wipe(&ifp->identity);
	sl_noise_identity_wipe(&ifp->previous);
	free(ifp->name);
	sl_wipe(ifp, sizeof(*ifp));
	free(ifp);
}

static void
pass_peer(struct sl_proto_if *ifp, struct sl_proto_peer *peer, uint64_t now)
{
	if (ifp->pass & SL_PASS_DOWN)
		sl_peer_stop(peer);
	if (ifp->pass & SL_PASS_IDENTITY)
		sl_peer_sync_identity(peer, now);
	if (ifp->pass & SL_PASS_SOURCE)
		sl_peer_forget_source(peer, ifp->forget.family == SL_AF_NONE ? NULL : &ifp->forget);
	if (ifp->pass & SL_PASS_UP && peer->keepalive_interval > 0)
		sl_timers_persistent_on(peer, now);
	sl_timers_update(peer, now);
}

void
sl_if_pass(struct sl_proto_if *ifp, uint64_t now)
{
	for (unsigned n = 0; n < PASS_SLICE; n++) {
		struct sl_proto_peer *peer = sl_proto_cursor_next(&ifp->pass_at);

		if (!peer) {
			end_pass(ifp);
			return;
		}
		pass_peer(ifp, peer, now);
	}
}

void
sl_if_begin_pass(struct sl_proto_if *ifp, uint32_t pass, uint64_t now)
{
	if (ifp->pass)
		sl_proto_cursor_close(&ifp->pass_at);
	else
		ifp->core->passes++;
	ifp->pass |= pass;
	sl_proto_cursor_open(&ifp->pass_at, ifp);
	sl_if_pass(ifp, now);
}

void
sl_proto_if_set_listen_port(struct sl_proto_if *ifp, uint16_t port, uint64_t now)
{
	if (port == ifp->listen_port)
		return;
	ifp->listen_port = port;
	sl_proto_if_forget_source(ifp, NULL, now);
}

uint16_t
sl_proto_if_listen_port(const struct sl_proto_if *ifp)
{
	return ifp->listen_port;
}

void
sl_proto_if_set_up(struct sl_proto_if *ifp, bool up, uint64_t now)
{
	if (up == ifp->up)
		return;
	ifp->up = up;
	ifp->pass &= ~(uint32_t)SL_PASS_UP;
	sl_if_begin_pass(ifp, up ? SL_PASS_UP : SL_PASS_DOWN, now);
}

void
sl_proto_if_forget_source(struct sl_proto_if *ifp, const struct sl_ip *local, uint64_t now)
{
	bool other = ifp->pass & SL_PASS_SOURCE && (!local || !sl_ip_equal(local, &ifp->forget));

	ifp->forget = local && !other ? *local : (struct sl_ip){0};
	sl_if_begin_pass(ifp, SL_PASS_SOURCE, now);
}

void
sl_proto_if_note_load(struct sl_proto_if *ifp, uint32_t waiting, uint32_t capacity, uint64_t now)
{
	sl_load_note(&ifp->load, waiting, capacity, now);
}

uint32_t
sl_proto_if_waiting(const struct sl_proto_if *ifp)
{
	return ifp->backlog.n;
}

bool
sl_proto_if_under_load(const struct sl_proto_if *ifp, uint64_t now)
{
	return sl_load_is(&ifp->load, now);
}

void *
sl_proto_if_owner(const struct sl_proto_if *ifp)
{
	return ifp->owner;
}

const char *
sl_proto_if_name(const struct sl_proto_if *ifp)
{
	return ifp->name;
}

uint16_t
sl_proto_if_l3(const struct sl_proto_if *ifp)
{
	return ifp->l3_if;
}

uint32_t
sl_proto_if_n_peers(const struct sl_proto_if *ifp)
{
	return ifp->n_peers;
}

const struct sl_proto_if_counters *
sl_proto_if_counters(const struct sl_proto_if *ifp)
{
	return &ifp->counters;
}
