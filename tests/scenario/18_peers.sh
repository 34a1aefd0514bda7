#!/bin/bash
# Peers as files: a peer that `sluice peer add` makes is a wg-quick file and nothing else for its side, which comes up with it, in
# a full tunnel with a kill switch too; QR codes say the same; peers are disabled, enabled, expire and go; two commands at
# once do not get in each other's way, and one that is killed at any of its writes leaves nothing half done.
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

HUB_WAN_EXTRA=', forward-clear: true' # what answers the peer comes back in the clear
hub_network
spoke_network 1
mkdir -p "$LAB_DIR/peers.d"
{
	hub_yaml | sed '/^    peers:$/d'
	printf '    include-peers: [peers.d/*.yaml]\n'
} >"$LAB_DIR/hub.yaml"
gateway_start hub
CONF=$LAB_DIR/lwg1.conf
QUICK=(env WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD=1 LOG_LEVEL=error wg-quick)

peer() {
	on hub "$SLUICE" peer "$@" -n hub
}
peer_says() {
	peer "$@" 2>&1
}
state() {
	peer show "$1" --json | jq -r .state
}

# --- a peer, and its wg-quick file

check "a peer is added" peer add laptop --psk --keep-key -o "$CONF"
check_equal "its file is its own" 600 "$(stat -c %a "$LAB_DIR/peers.d/laptop.yaml")"
check_equal "it has the next free addresses" '["10.64.0.2/32","fd00:64::2/128"]' \
	"$(peer show laptop --json | jq -c '."allowed-ips"')"
check_equal "the running gateway has it at once" 10.64.0.2/32 "$(on hub wg show wg0 allowed-ips | cut -f2 | cut -d' ' -f1)"
check_equal "the key is kept because that was asked for" "$(sed -n 's/^PrivateKey = //p' "$CONF")" "$(cat "$LAB_DIR/peers.d/laptop.key")"
quick_up() {
	on spoke1 "${QUICK[@]}" up "$CONF" >"$LAB_DIR/quick.log" 2>&1 || { cat "$LAB_DIR/quick.log"; return 1; }
}
quick_down() {
	on spoke1 "${QUICK[@]}" down "$CONF" >"$LAB_DIR/quick.log" 2>&1 || { cat "$LAB_DIR/quick.log"; return 1; }
}
check "wg-quick takes the file" quick_up
check "IPv4 through the tunnel" pings spoke1 $LAN4
check "IPv6 through the tunnel" pings spoke1 $LAN6
check_equal "it is active" active "$(state laptop)"
check "and down again" quick_down

# --- what is exported is imported as the same

sluice hub export laptop >"$CONF"
(umask 077 && "$SLUICE" import --port p=net_null0 "$CONF" >"$LAB_DIR/imported.yaml" 2>"$LAB_DIR/import.err")
check "import takes the file, and check what it prints" "$SLUICE" check -c "$LAB_DIR/imported.yaml"
check_equal "with the same keys" "$(sed -n 's/^P[a-zA-Z]*Key = //p' "$CONF")" "$(sed -n 's/^ *p[a-z]*-key: //p' "$LAB_DIR/imported.yaml")"
check_equal "the same networks" "$(sed -n 's/^AllowedIPs = //p' "$CONF")" "$(sed -n 's/^ *allowed-ips: \[\(.*\)\]/\1/p' "$LAB_DIR/imported.yaml" | tr -d '"')"
check_equal "the same endpoint" "$(sed -n 's/^Endpoint = //p' "$CONF")" "$(sed -n 's/^ *endpoint: "\(.*\)"/\1/p' "$LAB_DIR/imported.yaml")"

# --- with the key in a file of its own

