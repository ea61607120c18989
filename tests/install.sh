#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What is installed can be used by somebody who has nothing else (users/use.sh), and is all
# there is; the packages of it are package.sh's.
set -euo pipefail
source_dir=${NT_SOURCE:-$(cd "$(dirname "$0")/.." && pwd)}
build=${NT_BUILD:-$source_dir/build/release}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/usr" >"$work/install.log"

bash "$source_dir/tests/users/use.sh" "$work/usr"

echo "the manual"
for page in "$source_dir"/docs/man/*; do
    [ -s "$work/usr/share/man/man${page##*.}/${page##*/}" ] ||
        { echo "${page##*/} is not installed in its section"; exit 1; }
done

for page in numatally.conf.5 numatally-figures.7 numatally-nodes.7; do
    [ -e "$build/$page" ] || { echo "(left out: $page; no lowdown)"; continue; }
    file=$work/usr/share/man/man${page##*.}/$page
    [ -s "$file" ] || { echo "$page is not installed in its section"; exit 1; }
    MANWIDTH=80 man -l "$file" >"$work/page" 2>/dev/null
    grep -q "^ *${page%.*} - " "$work/page" || { echo "$page has no name"; exit 1; }
done

echo "completion"
for file in bash-completion/completions/numatally zsh/site-functions/_numatally \
    fish/vendor_completions.d/numatally.fish; do
    [ -s "$work/usr/share/$file" ] || { echo "$file is not installed"; exit 1; }
done
# shellcheck disable=SC2016  # for the inner shell
bash -c '. "$1/share/bash-completion/completions/numatally" && COMP_LINE="numatally ru" &&
    COMP_POINT=12 && _numatally "$1/bin/numatally" && [ "${COMPREPLY[*]}" = run ]' - "$work/usr" ||
    { echo "the installed completion does not work with the installed tool"; exit 1; }

echo "the tool"
env -u LD_LIBRARY_PATH "$work/usr/bin/numatally" run -- true 2>/dev/null ||
    { echo "the installed tool cannot run a program with the installed library"; exit 1; }

echo "the libraries for MPI"
libdir=$(dirname "$(find "$work/usr" -name libnumatally_malloc.so)")
for library in libnumatally_openmpi.so libnumatally_mpich.so; do
    [ ! -e "$build/$library" ] || [ -e "$libdir/$library" ] ||
        { echo "$library is built and not installed"; exit 1; }
done

echo "the file for environment-modules"
if [ -e /usr/share/modules/init/bash ]; then
    mkdir -p "$work/modulefiles/numatally"
    sed "s|^set prefix .*|set prefix $work/usr|" "$source_dir/docs/packaging/modulefile" \
        >"$work/modulefiles/numatally/0.1.0"
    cat >"$work/module.sh" <<'END'
. /usr/share/modules/init/bash
module use "$1/modulefiles"
module load numatally
[ "$(command -v numatally)" = "$1/usr/bin/numatally" ]
numatally --version
gcc "$2/tests/users/user.c" -o "$1/by_module" -lnumatally
"$1/by_module"
module unload numatally
! command -v numatally
END
    env -u LD_LIBRARY_PATH -u PKG_CONFIG_PATH bash -e "$work/module.sh" "$work" "$source_dir" ||
        { echo "the modulefile does not work"; exit 1; }
else
    echo "(skipped: environment-modules is not installed)"
fi
for recipe in package.py numatally-0.1.0-GCC-12.2.0.eb; do
    python3 -c "import ast, sys; ast.parse(open(sys.argv[1]).read())" "$source_dir/docs/packaging/$recipe"
done
