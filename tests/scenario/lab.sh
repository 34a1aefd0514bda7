# shellcheck shell=bash
# The lab: nodes (network namespaces), links (veth pairs), wireguard-go peers, Sluice gateways, and checks on them.
# Sourced by every scenario, by scripts/quickstart and by the benches that need real peers.
#
# A script that sources this file is started once more inside namespaces of its own (mounts, network, processes) with an
# empty /run. So names never meet those of another run, and when the script ends, for whatever reason, the kernel takes
# every process, interface and socket of the lab away with it.
#
# Nothing here sleeps to synchronise: `until_true` asks for a condition again until it holds or a deadline passes.
set -uo pipefail

LAB_SOURCE=$(readlink -f "${BASH_SOURCE[0]}")
LAB_ROOT=${LAB_SOURCE%/tests/scenario/lab.sh}
SLUICE=${SLUICE:-$LAB_ROOT/build/app/sluice}
# shellcheck disable=SC2034 # for the scripts that source this
TOOLS=${LAB_TOOLS:-$LAB_ROOT/build/tests/tools}
# SL_TEST_SIMD is the vector level of every gateway: a further key of `dataplane:`
# shellcheck disable=SC2034
LAB_SIMD=${SL_TEST_SIMD:+, simd: $SL_TEST_SIMD}

# ---------------------------------------------------------------------------------------------------------------------
# Namespaces of our own

if [ -z "${LAB_INSIDE:-}" ]; then
	if [ "$(id -u)" -ne 0 ]; then
		echo "${0##*/}: a lab of network namespaces needs root; run it with sudo" >&2
		exit 1
	fi
	if [ ! -c /dev/net/tun ]; then # a minimal container has no device files for tunnels
		mkdir -p /dev/net && mknod -m 0666 /dev/net/tun c 10 200
	fi
	LAB_DIR=$(mktemp -d "${TMPDIR:-/tmp}/sluice-lab.XXXXXX")
	# `ip netns exec` wants a root that is a mount of its own. In a chroot it may be none: there the lab binds the root to
	# another place and goes in there.
	lab_wrap=(--mount) lab_enter=()
	if ! unshare --mount true 2>/dev/null; then
		lab_root=$(mktemp -d "${TMPDIR:-/tmp}/sluice-root.XXXXXX")
		lab_wrap=(--mount --propagation unchanged)
		# shellcheck disable=SC2016 # expanded by the inner shell
		lab_enter=("$BASH" -c 'mount --rbind / "$0" && mount --make-rprivate "$0" && exec chroot "$0" "$@"' "$lab_root")
	fi
	# a lab that is kept outlives this script, and must not hold its output open: what it says comes through a pipe that ends
	# with a mark
	mkfifo "$LAB_DIR/words"
	sed -u -n '/^lab: kept$/q;p' <"$LAB_DIR/words" &
	lab_words=$!
	LAB_INSIDE=1 LAB_DIR=$LAB_DIR setsid unshare "${lab_wrap[@]}" --net --pid --fork --kill-child \
		"${lab_enter[@]}" "$BASH" "$(readlink -f "$0")" "$@" >"$LAB_DIR/words" 2>&1 </dev/null &
	lab_pid=$!
	# a signal ends the lab at once: with unshare dies the lab's first process, and with that all of it
	trap 'kill -KILL "$lab_pid" 2>/dev/null' TERM INT HUP
	while kill -0 "$lab_pid" 2>/dev/null && [ ! -e "$LAB_DIR/kept" ]; do
		sleep 0.1
	done
	wait "$lab_words"
	if [ -e "$LAB_DIR/kept" ]; then
		pgrep -P "$lab_pid" >"$LAB_DIR/pid"
		exit 0
	fi
	wait "$lab_pid"
	lab_status=$?
	rm -rf --one-file-system "$LAB_DIR"
	if [ -n "${lab_root:-}" ]; then # the bind is seen here too where this root's mounts are shared
		umount -l "$lab_root" 2>/dev/null
		rmdir "$lab_root"
	fi
	exit "$lab_status"
fi

