/* Listening sockets and connections of the control core: who may connect, buffers, and when each is served. */
#include "control/api.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/api_conn.h"
#include "control/log.h"
#include "crypto/wipe.h"

#define CLIENT_DIR      "/run/sluice"
#define WG_DIR          "/var/run/wireguard"
#define BACKLOG         128
#define CONNECTIONS_MAX 256
#define ACCEPT_BUDGET   16
#define BIND_TRIES      3

struct listener {
	struct listener *next;
	struct sl_gateway_if *gi; /* NULL: the client commands' */
	int fd;
	struct sockaddr_un addr;
};

struct sl_api {
	struct sl_gateway *gw;
	struct listener *listeners;
	struct sl_api_conn *conns;
	unsigned n_conns;
};

/* --- listening --- */

/* Whether somebody serves the socket at this address. */
static bool
is_served(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool served;

	if (fd < 0)
		return false;
	served = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno == EAGAIN;
	close(fd);
	return served;
}

/* Binds under umask 077, replacing a socket that nobody serves. The descriptor or a negative errno. */
static int
bind_socket(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int rc;

	if (fd < 0)
		return -errno;
	mask = umask(S_IRWXG | S_IRWXO);
	rc = bind(fd, (const struct sockaddr *)addr, sizeof(*addr));
	if (rc != 0 && errno == EADDRINUSE && !is_served(addr) && unlink(addr->sun_path) == 0)
		rc = bind(fd, (const struct sockaddr *)addr, sizeof(*addr));
	if (rc == 0)
		rc = listen(fd, BACKLOG);
	rc = rc ? -errno : fd;
	umask(mask);
	if (rc < 0)
		close(fd);
	return rc;
}

/* The same in a folder that is made where it is not there. A gateway that stops may take it away in between: once more. */
static int
bind_in(const char *dir, const struct sockaddr_un *addr)
{
	int rc = -ENOENT;

	for (unsigned i = 0; i < BIND_TRIES && rc == -ENOENT; i++) {
		if (mkdir(dir, S_IRWXU | S_IRGRP | S_IXGRP | S_IROTH | S_IXOTH) != 0 && errno != EEXIST)
			return -errno;
		rc = bind_socket(addr);
	}
	return rc;
}

static int
watch(struct sl_api *api, int op, int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.fd = fd};

	return epoll_ctl(api->gw->epoll_fd, op, fd, &ev) == 0 ? 0 : -errno;
}

static int
listen_at(struct sl_api *api, const char *dir, const char *name, struct sl_gateway_if *gi)
{
	struct listener *l = calloc(1, sizeof(*l));
	int n, rc;

	if (l == NULL)
		return -ENOMEM;
	l->gi = gi;
	l->addr.sun_family = AF_UNIX;
	n = snprintf(l->addr.sun_path, sizeof(l->addr.sun_path), "%s/%s.sock", dir, name);
	if (n < 0 || (size_t)n >= sizeof(l->addr.sun_path))
		rc = -ENAMETOOLONG;
	else
		rc = bind_in(dir, &l->addr);
	if (rc < 0) {
		free(l);
		return rc;
	}
	l->fd = rc;
	rc = watch(api, EPOLL_CTL_ADD, l->fd, EPOLLIN);
	l->next = api->listeners;
	api->listeners = l;
	return rc;
}

int
sl_api_create(struct sl_api **out, struct sl_gateway *gw)
{
	struct sl_api *api = calloc(1, sizeof(*api));
	int rc;

	if (api == NULL)
		return -ENOMEM;
	api->gw = gw;
	rc = listen_at(api, CLIENT_DIR, gw->config->name, NULL);
	if (rc != 0) {
		sl_api_destroy(api);
		return rc;
	}
	*out = api;
	return 0;
}

int
sl_api_add_interface(struct sl_api *api, struct sl_gateway_if *gi)
{
	return listen_at(api, WG_DIR, gi->name, gi);
}

/* --- connections --- */

