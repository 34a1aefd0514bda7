/* What a right configuration turns into: every key, every form of a value, defaults. */
#include <criterion/criterion.h>
#include <string.h>

#include "control/config.h"
#include "crypto/base64.h"
#include "crypto/x25519.h"

static const char whole[] =
        "version: 1\n"
        "name: hub-2\n"
        "dataplane: {workers: [1, 2, 5-7], control-core: 3, idle: poll, simd: avx2, hugepages: off}\n"
        "ports:\n"
        "  wan0:\n"
        "    device: \"0000:AF:00.1\"\n"
        "    addresses: [203.0.113.10/24, \"2001:db8::10/64\", \"fe80::10/64\"]\n"
        "    gateway: [203.0.113.1, \"fe80::1\"]\n"
        "    mtu: 9000\n"
        "    forward-clear: true\n"
        "  lan0: {device: \"af_packet:eth1\", addresses: 10.20.0.1/16}\n"
        "  lan1: {device: \"af_xdp:eth2\", addresses: [\"fe80::10/64\"]}\n"
        "  lan2: {device: \"tap:tap0\", addresses: []}\n"
        "  lan3: {device: \"net_ring0,nodeaction=r1:0:CREATE\", addresses: }\n"
        "interfaces:\n"
        "  wg0:\n"
        "    private-key: yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n"
        "    listen-port: 51820\n"
        "    addresses: [10.64.0.1/16, \"fd00:64::1/64\", 10.65.0.1]\n"
        "    mtu: 1380\n"
        "    peers:\n"
        "      frankfurt:\n"
        "        public-key: TDd25Cwq6tMZANIKUaqred+Zt+09HtCqwFeOLtKQ9Cs=\n"
        "        preshared-key: xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\n"
        "        endpoint: fra.example.net:51820\n"
        "        allowed-ips: [10.64.0.2/32, 10.30.1.2/16, \"FD00:64:0::2\"]\n"
        "        persistent-keepalive: 25\n"
        "      m\xc3\xbcnchen:\n"
        "        public-key: xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\n"
        "        preshared-key: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
        "        endpoint: \"[2001:db8::9]:1024\"\n"
        "        persistent-keepalive: off\n"
        "        allowed-ips: 0.0.0.0/0\n"
        "  wg1:\n"
        "    private-key: yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n"
        "    routes: none\n"
        "    peers:\n"
        "      frankfurt: {public-key: JIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=, allowed-ips: [10.30.0.0/16], "
        "endpoint: 192.0.2.7:9}\n"
        "routes:\n"
        "  - {to: 10.99.3.4/16, via: 10.20.0.254}\n"
        "  - {to: \"2001:db8:9::/48\", via: \"fe80::9\", port: lan1}\n"
        "  - {to: 10.98.0.0/16, port: lan0}\n"
        "  - {to: 10.97.0.0/16, interface: wg1}\n";

static struct sl_config *load(const char *text)
{
	struct sl_config_errors errs;
	struct sl_config *config;

	sl_config_errors_init(&errs);
	config = sl_config_load_text("t.yaml", text, strlen(text), &errs);
	cr_assert(config, "%s", errs.n_messages ? errs.messages[0].text : "refused without a word");
	sl_config_errors_free(&errs);
	return config;
}

static void expect_prefix(const struct sl_prefix *prefix, const char *text)
{
	char shown[SL_PREFIX_STRLEN];

	cr_expect_str_eq(sl_prefix_format(prefix, shown), text);
}

static void expect_ip(const struct sl_ip *ip, const char *text)
{
	char shown[SL_IP_STRLEN];

	cr_expect_str_eq(sl_ip_format(ip, shown), text);
}

static void expect_key(const uint8_t key[SL_KEY_LEN], const char *text)
{
	char shown[SL_KEY_BASE64_LEN + 1];

	sl_key_to_base64(shown, key);
	cr_expect_str_eq(shown, text);
}

