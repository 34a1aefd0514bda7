/* What is said about files that are no text, about YAML that is not meant, and about values as other programs write
 * them. */
#include "tests/unit/control/config_cases.h"

#define NO_TOKEN(line)                                                                                                 \
	"not YAML: found character that cannot start any token, while scanning for the next token that starts at "     \
	"line " #line HINT
#define HINT     "; check indentation, brackets and quotes\n"
#define NO_VALUE "no value; write one or take the key out\n"
#define NO_KEY                                                                                                         \
	"public-key: not a WireGuard key; give the 44 characters of base64 that `sluice genkey`, `pubkey` or "         \
	"`genpsk` "                                                                                                    \
	"print\n"
#define NO_PREFIX " is not an address with a prefix length; give one such as 192.0.2.1/24 or 2001:db8::1/64\n"
#define NO_TIME   " is not a time; give one such as 2026-12-31T18:00:00Z\n"
#define BOM       "\xef\xbb\xbf"

#define BYTES(name, text, said)                                                                                        \
	{                                                                                                              \
		name, text, "t.yaml:" said "; save the file as UTF-8\n", sizeof(text) - 1                              \
	}
static const struct config_case bytes[] = {
        BYTES("utf_16", "\xff\xfe" "v\0e\0r\0s\0i\0o\0n\0:\0 \0" "1\0\n\0", "1:1: not text: invalid leading UTF-8 octet"),
        BYTES("utf_16_big_endian", "\xfe\xff\0v\0e\0r\0s\0i\0o\0n", "1:1: not text: invalid leading UTF-8 octet"),
        BYTES("utf_16_without_a_mark", "v\0e\0r\0s\0i\0o\0n\0:\0 \0" "1\0\n\0",
                "1:2: not text: control characters are not allowed"),
        BYTES("a_program", "\x7f" "ELF\2\1\1\0\0\0", "1:1: not text: control characters are not allowed"),
        BYTES("nul", VERSION "na\0me: x\n", "2:3: not text: control characters are not allowed"),
        BYTES("bell", VERSION "name: a\ab\n", "2:8: not text: control characters are not allowed"),
        BYTES("latin_1", VERSION "# M\xfcnchen\n", "2:4: not text: invalid leading UTF-8 octet"),
        BYTES("surrogate", VERSION "name: \xed\xa0\x80\n", "2:7: not text: invalid Unicode character"),
        BYTES("too_long_a_form", VERSION "name: \xc0\xaf\n", "2:7: not text: invalid length of a UTF-8 sequence"),
        BYTES("cut_off", VERSION "name: \xe2\x82", "2:7: not text: incomplete UTF-8 octet sequence"),
};
#undef BYTES

Test(config_errors_kinds, bytes)
{
	run_config_cases(bytes, sizeof(bytes) / sizeof(bytes[0]));
}

