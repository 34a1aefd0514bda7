# shellcheck shell=bash
# The lab that most scenarios share, on top of lab.sh:
#
#   spokeN (wireguard-go) ── inet (a router) ── wan0 hub lan0 ── lan (a host that knows nothing of tunnels)
#
#            outside                                     inside
#   hub      192.0.2.10  2001:db8::10                    10.64.0.1   fd00:64::1
#   spokeN   198.18.N.2  2001:db8:N::2                   10.64.0.1N  fd00:64::1N    (N = 1..9)
#   lan                                                  10.20.0.10  fd00:20::10    (gateway 10.20.0.1, fd00:20::1)
# shellcheck source=tests/scenario/lab.sh
. "${BASH_SOURCE[0]%/*}/lab.sh"

HUB4=192.0.2.10
HUB6=2001:db8::10
HUB_PORT=51820
HUB_INNER4=10.64.0.1
HUB_INNER6=fd00:64::1
LAN4=10.20.0.10
LAN6=fd00:20::10

# What a scenario may set before hub_yaml.
HUB_WORKERS=1
HUB_WAN_EXTRA=''        # further keys of the port wan0, each after a comma
declare -A HUB_PEER=()  # further keys of a peer, each after a comma

# Nodes and links, without Sluice and without spokes.
hub_network() {
	router_node inet
	gateway_node hub
	node lan
	link inet to-hub hub wan0
	link hub lan0 lan eth0
	address inet to-hub 192.0.2.1/24 2001:db8::1/64
	address lan eth0 $LAN4/16 $LAN6/64
	route lan default via 10.20.0.1
	route lan ::/0 via fd00:20::1
	keys hub
}

# spoke_inner4 N, spoke_inner6 N: a spoke's addresses inside the tunnel.
spoke_inner4() {
	echo "10.64.0.1$1"
}

spoke_inner6() {
	echo "fd00:64::1$1"
}

# spoke_network N: the node of a spoke, its key, and its way to the hub.
spoke_network() {
	local n=$1
	node "spoke$n"
	link inet "to-spoke$n" "spoke$n" eth0
	address inet "to-spoke$n" "198.18.$n.1/24" "2001:db8:$n::1/64"
	address "spoke$n" eth0 "198.18.$n.2/24" "2001:db8:$n::2/64"
	route "spoke$n" default via "198.18.$n.1"
	route "spoke$n" ::/0 via "2001:db8:$n::1"
	keys "spoke$n"
}

# spoke_start N ENDPOINT [WORDS-OF-WG-SET]: wireguard-go as wgN with the hub as its peer.
spoke_start() {
	local n=$1 endpoint=$2
	shift 2
	wireguard_go "spoke$n" "wg$n"
	on "spoke$n" wg set "wg$n" private-key "$LAB_DIR/spoke$n.key" listen-port $((51820 + n)) \
		peer "$(public_key hub)" endpoint "$endpoint" \
		allowed-ips 10.64.0.0/16,fd00:64::/64,10.20.0.0/16,fd00:20::/64 "$@" || die "wg set on spoke$n"
	address "spoke$n" "wg$n" "$(spoke_inner4 "$n")/32" "$(spoke_inner6 "$n")/128"
	# the kernel's queue before wireguard-go must not overflow while a busy machine keeps that from running
	on "spoke$n" ip link set "wg$n" mtu 1420 txqueuelen 10000 up
	local to
	for to in 10.64.0.0/16 10.20.0.0/16 fd00:64::/64 fd00:20::/64; do
		route "spoke$n" $to dev "wg$n"
	done
}

hub_endpoint4() {
	echo "$HUB4:$HUB_PORT"
}

hub_endpoint6() {
	echo "[$HUB6]:$HUB_PORT"
}

# hub_yaml PEER...: the hub's configuration, with spokes by number. HUB_PEER[N] adds keys to a peer.
hub_yaml() {
	local n
	cat <<-YAML
		version: 1
		name: hub
		dataplane: {workers: $HUB_WORKERS$LAB_SIMD}
		ports:
		  wan0: {device: "af_packet:wan0", addresses: [$HUB4/24, "$HUB6/64"], gateway: [192.0.2.1, "2001:db8::1"]$HUB_WAN_EXTRA}
		  lan0: {device: "af_packet:lan0", addresses: [10.20.0.1/16, "fd00:20::1/64"]}
		interfaces:
		  wg0:
		    private-key-file: hub.key
		    listen-port: $HUB_PORT
		    addresses: [$HUB_INNER4/16, "$HUB_INNER6/64"]
		    peers:
	YAML
	for n in "$@"; do
		echo "      spoke$n: {public-key: \"$(public_key "spoke$n")\"," \
			"allowed-ips: [$(spoke_inner4 "$n")/32, \"$(spoke_inner6 "$n")/128\"]${HUB_PEER[$n]:-}}"
	done
}

