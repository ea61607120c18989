# SPDX-License-Identifier: MIT
#
# What the scripts beside this have in common: as those of tests/programs (see lib.bash there),
# but long, and with the library simply preloaded, so that nothing at all may be added to stderr.
# `compare` is given its sides:
#     default    no settings
#     nodes      NUMATALLY_TOPOLOGY=2x1
#     full       NUMATALLY_CONF=check:full
# NT_PRELOAD=LIBRARY puts another allocator in our place.
# shellcheck source=tests/programs/lib.bash
. "$(dirname "${BASH_SOURCE[0]}")/../programs/lib.bash"

# What must not be root is nobody, who may come to $work/run and to the library.
as_user=()
[ "$(id -u)" != 0 ] ||
    as_user=(setpriv --reuid=nobody --regid=nogroup --clear-groups env "HOME=$work/run" "TMPDIR=$work/run")
chmod 711 "$work"
library=${NT_PRELOAD:-$work/malloc.so}
[ -n "${NT_PRELOAD-}" ] || install -m 755 "$build/libnumatally_malloc.so" "$library" ||
    skip "there is no $build/libnumatally_malloc.so: build it, or name the build folder in NT_BUILD"

run() {
    case $side in
    plain) "$@" ;;
    default) LD_PRELOAD=$library "$@" ;;
    nodes) LD_PRELOAD=$library NUMATALLY_TOPOLOGY=2x1 "$@" ;;
    full) LD_PRELOAD=$library NUMATALLY_CONF=check:full "$@" ;;
    esac
}

# mapped PROCESS: it or a child of its is without the library, or on the plain side with it:
# then it says so. Some may have ended by now.
mapped() {
    local pid maps
    for pid in "$1" $(pgrep -P "$1"); do
        maps=$(cat "/proc/$pid/maps" 2>/dev/null)
        [ -n "$maps" ] || continue
        if grep -q "$library" <<<"$maps"; then
            [ "$side" != plain ] || echo "process $pid is with the library"
        elif [ "$side" != plain ]; then
            echo "process $pid is without the library"
        fi
    done
}

# wait_for COMMAND...: until it holds; two minutes at most.
wait_for() {
    local tries
    for ((tries = 0; tries < 2400; tries++)); do
        ! "$@" >/dev/null 2>&1 || return 0
        sleep 0.05
    done
    echo "waited in vain for: $*"
    return 1
}

# A port of 127.0.0.1 where nobody listens.
free_port() {
    "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
