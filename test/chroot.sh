#!/bin/bash
# chroot.sh: chroots of Debian suites, for the scripts that source this: matrix.sh
# and package.sh.  Needs root, and an apt that knows an archive of Debian.
#
# Each command in one runs in namespaces of its own: no process and no mount
# outlives it.  It sees the checkout in /src, read-only, as $sources has it.
chroot_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# Sets chroot_archive: where this machine's own packages come from.  Installs what
# makes chroots; output is shown where it fails.
chroot_prepare()
{
	local output

	[ "$(id -u)" = 0 ] || { echo 'needs root, for chroots' >&2; return 1; }
	command -v apt-get >/dev/null || { echo 'needs Debian' >&2; return 1; }
	if ! command -v mmdebstrap >/dev/null; then
		echo 'Installing mmdebstrap'
		output=$(test/install_packages.sh mmdebstrap 2>&1) || echo "$output"
	fi
	chroot_archive=$(chroot_find_archive)
	if [ -z "$chroot_archive" ]; then
		# The lists may be what is missing.
		apt-get -qq update
		chroot_archive=$(chroot_find_archive)
	fi
	[ -n "$chroot_archive" ] ||
		{ echo "this machine's apt knows no archive of Debian" >&2; return 1; }
}

chroot_find_archive()
{
	# shellcheck disable=SC2016 # apt's own variables
	apt-get indextargets --format '$(SITE) $(ORIGIN) $(RELEASE)' \
		'Created-By: Packages' |
		awk '$2 == "Debian" && $3 !~ /-/ { print $1; exit }'
}

# chroot_make FOLDER SUITES HOOK PACKAGE...: a minimal Debian with these packages and
# what they depend on.  A package can be asked of one suite: name/suite.  HOOK is a
# shell command that is run in it at last.
chroot_make()
{
	local folder=$1 suites=$2 hook=$3 suite sources=

	shift 3
	for suite in $suites; do
		sources+="deb [signed-by=$chroot_keyring] $chroot_archive $suite main"$'\n'
	done
	rm -rf --one-file-system "$folder.partial"
	# What is cut off leaves nothing that looks complete, and mounts nothing here.
	# shellcheck disable=SC2016 # expanded there
	printf '%s' "$sources" |
		unshare --mount --pid --fork --kill-child --mount-proc \
			mmdebstrap --quiet --mode=root --variant=apt \
			--keyring=$chroot_keyring --include="$(IFS=,; echo "$*")" \
			--aptopt='APT::Install-Recommends "false"' \
			--aptopt='Acquire::Check-Valid-Until "false"' \
			--aptopt='Acquire::Languages "none"' \
			--aptopt='Acquire::Retries "3"' \
			--dpkgopt='path-exclude=/usr/share/man/*' \
			--dpkgopt='path-exclude=/usr/share/locale/*' \
			--dpkgopt='force-unsafe-io' \
			--setup-hook='mkdir -p "$1/etc/postgresql-common" "$1/usr/sbin"' \
			--setup-hook='echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.conf"' \
			--setup-hook='printf "#!/bin/sh\nexit 101\n" >"$1/usr/sbin/policy-rc.d"' \
			--setup-hook='chmod 755 "$1/usr/sbin/policy-rc.d"' \
			--customize-hook="chroot \"\$1\" sh -ec '$hook'" \
			"${suites%% *}" "$folder.partial" - &&
		mkdir -p "$folder.partial/src" "$folder.partial/shared" &&
		mv "$folder.partial" "$folder"
}

# chroot_run FOLDER COMMAND...: as root there.  Folders of this machine that
# chroot_shared names (there=here) are seen there too, those that are there.
declare -A chroot_shared=()
chroot_run()
{
	local folder=$1 there mounts=()

	shift
	for there in "${!chroot_shared[@]}"; do
		[ ! -d "${chroot_shared[$there]}" ] ||
			mounts+=("$there" "${chroot_shared[$there]}")
	done
	# shellcheck disable=SC2016 # expanded there
	unshare --mount --pid --ipc --fork --kill-child bash -c '
		set -eu
		folder=$1 sources=$2 count=$3
		shift 3
		mount -t proc proc "$folder/proc"
		mount -t tmpfs -o mode=1777 tmpfs "$folder/dev/shm"
		mount --bind -o ro "$sources" "$folder/src"
		for ((i = 0; i < count; i += 2)); do
			mkdir -p "$folder$1"
			mount --bind "$2" "$folder$1"
			shift 2
		done
		exec chroot "$folder" env -i HOME=/root LC_ALL=C.UTF-8 \
			PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
			"$@"
	' bash "$folder" "$sources" ${#mounts[@]} "${mounts[@]}" "$@" </dev/null
}
