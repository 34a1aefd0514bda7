#!/bin/bash
# Every inner size from 1 byte of payload to the MTU gets through, each exactly once, with the padding of protocol.md 38: zeros up to
# a multiple of 16, clamped to the inner MTU.
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

MTU=1420
DATA_OVERHEAD=32 # header 16, tag 16
hub_network
spoke_network 1
hub_start 1
spoke_start 1 "$(hub_endpoint4)"
check "the tunnel is up" pings spoke1 $LAN4

# every_size FROM TO ADDRESS HEADERS: a UDP packet of every size, each exactly once.
every_size() {
	local from=$1 to=$2 address=$3 largest=$((MTU - $4)) what="$1 to $2, IPv$5"
	local port=$((7000 + RANDOM % 1000))
	flow_receiver "$to" $port $largest 1 20
	flow_send_sizes "$from" --to "$address" --port $port --count $largest --rate 2000
	check_flow "$what: every size from 1 to $largest" "$to" $port
}

# The lengths of the encrypted packets on the outside, keepalives left out, as tcpdump saw them.
outer_lengths() {
	tcpdump -n -r "$LAB_DIR/$1.pcap" 2>/dev/null | sed -n 's/.*UDP, length \([0-9]*\).*/\1/p' | grep -vx $DATA_OVERHEAD
}

# The lengths that protocol.md 38 asks for, for every payload size over headers of $1 bytes.
expected_lengths() {
	awk -v headers="$1" -v mtu=$MTU -v overhead=$DATA_OVERHEAD 'BEGIN {
		for (inner = headers + 1; inner <= mtu; inner++) {
			padded = int((inner + 15) / 16) * 16
			print overhead + (padded < mtu ? padded : mtu)
		}
	}'
}

for family in 4 6; do
	headers=28 lan=$LAN4 spoke=$(spoke_inner4 1)
	if [ $family -eq 6 ]; then
		headers=48 lan=$LAN6 spoke=$(spoke_inner6 1)
	fi
	every_size spoke1 lan $lan $headers $family
	capture_start padding$family inet to-spoke1 "src host $HUB4 and udp and udp[8] = 4"
	every_size lan spoke1 $spoke $headers $family
	expected_lengths $headers >"$LAB_DIR/expected"
	check "IPv$family: padding on the wire, size by size" until_true 5 \
		eval "outer_lengths padding$family | cmp - '$LAB_DIR/expected'"
	capture_stop padding$family
done

check_conservation hub
lab_end
