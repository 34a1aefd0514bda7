#include "tests/peersim/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "crypto/base64.h"
#include "tests/peersim/commands.h"

#define CLIENTS_MAX 8
#define CONNECT_MS  10000 /* the client waits that long for the simulation's socket */
#define RETRY_MS    20

struct client {
	int fd; /* -1: free */
	char line[SIM_LINE_MAX];
	size_t len;
	struct sim_await await;
	bool waiting;
};

struct sim_control {
	int fd;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	struct client clients[CLIENTS_MAX];
};

static bool address(struct sockaddr_un *a, const char *path)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(a->sun_path))
		return false;
	strcpy(a->sun_path, path);
	return true;
}

struct sim_control *sim_control_open(const char *path)
{
	struct sim_control *c = calloc(1, sizeof(*c));
	struct sockaddr_un a;

	if (!c || !address(&a, path)) {
		free(c);
		errno = ENAMETOOLONG;
		return NULL;
	}
	strcpy(c->path, path);
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		c->clients[i].fd = -1;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	unlink(path);
	if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&a, sizeof(a)) || listen(c->fd, CLIENTS_MAX)) {
		free(c);
		return NULL;
	}
	return c;
}

void sim_control_close(struct sim_control *c)
{
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		if (c->clients[i].fd >= 0)
			close(c->clients[i].fd);
	close(c->fd);
	unlink(c->path);
	free(c);
}

static void hang_up(struct client *client)
{
	close(client->fd);
	*client = (struct client){.fd = -1};
}

static void say(struct client *client, const char *text, size_t len)
{
	/* short answers to somebody who waits for them */
	fcntl(client->fd, F_SETFL, 0);
	for (ssize_t n; len > 0; text += n, len -= (size_t)n) {
		n = send(client->fd, text, len, MSG_NOSIGNAL);
		if (n <= 0) {
			hang_up(client);
			return;
		}
	}
	fcntl(client->fd, F_SETFL, O_NONBLOCK);
}

static void answer(struct sim *s, struct client *client)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	client->waiting = sim_command(s, client->line, out, &client->await);
	fclose(out);
	if (!client->waiting)
		say(client, text, len);
	free(text);
}

static void hear(struct sim *s, struct client *client)
{
	ssize_t n = recv(client->fd, client->line + client->len, sizeof(client->line) - 1 - client->len, MSG_DONTWAIT);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		hang_up(client);
		return;
	}
	client->len += (size_t)n;
	client->line[client->len] = '\0';
	end = strchr(client->line, '\n');
	if (!end) {
		if (client->len == sizeof(client->line) - 1)
			hang_up(client);
		return;
	}
	*end = '\0';
	client->len = 0; /* one at a time: who asks waits for the answer */
	answer(s, client);
}

static void check_await(struct sim *s, struct client *client)
{
	const bool over = s->now_ms >= client->await.until_ms, met = sim_await_met(s, &client->await);
	static const char yes[] = "{\"ok\": true}\n", no[] = "{\"ok\": false, \"error\": \"time is over\"}\n";

	if (!met && !over)
		return;
	client->waiting = false;
	say(client, met ? yes : no, met ? sizeof(yes) - 1 : sizeof(no) - 1);
}

static void welcome(struct sim_control *c)
{
	int fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	for (unsigned i = 0; fd >= 0 && i < CLIENTS_MAX; i++) {
		if (c->clients[i].fd >= 0)
			continue;
		c->clients[i].fd = fd;
		return;
	}
	if (fd >= 0)
		close(fd);
}

void sim_control_run(struct sim_control *c, struct sim *s, uint64_t wait_ns)
{
	struct pollfd polls[CLIENTS_MAX + 1] = {{.fd = c->fd, .events = POLLIN}};
	const struct timespec wait = {.tv_nsec = (long)wait_ns};

	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		polls[i + 1] = (struct pollfd){.fd = c->clients[i].fd, .events = POLLIN};
	if (ppoll(polls, CLIENTS_MAX + 1, &wait, NULL) > 0) {
		if (polls[0].revents)
			welcome(c);
		for (unsigned i = 0; i < CLIENTS_MAX; i++)
			if (polls[i + 1].revents && c->clients[i].fd >= 0)
				hear(s, &c->clients[i]);
	}
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		if (c->clients[i].fd >= 0 && c->clients[i].waiting)
			check_await(s, &c->clients[i]);
}

/* --- the client --- */

static int dial(const char *path)
{
	const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
	struct sockaddr_un a;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || !address(&a, path))
		return -1;
	for (unsigned tries = 0; connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0; tries++) {
		if (tries == CONNECT_MS / RETRY_MS) {
			close(fd);
			return -1;
		}
		nanosleep(&pause, NULL);
	}
	return fd;
}

int sim_control_ask(const char *path, char *const *words, int n)
{
	char text[4096];
	bool ok = false, first = true;
	ssize_t got;
	FILE *out;
	int fd = dial(path);

	out = fd < 0 ? NULL : fdopen(dup(fd), "w");
	if (!out) {
		fprintf(stderr, "peersim: nobody answers at %s\n", path);
		return EXIT_FAILURE;
	}
	for (int i = 0; i < n; i++)
		fprintf(out, "%s%c", words[i], i + 1 < n ? ' ' : '\n');
	fclose(out);
	while ((got = recv(fd, text, sizeof(text), 0)) > 0) {
		if (first)
			ok = (size_t)got > strlen("{\"ok\": true") &&
			     strncmp(text, "{\"ok\": true", strlen("{\"ok\": true")) == 0;
		first = false;
		fwrite(text, 1, (size_t)got, stdout);
		if (text[got - 1] == '\n')
			break;
	}
	close(fd);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
