/* SPDX-License-Identifier: MIT */
/* The head of a record, and what is best said in tables. */

/* ---- the head ---------------------------------------------------------------------- */

function tile(label, [number, unit], value, more) {
    return el(
        "div",
        {class: "tile"},
        el("dt", null, label),
        el(
            "dd",
            {class: "big", "data-value": String(value)},
            number,
            unit && el("small", null, `\u00a0${unit}`),
        ),
        el("dd", {class: "more"}, more),
    );
}

function tiles(record) {
    const t = record.total;
    const seconds = (record.now_unix_ns - record.start_unix_ns) / 1e9;
    const rate = seconds > 0 ? t.allocations_total / seconds : 0;
    const waste = t.allocated_bytes_total - t.requested_bytes_total;
    const far = ratio(t.far_frees_total / t.frees_total).split(/\u00a0(?=%)/);
    const inBytes = (label, n, more) => tile(label, scaled(n, 1024, BYTES), n, more);
    return el(
        "dl",
        {class: "tiles"},
        inBytes(
            "Live, at the peak",
            t.live_bytes_peak,
            `${bytes(t.live_bytes_now)} ${atEnd(record)}`,
        ),
        tile(
            "Allocations",
            scaled(t.allocations_total, 1000, COUNTS),
            t.allocations_total,
            `${count(rate)} each second`,
        ),
        inBytes(
            "Requested",
            t.requested_bytes_total,
            `${bytes(waste)} waste, ${ratio(waste / t.allocated_bytes_total)}`,
        ),
        inBytes(
            "Committed",
            t.committed_bytes_now,
            `of ${bytes(t.reserved_bytes_now)} reserved`,
        ),
        tile(
            "Far frees",
            far,
            t.far_frees_total,
            `${ratio(t.remote_frees_total / t.frees_total)} by another thread`,
        ),
        tile(
            "Threads",
            [whole(record.threads_total), ""],
            record.threads_total,
            `${whole(record.threads_now)} ${atEnd(record)}`,
        ),
    );
}

function recordName(record) {
    return record.program + (record.rank === null ? "" : `, rank ${record.rank}`);
}

const processName = record =>
    record.job ? `${jobName(record.job)}, a job` : `${recordName(record)}, pid ${record.pid}`;

function headPanel(record) {
    const fact = (label, value) =>
        value !== null &&
        el("div", null, el("dt", null, label), el("dd", null, String(value)));
    const flag = (is, text) => is && el("p", {class: "flag"}, text);
    const inherited = bytes(record.total.inherited_bytes_now);
    return el(
        "section",
        {id: "head", class: "head", "aria-labelledby": "head-title"},
        el(
            "h1",
            {id: "head-title"},
            (record.job ? jobName(record.job) : record.program) || "(no name)",
        ),
        el(
            "dl",
            {class: "facts"},
            fact("host", record.host || "–"),
            fact("pid", record.job ? null : record.pid),
            fact("rank", record.rank),
            fact("ranks", record.job ? record.job.ranks : null),
            fact("began", moment(record.start_unix_ns)),
            fact("counted for", duration(record.now_unix_ns - record.start_unix_ns)),
            fact("nodes", record.nodes.length),
            fact("numatally", record.numatally),
        ),
        flag(
            !record.final,
            record.job
                ? "Not all processes had come to their ends when these figures were read."
                : "The program had not come to its end when these figures were read.",
        ),
        flag(
            record.inherited,
            `A forked child: it counts from the fork on, and had ${inherited} of its parent's.`,
        ),
        flag(
            record.fake_topology,
            "NUMATALLY_TOPOLOGY made the nodes up: nothing was bound.",
        ),
        tiles(record),
    );
}

/* ---- several records --------------------------------------------------------------- */

const RECORD_COLUMNS = [
    {label: "Program", get: r => r.program},
    {label: "Rank", get: r => r.rank ?? -1, show: n => (n < 0 ? "–" : String(n))},
    {label: "Host", get: r => r.host},
    {label: "Pid", get: r => r.pid, show: String},
    {label: "Ran for", get: r => r.lived, show: duration, bar: true},
    {label: "Live, peak", get: r => r.total.live_bytes_peak, show: bytes, bar: true},
    {label: "Live, end", get: r => r.total.live_bytes_now, show: bytes},
    {label: "Allocations", get: r => r.total.allocations_total, show: count, bar: true},
    {
        label: "Requested",
        get: r => r.total.requested_bytes_total,
        show: bytes,
        bar: true,
    },
    {label: "Far frees", get: r => r.total.far_frees_total, show: count},
];

/* All of them beside each other; `choose(i)` shows one. */
function recordsPanel(records, chosen, choose) {
    if (records.length < 2) {
        return null;
    }
    const pick = n => {
        const attributes = {
            type: "button",
            class: "pick",
            "aria-pressed": String(n - 1 === chosen),
            "aria-label": `Show record ${n}, ${recordName(records[n - 1])}`,
            click: () => choose(n - 1),
        };
        return el("button", attributes, String(n));
    };
    const rows = records.map((r, i) => ({
        ...r,
        number: i + 1,
        lived: r.now_unix_ns - r.start_unix_ns,
    }));
    const peak = r => r.total.live_bytes_peak;
    const top = rows.reduce((a, b) => (peak(b) > peak(a) ? b : a));
    return panel(
        "records",
        `${whole(records.length)} records`,
        `Together ${bytes(sum(rows, peak))} at their peaks; the highest is ` +
            `${recordName(top)} with ${bytes(peak(top))}.`,
        table(
            "Records",
            [
                {label: "Record", get: r => r.number, show: pick, head: true},
                ...RECORD_COLUMNS,
            ],
            rows,
        ),
    );
}

