#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every block of the documents says what it is, and what is no `text` is run or compiled as it
stands: here, with the library installed and the words below filled in, or by the test named.
"""
import collections
import functools
import glob
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(os.environ.get("NT_SOURCE") or pathlib.Path(__file__).resolve().parents[2])
BUILD = pathlib.Path(os.environ.get("NT_BUILD") or SOURCE / "build/release")
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "bench/README.md",
             *sorted(str(p.relative_to(SOURCE)) for p in (SOURCE / "docs").glob("*.md"))]
KINDS = {"sh", "c", "cpp", "fortran", "python", "promql", "text"}
# A document's own test runs its blocks of these kinds.
OWN = {
    "docs/recipes.md": ("tests/docs/recipes.sh", {"sh", "c"}),
    "docs/tutorial.md": ("tests/tutorial.sh", {"sh", "c"}),
    "docs/languages.md": ("tests/docs/languages.sh", {"cpp", "fortran", "python"}),
}
# Commands that begin so: the test named runs them, or what comes nearest.
ELSEWHERE = {
    "srun -n": "tests/mpi/slurm.sh",
    "apt install ./build/package/": "tests/package.sh",
    "go tool pprof": "tests/tool/pprof.sh", # without Go, which is large: by the format's definition
}
# What looks like a command is not text.
COMMAND = re.compile(r"\s*(\$ |\./|sudo |[A-Z_]+=\S+ |mpirun |srun |cmake |gcc |make "
                     r"|(\S*/)?numatally (run|report|top|tune|topo|doctor)\b)")
# Filled in: words, and what ends by itself or may end otherwise.
FILLED = [
    (r"\bPID\b", "$WATCHED"),
    (r"/opt/numatally\b", "$PWD/opt"),
    (r"/var/lib/prometheus/node-exporter/", "$PWD/"),
    (r"/run/numatally/", "$LIVE/"),
    (r"^numatally top (?!--batch|--json).*", r"at_terminal \g<0>"),
    (r"^numatally top (--batch|--json)", r"\g<0> -n 1"),
    (r"numatally doctor .*", r"\g<0> || [ $? = 1 ] # there are problems"),
    (r"numatally tune --verify .*", r"\g<0> || [ $? = 3 ] # it is not better"),
]
# What takes half a minute, of which tests/package.sh does the like anyway.
if not os.environ.get("NT_LONG"):
    FILLED += [(r"^cmake --build build$", r"\g<0> --target help"),
               (r"^cmake --install build ", "cmake --install build/release ")]
# How old figures are; that --verify keeps nothing.
SAID = "at its last update|figures from [0-9.]+ s ago|is not written: "
NEEDED = ["gcc", "cmake", "pkg-config", "gfortran", "mpirun", "mpiexec.hydra", "lmp",
          "redis-server", "promtool", "jq", "cargo"]

PROGRAM = r"""
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static void *block[20000];
    int stay = argc > 1 && strcmp(argv[1], "stay") == 0;
    pid_t parent = getppid();

    do {
        for (size_t i = 0; i < 20000; i++)
            memset(block[i] = malloc(650), 1, 650);
        for (size_t i = 0; i < 20000; i++)
            free(block[i]);
        free(memset(malloc(1 << 20), 1, 1 << 20));
        if (stay)
            usleep(10000);
    } while (stay && getppid() == parent);
    return 0;
}
"""
# A terminal whose user presses q until the program has ended.
AT_TERMINAL = r"""#!/usr/bin/python3
import os, pty, select, sys
pid, terminal = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    os.execvp(sys.argv[1], sys.argv[1:])
while True:
    try:
        if select.select([terminal], [], [], 0.1)[0]:
            if not os.read(terminal, 65536):
                break
        else:
            os.write(terminal, b"q")
    except OSError:
        break
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
# In flamegraph.pl's place, which Debian has not: each line is a stack, a blank, a number.
FLAMEGRAPH = r"""#!/usr/bin/python3
import re, sys
lines = sys.stdin.readlines()
assert lines and all(re.fullmatch(r"[^ ]+ [0-9]+\n", line) for line in lines), lines
print("<svg/>")
"""


def fail(where, *what):
    sys.exit(f"{where}: " + "\n".join(str(w) for w in what))


Block = collections.namedtuple("Block", "where kind text")


def blocks_of(document):
    """The document's blocks. One that is only indented is an error: it has no kind."""
    found, lines, at = [], (SOURCE / document).read_text().split("\n"), 0
    while at < len(lines):
        where = f"{document}:{at + 1}"
        fence = re.fullmatch(r"( *)```(.*)", lines[at])
        if fence:
            end = lines.index(fence[1] + "```", at + 1)
            if fence[2] not in KINDS:
                fail(where, f"a block of the kind {fence[2]!r}: one of {', '.join(sorted(KINDS))}")
            found.append(Block(where, fence[2], "\n".join(lines[at + 1:end]) + "\n"))
            at = end
        elif re.match(r"    \S", lines[at]) and lines[at - 1] == "":
            fail(where, "an indented block: give it a fence, and say what it is")
        at += 1
    return found


