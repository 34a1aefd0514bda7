#!/bin/bash
# A mesh from one inventory: three sites, of which one runs Sluice, one wg-quick, and one wg-quick without an endpoint of its own; then the
# same sites with the first as their hub.
#
#   lana ── lan0 oslo wan0 ── inet ── wan0 bonn (LAN 10.2.0.1)
#                              └───── wan0 lima (LAN 10.3.0.1)
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

router_node inet
gateway_node oslo
node lana bonn lima
link inet to-oslo oslo wan0
link inet to-bonn bonn wan0
link inet to-lima lima wan0
link oslo lan0 lana eth0
address inet to-oslo 192.0.2.1/24
address inet to-bonn 198.18.0.1/24
address inet to-lima 203.0.113.1/24
address lana eth0 10.1.0.10/16
route lana default via 10.1.0.1
address bonn wan0 198.18.0.2/24
address bonn lo 10.2.0.1/16
route bonn default via 198.18.0.1
address lima wan0 203.0.113.2/24
address lima lo 10.3.0.1/16
route lima default via 203.0.113.1

cat >"$LAB_DIR/sites.yaml" <<EOT
network: [10.99.0.0/24, "fd99::/64"]
sites:
  oslo:
    endpoint: 192.0.2.2
    lans: [10.1.0.0/16]
    ports:
      wan0: {device: "af_packet:wan0", addresses: [192.0.2.2/24], gateway: 192.0.2.1}
      lan0: {device: "af_packet:lan0", addresses: [10.1.0.1/16]}
  bonn: {endpoint: "198.18.0.2:4500", listen-port: 4500, lans: [10.2.0.0/16]}
  lima: {lans: [10.3.0.0/16]}
EOT
mesh=$LAB_DIR/mesh
check "an inventory becomes a mesh" "$SLUICE" mesh "$LAB_DIR/sites.yaml" -o "$mesh"
cp -r "$mesh" "$LAB_DIR/first"
check "and again" "$SLUICE" mesh "$LAB_DIR/sites.yaml" -o "$mesh"
check "with the same files" diff -r "$LAB_DIR/first" "$mesh"
check_equal "that only their owner reads" "" "$(find "$mesh" -type f -perm /077)"
for site in oslo bonn lima; do
	check "check takes $site's configuration" "$SLUICE" check -c "$mesh/$site.yaml"
	check "wg-quick takes $site's file" wg-quick strip "$mesh/$site.conf"
	(umask 077 && "$SLUICE" import --port wan0=af_packet:wan0 "$mesh/$site.conf" >"$LAB_DIR/imported.yaml" 2>"$LAB_DIR/import.err")
	check "import takes it as well, and check what it prints" "$SLUICE" check -c "$LAB_DIR/imported.yaml"
done

# two sites that each do not say where they are
sed 's/endpoint: "198.18.0.2:4500", //' "$LAB_DIR/sites.yaml" >"$LAB_DIR/lost.yaml"
check_not "a pair of which neither is found is refused" "$SLUICE" mesh "$LAB_DIR/lost.yaml" -o "$LAB_DIR/lost"
check_not "and nothing is written" test -e "$LAB_DIR/lost"

oslo_yaml() (
	umask 077
	printf 'name: oslo\ndataplane: {workers: 1%s}\n' "$LAB_SIMD" | cat - "$mesh/oslo.yaml" >"$LAB_DIR/oslo.yaml"
)
oslo_yaml
gateway_start oslo
# wireguard-go stays behind and must not hold on to the words of the check
up() {
	on "$1" env WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD=1 LOG_LEVEL=error \
		wg-quick up "$mesh/$1.conf" >"$LAB_DIR/$1.up" 2>&1
}
for site in bonn lima; do
	check "wg-quick brings $site up" up $site || sed 's/^/      | /' "$LAB_DIR/$site.up"
done

