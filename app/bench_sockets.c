#include "app/bench_sockets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/bench_threads.h"
#include "crypto/wipe.h"

#define BUFFER_BYTES   (8 * 1024 * 1024) /* of a socket, in either direction; what the system grants */
#define RECEIVE_WAIT_US 100000           /* so often a receiver looks whether it is to stop */
#define RECEIVERS_MAX  (SL_TRAFFIC_FLOWS_MAX + 1)

struct session {
	uint32_t id; /* 0: none */
	uint8_t key[SL_TRAFFIC_KEY_LEN];
	uint16_t trial;
	uint64_t began; /* ns, of the trial */
	struct sl_traffic_plan plan;
	struct sl_endpoint to[SL_TRAFFIC_FLOWS_MAX];
	struct sl_bench_sender *senders[SL_TRAFFIC_FLOWS_MAX];
	unsigned n_senders;
};

struct sockets {
	struct sl_bench_path path;
	bool server;
	bool mapped; /* IPv4 peers of an IPv6 socket */
	/* a server's only one; a client's: control, then the flows' */
	struct sl_bench_receiver receivers[RECEIVERS_MAX];
	struct sl_traffic_lines *lines[RECEIVERS_MAX];
	unsigned n_receivers;
	struct sl_bench_mailbox box;
	struct sl_traffic_sink sink;
	struct session sessions[SL_TRAFFIC_SESSIONS];
};

static struct sockets *
of(struct sl_bench_path *p)
{
	return (struct sockets *)p;
}

static struct session *
session_of(struct sockets *s, uint32_t id)
{
	return &s->sessions[sl_traffic_slot(id)];
}

/* The socket on which a flow's packets leave. */
static int
socket_of(const struct sockets *s, uint16_t flow)
{
	if (s->server || flow == SL_TRAFFIC_FLOW_ALL)
		return s->receivers[0].fd;
	return s->receivers[1 + flow].fd;
}

/* --- sessions and trials --- */

static void
stop_senders(struct session *session)
{
	for (unsigned i = 0; i < session->n_senders; i++) {
		sl_bench_sender_stop(session->senders[i]);
		sl_wipe(session->senders[i]->key, sizeof(session->senders[i]->key));
		free(session->senders[i]);
	}
	session->n_senders = 0;
}

static int
sockets_open(struct sl_bench_path *p, uint32_t id, const uint8_t key[SL_TRAFFIC_KEY_LEN], const struct sl_ip *peer)
{
	struct sockets *s = of(p);
	struct session *session = session_of(s, id);

	*session = (struct session){.id = id};
	memcpy(session->key, key, sizeof(session->key));
	sl_traffic_sink_open(&s->sink, id, key, peer);
	return 0;
}

static void
sockets_attach(struct sl_bench_path *p, uint32_t id, uint16_t flow, const struct sl_endpoint *to)
{
	session_of(of(p), id)->to[flow] = *to;
}

static void
sockets_expect(struct sl_bench_path *p, uint32_t id, uint16_t trial, const struct sl_traffic_plan *plan)
{
	struct sockets *s = of(p);
	struct session *session = session_of(s, id);

	stop_senders(session);
	session->trial = trial;
	session->plan = *plan;
	session->began = sl_bench_now();
	sl_traffic_sink_trial(&s->sink, id, trial);
}

static int
start_sender(struct sockets *s, struct session *session, uint16_t flow, bool data, uint64_t probes)
{
	const struct sl_traffic_plan *plan = &session->plan;
	const struct sl_traffic_gen_config cfg = {
		.session = session->id,
		.trial = session->trial,
		.first_flow = flow,
		.flow_step = 1,
		.n_flows = 1,
		.data = data,
		.probes = sl_traffic_share(probes, flow, plan->flows),
		.rate = sl_traffic_share(plan->rate, flow, plan->flows),
	};
	struct sl_bench_sender *sender = calloc(1, sizeof(*sender));
	int rc;

	if (sender == NULL)
		return -ENOMEM;
	sender->fd = socket_of(s, flow);
	if (s->server)
		sender->to_len = sl_bench_sockaddr(&session->to[flow], s->mapped, &sender->to);
	memcpy(sender->key, session->key, sizeof(sender->key));
	sl_traffic_gen_begin(&sender->gen, &cfg, plan, sl_bench_now());
	rc = sl_bench_sender_start(sender);
	if (rc != 0) {
		free(sender);
		return rc;
	}
	session->senders[session->n_senders++] = sender;
	return 0;
}

