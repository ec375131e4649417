#!/usr/bin/env python3
"""Plans scored with scikit-learn by TaskBench's definitions, and assignments found by trying all.

    python plans.py

Writes plans.json:

- `named`: plans with names for links and arguments. `f1` holds node, link, argument name and argument value F1 of
  the corpus: per plan the sets of wanted and predicted items, every item of their union one binary decision; nodes
  only where the tool exists.
- `resources`: the form with `<node-n>` arguments, the same scores.
- `assignments`: steps of which any of several tools will do, and optional tools; the hits are the most that any
  one-to-one assignment gives, `least_wrong` the fewest wrong tools beside so many hits.
"""

import itertools

from sklearn.metrics import precision_recall_fscore_support

from fixture import generator, write

TOOLS = [
    "Image Search",
    "Image Captioning",
    "Text Translation",
    "Text-to-Speech",
    "Video-to-Audio",
    "Audio Effects",
    "OCR",
]
OUTPUT = {
    "Image Search": "image",
    "Image Captioning": "text",
    "Text Translation": "text",
    "Text-to-Speech": "audio",
    "Video-to-Audio": "audio",
    "Audio Effects": "audio",
}


def f1(pairs):
    """F1 over (wanted, predicted) sets: one decision for every item of every union."""
    wanted, predicted = [], []
    for gold, plan in pairs:
        for item in sorted(gold | plan):
            wanted.append(int(item in gold))
            predicted.append(int(item in plan))
    return float(precision_recall_fscore_support(wanted, predicted, average="binary", zero_division=0)[2])


def items(plan):
    nodes = {node["task"] for node in plan["nodes"]}
    names = {(node["task"], a["name"]) for node in plan["nodes"] for a in node["arguments"]}
    values = {(node["task"], a["name"], a["value"]) for node in plan["nodes"] for a in node["arguments"]}
    return nodes, {tuple(link) for link in plan["links"]}, names, values


def scores(pairs):
    sides = [(items(gold), items(plan)) for gold, plan in pairs]
    known = [({n for n in g[0] if n in TOOLS}, {n for n in p[0] if n in TOOLS}) for g, p in sides]
    return [f1(known)] + [f1([(g[k], p[k]) for g, p in sides]) for k in (1, 2, 3)]


def named(rng):
    def plan(size):
        nodes = [
            {
                "task": rng.choice(TOOLS),
                "arguments": [
                    {"name": rng.choice("xyz"), "value": rng.choice("123")} for _ in range(rng.randint(0, 2))
                ],
            }
            for _ in range(size)
        ]
        names = [n["task"] for n in nodes]
        return {"nodes": nodes, "links": [[a, b] for a, b in zip(names, names[1:])]}

    def changed(gold):
        nodes = [
            dict(n, task=rng.choice(TOOLS + ["Invented"]) if rng.random() < 0.25 else n["task"])
            for n in gold["nodes"]
            if rng.random() > 0.15
        ]
        links = [
            [rng.choice(TOOLS) if rng.random() < 0.2 else end for end in link]
            for link in gold["links"]
            if rng.random() > 0.1
        ]
        arguments = [[dict(a, value=rng.choice("123")) for a in n["arguments"] if rng.random() > 0.2] for n in nodes]
        return {"nodes": [dict(n, arguments=a) for n, a in zip(nodes, arguments)], "links": links}

    pairs = []
    for _ in range(60):
        gold = plan(rng.randint(1, 5))
        pairs.append((gold, rng.choice([changed(gold), changed(gold), gold, {"nodes": [], "links": []}])))
    return {"tools": TOOLS, "pairs": pairs, "f1": scores(pairs)}


def resolved(steps):
    """A plan of the resource form with names and links, by TaskBench's rules."""
    kinds = {"image": ["jpg", "png"], "audio": ["mp3", "wav"], "video": ["mp4", "avi"]}
    nodes, links = [], []
    for n, (task, texts) in enumerate(steps):
        arguments = []
        for text in texts:
            if text.startswith("<node-"):
                source = int(text[6:-1])
                if source == n:
                    continue
                source = steps[source][0]
                links.append((source, task))
                arguments.append({"name": OUTPUT.get(source, "other"), "value": source})
            else:
                kind = next((k for k, ends in kinds.items() if any("." + e in text for e in ends)), "text")
                arguments.append({"name": kind, "value": text})
        nodes.append({"task": task, "arguments": arguments})
    return {"nodes": nodes, "links": links}


def resources(rng):
    def text(count):
        return rng.choice(
            [f"<node-{rng.randrange(count)}>", "in.jpg", "talk.mp4", "'song.mp3'", "hello", "see a.png now"]
        )

    def steps(count):
        return [[rng.choice(TOOLS), [text(count) for _ in range(rng.randint(1, 2))]] for _ in range(count)]

    pairs = []
    for _ in range(40):
        gold = steps(rng.randint(1, 4))
        plan = [
            [
                rng.choice(TOOLS) if rng.random() < 0.2 else t,
                [text(len(gold)) if rng.random() < 0.2 else a for a in args],
            ]
            for t, args in gold
        ]
        pairs.append((gold, plan))
    return {
        "tools": TOOLS,
        "output": OUTPUT,
        "pairs": pairs,
        "f1": scores([(resolved(g), resolved(p)) for g, p in pairs]),
    }


def assignments(rng):
    cases = []
    for _ in range(150):
        letters = "abcdef"
        steps = [sorted(rng.sample(letters, rng.randint(1, 3))) for _ in range(rng.randint(0, 4))]
        optional = sorted(rng.sample(letters, rng.randint(0, 2)))
        plan = sorted(rng.sample(letters, rng.randint(0, 5)))
        distinct = sorted({tuple(s) for s in steps})
        seats = list(range(len(distinct))) + [None] * len(plan)
        best, wrong = 0, len(plan)
        for chosen in set(itertools.permutations(seats, len(plan))):
            taken = {tool for tool, seat in zip(plan, chosen) if seat is not None and tool in distinct[seat]}
            hits = len(taken)
            stray = len([tool for tool in plan if tool not in taken and tool not in optional])
            best, wrong = max((best, -wrong), (hits, -stray))
            wrong = -wrong
        cases.append(
            {
                "steps": steps,
                "optional": optional,
                "plan": plan,
                "hits": best,
                "missed": len(distinct) - best,
                "least_wrong": wrong,
            }
        )
    return cases


def main():
    rng = generator(88)
    write("plans", {"named": named(rng), "resources": resources(rng), "assignments": assignments(rng)})


if __name__ == "__main__":
    main()
