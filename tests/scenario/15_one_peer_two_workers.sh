#!/bin/bash
# One tunnel floods a hub with two workers. All of it comes to one queue; whenever that runs full, the other worker helps to open
# it, and stops when it does not: the flows inside keep their order through every change.
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

RATE=20000
FLOWS=4
SECONDS_MOST=12
STALL=0.025 # at that rate half of what the hub's queue holds
HUB_WORKERS=2
hub_network
spoke_network 1
hub_start 1
spoke_start 1 "$(hub_endpoint4)"
check "the tunnel is up" pings spoke1 $LAN4

# Batches that a worker has opened for the other one.
helped() {
	json hub workers '[.workers[] | .worker as $self | .helped[] | select(.worker != $self) | .batches] | add // 0'
}
helped_enough() {
	[ "$(helped)" -ge 50 ]
}
# The hub is stopped for a moment and finds its queue full when it goes on. The moments are the load, nothing waits for them.
stall() {
	local i
	for ((i = 0; i < 20; i++)); do
		kill -STOP "${LAB_PID[hub]}"
		sleep $STALL
		kill -CONT "${LAB_PID[hub]}"
		sleep $STALL
	done
	helped_enough
}

count=$((RATE / FLOWS * SECONDS_MOST))
flow_receiver lan 7000 $count $FLOWS $((SECONDS_MOST + 8))
FLOW_WINDOW= flow_send spoke1 --to $LAN4 --port 7000 --count $count --flows $FLOWS --rate $RATE --size 1000 &
sender=$!
check "the other worker helps when one has more than it can do" until_true $((SECONDS_MOST - 3)) stall
wait $sender
flow_wait lan 7000
note "the flows: $TALLY"
note "batches opened: $(json hub workers '[.workers[] | {worker, helped}]' | tr -d ' \n')"
check_equal "none twice, none changed, order kept within a flow" "0 0 0" \
	"$(jq -r '"\(.duplicated) \(.corrupt) \(.reordered)"' <<<"$TALLY")"
# a machine that is busy may let the queue run over
check_at_least "most came" $((count * FLOWS * 3 / 4)) "$(jq .received <<<"$TALLY")"
check_equal "nothing was taken for a replay, or failed" "0 0 0" \
	"$(drops hub replay) $(drops hub bad-tag) $(drops hub bad-udp-checksum)"
for stage in order help; do
	check_at_least "show stages tells of '$stage'" 1 "$(json hub stages ".stages[] | select(.stage == \"$stage\") | .packets")"
done
check_at_least "show workers tells who opened what" 1 "$(sluice hub show workers | grep -c 'batches of worker')"
check_conservation hub
lab_end
