/* The model of workers that open messages for one another, as a program that is built with the thread sanitizer. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/dataplane/order_model.h"

#define PACKETS 400000 /* of a run; SL_ORDER_PACKETS for another number in all */

int
main(void)
{
	static const struct order_model_config runs[] = {
		{.seed = 1, .helpers = 1, .full = 128, .control = true},
		{.seed = 2, .helpers = 3, .full = 128, .switching = true, .control = true},
		{.seed = 3, .helpers = 2, .full = 6, .switching = true, .control = true},
	};
	const unsigned n = sizeof(runs) / sizeof(runs[0]);
	const char *text = getenv("SL_ORDER_PACKETS");
	uint64_t packets = text ? strtoull(text, NULL, 10) / n + 1 : PACKETS;
	int status = 0;

	for (unsigned i = 0; i < n; i++) {
		struct order_model_config cfg = runs[i];
		struct order_model_result r;

		cfg.packets = packets;
		r = order_model_run(&cfg);
		printf("%u helpers: %" PRIu64 " received, %" PRIu64 " delivered, %" PRIu64 " replays, %" PRIu64 " full, %" PRIu64
		       " gone; %" PRIu64 " batches helped, %" PRIu64 " own; %" PRIu64 " rotations, %" PRIu64 " switches%s%s\n",
			cfg.helpers, r.received, r.delivered, r.replayed, r.full, r.gone, r.helped, r.own, r.rotations, r.switches,
			r.wrong ? ": " : "", r.wrong ? r.wrong : "");
		if (r.wrong || r.helped == 0 || r.rotations == 0)
			status = 1;
	}
	return status;
}
