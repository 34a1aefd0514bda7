/* What a reload cannot make: all else is made, and the next reload tries it again. And where its thread runs. */
#include <criterion/criterion.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "control/log.h"
#include "control/reload.h"
#include "crypto/base64.h"
#include "reload_bed.h"

#define START_NS (1000 * SL_NSEC_PER_SEC)
#define WAIT_MS  60000
#define KEY_A    "TDd25Cwq6tMZANIKUaqred+Zt+09HtCqwFeOLtKQ9Cs="
#define SECRET   "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
#define PORTS    "version: 1\nports: {wan0: {device: net_null0, addresses: [192.0.2.1/24]}, lan0: {device: net_null1}}\n"
#define WG1                                                                                                            \
	"  wg1: {private-key: " SECRET ", listen-port: 7, addresses: [10.1.0.1/24], peers: {a: {public-key: " KEY_A     \
	", allowed-ips: [10.1.0.2]}}}\nroutes: [{to: 10.2.0.0/16, interface: wg1}]\n"

static struct config_folder folder;
static struct hub *hub;

static void
begin(void)
{
	rig_begin();
	sl_log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC), false);
	config_folder_make(&folder);
	config_folder_write(&folder, "hub.yaml", 0600, PORTS);
	hub = hub_create(config_folder_path(&folder, "hub.yaml"), "sl", 0, START_NS);
}

static void
end(void)
{
	hub_destroy(hub);
	config_folder_remove(&folder);
}

TestSuite(reload, .init = begin, .fini = end, .timeout = 120);

static void
wait_for_thread(void)
{
	struct pollfd fd = {.fd = sl_reload_fd(hub->gw.reload), .events = POLLIN};

	cr_assert_eq(poll(&fd, 1, WAIT_MS), 1, "the thread does not end");
}

static const char *
reload(bool dry_run)
{
	struct sl_order order = {
		.kind = SL_ORDER_RELOAD, .dry_run = dry_run, .actor = {.via = "reload"}, .done = hub_answer, .ctx = hub};

	free(hub->answer);
	hub->answer = NULL;
	cr_assert_eq(sl_reload_order(hub->gw.reload, &order), 0);
	wait_for_thread();
	do
		hub_turn(hub);
	while (hub->answer == NULL);
	wait_for_thread();
	hub_settle(hub);
	return hub->answer;
}

static bool
begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* A process has the interface's socket. */
Test(reload, an_interface_comes_when_its_socket_is_free)
{
	static const char lines[] = "+ interface wg1\n+ address wg1 10.1.0.1/24\n+ listen-port wg1 7\n+ peer wg1/a\n"
				    "+ route 10.2.0.0/16 interface wg1\n";
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = "/var/run/wireguard/wg1.sock"};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	config_folder_write(&folder, "hub.yaml", 0600, PORTS "interfaces:\n  wg0: {private-key: " SECRET "}\n");
	reload(false);
	cr_assert_not(hub->failed, "%s", hub->answer);
	cr_assert_eq(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	cr_assert_eq(listen(fd, 8), 0);
	config_folder_write(&folder, "hub.yaml", 0600, PORTS "interfaces:\n  wg0: {private-key: " SECRET ", mtu: 1300}\n" WG1);
	reload(false);
	cr_expect(hub->failed);
	cr_expect(strstr(hub->answer, "\n5 of 6 changes could not be made; the log says why, and the next reload tries them again\n"),
		"%s", hub->answer);
	cr_expect_null(hub_if(hub, "wg1"));
	cr_expect_eq(hub_if(hub, "wg0")->mtu, 1300, "all else is made");

	cr_expect(begins(reload(true), lines), "%s", hub->answer);
	cr_expect_not(hub->failed);
	cr_expect(begins(reload(false), lines), "%s", hub->answer);
	cr_expect(hub->failed, "it is as it was");

	close(fd);
	cr_expect(begins(reload(false), lines), "%s", hub->answer);
	cr_expect_not(hub->failed);
	cr_assert_not_null(hub_if(hub, "wg1"));
	cr_expect_eq(hub_if(hub, "wg1")->listen_port, 7);
	cr_expect_eq(sl_proto_if_n_peers(hub_if(hub, "wg1")->proto), 1);
	cr_expect_eq(sl_allowed_ips_total(hub->gw.allowed), 1);
	cr_expect(begins(reload(false), "0 changes made"), "%s", hub->answer);
}

/* Peers [from, to), each with an allowed IP. */
static void
write_peers(unsigned from, unsigned to)
{
	FILE *out = fopen(config_folder_path(&folder, "hub.yaml"), "w");

	fputs(PORTS "interfaces:\n  wg0:\n    private-key: " SECRET "\n    peers:\n", out);
	for (unsigned i = from; i < to; i++) {
		uint8_t key[SL_KEY_LEN] = {(uint8_t)i, (uint8_t)(i >> 8), 1};
		char text[SL_KEY_BASE64_LEN + 1];

		sl_key_to_base64(text, key);
		fprintf(out, "      p%u: {public-key: %s, allowed-ips: [10.3.%u.%u]}\n", i, text, i >> 8, i & 0xff);
	}
	fclose(out);
}

/* More than there is room for; those that had none come when others have gone. */
Test(reload, peers_come_when_there_is_room)
{
	const unsigned room = hub->gw.dp->peers.capacity;
	struct sl_gateway_if *wg0;

	write_peers(0, room + 100);
	reload(false);
	cr_expect(hub->failed);
	wg0 = hub_if(hub, "wg0");
	cr_assert_leq(sl_proto_if_n_peers(wg0->proto), room);
	write_peers(200, room + 100);
	reload(false);
	cr_expect(hub->failed, "peers go when all that comes is there");
	reload(false);
	cr_expect_not(hub->failed, "%s", hub->answer);
	cr_expect_eq(sl_proto_if_n_peers(wg0->proto), room - 100);
	cr_expect_eq(sl_allowed_ips_total(hub->gw.allowed), room - 100);
	cr_expect(begins(reload(false), "0 changes made"), "%s", hub->answer);
}

/* Where its thread runs, a command that it starts does. */
Test(reload, its_thread_runs_where_helpers_do)
{
	char text[1024], said[256] = "", want[64];
	cpu_set_t all, *helpers = &hub->gw.cores.helpers;
	unsigned cpu = CPU_SETSIZE;
	FILE *in;

	cr_assert_eq(sched_getaffinity(0, sizeof(all), &all), 0);
	while (!CPU_ISSET(cpu - 1, &all))
		cpu--;
	CPU_ZERO(helpers);
	CPU_SET(cpu - 1, helpers);
	snprintf(text, sizeof(text),
		PORTS "interfaces:\n  wg0:\n    private-key-command: [sh, -c, \"grep Cpus_allowed_list /proc/self/status "
		      ">%s/cpus; echo " SECRET "\"]\n", folder.path);
	config_folder_write(&folder, "hub.yaml", 0600, text);
	reload(false);
	cr_assert_not(hub->failed, "%s", hub->answer);
	in = fopen(config_folder_path(&folder, "cpus"), "r");
	cr_assert_not_null(in);
	cr_assert_not_null(fgets(said, sizeof(said), in));
	fclose(in);
	snprintf(want, sizeof(want), "Cpus_allowed_list:\t%u\n", cpu - 1);
	cr_expect_str_eq(said, want);
}
