#include "control/key_file.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>

#include "control/config_load.h"
#include "control/file_read.h"
#include "crypto/base64.h"

enum {
	KEY_FILE_MAX = 4096, /* bytes: a key, and white space around it */
};

bool sl_key_file_read(const char *path, uint8_t key[SL_KEY_LEN], char *why, size_t size)
{
	const char *problem, *start, *end;
	struct sl_file file;
	bool ok;

	if (!sl_file_read(AT_FDCWD, path, KEY_FILE_MAX, &file)) {
		snprintf(why, size, "cannot read '%s': %s; make the key file or name another", path, file.problem);
		return false;
	}
	problem = sl_secret_mode_problem(&file.st);
	start = file.text;
	end = file.text + file.len;
	while (start < end && isspace((unsigned char)*start))
		start++;
	while (end > start && isspace((unsigned char)end[-1]))
		end--;
	ok = !problem && sl_key_from_base64(key, start, (size_t)(end - start));
	if (problem)
		snprintf(why, size, "'%s' %s", path, problem);
	else if (!ok)
		snprintf(why, size, "'%s' holds " SL_NOT_A_KEY, path);
	sl_file_free(&file);
	return ok;
}
