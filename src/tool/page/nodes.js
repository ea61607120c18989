/* SPDX-License-Identifier: MIT */
/* Where memory lives: nodes, who frees whose blocks, and where pages lie. */

/* ---- nodes ------------------------------------------------------------------------- */

/* A figure's name in words: live_bytes_now is "live bytes, now". */
function figureName(name) {
    return name.replace(/_(total|now|peak)$/, ", $1").replaceAll("_", " ");
}

function nodeBar(n) {
    return {
        name: `Node ${n.node}`,
        text: `${bytes(n.live_bytes_now)} of ${bytes(n.committed_bytes_now)}`,
        tracks: [
            [
                {value: n.live_bytes_now, style: "asked", name: "live"},
                {
                    value: Math.max(0, n.committed_bytes_now - n.live_bytes_now),
                    style: "unused",
                    name: "committed, not live",
                },
                {value: n.cached_bytes_now, style: "cached", name: "cached"},
            ],
        ],
        marks: [{value: n.live_bytes_peak, style: "peakmark", name: "peak of live"}],
    };
}

function nodesPanel(record) {
    const nodes = record.nodes;
    if (nodes.length === 0) {
        return panel("nodes", "Nodes", null, note("The record has no nodes."));
    }
    const most = nodes.reduce((a, b) =>
        b.live_bytes_peak > a.live_bytes_peak ? b : a,
    );
    const text =
        nodes.length < 2
            ? "This machine has one node."
            : `Node ${most.node} had most in use, ${bytes(most.live_bytes_peak)}; nodes peak ` +
              "at different times.";
    const list = [
        {label: "Figure", get: figureName, head: true},
        ...nodes.map(n => ({label: `Node ${n.node}`, get: figure => n[figure]})),
        {label: "Total", get: figure => record.total[figure]},
    ];
    return panel(
        "nodes",
        "Nodes",
        text,
        bars("Memory of each node", nodes.map(nodeBar)),
        legend([
            ["asked", "live"],
            ["unused", "committed, not live"],
            ["cached", "cached: free, not given back"],
            ["peakmark", "peak of live"],
        ]),
        folded("All figures, as a table", () =>
            table("Figures of each node", list, Object.keys(record.total)),
        ),
    );
}

/* ---- colours of the heat map --------------------------------------------------------- */

const VIRIDIS = [
    [68, 1, 84],
    [71, 45, 123],
    [59, 82, 139],
    [44, 114, 142],
    [33, 145, 140],
    [40, 174, 128],
    [94, 201, 98],
    [173, 220, 48],
    [253, 231, 37],
];

/* The colour at 0 to 1, [red, green, blue]: dark is little, bright much. */
function viridis(share) {
    const at = Math.min(Math.max(share, 0), 1) * (VIRIDIS.length - 1);
    const i = Math.min(Math.floor(at), VIRIDIS.length - 2);
    return VIRIDIS[i].map((c, k) => Math.round(c + (VIRIDIS[i + 1][k] - c) * (at - i)));
}

