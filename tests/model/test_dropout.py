import pytest
import torch
from torch import nn
from torch.nn.functional import dropout

from bertstudy.model.dropout import Dropout, mask_like, with_fast_dropout
from bertstudy.model.encoder import Encoder


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.9])
def test_the_share_that_is_dropped_is_p_and_what_stays_keeps_the_mean(p):
    torch.manual_seed(0)
    mask = mask_like(torch.empty(1000, 401), p)
    dropped = (mask == 0).double().mean()
    assert abs(dropped - p) < 4 * (p * (1 - p) / mask.numel()) ** 0.5 + 2**-16
    assert mask[mask > 0].unique().tolist() == pytest.approx([1 / (1 - p)])


def test_over_seeds_masks_have_the_distribution_of_pytorchs():
    """What a changed random stream has to show (versions.py): counts of rows and of neighbours that are dropped."""
    ours, theirs, pairs = [], [], []
    for seed in range(400):
        torch.manual_seed(seed)
        mask = mask_like(torch.empty(64, 4), 0.3) == 0
        ours.append(mask.sum().item())
        pairs.append((mask[:, :-1] & mask[:, 1:]).double().mean().item())  # places of one random number
        torch.manual_seed(seed)
        theirs.append((dropout(torch.ones(64, 4), 0.3) == 0).sum().item())
    ours, theirs, pairs = (torch.tensor(values, dtype=torch.float64) for values in (ours, theirs, pairs))
    assert abs(ours.mean() - theirs.mean()) < 4 * (ours.var() / 400 + theirs.var() / 400) ** 0.5
    assert 0.8 < ours.var() / (256 * 0.3 * 0.7) < 1.25
    assert abs(pairs.mean() - 0.09) < 4 * pairs.std() / 20


def test_it_is_seeded_the_same_for_any_number_of_threads_and_off_in_evaluation():
    before, masks = torch.get_num_threads(), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        torch.manual_seed(5)
        masks.append(mask_like(torch.empty(333, 77), 0.1))
    torch.set_num_threads(before)
    assert torch.equal(*masks)
    states = torch.randn(5, 7)
    assert torch.equal(Dropout(0.5).eval()(states), states)
    assert torch.equal(Dropout(0.0).train()(states), states)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_its_gradient_is_its_mask(dtype):
    torch.manual_seed(0)
    states = torch.randn(50, 8, dtype=dtype, requires_grad=True)
    result = Dropout(0.4).train()(states)
    result.sum().backward()
    assert result.dtype == dtype
    assert torch.equal(states.grad == 0, result == 0)
    assert torch.allclose(result, states * states.grad)


def test_encoders_have_it_everywhere(tiny):
    model = Encoder.load(tiny(), dropout=0.2).model
    kinds = {type(module) for module in model.modules() if isinstance(module, nn.Dropout)}
    assert kinds == {Dropout}
    assert {module.p for module in model.modules() if type(module) is Dropout} == {0.2, 0.0}
    assert type(with_fast_dropout(nn.Sequential(nn.Dropout(0.3)))[0]) is Dropout
