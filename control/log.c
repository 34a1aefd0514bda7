#include "control/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static _Atomic int log_fd = STDERR_FILENO;
static _Atomic bool log_journal;
static _Atomic int log_level = SL_LOG_INFO;

/* JOURNAL_STREAM is "device:inode" of the stream that systemd gave us; it may have been redirected since. */
static bool
is_journal_stream(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 && fstat(fd, &st) == 0 && st.st_dev == dev &&
		st.st_ino == ino;
}

void
sl_log_init(void)
{
	sl_log_set_fd(STDERR_FILENO, is_journal_stream(STDERR_FILENO));
	sl_log_set_level(SL_LOG_INFO);
}

void
sl_log_set_level(enum sl_log_level level)
{
	atomic_store(&log_level, level);
}

void
sl_log_set_fd(int fd, bool journal)
{
	atomic_store(&log_fd, fd);
	atomic_store(&log_journal, journal);
}

static const char *
level_word(enum sl_log_level level)
{
	switch (level) {
	case SL_LOG_ERROR:
		return "error: ";
	case SL_LOG_WARNING:
		return "warning: ";
	case SL_LOG_DEBUG:
		return "debug: ";
	case SL_LOG_NOTICE:
	case SL_LOG_INFO:
		break;
	}
	return "";
}

/* Cuts a message at n bytes and takes out what would break the line or a terminal. Returns its length. */
static size_t
clean(char *text, size_t n)
{
	size_t len = strnlen(text, n);

	while (len > 0 && text[len - 1] == '\n')
		len--;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = ' ';
	return len;
}

static void
write_message(enum sl_log_level level, const char *suffix, const char *format, va_list args)
{
	char line[SL_LOG_LINE + 1];
	size_t n, room = SL_LOG_LINE - strlen(suffix), head;

	if (atomic_load_explicit(&log_journal, memory_order_relaxed))
		head = (size_t)snprintf(line, room, "<%d>", level);
	else
		head = (size_t)snprintf(line, room, "sluice: %s", level_word(level));
	vsnprintf(line + head, room - head, format, args);
	n = head + clean(line + head, room - head);
	n += (size_t)snprintf(line + n, sizeof(line) - n, "%s\n", suffix);
	/* nobody is there to be told that the log cannot be written */
	if (write(atomic_load_explicit(&log_fd, memory_order_relaxed), line, n) < 0)
		return;
}

static bool
wanted(enum sl_log_level level)
{
	return (int)level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

void
sl_log(enum sl_log_level level, const char *format, ...)
{
	va_list args;

	if (!wanted(level))
		return;
	va_start(args, format);
	write_message(level, "", format, args);
	va_end(args);
}

bool
sl_log_limit_take(struct sl_log_limit *limit, uint64_t now, uint32_t *suppressed)
{
	uint64_t back = limit->interval ? (now - limit->since) / limit->interval : limit->used;

	if (limit->used == 0 || now < limit->since) {
		limit->since = now;
	} else if (back > 0) {
		limit->used = back >= limit->used ? 0 : limit->used - (uint32_t)back;
		limit->since = limit->used ? limit->since + back * limit->interval : now;
	}
	if (limit->used >= limit->burst) {
		limit->suppressed++;
		return false;
	}
	limit->used++;
	*suppressed = limit->suppressed;
	limit->suppressed = 0;
	return true;
}

void
sl_log_limited(struct sl_log_limit *limit, uint64_t now, enum sl_log_level level, const char *format, ...)
{
	char suffix[48] = "";
	uint32_t suppressed;
	va_list args;

	if (!wanted(level) || !sl_log_limit_take(limit, now, &suppressed))
		return;
	if (suppressed)
		snprintf(suffix, sizeof(suffix), " (%u more like this)", suppressed);
	va_start(args, format);
	write_message(level, suffix, format, args);
	va_end(args);
}
