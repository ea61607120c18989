#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What numatally doctor says of programs: each finding and its absence, on programs made
# here. It runs none of them; this test does, by `numatally run`, to see whether what doctor
# says about counting is true.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/lib.bash"
# shellcheck source=tests/tool/doctor.bash
. "$(dirname "$0")/doctor.bash"
unset NUMATALLY_TOPOLOGY LD_LIBRARY_PATH
make_root
cd "$work" || exit 1
chmod 755 .

cat >main.c <<'END'
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
    for (int i = 0; i < 1000; i++)
        if ((malloc)(100) == NULL)
            return 1;
    remove("not-run");
    return 0;
}
END
echo 'int nothing(void) { return 0; }' >nothing.c
compile -fno-builtin -o plain main.c
touch not-run

# ---- an ordinary program: all is well, and it is not run
look 0 doctor -- ./plain argument --json
for check in program loader rights malloc sanitizer runpath libraries mpi; do
    is ok $check
    lacks note $check
    lacks problem $check
done
lacks note language
is ok program '\./plain$'
is ok loader 'takes libnumatally_malloc.so'
[ -e not-run ] || fail "the program was run"
counts -- ./plain || fail "an ordinary program was not counted"
[ ! -e not-run ] || fail "the program does not show that it runs"

# ---- not there, no program
look 1 doctor -- ./nowhere
is problem program '"./nowhere" was not found'
lacks ok loader
look 1 doctor -- nt-no-such-program
is problem program 'was not found'
look 1 doctor -- ./main.c
is problem program 'Permission denied'
look 1 doctor -- ./
is problem program 'Is a directory'
look 1 doctor -- ''
is problem program 'was not found'
echo 'echo hello' >words && : >empty && mkfifo pipe && head -c 4000 /dev/urandom >noise
chmod +x words empty pipe noise
for file in words empty pipe noise; do
    look 0 timeout 60 "${doctor[@]}" -- ./$file
    is note program "./$file"
done
# Broken ELF files: whatever is said, it ends and is whole.
for bytes in 5 40 64 100 1000 5000 10000; do
    head -c $bytes plain >part
    chmod +x part
    "${doctor[@]}" -- ./part >out 2>err
    [ $? -le 1 ] || fail "plain, cut at $bytes"
    "$python" -c 'import json; json.load(open("out"))' || fail "plain, cut at $bytes: no JSON"
done

# ---- scripts
printf '#!%s\n' "$work/plain" >script
printf '#! /usr/bin/env -S A=b sh -e\n' >by-env
printf '#!%s\n' "$work/loop" >loop
chmod +x script by-env loop
look 0 doctor -- ./script
is ok program "\./script -> $work/plain"
is ok loader
look 0 doctor -- ./by-env
is ok program "\./by-env -> .*bin/sh"
look 0 timeout 60 "${doctor[@]}" -- ./loop
is note program 'loop -> '
# Interpreters that are not there; each is tried.
lost() { # LINE VALUE ADVICE
    printf "$1" >lost && chmod +x lost
    look 1 doctor -- ./lost
    is problem program "\./lost -> $2"
    out "$3"
    lacks ok loader
    ./lost 2>/dev/null && fail "it starts: $1"
}
lost '#!/nonexistent/sh\n' '"/nonexistent/sh" was not found' 'correct the line'
lost '#!/bin/sh\r\necho\r\n' '"/bin/sh.*" was not found' 'dos2unix'
lost '#!/usr/bin/env nt-no-such-program\n' '"nt-no-such-program" was not found' 'in PATH'
lost '#!/usr/bin/env sh -e\n' '"sh -e" was not found' 'env -S PROGRAM'
lost "#!$work\n" '"/.*" Is a directory' 'correct the line'
printf '#!/%0300d\n' 1 >cut-off && chmod +x cut-off # no interpreter for the kernel: the shell's
look 0 doctor -- ./cut-off
is note program '\./cut-off$'
printf '#!./plain' >no-newline && chmod +x no-newline
look 0 doctor -- ./no-newline
is ok program '\./no-newline -> \./plain'

# ---- the loader
if "${CC:-cc}" -static -fno-builtin -o static main.c 2>/dev/null; then
    look 1 doctor -- ./static
    is problem loader none
    out 'Link it without -static'
    is ok malloc # libc's own is inside, and is no choice of anybody's
    counts -- ./static && fail "a static program was counted"
    "${CC:-cc}" -static-pie -fno-builtin -o static-pie main.c && look 1 doctor -- ./static-pie &&
        is problem loader none
    objcopy --add-section .note.go.buildid=main.c static go && chmod +x go
    look 1 doctor -- ./go
    is problem loader none
    out "use Go's own pprof"
    objcopy --update-section .comment=<(printf 'rustc version 1.63.0\0') static rust
    look 1 doctor -- ./rust
    out 'crt-static'
else
    echo "skipped: static programs: there is no static libc"
