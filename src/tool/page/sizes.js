/* SPDX-License-Identifier: MIT */
/* Columns side by side, and what they show of size classes: waste, and how full slabs are. */

/* ---- columns ----------------------------------------------------------------------- */

/*
 * Columns side by side. An item: label, whole (its height), part (of it, from below), tip;
 * and with `strip`, {name, style}, a second row of columns below: share.
 */
class Columns {
    constructor(items, {show, step, styles, strip}, width) {
        const share = largest(items, item => item.share ?? 0);
        this.styles = styles;
        this.strip = strip;
        this.left = 66;
        this.right = width - 6;
        this.upper = width < 560 ? 170 : 220; /* where the first row stands */
        this.floor = strip ? this.upper + 90 : this.upper; /* and the last */
        this.band = (this.right - this.left) / (items.length || 1);
        this.thick = Math.max(1, Math.min(40, this.band * 0.78));
        this.top = 1.04 * largest(items, item => item.whole) || 1;
        this.most = Math.max(0.1, Math.min(1, Math.ceil(10 * share) / 10));
        this.free = -Infinity; /* where the next label may begin */
        const grid = (marks, y, words) =>
            horizontalGrid(this.left, this.right, marks, y, words);
        const name = {class: "axis strong", x: this.left, y: this.upper + 26};
        this.drawn = [
            this.floor + 22,
            grid(ticks(this.top, step, 4), n => this.y(n), show),
            strip && svg("text", name, strip.name),
            strip && grid([0, this.most], part => this.z(part), ratio),
            items.map((item, i) => this.column(item, i)),
        ];
    }

    y(n) {
        return this.upper - ((this.upper - 10) * n) / this.top;
    }

    z(share) {
        return this.floor - (52 * Math.min(1, share)) / this.most;
    }

    piece(name, value, x, from, to, style) {
        return svg("rect", {
            class: style,
            "data-name": name,
            "data-value": String(value),
            x: x.toFixed(2),
            y: Math.min(from, to).toFixed(2),
            width: this.thick.toFixed(2),
            height: Math.abs(from - to).toFixed(2),
        });
    }

    /* Below its column, unless it would touch the one before. */
    label(text, middle) {
        const half = text.length * 3.5 + 5;
        if (middle - half < this.free) {
            return null;
        }
        this.free = middle + half;
        const place = {
            class: "axis",
            x: middle,
            y: this.floor + 16,
            "text-anchor": "middle",
        };
        return svg("text", place, text);
    }

    column(item, i) {
        const from = this.left + this.band * i;
        const middle = from + this.band / 2;
        const x = middle - this.thick / 2;
        const part = this.y(item.part);
        const surface = {class: "surface", x: from, y: 0, width: this.band};
        return svg(
            "g",
            {class: "column", "data-label": item.label, "data-tip": item.tip},
            svg("rect", {...surface, height: this.floor + 20}),
            this.piece(
                "whole",
                item.whole,
                x,
                this.y(item.whole),
                part,
                this.styles[1],
            ),
            this.piece("part", item.part, x, part, this.upper, this.styles[0]),
            this.strip &&
                this.piece(
                    "share",
                    item.share,
                    x,
                    this.z(item.share),
                    this.floor,
                    this.strip.style,
                ),
            this.label(item.label, middle),
        );
    }
}

const columns = (label, text, items, how) =>
    picture(label, text, width => new Columns(items, how, width).drawn);

/* ---- size classes ------------------------------------------------------------------ */

const SIZE_COLUMNS = [
    {label: "Size", get: c => c.block_bytes, show: size, head: true},
    {label: "Allocations", get: c => c.allocations_total, show: count, bar: true},
    {label: "Requested", get: c => c.requested_bytes_total, show: bytes},
    {label: "Allocated", get: c => c.allocated_bytes_total, show: bytes, bar: true},
    {label: "Waste", get: c => c.waste, show: bytes, bar: true},
    {label: "Frees", get: c => c.frees_total, show: count},
    {label: "Live, peak", get: c => c.live_bytes_peak, show: bytes},
];

function sizeTip(c) {
    return [
        `${whole(c.block_bytes)} bytes`,
        `${count(c.allocations_total)} allocations`,
        `${bytes(c.allocated_bytes_total)} allocated`,
        `${bytes(c.requested_bytes_total)} requested`,
        `${bytes(c.waste)} waste, ${ratio(c.share)}`,
    ].join("\n");
}

