#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What the shared libraries export is the contract and nothing else: nt_* from both,
# and from libnumatally_malloc.so all the names of cmake/numatally.map. What they
# import holds nothing that allocates, prints or looks up users.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
build=${NT_BUILD:-build/release}
core=$build/libnumatally.so front=$build/libnumatally_malloc.so
bad=0

wrong() {
    printf '%s\n' "$*" >&2
    bad=1
}

exports() { nm -D --defined-only "$1" | awk '{ sub("@.*", "", $3); print $3 }' | sort -u; }
imports() { nm -D --undefined-only "$1" | awk '{ sub("@.*", "", $2); print $2 }' | sort -u; }

for library in "$core" "$front"; do
    [ -e "$library" ] || { wrong "$library is missing: ./dev build"; exit 1; }
done
# The names of the map, with their stars: those after "global:" and before "local:".
mapfile -t contract < <(sed -n '/^global:/,/^local:/s/^ *\([A-Za-z_0-9*]*\);.*/\1/p' \
    cmake/numatally.map)
mapfile -t api < <(sed -n 's/^NT_API .*\b\(nt_[a-z0-9_]*\)(.*/\1/p' include/numatally/*.h)
if [ ${#contract[@]} -lt 20 ] || [ ${#api[@]} -lt 20 ]; then
    wrong "the map or the headers could not be read"
fi

listed() {
    local pattern
    for pattern in "${contract[@]}"; do
        # shellcheck disable=SC2254  # the map's stars are patterns
        case $1 in $pattern) return 0 ;; esac
    done
    return 1
}

for name in $(exports "$core"); do
    case $name in
    nt__*) wrong "$core exports $name, which is private: mark it NT_HIDDEN" ;;
    nt_*) ;;
    *) wrong "$core exports $name: only nt_* belongs there" ;;
    esac
done
for name in $(exports "$front"); do
    case $name in
    nt__calls_0) ;; # for other copies of the library: src/heap/calls.h
    nt__leave_0) ;; # for the libraries of src/mpi: src/track/leave.h
    nt__*) wrong "$front exports $name, which is private: mark it NT_HIDDEN" ;;
    *) listed "$name" || wrong "$front exports $name, which cmake/numatally.map lacks" ;;
    esac
done
for library in "$core" "$front"; do
    for name in "${api[@]}"; do
        exports "$library" | grep -qx "$name" ||
            wrong "$library lacks $name, which a public header promises"
    done
done
for pattern in "${contract[@]}"; do
    exports "$front" | grep -qx "${pattern//\*/.*}" ||
        wrong "$front lacks $pattern, which cmake/numatally.map promises"
done

# Every public call serves one heap only: it is passed on, made of calls that are, or
# needs no heap.
for name in "${api[@]}"; do
    case $name in
    nt_version | nt_reallocarray | nt_posix_memalign | nt_malloc_onnode | nt_snapshot_diff) continue ;;
    esac
    for line in "    X(${name#nt_})" "    NT_FORWARD(${name#nt_}("; do
        grep -qF "$line" src/heap/*.[ch] ||
            wrong "$name is not passed on: src/heap/calls.h says how, and lacks \"$line\""
    done
done

# free stands for the whole family: to need it is to need somebody else's heap.
forbidden='malloc|calloc|realloc|free|strdup|strndup|asprintf|vasprintf|getline'
forbidden+='|.*printf|.*printf_chk|fopen|fdopen|fwrite|fputs|fputc|putc|puts|fflush|std(out|err|in)'
forbidden+='|getpw.*|getgr.*|getaddrinfo|gethostby.*|opendir|readdir|scandir|setlocale|qsort'
while IFS= read -r name; do
    wrong "$core calls $name: nothing inside the library may allocate"
done < <(imports "$core" | grep -xE "$forbidden")
# malloc_info writes to the FILE that its caller hands over.
while IFS= read -r name; do
    wrong "$front calls $name: nothing inside the library may allocate"
done < <(imports "$front" | grep -xE "$forbidden" | grep -vxE 'fprintf|fputs|fwrite|fflush')

for library in "$core" "$front"; do
    needed=$(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
    for name in $needed; do
        case $name in
        libc.so.* | ld-linux*) ;;
        *) wrong "$library needs $name: only libc is promised" ;;
        esac
    done
    readelf -d "$library" | grep -q 'NODELETE' || wrong "$library can be unloaded"
    readelf -d "$library" | grep -q 'SONAME.*\.so\.0\]' || wrong "$library has no SONAME .so.0"
done

# Those for MPI export what they come before, and load no MPI: they are preloaded into any
# program, so they are to find what they need in what is there.
for library in "$build"/libnumatally_{openmpi,mpich}.so; do
    [ -e "$library" ] || continue
    [ "$(exports "$library" | tr '\n' ' ')" = "MPI_Abort MPI_Finalize PMPI_Abort PMPI_Finalize " ] ||
        wrong "$library exports $(exports "$library" | tr '\n' ' ')"
    while IFS= read -r name; do
        wrong "$library calls $name, which allocates or is of an MPI"
    done < <(imports "$library" | grep -xE "$forbidden|P?MPI_.*|ompi_.*|MPIR_.*")
    readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -vE '^(libc|ld-linux.*)\.so' &&
        wrong "$library needs more than libc"
done

# Nothing to be written that is executed, and no table of addresses that stays writable.
for file in "$build"/libnumatally*.so "$build/numatally"; do
    segments=$(readelf -lW "$file")
    grep -q GNU_RELRO <<<"$segments" || wrong "$file has no RELRO"
    grep -qE 'GNU_STACK .* RW ' <<<"$segments" || wrong "$file has an executable stack"
    ! grep -qE 'LOAD .* RWE ' <<<"$segments" || wrong "$file has a segment that is written and run"
    readelf -dW "$file" | grep -qw NOW || wrong "$file is not bound at once"
done
exit "$bad"
