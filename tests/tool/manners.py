# SPDX-License-Identifier: MIT
"""manners.py TOOL SOURCE: how every verb behaves, whatever it does.

Verbs, and their options, are those that --help prints, so a new verb is tested from the
day that it is there. Help goes to standard output and complaints to stderr; both fit into
79 columns; help has examples and says what the exit statuses are; so does the manual page,
which has the same options; an option or verb that does not exist is answered with the
nearest that does; there are no colours where nobody asked for any.
"""
import os
import re
import subprocess
import sys

tool, source = sys.argv[1:3]
added = {"help", "usage", "version"}  # argp's own
failures = []


def check(good, what):
    if not good:
        failures.append(what)


def call(*words):
    p = subprocess.run([tool, *words], capture_output=True, stdin=subprocess.DEVNULL,
                       text=True, timeout=300)
    return p.returncode, p.stdout, p.stderr


def options_of(text):
    return set(re.findall(r"^  (?:-., |    )--([a-zA-Z-]+)", text, re.M)) - added


def examples_of(text):
    """The lines below "Examples:", as far as they are indented."""
    match = re.search(r"^Examples:\n((?:  .*\n)+)", text, re.M)
    return match[1].splitlines() if match else []


def section(page, name):
    match = re.search(rf"^\.SH {name}\n(.*?)(?=^\.SH |\Z)", page, re.M | re.S)
    return match[1].replace("\\-", "-") if match else ""


def check_examples(verb, options, lines, where):
    own = [line for line in lines if f"numatally {verb}" in line]
    check(own, f"{where}: no example of numatally {verb}")
    for line in own:
        words = line.split(f"numatally {verb}", 1)[1].split(" -- ")[0]
        for name in re.findall(r"--([a-z-]+)", words):
            check(name in options | added, f"{where}: --{name} does not exist: {line}")


def check_help(name, words):
    status, out, err = call(*words, "--help")
    check((status, err) == (0, ""), f"{name} --help: status {status}, stderr {err!r}")
    for line in out.splitlines():
        # What is said is wrapped; what somebody copies is not.
        check(len(line) <= 79 or line in examples_of(out), f"{name} --help: wide: {line}")
    check("exit status" in out.lower(), f"{name} --help does not say the exit statuses")
    check("\033" not in out, f"{name} --help has colours")
    check(call(*words, "--usage")[0] == 0, f"{name} --usage fails")
    check(re.fullmatch(r"numatally \d+\.\d+\.\d+\n", call(*words, "--version")[1]),
          f"{name} --version: no version")
    return out


def check_page(verb, options):
    path = os.path.join(source, "docs/man", f"numatally-{verb}.1")
    try:
        with open(path, encoding="utf-8") as file:
            page = file.read()
    except OSError as error:
        failures.append(f"{path}: {error.strerror}")
        return set()
    for name in "NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "EXAMPLES", "SEE ALSO":
        check(section(page, name), f"{path} has no section {name}")
    # An option is described where a paragraph begins with it.
    there = set(re.findall(r"--([a-z-]+)", "\n".join(
        re.findall(r"^\.TP\n(\..*)", page.replace("\\-", "-"), re.M))))
    check(options - there == set(), f"{path} lacks {sorted(options - there)}")
    check(there - options == set(), f"{path} has {sorted(there - options)}, which do not exist")
    check_examples(verb, options, section(page, "EXAMPLES").splitlines(), path)
    return {int(n) for n in re.findall(r"\b\d+\b", section(page, "EXIT STATUS"))}


def check_refusals(verb, options, statuses):
    for name in sorted(options):
        wrong = "x" + name  # one letter too many
        status, out, err = call(verb, "--" + wrong)
        what = f"numatally {verb} --{wrong}"
        check(status != 0 and status in statuses,
              f"{what}: status {status}, but the manual page has {sorted(statuses)}")
        check(out == "", f"{what}: prints {out!r}")
        check(f'did you mean "--{name}"?' in err and len(err.splitlines()) == 1,
              f"{what} is not answered with --{name} (nt__tool_parse does it): {err!r}")
    status, out, err = call(verb, "--utterly-unlike-anything=3")
    check(status in statuses and out == "" and "did you mean" not in err,
          f"numatally {verb}: an option like no other: {status} {out!r} {err!r}")
    status, out, err = call(verb, "-~")
    check(status in statuses and status != 0 and out == "" and err != "",
          f"numatally {verb} -~: {status} {out!r} {err!r}")


text = check_help("numatally", [])
check(examples_of(text), "numatally --help has no examples")
with open(os.path.join(source, "docs/man/numatally.1"), encoding="utf-8") as file:
    general = file.read().replace("\\-", "-")
verbs = re.findall(r"^  ([a-z]+) {2,}\w", text, re.M)
check({"run", "report", "topo", "doctor"} <= set(verbs), f"verbs: {verbs}")
for verb in verbs:
    check(re.search(rf"numatally .*\b{verb} \[OPTION", text), f"--help: no usage of {verb}")
    check(f"numatally-{verb} (1)" in general, f"numatally(1) does not name {verb}")
    check(f"numatally {verb}" in section(general, "SYNOPSIS"), f"numatally(1): {verb}")
    said = check_help(f"numatally {verb}", [verb])
    options = options_of(said)
    check_examples(verb, options, examples_of(said), f"numatally {verb} --help")
    check("json" in said.lower(), f"numatally {verb} --help: no JSON")
    check_refusals(verb, options, check_page(verb, options))
    status, out, err = call("x" + verb)
    check(status == 2 and out == "" and f'did you mean "numatally {verb}"' in err,
          f"numatally x{verb}: {status} {out!r} {err!r}")
status, out, err = call()
check(status == 2 and out == "" and "--help" in err, f"numatally: {status} {out!r} {err!r}")
status, out, err = call("--versoin")
check(status == 2 and out == "" and 'did you mean "--version"?' in err, f"--versoin: {err!r}")
for failure in failures:
    print(failure, file=sys.stderr)
print(f"verbs: {' '.join(verbs)}; {len(failures)} bad manners")
sys.exit(bool(failures))
