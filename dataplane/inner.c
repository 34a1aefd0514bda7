#include "dataplane/inner.h"

#include "dataplane/drops.h"
#include "dataplane/worker.h"

static_assert(SL_INNER_DROP + SL_DROP_COUNT <= UINT8_MAX, "a verdict is a byte");

/* The mark that the outer header collected. False where the inner packet cannot carry it. */
static bool
mark_congestion(uint8_t *ip, const struct sl_ip_info *inner)
{
	if ((inner->tos & SL_IP_ECN_MASK) == SL_IP_ECN_NOT_ECT)
		return false;
	if (inner->family == SL_AF_INET) {
		struct rte_ipv4_hdr *hdr = (struct rte_ipv4_hdr *)ip;
		uint16_t before, after;

		memcpy(&before, ip, sizeof(before));
		ip[1] |= SL_IP_ECN_CE;
		memcpy(&after, ip, sizeof(after));
		hdr->hdr_checksum = sl_csum_replace16(hdr->hdr_checksum, before, after);
	} else {
		ip[1] |= SL_IP_ECN_CE << 4;
	}
	return true;
}

/* All but the source, which goes to *key. ifp: the interface the message came for. */
static inline enum sl_inner_verdict
check_header(const struct sl_if *ifp, struct sl_inner *in, struct sl_lpm_key *key)
{
	struct sl_ip_info inner;

	if (in->len == 0)
		return SL_INNER_KEEPALIVE;
	if (unlikely(sl_ip_hdr_parse(in->data, in->len, in->len, &inner) != SL_IP_OK))
		return SL_INNER_DROP + SL_DROP_BAD_INNER;
	if (unlikely(ifp == NULL))
		return SL_INNER_DROP + SL_DROP_INTERFACE_DOWN;
	in->total = (uint16_t)inner.total_len;
	*key = (struct sl_lpm_key){.table = ifp->cryptokey, .addr = inner.src, .family = inner.family};
	if (unlikely(in->congested) && !mark_congestion(in->data, &inner))
		return SL_INNER_OK_UNMARKED;
	return SL_INNER_OK;
}

/* Sources whose owners are to be looked up: one for packets in a row that have the same. */
struct sources {
	unsigned n;
	uint32_t last; /* the newest, where it is IPv4: */
	const struct sl_lpm *last_table;
	struct sl_lpm_key keys[SL_BURST];
};

static inline void
add_source(struct sources *s, struct sl_lpm_key key)
{
	uint32_t addr;

	memcpy(&addr, key.addr, sizeof(addr));
	if (likely(addr == s->last && key.table == s->last_table && key.family == SL_AF_INET))
		return;
	s->keys[s->n++] = key;
	s->last = addr;
	s->last_table = key.family == SL_AF_INET ? key.table : NULL;
}

void
sl_inner_check(const struct sl_dataplane *dp, struct sl_inner *in, unsigned n)
{
	struct sources sources;
	uint32_t owners[SL_BURST];
	uint8_t judged[SL_BURST], source_of[SL_BURST];
	const struct sl_if *ifp = NULL;
	uint16_t wg_if = SL_IF_NONE;
	unsigned n_judged = 0;

	sources.n = 0;
	sources.last_table = NULL;

	for (unsigned i = 0; i < n; i++) {
		struct sl_lpm_key key;

		if (in[i].verdict != SL_INNER_UNSEEN)
			continue;
		if (unlikely(in[i].wg_if != wg_if)) {
			wg_if = in[i].wg_if;
			ifp = sl_dataplane_if(dp, wg_if);
		}
		in[i].verdict = check_header(ifp, &in[i], &key);
		if (unlikely(in[i].verdict != SL_INNER_OK && in[i].verdict != SL_INNER_OK_UNMARKED))
			continue;
		add_source(&sources, key);
		source_of[n_judged] = (uint8_t)(sources.n - 1);
		judged[n_judged++] = (uint8_t)i;
	}
	if (n_judged == 0)
		return;
	sl_lpm_lookup_burst(sources.keys, owners, sources.n);
	for (unsigned k = 0; k < n_judged; k++)
		if (unlikely(owners[source_of[k]] != in[judged[k]].peer + 1))
			in[judged[k]].verdict = SL_INNER_DROP + SL_DROP_SOURCE_NOT_ALLOWED;
}
