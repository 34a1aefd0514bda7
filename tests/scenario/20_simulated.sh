#!/bin/bash
# A hub with thousands of simulated peers, each of which follows the protocol. 1,000 of them move from one identity of the hub to the next
# half way: none of their packets is lost, the hub counts who is left, and when the old identity goes, only these are cut off. Then 2,000
# others shake hands at once beside that traffic (20,000 in a full run).
# shellcheck source=tests/scenario/sim.sh
. "${BASH_SOURCE[0]%/*}/sim.sh"

MOVERS=500
STRAGGLERS=500
STORM=2000
[ -z "${LAB_FULL:-}" ] || STORM=20000 # five times what the hub's ring holds
OLD=$((MOVERS + STRAGGLERS))
PATIENCE=30
RATE=3000 # packets a second at most: it is a matter of what happens to them, not of how many there are
movers=(first=0 "count=$MOVERS")
stragglers=("first=$MOVERS" "count=$STRAGGLERS")
crowd=("first=$OLD" "count=$STORM")

SIM_RING=14 # holds all answers to what waits in the hub
sim_network $((OLD + STORM)) --mixed --psk
sim_yaml "private-key: ${SIM_PRIVATE[0]}" >"$LAB_DIR/hub.yaml"
gateway_start hub
sim_start

on_old() { # how many peers the hub still knows by its old identity; "none" without one
	json hub interface '.interfaces[0]."previous-identity".peers // "none"'
}
sessions() { # of the peers FIRST and COUNT
	sim peers "$@" && jq .sessions <<<"$SIM_ANSWER"
}
new_yaml() {
	sim_yaml "$@" >"$LAB_DIR/hub.yaml"
	sluice hub reload
}

check "$OLD peers shake hands with the first identity" sim handshake first=0 count=$OLD window=100
check "all of them are answered" sim await handshakes=1 seconds=60
check_equal "and have a session" $OLD "$(sessions first=0 count=$OLD)"
check "traffic of those who will move" sim traffic flow=1 "${movers[@]}" window=32 rate=$RATE size=200 patience=$PATIENCE
check "traffic of those who will not" sim traffic flow=2 "${stragglers[@]}" window=32 rate=$RATE size=1200 patience=$PATIENCE
check "all movers' traffic comes through" sim await flow=1 returned=$MOVERS seconds=60

check "a second identity is added live" new_yaml "private-key: ${SIM_PRIVATE[1]}" "previous-private-key: ${SIM_PRIVATE[0]}"
# peers that were never heard of are thought to know the old one
check_equal "show counts all peers on the old one" $((OLD + STORM)) "$(on_old)"
check "half of the peers move" sim rehub "${movers[@]}" hub=1 window=50
check "all movers are answered by the second identity" sim await handshakes=1 seconds=60
check_equal "they did so as initiators, each with one more handshake" $MOVERS "$(sim_report .counts.rekeys)"
check "the hub counts the others on the old one" until_equal 20 $((STRAGGLERS + STORM)) on_old
check "the others' traffic comes through as before" sim await flow=2 returned=$STRAGGLERS seconds=60
check "their traffic ends" sim_stop_flow 2
check_sim_flow "who did not move has lost nothing yet" 2

check "the old identity is dropped" new_yaml "private-key: ${SIM_PRIVATE[1]}"
check_equal "there is no count any more" none "$(on_old)"
moved=$(sim_flow 1 .returned)
check "stragglers send all the same" sim traffic flow=3 "${stragglers[@]}" window=100 packets=100 patience=2
check "until that is over" sim await flow=3 seconds=60
check_equal "none of it arrives: they are cut off" "100 0" "$(sim_flow 3 '"\(.lost) \(.returned)"')"
check "movers go on" sim await flow=1 returned=$((moved + MOVERS)) seconds=60

check "stragglers move too" sim rehub "${stragglers[@]}" hub=1 window=50
check "and are answered" sim await handshakes=1 seconds=60
check "they send again" sim traffic flow=4 "${stragglers[@]}" window=50 packets=2000 patience=$PATIENCE
check "and all of it comes back" sim await flow=4 seconds=60
check_sim_flow "stragglers that have moved lose nothing" 4 2000
check "from the LAN to each of the peers" sim traffic flow=5 first=0 count=$OLD window=50 packets=2000 mode=down patience=$PATIENCE
check "all of it arrives" sim await flow=5 seconds=60
check_sim_flow "each packet at its peer" 5 2000

check "a crowd prepares its initiations" sim prepare "${crowd[@]}" hub=1
check "all of them" sim await handshakes=1 seconds=60
calm=$(sim_flow 1 .returned)
check "and sends all of them at once" sim handshake "${crowd[@]}"
check "the whole crowd is answered" sim await handshakes=1 seconds=90
storm=".tasks[] | select(.first == $OLD and .prepare == false)"
check_equal "everyone of it" $STORM "$(sim_report "$storm | .finished")"
note "$(sim_report "$storm | \"\(.count) handshakes in \(.milliseconds) ms\"");" \
	"$(sim_report '"\(.counts.cookies) cookies taken, \(.counts.mac2) messages with one, \(.counts.initiations) initiations"');" \
	"$(($(sim_flow 1 .returned) - calm)) packets of movers meanwhile"
check "the movers' traffic ends" sim_stop_flow 1
check_sim_flow "through two changes of keys and a storm, movers lost nothing" 1 $((2 * MOVERS))
check_equal "no message of the hub was wrong" 0 \
	"$(sim_report '.counts | ."bad-mac1" + ."bad-auth" + ."old-stamp" + ."bad-cookie" + ."bad-tag" + .replayed')"

check_conservation hub
sim_stop
lab_end
