"""What the original Python pipeline finds on the test pages, for tests/reference/layout/pages.json.

    VENV/bin/pip install rapid-layout==1.2.1
    VENV/bin/python tests/reference/layout_ref.py
"""

import json
from pathlib import Path

from rapid_layout import ModelType, RapidLayout

HERE = Path(__file__).parent
PAGES = ["columns.png", "poster.png", "receipt.png", "rotated.png", "menu.jpg", "memo.jpg"]


def main():
    engine = RapidLayout(model_type=ModelType.PP_LAYOUT_CDLA, conf_thresh=0.5, iou_thresh=0.5)
    found = {}
    for page in PAGES:
        result = engine(str(HERE.parent / "images" / page))
        rows = zip(result.class_names, result.scores, result.boxes)
        found[page] = [
            {"label": label, "score": round(float(score), 5), "box": [round(float(side), 2) for side in box]}
            for label, score, box in rows
        ]
    (HERE / "layout" / "pages.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
