/* ARP and neighbour discovery on a virtual clock: frames in, frames and table entries out. */
#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <stdlib.h>

#include <criterion/criterion.h>
#include <rte_arp.h>
#include <rte_ip.h>

#include "control/neighbour_frames.h"
#include "control/neighbours.h"
#include "dataplane/ip.h"
#include "tests/unit/dataplane/qsbr.h"
#include "tests/unit/eal.h"

#define IF    3
#define WG_IF 4
#define MAX   8192
#define SEC   SL_NSEC_PER_SEC
#define SENT  8192

static struct {
	struct sl_dataplane *dp;
	struct rte_mempool *pool;
	struct sl_neighbour_protocol *np;
	struct rte_mbuf *sent[SENT];
	unsigned n_sent;
	bool refuse;
	uint64_t now;
} t;

static const struct rte_ether_addr our_mac = {{2, 0, 0, 0, 0, 1}}, mac_a = {{2, 0, 0, 0, 0, 0xa}},
				   mac_b = {{2, 0, 0, 0, 0, 0xb}};

static struct sl_ip
ip(const char *text)
{
	struct sl_ip out;

	cr_assert(sl_ip_parse(text, &out), "%s", text);
	return out;
}

static bool
command(void *ctx, const struct sl_command *cmd)
{
	if (t.refuse)
		return false;
	cr_assert_eq(cmd->op, SL_CMD_FRAME);
	cr_assert_eq(sl_packet(cmd->packet)->out_if, IF);
	cr_assert_lt(t.n_sent, SENT);
	t.sent[t.n_sent++] = cmd->packet;
	return true;
}

static struct rte_mbuf *
alloc(void *ctx)
{
	return rte_pktmbuf_alloc(t.pool);
}

static void
add_if(uint16_t id, uint8_t kind, const char *const *addresses)
{
	struct sl_if *ifp = calloc(1, sizeof(*ifp));

	ifp->id = id;
	ifp->kind = kind;
	ifp->mac = our_mac;
	for (; *addresses; addresses++)
		cr_assert(sl_prefix_parse(*addresses, &ifp->addresses[ifp->n_addresses++]));
	sl_dataplane_set_if(t.dp, ifp);
}

static void
setup(void)
{
	test_eal_init();
	t.now = 100 * SEC;
	t.pool = sl_packet_pool_create("t", 8191, 0, 1518, SOCKET_ID_ANY);
	t.dp = calloc(1, sizeof(*t.dp));
	t.dp->rcu = test_qsbr(1);
	t.dp->reclaim = calloc(1, sizeof(*t.dp->reclaim));
	sl_reclaim_init(t.dp->reclaim, t.dp->rcu);
	cr_assert_eq(sl_neighbours_create(&t.dp->neighbours, MAX, t.dp->reclaim), 0);
	add_if(IF, SL_IF_PORT, (const char *const[]){"10.20.0.1/24", "fd00:20::1/64", "fe80::1/64", NULL});
	add_if(WG_IF, SL_IF_WIREGUARD, (const char *const[]){"10.64.0.1/16", NULL});
	cr_assert_eq(sl_neighbour_protocol_create(&t.np,
			     &(struct sl_neighbour_protocol_config){
				     .dp = t.dp, .out = {command, alloc, NULL}, .max_entries = MAX, .seed = 42}),
		0);
}

/* The frames of a test are freed, and every buffer must be back. */
static void
teardown(void)
{
	for (unsigned i = 0; i < t.n_sent; i++)
		rte_pktmbuf_free(t.sent[i]);
	cr_expect_eq(rte_mempool_in_use_count(t.pool), 0);
	sl_neighbour_protocol_destroy(t.np);
	sl_reclaim_drain(t.dp->reclaim);
	sl_neighbours_destroy(t.dp->neighbours);
}

TestSuite(neighbours, .init = setup, .fini = teardown);

static enum sl_neighbour_state
state(const char *addr, struct rte_ether_addr *mac)
{
	struct sl_ip a = ip(addr);
	struct sl_neighbour_key key = {&a, IF};
	enum sl_neighbour_state s;
	struct rte_ether_addr dummy;

	sl_neighbour_lookup_burst(t.dp->neighbours, &key, &s, mac ? mac : &dummy, 1);
	return s;
}

