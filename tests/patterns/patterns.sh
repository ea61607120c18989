#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# numatally report --findings: for each program here the finding that it was written for, at
# the right place and with the right figures, and no other; for the clean one none. With
# several seeds of the sampler, so that it is not luck; without samples; and from records that
# are damaged.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/../tool/lib.bash"
cd "$work" || exit 1
flags=(-g -O2 -fno-builtin -fno-ipa-icf -pthread -Wall -Wno-unused-function -Werror)
for source in "$NT_SOURCE"/tests/patterns/*.c; do
    name=$(basename "$source" .c)
    [ "$name" = misplacing ] && continue # needs nodes: misplaced.sh
    "${CC:-cc}" -D_GNU_SOURCE "${flags[@]}" -o "$name" "$source" || fail "$name does not compile"
done
for source in "$NT_SOURCE"/tests/patterns/*.cpp; do
    name=$(basename "$source" .cpp)
    "${CXX:-c++}" "${flags[@]}" -o "$name" "$source" || fail "$name does not compile"
done

# Every kind is described, and none that there is not.
kinds=$(sed -n 's/.*"\([a-z-]*\)", NT_COST_.*/\1/p' "$NT_SOURCE"/src/tool/findings_*.c | sort -u)
rows=$(sed -n '/^| kind | costs/,/^$/s/^| `\([a-z-]*\)` |.*/\1/p' "$NT_SOURCE/docs/findings.md" | sort)
[ -n "$rows" ] && [ "$kinds" = "$rows" ] || fail "docs/findings.md has other kinds than the code: $kinds"

# ---- Each pattern, with several seeds -----------------------------------------------------

# record PROGRAM SEED: run it, into PROGRAM.json.
record() {
    NUMATALLY_CONF=sample_seed:$2 try 0 "$tool" run --sample 16K --report "$1.json" -- "./$1"
}

# What is in use must grow evenly in time if that is what a program is to show: not if the
# machine stood still meanwhile, or was held up. even PROGRAM: it did, by its record.
even() {
    python3 - "$1.json" <<'PY'
import json, sys
points = json.loads(open(sys.argv[1]).readline())["history"]["points"]
end = points[-1]["ns"]
grown = [(p["ns"] / end, sum(p["live_bytes_now"])) for p in points[1:-1]]
low, high = grown[0][1], grown[-1][1]
parts = {int(t * 8) for t, live in grown}
away = [abs((live - low) / (high - low) - t) for t, live in grown]
# A point in each eighth of the run but the first, its last one too.
sys.exit(not set(range(1, 8)) <= parts or max(away) > 0.15)
PY
}

# What is filled for two thirds of the run's steps was so, in time, by its last quarter.
levelled() {
    python3 - "$1.json" <<'PY'
import json, sys
points = json.loads(open(sys.argv[1]).readline())["history"]["points"]
most = max(sum(p["live_bytes_now"]) for p in points)
full = next(p["ns"] for p in points if sum(p["live_bytes_now"]) > 0.95 * most)
sys.exit(full > 0.75 * points[-1]["ns"])
PY
}

# evenly PROGRAM COMMAND...: the command, which records it, until it did.
evenly() {
    local program=$1 try
    shift
    for try in 1 2 3 4 5 6 7 8 9; do
        "$@"
        case $program in
            growing | leaking) even "$program" && return ;;
            clean) levelled "$program" && return ;;
            *) return ;;
        esac
    done
    fail "$program never grew as it is to on this machine, in $try runs"
}

# finds PROGRAM KIND FUNCTION...: this finding and no other, there: the whole stack.
finds() {
    local seed program=$1 kind=$2 stack
    shift 2
    stack=$(printf "'%s', " "$@")
    for seed in 1 2 3; do
        evenly "$program" record "$program" "$seed"
        try 0 "$tool" report --findings --format json "$program.json"
        cp out "$program.found"
        json "$program.found" "[f['kind'] for f in r[0]['findings']] == ['$kind']"
        json "$program.found" "[f.split(' (')[0] for f in r[0]['findings'][0]['where']] == [$stack]"
        json "$program.found" "all(' ($program.c' in f for f in r[0]['findings'][0]['where'])"
        json "$program.found" "r[0]['program'] == '$program' and r[0]['findings'][0]['sentence'] and r[0]['findings'][0]['advice']"
        json "$program.found" "0.01 <= r[0]['findings'][0]['share'] <= 1 or '$program' == 'imbalanced'"
    done
}

