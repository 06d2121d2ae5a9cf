# What an init script meets on a router, as far as wandns.init needs it. It
# prints the calls of procd. The test sets $R, the router's root, and $REAL if what
# is given to somebody is really to be given.

# A line without a section before it is in the global one.
config_load() {
	local section=global file="${UCI_CONFIG_DIR:-$R/etc/config}/$1"
	[ -e "$file" ] && ! grep -q broken "$file" || return 1
	while read -r kind name value; do
		case "$kind" in
		config) section=$value ;;
		option) eval "CONFIG_${section}_$name=\$value" && option_cb "$name" "$value" ;;
		esac
	done <"$file"
}
reset_cb() { option_cb() { :; }; }
reset_cb
config_get() {
	eval "$1=\${CONFIG_$2_$3:-\$4}" # also what another section, or file, has said
}
# uci -q [-c FOLDER] get FILE.SECTION.OPTION
uci() {
	local dir="$R/etc/config" file section
	shift
	[ "$1" != -c ] || { dir=$2 && shift 2; }
	IFS=. read -r file section name <<-EOT
		$2
	EOT
	! grep -q broken "$dir/$file" || return 1
	awk -v s="$section" -v o="$name" 'BEGIN { now = "global" }
		$1 == "config" { now = $3 }
		$1 == "option" && now == s && $2 == o { print $3; found = 1 }
		END { exit !found }' "$dir/$file"
}
uci_validate_section() {
	grep -q broken "$R/etc/config/wandns" && return 1
	enabled="$(sed -n "s|^option enabled ||p" "$R/etc/config/wandns")"
	enabled="${enabled:-0}"
}
user_exists() { grep -q "^$1:" "$R/etc/passwd"; }
logger() { sed 's/^/log: /'; }
# There may be no user wandns where this runs.
id() {
	if [ $# = 1 ]; then
		command id "$@"
	else
		sed -n "s/^$2:[^:]*:\([0-9]*\):.*/\1/p" "$R/etc/passwd"
	fi
}
for f in chown chgrp; do
	eval "$f() { give $f \"\$@\"; }"
done
give() {
	[ -z "$FAT" ] || return 1
	if [ -n "$REAL" ]; then
		# shellcheck disable=SC2001,SC2046 # options and names without spaces
		command $(echo "$*" | sed "s/wandns:wandns/$(id -u wandns):$(id -u wandns)/; s/^chgrp wandns/chgrp $(id -u wandns)/")
	else
		case "$*" in
		*' .'*) echo "$* in $(pwd -P)" ;;
		*) echo "$*" ;;
		esac
	fi
}

for f in open_instance close_instance set_param append_param add_jail add_jail_mount add_jail_mount_rw add_reload_trigger; do
	eval "procd_$f() { echo \"$f\${*:+ \$*}\"; }"
done
