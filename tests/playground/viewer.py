"""Looks at pages of `lavr view` as people do: a vote's, one of a running `lavr serve`, and two runs beside one another.

    venv/bin/python tests/playground/viewer.py target/release/lavr http://127.0.0.1:8321 tests/images/gallery.jpg \
        --axe venv/node_modules/axe-core/axe.min.js

What it needs is told in `playground.py`. The run of the service is asked for here, and answered by its cache of replies
where `playground.py` ran before.
"""

import argparse
import functools
import hashlib
import json
import pathlib
import shutil
import subprocess
import tempfile
import time
import urllib.request
import uuid

import playground
from playground import ANSWER, PATIENCE, QUESTION, Chromium, Page, check, sound

VOTES = pathlib.Path(__file__).with_name("votes.jsonl")
# A claim of that run whose step has the name of another plan's, and what it rests on.
CLAIM, STEP, BEHIND = "They came at nine.", "told_2", "people"


def entries(trace):
    return [json.loads(line) for line in trace.read_text().splitlines()]


def recorded(folder, picture):
    """The trace that stands beside this file, with its image."""
    trace = folder / VOTES.name
    shutil.copy(VOTES, trace)
    blobs = folder / f"{VOTES.name}.blobs"
    blobs.mkdir()
    shutil.copy(picture, blobs / f"sha256-{hashlib.sha256(picture.read_bytes()).hexdigest()}")
    return trace


def served(base, folder, picture):
    """A run of the service: its trace, and the page that the service makes of it."""
    mark = uuid.uuid4().hex
    parts = [
        f'--{mark}\r\nContent-Disposition: form-data; name="question"\r\n\r\n{QUESTION}\r\n'.encode(),
        f'--{mark}\r\nContent-Disposition: form-data; name="image"; filename="{picture.name}"\r\n'.encode(),
        b"Content-Type: image/jpeg\r\n\r\n" + picture.read_bytes() + f"\r\n--{mark}--\r\n".encode(),
    ]
    headers = {"Content-Type": f"multipart/form-data; boundary={mark}"}
    run = f"{base}/v1/runs/{json.loads(got(f'{base}/v1/runs', b''.join(parts), headers))['id']}"
    until = time.monotonic() + PATIENCE
    while json.loads(got(run))["status"] in ("queued", "running") and time.monotonic() < until:
        time.sleep(0.2)
    trace, page = folder / "served.jsonl", folder / "served.html"
    trace.write_bytes(got(f"{run}/trace"))
    page.write_bytes(got(f"{run}/view"))
    return trace, page


def got(url, body=None, headers={}):
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=PATIENCE) as reply:
        return reply.read()


def lit(page):
    return sorted(page.all(".graph .node.lit", "n.dataset.key"))


def alone(page, where, axe):
    """What has to hold for each page: it asks nobody for anything, and lets nothing run but its own script."""
    sound(page, where, axe)
    asked = [url for url in page.requests if not url.startswith(("data:", "about:"))]
    check(f"{where}: requests", len(asked), 1)
    policy = page.eval("document.querySelector('meta[http-equiv=Content-Security-Policy]').content")
    check(f"{where}: policy", policy.startswith("default-src 'none';") and "script-src 'sha256-" in policy)
    page.eval("document.body.append(Object.assign(document.createElement('script'), { text: 'window.ran = 1' }))")
    check(f"{where}: another script runs", page.eval("window.ran ?? 0"), 0)
    # The browser told of that.
    page.eval("1")
    page.troubles.clear()


def vote(page, trace, axe):
    told = entries(trace)
    began = {entry["id"] for entry in told if entry["event"] == "step_started"}
    check("votes: nodes of the graph", set(page.all(".graph button.node", "n.dataset.key")), began)
    check("votes: steps one by one", len(page.all(".steps .step")), len(began))
    check("votes: marks at rest", len(page.all(".mark")), 3)
    page.hover(".claim", CLAIM)
    check("votes: lit by the claim", lit(page), [STEP])
    check("votes: and what it was made from", page.all(".graph .node.near", "n.dataset.key"), [BEHIND])
    check("votes: its marks", len(page.all(".mark")), 3)
    check("votes: in the list", page.all(".steps .step.lit .link", "n.textContent")[0], STEP)
    check("votes: and in time", page.all(".bar.lit", "n.dataset.key"), [f"step-{STEP}"])
    page.away()
    page.hover(".graph .node", "people_2")
    check("votes: marks of the plan that lost", len(page.all(".mark")), 1)
    page.away()
    check("votes: lit no more", lit(page), [])
    lanes = page.all(".bar", "[n.classList.contains('llm'), n.style.top]")
    calls, steps = ({top for is_llm, top in lanes if is_llm is kind} for kind in (True, False))
    check("votes: lanes", (len(calls), len(steps) > 0, calls & steps), (1, True, set()))
    course = page.all(".event", "n.textContent")
    check("votes: faults", any("the plan has no steps" in words and "write at least one" in words for words in course))
    check("votes: put together", any("3 plans put together: 7 steps" in words for words in course))
    check("votes: tally", page.all(".votes .won > :first-child"), ["✓ 3"])
    check("votes: prompts are folded", page.all("details[data-call][open]"), [])
    page.click("details[data-call] > summary", "write a plan")
    page.wait("document.querySelector('details[data-call][open] .message[open] .letters')", "the prompt unfolds", 20)
    message = page.all("details[data-call][open] .message[open] .letters")[0]
    check("votes: the last message", "How many visitors" in message)
    alone(page, "votes", axe)


