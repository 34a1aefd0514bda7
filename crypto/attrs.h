/*
 * Function attributes that carry a contract. Used by every room; no code, no state.
 */
#pragma once

/* The caller must look at the result: it is a verdict. */
#define SL_MUST_CHECK __attribute__((warn_unused_result))