/* State without marking the entry as used. */
static enum sl_neighbour_state
peek(const char *addr)
{
	struct sl_ip a = ip(addr);
	enum sl_neighbour_state s = state(addr, NULL);

	sl_neighbour_take_used(t.dp->neighbours, IF, &a);
	return s;
}

/* A built frame as it is punted: data behind the Ethernet header. */
static void
deliver(struct rte_mbuf *m, bool arp)
{
	sl_packet_init(m, IF);
	rte_pktmbuf_adj(m, RTE_ETHER_HDR_LEN);
	if (arp)
		sl_neighbour_protocol_arp(t.np, m, t.now);
	else
		sl_neighbour_protocol_nd(t.np, m, t.now);
}

static void
request_from(const struct rte_ether_addr *mac, const char *from, const char *target)
{
	struct rte_mbuf *m = alloc(NULL);
	struct sl_ip a = ip(from), b = ip(target);

	cr_assert(sl_neighbour_build_request(m, mac, &a, &b, NULL));
	deliver(m, a.family == SL_AF_INET);
}

/* to NULL: unsolicited, to everyone. */
static void
answer_from(const struct rte_ether_addr *mac, const char *from, const char *to)
{
	struct rte_mbuf *m = alloc(NULL);
	struct sl_ip a = ip(from), b = to ? ip(to) : a;

	cr_assert(sl_neighbour_build_answer(m, mac, &a, &b, to ? &our_mac : NULL));
	deliver(m, a.family == SL_AF_INET);
}

static void
miss(const char *addr)
{
	const struct sl_neighbour_miss m = {.ip = ip(addr), .out_if = IF};

	sl_neighbour_protocol_miss(t.np, &m, t.now);
}

/* Lets time pass, serving every deadline at its moment. */
static void
pass(uint64_t ns)
{
	uint64_t end = t.now + ns;

	while (sl_neighbour_protocol_deadline(t.np) <= end) {
		t.now = RTE_MAX(t.now, sl_neighbour_protocol_deadline(t.np));
		sl_neighbour_protocol_tick(t.np, t.now, 1000);
	}
	t.now = end;
}

static const struct rte_ether_hdr *
eth(unsigned i)
{
	cr_assert_lt(i, t.n_sent);
	return rte_pktmbuf_mtod(t.sent[i], const struct rte_ether_hdr *);
}

static struct sl_neighbour_message
parsed(unsigned i)
{
	struct sl_neighbour_message msg;
	struct rte_mbuf *copy;

	cr_assert_lt(i, t.n_sent);
	copy = rte_pktmbuf_copy(t.sent[i], t.pool, RTE_ETHER_HDR_LEN, UINT32_MAX);
	cr_assert_eq(eth(i)->ether_type == htons(RTE_ETHER_TYPE_ARP) ? sl_neighbour_parse_arp(copy, &msg) :
								      sl_neighbour_parse_nd(copy, &msg),
		SL_NEIGHBOUR_PARSED);
	rte_pktmbuf_free(copy);
	return msg;
}

#define expect_ip(actual, text) \
	do { \
		struct sl_ip a_ = (actual), b_ = ip(text); \
		char s_[SL_IP_STRLEN]; \
		cr_expect(sl_ip_equal(&a_, &b_), "%s is not %s", sl_ip_format(&a_, s_), text); \
	} while (0)

Test(neighbours, a_request_for_us_is_answered_and_its_sender_learned)
{
	static const struct {
		const char *host, *ours;
	} cases[] = {{"10.20.0.7", "10.20.0.1"}, {"fd00:20::7", "fd00:20::1"}, {"fe80::7", "fe80::1"}, {"fe80::8", "fd00:20::1"}};

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		struct sl_neighbour_message msg;
		struct rte_ether_addr mac;

		request_from(&mac_a, cases[i].host, cases[i].ours);
		cr_assert_eq(t.n_sent, i + 1);
		msg = parsed(i);
		cr_expect(!msg.request && msg.has_mac && msg.solicited);
		cr_expect(rte_is_same_ether_addr(&msg.mac, &our_mac));
		cr_expect(rte_is_same_ether_addr(&eth(i)->dst_addr, &mac_a));
		cr_expect(rte_is_same_ether_addr(&eth(i)->src_addr, &our_mac));
		expect_ip(msg.sender, cases[i].ours);
		expect_ip(msg.to, cases[i].host);
		cr_expect_eq(state(cases[i].host, &mac), SL_NEIGHBOUR_STALE);
		cr_expect(rte_is_same_ether_addr(&mac, &mac_a));
	}
}

