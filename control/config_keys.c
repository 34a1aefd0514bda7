#include "control/config_load.h"

#include <ctype.h>
#include <string.h>

#include "control/key_file.h"
#include "crypto/base64.h"
#include "crypto/wipe.h"

bool sl_value_key(
        struct sl_loader *ld, const struct sl_node *node, const char *key, bool is_public, uint8_t out[SL_KEY_LEN])
{
	if (!is_public)
		ld->source->secret = true;
	if (!sl_value_text(ld, node, key))
		return false;
	if (sl_key_from_base64(out, node->text, node->len))
		return true;
	sl_load_error(ld, node->place, "%s: %s", key, SL_NOT_A_KEY);
	return false;
}

bool sl_load_key_text(struct sl_loader *ld, struct sl_place place, const char *key, const char *whose, const char *text,
        size_t len, uint8_t out[SL_KEY_LEN])
{
	while (len && isspace((unsigned char)*text)) {
		text++;
		len--;
	}
	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	if (sl_key_from_base64(out, text, len))
		return true;
	sl_load_error(ld, place, "%s: %s holds %s", key, whose, SL_NOT_A_KEY);
	return false;
}

const char *sl_secret_mode_problem(const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		return "is a directory; name a file";
	if (st->st_mode & (S_IRGRP | S_IROTH))
		return "can be read by group or others; run `chmod 600` on it";
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return "can be written by group or others; run `chmod 600` on it";
	return NULL;
}

bool sl_value_key_file(struct sl_loader *ld, const struct sl_node *node, const char *key, uint8_t out[SL_KEY_LEN])
{
	char why[SL_CONFIG_MESSAGE_LEN];
	const char *path;

	if (!sl_value_text(ld, node, key))
		return false;
	if (sl_key_from_base64(out, node->text, node->len)) {
		sl_wipe(out, SL_KEY_LEN);
		ld->source->secret = true;
		sl_load_error(ld, node->place,
		        "%s: a key where its file's name belongs; give it as %.*s, or put it in a file", key,
		        (int)(strlen(key) - strlen("-file")), key);
		return false;
	}
	path = sl_expand_path(ld, node, key);
	if (!path)
		return false;
	if (sl_key_file_read(path, out, why, sizeof(why)))
		return true;
	sl_load_error(ld, node->place, "%s: %s", key, why);
	return false;
}
