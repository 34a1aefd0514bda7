/* A step of a difference, applied to the running gateway. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/api.h"
#include "control/apply.h"
#include "control/log.h"
#include "crypto/wipe.h"

int
sl_apply_fail(char *error, int rc, const char *what, const char *name)
{
	const char *why = strerror(-rc);

	if (rc == -EADDRINUSE)
		why = "in use by another interface; choose another";
	else if (rc == -ENOSPC)
		why = "no room left in the gateway's tables; use fewer";
	snprintf(error, SL_GATEWAY_ERROR_LEN, "%s %s: %s", what, name, why);
	return rc;
}

static struct sl_gateway_if *
port_if(struct sl_gateway *gw, const struct sl_config_port *port)
{
	return sl_gateway_if_find(gw, port->name);
}

struct sl_gateway_if *
sl_apply_if(struct sl_gateway *gw, const struct sl_config_interface *interface)
{
	return sl_gateway_if_find(gw, interface->name);
}

static int
add_port(struct sl_gateway *gw, const struct sl_step *s, char *error)
{
	const struct sl_config_port *config = s->new_port;
	struct sl_gateway_if *gi = sl_gateway_if_add(gw, config->name, SL_IF_PORT);
	char why[SL_PORT_ERROR_LEN];

	if (gi == NULL || (gi->device = strdup(config->device)) == NULL)
		return sl_apply_fail(error, -ENOMEM, "port", config->name);
	gi->mtu = (uint16_t)config->mtu;
	gi->forward_clear = config->forward_clear;
	gi->port = sl_port_open(config, gi->id, (uint16_t)gw->cores.n_workers, gw->dp->pool, why);
	if (gi->port == NULL) {
		snprintf(error, SL_GATEWAY_ERROR_LEN, "%s", why);
		return -ENODEV;
	}
	return sl_gateway_if_publish(gi) ? sl_apply_fail(error, -ENOMEM, "port", config->name) : 0;
}

static int
change_port(struct sl_gateway *gw, const struct sl_step *s, char *error)
{
	struct sl_gateway_if *gi = port_if(gw, s->new_port);
	int rc = 0;

	if (s->changed & SL_CHANGE_MTU)
		rc = sl_gateway_if_set_mtu(gi, (uint16_t)s->new_port->mtu);
	if (rc == 0 && s->changed & SL_CHANGE_GATEWAY4)
		rc = sl_gateway_if_set_gateway(gi, SL_AF_INET, &s->new_port->gateway4);
	if (rc == 0 && s->changed & SL_CHANGE_GATEWAY6)
		rc = sl_gateway_if_set_gateway(gi, SL_AF_INET6, &s->new_port->gateway6);
	gi->forward_clear = s->new_port->forward_clear;
	if (rc == 0)
		rc = sl_gateway_if_publish(gi);
	return rc ? sl_apply_fail(error, rc, "port", s->new_port->name) : 0;
}

static int
add_interface(struct sl_gateway *gw, const struct sl_step *s, char *error)
{
	const struct sl_config_interface *config = s->new_interface;
	struct sl_gateway_if *gi = sl_gateway_if_add(gw, config->name, SL_IF_WIREGUARD);
	int rc = gi ? sl_gateway_if_make_wireguard(gi, (uint16_t)config->mtu, config->routes) : -ENOMEM;

	if (rc == 0)
		rc = sl_gateway_if_set_keys(gi, config->private_key, config->previous_private_key);
	if (rc != 0) {
		if (gi)
			sl_gateway_if_remove(gi);
		return sl_apply_fail(error, rc, "interface", config->name);
	}
	rc = sl_api_add_interface(gw->api, gi);
	if (rc != 0) {
		sl_api_remove_interface(gw->api, gi);
		sl_gateway_if_remove(gi);
	}
	if (rc == -EADDRINUSE) {
		snprintf(error, SL_GATEWAY_ERROR_LEN,
			"interface %s: /var/run/wireguard/%s.sock is served by another process; stop it, or name the interface otherwise",
			config->name, config->name);
		return rc;
	}
	return rc ? sl_apply_fail(error, rc, "socket of interface", config->name) : 0;
}

static int
remove_interface(struct sl_gateway *gw, const struct sl_step *s)
{
	struct sl_gateway_if *gi = sl_apply_if(gw, s->old_interface);

	if (!sl_gateway_peers_remove(gi, NULL, NULL) ||
		!sl_runtime_forget_interface(gw->runtime, gi->name, SL_APPLY_PREFIXES))
		return SL_APPLY_MORE;
	sl_api_remove_interface(gw->api, gi);
	sl_gateway_if_remove(gi);
	return 0;
}

/* A key that was set with `wg` and is kept stands while only the other one changes. */
static int
set_keys(struct sl_gateway_if *gi, const struct sl_step *s)
{
	const struct sl_config_interface *config = s->new_interface;
	uint8_t present[SL_KEY_LEN];
	int rc;

	memcpy(present, s->changed & SL_CHANGE_KEY ? config->private_key : sl_proto_if_identity(gi->proto)->private_key,
		sizeof(present));
	rc = sl_gateway_if_set_keys(gi, present, config->previous_private_key);
	sl_wipe(present, sizeof(present));
	return rc;
}

