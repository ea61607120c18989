#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Profiles in pprof's format, decoded by protoc with the definition that pprof is published
# with: every figure is the record's, every id leads somewhere, names and lines are those of
# the program.
# shellcheck source=tests/tool/lib.bash
. "$(dirname "$0")/lib.bash"
proto=/usr/share/gocode/src/github.com/google/pprof/proto
command -v protoc >/dev/null || skip "there is no protoc (protobuf-compiler)"
[ -e $proto/profile.proto ] || skip "there is no $proto/profile.proto (golang-github-google-pprof-dev)"
cd "$work" || exit 1

cat >check.py <<'PY'
"""check.py RECORDS DECODED [EXPRESSION]: DECODED, protoc's text, says what RECORDS say, and
EXPRESSION over names (of functions), lines, labels and mappings is true."""
import ast, json, re, sys


def message(lines):
    fields = {}
    for line in lines:
        line = line.strip()
        if line == "}":
            break
        if line.endswith(" {"):
            fields.setdefault(line[:-2], []).append(message(lines))
            continue
        name, value = line.split(": ", 1)
        value = (ast.literal_eval("b" + value).decode() if value[0] == '"'
                 else value == "true" if value in ("true", "false") else int(value))
        fields.setdefault(name, []).append(value)
    return fields


p = message(iter(open(sys.argv[2]).readlines()))
text = p["string_table"]
records = [json.loads(line) for line in open(sys.argv[1])]
profiles = [r["profile"] for r in records if "profile" in r]


def one(fields, name):
    return fields.get(name, [0])[0]


def equal(got, want):
    assert got == want, f"{got} is not {want}"


def table(name):
    by_id = {one(m, "id"): m for m in p.get(name, [])}
    assert 0 not in by_id
    equal(len(by_id), len(p.get(name, [])))
    return by_id


equal(text[0], "")
equal(len(set(text)), len(text))
types = [text[one(t, "type")] + "/" + text[one(t, "unit")] for t in p["sample_type"]]
figures = {"alloc_objects/count": "allocations_total",
           "alloc_space/bytes": "requested_bytes_total",
           "inuse_objects/count": "live_blocks_now",
           "inuse_space/bytes": "live_requested_bytes_now",
           "peak_objects/count": "at_peak_blocks",
           "peak_space/bytes": "at_peak_requested_bytes"}
equal(types, list(figures))
equal(text[one(p, "default_sample_type")], "peak_space")

# Sample by sample, in the record's order, and in all.
sites = [s for q in profiles for s in q["sites"] if s["samples_total"] > 0]
equal(len(p["sample"]), len(sites))
for sample, site in zip(p["sample"], sites):
    equal(sample["value"], [site[f] for f in figures.values()])
    equal(len(sample["location_id"]), len(site["stack"]))
for i, figure in enumerate(figures.values()):
    equal(sum(s["value"][i] for s in p["sample"]),
          sum(s[figure] for q in profiles for s in q["sites"]))
assert sum(s["value"][1] for s in p["sample"]) > 0

# Places.
locations, functions, mappings = table("location"), table("function"), table("mapping")
known = {(m["path"], m["build_id"]) for q in profiles for m in q["modules"]}
for m in mappings.values():
    assert (text[one(m, "filename")], text[one(m, "build_id")]) in known
equal(text[one(p["mapping"][0], "filename")], profiles[0]["modules"][0]["path"])
for sample, site in zip(p["sample"], sites):
    for i, pc in zip(sample["location_id"], site["stack"]):
        location = locations[i]
        m = mappings.get(one(location, "mapping_id"))
        address = one(location, "address")
        if m:
            assert one(m, "memory_start") <= address < one(m, "memory_limit")
        if len(profiles) == 1 or not m:
            equal(address, pc - 1)
        assert len(location["line"]) >= 1
names, lines = set(), set()
for location in locations.values():
    for line in location["line"]:
        function = functions[one(line, "function_id")]
        name = text[one(function, "name")]
        assert name
        names.add(name)
        lines.add((name, text[one(function, "filename")].split("/")[-1], one(line, "line")))
labels = {tuple((text[one(l, "key")], text[one(l, "str")]) for l in s.get("label", []))
          for s in p["sample"]}
mappings = [text[one(m, "filename")] for m in p["mapping"]]

# And the head.
profiled = [r for r in records if "profile" in r]
equal(one(p, "period"), max(q["interval_bytes"] for q in profiles))
equal(text[one(p["period_type"][0], "type")] + text[one(p["period_type"][0], "unit")], "spacebytes")
equal(one(p, "time_nanos"), min(r["start_unix_ns"] for r in records))
equal(one(p, "time_nanos") + one(p, "duration_nanos"), max(r["now_unix_ns"] for r in records))
equal(len(p["comment"]), len(profiled))
for c, r in zip(p["comment"], profiled):
    assert f"pid {r['pid']}, " in text[c]
