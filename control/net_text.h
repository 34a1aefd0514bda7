/*
 * Names, addresses and endpoints as people write them, judged and complained of in one way wherever they stand: in the
 * configuration (sluice.yaml(5)) and in files of other forms that become one. Pure; any thread.
 */
#pragma once

#include "control/config.h"

enum {
	SL_HOST_TEXT = 256, /* a host's name and a NUL */
};

/* What keeps text from being the name of an interface or port, and what to do, to be put after it; NULL if nothing does. */
const char *sl_name_problem(const char *text);

/* What keeps an address from being an interface's own, and what to do, to be put after the address; NULL if nothing
 * does. */
const char *sl_own_address_problem(const struct sl_prefix *prefix);

/* Whether text is a host's or a domain's name. One of digits and dots alone is a wrong IPv4 address and none. */
bool sl_host_ok(const char *text);

/*
 * ADDRESS:PORT, [ADDRESS]:PORT or NAME:PORT. port: stands for one that is left out; 0: it must be there. A name is put
 * into `host`, which out->host then points to. NULL, or what is wrong and what to do, to be put after the text.
 */
const char *sl_endpoint_read(const char *text, uint16_t port, char host[SL_HOST_TEXT], struct sl_config_endpoint *out);
