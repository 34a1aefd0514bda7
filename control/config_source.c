#include "control/config_load.h"

#include <fcntl.h>
#include <string.h>

/* The folder part of a path, with its '/'; "" where there is none. */
static const char *folder_of(struct sl_loader *ld, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) + 1 : 0;

	if (!ld->folder || strlen(ld->folder) != len || memcmp(ld->folder, path, len) != 0)
		ld->folder = sl_arena_text(&ld->arena, path, len);
	return ld->folder;
}

const char *sl_source_path(struct sl_loader *ld, const char *path)
{
	const char *folder = ld->source->folder;
	size_t folder_len = path[0] == '/' ? 0 : strlen(folder), len = strlen(path);
	char *whole = sl_arena_alloc(&ld->arena, folder_len + len + 1);

	memcpy(whole, folder, folder_len);
	memcpy(whole + folder_len, path, len);
	return whole;
}

uint32_t sl_source_add(struct sl_loader *ld, const char *path)
{
	ld->files = sl_array_grow(ld->files, ld->n_files, &ld->files_capacity, sizeof(*ld->files));
	ld->marks = sl_array_grow(ld->marks, ld->n_files, &ld->marks_capacity, sizeof(*ld->marks));
	ld->marks[ld->n_files] = (struct sl_config_mark){0};
	ld->files[ld->n_files] = sl_arena_text(&ld->arena, path, strlen(path));
	return ld->n_files++;
}

void sl_source_read(struct sl_loader *ld, uint32_t file, const struct sl_source_text *text,
        void (*read)(struct sl_loader *ld, const struct sl_node *root))
{
	struct sl_source *outer = ld->source;
	struct sl_source source = {.file = file, .folder = folder_of(ld, ld->files[file])};
	const char *problem = text->st ? sl_secret_mode_problem(text->st) : NULL;
	struct sl_node root;

	ld->source = &source;
	if (text->tape)
		sl_yaml_play(&source.yaml, text->tape);
	else
		sl_yaml_begin(&source.yaml, text->text, text->len);
	root = sl_yaml_root(ld);
	if (root.kind != SL_NODE_END)
		read(ld, &root);
	if (!source.yaml.failed)
		sl_yaml_finish(ld);
	sl_yaml_end(&source.yaml);
	if (source.secret && problem)
		sl_load_error(ld, (struct sl_place){.file = file}, "holds a key and %s", problem);
	ld->source = outer;
}

bool sl_source_first_time(struct sl_loader *ld, const char *path, const struct stat *st, struct sl_place place)
{
	uint64_t identity[2] = {st->st_dev, st->st_ino};
	uint32_t earlier = sl_config_map_add(&ld->included, identity, ld->n_files);

	if (earlier == SL_CONFIG_MAP_NONE)
		return true;
	sl_load_error(ld, place, "'%s' is read already, as '%s'; include a file once", path, ld->files[earlier]);
	return false;
}

static void not_read(struct sl_loader *ld, const char *path, struct sl_place place, const char *problem)
{
	/* the file on the command line has no place: it is the place */
	if (place.line)
		sl_load_error(ld, place, "cannot read '%s': %s; mend the path or the file", path, problem);
	else
		sl_load_error(ld, (struct sl_place){.file = sl_source_add(ld, path)},
		        "cannot be read: %s; mend the path or the file", problem);
}

static void read_new(struct sl_loader *ld, const char *path, struct sl_place place, const struct sl_file *file,
        const struct sl_tape *tape, void (*read)(struct sl_loader *ld, const struct sl_node *root))
{
	const struct sl_source_text text = {file->text, file->len, tape, &file->st};
	uint32_t index, first = ld->n_peers;

	if (!sl_source_first_time(ld, path, &file->st, place))
		return;
	index = sl_source_add(ld, path);
	sl_source_read(ld, index, &text, read);
	if (place.line)
		sl_again_mark(ld, index, path, &file->st, first);
}

void sl_source_load(struct sl_loader *ld, const char *path, struct sl_place place,
        void (*read)(struct sl_loader *ld, const struct sl_node *root))
{
	const struct sl_ahead_file *ahead;
	struct sl_file file;

	if (place.line && sl_again_take(ld, path, place))
		return;
	if (ld->ahead) {
		ahead = sl_ahead_take(ld->ahead);
		if (ahead->file.problem)
			not_read(ld, path, place, ahead->file.problem);
		else
			read_new(ld, path, place, &ahead->file, ahead->tape.n ? &ahead->tape : NULL, read);
		return;
	}
	if (!sl_file_read(AT_FDCWD, path, SL_SOURCE_MAX, &file)) {
		not_read(ld, path, place, file.problem);
		return;
	}
	read_new(ld, path, place, &file, NULL, read);
	sl_file_free(&file);
}
