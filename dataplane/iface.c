#include "dataplane/iface.h"

const struct sl_ip *
sl_if_source(const struct sl_if *ifp, const struct sl_ip *to)
{
	bool link_local = sl_ip_is_link_local(to);
	const struct sl_ip *first = NULL;

	for (unsigned i = 0; i < ifp->n_addresses; i++) {
		const struct sl_prefix *p = &ifp->addresses[i];

		if (p->addr.family != to->family)
			continue;
		if (sl_prefix_contains(p, to))
			return &p->addr;
		if (first == NULL && sl_ip_is_link_local(&p->addr) == link_local)
			first = &p->addr;
	}
	return first;
}
