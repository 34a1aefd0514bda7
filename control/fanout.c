#include "control/fanout.h"

#include <linux/if_packet.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FANOUT_FLAGS_SHIFT 16

static _Atomic bool plain;

void
sl_fanout_plain(bool on)
{
	atomic_store(&plain, on);
}

int
setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	unsigned fanout;

	if (level == SOL_PACKET && name == PACKET_FANOUT && len == sizeof(fanout) && atomic_load(&plain)) {
		memcpy(&fanout, value, sizeof(fanout));
		fanout &= ~((unsigned)(PACKET_FANOUT_FLAG_DEFRAG | PACKET_FANOUT_FLAG_ROLLOVER) << FANOUT_FLAGS_SHIFT);
		value = &fanout;
	}
	return (int)syscall(SYS_setsockopt, fd, level, name, value, len);
}