# hub_start SPOKE...: writes the configuration and starts the gateway with it.
hub_start() {
	hub_yaml "$@" >"$LAB_DIR/hub.yaml"
	if [ "${LAB_STAND_IN:-}" = wireguard-go ]; then
		hub_stand_in "$@"
	else
		gateway_start hub
	fi
}

# hub_reload: SIGHUP, and waits until the gateway has said what came of it. What it said is then in $RELOADED.
hub_reload() {
	local log=$LAB_DIR/hub.log before
	before=$(wc -l <"$log")
	kill -HUP "${LAB_PID[hub]}"
	reload_said() {
		RELOADED=$(tail -n "+$((before + 1))" "$log")
		grep -qE 'reload: ([0-9]+ changes? made|.* refused; |.*nothing was changed|.* could not be made)' <<<"$RELOADED"
	}
	until_true 10 reload_said || fail "SIGHUP: the gateway does not say what came of it"
}

# killed_at CALL N COMMAND...: a command to the hub is killed at its Nth CALL. Fails once it has no Nth.
killed_at() {
	local call=$1 n=$2
	shift 2
	on hub strace -qq -o "$LAB_DIR/strace.log" -e trace="$call" -e inject="$call:signal=KILL:when=$n" "$SLUICE" "$@" -n hub \
		>"$LAB_DIR/killed.log" 2>&1
	[ $? -ge 128 ]
}

# wireguard-go and the kernel's routing in the hub's place: what the benches compare with.
hub_stand_in() {
	local n
	set_sysctl hub net/ipv4/ip_forward 1
	for n in all wan0 lan0 default; do
		set_sysctl hub net/ipv6/conf/$n/disable_ipv6 0
	done
	set_sysctl hub net/ipv6/conf/all/forwarding 1
	address hub wan0 $HUB4/24 $HUB6/64
	address hub lan0 10.20.0.1/16 fd00:20::1/64
	route hub default via 192.0.2.1
	route hub ::/0 via 2001:db8::1
	wireguard_go hub wg0
	on hub wg set wg0 private-key "$LAB_DIR/hub.key" listen-port $HUB_PORT
	for n in "$@"; do
		local words=(allowed-ips "$(spoke_inner4 "$n")/32,$(spoke_inner6 "$n")/128") endpoint
		[ ! -f "$LAB_DIR/spoke$n.psk" ] || words+=(preshared-key "$LAB_DIR/spoke$n.psk")
		endpoint=$(sed -n 's/.*endpoint: "\([^"]*\)".*/\1/p' <<<"${HUB_PEER[$n]:-}")
		[ -z "$endpoint" ] || words+=(endpoint "$endpoint")
		on hub wg set wg0 peer "$(public_key "spoke$n")" "${words[@]}"
	done
	address hub wg0 $HUB_INNER4/16 $HUB_INNER6/64
	on hub ip link set wg0 mtu 1420 up
}

# The PSK of a peer in the hub's configuration.
hub_psk() {
	HUB_PEER[$1]+=", preshared-key-file: spoke$1.psk"
}

# Flows wait for their receivers (tests/tools/window.h): a busy machine slows them down and loses nothing in the kernel's queues. A
# receiver's window is $LAB_DIR/window.PORT.NODE; `FLOW_WINDOW= flow_send ...` sends at its rate, come what may.
FLOW_WINDOW=yes

# flow_window NODE PORT: the words that have a sender on that node wait for the receiver of this port elsewhere, if there is one.
flow_window() {
	local file
	[ -n "$FLOW_WINDOW" ] || return 0
	for file in "$LAB_DIR/window.$2".*; do
		[ ! -f "$file" ] || [ "${file##*.}" = "$1" ] || { echo "--window $file"; return; }
	done
}

# flow_receiver NODE PORT COUNT FLOWS SECONDS: a receiver in the background; its tally goes to $LAB_DIR/NODE.PORT.tally.
flow_receiver() {
	# one that was here before must not be taken for this one
	rm -f "$LAB_DIR/$1.$2.tally"
	ip netns exec "$1" "$TOOLS/flow" recv --port "$2" --count "$3" --flows "$4" --seconds "$5" --window "$LAB_DIR/window.$2.$1" \
		>"$LAB_DIR/$1.$2.tally" 2>&1 &
	LAB_PID[flow-$1-$2]=$!
	until_true 20 grep -q listening "$LAB_DIR/$1.$2.tally" || die "flow recv does not listen on $1:$2"
}

flow_ended() {
	tail -n 1 "$LAB_DIR/$1.$2.tally" | grep -q '^{'
}

