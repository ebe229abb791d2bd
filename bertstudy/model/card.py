"""The model card of a saved classifier: what it was trained on, by which recipe, and how often it errs."""

import re
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from .. import __version__
from ..choices.methods import METHODS
from ..data.control.corpora import COMPOSED
from ..profiles import SHOWS
from ..runs import Run, identity
from ..stats import wilson
from .locations import HUB_IDS

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

USE_STOCK = """```python
from transformers import pipeline

classify = pipeline("text-classification", model="path/or/hub-id")
classify(["a text", "another"], truncation=True)
```

This is a checkpoint of transformers' own class for its encoder: no other package is needed. Without `truncation=True`
long texts fail. The head of one matrix that was trained stands in that class's two; to train it further, replace it."""
USE_ONNX = """```python
import bertstudy as bs

classifier = bs.OnnxClassifier.load("path")
labels, probabilities = classifier.predict(["a text", "another"])
```

It needs onnxruntime (`pip install 'bertstudy[onnx]'`) and no torch. Other programs give the graph, `model.onnx`, rows
of `input_ids` and `attention_mask` with [CLS] and [SEP], at most the window long, and take `logits`."""


def plain(text: Any) -> str:
    """A name that the reader chose, as Markdown that shows it literally: on one line, all punctuation escaped."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(str(text).split()))


def model_card(
    run: Run,
    labels: list[str],
    row: dict | None = None,
    license: str | None = None,
    language: str | None = None,
    use: str = USE,
) -> ModelCard:
    """The card of a classifier, a huggingface_hub.ModelCard.

    run: without paths of this machine (`predictions.portable`). row: the result of the run, with documents and errors.
    license, language: the hub's codes. use: how it is used.
    """
    base = HUB_IDS.get(run.encoder, run.encoder)
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
        use,
        f"Texts may be of any length: they are cut into segments of at most {run.window} word pieces, by the "
        f"truncation it was trained with, `{run.truncation}`.",
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


def in_another_format(old: str, new: str, measured: str = "") -> str:
    """The text of a new card with what an old one of the same classifier tells above its use, of data and of error.

    measured: what a section "Format" says, none without.
    """
    kept, sections = _sections(old), _sections(new)
    sections |= {name: kept[name] for name in ("", "Data", "Error") if name in kept}
    recipe = sections.pop("Recipe")
    sections |= ({"Format": f"{measured}\n\n"} if measured else {}) | {"Recipe": recipe}
    return "".join(f"## {name}\n\n{text}" if name else text for name, text in sections.items())


def _sections(text):
    """The parts of a card by their headings; what stands above the first has the heading ""."""
    above, *parts = re.split(r"^## ", text, flags=re.MULTILINE)
    return {"": above} | {part.partition("\n")[0]: part.partition("\n")[2].lstrip("\n") for part in parts}


def _data(row):
    lines = [f"| {part} | {count:,} |" for part, count in row["documents"].items()]
    return "\n".join(["| part | documents |", "|---|---:|", *lines])


def _error(row):
    n = row["documents"]["test"]
    low, high = wilson(round(row["error"] / 100 * n), n)
    text = f"- Test: {row['error']:.2f} % of {n:,} documents (95 % Wilson interval {low:.2f} % to {high:.2f} %)."
    dev, history = row["documents"]["dev"], row["history"]
    chosen = next((entry for entry in history if entry.get("epoch") == row.get("epoch")), history[-1])
    if dev and chosen["dev_error"] is not None:
        trains = "training" in METHODS.entry(row["run"]["method"]).reads
        what = "recipe" if not row["run"]["dev_fraction"] else "epoch" if trains else "head"
        text += f"\n- Dev: {chosen['dev_error']:.2f} % of {dev:,} documents; the {what} was chosen by them."
    return text + (f"\n- {row['sure']}" if row.get("sure") else "")


def _recipe(run):
    """The run as a block of code. Its lines are indented, so that no name in them can end the block."""
    fields = [f"    {name}={value!r}," for name, value in identity(run).items()]
    return "\n".join(["```python", "bs.Run(", *fields, ")", "```"])
