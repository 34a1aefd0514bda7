#!/bin/bash
# A hub with three spokes: spoke to spoke, spoke to LAN, LAN to spoke; a foreign source is dropped and counted. The LAN host has
# an MTU of 1500, sends with DF, and nobody has touched its routes or MTU.
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

hub_network
for n in 1 2 3; do
	spoke_network $n
done
hub_start 1 2 3
spoke_start 1 "$(hub_endpoint4)"
spoke_start 2 "$(hub_endpoint6)"
spoke_start 3 "$(hub_endpoint4)"

# The hub learns an endpoint from a peer's first packet.
for n in 1 2 3; do
	check "spoke$n reaches the hub" pings spoke$n $HUB_INNER4
done
# Path MTU: the LAN host hears of 1420 and goes on with it.
hears_mtu() {
	local words
	words=$(on lan ping -n -M "do" -c 3 -i 0.2 -W 2 -s "$1" "$2" 2>&1)
	grep -E '(Frag needed.*|Packet too big:.*)mtu ?= ?1420' <<<"$words"
}
check_equal "the LAN host's MTU is untouched" 1500 "$(on lan cat /sys/class/net/eth0/mtu)"
check "a 1500-byte IPv4 packet with DF is answered with ICMP 3/4 and MTU 1420" hears_mtu 1472 "$(spoke_inner4 1)"
check "a 1500-byte IPv6 packet is answered with ICMPv6 type 2 and MTU 1420" hears_mtu 1452 "$(spoke_inner6 1)"
check "a 1420-byte IPv4 packet with DF passes" on lan ping -n -q -M "do" -c 1 -W 5 -s 1392 "$(spoke_inner4 1)"
check "a 1420-byte IPv6 packet passes" on lan ping -n -q -M "do" -c 1 -W 5 -s 1372 "$(spoke_inner6 1)"
check "a 1500-byte IPv4 packet without DF arrives in fragments" \
	on lan ping -n -q -M dont -c 1 -W 5 -s 1472 "$(spoke_inner4 3)"

for pair in 1:2 2:3 3:1; do
	a=${pair%:*} b=${pair#*:}
	check "spoke$a pings spoke$b over IPv4" pings spoke$a "$(spoke_inner4 $b)"
	check "spoke$b pings spoke$a over IPv6" pings spoke$b "$(spoke_inner6 $a)"
	check "TCP from spoke$a to spoke$b" tcp_works spoke$a spoke$b "$(spoke_inner4 $b)"
done
for n in 1 2 3; do
	check "spoke$n pings the LAN host over IPv4" pings spoke$n $LAN4
	check "the LAN host pings spoke$n over IPv6" pings lan "$(spoke_inner6 $n)"
	check "TCP from spoke$n to the LAN host" tcp_works spoke$n lan $LAN4
	check "TCP from the LAN host to spoke$n over IPv6" tcp_works lan spoke$n "$(spoke_inner6 $n)"
done

# Spoke 1 sends from spoke 2's address, from the LAN's, and from nobody's.
capture_start foreign lan eth0 'icmp or icmp6'
for source in 10.64.0.12/32 10.20.0.99/32 172.16.9.9/32 fd00:64::12/128 fd00:99::1/128; do
	before=$(drops hub source-not-allowed)
	address spoke1 wg1 $source
	to=$LAN4
	[[ $source != *:* ]] || to=$LAN6
	check_not "nothing answers a spoke that sends from ${source%/*}" \
		on spoke1 ping -n -q -c 2 -i 0.1 -W 0.5 -I ${source%/*} $to
	check "both packets are counted as source-not-allowed" until_equal 3 $((before + 2)) drops hub source-not-allowed
	check_equal "none of them reached the LAN" 0 "$(captured foreign src host ${source%/*})"
	on spoke1 ip address del $source dev wg1
done
check "spoke1 itself is still served" pings spoke1 $LAN4
capture_stop foreign

check_conservation hub
lab_end
