# SPDX-License-Identifier: MIT
"""Two charts of a run, by gnuplot: time and peak memory, groups on the x axis, a bar per
allocator, its ratio to the best on the y axis. SVG and PNG."""
import math
import os
import shutil
import subprocess

CAP = 4  # bars end here; the figure of one that is higher stands above it
FLOOR = 0.95  # so that the best, of ratio 1, is seen
COLOURS = ("#d62728", "#7f7f7f", "#1f77b4", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b",
           "#e377c2", "#17becf", "#bcbd22")


def script(means, names, title, subtitle, folder, stem):
    """The gnuplot commands for {group: {allocator: ratio to the best}}."""
    def quoted(text):
        return '"' + str(text).replace("\\", "/").replace('"', "'") + '"'

    def ratio(group, name):
        return means[group].get(name, math.nan)
    lines = ["$data << END", " ".join(map(quoted, ["group", *names]))]
    for group in means:
        lines.append(" ".join([quoted(group)] + [
            "?" if math.isnan(ratio(group, name)) else f"{min(ratio(group, name), CAP):.4f}"
            for name in names]))
    lines += ["END", 'set datafile missing "?"', "unset mouse",
              f'set title {quoted(title)} . "\\n" . {quoted(subtitle)} noenhanced',
              "set style data histograms", "set style histogram clustered gap 2",
              "set style fill solid 1.0 noborder", "set boxwidth 0.95 relative",
              f"set logscale y 2; set yrange [{FLOOR}:{CAP * 1.08:.2f}]",
              'set ytics (1, "1.1" 1.1, "1.25" 1.25, 1.5, 2, 3, 4) nomirror',
              "set grid ytics back linetype 1 linewidth 0.5 linecolor rgb '#bbbbbb'",
              "set border 3",
              f"set xtics rotate by -25 nomirror; set xrange [-0.7:{len(means) - 0.3:.1f}]",
              'set ylabel "ratio to the best (log), lower is better"',
              "set key outside top center horizontal samplen 1"]
    width = 1 / (len(names) + 2)  # of a bar: a cluster has its bars and a gap of 2
    for number, group in enumerate(means):
        for place, name in enumerate(names):
            if ratio(group, name) > CAP:
                x = number + (place - (len(names) - 1) / 2) * width
                lines.append(f'set label "{ratio(group, name):.1f}" at {x:.3f},'
                             f"{CAP * 1.02} rotate by 60 font ',9'")
    bars = ", ".join(
        f"{'$data' if place == 0 else chr(39) * 2} using {place + 2}"
        f"{':xtic(1)' if place == 0 else ''} title columnheader({place + 2}) "
        f"lc rgb '{COLOURS[place % len(COLOURS)]}'" for place, name in enumerate(names))
    for terminal, ending in (("svg size 1400,560 dynamic font 'sans,13' background 'white'",
                              "svg"), ("pngcairo size 1400,560 font 'sans,11'", "png")):
        lines += [f"set terminal {terminal}",
                  f"set output {quoted(os.path.join(folder, f'{stem}.{ending}'))}",
                  f"plot {bars}"]
    return "\n".join(lines) + "\n"


def draw(means, names, title, subtitle, folder, stem):
    """Writes STEM.svg and STEM.png. What went wrong, None if nothing."""
    if not shutil.which("gnuplot"):
        return "no charts: gnuplot (Debian package gnuplot-nox)"
    done = subprocess.run(["gnuplot"], capture_output=True, text=True, check=False,
                          input=script(means, names, title, subtitle, folder, stem))
    if done.returncode != 0:
        return f"no chart {stem}: gnuplot: {done.stderr.strip()}"
    return None
