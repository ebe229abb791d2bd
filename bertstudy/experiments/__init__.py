"""The questions, one file each: figures, scale in each profile, parameters, claims. Needs no torch.

Every file in this folder is loaded, so that a new one is known at once. Each figure is an attribute of this package,
and so is the function that gives its numbers: `few_shot` and `few_shot_data`.
"""

from importlib import import_module
from pkgutil import iter_modules

from ..analysis.claims import Plan
from ..analysis.drawing import FIGURES, TABLES, incomplete, save, shows
from ..analysis.experiment import EXPERIMENTS, experiment
from ..analysis.forest import claims

for _module in iter_modules(__path__):
    import_module(f".{_module.name}", __name__)
for _name, _draw in FIGURES.items():
    globals().update({_name: _draw, f"{_name}_data": _draw.data})

__all__ = [
    "EXPERIMENTS",
    "FIGURES",
    "TABLES",
    "all_claims",
    "claims",
    "experiment",
    "incomplete",
    "planned",
    "save",
    "shows",
]


def all_claims() -> list:
    """The claims of all experiments: the paper's in the order of its sections, then those of others."""
    ordered = sorted(EXPERIMENTS.values(), key=lambda declared: declared.notebook)
    return sorted(
        (claim for declared in ordered for claim in declared.claims),
        key=lambda claim: (0, claim.section.partition(",")[0]) if claim.section.startswith("§") else (1, ""),
    )


def planned(profile: str) -> dict[str, Plan]:
    """How many seeds, and what share of labels, the plan of each notebook has in a profile."""
    scales = {one.notebook: one.scales.get(profile, {}) for one in EXPERIMENTS.values()}
    return {notebook: Plan(scale.get("seeds", 1), scale.get("fraction")) for notebook, scale in scales.items()}
