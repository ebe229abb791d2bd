"""The head learns first, on the frozen encoder, and then all together (Kumar et al. 2022, LP-FT)."""

import numpy as np

from ...choices.methods import method
from ...model.classifier import Classifier
from ..fine_tuning import Labelled
from .embeddings import fit_head
from .fine_tune import FineTune


@method("probe_first", number="2.0")
class ProbeFirst(FineTune):
    """Fine-tuning that begins with a head fitted to the frozen encoder's vectors, by logistic regression.

    A random head's first gradients distort what the encoder knows; the source finds it to be better out of the
    distribution that is trained on. It costs reading the documents once and a fit of seconds.
    """

    def begin(self, classifier: Classifier, train: Labelled) -> None:
        """Fit the head."""
        documents, classes = train
        vectors = classifier.embed(documents).numpy()
        fit_head(classifier, vectors, np.array(classes), metric=classifier.run.metric, seed=classifier.run.seed)
