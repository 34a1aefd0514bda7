/* What is said about text, keys, the dataplane and ports that are wrong. */
#include "tests/unit/control/config_cases.h"

static const struct config_case text[] = {
        {"empty_file", "", "t.yaml:1:1: the file is empty; see sluice.yaml(5) for what belongs in it\n"},
        {"only_a_comment", "# nothing\n", "t.yaml:2:1: the file is empty; see sluice.yaml(5) for what belongs in it\n"},
        {"no_mapping", "hello\n", "t.yaml:1:1: no keys here; begin with `version: 1`, see sluice.yaml(5)\n"},
        {"list_at_top", "- version: 1\n", "t.yaml:1:1: the file: not a mapping of keys to values; write one\n"},
        {"no_version", "name: hub\n", "t.yaml:1:1: no version; begin the file with `version: 1`\n"},
        {"version_2", "version: 2\n", "t.yaml:1:10: version: '2' is not known; this Sluice reads version 1\n"},
        {"version_text", "version: one\n", "t.yaml:1:10: version: 'one' is not known; this Sluice reads version 1\n"},
        {"tab_indent",
                VERSION "ports:\n"
                        "\twan0: {}\n",
                "t.yaml:3:1: not YAML: found character that cannot start any token, while scanning for the next token "
                "that starts at line 3; check indentation, brackets and quotes\n"},
        {"unclosed_bracket",
                VERSION "name: [a\n"
                        "ports: {}\n",
                "t.yaml:2:7: name: not a single value; write one\n"
                "t.yaml:3:6: not YAML: did not find expected ',' or ']', while parsing a flow sequence that starts at "
                "line 2; check indentation, brackets and quotes\n"},
        {"unclosed_quote", VERSION "name: \"hub\n",
                "t.yaml:3:1: not YAML: found unexpected end of stream, while scanning a quoted scalar that starts at "
                "line 2; check indentation, brackets and quotes\n"},
        {"bad_utf8",
                VERSION "name: \xff"
                        "\n",
                "t.yaml:2:7: not text: invalid leading UTF-8 octet; save the file as UTF-8\n"},
        {"second_document",
                VERSION "---\n"
                        "version: 1\n",
                "t.yaml:2:1: a second document starts here; keep one in a file\n"},
        {"alias", VERSION "name: *x\n", "t.yaml:2:7: alias '*x': aliases are not supported; write the value out\n"},
        {"anchor", VERSION "name: &x hub\n", "t.yaml:2:7: anchor '&x': anchors are not supported; take it out\n"},
        {"tag", VERSION "name: !!str hub\n",
                "t.yaml:2:7: tag 'tag:yaml.org,2002:str': tags are not supported; take it out\n"},
        {"merge_key", PORT("<<: {mtu: 1500}, device: net_null0"),
                "t.yaml:3:10: '<<': merge keys are not supported; write the keys out\n"},
        {"key_is_a_list", VERSION "[a, b]: 1\n", "t.yaml:2:1: a key must be a word; take the brackets out\n"},
        {"nul_in_value", VERSION "name: \"h\\0b\"\n", "t.yaml:2:7: a NUL character in a value; take it out\n"},
        {"escape_in_value", VERSION "name: \"\\e[31m\"\n",
                "t.yaml:2:7: name: '?[31m' is not valid; use a-z, 0-9 and, within, '-'\n"},
        {"deep_nesting", VERSION "ports: [[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]\n",
                "t.yaml:2:8: ports: not a mapping of keys to values; write one\n"
                "t.yaml:2:23: nested more than 16 deep; nothing here needs that\n"},
};

Test(config_errors, text)
{
	run_config_cases(text, sizeof(text) / sizeof(text[0]));
}

