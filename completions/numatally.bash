# SPDX-License-Identifier: MIT
#
# bash completion of numatally. Verbs, options and their values are those that --help prints,
# so there is nothing here to keep in step with the tool. It needs no bash-completion.

# The verbs: lines "  verb   what it does".
__numatally_verbs() {
    "$1" --help 2>/dev/null | sed -n 's/^  \([a-z]\{1,\}\) \{2,\}[a-z].*/\1/p'
}

# The options of a verb as "--name", "--name=VALUE" or "--name[=VALUE]".
__numatally_options() {
    "$@" --help 2>/dev/null | sed -n 's/^  .\{4\}\(--[][a-zA-Z=|-]*\).*/\1/p'
}

_numatally() {
    local tool=${1/#\~\//$HOME/} line=${COMP_LINE:0:COMP_POINT} current option value words i
    read -ra words <<<"$line"
    [[ $line == *[[:blank:]] ]] && words+=("")
    current=${words[-1]}
    COMPREPLY=()
    if ((${#words[@]} <= 2)); then
        mapfile -t COMPREPLY < <(compgen -W "$(__numatally_verbs "$tool")
            $(__numatally_options "$tool")" -- "$current")
        return
    fi
    # Behind "--" is another program's command line.
    for ((i = 2; i < ${#words[@]} - 1; i++)); do
        if [[ ${words[i]} == -- ]]; then
            ((i == ${#words[@]} - 2)) && mapfile -t COMPREPLY < <(compgen -c -- "$current")
            return
        fi
    done
    [[ $current == -* ]] || return
    if [[ $current == *=* ]]; then
        option=${current%%=*}
        value=$(__numatally_options "$tool" "${words[1]}" |
            sed -n "s/^$option\[\{0,1\}=\([^]]*\).*/\1/p")
        if [[ $value == *\|* ]]; then
            mapfile -t COMPREPLY < <(compgen -W "${value//|/ }" -- "${current#*=}")
        else
            mapfile -t COMPREPLY < <(compgen -f -- "${current#*=}")
            compopt -o filenames 2>/dev/null
        fi
        return
    fi
    mapfile -t COMPREPLY < <(compgen -W "$(__numatally_options "$tool" "${words[1]}" |
        sed 's/\[=.*//; s/=.*/=/')" -- "$current")
    [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null
    return 0
}
complete -o default -F _numatally numatally
