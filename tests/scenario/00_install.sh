#!/bin/bash
# scripts/install puts the binary, every man page and the unit in place, and takes away exactly what it has put there.
set -uo pipefail
root=$(readlink -f "${BASH_SOURCE[0]%/*}/../..")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0
expect() {
	local description=$1
	shift
	if "$@"; then
		echo "   ok: $description"
	else
		echo "   NOT OK: $description"
		failed=1
	fi
}
no_files() {
	[ -z "$(find "$folder" -type f ! -name mine.yaml)" ]
}

install_it() {
	DESTDIR=$folder "$root/scripts/install" --prefix /opt/gateway "$@"
}
mkdir -p "$folder/etc/sluice"
: >"$folder/etc/sluice/mine.yaml"
for round in first second; do
	expect "$round installation" install_it
done
expect "the binary runs" "$folder/opt/gateway/bin/sluice" --version
for page in "$root"/docs/man/*.[1-8]; do
	expect "man page ${page##*/}" cmp "$page" "$folder/opt/gateway/share/man/man${page##*.}/${page##*/}"
done
unit=$folder/opt/gateway/lib/systemd/system/sluice@.service
expect "the unit starts this binary" grep -qx 'ExecStart=/opt/gateway/bin/sluice run -c /etc/sluice/%i.yaml' "$unit"
expect "the unit waits for readiness" grep -qx 'Type=notify' "$unit"
# shellcheck disable=SC2016 # systemd expands it
expect "the unit reloads with SIGHUP" grep -qx 'ExecReload=/bin/kill -HUP $MAINPID' "$unit"
expect "nothing in the unit is left to fill in" test -z "$(grep -o '@[A-Z]*@' "$unit")"
if command -v systemd-analyze >/dev/null; then
	# it looks for the binary at its final place
	sed "s|/opt/gateway|$folder/opt/gateway|g" "$unit" >"$folder/sluice@test.service"
	expect "systemd takes the unit" test -z "$(systemd-analyze verify --man=no "$folder/sluice@test.service" 2>&1 | grep -F sluice@)"
	rm "$folder/sluice@test.service"
fi
expect "uninstallation" install_it --uninstall
expect "nothing is left but what was there before" no_files
expect "the configuration is still there" test -f "$folder/etc/sluice/mine.yaml"
exit $failed
