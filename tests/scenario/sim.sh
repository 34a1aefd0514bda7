# shellcheck shell=bash
# A lab without a network, on top of lab.sh: one gateway, whose two ports end in a simulation of many peers and of the LAN
# (tests/peersim). Addresses are those of tests/peersim/keys.h.
#
#   simulated peers ── wan0 hub lan0 ── simulated LAN host
# shellcheck source=tests/scenario/lab.sh
. "${BASH_SOURCE[0]%/*}/lab.sh"

PEERSIM=${TOOLS%/tools}/peersim/peersim
SIM_SEED=${0##*/}
SIM_WORKERS=1
SIM_RING=12 # frames in each ring, as a power of two
SIM_PRIVATE=() SIM_PUBLIC=() # identities of the hub

# sim_network PEERS [WORDS...]: the hub's node, keys, and the file of its peers. The words are --mixed and --psk.
sim_network() {
	gateway_node hub
	sim_peers "$@"
}

# sim_peers PEERS [WORDS...]: other keys and peers, for the next gateway.
sim_peers() {
	local private public
	SIM_PRIVATE=() SIM_PUBLIC=()
	SIM_PEERS=$1
	shift
	SIM_WORDS=("$@")
	while read -r private public; do
		SIM_PRIVATE+=("$private")
		SIM_PUBLIC+=("$public")
	done < <("$PEERSIM" keys --seed "$SIM_SEED")
	(umask 077 && "$PEERSIM" peers --seed "$SIM_SEED" --peers "$SIM_PEERS" "${SIM_WORDS[@]}" >"$LAB_DIR/peers.yaml") ||
		die "peersim wrote no peers"
}

# sim_yaml [LINE...]: the hub's configuration, with further lines for its interface.
sim_yaml() {
	local memif="role=server,socket-abstract=no,socket=$LAB_DIR"
	cat <<-YAML
		version: 1
		name: hub
		dataplane: {workers: $SIM_WORKERS$LAB_SIMD}
		ports:
		  wan0:
		    device: "net_memif0,$memif/wan.sock"
		    addresses: [192.0.2.10/24, "2001:db8::10/64"]
		    gateway: [192.0.2.1, "2001:db8::1"]
		  lan0: {device: "net_memif1,$memif/lan.sock", addresses: [10.20.0.1/16, "fd00:20::1/64"]}
		interfaces:
		  wg0:
		    listen-port: 51820
		    addresses: [10.64.0.1/11, "fd00:64::1/64"]
		    include-peers: [peers.yaml]
	YAML
	printf '    %s\n' "$@"
}

# sim_start: the simulation, once the gateway runs.
sim_start() {
	"$PEERSIM" run --seed "$SIM_SEED" --peers "$SIM_PEERS" --queues "$SIM_WORKERS" --ring "$SIM_RING" "${SIM_WORDS[@]}" \
		--wan "$LAB_DIR/wan.sock" --lan "$LAB_DIR/lan.sock" --control "$LAB_DIR/sim.sock" >"$LAB_DIR/sim.out" 2>&1 &
	LAB_PID[sim]=$!
	if ! until_true 40 sim_ready_or_gone || ! sim_is_ready; then
		cat "$LAB_DIR/sim.out"
		die "the simulation did not say 'peersim: ready'"
	fi
}

sim_is_ready() {
	grep -qx 'peersim: ready' "$LAB_DIR/sim.out"
}

sim_ready_or_gone() {
	sim_is_ready || ! kill -0 "${LAB_PID[sim]}" 2>/dev/null
}

# sim_stop: the simulation ends, and the hub has seen that: net_memif has a thread of its own for it, which must not meet the end of the hub.
sim_stop() {
	sim quit
	wait "${LAB_PID[sim]}"
	unset "LAB_PID[sim]"
	until_equal 30 0 sim_links || die "the hub does not notice that the simulation has ended"
}

sim_links() {
	json hub ports '[.ports[] | select(.up)] | length'
}

# sim COMMAND [KEY=VALUE...]: a command of tests/peersim/control.h; says what came of it only where it was refused.
sim() {
	SIM_ANSWER=$("$PEERSIM" ask "$LAB_DIR/sim.sock" "$@") || { echo "peersim $*: $SIM_ANSWER"; return 1; }
}

# sim_report FILTER: a value of the simulation's report.
sim_report() {
	"$PEERSIM" ask "$LAB_DIR/sim.sock" report | jq -r "$1"
}

# sim_flow ID FILTER: a value of a flow.
sim_flow() {
	sim_report ".flows[] | select(.flow == $1) | $2"
}

# sim_stop_flow ID: no more of it, and all that was on its way is back or lost.
sim_stop_flow() {
	sim stop flow="$1" && sim await flow="$1" seconds=90
}

# check_sim_flow DESCRIPTION ID [LEAST]: of a flow that is over nothing was lost, wrong or twice; and so many came through.
check_sim_flow() {
	local flow
	flow=$(sim_flow "$2" .)
	if jq -e --argjson least "${3:-1}" \
		'.done and .lost == 0 and .wrong == 0 and .duplicate == 0 and .returned == .sent and .returned >= $least' \
		<<<"$flow" >/dev/null 2>&1; then
		pass "$1 ($(jq .returned <<<"$flow") packets)"
	else
		fail "$1: $(jq -c . <<<"$flow")"
	fi
}
