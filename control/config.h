/*
 * The configuration: YAML text → checked, immutable description.
 *
 * A load reads the file, what it includes and the key files it names, checks everything, and gives either a whole
 * description or the list of all that is wrong with it, each with its place. It keeps no global state and touches no
 * device, so any thread may call it: the main thread at start, a helper thread at reload (a step of the control loop
 * may not take that long). A description never changes after the load; it owns everything its pointers lead to until
 * sl_config_free, which wipes the keys in it. Differences between two descriptions are in control/diff.h.
 *
 * The words are those of sluice.yaml(5), with '-' for '_'.
 */
#pragma once

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/config_errors.h"
#include "crypto/protocol.h"
#include "crypto/simd.h"
#include "dataplane/addr.h"

enum {
	SL_CONFIG_NAME_MAX = 15, /* ports and interfaces: what Linux allows as an interface's name */
	SL_CONFIG_PEER_NAME_MAX = 63,
	SL_CONFIG_PORT_MTU_DEFAULT = 1500,
	SL_CONFIG_MTU_MIN = 576,
	SL_CONFIG_MTU_MIN_IPV6 = 1280, /* RFC 8200 section 5 */
	SL_CONFIG_MTU_MAX = 9000,
	SL_CONFIG_CORES_MAX = 64,     /* workers one gateway can have */
	SL_CONFIG_ADDRESSES_MAX = 30, /* addresses of one port or interface */
	SL_CONFIG_PLACES_MAX = 1000,  /* ports and interfaces together */
	SL_CONFIG_POOL_MAX = 16,      /* prefixes of a pool */
	SL_CONFIG_REFRESH_MIN = 10,   /* seconds between lookups of an endpoint's name */
	SL_CONFIG_REFRESH_MAX = 7 * 24 * 60 * 60,
};

enum sl_idle {
	SL_IDLE_ADAPTIVE,
	SL_IDLE_POLL,
};

enum sl_hugepages {
	SL_HUGEPAGES_AUTO,
	SL_HUGEPAGES_ON,
	SL_HUGEPAGES_OFF,
};

enum sl_workers {
	SL_WORKERS_AUTO,
	SL_WORKERS_COUNT,
	SL_WORKERS_CORES,
};

struct sl_config_dataplane {
	struct sl_place place; /* line 0 where the file has no `dataplane` */
	enum sl_workers workers;
	uint32_t n_workers; /* the count, or the length of cores; 0 for auto */
	uint16_t cores[SL_CONFIG_CORES_MAX];
	struct sl_place workers_place;
	int32_t control_core; /* -1: not given, the first usable core */
	struct sl_place control_core_place;
	enum sl_idle idle;
	enum sl_simd simd;
	enum sl_hugepages hugepages;
};

enum sl_device {
	SL_DEVICE_PCI,       /* arg "0000:31:00.0" */
	SL_DEVICE_AF_PACKET, /* arg is the kernel's interface */
	SL_DEVICE_AF_XDP,    /* arg is the kernel's interface */
	SL_DEVICE_TAP,       /* arg is the kernel interface to make */
	SL_DEVICE_VDEV,      /* arg is the whole vdev string, "net_…" */
};

/*
 * Members `unmade` are of the running description alone, false or 0 as loaded: a reload could not make this, so the next difference has it
 * once more (sl_diff_unmade).
 */

/* An address with its prefix length; host bits are kept. */
struct sl_config_address {
	struct sl_prefix prefix;
	struct sl_place place;
	bool unmade;
};

struct sl_config_port {
	const char *name;
	struct sl_place place;
	enum sl_device device_kind;
	const char *device;     /* as written */
	const char *device_arg; /* what enum sl_device says */
	struct sl_place device_place;
	const struct sl_config_address *addresses;
	uint32_t n_addresses;
	struct sl_ip gateway4; /* family 0: none */
	struct sl_ip gateway6;
	struct sl_place gateway_place;
	uint32_t mtu; /* bytes of an IP packet */
	bool forward_clear;
	uint32_t unmade; /* of enum sl_change */
};

/* None, an address, or a name that has to be looked up. */
struct sl_config_endpoint {
	const char *host;           /* NULL: a literal address, or none */
	struct sl_endpoint literal; /* ip.family 0 with a host: a name; 0 without: no endpoint at all */
	uint16_t port;              /* host byte order, whichever form */
};

struct sl_config_peer {
	const char *name;
	const struct sl_prefix *allowed_ips; /* host bits are zero (protocol.md 44) */
	uint32_t n_allowed_ips;
	uint16_t persistent_keepalive; /* seconds, 0: off */
	bool has_preshared_key;
	bool disabled; /* checked and kept, but not in the running gateway */
	bool unmade;   /* it is not there, or not all of it is as it should be */
	uint8_t public_key[SL_KEY_LEN];
	uint8_t preshared_key[SL_KEY_LEN]; /* zeros without */
	const char *preshared_key_source;  /* the line that names where it is, such as "preshared-key-file: /x"; NULL: text */
	int64_t expires;                   /* Unix seconds from which on it is as if disabled; 0: never */
	const char *private_key_file;      /* the peer's own key, which `export` alone reads; NULL: not kept here */
	struct sl_config_endpoint endpoint;
	uint32_t endpoint_refresh; /* seconds between lookups of the endpoint's name; 0: only when it went stale */
	struct sl_place place;
};

