#!/bin/bash
# sluice bench client and server through the tunnel of two sites: what is told is what happened. Hosts behind the gateways, then the
# gateways themselves. No speed is asserted.
# shellcheck source=tests/scenario/sites.sh
. "${BASH_SOURCE[0]%/*}/sites.sh"

PORT=5210

# server NODE [WORDS...]: a server in the background; its words are in $LAB_DIR/NODE.server.
server() {
	local name=$1
	shift
	ip netns exec "$name" "$SLUICE" bench server "$@" >"$LAB_DIR/$name.server" 2>&1 &
	LAB_PID[server-$name]=$!
	until_true 5 grep -q listening "$LAB_DIR/$name.server" || die "bench server does not listen on $name"
}

server_stop() {
	kill -TERM "${LAB_PID[server-$1]}"
	wait "${LAB_PID[server-$1]}"
	check_equal "the server on $1 ends with status 0" 0 $?
	unset "LAB_PID[server-$1]"
}

# client NODE WORDS...: a client with --json; its result is in $RESULT, the words for people in $LAB_DIR/client.text.
client() {
	local name=$1 status
	shift
	RESULT=$(timeout 60 ip netns exec "$name" "$SLUICE" bench client --json "$@" 2>"$LAB_DIR/client.text")
	status=$?
	if [ $status -ne 0 ]; then
		fail "bench client $*: status $status"
		tail -n 5 "$LAB_DIR/client.text" | sed 's/^/      | /'
	fi
	return $status
}

# result DESCRIPTION FILTER: the filter must hold of the result.
result() {
	if jq -e "$2" <<<"$RESULT" >/dev/null 2>&1; then
		pass "$1"
	else
		fail "$1"
		jq -c '.runs[].summary | del(.flows)' <<<"$RESULT" 2>/dev/null | head -n 5 | sed 's/^/      | /'
	fi
}

# Filters. A direction adds up: what was sent has come or is lost; and of flows their sum is the whole.
ADDS_UP='(.sent == .received + .lost) and .sent > 0 and (."sent-bytes" / .sent >= 64)'
PERCENTILES='."round-trip" | .answered > 0 and .min > 0 and .min <= .p50 and .p50 <= .p90 and .p90 <= .p99
	and .p99 <= ."p99.9" and ."p99.9" <= .max and (has("mean"))'

sums() {
	echo "([.flows[].\"$1\".sent] | add) == .\"$1\".sent and ([.flows[].\"$1\".received] | add) == .\"$1\".received"
}

# measure DESCRIPTION NODE SERVER-WORDS...: each direction at a modest rate, adding up, nothing lost on a link that loses nothing.
measure() {
	local what=$1 from=$2 way
	shift 2
	if client "$from" "$@" -t 2 -r 1000 -P 3 -B -s 512; then
		for way in to-server from-server; do
			result "$what: $way adds up" ".runs[0].summary.\"$way\" | $ADDS_UP"
			result "$what: $way lost nothing, in order" \
				".runs[0].summary.\"$way\" | .sent <= 2000 and .lost == 0 and .duplicates == 0 and .reordered == 0"
			result "$what: flows $way make up the whole" ".runs[0].summary | $(sums $way)"
			result "$what: $way intervals make up the whole" \
				"([.runs[0].intervals[].\"$way\".received] | add) as \$n | .runs[0].summary.\"$way\".received as \$all
				| \$n <= \$all and \$n >= \$all / 2"
		done
		result "$what: percentiles of the round trip" ".runs[0].summary | $PERCENTILES"
		result "$what: intervals of a second, one after another" '.runs[0].intervals | length >= 1 and
			([.[1:], .[:-1]] | transpose | map(.[0].begin == .[1].end) | all)'
	fi
}

sites_network
sites_start 1 v4
check "the tunnel is up" pings lana $LANB4

# --- hosts behind the gateways

server lanb
measure "hosts, IPv4" lana $LANB4
measure "hosts, IPv6" lana "[$LANB6]:$PORT"
check "people are told each second" grep -qE '^[0-9.]+-[0-9.]+ s$' "$LAB_DIR/client.text"
client lana $LANB4 -t 0.5 -r 2Mbit -R -s imix,64
result "a run for each size" '[.runs[].size] == ["imix", 64]'
result "IMIX has its mean size" '.runs[0].summary."from-server" | (."sent-bytes" / .sent | floor) as $m | $m > 300 and $m < 400'
client lana $LANB4 -S --trial 0.2 -r 500 -s 128
result "the search ends at the rate that was asked for" \
	'.runs[0] | (.search."limited-by" | IN("rate", "sender")) and .search."packets-per-second" <= 500 and (.trials | length) == 1'
