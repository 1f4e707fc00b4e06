# SPDX-License-Identifier: MIT
# The kernels that guests boot, below $CACHE/kernels; sourced by scripts/setup.
#
#   $CACHE/kernels/VERSION/vmlinuz
#   $CACHE/kernels/VERSION/lib/modules/VERSION/	as installed, with modules.dep
#   $CACHE/kernels/VERSION/build/			for make -C .../build M=...
#   $CACHE/kernels/VERSION/series			"6.1" or "6.12"
#
# Two series: 6.1, Debian 12's, and 6.12, Debian 13's, which Debian 12 has as a backport that is
# built with Debian 12's compiler. A series that is there stays as it is; remove its folder to get
# the newest again.

setup_kernels() {
	local backport=trixie

	[ "$(system_codename)" != bookworm ] || backport=bookworm-backports
	setup_kernel 6.1 bookworm
	setup_kernel 6.12 "$backport"
	need_kernel_compilers
}

# setup_kernel SERIES SUITE
setup_kernel() {
	local series=$1 suite=$2 file version dir stage=$CACHE/kernels/.unpacking

	for file in "$CACHE"/kernels/*/series; do
		[ "$(cat "$file")" != "$series" ] || return 0
	done
	private_apt_start
	say "kernel $series: reading what $suite has"
	apt_world "$suite" "$APT_KEYRING" "$suite"
	version=$(newest_kernel "$suite" "$series")
	[ -n "$version" ] || die "$suite has no kernel $series for amd64 that comes with its headers"
	say "kernel $series: fetching $version and its headers (some 80 MB)"
	rm -rf "$stage"
	world_unpack "$suite" "$stage/root" $(kernel_packages "$suite" "$version")
	dir=$stage/$version
	arrange_kernel "$stage/root" "$version" "$dir"
	printf '%s\n' "$series" >"$dir/series"
	mv "$dir" "$CACHE/kernels/$version"
	rm -rf "$stage"
	say "kernel $series: $version is ready"
}

# The newest version of the series whose plain amd64 image and headers are both in the suite.
newest_kernel() {
	local suite=$1 series=$2

	in_world "$suite" apt-cache pkgnames linux-headers-"$series". |
		sed -n 's/^linux-headers-\([0-9].*\)-amd64$/\1/p' | grep -v -e -rt -e -cloud |
		sort -V | while read -r version; do
			in_world "$suite" apt-cache show "linux-image-$version-amd64" >/dev/null 2>&1 &&
				printf '%s-amd64\n' "$version"
		done | tail -n 1
}

# The image, the headers, and what these need of the kernel's own packages (-common, -kbuild, and
# the parts into which newer images are split).
kernel_packages() {
	local suite=$1 version=$2

	{
		printf 'linux-%s-%s\n' image "$version" headers "$version"
		in_world "$suite" apt-cache depends --recurse --no-recommends --no-suggests --no-breaks \
			--no-conflicts --no-replaces --no-enhances \
			"linux-image-$version" "linux-headers-$version" |
			sed -n 's/^[ |]*\(Pre\)\?Depends: \(linux-[a-z]*-[0-9][^ ]*\)$/\2/p' |
			grep -v '^linux-compiler-'
	} | sort -u
}

# arrange_kernel ROOT VERSION DIR: from packages unpacked in ROOT to the layout above.
arrange_kernel() {
	local from=$1 version=$2 dir=$3 headers link modules target

	headers=usr/src/linux-headers-$version
	mkdir -p "$dir/lib/modules"
	mv "$from/boot/vmlinuz-$version" "$dir/vmlinuz"
	for modules in "$from"/lib/modules/*/ "$from"/usr/lib/modules/*/; do
		mv "$modules" "$dir/lib/modules/"
	done
	mkdir -p "$dir/src/usr/lib"
	mv "$from/usr/src" "$dir/src/usr/"
	mv "$from"/usr/lib/linux-kbuild* "$dir/src/usr/lib/"
	# Inside the packages absolute names lead from the headers to the common part and kbuild.
	while IFS= read -r -d '' link; do
		target=$(readlink "$link")
		case $target in
		/lib/*|/usr/*) ln -sfn --relative "$dir/src$target" "$link" ;;
		esac
	done < <(find "$dir/src" -type l -print0)
	# The headers' Makefile includes the common one by its absolute name in the package.
	sed -i 's|^include /usr/src/|include $(abspath $(dir $(lastword $(MAKEFILE_LIST)))/..)/|' \
		"$dir/src/$headers/Makefile"
	ln -s "src/$headers" "$dir/build"
	ln -sfn ../../../build "$dir/lib/modules/$version/build"
	rm -f "$dir/lib/modules/$version/source"
	logged "indexing the modules of $version" depmod -b "$dir" "$version"
}

# Headers insist on the compiler that their kernel was built with.
need_kernel_compilers() {
	local file compilers=()

	for file in "$CACHE"/kernels/*/build/.kernelvariables; do
		compilers+=($(grep -o 'gcc-[0-9]\+' "$file" | sort -u))
	done
	[ ${#compilers[@]} -eq 0 ] || need_packages "kernel modules" "${compilers[@]}"
}
