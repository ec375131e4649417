"""Uses the playground of a running `lavr serve` as people do: with the mouse, with the keyboard alone, and on a phone.

    python3 -m venv venv && venv/bin/pip install websockets
    npm install --prefix venv axe-core
    venv/bin/python tests/playground/playground.py http://127.0.0.1:8321 tests/images/gallery.jpg \
        --axe venv/node_modules/axe-core/axe.min.js

Chromium has to be there (`--chromium NAME`). Without `--axe`, accessibility is checked by the keyboard alone.
"""

import argparse
import contextlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from websockets.sync.client import connect

QUESTION = "How many people are there?"
ANSWER = "There are 3 people."
FOLLOW_UP = "And what does the sign say?"
SIGN = "OPEN DAILY 9-17"
# A first run may have to read the models.
PATIENCE = 300


class Chromium:
    """A headless Chromium, spoken to over its debugging protocol."""

    def __init__(self, program):
        self.folder = tempfile.mkdtemp(prefix="playground-")
        port = pathlib.Path(self.folder, "DevToolsActivePort")
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--no-first-run"]
        command = [program, *options, f"--user-data-dir={self.folder}", "about:blank"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while not (port.exists() and len(port.read_text().split()) == 2):
            if self.process.poll() is not None or time.monotonic() > until:
                sys.exit(f"{program} did not start")
            time.sleep(0.05)
        number, path = port.read_text().split()
        self.stack = contextlib.ExitStack()
        self.socket = self.stack.enter_context(connect(f"ws://127.0.0.1:{number}{path}", max_size=None))
        self.number = 0
        self.listeners = {}

    def call(self, method, session=None, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        self.socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
        while True:
            told = json.loads(self.socket.recv(timeout=PATIENCE))
            if told.get("id") == self.number:
                if "error" in told:
                    sys.exit(f"{method}: {told['error']}")
                return told["result"]
            self.hear(told)

    def hear(self, told):
        if listen := self.listeners.get(told.get("sessionId")):
            listen(told["method"], told["params"])

    def close(self):
        self.stack.close()
        self.process.terminate()
        self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)


class Page:
    """One page in a window of its own, which knows nothing of the others."""

    def __init__(self, chromium, base, width, colours, phone=False, path="", ready=".asking"):
        self.chromium, self.base, self.phone = chromium, base, phone
        self.troubles, self.requests, self.chosen = [], [], None
        self.context = chromium.call("Target.createBrowserContext")["browserContextId"]
        target = chromium.call("Target.createTarget", url="about:blank", browserContextId=self.context)
        self.target = target["targetId"]
        self.session = chromium.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        chromium.listeners[self.session] = self.hear
        for domain in ["Page", "Runtime", "Log", "Network", "DOM"]:
            self.call(f"{domain}.enable")
        self.call("Page.setInterceptFileChooserDialog", enabled=True)
        size = {"width": width, "height": 844 if phone else 900, "deviceScaleFactor": 1, "mobile": phone}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)
        features = [{"name": "prefers-color-scheme", "value": colours}]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.call("Page.navigate", url=f"{base}/{path}")
        self.wait(f"document.querySelector({json.dumps(ready)})", "the page is there")

    def call(self, method, **params):
        return self.chromium.call(method, session=self.session, **params)

    def hear(self, method, params):
        if method == "Runtime.exceptionThrown":
            self.troubles.append(f"exception: {params['exceptionDetails']}")
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.troubles.append(f"console: {params['args']}")
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            entry = params["entry"]
            # A refused plan is what one of the checks is about.
            if not (entry["source"] == "network" and "422" in entry["text"]):
                self.troubles.append(f"log: {entry['text']} {entry.get('url', '')}")
        elif method == "Network.requestWillBeSent":
            url = params["request"]["url"]
            self.requests.append(url)
            if not url.startswith((f"{self.base}/", "blob:", "data:", "about:")):
                self.troubles.append(f"request to another origin: {url}")
        elif method == "Page.fileChooserOpened":
            self.chosen = params["backendNodeId"]

    def eval(self, script):
        told = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in told:
            sys.exit(f"{script}: {told['exceptionDetails']}")
        return told["result"].get("value")

    def wait(self, script, what, patience=PATIENCE):
        until = time.monotonic() + patience
        while not self.eval(f"Boolean({script})"):
            if time.monotonic() > until:
                text = self.eval("document.body.innerText")
                sys.exit(f"it did not come about that {what}; the page says:\n{text[:3000]}")
            time.sleep(0.1)

    def all(self, selector, of="n.textContent"):
        return self.eval(f"[...document.querySelectorAll({json.dumps(selector)})].map((n) => {of})")

    def place(self, selector, words=""):
        """The middle of the first element that is seen and has these words; nothing else may lie on top of it."""
        script = f"""(() => {{
            const all = [...document.querySelectorAll({json.dumps(selector)})];
            const one = all.find((n) => n.checkVisibility() && n.textContent.includes({json.dumps(words)}));
            if (!one) return 'none';
            one.scrollIntoView({{ block: 'center' }});
            const {{ x, y, width, height }} = one.getBoundingClientRect();
            const at = [x + Math.min(width / 2, 200), y + height / 2];
            const top = document.elementFromPoint(...at);
            return one.contains(top) || top?.contains(one) ? at : `below ${{top?.outerHTML.slice(0, 200)}}`;
        }})()"""
        until = time.monotonic() + 20
        while isinstance(at := self.eval(script), str):
            if time.monotonic() > until:
                sys.exit(f"`{selector}` {words!r} cannot be pointed at: {at}")
            time.sleep(0.1)
        return {"x": at[0], "y": at[1]}

    def hover(self, selector, words=""):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", **self.place(selector, words))

    def away(self):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)

    def click(self, selector, words=""):
        at = self.place(selector, words)
        if self.phone:
            self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[at])
            self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
            return
        self.call("Input.dispatchMouseEvent", type="mouseMoved", **at)
        for kind in ["mousePressed", "mouseReleased"]:
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)

    def key(self, name):
        code = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38, "ArrowRight": 39, "Space": 32}[name]
        text = {"Enter": "\r", "Space": " "}.get(name)
        about = {"key": text if name == "Space" else name, "code": name, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", **about, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def tab_to(self, test, what):
        for _ in range(80):
            if self.eval(f"((n) => {test})(document.activeElement)"):
                return
            self.key("Tab")
        sys.exit(f"Tab does not lead to {what}")

    def write(self, words):
        self.call("Input.insertText", text=words)

    def choose_file(self, path):
        self.wait_event(lambda: self.chosen, "a file can be chosen")
        self.call("DOM.setFileInputFiles", files=[str(pathlib.Path(path).resolve())], backendNodeId=self.chosen)
        self.chosen = None

    def wait_event(self, has_come, what):
        until = time.monotonic() + 20
        while not has_come():
            if time.monotonic() > until:
                sys.exit(f"it did not come about that {what}")
            self.eval("1")

    def close(self):
        self.chromium.listeners.pop(self.session)
        self.chromium.call("Target.disposeBrowserContext", browserContextId=self.context)


CHECKED = 0


def check(name, got, expected=True):
    global CHECKED
    CHECKED += 1
    print(f"{name}: {got!r}")
    if got != expected:
        sys.exit(f"{name}: expected {expected!r}")


def rests(page):
    """The steps that the claim rests on, as it says itself."""
    return page.all(".turn:last-child .rests .link")


def nodes(page, turn):
    words = f"{turn} .graph .node"
    return page.all(words, "n.dataset.key ?? n.querySelector('b').textContent")


def answered(page, count):
    page.wait(f"document.querySelectorAll('.turn').length === {count}", f"there are {count} questions")
    page.wait("document.querySelector('.turn:last-child .claim')", "the question is answered")


def sound(page, where, axe):
    """What has to hold wherever the page is."""
    check(f"{where}: sideways overflow", page.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth"), 0)
    if axe:
        # An element that just came into being may be half through a change of colour.
        page.wait("document.getAnimations().every((a) => a.effect.getTiming().iterations === Infinity)", "it rests", 20)
        found = page.eval(f"{axe}; axe.run().then((r) => r.violations.map((v) => [v.id, v.impact, v.nodes[0].html]))")
        check(f"{where}: serious findings of axe", [v for v in found if v[1] in ("serious", "critical")], [])
    check(f"{where}: errors and requests elsewhere", page.troubles, [])


def with_mouse(page, picture, axe):
    page.click("button", "Choose images")
    page.choose_file(picture)
    page.wait("document.querySelector('.thumbs img')?.complete", "the image is shown")
    page.click("#question")
    page.write(QUESTION)
    sound(page, "before asking", axe)
    page.click("button", "Ask")
    answered(page, 1)
    check("answer", page.all(".turn .claim"), [ANSWER])
    steps = sorted(page.all(".turn .graph button.node", "n.dataset.key"))
    check("nodes of the graph", sorted(nodes(page, ".turn")), sorted([*steps, "image", "Answer"]))
    check("steps that the answer rests on", set(rests(page)) <= set(steps) and rests(page) != [])
    check("boxes in the picture", len(page.all(".turn .mark")), 3)
    page.away()
    check("lit at rest", page.all(".node.lit", "n.dataset.key"), [])
    page.hover(".claim", ANSWER)
    check("lit by the claim", page.all(".node.lit", "n.dataset.key"), rests(page))
    check("and the way to it", len(page.all(".edge.lit")) > 0)
    check("boxes of the claim", len(page.all(".turn .mark")), 3)
    page.away()
    check("lit no more", page.all(".node.lit", "n.dataset.key"), [])
    check("thumbnails of what was found", len(page.all(".node .thumb")) > 0)
    sound(page, "with an answer", axe)


def another_plan(page, axe):
    step = rests(page)[0]
    page.click(f".graph .node[data-key={step}]")
    page.click(".tools-row button", "Edit the plan")
    check("from the chosen step", page.eval("document.querySelector('#from-step').value"), step)
    sound(page, "plan", axe)
    plan = page.eval("document.querySelector('#plan').value")
    faulty = json.loads(plan)
    faulty["steps"][-1]["tool"] = "no_tool"
    edit = "document.querySelector('#plan').value = "
    page.eval(edit + json.dumps(json.dumps(faulty)))
    page.click("dialog button", "Run from here")
    page.wait("document.querySelector('dialog .wrong').textContent", "a faulty plan is refused")
    check("a fault is named", "no_tool" in page.all("dialog .wrong")[0])
    page.eval(edit + json.dumps(plan))
    page.click("dialog button", "Run from here")
    answered(page, 2)
    check("run from a step", page.all(".turn:last-child .count")[0], f"Question 1 · again from {step}")
    check("its answer", page.all(".turn:last-child .claim"), [ANSWER])
    check("the first answer stays", ANSWER in page.all(".turn:first-child .brief")[0])


def kept_and_given(page, chromium, base, axe, folder):
    chromium.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=folder, browserContextId=page.context)
    page.click(".turn:last-child .tools-row button", "Save the run")
    saved = pathlib.Path(folder, "how-many-people-are-there.lavr.json")
    page.wait_event(saved.exists, "the run is saved")
    page.call("Page.reload")
    page.wait("document.querySelectorAll('.turn .claim').length === 2", "the conversation is there after a reload")
    page.click(".top button", "History")
    page.wait("document.querySelector('.kept li')", "the history has it")
    sound(page, "history", axe)
    page.click("dialog button", "Clear all")
    page.click("dialog button", "Really clear")
    page.wait("!document.querySelector('.kept li')", "the history is cleared")
    page.key("Escape")
    sound(page, "after clearing", axe)

    other = Page(chromium, base, 1280, "light")
    other.click(".top button", "History")
    other.click("dialog button", "Open a file")
    other.choose_file(saved)
    other.wait("document.querySelector('.turn .claim')", "a saved run is opened")
    check("opened elsewhere", [other.all(".turn .claim"), len(other.all(".turn .mark"))], [[ANSWER], 3])
    sound(other, "opened", axe)
    other.close()


def in_conversation(page, other_picture, axe):
    """A follow-up sends the questions before it, once each, and no answer; a new conversation sends none."""
    page.eval("""(() => {
        const { fetch } = window;
        window.sent = [];
        window.fetch = (url, options) => {
            if (options?.body instanceof FormData) window.sent.push(options.body);
            return fetch(url, options);
        };
    })()""")
    page.click("#question")
    page.write(FOLLOW_UP)
    page.key("Enter")
    answered(page, 3)
    check("follow-up", page.all(".turn:last-child .count"), ["Question 2"])
    check("its answer", SIGN in "".join(page.all(".turn:last-child .claim")))
    check("earlier questions", page.eval("sent.map((form) => form.getAll('earlier'))"), [[QUESTION]])
    texts = page.eval("[...sent[0]].filter(([, value]) => typeof value === 'string').map(([name]) => name)")
    check("and nothing else of them", sorted(texts), ["earlier", "question"])
    understood = page.all(".turn:last-child .standalone")
    check("how it was understood is told", all(words.startswith("understood as: ") for words in understood))
    page.click(".docked .picks button")
    page.choose_file(other_picture)
    page.wait("document.querySelector('.docked .remove')", "another image is chosen for the next question")
    check("the conversation stays", len(page.all(".turn")), 3)
    sound(page, "conversation, with another image", axe)
    page.click(".docked .remove")
    page.wait("!document.querySelector('.docked .remove')", "the image before it is back")
    check("its image", len(page.all(".docked .thumbs li")), 1)
    page.eval("document.querySelector('#question').focus()")
    page.tab_to("n.textContent.includes('New conversation')", "a new conversation")
    page.key("Enter")
    page.wait("!document.querySelector('.turn')", "a new conversation begins")
    check("at its images", page.eval("document.activeElement.textContent"), "Choose images")
    sound(page, "new conversation", axe)
    page.call("Page.navigateToHistoryEntry", entryId=history(page)[-2])
    page.wait("document.querySelectorAll('.turn .claim').length >= 3", "Back leads to the conversation")


def history(page):
    return [entry["id"] for entry in page.call("Page.getNavigationHistory")["entries"]]


def with_keys(page, picture, axe):
    page.tab_to("n.textContent === 'Choose images'", "the choice of images")
    page.key("Enter")
    page.choose_file(picture)
    page.wait("document.querySelector('.thumbs img')", "the image is shown")
    page.tab_to("n.id === 'question'", "the question")
    page.write(QUESTION)
    page.key("Enter")
    answered(page, 1)
    page.eval("document.activeElement.blur()")
    page.tab_to("n.classList.contains('claim')", "the claim")
    check("keys: lit by the claim", page.all(".node.lit", "n.dataset.key"), rests(page))
    page.key("Enter")
    check("keys: kept", page.all(".claim", "n.getAttribute('aria-pressed')"), ["true"])
    told = page.all(".run [role=status]")[0]
    check("keys: told to screen readers", told.startswith(f"Claim: {ANSWER} It rests on {', '.join(rests(page))}; 3 marks"))
    page.key("Escape")
    page.tab_to("n.matches('.graph button')", "the graph")
    page.key("ArrowDown")
    page.key("Enter")
    check("keys: a step", page.all(".title b"), page.all(".node[aria-pressed=true]", "n.dataset.key"))
    sound(page, "keys, dark", axe)


def on_a_phone(page, axe):
    sound(page, "phone", axe)
    page.click(".card button", QUESTION)
    answered(page, 1)
    check("phone: answer", page.all(".turn .claim"), [ANSWER])
    page.click(".claim", ANSWER)
    page.wait("document.querySelector('.claim[aria-pressed=true]')", "a touch keeps the claim", 20)
    check("phone: lit", page.all(".node.lit", "n.dataset.key"), rests(page))
    page.click(".options summary")
    sound(page, "phone, with an answer", axe)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("base")
    parser.add_argument("picture", help="tests/images/gallery.jpg, beside which the other images are")
    parser.add_argument("--axe", help="axe.min.js of axe-core")
    parser.add_argument("--chromium", default=shutil.which("chromium") or "chromium-browser")
    given = parser.parse_args()
    base, began = given.base.rstrip("/"), time.monotonic()
    axe = pathlib.Path(given.axe).read_text() if given.axe else None
    chromium = Chromium(given.chromium)
    try:
        with tempfile.TemporaryDirectory() as folder:
            page = Page(chromium, base, 1280, "light")
            with_mouse(page, given.picture, axe)
            another_plan(page, axe)
            kept_and_given(page, chromium, base, axe, folder)
            in_conversation(page, pathlib.Path(given.picture).with_name("receipt.png"), axe)
            page.close()
            for flow in [
                lambda: with_keys(Page(chromium, base, 1280, "dark"), given.picture, axe),
                lambda: on_a_phone(Page(chromium, base, 390, "dark", phone=True), axe),
            ]:
                flow()
    finally:
        chromium.close()
    how = "with axe" if axe else "without axe, which was not given"
    print(f"{CHECKED} checks passed in {time.monotonic() - began:.0f} s, {how}")


if __name__ == "__main__":
    main()
