/*
 * The threads of the socket path (app/bench_sockets.c): a receiver at a socket
 * and a sender of a flow. The path owns both and joins them; what they count is
 * read from the main thread.
 */
#pragma once

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include "app/bench_path.h"

/* Control messages on their way from receivers to the main thread; bounded, what does not fit is dropped. */
struct sl_bench_mailbox {
	pthread_mutex_t lock;
	pthread_cond_t came;
	unsigned first, n;
	struct sl_bench_mail mails[SL_BENCH_MAILS];
};

void sl_bench_mailbox_init(struct sl_bench_mailbox *box);
/* Waits up to `ms`. Whether *mail is set. */
bool sl_bench_mailbox_take(struct sl_bench_mailbox *box, unsigned ms, struct sl_bench_mail *mail);

struct sl_bench_receiver {
	int fd;
	struct sl_traffic_sink *sink;
	struct sl_bench_mailbox *box;
	struct sl_traffic_lines *lines;
	_Atomic bool stop;
	pthread_t thread;
};

/* The caller has filled the first four members. 0 or a negative errno. */
int sl_bench_receiver_start(struct sl_bench_receiver *r);
void sl_bench_receiver_stop(struct sl_bench_receiver *r);

struct sl_bench_sender {
	int fd;
	struct sockaddr_storage to;
	socklen_t to_len; /* 0: the socket is connected */
	uint8_t key[SL_TRAFFIC_KEY_LEN];
	struct sl_traffic_gen gen;
	_Atomic int error; /* errno of what keeps it from sending */
	_Atomic bool stop;
	pthread_t thread;
};

/* The caller has filled fd, to, to_len, key and begun gen. 0 or a negative errno. */
int sl_bench_sender_start(struct sl_bench_sender *s);
void sl_bench_sender_stop(struct sl_bench_sender *s);

/* ns of CLOCK_MONOTONIC: what packets are stamped with. */
uint64_t sl_bench_now(void);

/* Endpoints and socket addresses. On an IPv6 socket that takes both families (mapped), IPv4 addresses stand as ::ffff:a.b.c.d. */
socklen_t sl_bench_sockaddr(const struct sl_endpoint *e, bool mapped, struct sockaddr_storage *out);
void sl_bench_endpoint(const struct sockaddr_storage *from, struct sl_endpoint *out);
