/* The log's lines as they come out of a pipe. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "control/log.h"

#define SEC UINT64_C(1000000000)

static int fds[2];

static void
setup(void)
{
	cr_assert_eq(pipe(fds), 0);
	sl_log_init();
	sl_log_set_fd(fds[1], false);
}

/* What was written since the last call; static storage. */
static const char *
written(void)
{
	static char text[8192];
	ssize_t n;

	cr_assert_eq(write(fds[1], "$", 1), 1);
	n = read(fds[0], text, sizeof(text) - 1);
	cr_assert_gt(n, 0);
	text[n - 1] = '\0';
	return text;
}

TestSuite(log, .init = setup);

Test(log, words_on_a_terminal_levels_for_the_journal)
{
	sl_log_error("no %s", "go");
	cr_expect_str_eq(written(), "sluice: error: no go\n");
	sl_log_warning("w");
	sl_log_notice("n");
	sl_log_info("i");
	sl_log_debug("d");
	cr_expect_str_eq(written(), "sluice: warning: w\nsluice: n\nsluice: i\n");
	sl_log_set_level(SL_LOG_DEBUG);
	sl_log_debug("d");
	cr_expect_str_eq(written(), "sluice: debug: d\n");
	sl_log_set_level(SL_LOG_ERROR);
	sl_log_warning("w");
	cr_expect_str_eq(written(), "");
	sl_log_set_fd(fds[1], true);
	sl_log_error("no go");
	cr_expect_str_eq(written(), "<3>no go\n");
}

Test(log, a_message_is_one_line)
{
	char longer[2 * SL_LOG_LINE];
	size_t n;

	sl_log_info("a\nb\x1b[31m\x7f end\n\n");
	cr_expect_str_eq(written(), "sluice: a b [31m  end\n");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	sl_log_info("%s", longer);
	n = strlen(written());
	cr_expect_leq(n, SL_LOG_LINE + 1);
	cr_expect_geq(n, SL_LOG_LINE - 2);
}

Test(log, journal_stream_must_be_this_stream)
{
	char stream[64];
	struct stat st;

	cr_assert_eq(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	cr_assert_eq(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	sl_log_init();
	sl_log_info("i");
	cr_expect_str_eq(written(), "<6>i\n");
	setenv("JOURNAL_STREAM", "1:2", 1);
	sl_log_init();
	sl_log_info("i");
	cr_expect_str_eq(written(), "sluice: i\n");
}

Test(log, limit_counts_what_it_leaves_out)
{
	struct sl_log_limit limit = SL_LOG_LIMIT(2, 10 * SEC);
	/* at this second: written or not, and how many were left out before it */
	static const struct {
		uint64_t second;
		bool written;
		uint32_t left_out;
	} cases[] = {{100, true, 0}, {100, true, 0}, {100, false, 0}, {105, false, 0}, {109, false, 0}, {110, true, 3},
		{111, false, 0}, {120, true, 1}, {150, true, 0}, {150, true, 0}, {150, false, 0}};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint32_t left_out = 0;

		cr_expect_eq(sl_log_limit_take(&limit, cases[i].second * SEC, &left_out), cases[i].written, "case %u", i);
		cr_expect_eq(left_out, cases[i].left_out, "case %u", i);
	}
}

Test(log, limited_says_how_many)
{
	struct sl_log_limit limit = SL_LOG_LIMIT(1, SEC);

	for (unsigned i = 0; i < 5; i++)
		sl_log_limited(&limit, 100 * SEC, SL_LOG_WARNING, "bad packet");
	cr_expect_str_eq(written(), "sluice: warning: bad packet\n");
	sl_log_limited(&limit, 102 * SEC, SL_LOG_WARNING, "bad packet");
	cr_expect_str_eq(written(), "sluice: warning: bad packet (4 more like this)\n");
}
