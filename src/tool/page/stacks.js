/* SPDX-License-Identifier: MIT */
/*
 * The profile as a tree of calls, and what can be said of it without a picture.
 *
 * A profile has strings, places (what a return address lies in: [function, module, file,
 * line] of each function inlined there, the innermost first), and sites, whose stacks are
 * numbers of places. All figures are estimates; sites are sampled one apart from the other,
 * so the squares of their standard errors add up.
 */

/* What a flame graph can be of. */
const KINDS = [
    {
        key: "at_peak_requested_bytes",
        error: "at_peak_requested_bytes_error",
        label: "in use at the peak",
        short: "At peak",
        show: bytes,
    },
    {
        key: "live_requested_bytes_now",
        error: "live_requested_bytes_now_error",
        label: "in use now",
        short: "Live",
        show: bytes,
    },
    {
        key: "requested_bytes_total",
        error: "requested_bytes_total_error",
        label: "requested in all",
        short: "Requested",
        show: bytes,
    },
    {
        key: "allocations_total",
        error: null,
        label: "allocations",
        short: "Allocations",
        show: count,
    },
];

/* A site's functions, the outermost first: [function, module, file, line]. */
function framesOf(profile, site) {
    const frames = [];
    for (let i = site.stack.length - 1; i >= 0; i--) {
        frames.push(...[...(profile.places[site.stack[i]] ?? [])].reverse());
    }
    return frames;
}

const nameOf = (profile, frame) => profile.strings[frame[0]] ?? "?";

function fileName(path) {
    return path === undefined ? "" : path.slice(path.lastIndexOf("/") + 1) || path;
}

const moduleOf = (profile, frame) => fileName(profile.strings[frame[1]]) || "unknown";

/* The innermost functions of a site, in a line. */
function siteName(profile, index, most = 3) {
    const site = profile.sites[index];
    const frames = site ? framesOf(profile, site).reverse() : [];
    return frames.length === 0
        ? "unknown"
        : frames
              .slice(0, most)
              .map(f => nameOf(profile, f))
              .join(" ← ") + (frames.length > most ? " ← …" : "");
}

function callNode(parent, name, module) {
    return {
        parent,
        name,
        module,
        depth: parent ? parent.depth + 1 : 0,
        lines: new Set(),
        children: new Map(),
        value: KINDS.map(() => 0),
        self: KINDS.map(() => 0),
        variance: KINDS.map(() => 0),
    };
}

/* All sites as one tree; the root is everything. */
function callTree(profile) {
    const root = callNode(null, "all", "");
    const add = (node, site, member) =>
        KINDS.forEach((kind, k) => {
            node[member][k] += site[kind.key];
        });
    for (const site of profile.sites) {
        let node = root;
        const path = [root];
        for (const frame of framesOf(profile, site)) {
            const key = frame[0] * 1e7 + frame[1];
            let child = node.children.get(key);
            if (!child) {
                child = callNode(
                    node,
                    nameOf(profile, frame),
                    moduleOf(profile, frame),
                );
                node.children.set(key, child);
            }
            if (frame[2] >= 0 && child.lines.size < 4) {
                child.lines.add(
                    profile.strings[frame[2]] + (frame[3] > 0 ? ":" + frame[3] : ""),
                );
            }
            node = child;
            path.push(node);
        }
        for (const each of path) {
            add(each, site, "value");
            KINDS.forEach((kind, k) => {
                each.variance[k] += kind.error ? site[kind.error] ** 2 : 0;
            });
        }
        add(node, site, "self");
    }
    return root;
}

/* By function: what it asked for itself and with all that it called, each stack counted
 * once. */
function functionRows(profile) {
    const rows = new Map();
    for (const site of profile.sites) {
        const seen = new Set();
        const frames = framesOf(profile, site);
        frames.forEach((frame, i) => {
            const key = frame[0] * 1e7 + frame[1];
            const row = rows.get(key) ?? {
                name: nameOf(profile, frame),
                module: moduleOf(profile, frame),
                value: KINDS.map(() => 0),
                self: KINDS.map(() => 0),
            };
            rows.set(key, row);
            KINDS.forEach((kind, k) => {
                row.value[k] += seen.has(key) ? 0 : site[kind.key];
                row.self[k] += i === frames.length - 1 ? site[kind.key] : 0;
            });
            seen.add(key);
        });
    }
    return [...rows.values()];
}

function functionsPanel(profile) {
    const rows = functionRows(profile);
    return panel(
        "functions",
        "Functions",
        "What was requested by each function itself, and with all that it called.",
        table(
            "Functions",
            [
                {label: "Function", get: r => r.name, head: true},
                {label: "Module", get: r => r.module},
                {label: "At peak, itself", get: r => r.self[0], show: bytes, bar: true},
                ...KINDS.map((kind, k) => ({
                    label: kind.short,
                    get: r => r.value[k],
                    show: kind.show,
                    bar: true,
                })),
            ],
            rows,
            {sort: 2, limit: 25},
        ),
    );
}

/* ---- lifetimes --------------------------------------------------------------------- */

/* Entry i counts what lived less than 4^i microseconds; the last all that lived longer. */
function lifetimesPanel(profile) {
    const counts = profile.total.lifetimes;
    const freed = profile.total.sampled_frees_total;
    const name = i =>
        (i + 1 < counts.length ? "< " : "> ") +
        duration(4 ** Math.min(i, counts.length - 2) * 1000);
    if (freed === 0) {
        return panel(
            "lifetimes",
            "How long blocks lived",
            null,
            note("No sampled block was freed."),
        );
    }
    const lead =
        `${whole(freed)} sampled blocks were freed; they lived ` +
        `${duration(profile.total.lifetime_ns_total / freed)} on average.`;
    return panel(
        "lifetimes",
        "How long blocks lived",
        lead,
        columns(
            "How long blocks lived",
            lead,
            counts.map((n, i) => ({
                label: rounded(name(i)),
                whole: n,
                part: n,
                tip: `${name(i)}: ${whole(n)} samples, ${ratio(n / freed)}`,
            })),
            {show: count, step: 1000, styles: ["asked", "asked"]},
        ),
        folded("As a table", () =>
            table(
                "How long blocks lived",
                [
                    {label: "Lived", get: r => r.i, show: name, head: true},
                    {label: "Samples", get: r => r.n, bar: true},
                ],
                counts.map((n, i) => ({n, i})),
            ),
        ),
    );
}

/* ---- remote frees ------------------------------------------------------------------ */

function remotePanel(profile) {
    const rows = profile.remote_frees;
    if (rows.length === 0) {
        return null;
    }
    return panel(
        "remote",
        "Allocated here, freed there",
        `Blocks that another thread freed than had allocated them: ${plural(rows.length, "pair")} ` +
            "of places.",
        table(
            "Allocated here, freed there",
            [
                {
                    label: "Allocated by",
                    get: r => siteName(profile, r.site),
                    head: true,
                },
                {label: "Freed by", get: r => siteName(profile, r.free_site)},
                {label: "Frees", get: r => r.frees_total, show: count, bar: true},
                {
                    label: "Requested",
                    get: r => r.requested_bytes_total,
                    show: bytes,
                    bar: true,
                },
                {label: "Samples", get: r => r.samples_total},
            ],
            rows,
            {sort: 2, limit: 20},
        ),
    );
}
