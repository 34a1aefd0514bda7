#include "control/eal.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_version.h>

#include "control/log.h"
#include "dataplane/dataplane.h"
#include "dataplane/port.h"
#include "dataplane/worker.h"

#define MB (UINT64_C(1) << 20)

/* What EAL, its heap and the device drivers take beside what is counted below. */
#define MEMORY_BASE       (24 * MB)
#define MEMORY_PER_PORT   (2 * MB)
#define MEMORY_PER_QUEUE  (MB / 2)
#define MBUF_OVERHEAD     320 /* the mempool's header of an object, alignment, spreading over memory channels */
#define WORKER_EXTRA      MB /* staging heads, reassembly tables, command ring, order ring */
#define RING_BYTES        (64 * UINT64_C(1024))

static char runtime_dir[] = "/tmp/sluice-XXXXXX";
static bool runtime_dir_made;

static uint64_t
mbuf_bytes(uint32_t frame_len)
{
	return sizeof(struct rte_mbuf) + SL_PACKET_PRIV + RTE_PKTMBUF_HEADROOM + SL_HEADROOM + SL_TAILROOM +
		MBUF_OVERHEAD + frame_len;
}

uint64_t
sl_eal_memory(const struct sl_eal_needs *needs)
{
	uint64_t bytes = MEMORY_BASE;

	bytes += needs->pool_size * mbuf_bytes(needs->frame_len);
	bytes += needs->jumbo_size * mbuf_bytes(UINT16_MAX);
	bytes += (uint64_t)needs->workers *
		(sizeof(struct sl_worker) + (SL_STAGE_COUNT + 1) * sizeof(struct sl_vector) + RING_BYTES + WORKER_EXTRA);
	bytes += needs->ports * (MEMORY_PER_PORT + needs->workers * MEMORY_PER_QUEUE);
	bytes += needs->interfaces * RING_BYTES;
	/* an eighth for the heap's fragments, then whole units that any hugepage size divides or is divided by */
	bytes += bytes / 8;
	return (bytes + 2 * MB - 1) / (2 * MB) * (2 * MB);
}

static bool
add(struct sl_eal_args *args, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool
add(struct sl_eal_args *args, const char *format, ...)
{
	va_list list;
	int n;

	if (args->argc == SL_EAL_ARGS_MAX)
		return false;
	va_start(list, format);
	n = vasprintf(&args->argv[args->argc], format, list);
	va_end(list);
	if (n < 0) {
		args->argv[args->argc] = NULL;
		return false;
	}
	args->argc++;
	return true;
}

/* "0@C,1@W0,2@W1": lcore 0 is control. */
static bool
add_lcores(struct sl_eal_args *args, const struct sl_config_cores *cores)
{
	char list[16 * (SL_CONFIG_CORES_MAX + 1)];
	size_t n = (size_t)snprintf(list, sizeof(list), "0@%u", cores->control);

	for (uint32_t w = 0; w < cores->n_workers; w++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, ",%u@%u", sl_eal_worker_lcore(w), cores->workers[w]);
	return add(args, "--lcores=%s", list) && add(args, "--main-lcore=0");
}

static bool
add_devices(struct sl_eal_args *args, const struct sl_config *config)
{
	bool pci = false;

	for (uint32_t i = 0; i < config->n_ports; i++) {
		if (config->ports[i].device_kind != SL_DEVICE_PCI)
			continue;
		pci = true;
		if (!add(args, "--allow=%s", config->ports[i].device_arg))
			return false;
	}
	return pci || add(args, "--no-pci");
}

bool
sl_eal_args_make(struct sl_eal_args *args, const struct sl_config *config, const struct sl_config_cores *cores,
	uint64_t memory, bool hugepages, const char *prefix)
{
	*args = (struct sl_eal_args){0};
	return add(args, "sluice") && add_lcores(args, cores) && add_devices(args, config) &&
		(hugepages ? add(args, "--in-memory") : add(args, "--no-huge") && add(args, "--no-shconf")) &&
		add(args, "-m") && add(args, "%llu", (unsigned long long)((memory + MB - 1) / MB)) &&
		add(args, "--file-prefix=%s", prefix) && add(args, "--no-telemetry") && add(args, "--log-level=error");
}

void
sl_eal_args_free(struct sl_eal_args *args)
{
	for (int i = 0; i < args->argc; i++)
		free(args->argv[i]);
	*args = (struct sl_eal_args){0};
}

/* One number from a file, or 0. */
static uint64_t
read_number(const char *dir, const char *name, const char *file)
{
	char path[512];
	unsigned long long value = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s/%s", dir, name, file);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%llu", &value) != 1)
		value = 0;
	fclose(f);
	return value;
}

uint64_t
sl_eal_free_hugepages(void)
{
	static const char dir[] = "/sys/kernel/mm/hugepages";
	struct dirent *entry;
	uint64_t bytes = 0;
	DIR *d = opendir(dir);

	if (!d)
		return 0;
	while ((entry = readdir(d))) {
		unsigned long long kb;

		if (sscanf(entry->d_name, "hugepages-%llukB", &kb) == 1)
			bytes += kb * 1024 * read_number(dir, entry->d_name, "free_hugepages");
	}
	closedir(d);
	return bytes;
}

