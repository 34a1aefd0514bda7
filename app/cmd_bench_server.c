/* sluice bench server: the other end of sluice bench client. See bench_server.h for its rules. */
#include <signal.h>
#include <stdio.h>

#include "app/bench.h"
#include "app/bench_gateway.h"
#include "app/bench_options.h"
#include "app/bench_server.h"
#include "app/bench_sockets.h"
#include "app/commands.h"

#define WAIT_MS 200 /* so often it looks for clients that have gone */

static volatile sig_atomic_t stopped;

static void
on_signal(int signal)
{
	stopped = 1;
}

static int
serve(struct sl_bench_path *path, const struct sl_bench_server_options *o)
{
	struct sl_bench_server server;
	struct sl_bench_mail mail;
	int got = 0;

	sl_bench_server_init(&server, path, o->limit, stdout);
	while (!stopped && got >= 0 && !(o->once && server.finished > 0)) {
		/* a message that could not be sent, or a plan that could not be carried out, is for its client to see */
		path->error[0] = '\0';
		got = path->ops->receive(path, WAIT_MS, &mail);
		if (got > 0)
			sl_bench_server_message(&server, &mail, path->ops->now(path));
		sl_bench_server_tick(&server, path->ops->now(path));
	}
	sl_bench_server_fini(&server);
	if (got < 0)
		fprintf(stderr, "sluice bench server: %s\n", path->error);
	return got < 0 ? SL_EXIT_FAILED : SL_EXIT_DONE;
}

int
sl_bench_server(int argc, char **argv)
{
	const struct sigaction action = {.sa_handler = on_signal};
	struct sl_bench_server_options o;
	char error[SL_BENCH_ERROR_LEN];
	struct sl_bench_path *path;
	int code;

	if (!sl_bench_server_parse(argc, argv, &o, &code))
		return code;
	path = o.interface ? sl_bench_gateway_open("bench server", o.name, o.interface, o.port, error)
			   : sl_bench_sockets_listen(&o.bind, o.port, error);
	if (path == NULL) {
		if (error[0] != '\0')
			fprintf(stderr, "sluice bench server: %s\n", error);
		return SL_EXIT_FAILED;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	printf("sluice bench server: listening on UDP port %u%s%s\n", o.port, o.interface ? " of " : "",
		o.interface ? o.interface : "");
	fflush(stdout);
	code = serve(path, &o);
	path->ops->destroy(path);
	return code;
}
