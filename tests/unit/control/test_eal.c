/* EAL's arguments and memory as functions of the description, and starts without hugepages. */
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "control/eal.h"
#include "control/port.h"
#include "control/port_args.h"
#include "dataplane/packet.h"

static void
join(const struct sl_eal_args *args, char *out, size_t size)
{
	out[0] = '\0';
	for (int i = 0; i < args->argc; i++) {
		strncat(out, args->argv[i], size - strlen(out) - 1);
		strncat(out, " ", size - strlen(out) - 1);
	}
}

Test(eal, arguments)
{
	static const struct sl_config_port virtual = {.device_kind = SL_DEVICE_AF_PACKET, .device_arg = "eth1"};
	static const struct sl_config_port pci[] = {
		{.device_kind = SL_DEVICE_PCI, .device_arg = "0000:31:00.0"}, {.device_kind = SL_DEVICE_TAP, .device_arg = "t"}};
	static const struct {
		struct sl_config config;
		struct sl_config_cores cores;
		bool hugepages;
		const char *line;
	} cases[] = {
		{{.ports = &virtual, .n_ports = 1}, {.control = 0, .workers = {1}, .n_workers = 1}, false,
			"sluice --lcores=0@0,1@1 --main-lcore=0 --no-pci --no-huge --no-shconf -m 100 --file-prefix=p "
			"--no-telemetry --log-level=error "},
		{{.ports = &virtual, .n_ports = 1}, {.control = 2, .workers = {2, 5, 7}, .n_workers = 3, .shared = true}, true,
			"sluice --lcores=0@2,1@2,2@5,3@7 --main-lcore=0 --no-pci --in-memory -m 100 --file-prefix=p "
			"--no-telemetry --log-level=error "},
		{{.ports = pci, .n_ports = 2}, {.control = 0, .workers = {1}, .n_workers = 1}, true,
			"sluice --lcores=0@0,1@1 --main-lcore=0 --allow=0000:31:00.0 --in-memory -m 100 --file-prefix=p "
			"--no-telemetry --log-level=error "},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct sl_eal_args args;
		char line[1024];

		cr_assert(sl_eal_args_make(&args, &cases[i].config, &cases[i].cores, 100u << 20, cases[i].hugepages, "p"));
		join(&args, line, sizeof(line));
		cr_expect_str_eq(line, cases[i].line);
		cr_expect_null(args.argv[args.argc]);
		sl_eal_args_free(&args);
	}
}

Test(eal, arguments_of_the_largest_gateway_fit)
{
	struct sl_config_port ports[64];
	struct sl_config config = {.ports = ports, .n_ports = 64};
	struct sl_config_cores cores = {.n_workers = SL_CONFIG_CORES_MAX};
	struct sl_eal_args args;
	char last[32];

	for (unsigned i = 0; i < 64; i++)
		ports[i] = (struct sl_config_port){.device_kind = SL_DEVICE_PCI, .device_arg = "0000:31:00.0"};
	for (unsigned i = 0; i < SL_CONFIG_CORES_MAX; i++)
		cores.workers[i] = (uint16_t)(1000 + i);
	cr_expect(sl_eal_args_make(&args, &config, &cores, 1u << 30, true, "p"));
	snprintf(last, sizeof(last), ",%u@%u", SL_CONFIG_CORES_MAX, 1000 + SL_CONFIG_CORES_MAX - 1);
	cr_expect(strstr(args.argv[1], last), "%s", args.argv[1]);
	sl_eal_args_free(&args);
}

static int
where(void *arg)
{
	*(int *)arg = sched_getcpu();
	return 0;
}

Test(eal, a_start_without_hugepages_has_the_memory_it_was_asked_for)
{
	struct sl_config_port port = {.mtu = 1500};
	struct sl_config config = {.dataplane.hugepages = SL_HUGEPAGES_OFF};
	struct sl_config_cores cores = {.n_workers = 2, .workers = {0, 0}, .shared = true};
	struct sl_eal_needs needs = {.pool_size = 32767, .frame_len = sl_port_frame_len(&port, 1), .jumbo_size = 63, .workers = 2,
		.ports = 2, .interfaces = 4};
	struct sl_eal_report report;
	int cpus[2] = {-1, -1};

	cr_assert(sl_eal_start(&config, &cores, &needs, &report), "%s", report.error);
	cr_expect(!report.hugepages);
	cr_expect_str_eq(report.notice, "");
	cr_expect_not_null(sl_packet_pool_create("a", needs.pool_size, 256, needs.frame_len, SOCKET_ID_ANY));
	cr_expect_not_null(sl_packet_pool_create("b", needs.jumbo_size, 0, 65000, SOCKET_ID_ANY));
	for (unsigned w = 0; w < 2; w++)
		cr_assert_eq(rte_eal_remote_launch(where, &cpus[w], sl_eal_worker_lcore(w)), 0);
	rte_eal_mp_wait_lcore();
	cr_expect_eq(cpus[0], 0);
	cr_expect_eq(cpus[1], 0);
	cr_expect_eq(sched_getcpu(), 0);
	sl_eal_stop();
}

