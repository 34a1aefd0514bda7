#!/bin/bash
# Keys that a hub lives by, without a flag day: they come from systemd credentials, the environment and a command; the hub's own key
# changes while its peers move one by one, and a preshared key while its session stands; what fails is refused with its place and
# changes nothing. No secret is in the log, in what commands print, or in a core, and each change is one audit line.
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

COUNT=500
RATE=$(lab_rate 200)
hub_network
for n in 1 2; do
	spoke_network $n
done
keys hub-new
umask 077
wg genpsk >"$LAB_DIR/spoke1.psk"
wg genpsk >"$LAB_DIR/spoke1-new.psk"
wg genpsk >"$LAB_DIR/spoke2.psk"
mkdir -m 0700 "$LAB_DIR/credentials" "$LAB_DIR/cores" "$LAB_DIR/peers.d"
install -m 0400 "$LAB_DIR/hub.key" "$LAB_DIR/credentials/wg0"
install -m 0400 "$LAB_DIR/hub-new.key" "$LAB_DIR/credentials/wg0-new"
cp "$LAB_DIR/spoke1.psk" "$LAB_DIR/vault"
export CREDENTIALS_DIRECTORY=$LAB_DIR/credentials SPOKE2_PSK
SPOKE2_PSK=$(cat "$LAB_DIR/spoke2.psk")
ulimit -c unlimited
cd "$LAB_DIR/cores" || die "no folder for cores"

# hub_with KEYS: the hub's configuration with these lines for its keys.
hub_with() {
	HUB_PEER[1]=", preshared-key-command: [cat, \"$LAB_DIR/vault\"]"
	HUB_PEER[2]=', preshared-key-env: SPOKE2_PSK'
	hub_yaml 1 2 | awk -v keys="$1" -v include='    include-peers: [peers.d/*.yaml]' \
		'/private-key-file:/ { print "    " keys; print include; next } { print }' >"$LAB_DIR/hub.yaml"
}
# shellcheck disable=SC2016 # the gateway expands it
old='private-key-file: ${CREDENTIALS_DIRECTORY}/wg0'
# shellcheck disable=SC2016
new='private-key-file: ${CREDENTIALS_DIRECTORY}/wg0-new'
# says PATTERN COMMAND...: it prints that, and all that it prints is kept for a look at the secrets.
says() {
	local pattern=$1
	shift
	"$@" >"$LAB_DIR/last" 2>&1
	cat "$LAB_DIR/last" >>"$LAB_DIR/said"
	grep -qE -- "$pattern" "$LAB_DIR/last" || { cat "$LAB_DIR/last"; return 1; }
}
old_ones() {
	json hub interface '.interfaces[0]."previous-identity".peers // "none"'
}
# move NUMBER KEY PSK: the spoke has another idea of the hub, and no session.
move() {
	local peer
	for peer in $(on "spoke$1" wg show "wg$1" peers); do
		on "spoke$1" wg set "wg$1" peer "$peer" remove
	done
	on "spoke$1" wg set "wg$1" peer "$(public_key "$2")" preshared-key "$LAB_DIR/$3" endpoint "$(hub_endpoint4)" \
		allowed-ips 10.64.0.0/16,fd00:64::/64,10.20.0.0/16,fd00:20::/64
}
handshake_of() {
	json hub peers ".peers[] | select(.name == \"$1\") | .\"latest-handshake\""
}
one_ping() {
	on "$1" ping -n -q -c 1 -W 1 "$2"
}

hub_with "$old"
gateway_start hub
for n in 1 2; do
	spoke_start $n "$(hub_endpoint4)" preshared-key "$LAB_DIR/spoke$n.psk"
	check "spoke$n is up, its keys come from elsewhere" pings spoke$n $LAN4
done
check_equal "no identity is being changed" none "$(old_ones)"

# --- the hub's key changes

flow_receiver lan 7000 $COUNT 2 120
flow_send spoke2 --to $LAN4 --port 7000 --count $COUNT --flows 2 --rate "$RATE" &
senders=($!)
hub_with "$new"$'\n'"    previous-$old"
check "the new key is taken beside the old one" says 'private-key' sluice hub reload
check_equal "both peers use the old one" 2 "$(old_ones)"
check "show says so" says 'previous|old' sluice hub show interface
check_equal "the gateway's public key is the new one" "$(public_key hub-new)" "$(on hub wg show wg0 public-key)"
move 1 hub-new spoke1.psk
check "spoke1 moves to the new one" pings spoke1 $LAN4 30
check_equal "one peer uses the old one" 1 "$(old_ones)"

