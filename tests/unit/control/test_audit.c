/* The audit trail of what `wg` changes: a line each, with who and what, and never a secret. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/log.h"
#include "wg_rig.h"

#define HEX(byte) byte byte byte byte byte byte byte byte byte byte byte byte byte byte byte byte
#define KEY_HEX   HEX("01") HEX("01")
#define OTHER_HEX HEX("03") HEX("03")
#define PSK_HEX   HEX("5a") HEX("5a")
#define KEY       "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define OTHER     "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM="

static const struct {
	const char *request;
	const char *lines; /* without the end, which says who */
} cases[] = {
        {"set=1\npublic_key=" KEY_HEX "\nallowed_ip=10.0.0.1/32\npreshared_key=" PSK_HEX "\n\n",
                "change=peer-add interface=wg0 public-key=" KEY "\n"},
        {"set=1\npublic_key=" KEY_HEX "\nallowed_ip=10.0.0.1/32\npreshared_key=" PSK_HEX "\n\n", ""},
        {"set=1\npublic_key=" KEY_HEX "\npreshared_key=" OTHER_HEX "\npersistent_keepalive_interval=5\n\n",
                "change=peer-change interface=wg0 public-key=" KEY " keys=preshared-key\n"
                "change=peer-change interface=wg0 public-key=" KEY " keys=persistent-keepalive\n"},
        {"set=1\npublic_key=" OTHER_HEX "\nallowed_ip=10.0.0.1/32\nallowed_ip=10.0.0.2/32\n\n",
                "change=peer-add interface=wg0 public-key=" OTHER "\n"
                "change=peer-change interface=wg0 public-key=" KEY " keys=allowed-ips\n"},
        {"set=1\npublic_key=" OTHER_HEX "\nreplace_allowed_ips=true\nallowed_ip=10.0.0.1/32\n\n",
                "change=peer-change interface=wg0 public-key=" OTHER " keys=allowed-ips\n"},
        {"set=1\nlisten_port=4242\n\n", "change=interface-change interface=wg0 keys=listen-port\n"},
        {"set=1\nprivate_key=" PSK_HEX "\n\n", "change=interface-change interface=wg0 keys=private-key\n"},
        {"set=1\npublic_key=" KEY_HEX "\nremove=true\n\n", "change=peer-remove interface=wg0 public-key=" KEY "\n"},
        {"get=1\n\n", ""},
};

/* What has been logged since the last call, its lines cut before ` via=`. */
static void expect_lines(int fd, const char *request, const char *expected)
{
	char text[4096], cut[4096] = "";
	char by[64];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	cr_assert_geq(n, 0);
	text[n] = '\0';
	cr_assert_eq(ftruncate(fd, 0), 0);
	cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
	snprintf(by, sizeof(by), " via=wg uid=%d pid=%d", (int)getuid(), (int)getpid());
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char *start = strstr(line, "audit "), *end = strstr(line, " via=");

		cr_assert(start && end, "%s", line);
		cr_expect_str_eq(end, by);
		strncat(cut, start + strlen("audit "), (size_t)(end - start) - strlen("audit "));
		strcat(cut, "\n");
	}
	cr_expect_str_eq(cut, expected, "%s: %s", request, cut);
}

Test(audit, each_change_is_a_line)
{
	struct wg_rig *r = wg_rig_create();
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);

	cr_assert_geq(fd, 0);
	sl_log_set_fd(fd, false);
	sl_log_set_level(SL_LOG_NOTICE);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		wg_rig_ask(r, "wg0", cases[i].request);
		expect_lines(fd, cases[i].request, cases[i].lines);
	}
	sl_log_set_level(SL_LOG_ERROR);
	wg_rig_destroy(r);
	close(fd);
}