static int
sockets_generate(struct sl_bench_path *p, uint32_t id, bool data, uint64_t probes)
{
	struct sockets *s = of(p);
	struct session *session = session_of(s, id);
	int rc = 0;

	for (uint16_t f = 0; rc == 0 && f < session->plan.flows; f++)
		rc = start_sender(s, session, f, data, probes);
	if (rc != 0)
		stop_senders(session);
	return rc;
}

static void
add_sender(struct sl_bench_path *p, const struct sl_bench_sender *sender, struct sl_traffic_stats *out)
{
	int err = atomic_load(&sender->error);

	out->sent += sl_traffic_gen_total(&sender->gen);
	out->sent_bytes += atomic_load_explicit(&sender->gen.bytes, memory_order_relaxed);
	out->sending |= !atomic_load_explicit(&sender->gen.ended, memory_order_acquire);
	if (err == EMSGSIZE)
		snprintf(p->error, sizeof(p->error), "packets of this size do not fit the way's MTU; choose a smaller --size");
	else if (err != 0)
		snprintf(p->error, sizeof(p->error), "cannot send: %s", strerror(err));
}

static void
sockets_stats(struct sl_bench_path *p, uint32_t id, uint16_t flow, struct sl_traffic_stats *out)
{
	struct sockets *s = of(p);
	struct session *session = session_of(s, id);

	*out = (struct sl_traffic_stats){.elapsed = sl_bench_now() - session->began};
	for (unsigned i = 0; i < session->n_senders; i++)
		if (flow == SL_TRAFFIC_FLOW_ALL || flow == i)
			add_sender(p, session->senders[i], out);
	sl_traffic_sink_stats(s->lines, s->n_receivers, id, session->trial, flow, session->plan.flows, out);
}

static void
sockets_round_trip(struct sl_bench_path *p, uint32_t id, struct sl_histogram_copy *copy, uint64_t *sent)
{
	struct sockets *s = of(p);
	const struct session *session = session_of(s, id);

	*sent = 0;
	for (unsigned i = 0; i < s->n_receivers; i++)
		sl_histogram_gather(copy, &s->lines[i]->round_trip);
	for (unsigned i = 0; i < session->n_senders; i++)
		*sent += atomic_load_explicit(&session->senders[i]->gen.probes_sent, memory_order_relaxed);
}

static void
sockets_close(struct sl_bench_path *p, uint32_t id)
{
	struct sockets *s = of(p);
	struct session *session = session_of(s, id);

	sl_traffic_sink_close(&s->sink, id);
	stop_senders(session);
	sl_wipe(session, sizeof(*session));
}

/* --- control messages --- */

static void
sockets_send(
	struct sl_bench_path *p, uint16_t flow, const struct sl_endpoint *to, const uint8_t message[SL_TRAFFIC_CONTROL_LEN])
{
	struct sockets *s = of(p);
	struct sockaddr_storage addr;
	socklen_t len = s->server ? sl_bench_sockaddr(to, s->mapped, &addr) : 0;

	/* a message that does not leave is asked for again */
	sendto(socket_of(s, flow), message, SL_TRAFFIC_CONTROL_LEN, MSG_DONTWAIT | MSG_NOSIGNAL,
		len ? (struct sockaddr *)&addr : NULL, len);
}

static int
sockets_receive(struct sl_bench_path *p, unsigned ms, struct sl_bench_mail *mail)
{
	return sl_bench_mailbox_take(&of(p)->box, ms, mail);
}

static uint64_t
sockets_now(struct sl_bench_path *p)
{
	return sl_bench_now();
}

static void
sockets_destroy(struct sl_bench_path *p)
{
	struct sockets *s = of(p);

	for (unsigned i = 0; i < SL_TRAFFIC_SESSIONS; i++)
		stop_senders(&s->sessions[i]);
	for (unsigned i = 0; i < s->n_receivers; i++) {
		sl_bench_receiver_stop(&s->receivers[i]);
		close(s->receivers[i].fd);
		free(s->lines[i]);
	}
	sl_wipe(s, sizeof(*s));
	free(s);
}

