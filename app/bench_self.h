/*
 * `sluice bench self`: generator, encap, wire, decap and sink inside one process, over ports that are memory. The parts:
 *
 *	cmd_bench_self.c   the rows one after another, where results go
 *	bench_self_options.c
 *	bench_rig.h        the two gateways
 *	bench_frames.h     the packets
 *	bench_self_run.c   one row: packets through it, cycles of each part
 *	bench_self_text.c  a row as text, as JSON, as bars
 *
 * One thread, pinned to one core. A row takes packets in chunks of `buffers`: all are generated, all sealed, carried over, all
 * opened, all looked at, so each part works on packets as warm as that many buffers leave them. The clock is read before
 * and after each burst; a row's figures are medians of bursts (chunks, for stages), since on a shared machine what happens to the
 * thread would otherwise be what is measured. The ports offer no offload: UDP checksums are computed.
 */
#pragma once

#include <signal.h>
#include <stdio.h>

#include <jansson.h>

#include "app/bench_frames.h"
#include "app/quartiles.h"
#include "app/svg_bars.h"

#define SL_SELF_LIST_MAX    16
#define SL_SELF_BUFFERS_MAX 16384

enum sl_self_direction {
	SL_SELF_ENCAP = 1,
	SL_SELF_DECAP = 2,
	SL_SELF_BOTH = 3, /* bits */
};

/* What packets go through, in this order. */
enum sl_self_part {
	SL_SELF_GENERATOR, /* of clear packets, or of sealed ones where decap is measured alone */
	SL_SELF_SEALING,   /* encap: the sender's worker */
	SL_SELF_WIRE,      /* what a driver does with the frame */
	SL_SELF_OPENING,   /* decap: the receiver's worker */
	SL_SELF_SINK,
	SL_SELF_AEAD_SEAL, /* the AEAD alone: the same keys, lengths and bursts, beside the packet path in every chunk */
	SL_SELF_AEAD_OPEN,
	SL_SELF_PARTS
};

struct sl_self_options {
	uint32_t sizes[SL_SELF_LIST_MAX], n_sizes; /* bytes of IP; SL_IMIX */
	uint32_t peers[SL_SELF_LIST_MAX], n_peers;
	enum sl_self_direction direction;
	uint32_t burst;   /* frames that are handed to a worker at once */
	uint32_t buffers;
	double seconds;   /* a row's */
	enum sl_simd simd;
	int core;         /* -1: the last one that may be used */
	bool json, stages;
	const char *plot; /* path or NULL */
};

/*
 * From the command line. True: the command goes on. False: help, the version or an error has been printed, and *code is the
 * exit code.
 */
bool sl_self_parse(int argc, char **argv, struct sl_self_options *o, int *code);

/* What a row was found to be. */
struct sl_self_result {
	uint32_t size, peers;
	uint64_t packets;  /* generated */
	uint64_t arrived;  /* at the sink */
	uint64_t verified; /* of those: compared whole, and right */
	uint64_t wrong;    /* compared and not right */
	uint64_t drops;    /* by either worker */
	uint64_t bytes;    /* of IP inside the tunnel, arrived */
	double seconds;    /* of the clock, AEAD alone not counted */
	struct sl_quartiles parts[SL_SELF_PARTS];              /* TSC cycles per packet */
	struct sl_quartiles stages[2][SL_STAGE_COUNT];         /* the same, of the sender's and of the receiver's stages */
};

/* What runs, and where its time goes. Set up once for a number of peers. */
struct sl_self;

/* NULL with a message on stderr. */
struct sl_self *sl_self_create(const struct sl_self_options *o, uint32_t peers);
void sl_self_destroy(struct sl_self *self);

/* Called a few times a second with what is done so far. */
typedef void (*sl_self_progress_fn)(void *ctx, double seconds, uint64_t packets);

/*
 * Sends packets of a size (or IMIX) for o->seconds, or until *stop. True where every packet arrived and every one that was
 * looked at was right; *r tells it all in either case.
 */
bool sl_self_run(struct sl_self *self, uint32_t size, struct sl_self_result *r, volatile sig_atomic_t *stop,
	sl_self_progress_fn progress, void *ctx);
/* What does the work of the AEAD, "ipsec-mb avx2" and so on. */
const char *sl_self_backend(const struct sl_self *self);

/* Cycles of the gateway's part of a row (encap, wire, decap, as measured), per packet. */
double sl_self_pass(const struct sl_self_result *r, enum sl_self_direction direction);

void sl_self_print_head(const struct sl_self_options *o, FILE *out);
void sl_self_print(const struct sl_self_options *o, const struct sl_self_result *r, double hz, FILE *out);
/* A new object. */
json_t *sl_self_json(const struct sl_self_options *o, const struct sl_self_result *r, double hz);
/* Adds the row to a plot of stacked bars. */
void sl_self_plot(struct sl_svg_bars *bars, const struct sl_self_options *o, const struct sl_self_result *r);