static int
change_interface(struct sl_gateway *gw, const struct sl_step *s, uint32_t *progress, char *error)
{
	const struct sl_config_interface *config = s->new_interface;
	struct sl_gateway_if *gi = sl_apply_if(gw, config);
	int rc = 0;

	if (*progress == 0 && s->changed & SL_CHANGE_MTU)
		rc = sl_gateway_if_set_mtu(gi, (uint16_t)config->mtu);
	if (*progress == 0 && rc == 0 && s->changed & (SL_CHANGE_KEY | SL_CHANGE_PREVIOUS_KEY))
		rc = set_keys(gi, s);
	if (rc == 0 && s->changed & SL_CHANGE_ROUTES) {
		gi->routes = config->routes;
		rc = sl_allowed_ips_set_routes(gw->allowed, gi->id, config->routes, progress, SL_APPLY_PREFIXES);
		if (rc == SL_ALLOWED_IPS_MORE)
			return SL_APPLY_MORE;
	}
	return rc ? sl_apply_fail(error, rc, "interface", config->name) : 0;
}

static int
change_address(struct sl_gateway *gw, const struct sl_step *s, char *error)
{
	const struct sl_config_port *port = s->new_port ? s->new_port : s->old_port;
	const struct sl_config_interface *interface = s->new_interface ? s->new_interface : s->old_interface;
	struct sl_gateway_if *gi = port ? port_if(gw, port) : sl_apply_if(gw, interface);
	int rc;

	if (s->kind == SL_STEP_ADDRESS_ADD)
		rc = sl_gateway_if_add_address(gi, &s->address->prefix);
	else
		rc = sl_gateway_if_remove_address(gi, &s->address->prefix);
	return rc ? sl_apply_fail(error, rc, "address of", gi->name) : 0;
}

static int
change_route(struct sl_gateway *gw, const struct sl_steps *steps, const struct sl_step *s, char *error)
{
	const struct sl_config *config = s->kind == SL_STEP_ROUTE_ADD ? steps->new_config : steps->old_config;
	const struct sl_config_route *r = s->route;
	const char *name = r->port >= 0 ? config->ports[r->port].name : config->interfaces[r->interface].name;
	struct sl_gateway_if *gi = sl_gateway_if_find(gw, name);
	char text[SL_PREFIX_STRLEN];
	int rc;

	if (s->kind == SL_STEP_ROUTE_REMOVE) {
		rc = sl_rib_clear(gw->rib, SL_RIB_STATIC, &r->to);
		if (rc == -ENOENT && r->unmade)
			rc = 0;
	} else if (gi == NULL)
		rc = -ENODEV; /* a step before this one could not make it */
	else
		rc = sl_rib_set(gw->rib, SL_RIB_STATIC, &r->to, gi->id, r->via.family ? &r->via : NULL);
	return rc ? sl_apply_fail(error, rc, "route", sl_prefix_format(&r->to, text)) : 0;
}