if len(sys.argv) > 3 and not eval(f"({sys.argv[3]})"):
    sys.exit(f"not true: {sys.argv[3]}\n{sorted(names)}\n{sorted(lines)}\n{labels}\n{mappings}")
PY

# same RECORDS PROFILE [EXPRESSION]
same() {
    gzip -dc "$2" >raw || fail "$2 is not gzip's"
    protoc --proto_path=$proto --decode perftools.profiles.Profile profile.proto <raw >decoded ||
        fail "$2 cannot be decoded"
    python3 check.py "$1" decoded "${@:3}" || fail "$2 is not $1"
}

cat >prog.c <<'C'
#include <stdlib.h>
#define KEEP __attribute__((noinline, noclone))
static void *cell[4000];
static inline __attribute__((always_inline)) void fill(int i)
{
    cell[i] = malloc(4000);
}
KEEP static void assemble(void)
{
    for (int i = 0; i < 4000; i++)
        fill(i);
}
KEEP static void solve(void)
{
    for (int i = 0; i < 10000; i++)
        free(malloc(1000));
}
int main(void)
{
    assemble();
    solve();
    for (int i = 0; i < 2000; i++)
        free(cell[i]);
    return 0;
}
C
gcc -O2 -g -fno-builtin -o prog prog.c || fail "prog.c"
lines='("fill", "prog.c", 6) in lines and ("assemble", "prog.c", 11) in lines and
    ("solve", "prog.c", 16) in lines'

# One record: by suffix, and through a pipe the same bytes.
try 0 "$tool" run --sample 1 --report one.json -- ./prog
try 0 "$tool" report -o one.pb.gz one.json
same one.json one.pb.gz "$lines and labels == {()}"
"$tool" report --format pprof one.json | cmp - one.pb.gz || fail "other bytes through a pipe"
sed -n 1p one.json >again.json
try 0 "$tool" report -o again.pb.gz again.json
cmp again.pb.gz one.pb.gz || fail "the same record, other bytes"

# Several: one of another interval, one with a rank, one without a profile. What they share
# is there once, and labels say whose a sample is.
PMI_RANK=3 try 0 "$tool" run --sample 4K --report two.json -- ./prog
try 0 "$tool" run --report three.json -- ./prog
cat one.json two.json three.json >all.json
try 0 "$tool" report -o all.pb.gz one.json two.json three.json
same all.json all.pb.gz "$lines and len(labels) == 2 and
    any(('rank', '3') in l for l in labels) and all(l[0][0] == 'process' for l in labels) and
    len(mappings) == len(set(mappings)) and mappings.count('$work/prog') == 1"

# A real program, stripped, with libraries.
try 0 "$tool" run --sample 16K --report python.json -- "$python" -c \
    'import json, sqlite3; x = [json.dumps(list(range(i))) for i in range(500)]'
try 0 "$tool" report -o python.pb.gz python.json
same python.json python.pb.gz '"__libc_start_call_main" in names and len(names) > 50'

# Names of any bytes, and a program that is gone: said once, shown by its address.
odd=$(printf 'a "b" <c>\\ \303\251\377\n.d')
cp prog "$odd"
try 0 "$tool" run --sample 1 --report odd.json -- "./$odd"
rm "$odd"
try 0 "$tool" report -o odd.pb.gz odd.json
[ "$(wc -l <err)" = 1 ] || fail "not one line of complaint"
err 'no names of functions in .*: No such file'
gzip -dc odd.pb.gz >raw
protoc --proto_path=$proto --decode perftools.profiles.Profile profile.proto <raw >decoded ||
    fail "odd.pb.gz cannot be decoded"
grep -q 'string_table: "a \\"b\\" <c>\\\\ \\303\\251.*d+0x' decoded || fail "the odd name is lost"

# Nothing to write, nowhere to write it.
try 1 "$tool" report -o none.pb.gz three.json
err 'nothing was sampled in these records'
[ ! -e none.pb.gz ] || fail "a file without a profile"
try 1 "$tool" report --format pprof -o /dev/full one.json
err '/dev/full: No space left'
try 1 script -qec "$tool report --format pprof one.json" /dev/null
out 'not for terminals'
[ "$(wc -c <out)" -lt 200 ] || fail "a profile on the terminal"

# What pprof itself says, where it is installed (golang-go is too large for every test).
if command -v go >/dev/null; then
    HOME=$work go tool pprof -sample_index=alloc_space -top -unit=b one.pb.gz >top 2>&1 ||
        fail "go tool pprof: $(cat top)"
    grep -qE '^ *16000000B .* fill( \(inline\))?$' top || fail "$(cat top)"
    grep -qE '^ *10000000B .* solve$' top || fail "$(cat top)"
fi
echo "ok"
