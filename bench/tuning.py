#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `numatally tune` makes of real programs: a table for docs/tune.md.

Each program is run by `numatally tune --verify`: sampled without and with the proposed table,
then in so many pairs of runs. The table has what was predicted and what was measured.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import programs

NAMES = ["lammps", "python3", "cc1", "redis", "z3", "sqlite3", "perl", "assembly"]


def mib(n):
    return f"{n / 2**20:.3f}"


def error(n, standard):
    return f"{mib(n)} ± {mib(1.96 * standard)}"


def ratio(f):
    return f"{f['ratio']:.3f} ({f['ratio_low']:.3f} to {f['ratio_high']:.3f})"


def tool(build, program, folder, *arguments):
    with open(program.stdin, "rb") as file:
        return subprocess.run([f"{build}/numatally", *arguments], stdin=file,
                              capture_output=True, text=True, check=False, cwd=folder)


def verify(build, runs, program, folder):
    """The verb's JSON; None and its complaint if there is none."""
    done = tool(build, program, folder, "tune", "--verify", "--json",
                "--runs", str(runs), "--", *program.command)
    if not done.stdout.strip():
        return None, (done.stderr.strip().splitlines() or ["?"])[-1]
    return json.loads(done.stdout), ""


def row(name, v):
    a = v["at_peak"]
    without, with_ = a["without"], a["with"]
    predicted, measured = a["predicted_waste_bytes"], with_["waste_bytes"]
    print(f"| {name} | {mib(without['requested_bytes'])} | {mib(without['waste_bytes'])} | "
          f"{error(predicted, a['predicted_waste_bytes_error'])} | ", end="")
    if v["runs"] == 0:
        print("| | | | none proposed |", flush=True)
        return
    print(f"{error(measured, with_['waste_bytes_error'])} | "
          f"{ratio(v['resident_peak_bytes'])} | {ratio(v['cpu_s'])} | "
          f"{ratio(v['time_s'])} | {'kept' if v['kept'] else 'not kept: ' + v['why']} |",
          flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(programs.ROOT, "build/release"))
    parser.add_argument("--runs", type=int, default=10, help="pairs of runs (10)")
    parser.add_argument("names", nargs="*", default=NAMES, metavar="PROGRAM",
                        help=f"of {' '.join(NAMES)}")
    options = parser.parse_args()
    build, runs, names = os.path.abspath(options.build), options.runs, options.names
    print("| program | asked for at the peak, MiB | waste, built in | predicted | measured | "
          "resident peak | processor time | time | |\n|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        found, missing = programs.prepare(folder, [n for n in names if n != "assembly"])
        for line in missing:
            print(line, file=sys.stderr)
        if "assembly" in names:
            found["assembly"] = programs.Program([f"{build}/bench/assembly"])
        for name, program in found.items():
            v, why = verify(build, runs, program, folder)
            if v is not None:
                row(name, v)
            else:
                print(f"| {name} | | | | | | | | {why} |", flush=True)


if __name__ == "__main__":
    main()