Test(config_forms, dataplane)
{
	static const uint16_t cores[] = {1, 2, 5, 6, 7};
	struct sl_config *config = load(whole);
	const struct sl_config_dataplane *dp = &config->dataplane;

	cr_expect_str_eq(config->name, "hub-2");
	cr_expect_eq(dp->workers, SL_WORKERS_CORES);
	cr_expect_eq(dp->n_workers, 5);
	cr_expect_arr_eq(dp->cores, cores, sizeof(cores));
	cr_expect_eq(dp->control_core, 3);
	cr_expect_eq(dp->idle, SL_IDLE_POLL);
	cr_expect_eq(dp->simd, SL_SIMD_AVX2);
	cr_expect_eq(dp->hugepages, SL_HUGEPAGES_OFF);
	sl_config_free(config);
}

Test(config_forms, ports)
{
	static const struct {
		enum sl_device kind;
		const char *arg;
		uint32_t n_addresses;
	} devices[] = {
	        {SL_DEVICE_PCI, "0000:af:00.1", 3},
	        {SL_DEVICE_AF_PACKET, "eth1", 1},
	        {SL_DEVICE_AF_XDP, "eth2", 1},
	        {SL_DEVICE_TAP, "tap0", 0},
	        {SL_DEVICE_VDEV, "net_ring0,nodeaction=r1:0:CREATE", 0},
	};
	struct sl_config *config = load(whole);
	const struct sl_config_port *wan = &config->ports[0];

	cr_assert_eq(config->n_ports, sizeof(devices) / sizeof(devices[0]));
	for (uint32_t i = 0; i < config->n_ports; i++) {
		cr_expect_eq(config->ports[i].device_kind, devices[i].kind, "%u", i);
		cr_expect_str_eq(config->ports[i].device_arg, devices[i].arg);
		cr_expect_eq(config->ports[i].n_addresses, devices[i].n_addresses, "%u", i);
	}
	cr_expect_str_eq(wan->name, "wan0");
	cr_expect_str_eq(wan->device, "0000:AF:00.1");
	expect_prefix(&wan->addresses[0].prefix, "203.0.113.10/24");
	expect_prefix(&wan->addresses[2].prefix, "fe80::10/64");
	cr_expect_eq(wan->addresses[1].place.line, 7);
	cr_expect_eq(wan->addresses[1].place.column, 34);
	expect_ip(&wan->gateway4, "203.0.113.1");
	expect_ip(&wan->gateway6, "fe80::1");
	cr_expect_eq(wan->mtu, 9000);
	cr_expect(wan->forward_clear);
	cr_expect_eq(config->ports[1].mtu, 1500);
	cr_expect_not(config->ports[1].forward_clear);
	cr_expect_eq(config->ports[1].gateway4.family, SL_AF_NONE);
	sl_config_free(config);
}

Test(config_forms, interfaces)
{
	struct sl_config *config = load(whole);
	const struct sl_config_interface *wg0 = &config->interfaces[0], *wg1 = &config->interfaces[1];

	cr_assert_eq(config->n_interfaces, 2);
	cr_expect_eq(config->n_peers, 3);
	cr_expect_str_eq(wg0->name, "wg0");
	cr_expect(wg0->has_private_key);
	expect_key(wg0->private_key, "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=");
	expect_key(wg0->public_key, "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=");
	cr_expect_eq(wg0->listen_port, 51820);
	cr_expect_eq(wg0->mtu, 1380);
	cr_expect(wg0->routes);
	cr_expect_eq(wg0->n_addresses, 3);
	expect_prefix(&wg0->addresses[2].prefix, "10.65.0.1/32");
	cr_expect_eq(wg0->place.line, 16);
	cr_expect_eq(wg0->place.column, 3);
	cr_expect_eq(wg1->listen_port, 0);
	cr_expect_eq(wg1->mtu, SL_DEFAULT_MTU);
	cr_expect_not(wg1->routes);
	cr_expect_eq(wg1->n_addresses, 0);
	sl_config_free(config);
}

