#!/bin/bash
# 1,000 peers in one configuration, 50 of them live: each has its own traffic both ways, and `show peers` tells of all.
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

LIVE=50
IDLE=950
COUNT=200
hub_network
spoke_network 1
{
	hub_yaml
	packet_peers 1 $LIVE
	"$TOOLS/wgpeer" keys $IDLE | awk '{
		printf "      idle-%d: {public-key: \"%s\", allowed-ips: [10.64.%d.%d/32]}\n", NR, $2, 2 + NR / 250, NR % 250
	}'
} >"$LAB_DIR/hub.yaml"
check_equal "peers in the configuration" 1000 "$(grep -c public-key "$LAB_DIR/hub.yaml")"
gateway_start hub
check_equal "the gateway knows them all" 1000 "$(json hub peers '.peers | length')"
check_equal "wg knows them all" 1000 "$(on hub wg show wg0 peers | wc -l)"

# of what comes before its MAC address is known, no more waits than a queue holds
check "the LAN's host is known" pings lan 10.20.0.1
flow_receiver lan 7000 $COUNT $LIVE 30
wgpeer_start spoke1 --endpoint $HUB4,$HUB_PORT --to $LAN4,7000 --count $COUNT --rate $(lab_rate 5000) --expect $COUNT --seconds 30
flow_send lan --to 10.64.1.1 --port 7000 --count $COUNT --flows $LIVE --spread --rate $(lab_rate 5000)
wgpeer_wait
check_equal "a handshake each" $LIVE "$(wgpeer_result .handshakes)"
check_flow "$LIVE peers at once to the LAN" lan 7000
check_equal "the LAN to $LIVE peers at once" $((LIVE * COUNT)) "$(wgpeer_tally .received)"
check_equal "none twice, none out of order, none at another peer" "0 0 0" \
	"$(wgpeer_tally '"\(.duplicated) \(.reordered) \(.corrupt)"')"
check_equal "peers with a handshake" $LIVE "$(on hub wg show wg0 latest-handshakes | awk '$2 > 0' | wc -l)"
check_equal "peers with traffic" $LIVE "$(on hub wg show wg0 transfer | awk '$2 > 0 && $3 > 0' | wc -l)"

check_conservation hub
lab_end
