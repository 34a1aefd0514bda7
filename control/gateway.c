/* Bringing the gateway up and taking it down again. */
#include "control/gateway.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <rte_launch.h>

#include "control/api.h"
#include "control/command_queue.h"
#include "control/apply.h"
#include "control/gateway_out.h"
#include "control/log.h"
#include "control/reload.h"
#include "crypto/wipe.h"

/*
 * Sizes. Peers may be added at run time without limit in the file, so tables that are address space until touched are
 * generous; packet buffers are memory from the start.
 */
#define PEERS_MIN         (1u << 20)
#define SESSIONS_MAX      (1u << 24)
#define SESSIONS_PER_PEER 4 /* previous, current, next and a handshake */
#define NEIGHBOURS        65536
#define POOL_BASE         16384
#define POOL_PER_QUEUE    2048
#define JUMBO_BUFFERS     64

static_assert(SL_CONFIG_CORES_MAX <= SL_WORKERS_MAX, "every worker that a description may ask for");

static uint32_t
power_of_two(uint64_t n, uint32_t max)
{
	uint32_t p = 1;

	while (p < n && p < max)
		p *= 2;
	return p;
}

static struct sl_eal_needs
needs_of(const struct sl_config *config, const struct sl_config_cores *cores)
{
	return (struct sl_eal_needs){
		.pool_size = POOL_BASE + POOL_PER_QUEUE * config->n_ports * cores->n_workers,
		.frame_len = sl_port_frame_len(config->ports, config->n_ports),
		.jumbo_size = JUMBO_BUFFERS,
		.workers = (uint16_t)cores->n_workers,
		.ports = (uint16_t)config->n_ports,
		.interfaces = RTE_MAX(config->n_interfaces, 8u),
	};
}

static int
create_dataplane(struct sl_gateway *gw, const struct sl_eal_needs *needs)
{
	uint32_t peers = power_of_two(RTE_MAX(2 * (uint64_t)gw->config->n_peers, PEERS_MIN), SESSIONS_MAX / SESSIONS_PER_PEER);
	struct sl_dataplane_config cfg = {
		.name = "sl",
		.pool_size = needs->pool_size,
		.frame_len = needs->frame_len,
		.jumbo_size = needs->jumbo_size,
		.peers = peers,
		.sessions = peers * SESSIONS_PER_PEER,
		.neighbours = NEIGHBOURS,
		.workers = needs->workers,
		.socket = SOCKET_ID_ANY,
	};
	int rc;

	sl_random_bytes(cfg.random, sizeof(cfg.random));
	rc = sl_dataplane_create(&gw->dp, &cfg);
	sl_wipe(cfg.random, sizeof(cfg.random));
	return rc;
}

static int
create_control(struct sl_gateway *gw)
{
	struct sl_proto_config proto = {
		.peers = &gw->dp->peers,
		.sessions = &gw->dp->sessions,
		.reclaim = gw->dp->reclaim,
		.line = (uint16_t)gw->cores.n_workers,
		.rng = sl_rng_kernel,
		.simd = gw->config->dataplane.simd,
		.ops = &sl_gateway_proto_ops,
		.ctx = gw,
		.now = gw->now,
	};
	struct sl_neighbour_protocol_config neighbours = {.dp = gw->dp, .max_entries = NEIGHBOURS};
	int rc = sl_command_queue_create(&gw->commands, gw->dp);

	gw->out = sl_gateway_control_out(gw);
	neighbours.out = gw->out;
	sl_random_bytes(&neighbours.seed, sizeof(neighbours.seed));
	sl_icmp_echo_init(&gw->echo, gw->dp, &gw->out);
	if (rc == 0)
		rc = sl_rib_create(&gw->rib, gw->dp);
	if (rc == 0)
		rc = sl_allowed_ips_create(&gw->allowed, gw->dp->peers.capacity, gw->rib);
	if (rc == 0)
		rc = sl_proto_create(&gw->proto, &proto);
	if (rc == 0)
		rc = sl_neighbour_protocol_create(&gw->neighbours, &neighbours);
	if (rc == 0)
		rc = sl_resolver_create(&gw->resolver, NULL, NULL, &gw->cores.helpers);
	return rc;
}

static void
signal_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
}

