/* SPDX-License-Identifier: MIT */
/*
 * The flame graph: who called whom to ask for memory. The outermost functions are on top,
 * and a box is as wide as its part of all.
 *
 * Boxes are elements with text, so browsers clip, print and read them; those too narrow to
 * be seen are left out. The graph is one stop of the keyboard: arrows go from box to box,
 * Enter zooms, Escape zooms out.
 */

const NARROWEST = 1.5; /* pixels: what is narrower is left out */
const LEGIBLE = 36; /* has a name */
const ROW = 20;
const MODULES_MAX = 7; /* colours; one more is for all other modules */

/* Modules by what they asked for, largest first: module to its colour's class. */
function moduleStyles(root, k) {
    const part = new Map();
    const walk = node => {
        part.set(node.module, (part.get(node.module) ?? 0) + node.value[k]);
        node.children.forEach(walk);
    };
    root.children.forEach(walk);
    const sorted = [...part].sort((a, b) => b[1] - a[1]).map(([module]) => module);
    return new Map(sorted.map((module, i) => [module, `m${Math.min(i, MODULES_MAX)}`]));
}

class Flame {
    constructor(profile) {
        this.root = callTree(profile);
        this.kind = Math.max(
            0,
            this.root.value.findIndex(v => v > 0),
        ); /* of KINDS */
        this.zoom = this.root; /* as wide as all */
        this.cursor = this.root; /* what is spoken of */
        this.query = "";
        this.boxes = []; /* what is seen: {node, x, box} */
        this.styles = new Map(); /* of modules */
        this.width = 0;
        this.makeElements();
        this.choose(this.kind);
        new ResizeObserver(() => {
            const width = Math.round(this.frame.clientWidth);
            if (width > 0 && width !== this.width) {
                this.width = width;
                this.paint();
            }
        }).observe(this.frame);
    }

    makeElements() {
        this.graph = el("div", {
            class: "flame",
            role: "tree",
            tabindex: 0,
            "aria-label": "Flame graph; arrows move, Enter zooms, Escape zooms out",
            keydown: event => this.keydown(event),
            focus: () => this.mark(),
            click: event => this.click(event),
        });
        this.frame = el("div", {class: "flame-frame"}, this.graph);
        this.about = el("output", {class: "readout", id: "flame-about"});
        this.found = el("output", {class: "found", id: "flame-found"});
        this.colours = el("div");
        this.reset = el(
            "button",
            {type: "button", click: () => this.zoomTo(this.root)},
            "Zoom out",
        );
        this.field = el("input", {
            type: "search",
            placeholder: "function",
            spellcheck: "false",
            autocomplete: "off",
            input: () => this.search(),
        });
    }

    parts() {
        const kinds = KINDS.map((kind, k) => [String(k), kind.label]);
        const choose = k => this.choose(Number(k));
        return [
            el(
                "div",
                {class: "tools"},
                choice("Boxes show", kinds, String(this.kind), choose),
                el("label", {class: "choice"}, el("span", null, "Search"), this.field),
                this.found,
                this.reset,
            ),
            this.frame,
            this.about,
            this.colours,
        ];
    }

    /* ---- figures ---- */

    value(node) {
        return node.value[this.kind];
    }

    show(n) {
        return KINDS[this.kind].show(n);
    }

    describe(node) {
        const error = Math.sqrt(node.variance[this.kind]);
        return (
            `${node.name}: ${this.show(this.value(node))}` +
            (KINDS[this.kind].error ? ` ± ${this.show(error)}, ` : ", ") +
            ratio(this.value(node) / this.value(this.root))
        );
    }

    matches(node) {
        const name = node.name.toLowerCase();
        return this.query !== "" && node !== this.root && name.includes(this.query);
    }

    /* What matches ask for, with all that they call: each byte once. */
    matched(node) {
        return this.matches(node)
            ? this.value(node)
            : sum([...node.children.values()], call => this.matched(call));
    }

    /* ---- boxes ---- */

    /* `x` and `part` are parts of the whole width. */
    place(node, x, part) {
        const styles = [node === this.root ? "root" : this.styles.get(node.module)];
        const percent = n => `${(100 * n).toFixed(4)}%`;
        if (this.matches(node)) {
            styles.push("match");
        }
        if (node === this.zoom) {
            styles.push("zoomed");
        }
        const box = el(
            "div",
            {
                role: "treeitem",
                id: `flame-${this.boxes.length}`,
                class: styles.join(" "),
                style:
                    `left:${percent(x)};top:${node.depth * ROW}px;` +
                    `width:max(1px,${percent(part)} - 1px)`,
                "aria-level": node.depth + 1,
                "aria-label": this.describe(node),
                "data-index": this.boxes.length,
                "data-name": node.name,
                "data-value": String(this.value(node)),
                "data-tip": [this.describe(node), node.module, ...node.lines].join(
                    "\n",
                ),
            },
            part * this.width > LEGIBLE ? node.name : "",
        );
        this.boxes.push({node, x, box});
    }

