#!/bin/bash
# What the kernel's self-test checks of packets and counters: parallel TCP streams (st01), exact transfer counters (st02), padding that
# stops at the MTU (st03). Pings, TCP and the address families of st01 are in 01_tunnel.sh, UDP in 03_sites.sh, every size at an inner MTU of
# 1420 in 08_sizes.sh.
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

PINGS=10
# Inner echoes of 84 bytes, padded to 96, in messages of 128; an initiation of 148, a response of 92, a keepalive of 32.
INITIATOR_TX=1428
INITIATOR_TX_KEEPALIVE=1460
INITIATOR_RX=1372
SMALL_MTU=1299

hub_network
for n in 1 2 3; do
	spoke_network $n
done
HUB_PEER[2]=", endpoint: \"198.18.2.2:51822\""
hub_start 1 2
spoke_start 1 "$(hub_endpoint4)"
spoke_start 2 "$(hub_endpoint4)"
# the hub is to start with spoke2, which knows no endpoint
on spoke2 wg set wg2 peer "$(public_key hub)" remove
on spoke2 wg set wg2 peer "$(public_key hub)" allowed-ips 10.64.0.0/16,10.20.0.0/16

# transfer NODE IFACE NUMBER: "RX TX" of the interface's peer spokeNUMBER, or of its only one.
transfer() {
	on "$1" wg show "$2" transfer | awk -v key="$([ -z "${3:-}" ] || public_key "spoke$3")" \
		'key == "" || $1 == key { print $2, $3 }'
}
# check_transfer WHAT RX TX: the counters of the side that started.
check_transfer() {
	local what=$1 rx=$2 tx=$3
	check_equal "st02: $what: initiator rx $INITIATOR_RX" $INITIATOR_RX "$rx"
	if [ "$tx" = $INITIATOR_TX ] || [ "$tx" = $INITIATOR_TX_KEEPALIVE ]; then
		pass "st02: $what: initiator tx $INITIATOR_TX or $INITIATOR_TX_KEEPALIVE ($tx)"
	else
		fail "st02: $what: initiator tx $INITIATOR_TX or $INITIATOR_TX_KEEPALIVE, found $tx"
	fi
}
# ten_pings NODE ADDRESS: exactly ten echoes are sent, and all come back.
ten_pings() {
	check "st02: $PINGS pings from $1" pings_all "$1" "$2" $PINGS
}

ten_pings spoke1 $LAN4
read -r rx tx <<<"$(transfer spoke1 wg1)"
check_transfer "wireguard-go starts, its own counters" "$rx" "$tx"
read -r tx rx <<<"$(transfer hub wg0 1)"
check_transfer "wireguard-go starts, as the gateway counts" "$rx" "$tx"

ten_pings lan "$(spoke_inner4 2)"
read -r rx tx <<<"$(transfer hub wg0 2)"
check_transfer "the gateway starts, its own counters" "$rx" "$tx"
read -r tx rx <<<"$(transfer spoke2 wg2)"
check_transfer "the gateway starts, as wireguard-go counts" "$rx" "$tx"

streams=$(nproc)
[ "$streams" -gt 1 ] || streams=2
for way in "spoke1 lan $LAN4" "lan spoke1 $(spoke_inner4 1)" "spoke1 lan $LAN6"; do
	read -r from to at <<<"$way"
	iperf "$from" "$to" "$at" -P "$streams" -t 1 >/dev/null
	check_equal "st01: $streams parallel TCP streams from $from to $at all arrive" "$streams" \
		"$(jq '[.end.streams[] | select(.receiver.bytes > 0)] | length' "$LAB_DIR/iperf.json")"
done
iperf spoke1 lan $LAN4 -u -b 20M -l 1200 -t 1 >/dev/null
check_at_least "st01: UDP, datagrams" 1000 "$(jq '.end.sum.packets - .end.sum.lost_packets' "$LAB_DIR/iperf.json")"
check_conservation hub
gateway_stop hub

# st03: an interface with an odd MTU; 1297 bytes inside would be padded to 1312.
hub_yaml 3 | sed "s/    listen-port: /    mtu: $SMALL_MTU\n&/" >"$LAB_DIR/hub.yaml"
gateway_start hub
spoke_start 3 "$(hub_endpoint4)"
on spoke3 ip link set wg3 mtu $SMALL_MTU
check "st03: the tunnel with an inner MTU of $SMALL_MTU is up" pings spoke3 $LAN4
capture_start padding inet to-spoke3 "src host $HUB4 and udp and udp[8] = 4 and ip[2:2] > 1000"
capture_start padding-in inet to-spoke3 "dst host $HUB4 and udp and udp[8] = 4 and ip[2:2] > 1000"
at_least() {
	[ "$("${@:2}")" -ge "$1" ]
}
check "st03: 1297 bytes from the LAN" on lan ping -n -q -c 5 -i 0.05 -W 5 -M "do" -s 1269 "$(spoke_inner4 3)"
check "st03: all five were seen outside" until_true 5 at_least 5 captured padding
check "st03: and the answers" until_true 5 at_least 5 captured padding-in
check_equal "st03: outer IP length 1359, by the gateway" 5 "$(captured padding 'ip[2:2] == 1359')"
check_equal "st03: never 1360 or more" 0 "$(captured padding 'ip[2:2] >= 1360')"
check_equal "st03: as wireguard-go pads" 5 "$(captured padding-in 'ip[2:2] == 1359')"

check_conservation hub
lab_end
