#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Includes only go down: a room may use itself and rooms of lower rank (docs/style.md).
# Every private include names its room from the root, so that "numa/x.h" can never be
# taken for the system's <numa.h>. Inside the libraries no header of a service that
# allocates is allowed. Prints each include that breaks this, and fails.
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck disable=SC2016  # awk's own variables
find include src numa pools -name '*.[ch]' -print0 | xargs -0 awk '
BEGIN {
    rank["src/base"] = 0
    rank["src/track"] = 1
    rank["numa"] = 2
    rank["pools"] = 3
    rank["src/heap"] = 4
    rank["src/front"] = 5
    rank["src/tool"] = 5
    rank["src/mpi"] = 5
}
function room_of(path) {
    sub("/[^/]*$", "", path)
    return path
}
function wrong(why) {
    printf "%s:%d: %s: %s\n", FILENAME, FNR, $0, why
    bad = 1
}
FNR == 1 {
    room = room_of(FILENAME)
    files++
    if (room != "include/numatally" && !(room in rank))
        wrong("the folder " room " is no room: give it a rank in tests/layers.sh")
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, part, "\"")
    other = room_of(part[2])
    if (room == "include/numatally")
        wrong("a public header uses public headers only")
    else if (!(other in rank))
        wrong("name the room, from the root")
    else if (rank[other] > rank[room])
        wrong("upwards, from rank " rank[room] " to " rank[other])
    else if (rank[other] == rank[room] && other != room)
        wrong("sideways")
    # The tool reads records and live files in the words of the library that wrote
    # them; of pools and nodes it knows what the public headers say. Libraries of an MPI
    # know sums and reports.
    else if (room ~ "^src/(tool|mpi)$" && rank[other] > 1 && other != room)
        wrong("this room uses public headers, src/base and src/track")
}
/^[ \t]*#[ \t]*include[ \t]*</ && room != "src/tool" && room != "include/numatally" {
    if (/<(numa|hwloc|jansson|zlib|pwd|grp|netdb|locale|syslog)\.h>/)
        wrong("this service allocates: not inside the library")
    # malloc_info is handed a FILE; nothing else may know of stdio.
    if (/<stdio\.h>/ && room != "src/front")
        wrong("no stdio inside the library: src/base/fmt.h prints")
}
END {
    if (files == 0) {
        print "layers.sh: found no source file"
        bad = 1
    }
    exit bad
}'