client lana $LANB4 -S --trial 0.2 --resolution 20 --loss 1
result "the search without a limit finds one" \
	'.runs[0] | .search."packets-per-second" > 0 and (.search."limited-by" | IN("loss", "sender", "loss-at-any-rate"))'
check_not "packets that do not fit are refused" \
	timeout 20 ip netns exec lana "$SLUICE" bench client $LANB4 -t 0.5 -s 1501
check_equal "no session is left" 0 "$(grep -c 'not heard' "$LAB_DIR/lanb.server")"

# --- a bad link: what a relay in the way does is what is told

ip netns exec lanb "$TOOLS/relay" --port 5300 --to $LANB4 --to-port $PORT --drop 20 --double 50 --swap 30 \
	>"$LAB_DIR/relay.out" &
relay=$!
until_true 5 grep -q listening "$LAB_DIR/relay.out" || die "the relay does not listen"
if client lana $LANB4:5300 -t 2 -r 1000; then
	kill -TERM $relay
	wait $relay
	done=$(tail -n 1 "$LAB_DIR/relay.out")
	told() {
		jq -r ".runs[0].summary.\"to-server\".\"$1\"" <<<"$RESULT"
	}
	check_equal "packets through the relay" "$(jq .data <<<"$done")" "$(told sent)"
	check_equal "what the relay dropped is told as lost" "$(jq .dropped <<<"$done")" "$(told lost)"
	check_equal "what it doubled as duplicates" "$(jq .doubled <<<"$done")" "$(told duplicates)"
	check_equal "what it held back as reordered" "$(jq .swapped <<<"$done")" "$(told reordered)"
	check_at_least "with an extent" 1 "$(told reordering-extent)"
	result "and sent is received and lost" ".runs[0].summary.\"to-server\" | $ADDS_UP"
fi
kill -TERM $relay 2>/dev/null
server_stop lanb
check_not "without a server the client says so and fails" \
	timeout 20 ip netns exec lana "$SLUICE" bench client $LANB4 -t 0.5

# --- the gateways themselves: their workers send and count

GATEWAY_A='-n sitea --interface wgsitea'
GATEWAY_B='-n siteb --interface wgsiteb'

# refused DESCRIPTION WORDS COMMAND...: it fails, and says the words.
refused() {
	local what=$1 words=$2
	shift 2
	if "$@" >/dev/null 2>"$LAB_DIR/refused.err"; then
		fail "$what: was not refused"
	else
		check "$what: refused, and says why" grep -q -- "$words" "$LAB_DIR/refused.err" || cat "$LAB_DIR/refused.err"
	fi
}

from_a() {
	on sitea "$SLUICE" bench client $GATEWAY_A -t 0.5 "$@"
}

server siteb $GATEWAY_B
measure "gateways, IPv4" sitea $GATEWAY_A --to siteb
measure "gateways, IPv6" sitea $GATEWAY_A --to siteb -6
measure "a host and a gateway" lana 10.64.0.2
server lanb
measure "a gateway and a host" sitea $GATEWAY_A --to $LANB4
server_stop lanb
client sitea $GATEWAY_A --to siteb -S --trial 0.2 -r 500 -s 128
result "gateways: the search" '.by == "gateway" and (.runs[0].search | ."packets-per-second" > 0 and ."packets-per-second" <= 500)'
refused "an address that the tunnel does not lead to" 'do not leave through' from_a --to 198.18.0.1
refused "packets above the interface's MTU" 'do not fit' from_a --to siteb -s 1421
refused "an interface that is not there" 'no WireGuard interface' on sitea "$SLUICE" bench client -n sitea --interface wg9 --to siteb
refused "a peer that is not there" 'no peer of that name' from_a --to nobody
refused "a second bench at one gateway" 'runs at this gateway already' on siteb "$SLUICE" bench server $GATEWAY_B
refused "the port of the tunnel itself" 'is taken' on sitea "$SLUICE" bench server $GATEWAY_A --port 51820
kill -KILL "${LAB_PID[server-siteb]}"
wait "${LAB_PID[server-siteb]}" 2>/dev/null
refused "once the command is gone the port is free: nothing" 'no answer' from_a --to siteb
server siteb $GATEWAY_B
client sitea $GATEWAY_A --to siteb -t 0.5 -r 100
result "and a new one takes it" ".runs[0].summary.\"to-server\" | $ADDS_UP"
server_stop siteb
for site in sitea siteb; do
	check "$site: nothing of it awaits reclaiming" until_equal 5 0 json $site all '.gateway."reclaim-pending"'
done
check_conservation sitea siteb
gateway_stop sitea
gateway_stop siteb

# --- flows over two workers

sites_start 2 v6
server siteb $GATEWAY_B
measure "gateways with two workers" sitea $GATEWAY_A --to siteb
server_stop siteb
check_conservation sitea siteb
lab_end
