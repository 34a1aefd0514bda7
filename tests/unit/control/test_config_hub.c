/* Keys that a hub with many peers lives by: secrets from outside, a second identity, peers that come and go. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/base64.h"
#include "tests/unit/control/config_cases.h"

#define OTHER "4GgaQCy68nzNsUE5aJ9fuLzHhB65tAlwbmA72MWnOm8="
#define NOT_A_KEY                                                                                                      \
	"holds not a WireGuard key; give the 44 characters of base64 that `sluice genkey`, `pubkey` or `genpsk` print\n"

#define WG0(lines) VERSION "ports: {p: {device: net_null0}}\ninterfaces:\n  wg0:\n" lines

static const struct config_case wrong[] = {
        {"env_missing", WG0("    private-key-env: SL_TEST_NOT_SET\n"),
                "t.yaml:5:22: private-key-env: there is no environment variable 'SL_TEST_NOT_SET'; set it for the "
                "gateway\n"},
        {"env_name", WG0("    private-key-env: $KEY\n"),
                "t.yaml:5:22: private-key-env: '$KEY' is not the name of an environment variable; give it without $\n"},
        {"env_no_key", WG0("    private-key-env: SL_TEST_JUNK\n"),
                "t.yaml:5:22: private-key-env: $SL_TEST_JUNK " NOT_A_KEY},
        {"env_beside_key", WG0("    private-key: " PRIVATE "\n    private-key-env: SL_TEST_KEY\n"),
                "t.yaml:6:5: private-key-env beside private-key at t.yaml:5:5; keep one of them\n"},
        {"all_four",
                WG0("    private-key-command: [printenv, SL_TEST_KEY]\n    private-key-env: SL_TEST_KEY\n"
                    "    private-key-file: ${SL_TEST_DIR}/key\n    private-key: " PRIVATE "\n"),
                "t.yaml:5:5: private-key-command beside private-key at t.yaml:8:5; keep one of them\n"
                "t.yaml:6:5: private-key-env beside private-key at t.yaml:8:5; keep one of them\n"
                "t.yaml:7:5: private-key-file beside private-key at t.yaml:8:5; keep one of them\n"
                "t.yaml:7:23: private-key-file: cannot read '/nonexistent/key': No such file or directory; make the "
                "key file or name another\n"},
        {"command_missing", WG0("    private-key-command: [/nonexistent/vault, get]\n"),
                "t.yaml:5:26: private-key-command: '/nonexistent/vault' cannot be run: No such file or directory; mend "
                "the path\n"},
        {"command_fails", WG0("    private-key-command: ['false']\n"),
                "t.yaml:5:26: private-key-command: 'false' ended with status 1; mend the command\n"},
        {"command_dies", WG0("    private-key-command: [sh, -c, 'kill -9 $$']\n"),
                "t.yaml:5:26: private-key-command: 'sh' was ended by signal 9; mend the command\n"},
        {"command_junk", WG0("    private-key-command: [echo, abc]\n"),
                "t.yaml:5:26: private-key-command: what 'echo' prints " NOT_A_KEY},
        {"command_without_end", WG0("    private-key-command: ['yes']\n"),
                "t.yaml:5:26: private-key-command: 'yes' did not end within 10 seconds, or printed too much; mend the "
                "command\n"},
        {"command_that_only_stops_printing", WG0("    private-key-command: [sh, -c, 'exec >&-; exec sleep 60']\n"),
                "t.yaml:5:26: private-key-command: 'sh' did not end within 10 seconds, or printed too much; mend the "
                "command\n"},
        {"credentials", WG0("    private-key-file: ${CREDENTIALS_DIRECTORY}/wg0\n"),
                "t.yaml:5:23: private-key-file: there is no environment variable 'CREDENTIALS_DIRECTORY'; run the "
                "gateway under systemd with LoadCredential=\n"},
        {"path_variable", WG0("    private-key-file: ${SL_TEST_NOT_SET}/wg0\n"),
                "t.yaml:5:23: private-key-file: there is no environment variable 'SL_TEST_NOT_SET'; set it for the "
                "gateway\n"},
        {"psk_both", PEER("        preshared-key-env: SL_TEST_KEY\n        preshared-key: " PRIVATE "\n"),
                "t.yaml:10:9: preshared-key-env beside preshared-key at t.yaml:11:9; keep one of them\n"},
        {"previous_alone", WG0("    previous-private-key: " PRIVATE "\n"),
                "t.yaml:4:3: interface 'wg0' has a previous-private-key and no private-key; the one that is left is "
                "its private-key\n"
                "t.yaml:4:3: warning: interface 'wg0' has no private key and is silent until `wg set` gives it one; "
                "add private-key-file\n"},
        {"previous_same", IFACE("    previous-private-key: " PRIVATE "\n"),
                "t.yaml:5:3: interface 'wg0' has the same key as private-key and previous-private-key; give the new "
                "one as private-key\n"},
        {"previous_forms",
                IFACE("    previous-private-key: " OTHER "\n    previous-private-key-env: SL_TEST_KEY\n"),
                "t.yaml:8:5: previous-private-key-env beside previous-private-key at t.yaml:7:5; keep one of them\n"},
        {"previous_self",
                IFACE("    private-key-env: SL_TEST_KEY\n"),
                "t.yaml:7:5: private-key-env beside private-key at t.yaml:6:5; keep one of them\n"},
        {"refresh_short", IFACE("    endpoint-refresh: 9\n"),
                "t.yaml:7:23: endpoint-refresh: 9 is out of range; give a number from 10 to 604800\n"},
        {"refresh_word", PEER("        endpoint-refresh: daily\n"),
                "t.yaml:10:27: endpoint-refresh: 'daily' is not a decimal number; give one from 10 to 604800\n"},
        {"expires_word", PEER("        expires: tomorrow\n"),
                "t.yaml:10:18: expires: 'tomorrow' is not a time; give one such as 2026-12-31T18:00:00Z\n"},
        {"disabled_word", PEER("        disabled: yes\n"),
                "t.yaml:10:19: disabled: 'yes' is not known; give false or true\n"},
        {"pool_no_length", IFACE("    pool: 10.64.0.0\n"),
                "t.yaml:7:11: pool: '10.64.0.0' has no prefix length; write the network's, such as 10.64.0.0/24\n"},
        {"public_endpoint_no_port", IFACE("    public-endpoint: vpn.example.net\n"),
                "t.yaml:7:22: public-endpoint: 'vpn.example.net' has no port; add one, such as :51820\n"},
};

static void set_environment(void)
{
	setenv("SL_TEST_KEY", OTHER "\n", 1);
	setenv("SL_TEST_JUNK", "abc", 1);
	setenv("SL_TEST_DIR", "/nonexistent", 1);
	unsetenv("SL_TEST_NOT_SET");
	unsetenv("CREDENTIALS_DIRECTORY");
}

Test(config_hub, what_is_wrong_is_said, .init = set_environment)
{
	run_config_cases(wrong, sizeof(wrong) / sizeof(wrong[0]));
}

static struct sl_config *load(const char *text)
{
	struct sl_config_errors errs;
	struct sl_config *config;

	sl_config_errors_init(&errs);
	config = sl_config_load_text("/etc/sluice/hub.yaml", text, strlen(text), &errs);
	sl_config_errors_print(&errs, stderr);
	cr_assert_not_null(config);
	sl_config_errors_free(&errs);
	return config;
}

static void expect_key(const uint8_t key[SL_KEY_LEN], const char *base64)
{
	uint8_t expected[SL_KEY_LEN];

	cr_assert(sl_key_from_base64(expected, base64, strlen(base64)));
	cr_expect_arr_eq(key, expected, SL_KEY_LEN);
}

Test(config_hub, secrets_come_from_outside, .init = set_environment)
{
	static const char *const forms[] = {
	        "    private-key-env: SL_TEST_KEY\n",
	        "    private-key-command: [printenv, SL_TEST_KEY]\n",
	        "    private-key-command: [sh, -c, 'echo \" $SL_TEST_KEY \"']\n",
	        "    private-key-file: ${CREDENTIALS_DIRECTORY}/wg0\n",
	};
	char folder[] = "/tmp/sluice-config-hub.XXXXXX", path[sizeof(folder) + 8];
	int fd;

	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/wg0", folder);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	cr_assert_eq(write(fd, OTHER, strlen(OTHER)), (ssize_t)strlen(OTHER));
	close(fd);
	setenv("CREDENTIALS_DIRECTORY", folder, 1);
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		char text[512];
		struct sl_config *config;

		snprintf(text, sizeof(text), WG0("%s"), forms[i]);
		config = load(text);
		cr_expect(config->interfaces[0].has_private_key);
		expect_key(config->interfaces[0].private_key, OTHER);
		sl_config_free(config);
	}
	unlink(path);
	rmdir(folder);
}

/* Drivers open sockets and devices that would stay open in it. */
Test(config_hub, a_command_has_no_descriptors_of_ours, .init = set_environment)
{
	static const char text[] =
	        WG0("    private-key-command: [sh, -c, 'test ! -e /proc/self/fd/77 && printenv SL_TEST_KEY']\n");
	struct sl_config *config;

	cr_assert_eq(dup2(STDERR_FILENO, 77), 77);
	config = load(text);
	expect_key(config->interfaces[0].private_key, OTHER);
	sl_config_free(config);
	close(77);
}

