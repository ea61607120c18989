# SPDX-License-Identifier: MIT
"""Real programs: what they do, the CPU time and the peak memory of a run.

Each works for some half a second on input that is made here and always the same, and has an
output that must be the same on every allocator. CPU time is that of all its processes; the
peak is that of the largest of them (launch.c).
"""
import hashlib
import os
import re
import shutil
import subprocess
import sys

import allocators

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HANG_SECONDS = 60  # a run that takes this long is given up; it is no limit on speed

LAMMPS = """units lj
atom_style atomic
lattice fcc 0.8442
region box block 0 14 0 14 0 14
create_box 1 box
create_atoms 1 box
mass 1 1.0
velocity all create 3.0 87287 loop geom
pair_style lj/cut 2.5
pair_coeff 1 1 1.0 1.0 2.5
neighbor 0.3 bin
neigh_modify every 5 delay 0 check no
fix 1 all nve
run 50
write_dump all custom melt.out id x y z vx vy vz modify sort id
"""
GROMACS_TOPOLOGY = """#include "oplsaa.ff/forcefield.itp"
#include "oplsaa.ff/spce.itp"
[ system ]
water
[ molecules ]
"""
GROMACS_RUN = """integrator = md
dt = 0.002
nsteps = 100
nstlist = 10
coulombtype = PME
rcoulomb = 0.9
rvdw = 0.9
tcoupl = v-rescale
tc-grps = System
tau-t = 0.5
ref-t = 300
ld-seed = 1
gen-vel = yes
gen-seed = 1
gen-temp = 300
constraints = h-bonds
"""
JSON = """import hashlib, json
for _ in range(2):
    lines = [json.dumps({"a": list(range(i % 300)), "b": str(i) * 5}) for i in range(8000)]
    rows = [json.loads(line) for line in lines]
print(hashlib.sha256(repr(rows).encode()).hexdigest())
"""
# One key space written again and again, in four types of values, so that what is in it at
# the end does not depend on what the benchmark drew; then a mass insertion.
REDIS = """rm -f redis.sock
redis-server --port 0 --unixsocket redis.sock --save '' --appendonly no \
    --enable-debug-command yes --logfile redis.log &
while [ ! -S redis.sock ]; do sleep 0.01; done
redis-benchmark -s redis.sock -q -t set,lpush,sadd,hset -n 30000 -r 1000 -d 300 -c 8 -P 8 \
    >redis.said
redis-cli -s redis.sock --pipe <redis.in >>redis.said
redis-cli -s redis.sock dbsize
redis-cli -s redis.sock debug digest
redis-cli -s redis.sock shutdown nosave
wait
"""
PERL = """use strict; use warnings;
my ($seed, %count, @lines, %by_length) = (1);
sub draw { $seed = $seed * 16807 % 2147483647; return $seed % $_[0] }
for my $n (1 .. 30000) {
    my $line = join ' ', map { ('a' .. 'z')[draw(26)] x (1 + draw(12)) . draw(50) } 1 .. 12;
    push @lines, $line;
    $count{$_}++ for split / /, $line;
}
push @{$by_length{length $_}}, $_ for keys %count;
for my $length (sort { $a <=> $b } keys %by_length) {
    my @words = sort @{$by_length{$length}};
    print "$length @words\\n";
}
s/([a-m]+)(\\d)/<$1>$2/g for @lines;
print join("\\n", sort @lines), "\\n";
"""
SQL = """create table t(a integer primary key, b text);
with recursive c(x) as (select 1 union all select x + 1 from c where x < 200000)
    insert into t select x, x * 16807 % 2147483647 || hex(x) || x * x from c;
create index i on t(b);
select count(*), sum(length(a.b)) from t a join t b on a.b = b.b;
select b from t order by b desc limit 20;
"""
POSTSCRIPT = """%!PS
/seed 1 def
/draw { seed 16807 mul 2147483647 mod cvi /seed exch def seed exch mod } def
1 1 12 {
  pop
  /Times-Roman findfont 9 scalefont setfont
  40 12 780 { 30 exch moveto (The quick brown fox jumps over the lazy dog, ) show
    6 { 100000 draw 12 string cvs show ( ) show } repeat } for
  200 { newpath 595 draw 842 draw moveto
    3 { 595 draw 842 draw } repeat curveto
    3 { 255 draw 255 div } repeat setrgbcolor 3 draw 1 add setlinewidth stroke } repeat
  60 { newpath 595 draw 842 draw 40 draw 0 360 arc 255 draw 255 div setgray fill } repeat
  0 setgray showpage
} for
"""


