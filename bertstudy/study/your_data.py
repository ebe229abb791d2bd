"""The beginning of the notebook on a reader's own data: see `advice.documents.begin`."""

from ..advice import documents
from .display import draw_as_svg, show_remarks
from .setup import check_declared


def begin(
    *,
    profile: str = "auto",
    train: str = "",
    test: str = "",
    unlabelled: str = "",
    text_column: str = "",
    label_column: str = "",
    encoder: str = "",
    budget_minutes: float = 0.0,
    model_dir: str = "",
) -> documents.YourData:
    """Check the parameters of the notebook, then read the reader's files: see `advice.documents.begin`.

    Raises TypeError for a parameter given to papermill that the notebook does not declare.
    """
    given = dict(locals())
    check_declared(list(given))
    draw_as_svg()
    show_remarks()
    return documents.begin(**given)