    placeCalls(node, x, part) {
        const scale = part / (this.value(node) || 1);
        const calls = [...node.children.values()];
        calls.sort((a, b) => this.value(b) - this.value(a));
        for (const call of calls) {
            const own = this.value(call) * scale;
            if (own * this.width < NARROWEST) {
                break;
            }
            this.place(call, x, own);
            this.placeCalls(call, x, own);
            x += own;
        }
    }

    paint() {
        const path = [];
        for (let node = this.zoom; node; node = node.parent) {
            path.unshift(node);
        }
        this.boxes = [];
        path.forEach(node => this.place(node, 0, 1));
        this.placeCalls(this.zoom, 0, 1);
        this.graph.replaceChildren(...this.boxes.map(b => b.box));
        this.graph.style.height = `${ROW * (1 + largest(this.boxes, b => b.node.depth))}px`;
        this.graph.classList.toggle("searched", this.query !== "");
        this.reset.disabled = this.zoom === this.root;
        if (!this.boxOf(this.cursor)) {
            this.cursor = this.zoom;
        }
        this.mark();
    }

    boxOf(node) {
        return this.boxes.find(b => b.node === node)?.box;
    }

    /* ---- moving ---- */

    mark() {
        const node = this.cursor;
        const own = node.self[this.kind];
        this.graph.querySelector(".cursor")?.classList.remove("cursor");
        this.boxOf(node).classList.add("cursor");
        this.graph.setAttribute("aria-activedescendant", this.boxOf(node).id);
        this.about.textContent = [
            `${this.describe(node)} of what was ${KINDS[this.kind].label}`,
            own > 0 && node.children.size > 0 && `itself ${this.show(own)}`,
            node.module,
            ...node.lines,
        ]
            .filter(text => text)
            .join(" · ");
    }

    moveTo(node) {
        this.cursor = node;
        this.mark();
        this.boxOf(node).scrollIntoView({block: "nearest"});
    }

    zoomTo(node) {
        this.zoom = node;
        this.cursor = node;
        this.paint();
        this.boxOf(node).scrollIntoView({block: "nearest"});
    }

    click(event) {
        const box = event.target.closest("[data-index]");
        if (box) {
            this.zoomTo(this.boxes[box.dataset.index].node);
        }
    }

    /* Boxes of the cursor's row, from the left. */
    row() {
        const row = this.boxes.filter(b => b.node.depth === this.cursor.depth);
        return row.sort((a, b) => a.x - b.x).map(b => b.node);
    }

    keydown(event) {
        const row = this.row();
        const at = row.indexOf(this.cursor);
        const to = {
            ArrowUp: this.cursor.parent,
            ArrowDown: this.boxes.find(b => b.node.parent === this.cursor)?.node,
            ArrowLeft: row[at - 1],
            ArrowRight: row[at + 1],
            Home: this.root,
        }[event.key];
        if (event.key === "Enter" || event.key === " ") {
            this.zoomTo(this.cursor);
        } else if (event.key === "Escape") {
            this.zoomTo(this.zoom.parent ?? this.root);
        } else if (to) {
            this.moveTo(to);
        } else if (!event.key.startsWith("Arrow")) {
            return;
        }
        event.preventDefault();
    }

    /* ---- choosing ---- */

    search() {
        this.query = this.field.value.trim().toLowerCase();
        const part = this.query === "" ? 0 : this.matched(this.root);
        const share = ratio(part / this.value(this.root));
        const words = part === 0 ? "no match" : `${share} matches`;
        this.found.dataset.value = part;
        this.found.textContent = this.query === "" ? "" : words;
        this.paint();
    }

    choose(k) {
        this.kind = k;
        this.zoom = this.root;
        this.cursor = this.root;
        this.styles = moduleStyles(this.root, k);
        const named = [...this.styles]
            .slice(0, MODULES_MAX)
            .map(([module, style]) => [style, module]);
        if (this.styles.size > MODULES_MAX) {
            named.push([`m${MODULES_MAX}`, "others"]);
        }
        this.colours.replaceChildren(legend(named));
        this.search();
    }
}

function flamePanel(profile) {
    const title = "Who asked for it";
    if (!profile) {
        const how = "numatally run --sample 512K --report FILE.json -- PROGRAM";
        const text = " makes a record that shows here who allocates.";
        const content = note("Nothing was sampled: ", el("code", null, how), text);
        return panel("flame", title, null, content);
    }
    const every = `one for each ${bytes(profile.interval_bytes)} asked for, on average`;
    if (profile.total.samples_total === 0) {
        const content = note(`Sampling was on, but no block was sampled (${every}).`);
        return panel("flame", title, null, content);
    }
    const stacks = profile.sites.filter(site => site.samples_total > 0).length;
    const lead =
        `${plural(profile.total.samples_total, "block")} were sampled (${every}), of ` +
        `${plural(stacks, "stack")}. Figures are estimates, ± their standard ` +
        `error.`;
    const lost = `There was no memory to keep ${whole(profile.lost_total)} more.`;
    return panel(
        "flame",
        title,
        profile.lost_total > 0 ? `${lead} ${lost}` : lead,
        new Flame(profile).parts(),
    );
}
