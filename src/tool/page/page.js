/* SPDX-License-Identifier: MIT */
/* The page: its data, the bar on top, and the panels of the record that is chosen. */

/* ---- findings ---------------------------------------------------------------------- */

/* Shares of the memory, or of the processor time, from which on a finding is called so. */
const WEIGHTS = [
    [0.25, "high", "▲"],
    [0.05, "medium", "◆"],
    [0, "low", "●"],
];

/* A stack: where it begins, and the rest when asked for. */
function whereParts(label, lines) {
    return (
        lines.length > 0 &&
        el(
            "div",
            {class: "where"},
            el("p", null, label + " ", el("code", null, lines[0])),
            lines.length > 1 &&
                folded(`Called from, ${lines.length - 1} more`, () =>
                    el("pre", null, lines.slice(1).join("\n")),
                ),
        )
    );
}

/* What the tool concluded from the figures; by falling cost. */
function findingsPanel(concluded) {
    if (!concluded) {
        return null;
    }
    const {findings, note} = concluded;
    return panel(
        "findings",
        "Findings",
        findings.length === 0
            ? "Nothing was found that matters."
            : "By what each costs, the dearest first.",
        findings.length > 0 &&
            el(
                "ol",
                {class: "findings"},
                findings.map(f => {
                    const [, weight, sign] =
                        WEIGHTS.find(([least]) => f.share >= least) ?? WEIGHTS[2];
                    return el(
                        "li",
                        {
                            class: weight,
                            "data-kind": f.kind,
                            "data-value": String(f.share),
                        },
                        el(
                            "p",
                            {class: "cost"},
                            el("span", {"aria-hidden": "true"}, sign + " "),
                            f.cost > 0
                                ? [
                                      el("b", null, ratio(f.share)),
                                      el("br"),
                                      f.unit === "bytes"
                                          ? "of the memory"
                                          : "of the time",
                                  ]
                                : "no cost",
                        ),
                        el(
                            "div",
                            null,
                            el("h3", null, f.kind),
                            el("p", null, f.sentence),
                            whereParts(
                                f.freed.length > 0 ? "Asked for at" : "At",
                                f.where,
                            ),
                            whereParts("Freed at", f.freed),
                            el("p", {class: "advice"}, f.advice),
                        ),
                    );
                }),
            ),
        note && el("p", {class: "note"}, note),
    );
}

/* ---- panels ------------------------------------------------------------------------ */

/* In the order of the page; each makes its part, or null. */
function panels({record, profile, findings, tuning}) {
    return [
        findingsPanel(findings),
        jobPanel(record),
        !record.job && historyPanel(record),
        nodesPanel(record),
        matrixPanel(record),
        residencyPanel(record),
        phasesPanel(record),
        !record.job && flamePanel(profile),
        profile && profile.total.samples_total > 0 && functionsPanel(profile),
        profile && profile.total.samples_total > 0 && lifetimesPanel(profile),
        profile && remotePanel(profile),
        sizesPanel(record),
        tuning && tuningPanel(tuning),
        occupancyPanel(record),
        threadsPanel(record),
        poolsPanel(record),
        trackedPanel(record),
    ].filter(part => part);
}

/* ---- light and dark ---------------------------------------------------------------- */

/* As the system has it, until somebody chooses. */
function themeButton() {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    let chosen = null;
    const button = el("button", {
        type: "button",
        class: "theme",
        click: () => {
            chosen = theme() === "dark" ? "light" : "dark";
            apply();
        },
    });
    const theme = () => chosen ?? (dark.matches ? "dark" : "light");

    function apply() {
        document.documentElement.dataset.theme = theme();
        button.textContent = theme() === "dark" ? "Light" : "Dark";
    }
    dark.addEventListener("change", apply);
    apply();
    return button;
}

/* ---- all of it --------------------------------------------------------------------- */

function link(part) {
    const name = part.id[0].toUpperCase() + part.id.slice(1);
    return el("li", null, el("a", {href: `#${part.id}`}, name));
}

/* Marks that turn the direction of writing would turn the page's own words, too. */
const DIRECTIONS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

function start() {
    const data = Array.from(document.querySelectorAll("script.data"), script =>
        JSON.parse(script.textContent.replace(DIRECTIONS, "\ufffd")),
    );
    const records = data.map(d => d.record);
    const main = document.getElementById("main");
    const links = el("ul");
    const theme = themeButton();
    const select = choice(
        "Record",
        records.map((r, i) => [String(i), `${i + 1}: ${processName(r)}`]),
        "0",
        i => show(Number(i)),
    );

    function show(i) {
        const parts = panels(data[i]);
        document.title = `${processName(records[i])} – numatally`;
        select.querySelector("select").value = String(i);
        main.replaceChildren();
        build(main, {}, [recordsPanel(records, i, show), headPanel(records[i]), parts]);
        links.replaceChildren(...parts.map(link));
    }

    watchTips();
    const bar = document.getElementById("bar");
    build(bar, {}, [
        el("span", {class: "brand"}, "numatally"),
        el("nav", {"aria-label": "Panels"}, links),
        records.length > 1 && select,
        theme,
    ]);
    bar.hidden = false;
    const peaks = records.map(r => r.total.live_bytes_peak);
    show(peaks.indexOf(Math.max(...peaks)));
}

start();
