#include <sched.h>

#include "control/proto/internal.h"

/* A worker that writes at this moment is done within some 20 ns, unless it was taken off its core. */
static void
write_outer(struct sl_proto_peer *peer, const struct sl_outer *outer)
{
	while (!sl_peer_outer_write(peer->ifp->core->peers, peer->slot, outer))
		sched_yield();
}

bool
sl_peer_has_endpoint(const struct sl_proto_peer *peer)
{
	struct sl_outer outer;

	sl_peer_outer_read(peer->ifp->core->peers, peer->slot, &outer);
	return outer.family != SL_AF_NONE;
}

void
sl_proto_peer_set_endpoint(struct sl_proto_peer *peer, const struct sl_endpoint *endpoint, uint64_t now)
{
	bool had = sl_peer_has_endpoint(peer);
	struct sl_outer outer;

	peer->configured_endpoint = *endpoint;
	sl_outer_make(&outer, endpoint, NULL, peer->ifp->listen_port);
	write_outer(peer, &outer);
	if (!had && peer->keepalive_interval > 0)
		sl_timers_persistent_on(peer, now);
	sl_timers_update(peer, now);
}

void
sl_peer_roam(struct sl_proto_peer *peer, const struct sl_proto_msg *msg)
{
	struct sl_outer was, outer;

	sl_outer_make(&outer, &msg->src, &msg->dst_local, peer->ifp->listen_port);
	sl_peer_outer_read(peer->ifp->core->peers, peer->slot, &was);
	if (memcmp(&was, &outer, sizeof(outer)) != 0)
		write_outer(peer, &outer);
}

void
sl_peer_forget_source(struct sl_proto_peer *peer, const struct sl_ip *local)
{
	struct sl_endpoint remote;
	struct sl_outer was, outer;
	struct sl_ip was_local;

	sl_peer_outer_read(peer->ifp->core->peers, peer->slot, &was);
	if (was.family == SL_AF_NONE)
		return;
	if (local && !(sl_outer_local(&was, &was_local) && sl_ip_equal(&was_local, local)))
		return;
	sl_outer_remote(&was, &remote);
	sl_outer_make(&outer, &remote, NULL, peer->ifp->listen_port);
	if (memcmp(&was, &outer, sizeof(outer)) != 0)
		write_outer(peer, &outer);
}
