"""Run by test_training under torch.distributed: three steps on thirteen documents and one of one, weights to a file."""

import sys

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from bertstudy import Classifier, Run, load_corpus
from bertstudy.training.fine_tuning import fit

encoder, corpus, target = sys.argv[1:]
accelerator = Accelerator()
run = Run(corpus=corpus, encoder=encoder, window=24, truncation="head", dropout=0.0, head_dropout=0.0, epochs=1)
run = Run(**{**run.__dict__, "batch_size": 4, "learning_rate": 1e-3})
classifier = Classifier.build(run, ["a", "z"])
before = torch.cat([weight.detach().flatten().clone() for weight in classifier.parameters()])
train = load_corpus(corpus).train
computed = []
classifier.register_forward_pre_hook(lambda _, given: computed.append(len(given[0].documents) - 1))
history = fit(classifier, (classifier.segmenter(train.texts[:13]), train.classes[:13].tolist()), progress=False)
shares = gather_object([sum(computed)])
if accelerator.is_main_process:
    weights = torch.cat([weight.detach().flatten() for weight in classifier.parameters()])
    torch.save({"weights": weights, "before": before, "loss": history[-1]["loss"], "shares": shares}, target)
