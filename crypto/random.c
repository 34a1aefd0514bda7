#include "crypto/random.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

void sl_random_bytes(void *out, size_t n)
{
	uint8_t *p = out;

	while (n > 0) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0) {
			if (errno == EINTR)
				continue;
			/* Going on with predictable keys would be worse than stopping. */
			abort();
		}
		p += got;
		n -= (size_t)got;
	}
}

static void kernel_bytes(void *ctx, void *out, size_t n)
{
	(void)ctx;
	sl_random_bytes(out, n);
}

const struct sl_rng sl_rng_kernel = {.bytes = kernel_bytes, .ctx = NULL};
