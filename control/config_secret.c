/*
 * Keys that stand neither in the YAML nor in a file it names plainly: in the environment, in what a command prints, and
 * in files whose path is given through the environment, as systemd does with credentials.
 */
#include "control/config_load.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "control/config_write.h"
#include "crypto/wipe.h"

enum {
	WORDS_MAX = 32,           /* of a command */
	OUTPUT_MAX = 4096,        /* bytes a command may print */
	COMMAND_MSEC = 10 * 1000, /* a vault may be slow, a reload must end */
	VARIABLE_MAX = 128,
	PATH_ROOM = 4096,
};

static bool variable_ok(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '_')
			return false;
	return len != 0 && len < VARIABLE_MAX && !isdigit((unsigned char)name[0]);
}

static bool key_from_env(struct sl_loader *ld, const struct sl_node *node, const char *key, uint8_t out[SL_KEY_LEN])
{
	char whose[VARIABLE_MAX + 16];
	const char *value;

	if (!sl_value_text(ld, node, key))
		return false;
	if (!variable_ok(node->text, node->len)) {
		sl_load_error(ld, node->place, "%s: '%s' is not the name of an environment variable; give it without $",
		        key, sl_show(node->text, node->len));
		return false;
	}
	value = getenv(node->text);
	if (!value) {
		sl_load_error(ld, node->place, "%s: there is no environment variable '%s'; set it for the gateway", key,
		        node->text);
		return false;
	}
	snprintf(whose, sizeof(whose), "$%s", node->text);
	return sl_load_key_text(ld, node->place, key, whose, value, strlen(value), out);
}

const char *sl_expand_path(struct sl_loader *ld, const struct sl_node *node, const char *key)
{
	char whole[PATH_ROOM], name[VARIABLE_MAX];
	size_t len = 0;

	for (const char *p = node->text; *p;) {
		const char *end = p[0] == '$' && p[1] == '{' ? strchr(p, '}') : NULL;
		const char *part = p, *value;
		size_t part_len = 1;

		if (end && variable_ok(p + 2, (size_t)(end - p) - 2)) {
			snprintf(name, sizeof(name), "%.*s", (int)(end - p) - 2, p + 2);
			value = getenv(name);
			if (!value) {
				sl_load_error(ld, node->place,
				        "%s: there is no environment variable '%s'; %s", key, name,
				        strcmp(name, "CREDENTIALS_DIRECTORY") == 0
				                ? "run the gateway under systemd with LoadCredential="
				                : "set it for the gateway");
				return NULL;
			}
			part = value;
			part_len = strlen(value);
			p = end;
		}
		if (len + part_len >= sizeof(whole)) {
			sl_load_error(ld, node->place, "%s: the path is too long; name another", key);
			return NULL;
		}
		memcpy(whole + len, part, part_len);
		len += part_len;
		p++;
	}
	whole[len] = '\0';
	return sl_source_path(ld, whole);
}

/* --- commands --- */

struct command {
	char *words[WORDS_MAX + 1];
	unsigned n;
};

static void parse_word(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct command *c = out;

	if (!sl_value_text(ld, node, key))
		return;
	if (c->n == WORDS_MAX) {
		sl_load_error(ld, node->place, "%s: more than %d words; put them into a script", key, WORDS_MAX);
		return;
	}
	c->words[c->n++] = sl_arena_text(&ld->arena, node->text, node->len);
}

/* Milliseconds left until `end` on the boot clock, never negative. */
static int left(const struct timespec *end)
{
	struct timespec now;
	long msec;

	clock_gettime(CLOCK_BOOTTIME, &now);
	msec = (end->tv_sec - now.tv_sec) * 1000 + (end->tv_nsec - now.tv_nsec) / (1000 * 1000);
	return msec > 0 ? (int)msec : 0;
}

/* Reads until the end of what is printed. False: too much of it, or too late. */
static bool read_output(int fd, const struct timespec *end, char text[OUTPUT_MAX + 1], size_t *len)
{
	for (*len = 0; *len <= OUTPUT_MAX;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, left(end)) <= 0)
			return false;
		n = read(fd, text + *len, OUTPUT_MAX + 1 - *len);
		if (n == 0)
			return true;
		if (n > 0)
			*len += (size_t)n;
		else if (errno != EINTR)
			return false;
	}
	return false;
}

/*
 * The gateway's threads block its signals; a command starts with none blocked, in a group of its own, and with no
 * descriptor of the gateway's: its drivers' sockets and devices are not all closed on exec.
 */
static int start(const struct command *c, int out, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none;
	int err;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	err = posix_spawnp(pid, c->words[0], &files, &attr, c->words, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return err;
}

/* Whether it ends in time: that it prints no more does not say so. */
static bool ends_by(pid_t pid, const struct timespec *end)
{
	struct pollfd p = {.fd = pidfd_open(pid, 0), .events = POLLIN};
	bool ended = p.fd < 0 || poll(&p, 1, left(end)) > 0;

	if (p.fd >= 0)
		close(p.fd);
	return ended;
}

/* Waits for the command to end. What is wrong with how it did, or NULL. */
static const char *wait_for(pid_t pid, bool complete, char why[64])
{
	int status = 0;

	if (!complete)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!complete)
		return "did not end within 10 seconds, or printed too much; mend the command";
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return NULL;
	if (WIFEXITED(status))
		snprintf(why, 64, "ended with status %d; mend the command", WEXITSTATUS(status));
	else
		snprintf(why, 64, "was ended by signal %d; mend the command", WTERMSIG(status));
	return why;
}

