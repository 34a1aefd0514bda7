#include "dataplane/drops.h"

static const struct {
	const char *name;
	const char *text;
} drops[SL_DROP_COUNT] = {
#define SL_DROP_ROW(id, name, text) [SL_DROP_##id] = {name, text},
	SL_DROP_REASONS(SL_DROP_ROW)
#undef SL_DROP_ROW
};

const char *
sl_drop_name(enum sl_drop reason)
{
	return drops[reason].name;
}

const char *
sl_drop_text(enum sl_drop reason)
{
	return drops[reason].text;
}
