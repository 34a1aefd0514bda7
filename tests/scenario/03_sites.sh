#!/bin/bash
# Site to site: two Sluice gateways, LAN to LAN, iperf3 TCP and UDP, flows without reordering; with one worker each, then with two.
# The LAN hosts have an MTU of 1500, send with DF, and nobody has touched their routes or MTU.
# shellcheck source=tests/scenario/sites.sh
. "${BASH_SOURCE[0]%/*}/sites.sh"

mbits() {
	jq -r '((.end.sum_received // .end.sum).bits_per_second // 0) / 1000000 | floor' "$LAB_DIR/iperf.json"
}

# lan_to_lan: every kind of traffic between the two LANs.
lan_to_lan() {
	local what=$1
	check "$what: IPv4 ping from A to B" pings lana $LANB4
	check "$what: IPv6 ping from B to A" pings lanb $LANA6
	check "$what: path MTU over IPv4" on lana ping -n -q -M "do" -c 2 -W 5 -s 1392 $LANB4
	iperf lana lanb $LANB4 -t 2 >/dev/null
	check_at_least "$what: iperf3 TCP from A to B, Mbit/s" 1 "$(mbits)"
	iperf lana lanb $LANB4 -t 2 -R >/dev/null
	check_at_least "$what: iperf3 TCP from B to A, Mbit/s" 1 "$(mbits)"
	iperf lana lanb $LANB6 -t 2 >/dev/null
	check_at_least "$what: iperf3 TCP over IPv6, Mbit/s" 1 "$(mbits)"
	iperf lana lanb $LANB4 -t 2 -u -b 50M -l 1200 >/dev/null
	check_at_least "$what: iperf3 UDP from A to B, Mbit/s" 1 "$(mbits)"
	check_equal "$what: iperf3 UDP packets out of order" 0 "$(jq '[.end.streams[].udp.out_of_order] | add' "$LAB_DIR/iperf.json")"

	flow_receiver lanb 7000 2000 8 30
	flow_receiver lana 7001 2000 8 30
	flow_send lana --to $LANB4 --port 7000 --count 2000 --flows 8 --rate 5000 --size 400 &
	local sender=$!
	flow_send lanb --to $LANA6 --port 7001 --count 2000 --flows 8 --rate 5000 --size 400
	wait $sender
	check_flow "$what: 8 flows A to B, none lost, in order" lanb 7000
	check_flow "$what: 8 flows B to A, none lost, in order" lana 7001
}

sites_network
for run in "1 v4" "2 v6"; do
	read -r workers family <<<"$run"
	sites_start "$workers" "$family"
	lan_to_lan "$workers worker(s) each, $family outside"
	for site in sitea siteb; do
		for reason in replay bad-tag no-session stage-full; do
			check_equal "$site dropped nothing for $reason" 0 "$(drops $site $reason)"
		done
		if [ "$workers" -gt 1 ]; then
			check_equal "$site: both workers had traffic" 2 \
				"$(json $site workers '[.workers[] | select(.received > 100)] | length')"
		fi
	done
	check_conservation sitea siteb
	gateway_stop sitea
	gateway_stop siteb
done
lab_end
