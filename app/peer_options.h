/*
 * What `sluice peer` and `sluice export` are told on the command line. Main thread, once per process; texts are argv's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/client_file.h"

struct sl_peer_options {
	const char *config;      /* -c: the file; NULL: the one that the running gateway was given */
	const char *gateway;     /* -n */
	const char *interface;   /* -i; NULL: the only one */
	const char *output;      /* -o: where the client's file goes; NULL: stdout */
	const char *public_key;  /* of a peer that has made its own keys */
	const char *allowed_ips; /* more than the addresses of the pool, separated by commas */
	const char *peer_endpoint;
	const char *key_file;    /* export: the peer's private key */
	int64_t expires;         /* Unix seconds; 0: never */
	bool psk, keep_key, qr, json, force;
	struct sl_client_options client;
};

/*
 * Parses the options of argv, those whose letters are in `accepted` and -h, -V. True: the first operand is argv[optind].
 * False: all has been said, and *code is the exit code. now: Unix seconds, for times such as 30d.
 */
bool sl_peer_options_parse(
	int argc, char **argv, const char *accepted, const char *help, int64_t now, struct sl_peer_options *o, int *code);
