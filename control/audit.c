#include "control/audit.h"

#include <stdarg.h>
#include <stdio.h>

#include "control/log.h"

void sl_audit(const struct sl_actor *who, const char *change, const char *format, ...)
{
	char fields[SL_LOG_LINE], by[64] = "";
	va_list args;

	va_start(args, format);
	vsnprintf(fields, sizeof(fields), format, args);
	va_end(args);
	if (who->uid >= 0)
		snprintf(by, sizeof(by), " uid=%lld pid=%lld", (long long)who->uid, (long long)who->pid);
	sl_log_notice("audit change=%s %s via=%s%s", change, fields, who->via, by);
}
