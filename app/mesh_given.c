#include "app/mesh_given.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app/atomic_file.h"
#include "app/mesh.h"
#include "app/read_whole.h"

enum {
	OWNER_ONLY = S_IRUSR | S_IWUSR,
	SHOWN = 60, /* bytes of a wrong line that a message repeats */
};

static const char head[] =
        "# What `sluice mesh` gave to sites. Each keeps its own; take a line out to have it given anew.\n";

static bool path_of(char path[PATH_MAX], const char *folder)
{
	return snprintf(path, PATH_MAX, "%s/addresses", folder) < PATH_MAX;
}

static void add(struct sl_mesh_givens *given, const char *site, const struct sl_ip *ip)
{
	struct sl_mesh_given *grown = realloc(given->list, (given->n + 1) * sizeof(*grown));

	if (grown == NULL)
		abort();
	given->list = grown;
	grown[given->n].ip = *ip;
	snprintf(grown[given->n].site, sizeof(grown[given->n].site), "%s", site);
	given->n++;
}

/* A site and its addresses, or nothing. False where it is neither. */
static bool read_line(struct sl_mesh_givens *given, char *line)
{
	char *site = strsep(&line, " \t"), *word;
	struct sl_ip ip;

	if (site[0] == '\0' || site[0] == '#')
		return true;
	if (strlen(site) > SL_CONFIG_PEER_NAME_MAX)
		return false;
	while ((word = strsep(&line, " \t")) != NULL) {
		if (*word == '\0')
			continue;
		if (!sl_ip_parse(word, &ip))
			return false;
		add(given, site, &ip);
	}
	return true;
}

bool sl_mesh_givens_read(struct sl_mesh_givens *given, const char *folder, struct sl_config_errors *errs)
{
	struct sl_place place = {.column = 1};
	char path[PATH_MAX], *text, *rest, *line;
	bool ok = true;
	size_t len;

	*given = (struct sl_mesh_givens){0};
	if (!path_of(path, folder))
		return true; /* nothing can be there; who writes says so */
	text = sl_read_whole(path, &len);
	if (text == NULL && (errno == ENOENT || errno == ENOTDIR))
		return true;
	if (text == NULL || memchr(text, '\0', len)) {
		sl_config_errors_add(errs, false, path, (struct sl_place){0},
		        "cannot be read: %s; mend it or take it away", text ? "it is not text" : strerror(errno));
		sl_read_whole_free(text, len);
		return false;
	}
	rest = strndup(text, len);
	sl_read_whole_free(text, len);
	if (rest == NULL)
		abort();
	text = rest;
	while ((line = strsep(&rest, "\n")) != NULL) {
		char shown[SHOWN + 1];

		place.line++;
		snprintf(shown, sizeof(shown), "%.*s", SHOWN, line);
		if (read_line(given, line))
			continue;
		sl_config_errors_add(errs, false, path, place,
		        "'%s' is not a site and its addresses; mend the line or take it out", shown);
		ok = false;
	}
	free(text);
	return ok;
}

void sl_mesh_givens_free(struct sl_mesh_givens *given)
{
	free(given->list);
	*given = (struct sl_mesh_givens){0};
}

/* Whether a site that is gone may have its address back: neither is it here again, nor has another one got the address.
 */
static bool is_free(const struct sl_mesh *mesh, const struct sl_mesh_given *given)
{
	for (uint32_t i = 0; i < mesh->n_sites; i++) {
		const struct sl_mesh_site *site = &mesh->sites[i];

		if (strcmp(site->name, given->site) == 0)
			return false;
		for (uint32_t j = 0; j < site->n_addresses; j++)
			if (sl_ip_equal(&site->addresses[j].prefix.addr, &given->ip))
				return false;
	}
	return true;
}

int sl_mesh_givens_write(const struct sl_mesh_givens *given, const struct sl_mesh *mesh, const char *folder)
{
	char path[PATH_MAX], ip[SL_IP_STRLEN], *text = NULL;
	size_t len = 0;
	FILE *out;
	int rc;

	if (!path_of(path, folder))
		return -ENAMETOOLONG;
	out = open_memstream(&text, &len);
	if (out == NULL)
		abort();
	fputs(head, out);
	for (uint32_t i = 0; i < mesh->n_sites; i++) {
		const struct sl_mesh_site *site = &mesh->sites[i];

		if (!site->given)
			continue;
		fputs(site->name, out);
		for (uint32_t j = 0; j < site->n_addresses; j++)
			fprintf(out, " %s", sl_ip_format(&site->addresses[j].prefix.addr, ip));
		fputc('\n', out);
	}
	for (uint32_t i = 0; i < given->n; i++)
		if (is_free(mesh, &given->list[i]))
			fprintf(out, "%s %s\n", given->list[i].site, sl_ip_format(&given->list[i].ip, ip));
	fclose(out);
	rc = sl_atomic_write(path, text, len, OWNER_ONLY, true);
	free(text);
	return rc;
}
