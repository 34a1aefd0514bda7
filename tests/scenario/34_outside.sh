#!/bin/bash
# What the kernel's self-test checks of the outside: a peer behind source NAT whose mappings last 2 s (st07), in either role; an outer address
# that is removed and replaced, two addresses per family, a better route through another port (st09). Two IPv4 addresses are in 05_roaming.sh.
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

NAT_TIMEOUT=2 # s
IDLE=3        # s
NEW4=192.0.2.20
NEW6=2001:db8::20
SECOND6=2001:db8::11
WAN1=203.0.113.10
hub_network
for n in 1 2 3; do
	spoke_network $n
done
link inet to-hub1 hub wan1
address inet to-hub1 203.0.113.1/24

# st07: spoke1 and spoke3 are behind NAT; so is the hub, in the eyes of spoke2. spoke3 has no keepalive.
on inet nft -f - <<-NFT || die "no NAT on the router"
	table ip nat {
		chain post {
			type nat hook postrouting priority srcnat;
			ip saddr { 198.18.1.0/24, 198.18.3.0/24 } oifname "to-hub" masquerade
			ip saddr 192.0.2.0/24 oifname "to-spoke2" masquerade
		}
	}
NFT
set_sysctl inet net/netfilter/nf_conntrack_udp_timeout $NAT_TIMEOUT
set_sysctl inet net/netfilter/nf_conntrack_udp_timeout_stream $NAT_TIMEOUT
HUB_PEER[2]=', endpoint: "198.18.2.2:51822", persistent-keepalive: 1'
hub_start 1 2 3
spoke_start 1 "$(hub_endpoint4)" persistent-keepalive 1
spoke_start 3 "$(hub_endpoint4)"
check "st07: the peer behind NAT is up" pings spoke1 $LAN4
check "st07: another one too" pings spoke3 $LAN4
spoke_start 2 "$(hub_endpoint4)"
on spoke2 wg set wg2 peer "$(public_key hub)" remove peer "$(public_key hub)" allowed-ips 10.64.0.0/16,10.20.0.0/16
check "st07: the gateway behind NAT gets through to its peer" pings lan "$(spoke_inner4 2)"
check "st07: which knows it under the router's address" grep -q "198.18.2.1:" <<<"$(on spoke2 wg show wg2 endpoints)"
sleep $IDLE # the mappings would be gone
one_ping() {
	on "$1" ping -n -q -c 1 -W 1 "$2"
}
check "st07: a peer behind NAT with keepalive 1: reachable after $IDLE s idle" one_ping lan "$(spoke_inner4 1)"
check "st07: the gateway behind NAT with keepalive 1: reachable after $IDLE s idle" one_ping spoke2 $LAN4
check_not "st07: without keepalive it is not" one_ping lan "$(spoke_inner4 3)"
check_conservation hub
gateway_stop hub
on inet nft flush ruleset
for n in 1 2 3; do
	wireguard_go_stop spoke$n
done

# st09, with a second address of IPv6, and of IPv4 later
yaml() { # ADDRESSES [ROUTE]
	hub_yaml 1 2 | sed "s|addresses: \[$HUB4/24, \"$HUB6/64\"\]|addresses: [$1]|;
		/^  lan0:/a\\  wan1: {device: \"af_packet:wan1\", addresses: [$WAN1/24]}"
	[ -z "${2:-}" ] || printf 'routes:\n  - %s\n' "$2"
}
HUB_PEER[2]=''
yaml "$HUB4/24, \"$HUB6/64\", \"$SECOND6/64\"" >"$LAB_DIR/hub.yaml"
gateway_start hub
spoke_start 1 "$(hub_endpoint4)"
spoke_start 2 "[$SECOND6]:$HUB_PORT"
check "st09: spoke1 is up over IPv4" pings spoke1 $LAN4
check "st09: spoke2 is up over the second IPv6 address" pings spoke2 $LAN4
endpoint_of() {
	on "spoke$1" wg show "wg$1" endpoints | cut -f 2
}
check_equal "st09: the second IPv6 address was hit, and it answers" "[$SECOND6]:$HUB_PORT" "$(endpoint_of 2)"
on spoke2 wg set wg2 peer "$(public_key hub)" endpoint "[$HUB6]:$HUB_PORT"
check "st09: now the first one" pings_all spoke2 $LAN4 5
check "st09: the LAN host reaches spoke2" pings_all lan "$(spoke_inner4 2)" 5
check_equal "st09: and that answers" "[$HUB6]:$HUB_PORT" "$(endpoint_of 2)"

# Both addresses go, and others come; nobody tells the spokes, but the next packet of ours does.
yaml "$NEW4/24, \"$NEW6/64\"" >"$LAB_DIR/hub.yaml"
hub_reload
for n in 1 2; do
	check "st09: our outer address was replaced: the LAN host reaches spoke$n" pings lan "$(spoke_inner4 $n)"
	check "st09: spoke$n goes on with the new one" pings_all spoke$n $LAN4 5
done
check_equal "st09: spoke1 has followed" "$NEW4:$HUB_PORT" "$(endpoint_of 1)"
check_equal "st09: spoke2 has followed" "[$NEW6]:$HUB_PORT" "$(endpoint_of 2)"

# A better route to spoke1: by the other port, while a flow goes there.
by_wan1() {
	captured wan1 "udp[8] = 4 and dst host 198.18.1.2"
}
over_wan1() {
	[ "$(by_wan1)" -gt 0 ]
}
capture_start wan1 inet to-hub1 'udp and dst host 198.18.1.2'
flow_receiver spoke1 7000 4000 1 15
flow_send lan --to "$(spoke_inner4 1)" --port 7000 --count 4000 --rate 2000 --size 100 &
sender=$!
yaml "$NEW4/24, \"$NEW6/64\"" '{to: 198.18.1.0/24, via: 203.0.113.1}' >"$LAB_DIR/hub.yaml"
check_equal "st09: nothing went through the other port before" 0 "$(by_wan1)"
hub_reload
check "st09: a better route moves traffic to the other port" until_true 3 over_wan1
wait $sender
check_flow "st09: and nothing was lost by that" spoke1 7000
check "st09: the spoke reaches the LAN host" pings_all spoke1 $LAN4 5
note "spoke1 now talks to $(endpoint_of 1)"
yaml "$NEW4/24, \"$NEW6/64\"" >"$LAB_DIR/hub.yaml"
hub_reload
check "st09: the better route goes again" pings_all lan "$(spoke_inner4 1)" 5
capture_stop wan1

check_conservation hub
lab_end
