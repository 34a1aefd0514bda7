#!/bin/bash
# What the kernel's self-test checks of peers and keys: a more specific prefix of a second peer (st04), key changes at run time (st05),
# oneself as a peer, clamping, overlapping prefixes, low-order keys (st11), keepalive before and after the key (st12). Roaming itself (st04) is
# in 05_roaming.sh.
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

INTERVAL=20 # of the keepalives that are to come at once, s

hub_network
for n in 1 2 3; do
	spoke_network $n
done
keys hub-new hub-newer spoke1-new
hub_start 1 2
spoke_start 1 "$(hub_endpoint4)"
spoke_start 2 "$(hub_endpoint6)"
check "the first tunnel is up" pings spoke1 $LAN4
check "the second tunnel is up" pings spoke2 $LAN4

hub_wg() {
	on hub wg set wg0 "$@"
}
endpoint_of() { # NUMBER
	on hub wg show wg0 endpoints | awk -v key="$(public_key "$1")" '$1 == key { print $2 }'
}
some() { # CAPTURE: an initiation is in it
	[ "$(captured "$1" 'udp[8] = 1')" -gt 0 ]
}
counted_since() { # BEFORE REASON: more packets were dropped for it
	[ "$(drops hub "$2")" -gt "$1" ]
}

# st04: spoke1 is allowed 10.66.0.0/16, but 10.66.1.1 is spoke2's.
hub_wg peer "$(public_key spoke1)" allowed-ips "$(spoke_inner4 1)/32,$(spoke_inner6 1)/128,10.66.0.0/16"
hub_wg peer "$(public_key spoke2)" allowed-ips "$(spoke_inner4 2)/32,$(spoke_inner6 2)/128,10.66.1.1/32"
address spoke1 wg1 10.66.0.1/32 10.66.1.1/32
route lan 10.66.0.0/16 via 10.20.0.1
check "st04: an address of the wide prefix passes" on spoke1 ping -n -q -c 1 -W 2 -I 10.66.0.1 $LAN4
on spoke1 wg set wg1 listen-port 40404
before=$(drops hub source-not-allowed)
check_not "st04: an address of another peer's narrower prefix does not" on spoke1 ping -n -q -c 1 -W 0.5 -I 10.66.1.1 $LAN4
check "st04: the packet is counted as source-not-allowed" until_true 2 counted_since "$before" source-not-allowed
check "st04: but the endpoint has moved with it" until_equal 2 198.18.1.2:40404 endpoint_of spoke1
hub_wg peer "$(public_key spoke2)" allowed-ips "$(spoke_inner4 2)/32,$(spoke_inner6 2)/128"
check "st04: without the narrower prefix it passes" on spoke1 ping -n -q -c 1 -W 2 -I 10.66.1.1 $LAN4

# st05: every ping must come back within a second, the first one already.
one_ping() { # NODE ADDRESS
	on "$1" ping -n -q -c 1 -W 1 "$2"
}
hub_wg private-key "$LAB_DIR/hub-new.key"
on spoke1 wg set wg1 peer "$(public_key hub)" remove \
	peer "$(public_key hub-new)" allowed-ips 10.64.0.0/16,10.20.0.0/16 endpoint "$(hub_endpoint4)"
check "st05: a new key of the gateway, which starts: the next ping" one_ping lan "$(spoke_inner4 1)"
hub_wg private-key "$LAB_DIR/hub-newer.key"
on spoke1 wg set wg1 peer "$(public_key hub-new)" remove \
	peer "$(public_key hub-newer)" allowed-ips 10.64.0.0/16,10.20.0.0/16 endpoint "$(hub_endpoint4)"
check "st05: another one, within 5 s of the handshake: the next ping" one_ping lan "$(spoke_inner4 1)"
hub_wg peer "$(public_key spoke1)" remove \
	peer "$(public_key spoke1-new)" allowed-ips "$(spoke_inner4 1)/32" endpoint 198.18.1.2:40404
on spoke1 wg set wg1 private-key "$LAB_DIR/spoke1-new.key"
check "st05: a new key of the spoke, which starts: the next ping" one_ping spoke1 $LAN4
# An initiation within 20 ms of the one before is dropped, whatever the key: two pings take longer than that.
check "st05: and traffic goes on" on spoke1 ping -n -q -c 2 -i 0.05 -W 1 $LAN4
hub_wg private-key "$LAB_DIR/hub.key"
on spoke1 wg set wg1 peer "$(public_key hub-newer)" remove \
	peer "$(public_key hub)" allowed-ips 10.64.0.0/16,10.20.0.0/16 endpoint "$(hub_endpoint4)"
check "st05: the first key again, the spoke starts: the next ping" one_ping spoke1 $LAN4