static const struct sl_bench_path_ops sockets_ops = {
	.open = sockets_open,
	.attach = sockets_attach,
	.expect = sockets_expect,
	.generate = sockets_generate,
	.stats = sockets_stats,
	.round_trip = sockets_round_trip,
	.close = sockets_close,
	.send = sockets_send,
	.receive = sockets_receive,
	.now = sockets_now,
	.destroy = sockets_destroy,
};

/* --- sockets --- */

static void
set_buffers(int fd)
{
	const int bytes = BUFFER_BYTES;

	/* beyond the system's limit only with the right to */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

/* Fragments would measure something else: what does not fit the way is refused by the kernel. */
static void
set_dont_fragment(int fd, int family)
{
	const int always = IP_PMTUDISC_DO;

	setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &always, sizeof(always));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &always, sizeof(always));
}

static int
make_socket(int family)
{
	const struct timeval wait = {.tv_usec = RECEIVE_WAIT_US};
	const int off = 0;
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	set_buffers(fd);
	set_dont_fragment(fd, family);
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	return fd;
}

/* Makes fd a socket of the path with a receiver of its own; on failure it is closed. */
static int
add_receiver(struct sockets *s, int fd)
{
	unsigned i = s->n_receivers;
	int rc;

	s->lines[i] = calloc(1, sizeof(*s->lines[i]));
	s->receivers[i] = (struct sl_bench_receiver){.fd = fd, .sink = &s->sink, .box = &s->box, .lines = s->lines[i]};
	rc = s->lines[i] ? sl_bench_receiver_start(&s->receivers[i]) : -ENOMEM;
	if (rc != 0) {
		free(s->lines[i]);
		close(fd);
		return rc;
	}
	s->n_receivers++;
	return 0;
}

static struct sockets *
new_sockets(char *error)
{
	struct sockets *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		snprintf(error, SL_BENCH_ERROR_LEN, "out of memory");
		return NULL;
	}
	s->path.ops = &sockets_ops;
	sl_bench_mailbox_init(&s->box);
	return s;
}

struct sl_bench_path *
sl_bench_sockets_listen(const struct sl_ip *bind_ip, uint16_t port, char *error)
{
	static const struct sl_ip any6 = {.family = SL_AF_INET6};
	struct sl_endpoint at = {.ip = bind_ip->family ? *bind_ip : any6, .port = port};
	struct sockets *s = new_sockets(error);
	struct sockaddr_storage addr;
	int fd, rc;

	if (s == NULL)
		return NULL;
	s->server = true;
	fd = make_socket(at.ip.family == SL_AF_INET6 ? AF_INET6 : AF_INET);
	if (fd == -EAFNOSUPPORT && bind_ip->family == SL_AF_NONE) {
		/* a host without IPv6 */
		at.ip = (struct sl_ip){.family = SL_AF_INET};
		fd = make_socket(AF_INET);
	}
	s->mapped = at.ip.family == SL_AF_INET6;
	if (fd < 0)
		rc = fd;
	else if (bind(fd, (struct sockaddr *)&addr, sl_bench_sockaddr(&at, s->mapped, &addr)) != 0)
		rc = -errno;
	else
		rc = 0;
	if (rc != 0 && fd >= 0)
		close(fd);
	if (rc == 0)
		rc = add_receiver(s, fd);
	if (rc != 0) {
		snprintf(error, SL_BENCH_ERROR_LEN, "cannot listen on UDP port %u: %s", port, strerror(-rc));
		sockets_destroy(&s->path);
		return NULL;
	}
	return &s->path;
}

static int
add_connected(struct sockets *s, const struct sl_endpoint *server)
{
	struct sockaddr_storage addr;
	socklen_t len = sl_bench_sockaddr(server, false, &addr);
	int fd = make_socket(addr.ss_family);
	int rc;

	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&addr, len) != 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return add_receiver(s, fd);
}

struct sl_bench_path *
sl_bench_sockets_connect(const struct sl_endpoint *server, unsigned flows, char *error)
{
	struct sockets *s = new_sockets(error);
	char text[SL_ENDPOINT_STRLEN];

	for (unsigned i = 0; s && i < 1 + flows; i++) {
		int rc = add_connected(s, server);

		if (rc != 0) {
			snprintf(error, SL_BENCH_ERROR_LEN, "cannot send to %s: %s", sl_endpoint_format(server, text), strerror(-rc));
			sockets_destroy(&s->path);
			return NULL;
		}
	}
	return s ? &s->path : NULL;
}