Test(config_forms, peers)
{
	struct sl_config *config = load(whole);
	const struct sl_config_peer *fra = &config->interfaces[0].peers[0], *muc = &config->interfaces[0].peers[1];
	char endpoint[SL_ENDPOINT_STRLEN];

	cr_assert_eq(config->interfaces[0].n_peers, 2);
	cr_expect_str_eq(fra->name, "frankfurt");
	cr_expect_eq(fra->place.line, 22);
	expect_key(fra->public_key, "TDd25Cwq6tMZANIKUaqred+Zt+09HtCqwFeOLtKQ9Cs=");
	cr_expect(fra->has_preshared_key);
	expect_key(fra->preshared_key, "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=");
	cr_expect_str_eq(fra->endpoint.host, "fra.example.net");
	cr_expect_eq(fra->endpoint.port, 51820);
	cr_expect_eq(fra->endpoint.literal.ip.family, SL_AF_NONE);
	cr_assert_eq(fra->n_allowed_ips, 3);
	expect_prefix(&fra->allowed_ips[0], "10.64.0.2/32");
	expect_prefix(&fra->allowed_ips[1], "10.30.0.0/16");
	expect_prefix(&fra->allowed_ips[2], "fd00:64::2/128");
	cr_expect_eq(fra->persistent_keepalive, 25);

	cr_expect_str_eq(muc->name, "m\xc3\xbcnchen");
	cr_expect_not(muc->has_preshared_key, "a key of zeros is none");
	cr_expect_null(muc->endpoint.host);
	cr_expect_str_eq(sl_endpoint_format(&muc->endpoint.literal, endpoint), "[2001:db8::9]:1024");
	cr_expect_eq(muc->endpoint.port, 1024);
	cr_expect_eq(muc->persistent_keepalive, 0);
	expect_prefix(&muc->allowed_ips[0], "0.0.0.0/0");
	sl_config_free(config);
}

Test(config_forms, routes)
{
	struct sl_config *config = load(whole);
	const struct sl_config_route *routes = config->routes;

	cr_assert_eq(config->n_routes, 4);
	expect_prefix(&routes[0].to, "10.99.0.0/16");
	expect_ip(&routes[0].via, "10.20.0.254");
	cr_expect_eq(routes[0].port, 1, "found by the prefix that via is in");
	cr_expect_eq(routes[0].interface, -1);
	expect_ip(&routes[1].via, "fe80::9");
	cr_expect_eq(routes[1].port, 2);
	cr_expect_eq(routes[2].via.family, SL_AF_NONE);
	cr_expect_eq(routes[2].port, 1);
	cr_expect_eq(routes[3].port, -1);
	cr_expect_eq(routes[3].interface, 1);
	sl_config_free(config);
}

Test(config_forms, defaults)
{
	struct sl_config *config =
	        load("version: 1\nports: {p: {device: net_null0}}\ninterfaces:\nroutes: ~\ndataplane: null\n");

	cr_expect_str_eq(config->name, "sluice");
	cr_expect_eq(config->dataplane.workers, SL_WORKERS_AUTO);
	cr_expect_eq(config->dataplane.control_core, -1);
	cr_expect_eq(config->dataplane.idle, SL_IDLE_ADAPTIVE);
	cr_expect_eq(config->dataplane.simd, SL_SIMD_AUTO);
	cr_expect_eq(config->dataplane.hugepages, SL_HUGEPAGES_AUTO);
	cr_expect_eq(config->ports[0].mtu, 1500);
	cr_expect_eq(config->n_interfaces, 0);
	cr_expect_eq(config->n_routes, 0);
	sl_config_free(config);
}

/* A private key is clamped when it is taken (protocol.md 8): the same key with other low bits is the same identity. */
Test(config_forms, private_key_is_clamped)
{
	struct sl_config *a, *b;

	a = load("version: 1\nports: {p: {device: net_null0}}\ninterfaces:\n"
	         "  wg0: {private-key: yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=}\n");
	b = load("version: 1\nports: {p: {device: net_null0}}\ninterfaces:\n"
	         "  wg0: {private-key: zwnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBuk=}\n");
	cr_expect_arr_eq(a->interfaces[0].private_key, b->interfaces[0].private_key, SL_KEY_LEN);
	cr_expect_arr_eq(a->interfaces[0].public_key, b->interfaces[0].public_key, SL_KEY_LEN);
	sl_config_free(a);
	sl_config_free(b);
}
