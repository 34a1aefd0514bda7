/* sluice import as a command: where the private key goes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <criterion/redirect.h>

#include "app/commands.h"

#define KEY "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="

static char folder[64];

static void setup(void)
{
	FILE *out;

	strcpy(folder, "/tmp/sluice-test-cmd-import-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	cr_assert_eq(chdir(folder), 0);
	out = fopen("wg0.conf", "w");
	cr_assert_not_null(out);
	fputs("[Interface]\nPrivateKey = " KEY "\n", out);
	fclose(out);
	cr_redirect_stdout();
	cr_redirect_stderr();
}

static void teardown(void)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	cr_expect_eq(system(command), 0);
}

static int import(const char *key_file)
{
	char file[64], *argv[] = {"import", "--port", "p=net_null0", "--key-file", file, "wg0.conf", NULL};

	snprintf(file, sizeof(file), "%s", key_file);
	return sl_cmd_import(6, argv);
}

/* stdout has the configuration, and a file of that name is not meant. */
Test(cmd_import, the_key_goes_into_a_file_and_not_to_stdout, .init = setup, .fini = teardown)
{
	cr_expect_eq(import("-"), SL_EXIT_USAGE);
	cr_expect_neq(access("-", F_OK), 0, "no file is made");
	fflush(stdout);
	cr_expect_stdout_eq_str("");
}

Test(cmd_import, a_file_of_that_name_is_named_with_its_folder, .init = setup, .fini = teardown)
{
	char text[64] = "";
	FILE *in;

	cr_expect_eq(import("./-"), SL_EXIT_DONE);
	in = fopen("./-", "r");
	cr_assert_not_null(in);
	cr_expect_not_null(fgets(text, sizeof(text), in));
	cr_expect_str_eq(text, KEY "\n");
	fclose(in);
}