# flow_wait NODE PORT: waits for the receiver; its tally is then in $TALLY.
flow_wait() {
	# in a subshell, such as $(...), the receiver is no child to wait for: its tally tells that it has ended
	wait "${LAB_PID[flow-$1-$2]}" 2>/dev/null
	until_true 60 flow_ended "$1" "$2"
	rm -f "$LAB_DIR/window.$2.$1"
	TALLY=$(tail -n 1 "$LAB_DIR/$1.$2.tally")
}

# check_flow DESCRIPTION NODE PORT: nothing lost, nothing twice, nothing out of order.
check_flow() {
	flow_wait "$2" "$3"
	if jq -e '.received > 0 and .lost == 0 and .duplicated == 0 and .reordered == 0 and .corrupt == 0' \
		<<<"$TALLY" >/dev/null 2>&1; then
		pass "$1 ($(jq .received <<<"$TALLY") packets)"
	else
		fail "$1: $TALLY"
	fi
}

# flow_from MODE NODE WORDS...: `flow MODE` with these words, to the end.
flow_from() {
	local mode=$1 from=$2 words="$*" window port
	shift 2
	port=${words##*--port }
	read -ra window <<<"$(flow_window "$from" "${port%% *}")"
	on "$from" "$TOOLS/flow" "$mode" "$@" "${window[@]}" >>"$LAB_DIR/flow-send.log"
}

flow_send() {
	flow_from send "$@"
}

flow_send_sizes() {
	flow_from sizes "$@"
}

# --- packets that flow as long as something else lasts

declare -A LASTING=()

rounds_of() { # FROM TO ADDRESS PORT COUNT RATE
	while [ ! -e "$LAB_DIR/lasted" ]; do
		flow_receiver "$2" "$4" "$5" 2 200
		flow_send "$1" --to "$3" --port "$4" --count "$5" --flows 2 --rate "$6" --from-port $(($4 + 34000))
		flow_wait "$2" "$4"
		echo "$TALLY" >>"$LAB_DIR/rounds.$4"
	done
}

# lasting_flow FROM TO ADDRESS PORT COUNT RATE: rounds of COUNT packets in the background, one after the other.
lasting_flow() {
	rounds_of "$@" &
	LASTING[$4]=$!
}

lasting_flows_begun() {
	local port
	for port in "${!LASTING[@]}"; do
		[ -s "$LAB_DIR/rounds.$port" ] || return 1
	done
}

# check_lasting_flows: ends them, and in no round anything was lost, came twice or out of order.
check_lasting_flows() {
	local port
	touch "$LAB_DIR/lasted"
	wait "${LASTING[@]}"
	for port in $(printf '%s\n' "${!LASTING[@]}" | sort); do
		check_equal "nothing was lost all that time, port $port, $(wc -l <"$LAB_DIR/rounds.$port") rounds" '' "$(jq -c \
			'select(.received == 0 or .lost > 0 or .duplicated > 0 or .reordered > 0 or .corrupt > 0)' "$LAB_DIR/rounds.$port" 2>&1)"
	done
}

# packet_peers FIRST COUNT: makes keys for peers at packet level; their addresses are 10.64.1.FIRST and on. Prints their part of
# the configuration; $LAB_DIR/peers is what wgpeer reads.
packet_peers() {
	local i private public
	i=$1
	while read -r private public; do
		echo "$private 10.64.1.$i" >>"$LAB_DIR/peers"
		echo "      packet$i: {public-key: \"$public\", allowed-ips: [10.64.1.$i/32]}"
		i=$((i + 1))
	done < <("$TOOLS/wgpeer" keys "$2")
}

# wgpeer_start NODE WORDS...: the peers of $LAB_DIR/peers in the background; returns once all have a session.
wgpeer_start() {
	local where=$1 words="$*" window port
	shift
	port=${words##*--to *,}
	port=${port%% *}
	read -ra window <<<"$(flow_window "$where" "$port")"
	ip netns exec "$where" "$TOOLS/wgpeer" run --peers "$LAB_DIR/peers" --remote "$(public_key hub)" "$@" \
		--progress "$LAB_DIR/window.$port.$where" "${window[@]}" \
		>"$LAB_DIR/wgpeer.out" 2>&1 &
	LAB_PID[wgpeer]=$!
	if ! until_true 15 grep -qx up "$LAB_DIR/wgpeer.out"; then
		cat "$LAB_DIR/wgpeer.out"
		die "the packet-level peers did not all get a session"
	fi
}

# wgpeer_wait, then wgpeer_result FILTER and wgpeer_tally FILTER: values of their summary and of what came back to them.
wgpeer_wait() {
	wait "${LAB_PID[wgpeer]}"
	note "packet-level peers: $(sed -n '2,3p' "$LAB_DIR/wgpeer.out" | tr '\n' ' ')"
}
wgpeer_result() {
	sed -n 2p "$LAB_DIR/wgpeer.out" | jq -r "$1"
}
wgpeer_tally() {
	sed -n 3p "$LAB_DIR/wgpeer.out" | jq -r "$1"
}
