/* What could not be made, marked in the description that is the running one all the same. */
#include "control/diff.h"

void sl_diff_unmade(const struct sl_step *s)
{
	/* the description is its owner's, steps only must not change it */
	struct sl_config_interface *interface = (struct sl_config_interface *)s->new_interface;

	switch (s->kind) {
	case SL_STEP_PORT_CHANGE:
		((struct sl_config_port *)s->new_port)->unmade |= s->changed;
		break;
	case SL_STEP_INTERFACE_ADD:
		interface->unmade = true;
		break;
	case SL_STEP_INTERFACE_CHANGE:
		interface->unmade_changes |= s->changed;
		break;
	case SL_STEP_LISTEN_ADD:
		interface->unmade_listen_port = true;
		break;
	case SL_STEP_ADDRESS_ADD:
		((struct sl_config_address *)s->address)->unmade = true;
		break;
	case SL_STEP_ROUTE_ADD:
		((struct sl_config_route *)s->route)->unmade = true;
		break;
	case SL_STEP_PEER_ADD:
	case SL_STEP_PEER_CHANGE:
	case SL_STEP_PEER_RESTORE:
	case SL_STEP_ALLOWED_IP_ADD:
		((struct sl_config_peer *)s->new_peer)->unmade = true;
		break;
	default: /* what is taken away is in no description that could say so */
		break;
	}
}
