#!/bin/bash
# Port addresses and static routes change by SIGHUP while traffic of peers whom that does not concern flows: none of it is lost. A file that is
# refused, for a mistake in it or for what only a restart changes, changes nothing, and the log names the place.
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

COUNT=2000
RATE=1000
ROUNDS=20
hub_network
for n in 1 2; do
	spoke_network $n
done
hub_start 1 2
spoke_start 1 "$(hub_endpoint4)"
spoke_start 2 "$(hub_endpoint6)"
for n in 1 2; do
	check "spoke$n is up" pings spoke$n $LAN4
	on spoke$n wg set wg$n peer "$(public_key hub)" allowed-ips 10.0.0.0/8,fd00::/16
	route spoke$n 10.0.0.0/8 dev wg$n
done
cp "$LAB_DIR/hub.yaml" "$LAB_DIR/first.yaml"
# what lies behind the LAN host, and behind the router on the outside
address lan eth0 10.21.0.10/24 fd00:21::10/64
on lan ip address add 10.99.0.1/32 dev lo
on inet ip address add 10.98.0.1/32 dev lo
route lan 10.98.0.0/16 via 10.20.0.1
route inet 10.20.0.0/16 via $HUB4

# with EXPRESSION...: the first file, changed by sed, is read.
with() {
	sed "$@" "$LAB_DIR/first.yaml" >"$LAB_DIR/hub.yaml"
	hub_reload
}
says() {
	grep -qE -- "$1" <<<"$RELOADED" || { echo "$RELOADED"; return 1; }
}
with_route() { # LINE...: under routes:
	cp "$LAB_DIR/first.yaml" "$LAB_DIR/hub.yaml"
	{ echo "routes:"; printf '  - %s\n' "$@"; } >>"$LAB_DIR/hub.yaml"
	hub_reload
}
one_ping() {
	on "$1" ping -n -q -c 1 -W 1 "$2"
}

lasting_flow spoke1 lan $LAN4 7000 $COUNT $RATE
lasting_flow lan spoke1 "$(spoke_inner4 1)" 7001 $COUNT $RATE
lasting_flow spoke2 lan $LAN6 7002 $COUNT $RATE
lasting_flow lan spoke2 "$(spoke_inner6 2)" 7003 $COUNT $RATE
check "packets of both spokes flow, both ways" until_true 60 lasting_flows_begun

# addresses
with 's|addresses: \[10.20.0.1/16, |&10.21.0.1/24, "fd00:21::1/64", |'
check "addresses are added live" says 'reload: 2 changes made'
check "the LAN host reaches the new one" pings lan 10.21.0.1
check "the new IPv6 one too" pings lan fd00:21::1
check "a spoke reaches a host of the new prefix" pings spoke1 10.20.0.10
check "show ports has it" prints 4 json hub ports '.ports[] | select(.name == "lan0") | .addresses | length'
with ''
check "addresses are removed live" says 'reload: 2 changes made'
check_not "nobody answers there any more" one_ping lan 10.21.0.1

# routes
check_not "there is no way to 10.99.0.1 yet" one_ping spoke1 10.99.0.1
with_route '{to: 10.99.0.0/16, via: 10.20.0.10}'
check "a static route is added live" says 'reload: 1 change made'
check "and used" pings spoke1 10.99.0.1
with_route '{to: 10.99.0.0/16, via: 10.20.0.10}' '{to: 10.98.0.0/16, via: 192.0.2.1}'
check "another one, by the other port" pings lan 10.98.0.1
with_route '{to: 10.98.0.0/16, via: 192.0.2.1}' '{to: 10.99.0.0/16, via: 10.20.0.77}'
check_not "a next hop that is not there" one_ping spoke1 10.99.0.1
check "does not touch the other route" pings lan 10.98.0.1
with_route '{to: 10.98.0.0/16, via: 192.0.2.1}' '{to: 10.99.0.0/16, via: 10.20.0.10}'
check "the first next hop again" pings spoke1 10.99.0.1
with ''
check_not "without its route it is gone" one_ping spoke1 10.99.0.1
for ((i = 0; i < ROUNDS; i++)); do
	with_route "{to: 10.$((100 + i % 7)).0.0/16, via: 10.20.0.10}" '{to: 10.99.0.0/16, via: 10.20.0.10}'
done
check "after $ROUNDS reloads in a row" says 'reload: [0-9]+ changes? made'
check "the last one stands" pings spoke1 10.99.0.1

# refused files; each would also add a route, which must not come
state() {
	json hub ports '[.ports[] | {name, device, mtu, addresses, gateway}]' | jq -c .
	json hub routes '[.routes[] | {to, via, source}] | sort' | jq -c .
	json hub interface '[.interfaces[] | {name, "listen-port", mtu, addresses, peers}]' | jq -c .
}
with ''
before=$(state)
# refused WHAT PATTERN SED-EXPRESSION
refused() {
	sed "$3" "$LAB_DIR/first.yaml" >"$LAB_DIR/hub.yaml"
	printf 'routes:\n  - {to: 10.97.0.0/16, via: 10.20.0.10}\n' >>"$LAB_DIR/hub.yaml"
	hub_reload
	check "refused: $1: the log says where and what" says "$2"
	check "refused: $1: it says that nothing has changed" says 'refused; the running configuration is untouched|nothing was changed'
	check_equal "refused: $1: nothing has changed" "$before" "$(state)"
}
refused "an unknown key" 'hub\.yaml:10:5: .*listen-prot' 's/    listen-port:/    listen-prot:/'
refused "an address that is none" 'hub\.yaml:[0-9]+:[0-9]+: .*10\.20\.0\.1/33' 's|10.20.0.1/16|10.20.0.1/33|'
refused "no YAML" 'hub\.yaml:[0-9]+:[0-9]+: ' 's/^interfaces:/interfaces: [/'
refused "another device" 'lan0.*device.*not live; restart' 's/af_packet:lan0/af_packet:lan9/'
refused "another number of workers" 'dataplane\.workers.*not live; restart' 's/workers: 1/workers: 2/'
refused "another name" 'name.*not live; restart' 's/^name: hub/name: hob/'
with ''
check "the first file again: there is nothing to change" says 'reload: 0 changes made'

check_lasting_flows
check_conservation hub
lab_end