# A figure of the sentence, with its unit: says PROGRAM PYTHON, over `number(words before it)`.
says() {
    python3 - "$1.found" "$1.json" "$2" <<'PY' || fail "$1: not true: $2"
import json, re, sys
f = json.loads(open(sys.argv[1]).readline())["findings"][0]
record = json.loads(open(sys.argv[2]).readline())
units = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "million": 1e6}
def number(before):
    m = re.search(before + r" ?(?:about )?([0-9.,]+)(?: \+- [0-9.]+)? ?(\w+)?", f["sentence"], re.I)
    return float(m[1].replace(",", "")) * units.get(m[2], 1)
if not eval(sys.argv[3]):
    sys.exit(f"{f}")
PY
}

for seed in 1 2 3; do
    # Where it was held up it did grow to its end: what is wrongly found is found each time.
    for held_up in 1 2 3 4 no; do
        evenly clean record clean "$seed"
        try 0 "$tool" report --findings --format json clean.json
        grep -q '"findings":\[\],"note":null' out && break
        [ "$held_up" != no ] || json out '[(x["findings"], x["note"]) for x in r] == [([], None)]'
    done
done
try 0 "$tool" report --findings clean.json
out '^Nothing was found that matters'

finds leaking leak parse_header serve main
# One request in three: 300 bytes and so on, as the program counts them.
says leaking 'abs(f["cost"] - sum(300 + s % 200 for s in range(0, 120000, 3))) < 4 * f["error"]'
says leaking 'abs(number("^") - f["cost"]) < 0.01 * f["cost"]'
finds callers leak node_new remember main
says callers 'abs(f["cost"] - 400 * 30000) < 4 * f["error"]'
finds late leak request main
says late 'abs(f["cost"] - sum(500 + i % 100 for i in range(2000)) * 10) < 4 * f["error"]'
says late 're.search("from [0-9.]+ s of the run on", f["sentence"])'
finds growing growth enqueue main
# Two in and one out of 2800 bytes in 32000 steps, three quarters of them between the floors.
says growing '0.5 * 2800 * 32000 < f["cost"] < 2800 * 32000'
finds fragmenting fragmentation load main
says fragmenting 'f["cost"] > 150 * 2**20'
finds imbalanced imbalance assemble crew
says imbalanced '8 * 2000 * 4000 < number("held up to") < 9 * 2000 * 4000'
finds remote remote-free make_message main
says remote 'f["freed"][0].startswith("consumer") or f["freed"][0].startswith("consume")'
says remote 'abs(number("^") / 6e6 - 1) < 0.05'
says remote 'abs(f["cost"] / f["error"]) > 50'
finds chaining realloc-chain append write_text main
says chaining 'number("of") <= 1.05 * 60000 * 250 and number("^") > 0.8 * number("of")'
finds filling realloc-chain collect main
says filling '"container" in f["sentence"] and abs(number("^") / (400000 * 8) - 1) < 0.1'
finds single frequent-small begin_list main
says single 'abs(number("^") / 8e6 - 1) < 0.05 and abs(number("blocks of") - 48) < 0.5'
finds temporary short-lived-large temporary step main
says temporary 'abs(number("^") / 300000 - 1) < 0.01' # all are seen: they are larger than the interval
finds many frequent-small prepend main
says many 'abs(number("^") / 20e6 - 1) < 0.05 and abs(number("blocks of") - 16) < 0.5'
finds wasting internal-waste make_object main
says wasting 'abs(f["cost"] / 15e6 - 1) < 0.05'

# ---- The figures are the record's -------------------------------------------------------------

# Worked out again, from the record alone.
python3 - <<'PY' || fail "costs are not those of the records"
import json
def read(name):
    record = json.loads(open(name + ".json").readline())
    return record, record["total"], json.loads(open(name + ".found").readline())["findings"][0]
