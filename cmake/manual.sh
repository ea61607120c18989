#!/bin/sh
# SPDX-License-Identifier: MIT
#
# manual.sh NAME SECTION SUMMARY SOURCE OUT: a manual page made of a page of docs/, by lowdown;
# compressed if OUT ends in .gz. Links between pages lead nowhere there, so only their words stay.
set -eu
{
    printf '# NAME\n\n%s - %s\n\n# DESCRIPTION\n\n' "$1" "$3"
    sed -e 1d -e 's/\[\([^]]*\)\]([^)]*)/\1/g' -e 's/^!\[.*//' "$4"
} | lowdown -s -Tman -M "title=$(echo "$1" | tr '[:lower:]' '[:upper:]')" -M "section=$2" \
    -M source=numatally >"$5.new"
case $5 in
*.gz) gzip -9n <"$5.new" >"$5" && rm "$5.new" ;;
*) mv "$5.new" "$5" ;;
esac