static const struct config_case keys[] = {
        {"unknown_key", VERSION "port: {}\n", "t.yaml:2:1: unknown key 'port'; did you mean 'ports'?\n"},
        {"unknown_key_in_port", PORT("device: net_null0, adresses: [192.0.2.1/24]"),
                "t.yaml:3:29: unknown key 'adresses'; did you mean 'addresses'?\n"},
        {"unknown_key_in_interface", IFACE("    listenport: 51820\n"),
                "t.yaml:7:5: unknown key 'listenport'; did you mean 'listen-port'?\n"},
        {"unknown_key_in_peer", PEER("        allowedips: [10.0.0.1/32]\n"),
                "t.yaml:10:9: unknown key 'allowedips'; did you mean 'allowed-ips'?\n"},
        {"wg_quick_word", PEER("        PersistentKeepalive: 25\n"),
                "t.yaml:10:9: unknown key 'PersistentKeepalive'; did you mean 'persistent-keepalive'?\n"},
        {"unknown_key_in_capitals", IFACE("    POOL: 3\n"), "t.yaml:7:5: unknown key 'POOL'; did you mean 'pool'?\n"},
        {"unknown_key_in_dataplane", VERSION "dataplane: {worker: 1}\n",
                "t.yaml:2:13: unknown key 'worker'; did you mean 'workers'?\n"},
        {"unknown_key_in_route", ROUTE("  - {to: 10.9.0.0/16, gateway: 192.0.2.9}\n"),
                "t.yaml:8:5: route has no next hop; give via: ADDRESS, port: NAME or interface: NAME\n"
                "t.yaml:8:23: unknown key 'gateway'; did you mean 'to'?\n"},
        {"doubled_key",
                VERSION "name: a\n"
                        "name: b\n",
                "t.yaml:3:1: 'name' is given twice, first at t.yaml:2:1; keep one of them\n"},
        {"doubled_key_in_port", PORT("device: net_null0, mtu: 1500, mtu: 1400"),
                "t.yaml:3:40: 'mtu' is given twice, first at t.yaml:3:29; keep one of them\n"},
        {"doubled_section",
                VERSION "ports: {}\n"
                        "ports: {}\n",
                "t.yaml:3:1: 'ports' is given twice, first at t.yaml:2:1; keep one of them\n"},
        {"doubled_peer",
                IFACE("    peers:\n"
                      "      a: {public-key: " KEY_A "}\n"
                      "      a: {public-key: " KEY_B "}\n"),
                "t.yaml:9:7: peer 'a' is given twice, first at t.yaml:8:7; rename one or take it out\n"},
        {"doubled_port",
                VERSION "ports:\n"
                        "  p: {device: net_null0}\n"
                        "  p: {device: net_null1}\n",
                "t.yaml:4:3: port 'p' is given twice, first at t.yaml:3:3; keep one of them\n"},
        {"doubled_interface", IFACE("  wg0: {private-key: " PRIVATE "}\n"),
                "t.yaml:7:3: interface 'wg0' is given twice, first at t.yaml:5:3; keep one of them\n"},
        {"policy_later",
                VERSION "policy:\n"
                        "  - {from: staff, to: 10.20.0.0/16, action: allow}\n",
                "t.yaml:2:1: policy: not in this version; take it out\n"},
        {"nat_later", VERSION "nat: []\n", "t.yaml:2:1: nat: not in this version; take it out\n"},
        {"groups_later", VERSION "groups: {staff: {peers: [a], isolate: true}}\n",
                "t.yaml:2:1: groups: not in this version; take it out\n"},
        {"metrics_later", VERSION "metrics: {listen: \"127.0.0.1:9586\"}\n",
                "t.yaml:2:1: metrics: not in this version; take it out\n"},
};

Test(config_errors, keys)
{
	run_config_cases(keys, sizeof(keys) / sizeof(keys[0]));
}

