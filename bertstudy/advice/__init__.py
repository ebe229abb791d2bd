"""The reader's own labelled texts: checks, a race of methods within minutes, one test, a classifier to keep.

Functions are loaded when first used, so that `advice.figures` draws stored rows without torch.
"""

from importlib import import_module

_FUNCTIONS = {
    "documents": ("begin", "in_memory"),
    "checks": ("check", "suspicious", "doubted"),
    "race": ("words", "embeddings", "plan", "run_all", "rows"),
    "result": ("outlook", "score", "verdict", "table", "by_class", "confident_errors", "save", "left_out"),
    "certainty": ("sure",),
    "next_labels": ("label_next", "saving"),
    "elsewhere": ("rival",),
    "fitting": ("fit",),
    "figures": ("draw",),
}


def __getattr__(name):
    for module, functions in _FUNCTIONS.items():
        if name in functions:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module 'bertstudy.advice' has no attribute {name!r}")
