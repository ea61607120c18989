#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Completion in bash, zsh and fish, each asked in the shell itself: the verbs that --help
# names, for every verb all of its options and no others, values where the help lists them,
# commands behind "--".
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/lib.bash"
completions=$NT_SOURCE/completions
for shell in zsh fish; do
    type -P $shell >/dev/null || skip "there is no $shell"
done
PATH=$(dirname "$tool"):$PATH
cd "$work" || exit 1
: >a-file

# offers SHELL LINE: what the shell offers at the end of the line, a word a line, sorted.
in_bash() {
    # shellcheck disable=SC2016  # for the inner shell
    bash --norc -c '. "$1/numatally.bash"; COMP_LINE=$2; COMP_POINT=${#2}
        compopt() { echo "$*" >compopt; }
        _numatally "${2%% *}" 2>/dev/null; printf "%s\n" "${COMPREPLY[@]}"' - "$completions" "$1"
}
in_fish() {
    # shellcheck disable=SC2016
    fish --no-config -c 'source $argv[1]/numatally.fish; complete -C $argv[2]' \
        "$completions" "$1" | cut -f1
}
# An interactive zsh in a pseudo terminal, whose compadd also writes its matches to a file.
cat >zsh-asks <<'END'
zmodload zsh/zpty || exit 77
zpty asked zsh -f -i
zpty -w asked "PROMPT=; source $PWD/zsh-set-up; : >ready"
repeat 600 { [[ -e ready ]] && break; sleep 0.1 }
zpty -w -n asked "$1"$'\t'
repeat 600 { [[ -e asked ]] && break; sleep 0.1 }
zpty -d asked
cat matches
rm -f ready asked matches
END
cat >zsh-set-up <<'END'
fpath=($COMPLETIONS $fpath)
autoload -Uz compinit
compinit -u -D
zstyle ':completion:*' completer _complete
compadd() {
    if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
        local -a hits
        builtin compadd -A hits "$@"
        print -rl -- $hits >>matches
    fi
    builtin compadd "$@"
}
complete-and-say() { zle complete-word; : >>matches; : >asked }
zle -N complete-and-say
bindkey '^I' complete-and-say
END
in_zsh() { COMPLETIONS=$completions zsh -f zsh-asks "$1"; }
offers() { "in_$1" "$2" | sed '/^$/d' | sort -u; }

# The same of --help, read in another way.
verbs() {
    "$python" - <<PY
import re, subprocess
print("\n".join(re.findall(r"^  ([a-z]+) {2,}\w", subprocess.run(
    ["$tool", "--help"], capture_output=True, text=True).stdout, re.M)))
PY
}
options() {
    "$python" - "$@" <<'PY' | sort -u
import re, subprocess, sys
text = subprocess.run([*sys.argv[1:], "--help"], capture_output=True, text=True).stdout
for name, value in re.findall(r"^  (?:-., |    )(--[a-zA-Z-]+)(=?)", text, re.M):
    print(name + value)
PY
}
same() { # WHAT WANTED GOT
    [ "$2" = "$3" ] || fail "$1: $(diff <(echo "$2") <(echo "$3"))"
}

verbs >verbs
for verb in run report topo doctor; do # the verbs there were when this was written
    grep -qx $verb verbs || fail "--help does not name $verb"
done
for shell in bash zsh fish; do
    offers $shell "numatally " | grep -v '^-' >got
    same "$shell: verbs" "$(sort verbs)" "$(cat got)"
    same "$shell: topo" topo "$(offers $shell "numatally top" | grep topo)"
    while read -r verb; do
        same "$shell: $verb" "$(options "$tool" "$verb")" "$(offers $shell "numatally $verb --")"
    done <verbs
    same "$shell: a beginning" "$(options "$tool" run | grep '^--pref')" \
        "$(offers $shell "numatally run --pref")"
    offers $shell "numatally run --format=" | sed 's/^--format=//' >got
    grep -qx json got && grep -qx text got || fail "$shell: values of --format: $(cat got)"
    offers $shell "numatally run --report=a-f" | grep -q 'a-file$' || fail "$shell: no files"
    offers $shell "numatally run -- numatal" | grep -qx numatally || fail "$shell: no commands"
    [ -z "$(offers $shell "numatally run -- numatally --membi")" ] ||
        fail "$shell: our options for another program"
    # The line is the shell's: a tilde is not expanded yet.
    # shellcheck disable=SC2088
    same "$shell: the tool below ~" "$(options "$tool" doctor)" \
        "$(HOME=$(dirname "$tool") offers $shell "~/numatally doctor --" 2>&1)"
    echo "$shell: $(wc -l <verbs) verbs"
done
rm -f compopt
offers bash "numatally run --report=a-f" >/dev/null
grep -qs filenames compopt || fail "bash: folders are no folders behind --report="
echo "ok"
