#include "control/config_load.h"

#include <stdio.h>
#include <string.h>

enum {
	CORE_MAX = CPU_SETSIZE - 1,
};

/* One core or a range "5-7" of a core list. */
static void parse_cores(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct sl_config_dataplane *dp = out;
	unsigned first, last;
	int used = 0, n;

	if (!sl_value_text(ld, node, key))
		return;
	n = sscanf(node->text, "%4u%n-%4u%n", &first, &used, &last, &used);
	if (n == 1)
		last = first;
	if (n < 1 || (size_t)used != node->len || strpbrk(node->text, "+ \t") || first > last || last > CORE_MAX) {
		sl_load_error(ld, node->place, "workers: '%s' is neither a core nor a range; give such as 3 or 5-7",
		        sl_show(node->text, node->len));
		return;
	}
	for (unsigned core = first; core <= last; core++) {
		for (uint32_t i = 0; i < dp->n_workers; i++)
			if (dp->cores[i] == core) {
				sl_load_error(ld, node->place, "workers: core %u is given twice; give each once", core);
				return;
			}
		if (dp->n_workers == SL_CONFIG_CORES_MAX) {
			sl_load_error(
			        ld, node->place, "workers: more than %d cores; take some out", SL_CONFIG_CORES_MAX);
			return;
		}
		dp->cores[dp->n_workers++] = (uint16_t)core;
	}
}

static void parse_workers(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct sl_config_dataplane *dp = out;
	struct sl_place place = node->place;
	uint32_t errors = ld->errs->n_errors;

	dp->workers_place = place;
	if (node->kind == SL_NODE_SEQUENCE) {
		dp->workers = SL_WORKERS_CORES;
		sl_load_list(ld, node, key, parse_cores, dp);
		if (dp->n_workers == 0 && ld->errs->n_errors == errors)
			sl_load_error(ld, place, "workers: an empty list; name at least one core, or give auto");
		return;
	}
	if (!sl_value_text(ld, node, key) || strcmp(node->text, "auto") == 0)
		return;
	if (strpbrk(node->text, "-,")) {
		sl_load_error(ld, place,
		        "workers: '%s' is not a count; write a core list in brackets, such as [1, 5-7]",
		        sl_show(node->text, node->len));
		return;
	}
	dp->workers = SL_WORKERS_COUNT;
	sl_value_number(ld, node, key, 1, SL_CONFIG_CORES_MAX, &dp->n_workers);
}

static void parse_control_core(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	struct sl_config_dataplane *dp = out;
	uint32_t core;

	dp->control_core_place = node->place;
	if (sl_value_number(ld, node, key, 0, CORE_MAX, &core))
		dp->control_core = (int32_t)core;
}

static void parse_idle(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	static const char *const words[] = {[SL_IDLE_ADAPTIVE] = "adaptive", [SL_IDLE_POLL] = "poll"};
	struct sl_config_dataplane *dp = out;
	uint32_t word;

	if (sl_value_word(ld, node, key, words, 2, &word))
		dp->idle = (enum sl_idle)word;
}

static void parse_simd(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	static const char *const words[] = {
	        [SL_SIMD_AUTO] = "auto", [SL_SIMD_AVX512] = "avx512", [SL_SIMD_AVX2] = "avx2", [SL_SIMD_SSE] = "sse"};
	struct sl_config_dataplane *dp = out;
	uint32_t word;

	if (sl_value_word(ld, node, key, words, sizeof(words) / sizeof(words[0]), &word))
		dp->simd = (enum sl_simd)word;
}

static void parse_hugepages(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	static const char *const words[] = {
	        [SL_HUGEPAGES_AUTO] = "auto", [SL_HUGEPAGES_ON] = "on", [SL_HUGEPAGES_OFF] = "off"};
	struct sl_config_dataplane *dp = out;
	uint32_t word;

	if (sl_value_word(ld, node, key, words, sizeof(words) / sizeof(words[0]), &word))
		dp->hugepages = (enum sl_hugepages)word;
}

void sl_parse_dataplane(struct sl_loader *ld, const struct sl_node *node, const char *key, void *out)
{
	static const struct sl_key keys[] = {
	        {"workers", parse_workers},
	        {"control-core", parse_control_core},
	        {"idle", parse_idle},
	        {"simd", parse_simd},
	        {"hugepages", parse_hugepages},
	};
	struct sl_place seen[SL_KEYS_MAX];

	ld->config->dataplane.place = node->place;
	sl_load_mapping(ld, node, key, keys, sizeof(keys) / sizeof(keys[0]), seen, &ld->config->dataplane);
}
