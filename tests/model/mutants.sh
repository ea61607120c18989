#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The model finds what is wrong: each mutant is a copy of one source with one thing changed,
# linked to the model in its place, and one of the scenarios named must come to a bad run.
# The same scenarios hold for the sources as they are: that are the tests check.model and check.model_live.
set -euo pipefail
source_dir=${NT_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${NT_BUILD:-$source_dir/build/release}
parts=$build/tests/model/libmodel_parts.a
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
found=0
missed=0
[ -e "$parts" ] || { echo "$parts is not built: build the preset first"; exit 1; }
cd "$source_dir"
unset NT_LONG
flags=(-std=c17 -O1 -w -D_GNU_SOURCE -DNT_DEBUG=1 -I. -Iinclude)
for name in model live; do
    "${CC:-cc}" "${flags[@]}" -c tests/model/$name.c -o "$work/$name.o"
done

mutant() { # NAME SOURCE CHANGE SCENARIO...: the change is perl's, of the whole text
    local name=$1 file=$2 change=$3 status=0
    shift 3
    perl -0pe "$change" "$file" >"$work/mutant.c"
    if cmp -s "$file" "$work/mutant.c"; then
        echo "FAIL $name: its change finds nothing to change in $file"
        missed=$((missed + 1))
        return
    fi
    "${CC:-cc}" "${flags[@]}" -fsanitize=thread -fno-builtin -c "$work/mutant.c" \
        -o "$work/mutant.o"
    case $file in
    */live.c)
        "${CC:-cc}" "$work/live.o" "$work/mutant.o" "$build/libnumatally.a" \
            -o "$work/model" -Wl,--wrap=memcpy,--wrap=mmap,--wrap=pread
        ;;
    *)
        "${CC:-cc}" "$work/model.o" "$work/mutant.o" "$parts" -o "$work/model" \
            -Wl,--wrap=pthread_mutex_lock,--wrap=pthread_mutex_trylock,--wrap=pthread_mutex_unlock
        ;;
    esac
    timeout 300 "$work/model" "$@" >"$work/out" 2>&1 || status=$?
    if [ "$status" = 1 ]; then
        printf '%-20s %s\n' "$name" "$(grep -m 1 -vE '^([a-z-]+ +[0-9]+ runs|writer: |reader: )' "$work/out")"
        found=$((found + 1))
    else
        echo "FAIL $name is not found (status $status):"
        tail -n 5 "$work/out"
        missed=$((missed + 1))
    fi
}

# Retries.
mutant send-once pools/remote.c 's/while \((!__atomic_compare_exchange_n\(&slab->remote)/while (0 & $1/' receive
mutant push-once pools/remote.c 's/while (\(!__atomic_compare_exchange_n\(&owner->pending)/if $1/' two-slabs
mutant register-once pools/register.c 's/while (\(!__atomic_compare_exchange_n\(&shards)/if $1/' start

# Orders.
mutant send-relaxed pools/remote.c 's/(&slab->remote, &old, new, true,\s+)__ATOMIC_ACQ_REL/$1__ATOMIC_RELAXED/' receive
mutant send-release pools/remote.c 's/(&slab->remote, &old, new, true,\s+)__ATOMIC_ACQ_REL/$1__ATOMIC_RELEASE/' receive
mutant push-relaxed pools/remote.c 's/(&owner->pending, &slab->pending, slab, true,\s+)__ATOMIC_RELEASE/$1__ATOMIC_RELAXED/' receive
mutant stack-relaxed pools/remote.c 's/(&s->pending, NULL, )__ATOMIC_ACQUIRE/$1__ATOMIC_RELAXED/' receive
mutant receive-acquire pools/remote.c 's/(&slab->remote, 0, )__ATOMIC_ACQ_REL/$1__ATOMIC_ACQUIRE/' receive
mutant receive-release pools/remote.c 's/(&slab->remote, 0, )__ATOMIC_ACQ_REL/$1__ATOMIC_RELEASE/' receive
mutant take-relaxed pools/remote.c 's/(&slab->remote, QUEUED, )__ATOMIC_ACQUIRE/$1__ATOMIC_RELAXED/' take
mutant look-relaxed pools/remote.c 's/(\*owner = __atomic_load_n\(&slab->owner, )__ATOMIC_ACQUIRE(\);\s+if \(!owner)/$1__ATOMIC_RELAXED$2/' exit-start
mutant owner-relaxed pools/slab.c 's/(&slab->owner, owner, )__ATOMIC_RELEASE/$1__ATOMIC_RELAXED/' exit-start
mutant register-relaxed pools/register.c 's/(&s->next, s, true,\s+)__ATOMIC_RELEASE/$1__ATOMIC_RELAXED/' read

# The bit `queued`, and what hangs on it.
mutant queued-unseen pools/remote.c 's/if \(!\(old & QUEUED\)\)/if (true)/' receive
mutant queued-unset pools/remote.c 's/count \* ONE_BLOCK\) \| QUEUED \|/count * ONE_BLOCK) |/' receive
mutant queued-taken pools/remote.c 's/(&slab->remote, )QUEUED(, __ATOMIC_ACQUIRE)/${1}0$2/' take
mutant count-lost pools/remote.c 's/count \* ONE_BLOCK\)/ONE_BLOCK)/' take-all
mutant next-late pools/remote.c 's/struct nt_slab \*next = slab->pending;//; s/slab = next;/slab = slab->pending;/' receive two-slabs
mutant given-queued pools/shard.c 's/(__atomic_load_n\(&slab->remote, __ATOMIC_ACQUIRE\)) == 0/$1 <= (uint64_t)1 << 48/' give-back-queued

# Who owns what.
mutant not-passed-on pools/remote.c 's/if \((__atomic_load_n\(&slab->owner, __ATOMIC_ACQUIRE\)) != s\)/if (!$1)/' adopt
mutant owner-late pools/adopt.c 's/(    if \(slab\)\s+nt__slab_change_owner\(slab, s\);\n)(    nt__unlock\(&list->lock\);\n)/$2$1/' adopt
mutant retired-early pools/adopt.c 's/    nt__remote_receive\(s\);\n(    nt__spare_drop.*?nt__unlock\(&list->lock\);\n)/$1    nt__remote_receive(s);\n/s' exit-start
mutant idle-unlocked pools/adopt.c 's/if \(!nt__trylock\(&list->lock\)\)\s+return;(.*?)nt__unlock\(&list->lock\);/$1/s' look-after
mutant adopt-unlocked pools/adopt.c 's/(nt_slab \*slab = NULL;\s+)nt__lock\(&list->lock\);(.*?)nt__unlock\(&list->lock\);/$1$2/s' adopt adopt-two

# The live file.
mutant writer-unfenced src/track/live.c 's/atomic_thread_fence\(memory_order_release\);//'
mutant number-relaxed src/track/live.c 's/seq, memory_order_release/seq, memory_order_relaxed/'
mutant current-slot src/track/live.c 's/slot\[seq % 2\];/slot[(seq + 1) % 2];/'
mutant reader-unfenced src/track/live.c 's/atomic_thread_fence\(memory_order_acquire\);//g'

echo "$found found, $missed missed"
[ "$missed" = 0 ]