/* EAL makes its runtime folder even where it has nothing to share; it must be able to. */
static void
prepare_runtime_dir(void)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		dir = access("/var/run", W_OK) == 0 ? "/var/run" : NULL;
	if (dir && access(dir, W_OK) == 0)
		return;
	if (mkdtemp(runtime_dir)) {
		runtime_dir_made = true;
		setenv("XDG_RUNTIME_DIR", runtime_dir, 1);
	}
}

/* EAL leaves empty folders: dpdk/PREFIX below the runtime folder. */
static void
remove_runtime_dir(const char *prefix)
{
	const char *base = runtime_dir_made ? runtime_dir : geteuid() == 0 ? "/var/run" : getenv("XDG_RUNTIME_DIR");
	char path[512];

	if (!base)
		return;
	snprintf(path, sizeof(path), "%s/dpdk/%s", base, prefix);
	rmdir(path);
	if (!runtime_dir_made)
		return;
	snprintf(path, sizeof(path), "%s/dpdk", base);
	rmdir(path);
	rmdir(runtime_dir);
}

/* EAL's and the drivers' own words go to our log, a line each. */
static ssize_t
log_write(void *cookie, const char *text, size_t n)
{
	enum sl_log_level level = rte_log_cur_msg_loglevel() <= (int)RTE_LOG_ERR ? SL_LOG_WARNING : SL_LOG_DEBUG;

	if (n > 0)
		sl_log(level, "dpdk: %.*s", (int)n, text);
	return (ssize_t)n;
}

static void
route_log(void)
{
	FILE *stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = log_write});

	if (!stream)
		return;
	setvbuf(stream, NULL, _IOLBF, 0);
	rte_openlog_stream(stream);
}

static void
make_prefix(char *out, size_t size)
{
	snprintf(out, size, "sluice-%d", (int)getpid());
}

static bool
start(const struct sl_config *config, const struct sl_config_cores *cores, struct sl_eal_report *report)
{
	struct sl_eal_args args;
	char *argv[SL_EAL_ARGS_MAX + 1];
	char prefix[32];
	bool ok;

	make_prefix(prefix, sizeof(prefix));
	ok = sl_eal_args_make(&args, config, cores, report->memory, report->hugepages, prefix);
	if (!ok) {
		snprintf(report->error, sizeof(report->error), "out of memory for DPDK's arguments");
	} else {
		/* EAL moves arguments about */
		memcpy(argv, args.argv, sizeof(argv));
		ok = rte_eal_init(args.argc, argv) >= 0;
		if (!ok)
			snprintf(report->error, sizeof(report->error),
				"DPDK did not start (%s) with %llu MB of %s; see the messages above, and check memory limits "
				"(ulimit -v, cgroup) and the cores under `dataplane`",
				rte_strerror(rte_errno), (unsigned long long)(report->memory / MB),
				report->hugepages ? "hugepages" : "memory");
	}
	sl_eal_args_free(&args);
	return ok;
}

/* Whether to use hugepages; false with report->error where they are demanded and missing. */
static bool
choose_memory(const struct sl_config *config, struct sl_eal_report *report)
{
	uint64_t available = config->dataplane.hugepages == SL_HUGEPAGES_OFF ? 0 : sl_eal_free_hugepages();
	unsigned long long have = available / MB, need = report->memory / MB;

	report->hugepages = available >= report->memory;
	if (report->hugepages || config->dataplane.hugepages == SL_HUGEPAGES_OFF)
		return true;
	if (config->dataplane.hugepages == SL_HUGEPAGES_ON) {
		snprintf(report->error, sizeof(report->error),
			"`hugepages: on`, but %llu MB of hugepages are free and %llu MB are needed; raise vm.nr_hugepages "
			"(sysctl -w vm.nr_hugepages=%llu), or say `hugepages: auto`",
			have, need, (need + 1) / 2);
		return false;
	}
	snprintf(report->notice, sizeof(report->notice),
		"running without hugepages: %llu MB are free, %llu MB are needed; it works, a little slower "
		"(sysctl -w vm.nr_hugepages=%llu and a restart use them)",
		have, need, (need + 1) / 2);
	return true;
}

bool
sl_eal_start(const struct sl_config *config, const struct sl_config_cores *cores, const struct sl_eal_needs *needs,
	struct sl_eal_report *report)
{
	*report = (struct sl_eal_report){.memory = sl_eal_memory(needs)};
	if (!choose_memory(config, report))
		return false;
	prepare_runtime_dir();
	route_log();
	if (start(config, cores, report))
		return true;
	sl_eal_stop();
	return false;
}

void
sl_eal_stop(void)
{
	char prefix[32];

	rte_eal_cleanup();
	make_prefix(prefix, sizeof(prefix));
	remove_runtime_dir(prefix);
}
