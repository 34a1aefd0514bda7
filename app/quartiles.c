#include "app/quartiles.h"

#include <stdlib.h>

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

struct sl_quartiles
sl_quartiles(double *v, uint32_t n)
{
	if (n == 0)
		return (struct sl_quartiles){0};
	qsort(v, n, sizeof(*v), by_value);
	return (struct sl_quartiles){v[n / 4], (v[(n - 1) / 2] + v[n / 2]) / 2, v[n - 1 - n / 4]};
}

struct sl_quartiles
sl_samples_quartiles(struct sl_samples *s)
{
	return sl_quartiles(s->v, s->n < SL_SAMPLES ? (uint32_t)s->n : SL_SAMPLES);
}
