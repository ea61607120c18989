# SPDX-License-Identifier: MIT
#
# fish completion of numatally. Verbs, options and their values are those that --help prints,
# so there is nothing here to keep in step with the tool.

# The words before the cursor; the first as the shell would run it.
function __numatally_words
    set -l words (commandline -opc)
    string replace -r '^~/' "$HOME/" -- $words[1]
    printf '%s\n' $words[2..-1]
end

function __numatally_verbs
    set -l words (__numatally_words)
    $words[1] --help 2>/dev/null | string replace -rf '^  ([a-z]+) {2,}([a-z].*)' '$1\t$2'
end

# The words before the cursor, and no "--" among them: the tool's own command line.
function __numatally_own
    set -l words (commandline -opc)
    test (count $words) -ge 2; and not contains -- -- $words
end

function __numatally_options
    set -l words (__numatally_words)
    $words[1] $words[2] --help 2>/dev/null |
        string replace -rf '^  .{4}(--[a-z-]+)(\[?=[^ ]*)? *(.*)' '$1$2\t$3' |
        string replace -r '\[=[^\t]*' '' | string replace -r '=[^\t]*' '='
end

# What may stand behind "--name=": words, where the help has them.
function __numatally_values
    set -l words (__numatally_words)
    set -l option (string replace -rf '^(--[a-z-]+)=.*' '$1' -- (commandline -ct))
    test -n "$option"; or return
    for value in ($words[1] $words[2] --help 2>/dev/null |
            string replace -rf '^  .{4}'$option'\[?=([^ \]]*\|[^ \]]*).*' '$1' | string split '|')
        echo $option=$value
    end
end

complete -c numatally -n 'test (count (commandline -opc)) -lt 2' -f -a '(__numatally_verbs)'
complete -c numatally -n '__numatally_own; and string match -q -- "-*" (commandline -ct)' \
    -a '(__numatally_options; __numatally_values)'
complete -c numatally -n 'contains -- -- (commandline -opc)' \
    -a '(test (commandline -opc)[-1] = --; and __fish_complete_command)'