static const struct config_case dataplane[] = {
        {"name_upper", VERSION "name: Hub\n", "t.yaml:2:7: name: 'Hub' is not valid; use a-z, 0-9 and, within, '-'\n"},
        {"name_dash_first", VERSION "name: -hub\n",
                "t.yaml:2:7: name: '-hub' is not valid; use a-z, 0-9 and, within, '-'\n"},
        {"name_long", VERSION "name: a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-\n",
                "t.yaml:2:7: name: 'a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-' is too long; use "
                "at most 63 characters\n"},
        {"name_list", VERSION "name: [a]\n", "t.yaml:2:7: name: not a single value; write one\n"},
        {"workers_zero", VERSION "dataplane: {workers: 0}\n",
                "t.yaml:2:22: workers: 0 is out of range; give a number from 1 to 64\n"},
        {"workers_word", VERSION "dataplane: {workers: many}\n",
                "t.yaml:2:22: workers: 'many' is not a decimal number; give one from 1 to 64\n"},
        {"workers_range", VERSION "dataplane: {workers: 1-3}\n",
                "t.yaml:2:22: workers: '1-3' is not a count; write a core list in brackets, such as [1, 5-7]\n"},
        {"workers_empty_list", VERSION "dataplane: {workers: []}\n",
                "t.yaml:2:22: workers: an empty list; name at least one core, or give auto\n"},
        {"workers_bad_range", VERSION "dataplane: {workers: [3-1]}\n",
                "t.yaml:2:23: workers: '3-1' is neither a core nor a range; give such as 3 or 5-7\n"},
        {"workers_core_twice", VERSION "dataplane: {workers: [1, 0-2]}\n",
                "t.yaml:2:26: workers: core 1 is given twice; give each once\n"},
        {"workers_mapping", VERSION "dataplane: {workers: {a: 1}}\n",
                "t.yaml:2:22: workers: not a single value; write one\n"},
        {"control_core_word", VERSION "dataplane: {control-core: first}\n",
                "t.yaml:2:27: control-core: 'first' is not a decimal number; give one from 0 to 1023\n"},
        {"idle_word", VERSION "dataplane: {idle: sleep}\n",
                "t.yaml:2:19: idle: 'sleep' is not known; give adaptive or poll\n"},
        {"simd_word", VERSION "dataplane: {simd: neon}\n",
                "t.yaml:2:19: simd: 'neon' is not known; give auto, sse, avx2 or avx512\n"},
        {"hugepages_word", VERSION "dataplane: {hugepages: yes}\n",
                "t.yaml:2:24: hugepages: 'yes' is not known; give auto, on or off\n"},
        {"dataplane_list", VERSION "dataplane: [1]\n",
                "t.yaml:2:12: dataplane: not a mapping of keys to values; write one\n"},
};

Test(config_errors, dataplane)
{
	run_config_cases(dataplane, sizeof(dataplane) / sizeof(dataplane[0]));
}

