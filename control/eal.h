/*
 * Starting DPDK's EAL from the description: cores, memory, devices. Called once
 * by the main thread, which becomes the control core; EAL is started at most
 * once in a process. Arguments are made by a function of their own that
 * touches nothing, so tests can look at them.
 *
 * The lcore of control is 0 and that of worker w is w + 1, each pinned to the CPU
 * that the description gives; two lcores may share a CPU.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/config.h"

#define SL_EAL_ERROR_LEN 256
#define SL_EAL_ARGS_MAX  (32 + 2 * SL_CONFIG_CORES_MAX)

/* The lcore id of worker w, for rte_eal_remote_launch. */
static inline unsigned
sl_eal_worker_lcore(unsigned worker)
{
	return worker + 1;
}

/* What EAL memory has to hold. */
struct sl_eal_needs {
	uint32_t pool_size;   /* as in struct sl_dataplane_config */
	uint16_t frame_len;
	uint32_t jumbo_size;
	uint16_t workers;
	uint16_t ports;
	uint32_t interfaces;  /* WireGuard interfaces: a handshake ring each */
};

/*
 * Bytes of EAL memory these needs take, with room for fragmentation: mbufs, rings, device queues. Tables of peers,
 * sessions, routes and neighbours are outside of EAL.
 */
uint64_t sl_eal_memory(const struct sl_eal_needs *needs);

struct sl_eal_args {
	int argc;
	char *argv[SL_EAL_ARGS_MAX + 1]; /* NULL-terminated, allocated one by one */
};

/*
 * The command line. memory: bytes; prefix: file prefix unique on this machine. False when out of memory or arguments.
 * Free with sl_eal_args_free in either case.
 */
bool sl_eal_args_make(struct sl_eal_args *args, const struct sl_config *config, const struct sl_config_cores *cores,
	uint64_t memory, bool hugepages, const char *prefix);
void sl_eal_args_free(struct sl_eal_args *args);

/* Bytes in free hugepages of this machine, over all sizes and nodes. */
uint64_t sl_eal_free_hugepages(void);

struct sl_eal_report {
	bool hugepages;                /* in use */
	uint64_t memory;               /* bytes asked for */
	char error[SL_EAL_ERROR_LEN];  /* on failure: what is wrong and what to do */
	char notice[SL_EAL_ERROR_LEN]; /* empty, or what was not to be had and what was done instead */
};

/*
 * Starts EAL: with hugepages where the description allows and enough are free, else without. Pins the calling
 * thread to the control core. False with report->error. Sets XDG_RUNTIME_DIR to a folder of its own where EAL could not
 * write; sl_eal_stop takes that folder away again.
 */
bool sl_eal_start(const struct sl_config *config, const struct sl_config_cores *cores, const struct sl_eal_needs *needs,
	struct sl_eal_report *report);
/* After all ports are closed and all pools freed. */
void sl_eal_stop(void);
