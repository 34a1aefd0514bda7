#!/bin/bash
# A restart of either side recovers by itself within the time the protocol gives: a session without an answer is given up after
# 15 s (protocol.md 30), and an initiation is answered or sent again after 5 s.
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

NEW_HANDSHAKE=16    # seconds, rounded up with the jitter
ATTEMPT=6           # seconds
hub_network
spoke_network 1
spoke_network 2
hub_start 1 2
for n in 1 2; do
	spoke_start $n "$(hub_endpoint4)"
	check "spoke$n is up" pings spoke$n $LAN4
done

# recovers DESCRIPTION SECONDS NODE ADDRESS
recovers() {
	local from_ms
	from_ms=$(now_ms)
	if until_true "$2" on "$3" ping -n -q -c 1 -W 0.2 "$4"; then
		pass "$1: traffic is back after $((($(now_ms) - from_ms) / 1000)) s, $2 s allowed"
	else
		fail "$1: no traffic within $2 s"
	fi
}

gateway_stop hub
gateway_start hub
recovers "the hub was stopped and started, the spoke talks" $((NEW_HANDSHAKE + ATTEMPT)) spoke1 $LAN4
check "the hub knows the first spoke again" pings lan "$(spoke_inner4 1)"

gateway_kill hub
gateway_start hub
recovers "the hub was killed and started, the spoke talks" $((NEW_HANDSHAKE + ATTEMPT)) spoke2 $LAN4

wireguard_go_stop spoke2
spoke_start 2 "$(hub_endpoint4)"
recovers "the spoke was restarted, the spoke talks" $ATTEMPT spoke2 $LAN4

wireguard_go_stop spoke2
spoke_start 2 "$(hub_endpoint4)"
recovers "the spoke was restarted, the LAN host talks" $((NEW_HANDSHAKE + ATTEMPT)) lan "$(spoke_inner4 2)"

check_conservation hub
lab_end
