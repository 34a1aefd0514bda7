#!/bin/bash
# The commands as a person uses them: keys in wg's formats, exit codes, what `run` refuses and why, endpoints by name, why a
# handshake fails, and that SIGTERM leaves nothing behind.
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

COMMANDS='run check show reload save peer export import mesh bench genkey pubkey genpsk'

# --- keys, help, wrong usage

key=$("$SLUICE" genkey)
check_equal "pubkey gives what wg pubkey gives" "$(wg pubkey <<<"$key")" "$("$SLUICE" pubkey <<<"$key")"
check_equal "wg takes a key of genkey" 44 "$(wg pubkey <<<"$key" | tr -d '\n' | wc -c)"
check_equal "genpsk gives 32 bytes" 32 "$("$SLUICE" genpsk | base64 -d | wc -c)"
check_not "pubkey refuses what is no key" "$SLUICE" pubkey <<<"$key=x"
check_equal "the version is told" "$("$SLUICE" --version)" "$("$SLUICE" -V)"
for command in $COMMANDS; do
	check "$command --help" "$SLUICE" "$command" --help
	check_equal "$command --version" "$("$SLUICE" --version)" "$("$SLUICE" "$command" --version)"
	"$SLUICE" "$command" --no-such-option </dev/null >/dev/null 2>&1
	check_equal "$command --no-such-option ends with status 2" 2 $?
	check "$command has a manual page" test -e "$LAB_ROOT/docs/man/sluice-$command.1"
done
"$SLUICE" no-such-command >/dev/null 2>&1
check_equal "an unknown command ends with status 2" 2 $?
"$SLUICE" show >/dev/null 2>"$LAB_DIR/show.err"
check_equal "show without a gateway ends with status 1" 1 $?
check "and says so" grep -q 'no gateway runs' "$LAB_DIR/show.err"

# --- what check counts, and what run refuses

hub_network
spoke_network 1
hub_start 1
cp "$LAB_DIR/hub.yaml" "$LAB_DIR/good.yaml"
check_equal "check counts two and one" "good.yaml: ok: 2 ports, 1 interface, 1 peer" \
	"$(cd "$LAB_DIR" && "$SLUICE" check -c good.yaml)"

# refused DESCRIPTION WORDS: a run of $LAB_DIR/bad.yaml ends with status 1 and says the words.
refused() {
	chmod 0600 "$LAB_DIR/bad.yaml"
	on hub timeout 20 "$SLUICE" run -c "$LAB_DIR/bad.yaml" >"$LAB_DIR/bad.out" 2>"$LAB_DIR/bad.err"
	check_equal "$1: refused with status 1" 1 $?
	check "$1: says why" grep -q -- "$2" "$LAB_DIR/bad.err" || sed 's/^/      | /' "$LAB_DIR/bad.err"
}

cp "$LAB_DIR/good.yaml" "$LAB_DIR/bad.yaml"
refused "a second gateway of the same name" "named .hub. runs already"
gateway_stop hub

chmod 0644 "$LAB_DIR/hub.key"
refused "a key file that others can read" 'bad.yaml:[0-9]*:[0-9]*: .*hub.key'
chmod 0600 "$LAB_DIR/hub.key"

sed 's/listen-port/listen-prot/' "$LAB_DIR/good.yaml" >"$LAB_DIR/bad.yaml"
refused "an unknown key" 'bad.yaml:[0-9]*:[0-9]*: .*listen-prot.*listen-port'
sed 's/af_packet:wan0/af_packet:nosuch0/' "$LAB_DIR/good.yaml" >"$LAB_DIR/bad.yaml"
refused "a port whose interface is not there" 'wan0.*nosuch0'
cp "$LAB_DIR/good.yaml" "$LAB_DIR/bad.yaml"
address hub lan0 10.20.0.77/16
refused "a port whose kernel interface carries addresses" 'lan0.*10.20.0.77'
on hub ip address flush dev lan0
printf 'dataplane: {hugepages: on}\n' | cat "$LAB_DIR/good.yaml" - | awk '!/^dataplane:/ || !seen++ || /hugepages/' |
	sed '/^dataplane:/{/hugepages/!d}' >"$LAB_DIR/bad.yaml"
