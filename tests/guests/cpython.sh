#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# CPython's own tests of threads, fork, signals, mmap, the collector and forked pools of workers,
# every object by malloc (PYTHONMALLOC), and with Python's own pools: each case ends as it does
# without the library. One that fails is tried again by itself, since some wait for time.
. "$(dirname "$0")/lib.bash"
need
"$python" -c 'import test.test_gc' 2>/dev/null || skip "libpython3.11-testsuite is not installed"

cases() { # what the file of results says, a line a case
    "$python" - "$1" <<'END'
import sys, xml.etree.ElementTree as tree
for case in tree.parse(sys.argv[1]).iter("testcase"):
    how = "skipped" if case.find("skipped") is not None else case.get("result", "completed")
    wrong = case.find("failure") is not None or case.find("error") is not None
    print(case.get("name").split()[0], "failed" if wrong else how)
END
}

tests() { # ALLOCATOR TEST...
    local allocator=$1
    shift
    PYTHONMALLOC=$allocator run "$python" -W ignore -m test -q --junit-xml results.xml "$@" >log 2>&1 ||
        PYTHONMALLOC=$allocator run "$python" -W ignore -m test -v -w "$@" >log 2>&1 || tail -n 60 log
    echo "$allocator $*: status $?"
    cases results.xml | sort
    grep -c '^numatally' log
}

program() {
    tests malloc test_thread test_threading test_threadsignals test_threading_local test_fork1 \
        test_mmap test_gc test_queue
    tests malloc test_multiprocessing_fork -m '*TestPool*' -m '*TestQueue*' -m '*TestSharedMemory*'
    tests pymalloc test_thread test_threading test_fork1 test_mmap test_gc
    return 0
}

compare default
finish
