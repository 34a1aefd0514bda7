#!/bin/bash
# A hub is changed while it runs, as its user does it: by `sluice reload` and SIGHUP, first without applying anything, with what `wg`
# changed kept or taken back, with files that are refused, while packets of a peer whom nothing of that concerns flow in both directions. What
# `sluice save` writes starts the same gateway again. Commands that are killed at any call that writes, and a gateway that is killed in
# the middle of a reload, leave whole files and a gateway that goes on, or starts again.
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

MANY=2000  # peers of the reload that the gateway is killed in
# packets of each of the two flows in a round of traffic: no more in all than any queue of the kernel's holds, however long a busy machine
# keeps their receiver waiting
ROUND=120
RATE=500

hub_network
for n in 1 2; do
	spoke_network $n
done
# the hub calls them, so that they are up again at once when it has started again
HUB_PEER[1]=', endpoint: "198.18.1.2:51821", persistent-keepalive: 25'
HUB_PEER[2]=', endpoint: "[2001:db8:2::2]:51822", persistent-keepalive: 25'
mkdir "$LAB_DIR/peers.d"
hub_yaml 1 2 | sed 's|^    peers:$|    include-peers: [peers.d/*.yaml]\n&|' >"$LAB_DIR/first.yaml"
cp "$LAB_DIR/first.yaml" "$LAB_DIR/hub.yaml"
gateway_start hub
spoke_start 1 "$(hub_endpoint4)"
spoke_start 2 "$(hub_endpoint6)"
for n in 1 2; do
	check "spoke$n is up" until_true 30 pings spoke$n $LAN4
done
SPOKE2=$(public_key spoke2)

# key N: a public key that belongs to nobody
key() {
	printf '%042d0=' "$1"
}

# with EXPRESSION...: the first file, changed by sed; who includes it sees it whole at once
with() {
	sed "$@" "$LAB_DIR/first.yaml" >"$LAB_DIR/hub.yaml.new"
	chmod 0600 "$LAB_DIR/hub.yaml.new"
	mv "$LAB_DIR/hub.yaml.new" "$LAB_DIR/hub.yaml"
}
reload() {
	sluice hub reload "$@" 2>"$LAB_DIR/reload.err"
}
# says PATTERN COMMAND...: the command's words match
says() {
	local pattern=$1 words
	shift
	words=$("$@" 2>&1)
	grep -qE -- "$pattern" <<<"$words" || { echo "$words"; return 1; }
}
# all that a reload may change
state() {
	on hub wg show wg0 dump | cut -f 1-4,8 | sort
	json hub interface '.interfaces[] | {"listen-port", mtu, addresses}' | jq -c .
	json hub ports '.ports[] | {name, addresses, gateway}' | jq -c .
	json hub routes '[.routes[] | {to, via, source}] | sort' | jq -c .
}
keepalive_of() {
	on hub wg show wg0 persistent-keepalive | grep -F "$1" | cut -f 2
}

# --- the traffic of spoke1

lasting_flow spoke1 lan $LAN4 7000 $ROUND $RATE
lasting_flow lan spoke1 "$(spoke_inner6 1)" 7001 $ROUND $RATE
check "spoke1's packets flow" until_true 30 lasting_flows_begun

# --- what would change

before=$(state)
with "s|^\( *spoke2: .*persistent-keepalive: \)25|\17|"
printf 'peers:\n  extra: {public-key: "%s", allowed-ips: [10.64.2.1/32]}\n' "$(key 1)" >"$LAB_DIR/peers.d/extra.yaml"
check "a dry run tells the change of a peer" says '^~ peer wg0/spoke2: persistent-keepalive$' reload --dry-run
check "and the new one" says '^\+ peer wg0/extra$' reload --dry-run
check "and that nothing was changed" says '^dry run; nothing was changed$' reload --dry-run
check_equal "as JSON too, with the place" '["peer-add","extra","peers.d/extra.yaml:2:3"]' \
	"$(reload --dry-run --json | jq -c --arg dir "$LAB_DIR/" '.changes[] | select(.change == "peer-add") |
		[.change, .peer, (.from | ltrimstr($dir))]')"
check_equal "with the keys that change" '["persistent-keepalive"]' \
	"$(reload --dry-run --json | jq -c '.changes[] | select(.peer == "spoke2") | .keys')"