# ---- What is not run here -----------------------------------------------------------------------


@functools.cache
def help_of(*command):
    return subprocess.run(command, cwd=SOURCE, check=True, capture_output=True, text=True).stdout


def check_dev(where, line):
    """A line of ./dev, which takes long or needs root: its verb, options and names exist."""
    words = shlex.split(line, comments=True)[1:]
    general = help_of("./dev", "help")
    verb = words.pop(0)
    if not re.search(rf"^  {verb}\b", general, re.M):
        fail(where, f"./dev has no verb {verb!r}")
    known = general
    if verb == "bench":
        mode = words[0][2:] if words and (SOURCE / f"bench/{words[0][2:]}.py").exists() else "run"
        known = help_of(SOURCE / f"bench/{mode}.py", "--help") + f" --{mode} "
    elif verb == "lab":
        names = re.findall(r"^  (\w+) ", help_of("./dev", "lab", "help"), re.M)
        if words and words.pop(0) not in names:
            fail(where, f"no topology of the lab: {line}")
        for program in (w for w in words if w.startswith("prog_")):
            if not (SOURCE / f"tests/lab/{program}.c").exists():
                fail(where, f"the lab has no {program}")
        return
    for option in (w for w in words if re.match(r"-+[a-zA-Z]", w)):
        if not re.search(rf"(?<![\w-]){option}(?![\w-])", known):
            fail(where, f"./dev {verb} has no option {option}")


def commands_of(block):
    """Its lines that are run here; those that are not have been checked."""
    kept = []
    for line in re.sub(r"\\\n *", "", block.text).split("\n"):
        test = next((t for start, t in ELSEWHERE.items() if line.startswith(start)), None)
        if test:
            used.add(test)
        elif line.startswith("./dev "):
            check_dev(block.where, line)
            counts["./dev"] += 1
        elif line.startswith(".ci/run"):
            if not os.access(SOURCE / ".ci/run", os.X_OK):
                fail(block.where, "there is no .ci/run")
        elif line and not line.lstrip().startswith("#"):
            for pattern, filled in FILLED:
                line = re.sub(pattern, filled, re.sub(r"\s+# .*", "", line))
            kept.append(line)
    return kept


# ---- What is ------------------------------------------------------------------------------------


def run(where, command, folder, **options):
    """The library and the tool complain of nothing on its standard error but of what is SAID."""
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, env=environment, text=True,
                          errors="replace", capture_output=True, timeout=900, **options)
    if done.returncode or re.search(rf"^numatally: (?!.*({SAID}))|cannot be preloaded", done.stderr, re.M):
        fail(where, command[-1], f"status {done.returncode}", done.stdout[-2000:], done.stderr[-4000:])


def shell(block, folder):
    lines = commands_of(block)
    if lines:
        run(block.where, ["bash", "-c", "set -e -o pipefail\n" + "\n".join(lines)], folder)
    counts["sh"] += len(lines)


def compiled(block, folder):
    """A program is run; declarations and statements compile beside the headers' own."""
    headers = "".join(f"#include <numatally/{p.name}>\n" for p in (SOURCE / "include/numatally").glob("*.h"))
    includes = "".join(re.findall(r"^#include.*\n", block.text, re.M))
    rest = block.text.replace(includes, "")
    whole = "int main(" in block.text
    forms = [block.text] if whole else [
        headers + block.text, f"{headers}{includes}void fragment(void)\n{{\n{rest}}}\n"]
    for text in forms:
        (folder / "block.c").write_text(text)
        done = subprocess.run(
            ["gcc", "-std=c17", "-Wall", "-Wextra", "-Werror", "-Wno-unused", f"-I{SOURCE}/include",
             *(["-o", "block", "block.c", f"-L{BUILD}", "-lnumatally"] if whole else ["-fsyntax-only", "block.c"])],
            cwd=folder, capture_output=True, text=True)
        if done.returncode == 0:
            break
    else:
        fail(block.where, done.stderr)
    if whole:
        run(block.where, ["./block"], folder)


def python(block, folder):
    run(block.where, ["/usr/bin/python3", "-c", block.text], folder)


def promql(block, folder):
    rules = {"groups": [{"name": "n", "rules": [{"record": "r", "expr": block.text}]}]}
    (folder / "rules.yml").write_text(str(rules).replace("'", '"'))
    run(block.where, ["promtool", "check", "rules", "rules.yml"], folder)