# Debian's packages; python3 is the one that runs the bench.
PACKAGES = {"lammps": "lammps", "gromacs": "gromacs", "python3": "python3", "cc1": "gcc",
            "redis": "redis-server", "perl": "perl", "sqlite3": "sqlite3", "z3": "z3",
            "ghostscript": "ghostscript"}
NAMES = tuple(PACKAGES)


class Program:
    """A program that is here: how it is run, and where its output is."""

    def __init__(self, command, stdin=os.devnull, output=None, note="", settings=None):
        self.command = command
        self.stdin = stdin
        self.output = output          # a file; None: standard output
        self.note = note              # what has to be known to read its figures
        self.settings = settings or {}  # {allocator: {variable: value}}


def z3_text():
    """A pigeon-hole problem, one of bit vectors, one of integers."""
    holes, unknowns = 9, 40
    pigeons = [[f"p{p}_{h}" for h in range(holes)] for p in range(holes + 1)]
    lines = ["(set-logic QF_BV)"]
    lines += [f"(declare-const {name} (_ BitVec 14))" for name in "abcd"]
    lines += ["(assert (= (bvmul a (bvadd b c)) (bvadd (bvmul a b) (bvmul a c) d)))",
              "(assert (bvugt d #b00000000000000))", "(check-sat)", "(reset)"]
    lines += [f"(declare-const {name} Bool)" for row in pigeons for name in row]
    lines += [f"(assert (or {' '.join(row)}))" for row in pigeons]
    lines += [f"(assert (not (and {pigeons[p][h]} {pigeons[q][h]})))"
              for h in range(holes) for p in range(holes + 1) for q in range(p)]
    lines += ["(check-sat)", "(reset)"]
    lines += [f"(declare-const x{i} Int)\n(assert (and (>= x{i} 0) (<= x{i} 60)))"
              for i in range(unknowns)]
    lines += [f"(assert (or (>= (- x{i + 1} x{i}) 2) (<= (- x{i + 1} x{i}) (- 5))))"
              for i in range(unknowns - 1)]
    total = " ".join(f"(* {1 + i % 7} x{i})" for i in range(unknowns))
    return "\n".join(lines + [f"(assert (= (+ {total}) 3001))", "(check-sat)",
                              "(get-model)", ""])


class Maker:
    """Makes the input of each program in a folder; a method per program.

    Each returns a Program, or raises Missing with what is not there."""

    def __init__(self, folder):
        self.folder = folder

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def run(self, *command):
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            said = (done.stderr.strip().splitlines() or ["(nothing on stderr)"])[-1]
            raise Missing(f"{' '.join(command[:3])}: status {done.returncode}: {said}")
        return done.stdout.strip()

    def lammps(self):
        need("lmp", "lammps")
        return Program(["lmp", "-in", self.write("melt.in", LAMMPS), "-log", "none",
                        "-screen", "none"], output="melt.out")

    def gromacs(self):
        need("gmx", "gromacs")
        self.write("water.top", GROMACS_TOPOLOGY)
        self.write("water.mdp", GROMACS_RUN)
        self.run("gmx", "-quiet", "solvate", "-cs", "spc216.gro", "-box", *3 * ["3.72412"],
                 "-p", "water.top", "-o", "water.gro")
        self.run("gmx", "-quiet", "grompp", "-f", "water.mdp", "-c", "water.gro", "-p",
                 "water.top", "-o", "water.tpr", "-maxwarn", "5")
        return Program(["gmx", "-quiet", "-nobackup", "mdrun", "-s", "water.tpr",
                        "-deffnm", "md", "-ntmpi", "1", "-ntomp", "1", "-reprod", "-pin",
                        "off"], output="md.gro")

    def python3(self):
        return Program([sys.executable, self.write("work.py", JSON)])

    def cc1(self):
        # The compiler itself: of the driver's children not every profiler comes to know.
        need("gcc", "gcc")
        compiler = self.run("gcc", "-print-prog-name=cc1")
        source = os.path.join(self.folder, "alloc.i")
        self.run("gcc", "-E", "-D_GNU_SOURCE", "-I", ROOT, "-I", f"{ROOT}/include",
                 f"{ROOT}/src/heap/alloc.c", "-o", source)
        return Program([compiler, "-quiet", "-O2", "-fpreprocessed", source, "-o",
                        "alloc.s"], output="alloc.s")

    def redis(self):
        for name in ("redis-server", "redis-benchmark", "redis-cli"):
            need(name, "redis-server and redis-tools")
        self.write("redis.in", "".join(
            f"SET key:{i} {'x' * (1 + i * 37 % 900)}\r\nRPUSH list:{i % 500} {i}\r\n"
            for i in range(30000)))
        program = Program(["sh", self.write("redis.sh", REDIS)])
        if "libjemalloc" in self.run("ldd", shutil.which("redis-server")):
            # In front of the other libraries its malloc is found first.
            libc = allocators.find_library("libc.so.6")
            program.settings["glibc"] = {"LD_PRELOAD": libc or ""}
            program.note = ("redis-server is linked to its own libjemalloc.so.2; on glibc "
                            f"{libc} is preloaded, so that glibc's malloc is measured")
        return program

    def perl(self):
        need("perl", "perl")
        # The seed of its hashes: a new one in each run otherwise.
        return Program(["env", "PERL_HASH_SEED=0", "perl", self.write("work.pl", PERL)])

    def sqlite3(self):
        need("sqlite3", "sqlite3")
        return Program(["sqlite3", ":memory:"], self.write("work.sql", SQL))

    def z3(self):
        need("z3", "z3")
        return Program(["z3", self.write("work.smt2", z3_text())])

    def ghostscript(self):
        need("gs", "ghostscript")
        return Program(["gs", "-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-sDEVICE=ppmraw",
                        "-r60", "-sOutputFile=pages.ppm",
                        self.write("work.ps", POSTSCRIPT)], output="pages.ppm")


