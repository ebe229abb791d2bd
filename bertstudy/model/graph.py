"""A classifier as an ONNX graph, which onnxruntime computes without PyTorch (onnx.py)."""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel

from ..runs import identity
from .onnx import GRAPH, INPUTS, TYPE, required
from .predictions import portable
from .stock import bare_config, of_one_segment, take_weights

EXAMPLE = (2, 8)  # documents, pieces: of what the graph is traced on; it takes any


class Padded(nn.Module):
    """From padded pieces and a mask of those that count, both (documents, longest), to logits (documents, classes).

    Raises ValueError for a recipe of several segments, and for a pooling over pieces that has no padded form.
    """

    def __init__(self, classifier: Any):
        super().__init__()
        of_one_segment(classifier)
        config = AutoConfig.for_model(**bare_config(classifier))
        self.model = AutoModel.from_config(config, dtype=torch.float32, attn_implementation="eager")
        take_weights(self.model, classifier)
        self.pool_pieces, self.pool_layers, self.head = classifier.pool_pieces, classifier.pool_layers, classifier.head
        self.layers, self.read_of = classifier.layers, classifier.encoder.read_of

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        several = len(self.layers) > 1
        output = self.model(input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=several)
        states = self.read_of(output, self.layers)
        vectors = [self.pool_pieces.padded(state, attention_mask) for state in states]
        return self.head(self.pool_layers(torch.stack(vectors)))


def write_into(classifier: Any, folder: Path, int8: bool = False) -> None:
    """Write graph, config and tokenizer into a folder, for `onnx.OnnxClassifier`.

    int8: the matrices as whole numbers of 8 bits, with a scale for each output, and what they are multiplied with by a
    scale for each tensor. Raises ValueError for a recipe that is no graph (see `Padded`), and where a package is
    missing.
    """
    required("onnx", "onnxscript", "onnxruntime")
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / GRAPH if int8 else folder / GRAPH
        _traced(classifier).save(path)
        if int8:
            _to_int8(path, folder / GRAPH)
    config = {"model_type": TYPE, "labels": classifier.labels, "run": identity(portable(classifier.run))}
    config |= {"scale": classifier.scale, "threshold": classifier.threshold}
    config["marks"] = [classifier.tokenizer.cls_token_id, classifier.tokenizer.sep_token_id]
    text = json.dumps(config, ensure_ascii=False, indent=1) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")
    classifier.tokenizer.save_pretrained(folder)


@torch.no_grad()
def _traced(classifier):
    """The ONNX program, for any number of documents of any length."""
    example = torch.full(EXAMPLE, classifier.tokenizer.cls_token_id), torch.ones(EXAMPLE, dtype=torch.int64)
    example[1][-1, EXAMPLE[1] // 2 :] = 0
    sizes = {0: torch.export.Dim("documents"), 1: torch.export.Dim("pieces")}
    with _quietly():
        return torch.onnx.export(
            Padded(classifier).eval(),
            example,
            input_names=[*INPUTS],
            output_names=["logits"],
            dynamic_shapes=(sizes, sizes),
            dynamo=True,
            verbose=False,
        )


def _to_int8(path, target):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _quietly():
        quantize_dynamic(path, target, weight_type=QuantType.QInt8, per_channel=True)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without what the exporters warn of: operators of packages that are not there, and their own older names."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
