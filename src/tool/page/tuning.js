/* SPDX-License-Identifier: MIT */
/* What another table of size classes would waste: as numatally tune reckons it. */

/* `tuning`: curve, builtin and best, each a point [classes, bytes wasted]. */
function tuningPicture(tuning, text) {
    const all = [...tuning.curve, tuning.builtin, tuning.best];
    const least = Math.min(...all.map(([classes]) => classes));
    const most = Math.max(...all.map(([classes]) => classes));
    const top = 1.04 * largest(all, ([, waste]) => waste) || 1;
    return picture("Waste by the number of classes", text, width => {
        const floor = width < 560 ? 170 : 220;
        const left = 66;
        const right = width - 10;
        const x = n => left + ((right - left) * (n - least)) / (most - least || 1);
        const y = waste => floor - ((floor - 10) * waste) / top;
        const at = ([n, waste]) => `${x(n).toFixed(1)},${y(waste).toFixed(1)}`;
        const mark = (name, style, [n, waste]) =>
            svg("circle", {
                class: style,
                "data-name": name,
                "data-value": String(waste),
                "data-tip": `${name}\n${n} classes\n${bytes(waste)} waste`,
                cx: x(n).toFixed(1),
                cy: y(waste).toFixed(1),
                r: 6,
            });
        const number = n =>
            svg(
                "text",
                {class: "axis", x: x(n), y: floor + 16, "text-anchor": "middle"},
                String(n),
            );
        return [
            floor + 22,
            horizontalGrid(left, right, ticks(top, 1024, 4), y, bytes),
            ticks(most, 1000, 8)
                .filter(n => n >= least)
                .map(number),
            tuning.curve.length > 1 &&
                svg("path", {
                    class: "line committed",
                    d: "M" + tuning.curve.map(at).join("L"),
                }),
            mark("built in", "waste", tuning.builtin),
            mark("best", "asked", tuning.best),
        ];
    });
}

function tuningText(tuning) {
    const [, before] = tuning.builtin;
    const [, after] = tuning.best;
    const verdict = tuning.proposed
        ? "numatally tune makes that table of this record, and tries it."
        : "That is too little to be worth a table.";
    return (
        `Of the blocks in use at the peak, ${bytes(before)} are wasted by the built-in size ` +
        `classes, and ${bytes(after)} would be by the best ones for this run: ` +
        `${bytes(tuning.requested_bytes)} were asked for. ${verdict}`
    );
}

const TUNING_COLUMNS = [
    {label: "Classes", get: t => t[0], head: true},
    {label: "Waste", get: t => t[1], show: bytes, bar: true},
];

function tuningPanel(tuning) {
    const text = tuningText(tuning);
    return panel(
        "tuning",
        "Waste by the number of classes",
        text,
        tuningPicture(tuning, text),
        legend([
            ["waste", "built-in classes"],
            ["asked", "the best classes for this run"],
            ["committed", "the best of each number"],
        ]),
        folded("As a table", () =>
            table("Waste by the number of classes", TUNING_COLUMNS, tuning.curve, {
                limit: 200,
            }),
        ),
    );
}
