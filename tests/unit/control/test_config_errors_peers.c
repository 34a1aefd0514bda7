/* What is said about interfaces, peers and routes that are wrong. */
#include "tests/unit/control/config_cases.h"

static const struct config_case interfaces[] = {
        {"private_key_short",
                VERSION "ports: {p: {device: net_null0}}\n"
                        "interfaces:\n"
                        "  wg0: {private-key: abc}\n",
                "t.yaml:4:22: private-key: not a WireGuard key; give the 44 characters of base64 that `sluice genkey`, "
                "`pubkey` or `genpsk` print\n"},
        {"private_key_both",
                VERSION "ports: {p: {device: net_null0}}\n"
                        "interfaces:\n"
                        "  wg0:\n"
                        "    private-key: " PRIVATE "\n"
                        "    private-key-file: /dev/null\n",
                "t.yaml:6:5: private-key-file beside private-key at t.yaml:5:5; keep one of them\n"
                "t.yaml:6:23: private-key-file: '/dev/null' can be read by group or others; run `chmod 600` on it\n"},
        {"private_key_none",
                VERSION "ports: {p: {device: net_null0}}\n"
                        "interfaces:\n"
                        "  wg0: {listen-port: 1}\n",
                "t.yaml:4:3: warning: interface 'wg0' has no private key and is silent until `wg set` gives it one; "
                "add private-key-file\n"},
        {"private_key_zero",
                VERSION "ports: {p: {device: net_null0}}\n"
                        "interfaces:\n"
                        "  wg0: {private-key: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=}\n",
                "t.yaml:4:3: warning: interface 'wg0' has a private key of zeros, which means none; make one with "
                "`sluice genkey`\n"},
        {"private_key_file_missing",
                VERSION "ports: {p: {device: net_null0}}\n"
                        "interfaces:\n"
                        "  wg0: {private-key-file: /nonexistent/key}\n",
                "t.yaml:4:27: private-key-file: cannot read '/nonexistent/key': No such file or directory; make the "
                "key file or name another\n"},
        {"listen_port_large", IFACE("    listen-port: 65536\n"),
                "t.yaml:7:18: listen-port: 65536 is out of range; give a number from 0 to 65535\n"},
        {"listen_port_negative", IFACE("    listen-port: -1\n"),
                "t.yaml:7:18: listen-port: '-1' is not a decimal number; give one from 0 to 65535\n"},
        {"listen_port_twice",
                IFACE("    listen-port: 51820\n"
                      "  wg1:\n"
                      "    private-key: " PRIVATE "\n"
                      "    listen-port: 51820\n"),
                "t.yaml:10:18: listen-port: 51820 belongs to interface 'wg0' at t.yaml:7:18; give each its own\n"},
        {"interface_mtu", IFACE("    mtu: 100\n"),
                "t.yaml:7:10: mtu: 100 is out of range; give a number from 576 to 9000\n"},
        {"interface_mtu_ipv6",
                IFACE("    mtu: 1200\n"
                      "    addresses: ['fd00::1/64']\n"),
                "t.yaml:7:10: mtu: 1200 is too small for the IPv6 address at t.yaml:8:17; give at least 1280\n"},
        {"interface_name_of_port",
                VERSION "ports: {x: {device: net_null0}}\n"
                        "interfaces: {x: {private-key: " PRIVATE "}}\n",
                "t.yaml:3:14: interface 'x' has the name of the port at t.yaml:2:9; rename one of them\n"},
        {"interface_name_long",
                VERSION "ports: {x: {device: net_null0}}\n"
                        "interfaces: {abcdefghijklmnop: {private-key: " PRIVATE "}}\n",
                "t.yaml:3:14: interface name 'abcdefghijklmnop' is too long; use at most 15 characters\n"},
        {"routes_word", IFACE("    routes: off\n"),
                "t.yaml:7:13: routes: 'off' is not known; give none or allowed-ips\n"},
        {"include_missing", IFACE("    include-peers: /nonexistent/peers.yaml\n"),
                "t.yaml:7:20: cannot read '/nonexistent/peers.yaml': No such file or directory; mend the path or the "
                "file\n"},
        {"include_mapping", IFACE("    include-peers: {a: b}\n"),
                "t.yaml:7:20: include-peers: not a list, such as [a, b]; write one\n"},
};

Test(config_errors, interfaces)
{
	run_config_cases(interfaces, sizeof(interfaces) / sizeof(interfaces[0]));
}

