#!/bin/bash
# One session whose packets reach two workers, over two queues and two ports: none lost, none replayed, order kept within a flow.
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

SECOND4=203.0.113.10
COUNT=3000
FLOWS=8
HUB_WORKERS=2
hub_network
link inet to-hub2 hub wan1
address inet to-hub2 203.0.113.1/24
spoke_network 1
{
	hub_yaml | sed "/^  lan0:/a\\  wan1: {device: \"af_packet:wan1\", addresses: [$SECOND4/24]}"
	packet_peers 1 1
} >"$LAB_DIR/hub.yaml"
gateway_start hub

# The peer spreads its flows over 8 sockets; these take turns between the ports, and their source ports between the queues.
spread() {
	wgpeer_start spoke1 --endpoint $HUB4,$HUB_PORT --endpoint $SECOND4,$HUB_PORT --sockets 8 --flows $FLOWS \
		--to $LAN4,"$1" --count $COUNT --rate 8000 --seconds 30 "${@:2}"
}
with_share() {
	json hub workers "[.workers[] | select(.received > $1)] | length"
}

flow_receiver lan 7000 $COUNT $FLOWS 30
spread 7000 --expect $COUNT
flow_send lan --to 10.64.1.1 --port 7000 --count $COUNT --flows $FLOWS --rate 8000
wgpeer_wait
check_equal "both workers had a share of the one session" 2 "$(with_share 1000)"
for port in wan0 wan1; do
	check_at_least "packets through $port" 1000 "$(json hub ports ".ports[] | select(.name == \"$port\") | .\"rx-packets\"")"
done
check_flow "towards the LAN: none lost, none twice, order kept within a flow" lan 7000
# whose order is not looked at: with every packet of the peer its endpoint moves to another port
check_equal "towards the peer: all came, none twice" "$((COUNT * FLOWS)) 0" "$(wgpeer_tally '"\(.received) \(.duplicated)"')"
check_equal "no number of the session was used twice" 0 "$(wgpeer_result .reused)"
check_equal "nothing was taken for a replay" 0 "$(drops hub replay)"

# The LAN's flows come in over two queues, and both workers seal for a peer that stays where it is.
# It is a new process that has lost the session before: the LAN begins once the hub has gone over to the new one.
latest_handshake() {
	json hub peers '.peers[0]."latest-handshake"'
}
changed_from() {
	[ "$("${@:2}")" != "$1" ]
}
before=$(latest_handshake)
wgpeer_start spoke1 --endpoint $HUB4,$HUB_PORT --to $LAN4,7002 --flows $FLOWS --count 0 --expect $COUNT --seconds 30
check "the hub has gone over to the peer's new session" until_true 10 changed_from "$before" latest_handshake
flow_send lan --to 10.64.1.1 --port 7002 --count $COUNT --flows $FLOWS --rate 8000
wgpeer_wait
check_equal "both workers sealed for one peer: all came, none twice, order kept within a flow" "$((COUNT * FLOWS)) 0 0" \
	"$(wgpeer_tally '"\(.received) \(.duplicated) \(.reordered)"')"
check_equal "no number of that session was used twice" 0 "$(wgpeer_result .reused)"

# The same message through two sockets, so mostly to two workers at once: one of the two is a replay, always.
flow_receiver lan 7001 $COUNT $FLOWS 30
spread 7001 --expect 0 --twice
wgpeer_wait
flow_wait lan 7001
check_equal "every message sent twice: all came, none twice" "$((COUNT * FLOWS)) 0" \
	"$(jq -r '"\(.received) \(.duplicated)"' <<<"$TALLY")"
check_at_least "every second one was taken for a replay" $((COUNT * FLOWS)) "$(drops hub replay)"
check_equal "and no more than that" $((COUNT * FLOWS)) "$(drops hub replay)"

check_conservation hub
lab_end