Test(eal, hugepages_that_are_demanded_and_missing_are_an_error)
{
	struct sl_config config = {.dataplane.hugepages = SL_HUGEPAGES_ON};
	struct sl_config_cores cores = {.n_workers = 1};
	/* more than any machine has free */
	struct sl_eal_needs needs = {.pool_size = UINT32_MAX, .frame_len = UINT16_MAX};
	struct sl_eal_report report;

	cr_expect(!sl_eal_start(&config, &cores, &needs, &report));
	cr_expect(strstr(report.error, "vm.nr_hugepages"), "%s", report.error);
}

Test(eal, memory_grows_with_the_needs)
{
	struct sl_eal_needs small = {.pool_size = 1024, .frame_len = 1760, .workers = 1, .ports = 1}, big = small;

	big.pool_size += 1024;
	cr_expect_geq(sl_eal_memory(&big) - sl_eal_memory(&small), 1024 * 2048);
	cr_expect_eq(sl_eal_memory(&small) % (2u << 20), 0);
}

Test(port_args, devices)
{
	static const struct {
		struct sl_config_port port;
		const char *args;
	} cases[] = {
		{{.name = "lan0", .device_kind = SL_DEVICE_AF_PACKET, .device_arg = "eth1", .mtu = 1500},
			"net_af_packet_lan0,iface=eth1,qpairs=2,framesz=2048,blocksz=4096,framecnt=1024"},
		{{.name = "lan0", .device_kind = SL_DEVICE_AF_PACKET, .device_arg = "eth1", .mtu = 9000},
			"net_af_packet_lan0,iface=eth1,qpairs=2,framesz=9216,blocksz=36864,framecnt=1024"},
		{{.name = "x", .device_kind = SL_DEVICE_AF_XDP, .device_arg = "nosuch", .mtu = 1500},
			"net_af_xdp_x,iface=nosuch,start_queue=0,queue_count=1"},
		{{.name = "t", .device_kind = SL_DEVICE_TAP, .device_arg = "tap9", .mtu = 1500}, "net_tap_t,iface=tap9"},
		{{.name = "n", .device_kind = SL_DEVICE_VDEV, .device_arg = "net_null0,size=64", .mtu = 1500}, "net_null0,size=64"},
		{{.name = "p", .device_kind = SL_DEVICE_PCI, .device_arg = "0000:31:00.0", .mtu = 1500}, "0000:31:00.0"},
	};
	char args[SL_PORT_DEVARGS_LEN];

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		cr_assert(sl_port_devargs(&cases[i].port, 2, args, sizeof(args)));
		cr_expect_str_eq(args, cases[i].args);
	}
	cr_expect(!sl_port_devargs(&cases[0].port, 2, args, 20));
}

Test(port_args, every_mtu_has_frames_that_fit_buffers_and_blocks_without_gaps)
{
	for (uint32_t mtu = SL_CONFIG_MTU_MIN; mtu <= SL_CONFIG_MTU_MAX; mtu++) {
		struct sl_config_port port = {.device_kind = SL_DEVICE_AF_PACKET, .mtu = mtu};
		uint32_t frame = sl_port_ring_frame(mtu), block = sl_port_ring_block(frame);
		uint32_t room = sl_port_frame_len(&port, 1) + SL_HEADROOM + SL_TAILROOM;

		cr_assert_eq(frame % 16, 0);
		cr_assert_eq(block % 4096, 0);
		cr_assert_eq(block % frame, 0);
		cr_assert_eq(1024 % (block / frame), 0, "whole blocks for MTU %u", mtu);
		cr_assert_leq(66 + 14 + 8 + mtu, frame + 14, "MTU %u", mtu);
		cr_assert_geq(room, frame - 32, "net_af_packet refuses MTU %u", mtu);
		cr_assert_geq(room, mtu + 22 + SL_HEADROOM + SL_TAILROOM);
		cr_assert_geq(sl_port_mtu_max(&port), mtu);
	}
}