def repository(folder):
    """The root of the repository as a document's commands see it, and what they read."""
    folder.mkdir(parents=True)
    for entry in SOURCE.iterdir():
        if entry.name not in ("build", "bindings", ".git"):
            (folder / entry.name).symlink_to(entry)
    shutil.copytree(SOURCE / "bindings", folder / "bindings") # cargo writes there
    (folder / "build").mkdir()
    (folder / "build/release").symlink_to(BUILD)
    (folder / "program").symlink_to(work / "bin/PROGRAM")
    shutil.copytree(work / "records", folder, dirs_exist_ok=True)
    shutil.copy(SOURCE / "docs/examples/triad.f90", folder / "program.f90")
    shutil.copy(SOURCE / "tests/docs/in.melt", folder)


def set_up():
    """The library installed, PROGRAM, records of it, and a process to watch."""
    (work / "bin").mkdir()
    (work / "live").mkdir()
    for name, text in (("at_terminal", AT_TERMINAL), ("flamegraph.pl", FLAMEGRAPH)):
        (work / "bin" / name).write_text(text)
        (work / "bin" / name).chmod(0o755)
    run("installing", ["cmake", "--install", BUILD, "--prefix", work / "usr"], work)
    libraries = next((work / "usr").rglob("libnumatally_malloc.so")).parent
    environment["LD_LIBRARY_PATH"] = str(libraries)
    environment["PKG_CONFIG_PATH"] = str(libraries / "pkgconfig")
    (work / "program.c").write_text(PROGRAM)
    run("PROGRAM", ["gcc", "-O2", "-fno-builtin", "-o", "bin/PROGRAM", "program.c"], work)
    records = work / "records"
    (records / "ranks").mkdir(parents=True)
    for rank, name in enumerate(["before.json", "after.json", "ranks/0.json", "ranks/1.json"]):
        run(name, ["env", f"PMI_RANK={rank % 2}", "numatally", "run", "--sample", "16K", "--report", name, "--", "PROGRAM"], records)
    watched = subprocess.Popen(["PROGRAM", "stay"], env=environment | {
        "LD_PRELOAD": str(libraries / "libnumatally_malloc.so"),
        "NUMATALLY_CONF": f"live:{work}/live,mark_signal:USR1,report_signal:USR2,report:{work}/watched.txt"})
    environment["WATCHED"], environment["LIVE"] = str(watched.pid), f"{work}/live"
    # Its signals are taken when its file is there.
    while not glob.glob(f"{work}/live/*.live"):
        if watched.poll() is not None:
            fail("PROGRAM", "ended")
        time.sleep(0.05)
    return watched


def main():
    every = {d: blocks_of(d) for d in DOCUMENTS}
    for block in sum(every.values(), []):
        if block.kind == "text" and any(map(COMMAND.match, block.text.split("\n"))):
            fail(block.where, "a command in a block of text: mark it sh")
    watched = set_up()
    try:
        for document, blocks in every.items():
            test, kinds = OWN.get(document, ("", set()))
            folder = work / "at" / document.replace("/", "-")
            if any(b.kind not in kinds | {"text"} for b in blocks):
                repository(folder)
            for block in blocks:
                if block.kind in kinds:
                    counts[test] += 1
                elif block.kind == "text":
                    counts["text"] += 1
                elif block.kind in RUN:
                    RUN[block.kind](block, folder)
                    counts[block.kind] += block.kind != "sh"
                else:
                    fail(block.where, f"nothing runs {block.kind} here")
        if watched.poll() is not None:
            fail("PROGRAM", "a signal ended what was watched")
    finally:
        watched.send_signal(signal.SIGKILL)
    unused = set(ELSEWHERE.values()) - used
    if unused:
        fail("tests/docs/test_blocks.py", f"nothing of {', '.join(unused)} is in the documents any more")
    print(", ".join(f"{n} {name}" for name, n in sorted(counts.items())))


RUN = {"sh": shell, "c": compiled, "python": python, "promql": promql}
counts, used = collections.Counter(), set()
environment = {k: v for k, v in os.environ.items()
               if not re.match(r"NUMATALLY_|LD_|PMI|OMPI_|SLURM_|MALLOC_", k)}
missing = [name for name in NEEDED if not shutil.which(name)]
if missing:
    print(f"skipped: no {', '.join(missing)} (cmake/packages.txt)")
    sys.exit(77)
with tempfile.TemporaryDirectory(prefix="numatally-docs-") as name:
    work = pathlib.Path(name)
    # Debian's python3 and cargo, whatever else is installed.
    environment |= {
        "PATH": f"{work}/usr/bin:{work}/bin:/usr/bin:{os.environ['PATH']}", "TMPDIR": name,
        "XDG_RUNTIME_DIR": name, "HOME": name, "RUSTC": "/usr/bin/rustc", "PYTHONDONTWRITEBYTECODE": "1",
        "CARGO_TARGET_DIR": f"{work}/target", "CARGO_NET_OFFLINE": "true", "CMAKE_BUILD_PARALLEL_LEVEL": "2",
        "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
        "HYDRA_LAUNCHER": "fork", "OMP_NUM_THREADS": "1"}
    main()