static void
conn_free(struct sl_api *api, struct sl_api_conn *c)
{
	c->protocol->close(c);
	epoll_ctl(api->gw->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
	close(c->fd);
	/* private keys pass through both buffers */
	if (c->in)
		sl_wipe(c->in, SL_API_LINE_MAX);
	if (c->out)
		sl_wipe(c->out, c->out_room);
	free(c->in);
	free(c->out);
	free(c->state);
	free(c);
	api->n_conns--;
}

/* Frees the connections that have ended, or all of one interface. */
static void
conns_reap(struct sl_api *api, const struct sl_gateway_if *gone, bool all)
{
	struct sl_api_conn **link = &api->conns;

	while (*link) {
		struct sl_api_conn *c = *link;

		if (all || c->dead || (gone && c->gi == gone)) {
			*link = c->next;
			conn_free(api, c);
		} else {
			link = &c->next;
		}
	}
}

static void
listeners_close(struct sl_api *api, const struct sl_gateway_if *gone, bool all)
{
	struct listener **link = &api->listeners;

	while (*link) {
		struct listener *l = *link;

		if (!all && l->gi != gone) {
			link = &l->next;
			continue;
		}
		*link = l->next;
		unlink(l->addr.sun_path);
		close(l->fd);
		free(l);
	}
}

void
sl_api_remove_interface(struct sl_api *api, struct sl_gateway_if *gi)
{
	listeners_close(api, gi, false);
	conns_reap(api, gi, false);
}

void
sl_api_destroy(struct sl_api *api)
{
	if (api == NULL)
		return;
	conns_reap(api, NULL, true);
	listeners_close(api, NULL, true);
	rmdir(CLIENT_DIR); /* unless another gateway's socket is in it */
	free(api);
}

/* Who has connected, as the kernel says. */
static struct sl_actor
actor_of(int fd, const char *via)
{
	struct sl_actor actor = {.via = via, .uid = -1, .pid = -1};
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0) {
		actor.uid = peer.uid;
		actor.pid = peer.pid;
	}
	return actor;
}

static void
accept_one(struct sl_api *api, const struct listener *l, int fd)
{
	const struct sl_api_protocol *protocol = l->gi ? &sl_wg_protocol : &sl_client_protocol;
	struct sl_api_conn *c = api->n_conns < CONNECTIONS_MAX ? calloc(1, sizeof(*c)) : NULL;

	if (c) {
		c->in = malloc(SL_API_LINE_MAX);
		c->state = calloc(1, protocol->state_size);
	}
	if (c == NULL || c->in == NULL || c->state == NULL || watch(api, EPOLL_CTL_ADD, fd, EPOLLIN) != 0) {
		if (c) {
			free(c->in);
			free(c->state);
			free(c);
		}
		close(fd);
		return;
	}
	c->gateway = api->gw;
	c->gi = l->gi;
	c->actor = actor_of(fd, l->gi ? "wg" : "command");
	c->protocol = protocol;
	c->fd = fd;
	c->ready = true;
	c->next = api->conns;
	api->conns = c;
	api->n_conns++;
}

/* --- output --- */

void
sl_api_write(struct sl_api_conn *c, const char *text, size_t len)
{
	if (c->out_len + len > c->out_room) {
		size_t room = RTE_MAX(c->out_room * 2, c->out_len + len);
		char *out = malloc(room);

		if (out == NULL) {
			c->dead = true;
			return;
		}
		memcpy(out, c->out ? c->out : "", c->out_len);
		if (c->out)
			sl_wipe(c->out, c->out_room);
		free(c->out);
		c->out = out;
		c->out_room = room;
	}
	memcpy(c->out + c->out_len, text, len);
	c->out_len += len;
}

void
sl_api_printf(struct sl_api_conn *c, const char *format, ...)
{
	char text[SL_API_LINE_MAX];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n > 0)
		sl_api_write(c, text, RTE_MIN((size_t)n, sizeof(text) - 1));
	sl_wipe(text, RTE_MIN((size_t)RTE_MAX(n, 0), sizeof(text)));
}

