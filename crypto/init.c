#include "crypto/init.h"

#include <errno.h>
#include <sodium.h>

int sl_crypto_init(void)
{
	return sodium_init() < 0 ? -EIO : 0;
}
