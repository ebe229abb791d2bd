"""The model card of a saved classifier: what it was trained on, by which recipe, and how often it errs."""

import re
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from .. import __version__
from ..data.control.corpora import COMPOSED
from ..profiles import SHOWS
from ..runs import Run, identity
from ..stats import wilson
from .locations import PACKAGED

USE = """```python
import bertstudy as bs

classifier = bs.Classifier.load("path/or/hub-id")
labels, probabilities = classifier.predict(["a text", "another"])
```

In a pipeline of transformers, once bertstudy is imported:

```python
import bertstudy
from transformers import pipeline

classify = pipeline("text-classification", model="path/or/hub-id")
```"""


def plain(text: Any) -> str:
    """A name of the reader's as Markdown that shows it as it is: on one line, all punctuation escaped."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(str(text).split()))


def model_card(
    run: Run, labels: list[str], row: dict | None = None, license: str | None = None, language: str | None = None
) -> ModelCard:
    """The card of a classifier, a huggingface_hub.ModelCard; `row` is the result of its run, `run` has no paths."""
    base = PACKAGED[run.encoder][2] if run.encoder in PACKAGED else run.encoder
    data = ModelCardData(
        license=license,
        language=language,
        tags=["bertstudy", "text-classification"],
        pipeline_tag="text-classification",
        base_model=base if "/" in base else None,
    )
    parts = [
        f"# Text classifier trained on {plain(run.corpus)}",
        *([SHOWS["control"]] if run.corpus in COMPOSED else []),
        "## Use",
        USE,
        f"Texts may be of any length: the model itself cuts them into segments of at most {run.window} word pieces, "
        f"by the truncation it was trained with, `{run.truncation}`.",
        "## Classes",
        "\n".join(f"- {plain(label)}" for label in labels),
        "## Data",
        _data(row) if row else "How many documents it was trained on was not recorded.",
        "## Error",
        _error(row) if row else "Its error was not recorded.",
        "## Recipe",
        _recipe(run),
        f"Made with bertstudy {__version__}.",
    ]
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(parts) + "\n")


def _data(row):
    lines = [f"| {part} | {count:,} |" for part, count in row["documents"].items()]
    return "\n".join(["| part | documents |", "|---|---:|", *lines])


def _error(row):
    n = row["documents"]["test"]
    low, high = wilson(round(row["error"] / 100 * n), n)
    text = f"- Test: {row['error']:.2f} % of {n:,} documents (95 % Wilson interval {low:.2f} % to {high:.2f} %)."
    dev = [entry["dev_error"] for entry in row["history"] if entry["dev_error"] is not None]
    if dev:
        chosen = "epoch" if row["run"]["dev_fraction"] else "recipe"
        text += f"\n- Dev: {min(dev):.2f} % of {row['documents']['dev']:,} documents; the {chosen} was chosen by it."
    return text


def _recipe(run):
    """The run as code: indented lines can't end the block, whatever names stand in them."""
    fields = [f"    {name}={value!r}," for name, value in identity(run).items()]
    return "\n".join(["```python", "bs.Run(", *fields, ")", "```"])
