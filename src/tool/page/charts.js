/* SPDX-License-Identifier: MIT */
/* Memory over time, and phases. */

/* ---- memory over time -------------------------------------------------------------- */

const SERIES_MAX = 8; /* colours that can be told apart */

/* Live bytes by node, [{name, values}]; of many nodes by as many neighbours as it takes. */
function nodeSeries(record, points) {
    const nodes = record.nodes;
    const each = Math.ceil(nodes.length / SERIES_MAX);
    const series = [];
    for (let i = 0; i < nodes.length; i += each) {
        const last = Math.min(i + each, nodes.length) - 1;
        series.push({
            name:
                i === last
                    ? `node ${nodes[i].node}`
                    : `nodes ${nodes[i].node}–${nodes[last].node}`,
            values: points.map(p => sum(p.live_bytes_now.slice(i, i + each), n => n)),
        });
    }
    return series;
}

/* Marks of a time axis, as ticks() but with minutes and hours. */
function timeTicks(max, wanted) {
    const step = [60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400]
        .map(s => s * 1e9)
        .find(s => s >= max / wanted);
    if (max < 120e9 || step === undefined) {
        return ticks(max, max < 120e9 ? 1e18 : 86400e9, wanted);
    }
    return Array.from({length: Math.floor(max / step) + 1}, (_, i) => i * step);
}

/* What is drawn of a record's history; null if there is none. */
function historyOf(record) {
    const points = record.history?.points ?? [];
    if (points.length < 2) {
        return null;
    }
    const series = nodeSeries(record, points);
    const live = points.map((_, k) => sum(series, s => s.values[k]));
    const committed = points.map(p => sum(p.committed_bytes_now, n => n));
    const peak = record.total.live_bytes_peak;
    const most = Math.max(
        peak,
        largest(live, n => n),
        largest(committed, n => n),
        1,
    );
    return {
        points,
        moments: momentsOf(points, record.history.interval_ns),
        series,
        live,
        committed,
        peak,
        end: points.at(-1).ns,
        top: 1.04 * most,
    };
}

/* A moment in words. */
function momentText(h, k) {
    const nodes = h.series.map(s => `${s.name}: ${bytes(s.values[k])}`).join(", ");
    return (
        `${duration(h.points[k].ns)}: ${bytes(h.live[k])} live` +
        `${h.series.length > 1 ? ` (${nodes})` : ""}, ${bytes(h.committed[k])} committed`
    );
}

/* The last point that is not later; the first, if all are. */
function pointAt(h, ns) {
    const k = h.points.findIndex(p => p.ns > ns);
    return k < 0 ? h.points.length - 1 : Math.max(k - 1, 0);
}

/* Moments to draw: [ns, k of the point]. Where points are far apart nobody looked in between, so
 * that a slope would be invented: the value stays until the next. */
function momentsOf(points, interval) {
    return points.flatMap((p, k) =>
        k > 0 && p.ns - points[k - 1].ns > 4 * interval
            ? [
                  [p.ns, k - 1],
                  [p.ns, k],
              ]
            : [[p.ns, k]],
    );
}

/* The areas of the nodes on top of each other, and the lines. */
function historyShapes(h, x, y) {
    const at = (values, [ns, k]) => `${x(ns).toFixed(1)},${y(values[k]).toFixed(1)}`;
    const line = values => "M" + h.moments.map(m => at(values, m)).join("L");
    let floor = h.points.map(() => 0);
    const areas = h.series.map((s, i) => {
        const roof = floor.map((v, k) => v + s.values[k]);
        const back = h.moments
            .map(m => at(floor, m))
            .reverse()
            .join("L");
        floor = roof;
        return svg("path", {
            class: `area s${i}`,
            d: `${line(roof)}L${back}Z`,
            "data-name": s.name,
            "data-value": String(s.values.at(-1)),
        });
    });
    return [
        areas,
        svg("path", {
            class: "line committed",
            d: line(h.committed),
            "data-name": "committed",
            "data-value": String(h.committed.at(-1)),
        }),
        svg("path", {
            class: "line peak",
            d: line(h.points.map(() => h.peak)),
            "data-name": "peak",
            "data-value": String(h.peak),
        }),
    ];
}

/* `pointed(ns)` is told where the pointer is; hair(k) of what is returned marks a moment. */
function paintHistory(h, width, pointed) {
    const height = width < 560 ? 230 : 300;
    const left = 66;
    const right = width - 10;
    const x = ns => left + ((right - left) * ns) / h.end;
    const y = n => height - 26 - ((height - 36) * n) / h.top;
    const mark = svg("line", {class: "hair", y1: 6, y2: height - 26});
    const surface = svg("rect", {
        class: "surface",
        x: left,
        y: 0,
        width: right - left,
        height: height - 26,
        pointermove: event => {
            const box = surface.getBoundingClientRect();
            pointed((h.end * (event.clientX - box.left)) / box.width);
        },
    });
    const anchor = ns => (ns === 0 ? "start" : x(ns) > right - 24 ? "end" : "middle");
    const time = ns =>
        svg(
            "text",
            {class: "axis", x: x(ns), y: height - 8, "text-anchor": anchor(ns)},
            ns === 0 ? "0" : rounded(duration(ns)),
        );
    return {
        drawn: [
            height,
            horizontalGrid(left, right, ticks(h.top, 1024, 4), y, bytes),
            timeTicks(h.end, width < 560 ? 4 : 8).map(time),
            historyShapes(h, x, y),
            mark,
            surface,
        ],
        hair: k => build(mark, {x1: x(h.points[k].ns), x2: x(h.points[k].ns)}, []),
    };
}

