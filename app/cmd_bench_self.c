/* sluice bench self: generator, encap, wire, decap and sink in one process. See bench_self.h. */
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "app/bench.h"
#include "app/bench_self.h"
#include "app/commands.h"
#include "control/eal.h"
#include "control/log.h"

static volatile sig_atomic_t stopped;

/* EAL on one core, with memory for what the largest row needs. */
static bool
start_eal(struct sl_self_options *o)
{
	struct sl_config config = {.dataplane.hugepages = SL_HUGEPAGES_AUTO};
	struct sl_config_cores cores = {.n_workers = 0};
	struct sl_eal_needs needs = {
		.pool_size = o->buffers + 4096, .frame_len = SL_FRAMES_MAX + SL_RIG_MTU_ROOM, .jumbo_size = 64, .workers = 2, .interfaces = 2};
	struct sl_eal_report report;
	cpu_set_t usable;

	if (o->core < 0 && sched_getaffinity(0, sizeof(usable), &usable) == 0)
		for (int i = 0; i < CPU_SETSIZE; i++)
			if (CPU_ISSET(i, &usable))
				o->core = i;
	cores.control = (uint32_t)(o->core < 0 ? 0 : o->core);
	if (sl_eal_start(&config, &cores, &needs, &report))
		return true;
	fprintf(stderr, "sluice bench self: %s\n", report.error);
	return false;
}

struct run {
	const struct sl_self_options *o;
	struct sl_svg_bars bars;
	json_t *rows;
	double hz;
	unsigned row, n_rows;
	uint32_t size, peers;
	bool ok;
};

/* To people at a terminal, over the same line. */
static void
show_progress(void *ctx, double seconds, uint64_t packets)
{
	const struct run *run = ctx;

	if (!isatty(STDERR_FILENO))
		return;
	if (run->size == SL_IMIX)
		fprintf(stderr, "\r\033[K[%u/%u] imix, %u peers: ", run->row, run->n_rows, run->peers);
	else
		fprintf(stderr, "\r\033[K[%u/%u] %u B, %u peers: ", run->row, run->n_rows, run->size, run->peers);
	fprintf(stderr, "%.1f of %g s, %llu packets", seconds, run->o->seconds, (unsigned long long)packets);
}

static void
end_progress(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

static void
run_size(struct run *run, struct sl_self *self)
{
	struct sl_self_result r;
	bool ok;

	run->row++;
	show_progress(run, 0, 0);
	ok = sl_self_run(self, run->size, &r, &stopped, show_progress, run);
	end_progress();
	run->ok &= ok;
	if (!ok)
		fprintf(stderr,
			"sluice bench self: of %llu packets %llu arrived, %llu were dropped, %llu of %llu looked at were wrong\n",
			(unsigned long long)r.packets, (unsigned long long)r.arrived, (unsigned long long)r.drops,
			(unsigned long long)r.wrong, (unsigned long long)(r.verified + r.wrong));
	if (r.packets == 0)
		return;
	if (run->o->json)
		json_array_append_new(run->rows, sl_self_json(run->o, &r, run->hz));
	else
		sl_self_print(run->o, &r, run->hz, stdout);
	if (run->o->plot)
		sl_self_plot(&run->bars, run->o, &r);
}

static void
run_peers(struct run *run, uint32_t peers, char *backend, size_t room)
{
	struct sl_self *self;

	run->peers = peers;
	run->size = run->o->sizes[0];
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[Kmaking gateways with %u peer%s", peers, peers == 1 ? "" : "s");
	self = sl_self_create(run->o, peers);
	end_progress();
	if (!self) {
		run->ok = false;
		return;
	}
	snprintf(backend, room, "%s", sl_self_backend(self));
	if (!run->o->json && run->row == 0) {
		printf("core %d, %s, TSC %.3f GHz, bursts of %u, %u buffers; cycles per packet\n", run->o->core, backend,
			run->hz / 1e9, run->o->burst, run->o->buffers);
		sl_self_print_head(run->o, stdout);
	}
	for (uint32_t i = 0; i < run->o->n_sizes && !stopped; i++) {
		run->size = run->o->sizes[i];
		run_size(run, self);
	}
	sl_self_destroy(self);
}

static bool
write_plot(struct run *run, const char *backend)
{
	char subtitle[128];
	bool ok;

	snprintf(subtitle, sizeof(subtitle), "one core, %s, TSC %.2f GHz, bursts of %u, %u buffers", backend, run->hz / 1e9,
		run->o->burst, run->o->buffers);
	run->bars.title = "sluice bench self";
	run->bars.subtitle = subtitle;
	run->bars.axis = "TSC cycles per packet";
	run->bars.names[0] = "encap: AEAD";
	run->bars.names[1] = "encap: the rest";
	run->bars.names[2] = "decap: AEAD";
	run->bars.names[3] = "decap: the rest";
	ok = sl_svg_bars_save(&run->bars, run->o->plot);
	if (!ok)
		fprintf(stderr, "sluice bench self: cannot write %s: %m\n", run->o->plot);
	sl_svg_bars_clear(&run->bars);
	return ok;
}

static void
print_json(struct run *run, const char *backend)
{
	static const char *const directions[] = {[SL_SELF_ENCAP] = "encap", [SL_SELF_DECAP] = "decap", [SL_SELF_BOTH] = "both"};
	json_t *root = json_pack("{s:s, s:i, s:s, s:f, s:s, s:o}", "version", SL_VERSION, "core", run->o->core, "aead", backend,
		"tsc-hz", run->hz, "direction", directions[run->o->direction], "rows", run->rows);

	json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(7));
	putchar('\n');
	json_decref(root);
}

static void
stop(int signo)
{
	stopped = 1;
}

static int
measure(struct sl_self_options *o)
{
	struct run run = {.o = o, .rows = json_array(), .n_rows = o->n_sizes * o->n_peers, .ok = true};
	struct sigaction action = {.sa_handler = stop, .sa_flags = (int)SA_RESETHAND};
	char backend[64] = "";

	run.hz = (double)rte_get_tsc_hz();
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (uint32_t i = 0; i < o->n_peers && !stopped; i++)
		run_peers(&run, o->peers[i], backend, sizeof(backend));
	if (o->json)
		print_json(&run, backend);
	else
		json_decref(run.rows);
	if (o->plot)
		run.ok &= write_plot(&run, backend);
	if (stopped)
		fputs("sluice bench self: stopped before the end\n", stderr);
	return run.ok && !stopped && fflush(stdout) == 0 ? SL_EXIT_DONE : SL_EXIT_FAILED;
}

int
sl_bench_self(int argc, char **argv)
{
	struct sl_self_options o;
	int code;

	if (!sl_self_parse(argc, argv, &o, &code))
		return code;
	sl_log_init();
	sl_log_set_level(SL_LOG_WARNING);
	if (!start_eal(&o))
		return SL_EXIT_FAILED;
	code = measure(&o);
	sl_eal_stop();
	return code;
}
