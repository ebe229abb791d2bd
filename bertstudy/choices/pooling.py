"""The poolings of a recipe: over a segment's pieces, over layers (§5.3.2), over segments (§5.3.1); what `layers` names.

They are modules and stand in model/pooling.py; here only their names are known, so that a Run needs no torch.
"""

import re

from ..registry import Registry, no_such

# first_only: of each segment the first piece is read, and no other
PIECE_POOLINGS = Registry("piece_pooling", home="bertstudy.model.pooling:piece_pooling", first_only=False)
LAYER_POOLINGS = Registry("layers", home="bertstudy.model.pooling:layer_pooling")
SEGMENT_POOLINGS = Registry("segment_pooling", home="bertstudy.model.pooling:segment_pooling", many=True)

SPEC = re.compile(r"(?:(?P<pooling>[a-z0-9_+]+):)?(?:(?P<first>0|[1-9]\d*)(?:-(?P<last>[1-9]\d*))?|last)")
ANY_DEPTH = 10_000


def parse_layers(spec: str, depth: int = ANY_DEPTH) -> tuple[str, range]:
    """The pooling and the layers that `spec` names: ("concat", range(8, 12)) for "concat:8-11".

    A single layer has the pooling "mean": of 12 layers, "11" and "last" give ("mean", range(11, 12)). Layers count
    from 0, as in Table 3; `depth` is how many the encoder has. Raises ValueError for an unknown pooling, a range of
    one layer or that runs backwards, and a layer that the encoder does not have.
    """
    match = SPEC.fullmatch(str(spec))
    if match is None:
        raise no_such("layers", spec, ["last", "11", *(f"{name}:8-11" for name in LAYER_POOLINGS)])
    first = depth - 1 if match["first"] is None else int(match["first"])
    last = first if match["last"] is None else int(match["last"])
    pooling = match["pooling"] or "mean"
    LAYER_POOLINGS.entry(pooling)
    if (match["pooling"] is None) != (match["last"] is None) or first > last - bool(match["last"]):
        raise ValueError(f"layers={spec!r}: give one layer ('11', 'last') or a pooling over a range ('concat:8-11').")
    if last >= depth:
        raise ValueError(f"layers={spec!r}: this encoder has {depth} layers, 0 to {depth - 1}.")
    return pooling, range(first, last + 1)
