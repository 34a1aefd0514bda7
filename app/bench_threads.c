#include "app/bench_threads.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "crypto/protocol.h"
#include "crypto/random.h"

#define BATCH          32
#define TIMER_SLACK_NS 1000             /* the kernel's default of 50 µs would blur every pause */
#define PAUSE_MAX_NS   UINT64_C(10000000) /* so often a sender looks whether it is to stop */
#define SPIN_BELOW_NS  UINT64_C(20000)  /* a shorter pause is not worth a sleep */
#define FULL_PAUSE_NS  UINT64_C(50000)  /* the interface's queue is full */
#define GIVE_UP_NS     UINT64_C(500000000) /* after the trial's end, for what could not be sent */

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

uint64_t
sl_bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SL_NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

socklen_t
sl_bench_sockaddr(const struct sl_endpoint *e, bool mapped, struct sockaddr_storage *out)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;

	memset(out, 0, sizeof(*out));
	if (e->ip.family == SL_AF_INET && !mapped) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(e->port);
		memcpy(&v4->sin_addr, e->ip.bytes, sizeof(v4->sin_addr));
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(e->port);
	if (e->ip.family == SL_AF_INET) {
		memcpy(v6->sin6_addr.s6_addr, mapped_prefix, sizeof(mapped_prefix));
		memcpy(v6->sin6_addr.s6_addr + sizeof(mapped_prefix), e->ip.bytes, 4);
	} else {
		memcpy(v6->sin6_addr.s6_addr, e->ip.bytes, sizeof(v6->sin6_addr));
	}
	return sizeof(*v6);
}

void
sl_bench_endpoint(const struct sockaddr_storage *from, struct sl_endpoint *out)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
	const uint8_t *a = v6->sin6_addr.s6_addr;

	if (from->ss_family == AF_INET) {
		out->ip = sl_ip4(&v4->sin_addr);
		out->port = ntohs(v4->sin_port);
		return;
	}
	out->ip = memcmp(a, mapped_prefix, sizeof(mapped_prefix)) == 0 ? sl_ip4(a + sizeof(mapped_prefix)) : sl_ip6(a);
	out->port = ntohs(v6->sin6_port);
}

/* --- mailbox --- */

void
sl_bench_mailbox_init(struct sl_bench_mailbox *box)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&box->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&box->came, &attr);
	pthread_condattr_destroy(&attr);
	box->first = box->n = 0;
}

static void
mailbox_put(struct sl_bench_mailbox *box, const struct sl_endpoint *from, const uint8_t *bytes)
{
	pthread_mutex_lock(&box->lock);
	if (box->n < SL_BENCH_MAILS) {
		struct sl_bench_mail *mail = &box->mails[(box->first + box->n++) % SL_BENCH_MAILS];

		mail->from = *from;
		memcpy(mail->bytes, bytes, sizeof(mail->bytes));
		pthread_cond_signal(&box->came);
	}
	pthread_mutex_unlock(&box->lock);
}

bool
sl_bench_mailbox_take(struct sl_bench_mailbox *box, unsigned ms, struct sl_bench_mail *mail)
{
	uint64_t deadline = sl_bench_now() + ms * SL_NSEC_PER_MSEC;
	const struct timespec ts = {
		.tv_sec = (time_t)(deadline / SL_NSEC_PER_SEC), .tv_nsec = (long)(deadline % SL_NSEC_PER_SEC)};
	bool any;

	pthread_mutex_lock(&box->lock);
	while (box->n == 0 && pthread_cond_timedwait(&box->came, &box->lock, &ts) == 0)
		;
	any = box->n > 0;
	if (any) {
		*mail = box->mails[box->first];
		box->first = (box->first + 1) % SL_BENCH_MAILS;
		box->n--;
	}
	pthread_mutex_unlock(&box->lock);
	return any;
}

/* --- receiving --- */

/* Buffers of one batch. */
struct batch {
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_storage names[BATCH];
	uint8_t bytes[BATCH][SL_TRAFFIC_PAYLOAD_MAX];
};

static void
batch_prepare(struct batch *b)
{
	for (unsigned i = 0; i < BATCH; i++) {
		b->iov[i] = (struct iovec){b->bytes[i], sizeof(b->bytes[i])};
		b->msgs[i].msg_hdr = (struct msghdr){
			.msg_name = &b->names[i],
			.msg_namelen = sizeof(b->names[i]),
			.msg_iov = &b->iov[i],
			.msg_iovlen = 1,
		};
	}
}

