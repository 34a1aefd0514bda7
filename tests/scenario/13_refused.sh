#!/bin/bash
# Wrong key, wrong PSK, replayed, truncated, bit-flipped and random packets: silence on the wire, a count under the right reason,
# nothing else disturbed.
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

hub_network
for n in 1 2 3 4; do
	spoke_network $n
done
keys stranger impostor
psk spoke4
hub_psk 4
hub_start 1 2 4
spoke_start 1 "$(hub_endpoint4)"
check "the honest tunnel is up" pings spoke1 $LAN4
HUB_MAC=$(mac_of hub wan0)

# An honest flow runs beside all of this, and must lose nothing.
flow_receiver lan 7000 12000 1 120
flow_send spoke1 --to $LAN4 --port 7000 --count 12000 --rate 600 --size 100 &
sender=$!

# counted DESCRIPTION REASON COUNT COMMAND...: the command's packets are counted under that reason.
counted() {
	local description=$1 reason=$2 count=$3 before
	shift 3
	before=$(drops hub $reason)
	"$@" >/dev/null
	check "$description: counted as $reason" until_equal 3 $((before + count)) drops hub $reason
}
inject() {
	on inet "$TOOLS/inject" "$@" --iface to-hub
}
make() {
	inject make --mac "$HUB_MAC" --from 198.18.1.99,4444 --to $HUB4,$HUB_PORT "$@"
}

capture_start silence inet to-hub "src host $HUB4 and dst host 198.18.1.99"

# Random packets, of every type
counted "random bytes" bad-message 50 make --count 50 --size 100 --type 9
counted "no bytes at all" bad-message 1 make --size 0
counted "31 bytes that call themselves data" bad-message 5 make --count 5 --size 31 --type 4
counted "random data messages" no-session 200 make --count 200 --size 96 --type 4
counted "random initiations" bad-mac1 50 make --count 50 --size 148 --type 1
counted "initiations one byte short" bad-message 5 make --count 5 --size 147 --type 1
counted "initiations one byte long" bad-message 5 make --count 5 --size 149 --type 1
counted "random responses" bad-mac1 50 make --count 50 --size 92 --type 2

# Genuine packets of spoke1, taken from the wire and changed
capture_start genuine inet to-hub "src host 198.18.1.2 and udp"
check "spoke1 pings while it is listened to" pings_all spoke1 $LAN4 20
at_least() {
	[ "$("${@:2}")" -ge "$1" ]
}
until_true 5 at_least 40 captured genuine
capture_stop genuine
from_spoke() {
	inject replay --file "$LAB_DIR/genuine.pcap" --type 4 "$@"
}
counted "replayed data" replay 20 from_spoke --count 20
counted "replayed from elsewhere" replay 5 from_spoke --count 5 --from 198.18.1.99,4444
counted "truncated by one byte" bad-tag 5 from_spoke --count 5 --truncate 127
counted "truncated to a header and a tag" bad-tag 5 from_spoke --count 5 --truncate 32
counted "truncated below that" bad-message 5 from_spoke --count 5 --truncate 31
counted "a flipped bit in the payload" bad-tag 5 from_spoke --count 5 --flip 40
counted "a flipped bit in the tag" bad-tag 5 from_spoke --count 5 --flip -1
counted "a flipped bit in the counter" bad-tag 5 from_spoke --count 5 --flip 9
counted "a flipped bit in the receiver index" no-session 5 from_spoke --count 5 --flip 5
counted "a flipped bit in the type" bad-message 5 from_spoke --count 5 --flip 0
counted "a flipped bit in the reserved bytes" bad-message 5 from_spoke --count 5 --flip 2
check_equal "replays from elsewhere did not move the endpoint" 198.18.1.2:51821 \
	"$(on hub wg show wg0 endpoints | awk -v key="$(public_key spoke1)" '$1 == key { print $2 }')"

# Handshakes: a wrong key of the hub, a stranger's key, an initiation once more, a wrong PSK
capture_start initiation inet to-hub "src host 198.18.2.2 and udp[8] = 1"
before=$(drops hub bad-mac1)
wireguard_go spoke3 wg3
address spoke3 wg3 10.64.0.13/32
on spoke3 wg set wg3 private-key "$LAB_DIR/stranger.key" listen-port 51823 \
	peer "$(public_key impostor)" endpoint "$(hub_endpoint4)" allowed-ips 0.0.0.0/0 persistent-keepalive 1
capture_start answers inet to-spoke3 "src host $HUB4"
on spoke3 ip link set wg3 up
check "an initiation to another's key: counted as bad-mac1" until_true 5 at_least $((before + 1)) drops hub bad-mac1
on spoke3 wg set wg3 peer "$(public_key impostor)" remove peer "$(public_key hub)" endpoint "$(hub_endpoint4)" \
	allowed-ips 0.0.0.0/0 persistent-keepalive 1
# handshake_failures CAUSE: how many the interface has counted under it.
handshake_failures() {
	json hub interface "[.interfaces[].handshakes.failures.\"$1\" // 0] | add"
}
check "an initiation from a key that is no peer's is counted" until_true 5 at_least 1 handshake_failures unknown-key
check_equal "neither was answered" 0 "$(captured answers udp)"

spoke_start 2 "$(hub_endpoint4)"
check "spoke2 is up" pings spoke2 $LAN4
capture_stop initiation
capture_start again inet to-hub "dst host 198.18.2.2 and udp[8] = 2"
check "its initiation is sent once more" inject replay --file "$LAB_DIR/initiation.pcap" --type 1
check "spoke2 is not disturbed" pings_all spoke2 $LAN4 20
check_equal "a replayed initiation is not answered" 0 "$(captured again)"
check_equal "it is counted" 1 "$(handshake_failures replayed-initiation)"

psk other
spoke_start 4 "$(hub_endpoint4)" preshared-key "$LAB_DIR/other.psk"
check_not "nothing passes with a wrong PSK" pings spoke4 $LAN4 3
check_not "wg of that spoke sees no handshake" handshake_done wg4
check "show peers names the likely cause" grep -q "preshared key" <<<"$(sluice hub show peers)"

check_equal "the attacker's address heard nothing" 0 "$(captured silence)"
wait $sender
check_flow "the honest flow lost nothing" lan 7000
check_conservation hub
lab_end
