# What an init script meets on a router, as far as wandns.init needs it. It
# prints the calls of procd. The test sets $R, the router's root, and $REAL if what
# is given to somebody is really to be given.

config_load() {
	local file="${UCI_CONFIG_DIR:-$R/etc/config}/$1"
	[ -e "$file" ] && ! grep -q broken "$file" || return 1
	while read -r kind name value; do
		[ "$kind" != option ] || { eval "CONFIG_global_$name=\$value" && option_cb "$name" "$value"; }
	done <"$file"
}
reset_cb() { option_cb() { :; }; }
reset_cb
config_get() {
	eval "$1=\${CONFIG_$2_$3:-\$4}" # also what another file has said
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
