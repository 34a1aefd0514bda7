/* get=1: the interface, then its peers in slices. */
#include "control/wg_socket.h"
#include "crypto/base64.h"
#include "crypto/wipe.h"

#define PEERS_PER_SLICE   64
#define ALLOWED_PER_SLICE 256

static void
write_key(struct sl_api_conn *c, const char *name, const uint8_t key[SL_KEY_LEN])
{
	char hex[SL_KEY_HEX_LEN + 1];

	sl_key_to_hex(hex, key);
	sl_api_printf(c, "%s=%s\n", name, hex);
	sl_wipe(hex, sizeof(hex));
}

void
sl_wg_get_begin(struct sl_api_conn *c)
{
	struct sl_wg_state *s = c->state;
	const struct sl_noise_identity *identity = sl_proto_if_identity(c->gi->proto);

	if (identity->valid)
		write_key(c, "private_key", identity->private_key);
	if (c->gi->listen_port)
		sl_api_printf(c, "listen_port=%u\n", c->gi->listen_port);
	if (c->gi->fwmark)
		sl_api_printf(c, "fwmark=%u\n", c->gi->fwmark);
	sl_proto_cursor_open(&s->cursor, c->gi->proto);
	s->getting = true;
	s->peer = NULL;
}

static void
write_peer(struct sl_api_conn *c, const struct sl_proto_peer *peer)
{
	struct sl_proto_peer_info info;
	char text[SL_ENDPOINT_STRLEN];

	sl_proto_peer_info(peer, c->gateway->now, &info);
	write_key(c, "public_key", peer->public_key);
	write_key(c, "preshared_key", peer->psk);
	sl_api_printf(c, "protocol_version=1\n");
	if (info.endpoint.ip.family != SL_AF_NONE)
		sl_api_printf(c, "endpoint=%s\n", sl_endpoint_format(&info.endpoint, text));
	sl_api_printf(c,
		"last_handshake_time_sec=%lld\nlast_handshake_time_nsec=%ld\ntx_bytes=%lu\nrx_bytes=%lu\n"
		"persistent_keepalive_interval=%u\n",
		(long long)info.latest_handshake.tv_sec, info.latest_handshake.tv_nsec, (unsigned long)info.tx_bytes,
		(unsigned long)info.rx_bytes, peer->keepalive_interval);
}

/* Goes on with a peer's allowed IPs; false when they are all written, or the peer has gone meanwhile. */
static bool
write_allowed_ips(struct sl_api_conn *c, struct sl_wg_state *s, unsigned *budget)
{
	char text[SL_PREFIX_STRLEN];
	struct sl_prefix p;

	if (sl_proto_peer_at(c->gateway->proto, s->peer_slot) != s->peer)
		return false;
	while (*budget > 0) {
		if (!sl_allowed_ips_next(c->gateway->allowed, s->peer_slot, &s->allowed_cursor, &p))
			return false;
		sl_api_printf(c, "allowed_ip=%s\n", sl_prefix_format(&p, text));
		--*budget;
	}
	return true;
}

void
sl_wg_get_advance(struct sl_api_conn *c)
{
	struct sl_wg_state *s = c->state;
	unsigned allowed = ALLOWED_PER_SLICE;

	for (unsigned i = 0; i < PEERS_PER_SLICE && allowed > 0; i++) {
		if (s->peer && write_allowed_ips(c, s, &allowed))
			return;
		s->peer = sl_proto_cursor_next(&s->cursor);
		if (s->peer == NULL) {
			sl_proto_cursor_close(&s->cursor);
			sl_api_printf(c, "errno=0\n\n");
			s->getting = false;
			s->request = SL_WG_NONE;
			return;
		}
		s->peer_slot = s->peer->slot;
		s->allowed_cursor = 0;
		write_peer(c, s->peer);
	}
}
