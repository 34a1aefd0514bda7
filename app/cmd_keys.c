/* sluice genkey, genpsk, pubkey: the text formats of `wg`. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/options.h"
#include "app/usage.h"
#include "crypto/base64.h"
#include "crypto/random.h"
#include "crypto/wipe.h"
#include "crypto/x25519.h"

/* -h and -V, which is all these commands take. True where the command goes on; else *code is the exit code. */
static bool
parse(int argc, char **argv, const char *help, int *code)
{
	struct sl_options options;

	if (!sl_parse_options(argc, argv, "", help, &options, code))
		return false;
	if (optind == argc)
		return true;
	*code = sl_usage_error(argv[0], "takes no argument `%s`", argv[optind]);
	return false;
}

static int
print_key(const char *command, const uint8_t key[SL_KEY_LEN])
{
	char text[SL_KEY_BASE64_LEN + 1];
	int rc;

	sl_key_to_base64(text, key);
	rc = puts(text) == EOF || fflush(stdout) == EOF;
	sl_wipe(text, sizeof(text));
	if (rc != 0)
		fprintf(stderr, "sluice %s: cannot write the key to stdout: %m\n", command);
	return rc ? SL_EXIT_FAILED : SL_EXIT_DONE;
}

/* As `wg` does: a secret that lands in a file others can read deserves a word. */
static void
warn_if_readable(void)
{
	struct stat st;

	if (fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & S_IRWXO))
		fputs("Warning: writing to world accessible file.\n"
		      "Consider setting the umask to 077 and trying again.\n",
			stderr);
}

int
sl_cmd_genkey(int argc, char **argv)
{
	uint8_t key[SL_KEY_LEN];
	int code;

	if (!parse(argc, argv, "Usage: sluice genkey\n\nWrites a new private key to stdout, in base64.\n", &code))
		return code;
	warn_if_readable();
	sl_x25519_private(key, &sl_rng_kernel);
	code = print_key(argv[0], key);
	sl_wipe(key, sizeof(key));
	return code;
}

int
sl_cmd_genpsk(int argc, char **argv)
{
	uint8_t key[SL_KEY_LEN];
	int code;

	if (!parse(argc, argv, "Usage: sluice genpsk\n\nWrites a new preshared key to stdout, in base64.\n", &code))
		return code;
	warn_if_readable();
	sl_random_bytes(key, sizeof(key));
	code = print_key(argv[0], key);
	sl_wipe(key, sizeof(key));
	return code;
}

int
sl_cmd_pubkey(int argc, char **argv)
{
	uint8_t private_key[SL_KEY_LEN], public_key[SL_KEY_LEN];
	char text[SL_KEY_BASE64_LEN + 2]; /* the key, and what must be nothing but white space */
	size_t n;
	bool ok;
	int code;

	if (!parse(argc, argv,
		    "Usage: sluice pubkey\n\nReads a private key in base64 from stdin and writes its public key to stdout.\n",
		    &code))
		return code;
	n = fread(text, 1, SL_KEY_BASE64_LEN, stdin);
	ok = n == SL_KEY_BASE64_LEN && sl_key_from_base64(private_key, text, n);
	for (int c = getchar(); ok && c != EOF; c = getchar())
		ok = c == '\n' || c == '\r' || c == ' ' || c == '\t' || c == '\0';
	sl_wipe(text, sizeof(text));
	if (!ok) {
		fputs("sluice pubkey: no private key on stdin; give the 44 characters that `sluice genkey` writes\n", stderr);
		return SL_EXIT_FAILED;
	}
	sl_x25519_public(public_key, private_key);
	sl_wipe(private_key, sizeof(private_key));
	return print_key(argv[0], public_key);
}
