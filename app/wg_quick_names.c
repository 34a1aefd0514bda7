#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "app/wg_quick.h"

enum {
	WORDS_MAX = 3, /* more of them are a sentence and no name */
};

bool sl_wg_quick_name(const char *path, char name[SL_CONFIG_NAME_MAX + 1])
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	size_t len = strlen(base), suffix = sizeof(".conf") - 1;

	if (len > suffix && strcasecmp(base + len - suffix, ".conf") == 0)
		len -= suffix;
	if (len > SL_CONFIG_NAME_MAX)
		return false;
	memcpy(name, base, len);
	name[len] = '\0';
	return sl_name_problem(name) == NULL;
}

/* Whether text begins with the word, in any case, and something that is not part of it follows. */
static const char *skip_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	if (strncasecmp(text, word, len) != 0 || isalnum((unsigned char)text[len]) || text[len] == '-')
		return NULL;
	return text + len;
}

static const char *skip_space(const char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	return text;
}

/* The value of `Name = value` and its kin; NULL where the comment is none of them. */
static const char *explicit_value(const char *text)
{
	static const char *const keys[] = {"name", "friendly_name", "peer name", "peer", "client", "user"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *rest = skip_word(text, keys[i]);

		if (rest == NULL)
			continue;
		rest = skip_space(rest);
		if (*rest == '=' || *rest == ':')
			return skip_space(rest + 1);
	}
	return NULL;
}

/* Words joined by `-`. False where they are too many, or hold what a name may not. */
static bool join_words(const char *text, char name[SL_CONFIG_PEER_NAME_MAX + 1])
{
	unsigned words = 0;
	size_t len = 0;
	bool letter = false;

	for (text = skip_space(text); *text && *text != '#'; text = skip_space(text)) {
		if (++words > WORDS_MAX)
			return false;
		if (words > 1 && len < SL_CONFIG_PEER_NAME_MAX)
			name[len++] = '-';
		for (; *text && *text != '#' && !isspace((unsigned char)*text); text++) {
			if ((!isalnum((unsigned char)*text) && !strchr("-_.@+", *text)) ||
			        len >= SL_CONFIG_PEER_NAME_MAX)
				return false;
			letter |= isalnum((unsigned char)*text) != 0;
			name[len++] = *text;
		}
	}
	name[len] = '\0';
	return letter && name[0] != '-';
}

bool sl_wg_quick_comment(const char *comment, char name[SL_CONFIG_PEER_NAME_MAX + 1], bool *explicit_name)
{
	static const char *const lead[] = {"client", "begin_peer", "begin", "peer"};
	const char *value;

	while (*comment == '#' || isspace((unsigned char)*comment))
		comment++;
	value = explicit_value(comment);
	*explicit_name = value != NULL;
	if (value)
		return join_words(value, name);
	if (skip_word(comment, "end") || skip_word(comment, "end_peer"))
		return false; /* it closes what stands above it */
	for (size_t i = 0; i < sizeof(lead) / sizeof(lead[0]); i++) {
		const char *rest = skip_word(comment, lead[i]);

		if (rest && *skip_space(rest) && *skip_space(rest) != '#') {
			comment = rest;
			break;
		}
	}
	return join_words(comment, name);
}