static const struct config_case yaml[] = {
        {"windows_line_ends", "version: 1\r\nname: Hub\r\n",
                "t.yaml:2:7: name: 'Hub' is not valid; use a-z, 0-9 and, within, '-'\n"},
        {"old_mac_line_ends", "version: 1\rname: Hub\r",
                "t.yaml:2:7: name: 'Hub' is not valid; use a-z, 0-9 and, within, '-'\n"},
        {"byte_order_mark", BOM "version: 1\nname: Hub\n",
                "t.yaml:2:7: name: 'Hub' is not valid; use a-z, 0-9 and, within, '-'\n"},
        {"only_a_byte_order_mark", BOM, "t.yaml:1:1: the file is empty; see sluice.yaml(5) for what belongs in it\n"},
        {"yaml_directive", "%YAML 1.1\n---\nversion: 1\nname: Hub\n",
                "t.yaml:4:7: name: 'Hub' is not valid; use a-z, 0-9 and, within, '-'\n"},
        {"a_later_yaml", "%YAML 3.0\n---\nversion: 1\n", "t.yaml:1:1: not YAML: found incompatible YAML document" HINT},
        {"tag_directive", "%TAG ! tag:x,2000:\n---\nversion: 1\nname: !foo x\n",
                "t.yaml:4:7: tag 'tag:x,2000:foo': tags are not supported; take it out\n"},
        {"text_behind_the_end", VERSION "...\nname: hub\n",
                "t.yaml:3:1: not YAML: did not find expected <document start>" HINT},
        {"no_colon", VERSION "name hub\n",
                "t.yaml:3:1: not YAML: could not find expected ':', while scanning a simple key that starts at line "
                "2" HINT},
        {"no_space_behind_the_colon", VERSION "name:hub\n",
                "t.yaml:3:1: not YAML: could not find expected ':', while scanning a simple key that starts at line "
                "2" HINT},
        {"two_colons", VERSION "name: a: b\n",
                "t.yaml:2:8: not YAML: mapping values are not allowed in this context" HINT},
        {"indentation", VERSION "ports:\n  a:\n    device: net_null0\n   mtu: 1500\n",
                "t.yaml:5:4: not YAML: did not find expected key, while parsing a block mapping that starts at line "
                "3" HINT},
        {"list_and_mapping", VERSION "ports:\n  - a\n  b: 1\n",
                "t.yaml:3:3: ports: not a mapping of keys to values; write one\n"
                "t.yaml:4:3: not YAML: did not find expected '-' indicator, while parsing a block collection that "
                "starts "
                "at line 3" HINT},
        {"unclosed_brace", VERSION "ports: {a: {device: net_null0}\n",
                "t.yaml:3:1: not YAML: did not find expected ',' or '}', while parsing a flow mapping that starts at "
                "line 2" HINT},
        {"one_brace_more", VERSION "ports: {a: {device: net_null0}}}\n",
                "t.yaml:2:32: not YAML: did not find expected key, while parsing a block mapping that starts at line "
                "1" HINT},
        {"escape", VERSION "name: \"\\q\"\n",
                "t.yaml:2:8: not YAML: found unknown escape character, while parsing a quoted scalar that starts at "
                "line 2" HINT},
        {"percent", VERSION "name: %hub\n", "t.yaml:2:7: " NO_TOKEN(2)},
        {"at_sign", VERSION "name: @hub\n", "t.yaml:2:7: " NO_TOKEN(2)},
        {"backtick", VERSION "name: `hub`\n", "t.yaml:2:7: " NO_TOKEN(2)},
        {"block_header", VERSION "name: |x\n  hub\n",
                "t.yaml:2:8: not YAML: did not find expected comment or line break, while scanning a block scalar that "
                "starts at line 2" HINT},
        {"key_that_is_nothing", VERSION "~: x\n", "t.yaml:2:1: unknown key '~'; did you mean 'name'?\n"},
        {"key_that_is_a_number", VERSION "1: x\n", "t.yaml:2:1: unknown key '1'; did you mean 'name'?\n"},
        {"aliases_that_grow", VERSION "name: &a x\nports: *a\n",
                "t.yaml:2:7: anchor '&a': anchors are not supported; take it out\n"
                "t.yaml:3:8: alias '*a': aliases are not supported; write the value out\n"},
        {"version_with_a_point", "version: 1.0\n",
                "t.yaml:1:10: version: '1.0' is not known; this Sluice reads version 1\n"},
        {"version_empty", "version:\n", "t.yaml:1:9: version: " NO_VALUE},
        {"version_list", "version: [1]\n", "t.yaml:1:10: version: not a single value; write one\n"},
};

Test(config_errors_kinds, yaml)
{
	run_config_cases(yaml, sizeof(yaml) / sizeof(yaml[0]));
}

