/*
 * One connection of the gateway's Unix sockets: lines in, text out, both
 * bounded, no call ever blocking. What is spoken on it is a struct
 * sl_api_protocol: the `wg` tool's (control/wg_socket.c) or that of the client
 * commands (control/client_socket.c). Control thread alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/audit.h"
#include "control/gateway.h"

#define SL_API_LINE_MAX   4096        /* longer lines end the connection */
#define SL_API_OUT_WATER  (64 * 1024) /* no more is produced while this much waits for the reader */
#define SL_API_SLICE_LINES 128        /* lines taken, or objects written, in one slice */

struct sl_api_conn;

struct sl_api_protocol {
	size_t state_size; /* of sl_api_conn.state, zeroed at first */
	/* One line without its end; lines come only while busy() is false. False ends the connection once replies are out. */
	bool (*line)(struct sl_api_conn *c, char *line);
	/* One bounded slice of work that a line has begun. Called while busy() and not too much waits for the reader. */
	void (*advance)(struct sl_api_conn *c);
	bool (*busy)(const struct sl_api_conn *c);
	/* The connection ends, in whatever state. */
	void (*close)(struct sl_api_conn *c);
};

struct sl_api_conn {
	struct sl_gateway *gateway;
	struct sl_gateway_if *gi; /* the interface of a `wg` socket; NULL for client commands */
	const struct sl_api_protocol *protocol;
	void *state;
	struct sl_api_conn *next;
	struct sl_actor actor; /* who is at the other end */
	int fd;
	bool eof;     /* the other side sends no more */
	bool closing; /* ends once what waits is written */
	bool dead;
	bool ready; /* there may be something to do: cleared once nothing is left, set by the next event */
	bool watching_out;
	char *in;     /* SL_API_LINE_MAX bytes */
	size_t in_len;
	char *out;
	size_t out_len, out_sent, out_room;
};

/* There is something to do for a connection that had nothing left: its protocol is asked again. */
static inline void
sl_api_wake(struct sl_api_conn *c)
{
	c->ready = true;
}

/* Appends to what goes out. Out of memory ends the connection. */
void sl_api_write(struct sl_api_conn *c, const char *text, size_t len);
void sl_api_printf(struct sl_api_conn *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

extern const struct sl_api_protocol sl_wg_protocol;
extern const struct sl_api_protocol sl_client_protocol;
