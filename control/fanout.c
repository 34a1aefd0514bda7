#include "control/fanout.h"

#include <linux/if_packet.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FANOUT_FLAGS_SHIFT 16

static _Atomic bool plain;
static int sockets[SL_FANOUT_SOCKETS];
static unsigned n_sockets;

void
sl_fanout_plain(bool on)
{
	if (on)
		n_sockets = 0;
	atomic_store(&plain, on);
}

unsigned
sl_fanout_sockets(int *fds, unsigned max)
{
	unsigned n = n_sockets < max ? n_sockets : max;

	memcpy(fds, sockets, n * sizeof(*fds));
	return n;
}

int
setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	unsigned fanout;

	if (level == SOL_PACKET && name == PACKET_RX_RING && atomic_load(&plain) && n_sockets < SL_FANOUT_SOCKETS)
		sockets[n_sockets++] = fd;
	if (level == SOL_PACKET && name == PACKET_FANOUT && len == sizeof(fanout) && atomic_load(&plain)) {
		memcpy(&fanout, value, sizeof(fanout));
		fanout &= ~((unsigned)(PACKET_FANOUT_FLAG_DEFRAG | PACKET_FANOUT_FLAG_ROLLOVER) << FANOUT_FLAGS_SHIFT);
		value = &fanout;
	}
	return (int)syscall(SYS_setsockopt, fd, level, name, value, len);
}
