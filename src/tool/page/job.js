/* SPDX-License-Identifier: MIT */
/* A job: its ranks, beside each other and node by node. */

const REST = -1; /* the number of the node that stands for all that have no row */
const CELLS_MAX = 4096; /* of the picture: of more ranks, several share a column */
const NAMED_MAX = 10;

const nodeName = node => (node === REST ? "Other nodes" : `Node ${node}`);
const rankName = row => (row.rank === null ? `Process ${row.pid}` : `Rank ${row.rank}`);
const onNode = (row, node) => row.nodes.find(n => n.node === node)?.live_bytes_peak ?? 0;

/* The rows that are compared: ranks, or, where nobody has one, processes. */
function compared(job) {
    const ranked = job.rows.filter(row => row.rank !== null);
    return ranked.length > 0 ? ranked : job.rows;
}

function jobName(job) {
    const [first, ...others] = new Set(compared(job).map(row => row.program));
    return (first ?? "A job") + (others.length > 0 ? " and others" : "");
}

/* How a rank ended, where that is not as it should. */
function badEnd(row) {
    const ends = {
        running: "ran on, or ended without its last word",
        signalled: `ended by signal ${row.code}`,
        aborted: `aborted the job with ${row.code}`,
        exited: row.code !== 0 && `exited with status ${row.code}`,
    };
    return ends[row.end];
}

/* "0, 3–5, 9" of the numbers from 0 to `n` - 1 that are not among `there`. */
function missingRanks(there, n) {
    const ranges = [];
    let next = 0;
    for (const rank of [...there, n]) {
        if (rank > next) {
            ranges.push(next === rank - 1 ? String(next) : `${next}–${rank - 1}`);
        }
        next = Math.max(next, rank + 1);
    }
    const more = ranges.length > NAMED_MAX ? " and so on" : "";
    return ranges.slice(0, NAMED_MAX).join(", ") + more;
}

/* What is to be known before all figures. */
function jobNotes(record, rows) {
    const ranks = rows.filter(r => r.rank !== null).map(r => r.rank);
    const n = Math.max(record.job.ranks, ...ranks.slice(-1).map(rank => rank + 1));
    const missing = n - new Set(ranks).size;
    const bad = rows.filter(badEnd);
    const named = bad
        .slice(0, NAMED_MAX)
        .map(r => `${rankName(r).toLowerCase()} on ${r.host} ${badEnd(r)}`);
    const more = bad.length > NAMED_MAX ? `; and ${whole(bad.length - NAMED_MAX)} more` : "";
    return [
        ranks.length > 0 &&
            missing > 0 &&
            note(`No figures of ${plural(missing, "rank")}: ${missingRanks(ranks, n)}.`),
        bad.length > 0 && note(`Did not end well, or not yet: ${named.join("; ")}${more}.`),
    ];
}

/* Ranks go across, nodes down; a column is a rank, or the most of several. */
function jobPicture(rows) {
    const all = new Set(rows.flatMap(row => row.nodes.map(n => n.node)));
    const nodes = [...all].sort((a, b) => (a === REST) - (b === REST) || a - b);
    const most = largest(rows, row => largest(row.nodes, n => n.live_bytes_peak));
    if (most === 0) {
        return null;
    }
    const text =
        `${rankName(rows[0])} is on the left, ${rankName(rows.at(-1)).toLowerCase()} on the ` +
        `right; the brightest had ${bytes(most)}.`;
    return [
        picture("Memory in use at the peak, by rank and node", text, width => {
            const left = 92;
            const high = nodes.length > 16 ? 10 : 22;
            const room = Math.min((width - left) / 3, CELLS_MAX / nodes.length);
            const columns = Math.max(1, Math.min(rows.length, Math.floor(room)));
            const x = c => left + ((width - left) * c) / columns;
            const cell = (node, line, c) => {
                const from = Math.floor((c * rows.length) / columns);
                const to = Math.floor(((c + 1) * rows.length) / columns);
                const full = rows
                    .slice(from, to)
                    .reduce((a, b) => (onNode(b, node) > onNode(a, node) ? b : a));
                const value = onNode(full, node);
                return (
                    value > 0 &&
                    svg("rect", {
                        x: x(c),
                        y: line * high,
                        width: x(c + 1) - x(c),
                        height: high - 2,
                        "shape-rendering": "crispEdges",
                        fill: `rgb(${viridis(value / most).join(" ")})`,
                        "data-name": nodeName(node),
                        "data-value": value,
                        "data-tip": `${rankName(full)}, ${nodeName(node)}: ${bytes(value)}`,
                    })
                );
            };
            const name = (node, line) =>
                svg("text", {class: "axis", x: 0, y: line * high + high - 8}, nodeName(node));
            return [
                nodes.length * high,
                nodes.map((node, line) => [
                    (high > 16 || line % 2 === 0) && name(node, line),
                    Array.from({length: columns}, (_, c) => cell(node, line, c)),
                ]),
            ];
        }),
        el(
            "p",
            {class: "scale"},
            el("span", null, "0"),
            el("i", {class: "viridis", "aria-hidden": "true"}),
            el("span", null, bytes(most)),
            el("span", null, text),
        ),
    ];
}

