"""What each word adds to an encoder's decision: integrated gradients (Sundararajan et al. 2017) over its pieces."""

from typing import Any

import torch

from .batching import Batch, pack
from .explanations import Explanation, Word, shared_out, spans_of
from .predictions import checked_texts, reads_pairs
from .segments import placed, places_of

STEPS = 16  # on the way from no text to the text


def explain(classifier: Any, text: str, label: str | None = None, steps: int = STEPS) -> Explanation:
    """A weight for each word of a text: see `Classifier.explain`."""
    (text,) = checked_texts([text], classifier.run)
    if reads_pairs(classifier.run):
        raise ValueError("explain takes single texts; this classifier was trained on pairs.")
    if not classifier.tokenizer.is_fast:
        raise ValueError("explain needs a tokenizer that knows where its pieces stand (tokenizer.json); this has none.")
    told = classifier.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    (document,) = classifier.segmenter.segments([placed(told["input_ids"])])
    places = [place for segment in document for place in places_of(segment)]
    probabilities = classifier.logits([document]).softmax(-1)[0]
    number = int(probabilities.argmax()) if label is None else classifier.labels.index(label)
    added, without = _integrated(classifier, pack([document]), number, steps)
    known = [index for index, place in enumerate(places) if place is not None]
    spans = spans_of(text)
    offsets = [told["offset_mapping"][places[index]] for index in known]
    *weights, rest = shared_out(spans, offsets, added[known])
    marks = float(added.sum() - added[known].sum())
    words = [Word(text[slice(*span)], *span, float(weight)) for span, weight in zip(spans, weights, strict=True)]
    return Explanation(classifier.labels[number], float(probabilities[number]), words, float(rest) + marks + without)


def _integrated(classifier, batch: Batch, number, steps):
    """What each piece of a batch of one document adds to a class's margin, (pieces), and the margin with none of them.

    Their embeddings are led in steps from that of [MASK] to their own; the sum of all is the change of the margin, but
    for the error of the steps.
    """
    embedding, training = classifier.encoder.model.get_input_embeddings(), classifier.training
    unknown = classifier.tokenizer.mask_token_id
    blank = embedding.weight[classifier.tokenizer.pad_token_id if unknown is None else unknown].detach()
    step, seen, batch = 0.0, [], batch.to(classifier.device)

    def part(_module, _inputs, whole):
        towards = (blank + step * (whole.detach() - blank)).requires_grad_()
        seen.append((whole.detach(), towards))
        return towards

    total, ends, hook = 0.0, [], embedding.register_forward_hook(part)
    classifier.eval()
    try:
        for step in [*((one + 0.5) / steps for one in range(steps)), 0.0]:
            seen.clear()
            logits = classifier(batch)[0]
            margin = logits[number] - logits.mean()
            ends.append(margin.item())
            if step:
                ((whole, towards),) = seen
                (gradient,) = torch.autograd.grad(margin, [towards])
                total = total + ((whole - blank) * gradient).sum(-1) / steps
    finally:
        hook.remove()
        classifier.train(training)
    return _in_row(total.cpu(), batch.lengths).numpy().astype(float), ends[-1]


def _in_row(values, lengths):
    """What belongs to pieces as one row: of a padded batch (segments, longest) without the padding."""
    if len(values) == 1:
        return values[0]
    return torch.cat([row[:length] for row, length in zip(values, lengths.tolist(), strict=True)])
