#!/bin/bash
# Tunnels in tunnels (st06 of the kernel's self-test): WireGuard inside WireGuard through us, an endpoint that is reached through another of our
# tunnels, one through its own, tunnels that carry each other, and a routing loop through a tunnel.
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

LAN_PORT=51900
INNER_PORT=51830
hub_network
for n in 1 2 3; do
	spoke_network $n
done
keys lan inner deep
# wgin has spoke1 once more, inside the tunnel: its endpoint there is spoke1's address in wg0
{
	hub_yaml 1 2 3 | sed "/spoke3:/s|allowed-ips: \[|&10.66.0.0/16, |"
	cat <<-YAML
	  wgin:
	    private-key-file: inner.key
	    listen-port: $INNER_PORT
	    addresses: [10.70.0.1/24]
	    peers:
	      deep: {public-key: "$(public_key deep)", endpoint: "$(spoke_inner4 1):51931", allowed-ips: [10.70.0.11/32]}
	YAML
} >"$LAB_DIR/hub.yaml"
gateway_start hub
for n in 1 2 3; do
	spoke_start $n "$(hub_endpoint4)"
	check "spoke$n is up" pings spoke$n $LAN4
done
hub_wg() {
	on hub wg set "$@"
}
sent_packets() { # by the port wan0
	json hub ports '.ports[] | select(.name == "wan0") | ."tx-packets"'
}
resting() {
	local seen now
	seen=$(sent_packets)
	sleep 0.2
	now=$(sent_packets)
	[ "$seen" = "$now" ]
}
# bounded DESCRIPTION MOST PACKETS-BEFORE: what left wan0 since comes to rest below a number.
bounded() {
	until_true 5 resting || fail "$1: packets do not come to rest"
	local count=$(($(sent_packets) - $3))
	check "$1: at most $2 packets ($count)" [ $count -le "$2" ]
}

# Through us: between spoke2 and the LAN host, inside spoke2's tunnel.
wireguard_go lan wglan
on lan wg set wglan private-key "$LAB_DIR/lan.key" listen-port $LAN_PORT peer "$(public_key inner)" allowed-ips 10.71.0.2/32
address lan wglan 10.71.0.1/24
on lan ip link set wglan mtu 1340 up
spoke2_pid=${LAB_PID[spoke2]}
wireguard_go spoke2 wgover
LAB_PID[spoke2-over]=${LAB_PID[spoke2]} LAB_PID[spoke2]=$spoke2_pid
on spoke2 wg set wgover private-key "$LAB_DIR/inner.key" peer "$(public_key lan)" endpoint $LAN4:$LAN_PORT allowed-ips 10.71.0.1/32
address spoke2 wgover 10.71.0.2/24
on spoke2 ip link set wgover mtu 1340 up
check "st06: WireGuard inside WireGuard through us" pings spoke2 10.71.0.1
check "st06: with TCP" tcp_works spoke2 lan 10.71.0.1
check "st06: and back" tcp_works lan spoke2 10.71.0.2

# Of our own: wgin's messages to spoke1 go through wg0 to spoke1.
spoke1_pid=${LAB_PID[spoke1]}
wireguard_go spoke1 wgdeep
LAB_PID[spoke1-deep]=${LAB_PID[spoke1]} LAB_PID[spoke1]=$spoke1_pid
on spoke1 wg set wgdeep private-key "$LAB_DIR/deep.key" listen-port 51931 \
	peer "$(public_key inner)" allowed-ips 10.70.0.0/24,10.20.0.0/16
address spoke1 wgdeep 10.70.0.11/24
on spoke1 ip link set wgdeep mtu 1340 up
on spoke1 ip rule add from 10.70.0.11 lookup 70
on spoke1 ip route add default dev wgdeep table 70
check "st06: an endpoint that is reached through another tunnel, the gateway starts" pings lan 10.70.0.11
check_equal "st06: spoke1 sees the gateway's address inside the outer tunnel" "$HUB_INNER4:$INNER_PORT" \
	"$(on spoke1 wg show wgdeep endpoints | cut -f 2)"
check "st06: and back" pings_all spoke1 10.70.0.1 5
check "st06: TCP through both" tcp_works lan spoke1 10.70.0.11

# Through itself: the endpoint lies in the peer's own allowed IPs. Nothing may go round; the packets end, and the gateway lives.
capture_start itself inet to-hub 'udp and host 10.64.0.13'
before=$(sent_packets)
hub_wg wg0 peer "$(public_key spoke3)" endpoint "$(spoke_inner4 3):51823"
check_not "st06: an endpoint that is reached through itself fails" on lan ping -n -q -f -c 10 -W 1 "$(spoke_inner4 3)"
bounded "st06: through itself, and cleanly" 40 "$before"
note "st06: through itself: $(captured itself) packets went by the next best route instead"
capture_stop itself
hub_wg wg0 peer "$(public_key spoke3)" endpoint 198.18.3.2:51823
check "st06: the peer is back with its endpoint" pings lan "$(spoke_inner4 3)"

# Each through the other: wg0's peer at an address of wgin's, and the other way round.
before=$(sent_packets)
hub_wg wg0 peer "$(public_key spoke1)" endpoint 10.70.0.11:51821
on lan ping -n -q -f -c 10 -W 1 "$(spoke_inner4 1)" >/dev/null
on lan ping -n -q -f -c 10 -W 1 10.70.0.11 >/dev/null
bounded "st06: tunnels that carry each other end" 40 "$before"
check_at_least "st06: they are counted as nesting" 1 "$(drops hub nesting)"
check "st06: others are not disturbed" pings_all spoke2 $LAN4 5
on spoke1 wg set wg1 peer "$(public_key hub)" persistent-keepalive 1
check "st06: and an authenticated packet from its true address ends it" pings lan "$(spoke_inner4 1)" 10
check "st06: the inner one too" pings lan 10.70.0.11 20

# A routing loop: what spoke3 sends to 10.66.0.0/16 comes back to it, and it sends it into the tunnel again. The time to live ends it.
set_sysctl spoke3 net/ipv4/ip_forward 1
for n in all wg3; do
	set_sysctl spoke3 net/ipv4/conf/$n/rp_filter 0
	set_sysctl spoke3 net/ipv4/conf/$n/accept_local 1
done
hub_wg wg0 peer "$(public_key spoke3)" allowed-ips "$(spoke_inner4 3)/32,10.66.0.0/16"
on spoke3 wg set wg3 peer "$(public_key hub)" allowed-ips 10.64.0.0/16,10.66.0.0/16,10.20.0.0/16
route spoke3 10.66.0.0/16 dev wg3
before=$(sent_packets)
check_not "st06: nothing answers through a routing loop" on spoke3 ping -n -q -c 10 -i 0.05 -W 1 10.66.1.1
bounded "st06: a routing loop through the tunnel ends" 500 "$before"
check_at_least "st06: it was one" 200 $(($(sent_packets) - before))
check "st06: the tunnel itself still works" pings_all spoke3 $LAN4 5

check_conservation hub
lab_end