/* How light it is to the eye, as WCAG has it. */
function luminance(rgb) {
    const [r, g, b] = rgb
        .map(c => c / 255)
        .map(c => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/* Counts differ by orders of magnitude, so colours go by their logarithms; ink is black or
 * white, whichever can be read better. */
function heat(value, most) {
    const rgb = viridis(Math.log1p(value) / Math.log1p(most));
    const ink = luminance(rgb) > 0.179 ? "#000" : "#fff";
    return `background:rgb(${rgb.join(" ")});color:${ink}`;
}

/* ---- the free matrix --------------------------------------------------------------- */

const CROWDED = 16; /* of more nodes, cells have no room for numbers */

function matrixText(matrix, nodes) {
    let far = 0;
    let worst = {value: 0};
    matrix.forEach((row, f) =>
        row.forEach((value, h) => {
            far += f === h ? 0 : value;
            if (f !== h && value > worst.value) {
                worst = {value, from: nodes[f], home: nodes[h]};
            }
        }),
    );
    const all = sum(matrix, row => sum(row, v => v));
    if (all === 0) {
        return "Nothing was freed.";
    }
    const where =
        worst.value > 0
            ? `; most of them on node ${worst.from}, of blocks of node ${worst.home} ` +
              `(${count(worst.value)})`
            : "";
    return (
        `${count(far)} of ${count(all)} frees, ${ratio(far / all)}, were by a thread running ` +
        `on another node than the block's${where}.`
    );
}

/* A table, so that it can be read and listened to; a map by its colours. */
function matrixTable(matrix, nodes) {
    const most = largest(matrix, row => largest(row, v => v));
    const head = (n, i, scope, before) =>
        el(
            "th",
            {scope, class: i % 8 !== 0 && "between"},
            el("span", {class: "unseen"}, before),
            el("span", null, String(n)),
        );
    const cell = (v, f, h) => {
        const attributes = {
            class: f === h && "own",
            style: v > 0 && heat(v, most),
            "data-value": v,
            "data-tip": `freed on node ${nodes[f]}, of node ${nodes[h]}: ${whole(v)}`,
        };
        return el("td", attributes, el("span", null, count(v)));
    };
    const row = (values, f) =>
        el(
            "tr",
            null,
            head(nodes[f], f, "row", "on node "),
            values.map((v, h) => cell(v, f, h)),
        );
    const corner = el(
        "th",
        {scope: "col"},
        el("span", {class: "unseen"}, "freed on node"),
    );
    const caption =
        "Frees: a row for the node of the thread, a column for the node of the block";
    return el(
        "table",
        {class: nodes.length > CROWDED ? "matrix dense" : "matrix"},
        el("caption", {class: "unseen"}, caption),
        el(
            "thead",
            null,
            el(
                "tr",
                null,
                corner,
                nodes.map((n, i) => head(n, i, "col", "of node ")),
            ),
        ),
        el("tbody", null, matrix.map(row)),
    );
}

function matrixPanel(record) {
    const matrix = record.free_matrix;
    const nodes = record.nodes.map(n => n.node);
    const grid = matrixTable(matrix, nodes);
    const most = largest(matrix, row => largest(row, v => v));
    const change = event => grid.classList.toggle("dense", !event.target.checked);
    const numbers = el(
        "label",
        {class: "choice"},
        el("input", {type: "checkbox", change}),
        el("span", null, "Numbers"),
    );
    const scale = "frees, on a logarithmic scale";
    return panel(
        "matrix",
        "Who frees whose blocks",
        matrixText(matrix, nodes),
        nodes.length > CROWDED && numbers,
        el(
            "div",
            {class: "axes"},
            el("span", {class: "down"}, "freed on node"),
            el(
                "div",
                {class: "over"},
                el("span", null, "blocks of node"),
                scroller("Free matrix", grid),
            ),
        ),
        el(
            "p",
            {class: "scale"},
            el("span", null, "1"),
            el("i", {class: "viridis", "aria-hidden": "true"}),
            el("span", null, count(Math.max(most, 1))),
            el(
                "span",
                null,
                nodes.length > CROWDED ? scale : `${scale}; framed: at home`,
            ),
        ),
    );
}

/* ---- where pages lie --------------------------------------------------------------- */

const ELSEWHERE = [
    {
        key: "elsewhere_full_bytes_now",
        style: "full",
        name: "elsewhere, the node being full",
    },
    {
        key: "elsewhere_refused_bytes_now",
        style: "refused",
        name: "elsewhere, binding refused",
    },
    {
        key: "elsewhere_moved_bytes_now",
        style: "moved",
        name: "elsewhere, moved or full before",
    },
];

const elsewhere = figures => sum(ELSEWHERE, e => figures[e.key]);

function residencyBar(n) {
    const asked = n.resident_bytes_now;
    const lying = n.lying_bytes_now;
    const huge = n.lying_huge_bytes_now;
    const wanted = Math.max(0, asked - elsewhere(n));
    return {
        name: `Node ${n.node}`,
        text: `${bytes(asked)} asked, ${bytes(lying)} lying`,
        tracks: [
            [
                {
                    value: wanted,
                    style: "asked",
                    name: "asked, on a node that was wanted",
                },
                ...ELSEWHERE.map(({key, style, name}) => ({
                    value: n[key],
                    style,
                    name: `asked, ${name}`,
                })),
            ],
            [
                {value: Math.max(0, lying - huge), style: "lying", name: "lying here"},
                {value: huge, style: "huge", name: "lying here, in huge pages"},
            ],
        ],
    };
}

function residencyPanel(record) {
    const title = "Where pages lie";
    const total = record.total;
    if (record.residency_pages_now === 0) {
        const text =
            "The kernel was not asked: a report at the end of the program, or while it runs, " +
            "asks where pages lie.";
        return record.nodes.length > 1 && panel("residency", title, null, note(text));
    }
    return panel(
        "residency",
        title,
        `Of ${bytes(total.resident_bytes_now)} in memory, ${bytes(elsewhere(total))} ` +
            `(${ratio(elsewhere(total) / total.resident_bytes_now)}) lie on a node that was ` +
            `not wanted. Asked of the kernel for ${count(record.residency_pages_now)} pages.`,
        bars(
            "Memory asked for from each node, and lying on it",
            record.nodes.map(residencyBar),
        ),
        legend([
            ["asked", "asked from here, on a node that was wanted"],
            ...ELSEWHERE.map(({style, name}) => [style, name]),
            ["lying", "lying here"],
            ["huge", "in huge pages"],
        ]),
    );
}
