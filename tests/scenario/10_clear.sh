#!/bin/bash
# Clear packets: those from outside that claim a peer's address, one of ours, or a multicast source are dropped and counted; an
# address inside the tunnel's prefix that no peer allows never leaves in the clear; a one-armed gateway works with `forward-clear:
# true`; a peer with 0.0.0.0/0 does not swallow outer packets.
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

hub_network
spoke_network 1
spoke_network 2
# spoke2 is a full tunnel in the hub's eyes: every address is its
HUB_PEER[2]=''
hub_yaml 1 2 | sed '/spoke2:/s|allowed-ips: \[|allowed-ips: [0.0.0.0/0, "::/0", |' >"$LAB_DIR/hub.yaml"
gateway_start hub
spoke_start 1 "$(hub_endpoint4)"
spoke_start 2 "$(hub_endpoint6)"

# A peer with 0.0.0.0/0 and ::/0 next to one without: outer packets of both still leave through the port.
check "with a peer that allows everything, spoke1 reaches the LAN" pings spoke1 $LAN4
check "with a peer that allows everything, it reaches the LAN itself" pings spoke2 $LAN6
check "and the LAN reaches both" pings lan "$(spoke_inner4 1)"
check "and the LAN reaches both, IPv6" pings lan "$(spoke_inner6 2)"

# From the outside, in the clear, to the LAN host.
hub_mac=$(mac_of hub wan0)
capture_start lan lan eth0 'udp port 9999'
inject_clear() {
	on inet "$TOOLS/inject" make --iface to-hub --mac "$hub_mac" --from "$1,9999" --to "$2,9999" --count 3 >/dev/null
}
while read -r what source; do
	to=$LAN4
	[[ $source != *:* ]] || to=$LAN6
	before=$(drops hub spoofed-source)
	inject_clear "$source" $to
	check "a clear packet from $what ($source) is counted" until_equal 3 $((before + 3)) drops hub spoofed-source
done <<EOT
a-peer's-address $(spoke_inner4 1)
a-peer's-address $(spoke_inner6 1)
our-address-inside $HUB_INNER4
our-address-inside $HUB_INNER6
our-address-on-the-LAN 10.20.0.1
our-address-on-the-LAN fd00:20::1
our-outer-address $HUB4
our-outer-address $HUB6
a-multicast-address 239.1.2.3
a-multicast-address ff05::1:3
the-broadcast-address 255.255.255.255
loopback 127.0.0.1
loopback ::1
EOT
check_equal "none of them reached the LAN" 0 "$(captured lan)"
# an honest source is not the LAN's business either way, but it must be forwarded: wan0 to lan0 is plain routing
inject_clear 192.0.2.1 $LAN4
check "a clear packet from an honest source is forwarded" until_equal 3 3 captured lan src host 192.0.2.1
capture_stop lan
# towards the tunnel it is not: wan0 has a gateway and does not say forward-clear
before=$(drops hub clear-not-forwarded)
inject_clear 192.0.2.1 "$(spoke_inner4 1)"
check "a clear packet from outside does not enter the tunnel" until_equal 3 $((before + 3)) drops hub clear-not-forwarded
check_conservation hub
gateway_stop hub

# Without the full tunnel, an address that no peer allows has no way: it is refused, never sent in the clear.
hub_start 1
check "spoke1 is back" pings spoke1 $LAN4 25
capture_start outside inet to-hub 'net 10.64.0.0/16 or net fd00:64::/64'
unreachable() {
	local words
	words=$(on lan ping -n -c 2 -i 0.2 -W 1 "$1" 2>&1)
	grep -iE 'unreachable' <<<"$words"
}
before=$(drops hub no-peer)
check "IPv4: ICMP host unreachable for an address of the tunnel that no peer allows" unreachable 10.64.77.77
check "IPv6: ICMPv6 address unreachable for one" unreachable fd00:64::7777
check_at_least "they are counted as no-peer" $((before + 4)) "$(drops hub no-peer)"
check_equal "and never left in the clear" 0 "$(captured outside)"
capture_stop outside
check_conservation hub
gateway_stop hub

# One-armed: a gateway with a single port, on the same segment as its hosts and its router.
router_node segment
gateway_node arm
node host
for one in arm:wan0 host:eth0 inet:to-segment; do
	link segment "to-${one%:*}" "${one%:*}" "${one#*:}"
done
on segment ip link add switch type bridge
for one in arm host inet; do
	on segment ip link set "to-$one" master switch
done
on segment ip link set switch up
address inet to-segment 10.30.0.1/24 fd00:30::1/64
address host eth0 10.30.0.20/24 fd00:30::20/64
route host 10.64.0.0/16 via 10.30.0.5
route host fd00:64::/64 via fd00:30::5
keys arm
cat >"$LAB_DIR/arm.yaml" <<YAML
version: 1
name: arm
dataplane: {workers: 1$LAB_SIMD}
ports:
  wan0:
    device: "af_packet:wan0"
    addresses: [10.30.0.5/24, "fd00:30::5/64"]
    gateway: [10.30.0.1, "fd00:30::1"]
    forward-clear: true
interfaces:
  wgarm:
    private-key-file: arm.key
    listen-port: $HUB_PORT
    addresses: [$HUB_INNER4/16, "$HUB_INNER6/64"]
    peers:
      spoke1: {public-key: "$(public_key spoke1)", allowed-ips: [$(spoke_inner4 1)/32, "$(spoke_inner6 1)/128"]}
YAML
gateway_start arm
on spoke1 wg set wg1 peer "$(public_key hub)" remove
on spoke1 wg set wg1 peer "$(public_key arm)" endpoint 10.30.0.5:$HUB_PORT \
	allowed-ips 10.64.0.0/16,fd00:64::/64,10.30.0.0/24,fd00:30::/64
route spoke1 10.30.0.20 dev wg1
route spoke1 fd00:30::20 dev wg1
check "one-armed: the spoke reaches the host" pings spoke1 10.30.0.20
check "one-armed: the host reaches the spoke" pings host "$(spoke_inner4 1)"
check "one-armed: the same over IPv6" pings host "$(spoke_inner6 1)"
check "one-armed: TCP" tcp_works host spoke1 "$(spoke_inner4 1)"
check_conservation arm
lab_end