/* Echoes go back in the buffers that the probes came in: their messages are moved to the front of the batch. */
static void
receive_batch(struct sl_bench_receiver *r, struct batch *b, unsigned n)
{
	uint64_t now = sl_bench_now();
	unsigned answers = 0;

	for (unsigned i = 0; i < n; i++) {
		struct sl_endpoint from;

		if (b->msgs[i].msg_hdr.msg_flags & MSG_TRUNC)
			continue;
		sl_bench_endpoint(&b->names[i], &from);
		switch (sl_traffic_sink_take(r->sink, r->lines, b->bytes[i], b->msgs[i].msg_len, &from.ip, now)) {
		case SL_TRAFFIC_ANSWER:
			b->iov[i].iov_len = SL_TRAFFIC_HEADER_LEN;
			b->msgs[answers++] = b->msgs[i];
			break;
		case SL_TRAFFIC_CONTROL:
			mailbox_put(r->box, &from, b->bytes[i]);
			break;
		case SL_TRAFFIC_COUNTED:
		case SL_TRAFFIC_REFUSE:
			break;
		}
	}
	/* what the kernel has no room for is lost, like any other packet */
	if (answers > 0)
		sendmmsg(r->fd, b->msgs, answers, MSG_DONTWAIT);
}

static void *
receiver_main(void *arg)
{
	struct sl_bench_receiver *r = arg;
	struct batch b;

	while (!atomic_load_explicit(&r->stop, memory_order_relaxed)) {
		int n;

		batch_prepare(&b);
		/* the socket's timeout ends the wait */
		n = recvmmsg(r->fd, b.msgs, BATCH, MSG_WAITFORONE, NULL);
		if (n > 0)
			receive_batch(r, &b, (unsigned)n);
	}
	return NULL;
}

int
sl_bench_receiver_start(struct sl_bench_receiver *r)
{
	return -pthread_create(&r->thread, NULL, receiver_main, r);
}

void
sl_bench_receiver_stop(struct sl_bench_receiver *r)
{
	atomic_store(&r->stop, true);
	pthread_join(r->thread, NULL);
}

/* --- sending --- */

static void
pause_ns(uint64_t ns)
{
	const struct timespec ts = {.tv_nsec = (long)ns};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

/* Whether an error of send is about the moment (or about an ICMP error that has come) rather than about the packet. */
static bool
passes(int err)
{
	return err == EAGAIN || err == EINTR || err == ENOBUFS || err == ECONNREFUSED || err == EHOSTUNREACH ||
		err == ENETUNREACH || err == ENETDOWN || err == ENOMEM;
}

/* Sends a batch whole, unless it is to stop or the trial's end is long past. How many it has sent. */
static unsigned
send_all(struct sl_bench_sender *s, struct mmsghdr *msgs, unsigned n)
{
	unsigned sent = 0;

	while (sent < n && !atomic_load_explicit(&s->stop, memory_order_relaxed)) {
		int got = sendmmsg(s->fd, msgs + sent, n - sent, 0);

		if (got > 0) {
			sent += (unsigned)got;
			continue;
		}
		if (!passes(errno)) {
			atomic_store(&s->error, errno);
			return sent;
		}
		if (sl_bench_now() > s->gen.ends + GIVE_UP_NS)
			return sent;
		pause_ns(FULL_PAUSE_NS);
	}
	return sent;
}

static void
wait_for_more(const struct sl_bench_sender *s)
{
	uint64_t wait = sl_traffic_gen_wait(&s->gen, sl_bench_now());

	if (wait >= SPIN_BELOW_NS)
		pause_ns(wait < PAUSE_MAX_NS ? wait : PAUSE_MAX_NS);
}

static void *
sender_main(void *arg)
{
	struct sl_bench_sender *s = arg;
	struct batch b;
	struct sl_traffic_packet packets[BATCH];

	prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
	batch_prepare(&b);
	/* something that no link compresses */
	sl_random_bytes(b.bytes[0], sizeof(b.bytes[0]));
	for (unsigned i = 0; i < BATCH; i++) {
		memcpy(b.bytes[i], b.bytes[0], sizeof(b.bytes[0]));
		b.msgs[i].msg_hdr.msg_name = s->to_len ? &s->to : NULL;
		b.msgs[i].msg_hdr.msg_namelen = s->to_len;
	}
	while (!atomic_load_explicit(&s->stop, memory_order_relaxed) && !atomic_load(&s->error)) {
		unsigned n = sl_traffic_gen_take(&s->gen, sl_bench_now(), packets, BATCH), sent;

		if (n == 0 && atomic_load_explicit(&s->gen.ended, memory_order_relaxed))
			break;
		for (unsigned i = 0; i < n; i++) {
			sl_traffic_header_write(b.bytes[i], &packets[i].header, s->key);
			b.iov[i].iov_len = packets[i].payload;
		}
		sent = send_all(s, b.msgs, n);
		sl_traffic_gen_sent(&s->gen, packets, sent);
		if (sent < n)
			break;
		wait_for_more(s);
	}
	atomic_store_explicit(&s->gen.ended, true, memory_order_release);
	return NULL;
}

int
sl_bench_sender_start(struct sl_bench_sender *s)
{
	return -pthread_create(&s->thread, NULL, sender_main, s);
}

void
sl_bench_sender_stop(struct sl_bench_sender *s)
{
	atomic_store(&s->stop, true);
	pthread_join(s->thread, NULL);
}
