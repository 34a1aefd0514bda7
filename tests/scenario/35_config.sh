#!/bin/bash
# What the kernel's self-test checks of configuration at scale: it reads back exactly (st10). And of destinations that no peer has: the ICMP
# errors come from our inside address (st08; what happens to such packets otherwise is in 10_clear.sh).
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

MANY=131072
PEERS=40
EACH=52
IPV6_ENTRIES=197
hub_network
spoke_network 1
hub_start 1
spoke_start 1 "$(hub_endpoint4)"
check "the tunnel is up" pings spoke1 $LAN4

# says NODE ADDRESS WORDS: ping says that.
says() {
	local words
	words=$(on "$1" ping -n -c 2 -i 0.2 -W 1 "$2" 2>&1)
	grep -iF "$3" <<<"$words" || { echo "$words"; return 1; }
}
check "st08: from a spoke: host unreachable, by the inside address" says spoke1 10.64.77.77 "From $HUB_INNER4 icmp_seq=1 Destination Host Unreachable"
check "st08: IPv6: address unreachable" says spoke1 fd00:64::7777 "From $HUB_INNER6 icmp_seq=1 Destination unreachable: Address unreachable"
check "st08: from the LAN" says lan 10.64.77.78 "From 10.20.0.1 icmp_seq=1 Destination Host Unreachable"
check "st08: from the LAN, IPv6" says lan fd00:64::7778 "From fd00:20::1 icmp_seq=1 Destination unreachable: Address unreachable"
wg set wg0 peer "$(wg genkey | wg pubkey)" allowed-ips 10.64.0.99/32
check "st08: a peer without an endpoint counts as none" says lan 10.64.0.99 "From 10.20.0.1 icmp_seq=1 Destination Host Unreachable"

# conf FILE: "KEY PREFIX..." lines as wg's file.
conf() {
	printf '[Interface]\nPrivateKey = %s\nListenPort = %d\n' "$(cat "$LAB_DIR/hub.key")" $HUB_PORT
	awk '{
		printf "[Peer]\nPublicKey = %s\n", $1
		for (i = 2; i <= NF; i++)
			print "AllowedIPs = " $i
	}' "$1"
}
# A line per peer and prefix; "(none)" for a peer without.
flat() {
	awk '{ if (NF < 2) print $1, "(none)"; for (i = 2; i <= NF; i++) print $1, $i }' "$@" | sort
}
# reads_back DESCRIPTION FILE: set, and read in the three ways.
reads_back() {
	local what=$1 file=$2 from_ms
	conf "$file" >"$LAB_DIR/wg.conf"
	from_ms=$(now_ms)
	check "st10: $what: wg setconf" wg setconf wg0 "$LAB_DIR/wg.conf"
	local set_ms=$(($(now_ms) - from_ms))
	flat "$file" >"$LAB_DIR/wanted"
	from_ms=$(now_ms)
	flat <(wg show wg0 allowed-ips) >"$LAB_DIR/found"
	note "$what: $(wc -l <"$LAB_DIR/wanted") entries, set in $set_ms ms, read in $(($(now_ms) - from_ms)) ms"
	check "st10: $what: reads back exactly" cmp "$LAB_DIR/wanted" "$LAB_DIR/found"
	wg showconf wg0 | tr -d , | awk '/^PublicKey/ { key = $3; n[key] += 0; list[++peers] = key }
		/^AllowedIPs/ { for (i = 3; i <= NF; i++) { n[key]++; print key, $i } }
		END { for (i = 1; i <= peers; i++) if (!n[list[i]]) print list[i], "(none)" }' | sort >"$LAB_DIR/found"
	check "st10: $what: and as wg showconf" cmp "$LAB_DIR/wanted" "$LAB_DIR/found"
}
key() {
	head -c 32 /dev/urandom | base64
}
{ echo "$(key) "; awk -v many=$MANY 'BEGIN {
	for (i = 0; i < many; i++) printf " 172.%d.%d.%d/32", 16 + i / 65536, i / 256 % 256, i % 256; print "" }'; } | tr -d '\n' >"$LAB_DIR/many"
echo >>"$LAB_DIR/many"
for ((i = 0; i < PEERS; i++)); do
	printf '%s' "$(key)"
	for ((k = 0; k < EACH; k++)); do
		printf ' 10.%d.%d.0/24' $((100 + i)) $k
	done
	echo
done >"$LAB_DIR/each"
for ((i = 0; i < PEERS; i++)); do
	key
done >"$LAB_DIR/none"
{
	printf '%s' "$(key)"
	for ((i = 0; i < IPV6_ENTRIES; i++)); do
		printf ' abcd:%x::/%d' $((i + 1)) $((32 + i % 96))
	done
	echo
} >"$LAB_DIR/ipv6"
cat "$LAB_DIR/each" "$LAB_DIR/none" "$LAB_DIR/ipv6" >"$LAB_DIR/mixed"

reads_back "$MANY allowed IPs of one peer" "$LAB_DIR/many"
reads_back "$PEERS peers with $EACH each" "$LAB_DIR/each"
reads_back "$PEERS peers without any" "$LAB_DIR/none"
reads_back "$IPV6_ENTRIES IPv6 entries" "$LAB_DIR/ipv6"
reads_back "all these but the first, together" "$LAB_DIR/mixed"
wg set wg0 peer "$(public_key spoke1)" allowed-ips "$(spoke_inner4 1)/32" endpoint 198.18.1.2:51821
check "st10: the gateway serves its peer again after all this" pings lan "$(spoke_inner4 1)"

check_conservation hub
lab_end