struct sl_config_interface {
	const char *name;
	struct sl_place place;
	bool has_private_key;            /* without: nothing is sent until `wg set` gives one */
	bool routes;                     /* false: `routes: none` */
	uint8_t private_key[SL_KEY_LEN]; /* clamped */
	uint8_t public_key[SL_KEY_LEN];  /* of private_key; zeros without */
	const char *private_key_source;  /* as a peer's preshared_key_source */
	/* The identity before a rotation, still answered; only beside a private key. */
	bool has_previous_key;
	uint8_t previous_private_key[SL_KEY_LEN]; /* clamped */
	uint8_t previous_public_key[SL_KEY_LEN];
	const char *previous_key_source;
	uint16_t listen_port; /* 0: pick one */
	struct sl_place listen_port_place;
	uint32_t mtu; /* bytes of an inner IP packet, SL_DEFAULT_MTU where the file is silent */
	const struct sl_config_address *addresses;
	uint32_t n_addresses;
	const struct sl_config_peer *peers; /* in file order, then included files; never one with our own key */
	uint32_t n_peers;
	bool unmade;             /* nothing of it is there */
	bool unmade_listen_port;
	uint32_t unmade_changes; /* of enum sl_change */
	uint32_t endpoint_refresh; /* of peers that do not say; seconds */
	/* For the commands that make peers: */
	const struct sl_prefix *pool; /* where their addresses come from; none: the networks of `addresses` */
	uint32_t n_pool;
	struct sl_config_endpoint public_endpoint; /* what clients connect to; none: the first port with a gateway */
	const char *const *include_peers;          /* patterns, from the folder of the file they stand in */
	uint32_t n_include_peers;
};

/*
 * A static route: to the neighbour `via` on `port`, or on-link at `port`, or into `interface`. Exactly one of port
 * and interface is ≥ 0.
 */
struct sl_config_route {
	struct sl_prefix to; /* host bits are zero */
	struct sl_ip via;    /* family 0: none */
	int32_t port;        /* index in ports, also where the file leaves it to `via`; -1: none */
	int32_t interface;   /* index in interfaces; -1: none */
	struct sl_place place;
	bool unmade;
};

/* By what a later load tells that an included file is as it was, and where its peers are in their interface. */
struct sl_config_mark {
	uint64_t identity; /* 0: it is to be read again */
	uint32_t first, n;
};

struct sl_config {
	const char *path;         /* as given to the load */
	const char *const *files; /* sl_place.file indexes it; [0] is path */
	const struct sl_config_mark *marks; /* of each file */
	uint32_t n_files;
	const char *name;
	struct sl_config_dataplane dataplane;
	const struct sl_config_port *ports;
	uint32_t n_ports;
	const struct sl_config_interface *interfaces;
	uint32_t n_interfaces;
	const struct sl_config_route *routes;
	uint32_t n_routes;
	uint32_t n_peers; /* over all interfaces */
	uint32_t n_taken; /* of them taken from the description before, not read */
};

/*
 * Loads and checks `path`, its included files and its key files. NULL if anything is wrong, with at least one error in
 * `errs`; else a description to be freed with sl_config_free, and possibly warnings. `errs` is initialised by the
 * caller and appended to.
 */
struct sl_config *sl_config_load(const char *path, struct sl_config_errors *errs);

/*
 * The same where `old` is a description of the same path: peers of included files that have not been changed since are taken from it, which
 * must not go before the call returns. `errs` is empty.
 */
struct sl_config *sl_config_load_again(
        const char *path, const struct sl_config *old, struct sl_config_errors *errs);

/*
 * The same from memory: `name` stands for the file in messages, and its folder is where relative paths start. The text
 * is not subject to the rule on readable files with secrets; key files and included files are.
 */
struct sl_config *sl_config_load_text(const char *name, const char *text, size_t len, struct sl_config_errors *errs);

/* Wipes the keys and frees everything. NULL is fine. */
void sl_config_free(struct sl_config *config);

/* The cores that a gateway of this description runs on. */
struct sl_config_cores {
	uint16_t control;
	uint16_t workers[SL_CONFIG_CORES_MAX];
	uint32_t n_workers;
	bool shared;       /* a worker shares the control core */
	enum sl_idle idle; /* adaptive when shared, whatever was asked */
	cpu_set_t helpers; /* for threads that help control: all that no worker has; the control core where there are none */
};

/*
 * Chooses cores out of `usable` (the process's affinity, sched_getaffinity). Workers by count are taken after the
 * control core in rising order, wrapping round, so that the control core is the last to be shared. False with errors
 * when a named core is not usable or there are fewer cores than workers; one warning when `idle: poll` cannot be had or
 * a core is shared.
 */
bool sl_config_resolve_cores(const struct sl_config *config, const cpu_set_t *usable, struct sl_config_cores *cores,
        struct sl_config_errors *errs);