if [ "$(awk '/HugePages_Free/ {print $2}' /proc/meminfo)" -eq 0 ]; then
	refused "hugepages where there are none" 'hugepages'
fi

# --- what SIGTERM leaves

state() {
	on hub ethtool -k wan0
	on hub ethtool -k lan0
	on hub ip -o link show up | sed 's/^[0-9]*: \([^:@]*\).*/\1/'
	on hub sh -c 'cat /proc/sys/net/ipv6/conf/*/disable_ipv6 /proc/sys/net/ipv4/conf/*/forwarding /proc/sys/net/ipv4/conf/*/arp_ignore'
	ls -R /run/sluice /var/run/wireguard 2>&1
}

on hub ethtool -K wan0 gro on >/dev/null
before=$(state)
gateway_start hub
check_not "GRO is off while the gateway runs" sh -c "ip netns exec hub ethtool -k wan0 | grep -q 'generic-receive-offload: on'"
check "it says that it runs without hugepages, or with" sh -c "grep -q hugepages '$LAB_DIR/hub.log' || test -e /dev/hugepages"
gateway_stop hub
check_equal "SIGTERM leaves devices and sockets as they were" "$before" "$(state)"

# --- endpoints by name, and why a handshake fails

# an /etc of the lab's own: a bare system may not even have a hosts file to bind another one to
cp -a /etc "$LAB_DIR/etc"
echo '198.18.1.2 spoke1.example.net' >>"$LAB_DIR/etc/hosts"
mount --bind "$LAB_DIR/etc" /etc
keys stranger
cat >"$LAB_DIR/names.txt" <<EOT
      byname: {public-key: "$(public_key spoke1)", endpoint: "spoke1.example.net:51821", allowed-ips: [10.64.0.11/32]}
      nowhere: {public-key: "$(public_key stranger)", endpoint: "no-such-name.invalid:51820", allowed-ips: [10.64.0.99/32], persistent-keepalive: 1}
EOT
awk -v names="$LAB_DIR/names.txt" '
	/^ *peers:/ { print; while ((getline line < names) > 0) print line; skip = 1; match($0, /^ */); depth = RLENGTH; next }
	skip { match($0, /^ */); if (RLENGTH > depth && $0 !~ /^ *$/) next; skip = 0 }
	{ print }' "$LAB_DIR/good.yaml" >"$LAB_DIR/hub.yaml"
gateway_start hub
pass "a name that does not resolve does not hold up ready"
endpoint_of() {
	json hub peers ".peers[] | select(.name == \"$1\") | .endpoint // \"none\""
}
check "an endpoint by name is looked up" until_equal 10 198.18.1.2:51821 endpoint_of byname
check "a failing lookup is logged" until_true 10 grep -q 'no-such-name.invalid' "$LAB_DIR/hub.log"
check_equal "and leaves the peer without endpoint" none "$(endpoint_of nowhere)"

spoke_start 1 "$(hub_endpoint4)"
check "the peer found by name is reached" pings spoke1 $HUB_INNER4
failure_of() {
	json hub peers ".peers[] | select(.name == \"$1\") | .\"handshake-failure\".cause // \"none\""
}
wireguard_go_stop spoke1
psk other
spoke_start 1 "$(hub_endpoint4)" preshared-key "$LAB_DIR/other.psk"
cause_is_told() {
	on spoke1 ping -n -q -c 1 -W 0.2 $HUB_INNER4 >/dev/null 2>&1
	[ "$(failure_of byname)" != none ]
}
check "a handshake that fails for a wrong PSK is told in show peers" until_true 40 cause_is_told
check "with a likely reason" sh -c "'$SLUICE' show peers -n hub | grep -q 'preshared keys'"
check "and in the log, naming the peer" grep -q 'peer byname: handshake failed' "$LAB_DIR/hub.log"

check_conservation hub
lab_end