import_key() { # PORT
	"$SLUICE" import --port "$1" --key-file "$LAB_DIR/own.key" "$CONF" 2>"$LAB_DIR/import.err"
}
check_not "what check would refuse is not printed" import_key p=eth0
check "that is said" grep -q 'the result:3:.*af_packet:eth0' "$LAB_DIR/import.err"
check_not "and no key is written" test -e "$LAB_DIR/own.key"
sed -n 's/^PrivateKey = //p' "$CONF" >"$LAB_DIR/own.key"
chmod 0644 "$LAB_DIR/own.key"
import_key p=net_null0 >"$LAB_DIR/imported.yaml" || fail "import takes the file"
check_equal "the same key there is closed to others" 600 "$(stat -c %a "$LAB_DIR/own.key")"
check "and check takes what is printed" "$SLUICE" check -c "$LAB_DIR/imported.yaml"

# --- everything through the tunnel, and nothing past it

on inet ip address add 203.0.113.99/32 dev lo
on inet ip address add 2001:db8:ffff::99/128 dev lo
route inet 10.64.0.0/16 via $HUB4
route inet fd00:64::/64 via $HUB6
OUTSIDE4=203.0.113.99 OUTSIDE6=2001:db8:ffff::99
one_ping() {
	on spoke1 ping -n -q -c 1 -W 1 "$1"
}
kill_switch() {
	on spoke1 nft list table inet sluice_kill_switch
}
check "before the kill switch the outside is reached" pings spoke1 $OUTSIDE4
check "IPv6 too" pings spoke1 $OUTSIDE6
sluice hub export laptop --full-tunnel --kill-switch >"$CONF"
check "wg-quick takes the file with the kill switch" quick_up
check "IPv4 through the full tunnel" pings spoke1 $LAN4
check "IPv6 through the full tunnel" pings spoke1 $LAN6
check "the outside through the full tunnel" pings spoke1 203.0.113.99
on spoke1 ip rule add to 203.0.113.99 lookup main priority 1
on spoke1 ip -6 rule add to 2001:db8:ffff::99 lookup main priority 1
check_not "nothing goes past the tunnel, IPv4" one_ping $OUTSIDE4
check_not "nothing goes past the tunnel, IPv6" one_ping $OUTSIDE6
check "the tunnel goes on" pings spoke1 $LAN4
on spoke1 ip rule delete priority 1
on spoke1 ip -6 rule delete priority 1
tunnel=$(pgrep -nx -f 'wireguard-go lwg1')
kill -KILL "$tunnel" # and with it the interface goes, its routes, but not those past the tunnel
check "the tunnel dies" until_true 5 process_gone "$tunnel"
check_not "nothing goes past it then either, IPv4" one_ping $OUTSIDE4
check_not "nothing goes past it then either, IPv6" one_ping $OUTSIDE6
for family in -4 -6; do # what wg-quick could not take away
	on spoke1 ip $family rule delete not fwmark 51820 table 51820
	on spoke1 ip $family rule delete table main suppress_prefixlength 0
done
check "wg-quick takes the file once more" quick_up
check "and the tunnel is there" pings spoke1 $LAN4
check "and down again" quick_down
check_not "its rules are gone" kill_switch
check "without the kill switch the outside is reached" pings spoke1 $OUTSIDE4
check "IPv6 too" pings spoke1 $OUTSIDE6

# --- a QR code is the same file