Test(neighbours, requests_that_teach_nothing)
{
	request_from(&mac_a, "10.20.0.7", "10.20.0.9");
	cr_expect_eq(t.n_sent, 0, "for somebody else");
	cr_expect_eq(state("10.20.0.7", NULL), SL_NEIGHBOUR_NONE);
	request_from(&mac_a, "192.0.2.7", "10.20.0.1");
	cr_expect_eq(t.n_sent, 1, "answered");
	cr_expect_eq(state("192.0.2.7", NULL), SL_NEIGHBOUR_NONE, "but not on the link");
	request_from(&mac_a, "10.20.0.255", "10.20.0.1");
	cr_expect_eq(state("10.20.0.255", NULL), SL_NEIGHBOUR_NONE, "broadcast");
	request_from(&mac_a, "2001:db8::7", "fd00:20::1");
	cr_expect_eq(state("2001:db8::7", NULL), SL_NEIGHBOUR_NONE);
	request_from(&mac_a, "0.0.0.0", "10.20.0.1");
	cr_expect_eq(t.n_sent, 4, "a probe is answered, so that its sender takes another address");
	cr_expect_eq(sl_neighbour_count(t.dp->neighbours), 0);
}

Test(neighbours, answers_nobody_asked_for)
{
	struct rte_ether_addr mac;

	answer_from(&mac_a, "10.20.0.7", "10.20.0.1");
	answer_from(&mac_a, "fd00:20::7", "fd00:20::1");
	cr_expect_eq(sl_neighbour_count(t.dp->neighbours), 0);
	cr_expect_eq(sl_neighbour_protocol_stats(t.np)->ignored, 2);
	/* but one that we know may tell that it has moved */
	request_from(&mac_a, "10.20.0.7", "10.20.0.1");
	answer_from(&mac_b, "10.20.0.7", NULL);
	cr_expect_eq(state("10.20.0.7", &mac), SL_NEIGHBOUR_STALE);
	cr_expect(rte_is_same_ether_addr(&mac, &mac_b));
}

Test(neighbours, a_miss_is_resolved)
{
	static const char *const hosts[] = {"10.20.0.9", "fd00:20::9"}, *const ours[] = {"10.20.0.1", "fd00:20::1"};
	static const struct rte_ether_addr everyone = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
					   group = {{0x33, 0x33, 0xff, 0, 0, 9}};

	for (unsigned i = 0; i < 2; i++) {
		struct sl_neighbour_message msg;
		struct rte_ether_addr mac;

		miss(hosts[i]);
		miss(hosts[i]);
		cr_assert_eq(t.n_sent, i + 1, "one request for two misses");
		msg = parsed(i);
		cr_expect(msg.request);
		expect_ip(msg.target, hosts[i]);
		expect_ip(msg.sender, ours[i]);
		cr_expect(rte_is_same_ether_addr(&eth(i)->dst_addr, i ? &group : &everyone));
		cr_expect_eq(state(hosts[i], NULL), SL_NEIGHBOUR_INCOMPLETE);
		answer_from(&mac_b, hosts[i], ours[i]);
		cr_expect_eq(state(hosts[i], &mac), SL_NEIGHBOUR_REACHABLE);
		cr_expect(rte_is_same_ether_addr(&mac, &mac_b));
	}
}

Test(neighbours, who_does_not_answer_is_left_alone_for_a_while)
{
	miss("10.20.0.9");
	pass(SEC - 1);
	cr_expect_eq(t.n_sent, 1);
	pass(2 * SEC);
	cr_expect_eq(t.n_sent, 3);
	cr_expect_eq(state("10.20.0.9", NULL), SL_NEIGHBOUR_INCOMPLETE);
	pass(SEC);
	cr_expect_eq(t.n_sent, 3);
	cr_expect_eq(state("10.20.0.9", NULL), SL_NEIGHBOUR_FAILED);
	miss("10.20.0.9");
	cr_expect_eq(t.n_sent, 3, "not asked for again at once");
	pass(SL_NEIGHBOUR_NEGATIVE_NS);
	cr_expect_eq(state("10.20.0.9", NULL), SL_NEIGHBOUR_NONE);
	miss("10.20.0.9");
	cr_expect_eq(t.n_sent, 4);
	/* late answers count */
	pass(3 * SEC);
	cr_expect_eq(state("10.20.0.9", NULL), SL_NEIGHBOUR_FAILED);
	answer_from(&mac_a, "10.20.0.9", "10.20.0.1");
	cr_expect_eq(state("10.20.0.9", NULL), SL_NEIGHBOUR_REACHABLE);
}

