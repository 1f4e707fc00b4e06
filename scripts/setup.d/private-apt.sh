# SPDX-License-Identifier: MIT
# apt with a state of its own below $CACHE/apt; sourced by scripts/setup.
#
# It believes that nothing is installed, knows only the suites it is told, and only downloads; so
# it can fetch packages of another release without root and without touching the system's apt. The
# system's proxies and credentials (apt.conf.d, auth.conf.d) stay in force.
#
# Trust: every suite is checked against debian-archive-keyring. A Debian 12 that was not upgraded
# for long may have a keyring from before Debian 13, so the newest keyring that the system's own
# suite holds, signed by keys the system already trusts, is fetched first and used for the others.

# The mirror that the system's own apt uses for its release. apt itself reads its configuration,
# so both .sources and sources.list are understood as apt does.
system_mirror() {
	local codename=$1 uri suite

	if [ -n "${HVNET_MIRROR:-}" ]; then
		printf '%s\n' "${HVNET_MIRROR%/}"
		return
	fi
	while read -r uri suite; do
		case $uri in http*|file:*|mirror*) ;; *) continue ;; esac
		case $suite in "$codename"|stable|oldstable) ;; *) continue ;; esac
		printf '%s\n' "${uri%/}"
		return
	done < <(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(CREATED_BY)' |
		sed -n 's/ main Packages$//p')
}

system_codename() { sed -n 's/^VERSION_CODENAME=//p' /etc/os-release; }

# apt_world NAME KEYRING SUITE...: a private apt named NAME that knows these suites' main lists.
# KEYRING may be empty: then the system's trusted keys count.
apt_world() {
	local dir=$CACHE/apt/$1 keyring=$2 mirror=$APT_MIRROR suite

	shift 2
	mkdir -p "$dir"/{state/lists/partial,cache/archives/partial,parts}
	: >"$dir/status"
	: >"$dir/preferences"
	for suite; do
		printf 'deb [arch=amd64%s] %s %s main\n' "${keyring:+ signed-by=$keyring}" "$mirror" "$suite"
	done >"$dir/sources.list"
	cat >"$dir/apt.conf" <<-END
		Dir::Etc::sourcelist "$dir/sources.list";
		Dir::Etc::sourceparts "$dir/parts";
		Dir::Etc::preferences "$dir/preferences";
		Dir::Etc::preferencesparts "$dir/parts";
		Dir::State "$dir/state";
		Dir::State::status "$dir/status";
		Dir::Cache "$dir/cache";
		APT::Architecture "amd64";
		APT::Sandbox::User "$(id -un 2>/dev/null || true)";
		APT::Install-Recommends "false";
		APT::Update::Post-Invoke { };
		Acquire::Languages "none";
		Acquire::Retries "3";
		Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
		Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
	END
	logged "reading the package lists of $* at $mirror" in_world "${dir##*/}" apt-get update \
		--error-on=any
}

in_world() {
	local name=$1
	shift
	APT_CONFIG=$CACHE/apt/$name/apt.conf "$@"
}

# world_unpack NAME DIR PACKAGE...: downloads exactly these packages and unpacks them into DIR.
world_unpack() {
	local name=$1 dir=$2 debs=$CACHE/apt/$1/debs deb

	shift 2
	rm -rf "$debs"
	mkdir -p "$debs" "$dir"
	(cd "$debs" && logged "downloading $*" in_world "$name" apt-get download "$@")
	for deb in "$debs"/*.deb; do
		logged "unpacking ${deb##*/}" dpkg-deb -x "$deb" "$dir"
	done
	rm -rf "$debs"
}

# Sets APT_MIRROR and APT_KEYRING; once per run, and only when something must be fetched.
private_apt_start() {
	local codename keys=$CACHE/apt/keyring file system=

	[ -z "${APT_KEYRING:-}" ] || return 0
	codename=$(system_codename)
	case $codename in
	bookworm|trixie) ;;
	*) die "this set-up knows Debian 12 and 13 only; this is '$codename'" ;;
	esac
	APT_MIRROR=$(system_mirror "$codename")
	[ -n "$APT_MIRROR" ] || die "the system's apt names no mirror of Debian $codename;" \
		"  run again with HVNET_MIRROR=URL in the environment"
	for file in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
		[ ! -e "$file" ] || system=$file
	done
	apt_world keyring-of-"$codename" "$system" "$codename"
	rm -rf "$keys"
	world_unpack keyring-of-"$codename" "$keys" debian-archive-keyring
	for file in "$keys"/usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
		[ ! -e "$file" ] || APT_KEYRING=$file
	done
	[ -n "${APT_KEYRING:-}" ] || die "debian-archive-keyring of $codename holds no keyring"
}
