#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Does memory come back once it was freed, and does a long life need more and more?

A program (growth/comeback.c) builds a heap in one of several shapes, frees all of it, and
then does nothing but allocate and free one small block every 10 ms, for 12 s. The mark for
what is resident then: 1.2 times a fresh start's and 2 MiB for each thread that lives, within
10 s; in another run at once after malloc_trim(0). Then a minute of random life with the
same bytes live: what is resident at its end over what was after 10 s, at most 1.1.

The allocators run beside each other: memory is measured here, not time.
"""
import argparse
import concurrent.futures
import csv
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True  # leave the source folder as it is

import allocators  # noqa: E402
import figures  # noqa: E402
import run  # noqa: E402
from report import table_text  # noqa: E402

ROOT = os.path.dirname(HERE)
SUBJECT, AGAIN = allocators.SUBJECT, figures.CONTROL
SHAPES = {
    "order": "64 bytes, freed oldest first",
    "random": "16 to 2047 bytes, freed at random",
    "medium": "2 to 128 KiB, freed at random",
    "large": "1 to 32 MiB, freed at random",
    "ended": "random's, by 16 threads that free their own and end",
    "late": "the same, but the main thread frees when they have ended",
    "idle": "random's, by 16 threads that free their own and live on without a call",
    "cross": "the same, but each frees its neighbour's",
    "main": "the same, but the main thread frees all",
    "wake": "the same as idle, but each allocates and frees now and then, too",
}
WITHIN_S, SLACK_S = 10, 0.6  # readings are half a second apart
SETTLED_S, BOUNDED = 10, 1.1
FRESH, THREAD_KIB = 1.2, 2048
TRIM = "trim"


class Life:
    """What comeback said of one run: KiB resident before, with the heap, and after."""

    def __init__(self, text):
        self.start = self.built = self.threads = self.trimmed = self.library = None
        self.trimmer = ""
        self.at = []  # [(seconds, KiB)]
        for name, *values in (line.split(" ", 3) for line in text.splitlines()):
            if name == "at":
                self.at.append((float(values[0]), int(values[1])))
            elif name == "trimmed":
                self.trimmed, self.trimmer = int(values[0]), values[2]
            elif name == "malloc":
                self.library = " ".join(values)
            else:
                setattr(self, name, int(values[0]))
        if None in (self.start, self.built, self.threads, self.library):
            raise ValueError(f"not a life: {text!r}")

    def mark(self):
        """KiB that may be resident when all is freed."""
        return FRESH * self.start + THREAD_KIB * self.threads

    def after(self, seconds):
        """KiB of the last reading by then."""
        return [kib for second, kib in self.at if second <= seconds + SLACK_S][-1]

    def reached(self):
        """Seconds until it was at the mark for good; None: never."""
        found = None
        for second, kib in self.at:
            if kib > self.mark():
                found = None
            elif found is None:
                found = second
        return found

    def trims_itself(self):
        """Is malloc_trim the allocator's own?"""
        return os.path.realpath(self.trimmer) == os.path.realpath(self.library)


def choose_columns(build):
    library = os.path.join(build, "libnumatally_malloc.so")
    if not os.path.exists(library):
        run.fail(f"{library} is not there: ./dev build, or name a build with --build")
    found, missing = allocators.packaged()
    return ([allocators.Allocator(SUBJECT, library), allocators.Allocator(AGAIN, library)]
            + found, [f"missing: {text}" for text in missing])


def live(program, column, shape, mib, how, problems):
    """The Life of one run; None after a problem."""
    what = f"{shape} on {column.name}"
    try:
        done = subprocess.run([program, shape, str(mib), how], capture_output=True,
                              text=True, check=False, env=column.environment(), timeout=300)
        if done.returncode != 0:
            raise ValueError(f"exit status {done.returncode}: {done.stderr.strip()}")
        life = Life(done.stdout)
        if not column.serves(life.library):
            raise ValueError(f"malloc came from {life.library}")
    except (ValueError, subprocess.TimeoutExpired) as error:
        problems.append(f"{what}: {error}")
        return None
    return life


def live_all(program, columns, shape, options, how, at_once, problems):
    """{column: Life}"""
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        lives = pool.map(lambda column: live(program, column, shape, options.mib, how,
                                             problems), columns)
        return {column.name: one for column, one in zip(columns, lives) if one}


def mib(kib):
    return f"{kib / 1024:.1f}"


def freed_row(shape, name, life, trimmed):
    """A row of the table, and what is over the mark."""
    reached, over = life.reached(), []
    late = reached is None or reached > WITHIN_S + SLACK_S
    cells = [shape, name, mib(life.start), mib(life.built), mib(life.mark()),
             mib(life.at[0][1]), mib(life.after(WITHIN_S)) + (" *" if late else "  "),
             "-" if reached is None else f"{reached:.1f}"]
    if late:
        over.append(f"{shape}: {mib(life.after(WITHIN_S))} MiB after {WITHIN_S} s, the mark "
                    f"is {mib(life.mark())}")
    if trimmed is None or not trimmed.trims_itself():
        return cells + ["-  "], over
    high = trimmed.trimmed > trimmed.mark()
    if high:
        over.append(f"{shape}: {mib(trimmed.trimmed)} MiB after malloc_trim, the mark is "
                    f"{mib(trimmed.mark())}")
    return cells + [mib(trimmed.trimmed) + (" *" if high else "  ")], over


