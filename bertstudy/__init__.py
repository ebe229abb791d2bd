"""bertstudy: how to fine-tune BERT for text classification (Sun et al., 2019), as a study that anyone can rerun.

    import bertstudy as bs
    study = bs.setup(profile="control")
    rows = study.run_all(bs.grid(study.base, fraction=[0.004, 0.01], seed=study.seeds))
    study.figure("few_shot", rows)

Names are loaded when first used: `bertstudy.figures` and `bertstudy.rows` work without torch. Saved classifiers are
registered with the Auto classes of transformers: `transformers.pipeline("text-classification", model=folder)`.
"""

from importlib import import_module

from wrapt import register_post_import_hook

__version__ = "0.1.0"

_NAMES = {
    "Run": "runs",
    "grid": "runs",
    "profile": "profiles",
    "load_corpus": "data.corpora",
    "Classifier": "model.classifier",
    "OnnxClassifier": "model.onnx",
    "train": "results.execution",
    "run": "results.plans",
    "run_all": "results.plans",
    "missing": "results.plans",
    "write_plan": "results.plan_files",
    "Store": "results.rows",
    "rows": "results.rows",
    "describe": "results.tables",
    "setup": "study.setup",
    "execute": "study.pages",
    "render": "study.pages",
    "shown": "study.display",
    "export": "model.exporting",
    "fit": "advice.fitting",
}
_MODULES = {
    "advice": "advice",
    "claims": "analysis.claims",
    "corpora": "data.corpora",
    "encoder": "model.encoder",
    "figures": "experiments",
    "paper": "analysis.paper",
    "sklearn": "sklearn",
    "stats": "stats",
    "survey": "analysis.surveys",
    "widgets": "study.widgets",
    "your_data": "study.your_data",
}
__all__ = [*_NAMES, *_MODULES]

register_post_import_hook(
    lambda _: import_module(".model.auto_config", __name__), "transformers.models.auto.configuration_auto"
)


def __getattr__(name):
    if name in _NAMES:
        return getattr(import_module(f".{_NAMES[name]}", __name__), name)
    if name in _MODULES:
        return import_module(f".{_MODULES[name]}", __name__)
    raise AttributeError(f"module 'bertstudy' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
