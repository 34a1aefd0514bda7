#include "dataplane/waker.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int
sl_waker_init(struct sl_waker *w)
{
	atomic_init(&w->asleep, false);
	w->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return w->fd < 0 ? -errno : 0;
}

void
sl_waker_fini(struct sl_waker *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

void
sl_waker_rise(struct sl_waker *w)
{
	uint64_t n;

	atomic_store_explicit(&w->asleep, false, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	/* what is left in it would cut the next sleep short, nothing worse */
	if (read(w->fd, &n, sizeof(n)) != sizeof(n))
		return;
}

void
sl_waker_signal(struct sl_waker *w)
{
	const uint64_t one = 1;

	/* a full counter is a wake-up that stands already */
	if (write(w->fd, &one, sizeof(one)) != sizeof(one))
		return;
}