# --- a preshared key changes, the session stays

flow_receiver lan 7001 $COUNT 2 120
flow_send spoke1 --to $LAN4 --port 7001 --count $COUNT --flows 2 --rate "$RATE" &
senders+=($!)
before=$(handshake_of spoke1)
cp "$LAB_DIR/spoke1-new.psk" "$LAB_DIR/vault"
check "another preshared key, from the same command" says '~ peer wg0/spoke1: preshared-key' sluice hub reload
on spoke1 wg set wg1 peer "$(public_key hub-new)" preshared-key "$LAB_DIR/spoke1-new.psk"
check "the flow goes on" pings spoke1 $LAN4 30
check_equal "on the session that stood" "$before" "$(handshake_of spoke1)"
wait "${senders[@]}"
check_flow "spoke1 lost nothing when its preshared key changed" lan 7001
check_flow "spoke2 lost nothing when the hub's key changed" lan 7000
move 1 hub-new spoke1.psk
check_not "a handshake with the preshared key before is none" one_ping spoke1 $LAN4
move 1 hub-new spoke1-new.psk
check "one with the new one is" pings spoke1 $LAN4 30

# --- stragglers

move 2 hub spoke2.psk
check "who comes anew with the old key gets in" pings spoke2 $LAN4 30
check_equal "and is counted" 1 "$(old_ones)"
hub_with "$new"
check "the old key is taken out" says 'previous-private-key' sluice hub reload
check_equal "no identity is being changed" none "$(old_ones)"
check_not "the straggler is cut off" one_ping spoke2 $LAN4
check "and no one else" pings spoke1 $LAN4 30
move 2 hub-new spoke2.psk
check "it comes back with the new key" pings spoke2 $LAN4 30

# --- what fails is refused

refused() { # WHAT WORDS SED
	hub_with "$new"
	sed -i "$3" "$LAB_DIR/hub.yaml"
	check "$1 is refused with its place" says "hub.yaml:[0-9]+:[0-9]+: $2" sluice hub reload
	check "and check says the same" says "hub.yaml:[0-9]+:[0-9]+: $2" "$SLUICE" check -c "$LAB_DIR/hub.yaml"
}
refused "a command that fails" "preshared-key-command: 'cat' ended with status 1; mend the command" 's|/vault|/volt|'
refused "a variable that is not there" "preshared-key-env: there is no environment variable 'SPOKE3_PSK'; set it for the gateway" 's/SPOKE2/SPOKE3/'
refused "a credential that is not there" "private-key-file: cannot read .*/credentials/wg1': No such file or directory" 's/wg0-new/wg1/'
refused "a key in a path" "private-key-file: cannot read .*/\*{43}='" "s|wg0-new|$(cat "$LAB_DIR/hub-new.key")|"
chmod 0604 "$LAB_DIR/credentials/wg0-new"
refused "a key that others may read" "private-key-file: .* can be read by group or others; run .chmod 600. on it" ''
chmod 0400 "$LAB_DIR/credentials/wg0-new"
hub_with "$new"
check "nothing was changed by all that" says '^0 changes' sluice hub reload
check "the peers were not disturbed" pings spoke1 $LAN4 30

# --- an audit line for each change