const RANK_COLUMNS = [
    {label: "Rank", get: r => r.rank ?? -1, show: n => (n < 0 ? "–" : String(n))},
    {label: "Host", get: r => r.host},
    {label: "Pid", get: r => r.pid, show: String},
    {label: "Program", get: r => r.program},
    {label: "End", get: r => badEnd(r) ?? r.end},
    {label: "Live, peak", get: r => r.live_bytes_peak, show: bytes, bar: true},
    {label: "Live", get: r => r.live_bytes_now, show: bytes},
    {label: "Committed", get: r => r.committed_bytes_now, show: bytes},
    {label: "Elsewhere", get: r => r.elsewhere_bytes_now, show: bytes},
    {label: "Allocations", get: r => r.allocations_total, show: count, bar: true},
    {label: "Requested", get: r => r.requested_bytes_total, show: bytes},
    {label: "Remote frees", get: r => r.remote_frees_total, show: count},
    {label: "Far frees", get: r => r.far_frees_total, show: count},
    {label: "Processor time", get: r => r.cpu_ns_total, show: duration, bar: true},
];
const BY_PEAK = RANK_COLUMNS.findIndex(c => c.label === "Live, peak");

/* Of some ranks, what they had at their peaks. */
function peaks(name, rows) {
    const values = rows.map(row => row.live_bytes_peak);
    const all = sum(values, v => v);
    return {
        name,
        ranks: rows.length,
        sum: all,
        average: all / rows.length,
        least: values.reduce((a, b) => Math.min(a, b)),
        most: values.reduce((a, b) => Math.max(a, b)),
    };
}

const HOST_COLUMNS = [
    {label: "Host", get: h => h.name, head: true},
    {label: "Ranks", get: h => h.ranks},
    {label: "Live, peak", get: h => h.sum, show: bytes, bar: true},
    {label: "Average", get: h => h.average, show: bytes},
    {label: "Least", get: h => h.least, show: bytes},
    {label: "Most", get: h => h.most, show: bytes},
];

function byHost(rows) {
    const hosts = new Map();
    for (const row of rows) {
        hosts.set(row.host, [...(hosts.get(row.host) ?? []), row]);
    }
    return [...hosts].map(([name, of]) => peaks(name, of));
}

function jobPanel(record) {
    const all = record.job?.rows ?? [];
    if (!record.job || all.length === 0) {
        return record.job && panel("ranks", "Ranks", null, note("Nothing is known of them."));
    }
    const rows = compared(record.job);
    const hosts = byHost(rows);
    const top = rows.reduce((a, b) => (b.live_bytes_peak > a.live_bytes_peak ? b : a));
    const average = sum(rows, row => row.live_bytes_peak) / rows.length;
    const lead =
        `${rankName(top)} on ${top.host} had most in use, ${bytes(top.live_bytes_peak)} at its ` +
        `peak; the average is ${bytes(average)}.`;
    return panel(
        "ranks",
        `${plural(rows.length, "rank")} on ${plural(hosts.length, "host")}`,
        lead,
        jobNotes(record, rows),
        jobPicture(rows),
        table("Ranks", RANK_COLUMNS, all, {sort: BY_PEAK}),
        folded("By host, as a table", () => table("Hosts", HOST_COLUMNS, hosts, {sort: 2})),
    );
}