/* What rounding up to size classes cost, in a sentence. */
function wasteText(rows, classes) {
    const waste = sum(rows, c => c.waste);
    const all = sum(rows, c => c.allocated_bytes_total);
    const worst = classes.reduce((a, b) => (b.waste > a.waste ? b : a), {waste: 0});
    if (all === 0) {
        return "Nothing was allocated.";
    }
    const where =
        worst.waste > 0
            ? `; most of it in blocks of ${whole(worst.block_bytes)} bytes ` +
              `(${bytes(worst.waste)}, ${ratio(worst.share)} of them)`
            : "";
    return (
        `Rounding up to size classes cost ${bytes(waste)}, ${ratio(waste / all)} of what was ` +
        `handed out${where}.`
    );
}

function sizesPicture(classes, text, what) {
    const inBytes = what === "bytes";
    const items = classes.map(c => ({
        label: size(c.block_bytes),
        tip: sizeTip(c),
        whole: inBytes ? c.allocated_bytes_total : c.allocations_total,
        part: inBytes ? c.requested_bytes_total : c.allocations_total,
        share: c.share,
    }));
    return columns("Size classes and waste", text, items, {
        show: inBytes ? bytes : count,
        step: inBytes ? 1024 : 1000,
        styles: ["asked", "waste"],
        strip: {name: "waste, of each class", style: "waste"},
    });
}

function sizesPanel(record) {
    const rows = record.classes.map(c => {
        const waste = c.allocated_bytes_total - c.requested_bytes_total;
        return {...c, waste, share: waste / (c.allocated_bytes_total || 1)};
    });
    const classes = rows.filter(c => c.block_bytes > 0);
    const large = rows.find(c => c.block_bytes === 0);
    const text = wasteText(rows, classes);
    const place = el("div");
    const show = what => place.replaceChildren(sizesPicture(classes, text, what));
    const kinds = [
        ["bytes", "bytes handed out"],
        ["blocks", "blocks handed out"],
    ];
    show("bytes");
    return panel(
        "sizes",
        "Size classes and waste",
        text,
        choice("Height", kinds, "bytes", show),
        place,
        legend([
            ["asked", "requested"],
            ["waste", "waste: handed out, not requested"],
        ]),
        large &&
            note(
                `Beside these, large blocks: ${bytes(large.allocated_bytes_total)} in ` +
                    `${plural(large.allocations_total, "block")}, ${ratio(large.share)} waste.`,
            ),
        folded("As a table", () =>
            table("Size classes and waste", SIZE_COLUMNS, rows, {limit: 200}),
        ),
    );
}

/* ---- how full slabs are ------------------------------------------------------------- */

const SLAB_COLUMNS = [
    {label: "Size", get: c => c.block_bytes, show: size, head: true},
    {label: "Slabs", get: c => c.slabs_now},
    {label: "In slabs", get: c => c.slab_bytes_now, show: bytes, bar: true},
    {label: "Live", get: c => c.live_bytes_now, show: bytes, bar: true},
    {label: "Not in use", get: c => c.unused, show: bytes, bar: true},
    {label: "Full", get: c => c.share, show: ratio},
];

function slabItem(c) {
    return {
        label: size(c.block_bytes),
        whole: c.slab_bytes_now,
        part: c.live_bytes_now,
        share: c.share,
        tip: [
            `${whole(c.block_bytes)} bytes`,
            `${bytes(c.slab_bytes_now)} in ${plural(c.slabs_now, "slab")}`,
            `${bytes(c.live_bytes_now)} in ${plural(c.live_blocks_now, "live block")}`,
            `${ratio(c.share)} full`,
        ].join("\n"),
    };
}

function occupancyPanel(record) {
    const title = "How full slabs are";
    const held = record.classes
        .filter(c => c.block_bytes > 0 && c.slab_bytes_now > 0)
        .map(c => ({
            ...c,
            unused: Math.max(0, c.slab_bytes_now - c.live_bytes_now),
            share: c.live_bytes_now / c.slab_bytes_now,
        }));
    if (held.length === 0) {
        const older = record.classes.some(c => c.slabs_now > 0);
        const text = older
            ? "The record does not say how much memory slabs hold: it was made by an older " +
              "version of numatally."
            : "No slab holds memory.";
        return panel("occupancy", title, null, note(text));
    }
    const live = sum(held, c => c.live_bytes_now);
    const slabs = sum(held, c => c.slab_bytes_now);
    const text =
        `Of ${bytes(slabs)} that slabs hold, ${bytes(live)} are blocks in use: ` +
        `${ratio(live / slabs)}.`;
    const how = {
        show: bytes,
        step: 1024,
        styles: ["asked", "unused"],
        strip: {name: "in use, of each class", style: "asked"},
    };
    return panel(
        "occupancy",
        title,
        text,
        columns(title, text, held.map(slabItem), how),
        legend([
            ["asked", "blocks in use"],
            ["unused", "held and not in use"],
        ]),
        folded("As a table", () => table(title, SLAB_COLUMNS, held, {limit: 200})),
    );
}
