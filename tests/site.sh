#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The documentation becomes a site in which every link leads somewhere, and its tables have what
# the code has: settings, verbs, and (track/counters_doc.sh) figures; README has what was
# measured.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
docs/site.py "$work/site"
[ -s "$work/site/index.html" ]

settings=$(sed -n '/^} settings\[\] = {/,/^};/s/^    {"\([a-z_]*\)", .*/\1/p' src/base/conf.c | sort)
[ "$(wc -w <<<"$settings")" -gt 8 ]
documented=$(sed -n '/^| key | values/,/^$/s/^| `\([a-z_]*\)` |.*/\1/p' docs/tuning.md | sort)
diff <(echo "$settings") <(echo "$documented") ||
    { echo "docs/tuning.md has other settings than src/base/conf.c"; exit 1; }
for setting in $settings; do
    grep -qE "\\b$setting\\b" docs/man/numatally.1 ||
        { echo "numatally(1) does not have the setting $setting"; exit 1; }
done

python3 - <<'PY'
import re
def rows(name):
    for line in open(name):
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if len(cells) == 7 and re.fullmatch(r"[\d.]+", cells[1]):
            yield cells[0], [float(c) for c in cells[1:]]
readme = dict(rows("README.md"))
time, memory = ([float(x) for x in m.split()] for m in re.findall(
    r"^all programs((?: +[\d.]+){6})$", open("docs/bench/time.txt").read(), re.M))
assert readme.pop("time") == time, time
assert readme.pop("peak memory") == memory, memory
measured = {}
for name, cells in rows("docs/numa.md"):
    measured.setdefault(re.sub("^(small|medium|large): ", "", name), []).append(cells)
worst = {name: [max(column) for column in zip(*of)] for name, of in measured.items()}
assert len(readme) == 6 and readme == worst, worst
PY
