#!/bin/bash
# Endpoints by DNS name, with a name server that answers, answers late, fails, is silent and changes its mind: the gateway is ready
# without it, each peer is called as soon as its own name is found, whatever becomes of the others; a name is looked up again
# when its peer does not answer and at endpoint-refresh; and the log tells it once.
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

SILENT=70  # names whose server never answers, before all others in the file
BROKEN=10
TIMEOUT=2  # seconds that the system's resolver gives a server
DNS=172.31.0.2

hub_network
for n in 1 2 3 4; do
	spoke_network $n
done
keys spoke5 spoke6
for ((i = 0; i < SILENT + BROKEN; i++)); do
	wg genkey | wg pubkey
done >"$LAB_DIR/strangers"

# the hub's kernel asks by a link of its own, over IPv4 alone; the ports are the gateway's
node dns
link hub mgmt dns eth0
address hub mgmt 172.31.0.1/24
address dns eth0 $DNS/24
printf 'nameserver %s\noptions timeout:%d attempts:1\n' $DNS $TIMEOUT >"$LAB_DIR/resolv.conf"
target=$(readlink -m /etc/resolv.conf) # where it is a link into /run, which is the lab's own
if [[ $target == /run/* && ! -e $target ]]; then
	mkdir -p "${target%/*}"
	: >"$target"
fi
mount --bind "$LAB_DIR/resolv.conf" "$target" || die "no resolv.conf of the lab's own"

cat >"$LAB_DIR/names" <<EOT
one.test 198.18.1.2
two.test after 1500 198.18.2.2
three.test 2001:db8:3::2
four.test 198.18.4.99
five.test 198.18.1.77
six.test broken
$(for ((i = 0; i < SILENT; i++)); do echo "silent$i.test silent"; done)
$(for ((i = 0; i < BROKEN; i++)); do echo "broken$i.test broken"; done)
EOT
now() { # NAME WORDS: what the server says of it from now on
	sed -i "s/^$1 .*/$1 $2/" "$LAB_DIR/names"
}

{
	hub_yaml
	mapfile -t strangers <"$LAB_DIR/strangers"
	for ((i = 0; i < SILENT + BROKEN; i++)); do
		name=silent$i
		[ $i -lt $SILENT ] || name=broken$((i - SILENT))
		printf '      %s: {public-key: "%s", endpoint: "%s.test:1", allowed-ips: [10.64.2.%d/32]}\n' $name "${strangers[i]}" $name $i
	done
	names=(x one two three four)
	for n in 1 2 3 4; do
		HUB_PEER[$n]=", endpoint: \"${names[n]}.test:$((51820 + n))\""
	done
	hub_yaml 1 2 3 4 | sed -n '/^      spoke/p'
	printf '      five: {public-key: "%s", endpoint: "five.test:1", endpoint-refresh: 10}\n' "$(public_key spoke5)"
	printf '      six: {public-key: "%s", endpoint: "six.test:1"}\n' "$(public_key spoke6)"
} >"$LAB_DIR/hub.yaml"

endpoint_of() { # PEER
	json hub peers ".peers[] | select(.name == \"$1\") | .endpoint // \"none\""
}
asked() { # NAME: how often
	grep -c "^A $1$" "$LAB_DIR/dns.log"
}
asked_more() { # NAME TIMES
	[ "$(asked "$1")" -gt "$2" ]
}

# --- nobody answers yet

gateway_start hub
pass "it is ready while no name server answers"
for n in 1 2 3 4; do
	spoke_start $n "$(hub_endpoint4)"
done
# the spokes wait to be called
check_equal "and knows no endpoint" none "$(endpoint_of spoke1)"

# --- the server comes up

ip netns exec dns "$TOOLS/names" --listen $DNS "$LAB_DIR/names" >"$LAB_DIR/dns.log" 2>&1 &
LAB_PID[dns]=$!
until_true 5 grep -q listening "$LAB_DIR/dns.log" || die "the name server does not start: $(cat "$LAB_DIR/dns.log")"
from_ms=$(now_ms)
check "a name behind $SILENT whose server is silent is found" until_equal 30 198.18.1.2:51821 endpoint_of spoke1
took=$(($(now_ms) - from_ms))
note "after $took ms"
check "that peer is called" pings lan "$(spoke_inner4 1)"
check "a late answer counts as well" until_equal 30 198.18.2.2:51822 endpoint_of spoke2
check "that peer is called" pings lan "$(spoke_inner4 2)"
check "a name with an IPv6 address alone, which the kernel could not reach" until_equal 30 '[2001:db8:3::2]:51823' endpoint_of spoke3
check "that peer is called" pings lan "$(spoke_inner4 3)"

# --- a name that is not found, and then is

check "a name that is not found is tried again" until_true 20 asked_more six.test 2
now six.test 198.18.1.79

# --- names that change

check "a peer is where it was thought to be" until_equal 30 198.18.4.99:51824 endpoint_of spoke4
check "another one too" until_equal 30 198.18.1.77:1 endpoint_of five
now four.test 198.18.4.2
now five.test 198.18.1.78
before=$(asked one.test)
on lan ping -n -q -i 0.5 -w 30 "$(spoke_inner4 4)" >/dev/null 2>&1 & # so that it is called, in vain
pinging=$!
check "endpoint-refresh finds a new address, though nobody calls it" until_equal 30 198.18.1.78:1 endpoint_of five
check "handshakes without an answer have the name looked up again" until_equal 30 198.18.4.2:51824 endpoint_of spoke4
check "and the peer is reached" pings lan "$(spoke_inner4 4)" 20
kill $pinging
check_equal "names of peers that answer are not asked for again" "$before" "$(asked one.test)"
check "the name that was not found is found now" until_equal 30 198.18.1.79:1 endpoint_of six
check "which the log tells" grep -q 'six.test is found again' "$LAB_DIR/hub.log"
check_equal "no name that is not found is two lines in it" "" \
	"$(grep -o 'endpoint [^ ]* is not found' "$LAB_DIR/hub.log" | sort | uniq -d)"
check "the peers were not disturbed" pings lan "$(spoke_inner4 1)"
check_conservation hub
lab_end