void
sl_gateway_block_signals(void)
{
	sigset_t set;

	signal_set(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int
watch(struct sl_gateway *gw, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(gw->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0 ? 0 : -errno;
}

static int
create_events(struct sl_gateway *gw)
{
	sigset_t set;
	int rc;

	signal_set(&set);
	gw->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	gw->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (gw->epoll_fd < 0 || gw->signal_fd < 0)
		return -errno;
	rc = watch(gw, gw->signal_fd);
	if (rc == 0)
		rc = watch(gw, gw->dp->control.fd);
	return rc ? rc : watch(gw, sl_resolver_fd(gw->resolver));
}

/* Ports are open: distributes their queues over workers, and makes the workers. */
static int
create_workers(struct sl_gateway *gw)
{
	struct sl_port ports[SL_PORTS_MAX];
	uint16_t n = 0;
	int rc;

	for (unsigned i = 0; i < SL_IF_MAX && n < SL_PORTS_MAX; i++) {
		if (gw->ifs[i] && gw->ifs[i]->kind == SL_IF_PORT)
			ports[n++] = sl_port_queues(gw->ifs[i]->port);
	}
	rc = sl_ports_create(&gw->ports, "sl", ports, n, (uint16_t)gw->cores.n_workers);
	gw->polls = calloc(gw->cores.n_workers, sizeof(*gw->polls));
	if (rc != 0 || gw->polls == NULL)
		return rc ? rc : -ENOMEM;
	for (uint16_t w = 0; w < gw->cores.n_workers; w++) {
		struct sl_worker_config cfg = {
			.simd = gw->config->dataplane.simd,
			.tx = sl_port_send,
			.tx_ctx = gw->ports->workers[w],
			.socket = SOCKET_ID_ANY,
		};

		sl_random_bytes(&cfg.icmp_seed, sizeof(cfg.icmp_seed));
		rc = sl_worker_create(gw->dp, w, &cfg);
		if (rc != 0)
			return rc;
		gw->polls[w].worker = gw->dp->workers[w];
		gw->polls[w].port = gw->ports->workers[w];
		gw->polls[w].clock = &gw->clock;
		atomic_store(&gw->polls[w].adaptive, gw->cores.idle == SL_IDLE_ADAPTIVE);
	}
	gw->mbufs_at_rest = rte_mempool_in_use_count(gw->dp->pool);
	return 0;
}

static int
apply_step(struct sl_gateway *gw, const struct sl_steps *steps, uint32_t step, char *error)
{
	uint32_t progress = 0;
	int rc;

	do
		rc = sl_gateway_apply(gw, steps, step, &progress, error);
	while (rc == SL_APPLY_MORE);
	return rc;
}

/* Tables for all that comes, at once: by and by they would be moved many times. */
static int
reserve(struct sl_gateway *gw)
{
	uint32_t prefixes = 0;

	for (uint32_t i = 0; i < gw->config->n_interfaces; i++) {
		const struct sl_config_interface *ifp = &gw->config->interfaces[i];

		for (uint32_t k = 0; k < ifp->n_peers; k++)
			prefixes += ifp->peers[k].n_allowed_ips;
	}
	sl_proto_reserve(gw->proto, gw->config->n_peers);
	return sl_allowed_ips_reserve(gw->allowed, prefixes);
}

/* Ports first, for workers need their queues; then the workers; then all the rest, whose steps may already send. */
static int
apply_first(struct sl_gateway *gw, char *error)
{
	struct sl_steps *steps = sl_config_diff(NULL, gw->config);
	uint32_t i = 0;
	int rc = steps ? reserve(gw) : -ENOMEM;

	if (rc != 0)
		snprintf(error, SL_GATEWAY_ERROR_LEN, "out of memory");
	for (uint32_t k = 0; rc == 0 && k < steps->n_steps; k++) {
		if (steps->steps[k].kind == SL_STEP_PORT_ADD)
			rc = apply_step(gw, steps, k, error);
	}
	if (rc == 0) {
		rc = create_workers(gw);
		if (rc != 0)
			snprintf(error, SL_GATEWAY_ERROR_LEN, "worker cores cannot be set up: %s", strerror(-rc));
	}
	sl_allowed_ips_batch_begin(gw->allowed);
	for (; rc == 0 && i < steps->n_steps; i++) {
		if (steps->steps[i].kind != SL_STEP_PORT_ADD)
			rc = apply_step(gw, steps, i, error);
	}
	sl_allowed_ips_batch_commit(gw->allowed);
	sl_steps_free(steps);
	return rc;
}

static int
launch_workers(struct sl_gateway *gw)
{
	gw->workers_running = true;
	for (unsigned w = 0; w < gw->cores.n_workers; w++) {
		int rc = rte_eal_remote_launch(sl_poll_main, &gw->polls[w], sl_eal_worker_lcore(w));

		if (rc != 0)
			return rc;
	}
	return 0;
}

static bool
start_eal(struct sl_gateway *gw, struct sl_eal_needs *needs, char *error)
{
	struct sl_eal_report report = {0};

	*needs = needs_of(gw->config, &gw->cores);
	if (!sl_eal_start(gw->config, &gw->cores, needs, &report)) {
		snprintf(error, SL_GATEWAY_ERROR_LEN, "%s", report.error);
		return false;
	}
	if (report.notice[0])
		sl_log_notice("%s", report.notice);
	return true;
}

static int
build(struct sl_gateway *gw, const struct sl_eal_needs *needs, char *error)
{
	int rc = create_dataplane(gw, needs);

	if (rc == 0)
		rc = create_control(gw);
	if (rc == 0)
		rc = create_events(gw);
	gw->runtime = sl_runtime_create();
	if (rc == 0 && gw->runtime == NULL)
		rc = -ENOMEM;
	if (rc != 0) {
		snprintf(error, SL_GATEWAY_ERROR_LEN, "tables and packet buffers cannot be made: %s; give the machine more memory",
			strerror(-rc));
		return rc;
	}
	rc = sl_api_create(&gw->api, gw);
	if (rc == -EADDRINUSE)
		snprintf(error, SL_GATEWAY_ERROR_LEN,
			"a gateway named `%s` runs already on this machine; stop it, or give this one another `name:`",
			gw->config->name);
	else if (rc != 0)
		snprintf(error, SL_GATEWAY_ERROR_LEN, "/run/sluice/%s.sock cannot be opened: %s", gw->config->name, strerror(-rc));
	if (rc == 0) {
		rc = sl_reload_create(&gw->reload, gw);
		if (rc != 0)
			snprintf(error, SL_GATEWAY_ERROR_LEN, "no event descriptor is to be had: %s", strerror(-rc));
	}
	if (rc == 0)
		rc = apply_first(gw, error);
	if (rc == 0) {
		rc = launch_workers(gw);
		if (rc != 0)
			snprintf(error, SL_GATEWAY_ERROR_LEN, "worker cores do not start: %s", strerror(-rc));
	}
	return rc;
}

struct sl_gateway *
sl_gateway_start(struct sl_config *config, const struct sl_config_cores *cores, char *error)
{
	struct sl_gateway *gw = calloc(1, sizeof(*gw));
	struct sl_eal_needs needs;

	if (gw == NULL) {
		snprintf(error, SL_GATEWAY_ERROR_LEN, "out of memory");
		return NULL;
	}
	gw->config = config;
	gw->config_path = strdup(config->path);
	gw->cores = *cores;
	gw->epoll_fd = gw->signal_fd = -1;
	gw->now = gw->started = sl_clock_boot_ns();
	if (!start_eal(gw, &needs, error)) {
		free(gw->config_path);
		free(gw);
		return NULL;
	}
	sl_clock_init(&gw->clock);
	if (build(gw, &needs, error) != 0) {
		gw->config = NULL; /* stays the caller's */
		sl_gateway_stop(gw);
		return NULL;
	}
	return gw;
}

static void
join_workers(struct sl_gateway *gw)
{
	if (!gw->workers_running)
		return;
	for (unsigned w = 0; w < gw->cores.n_workers; w++) {
		atomic_store(&gw->polls[w].stop, true);
		sl_waker_wake(&gw->polls[w].worker->waker);
	}
	for (unsigned w = 0; w < gw->cores.n_workers; w++)
		rte_eal_wait_lcore(sl_eal_worker_lcore(w));
}

static void
remove_interfaces(struct sl_gateway *gw, enum sl_if_kind kind)
{
	for (unsigned i = 0; i < SL_IF_MAX; i++) {
		struct sl_gateway_if *gi = gw->ifs[i];

		if (gi == NULL || gi->kind != kind)
			continue;
		if (gw->api && kind == SL_IF_WIREGUARD)
			sl_api_remove_interface(gw->api, gi);
		sl_gateway_if_remove(gi);
	}
}

void
sl_gateway_stop(struct sl_gateway *gw)
{
	join_workers(gw);
	sl_ports_destroy(gw->ports);
	if (gw->allowed)
		sl_allowed_ips_batch_begin(gw->allowed);
	remove_interfaces(gw, SL_IF_WIREGUARD);
	remove_interfaces(gw, SL_IF_PORT);
	if (gw->allowed)
		sl_allowed_ips_batch_commit(gw->allowed);
	sl_api_destroy(gw->api);
	sl_reload_destroy(gw->reload);
	sl_resolver_destroy(gw->resolver);
	sl_neighbour_protocol_destroy(gw->neighbours);
	/* what is reclaimed still says so to the workers' queues */
	if (gw->dp)
		sl_reclaim_drain(gw->dp->reclaim);
	sl_proto_destroy(gw->proto);
	sl_allowed_ips_destroy(gw->allowed);
	if (gw->dp)
		sl_reclaim_drain(gw->dp->reclaim);
	sl_command_queue_destroy(gw->commands);
	sl_rib_destroy(gw->rib);
	sl_dataplane_destroy(gw->dp);
	if (gw->epoll_fd >= 0)
		close(gw->epoll_fd);
	if (gw->signal_fd >= 0)
		close(gw->signal_fd);
	sl_eal_stop();
	free(gw->polls);
	sl_runtime_destroy(gw->runtime);
	sl_due_free(&gw->expiry);
	free(gw->config_path);
	sl_config_free(gw->config);
	free(gw);
}