audited() { # PATTERN: since the mark
	tail -n "+$((mark + 1))" "$LAB_DIR/hub.log" | grep -cE -- "audit $1"
}
mark=$(wc -l <"$LAB_DIR/hub.log")
on hub "$SLUICE" peer add guest --expires 2s --keep-key -n hub >"$LAB_DIR/guest.conf" 2>>"$LAB_DIR/said"
check_equal "sluice peer is an audit line" 1 "$(audited 'change=peer-add interface=wg0 peer=guest public-key=[^ ]{44} from=[^ ]*/guest.yaml:2:3 via=peer uid=0 pid=[0-9]+$')"
on hub wg set wg0 peer "$(public_key spoke2)" persistent-keepalive 21
check_equal "wg is one" 1 "$(audited 'change=peer-change interface=wg0 .*keys=persistent-keepalive via=wg uid=0 pid=[0-9]+$')"
sluice hub reload --dry-run >>"$LAB_DIR/said"
check_equal "a dry run is none" 0 "$(audited '.*via=reload')"
sluice hub reload >>"$LAB_DIR/said"
check_equal "a reload is one" 1 "$(audited 'change=peer-restore interface=wg0 peer=spoke2 .*keys=persistent-keepalive set-with=wg .*via=reload uid=0 pid=[0-9]+$')"
sed -i 's/listen-port: 51820/&\n    mtu: 1400/' "$LAB_DIR/hub.yaml"
hub_reload
check_equal "a signal is one" 1 "$(audited 'change=interface-change interface=wg0 .*keys=mtu .*via=signal uid=0 pid=[0-9]+$')"
expired() {
	[ "$(audited 'change=peer-remove interface=wg0 peer=guest .*via=expiry$')" -eq 1 ]
}
check "and time is one" until_true 10 expired
check_equal "there are no others" 5 "$(audited '')"
on hub "$SLUICE" peer remove guest -n hub 2>>"$LAB_DIR/said"
sed -n 's/^PrivateKey = //p' "$LAB_DIR/guest.conf" >"$LAB_DIR/guest.key"

# --- secrets are nowhere

for what in interface peers routes all; do
	sluice hub show $what >>"$LAB_DIR/said"
	sluice hub show $what --json >>"$LAB_DIR/said"
done
sluice hub reload --dry-run --json >>"$LAB_DIR/said"
leaks=0
for file in "$LAB_DIR"/{hub.key,hub-new.key,spoke1.psk,spoke1-new.psk,spoke2.psk,guest.key}; do
	secret=$(cat "$file")
	[ ${#secret} -eq 44 ] || fail "no secret in $file"
	for text in "$secret" "$(base64 -d <<<"$secret" | od -An -v -tx1 | tr -d ' \n')"; do
		if grep -qiF -- "$text" "$LAB_DIR/hub.log" "$LAB_DIR/said"; then
			leaks=$((leaks + 1))
			note "leaked: that of $file"
		fi
	done
done
check_equal "no secret is in the log or in what commands print" 0 "$leaks"
check_at_least "of which there is something to look at" 200 "$(cat "$LAB_DIR/said" "$LAB_DIR/hub.log" | wc -l)"

# --- and there are no cores

check_equal "the gateway's limit for cores is none at all" "0 0" \
	"$(awk '/^Max core file size/ { print $5, $6 }' "/proc/${LAB_PID[hub]}/limits")"

# core_of COMMAND...: whether one that crashes when it has just read a key leaves a core; strace sends the signal, and tells.
core_of() {
	strace -o "$LAB_DIR/crash.strace" -P "$LAB_DIR/hub.key" -e trace=read -e inject=read:signal=SEGV "$@" \
		<"$LAB_DIR/hub.key" >"$LAB_DIR/crash.out" 2>&1
	grep -q 'core dumped' "$LAB_DIR/crash.strace"
}
core_of head -c 44
cores=$?
check "a command that reads a key crashes" grep -q -- '--- SIGSEGV' "$LAB_DIR/crash.strace"
if [ $cores -eq 0 ]; then
	rm -f core*
	check_not "a command that crashes with a key in hand leaves no core" core_of "$SLUICE" pubkey
	check "as it has done" grep -q -- '--- SIGSEGV' "$LAB_DIR/crash.strace"
	check_conservation hub
	exec 3>&2 2>"$LAB_DIR/crash" # the shell's own words about its child, whenever it finds it dead
	kill -SEGV "${LAB_PID[hub]}"
	check "the gateway crashes" until_true 10 process_gone "${LAB_PID[hub]}"
	wait "${LAB_PID[hub]}"
	exec 2>&3 3>&-
	unset 'LAB_PID[hub]'
	# a sanitized one says so itself
	[ -n "${LAB_SLOW:-}" ] || check "as the shell tells" grep -q 'Segmentation fault' "$LAB_DIR/crash"
	check_not "and leaves no core" grep -q 'core dumped' "$LAB_DIR/crash"
	check_equal "there is no file of one" "" "$(ls "$LAB_DIR/cores")"
else
	note "this machine writes no cores: what a crash leaves is not looked at"
	check_conservation hub
fi
lab_end
