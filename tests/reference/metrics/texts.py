#!/usr/bin/env python3
"""Scores of texts by other people's code: VQA accuracy, ANLS, error rates, matching lines, POPE, numbers in words.

    python texts.py

Writes texts.json. Needs requirements.txt. VQA answers are normalised by lmms-eval's EvalAIAnswerProcessor
(vqaEval.py's rules), ANLS is the package `anls`, the error rate jiwer's, precision and recall scikit-learn's,
number words num2words'.
"""

import importlib.util
import statistics
import sysconfig
from collections import Counter
from pathlib import Path

import jiwer
from anls import anls_score
from num2words import num2words
from rapidfuzz.distance import Levenshtein
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

from fixture import WORDS, generator, typo, write


def answer_processor():
    """lmms-eval's processor, from its file: importing the package needs all of its dependencies."""
    path = Path(sysconfig.get_paths()["purelib"]) / "lmms_eval/tasks/_task_utils/vqa_eval_metric.py"
    spec = importlib.util.spec_from_file_location("vqa_eval_metric", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.EvalAIAnswerProcessor()


def vqa(rng):
    processor = answer_processor()

    def normalized(text):
        text = text.replace("\n", " ").replace("\t", " ").strip()
        return processor.process_digit_article(processor.process_punctuation(text))

    def accuracy(answer, truths):
        answer, truths = normalized(answer), [normalized(t) for t in truths]
        rounds = []
        for left_out in range(len(truths)):
            others = truths[:left_out] + truths[left_out + 1 :]
            rounds.append(min(1, others.count(answer) / 3))
        return statistics.mean(rounds)

    pieces = [
        "a",
        "The",
        "an",
        "none",
        "Two",
        "ten",
        "3",
        "1,000",
        "2.5",
        ".5",
        "end.",
        "dont",
        "couldnt've",
        "couldn'tve",
        "couldntve",
        "somebody'd",
        "Id've",
        "lets",
        "shes",
        "its",
        "youre",
        "ow's'at",
        "yall'd've",
        "t-shirt",
        "and/or",
        "(yes)",
        "what?",
        "no !",
        "- dash",
        "a_b",
        "it's;",
        "x, y",
        "a.b.",
        "U.S.A.",
        "\n",
        "\t",
        "12:30",
        "5%",
        "&",
        "naïve",
        "{x}",
        "...",
        "....x",
    ]
    texts = [" ".join(rng.choice(pieces + WORDS) for _ in range(rng.randint(0, 5))) for _ in range(260)]
    texts += pieces + list(processor.CONTRACTIONS) + ["." * 40, ("a." * 40) + "1"]
    cases = []
    for _ in range(150):
        pool = [" ".join(rng.choice(pieces + WORDS) for _ in range(rng.randint(1, 2))) for _ in range(4)]
        truths = [rng.choice(pool) for _ in range(rng.choice([1, 2, 3, 5, 10, 10, 10]))]
        answer = rng.choice(pool + [rng.choice(pool).upper() + "."])
        cases.append({"answer": answer, "truths": truths, "score": accuracy(answer, truths)})
    return {"normalized": [[text, normalized(text)] for text in texts], "cases": cases}


def anls(rng):
    cases = []
    for _ in range(200):
        truths = [" ".join(rng.sample(WORDS, rng.randint(1, 4))) for _ in range(rng.randint(1, 3))]
        answer = typo(rng, rng.choice(truths).title(), rng.choice([0, 0.1, 0.3, 0.5, 0.8]))
        cases.append({"answer": answer, "truths": truths, "score": anls_score(answer, truths)})
    for answer, truths in [("", [""]), ("", ["a"]), ("a", [""]), ("ab", ["ac"]), ("É té", ["é  TÉ"])]:
        cases.append({"answer": answer, "truths": truths, "score": anls_score(answer, truths)})
    return cases


def ocr(rng):
    cases = []
    for _ in range(60):
        lines = [" ".join(rng.sample(WORDS, rng.randint(1, 4))) for _ in range(rng.randint(1, 5))]
        lines += [rng.choice(lines) for _ in range(rng.randint(0, 2))]
        read = [typo(rng, line, rng.choice([0, 0, 0.1, 0.4])) for line in lines if rng.random() > 0.1]
        rng.shuffle(read)
        truth, text = "\n".join(lines), "\n".join(read)
        wanted = Counter(" ".join(line.lower().split()) for line in lines)
        found = Counter(" ".join(line.lower().split()) for line in read if line.strip())
        hits = (wanted & found).total()
        cases.append(
            {
                "read": text,
                "truth": truth,
                "rate": jiwer.cer(truth, text),
                "edits": Levenshtein.distance(truth.strip(), text.strip()),
                "lines": [hits, found.total() - hits, wanted.total() - hits],
            }
        )
    rate = jiwer.cer([c["truth"] for c in cases], [c["read"] for c in cases])
    return {"cases": cases, "rate": rate}


def pope(rng):
    """Answers and truths; the reading is POPE's rule, the ratios scikit-learn's."""
    says = [
        "Yes",
        "Yes, there is a dog.",
        "No",
        "no",
        "No, there is none.",
        "There is not a dog. Yes.",
        "Yes. Not that one.",
        "There is a dog",
        "no.",
        "NO",
        "I see nothing",
        "a,b not,",
        "not\nhere",
    ]
    answers = [rng.choice(says) for _ in range(200)]
    truths = [rng.random() < 0.5 for _ in answers]

    def yes(answer):
        words = answer.split(".")[0].replace(",", "").split(" ")
        return not {"No", "no", "not"} & set(words)

    said = [yes(a) for a in answers]
    return {
        "answers": answers,
        "truths": truths,
        "accuracy": accuracy_score(truths, said),
        "precision": precision_score(truths, said),
        "recall": recall_score(truths, said),
        "f1": f1_score(truths, said),
        "yes_ratio": sum(said) / len(said),
    }


def numbers(rng):
    values = list(range(0, 131)) + [rng.randrange(131, 10 ** rng.randint(3, 9)) for _ in range(150)]
    return [[num2words(value).replace(",", ""), value] for value in values]


def main():
    rng = generator(20240607)
    write("texts", {"vqa": vqa(rng), "anls": anls(rng), "ocr": ocr(rng), "pope": pope(rng), "numbers": numbers(rng)})


if __name__ == "__main__":
    main()