static int
listen_step(struct sl_gateway *gw, const struct sl_step *s, char *error)
{
	int rc = sl_gateway_if_set_listen_port(sl_apply_if(gw, s->new_interface), s->new_interface->listen_port);

	return rc ? sl_apply_fail(error, rc, "listen port of interface", s->new_interface->name) : 0;
}

/* Whether it is about an interface that a step before it could not make. */
static bool
lacks_interface(struct sl_gateway *gw, const struct sl_step *s, char *error)
{
	const struct sl_config_interface *interface = s->new_interface ? s->new_interface : s->old_interface;

	if (interface == NULL || s->kind == SL_STEP_INTERFACE_ADD || sl_apply_if(gw, interface))
		return false;
	snprintf(error, SL_GATEWAY_ERROR_LEN,
		"interface %s could not be made, so nothing of it; `sluice reload` tries again", interface->name);
	return true;
}

int
sl_gateway_apply(
	struct sl_gateway *gw, const struct sl_steps *steps, uint32_t step, uint32_t *progress, char *error)
{
	const struct sl_step *s = &steps->steps[step];

	if (lacks_interface(gw, s, error))
		return s->kind == SL_STEP_INTERFACE_REMOVE ? 0 : -ENODEV;
	switch (s->kind) {
	case SL_STEP_REFUSED:
		snprintf(error, SL_GATEWAY_ERROR_LEN, "%s: not live; restart to change it", s->what);
		return -EOPNOTSUPP;
	case SL_STEP_DATAPLANE:
		for (unsigned i = 0; gw->polls && i < gw->cores.n_workers; i++)
			atomic_store(&gw->polls[i].adaptive,
				gw->cores.shared || steps->new_config->dataplane.idle == SL_IDLE_ADAPTIVE);
		return 0;
	case SL_STEP_ALLOWED_IP_REMOVE:
	case SL_STEP_ALLOWED_IP_ADD:
		return sl_apply_allowed_ip(gw, s, error);
	case SL_STEP_PEER_REMOVE:
		return sl_apply_peer_remove(sl_apply_if(gw, s->old_interface), s->old_peer->public_key);
	case SL_STEP_PEER_ADD:
		return sl_apply_peer_add(gw, s, progress, error);
	case SL_STEP_PEER_CHANGE:
		return sl_apply_peer_change(gw, s, progress, error);
	case SL_STEP_PEER_RESTORE:
		return sl_apply_peer_restore(gw, s, progress, error);
	case SL_STEP_PEER_SWEEP:
		return sl_apply_peer_sweep(gw, s);
	case SL_STEP_RUNTIME_REMOVE:
		return sl_apply_peer_remove(sl_apply_if(gw, s->new_interface), s->runtime->public_key);
	case SL_STEP_KEPT:
		return 0;
	case SL_STEP_ROUTE_REMOVE:
	case SL_STEP_ROUTE_ADD:
		return change_route(gw, steps, s, error);
	case SL_STEP_ADDRESS_REMOVE:
	case SL_STEP_ADDRESS_ADD:
		return change_address(gw, s, error);
	case SL_STEP_LISTEN_REMOVE:
		sl_gateway_if_close_port(sl_apply_if(gw, s->old_interface));
		return 0;
	case SL_STEP_LISTEN_ADD:
		return listen_step(gw, s, error);
	case SL_STEP_INTERFACE_REMOVE:
		return remove_interface(gw, s);
	case SL_STEP_INTERFACE_ADD:
		return add_interface(gw, s, error);
	case SL_STEP_INTERFACE_CHANGE:
		return change_interface(gw, s, progress, error);
	case SL_STEP_PORT_ADD:
		return add_port(gw, s, error);
	case SL_STEP_PORT_CHANGE:
		return change_port(gw, s, error);
	}
	return -EINVAL;
}