# qr_image: a code of half blocks as an image that a reader takes, 4 pixels a module; light ones are drawn in the text.
qr_image() {
	local -A halves=([" "]="1111 1111" ["▄"]="1111 0000" ["▀"]="0000 1111" ["█"]="0000 0000")
	local line i upper lower width=0 rows=()
	while IFS= read -r line; do
		upper='' lower=''
		for ((i = 0; i < ${#line}; i++)); do
			upper+="${halves[${line:i:1}]% *}"
			lower+="${halves[${line:i:1}]#* }"
		done
		width=${#upper}
		rows+=("$upper" "$upper" "$upper" "$upper" "$lower" "$lower" "$lower" "$lower")
	done
	printf 'P1\n%d %d\n' "$width" "${#rows[@]}"
	printf '%s\n' "${rows[@]}"
}
export LC_ALL=C.UTF-8
sluice hub export laptop --qr >"$LAB_DIR/qr.txt"
qr_image <"$LAB_DIR/qr.txt" >"$LAB_DIR/qr.pbm"
check_equal "a reader of QR codes reads the file" "$(sluice hub export laptop)" \
	"$(zbarimg --quiet --raw -Sdisable -Sqrcode.enable "$LAB_DIR/qr.pbm" 2>"$LAB_DIR/zbar.log")"

# --- what wg has given to somebody is not given again

stranger=$(wg genkey | wg pubkey)
on hub wg set wg0 peer "$stranger" allowed-ips 10.64.0.3/32,fd00:64::4/128
check "a peer is added beside one of wg's" peer add neighbour -o "$LAB_DIR/neighbour.conf"
check_equal "with addresses that are free" "10.64.0.4/32, fd00:64::3/128" "$(sed -n 's/^Address = //p' "$LAB_DIR/neighbour.conf")"
check_equal "the other keeps its own" "10.64.0.3/32 fd00:64::4/128" \
	"$(on hub wg show wg0 allowed-ips | awk -v key="$stranger" '$1 == key { print $2, $3 }')"
check "removed" peer remove neighbour
on hub wg set wg0 peer "$stranger" remove

# --- disabled, enabled, expired, removed

check "disabled" peer disable laptop
check_equal "it is not in the gateway" "" "$(on hub wg show wg0 allowed-ips)"
check_equal "it says so" disabled "$(state laptop)"
check "enabled" peer enable laptop
check_equal "it is back" 10.64.0.2/32 "$(on hub wg show wg0 allowed-ips | cut -f2 | cut -d' ' -f1)"
before=$(date +%s)
check "a peer for three seconds" peer add guest --expires 3s
expires=$(peer show guest --json | jq -r .expires)
check_equal "expires when it should" "$(date -u -d "@$((before + 3))" +%FT%TZ)" "$expires"
gone() {
	[ "$(on hub wg show wg0 peers | wc -l)" -eq 1 ]
}
check_not "it is there before" gone
check "it is gone then" until_true 10 gone
check "not a second early" test "$(date +%s)" -ge $((before + 3))
check_equal "it says so" expired "$(state guest)"
check "removed" peer remove guest
check_not "its file is gone" test -e "$LAB_DIR/peers.d/guest.yaml"

# --- what else waits in the files goes live too, and is told

with_keepalive() {
	sed -i "s/^    public-key:.*/&\n    persistent-keepalive: $1/" "$LAB_DIR/peers.d/laptop.yaml"
}
with_keepalive 9
peer add waiting -o "$LAB_DIR/waiting.conf" 2>"$LAB_DIR/waiting.err" || fail "a peer is added while a change waits"
check_equal "the command tells of one other change" 'sluice peer add: the files had 1 other change, which is live now too:
~ peer wg0/laptop: persistent-keepalive' "$(cat "$LAB_DIR/waiting.err")"
check "removed, with nothing else to tell" prints '' peer_says remove waiting

# --- many at once

adders=()
for n in 1 2 3 4 5 6 7 8; do
	peer add "many$n" -o "$LAB_DIR/many$n.conf" >"$LAB_DIR/many$n.log" 2>&1 &
	adders+=($!)
done
for pid in "${adders[@]}"; do
	wait "$pid" || fail "a peer is added beside others"
done
check_equal "eight at once have eight addresses" 8 \
	"$(grep -h '^Address' "$LAB_DIR"/many*.conf | sort -u | wc -l)"
check_equal "and are in the gateway" 9 "$(on hub wg show wg0 peers | wc -l)"
for n in 1 2 3 4 5 6 7 8; do
	peer remove "many$n" || fail "many$n is removed"
done

# --- killed at each of its writes

# whole NAME: there is no such peer, or one that is complete; and the configuration is right.
whole() {
	"$SLUICE" check -c "$LAB_DIR/hub.yaml" >/dev/null || return 1
	[ ! -e "$LAB_DIR/peers.d/$1.yaml" ] || grep -q allowed-ips "$LAB_DIR/peers.d/$1.yaml"
}
kills=0 whole_all=true
for call in write fchmod fsync link unlink openat; do
	n=0
	while n=$((n + 1)) && killed_at $call $n peer add crash --keep-key --force -o "$LAB_DIR/crash.conf"; do
		kills=$((kills + 1))
		whole crash || { whole_all=false; note "killed at $call $n: not whole"; }
		[ ! -e "$LAB_DIR/peers.d/crash.yaml" ] || peer remove crash || fail "after a kill at $call $n the peer cannot be removed"
	done
	check "the command that was not killed has done its work" test -e "$LAB_DIR/peers.d/crash.yaml"
	peer remove crash || fail "the peer cannot be removed"
done
check "killed at any of $kills calls of add, the files are whole" $whole_all
check_at_least "there were calls to be killed at" 12 $kills
peer add crash >"$LAB_DIR/crash.conf" || fail "the peer cannot be added after all that"
kills=0 whole_all=true
for call in write fchmod fsync rename openat; do
	n=0
	while n=$((n + 1)) && killed_at $call $n peer disable crash; do
		kills=$((kills + 1))
		whole crash || { whole_all=false; note "killed at $call $n: not whole"; }
		peer enable crash 2>"$LAB_DIR/enable.log" || fail "after a kill at $call $n the peer cannot be enabled"
	done
	peer enable crash 2>"$LAB_DIR/enable.log"
done
check "killed at any of $kills calls of disable, the files are whole" $whole_all
check_at_least "there were calls to be killed at" 6 $kills
check "removed" peer remove crash
check "the gateway goes on" gateway_runs hub
check_equal "and reads its files as they are" 0 "$(sluice hub reload --json | jq '.changes | length')"

# --- what is refused

refused() { # PATTERN COMMAND...
	local pattern=$1
	shift
	"$@" >"$LAB_DIR/refused.out" 2>"$LAB_DIR/refused.err" && return 1
	grep -q -- "$pattern" "$LAB_DIR/refused.err" || { cat "$LAB_DIR/refused.err"; return 1; }
}
check "a name twice" refused 'a peer .laptop. already' peer add laptop
check "an address twice" refused 'belongs to peer' peer add twice --allowed-ips 10.64.0.2
check_not "which leaves no file" test -e "$LAB_DIR/peers.d/twice.yaml"
check "no such peer" refused 'no peer .nobody.' peer remove nobody
check "a time that is past" refused 'is past' peer add late --expires 2020-01-01
check "networks that are none" refused 'is not a network' peer add late --client-allowed-ips 10.0.0.0/33
: >"$LAB_DIR/taken.conf"
check "a file that is there" refused 'choose another name' peer add late -o "$LAB_DIR/taken.conf"
check_not "which leaves no peer" test -e "$LAB_DIR/peers.d/late.yaml"
check "a folder that is not: the file with the key is printed" refused 'printed instead' peer add late -o "$LAB_DIR/no/late.conf"
check_equal "with the key of the peer that was added" "$(sed -n 's/^ *public-key: //p' "$LAB_DIR/peers.d/late.yaml")" \
	"$(sed -n 's/^PrivateKey = //p' "$LAB_DIR/refused.out" | wg pubkey)"
check "removed" peer remove late
nowhere() {
	peer add late >/dev/full
}
check "nowhere to print it: that is told" refused 'remove the peer and add it again' nowhere
check "removed" peer remove late
printf 'peers: {}\n' >"$LAB_DIR/peers.d/late.yaml"
echo a key >"$LAB_DIR/peers.d/late.key"
check "a file of that name is there" refused 'late.yaml: File exists; choose another name' peer add late --keep-key
check_equal "and the key beside it stays" 'a key' "$(cat "$LAB_DIR/peers.d/late.key")"
rm "$LAB_DIR/peers.d/late.yaml" "$LAB_DIR/peers.d/late.key"
check "a name that is a path" refused 'no name for a peer' peer add ../x
check_conservation hub
lab_end