static const struct config_case peers[] = {
        {"peer_no_key", IFACE("    peers: {a: {allowed-ips: [10.0.0.2/32]}}\n"),
                "t.yaml:7:13: peer 'a' has no public-key; add the one that its `wg pubkey` prints\n"},
        {"peer_empty",
                IFACE("    peers:\n"
                      "      a:\n"),
                "t.yaml:8:7: peer 'a' has no public-key; add the one that its `wg pubkey` prints\n"},
        {"peer_key_bad", IFACE("    peers: {a: {public-key: TDd25Cwq6tMZANIKUaqred}}\n"),
                "t.yaml:7:29: public-key: not a WireGuard key; give the 44 characters of base64 that `sluice genkey`, "
                "`pubkey` or `genpsk` print\n"},
        {"peer_key_empty", IFACE("    peers: {a: {public-key: }}\n"),
                "t.yaml:7:29: public-key: no value; write one or take the key out\n"},
        {"peer_name_space", IFACE("    peers: {\"a b\": {public-key: " KEY_A "}}\n"),
                "t.yaml:7:13: peer name 'a…' is not valid; use letters, digits and - _ . @ +\n"},
        {"peer_name_long",
                IFACE("    peers: {a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-: "
                      "{public-key: " KEY_A "}}\n"),
                "t.yaml:7:13: peer name 'a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-' is too "
                "long; use at most 63 bytes\n"},
        {"peer_key_twice",
                IFACE("    peers:\n"
                      "      a: {public-key: " KEY_A "}\n"
                      "      b: {public-key: " KEY_A "}\n"),
                "t.yaml:9:23: public-key: a peer has this key already, at t.yaml:8:23; give each peer its own\n"},
        {"peer_key_on_two_interfaces",
                IFACE("    peers:\n"
                      "      a: {public-key: " KEY_A "}\n"
                      "  wg1:\n"
                      "    private-key: " PRIVATE "\n"
                      "    peers:\n"
                      "      b: {public-key: " KEY_A "}\n"),
                "t.yaml:12:23: public-key: a peer has this key already, at t.yaml:8:23; give each peer its own\n"},
        {"peers_list", IFACE("    peers: [a]\n"), "t.yaml:7:12: peers: not a mapping of keys to values; write one\n"},
        {"psk_bad", PEER("        preshared-key: secret\n"),
                "t.yaml:10:24: preshared-key: not a WireGuard key; give the 44 characters of base64 that `sluice "
                "genkey`, `pubkey` or `genpsk` print\n"},
        {"psk_both",
                PEER("        preshared-key: " KEY_B "\n"
                     "        preshared-key-file: /nonexistent/psk\n"),
                "t.yaml:11:9: preshared-key-file beside preshared-key at t.yaml:10:9; keep one of them\n"
                "t.yaml:11:29: preshared-key-file: cannot read '/nonexistent/psk': No such file or directory; make the "
                "key file or name another\n"},
        {"endpoint_no_port", PEER("        endpoint: 192.0.2.9\n"),
                "t.yaml:10:19: endpoint: '192.0.2.9' has no port; add one, such as :51820\n"},
        {"endpoint_is_a_part_of_a_key", PEER("        endpoint: yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3f\n"),
                "t.yaml:10:19: endpoint: '(not shown, it may be a key)' has no port; add one, such as :51820\n"},
        {"endpoint_port_0", PEER("        endpoint: 192.0.2.9:0\n"),
                "t.yaml:10:19: endpoint: '192.0.2.9:0' has a port that is none; give a number from 1 to 65535\n"},
        {"endpoint_port_large", PEER("        endpoint: 192.0.2.9:65536\n"),
                "t.yaml:10:19: endpoint: '192.0.2.9:65536' has a port that is none; give a number from 1 to 65535\n"},
        {"endpoint_v6_bare", PEER("        endpoint: 2001:db8::9:51820\n"),
                "t.yaml:10:19: endpoint: '2001:db8::9:51820' is not an address and port; write an IPv6 one as "
                "[2001:db8::1]:51820\n"},
        {"endpoint_bad_v4", PEER("        endpoint: 192.0.2:51820\n"),
                "t.yaml:10:19: endpoint: '192.0.2:51820' is neither an IP address nor a host name with a port; "
                "write ADDRESS:PORT or NAME:PORT\n"},
        {"endpoint_bad_name", PEER("        endpoint: fra_.exa mple.net:51820\n"),
                "t.yaml:10:19: endpoint: 'fra_.exa…' is neither an IP address nor a host name with a port; "
                "write ADDRESS:PORT or NAME:PORT\n"},
        {"endpoint_zero", PEER("        endpoint: 0.0.0.0:51820\n"),
                "t.yaml:10:19: endpoint: '0.0.0.0:51820' is nothing to send to; give a peer's own address\n"},
        {"endpoint_multicast", PEER("        endpoint: '[ff02::1]:51820'\n"),
                "t.yaml:10:19: endpoint: '[ff02::1]:51820' is nothing to send to; give a peer's own address\n"},
        {"endpoint_list", PEER("        endpoint: [\"192.0.2.9:1\"]\n"),
                "t.yaml:10:19: endpoint: not a single value; write one\n"},
        {"allowed_bad", PEER("        allowed-ips: [10.0.0.0/33]\n"),
                "t.yaml:10:23: allowed-ips: '10.0.0.0/33' is not an address with a prefix length; give one such as "
                "192.0.2.1/24 or 2001:db8::1/64\n"},
        {"allowed_name", PEER("        allowed-ips: [lan]\n"),
                "t.yaml:10:23: allowed-ips: 'lan' is not an address with a prefix length; give one such as "
                "192.0.2.1/24 or 2001:db8::1/64\n"},
        {"allowed_twice_in_peer", PEER("        allowed-ips: [10.0.0.0/8, 10.1.2.3/8]\n"),
                "t.yaml:10:35: allowed-ips: '10.1.2.3/8' is given twice, first at t.yaml:10:23; keep one of them\n"},
        {"allowed_in_two_peers",
                PEER("        allowed-ips: [10.1.0.0/16]\n"
                     "      b:\n"
                     "        public-key: " KEY_B "\n"
                     "        allowed-ips: [10.1.0.0/16]\n"),
                "t.yaml:13:23: allowed-ips: '10.1.0.0/16' belongs to peer 'a' at t.yaml:10:23; give it to one of "
                "them\n"},
        {"allowed_host_bits",
                PEER("        allowed-ips: ['fd00::/64']\n"
                     "      b:\n"
                     "        public-key: " KEY_B "\n"
                     "        allowed-ips: ['fd00::7/64']\n"),
                "t.yaml:13:23: allowed-ips: 'fd00::7/64' belongs to peer 'a' at t.yaml:10:23; give it to one of "
                "them\n"},
        {"allowed_on_two_interfaces",
                PEER("        allowed-ips: [10.1.0.0/16]\n"
                     "  wg1:\n"
                     "    private-key: " PRIVATE "\n"
                     "    peers:\n"
                     "      b:\n"
                     "        public-key: " KEY_B "\n"
                     "        allowed-ips: [10.1.0.0/16]\n"),
                "t.yaml:16:23: allowed-ips: 10.1.0.0/16 is a route to another interface already, at t.yaml:10:23; give "
                "one of the interfaces `routes: none`\n"},
        {"keepalive_large", PEER("        persistent-keepalive: 65536\n"),
                "t.yaml:10:31: persistent-keepalive: 65536 is out of range; give a number from 0 to 65535\n"},
        {"keepalive_word", PEER("        persistent-keepalive: on\n"),
                "t.yaml:10:31: persistent-keepalive: 'on' is not a decimal number; give one from 0 to 65535\n"},
        {"own_key_as_peer",
                IFACE("    peers:\n"
                      "      self: {public-key: " PUBLIC ", allowed-ips: [10.0.0.0/8]}\n"),
                "t.yaml:8:7: warning: peer 'self' has the public key of interface 'wg0' itself and is left out; take "
                "it out of the file\n"},
};