def near(a, b):
    assert abs(a - b) <= 1e-6 * abs(b) + 1, (a, b)
r, t, f = read("wasting")
c = next(c for c in r["classes"] if c["block_bytes"] == 32)
assert abs(f["cost"] / ((1 - c["requested_bytes_total"] / c["allocated_bytes_total"]) * c["live_bytes_now"]) - 1) < 0.01
near(f["share"], f["cost"] / t["live_bytes_peak"])
r, t, f = read("imbalanced")
held = sorted(x["live_bytes_peak"] for x in r["threads"] if x["tid"] not in (0, r["pid"]))
assert len(held) == 3
nodes = {x["node"] for x in r["threads"] if x["tid"] not in (0, r["pid"])}
near(f["cost"], (held[2] - (held[0] + held[1]) / 2) * 2 / 3 if len(nodes) > 1 else 0)
r, t, f = read("remote")
pairs = [p["frees_total"] for p in r["profile"]["remote_frees"]]
near(f["cost"], 10 * max(pairs))
near(f["share"], f["cost"] / r["cpu_ns_total"])
r, t, f = read("leaking")
live = [s["live_requested_bytes_now"] for s in r["profile"]["sites"]]
assert any(abs(f["cost"] - x) < 1 for x in live), (f["cost"], live)
r, t, f = read("growing")
points = r["history"]["points"]
least = [min((sum(p["live_bytes_now"]) for p in points[:-1]
              if p["ns"] * 8 // (points[-1]["ns"] + 1) == k), default=-1) for k in range(1, 8)]
# Between two of the eighths; which, if one has hardly a point.
assert any(abs(f["cost"] - (least[i] - least[k])) < 1 for i in (5, 6) for k in (0, 1)), least
PY

# The text says the same, in the same order, for people.
cat leaking.json remote.json clean.json imbalanced.json >all.json
try 0 "$tool" report --findings -o all.txt all.json
try 0 "$tool" report --findings -o found.json all.json
json found.json '[len(x["findings"]) for x in r] == [1, 1, 0, 1]'
python3 - <<'PY' || fail "text and JSON differ"
import json, re
text = open("all.txt").read()
found = [f for line in open("found.json") for f in json.loads(line)["findings"]]
heads = re.findall(r"^\d+\. +(\S+): (?:([0-9.]+) % of the (memory|processor time)|no cost)$", text, re.M)
assert len(heads) == len(found)
for (kind, share, whole), f in zip(heads, found):
    assert kind == f["kind"] and abs(float(share or 0) / 100 - f["share"]) <= 0.006
    assert whole == ("" if f["cost"] == 0 else "memory" if f["unit"] == "bytes" else "processor time")
    for part in (f["sentence"], f["advice"]):
        assert part in " ".join(text.split()), part
    for line in f["where"] + f["freed"]:
        assert line in text, line
assert max(map(len, text.splitlines())) <= 79 or any(len(line) > 79 for f in found for line in f["where"])
PY

# Ranked by what they cost.
cat >both.c <<'C'
#include "pattern.h"
SITE char *small(void) { char *p = malloc(17); KEEP(p); return p; }
SITE char *leak(unsigned i) { char *p = malloc(200 + i % 2); KEEP(p); return p; }
int main(void)
{
    for (unsigned i = 0; i < 300000; i++) {
        leak(i);
        for (unsigned k = 0; k < 100; k++)
            free(small());
        compute(500);
        if (i % 3000 == 0)
            wait_ms(11);
    }
    return 0;
}
C
"${CC:-cc}" -I"$NT_SOURCE/tests/patterns" "${flags[@]}" -o both both.c ||
    fail "both does not compile"
record both 1
try 0 "$tool" report --findings --format json both.json
json out 'sorted(f["kind"] for f in r[0]["findings"]) == ["frequent-small", "leak"]'
json out '[f["share"] for f in r[0]["findings"]] == sorted((f["share"] for f in r[0]["findings"]), reverse=True)'

# ---- Without samples ----------------------------------------------------------------------------

# counted PROGRAM KIND: what the counters alone can tell.
counted() {
    evenly "$1" try 0 "$tool" run --report "$1.json" -- "./$1"
    try 0 "$tool" report --findings --format json "$1.json"
    json out "[(f['kind'], f['where']) for f in r[0]['findings']] == [('$2', [])]"
    try 0 "$tool" report --findings "$1.json"
    tr -s '\n ' '  ' <out >line
    grep -qE 'Nothing was sampled.*numatally run --sample [0-9]+K' line || fail "no note in the text"
}
cp wasting.json sampled.json
counted growing growth
counted fragmenting fragmentation
counted imbalanced imbalance
counted remote remote-free
counted many frequent-small
counted wasting internal-waste
counted leaking growth

# ---- Records that are odd -------------------------------------------------------------------------

# Of a binary that is gone: all but the names.
record leaking 1
mv leaking elsewhere
try 0 "$tool" report --findings --format json leaking.json
json out '[f["kind"] for f in r[0]["findings"]] == ["leak"] and r[0]["findings"][0]["where"][0].startswith("leaking+0x")'
err 'leaking'
mv elsewhere leaking

# Names of all kinds.
python3 - <<'PY'
import json
r = json.loads(open("imbalanced.json").readline())
r["program"] = 'a"b<c>\n\x1b[31m\u202e'
r["host"] = "h\tx"
for t in r["threads"]:
    t["name"] = "\x07</script>\n" + t["name"][:3]
open("names.json", "w").write(json.dumps(r) + "\n")
PY
try 0 "$tool" report --findings names.json
! grep -q $'[\x01-\x08\x0b-\x1f]' out || fail "control characters in the text"
[ "$(grep -c '^numatally ' out)" = 1 ] || fail "a name broke a line"
try 0 "$tool" report --findings --format json names.json
json out 'r[0]["findings"][0]["kind"] == "imbalance" and "</script>" in r[0]["findings"][0]["sentence"]'

# Good records among bad ones, other formats, an empty command line.
{ cat imbalanced.json; echo '{"record":1,'; cat clean.json; } >some.json
try 1 "$tool" report --findings --format json some.json
json out '[len(x["findings"]) for x in r] == [1, 0]'
try 2 "$tool" report --findings --format xml clean.json
try 2 "$tool" report --findings
try 1 "$tool" report --findings /nonexistent
"$tool" report --findings imbalanced.json >/dev/full 2>err && fail "a full disk was not noticed"

# Figures at random made as large as they can be, or nothing, or others'.
cat >spoil.py <<'PY'
import json, random, sys
record = json.loads(open(sys.argv[1]).readline())
# The reader refuses other figures in these places: record.c has its own tests.
refused = ("record", "node", "pid", "rank", "tid", "ns", "generation", "from_generation",
           "to_generation", "interval_ns")
spots = []
def walk(x):
    for key in (x if isinstance(x, dict) else range(len(x))):
        if isinstance(x[key], bool) or isinstance(x[key], str) or x[key] is None:
            continue
        if isinstance(x[key], (dict, list)):
            walk(x[key])
        elif key not in refused:
            spots.append((x, key))
walk(record)
for seed in range(60):
    random.seed(seed)
    old = []
    for x, key in random.sample(spots, min(len(spots), 1 << seed % 12)):
        old.append((x, key, x[key]))
        x[key] = random.choice([0, 1, 2**31 - 1, 2**62, 2**63 - 1, random.choice(spots)[0]
                                and random.randrange(2**40)])
    print(json.dumps(record))
    for x, key, value in reversed(old):
        x[key] = value
PY
for name in leaking sampled remote many fragmenting; do
    python3 spoil.py "$name.json" >"$name.spoilt"
    for format in text json; do
        "$tool" report --findings --format $format "$name.spoilt" >out 2>err
        status=$?
        [ $status -le 1 ] || fail "status $status with the records of $name.spoilt"
    done
    json out 'all(0 <= f["share"] <= 1 for x in r for f in x["findings"])'
done
echo "ok"
