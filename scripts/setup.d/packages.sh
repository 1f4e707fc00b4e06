# SPDX-License-Identifier: MIT
# Packages from the system's own apt; sourced by scripts/setup.

BUILD_PACKAGES=(
	gcc make pkg-config libc6-dev binutils flex bison bc
	liburing-dev libslirp-dev libglib2.0-dev libjansson-dev libpcap-dev libseccomp-dev libcap-ng-dev
	libsystemd-dev libmnl-dev libcunit1-dev libgraphviz-dev
	python3 ca-certificates
)
TEST_PACKAGES=(
	clang clang-tidy cppcheck sparse iproute2 iputils-ping tcpdump iperf3 procps
	util-linux netcat-openbsd tshark python3-scapy python3-jsonschema
	libunbound8 libnuma1 libxdp1 libbpf1	# of Open vSwitch (openvswitch.sh)
)
# busybox is the guests' user land; libelf and libssl are what a kernel's build tools link to.
GUEST_PACKAGES=(busybox-static gcc make libc6-dev libelf-dev libssl-dev kmod xz-utils pahole python3 ethtool)

as_root() {
	if [ "$EUID" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "not root, and no sudo here; as root, run:" "  $*"
	fi
}

# need_packages PURPOSE NAME...: installs those of them that are missing.
need_packages() {
	local purpose=$1 name
	local -A have=()
	local missing=()

	shift
	command -v apt-get >/dev/null || die "this set-up knows Debian 12 and 13 only: no apt-get here"
	# One query for all; it exits non-zero for a name it does not know, which is an answer too.
	while read -r status name; do
		[ "$status" = ii ] && have[${name%%:*}]=1
	done < <(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null)
	for name; do
		[ -n "${have[$name]:-}" ] || missing+=("$name")
	done
	[ ${#missing[@]} -gt 0 ] || return 0

	say "installing for $purpose: ${missing[*]}"
	[ "$EUID" -eq 0 ] || say "(with sudo: it may ask for your password)"
	logged "apt-get update" as_root apt-get update
	logged "installing ${missing[*]}" as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y --no-install-recommends "${missing[@]}"
}
