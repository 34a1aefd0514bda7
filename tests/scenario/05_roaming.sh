#!/bin/bash
# Roaming: the spoke changes its port, then its address, then its family; the endpoint follows and traffic goes on in the same
# session. Replies leave from the address that was hit.
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

SECOND4=192.0.2.11
hub_network
spoke_network 1
address inet to-hub 192.0.2.129/25
hub_yaml 1 | sed "s|addresses: \[$HUB4/24,|addresses: [$HUB4/24, $SECOND4/24,|" >"$LAB_DIR/hub.yaml"
if [ "${LAB_STAND_IN:-}" = wireguard-go ]; then
	hub_stand_in 1
	address hub wan0 $SECOND4/24
else
	gateway_start hub
fi
spoke_start 1 "$(hub_endpoint4)"
check "the tunnel is up" pings spoke1 $LAN4

endpoint_is() {
	[ "$(on hub wg show wg0 endpoints | cut -f 2)" = "$1" ]
}
handshakes() {
	on hub wg show wg0 latest-handshakes | cut -f 2
}
check "the hub knows the spoke's endpoint" endpoint_is 198.18.1.2:51821
first=$(handshakes)

# moved DESCRIPTION ENDPOINT: one packet from the spoke, and the hub follows; then the hub's side reaches it at once.
moved() {
	check "$1: the spoke goes on" pings_all spoke1 $LAN4 5
	check "$1: the endpoint follows" until_true 2 endpoint_is "$2"
	check "$1: the LAN host reaches the spoke" pings_all lan "$(spoke_inner4 1)" 5
	check_equal "$1: in the same session" "$first" "$(handshakes)"
}

on spoke1 wg set wg1 listen-port 40001
moved "a new port" 198.18.1.2:40001

on spoke1 ip address del 198.18.1.2/24 dev eth0
address spoke1 eth0 198.18.1.77/24
route spoke1 default via 198.18.1.1
# wireguard-go goes on asking for its old source address until its endpoint is set anew
on spoke1 wg set wg1 peer "$(public_key hub)" endpoint "$(hub_endpoint4)"
moved "a new address" 198.18.1.77:40001

# A flow to the LAN goes on while the spoke moves between families. (Not from the LAN: a spoke roams too, and packets that still
# come to its old address would take it back.)
flow_receiver lan 7000 4000 1 20
flow_send spoke1 --to $LAN4 --port 7000 --count 4000 --rate 2000 --size 200 &
sender=$!
on spoke1 wg set wg1 peer "$(public_key hub)" endpoint "$(hub_endpoint6)"
moved "another family" "[2001:db8:1::2]:40001"
wait $sender
check_flow "the flow to the LAN lost nothing on the way" lan 7000

on spoke1 wg set wg1 peer "$(public_key hub)" endpoint $SECOND4:$HUB_PORT
moved "the hub's second address" 198.18.1.77:40001
check_equal "replies come from the address that was hit" $SECOND4:$HUB_PORT \
	"$(on spoke1 wg show wg1 endpoints | cut -f 2)"

check_conservation hub
lab_end
