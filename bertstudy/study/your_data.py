"""The beginning of the notebook on a reader's own data."""

from inspect import signature
from typing import Any

from ..advice import documents
from .display import draw_as_svg, show_remarks
from .setup import check_declared


def begin(**given: Any) -> documents.YourData:
    """Check the parameters of the notebook, then read the reader's files and give YourData.

    Raises TypeError for a parameter given to papermill that the notebook does not declare, and ValueError as
    `advice.documents.begin`, whose parameters these are, does.
    """
    check_declared(signature(documents.begin).parameters)
    draw_as_svg()
    show_remarks()
    return documents.begin(**given)
