#include <stdlib.h>
#include <string.h>

#include "app/mesh.h"
#include "control/config_write.h"
#include "crypto/base64.h"
#include "crypto/wipe.h"

static void write_key(FILE *out, const char *before, const uint8_t key[SL_KEY_LEN])
{
	char text[SL_KEY_BASE64_LEN + 1];

	sl_key_to_base64(text, key);
	fprintf(out, "%s%s\n", before, text);
	sl_wipe(text, sizeof(text));
}

static void write_list(FILE *out, const char *before, const struct sl_mesh_prefix *list, uint32_t n, const char *quote)
{
	char text[SL_PREFIX_STRLEN];

	fputs(before, out);
	for (uint32_t i = 0; i < n; i++)
		fprintf(out, "%s%s%s%s", i ? ", " : "", quote, sl_prefix_format(&list[i].prefix, text), quote);
}

/* Who is not found itself keeps the way to itself open. */
static uint16_t keepalive(const struct sl_mesh *mesh, uint32_t self)
{
	return sl_mesh_has_endpoint(&mesh->sites[self]) ? 0 : SL_MESH_KEEPALIVE;
}

void sl_mesh_write_yaml(FILE *out, const struct sl_mesh *mesh, uint32_t self, const struct sl_mesh_keys *keys)
{
	const struct sl_mesh_site *site = &mesh->sites[self];

	fprintf(out, "# %s, of a mesh of %u sites\nversion: 1\n", site->name, mesh->n_sites);
	if (site->ports)
		fprintf(out, "ports:\n%s", site->ports);
	fputs("interfaces:\n  ", out);
	sl_yaml_write_text(out, mesh->interface);
	write_key(out, ":\n    private-key: ", keys->private_key);
	fprintf(out, "    listen-port: %u\n", site->listen_port);
	write_list(out, "    addresses: [", site->addresses, site->n_addresses, "\"");
	fputs("]\n", out);
	if (mesh->mtu != SL_DEFAULT_MTU)
		fprintf(out, "    mtu: %u\n", mesh->mtu);
	fputs("    peers:\n", out);
	for (uint32_t i = 0; i < mesh->n_sites; i++) {
		struct sl_config_peer peer = {.name = mesh->sites[i].name,
		        .endpoint = mesh->sites[i].endpoint,
		        .has_preshared_key = mesh->preshared_keys,
		        .persistent_keepalive = keepalive(mesh, self)};
		struct sl_prefix *allowed;

		if (!sl_mesh_linked(mesh, self, i))
			continue;
		allowed = sl_mesh_allowed(mesh, self, i, &peer.n_allowed_ips);
		peer.allowed_ips = allowed;
		memcpy(peer.public_key, keys->public_keys[i], SL_KEY_LEN);
		if (mesh->preshared_keys)
			memcpy(peer.preshared_key, keys->preshared_keys[i], SL_KEY_LEN);
		sl_config_write_peer(out, &peer, SL_CONFIG_PEER_INDENT);
		sl_wipe(&peer, sizeof(peer));
		free(allowed);
	}
}

static void write_conf_peer(
        FILE *out, const struct sl_mesh *mesh, uint32_t self, uint32_t i, const struct sl_mesh_keys *keys)
{
	const struct sl_mesh_site *peer = &mesh->sites[i];
	char text[SL_PREFIX_STRLEN > SL_ENDPOINT_STRLEN ? SL_PREFIX_STRLEN : SL_ENDPOINT_STRLEN];
	struct sl_prefix *allowed;
	uint32_t n;

	fprintf(out, "\n# %s\n[Peer]\n", peer->name);
	write_key(out, "PublicKey = ", keys->public_keys[i]);
	if (mesh->preshared_keys)
		write_key(out, "PresharedKey = ", keys->preshared_keys[i]);
	if (peer->endpoint.host)
		fprintf(out, "Endpoint = %s:%u\n", peer->endpoint.host, peer->endpoint.port);
	else if (peer->endpoint.literal.ip.family)
		fprintf(out, "Endpoint = %s\n", sl_endpoint_format(&peer->endpoint.literal, text));
	allowed = sl_mesh_allowed(mesh, self, i, &n);
	fputs("AllowedIPs = ", out);
	for (uint32_t j = 0; j < n; j++)
		fprintf(out, "%s%s", j ? ", " : "", sl_prefix_format(&allowed[j], text));
	fputc('\n', out);
	free(allowed);
	if (keepalive(mesh, self))
		fprintf(out, "PersistentKeepalive = %u\n", keepalive(mesh, self));
}

void sl_mesh_write_conf(FILE *out, const struct sl_mesh *mesh, uint32_t self, const struct sl_mesh_keys *keys)
{
	const struct sl_mesh_site *site = &mesh->sites[self];

	fprintf(out, "# %s, of a mesh of %u sites\n[Interface]\n", site->name, mesh->n_sites);
	write_key(out, "PrivateKey = ", keys->private_key);
	fprintf(out, "ListenPort = %u\n", site->listen_port);
	write_list(out, "Address = ", site->addresses, site->n_addresses, "");
	fputc('\n', out);
	if (mesh->mtu != SL_DEFAULT_MTU)
		fprintf(out, "MTU = %u\n", mesh->mtu);
	for (uint32_t i = 0; i < mesh->n_sites; i++)
		if (sl_mesh_linked(mesh, self, i))
			write_conf_peer(out, mesh, self, i, keys);
}
