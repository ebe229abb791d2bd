"""How the weights move: layer-wise learning rates (§5.3.4) and AdamW under a schedule."""

from collections.abc import Iterable

from torch import nn
from torch.amp import GradScaler
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW

from ..choices.schedules import SCHEDULES, layer_rates
from ..runs import Run

BETAS, EPS = (0.9, 0.999), 1e-6  # §5.2; eps as in BERTAdam


def has_weight_decay(weight: nn.Parameter) -> bool:
    """Whether a parameter has weight decay: all but biases and norms, which are those of one dimension."""
    return weight.ndim > 1


def parameter_groups(classifier: nn.Module, run: Run) -> list[dict]:
    """AdamW groups of a Classifier: one a layer and kind; biases and LayerNorm have no weight decay.

    Each group has "name", "lr" and "weight_decay". What is above the encoder learns at the base rate.
    Raises ValueError where layer_decay is asked of an encoder whose layers share their weights.
    """
    encoder, depth = classifier.encoder, classifier.encoder.config.num_hidden_layers
    if run.layer_decay != 1 and len(encoder.layers) != depth:
        raise ValueError(f"layer_decay={run.layer_decay}: the layers of encoder={run.encoder!r} share their weights.")
    rates = layer_rates(depth, run.learning_rate, run.layer_decay, run.decay_embeddings)
    place = {id(weight): number for number, level in enumerate(encoder.levels) for weight in level}
    groups = {}
    for weight in classifier.parameters():
        if not weight.requires_grad:
            continue
        level = place.get(id(weight), depth + 1)
        decays = has_weight_decay(weight)
        group = groups.setdefault(
            (level, decays),
            {
                "name": "embeddings" if level == 0 else f"layer {level - 1}" if level <= depth else "head",
                "lr": run.learning_rate if level > depth else rates[level],
                "weight_decay": run.weight_decay if decays else 0.0,
                "params": [],
            },
        )
        group["params"].append(weight)
    return [groups[key] for key in sorted(groups)]


class Optimizer:
    """AdamW under a schedule. `step()` takes the next of `steps` steps; `learning_rate` is the base rate of the last.

    Without bias correction it is the paper's BERTAdam: Adam's two corrections amount to a factor on the learning
    rate and one on eps, so both are put in beforehand, and weight decay is spared the factor.

    scaler: of the losses whose gradients it takes (`precision.grad_scaler`); None: they are not scaled.
    """

    def __init__(self, groups: list[dict], run: Run, steps: int, scaler: GradScaler | None = None):
        self.scaler = scaler or GradScaler("cpu", enabled=False)
        self.adamw = AdamW(groups, betas=BETAS, eps=EPS, fused=True)
        self.settled = [(group["lr"], group["weight_decay"]) for group in self.adamw.param_groups]
        self.shape, self.steps, self.warmup = SCHEDULES.find(run.schedule), steps, run.warmup
        self.base, self.bias_correction, self.taken = run.learning_rate, run.bias_correction, 0

    def clip(self, parameters: Iterable[nn.Parameter], most: float) -> None:
        """Shorten the gradient of all these parameters together to a norm of at most `most`; call it before `step`."""
        parameters = list(parameters)
        self.scaler.unscale_(self.adamw)
        if self.scaler.is_enabled():  # the others have scaled gradients still
            own = {id(weight) for group in self.adamw.param_groups for weight in group["params"]}
            for weight in parameters:
                if weight.grad is not None and id(weight) not in own:
                    weight.grad.div_(self.scaler.get_scale())
        clip_grad_norm_(parameters, most)

    def step(self) -> None:
        factor = self.shape(self.taken, self.steps, self.warmup)
        self.learning_rate = self.base * factor
        self.taken += 1
        first, second = (1.0, 1.0) if self.bias_correction else (1 - beta**self.taken for beta in BETAS)
        undone = first / second**0.5
        for group, (rate, decay) in zip(self.adamw.param_groups, self.settled, strict=True):
            group.update(lr=rate * factor * undone, weight_decay=decay / undone, eps=EPS / second**0.5)
        self.scaler.step(self.adamw)
        self.scaler.update()
        self.adamw.zero_grad()