if ! mount -t proc proc /proc || ! mount -t tmpfs -o mode=755 tmpfs /run; then
	echo "lab: cannot mount a /proc and a /run of its own" >&2
	exit 1
fi
mkdir -p /run/netns /run/lock
export XDG_RUNTIME_DIR=/run HOME=/root
ip link set lo up
declare -A LAB_PID=()      # process of a gateway or spoke, by node
declare -a LAB_GATEWAYS=() # nodes that ran Sluice
LAB_FAILED=0
LAB_CHECKS=0

# ---------------------------------------------------------------------------------------------------------------------
# Reporting

note() {
	echo "   # $*"
}

pass() {
	LAB_CHECKS=$((LAB_CHECKS + 1))
	echo "   ok: $*"
}

fail() {
	LAB_CHECKS=$((LAB_CHECKS + 1))
	LAB_FAILED=$((LAB_FAILED + 1))
	echo "   NOT OK: $*"
}

# check DESCRIPTION COMMAND...: the command must succeed; its words are shown when it does not.
check() {
	local description=$1 words
	shift
	if words=$("$@" 2>&1); then
		pass "$description"
		return 0
	fi
	fail "$description"
	printf '%s\n' "$words" | tail -n 15 | sed 's/^/      | /'
	return 1
}

# check_not DESCRIPTION COMMAND...: the command must fail.
check_not() {
	local description=$1
	shift
	if "$@" >/dev/null 2>&1; then
		fail "$description"
		return 1
	fi
	pass "$description"
}

# check_equal DESCRIPTION WANTED FOUND
check_equal() {
	if [ "$2" = "$3" ]; then
		pass "$1"
		return 0
	fi
	fail "$1: wanted '$2', found '$3'"
	return 1
}

# check_at_least DESCRIPTION LEAST FOUND (integers)
check_at_least() {
	if [ "${3:-0}" -ge "$2" ] 2>/dev/null; then
		pass "$1 ($3)"
		return 0
	fi
	fail "$1: wanted at least $2, found '$3'"
	return 1
}

die() {
	fail "$*"
	lab_end
}

# Ends a scenario: its status is 0 only if every check held, and on a failure the gateways' last words are shown.
lab_end() {
	local node
	if [ "$LAB_FAILED" -gt 0 ]; then
		for node in "${LAB_GATEWAYS[@]}"; do
			echo "   --- log of $node"
			tail -n 40 "$LAB_DIR/$node.log" | sed 's/^/      | /'
			if gateway_runs "$node"; then
				echo "   --- sluice show drops, workers of $node"
				{ sluice "$node" show drops; sluice "$node" show workers; } 2>&1 | sed 's/^/      | /'
			fi
		done
	fi
	for node in "${LAB_GATEWAYS[@]}"; do
		! gateway_runs "$node" || gateway_stop "$node"
	done
	echo "   $((LAB_CHECKS - LAB_FAILED)) of $LAB_CHECKS checks hold"
	[ "$LAB_FAILED" -eq 0 ]
	exit
}