Test(config_errors, peers)
{
	run_config_cases(peers, sizeof(peers) / sizeof(peers[0]));
}

static const struct config_case routes[] = {
        {"route_no_to", ROUTE("  - {via: 192.0.2.9}\n"),
                "t.yaml:8:5: route has no `to`; give its prefix, such as to: 10.99.0.0/16\n"},
        {"route_no_next_hop", ROUTE("  - {to: 10.9.0.0/16}\n"),
                "t.yaml:8:5: route has no next hop; give via: ADDRESS, port: NAME or interface: NAME\n"},
        {"route_default", ROUTE("  - {to: default, via: 192.0.2.9}\n"),
                "t.yaml:8:10: to: 'default' leaves the family open; write 0.0.0.0/0 or ::/0\n"},
        {"route_bad_to", ROUTE("  - {to: 10.9.0.0/40, via: 192.0.2.9}\n"),
                "t.yaml:8:10: to: '10.9.0.0/40' is not an address with a prefix length; give one such as 192.0.2.1/24 "
                "or 2001:db8::1/64\n"},
        {"route_bad_via", ROUTE("  - {to: 10.9.0.0/16, via: lan}\n"),
                "t.yaml:8:28: via: 'lan' is not an IP address; give one such as 192.0.2.1 or 2001:db8::1\n"},
        {"route_off_link", ROUTE("  - {to: 10.9.0.0/16, via: 172.16.0.1}\n"),
                "t.yaml:8:28: via: 172.16.0.1 is in none of the prefixes of any port; give a neighbour, or use "
                "interface: NAME to route into a tunnel\n"},
        {"route_via_own", ROUTE("  - {to: 10.9.0.0/16, via: 10.20.0.1}\n"),
                "t.yaml:8:28: via: 10.20.0.1 is our own address on port 'lan0'; give the neighbour's\n"},
        {"route_family", ROUTE("  - {to: 10.9.0.0/16, via: '2001:db8::9'}\n"),
                "t.yaml:8:28: via: 2001:db8::9 is not of the family of `to`; give an IPv4 neighbour\n"},
        {"route_link_local", ROUTE("  - {to: '2001:db8:9::/48', via: 'fe80::1'}\n"),
                "t.yaml:8:34: via: fe80::1 is link-local and can be on any port; add port: NAME\n"},
        {"route_other_port", ROUTE("  - {to: 10.9.0.0/16, via: 192.0.2.9, port: lan0}\n"),
                "t.yaml:8:28: via: 192.0.2.9 is in none of the prefixes of port 'lan0'; give a neighbour, or add an "
                "address in its network\n"},
        {"route_no_such_port", ROUTE("  - {to: 10.9.0.0/16, port: lan1}\n"),
                "t.yaml:8:29: port: there is no port 'lan1'; did you mean 'lan0'?\n"},
        {"route_no_such_interface", ROUTE("  - {to: 10.9.0.0/16, interface: wg1}\n"),
                "t.yaml:8:34: interface: there is no interface 'wg1'; did you mean 'wg0'?\n"},
        {"route_both", ROUTE("  - {to: 10.9.0.0/16, interface: wg0, port: lan0}\n"),
                "t.yaml:8:23: interface beside port; a route into an interface needs no other next hop, keep one of "
                "them\n"},
        {"route_twice",
                ROUTE("  - {to: 10.9.0.0/16, via: 192.0.2.9}\n"
                      "  - {to: 10.9.1.0/16, interface: wg0}\n"),
                "t.yaml:9:10: to: this prefix has a route already, at t.yaml:8:10; keep one of them\n"},
        {"route_beside_gateway", ROUTE("  - {to: 0.0.0.0/0, via: 10.20.0.9}\n"),
                "t.yaml:8:10: to: the gateway of port 'wan0' at t.yaml:3:83 is the IPv4 default route already; keep "
                "one of them\n"},
        {"route_tunnel_beside_gateway", ROUTE("  - {to: 0.0.0.0/0, interface: wg0}\n"),
                "t.yaml:8:10: to: the gateway of port 'wan0' at t.yaml:3:83 is the IPv4 default route already; write "
                "0.0.0.0/1 and 128.0.0.0/1 for a full tunnel\n"},
        {"route_scalar", ROUTE("  - 10.9.0.0/16\n"), "t.yaml:8:5: route: not a mapping of keys to values; write one\n"},
        {"routes_mapping",
                VERSION "ports: {p: {device: net_null0}}\n"
                        "routes: {to: 10.9.0.0/16}\n",
                "t.yaml:3:9: routes: not a list, such as [a, b]; write one\n"},
};

