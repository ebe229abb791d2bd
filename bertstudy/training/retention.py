"""What an encoder keeps of its pretraining when it is fine-tuned (§5.3.3 infers it from error; here it is measured)."""

from pathlib import Path
from typing import Any

import torch

from ..data.corpora import LIBRARY, Library
from ..data.sources import texts_of
from ..model.batching import pack
from ..model.encoder import load_pretraining_model
from ..model.loading import load_tokenizer
from ..runs import Run
from .pretraining import Pretraining, PretrainingModel, checkpoint, examples, held_out_loss, sentence_ids

TEXTS = 400  # of the general ones, and of the domain's, on which losses are measured
SEGMENTS = 64  # whose hidden states are compared
HEAD_STEPS = 300  # on general texts, to train a masked-LM head where the pretrained weights have none


def linear_cka(first: torch.Tensor, second: torch.Tensor) -> float:
    """Linear centred kernel alignment of two sets of states, (n, width) each: 0 to 1.

    It is 1 where they agree up to rotation and scale. Kornblith et al. (2019), equation 3 with a linear kernel.
    """
    first, second = (states.double() - states.double().mean(0) for states in (first, second))
    across = (second.T @ first).square().sum()
    return float(across / ((first.T @ first).norm() * (second.T @ second).norm()))


def _settings(encoder, run):
    window = min(128, run.window)
    return Pretraining(encoder, 0, window=window, next_sentence=False, head_steps=HEAD_STEPS, precision=run.precision)


def _with_head(encoder, run, general, progress):
    """The encoder as it was pretrained, with a masked-LM head: its own, or one trained with the encoder frozen."""
    model, new = load_pretraining_model(encoder)
    if new:
        model, _ = load_pretraining_model(str(checkpoint(_settings(encoder, run), general, progress)))
    return model


@torch.inference_mode()
def _states(model, segments):
    """Hidden states of all pieces of the segments, from the embeddings up: a list of (pieces, width)."""
    batch = pack([[ids] for ids in segments]).to(next(model.parameters()).device)
    output = model.encoder.row(batch, output_hidden_states=True)
    return [state[0] for state in output.hidden_states]


def measure(
    classifier: Any, run: Run, library: Library = LIBRARY, pretrained: Path | None = None, progress: bool = False
) -> dict:
    """What a Classifier retains of its pretraining, with the weights it has now: a dict.

    "general_before", "general_after", "domain_before" and "domain_after" are masked-LM losses (nats): of the pretrained
    head on the encoder before fine-tuning, and put back onto the encoder after it; on general texts (`run.retention`),
    and on the test texts of the run's corpus, which neither training nor pretraining has read. "cka" compares the
    hidden states before and after on these test texts: a list of `linear_cka`, embeddings first, then the layers.
    pretrained: the folder of the encoder before fine-tuning, where that was further pretrained.
    """
    encoder, tokenizer = str(pretrained or run.encoder), load_tokenizer(run.encoder)
    general, domain = texts_of(run.retention, library), library.of(run).test.texts
    settings = _settings(encoder, run)
    documents = {
        name: sentence_ids(texts[-TEXTS:], tokenizer) for name, texts in (("general", general), ("domain", domain))
    }
    segments = [ids for ids, _, _ in examples(documents["domain"], settings, 0, tokenizer)][:SEGMENTS]
    model = PretrainingModel(_with_head(encoder, run, general[:-TEXTS], progress), precision=run.precision)
    model.to(classifier.device)
    losses, states = {}, []
    for moment in ("before", "after"):
        for name, sample in documents.items():
            losses[f"{name}_{moment}"], _ = held_out_loss(model, sample, settings, tokenizer, progress=progress)
        model.eval()
        states.append(_states(model, segments))
        model.model.base_model.load_state_dict(classifier.encoder.model.state_dict(), strict=False)
    return {**losses, "cka": [linear_cka(*pair) for pair in zip(*states, strict=True)]}