check "the site without an endpoint is reached from oslo's LAN" until_true 20 pings lana 10.3.0.1 2
check "and so is bonn's LAN" pings lana 10.2.0.1
check "oslo's LAN from bonn's" on bonn ping -n -q -c 3 -i 0.1 -w 10 -I 10.2.0.1 10.1.0.10
check "oslo's LAN from lima's" on lima ping -n -q -c 3 -i 0.1 -w 10 -I 10.3.0.1 10.1.0.10
check "bonn and lima directly, by their own link" on bonn ping -n -q -c 3 -i 0.1 -w 10 -I 10.2.0.1 10.3.0.1
check "IPv6 inside, from bonn to lima" pings bonn fd99::3
check "and to oslo" pings bonn fd99::1
check_equal "oslo has a handshake with both" 2 "$(json oslo peers '[.peers[] | select(."latest-handshake" > 0)] | length')"
check_equal "and each has a preshared key of its own" 2 "$(grep -h preshared-key "$mesh/oslo.yaml" | sort -u | wc -l)"

# the same sites and keys, another topology, and one site more in front
cp -r "$mesh" "$LAB_DIR/full"
down() {
	on "$1" wg-quick down "$mesh/$1.conf" >"$LAB_DIR/$1.down" 2>&1
}
for site in bonn lima; do
	check "wg-quick takes $site down" down $site
done
sed 's/^sites:$/topology: hub-and-spoke\nhub: oslo\nsites:\n  kyiv: {lans: [10.4.0.0\/16]}/' "$LAB_DIR/sites.yaml" >"$LAB_DIR/spokes.yaml"
check "the inventory becomes a hub and its spokes" "$SLUICE" mesh "$LAB_DIR/spokes.yaml" -o "$mesh"
check "sites keep their keys" diff -r -x '*kyiv*' "$LAB_DIR/full/keys" "$mesh/keys"
for site in oslo bonn lima; do
	check_equal "$site keeps its addresses" "$(grep '^Address' "$LAB_DIR/full/$site.conf")" "$(grep '^Address' "$mesh/$site.conf")"
done
check_equal "a spoke has one peer" 1 "$(grep -c '^\[Peer\]' "$mesh/bonn.conf")"
oslo_yaml
sluice oslo reload >"$LAB_DIR/reload" || fail "the hub takes its configuration: $(cat "$LAB_DIR/reload")"
check_equal "of which only the new site is a change" "+ peer wg0/kyiv" "$(grep '^[-+~]' "$LAB_DIR/reload")"
for site in bonn lima; do
	check "wg-quick brings $site up" up $site || sed 's/^/      | /' "$LAB_DIR/$site.up"
done
check "lima's LAN from bonn's, through the hub" until_true 30 on bonn ping -n -q -c 3 -i 0.1 -w 2 -I 10.2.0.1 10.3.0.1
check "and back" on lima ping -n -q -c 3 -i 0.1 -w 10 -I 10.3.0.1 10.2.0.1
check "IPv6 inside, by the hub" pings bonn fd99::3
check "oslo's LAN from lima's" on lima ping -n -q -c 3 -i 0.1 -w 10 -I 10.3.0.1 10.1.0.10

# what ran with wg-quick runs with Sluice, once its port has the machine's addresses
check "wg-quick takes lima down" down lima
on lima ip address flush dev wan0
set_sysctl lima net/ipv6/conf/wan0/disable_ipv6 1
(
	umask 077
	"$SLUICE" import --port wan0=af_packet:wan0 "$mesh/lima.conf" 2>"$LAB_DIR/import.err" |
		sed 's|{device: "af_packet:wan0"}|{device: "af_packet:wan0", addresses: [203.0.113.2/24], gateway: 203.0.113.1}|' |
		cat - <(printf 'name: lima\ndataplane: {workers: 1%s}\n' "$LAB_SIMD") >"$LAB_DIR/lima.yaml"
)
gateway_start lima
check "lima is reached from bonn, through the hub" until_true 30 pings bonn 10.99.0.3 2
check "IPv6 too" pings bonn fd99::3
check "and from the hub's LAN" pings lana 10.99.0.3
check_conservation lima
check_conservation oslo
lab_end