static const struct config_case values[] = {
        {"hexadecimal", IFACE("    listen-port: 0xca6c\n"),
                "t.yaml:7:18: listen-port: '0xca6c' is not a decimal number; give one from 0 to 65535\n"},
        {"leading_zero", IFACE("    listen-port: 051820\n"),
                "t.yaml:7:18: listen-port: '051820' is not a decimal number; give one from 0 to 65535\n"},
        {"digits_in_groups", IFACE("    listen-port: 51_820\n"),
                "t.yaml:7:18: listen-port: '51_820' is not a decimal number; give one from 0 to 65535\n"},
        {"decimal_point", IFACE("    listen-port: 51820.0\n"),
                "t.yaml:7:18: listen-port: '51820.0' is not a decimal number; give one from 0 to 65535\n"},
        {"exponent", IFACE("    mtu: 1e3\n"),
                "t.yaml:7:10: mtu: '1e3' is not a decimal number; give one from 576 to 9000\n"},
        {"more_than_64_bits", IFACE("    mtu: 99999999999999999999\n"),
                "t.yaml:7:10: mtu: 99999999999999999999 is out of range; give a number from 576 to 9000\n"},
        {"unit", PEER("        persistent-keepalive: 25s\n"),
                "t.yaml:10:31: persistent-keepalive: '25s' is not a decimal number; give one from 0 to 65535\n"},
        {"truth_in_capitals", PEER("        disabled: True\n"),
                "t.yaml:10:19: disabled: 'True' is not known; give false or true\n"},
        {"truth_as_a_number", PEER("        disabled: 1\n"),
                "t.yaml:10:19: disabled: '1' is not known; give false or true\n"},
        {"february_30", PEER("        expires: 2027-02-30\n"), "t.yaml:10:18: expires: '2027-02-30'" NO_TIME},
        {"no_leap_year", PEER("        expires: 2027-02-29\n"), "t.yaml:10:18: expires: '2027-02-29'" NO_TIME},
        {"month_13", PEER("        expires: 2027-13-01T00:00:00Z\n"),
                "t.yaml:10:18: expires: '2027-13-01T00:00:00Z'" NO_TIME},
        {"hour_24", PEER("        expires: 2027-01-01T24:00:00Z\n"),
                "t.yaml:10:18: expires: '2027-01-01T24:00:00Z'" NO_TIME},
        {"no_zone", PEER("        expires: 2027-01-01T12:00:00\n"),
                "t.yaml:10:18: expires: '2027-01-01T12:00:00'" NO_TIME},
        {"day_first", PEER("        expires: 31.12.2027\n"), "t.yaml:10:18: expires: '31.12.2027'" NO_TIME},
        {"span", PEER("        expires: 30d\n"), "t.yaml:10:18: expires: '30d'" NO_TIME},
        {"key_in_hexadecimal",
                IFACE("    peers: {a: {public-key: "
                      "4c3776e42c2aead31900d20a51aaab79df99b7ed3d1ed0aac0578e2ed290f42b}}\n"),
                "t.yaml:7:29: " NO_KEY},
        {"key_for_urls", IFACE("    peers: {a: {public-key: TDd25Cwq6tMZANIKUaqred-Zt-09HtCqwFeOLtKQ9Cs=}}\n"),
                "t.yaml:7:29: " NO_KEY},
        {"key_without_its_end", IFACE("    peers: {a: {public-key: TDd25Cwq6tMZANIKUaqred+Zt+09HtCqwFeOLtKQ9Cs}}\n"),
                "t.yaml:7:29: " NO_KEY},
        {"key_with_bits_over", IFACE("    peers: {a: {public-key: TDd25Cwq6tMZANIKUaqred+Zt+09HtCqwFeOLtKQ9Ct=}}\n"),
                "t.yaml:7:29: " NO_KEY},
        {"key_and_a_comment", IFACE("    peers: {a: {public-key: " KEY_A "#old}}\n"), "t.yaml:7:29: " NO_KEY},
        {"key_list", IFACE("    peers: {a: {public-key: [" KEY_A "]}}\n"),
                "t.yaml:7:29: public-key: not a single value; write one\n"},
        {"secret_for_a_key", IFACE("    " PRIVATE ": x\n"),
                "t.yaml:7:5: unknown key '(not shown, it may be a key)'; did you mean 'listen-port'?\n"},
        {"secret_for_an_endpoint", PEER("        endpoint: " PRIVATE "\n"),
                "t.yaml:10:19: endpoint: '(not shown, it may be a key)' has no port; add one, such as :51820\n"},
        {"octal_address", PEER("        allowed-ips: [010.0.0.1/32]\n"),
                "t.yaml:10:23: allowed-ips: '010.0.0.1/32'" NO_PREFIX},
        {"short_address", PEER("        allowed-ips: [10.0/16]\n"), "t.yaml:10:23: allowed-ips: '10.0/16'" NO_PREFIX},
        {"mask", PEER("        allowed-ips: [10.0.0.0/255.0.0.0]\n"),
                "t.yaml:10:23: allowed-ips: '10.0.0.0/255.0.0.0'" NO_PREFIX},
        {"negative_length", PEER("        allowed-ips: [10.0.0.0/-1]\n"),
                "t.yaml:10:23: allowed-ips: '10.0.0.0/-1'" NO_PREFIX},
        {"no_length", PEER("        allowed-ips: [10.0.0.0/]\n"), "t.yaml:10:23: allowed-ips: '10.0.0.0/'" NO_PREFIX},
        {"length_with_a_zero", PEER("        allowed-ips: [10.0.0.0/08]\n"),
                "t.yaml:10:23: allowed-ips: '10.0.0.0/08'" NO_PREFIX},
        {"ipv6_length", PEER("        allowed-ips: ['fd00::/129']\n"),
                "t.yaml:10:23: allowed-ips: 'fd00::/129'" NO_PREFIX},
        {"ipv6_colons", PEER("        allowed-ips: ['fd00:::1/64']\n"),
                "t.yaml:10:23: allowed-ips: 'fd00:::1/64'" NO_PREFIX},
        {"ipv6_zone", PEER("        allowed-ips: ['fe80::1%eth0/64']\n"),
                "t.yaml:10:23: allowed-ips: 'fe80::1%eth0/64'" NO_PREFIX},
        {"list_as_wg_quick_has_it", PEER("        allowed-ips: 10.0.0.1/32, 10.0.0.2/32\n"),
                "t.yaml:10:22: allowed-ips: several in one value; write a list in brackets, such as [a, b]\n"},
        {"list_with_spaces", PEER("        allowed-ips: 10.0.0.1/32 10.0.0.2/32\n"),
                "t.yaml:10:22: allowed-ips: several in one value; write a list in brackets, such as [a, b]\n"},
        {"list_in_a_list", PEER("        allowed-ips: [[10.0.0.1/32]]\n"),
                "t.yaml:10:23: allowed-ips: not a single value; write one\n"},
        {"mapping_for_a_list", PEER("        allowed-ips: {10.0.0.1/32: x}\n"),
                "t.yaml:10:22: allowed-ips: not a list, such as [a, b]; write one\n"},
        {"endpoint_url", PEER("        endpoint: udp://192.0.2.9:51820\n"),
                "t.yaml:10:19: endpoint: 'udp://192.0.2.9:51820' is not an address and port; write an IPv6 one as "
                "[2001:db8::1]:51820\n"},
        {"endpoint_service", PEER("        endpoint: fra.example.net:http\n"),
                "t.yaml:10:19: endpoint: 'fra.example.net:http' has a port that is none; give a number from 1 to 65535\n"},
        {"endpoint_here", PEER("        endpoint: 127.0.0.1:51820\n"),
                "t.yaml:10:19: endpoint: '127.0.0.1:51820' is nothing to send to; give a peer's own address\n"},
        {"endpoint_zone", PEER("        endpoint: '[fe80::1%eth0]:1'\n"),
                "t.yaml:10:19: endpoint: '[fe80::1%eth0]:1' is neither an IP address nor a host name with a port; "
                "write ADDRESS:PORT or NAME:PORT\n"},
        {"endpoint_unclosed", PEER("        endpoint: '[2001:db8::1:51820'\n"),
                "t.yaml:10:19: endpoint: '[2001:db8::1:51820' is neither an IP address nor a host name with a port; "
                "write ADDRESS:PORT or NAME:PORT\n"},
        {"endpoint_with_a_space", PEER("        endpoint: 192.0.2.9: 51820\n"),
                "t.yaml:10:19: endpoint: '192.0.2.9' has no port; add one, such as :51820\n"
                "t.yaml:10:28: not YAML: mapping values are not allowed in this context" HINT},
        {"command_as_a_line", PEER("        preshared-key-command: pass show wg0\n"),
                "t.yaml:10:32: preshared-key-command: the program and its arguments in one; write a list, such as "
                "[pass, "
                "show, wg0]\n"},
        {"command_of_no_words", PEER("        preshared-key-command: []\n"),
                "t.yaml:10:32: preshared-key-command: no command; write a list, such as [pass, show, wg0]\n"},
        {"command_of_an_empty_word", PEER("        preshared-key-command: ['']\n"),
                "t.yaml:10:33: preshared-key-command: " NO_VALUE},
        {"key_file_of_no_name", PEER("        preshared-key-file: ''\n"),
                "t.yaml:10:29: preshared-key-file: " NO_VALUE},
        {"variable_that_does_not_end", PEER("        preshared-key-file: '${HOME/x'\n"),
                "t.yaml:10:29: preshared-key-file: cannot read '${HOME/x': No such file or directory; make the key "
                "file or "
                "name another\n"},
        {"folder_for_peers", IFACE("    include-peers: /etc\n"),
                "t.yaml:7:20: cannot read '/etc': Is a directory; mend the path or the file\n"},
        {"no_name_for_peers", IFACE("    include-peers: ['']\n"), "t.yaml:7:21: include-peers: " NO_VALUE},
        {"interface_of_a_folder",
                VERSION "ports: {p: {device: net_null0}}\ninterfaces: {..: {private-key: " PRIVATE "}}\n",
                "t.yaml:3:14: interface name '..' has a meaning of its own; choose another\n"},
        {"network_of_a_port", IFACE("    addresses: [192.0.2.7/24]\n"),
                "t.yaml:7:17: addresses: the network 192.0.2.0/24 is on 'wan0' already, at t.yaml:3:41; a network is "
                "on one "
                "port or interface\n"},
};