def with_keys(page, axe):
    page.tab_to("n.classList.contains('claim')", "the first claim")
    check("keys: lit by the focus", lit(page), ["n"])
    page.key("Enter")
    check("keys: kept", page.all(".claim", "n.getAttribute('aria-pressed')"), ["true", "false"])
    page.key("Escape")
    page.eval("document.activeElement.blur()")
    page.tab_to("n.matches('.graph button')", "the graph")
    first = page.eval("document.activeElement.dataset.key")
    page.key("ArrowDown")
    page.key("Enter")
    chosen = page.all(".graph .node[aria-pressed=true]", "n.dataset.key")
    check("keys: an arrow leads on", len(chosen) == 1 and chosen != [first])
    check("keys: the step is shown", page.all(".title b"), chosen)
    page.key("Escape")
    page.tab_to("n.matches('.steps .link')", "the list of steps")
    page.tab_to("n.matches('.bar')", "the time")
    page.key("ArrowRight")
    check("keys: along the time", page.eval("document.activeElement.dataset.key"), "call-1")
    page.key("Space")
    page.wait("document.querySelector('details[data-call=\"1\"][open]')", "its call unfolds", 20)
    page.tab_to("n.matches('.course summary')", "the course")
    alone(page, "keys", axe)


def of_the_service(page, trace, axe):
    told = entries(trace)
    began = {entry["id"] for entry in told if entry["event"] == "step_started"}
    check("served: answer", page.all(".claim"), [ANSWER])
    check("served: nodes of the graph", set(page.all(".graph button.node", "n.dataset.key")), began)
    page.hover(".claim", ANSWER)
    check("served: lit by the claim", lit(page), sorted(page.all(".rests .link")))
    check("served: marks", len(page.all(".mark")), 3)
    check("served: the picture is there", page.all(".missing"), [])
    alone(page, "served", axe)


def compared(page, axe):
    rows = dict(page.all(".diff tr:has(th[scope=row])", "[n.cells[0].textContent, n.cells[3].textContent]"))
    check("compared: question and answer", (rows["question"], rows["answer"]), ("≠ differs", "≠ differs"))
    check("compared: images", rows["images"], "")
    check("compared: figures", rows["steps"] != "")
    steps = page.all(".diff:last-of-type tbody tr td:last-child")
    check("compared: steps", any(words.startswith(("same", "≠ other")) for words in steps) and "≠ only in A" in steps)
    check("compared: marked in the graph", len(page.all(".graph em[aria-label='only in A']")) > 0)
    check("compared: two runs", page.all(".side-name b"), ["A", "B"])
    alone(page, "compared", axe)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("lavr", help="the program")
    parser.add_argument("base", help="where its service is")
    parser.add_argument("picture", type=pathlib.Path, help="tests/images/gallery.jpg")
    parser.add_argument("--axe", help="axe.min.js of axe-core")
    parser.add_argument("--chromium", default=shutil.which("chromium") or "chromium-browser")
    given = parser.parse_args()
    axe = pathlib.Path(given.axe).read_text() if given.axe else None
    began = time.monotonic()
    chromium = Chromium(given.chromium)
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            view = functools.partial(subprocess.run, check=True, cwd=folder)
            votes = recorded(folder, given.picture)
            trace, _ = served(given.base.rstrip("/"), folder, given.picture)
            lavr = str(pathlib.Path(given.lavr).resolve())
            view([lavr, "view", str(votes), "-o", "votes.html"])
            view([lavr, "view", "--compare", str(votes), str(trace), "-o", "both.html"])
            for file, look in [
                ("votes.html", lambda page: vote(page, votes, axe)),
                ("votes.html", lambda page: with_keys(page, axe)),
                ("served.html", lambda page: of_the_service(page, trace, axe)),
                ("both.html", lambda page: compared(page, axe)),
            ]:
                for colours in ["light", "dark"]:
                    page = Page(chromium, f"file://{folder}", 1280, colours, path=file, ready=".run")
                    look(page)
                    page.close()
            for file in ["votes.html", "both.html"]:
                phone = Page(chromium, f"file://{folder}", 390, "dark", phone=True, path=file, ready=".run")
                alone(phone, f"phone, {file}", axe)
                phone.close()
    finally:
        chromium.close()
    how = "with axe" if axe else "without axe, which was not given"
    print(f"{playground.CHECKED} checks passed in {time.monotonic() - began:.0f} s, {how}")


if __name__ == "__main__":
    main()