Test(neighbours, one_in_use_is_probed_and_forgotten_when_it_falls_silent)
{
	miss("10.20.0.9");
	answer_from(&mac_a, "10.20.0.9", "10.20.0.1");
	for (unsigned i = 0; i < 3; i++) {
		struct sl_neighbour_message msg;
		unsigned before = t.n_sent;

		cr_expect_eq(state("10.20.0.9", NULL), SL_NEIGHBOUR_REACHABLE);
		pass(SL_NEIGHBOUR_REACHABLE_NS);
		cr_assert_eq(t.n_sent, before + 1);
		msg = parsed(before);
		cr_expect(msg.request);
		cr_expect(rte_is_same_ether_addr(&eth(before)->dst_addr, &mac_a), "to it alone");
		answer_from(&mac_a, "10.20.0.9", "10.20.0.1");
	}
	state("10.20.0.9", NULL);
	pass(SL_NEIGHBOUR_REACHABLE_NS + 3 * SEC - 1);
	cr_expect_eq(peek("10.20.0.9"), SL_NEIGHBOUR_REACHABLE);
	pass(1);
	cr_expect_eq(peek("10.20.0.9"), SL_NEIGHBOUR_NONE);
	cr_expect_eq(sl_neighbour_protocol_stats(t.np)->failed, 1);
}

Test(neighbours, one_not_in_use_costs_nothing_and_goes)
{
	unsigned before;

	request_from(&mac_a, "10.20.0.9", "10.20.0.1");
	before = t.n_sent;
	pass(SL_NEIGHBOUR_IDLE_NS - SEC);
	cr_expect_eq(t.n_sent, before);
	cr_expect_eq(peek("10.20.0.9"), SL_NEIGHBOUR_STALE);
	pass(10 * SEC);
	cr_expect_eq(peek("10.20.0.9"), SL_NEIGHBOUR_NONE);
	cr_expect_eq(sl_neighbour_protocol_deadline(t.np), UINT64_MAX);
}

Test(neighbours, a_stale_one_that_is_used_is_confirmed)
{
	request_from(&mac_a, "10.20.0.9", "10.20.0.1");
	pass(60 * SEC);
	cr_expect_eq(t.n_sent, 1);
	state("10.20.0.9", NULL);
	pass(SL_NEIGHBOUR_STALE_NS);
	cr_expect_eq(t.n_sent, 2);
	answer_from(&mac_a, "10.20.0.9", "10.20.0.1");
	cr_expect_eq(peek("10.20.0.9"), SL_NEIGHBOUR_REACHABLE);
}

Test(neighbours, unresolved_ones_are_bounded_and_the_oldest_goes)
{
	char text[32];

	/* link-local addresses: there are enough of them */
	for (unsigned i = 0; i < SL_NEIGHBOUR_UNRESOLVED + 10; i++) {
		snprintf(text, sizeof(text), "fe80::1:%x", i + 1);
		miss(text);
	}
	cr_expect_eq(sl_neighbour_count(t.dp->neighbours), SL_NEIGHBOUR_UNRESOLVED);
	cr_expect_eq(sl_neighbour_protocol_stats(t.np)->evicted, 10);
	cr_expect_eq(state("fe80::1:a", NULL), SL_NEIGHBOUR_NONE);
	cr_expect_eq(state("fe80::1:b", NULL), SL_NEIGHBOUR_INCOMPLETE);
	/* resolved ones are not evicted for them */
	answer_from(&mac_a, "fe80::1:b", "fe80::1");
	for (unsigned i = 0; i < SL_NEIGHBOUR_UNRESOLVED; i++) {
		snprintf(text, sizeof(text), "fe80::2:%x", i + 1);
		miss(text);
		while (t.n_sent > 0)
			rte_pktmbuf_free(t.sent[--t.n_sent]);
	}
	cr_expect_eq(state("fe80::1:b", NULL), SL_NEIGHBOUR_REACHABLE);
	cr_expect_eq(sl_neighbour_count(t.dp->neighbours), SL_NEIGHBOUR_UNRESOLVED + 1);
}

