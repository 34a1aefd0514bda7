#include "dataplane/outer_path.h"

#include <netinet/in.h>

#include <rte_malloc.h>

#include "dataplane/ip.h"
#include "dataplane/lazy.h"
#include "dataplane/peer.h"

struct sl_outer_paths *
sl_outer_paths_create(
	struct sl_peer_sending *sending, struct sl_peer_receiving *receiving, uint32_t capacity, int socket)
{
	struct sl_outer_paths *p = rte_zmalloc_socket("sl_outer_paths", sizeof(*p), RTE_CACHE_LINE_SIZE, socket);

	if (p == NULL)
		return NULL;
	p->sending = sending;
	p->receiving = receiving;
	p->capacity = capacity;
	p->epoch = 1;
	p->own = sl_lazy_alloc_dense(capacity * sizeof(*p->own));
	if (p->own == NULL) {
		rte_free(p);
		return NULL;
	}
	return p;
}

void
sl_outer_paths_destroy(struct sl_outer_paths *p)
{
	if (p == NULL)
		return;
	sl_lazy_free(p->own, p->capacity * sizeof(*p->own));
	rte_free(p);
}

/* A sum in 32 bits. */
static uint32_t
settle(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	return (uint32_t)((sum & UINT32_MAX) + (sum >> 32));
}

void
sl_outer_link_init(struct sl_outer_link *link, const struct sl_outer *outer, const struct rte_ether_hdr *ether)
{
	static const uint8_t nowhere[16];
	const uint8_t *hdr = outer->hdr;

	memset(link, 0, sizeof(*link));
	link->v4 = outer->family == SL_AF_INET;
	link->outer_len = outer->len;
	memcpy(link->ether, ether, sizeof(link->ether));
	memcpy(&link->port, hdr + outer->len - SL_UDP_HDR_LEN, sizeof(link->port));
	if (link->v4) {
		memcpy(link->ip, hdr, SL_OUTER_IP4_BEFORE_DST);
		link->ip_sum = settle(sl_csum_add(0, hdr, SL_OUTER_IP4_BEFORE_DST));
		link->pseudo_sum = settle(sl_csum_pseudo(SL_AF_INET, hdr + 12, nowhere, IPPROTO_UDP, 0));
	} else {
		memcpy(link->ip, hdr, SL_OUTER_IP6_BEFORE_DST);
		link->pseudo_sum = settle(sl_csum_pseudo(SL_AF_INET6, hdr + 8, nowhere, IPPROTO_UDP, 0));
	}
}

/* Which place a link has among the shared ones. All that differs between links is in the words, and few differ. */
static unsigned
place_of(const struct sl_outer_link *link)
{
	uint64_t words[sizeof(*link) / sizeof(uint64_t)], h = 0;

	memcpy(words, link, sizeof(words));
	for (unsigned i = 0; i < RTE_DIM(words); i++)
		h = (h ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15) ^ h >> 29;
	return (unsigned)(h >> 32) % SL_OUTER_LINKS;
}

const struct sl_outer_link *
sl_outer_link_set(struct sl_outer_paths *p, uint32_t peer, const struct sl_outer_link *link)
{
	struct sl_outer_path *path = &p->sending[peer].path;
	unsigned place = place_of(link);

	if (!p->used[place]) {
		p->links[place] = *link;
		p->used[place] = true;
	} else if (memcmp(&p->links[place], link, sizeof(*link)) != 0) {
		p->own[peer] = *link;
		path->link = SL_OUTER_LINK_OWN;
		return &p->own[peer];
	}
	path->link = (uint16_t)place;
	return &p->links[place];
}

void
sl_outer_path_aim(
	struct sl_outer_path *path, struct sl_outer_path_rest *rest, const struct sl_outer *outer, uint32_t receiver)
{
	const uint8_t *hdr = outer->hdr;

	if (outer->family == SL_AF_INET) {
		memcpy(path->dst, hdr + SL_OUTER_IP4_BEFORE_DST, sizeof(path->dst));
	} else {
		memcpy(path->dst, hdr + SL_OUTER_IP6_BEFORE_DST, sizeof(path->dst));
		memcpy(rest->dst, hdr + SL_OUTER_IP6_BEFORE_DST + sizeof(path->dst), sizeof(rest->dst));
	}
	memcpy(&path->port, hdr + outer->len - SL_UDP_HDR_LEN + 2, sizeof(path->port));
	path->receiver = receiver;
}
