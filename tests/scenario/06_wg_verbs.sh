#!/bin/bash
# Every verb of the stock wg tool against Sluice's socket. The same words go to a wireguard-go device, and after each of them both
# must answer wg showconf and wg show dump alike.
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

hub_network
node reference
keys a b c d other
psk one
psk two
hub_yaml >"$LAB_DIR/hub.yaml"
sed -i 's/    peers:$/    peers: {}/' "$LAB_DIR/hub.yaml"
gateway_start hub
wireguard_go reference ref0

# Neither peers nor allowed IPs have an order of their own: both are sorted before they are compared.
sort_words() { # sorts the comma-separated words of every line that match a prefix
	awk '{
		n = split($0, word, /[ \t,]+/); line = ""
		for (i = 2; i <= n; i++)
			for (j = i; j > 1 && word[j] ~ /\/[0-9]+$/ && word[j - 1] ~ /\/[0-9]+$/ && word[j] < word[j - 1]; j--) {
				swap = word[j]; word[j] = word[j - 1]; word[j - 1] = swap
			}
		for (i = 1; i <= n; i++) line = line (i > 1 ? " " : "") word[i]
		print line
	}'
}
configuration() {
	wg showconf "$1" | sort_words | awk -v RS='' '{ gsub(/\n/, "\001"); print }' | sort | tr '\001' '\n'
}
# without the transfer columns: only Sluice has an interface that is up and sends initiations
dump() {
	wg show "$1" dump | awk -v OFS='\t' 'NF > 4 { $6 = $7 = "" } { print }' | sort_words | sort
}
alike() {
	local verb=$1
	check_equal "$verb: wg showconf" "$(configuration ref0)" "$(configuration wg0)"
	check_equal "$verb: wg show dump" "$(dump ref0)" "$(dump wg0)"
}
# both DESCRIPTION VERB WORDS...: the same words to both devices, with the same outcome.
both() {
	local description=$1 verb=$2 wanted=0 found=0
	shift 2
	wg "$verb" ref0 "$@" >/dev/null 2>&1 || wanted=$?
	wg "$verb" wg0 "$@" >"$LAB_DIR/verb.log" 2>&1 || found=$?
	check_equal "$description: status of wg" $wanted $found
	alike "$description"
}

check "wg show interfaces lists it" grep -qw wg0 <<<"$(wg show interfaces)"
both "set listen-port and private-key" set private-key "$LAB_DIR/other.key" listen-port 51820
both "set the same again" set private-key "$LAB_DIR/other.key" listen-port 51820
both "set fwmark" set fwmark 0x1234
both "set fwmark off" set fwmark off
both "set another listen-port" set listen-port 40123
both "add a peer" set peer "$(public_key a)" allowed-ips 10.64.1.1/32
both "add a peer with everything" set peer "$(public_key b)" preshared-key "$LAB_DIR/one.psk" \
	endpoint 192.0.2.77:1234 persistent-keepalive 25 allowed-ips 10.64.2.0/24,fd00:64::2:0/112
both "an IPv6 endpoint" set peer "$(public_key a)" endpoint "[2001:db8::77]:4321"
both "host bits are masked" set peer "$(public_key a)" allowed-ips 10.64.1.77/24,fd00:64::1:77/112
both "a prefix moves to the peer that names it last" set peer "$(public_key c)" allowed-ips 10.64.2.0/24
both "replace allowed-ips" set peer "$(public_key b)" allowed-ips 10.64.5.0/24
both "no allowed-ips" set peer "$(public_key b)" allowed-ips ""
both "two peers in one command" set peer "$(public_key b)" allowed-ips 10.64.6.0/24 peer "$(public_key d)" \
	allowed-ips 0.0.0.0/0,::/0
both "another preshared key" set peer "$(public_key b)" preshared-key "$LAB_DIR/two.psk"
both "no preshared key" set peer "$(public_key b)" preshared-key /dev/null
both "persistent-keepalive off" set peer "$(public_key b)" persistent-keepalive off
both "the largest persistent-keepalive" set peer "$(public_key b)" persistent-keepalive 65535
both "remove a peer" set peer "$(public_key c)" remove
both "remove a peer that is not there" set peer "$(public_key c)" remove
both "oneself as a peer is ignored" set peer "$(public_key other)" allowed-ips 10.64.9.0/24
both "a key that is a peer's removes that peer" set private-key "$LAB_DIR/d.key"
both "no private key" set private-key /dev/null
both "a private key again" set private-key "$LAB_DIR/other.key"

cat >"$LAB_DIR/set.conf" <<EOT
[Interface]
PrivateKey = $(cat "$LAB_DIR/other.key")
ListenPort = 51820
FwMark = 0x77

[Peer]
PublicKey = $(public_key a)
AllowedIPs = 10.64.1.1/32, fd00:64::1/128
Endpoint = 192.0.2.78:1000

[Peer]
PublicKey = $(public_key c)
PresharedKey = $(cat "$LAB_DIR/one.psk")
AllowedIPs = 10.64.3.0/24
PersistentKeepalive = 10
EOT
cat >"$LAB_DIR/add.conf" <<EOT
[Peer]
PublicKey = $(public_key d)
AllowedIPs = 10.64.4.0/24
EOT
cat >"$LAB_DIR/sync.conf" <<EOT
[Interface]
PrivateKey = $(cat "$LAB_DIR/other.key")
ListenPort = 51820

[Peer]
PublicKey = $(public_key a)
AllowedIPs = 10.64.1.2/32

[Peer]
PublicKey = $(public_key b)
AllowedIPs = 10.64.7.0/24
EOT
both "setconf" setconf "$LAB_DIR/set.conf"
both "setconf again" setconf "$LAB_DIR/set.conf"
both "addconf" addconf "$LAB_DIR/add.conf"
both "syncconf" syncconf "$LAB_DIR/sync.conf"
wg showconf wg0 >"$LAB_DIR/round.conf"
both "setconf of its own showconf" setconf "$LAB_DIR/round.conf"
printf '[Interface]\nListenPort = 51820\n' >"$LAB_DIR/empty.conf"
both "setconf without key and peers" setconf "$LAB_DIR/empty.conf"
both "setconf of the first file" setconf "$LAB_DIR/set.conf"

for form in public-key private-key listen-port fwmark peers preshared-keys endpoints allowed-ips latest-handshakes \
	persistent-keepalive; do
	check_equal "wg show $form" "$(wg show ref0 $form | sort_words | sort)" "$(wg show wg0 $form | sort_words | sort)"
done
pretty() {
	wg show "$1" | sed "s/$1/X/; /transfer:/d" | sort_words | sort
}
check_equal "wg show" "$(pretty ref0)" "$(pretty wg0)"
check_equal "wg show transfer lists both peers" 2 "$(wg show wg0 transfer | wc -l)"
check "wg show all" grep -q wg0 <<<"$(wg show all dump)"
check_equal "listen-port 0 picks one" yes \
	"$(wg set wg0 listen-port 0 && [ "$(wg show wg0 listen-port)" -gt 0 ] && echo yes)"
check "a key from a file that wg wrote" wg set wg0 private-key <(wg genkey)
check_not "an interface that is not there" wg show wg9

check_conservation hub
gateway_stop hub
check_equal "SIGTERM takes the wg socket away" gone "$([ -e /run/wireguard/wg0.sock ] || echo gone)"
lab_end
