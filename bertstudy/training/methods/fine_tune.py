"""Fine-tuning of the whole encoder with a new head (§3, §5.2): what the paper studies."""

import json
import time
from pathlib import Path

import numpy as np
from accelerate import PartialState
from torch import nn

from ...choices.methods import method
from ...data.corpora import LIBRARY, Corpus, Library
from ...data.sampling import Split
from ...model.classifier import Classifier
from ...runs import Run
from ..fine_tuning import Labelled, Technique, epochs_of, evaluate, fit
from ..job import Job, Outcome, stopping
from ..multitask import fine_tuned_together, take_head
from ..pretraining import further_pretrained
from ..retention import measure

LONGEST = 65_535  # pieces: a row has lengths as uint16, and a longer test document has this


@method("fine_tune")
class FineTune(Technique):
    """Encoder and head learn together. Methods that change a part of it inherit from this class."""

    def reader(self, width: int) -> nn.Module | None:
        """A module between the states of all pieces of a frozen encoder and the head; None: `piece_pooling` is used.

        It takes states (pieces, width) and bounds (segments + 1), and gives (segments, its own `width`).
        """
        return None

    def prepare(self, classifier: Classifier) -> None:
        """Change a classifier in place: a new one before it is trained, a saved one before its weights are loaded."""

    def plain(self, model: nn.Module) -> nn.Module:
        """A trained encoder's model as transformers knows it, without what `prepare` put into it."""
        return model

    def documents(self, train: Split, run: Run) -> Split:
        """The documents to train on, from those drawn for the run."""
        return train

    def read(self, run: Run, documents: int) -> int:
        """How many documents are read in training on so many, each as often as it is read."""
        return epochs_of(run, documents) * documents * self.copies

    def begin(self, classifier: Classifier, train: Labelled) -> None:
        """Before the first step, with the documents of segments to train on and their classes."""

    def carry_out(self, job: Job) -> Outcome:
        """Fine-tune a classifier on the job's documents and score its test documents."""
        run, documents = job.run, job.documents
        classifier, pretrained, shared = untrained(run, job.corpus, job.library, job.progress)
        segmenter = classifier.segmenter
        splits = (self.documents(documents.train, run), documents.dev)
        train, dev = ((segmenter(split.texts), split.classes.tolist()) for split in splits)
        retained = []

        def retains():
            retained.append(measure(classifier, run, job.library, pretrained, job.progress))

        at_end = retains if measured(run) else None
        with stopping(classifier, job.stop):
            classifier.to(PartialState().device)
            self.begin(classifier, train)
            options = {"progress": job.progress, "at_end": at_end, "technique": self, "log": job.log}
            history = fit(classifier, train, dev if dev[0] else None, **options)
            begin = time.perf_counter()
            pieces = segmenter.pieces(documents.test.texts)
            error, loss, predicted = evaluate(
                classifier, segmenter.segments(pieces), documents.test.classes, job.progress
            )
        details = {
            "pretraining": _told(pretrained, "history.json"),
            "multitasked": _told(shared, "multitask.json"),
            "depth": classifier.encoder.config.num_hidden_layers,
            "parameters": sum(weight.numel() for weight in classifier.encoder.parameters()),
            "retention": retained[0] if retained else None,
            "lengths": np.minimum([len(ids) for ids in pieces], LONGEST),
            "pieces_per_second": history[-1]["pieces"] / history[-1]["seconds"],
        }
        return Outcome(classifier, history, error, loss, predicted, {"test": time.perf_counter() - begin}, details)


def measured(run: Run) -> bool:
    """Whether a run measures what the encoder retains of its pretraining (see `retention.measure`)."""
    return run.retention != "none"


def _told(folder, file):
    return folder and json.loads((folder / file).read_text(encoding="utf-8"))


def untrained(
    run: Run, corpus: Corpus, library: Library = LIBRARY, progress: bool = True
) -> tuple[Classifier, Path | None, Path | None]:
    """A run's classifier before its fine-tuning: the encoder as further pretraining and other tasks have left it.

    Gives (classifier, folder of the further pretrained encoder or None, folder of the multi-task one or None). Raises
    ValueError for several tasks in several processes.
    """
    if run.multitask != "none" and PartialState().num_processes > 1:
        raise ValueError(
            f"multitask={run.multitask!r} with {PartialState().num_processes} processes: tasks are fine-tuned "
            f"together in one process only. Make this run without `accelerate launch` first."
        )
    pretrained = further_pretrained(run, library, progress)
    shared = fine_tuned_together(run, library, pretrained, progress)
    classifier = Classifier.build(run, corpus.labels, shared or pretrained)
    if shared:
        take_head(classifier, shared)
    return classifier, pretrained, shared
