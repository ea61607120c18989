#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The crate in bindings/rust by Debian's cargo, its tests, and the programs of docs/guide.md in
# both languages: they print what stands there.
set -euo pipefail
: "${NT_SOURCE:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${NT_BUILD:=$NT_SOURCE/build/release}"
work=$(mktemp -d "${TMPDIR:-/tmp}/numatally-docs-XXXXXX")
trap 'rm -rf "$work"' EXIT
unset NUMATALLY_CONF NUMATALLY_CONF_FILE NUMATALLY_TOPOLOGY LD_PRELOAD
export NUMATALLY_LIB_DIR=$NT_BUILD LD_LIBRARY_PATH=$NT_BUILD CARGO_TARGET_DIR=$work/target
# Debian's, whatever else is installed.
[ ! -x /usr/bin/cargo ] || export PATH=/usr/bin:$PATH RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc
command -v cargo >/dev/null || { echo "skipped: no cargo (cargo, rustc)"; exit 77; }
export CARGO_HOME=$work/cargo

# What stands in the guide behind a program's name: NAME.out.
python3 - "$NT_SOURCE/docs/guide.md" "$work" <<'PY'
import re, sys
text = open(sys.argv[1]).read()
for names, printed in re.findall(r"^([^\n`|]*`\w+\.(?:c|rs)`[^\n]*)\n\n```text\n(.*?)^```$", text, re.M | re.S):
    for name in re.findall(r"`(\w+\.(?:c|rs))`", names):
        open(f"{sys.argv[2]}/{name}.out", "w").write(printed)
PY
cd "$work"

for name in global patterns; do
    "${CC:-cc}" -std=c17 -Wall -Wextra -Werror -I"$NT_SOURCE/include" -o $name \
        "$NT_SOURCE/docs/examples/$name.c" -L"$NT_BUILD" -lnumatally_malloc
    ./$name | diff $name.c.out -
done

cp -r "$NT_SOURCE/bindings/rust" crate # the lock file goes there
manifest=(--offline --quiet --manifest-path crate/Cargo.toml)
RUSTFLAGS=-Dwarnings cargo build "${manifest[@]}" --examples
for source in crate/examples/*.rs; do
    name=$(basename "$source" .rs)
    for preload in "" "$NT_BUILD/libnumatally_malloc.so"; do
        NUMATALLY_TOPOLOGY=2x1 LD_PRELOAD=$preload "target/debug/examples/$name" |
            diff "$name.rs.out" -
    done
done
NUMATALLY_TOPOLOGY=3x1 RUSTFLAGS=-Dwarnings cargo test "${manifest[@]}"