fi
objcopy --add-section .note.go.buildid=main.c plain go-dynamic
look 0 doctor -- ./go-dynamic
is note language Go
cp plain other-machine
printf '\xf3' | dd of=other-machine bs=1 seek=18 conv=notrunc status=none
look 1 doctor -- ./other-machine
is problem loader '64-bit riscv'
if printf '.globl _start\n_start: nop\n' | as --32 -o 32.o 2>/dev/null && ld -m elf_i386 -o 32 32.o; then
    look 1 doctor -- ./32
    is problem loader '32-bit i386'
fi
compile -Wl,--dynamic-linker="$work/ld-none.so" -o no-loader main.c
look 1 doctor -- ./no-loader
is problem loader "$work/ld-none.so"
out 'it is not here'
interpreter=$(readelf -l plain | sed -n 's/.*interpreter: \(.*\)]/\1/p')
cp "$interpreter" ld-musl.so.1 && cp "$interpreter" ld-other.so
compile -Wl,--dynamic-linker="$work/ld-musl.so.1" -o musl main.c
look 1 doctor -- ./musl
is problem loader ld-musl.so.1
if type -P musl-gcc >/dev/null && musl-gcc -o musl main.c 2>/dev/null; then # a real one
    look 1 doctor -- ./musl
    is problem loader 'ld-musl-'
    "$tool" run -- ./musl 2>/dev/null && fail "the library does not keep a program with musl from starting"
fi
compile -Wl,--dynamic-linker="$work/ld-other.so" -o other-loader main.c
look 0 doctor -- ./other-loader
is note loader ld-other.so

loader=$interpreter
look 0 doctor -- "$loader" ./plain
is note loader none
out 'Name the program itself'
counts -- "$loader" ./plain || fail "by the loader itself it was not counted"
"${CC:-cc}" -c main.c && chmod +x main.o
look 0 doctor -- ./main.o
is note program 'main.o'
out 'It is no ELF program'
look 0 env LD_DEBUG=all LD_DEBUG_OUTPUT="$work/debug" LD_VERBOSE=1 LD_WARN=1 "${doctor[@]}" -- ./plain
is ok library
is ok loader
is ok libraries '3, all found' # as without
if unshare -m true 2>/dev/null; then
    look 1 unshare -m sh -c 'mount -t tmpfs none /proc && exec "$@"' - "${doctor[@]}" -- ./plain
    is problem library '/proc/self/exe'
    is ok libraries
    lacks note loader
fi

# ---- rights
cp plain secure
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
if "${nobody[@]}" true 2>/dev/null; then
    chmod u+s secure
    look 0 doctor -- ./secure
    is ok rights # root's, for root
    chown 65534 secure && chmod u+s secure
    look 1 doctor -- ./secure
    is problem rights 'gains rights'
    chown 0:65534 secure && chmod 2755 secure
    look 1 doctor -- ./secure
    is problem rights
    # Where nothing can be gained the loader takes the library.
    if setpriv --no-new-privs true 2>/dev/null; then
        look 0 setpriv --no-new-privs "${doctor[@]}" -- ./secure
        is ok rights
        setpriv --no-new-privs "$tool" run --report counted.json -- ./secure 2>/dev/null
        grep -qE '"allocations_total":[0-9]{4}' counted.json || fail "no-new-privs: not counted"
    fi
    chown 0:0 secure && chmod 755 secure
    chmod 111 secure && chmod 777 runtime
    look 0 "${nobody[@]}" "${doctor[@]}" -- ./secure
    is note program './secure'
    out 'not read'
    chmod 755 secure
    if "$python" -c 'import os
os.setxattr("secure", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))' 2>/dev/null; then
        chmod 777 runtime
        look 1 "${nobody[@]}" "${doctor[@]}" -- ./secure
        is problem rights
    fi
else
    look 1 doctor -- "$(type -P su)"
    is problem rights
fi

# ---- whose malloc
make_malloc malloc.c
compile -w -fno-builtin -o own main.c malloc.c
look 1 doctor -- ./own
is problem malloc 'the program has its own$'
counts -- ./own && fail "a malloc of the program's own was counted"
compile -w -fno-builtin -rdynamic -o own main.c malloc.c
strip own
look 1 doctor -- ./own
is problem malloc 'the program has its own$'
echo 'int mallctl(void) { return 0; }' >mallctl.c
compile -w -fno-builtin -o own main.c malloc.c mallctl.c
look 1 doctor -- ./own
is problem malloc 'the program has its own .jemalloc.'
# By their own names only: malloc is still ours.
while read -r name allocator; do
    echo "int $name(void) { return 0; }" >named.c
    compile -w -fno-builtin -o named main.c named.c
    look 0 doctor -- ./named
    is note malloc "$allocator, by its own names"
done <<'END'
je_malloc jemalloc
tc_malloc tcmalloc
mi_malloc mimalloc
scalable_malloc tbbmalloc
END
counts -- ./named || fail "a program with a mi_malloc was not counted"
# As a library: what is preloaded comes before it.
compile -w -shared -fPIC -fno-builtin -Wl,-soname,libjemalloc.so.2 -o libjemalloc.so.2 malloc.c mallctl.c
compile -fno-builtin -o linked main.c -Wl,--no-as-needed ./libjemalloc.so.2 -Wl,-rpath,"$work"
look 0 doctor -- ./linked
is note malloc 'libjemalloc.so.2 is linked'
out 'has no effect'
counts -- ./linked || fail "with a malloc that is linked it was not counted"
cat >calls.c <<'END'
int mallctl(void);
int main(void) { return mallctl(); }
END
compile -fno-builtin -o linked calls.c ./libjemalloc.so.2 -Wl,-rpath,"$work"
look 0 doctor -- ./linked
is note malloc 'libjemalloc.so.2 is linked'
out "by the allocator's own names is not"

