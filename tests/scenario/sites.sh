# shellcheck shell=bash
# Two sites, a Sluice gateway each, on top of lab.sh:
#
#   lana ── lan0 sitea wan0 ── inet ── wan0 siteb lan0 ── lanb
#
#            outside                      inside
#   sitea    192.0.2.2   2001:db8:a::2    10.64.0.1  fd00:64::1    LAN 10.1.0.0/16  fd00:1::/64
#   siteb    198.18.0.2  2001:db8:b::2    10.64.0.2  fd00:64::2    LAN 10.2.0.0/16  fd00:2::/64
# shellcheck source=tests/scenario/hub.sh
. "${BASH_SOURCE[0]%/*}/hub.sh"

LANA4=10.1.0.10 LANA6=fd00:1::10
LANB4=10.2.0.10 LANB6=fd00:2::10

sites_network() {
	router_node inet
	gateway_node sitea siteb
	node lana lanb
	link inet to-sitea sitea wan0
	link inet to-siteb siteb wan0
	link sitea lan0 lana eth0
	link siteb lan0 lanb eth0
	address inet to-sitea 192.0.2.1/24 2001:db8:a::1/64
	address inet to-siteb 198.18.0.1/24 2001:db8:b::1/64
	address lana eth0 $LANA4/16 $LANA6/64
	address lanb eth0 $LANB4/16 $LANB6/64
	route lana default via 10.1.0.1
	route lana ::/0 via fd00:1::1
	route lanb default via 10.2.0.1
	route lanb ::/0 via fd00:2::1
	keys sitea siteb
	psk sites
}

# site_yaml NAME NUMBER OUTER4 OUTER6 PEER PEER-NUMBER PEER-ENDPOINT WORKERS
site_yaml() {
	cat <<-YAML
		version: 1
		name: $1
		dataplane: {workers: $8$LAB_SIMD}
		ports:
		  wan0: {device: "af_packet:wan0", addresses: [$3.2/24, "$4::2/64"], gateway: [$3.1, "$4::1"]}
		  lan0: {device: "af_packet:lan0", addresses: [10.$2.0.1/16, "fd00:$2::1/64"]}
		interfaces:
		  wg$1:
		    private-key-file: $1.key
		    listen-port: 51820
		    addresses: [10.64.0.$2/24, "fd00:64::$2/64"]
		    peers:
		      $5:
		        public-key: "$(public_key "$5")"
		        preshared-key-file: sites.psk
		        endpoint: "$7"
		        allowed-ips: [10.64.0.$6/32, 10.$6.0.0/16, "fd00:64::$6/128", "fd00:$6::/64"]
	YAML
}

# sites_start WORKERS FAMILY
sites_start() {
	local a=192.0.2.2:51820 b=198.18.0.2:51820
	if [ "$2" = v6 ]; then
		a='[2001:db8:a::2]:51820' b='[2001:db8:b::2]:51820'
	fi
	site_yaml sitea 1 192.0.2 2001:db8:a siteb 2 $b "$1" >"$LAB_DIR/sitea.yaml"
	site_yaml siteb 2 198.18.0 2001:db8:b sitea 1 $a "$1" >"$LAB_DIR/siteb.yaml"
	gateway_start sitea
	gateway_start siteb
}
