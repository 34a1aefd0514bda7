/* An RCU variable on plain memory for tests, which need no EAL for it. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <rte_rcu_qsbr.h>

/* For so many readers; free() it. */
static inline struct rte_rcu_qsbr *test_qsbr(unsigned readers)
{
	size_t size = rte_rcu_qsbr_get_memsize(readers);
	struct rte_rcu_qsbr *v = aligned_alloc(64, (size + 63) & ~(size_t)63);

	cr_assert_not_null(v);
	memset(v, 0, size);
	cr_assert_eq(rte_rcu_qsbr_init(v, readers), 0);
	return v;
}
