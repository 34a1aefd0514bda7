#include "app/client.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_DIR    "/run/sluice"
#define SOCKET_SUFFIX ".sock"
#define CHUNK         (256 * 1024)
#define NAMES_MAX     32

/* A connected descriptor, or -errno. */
static int
connect_to(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0) {
		int err = errno;

		close(fd);
		return -err;
	}
	return fd;
}

static int
connect_by_name(const char *command, const char *name)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s%s", SOCKET_DIR, name, SOCKET_SUFFIX) >= (int)sizeof(path))
		fd = -ENAMETOOLONG;
	else
		fd = connect_to(path);
	if (fd == -ENOENT || fd == -ECONNREFUSED)
		fprintf(stderr, "sluice %s: no gateway named `%s` runs; start it with `sluice run -c FILE`\n", command, name);
	else if (fd < 0)
		fprintf(stderr, "sluice %s: %s: %s%s\n", command, path, strerror(-fd),
			fd == -EACCES ? "; run it as the gateway's user" : "");
	return fd;
}

/* The file's name without folder and suffix. */
static void
gateway_name(const char *path, char *name, size_t size)
{
	const char *base = strrchr(path, '/') + 1;

	snprintf(name, size, "%.*s", (int)(strlen(base) - strlen(SOCKET_SUFFIX)), base);
}

/* Connects where exactly one gateway runs; sockets that nobody serves do not count. */
static int
connect_to_only(const char *command)
{
	char names[1024] = "", name[NAMES_MAX * 4];
	glob_t found = {0};
	unsigned n = 0;
	int fd = -1;

	if (glob(SOCKET_DIR "/*" SOCKET_SUFFIX, 0, NULL, &found) != 0)
		found.gl_pathc = 0;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		int got = connect_to(found.gl_pathv[i]);

		if (got < 0)
			continue;
		gateway_name(found.gl_pathv[i], name, sizeof(name));
		if (strlen(names) + strlen(name) + 3 < sizeof(names))
			sprintf(names + strlen(names), "%s%s", n ? ", " : "", name);
		if (n++ == 0)
			fd = got;
		else
			close(got);
	}
	globfree(&found);
	if (n == 1)
		return fd;
	if (n == 0) {
		fprintf(stderr, "sluice %s: no gateway runs; start one with `sluice run -c FILE`\n", command);
		return -1;
	}
	close(fd);
	fprintf(stderr, "sluice %s: several gateways run; choose one with -n NAME: %s\n", command, names);
	return -1;
}

static char *
read_all(int fd, size_t *len)
{
	size_t room = CHUNK;
	char *text = malloc(room + 1);

	*len = 0;
	while (text) {
		ssize_t n = read(fd, text + *len, room - *len);

		if (n == 0)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			free(text);
			return NULL;
		}
		*len += (size_t)n;
		if (*len == room) {
			char *more = realloc(text, room * 2 + 1);

			if (more == NULL)
				free(text);
			text = more;
			room *= 2;
		}
	}
	if (text)
		text[*len] = '\0';
	return text;
}

int
sl_client_connect(const char *command, const char *name)
{
	return name ? connect_by_name(command, name) : connect_to_only(command);
}

char *
sl_client_ask(const char *command, const char *name, const char *request, size_t *len)
{
	int fd = sl_client_connect(command, name);
	char line[256], *answer = NULL;
	int n;

	if (fd < 0)
		return NULL;
	n = snprintf(line, sizeof(line), "%s\n", request);
	if (n > 0 && (size_t)n < sizeof(line) && send(fd, line, (size_t)n, MSG_NOSIGNAL) == n)
		answer = read_all(fd, len);
	if (answer == NULL)
		fprintf(stderr, "sluice %s: the gateway did not answer: %m\n", command);
	close(fd);
	return answer;
}

char *
sl_client_order(const char *command, const char *name, const char *order, size_t *len, bool *failed)
{
	static const char done[] = "done\n", not_done[] = "failed\n";
	char *answer = sl_client_ask(command, name, order, len);
	size_t skip;

	if (answer == NULL)
		return NULL;
	*failed = strncmp(answer, done, strlen(done)) != 0;
	skip = strlen(*failed ? not_done : done);
	if (*failed && strncmp(answer, not_done, skip) != 0) {
		/* a gateway of another version answers in its own way */
		fprintf(stderr, "sluice %s: the gateway that runs does not know this; restart it with this version\n", command);
		free(answer);
		return NULL;
	}
	*len -= skip;
	memmove(answer, answer + skip, *len + 1);
	return answer;
}

bool
sl_client_runs(const char *name)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd = -1;

	if (snprintf(path, sizeof(path), "%s/%s%s", SOCKET_DIR, name, SOCKET_SUFFIX) < (int)sizeof(path))
		fd = connect_to(path);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}