# st11: oneself as a peer, a key that is not clamped, prefixes that overlap.
peers_before=$(on hub wg show wg0 peers | wc -l)
check "st11: oneself as a peer is accepted" hub_wg peer "$(public_key hub)" allowed-ips 10.99.0.0/16
check_equal "st11: and left out" "$peers_before" "$(on hub wg show wg0 peers | wc -l)"
check_not "st11: its prefix is nobody's" grep -q 10.99.0.0 <<<"$(on hub wg show wg0 allowed-ips)"
unclamped=$(head -c 32 /dev/zero | tr '\0' '\377' | base64)
clamped=$({ printf '\370'; head -c 30 /dev/zero | tr '\0' '\377'; printf '\177'; } | base64)
hub_wg private-key <(echo "$unclamped")
check_equal "st11: a private key is clamped" "$clamped" "$(on hub wg show wg0 private-key)"
hub_wg private-key "$LAB_DIR/hub.key"
hub_wg peer "$(public_key spoke2)" allowed-ips "$(spoke_inner4 2)/32,10.67.0.0/16,10.67.4.0/24"
hub_wg peer "$(public_key spoke1-new)" allowed-ips "$(spoke_inner4 1)/32,10.67.4.0/25,10.67.0.0/16"
check_equal "st11: a prefix moves to the peer that names it last, others stay" "$(spoke_inner4 2)/32 10.67.4.0/24" \
	"$(on hub wg show wg0 allowed-ips | awk -v key="$(public_key spoke2)" \
		'$1 == key { for (i = 2; i <= NF; i++) print $i }' | sort -t . -k 2n | tr '\n' ' ' | sed 's/ $//')"

# The public keys with which every shared secret is zero.
low_order=(
	AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
	AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
	4Ot6fDtBuK4WVuP68Z/EatoJjeucMrH9hmIFFl9JuAA=
	X5yVvKNQjCSx0LFVnIPvWwREXMRYHI6G2CJO3dCfEVc=
	7P///////////////////////////////////////38=
	7f///////////////////////////////////////38=
	7v///////////////////////////////////////38=
)
capture_start low inet to-hub 'udp and dst host 203.0.113.77'
route inet blackhole 203.0.113.0/24
for i in "${!low_order[@]}"; do
	check "st11: low-order public key $((i + 1)) is accepted" \
		hub_wg peer "${low_order[i]}" persistent-keepalive 1 endpoint 203.0.113.77:1111 allowed-ips "10.68.0.$((i + 1))/32"
	on lan ping -n -q -c 1 -W 0.05 "10.68.0.$((i + 1))" >/dev/null
done
check_equal "st11: all seven are there" 7 "$(on hub wg show wg0 persistent-keepalive | awk '$2 == 1' | wc -l)"
sleep 2.5 # that long each of them, with a keepalive every second, has a reason to speak
check_equal "st11: they are silent" 0 "$(captured low)"
hub_wg peer "$(public_key spoke3)" persistent-keepalive 1 endpoint 203.0.113.77:1111
check "st11: as an ordinary key there is not" until_true 2 some low
hub_wg peer "$(public_key spoke3)" remove
check_equal "st11: and nothing was sent to them" "0" \
	"$(on hub wg show wg0 transfer | grep -F -f <(printf '%s\n' "${low_order[@]}") | awk '{ n += $3 } END { print n + 0 }')"
capture_stop low
for key in "${low_order[@]}"; do
	hub_wg peer "$key" remove
done
check "st11: the others were not disturbed" one_ping spoke1 $LAN4

# st12: without a key nothing is sent; with key and keepalive, in either order, at once: not only when the
# interval is over.
check_conservation hub
gateway_stop hub
hub_yaml | sed 's/    peers:$/    peers: {}/' >"$LAB_DIR/hub.yaml"
for order in before after; do
	gateway_start hub
	hub_wg private-key /dev/null
	capture_start keepalive-$order inet to-hub 'udp and dst host 198.18.3.2'
	hub_wg peer "$(public_key spoke3)" endpoint 198.18.3.2:51823 allowed-ips "$(spoke_inner4 3)/32"
	if [ $order = before ]; then
		hub_wg peer "$(public_key spoke3)" persistent-keepalive $INTERVAL
	else
		hub_wg private-key "$LAB_DIR/hub.key"
	fi
	sleep 1 # it would come at once
	check_equal "st12: keepalive $order the key: nothing until both are there" 0 "$(captured keepalive-$order)"
	if [ $order = before ]; then
		hub_wg private-key "$LAB_DIR/hub.key"
	else
		hub_wg peer "$(public_key spoke3)" persistent-keepalive $INTERVAL
	fi
	check "st12: keepalive $order the key: then at once" until_true 1 some keepalive-$order
	capture_stop keepalive-$order
	check_conservation hub
	gateway_stop hub
done
lab_end
