#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# docs/tutorial.md: its commands, as they stand, and the figures it prints: half of the plates
# on the wrong node before, none after.
set -euo pipefail
cd "$(dirname "$0")/.."
unset NUMATALLY_CONF NUMATALLY_CONF_FILE NUMATALLY_TOPOLOGY LD_PRELOAD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf build/tutorial
python3 - "$work" <<'PY'
import re, sys
text = open("docs/tutorial.md").read()
for i, part in enumerate(re.split(r"^## ", text, flags=re.M)):
    commands = "".join(re.findall(r"^```sh\n(.*?)^```$", part, re.M | re.S))
    assert bool(commands) == (i in (1, 2, 4, 5)), f"part {i} has commands that are not run, or none"
    shown = re.findall(r"^```text\n(Nodes.*?)^```$", part, re.M | re.S)
    open(f"{sys.argv[1]}/{i}.sh", "w").write("set -e\n" + commands)
    open(f"{sys.argv[1]}/{i}.shown", "w").write("".join(shown))
    for code in re.findall(r"^```c\n(.*?)^```$", part, re.M | re.S):
        assert code in open("docs/examples/heat.c").read(), code
PY
for part in 1 2 4 5; do
    bash "$work/$part.sh" >"$work/$part.out" 2>&1 || { cat "$work/$part.out"; exit 1; }
    grep -q '^heat: 418427.288$' "$work/$part.out" || { cat "$work/$part.out"; exit 1; }
done
# What is shown is what was printed: the rows shown, a huge page more or less.
python3 - "$work" <<'PY'
import sys
def rows(name):
    found = {}
    for line in open(f"{sys.argv[1]}/{name}"):
        words = line.split("  ")
        if words[0].strip() in ("Live", "In memory", "Lying here"):
            found.setdefault(words[0].strip(), [float(w) for w in words[1:] if w.strip()])
    return found
for part in 2, 4:
    shown, printed = rows(f"{part}.shown"), rows(f"{part}.out")
    assert len(shown) == 3 and shown.keys() == printed.keys(), (shown, printed)
    for name in shown:
        assert all(abs(a - b) <= 4 for a, b in zip(shown[name], printed[name], strict=True)), \
            (part, name, shown[name], printed[name])
lying = [rows(f"{part}.out")["Lying here"] for part in (2, 4, 5)]
# Of the 8 MiB that are node 1's threads' to work on: none there, all there; half of all.
assert lying[0][1] < 4 and lying[1][1] >= 8 and lying[2][1] >= 7, lying
PY
