# SPDX-License-Identifier: MIT
# Open vSwitch, a neighbour in the tests of teams, below $CACHE/openvswitch; sourced by scripts/setup.
#
# It is unpacked, not installed: the installed package would start a switch of its own, now and at
# every boot. A system that has it keeps what it has.

setup_openvswitch() {
	local dir=$CACHE/openvswitch codename

	! command -v ovs-vswitchd >/dev/null || return 0
	[ ! -e "$dir/usr/share/openvswitch/vswitch.ovsschema" ] || return 0
	private_apt_start
	codename=$(system_codename)
	say "Open vSwitch: fetching it, to be used by tests alone"
	apt_world "$codename" "$APT_KEYRING" "$codename"
	rm -rf "$dir" "$dir.new"
	world_unpack "$codename" "$dir.new" openvswitch-common openvswitch-switch
	mv "$dir.new" "$dir"
}
