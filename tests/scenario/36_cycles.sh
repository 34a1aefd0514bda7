#!/bin/bash
# 500 times a peer is made, gets a session and traffic, and is removed, while another peer's traffic flows (st13 of the kernel's self-test): peers,
# sessions, indices and packet buffers are back at their counts after that.
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

CYCLES=500
RATE=400 # what peers can put aside while a busy machine does not let them run for half a second
SESSION_EVERY=25 # cycles; in the others the gateway's initiation is on its way when the peer goes
hub_network
for n in 1 2; do
	spoke_network $n
done
hub_start 1
spoke_start 1 "$(hub_endpoint4)"
spoke_start 2 "$(hub_endpoint4)"
check "the lasting tunnel is up" pings spoke1 $LAN4

# What must come back: peers, slots of sessions and handshakes (each of which holds an index), and what awaits reclaiming.
counts() {
	json hub all '"\([.interfaces[].peers] | add) peers, \(.gateway.sessions) sessions, \(.gateway."reclaim-pending") to reclaim"'
}
settled() {
	json hub all '.gateway."reclaim-pending" == 0'
}
check "nothing awaits reclaiming" until_equal 5 true settled
before=$(counts)
note "before: $before"

count=$((RATE * 12))
flow_receiver lan 7000 $count 1 60
flow_receiver spoke1 7001 $count 1 60
flow_send spoke1 --to $LAN4 --port 7000 --count $count --rate $RATE --size 200 &
up=$!
flow_send lan --to "$(spoke_inner4 1)" --port 7001 --count $count --rate $RATE --size 200 &
down=$!
# towards the peer that comes and goes, while it does. Nobody receives all of it, so it has no window: all of it and the window of the flow beside
# it fit into the queue of 1,024 that both go through, however late the gateway or this sender comes
flow_send lan --to "$(spoke_inner4 2)" --port 7002 --count 768 --rate 128 --size 200 --from-port 41000 &
towards=$!

key=$(public_key spoke2)
hub_wg() { # the socket is the gateway's: no need to enter its namespace
	wg set wg0 "$@"
}
has_session() {
	wg show wg0 latest-handshakes | awk -v key="$key" '$1 == key && $2 > 0 { found = 1 } END { exit !found }'
}
failed=0 sessions=0 most=0
started=$(now_ms)
for ((i = 1; i <= CYCLES; i++)); do
	# the spoke refuses an initiation that comes within 20 ms of the last one
	((i % SESSION_EVERY != 0)) || sleep 0.05
	hub_wg peer "$key" endpoint 198.18.2.2:51822 persistent-keepalive 1 \
		allowed-ips "$(spoke_inner4 2)/32,10.66.0.0/16" || failed=$((failed + 1))
	if ((i % SESSION_EVERY == 0)) && until_true 20 has_session; then
		sessions=$((sessions + 1))
		now=$(json hub all .gateway.sessions)
		[ "$now" -le $most ] || most=$now
	fi
	hub_wg peer "$key" remove || failed=$((failed + 1))
done
note "$CYCLES cycles took $(($(now_ms) - started)) ms; $sessions with a session; at most $most session slots in use"
check_equal "st13: wg set refused nothing" 0 $failed
check_equal "st13: every ${SESSION_EVERY}th of them had a session" $((CYCLES / SESSION_EVERY)) $sessions
wait $up $down $towards
check_flow "st13: the lasting tunnel lost nothing towards the LAN" lan 7000
check_flow "st13: the lasting tunnel lost nothing towards the spoke" spoke1 7001
check "st13: after $CYCLES create/remove cycles peers, sessions and indices are back" until_equal 5 "$before" counts
note "after: $(counts)"
hub_wg peer "$key" endpoint 198.18.2.2:51822 allowed-ips "$(spoke_inner4 2)/32"
check "st13: and the peer can come once more" pings lan "$(spoke_inner4 2)"

check_conservation hub # the packet buffers
lab_end
