/*
 * The log: one line per message on stderr, with the level as `<N>` for
 * journald when stderr is a journal stream (JOURNAL_STREAM), in words
 * otherwise. Any thread but workers; a message is one write. Never given
 * keys.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* syslog's numbers */
enum sl_log_level {
	SL_LOG_ERROR = 3,
	SL_LOG_WARNING = 4,
	SL_LOG_NOTICE = 5,
	SL_LOG_INFO = 6,
	SL_LOG_DEBUG = 7,
};

#define SL_LOG_LINE 1024 /* longer messages are cut */

/* Looks at JOURNAL_STREAM; the level is INFO. Before this, messages go to stderr in words. */
void sl_log_init(void);
/* Messages above this level are not written. */
void sl_log_set_level(enum sl_log_level level);
/* Where to, for tests. */
void sl_log_set_fd(int fd, bool journal);

void sl_log(enum sl_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define sl_log_error(...)   sl_log(SL_LOG_ERROR, __VA_ARGS__)
#define sl_log_warning(...) sl_log(SL_LOG_WARNING, __VA_ARGS__)
#define sl_log_notice(...)  sl_log(SL_LOG_NOTICE, __VA_ARGS__)
#define sl_log_info(...)    sl_log(SL_LOG_INFO, __VA_ARGS__)
#define sl_log_debug(...)   sl_log(SL_LOG_DEBUG, __VA_ARGS__)

/* A limit for one kind of message: `burst` at once, then one per `interval` ns. Control thread; static or in an object. */
struct sl_log_limit {
	uint64_t interval;
	uint32_t burst;
	uint32_t used;       /* of the burst */
	uint32_t suppressed; /* since the last one written */
	uint64_t since;      /* ns */
};

#define SL_LOG_LIMIT(n, ns) {.interval = (ns), .burst = (n)}

/* Whether a message may be written at `now` ns; *suppressed gets how many were not since the last. */
bool sl_log_limit_take(struct sl_log_limit *limit, uint64_t now, uint32_t *suppressed);

/* Writes within the limit, with "(N more like this)" where some were left out. now: ns of the boot clock. */
void sl_log_limited(struct sl_log_limit *limit, uint64_t now, enum sl_log_level level, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