static const struct config_case ports[] = {
        {"port_no_device", PORT("mtu: 1500"),
                "t.yaml:3:3: port 'wan0' has no device; give one, such as device: \"af_packet:eth1\"\n"},
        {"port_empty",
                VERSION "ports:\n"
                        "  wan0:\n",
                "t.yaml:3:3: port 'wan0' has no device; give one, such as device: \"af_packet:eth1\"\n"},
        {"port_name_long",
                VERSION "ports:\n"
                        "  abcdefghijklmnop: {device: net_null0}\n",
                "t.yaml:3:3: port name 'abcdefghijklmnop' is too long; use at most 15 characters\n"},
        {"port_name_slash",
                VERSION "ports:\n"
                        "  a/b: {device: net_null0}\n",
                "t.yaml:3:3: port name 'a/b' is not valid; use letters, digits and _ = + . -\n"},
        {"port_name_all",
                VERSION "ports:\n"
                        "  all: {device: net_null0}\n",
                "t.yaml:3:3: port name 'all' has a meaning of its own; choose another\n"},
        {"device_kernel_name", PORT("device: eth1"),
                "t.yaml:3:18: device: 'eth1' is not known; for the kernel's interface of that name write "
                "\"af_packet:eth1\"\n"},
        {"device_unknown", PORT("device: \"dpdk:0\""),
                "t.yaml:3:18: device: 'dpdk:0' is not known; give a PCI address such as \"0000:31:00.0\", "
                "\"af_packet:IFACE\", \"af_xdp:IFACE\", \"tap:IFACE\" or \"net_…\"\n"},
        {"device_pci_short", PORT("device: \"31:0.0\""),
                "t.yaml:3:18: device: '31:0.0' is not known; give a PCI address such as \"0000:31:00.0\", "
                "\"af_packet:IFACE\", \"af_xdp:IFACE\", \"tap:IFACE\" or \"net_…\"\n"},
        {"device_af_packet_no_name", PORT("device: \"af_packet:\""),
                "t.yaml:3:18: device: 'af_packet:' does not name an interface; write af_packet:IFACE, at most 15 "
                "characters\n"},
        {"device_name_long", PORT("device: \"af_xdp:abcdefghijklmnop\""),
                "t.yaml:3:18: device: 'af_xdp:abcdefghijklmnop' does not name an interface; write af_xdp:IFACE, at "
                "most 15 characters\n"},
        {"device_with_comma", PORT("device: \"af_packet:eth0,qpairs=2\""),
                "t.yaml:3:18: device: 'af_packet:eth0,qpairs=2' does not name an interface; write af_packet:IFACE, at "
                "most 15 characters\n"},
        {"device_list", PORT("device: [net_null0]"), "t.yaml:3:18: device: not a single value; write one\n"},
        {"device_twice",
                VERSION "ports:\n"
                        "  a: {device: \"af_packet:eth1\"}\n"
                        "  b: {device: \"af_xdp:eth1\"}\n",
                "t.yaml:4:15: device: 'af_xdp:eth1' belongs to port 'a' at t.yaml:3:15; give each port its own\n"},
        {"device_pci_twice",
                VERSION "ports:\n"
                        "  a: {device: \"0000:31:00.0\"}\n"
                        "  b: {device: \"31:00.0\"}\n",
                "t.yaml:4:15: device: '31:00.0' belongs to port 'a' at t.yaml:3:15; give each port its own\n"},
        {"device_vdev_twice",
                VERSION "ports:\n"
                        "  a: {device: \"net_ring0\"}\n"
                        "  b: {device: \"net_ring0,nodeaction=r1:0:CREATE\"}\n",
                "t.yaml:4:15: device: 'net_ring0,nodeaction=r1:0:CREATE' belongs to port 'a' at t.yaml:3:15; give each "
                "port its own\n"},
        {"forward_clear_yes", PORT("device: net_null0, forward-clear: yes"),
                "t.yaml:3:44: forward-clear: 'yes' is not known; give false or true\n"},
        {"ports_list", VERSION "ports: [wan0]\n", "t.yaml:2:8: ports: not a mapping of keys to values; write one\n"},
        {"port_scalar", VERSION "ports: {wan0: eth0}\n",
                "t.yaml:2:15: wan0: not a mapping of keys to values; write one\n"},
};

Test(config_errors, ports)
{
	run_config_cases(ports, sizeof(ports) / sizeof(ports[0]));
}

