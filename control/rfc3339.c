#include "control/rfc3339.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	YEAR_MIN = 1970,
	MONTHS = 12,
	HOURS = 24,
	MINUTES = 60,
	SECONDS = 60,
	DATE_LEN = 10, /* "2026-12-31" */
	TIME_LEN = 8,  /* "23:59:59" */
	ZONE_LEN = 6,  /* "+01:00" */
};

/* Whether text begins with the pattern, in which '0' stands for any digit. */
static bool looks_like(const char *text, const char *pattern)
{
	for (; *pattern; pattern++, text++)
		if (*pattern == '0' ? !isdigit((unsigned char)*text) : *text != *pattern)
			return false;
	return true;
}

static int number(const char *text, size_t digits)
{
	int value = 0;

	for (size_t i = 0; i < digits; i++)
		value = value * 10 + (text[i] - '0');
	return value;
}

static int days_in(int year, int month)
{
	static const int days[MONTHS] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

static bool parse_date(const char *text, struct tm *tm)
{
	int year, month;

	if (!looks_like(text, "0000-00-00"))
		return false;
	year = number(text, 4);
	month = number(text + 5, 2);
	tm->tm_year = year - 1900;
	tm->tm_mon = month - 1;
	tm->tm_mday = number(text + 8, 2);
	return year >= YEAR_MIN && month >= 1 && month <= MONTHS && tm->tm_mday >= 1 &&
	       tm->tm_mday <= days_in(year, month);
}

/* The offset from UTC in seconds. */
static bool parse_zone(const char *text, int *offset)
{
	int hours, minutes;

	*offset = 0;
	if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
		return true;
	if (strlen(text) != ZONE_LEN || (!looks_like(text, "+00:00") && !looks_like(text, "-00:00")))
		return false;
	hours = number(text + 1, 2);
	minutes = number(text + 4, 2);
	*offset = (text[0] == '-' ? -1 : 1) * (hours * MINUTES + minutes) * SECONDS;
	return hours < HOURS && minutes < MINUTES;
}

bool sl_time_parse(const char *text, int64_t *out)
{
	struct tm tm = {0};
	int offset = 0;
	int64_t value;

	if (!parse_date(text, &tm))
		return false;
	text += DATE_LEN;
	if (*text) {
		if (!strchr("Tt ", *text) || !looks_like(text + 1, "00:00:00") ||
		        !parse_zone(text + 1 + TIME_LEN, &offset))
			return false;
		tm.tm_hour = number(text + 1, 2);
		tm.tm_min = number(text + 4, 2);
		tm.tm_sec = number(text + 7, 2);
		if (tm.tm_hour >= HOURS || tm.tm_min >= MINUTES || tm.tm_sec >= SECONDS)
			return false;
	}
	value = (int64_t)timegm(&tm) - offset;
	if (value < 0)
		return false;
	*out = value;
	return true;
}

const char *sl_time_format(int64_t seconds, char text[SL_TIME_STRLEN])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || strftime(text, SL_TIME_STRLEN, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		text[0] = '\0';
	return text;
}
