# SPDX-License-Identifier: MIT
#
# page.py FOLDER: the pages of FOLDER in headless Chromium. For each NAME.html there are the
# record it shows, NAME.json, its text, NAME.txt, and its findings, NAME.findings (page.sh
# makes them). Every figure on the page is read back and compared with the record's; then
# the page is used as people do: on a phone, in the dark, on paper, with the keyboard, with
# a screen reader.
import base64
import html
import json
import os
import sys
import unittest

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from page_browser import DESKTOP, PAPER, PHONE, Browser

FOLDER = sys.argv.pop(1)
LOOKS = ((DESKTOP, "desktop", "light"), (DESKTOP, "desktop", "dark"),
         (PHONE, "phone", "light"), (PHONE, "phone", "dark"))


def records(name):
    """As they are to be shown: what turns the direction of writing is replaced."""
    with open(f"{FOLDER}/{name}.json") as lines:
        return [json.loads(line.replace("\u202e", "\ufffd")) for line in lines]


def names():
    return sorted(n[:-5] for n in os.listdir(FOLDER) if n.endswith(".html"))


THREADS = {"Allocations": "allocations_total", "Allocated": "allocated_bytes_total",
           "Requested": "requested_bytes_total", "Frees": "frees_total",
           "Freed": "freed_bytes_total", "Remote frees": "remote_frees_total",
           "Live, peak": "live_bytes_peak", "Migrations": "migrations_total"}
POOLS = {"Live": "live_bytes_now", "Live, peak": "live_bytes_peak",
         "Committed": "committed_bytes_now", "Limit": "limit_bytes",
         "Allocations": "allocations_total", "Allocated": "allocated_bytes_total",
         "Requested": "requested_bytes_total", "Frees": "frees_total",
         "Live blocks": "live_blocks_now"}
TRACKED = {"Live": "live_requested_bytes_now", "Live, peak": "live_requested_bytes_peak",
           "Requested": "requested_bytes_total", "Allocations": "allocations_total",
           "Frees": "frees_total", "Live blocks": "live_blocks_now", "Failed": "failed_total",
           "Foreign frees": "foreign_frees_total"}
PHASES = {"Entries": "entries_total", "Time": "spent_ns_total",
          "Allocations": "allocations_total", "Allocated": "allocated_bytes_total",
          "Requested": "requested_bytes_total", "Frees": "frees_total",
          "Freed": "freed_bytes_total", "Remote frees": "remote_frees_total",
          "Far frees": "far_frees_total", "Live, first": "first_live_bytes",
          "Live, last": "last_live_bytes", "Live, peak": "live_bytes_peak"}
SIZES = {"Size": "block_bytes", "Allocations": "allocations_total",
         "Requested": "requested_bytes_total", "Allocated": "allocated_bytes_total",
         "Frees": "frees_total", "Live, peak": "live_bytes_peak"}
SLABS = {"Size": "block_bytes", "Slabs": "slabs_now", "In slabs": "slab_bytes_now",
         "Live": "live_bytes_now"}
RECORDS = {"Live, peak": "live_bytes_peak", "Live, end": "live_bytes_now",
           "Allocations": "allocations_total", "Requested": "requested_bytes_total",
           "Far frees": "far_frees_total"}
RANKS = {"Pid": "pid", "Live, peak": "live_bytes_peak", "Live": "live_bytes_now",
         "Committed": "committed_bytes_now", "Elsewhere": "elsewhere_bytes_now",
         "Allocations": "allocations_total", "Requested": "requested_bytes_total",
         "Remote frees": "remote_frees_total", "Far frees": "far_frees_total",
         "Processor time": "cpu_ns_total"}
KINDS = ("at_peak_requested_bytes", "live_requested_bytes_now", "requested_bytes_total",
         "allocations_total")


