# SPDX-License-Identifier: MIT
#
# Headless Chromium for page.py: one for all tests, and what it is asked about a page.
import base64
import os

from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

DESKTOP, PHONE, PAPER = (1440, 900), (390, 844), (680, 960)
SWITCHES = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--hide-scrollbars", "--force-color-profile=srgb")

# What is found in the page, and the attributes that say so; runs there.
HELPERS = """
window.test = {
    values: selector => Array.from(document.querySelectorAll(selector),
        e => [e.dataset.name ?? null, Number(e.dataset.value)]),
    open: id => document.getElementById(id).querySelectorAll("details")
        .forEach(d => { d.open = true; }),
    opened: id => Array.from(document.getElementById(id).querySelectorAll("details"))
        .every(d => d.childElementCount > 1),
    rows: id => {
        const section = document.getElementById(id);
        section.querySelectorAll("button.more").forEach(b => b.click());
        const table = section.querySelector(".table table");
        const heads = Array.from(table.querySelectorAll("thead th"), th => th.textContent);
        return Array.from(table.querySelectorAll("tbody tr"), tr => Object.fromEntries(
            Array.from(tr.children, (cell, i) => [heads[i],
                cell.dataset.value === undefined ? cell.textContent
                                                 : Number(cell.dataset.value)])));
    },
    drawn: () => Array.from(document.querySelectorAll(".picture")).every(
        p => p.querySelector("svg") !== null) && Array.from(document.querySelectorAll(".flame"))
        .every(f => f.childElementCount > 0),
    ink: text => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number),
    light: rgb => {
        const [r, g, b] = rgb.slice(0, 3).map(c => c / 255)
            .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    },
    ratio: (a, b) => {
        const [x, y] = [test.light(a), test.light(b)].sort((p, q) => q - p);
        return (x + 0.05) / (y + 0.05);
    },
    /* Texts with less contrast than 4.5 against what lies behind them. */
    faint: () => {
        const bad = new Map(), walker = document.createTreeWalker(document.body,
            NodeFilter.SHOW_TEXT);
        let seen = 0;
        for (let node = walker.nextNode(); node; node = walker.nextNode()) {
            const e = node.parentElement, style = getComputedStyle(e);
            if (!node.data.trim() || e.closest("script, style, noscript, option, :disabled") ||
                e.getClientRects().length === 0 || style.clipPath !== "none") {
                continue;
            }
            let behind = e;
            while (behind && test.ink(getComputedStyle(behind).backgroundColor)[3] === 0) {
                behind = behind.parentElement;
            }
            const grounds = [behind === null ? [255, 255, 255] :
                test.ink(getComputedStyle(behind).backgroundColor)];
            if (e.closest("td.bar")) {
                const probe = document.createElement("i");
                probe.style.background = "var(--bar)";
                document.body.append(probe);
                grounds.push(test.ink(getComputedStyle(probe).backgroundColor));
                probe.remove();
            }
            const ink = test.ink(e.closest("svg") ? style.fill : style.color);
            seen++;
            for (const ground of grounds) {
                const ratio = test.ratio(ink, ground);
                if (ratio < 4.5) {
                    bad.set(e.className + ": " + node.data.slice(0, 40), ratio);
                }
            }
        }
        return [seen, [...bad]];
    },
};
"""


class Browser:
    """One Chromium for all tests."""

    def __init__(self, folder):
        self.folder = folder
        options = webdriver.ChromeOptions()
        for switch in SWITCHES:
            options.add_argument(switch)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = webdriver.chrome.service.Service("/usr/bin/chromedriver")
        self.driver = webdriver.Chrome(service=service, options=options)

    def cdp(self, command, **arguments):
        return self.driver.execute_cdp_cmd(command, arguments)

    def open(self, name, size=DESKTOP, theme="light", **media):
        """Also says that the browser had nothing to say."""
        self.cdp("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1],
                 deviceScaleFactor=1, mobile=size == PHONE)
        features = dict({"prefers-color-scheme": theme}, **media)
        self.cdp("Emulation.setEmulatedMedia", media="", features=[
            {"name": key.replace("_", "-"), "value": value} for key, value in features.items()])
        self.driver.get(self.address(name))
        self.js(HELPERS)
        self.wait("return test.drawn()")

    def address(self, name):
        return f"file://{os.path.abspath(self.folder)}/{name}.html"

    def wait(self, script, *arguments):
        WebDriverWait(self.driver, 600, 0.05).until(lambda d: self.js(script, *arguments))

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def log(self):
        return self.driver.get_log("browser")

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def click(self, selector):
        element = self.find(selector)
        self.js("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
        element.click()

    def rows(self, panel):
        """The panel's table, opened."""
        self.js("test.open(arguments[0])", panel)
        self.wait("return test.opened(arguments[0])", panel)
        return self.js("return test.rows(arguments[0])", panel)

    def keys(self, *keys):
        ActionChains(self.driver).send_keys(*keys).perform()

    def shot(self, name, whole=False):
        """A picture of what is seen, or of the whole page."""
        options = {}
        if whole:
            size = self.js("return [document.documentElement.clientWidth, "
                           "document.documentElement.scrollHeight]")
            options = {"captureBeyondViewport": True, "clip": {
                "x": 0, "y": 0, "width": size[0], "height": min(size[1], 9000), "scale": 1}}
        picture = self.cdp("Page.captureScreenshot", format="png", **options)
        with open(f"{self.folder}/{name}.png", "wb") as out:
            out.write(base64.b64decode(picture["data"]))