# ---- sanitizers
if "${CC:-cc}" -fsanitize=address -o asan main.c 2>/dev/null; then
    look 1 doctor -- ./asan
    is problem sanitizer AddressSanitizer
    counts -- ./asan && fail "a program with AddressSanitizer was counted"
fi
if "${CC:-cc}" -fsanitize=thread -o tsan main.c 2>/dev/null; then
    look 1 doctor -- ./tsan
    is problem sanitizer ThreadSanitizer
fi
if "${CC:-cc}" -fsanitize=undefined -o ubsan main.c 2>/dev/null; then
    look 0 doctor -- ./ubsan
    is ok sanitizer
    counts -- ./ubsan || fail "a program with UBSan was not counted"
    mkdir libasan && compile -shared -fPIC -o libasan/libplain.so nothing.c
    compile -o near main.c -Wl,--no-as-needed libasan/libplain.so
    look 0 doctor -- ./near # by the folder's name only
    is ok sanitizer
fi
if clang -fsanitize=address -o clang-asan main.c 2>/dev/null; then # its runtime is inside
    look 1 doctor -- ./clang-asan
    is problem sanitizer AddressSanitizer
    lacks problem malloc
fi

# ---- where libraries are
mkdir -p lib
compile -shared -fPIC -o lib/libnothing.so nothing.c
link() { compile -o "$1" main.c -Wl,--no-as-needed lib/libnothing.so "${@:2}"; }
link run -Wl,--enable-new-dtags,-rpath,"$work/lib"
look 0 doctor -- ./run
is ok runpath "RUNPATH $work/lib"
is ok libraries
link run -Wl,--disable-new-dtags,-rpath,"\$ORIGIN/lib"
look 0 doctor -- ./run
# shellcheck disable=SC2016
is ok runpath 'RPATH \$ORIGIN/lib'
link run "-Wl,--enable-new-dtags,-rpath,$work/lib:lib"
look 0 doctor -- ./run
is note runpath "RUNPATH $work/lib:lib"
link run "-Wl,-rpath,$work/lib:"
look 0 doctor -- ./run
is note runpath
compile -shared -fPIC -Wl,-soname,libgone.so -o lib/libgone.so nothing.c
compile -o run main.c -Wl,--no-as-needed lib/libgone.so -Wl,-rpath,"$work/lib"
rm lib/libgone.so
look 1 doctor -- ./run
is problem libraries 'libgone.so was not found'
lacks ok libraries
./run 2>/dev/null && fail "it starts without its library"
compile -o run main.c -L"$NT_BUILD" -Wl,--no-as-needed -lnumatally_malloc -Wl,-rpath,"$NT_BUILD"
look 0 doctor -- ./run
is note libraries 'libnumatally_malloc.so.* is linked'
counts -- ./run || fail "linked to the library it was not counted"

# ---- MPI, and the hooks of networks; also behind another library
for name in libmpi.so.40 libmpich.so.12 libucm.so.0 libfabric.so.1; do
    compile -shared -fPIC -Wl,-soname,$name -o lib/$name nothing.c
    compile -shared -fPIC -o lib/libsolver.so nothing.c -Wl,--no-as-needed lib/$name -Wl,-rpath,"$work/lib"
    compile -o mpi main.c -Wl,--no-as-needed lib/libsolver.so -Wl,-rpath,"$work/lib"
    look 0 bash -c 'ulimit -l 64; "$@"' - "${doctor[@]}" -- ./mpi
    is note mpi "${name} is linked"
    is note mpi '64 KiB may be locked'
    rm lib/$name
done
compile -shared -fPIC -Wl,-soname,libfabricated.so -o lib/libfabricated.so nothing.c
compile -o mpi main.c -Wl,--no-as-needed lib/libfabricated.so -Wl,-rpath,"$work/lib"
look 0 doctor -- ./mpi
is ok mpi
look 0 env SLURM_PROCID=3 "${doctor[@]}" -- ./mpi
is note mpi 'rank 3 is in the environment'
cp plain mpirun
look 0 doctor -- ./mpirun
is note mpi 'mpirun is a launcher'
cp plain mpiexec.hydra
look 0 doctor -- ./mpiexec.hydra
is note mpi 'mpiexec.hydra is a launcher'

# ---- real programs, where they are
if type -P redis-server >/dev/null && ldd "$(type -P redis-server)" | grep -q jemalloc; then
    look 0 doctor -- redis-server
    is note malloc 'libjemalloc.so.2 is linked'
fi
if type -P lmp >/dev/null; then
    look 0 doctor -- lmp
    is note mpi 'libmpi.so.* is linked'
fi
echo "ok"