static void
conn_flush(struct sl_api *api, struct sl_api_conn *c)
{
	bool waits;

	while (c->out_sent < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0) {
			if (errno != EAGAIN && errno != EINTR)
				c->dead = true;
			break;
		}
		c->out_sent += (size_t)n;
	}
	waits = c->out_sent < c->out_len;
	if (!waits)
		c->out_sent = c->out_len = 0;
	if (waits != c->watching_out) {
		c->watching_out = waits;
		/* What a client sends while it does not read is left in its socket, and must not wake us again and again. */
		watch(api, EPOLL_CTL_MOD, c->fd, waits ? EPOLLOUT : EPOLLIN);
	}
}

/* --- serving --- */

static void
conn_read(struct sl_api_conn *c)
{
	while (!c->eof && c->in_len < SL_API_LINE_MAX) {
		ssize_t n = recv(c->fd, c->in + c->in_len, SL_API_LINE_MAX - c->in_len, MSG_DONTWAIT);

		if (n > 0) {
			c->in_len += (size_t)n;
		} else if (n == 0) {
			c->eof = true;
		} else {
			if (errno != EAGAIN && errno != EINTR)
				c->dead = true;
			return;
		}
	}
}

/* Hands at most one slice of lines to the protocol. Whether there are more. */
static bool
conn_lines(struct sl_api_conn *c)
{
	size_t at = 0;
	unsigned taken = 0;
	char *end = NULL;

	while (!c->closing && !c->protocol->busy(c) && taken < SL_API_SLICE_LINES &&
		(end = memchr(c->in + at, '\n', c->in_len - at)) != NULL) {
		*end = '\0';
		c->closing = !c->protocol->line(c, c->in + at);
		at = (size_t)(end - c->in) + 1;
		taken++;
	}
	memmove(c->in, c->in + at, c->in_len - at);
	c->in_len -= at;
	if (c->in_len == SL_API_LINE_MAX && memchr(c->in, '\n', c->in_len) == NULL)
		c->dead = true;
	return taken > 0;
}

/* One slice for one connection; whether it has more to do without waiting for anybody. */
static bool
conn_serve(struct sl_api *api, struct sl_api_conn *c)
{
	bool more = false;

	if (c->dead)
		return false;
	if (c->out_len - c->out_sent < SL_API_OUT_WATER) {
		conn_read(c);
		/* what a slice changes of allowed IPs is published as one */
		sl_allowed_ips_batch_begin(api->gw->allowed);
		more = c->protocol->busy(c);
		if (more)
			c->protocol->advance(c);
		else
			more = conn_lines(c);
		sl_allowed_ips_batch_commit(api->gw->allowed);
	}
	conn_flush(api, c);
	/* the reader has taken what was in the way of the rest */
	more |= c->protocol->busy(c) && c->out_len - c->out_sent < SL_API_OUT_WATER;
	if (c->out_len == 0 && !c->protocol->busy(c) && !more && (c->closing || c->eof))
		c->dead = true;
	c->ready = more && !c->dead;
	return c->ready;
}

bool
sl_api_event(struct sl_api *api, int fd, uint32_t events)
{
	for (struct listener *l = api->listeners; l; l = l->next) {
		if (l->fd != fd)
			continue;
		for (unsigned i = 0; i < ACCEPT_BUDGET; i++) {
			int got = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

			if (got < 0)
				break;
			accept_one(api, l, got);
		}
		return true;
	}
	for (struct sl_api_conn *c = api->conns; c; c = c->next) {
		if (c->fd != fd)
			continue;
		/* A reader that has gone will not take the rest of a reply. */
		if (events & (EPOLLERR | EPOLLHUP) && c->watching_out)
			c->dead = true;
		c->ready = true;
		return true;
	}
	return false;
}

bool
sl_api_advance(struct sl_api *api)
{
	bool more = false, any_dead = false;

	for (struct sl_api_conn *c = api->conns; c; c = c->next) {
		if (c->ready)
			more |= conn_serve(api, c);
		any_dead |= c->dead;
	}
	if (any_dead)
		conns_reap(api, NULL, false);
	return more;
}