Test(neighbours, those_who_ask_us_cannot_fill_the_table)
{
	char text[32];

	for (unsigned i = 0; i < MAX; i++) {
		snprintf(text, sizeof(text), "fe80::3:%x", i + 1);
		request_from(&mac_a, text, "fe80::1");
		while (t.n_sent > 0)
			rte_pktmbuf_free(t.sent[--t.n_sent]);
	}
	cr_expect_eq(sl_neighbour_count(t.dp->neighbours), MAX - MAX / 4);
	miss("10.20.0.9");
	cr_expect_eq(state("10.20.0.9", NULL), SL_NEIGHBOUR_INCOMPLETE);
}

Test(neighbours, misses_that_cannot_be)
{
	const struct sl_neighbour_miss wg = {.ip = ip("10.64.0.9"), .out_if = WG_IF}, gone = {.ip = wg.ip, .out_if = 99};

	miss("224.0.0.5");
	miss("10.20.0.1");
	miss("0.0.0.0");
	sl_neighbour_protocol_miss(t.np, &wg, t.now);
	sl_neighbour_protocol_miss(t.np, &gone, t.now);
	cr_expect_eq(t.n_sent, 0);
	cr_expect_eq(sl_neighbour_count(t.dp->neighbours), 0);
}

Test(neighbours, announced_twice)
{
	unsigned unsolicited = 0;

	sl_neighbour_protocol_announce(t.np, IF, t.now);
	cr_assert_eq(t.n_sent, 3);
	for (unsigned i = 0; i < t.n_sent; i++) {
		struct sl_neighbour_message msg = parsed(i);

		cr_expect(!msg.request && !msg.solicited && msg.override && msg.has_mac);
		cr_expect(rte_is_multicast_ether_addr(&eth(i)->dst_addr));
		unsolicited += rte_is_same_ether_addr(&msg.mac, &our_mac);
	}
	cr_expect_eq(unsolicited, 3);
	pass(SEC);
	cr_expect_eq(t.n_sent, 6);
	pass(100 * SEC);
	cr_expect_eq(t.n_sent, 6);
	sl_neighbour_protocol_announce(t.np, WG_IF, t.now);
	cr_expect_eq(t.n_sent, 6);
}

Test(neighbours, our_own_address_elsewhere_is_a_conflict)
{
	answer_from(&mac_a, "10.20.0.1", NULL);
	request_from(&mac_a, "10.20.0.1", "10.20.0.1");
	answer_from(&mac_a, "fd00:20::1", NULL);
	request_from(&mac_a, "fe80::1", "fd00:20::1");
	cr_expect_eq(sl_neighbour_protocol_stats(t.np)->conflicts, 4);
	answer_from(&our_mac, "10.20.0.1", NULL);
	cr_expect_eq(sl_neighbour_protocol_stats(t.np)->conflicts, 4, "our own announcement come back is none");
	cr_expect_eq(sl_neighbour_count(t.dp->neighbours), 0);
}

Test(neighbours, nothing_sent_is_lost_when_workers_are_full)
{
	t.refuse = true;
	miss("10.20.0.9");
	request_from(&mac_a, "10.20.0.7", "10.20.0.1");
	cr_expect_eq(sl_neighbour_protocol_stats(t.np)->no_room, 2);
	t.refuse = false;
	pass(SEC);
	cr_expect_eq(t.n_sent, 1, "asked again a second later");
}

Test(neighbours, an_interface_that_goes_is_forgotten)
{
	miss("10.20.0.9");
	request_from(&mac_a, "10.20.0.7", "10.20.0.1");
	sl_neighbour_protocol_announce(t.np, IF, t.now);
	sl_neighbour_protocol_forget_if(t.np, IF);
	cr_expect_eq(sl_neighbour_count(t.dp->neighbours), 0);
	t.n_sent = (pass(10 * SEC), t.n_sent);
	cr_expect_eq(sl_neighbour_protocol_deadline(t.np), UINT64_MAX);
}