/* ---- threads ----------------------------------------------------------------------- */

const THREAD_COLUMNS = [
    {
        label: "Thread",
        get: t => (t.tid === 0 ? "exited, all together" : t.name),
        head: true,
    },
    {label: "Tid", get: t => t.tid, show: n => (n === 0 ? "–" : String(n))},
    {label: "Node", get: t => t.node, show: n => (n < 0 ? "–" : String(n))},
    {label: "Allocations", get: t => t.allocations_total, show: count, bar: true},
    {label: "Allocated", get: t => t.allocated_bytes_total, show: bytes, bar: true},
    {label: "Requested", get: t => t.requested_bytes_total, show: bytes},
    {label: "Frees", get: t => t.frees_total, show: count, bar: true},
    {label: "Freed", get: t => t.freed_bytes_total, show: bytes},
    {label: "Remote frees", get: t => t.remote_frees_total, show: count, bar: true},
    {label: "Live, peak", get: t => t.live_bytes_peak, show: bytes, bar: true},
    {label: "Migrations", get: t => t.migrations_total, show: count},
];

function threadsText(record, living) {
    if (living.length < 2) {
        return living.length === 0
            ? "All threads had ended."
            : `One thread lived ${atEnd(record)}.`;
    }
    const allocated = t => t.allocated_bytes_total;
    const mean = sum(living, allocated) / living.length;
    const times = mean > 0 ? largest(living, allocated) / mean : 1;
    return (
        `Of ${living.length} threads that lived ${atEnd(record)}, the busiest allocated ` +
        `${times.toFixed(1)} times the mean, in bytes.`
    );
}

function threadsPanel(record) {
    const threads = record.threads ?? [];
    const living = threads.filter(t => t.tid !== 0);
    const left = record.threads_now - living.length;
    if (threads.length === 0) {
        return null;
    }
    return panel(
        "threads",
        "Threads",
        threadsText(record, living),
        table("Threads", THREAD_COLUMNS, threads, {sort: 4}),
        left > 0 && note(`The record has no rows for ${whole(left)} more that lived.`),
    );
}

/* ---- pools and tracked allocators --------------------------------------------------- */

const POOL_COLUMNS = [
    {label: "Pool", get: p => p.name, head: true},
    {label: "Live", get: p => p.live_bytes_now, show: bytes, bar: true},
    {label: "Live, peak", get: p => p.live_bytes_peak, show: bytes, bar: true},
    {label: "Committed", get: p => p.committed_bytes_now, show: bytes, bar: true},
    {label: "Limit", get: p => p.limit_bytes, show: n => (n === 0 ? "none" : bytes(n))},
    {label: "Allocations", get: p => p.allocations_total, show: count},
    {label: "Allocated", get: p => p.allocated_bytes_total, show: bytes},
    {label: "Requested", get: p => p.requested_bytes_total, show: bytes},
    {label: "Frees", get: p => p.frees_total, show: count},
    {label: "Live blocks", get: p => p.live_blocks_now, show: count},
];

function poolsPanel(record) {
    const pools = record.pools ?? [];
    const left = record.pools_now + 1 - pools.length;
    if (pools.length === 0) {
        return null;
    }
    return panel(
        "pools",
        "Pools",
        pools.length === 1 && "The process's own heap; there were no other pools.",
        table("Pools", POOL_COLUMNS, pools),
        left > 0 && note(`The record has no rows for ${whole(left)} more pools.`),
    );
}

/* Sizes are counted by powers of two, the first with 0. */
const power = i => (i === 0 ? "0, 1" : size(2 ** i));

const TRACKED_COLUMNS = [
    {label: "Allocator", get: t => t.name, head: true},
    {label: "Live", get: t => t.live_requested_bytes_now, show: bytes, bar: true},
    {
        label: "Live, peak",
        get: t => t.live_requested_bytes_peak,
        show: bytes,
        bar: true,
    },
    {label: "Requested", get: t => t.requested_bytes_total, show: bytes, bar: true},
    {label: "Allocations", get: t => t.allocations_total, show: count},
    {label: "Frees", get: t => t.frees_total, show: count},
    {label: "Live blocks", get: t => t.live_blocks_now, show: count},
    {label: "Most, from", get: t => t.sizes.indexOf(Math.max(...t.sizes)), show: power},
    {label: "Failed", get: t => t.failed_total, show: count},
    {label: "Foreign frees", get: t => t.foreign_frees_total, show: count},
];

function trackedPanel(record) {
    const tracked = record.tracked ?? [];
    const text = "Counted from outside; bytes are those asked for.";
    return (
        tracked.length > 0 &&
        panel(
            "tracked",
            "Tracked allocators",
            text,
            table("Tracked allocators", TRACKED_COLUMNS, tracked),
        )
    );
}