function historyTable(h, record) {
    const nodes = record.nodes.length < 2 ? [] : record.nodes;
    return table(
        "Memory over time",
        [
            {label: "Time", get: p => p.ns, show: duration, head: true},
            {
                label: "Live",
                get: p => sum(p.live_bytes_now, n => n),
                show: bytes,
                bar: true,
            },
            {
                label: "Committed",
                get: p => sum(p.committed_bytes_now, n => n),
                show: bytes,
            },
            ...nodes.map((node, i) => ({
                label: `Node ${node.node}`,
                get: p => p.live_bytes_now[i],
                show: bytes,
            })),
        ],
        h.points,
        {limit: 1000},
    );
}

/* The picture; a slider that goes through its moments, and what there was at each. */
function historyView(h, lead) {
    const out = el("output", {class: "readout", for: "history-moment"});
    const last = h.points.length - 1;
    let at = last;
    let hair = () => {};

    function show(k) {
        at = Math.min(Math.max(k, 0), last);
        slider.value = h.points[at].ns;
        slider.setAttribute("aria-valuetext", momentText(h, at));
        out.textContent = "At " + momentText(h, at);
        hair(at);
    }

    function keydown(event) {
        const step = {ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1}[
            event.key
        ];
        if (step) {
            show(at + step);
            event.preventDefault();
        }
    }

    function paint(width) {
        const painted = paintHistory(h, width, ns => show(pointAt(h, ns)));
        hair = painted.hair;
        show(at);
        return painted.drawn;
    }

    const slider = el("input", {
        type: "range",
        id: "history-moment",
        min: 0,
        max: h.end,
        step: "any",
        "aria-label": "Moment",
        input: () => show(pointAt(h, Number(slider.value))),
        keydown,
    });
    const text = `${plural(h.points.length, "point")}. ${lead}`;
    return [
        picture("Memory over time", text, paint),
        el("div", {class: "moment"}, slider),
        out,
    ];
}

function historyPanel(record) {
    const h = historyOf(record);
    const lead =
        `At most ${bytes(record.total.live_bytes_peak)} were in use at once; ` +
        `${atEnd(record)} ${bytes(record.total.live_bytes_now)}.`;
    const content = !h
        ? note(
              "The record has no history: the program ended before there was any, or was " +
                  "run with a version of numatally that kept none.",
          )
        : [
              historyView(h, lead),
              legend([
                  ...h.series.map((s, i) => [`s${i}`, `${s.name}, live`]),
                  ["committed", "committed"],
                  ["peak", `peak ${bytes(h.peak)}`],
              ]),
              folded("As a table", () => historyTable(h, record)),
          ];
    return panel("history", "Memory over time", lead, content);
}

/* ---- phases ------------------------------------------------------------------------ */

const PHASES_DRAWN = 24; /* the table has all */

const PHASE_COLUMNS = [
    {label: "Phase", get: p => p.name + (p.running ? " (running)" : ""), head: true},
    {label: "Entries", get: p => p.entries_total},
    {label: "Time", get: p => p.spent_ns_total, show: duration, bar: true},
    {label: "Allocations", get: p => p.allocations_total, show: count, bar: true},
    {label: "Allocated", get: p => p.allocated_bytes_total, show: bytes},
    {label: "Requested", get: p => p.requested_bytes_total, show: bytes},
    {label: "Frees", get: p => p.frees_total, show: count},
    {label: "Freed", get: p => p.freed_bytes_total, show: bytes},
    {label: "Remote frees", get: p => p.remote_frees_total, show: count},
    {label: "Far frees", get: p => p.far_frees_total, show: count},
    {label: "Live, first", get: p => p.first_live_bytes, show: bytes},
    {label: "Live, last", get: p => p.last_live_bytes, show: bytes},
    {label: "Live, peak", get: p => p.live_bytes_peak, show: bytes},
];

function phaseBar(p) {
    return {
        name: p.name + (p.running ? " (running)" : ""),
        text: `${bytes(p.live_bytes_peak)} in ${duration(p.spent_ns_total)}`,
        tracks: [[{value: p.live_bytes_peak, style: "peakbar", name: "peak"}]],
        marks: [
            {value: p.first_live_bytes, style: "first", name: "when first entered"},
            {value: p.last_live_bytes, style: "last", name: "when last left"},
        ],
    };
}

function phasesPanel(record) {
    const phases = record.phases ?? [];
    if (phases.length === 0) {
        return null;
    }
    const byPeak = [...phases].sort((a, b) => b.live_bytes_peak - a.live_bytes_peak);
    const drawn = new Set(byPeak.slice(0, PHASES_DRAWN));
    return panel(
        "phases",
        "Phases",
        `Most was in use in “${byPeak[0].name}”: ${bytes(byPeak[0].live_bytes_peak)}.`,
        bars(
            "Live bytes in each phase",
            phases.filter(p => drawn.has(p)).map(phaseBar),
        ),
        legend([
            ["peakbar", "peak while it ran"],
            ["first", "live when first entered"],
            ["last", "live when last left"],
        ]),
        phases.length > drawn.size &&
            note(`The ${drawn.size} with the highest peaks; the table has all.`),
        table("Phases", PHASE_COLUMNS, phases, {limit: 200}),
    );
}
