/* SPDX-License-Identifier: MIT */
/*
 * What the panels are made of: elements, figures in words, tables, pictures, tips.
 *
 * The page is one script, made of the files here in the order that out_html.c names. What a
 * record says becomes text and attributes, never markup: names in it may be anything.
 * Everything drawn from a figure has it as it is in the attribute data-value.
 */
"use strict";

/* ---- elements --------------------------------------------------------------------- */

/* Attributes that are functions are listeners; those that are false or missing are left
 * out, and so are such children. */
function build(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes ?? {})) {
        if (typeof value === "function") {
            node.addEventListener(name, value);
        } else if (value !== false && value !== null && value !== undefined) {
            node.setAttribute(name, value === true ? "" : value);
        }
    }
    const missing = [false, null, undefined];
    node.append(...children.flat(Infinity).filter(child => !missing.includes(child)));
    return node;
}

function el(name, attributes, ...children) {
    return build(document.createElement(name), attributes, children);
}

function svg(name, attributes, ...children) {
    return build(
        document.createElementNS("http://www.w3.org/2000/svg", name),
        attributes,
        children,
    );
}

/* ---- figures in words -------------------------------------------------------------- */

const BYTES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const COUNTS = ["", "k", "M", "G", "T", "P", "E"];

/* [number with three digits that count, unit] */
function scaled(n, step, units) {
    let i = 0;
    while (n >= 999.5 && i + 1 < units.length) {
        n /= step;
        i++;
    }
    const digits =
        i === 0 && Number.isInteger(n) ? 0 : n < 9.995 ? 2 : n < 99.95 ? 1 : 0;
    return [n.toFixed(digits), units[i]];
}

/* With a blank that does not break. */
function joined([number, unit]) {
    return unit === "" ? number : number + "\u00a0" + unit;
}

const bytes = n => joined(scaled(n, 1024, BYTES));
const whole = n => n.toLocaleString("en-US");
const count = n => (n < 10000 ? whole(n) : joined(scaled(n, 1000, COUNTS)));

/* For an axis: 20.0 MiB is 20 MiB there, and 2 min 00 s 2 min. */
const rounded = text =>
    text
        .replace(/(\.\d*?[1-9])0+(?=\u00a0)|\.0+(?=\u00a0)/, "$1")
        .replace(/ 00 (s|min)$/, "");

/* A size class's name: its bytes, in K where that is short. */
const size = n =>
    n === 0 ? "large" : n < 1024 || n % 512 !== 0 ? String(n) : n / 1024 + "K";

const plural = (n, word) => `${whole(n)} ${word}${n === 1 ? "" : "s"}`;

function ratio(share) {
    if (!Number.isFinite(share)) {
        return "–";
    }
    const p = 100 * share;
    return (
        (p > 0 && p < 0.1
            ? "< 0.1"
            : p > 99.9 && p < 100
              ? "> 99.9"
              : p < 9.95 && p > 0
                ? p.toFixed(1)
                : p.toFixed(0)) + "\u00a0%"
    );
}

