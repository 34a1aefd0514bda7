/*
 * The audit trail: one structured line in the log for each change of the running gateway's configuration, saying what
 * changed, who asked for it and by which way. Written when the change has been made. Never a secret: of a key that
 * changed only that it did. Control thread.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* Who asked. */
struct sl_actor {
	const char *via; /* "wg", "reload", "peer", "signal", "expiry": static text */
	int64_t uid;     /* -1: nobody's, such as a timer */
	int64_t pid;     /* of the client or sender; -1: unknown */
};

/*
 * `change` is a word such as "peer-add"; the rest are fields, NAME=VALUE separated by spaces, values without spaces:
 *
 *   audit change=peer-add interface=wg0 peer=laptop via=reload uid=0 pid=4711 from=/etc/sluice/peers.d/laptop.yaml:2:3
 */
void sl_audit(const struct sl_actor *who, const char *change, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
