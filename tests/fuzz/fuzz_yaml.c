/*
 * Configuration text of any kind: loaded, and where it is taken compared with
 * nothing, with itself and with a description that is nearly empty, printed, and
 * its cores chosen. Included files, key files and commands are looked for in vain: glob, openat and posix_spawnp are the
 * linker's wrappers below. What a text has on tape is what it has when it is read.
 */
#include <errno.h>
#include <glob.h>
#include <sched.h>
#include <spawn.h>

#include "control/config.h"
#include "control/diff.h"
#include "control/yaml_events.h"
#include "tests/fuzz/input.h"

#define TEXT_MAX 65536

int __wrap_glob64(const char *pattern, int flags, int (*error)(const char *, int), glob_t *found);
int __wrap_openat64(int at, const char *path, int flags, ...);
int __wrap_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *files,
	const posix_spawnattr_t *attr, char *const argv[], char *const envp[]);

int
__wrap_glob64(const char *pattern, int flags, int (*error)(const char *, int), glob_t *found)
{
	return GLOB_NOMATCH;
}

int
__wrap_openat64(int at, const char *path, int flags, ...)
{
	errno = ENOENT;
	return -1;
}

int
__wrap_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *files,
	const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	return ENOENT;
}

static void
print_steps(const struct sl_config *from, const struct sl_config *to, uint32_t expected)
{
	struct sl_steps *steps = sl_config_diff(from, to);
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	FUZZ_CHECK(steps && out);
	FUZZ_CHECK(steps->n_steps <= expected);
	for (uint32_t i = 0; i < steps->n_steps; i++)
		sl_step_print(steps, &steps->steps[i], out);
	fclose(out);
	free(text);
	sl_steps_free(steps);
}

static void
use(const struct sl_config *config, struct sl_config_errors *errs)
{
	static const char little[] = "version: 1\n";
	struct sl_config *least = sl_config_load_text("least.yaml", little, strlen(little), errs);
	struct sl_config_cores cores;
	cpu_set_t usable;

	print_steps(NULL, config, UINT32_MAX);
	print_steps(config, config, 0);
	FUZZ_CHECK(least);
	print_steps(config, least, UINT32_MAX);
	print_steps(least, config, UINT32_MAX);
	sl_config_free(least);
	CPU_ZERO(&usable);
	for (int cpu = 0; cpu < 4; cpu++)
		CPU_SET(cpu, &usable);
	(void)sl_config_resolve_cores(config, &usable, &cores, errs);
}

static void
check_same(const yaml_event_t *a, const yaml_event_t *b)
{
	FUZZ_CHECK(a->type == b->type);
	FUZZ_CHECK(a->start_mark.line == b->start_mark.line && a->start_mark.column == b->start_mark.column);
	if (a->type != YAML_SCALAR_EVENT)
		return;
	FUZZ_CHECK(a->data.scalar.style == b->data.scalar.style);
	FUZZ_CHECK(a->data.scalar.length == b->data.scalar.length);
	FUZZ_CHECK(memcmp(a->data.scalar.value, b->data.scalar.value, a->data.scalar.length + 1) == 0);
}

static void
check_tape(const char *text, size_t size)
{
	struct sl_tape tape = {.n = 0};
	struct sl_yaml read, played;

	if (sl_tape_record(&tape, text, size)) {
		sl_yaml_begin(&read, text, size);
		sl_yaml_play(&played, &tape);
		do {
			FUZZ_CHECK(sl_yaml_step(&read) && sl_yaml_step(&played));
			check_same(&read.event, &played.event);
		} while (read.event.type != YAML_STREAM_END_EVENT);
		FUZZ_CHECK(!sl_yaml_step(&played));
		sl_yaml_end(&read);
		sl_yaml_end(&played);
	}
	sl_tape_clear(&tape);
	sl_tape_free(&tape);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_config_errors errs;
	struct sl_config *config;
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	if (size > TEXT_MAX)
		return 0;
	check_tape((const char *)data, size);
	sl_config_errors_init(&errs);
	config = sl_config_load_text("fuzz.yaml", (const char *)data, size, &errs);
	FUZZ_CHECK((config != NULL) == (errs.n_errors == 0));
	if (config)
		use(config, &errs);
	out = open_memstream(&text, &len);
	FUZZ_CHECK(out);
	sl_config_errors_print(&errs, out);
	fclose(out);
	/* a line is a line, whatever was in the file */
	for (size_t i = 0; i < len; i++)
		FUZZ_CHECK((unsigned char)text[i] >= ' ' || text[i] == '\n');
	free(text);
	sl_config_free(config);
	sl_config_errors_free(&errs);
	return 0;
}