static const struct config_case addresses[] = {
        {"address_text", PORT("device: net_null0, addresses: [example.net]"),
                "t.yaml:3:41: addresses: 'example.net' is not an address with a prefix length; give one such as "
                "192.0.2.1/24 or 2001:db8::1/64\n"},
        {"address_no_length", PORT("device: net_null0, addresses: [192.0.2.1]"),
                "t.yaml:3:41: addresses: '192.0.2.1' has no prefix length; write the network's, such as "
                "192.0.2.1/24\n"},
        {"address_no_length_v6", PORT("device: net_null0, addresses: ['2001:db8::1']"),
                "t.yaml:3:41: addresses: '2001:db8::1' has no prefix length; write the network's, such as "
                "2001:db8::1/64\n"},
        {"address_length_33", PORT("device: net_null0, addresses: [192.0.2.1/33]"),
                "t.yaml:3:41: addresses: '192.0.2.1/33' is not an address with a prefix length; give one such as "
                "192.0.2.1/24 or 2001:db8::1/64\n"},
        {"address_octet", PORT("device: net_null0, addresses: [192.0.2.256/24]"),
                "t.yaml:3:41: addresses: '192.0.2.256/24' is not an address with a prefix length; give one such as "
                "192.0.2.1/24 or 2001:db8::1/64\n"},
        {"address_network", PORT("device: net_null0, addresses: [192.0.2.0/24]"),
                "t.yaml:3:41: addresses: 192.0.2.0/24 is the network's own address; give a host's in it\n"},
        {"address_broadcast", PORT("device: net_null0, addresses: [192.0.2.255/24]"),
                "t.yaml:3:41: addresses: 192.0.2.255/24 is the network's broadcast address; give a host's in it\n"},
        {"address_multicast", PORT("device: net_null0, addresses: ['ff02::1/64']"),
                "t.yaml:3:41: addresses: ff02::1/64 cannot be an interface's; give a unicast one\n"},
        {"address_loopback", PORT("device: net_null0, addresses: [127.0.0.1/8]"),
                "t.yaml:3:41: addresses: 127.0.0.1/8 cannot be an interface's; give a unicast one\n"},
        {"address_length_0", PORT("device: net_null0, addresses: [192.0.2.1/0]"),
                "t.yaml:3:41: addresses: 192.0.2.1/0 has a prefix length of 0; give the network's\n"},
        {"address_empty", PORT("device: net_null0, addresses: [\"\"]"),
                "t.yaml:3:41: addresses: no value; write one or take the key out\n"},
        {"address_mapping", PORT("device: net_null0, addresses: {a: b}"),
                "t.yaml:3:40: addresses: not a list, such as [a, b]; write one\n"},
        {"address_twice", PORT("device: net_null0, addresses: [192.0.2.1/24, 192.0.2.1/25]"),
                "t.yaml:3:55: addresses: 192.0.2.1 is given to 'wan0' already, at t.yaml:3:41; give an address once\n"},
        {"address_on_two_ports",
                VERSION "ports:\n"
                        "  a: {device: net_null0, addresses: [192.0.2.1/24]}\n"
                        "  b: {device: net_null1, addresses: [192.0.2.1/32]}\n",
                "t.yaml:4:38: addresses: 192.0.2.1 is given to 'a' already, at t.yaml:3:38; give an address once\n"},
        {"network_on_two_ports",
                VERSION "ports:\n"
                        "  a: {device: net_null0, addresses: [192.0.2.1/24]}\n"
                        "  b: {device: net_null1, addresses: [192.0.2.2/24]}\n",
                "t.yaml:4:38: addresses: the network 192.0.2.0/24 is on 'a' already, at t.yaml:3:38; a network is on "
                "one port or interface\n"},
        {"network_within_network",
                VERSION "ports:\n"
                        "  a: {device: net_null0, addresses: [10.0.0.1/8]}\n"
                        "  b: {device: net_null1, addresses: [10.1.0.1/16]}\n",
                "t.yaml:4:38: warning: addresses: the network 10.1.0.0/16 is a part of 10.0.0.0/8 on 'a' at "
                "t.yaml:3:38; its hosts must not be there\n"},
        {"address_port_and_interface",
                VERSION "ports:\n"
                        "  a: {device: net_null0, addresses: [10.64.0.1/16]}\n"
                        "interfaces:\n"
                        "  wg0: {private-key: " PRIVATE ", addresses: [10.64.0.1/16]}\n",
                "t.yaml:5:80: addresses: 10.64.0.1 is given to 'a' already, at t.yaml:3:38; give an address once\n"},
        {"addresses_31",
                PORT("device: net_null0, addresses: [10.0.0.1/16, 10.1.0.1/16, 10.2.0.1/16, 10.3.0.1/16, 10.4.0.1/16, "
                     "10.5.0.1/16, 10.6.0.1/16, 10.7.0.1/16, 10.8.0.1/16, 10.9.0.1/16, 10.10.0.1/16, 10.11.0.1/16, "
                     "10.12.0.1/16, 10.13.0.1/16, 10.14.0.1/16, 10.15.0.1/16, 10.16.0.1/16, 10.17.0.1/16, "
                     "10.18.0.1/16, 10.19.0.1/16, 10.20.0.1/16, 10.21.0.1/16, 10.22.0.1/16, 10.23.0.1/16, "
                     "10.24.0.1/16, 10.25.0.1/16, 10.26.0.1/16, 10.27.0.1/16, 10.28.0.1/16, 10.29.0.1/16, "
                     "10.30.0.1/16]"),
                "t.yaml:3:451: addresses: more than 30; take some out\n"},
        {"gateway_off_link", PORT("device: net_null0, addresses: [192.0.2.1/24], gateway: 192.0.3.254"),
                "t.yaml:3:65: gateway: 192.0.3.254 is in none of this port's prefixes; give a neighbour, or add an "
                "address in its network\n"},
        {"gateway_own", PORT("device: net_null0, addresses: [192.0.2.1/24], gateway: 192.0.2.1"),
                "t.yaml:3:65: gateway: 192.0.2.1 is this port's own address; give the router's\n"},
        {"gateway_two_v4", PORT("device: net_null0, addresses: [192.0.2.1/24], gateway: [192.0.2.2, 192.0.2.3]"),
                "t.yaml:3:77: gateway: a second IPv4 gateway, the first is at t.yaml:3:66; keep one of them\n"},
        {"gateway_text", PORT("device: net_null0, gateway: router"),
                "t.yaml:3:38: gateway: 'router' is not an IP address; give one such as 192.0.2.1 or 2001:db8::1\n"},
        {"gateway_prefix", PORT("device: net_null0, addresses: [192.0.2.1/24], gateway: 192.0.2.254/24"),
                "t.yaml:3:65: gateway: '192.0.2.254/24' is not an IP address; give one such as 192.0.2.1 or "
                "2001:db8::1\n"},
        {"gateway_on_two_ports",
                VERSION "ports:\n"
                        "  a: {device: net_null0, addresses: [192.0.2.1/24], gateway: 192.0.2.254}\n"
                        "  b: {device: net_null1, addresses: [198.51.100.1/24], gateway: 198.51.100.254}\n",
                "t.yaml:4:65: warning: gateway: port 'a' at t.yaml:3:62 has an IPv4 gateway too, and that one is the "
                "default route; add `routes` for what goes this way\n"},
        {"mtu_small", PORT("device: net_null0, mtu: 500"),
                "t.yaml:3:34: mtu: 500 is out of range; give a number from 576 to 9000\n"},
        {"mtu_large", PORT("device: net_null0, mtu: 9001"),
                "t.yaml:3:34: mtu: 9001 is out of range; give a number from 576 to 9000\n"},
        {"mtu_text", PORT("device: net_null0, mtu: big"),
                "t.yaml:3:34: mtu: 'big' is not a decimal number; give one from 576 to 9000\n"},
        {"mtu_octal", PORT("device: net_null0, mtu: 01500"),
                "t.yaml:3:34: mtu: '01500' is not a decimal number; give one from 576 to 9000\n"},
        {"mtu_ipv6", PORT("device: net_null0, mtu: 1279, addresses: ['2001:db8::1/64']"),
                "t.yaml:3:34: mtu: 1279 is too small for the IPv6 address at t.yaml:3:52; give at least 1280\n"},
};

Test(config_errors, addresses)
{
	run_config_cases(addresses, sizeof(addresses) / sizeof(addresses[0]));
}
