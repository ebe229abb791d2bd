"""The reader's own labelled texts: checks, a plan within minutes, what was found, a classifier to keep.

Functions are loaded when used: `advice.figures` draws stored rows without torch.
"""

from importlib import import_module

_FUNCTIONS = {
    "documents": ("begin", "check", "suspicious", "read", "doubted"),
    "planner": ("floor", "plan", "run_all", "rows", "figure"),
    "result": ("outlook", "score", "verdict", "table", "confident_errors", "save", "left_out"),
}


def __getattr__(name):
    for module, functions in _FUNCTIONS.items():
        if name in functions:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module 'bertstudy.advice' has no attribute {name!r}")