def freed_report(lives, trims):
    rows, over = [], []
    for shape, by_name in lives.items():
        for name, life in by_name.items():
            cells, wrong = freed_row(shape, name, life, trims[shape].get(name))
            rows.append([f"{cells[0]} {cells[1]}"] + cells[2:])
            over += [f"  {text}" for text in wrong if name == SUBJECT]
    return ("MiB resident. mark: 1.2 x start + 2 a thread; s: seconds until that; trim: at "
            "once after malloc_trim(0), where the allocator has one\n"
            + table_text(["", "start", "built", "mark", "freed", f"{WITHIN_S} s  ", "s",
                              "trim  "], rows)
            + "\n" + "\n".join(f"  {shape}: {SHAPES[shape]}" for shape in lives)
            + f"\n* above the mark, {SUBJECT}:\n" + ("\n".join(over) or "  nowhere"))


def churn_report(lives):
    rows = []
    for name, life in lives.items():
        early, late = life.after(SETTLED_S), life.at[-1][1]
        ratio = late / early
        rows.append([name, mib(early), mib(late), mib(max(kib for _, kib in life.at)),
                     f"{ratio:.3f}" + (" *" if ratio > BOUNDED else "  ")])
    return (f"Random life with the same bytes live: MiB resident after {SETTLED_S} s and at "
            "the end, the most of it, end over early\n"
            + table_text(["", f"{SETTLED_S} s", "end", "most", "growth  "], rows)
            + f"\n* above the mark of {BOUNDED}")


def write_csv(path, lives, trims, churn):
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["shape", "allocator", "threads", "seconds", "resident_kib"])
        for shape, by_name in {**lives, "churn": churn}.items():
            for name, life in by_name.items():
                rows = [("start", life.start), ("built", life.built)]
                rows += [(f"{second:.2f}", kib) for second, kib in life.at]
                trimmed = trims.get(shape, {}).get(name)
                if trimmed is not None and trimmed.trims_itself():
                    rows.append(("trimmed", trimmed.trimmed))
                out.writerows([shape, name, life.threads, *row] for row in rows)


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="bench --memory", description="What is resident after all was freed, and in a "
        "long life, beside other allocators.")
    parser.add_argument("--quick", action="store_true",
                        help="20 s of random life, not 60")
    parser.add_argument("--only", metavar="REGEX", default="",
                        help="only the shapes that match: " + ", ".join([*SHAPES, "churn"]))
    parser.add_argument("--mib", type=int, default=200, help="size of the heaps (200)")
    parser.add_argument("--save", nargs="?", metavar="FOLDER",
                        const=os.path.join(ROOT, "docs", "bench"),
                        help="write memory.csv and memory.txt here (default docs/bench)")
    parser.add_argument("--build", metavar="FOLDER",
                        default=os.path.join(ROOT, "build", "release"),
                        help="where the library and bench/ were built")
    options = parser.parse_args()
    if options.mib < 1:
        parser.error("--mib must be at least 1")
    return options


def main():
    options = parse_arguments()
    columns, notes = choose_columns(options.build)
    program = os.path.join(options.build, "bench", "growth", "comeback")
    shapes = [shape for shape in SHAPES if re.search(options.only, shape)]
    churns = re.search(options.only, "churn")
    if not shapes and not churns:
        run.fail(f"--only {options.only!r} matches no shape")
    lines = [f"{name:12} {value}" for name, value in allocators.conditions()]
    lines += [f"{column.name:12} {column.preload or column.package}" for column in columns]
    conditions = "\n".join(lines + [f"{'heaps':12} {options.mib} MiB"] + notes)
    print(conditions + "\n", flush=True)
    problems, lives, trims, churn = [], {}, {}, {}
    progress = run.Progress(2 * len(shapes) + 1)
    for shape in shapes:
        progress.step(shape)
        lives[shape] = live_all(program, columns, shape, options, "12", len(columns),
                                problems)
        progress.step(f"{shape}, {TRIM}")
        trims[shape] = live_all(program, columns, shape, options, TRIM, len(columns),
                                problems)
    progress.step("churn")
    if churns:
        churn = live_all(program, columns, "churn", options, "20" if options.quick else "60",
                         max(1, len(os.sched_getaffinity(0))), problems)
    progress.end()
    text = "\n\n".join(([freed_report(lives, trims)] if lives else [])
                       + ([churn_report(churn)] if churn else [])
                       + [f"load after   {allocators.load()}"]
                       + [f"problem: {problem}" for problem in problems])
    print(text)
    if options.save:
        os.makedirs(options.save, exist_ok=True)
        write_csv(os.path.join(options.save, "memory.csv"), lives, trims, churn)
        with open(os.path.join(options.save, "memory.txt"), "w", encoding="utf-8") as file:
            file.write(f"{conditions}\n\n{text}\n".replace(ROOT + "/", ""))
        print(f"written: memory.csv and memory.txt in {options.save}")
    return 1 if problems else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
