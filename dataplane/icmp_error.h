/*
 * Turning a packet away: the stage ICMP_ERROR makes an ICMP error about it
 * where one is due (RFC 1812 4.3.2, RFC 4443 2.4) and drops it under its own
 * reason in any case. Stages on the worker's thread hand packets over with the
 * function below.
 */
#pragma once

#include "dataplane/worker.h"

enum sl_icmp_kind {
	SL_ICMP_NET_UNREACHABLE,  /* 3/0; ICMPv6 1/0 */
	SL_ICMP_HOST_UNREACHABLE, /* 3/1; ICMPv6 1/3 (protocol.md 36) */
	SL_ICMP_PORT_UNREACHABLE, /* 3/3; ICMPv6 1/4 */
	SL_ICMP_TIME_EXCEEDED,    /* 11/0; ICMPv6 3/0 */
	SL_ICMP_TOO_BIG,          /* 3/4; ICMPv6 2/0; with the MTU */
};

/*
 * Drops m, counted under `reason`, with an ICMP error to its source where that is allowed. m: data at the IP header,
 * at least 20 or 40 bytes of it in the first segment. mtu: for TOO_BIG, else 0. Passes m over.
 */
void sl_icmp_reject(struct sl_worker *w, struct rte_mbuf *m, enum sl_drop reason, enum sl_icmp_kind kind, uint32_t mtu);