/* A valid solicitation from fd00:20::7 for fd00:20::1, with data at the IPv6 header. */
static struct rte_mbuf *
solicitation(void)
{
	struct rte_mbuf *m = alloc(NULL);
	struct sl_ip from = ip("fd00:20::7"), to = ip("fd00:20::1");

	cr_assert(sl_neighbour_build_request(m, &mac_a, &from, &to, NULL));
	sl_packet_init(m, IF);
	rte_pktmbuf_adj(m, RTE_ETHER_HDR_LEN);
	return m;
}

static void
fix_checksum(struct rte_mbuf *m)
{
	struct rte_ipv6_hdr *h = rte_pktmbuf_mtod(m, struct rte_ipv6_hdr *);
	uint8_t *icmp = (uint8_t *)(h + 1);
	uint32_t len = ntohs(h->payload_len);
	uint16_t sum = 0;

	memcpy(icmp + 2, &sum, 2);
	sum = sl_csum_fold(sl_csum_add(sl_csum_pseudo(SL_AF_INET6, h->src_addr, h->dst_addr, IPPROTO_ICMPV6, len), icmp, len));
	memcpy(icmp + 2, &sum, 2);
}

Test(neighbours, solicitations_are_checked_as_the_rfc_says)
{
	/* byte of the packet, its new value; checksum mended or not */
	static const struct {
		unsigned at;
		uint8_t value;
		bool mend, valid;
		const char *what;
	} cases[] = {
		{7, 255, true, true, "as it was"},
		{7, 254, true, false, "hop limit"},
		{41, 1, true, false, "code"},
		{60, 1, false, false, "checksum"},
		{48, 0xff, true, false, "target is multicast"},
		{65, 0, true, false, "option without a length"},
		{65, 2, true, false, "option longer than the packet"},
		{64, 14, true, true, "unknown option"},
		{5, 23, true, false, "too short"},
		{66, 0x01, true, true, "multicast source address: not learned"},
	};

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		struct rte_mbuf *m = solicitation();
		uint64_t before = sl_neighbour_protocol_stats(t.np)->invalid;

		rte_pktmbuf_mtod(m, uint8_t *)[cases[i].at] = cases[i].value;
		if (cases[i].mend)
			fix_checksum(m);
		cr_expect(sl_neighbour_protocol_is_nd(m), "%s", cases[i].what);
		sl_neighbour_protocol_nd(t.np, m, t.now);
		cr_expect_eq(sl_neighbour_protocol_stats(t.np)->invalid - before, cases[i].valid ? 0 : 1, "%s", cases[i].what);
	}
}

Test(neighbours, truncated_and_random_packets_do_no_harm)
{
	for (uint16_t len = 0; len < 72; len++) {
		struct rte_mbuf *m = solicitation();

		rte_pktmbuf_trim(m, (uint16_t)(m->pkt_len - len));
		sl_neighbour_protocol_is_nd(m);
		sl_neighbour_protocol_nd(t.np, m, t.now);
	}
	for (uint16_t len = 0; len < sizeof(struct rte_arp_hdr); len++) {
		struct rte_mbuf *m = alloc(NULL);

		sl_packet_init(m, IF);
		if (len)
			memset(rte_pktmbuf_append(m, len), 0, len);
		sl_neighbour_protocol_arp(t.np, m, t.now);
	}
	cr_expect_eq(t.n_sent, 0);
	cr_expect_eq(sl_neighbour_protocol_stats(t.np)->invalid, 72 + sizeof(struct rte_arp_hdr));
}

Test(neighbours, groups)
{
	struct sl_localaddr_entry out[SL_NEIGHBOUR_GROUPS_MAX];

	cr_assert_eq(sl_neighbour_groups(sl_dataplane_if(t.dp, IF), out), 3);
	expect_ip(out[0].ip, "ff02::1");
	expect_ip(out[1].ip, "ff02::1:ff00:1");
	cr_expect_eq(out[1].flags, SL_LOCALADDR_MULTICAST | SL_LOCALADDR_SCOPED);
	cr_expect_eq(out[1].l3_if, IF);
	cr_expect_eq(sl_neighbour_groups(sl_dataplane_if(t.dp, WG_IF), out), 0);
}
