# SPDX-License-Identifier: MIT
# A QEMU with vfio-user-pci, as $CACHE/bin/qemu-system-x86_64; sourced by scripts/setup.
#
# The system's own if it is new enough (10.1). Otherwise Debian 13's backport, unpacked with all
# the libraries it needs, C library included, into $CACHE/qemu; it runs through that C library's
# own loader, so it depends on nothing of the system's, and the system does not see it.

setup_qemu() {
	local qemu=$CACHE/bin/qemu-system-x86_64 system

	[ ! -x "$qemu" ] || return 0
	mkdir -p "$CACHE/bin"
	system=$(command -v qemu-system-x86_64 || true)
	if [ -n "$system" ] && has_vfio_user "$system"; then
		say "QEMU: the system's own has vfio-user"
		printf '#!/bin/sh\nexec %s "$@"\n' "$system" >"$qemu.new"
	else
		unpack_qemu
		write_qemu_wrapper >"$qemu.new"
	fi
	chmod +x "$qemu.new"
	has_vfio_user "$qemu.new" || die "the QEMU in $CACHE/qemu does not start or has no vfio-user:" \
		"  try $qemu.new -device help, or remove $CACHE/qemu and run again"
	mv "$qemu.new" "$qemu"
	say "QEMU: $("$qemu" --version | sed -n 1p)"
}

has_vfio_user() { "$1" -device help 2>/dev/null </dev/null | grep -q '"vfio-user-pci"'; }

unpack_qemu() {
	local dir=$CACHE/qemu archives=$CACHE/apt/qemu/cache/archives deb

	[ ! -e "$dir/.complete" ] || return 0
	private_apt_start
	say "QEMU: fetching Debian 13's backport (some 40 MB), to run beside the system's"
	apt_world qemu "$APT_KEYRING" trixie trixie-backports
	logged "downloading QEMU" in_world qemu apt-get -y --target-release trixie-backports \
		--download-only install qemu-system-x86
	rm -rf "$dir"
	mkdir -p "$dir"/usr/{bin,sbin,lib,lib64}
	# Debian 13's packages ship their files below /usr; the links keep absolute names valid.
	ln -s usr/bin usr/sbin usr/lib usr/lib64 "$dir"
	for deb in "$archives"/*.deb; do
		logged "unpacking ${deb##*/}" dpkg-deb -x "$deb" "$dir"
	done
	rm -f "$archives"/*.deb
	: >"$dir/.complete"
}

# The wrapper finds everything from its own place, so a cache may be moved as a whole.
write_qemu_wrapper() {
	cat <<-'END'
		#!/bin/sh
		# QEMU from $CACHE/qemu, through its own C library's loader; written by scripts/setup.
		root=$(dirname "$(readlink -f "$0")")/../qemu
		lib=$root/usr/lib/x86_64-linux-gnu
		export QEMU_MODULE_DIR="$lib/qemu"
		exec "$root/usr/lib64/ld-linux-x86-64.so.2" --library-path "$lib:$root/usr/lib" \
			"$root/usr/bin/qemu-system-x86_64" \
			-L "$root/usr/share/qemu" -L "$root/usr/share/seabios" \
			-L "$root/usr/lib/ipxe/qemu" "$@"
	END
}
