/*
 * net_af_packet puts its sockets into a fanout group with two flags that it
 * gives no way to turn off, and both are wrong for a router: DEFRAG makes the
 * kernel put IPv4 fragments together, so that frames arrive that are larger than the MTU
 * and than the receive ring's frames, which cuts them; ROLLOVER sends a flow to another
 * queue when its own is full, which reorders it. While this is on, sockets of this
 * process join fanout groups without them: setsockopt of this program stands
 * before libc's. Control thread, around opening a port.
 */
#pragma once

#include <stdbool.h>

#define SL_FANOUT_SOCKETS 64 /* of one device that are remembered */

void sl_fanout_plain(bool on);

/*
 * The packet sockets that were given a receive ring since it was last turned on, in that order, which is that of the
 * device's receive queues: a sleeping worker waits on them. Returns how many; they belong to the device.
 */
unsigned sl_fanout_sockets(int *fds, unsigned max);