check_equal "nothing has changed" "$before" "$(state)"

# --- it is changed

check_equal "a reload says what it has made, as JSON" 2 "$(reload --json | jq '.changes | length')"
check_equal "the keepalive is the new one" 7 "$(keepalive_of "$SPOKE2")"
check "the new peer is there" says "$(key 1)" on hub wg show wg0 peers
check "an audit line says what, who and from where" \
	grep -qE 'audit change=peer-add interface=wg0 peer=extra public-key=.* from=.*/peers.d/extra.yaml:2:3 via=reload uid=0 pid=[1-9]' "$LAB_DIR/hub.log"
check "another one what changed of a peer" \
	grep -qE 'audit change=peer-change interface=wg0 peer=spoke2 public-key=.* keys=persistent-keepalive from=.*/hub.yaml:[0-9]+:[0-9]+ via=reload uid=0' \
	"$LAB_DIR/hub.log"
check "again there is nothing to change" says '^0 changes made' reload
rm "$LAB_DIR/peers.d/extra.yaml"
with ''
hub_reload
check "SIGHUP: 2 changes" grep -q 'reload: 2 changes made' <<<"$RELOADED"
check "with audit lines that name the signal" grep -qE 'audit change=peer-remove .* peer=extra .*via=signal uid=0 pid=[1-9]' <<<"$RELOADED"
check_equal "all is as before" "$before" "$(state)"

# --- what is refused

# refused WHAT PATTERN SED-EXPRESSION: as a command, whose words must match
refused() {
	with -e "$3" -e 's|persistent-keepalive: 25|persistent-keepalive: 9|'
	check_not "refused: $1" reload
	check "refused: $1: it says where and why" says "$2" cat "$LAB_DIR/reload.err"
	check_equal "refused: $1: nothing has changed" "$before" "$(state)"
}
refused "a wrong word" "hub\\.yaml:$(grep -n listen-port "$LAB_DIR/first.yaml" | cut -d: -f1):5: .*listen-prot" 's/    listen-port:/    listen-prot:/'
refused "another number of workers" 'dataplane\.workers: not live; restart to change it' 's/workers: 1/workers: 2/'
refused "another device" 'ports\.lan0\.device: not live; restart to change it' 's/af_packet:lan0/af_packet:lan9/'
with ''
printf 'peers:\n  extra:\n    public-key: %s\n    allowed-ips: [10.64.0.11/32]\n' "$(key 1)" >"$LAB_DIR/peers.d/extra.yaml"
check_not "refused: an address that spoke1 has" reload
check "refused: with both places" says 'peers\.d/extra\.yaml:4:19: .*spoke1.*hub\.yaml:[0-9]+:[0-9]+' cat "$LAB_DIR/reload.err"
rm "$LAB_DIR/peers.d/extra.yaml"
check_equal "refused: nothing has changed" "$before" "$(state)"

# --- what `wg` has changed

on hub wg set wg0 peer "$SPOKE2" persistent-keepalive 11
on hub wg set wg0 peer "$(key 2)" allowed-ips 10.64.2.2/32
with "s|mtu: 1420||"
reload --keep-runtime >"$LAB_DIR/kept.txt"
check "--keep-runtime tells what it keeps of a peer" \
	grep -qxF "= peer wg0/$SPOKE2: persistent-keepalive (set with wg, kept)" "$LAB_DIR/kept.txt"
check "and of one that wg added" grep -qxF "= peer wg0/$(key 2) (added with wg, kept)" "$LAB_DIR/kept.txt"
check_equal "it is kept" 11 "$(keepalive_of "$SPOKE2")"

# --- saved, and a start from that

check_not "a file that is there is not overwritten" sluice hub save -o "$LAB_DIR/hub.yaml"
check "it is saved" sluice hub save -o "$LAB_DIR/saved.yaml"
check_equal "for its owner alone" 600 "$(stat -c %a "$LAB_DIR/saved.yaml")"
check "what is saved is right" "$SLUICE" check -c "$LAB_DIR/saved.yaml"
touched=$(state)

# --- the commands are killed at each call that writes