class Missing(Exception):
    """A program or what it needs is not here."""


def need(command, package):
    if not shutil.which(command):
        raise Missing(f"{command} (Debian package {package})")


def version(name):
    if name == "python3":
        return sys.version.split()[0]
    return allocators.package_version(PACKAGES[name]) or "of unknown version"


def prepare(folder, names=NAMES):
    """({name: Program} of those that are here, what is missing)."""
    found, missing = {}, []
    for name in names:
        try:
            found[name] = getattr(Maker(folder), name)()
        except (Missing, OSError) as error:
            missing.append(f"missing: the program {name}: {error}")
    return found, missing


class Runner:
    """Runs programs in a folder, and remembers what they put out."""

    def __init__(self, launcher, folder, reader):
        self.launcher, self.folder = os.path.abspath(launcher), folder
        self.reader = reader
        self.outputs = {}  # {program: {hash: [allocator, ...]}}

    def run(self, column, name, program, cpu):
        """(CPU seconds, peak KiB) of one run on one cpu; (None, None), and a remembered
        problem, if it failed."""
        used = os.path.join(self.folder, "used.txt")
        output = program.output and os.path.join(self.folder, program.output)
        for path in (used, output):
            if path and os.path.exists(path):
                os.remove(path)
        # The launcher is not to run on the allocator: what it preloads goes to its child.
        env = column.environment()
        changed = {**({"LD_PRELOAD": env.pop("LD_PRELOAD")} if "LD_PRELOAD" in env else {}),
                   **program.settings.get(column.name, {})}
        with open(program.stdin, "rb") as file:
            done = subprocess.run(
                [self.launcher, used, str(HANG_SECONDS)]
                + [f"{key}={value}" for key, value in changed.items()]
                + ["--", *program.command], stdin=file, capture_output=True, check=False,
                env=env, cwd=self.folder,
                preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
        # That a setting is not understood, or a library not loaded, is all these say.
        wrong = re.search(rb"^(<jemalloc>|numatally|ERROR: ld\.so): .*", done.stderr,
                          re.MULTILINE)
        if done.returncode != 0 or wrong:
            why = (wrong[0].decode() if wrong
                   else f"no end in {HANG_SECONDS} s" if done.returncode == 124
                   else f"exit status {done.returncode}")
            self.reader.problem(f"{name} on {column.name}: {why}")
            return None, None
        if output:
            done.stdout = b""
            if os.path.exists(output):
                with open(output, "rb") as file:
                    done.stdout = file.read()
        if not done.stdout:
            self.reader.problem(f"{name} on {column.name}: no output")
            return None, None
        found = self.outputs.setdefault(name, {})
        found.setdefault(hashlib.sha256(done.stdout).hexdigest(), []).append(column.name)
        with open(used, encoding="ascii") as file:
            user, system, peak = map(int, file.read().split())
        return (user + system) / 1e6, peak


def differing(outputs):
    """What to say of programs whose output was not the same on every allocator. The most
    frequent one is taken to be right; the allocators with another one are named."""
    problems = []
    for name, found in outputs.items():
        right = max(found, key=lambda text: len(found[text]))
        wrong = sorted({column for text, columns in found.items() if text != right
                        for column in columns})
        if wrong:
            problems.append(f"{name}: the output on {', '.join(wrong)} is not that on "
                            f"{', '.join(sorted(set(found[right])))}")
    return problems
