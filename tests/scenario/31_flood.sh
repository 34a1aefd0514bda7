#!/bin/bash
# A flood of initiations with a right mac1 from a million spoofed sources (protocol.md 14-18): memory stays bounded, an established tunnel
# loses nothing, real peers get their session by answering a cookie, and another interface of the gateway is not under load.
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

WAN1=198.51.100.10
RATE=100000         # a second, or what the machine can send
SECONDS_LONG=18
SOURCES=1048576
NEW_PEERS="3 4 5 6" # they come while the flood runs
FLOW_RATE=1000
GROWTH_MAX=16384    # KiB of memory, at the peak
OTHER_PORT=51830

hub_network
# the flood has a port of its own, so that it does not take the room of others in a kernel queue
node attacker
link hub wan1 attacker eth0
address attacker eth0 198.51.100.1/24
for n in 1 2 $NEW_PEERS; do
	spoke_network $n
done
keys other
# shellcheck disable=SC2086 # words
{
	hub_yaml 1 $NEW_PEERS | sed "/^  lan0:/a\\  wan1: {device: \"af_packet:wan1\", addresses: [$WAN1/24]}"
	cat <<-YAML
	  wgother:
	    private-key-file: other.key
	    listen-port: $OTHER_PORT
	    addresses: [10.65.0.1/16]
	    peers:
	      spoke2: {public-key: "$(public_key spoke2)", allowed-ips: [10.65.0.12/32]}
	routes:
	  - {to: 100.64.0.0/10, via: 198.51.100.1}
	YAML
} >"$LAB_DIR/hub.yaml"
gateway_start hub
pid=${LAB_PID[hub]}

flood() {
	on attacker "$TOOLS/flood" --iface eth0 --mac "$(mac_of hub wan1)" --remote "$(public_key hub)" --from 100.64.0.1,1024 \
		--to $WAN1,$HUB_PORT --sources $SOURCES --rate $RATE --seconds "$1"
}
memory() { # WHICH: VmRSS, or VmHWM for the most since it was last set back, in KiB
	awk -v which="$1:" '$1 == which { print $2 }' "/proc/$pid/status"
}
under_load() {
	json hub interface ".interfaces[] | select(.name == \"$1\") | .\"under-load\""
}
handshakes() { # INTERFACE WHAT
	json hub interface ".interfaces[] | select(.name == \"$1\") | .handshakes.\"$2\""
}
round_trip() { # average of some echoes through the tunnel, in microseconds
	on spoke1 ping -n -q -c 40 -i 0.02 -W 2 $LAN4 | awk -F '[/=]' '/^rtt/ { printf "%d", $6 * 1000 }'
}
tally_of() {
	flow_wait "$@"
	jq -c '{received, lost, duplicated}' <<<"$TALLY"
}

spoke_start 1 "$(hub_endpoint4)"
check "the established tunnel is up" pings spoke1 $LAN4
# packet buffers come into memory when they are first used: that is no growth
flood 1 >/dev/null
check "the gateway recovers from a first flood" until_equal 5 false under_load wg0
check "and loses nothing then" pings_all spoke1 $LAN4 20
calm=$(round_trip)
before=$(memory VmRSS)
echo 5 >"/proc/$pid/clear_refs"
cookies=$(handshakes wg0 cookies-sent)
full=$(drops hub handshake-full)

count=$((FLOW_RATE * (SECONDS_LONG - 2)))
flow_receiver lan 7000 $count 1 $((SECONDS_LONG + 5))
flow_receiver spoke1 7001 $count 1 $((SECONDS_LONG + 5))
flood $SECONDS_LONG >"$LAB_DIR/flood.json" &
flooding=$!
check "wg0 is under load" until_equal 5 true under_load wg0
flow_send spoke1 --to $LAN4 --port 7000 --count $count --rate $FLOW_RATE --size 200 &
up=$!
flow_send lan --to "$(spoke_inner4 1)" --port 7001 --count $count --rate $FLOW_RATE --size 200 &
down=$!

# A peer of the other interface, in the middle of it.
wireguard_go spoke2 wg2
on spoke2 wg set wg2 private-key "$LAB_DIR/spoke2.key" peer "$(public_key other)" endpoint $HUB4:$OTHER_PORT \
	allowed-ips 10.65.0.0/16
address spoke2 wg2 10.65.0.12/32
on spoke2 ip link set wg2 up
route spoke2 10.65.0.0/16 dev wg2
check "the other interface answers at once" pings spoke2 10.65.0.1 3
check_equal "the other interface is not under load" false "$(under_load wgother)"
check_equal "and asked nobody for a cookie" 0 "$(handshakes wgother cookies-sent)"

for n in $NEW_PEERS; do
	spoke_start "$n" "$(hub_endpoint4)" persistent-keepalive 1
done
came_at=$(now_ms)
loaded=$(round_trip)
all=0 done=0
for n in $NEW_PEERS; do
	all=$((all + 1))
	check "spoke$n gets its session while the flood goes on" until_true 12 handshake_done "wg$n" && done=$((done + 1))
done
came_after=$(($(now_ms) - came_at))
check_equal "the flood is still going on" true "$(under_load wg0)"
wait $up $down
wait $flooding
peak=$(memory VmHWM)
check "the load is over soon after the flood" until_equal 5 false under_load wg0
after=$(memory VmRSS)

sent=$(jq .sent "$LAB_DIR/flood.json")
rate=$(jq '.sent * 1000 / .milliseconds | floor' "$LAB_DIR/flood.json")
check_at_least "the flood was one, initiations" 100000 "$sent"
up_tally=$(tally_of lan 7000)
down_tally=$(tally_of spoke1 7001)
check_equal "the established tunnel lost nothing towards the LAN" "{\"received\":$count,\"lost\":0,\"duplicated\":0}" "$up_tally"
check_equal "the established tunnel lost nothing towards the spoke" "{\"received\":$count,\"lost\":0,\"duplicated\":0}" "$down_tally"
check_at_least "cookies asked for" 1000 "$(handshakes wg0 cookies-sent)"
check_equal "every session of the flood's peers" "$all" "$done"
check "memory grew by less than $GROWTH_MAX KiB" [ $((peak - before)) -lt $GROWTH_MAX ]
note "flood: $sent initiations, $rate a second; $(($(handshakes wg0 cookies-sent) - cookies)) answered with a cookie," \
	"$(($(drops hub handshake-full) - full)) dropped at the full ring, the rest lost in the kernel's queue of wan1"
note "established tunnel: up $up_tally, down $down_tally; round trip $calm us before, $loaded us during"
note "memory, KiB: $before before, $peak at the peak, $after after"
note "valid handshakes under flood: $done of $all, the last after $came_after ms"

check_conservation hub
lab_end
