#!/bin/bash
# Either side starts the handshake; ping and TCP both ways; with and without PSK; the four IPv4/IPv6 mixes.
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

# Spokes 1-4 start their handshakes themselves; the hub knows the endpoints of 5-8 and starts. Even ones use IPv6 outside,
# 3, 4, 7 and 8 have a PSK.
hub_network
for n in 1 2 3 4 5 6 7 8; do
	spoke_network $n
	outer[n]=v4
	[ $((n % 2)) -eq 1 ] || outer[n]=v6
done
for n in 3 4 7 8; do
	psk spoke$n
	hub_psk $n
done
for n in 5 7; do
	HUB_PEER[$n]+=", endpoint: \"198.18.$n.2:$((51820 + n))\""
done
for n in 6 8; do
	HUB_PEER[$n]+=", endpoint: \"[2001:db8:$n::2]:$((51820 + n))\""
done
hub_start 1 2 3 4 5 6 7 8

for n in 1 2 3 4 5 6 7 8; do
	endpoint=$(hub_endpoint4)
	[ "${outer[n]}" = v4 ] || endpoint=$(hub_endpoint6)
	secret=()
	[ ! -f "$LAB_DIR/spoke$n.psk" ] || secret=(preshared-key "$LAB_DIR/spoke$n.psk")
	spoke_start $n "$endpoint" "${secret[@]}"
	# a spoke that must wait for the hub cannot start: it does not know where the hub is
	if [ $n -ge 5 ]; then
		on spoke$n wg set wg$n peer "$(public_key hub)" remove
		on spoke$n wg set wg$n peer "$(public_key hub)" "${secret[@]}" \
			allowed-ips 10.64.0.0/16,fd00:64::/64,10.20.0.0/16,fd00:20::/64
	fi
done

for n in 1 2 3 4 5 6 7 8; do
	with=without
	[ ! -f "$LAB_DIR/spoke$n.psk" ] || with=with
	what="${outer[n]} outside, $with PSK"
	if [ $n -lt 5 ]; then
		check "spoke starts, $what: IPv4 ping to the hub" pings spoke$n $HUB_INNER4
		check "spoke starts, $what: IPv6 ping to the LAN host" pings spoke$n $LAN6
	else
		check "hub starts, $what: IPv4 ping from the LAN host" pings lan "$(spoke_inner4 $n)"
		check "hub starts, $what: IPv6 ping from the LAN host" pings lan "$(spoke_inner6 $n)"
	fi
	check "$what: wg sees the handshake" handshake_done wg$n
	check "$what: IPv4 ping back" pings lan "$(spoke_inner4 $n)"
	check "$what: IPv6 ping back" pings lan "$(spoke_inner6 $n)"
	check "$what: IPv4 inside, TCP to the LAN" tcp_works spoke$n lan $LAN4
	check "$what: IPv6 inside, TCP to the LAN" tcp_works spoke$n lan $LAN6
	check "$what: IPv4 inside, TCP to the spoke" tcp_works lan spoke$n "$(spoke_inner4 $n)"
	check "$what: IPv6 inside, TCP to the spoke" tcp_works lan spoke$n "$(spoke_inner6 $n)"
	[ "$LAB_FAILED" -lt 5 ] || die "too much has failed to go on"
done
check_equal "the hub answers ping to its IPv6 address" 0 "$(pings spoke1 $HUB_INNER6 >/dev/null; echo $?)"

check_conservation hub
lab_end