/* Runs the command; its output in text. What went wrong, or NULL. */
static const char *run(const struct command *c, char text[OUTPUT_MAX + 1], size_t *len, char why[64])
{
	struct timespec end;
	bool complete;
	int fds[2], err;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return strerror(errno);
	err = start(c, fds[1], &pid);
	close(fds[1]);
	if (err) {
		close(fds[0]);
		snprintf(why, 64, "cannot be run: %s; mend the path", strerror(err));
		return why;
	}
	clock_gettime(CLOCK_BOOTTIME, &end);
	end.tv_sec += COMMAND_MSEC / 1000;
	complete = read_output(fds[0], &end, text, len) && ends_by(pid, &end);
	close(fds[0]);
	return wait_for(pid, complete, why);
}

static bool key_from_command(struct sl_loader *ld, const struct sl_node *node, const char *key, struct command *c,
        uint8_t out[SL_KEY_LEN])
{
	char text[OUTPUT_MAX + 1], why[64], whose[SL_SHOWN_MAX + 32];
	struct sl_place place = node->place;
	uint32_t before = ld->errs->n_errors;
	const char *problem;
	bool ok = false;
	size_t len = 0;

	if (node->kind == SL_NODE_SCALAR && strpbrk(node->text, " \t\n")) {
		sl_load_error(ld, node->place, "%s: the program and its arguments in one; write a list, such as [pass, show, wg0]",
		        key);
		return false;
	}
	sl_load_list(ld, node, key, parse_word, c);
	if (c->n == 0 && ld->errs->n_errors == before)
		sl_load_error(ld, place, "%s: no command; write a list, such as [pass, show, wg0]", key);
	if (c->n == 0 || ld->errs->n_errors != before)
		return false;
	problem = run(c, text, &len, why);
	snprintf(whose, sizeof(whose), "what '%s' prints", sl_show(c->words[0], strlen(c->words[0])));
	if (problem)
		sl_load_error(ld, place, "%s: '%s' %s", key, sl_show(c->words[0], strlen(c->words[0])), problem);
	else
		ok = sl_load_key_text(ld, place, key, whose, text, len, out);
	sl_wipe(text, sizeof(text));
	return ok;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* "key: value" in the arena. */
static const char *source_line(struct sl_loader *ld, const char *key, const struct command *words, bool list)
{
	const char *line;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;
	fprintf(out, list ? "%s: [" : "%s: ", key);
	for (unsigned i = 0; i < words->n; i++) {
		fputs(i ? ", " : "", out);
		sl_yaml_write_text(out, words->words[i]);
	}
	fputs(list ? "]" : "", out);
	fclose(out);
	line = sl_arena_text(&ld->arena, text, len);
	free(text);
	return line;
}

/* A relative path holds only for this file: the one that it leads to is named. */
static const char *file_source(struct sl_loader *ld, const struct sl_node *node, const char *key)
{
	const char *path = node->text;
	char whole[PATH_MAX], *copy;
	struct command words = {.n = 1};

	if (path[0] != '/' && strncmp(path, "${", 2) != 0) {
		path = sl_source_path(ld, path);
		if (path[0] != '/' && realpath(path, whole))
			path = whole;
	}
	copy = sl_arena_text(&ld->arena, path, strlen(path));
	words.words[0] = copy;
	return source_line(ld, key, &words, false);
}

bool sl_value_secret(struct sl_loader *ld, const struct sl_node *node, const char *key, uint8_t out[SL_KEY_LEN],
        const char **source)
{
	struct command words = {.n = 1};

	*source = NULL;
	if (ends_with(key, "-file")) {
		bool ok = sl_value_key_file(ld, node, key, out);

		if (ok)
			*source = file_source(ld, node, key);
		return ok;
	}
	if (ends_with(key, "-env")) {
		words.words[0] = (char *)node->text;
		if (!key_from_env(ld, node, key, out))
			return false;
		*source = source_line(ld, key, &words, false);
		return true;
	}
	if (ends_with(key, "-command")) {
		words.n = 0;
		if (!key_from_command(ld, node, key, &words, out))
			return false;
		*source = source_line(ld, key, &words, true);
		return true;
	}
	return sl_value_key(ld, node, key, false, out);
}

bool sl_check_secret(struct sl_loader *ld, const struct sl_key *keys, const struct sl_place *seen, unsigned first)
{
	int given = -1;

	for (unsigned i = first; i < first + SL_SECRET_KEYS; i++) {
		if (seen[i].line == 0)
			continue;
		if (given >= 0)
			sl_load_error(ld, seen[i], "%s beside %s at %s; keep one of them", keys[i].name,
			        keys[given].name, sl_load_where(ld, seen[given]));
		else
			given = (int)i;
	}
	return given >= 0;
}
