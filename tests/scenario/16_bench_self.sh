#!/bin/bash
# sluice bench self: every packet that is generated arrives and is right, for all directions, sizes and numbers of peers; the JSON
# and the plot have their shape; wrong use is told. No speed is asserted.
# shellcheck source=tests/scenario/lab.sh
. "${BASH_SOURCE[0]%/*}/lab.sh"

out=$LAB_DIR/self.json

# self WORDS...: one run with JSON to $out; the status is its own.
self() {
	timeout 100 "$SLUICE" bench self --json --seconds 0.05 "$@" >"$out" 2>"$LAB_DIR/self.err"
	local status=$?
	[ $status -eq 0 ] || sed 's/^/      | /' "$LAB_DIR/self.err"
	return $status
}

# of_all DESCRIPTION FILTER: true of every row
of_all() {
	check_equal "$1" true "$(jq "[.rows[] | $2] | all" "$out")"
}

counts_add_up() {
	of_all "$1: packets were sent" '.packets > 0 and .verified > 0 and .seconds > 0'
	of_all "$1: every packet arrived and none was dropped" '.arrived == .packets and .drops == 0 and .wrong == 0'
	of_all "$1: bytes are packets of that size" 'if .size == "imix" then .bytes > 64 * .packets else .bytes == .size * .packets end'
	of_all "$1: every part has its cycles" '[.cycles, .mpps, ."gbit-s", .generator.cycles, .sink.cycles] | all(. > 0)'
	of_all "$1: quartiles are in order" '[.generator, .sink, .encap, .decap, .wire | values | .low <= .cycles and .cycles <= .high] | all'
}

check "all sizes, both ways" self
check_equal "a row for each size" '[64,128,256,512,1024,1420,8900,"imix"]' "$(jq -c '[.rows[].size]' "$out")"
counts_add_up both
of_all "both gateways tell of their stages and of the AEAD" '.encap.stages.seal.cycles > 0 and .decap.stages.open.cycles > 0 and
	.encap."aead-share" > 0 and .decap."aead-share" > 0 and .wire.cycles > 0'
of_all "the pass is its parts" '(.cycles - .encap.cycles - .wire.cycles - .decap.cycles) | fabs < 1'

check "encap alone, to many peers" self --direction encap --size 64,imix --peers 1,999,20k
check_equal "a row for each size and number of peers" '[[1,64],[1,"imix"],[999,64],[999,"imix"],[20000,64],[20000,"imix"]]' \
	"$(jq -c '[.rows[] | [.peers, .size]]' "$out")"
counts_add_up encap
of_all "encap alone has no decap" 'has("encap") and (has("decap") or has("wire") | not)'

check "decap alone, a burst that does not divide the buffers" self --direction decap --size 65,1420 --peers 3 --burst 7 --buffers 100
counts_add_up decap
of_all "decap alone has no encap" 'has("decap") and (has("encap") | not)'

check "the plainest vectors and one packet at a time" self --simd sse --size 8900 --burst 1 --buffers 1
counts_add_up sse

# --- without privileges, and a plot

chmod 0711 "$LAB_DIR"
install -m 0755 "$SLUICE" "$LAB_DIR/sluice"
install -d -m 0777 "$LAB_DIR/plots"
check "as nobody, with a plot" env -u XDG_RUNTIME_DIR setpriv --reuid 65534 --regid 65534 --clear-groups "$LAB_DIR/sluice" bench self \
	--size 64,512 --seconds 0.05 --plot "$LAB_DIR/plots/self.svg"
check_equal "the plot ends as SVG does" '</svg>' "$(tail -n 1 "$LAB_DIR/plots/self.svg")"
check_equal "the plot has a bar for each row" 2 "$(grep -c '>[0-9]* B, 1 peer<' "$LAB_DIR/plots/self.svg")"
check_equal "nothing is left of DPDK's files" '' "$(find /run /tmp/sluice-?????? -path '*dpdk/sluice-*' 2>/dev/null)"

# --- an end before its time

# once it has used its core for a while, starting included; a sanitized build takes its time for that
measures() {
	awk -v most="${LAB_SLOW:+1}200" '{ exit !($14 + $15 >= most) }' "/proc/$bench/stat" # hundredths of a second
}
"$SLUICE" bench self --json --seconds 600 --size 64 >"$out" 2>"$LAB_DIR/self.err" &
bench=$!
check "it measures" until_true 100 measures
kill -INT "$bench"
wait "$bench"
check_equal "an interrupted run ends with status 1" 1 $?
check "and says so" grep -q 'stopped before the end' "$LAB_DIR/self.err"
counts_add_up interrupted

# --- wrong usage

# refused WORD WORDS...: ends with status 2 and names the word.
refused() {
	local word=$1
	shift
	"$SLUICE" bench "$@" >"$LAB_DIR/refused.out" 2>&1
	check_equal "bench $*: status 2" 2 $?
	check "bench $*: says what is wrong" grep -q -- "$word" "$LAB_DIR/refused.out" || sed 's/^/      | /' "$LAB_DIR/refused.out"
}

refused 'Usage' # no kind
refused 'no kind .nonsense' nonsense
refused 'from 64 to 8900' self --size 63
refused 'from 64 to 8900' self --size 64,,128
refused 'from 64 to 8900' self --size 8901
refused 'from 1 to 1M' self --peers 0
refused 'from 1 to 1M' self --peers 1000001
refused 'encap, decap or both' self --direction up
refused '1 to 64' self --burst 65
refused '1 to 16384' self --buffers 16385
refused 'above 0' self --seconds 0
refused 'above 0' self --seconds nan
refused 'sse, avx2 or avx512' self --simd mmx
refused 'core' self --core 4000
refused 'argument .more.' self more
refused 'no-such-option' self --no-such-option
"$SLUICE" bench self --size 64 --seconds 0.01 --plot /nowhere/self.svg >/dev/null 2>"$LAB_DIR/self.err"
check_equal "a plot that cannot be written ends with status 1" 1 $?
check "and says which" grep -q '/nowhere/self.svg' "$LAB_DIR/self.err"
lab_end