kills=0 whole=true
for call in write sendto fchmod fsync rename unlink; do
	n=0
	while n=$((n + 1)) && killed_at $call $n save --force -o "$LAB_DIR/again.yaml"; do
		kills=$((kills + 1))
		[ ! -e "$LAB_DIR/again.yaml" ] || cmp -s "$LAB_DIR/saved.yaml" "$LAB_DIR/again.yaml" || { whole=false; note "killed at $call $n: not whole"; }
	done
	check "the save that was not killed has done its work" cmp "$LAB_DIR/saved.yaml" "$LAB_DIR/again.yaml"
	rm -f "$LAB_DIR/again.yaml"
done
check "killed at any of $kills calls of save, the file is whole or not there" $whole
check_at_least "there were calls to be killed at" 5 $kills
kills=0
for call in write sendto; do
	n=0
	while n=$((n + 1)) && killed_at $call $n reload --keep-runtime; do
		kills=$((kills + 1))
		check "killed at its call $call $n, the next reload is as ever" says '^0 changes made' reload --keep-runtime
	done
done
check_at_least "there were calls of reload to be killed at" 2 $kills
check_equal "it is what it was" "$touched" "$(state)"

# --- taken back

check "without --keep-runtime the files have their way" says "~ peer wg0/spoke2: persistent-keepalive \\(set with wg\\)" reload
check_equal "all is as before" "$before" "$(state)"

# --- that was all of spoke1's time

check_lasting_flows
note "dropped by the hub: $(json hub drops '[.drops[] | "\(.reason) \(.packets)"] | join(", ")')"
note "the LAN host: $(on lan awk '/^Udp:/ { l = $0 } END { print l }' /proc/net/snmp), IPv6 of spoke1: $(on spoke1 awk '/Udp6NoPorts|Udp6RcvbufErrors/ { printf "%s ", $0 }' /proc/net/snmp6)"
check_equal "nor has the hub dropped any for want of a route, a peer or a session" '' "$(json hub drops '.drops[].reason' |
	grep -xE 'no-route|no-peer|no-endpoint|no-session|session-expired|source-not-allowed|spoofed-source|interface-down')"
check_conservation hub

# --- a start from what was saved

gateway_stop hub
cp "$LAB_DIR/saved.yaml" "$LAB_DIR/hub.yaml"
mv "$LAB_DIR/peers.d" "$LAB_DIR/peers.gone"
gateway_start hub
check_equal "it is the gateway that was saved" "$touched" "$(state)"
for n in 1 2; do
	check "spoke$n is up" until_true 40 pings spoke$n $LAN4
done

# --- the gateway is killed in the middle of a reload

mv "$LAB_DIR/peers.gone" "$LAB_DIR/peers.d"
cp "$LAB_DIR/first.yaml" "$LAB_DIR/hub.yaml"
check "the first file again" reload
{
	echo 'peers:'
	for ((i = 0; i < MANY; i++)); do
		printf '  many%d: {public-key: "%s", allowed-ips: [10.100.%d.%d/32]}\n' $i "$(key $((i + 100)))" $((i / 250)) $((i % 250))
	done
} >"$LAB_DIR/many.yaml"
audited() {
	[ "$(tail -n "+$log_from" "$LAB_DIR/hub.log" | grep -c 'audit change=peer-add')" -ge "$1" ]
}
for after in 0 1 $((MANY / 2)); do
	log_from=$(($(wc -l <"$LAB_DIR/hub.log") + 1))
	cp "$LAB_DIR/many.yaml" "$LAB_DIR/peers.d/many.yaml"
	reload >"$LAB_DIR/reload.out" &
	asked=$!
	until_true 20 audited $after || fail "the reload does not come to its change $after"
	gateway_kill hub
	wait $asked
	check "killed after change $after: the files are right" "$SLUICE" check -c "$LAB_DIR/hub.yaml"
	gateway_start hub
	check_equal "killed after change $after: it starts with all of them" $((MANY + 2)) "$(on hub wg show wg0 peers | wc -l)"
	rm "$LAB_DIR/peers.d/many.yaml"
	check "killed after change $after: the next reload takes them away" says "^$MANY changes made" reload
	check_equal "and all is as before" "$before" "$(state)"
done
for n in 1 2; do
	check "spoke$n is up" until_true 40 pings spoke$n $LAN4
done
check_conservation hub
lab_end
