/*
 * What leaves the control core: the protocol core's messages and decisions,
 * and packets of neighbour discovery and echo, as commands to workers. Control
 * thread alone.
 */
#pragma once

#include "control/control_out.h"
#include "control/gateway.h"

/* For struct sl_proto_config, with the gateway as ctx. */
extern const struct sl_proto_ops sl_gateway_proto_ops;

/* For neighbours and ICMP echo. */
struct sl_control_out sl_gateway_control_out(struct sl_gateway *gw);