Test(config_errors_kinds, values)
{
	run_config_cases(values, sizeof(values) / sizeof(values[0]));
}

/* What makes a line very long is not repeated. */
Test(config_errors_kinds, long_ones_are_cut)
{
	enum { LONG = 100000 };
	static const struct {
		const char *before, *after, *said;
	} cases[] = {
	        {VERSION "name: ", "\n",
	                "t.yaml:2:7: name: '(not shown, it may be a key)' is too long; use at most 63 characters"},
	        {VERSION "? ", "\n: 1\n",
	                "t.yaml:2:3: unknown key '(not shown, it may be a key)'; did you mean 'version'?"},
	        {VERSION "", ": 1\n",
	                "t.yaml:2:100001: not YAML: could not find expected ':', while scanning a simple key that "
	                "starts at line "
	                "2; check indentation, brackets and quotes"},
	        {VERSION "name: ", "",
	                "t.yaml:2:7: name: '(not shown, it may be a key)' is too long; use at most 63 characters"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t before = strlen(cases[i].before), after = strlen(cases[i].after);
		char *text = malloc(before + LONG + after + 1);
		struct sl_config_errors errs;

		memcpy(text, cases[i].before, before);
		memset(text + before, 'k', LONG);
		memcpy(text + before + LONG, cases[i].after, after + 1);
		sl_config_errors_init(&errs);
		cr_expect_null(sl_config_load_text("t.yaml", text, before + LONG + after, &errs));
		cr_assert_eq(errs.n_messages, 1);
		cr_expect_str_eq(errs.messages[0].text, cases[i].said);
		sl_config_errors_free(&errs);
		free(text);
	}
}
