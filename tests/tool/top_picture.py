#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/top.png: what a terminal of tmux's shows of numatally top.

    tests/tool/top_picture.py OUT.png COLUMNS LINES SECONDS KEYS PID|-- PROGRAM...

runs numatally top, presses KEYS (as tmux send-keys has them, "" for none), waits, and has
Chromium draw the terminal's text in its colours.
"""
import html
import os
import re
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("NT_BUILD", "build/release")
COLOURS = ("#1e1e1e", "#f14c4c", "#3fbf5f", "#e5c04b", "#4c8df1", "#bc6fd1", "#29b8db",
           "#d4d4d4")
PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #1e1e1e }}
pre {{ margin: 0; padding: 14px; color: #d4d4d4; font: 15px/19px "DejaVu Sans Mono", monospace }}
</style><pre>{}</pre>"""


def style_of(state):
    fore, back = state.get("fore", 7), state.get("back", 0)
    if state.get("reverse"):
        fore, back = back, fore
    return (f"color:{COLOURS[fore]};background:{COLOURS[back]};"
            + ("font-weight:bold;" if state.get("bold") else "")
            + ("text-decoration:underline;" if state.get("underline") else ""))


def change(state, code):
    if code == 0:
        state.clear()
    elif code in (1, 4, 7):
        state[{1: "bold", 4: "underline", 7: "reverse"}[code]] = True
    elif 30 <= code <= 39:
        state["fore"] = code - 30 if code < 38 else 7
    elif 40 <= code <= 49:
        state["back"] = code - 40 if code < 48 else 0


def page_of(text):
    state, parts = {}, []
    for part in re.split("(\033\\[[0-9;]*m)", text):
        if part.startswith("\033["):
            for code in part[2:-1].split(";"):
                change(state, int(code or 0))
        elif part:
            parts.append(f'<span style="{style_of(state)}">{html.escape(part)}</span>')
    return PAGE.format("".join(parts))


def main():
    out, columns, lines, seconds, keys, *what = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        tmux = ["tmux", "-f", "/dev/null", "-S", f"{folder}/tmux"]
        words = [os.path.join(BUILD, "numatally"), "top", *what]
        subprocess.run([*tmux, "new-session", "-d", "-x", columns, "-y", lines,
                        " ".join(f"'{word}'" for word in words)], check=True)
        try:
            time.sleep(float(seconds) / 2)
            if keys:
                subprocess.run([*tmux, "send-keys", *keys.split()], check=True)
            time.sleep(float(seconds) / 2)
            text = subprocess.run([*tmux, "capture-pane", "-p", "-e"], check=True,
                                  capture_output=True, text=True).stdout
        finally:
            subprocess.run([*tmux, "kill-server"], check=False)
        page = f"{folder}/page.html"
        with open(page, "w", encoding="utf-8") as file:
            file.write(page_of(text))
        size = f"{int(int(columns) * 9.03 + 28)},{int(lines) * 19 + 28}"
        subprocess.run(["chromium", "--headless=new", "--no-sandbox", "--disable-gpu",
                        "--hide-scrollbars", "--force-color-profile=srgb",
                        f"--window-size={size}", f"--screenshot={os.path.abspath(out)}",
                        f"file://{page}"], check=True, stderr=subprocess.DEVNULL)


main()