# Leaves the lab running behind the script's back: $LAB_DIR/enter NODE [COMMAND...] goes in, $LAB_DIR/stop ends it.
lab_keep() {
	local node
	cat >"$LAB_DIR/enter" <<-'EOT'
		#!/bin/bash
		# enter NODE [COMMAND...]: a shell, or a command, on a node of this lab
		dir=$(dirname "$(readlink -f "$0")")
		node=$1
		shift
		[ $# -gt 0 ] || set -- bash
		exec nsenter -t "$(cat "$dir/pid")" -r -m -n -p ip netns exec "$node" "$@"
	EOT
	cat >"$LAB_DIR/stop" <<-'EOT'
		#!/bin/bash
		# ends this lab and takes everything of it away
		dir=$(dirname "$(readlink -f "$0")")
		pid=$(cat "$dir/pid")
		kill -TERM "$pid"
		while [ -d "/proc/$pid" ]; do sleep 0.1; done
		rm -rf "$dir"
	EOT
	chmod 0755 "$LAB_DIR/enter" "$LAB_DIR/stop"
	: >"$LAB_DIR/kept"
	echo 'lab: kept'
	exec >/dev/null 2>&1
	trap 'for node in "${LAB_GATEWAYS[@]}"; do gateway_stop "$node"; done; exit 0' TERM
	while :; do
		sleep 3600 &
		wait $!
	done
}

# ---------------------------------------------------------------------------------------------------------------------
# Waiting

# until_true SECONDS COMMAND...: asks until the command succeeds; fails when it has not by then.
until_true() {
	local deadline=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
	shift
	while ! "$@" >/dev/null 2>&1; do
		[ "${EPOCHREALTIME/[.,]/}" -lt "$deadline" ] || return 1
		sleep 0.05
	done
}

# until_equal SECONDS WANTED COMMAND...: asks until the command prints WANTED.
until_equal() {
	local seconds=$1
	until_true "$seconds" prints "${@:2}"
}

prints() {
	local wanted=$1
	shift
	[ "$("$@" 2>/dev/null)" = "$wanted" ]
}

# Milliseconds of a clock that only goes forward.
now_ms() {
	local up
	read -r up _ </proc/uptime
	echo $((10#${up/./} * 10))
}

# ---------------------------------------------------------------------------------------------------------------------
# Nodes and links

# node NAME...: a namespace each, with its loopback up.
node() {
	local name
	for name in "$@"; do
		ip netns add "$name" || die "cannot make the network namespace $name"
		on "$name" ip link set lo up
		# addresses are usable at once; nobody else is on these links
		set_sysctl "$name" net/ipv6/conf/default/accept_dad 0
		set_sysctl "$name" net/ipv6/conf/all/accept_dad 0
	done
}

on() {
	local name=$1
	shift
	ip netns exec "$name" "$@"
}

set_sysctl() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	on "$1" sh -c 'echo "$1" >"/proc/sys/$0"' "$2" "$3"
}

# A node that Sluice runs on: the kernel must stay silent on its interfaces, so they get no link-local addresses either.
gateway_node() {
	local name
	node "$@"
	for name in "$@"; do
		set_sysctl "$name" net/ipv6/conf/default/disable_ipv6 1
	done
}

# A node whose kernel forwards between its links.
router_node() {
	node "$1"
	set_sysctl "$1" net/ipv4/ip_forward 1
	# packets may take one way there and another back
	set_sysctl "$1" net/ipv4/conf/all/rp_filter 0
	set_sysctl "$1" net/ipv4/conf/default/rp_filter 0
	set_sysctl "$1" net/ipv6/conf/all/forwarding 1
}

# link NODE IFACE NODE IFACE: a veth pair. Offloads are off, else frames leave unfinished and up to 64 KB long.
link() {
	ip link add "$2" netns "$1" type veth peer name "$4" netns "$3" || die "cannot make the link $1/$2 - $3/$4"
	plain_link "$1" "$2"
	plain_link "$3" "$4"
}

plain_link() {
	on "$1" ethtool -K "$2" tx off tso off gso off >/dev/null
	on "$1" ip link set "$2" up
}

# address NODE IFACE ADDRESS/LENGTH...
address() {
	local name=$1 iface=$2 one
	shift 2
	for one in "$@"; do
		if [[ $one == *:* ]]; then
			on "$name" ip address add "$one" dev "$iface" nodad
		else
			on "$name" ip address add "$one" dev "$iface"
		fi
	done
}

# route NODE PREFIX WORDS-OF-IP-ROUTE...
route() {
	local name=$1 to=$2
	shift 2
	if [[ "$to $*" == *:* ]]; then
		on "$name" ip -6 route replace "$to" "$@"
	else
		on "$name" ip route replace "$to" "$@"
	fi
}

mac_of() {
	on "$1" cat "/sys/class/net/$2/address"
}

# ---------------------------------------------------------------------------------------------------------------------
# Sluice

# gateway_start NODE: runs Sluice there with $LAB_DIR/NODE.yaml, whose `name` is NODE, and waits until it forwards.
gateway_start() {
	gateway_launch "$1"
	if ! until_true "${2:-20}" gateway_ready_or_gone "$1" || ! gateway_is_ready "$1"; then
		die "the gateway $1 did not say 'sluice: ready'"
	fi
	[ -z "${SL_TEST_SIMD:-}" ] || check "$1 runs at $SL_TEST_SIMD" gateway_at_level "$1"
}

gateway_launch() {
	local name=$1
	[[ " ${LAB_GATEWAYS[*]-} " == *" $name "* ]] || LAB_GATEWAYS+=("$name")
	chmod 0600 "$LAB_DIR/$name.yaml"
	: >"$LAB_DIR/$name.out"
	ip netns exec "$name" "$SLUICE" run -c "$LAB_DIR/$name.yaml" >"$LAB_DIR/$name.out" 2>>"$LAB_DIR/$name.log" &
	LAB_PID[$name]=$!
}

gateway_at_level() {
	json "$1" workers '.workers[].aead' | grep -w "$SL_TEST_SIMD"
}

gateway_is_ready() {
	grep -qx 'sluice: ready' "$LAB_DIR/$1.out"
}

gateway_runs() {
	[ -n "${LAB_PID[$1]:-}" ] && kill -0 "${LAB_PID[$1]}" 2>/dev/null
}

gateway_ready_or_gone() {
	gateway_is_ready "$1" || ! gateway_runs "$1"
}

# gateway_stop NODE: SIGTERM must end it with status 0 and leave no socket behind.
gateway_stop() {
	local name=$1 status pid=${LAB_PID[$1]}
	kill -TERM "$pid"
	if ! until_true 10 process_gone "$pid"; then
		kill -KILL "$pid"
		fail "$name did not stop on SIGTERM"
	fi
	wait "$pid"
	status=$?
	unset "LAB_PID[$name]"
	[ "$status" -eq 0 ] || fail "$name ended with status $status on SIGTERM"
	[ ! -e "/run/sluice/$name.sock" ] || fail "$name left /run/sluice/$name.sock behind"
}

process_gone() {
	local state
	state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null)
	[ -z "$state" ] || [ "$state" = Z ]
}

# gateway_kill NODE: as a crash would.
gateway_kill() {
	kill -KILL "${LAB_PID[$1]}"
	wait "${LAB_PID[$1]}" 2>/dev/null
	unset "LAB_PID[$1]"
}

# sluice NODE COMMAND...: a client command to the gateway of that node.
sluice() {
	local name=$1 command=$2
	shift 2
	on "$name" "$SLUICE" "$command" -n "$name" "$@"
}

# json NODE WHAT FILTER: one value out of `sluice show WHAT --json`.
json() {
	sluice "$1" show "$2" --json | jq -r "$3"
}

# drops NODE REASON: how many packets the gateway has dropped for that reason.
drops() {
	json "$1" drops "[.drops[] | select(.reason == \"$2\") | .packets] | add // 0"
}

# Every worker accounts for every packet, and every buffer not on a queue is back in the pool.
gateway_balanced() {
	local jq_balanced='
		([.workers[] | (.received + .generated + ."from-control")
			== (.transmitted + .dropped + .delivered + ."to-control" + .merged + .queued)] | all)
		and (.mbufs."in-use" == .mbufs.baseline + ([.workers[].queued] | add))'
	[ "$(json "$1" workers "$jq_balanced")" = true ]
}

# The end of every scenario: conservation of packets and buffers, as docs/architecture.md defines it, within LAB_PATIENCE
# seconds (10).
check_conservation() {
	local name
	[ -z "${LAB_STAND_IN:-}" ] || return 0
	for name in "$@"; do
		if until_true "${LAB_PATIENCE:-10}" gateway_balanced "$name"; then
			pass "$name: every packet and every buffer is accounted for"
		else
			fail "$name: packets or buffers are not accounted for"
			sluice "$name" show workers --json | jq -c '.workers[], .mbufs' | sed 's/^/      | /'
		fi
	done
}

# ---------------------------------------------------------------------------------------------------------------------
# wireguard-go

# keys NAME...: makes $LAB_DIR/NAME.key and NAME.pub.
keys() {
	local name
	for name in "$@"; do
		(umask 077 && wg genkey >"$LAB_DIR/$name.key")
		wg pubkey <"$LAB_DIR/$name.key" >"$LAB_DIR/$name.pub"
	done
}

psk() {
	(umask 077 && wg genpsk >"$LAB_DIR/$1.psk")
}

public_key() {
	cat "$LAB_DIR/$1.pub"
}

# wireguard_go NODE IFACE: starts wireguard-go with an interface of that name (unique within the lab).
wireguard_go() {
	WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD=1 LOG_LEVEL=error \
		ip netns exec "$1" wireguard-go -f "$2" >"$LAB_DIR/$1.$2.log" 2>&1 &
	LAB_PID[$1]=$!
	until_true 10 test -S "/run/wireguard/$2.sock" || die "wireguard-go did not start on $1"
}

wireguard_go_stop() {
	kill -TERM "${LAB_PID[$1]}"
	wait "${LAB_PID[$1]}" 2>/dev/null
	unset "LAB_PID[$1]"
}

# handshake_age_known IFACE: the peer's wg says that a handshake has taken place.
handshake_done() {
	wg show "$1" latest-handshakes | awk '$2 > 0 { found = 1 } END { exit !found }'
}

# ---------------------------------------------------------------------------------------------------------------------
# Traffic

# lab_rate N: packets a second of a flow of which nothing may be lost. A gateway that sanitizers make slow (LAB_SLOW) may be
# away for longer than a kernel queue holds of a fast one.
lab_rate() {
	local slower=${LAB_SLOW:+4}
	echo $(($1 / ${slower:-1}))
}

# pings NODE ADDRESS [SECONDS]: three echoes come back within the time; lost ones are sent again.
pings() {
	on "$1" ping -n -q -c 3 -i 0.1 -W 1 -w "${3:-10}" "$2"
}

# pings_all NODE ADDRESS COUNT: not one of them is lost.
pings_all() {
	local i
	# one at a time: once something has been answered, ping waits two round trips for the rest, whatever -W says
	for ((i = 0; i < $3; i++)); do
		on "$1" ping -n -q -c 1 -W 2 "$2" || return 1
	done
}

listening_on() {
	[ -n "$(on "$1" ss -Hltn "sport = :$2")" ]
}

# iperf CLIENT SERVER ADDRESS WORDS...: one run of iperf3; prints its JSON.
iperf() {
	local client=$1 server=$2 to=$3 port=5201 pid
	shift 3
	ip netns exec "$server" iperf3 -s -1 -p $port >/dev/null 2>&1 &
	pid=$!
	until_true 5 listening_on "$server" $port || { echo "iperf3 does not listen on $server" >&2; return 1; }
	timeout 60 ip netns exec "$client" iperf3 -c "$to" -p $port --connect-timeout 5000 -J "$@" >"$LAB_DIR/iperf.json"
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	cat "$LAB_DIR/iperf.json"
}

# tcp_works CLIENT SERVER ADDRESS [WORDS...]: a short TCP transfer arrives; prints Mbit/s.
tcp_works() {
	local rate
	rate=$(iperf "$@" -n 4M | jq -r '(.end.sum_received.bits_per_second // 0) / 1000000 | floor')
	echo "${rate:-0}"
	[ "${rate:-0}" -gt 0 ]
}

# capture_start NAME NODE IFACE FILTER...: tcpdump into $LAB_DIR/NAME.pcap.
capture_start() {
	local name=$1 where=$2 iface=$3
	shift 3
	ip netns exec "$where" tcpdump -i "$iface" -n -U --immediate-mode -B 16384 -w "$LAB_DIR/$name.pcap" "$@" \
		2>"$LAB_DIR/$name.tcpdump" &
	LAB_PID[tcpdump-$name]=$!
	until_true 5 grep -q 'listening on' "$LAB_DIR/$name.tcpdump" || die "tcpdump did not start on $where/$iface"
}

capture_stop() {
	kill -TERM "${LAB_PID[tcpdump-$1]}"
	wait "${LAB_PID[tcpdump-$1]}" 2>/dev/null
	unset "LAB_PID[tcpdump-$1]"
}

# captured NAME FILTER...: how many captured packets match.
captured() {
	local name=$1
	shift
	tcpdump -n -r "$LAB_DIR/$name.pcap" "$@" 2>/dev/null | wc -l
}
