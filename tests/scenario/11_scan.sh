#!/bin/bash
# A scan of 65,536 idle peers' addresses at full rate: an established tunnel loses nothing, and buffers return. Half of the idle
# peers have an endpoint that never answers (their packets wait for a session), half have none.
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

IDLE=65536
rate=$(lab_rate 1000)
count=$((10 * rate))
hub_network
# the scanner has a port of its own, so that what it sends does not take the room of others in a kernel queue
node scanner
link hub lan1 scanner eth0
address scanner eth0 10.21.0.10/16
route scanner 10.100.0.0/16 via 10.21.0.1
spoke_network 1
blackhole=198.18.99.9
route inet blackhole $blackhole

{ hub_yaml 1 | sed '/^  lan0:/a\  lan1: {device: "af_packet:lan1", addresses: [10.21.0.1/16]}'
  echo "    include-peers: [idle.yaml]"; } >"$LAB_DIR/hub.yaml"
# Any 32 bytes are a public key that nobody has to answer for: 42 of the 44 letters are random, the last two end it.
head -c $((IDLE * 33)) /dev/urandom | base64 -w 44 | awk -v endpoint=$blackhole:51820 '
	BEGIN { print "peers:" }
	{
		n = NR - 1
		printf "  idle-%d: {public-key: \"%sA=\", allowed-ips: [10.100.%d.%d/32]%s}\n", n, substr($0, 1, 42), n / 256,
			n % 256, (n % 2 ? ", endpoint: \"" endpoint "\"" : "")
	}' >"$LAB_DIR/idle.yaml"
check_equal "as many idle peers as the issue says" $IDLE "$(grep -c allowed-ips "$LAB_DIR/idle.yaml")"
started=$(now_ms)
gateway_start hub 60
note "the gateway with $((IDLE + 1)) peers was ready after $(($(now_ms) - started)) ms"
spoke_start 1 "$(hub_endpoint4)"
check "the tunnel is up" pings spoke1 $LAN4

flow_receiver lan 7000 $count 1 60
flow_receiver spoke1 7001 $count 1 60
flow_send spoke1 --to $LAN4 --port 7000 --count $count --rate $rate --size 200 &
up=$!
flow_send lan --to "$(spoke_inner4 1)" --port 7001 --count $count --rate $rate --size 200 &
down=$!
for round in 1 2 3; do
	sent=$(on scanner "$TOOLS/inject" make --iface eth0 --mac "$(mac_of hub lan1)" --from 10.21.0.10,4000 \
		--to 10.100.0.0,4000 --sweep $IDLE --count $IDLE --size 20)
	check_equal "scan $round was sent whole" "{\"sent\": $IDLE}" "$sent"
done
wait $up $down
check_flow "the tunnel lost nothing towards the LAN" lan 7000
check_flow "the tunnel lost nothing towards the spoke" spoke1 7001
check_at_least "addresses without an endpoint are counted" 1 "$(drops hub no-endpoint)"
check "the tunnel still works" pings spoke1 $LAN4

# a slow worker always has some of control's initiations still to take; they end when the peers are given up
LAB_PATIENCE=${LAB_SLOW:+150} check_conservation hub
lab_end