class Pages(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.browser = Browser(FOLDER)

    @classmethod
    def tearDownClass(cls):
        cls.browser.driver.quit()

    def quiet(self):
        self.assertEqual([], self.browser.log())
        self.assertIsNone(self.browser.js("return document.broken ?? null"))

    def table(self, panel, rows, columns, head):
        """The panel's table has these rows of the record, figure by figure."""
        shown = self.browser.rows(panel)
        self.assertEqual(len(rows), len(shown), panel)
        want = [{label: float(row[key]) for label, key in columns.items()} for row in rows]
        got = [{label: float(row[label]) for label in columns} for row in shown]
        self.assertEqual(sorted(map(str, want)), sorted(map(str, got)), panel)
        if head:
            label, key = head
            self.assertEqual(sorted(row[key] for row in rows),
                             sorted(row[label] for row in shown), panel)

    # ---- figures ----

    def test_panels_have_the_figures(self):
        for name in names():
            with self.subTest(page=name):
                self.browser.open(name)
                self.quiet()
                all_records = records(name)
                for i, record in enumerate(all_records):
                    if len(all_records) > 1:
                        Select(self.browser.find("#bar select")).select_by_value(str(i))
                        self.browser.wait("return test.drawn()")
                    self.check_head(record, all_records)
                    self.check_findings(name, i)
                    self.check_history(record)
                    self.check_nodes(record)
                    self.check_sizes(record)
                    if len(all_records) == 1:
                        self.check_tuning(name)
                    self.check_tables(record)
                    self.check_profile(record)
                    self.check_job(record)
                self.quiet()

    def check_head(self, record, all_records):
        total = record["total"]
        facts = self.browser.find(".facts").text
        if "job" in record:
            self.assertEqual(f"{record['job']['rows'][0]['program']} and others",
                             self.browser.find("#head-title").text)
            self.assertIn(f"ranks {record['job']['ranks']}", " ".join(facts.split()))
        else:
            self.assertEqual(record["program"], self.browser.find("#head-title").text)
            self.assertIn(str(record["pid"]), facts)
        want = [total[key] for key in ("live_bytes_peak", "allocations_total",
                                       "requested_bytes_total", "committed_bytes_now",
                                       "far_frees_total")] + [record["threads_total"]]
        self.assertEqual([float(n) for n in want],
                         [n for _, n in self.browser.js("return test.values('.tile .big')")])
        if len(all_records) > 1:
            self.table("records", [r["total"] for r in all_records], RECORDS, None)
            pressed = self.browser.js(
                "return document.querySelectorAll('.pick[aria-pressed=true]')[0].textContent")
            self.assertIs(record, all_records[int(pressed) - 1])

    def check_findings(self, name, i):
        with open(f"{FOLDER}/{name}.findings") as lines:
            concluded = json.loads(lines.readlines()[i].replace("\u202e", "\ufffd"))
        findings = concluded["findings"]
        self.assertEqual([f["share"] for f in findings],
                         [n for _, n in self.browser.js("return test.values('.findings li')")])
        text = self.browser.find("#findings").text
        self.assertIn(" ".join((concluded["note"] or "").split()), " ".join(text.split()))
        for finding in findings:
            self.assertIn(" ".join(finding["sentence"].split()), " ".join(text.split()))
            self.assertIn(" ".join(finding["advice"].split()), " ".join(text.split()))
            for line in finding["where"][:1] + finding["freed"][:1]:
                self.assertIn(" ".join(line.split()), " ".join(text.split()))

    def check_history(self, record):
        if "job" in record:
            return
        points = record.get("history", {"points": []})["points"]
        if len(points) < 2:
            self.assertIn("no history", self.browser.find("#history").text)
            return
        shapes = self.browser.js("return test.values('#history svg path')")
        areas, (committed, peak) = shapes[:-2], shapes[-2:]
        last = points[-1]
        self.assertEqual(float(sum(last["live_bytes_now"])), sum(n for _, n in areas))
        self.assertEqual(min(8, len(record["nodes"])), len(areas))
        self.assertEqual(["committed", sum(last["committed_bytes_now"])], committed)
        self.assertEqual(["peak", float(record["total"]["live_bytes_peak"])], peak)
        # Drawn level, not as a slope, up to a point that comes late.
        interval = record["history"]["interval_ns"]
        late = sum(b["ns"] - a["ns"] > 4 * interval for a, b in zip(points, points[1:]))
        corners = self.browser.js(
            "return document.querySelector('#history path.committed').getAttribute('d')")
        corners = [tuple(map(float, c.split(","))) for c in corners[1:].split("L")]
        self.assertEqual(len(points) + late, len(corners))
        k = 0
        for a, b in zip(points, points[1:]):
            if b["ns"] - a["ns"] > 4 * interval:
                self.assertEqual(corners[k][1], corners[k + 1][1])
                self.assertEqual(corners[k + 1][0], corners[k + 2][0])
                k += 1
            k += 1
        rows = self.browser.rows("history")
        self.assertEqual([float(p["ns"]) for p in points], [r["Time"] for r in rows])
        self.assertEqual([float(sum(p["live_bytes_now"])) for p in points],
                         [r["Live"] for r in rows])
        self.assertEqual([float(sum(p["committed_bytes_now"])) for p in points],
                         [r["Committed"] for r in rows])
        if len(record["nodes"]) > 1:
            for i, node in enumerate(record["nodes"]):
                self.assertEqual([float(p["live_bytes_now"][i]) for p in points],
                                 [r[f"Node {node['node']}"] for r in rows])

    def check_nodes(self, record):
        nodes, total = record["nodes"], record["total"]
        if not nodes:
            self.assertIn("no nodes", self.browser.find("#nodes").text)
            return
        bars = self.browser.js("return test.values('#nodes .tracks [data-name]')")
        want = [[["live", n["live_bytes_now"]],
                 ["committed, not live", max(0, float(n["committed_bytes_now"]) -
                                             float(n["live_bytes_now"]))],
                 ["cached", n["cached_bytes_now"]], ["peak of live", n["live_bytes_peak"]]]
                for n in nodes]
        self.assertEqual([[a, float(b)] for node in want for a, b in node], bars)
        shown = self.browser.rows("nodes")
        self.assertEqual(len(total), len(shown))
        for key, row in zip(total, shown):
            self.assertEqual(float(total[key]), row["Total"], key)
            for node in nodes:
                self.assertEqual(float(node[key]), row[f"Node {node['node']}"], key)
        cells = self.browser.js("return test.values('#matrix td')")
        self.assertEqual([float(n) for row in record["free_matrix"] for n in row],
                         [n for _, n in cells])
        if record["residency_pages_now"] > 0:
            parts = self.browser.js("return test.values('#residency .tracks [data-name]')")
            for i, node in enumerate(nodes):
                asked, lying = parts[6 * i:6 * i + 4], parts[6 * i + 4:6 * i + 6]
                self.assertEqual(float(node["resident_bytes_now"]), sum(n for _, n in asked))
                self.assertEqual([float(node[f"elsewhere_{why}_bytes_now"])
                                  for why in ("full", "refused", "moved")],
                                 [n for _, n in asked[1:]])
                self.assertEqual(float(node["lying_bytes_now"]), sum(n for _, n in lying))

    def check_sizes(self, record):
        rows = record["classes"]
        classes = [c for c in rows if c["block_bytes"] > 0]
        columns = self.browser.js("return test.values('#sizes .column [data-name]')")
        self.assertEqual([float(c[key]) for c in classes
                          for key in ("allocated_bytes_total", "requested_bytes_total")],
                         [n for name, n in columns if name != "share"])
        self.table("sizes", rows, SIZES, None)
        Select(self.browser.find("#sizes select")).select_by_value("blocks")
        self.browser.wait("return test.drawn()")
        columns = self.browser.js("return test.values('#sizes .column [data-name=whole]')")
        self.assertEqual([float(c["allocations_total"]) for c in classes],
                         [n for _, n in columns])
        held = [c for c in classes if c["slab_bytes_now"] > 0]
        if held:
            columns = self.browser.js("return test.values('#occupancy .column [data-name]')")
            self.assertEqual([float(c[key]) for c in held
                              for key in ("slab_bytes_now", "live_bytes_now")],
                             [n for name, n in columns if name != "share"])
            self.table("occupancy", held, SLABS, None)
        elif rows:
            self.assertIn("does not say", self.browser.find("#occupancy").text)

    def check_tuning(self, name):
        with open(f"{FOLDER}/{name}.tuning") as lines:
            said = lines.readline()
        points = self.browser.js("return test.values('#tuning circle')")
        if not said:
            self.assertEqual([], points)
            return
        at_peak = json.loads(said)["at_peak"]
        self.assertEqual([round(at_peak[table]["waste_bytes"]) for table in ("builtin", "best")],
                         [round(n) for _, n in points])
        waste = [float(row["Waste"]) for row in self.browser.rows("tuning")]
        self.assertEqual(sorted(waste, reverse=True), waste)

    def check_tables(self, record):
        for panel, columns, head in (("pools", POOLS, ("Pool", "name")),
                                     ("tracked", TRACKED, ("Allocator", "name")),
                                     ("phases", PHASES, None), ("threads", THREADS, None)):
            present = self.browser.js("return document.getElementById(arguments[0]) !== null",
                                      panel)
            self.assertEqual(panel in record, present, panel)
            if present:
                self.table(panel, record[panel], columns, head)

    def check_job(self, record):
        present = self.browser.js("return document.getElementById('ranks') !== null")
        self.assertEqual("job" in record, present)
        if not present:
            return
        rows = record["job"]["rows"]
        self.table("ranks", rows, RANKS, ("Program", "program"))
        shown = self.browser.js("return test.rows('ranks')")
        self.assertEqual(sorted(r["live_bytes_peak"] for r in rows)[::-1],
                         [int(r["Live, peak"]) for r in shown])
        text = " ".join(self.browser.find("#ranks").text.split())
        for part in ("296 ranks on 19 hosts", "No figures of 4 ranks: 3–5, 9.",
                     "rank 20 on", "ended by signal 9; rank 21 on", "exited with status 3;",
                     "aborted the job with 1;", "ran on, or ended without its last word."):
            self.assertIn(part, text)
        # Each node's line: of the ranks with a column the one that had most there.
        ranked = [r for r in rows if r["rank"] is not None]
        want = {}
        for row in ranked:
            for n in row["nodes"]:
                want[n["node"]] = max(want.get(n["node"], 0), n["live_bytes_peak"])
        most = {}
        for name, value in self.browser.js("return test.values('#ranks svg rect')"):
            node = -1 if name == "Other nodes" else int(name.split()[1])
            most[node] = max(most.get(node, 0), value)
        self.assertEqual({k: float(v) for k, v in want.items()}, most)
        hosts = {}
        for row in ranked:
            hosts.setdefault(row["host"], []).append(row["live_bytes_peak"])
        lines = self.browser.js(
            "return Array.from(document.querySelectorAll('#ranks details tbody tr'), tr => "
            "Array.from(tr.cells, c => c.dataset.value ?? c.textContent))")
        self.assertEqual(sorted([h, len(v), sum(v), min(v), max(v)] for h, v in hosts.items()),
                         sorted([h, int(n), int(a), int(b), int(c)]
                                for h, n, a, _, b, c in lines))

    def check_profile(self, record):
        if "job" in record:
            return
        profile = record.get("profile")
        if profile is None:
            self.assertIn("Nothing was sampled", self.browser.find("#flame").text)
            return
        if profile["total"]["samples_total"] == 0:
            self.assertIn("no block was sampled", self.browser.find("#flame").text)
            return
        page = self.browser.js("""return Array.from(document.querySelectorAll("script.data"),
            s => JSON.parse(s.textContent)).find(d => d.record.pid === arguments[0] &&
            d.record.program === arguments[1]).profile""", record["pid"], record["program"])
        # Each address is one place, and each place one address.
        places = {}
        for want, got in zip(profile["sites"], page["sites"]):
            self.assertEqual(want["lifetimes"], got["lifetimes"])
            for pc, place in zip(want["stack"], got["stack"]):
                self.assertEqual(places.setdefault(place, (want["generation"], pc)),
                                 (want["generation"], pc))
            self.assertEqual(len(want["stack"]), len(got["stack"]))
        self.assertEqual(len(places), len(set(places.values())))
        self.assertEqual(len(profile["sites"]), len(page["sites"]))
        names_of = [[page["strings"][f[0]] for f in frames] for frames in page["places"]]
        for k, key in enumerate(KINDS):
            if sum(s[key] for s in profile["sites"]) == 0:
                continue
            Select(self.browser.find("#flame select")).select_by_value(str(k))
            boxes = self.browser.js("return test.values('.flame [aria-level=\"1\"]')")
            self.assertEqual([["all", float(sum(s[key] for s in profile["sites"]))]], boxes)
            outermost = {}
            for s, site in zip(page["sites"], profile["sites"]):
                if s["stack"]:
                    name = names_of[s["stack"][-1]][-1]
                    outermost[name] = outermost.get(name, 0) + site[key]
            got = {}
            for name, n in self.browser.js("return test.values('.flame [aria-level=\"2\"]')"):
                got[name] = got.get(name, 0) + n
            for name in got:
                self.assertLessEqual(got[name], outermost[name], name)
            widest = max(outermost, key=outermost.get)
            self.assertEqual(float(outermost[widest]), got[widest])
        rows = self.browser.rows("functions")
        own = sum(r["At peak, itself"] for r in rows)
        self.assertEqual(float(sum(s["at_peak_requested_bytes"] for s in profile["sites"]
                                   if s["stack"])), own)
        if profile["total"]["sampled_frees_total"] > 0:
            self.assertEqual([float(n) for n in profile["total"]["lifetimes"]], [
                n for _, n in self.browser.js(
                    "return test.values('#lifetimes .column [data-name=whole]')")])
        if profile["remote_frees"]:
            self.table("remote", profile["remote_frees"],
                       {"Frees": "frees_total", "Requested": "requested_bytes_total",
                        "Samples": "samples_total"}, None)

    # ---- how it looks ----

    def test_fits_and_can_be_read(self):
        for name in names():
            with self.subTest(page=name):
                for size, label, theme in LOOKS if name in ("nodes", "lammps") else LOOKS[::3]:
                    self.browser.open(name, size, theme)
                    wide = self.browser.js("return document.documentElement.scrollWidth")
                    self.assertLessEqual(wide, size[0], label)
                    seen, faint = self.browser.js("return test.faint()")
                    self.assertGreater(seen, 50)
                    self.assertEqual([], faint, f"{label}, {theme}")
                    self.browser.shot(f"{name}-{label}-{theme}", whole=True)
                self.quiet()

    def test_paper(self):
        for name in ("nodes", "lammps", "nodes64"):
            with self.subTest(page=name):
                self.browser.open(name, PAPER, "dark")
                self.browser.cdp("Emulation.setEmulatedMedia", media="print", features=[
                    {"name": "prefers-color-scheme", "value": "dark"}])
                self.assertFalse(self.browser.find("#bar").is_displayed())
                self.assertEqual([], self.browser.js("return test.faint()")[1])
                ground = self.browser.js(
                    "return test.light(test.ink(getComputedStyle(document.querySelector('.panel'))"
                    ".backgroundColor))")
                self.assertGreater(ground, 0.9)
                self.browser.js("window.dispatchEvent(new Event('resize'))")
                paper = self.browser.cdp("Page.printToPDF", printBackground=True)
                with open(f"{FOLDER}/{name}.pdf", "wb") as out:
                    out.write(base64.b64decode(paper["data"]))

    def test_theme_button(self):
        self.browser.open("plain", theme="dark")
        theme = "return document.documentElement.dataset.theme"
        self.assertEqual("dark", self.browser.js(theme))
        self.browser.click(".theme")
        self.assertEqual("light", self.browser.js(theme))

    def test_reduced_motion(self):
        how = "return getComputedStyle(document.documentElement).scrollBehavior"
        self.browser.open("plain")
        self.assertEqual("smooth", self.browser.js(how))
        self.browser.open("plain", prefers_reduced_motion="reduce")
        self.assertEqual("auto", self.browser.js(how))

    def test_without_scripts(self):
        """The text report, whole, whatever is in it."""
        self.browser.cdp("Emulation.setScriptExecutionDisabled", value=True)
        self.addCleanup(self.browser.cdp, "Emulation.setScriptExecutionDisabled", value=False)
        for name in ("lammps", "hostile", "markup"):
            with self.subTest(page=name):
                self.browser.driver.get(self.browser.address(name))
                root = self.browser.cdp("DOM.getDocument")["root"]["nodeId"]
                found = self.browser.cdp("DOM.querySelector", nodeId=root,
                                         selector="body > noscript > pre")
                pre = self.browser.cdp("DOM.getOuterHTML", nodeId=found["nodeId"])["outerHTML"]
                shown = html.unescape(pre.removeprefix('<pre tabindex="0">'))
                with open(f"{FOLDER}/{name}.txt") as text:
                    self.assertEqual(text.read(), shown.removesuffix("</pre>"))
                self.browser.shot(f"{name}-without-scripts")

    # ---- using it ----

    def test_keyboard(self):
        """Every stop of Tab is in order, named, and seen to have the focus."""
        self.browser.open("nodes")
        stops = []
        while True:
            self.browser.keys(Keys.TAB)
            stop = self.browser.js("""
                const e = document.activeElement, style = getComputedStyle(e);
                const before = window.last;
                window.last = e;
                return e === document.body ? null : [e.tagName + "." + e.className,
                    parseFloat(style.outlineWidth) >= 2 && style.outlineStyle !== "none",
                    !before || Boolean(before.compareDocumentPosition(e) &
                                       Node.DOCUMENT_POSITION_FOLLOWING)];""")
            if stop is None:
                break
            stops.append(stop)
        self.assertGreater(len(stops), 60)
        self.assertEqual("A.skip", stops[0][0])
        self.assertEqual([], [stop for stop in stops if not (stop[1] and stop[2])])
        for kind in ("DIV.flame", "INPUT.", "SELECT.", "DIV.scroll", "SUMMARY.", "BUTTON.theme"):
            self.assertIn(kind, [stop[0] for stop in stops])

    def test_keyboard_does_everything(self):
        self.browser.open("lammps")
        focus = "document.querySelector(arguments[0]).focus()"
        # A record.
        self.browser.js("document.querySelectorAll('.pick')[1].focus()")
        self.browser.keys(Keys.ENTER)
        self.assertEqual(records("lammps")[1]["program"], self.browser.find("h1").text)
        self.assertEqual("2", self.browser.find(".pick[aria-pressed=true]").text)
        # A moment.
        text = self.browser.find("#history .readout").text
        self.browser.js(focus, "#history-moment")
        self.browser.keys(Keys.ARROW_LEFT)
        self.assertNotEqual(text, self.browser.find("#history .readout").text)
        point = records("lammps")[1]["history"]["points"][-2]
        self.assertEqual(float(point["ns"]), float(
            self.browser.js("return document.getElementById('history-moment').value")))
        # A column to sort by, both ways, and a table to open.
        sizes = "#sizes th:nth-child(2)"
        self.browser.js(focus, "#sizes summary")
        self.browser.keys(Keys.ENTER)
        self.browser.wait("return test.opened('sizes')")
        for how in ("descending", "ascending"):
            self.browser.js(focus, f"{sizes} button")
            self.browser.keys(Keys.ENTER)
            self.assertEqual(how, self.browser.find(sizes).get_attribute("aria-sort"))
            figures = [n for _, n in self.browser.js(
                "return test.values('#sizes td:nth-child(2)')")]
            self.assertEqual(sorted(figures, reverse=how == "descending"), figures)
        # The way to a panel.
        self.browser.js(focus, "#bar a[href='#threads']")
        self.browser.keys(Keys.ENTER)
        self.assertEqual("threads", self.browser.js("return document.activeElement.id"))
        self.quiet()

    def test_flame_graph(self):
        def boxes():
            return self.browser.js("""return Array.from(document.querySelectorAll(".flame > div"),
                b => ({name: b.dataset.name, value: Number(b.dataset.value),
                    level: Number(b.ariaLevel), style: b.style.cssText,
                    width: b.getBoundingClientRect().width,
                    match: b.classList.contains("match"),
                    cursor: b.classList.contains("cursor")}))""")

        self.browser.open("nodes")
        before = boxes()
        everything = before[0]
        # Widths are as the values, and calls lie within their caller.
        for box in before[1:]:
            self.assertAlmostEqual(everything["width"] * box["value"] / everything["value"],
                                   box["width"], delta=1.2)
        # Zoom by a click: that box is as wide as all, what called it stays.
        box = next(b for b in before if b["level"] == 6 and 20 < b["width"] <
                   everything["width"] - 20)
        self.browser.js("document.querySelectorAll('.flame > div')[arguments[0]].click()",
                        before.index(box))
        zoomed = boxes()
        self.assertEqual(6, sum(b["width"] == everything["width"] and b["level"] <= 6
                                for b in zoomed))
        self.assertEqual(box["name"], next(b for b in zoomed if b["cursor"])["name"])
        self.assertEqual(box["value"], zoomed[5]["value"])
        self.assertIn(box["name"], self.browser.find("#flame-about").text)
        self.browser.shot("flame-zoomed")
        self.browser.click("#flame .tools button")
        self.assertEqual(before, boxes())
        # The same by the keyboard.
        self.browser.js("document.querySelector('.flame').focus({focusVisible: true})")
        self.browser.keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ARROW_LEFT,
                          Keys.ENTER)
        zoomed = boxes()
        self.assertEqual(3, next(b for b in zoomed if b["cursor"])["level"])
        self.assertEqual(everything["width"], next(b for b in zoomed if b["cursor"])["width"])
        active = self.browser.find(".flame").get_attribute("aria-activedescendant")
        self.assertEqual("treeitem", self.browser.find(f"#{active}").get_attribute("role"))
        self.browser.keys(Keys.ESCAPE, Keys.ESCAPE, Keys.HOME)
        self.assertEqual(before, boxes())
        # Search: matches are marked, and their part of all is told, each byte once.
        word = next(b["name"] for b in before[2:] if b["name"] != b["name"].lower())[:8].upper()
        self.browser.find("#flame input").send_keys(word)
        found = boxes()
        self.assertTrue(any(b["match"] for b in found))
        for b in found:
            self.assertEqual(word.lower() in b["name"].lower() and b["level"] > 1, b["match"])
        self.assertAlmostEqual(self.matched(records("nodes")[0], word.lower()), float(
            self.browser.find("#flame-found").get_attribute("data-value")), delta=1)
        self.assertRegex(self.browser.find("#flame-found").text, r"^[<> \d.]+.% matches$")
        self.browser.shot("flame-searched")
        self.browser.find("#flame input").send_keys(Keys.CONTROL, "a", Keys.DELETE)
        self.browser.find("#flame input").send_keys("no function is called so")
        self.assertEqual("no match", self.browser.find("#flame-found").text)
        self.quiet()

    def matched(self, record, word):
        """What all stacks with a function of that name asked for."""
        page = self.browser.js(
            "return JSON.parse(document.querySelector('script.data').textContent).profile")
        hit = [any(word in page["strings"][f[0]].lower() for f in frames)
               for frames in page["places"]]
        return sum(site["at_peak_requested_bytes"]
                   for site, shown in zip(record["profile"]["sites"], page["sites"])
                   if any(hit[place] for place in shown["stack"]))

    def test_matrix_of_many_nodes(self):
        self.browser.open("nodes64")
        width = "return document.querySelectorAll('.matrix td')[9].getBoundingClientRect().width"
        self.assertLess(self.browser.js(width), 12)
        self.browser.click("#matrix input")
        self.assertGreater(self.browser.js(width), 40)
        self.assertLessEqual(self.browser.js("return document.documentElement.scrollWidth"),
                             DESKTOP[0])
        self.browser.shot("nodes64-numbers")

    def test_pointer(self):
        """The tip beside the pointer has the figures of what is under it."""
        self.browser.open("nodes")
        column = self.browser.find("#sizes .column .surface")
        self.browser.js("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})",
                        column)
        moves = ActionChains(self.browser.driver).move_to_element(column).move_by_offset(1, 1)
        while not self.browser.find("#tip").is_displayed(): # a scroll under way hides it
            moves.perform()
        self.assertIn("allocated", self.browser.find("#tip").text)
        self.browser.keys(Keys.ESCAPE)
        self.assertFalse(self.browser.find("#tip").is_displayed())

    def test_screen_reader(self):
        """What the browser tells assistive technology: controls and pictures have names."""
        for name in ("nodes", "lammps", "plain"):
            with self.subTest(page=name):
                self.browser.open(name)
                self.browser.js("document.querySelectorAll('details').forEach(d => d.open = true)")
                nodes = self.browser.cdp("Accessibility.getFullAXTree")["nodes"]
                roles = {}
                for node in nodes:
                    if node.get("ignored"):
                        continue
                    role = node["role"]["value"]
                    roles[role] = roles.get(role, 0) + 1
                    needs = role in ("button", "link", "image", "img", "combobox", "searchbox",
                                     "slider", "tree", "treeitem", "table", "region", "checkbox")
                    if needs:
                        self.assertTrue(node.get("name", {}).get("value"), node)
                named = sum(node["role"]["value"] == "region" and
                            node["name"]["value"].endswith(", scrolls")
                            for node in nodes if not node.get("ignored"))
                self.assertEqual(self.browser.js(
                    "return document.querySelectorAll('.scroll').length"), named)
                for role in ("slider", "table", "button", "region", "banner", "main", "navigation"):
                    self.assertIn(role, roles, roles)
                self.assertTrue("image" in roles or "img" in roles, roles)
                headings = self.browser.js(
                    "return Array.from(document.querySelectorAll('h1, h2, h3'), h => h.tagName)")
                self.assertEqual(1, headings.count("H1"))

    def test_findings(self):
        """Drawn from what the tool concluded, in its order."""
        self.browser.open("nodes")
        finding = {"kind": "leak", "share": 0.31, "cost": 1e6, "error": 1e5, "unit": "bytes",
                   "sentence": "<b>4 MiB</b> were never freed.", "advice": "Free them.",
                   "where": ["make at a.c:3", "main at a.c:9"], "freed": []}
        small = dict(finding, kind="waste", share=0.01, unit="ns", where=[], freed=["x"])
        self.browser.js("document.getElementById('main').prepend(findingsPanel(arguments[0]))",
                        {"findings": [finding, small], "note": "<i>Look</i> longer."})
        panel = self.browser.find("#main > section")
        self.assertIn("31", panel.text)
        self.assertIn("<b>4 MiB</b> were never freed.", panel.text)
        self.assertIn("make at a.c:3", panel.text)
        self.assertIn("<i>Look</i> longer.", panel.text)
        self.assertEqual([0.31, 0.01], [n for _, n in self.browser.js(
            "return test.values('#main > section:first-child li')")])
        self.assertEqual([], self.browser.js("return test.faint()")[1])
        self.quiet()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + ["-v"] + sys.argv[1:])