function duration(ns) {
    const s = Math.round(ns / 1e9);
    const two = n => String(n).padStart(2, "0");
    if (s >= 86400) {
        return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
    }
    if (s >= 3600) {
        return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`;
    }
    return s >= 100
        ? `${Math.floor(s / 60)} min ${two(s % 60)} s`
        : ns >= 1e9
          ? joined([(ns / 1e9).toPrecision(3), "s"])
          : joined(scaled(ns, 1000, ["ns", "µs", "ms"]));
}

function moment(unix_ns) {
    const date = new Date(unix_ns / 1e6);
    return Number.isNaN(date.getTime())
        ? "at an unknown time"
        : date.toISOString().replace("T", " ").replace(/\..*/, " UTC");
}

/* Marks at even distances from 0 to `max`, in multiples of a power of `step`. */
function ticks(max, step, wanted) {
    if (!(max > 0)) {
        return [0];
    }
    const unit = step ** Math.max(0, Math.floor(Math.log(max) / Math.log(step)));
    const rough = max / unit / wanted;
    const power = 10 ** Math.floor(Math.log10(rough));
    const between = unit * power * [1, 2, 5, 10].find(m => m * power >= rough);
    return Array.from(
        {length: Math.floor((max / between) * 1.0001) + 1},
        (_, i) => i * between,
    );
}

const sum = (list, get) => list.reduce((all, item) => all + get(item), 0);
const largest = (list, get) =>
    list.reduce((most, item) => Math.max(most, get(item)), 0);

/* When the figures are of. */
const atEnd = record => (record.final ? "at the end" : "when read");

/* ---- panels ------------------------------------------------------------------------ */

function panel(id, title, lead, ...content) {
    return el(
        "section",
        {class: "panel", id, "aria-labelledby": id + "-title", tabindex: -1},
        el("h2", {id: id + "-title"}, title),
        lead && el("p", {class: "lead"}, lead),
        content,
    );
}

/* A sentence in the place of a picture. */
const note = (...text) => el("p", {class: "note"}, text);

/* What the colours stand for: [class, text], ... */
function legend(entries) {
    return el(
        "ul",
        {class: "legend"},
        entries.map(([style, text]) =>
            el("li", null, el("i", {class: style, "aria-hidden": "true"}), text),
        ),
    );
}

/* What scrolls by itself, so that the page need not. */
function scroller(label, ...content) {
    const name = `${label}, scrolls`;
    return el(
        "div",
        {class: "scroll", role: "region", "aria-label": name, tabindex: 0},
        content,
    );
}

/* A thing that is made when it is first opened. */
function folded(summary, make) {
    const details = el(
        "details",
        {
            class: "fold",
            toggle: () => {
                if (details.open && details.childElementCount === 1) {
                    details.append(make());
                }
            },
        },
        el("summary", null, summary),
    );
    return details;
}

/* One of several: `choices` are [value, text], `chosen` is told. */
function choice(label, choices, value, chosen) {
    const select = el(
        "select",
        {change: () => chosen(select.value)},
        choices.map(([v, text]) =>
            el("option", {value: v, selected: v === value}, text),
        ),
    );
    return el("label", {class: "choice"}, el("span", null, label), select);
}

/* ---- tables ------------------------------------------------------------------------ */

const SHOWN_MAX = 100; /* rows: more wait behind a button */

/*
 * A table that can be sorted. A column: label; get(row), a number or text; show(value), its
 * words; bar: draw a bar behind it; head: it names the row. `sort`: by which column at
 * first, largest on top, else as given.
 */
class Table {
    constructor(caption, list, rows, {sort, limit = SHOWN_MAX} = {}) {
        this.columns = list;
        this.rows = rows;
        this.limit = limit;
        this.by = sort;
        this.down = true;
        this.most = list.map(column => (column.bar ? largest(rows, column.get) : 0));
        this.body = el("tbody");
        this.heads = list.map((column, i) => this.head(column, i));
        this.more = el(
            "button",
            {class: "more", type: "button", click: () => this.showAll()},
            `Show all ${whole(rows.length)}`,
        );
        const content = el(
            "table",
            null,
            el("caption", {class: "unseen"}, caption),
            el("thead", null, el("tr", null, this.heads)),
            this.body,
        );
        this.fill();
        this.element = el(
            "div",
            {class: "table"},
            scroller(caption, content),
            this.more,
        );
    }

    isNumber(column) {
        return this.rows.some(row => typeof column.get(row) === "number");
    }

    head(column, i) {
        const number = this.isNumber(column);
        const click = () => {
            this.down = this.by === i ? !this.down : number;
            this.by = i;
            this.fill();
        };
        return el(
            "th",
            {scope: "col", class: number && !column.head && "number"},
            el("button", {type: "button", click}, column.label),
        );
    }

    showAll() {
        this.limit = Infinity;
        this.fill();
    }

    cell(row, column, i) {
        const value = column.get(row);
        const number = typeof value === "number";
        const words = (column.show ?? (number ? whole : String))(value);
        const short = number && [bytes, count, duration].includes(column.show);
        const attributes = {
            scope: column.head && "row",
            "data-value": number && Number.isFinite(value) && String(value),
            "data-tip": short && `${column.label}: ${whole(value)}`,
        };
        if (column.head) {
            return el("th", attributes, el("span", {class: "words"}, words));
        }
        if (column.bar) {
            attributes.style = `--part:${(value / (this.most[i] || 1)).toFixed(4)}`;
        }
        attributes.class = (number ? "number" : "") + (column.bar ? " bar" : "");
        return el(
            "td",
            attributes,
            number ? words : el("span", {class: "words"}, words),
        );
    }

    order(a, b) {
        const x = this.columns[this.by].get(a);
        const y = this.columns[this.by].get(b);
        const less = typeof x === "number" ? x - y : String(x).localeCompare(String(y));
        return this.down ? -less : less;
    }

    fill() {
        const rows = [...this.rows];
        if (this.by !== undefined) {
            rows.sort((a, b) => this.order(a, b));
        }
        const cells = row => this.columns.map((column, i) => this.cell(row, column, i));
        const shown = rows.slice(0, this.limit).map(row => el("tr", null, cells(row)));
        this.body.replaceChildren(...shown);
        this.heads.forEach((th, i) => {
            const how = this.down ? "descending" : "ascending";
            th.setAttribute("aria-sort", i === this.by ? how : "none");
        });
        this.more.hidden = rows.length <= this.limit;
    }
}

const table = (caption, list, rows, options) =>
    new Table(caption, list, rows, options).element;

/* ---- pictures ---------------------------------------------------------------------- */

/* A picture as wide as there is room; `paint(width)` gives [height, what is in it]. `text` says
 * in words what is to be seen. */
function picture(label, text, paint) {
    const place = el("div", {class: "picture"});
    let drawn = 0;
    new ResizeObserver(() => {
        const width = Math.round(place.clientWidth);
        if (width === 0 || width === drawn) {
            return;
        }
        const [height, ...content] = paint(width);
        drawn = width;
        place.replaceChildren(
            svg(
                "svg",
                {
                    viewBox: `0 0 ${width} ${height}`,
                    role: "img",
                    "aria-label": `${label}. ${text}`,
                },
                content,
            ),
        );
    }).observe(place);
    return place;
}

/* Lines at the heights y(mark), with their marks in words. */
function horizontalGrid(left, right, marks, y, show) {
    return marks.map(v =>
        svg(
            "g",
            null,
            svg("line", {class: "grid", x1: left, x2: right, y1: y(v), y2: y(v)}),
            svg(
                "text",
                {class: "axis", x: left - 8, y: y(v) + 4, "text-anchor": "end"},
                rounded(show(v)),
            ),
        ),
    );
}

const BARS_SHOWN = 16; /* more scroll */

/*
 * Bars, all to one scale. A row: name, text (its figures), tracks, and marks. A track is a list
 * of parts {value, style, name} that lie end to end; a mark is a line across all tracks, of
 * the same kind.
 */
function bars(label, rows) {
    const parts = row => [...row.tracks.flat(), ...(row.marks ?? [])];
    const most = largest(rows, row =>
        Math.max(
            largest(row.marks ?? [], m => m.value),
            largest(row.tracks, track => sum(track, p => p.value)),
        ),
    );
    const percent = n => (most > 0 ? (100 * n) / most : 0).toFixed(3) + "%";
    const piece = (name, part, side) =>
        el(name, {
            class: part.style,
            style: `${side}:${percent(part.value)}`,
            "data-name": part.name,
            "data-value": String(part.value),
        });

    function bar(row) {
        const said = parts(row).map(part => `${part.name}: ${bytes(part.value)}`);
        return el(
            "div",
            {
                class: "tracks",
                role: "img",
                "aria-label": `${row.name}: ${said.join(", ")}`,
                "data-tip": `${row.name}\n${said.join("\n")}`,
            },
            row.tracks.map(track =>
                el(
                    "div",
                    {class: "track"},
                    track.map(part => piece("i", part, "width")),
                ),
            ),
            (row.marks ?? []).map(mark => piece("b", mark, "left")),
        );
    }

    const all = el(
        "div",
        {class: "bars", role: "group", "aria-label": label},
        rows.map(row =>
            el(
                "div",
                {class: "row"},
                el("span", {class: "name"}, row.name),
                bar(row),
                el("span", {class: "value"}, row.text),
            ),
        ),
    );
    return rows.length > BARS_SHOWN ? scroller(label, all) : all;
}

/* ---- tips -------------------------------------------------------------------------- */

/* Beside the pointer, what the thing under it has in data-tip. Nobody needs it: tables and
 * labels say the same. */
function watchTips() {
    const tip = document.getElementById("tip");
    const hide = () => {
        tip.hidden = true;
    };
    document.addEventListener("pointermove", event => {
        const at = event.target.closest?.("[data-tip]");
        if (!at) {
            hide();
            return;
        }
        tip.textContent = at.getAttribute("data-tip");
        tip.hidden = false;
        const width = tip.offsetWidth;
        const height = tip.offsetHeight;
        const x = Math.min(event.clientX + 14, innerWidth - width - 8);
        const y =
            event.clientY + 18 + height < innerHeight
                ? event.clientY + 18
                : event.clientY - height - 12;
        tip.style.transform = `translate(${Math.max(x, 4)}px,${Math.max(y, 4)}px)`;
    });
    document.addEventListener("pointerleave", hide);
    document.addEventListener("scroll", hide, {capture: true, passive: true});
    document.addEventListener("keydown", event => event.key === "Escape" && hide());
}
