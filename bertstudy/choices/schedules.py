"""The learning rate over the steps of a fine-tuning (§5.2), and over the layers of the encoder (§5.3.4).

A schedule takes the number of a step, from 0, how many steps there are, and the warm-up as a share of them, and gives
the learning rate of that step as a share of the highest. To add one, decorate a function.
"""

from ..registry import Registry

SCHEDULES = schedule = Registry("schedule")

RATIO = 32  # the highest rate over the lowest (Howard & Ruder)


@schedule("slanted_triangular")
def slanted_triangular(step: int, steps: int, warmup: float) -> float:
    """Howard & Ruder (2018): up from 1/32 over the warm-up, then straight down to 1/32 at the end."""
    cut = int(steps * warmup)
    part = step / cut if step < cut else 1 - (step - cut) / (steps - cut)
    return (1 + part * (RATIO - 1)) / RATIO


@schedule("warmup_linear")
def warmup_linear(step: int, steps: int, warmup: float) -> float:
    """The authors' code: x / warmup, then 1 - x for x = step / steps; it falls from 1 to 1 - warmup at the cut."""
    done = step / steps
    return done / warmup if done < warmup else 1 - done


@schedule("linear")
def linear(step: int, steps: int, warmup: float) -> float:
    """Up from 0 over the warm-up, then straight down to 0: the default of transformers.Trainer."""
    cut = int(steps * warmup)
    return step / cut if step < cut else (steps - step) / (steps - cut)


@schedule("constant")
def constant(step: int, steps: int, warmup: float) -> float:
    """Up from 0 over the warm-up, then constant."""
    cut = int(steps * warmup)
    return step / cut if step < cut else 1.0


def layer_rates(depth: int, learning_rate: float, layer_decay: float, decay_embeddings: bool) -> list[float]:
    """Learning rates from the bottom: embeddings, then the `depth` layers (Equation 2: η^{k-1} = ξ · η^k).

    The top layer has the base rate. Embeddings go on with the decay, or have the base rate (authors' code).
    """
    layers = [learning_rate * layer_decay ** (depth - 1 - layer) for layer in range(depth)]
    return [layers[0] * layer_decay if decay_embeddings else learning_rate, *layers]