Test(config_hub, an_interface_has_two_identities, .init = set_environment)
{
	struct sl_config *config = load(IFACE("    previous-private-key-env: SL_TEST_KEY\n"));
	const struct sl_config_interface *ifp = &config->interfaces[0];

	cr_expect(ifp->has_previous_key);
	expect_key(ifp->private_key, PRIVATE);
	expect_key(ifp->public_key, PUBLIC);
	expect_key(ifp->previous_private_key, OTHER);
	cr_expect_arr_neq(ifp->previous_public_key, ifp->public_key, SL_KEY_LEN);
	sl_config_free(config);
}

Test(config_hub, peers_come_and_go)
{
	struct sl_config *config = load(
	        IFACE("    include-peers: [peers.d/*.yaml, /srv/more.d/*]\n"
	              "    endpoint-refresh: 300\n"
	              "    pool: [10.64.9.9/16, 'fd00:64::/64']\n"
	              "    public-endpoint: vpn.example.net:4500\n"
	              "    peers:\n"
	              "      a: {public-key: " KEY_A ", disabled: true, private-key-file: keys/a}\n"
	              "      b: {public-key: " KEY_B ", expires: 2026-12-31T23:59:59Z, endpoint-refresh: off}\n"));
	const struct sl_config_interface *ifp = &config->interfaces[0];

	cr_assert_eq(ifp->n_peers, 2);
	cr_expect(ifp->peers[0].disabled);
	cr_expect_eq(ifp->peers[0].expires, 0);
	cr_expect_eq(ifp->peers[0].endpoint_refresh, 300);
	cr_expect_str_eq(ifp->peers[0].private_key_file, "/etc/sluice/keys/a");
	cr_expect_not(ifp->peers[1].disabled);
	cr_expect_eq(ifp->peers[1].expires, 1798761599);
	cr_expect_eq(ifp->peers[1].endpoint_refresh, 0);
	cr_expect_null(ifp->peers[1].private_key_file);
	cr_assert_eq(ifp->n_pool, 2);
	cr_expect_eq(ifp->pool[0].len, 16);
	cr_expect_eq(ifp->pool[0].addr.family, SL_AF_INET);
	cr_expect_eq(ifp->pool[1].len, 64);
	cr_expect_str_eq(ifp->public_endpoint.host, "vpn.example.net");
	cr_expect_eq(ifp->public_endpoint.port, 4500);
	cr_assert_eq(ifp->n_include_peers, 2);
	cr_expect_str_eq(ifp->include_peers[0], "/etc/sluice/peers.d/*.yaml");
	cr_expect_str_eq(ifp->include_peers[1], "/srv/more.d/*");
	sl_config_free(config);
}
