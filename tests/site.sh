#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The documentation becomes a site in which every link leads somewhere, and its tables have what
# the code has: settings, verbs, and (track/counters_doc.sh) figures.
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
