#!/bin/bash
# Rekey under load: a peer at packet level renews its session over and over while packets go both ways; none is lost. With
# scripts/test --full also the real thing: wireguard-go under load over the 120 s after which it renews its session.
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

COUNT=20000
RATE=4000
hub_network
spoke_network 1
{ hub_yaml 1; packet_peers 1 1; } >"$LAB_DIR/hub.yaml"
if [ "${LAB_STAND_IN:-}" = wireguard-go ]; then
	hub_stand_in 1
	on hub wg set wg0 peer "$(cut -d ' ' -f 1 "$LAB_DIR/peers" | wg pubkey)" allowed-ips 10.64.1.1/32
else
	gateway_start hub
fi

flow_receiver lan 7000 $COUNT 1 30
wgpeer_start spoke1 --endpoint $HUB4,$HUB_PORT --to $LAN4,7000 --count $COUNT --rate $RATE --rekey-ms 200 \
	--expect $COUNT --seconds 30
flow_send lan --to 10.64.1.1 --port 7000 --count $COUNT --rate $RATE
wgpeer_wait
check_at_least "handshakes while packets went both ways" 15 "$(wgpeer_result .handshakes)"
check_flow "towards the LAN nothing was lost, doubled or reordered" lan 7000
check_equal "towards the peer all came" $COUNT "$(wgpeer_tally .received)"
check_equal "none twice, none out of order" "0 0" "$(wgpeer_tally '"\(.duplicated) \(.reordered)"')"
check_equal "no number of a session was used twice" 0 "$(wgpeer_result .reused)"
check_equal "everything that came could be opened" 0 "$(wgpeer_result .unopened)"

if [ -n "${LAB_FULL:-}" ]; then
	seconds=140
	spoke_start 1 "$(hub_endpoint4)"
	check "wireguard-go is up" pings spoke1 $LAN4
	first=$(wg show wg1 latest-handshakes | cut -f 2)
	flow_receiver lan 7001 $((seconds * 1000)) 1 $((seconds + 20))
	flow_receiver spoke1 7002 $((seconds * 1000)) 1 $((seconds + 20))
	flow_send spoke1 --to $LAN4 --port 7001 --count $((seconds * 1000)) --rate 1000 &
	up=$!
	flow_send lan --to "$(spoke_inner4 1)" --port 7002 --count $((seconds * 1000)) --rate 1000 &
	down=$!
	wait $up $down
	check_flow "over a real rekey nothing was lost towards the LAN" lan 7001
	check_flow "over a real rekey nothing was lost towards the spoke" spoke1 7002
	check_at_least "the session was renewed" $((first + 110)) "$(wg show wg1 latest-handshakes | cut -f 2)"
fi

check_conservation hub
lab_end