Test(config_errors, routes)
{
	run_config_cases(routes, sizeof(routes) / sizeof(routes[0]));
}

static const struct config_case all_at_once[] = {
        {"several_errors",
                VERSION "nam: hub\n"
                        "ports:\n"
                        "  wan0: {device: eth0, mtu: 1, addresses: [192.0.2.300/24]}\n"
                        "interfaces:\n"
                        "  wg0:\n"
                        "    private-key: x\n"
                        "    peers:\n"
                        "      a: {endpoint: here}\n",
                "t.yaml:2:1: unknown key 'nam'; did you mean 'name'?\n"
                "t.yaml:4:18: device: 'eth0' is not known; for the kernel's interface of that name write "
                "\"af_packet:eth0\"\n"
                "t.yaml:4:29: mtu: 1 is out of range; give a number from 576 to 9000\n"
                "t.yaml:4:44: addresses: '192.0.2.300/24' is not an address with a prefix length; give one such as "
                "192.0.2.1/24 or 2001:db8::1/64\n"
                "t.yaml:7:18: private-key: not a WireGuard key; give the 44 characters of base64 that `sluice genkey`, "
                "`pubkey` or `genpsk` print\n"
                "t.yaml:9:7: peer 'a' has no public-key; add the one that its `wg pubkey` prints\n"
                "t.yaml:9:21: endpoint: 'here' has no port; add one, such as :51820\n"},
};

Test(config_errors, all_at_once)
{
	run_config_cases(all_at_once, sizeof(all_at_once) / sizeof(all_at_once[0]));
}
