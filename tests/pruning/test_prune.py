"""What a pruned net is: smaller, equal, trainable, portable; and what wrong requests get."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import infoflow
from infoflow.interface import ArgumentError, ArgumentTypeError, PruningError, PruningWarning
from infoflow.pruning.choice import StreamNames
from infoflow.testing import UNet, blob_images
from tests import tiers

IMAGE = torch.randn(2, 3, 32, 32)

#: The paper's Models 2, 3 and 4: what they lack, and what they have.
MODELS = {
    2: (["1->20"], ["7->11", "5->14", "3->17"]),
    3: (["1->20", "3->17"], ["7->11", "5->14"]),
    4: (["1->20", "3->17", "5->14"], ["7->11"]),
}


@pytest.mark.parametrize("number", [4, tiers.thorough(2), tiers.thorough(3)])
def test_the_papers_models_are_model_1_pruned(unet, number):
    lacks, has = MODELS[number]
    slim = infoflow.prune(unet, lacks, IMAGE)
    by_hand = UNet(base_channels=4, skips=has)
    assert sum(p.numel() for p in slim.parameters()) == sum(p.numel() for p in by_hand.parameters())
    by_hand.load_state_dict(slim.state_dict())
    torch.testing.assert_close(slim(IMAGE), by_hand(IMAGE))


@pytest.mark.thorough
def test_the_full_width_models_have_the_parameters_of_the_hand_built_ones():
    whole = UNet(base_channels=16)
    for lacks, has in MODELS.values():
        slim = infoflow.prune(whole, lacks, IMAGE[:1])
        by_hand = sum(p.numel() for p in UNet(base_channels=16, skips=has).parameters())
        assert slim.pruning.parameters_after == by_hand


def test_the_model_is_left_as_it_was(unet):
    before = {name: value.clone() for name, value in unet.state_dict().items()}
    slim = infoflow.prune(unet, "3->17", IMAGE)
    with torch.no_grad():
        for parameter in slim.parameters():
            parameter.add_(1)
    assert unet.training
    assert all(torch.equal(value, before[name]) for name, value in unet.state_dict().items())


def test_it_can_be_pickled_copied_and_saved(unet, tmp_path):
    slim = infoflow.prune(unet, ["1->20", "5->14"], IMAGE)
    torch.save(slim, tmp_path / "slim.pt")
    others = [
        pickle.loads(pickle.dumps(slim)),
        copy.deepcopy(slim),
        torch.load(tmp_path / "slim.pt", weights_only=False),
    ]
    for other in others:
        assert torch.equal(other(IMAGE), slim(IMAGE))
        assert other.pruning == slim.pruning
    with torch.no_grad():
        others[1].output.weight.add_(1)
    assert not torch.equal(others[1](IMAGE), slim(IMAGE)), "the copy computes with its own weights"


def test_it_can_be_exported_for_any_batch(unet):
    slim = infoflow.prune(unet, "1->20", IMAGE)
    shapes = {"image": {0: torch.export.Dim("samples")}}
    program = torch.export.export(slim, (IMAGE,), dynamic_shapes=shapes)
    batch = torch.randn(5, 3, 32, 32)
    torch.testing.assert_close(program.module()(batch), slim(batch))


def test_it_trains(unet):
    slim = infoflow.prune(unet, ["3->17", "7->11"], IMAGE).train()
    images, target = blob_images(2, size=32)
    optimiser = torch.optim.Adam(slim.parameters(), lr=0.01)
    losses = []
    for _ in range(30):
        loss = F.binary_cross_entropy(slim(images), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_checkpoints_load_both_ways(unet):
    slim = infoflow.prune(unet, ["1->20", "3->17"], IMAGE)
    other = UNet(base_channels=4)
    slim.load_state_dict(other.state_dict())
    torch.testing.assert_close(slim(IMAGE), infoflow.prune(other, ["1->20", "3->17"], IMAGE)(IMAGE))
    again = infoflow.prune(unet, ["1->20", "3->17"], IMAGE)
    again.load_state_dict(slim.state_dict())
    assert torch.equal(again(IMAGE), slim(IMAGE))
    whole = UNet(base_channels=4)
    whole.load_state_dict(slim.full_state_dict(unet.state_dict()))
    torch.testing.assert_close(whole(IMAGE), slim(IMAGE))


def test_a_checkpoint_loads_into_a_part_of_a_larger_module(unet):
    whole = nn.Sequential(nn.Identity(), infoflow.prune(unet, "1->20", IMAGE))
    whole.load_state_dict({f"1.{name}": value for name, value in unet.state_dict().items()})


def test_weights_that_do_not_fit_are_refused_by_name(unet):
    slim = infoflow.prune(unet, "1->20", IMAGE)
    with pytest.raises(RuntimeError, match=r"size mismatch for encoder\.0\.0\.weight"):
        slim.load_state_dict(UNet(base_channels=8).state_dict())
    with pytest.raises(PruningError, match=r"checkpoint of UNet: expected encoder\.0\.0\.weight"):
        slim.full_state_dict(UNet(base_channels=8).state_dict())


def test_reset_gives_new_weights_of_its_own_kind(unet):
    slim = infoflow.prune(unet, "1->20", IMAGE, reset=True)
    assert not torch.equal(slim.output.weight, unet.output.weight)

    def glorot(module):
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 0.5)

    slim = infoflow.prune(unet, "1->20", IMAGE, reset=glorot)
    assert bool((slim.decoder[3][0].weight == 0.5).all())


def test_silencing_equals_cutting_and_saves_nothing(unet):
    cut = infoflow.prune(unet, "3->17", IMAGE)
    silent = infoflow.prune(unet, "3->17", IMAGE, mode="zero")
    torch.testing.assert_close(silent(IMAGE), cut(IMAGE))
    assert silent.pruning.parameters == 0
    assert [stream.how for stream in silent.pruning.streams] == ["zeroed"]


def test_the_mean_over_data_takes_a_streams_place(unet):
    data = [torch.randn(4, 3, 32, 32) for _ in range(3)]
    slim = infoflow.prune(unet, "1->20", IMAGE, mode="mean", data=data)
    graph = infoflow.trace(unet, IMAGE)
    mean = graph.values(torch.cat(data))["encoder.0.2"].mean(0, keepdim=True)

    def put_mean(module, args):
        value = args[0].clone()
        value[:, :4] = mean
        return (value,)

    unet.decoder[3][0].register_forward_pre_hook(put_mean)
    torch.testing.assert_close(slim(IMAGE), unet(IMAGE))


class Attention(nn.Module):
    """A query and a memory that meet in an attention product."""

    def __init__(self):
        super().__init__()
        self.query, self.memory = nn.Linear(4, 4), nn.Linear(4, 4)
        self.attend = nn.MultiheadAttention(4, 1, batch_first=True)

    def forward(self, x):
        return self.attend(self.query(x), self.memory(x), self.memory(x), need_weights=False)[0]


def test_what_attention_reads_can_only_be_silenced():
    net, x = Attention().eval(), torch.randn(2, 3, 4)
    name = infoflow.trace(net, x).skips[0]
    with pytest.warns(infoflow.interface.PruningWarning, match="is no sum or product"):
        slim = infoflow.prune(net, name, x)
    assert slim.pruning.streams[0].how == "zeroed"


class Dropping(nn.Module):
    """Functional dropout and an auxiliary head that runs in training only."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)
        self.head, self.auxiliary = nn.Linear(16, 2), nn.Linear(8, 2)

    def forward(self, x):
        first = F.dropout(self.first(x), 0.5, training=self.training)
        second = self.second(first)
        if self.training:
            self.auxiliary(second)
        return self.head(torch.cat([first, second], 1))


def test_functional_dropout_drops_in_training_and_unused_heads_are_told():
    slim = infoflow.prune(Dropping(), "second->head", torch.randn(4, 8))
    assert "auxiliary.weight" in slim.pruning.notes[0]
    x = torch.randn(4, 8)
    slim.train()
    assert not torch.equal(slim(x), slim(x))
    slim.eval()
    assert torch.equal(slim(x), slim(x))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.branch, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        x = self.stem(x)
        return self.head(torch.relu_(x + self.branch(x)))


def test_a_value_that_others_read_is_copied_before_an_operation_in_place():
    """Without the branch, relu_ would work on the value of the stem itself."""
    net, x = Residual(), torch.randn(3, 4)
    slim = infoflow.prune(net, "branch->add", x)
    torch.testing.assert_close(slim(x), net.head(torch.relu(net.stem(x))))
    assert not hasattr(slim, "branch")
    slim(x).sum().backward()


def test_a_pruned_net_can_be_pruned_again(unet):
    twice = infoflow.prune(infoflow.prune(unet, "1->20", IMAGE), "3->17", IMAGE)
    at_once = infoflow.prune(unet, ["1->20", "3->17"], IMAGE)
    assert torch.equal(twice(IMAGE), at_once(IMAGE))
    assert twice.pruning.parameters_after == at_once.pruning.parameters_after
    other = UNet(base_channels=4)
    once = infoflow.prune(other, "1->20", IMAGE)
    expected = infoflow.prune(other, ["1->20", "3->17"], IMAGE)(IMAGE)
    for checkpoint in (other, once):
        twice.load_state_dict(checkpoint.state_dict())
        torch.testing.assert_close(twice(IMAGE), expected)
        checkpoint.load_state_dict(twice.full_state_dict(checkpoint.state_dict()))
        torch.testing.assert_close(checkpoint(IMAGE), twice(IMAGE))


def test_attributes_of_the_model_stay(unet):
    assert infoflow.prune(unet, "1->20", IMAGE).skips == unet.skips


def test_names_from_advice_need_no_example(unet, loader):
    result = infoflow.analyze(unet, loader, target=infoflow.KMeans(2), progress=False)
    advice = infoflow.suggest_pruning(result)
    with pytest.warns(PruningWarning, match="No stream can go"):
        assert infoflow.prune(unet, advice.cuttable).pruning.streams == ()
    with pytest.raises(ArgumentError, match="needs an example"):
        infoflow.prune(unet, tuple(advice.cuttable))


# --------------------------------------------------------------------------- wrong requests


@pytest.mark.parametrize(
    ("streams", "error", "says"),
    [
        ("1->21", ArgumentError, r"'1->21'.*nearest are.*1->20"),
        (["decoder"], ArgumentError, "no merge of UNet|No merge of UNet"),
        ([3], ArgumentTypeError, "names such as '1->20' or Skips, got int"),
        (["1->20", "19->20"], PruningError, "left without any stream"),
    ],
)
def test_streams_that_cannot_be(unet, streams, error, says):
    with pytest.raises(error, match=says):
        infoflow.prune(unet, streams, IMAGE)


def test_an_unknown_mode_and_missing_data(unet):
    with pytest.raises(ArgumentError, match="mode must be"):
        infoflow.prune(unet, "1->20", IMAGE, mode="remove")
    with pytest.raises(ArgumentError, match="mode='mean' needs data="):
        infoflow.prune(unet, "1->20", IMAGE, mode="mean")


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        return self.one(x) + self.two(x) if x.sum() > 0 else self.one(x)


def test_a_model_that_cannot_be_replayed_is_refused():
    with pytest.raises(PruningError, match="cannot be replayed"):
        infoflow.prune(Branching(), "two->add", torch.ones(2, 4))


class Shared(nn.Module):
    """One convolution reads a concatenation, and something else."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.both = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(8, 8)

    def forward(self, x):
        return self.both(self.both(torch.cat([self.one(x), self.two(x)], 1)))


def test_a_layer_that_is_called_twice_is_not_cut():
    with pytest.raises(PruningError, match="called more than once"):
        infoflow.prune(Shared(), "two->both", torch.randn(2, 4), mode="cut")


def test_the_mean_leaves_random_states_alone(unet):
    data = [torch.rand_like(IMAGE)] * 2
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    infoflow.prune(unet, "1->20", IMAGE, mode="mean", data=data)
    assert torch.equal(torch.rand(3), expected)


def test_the_mean_of_what_is_not_finite_is_refused(unet):
    bad = torch.full_like(IMAGE, torch.nan)
    with pytest.raises(PruningError, match="some are NaN or infinite"):
        infoflow.prune(unet, "1->20", IMAGE, mode="mean", data=[bad, bad])


class Sliced(nn.Module):
    """One layer reads all of a concatenation, another a slice of it."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
        self.part, self.whole = nn.Conv2d(4, 2, 1), nn.Conv2d(8, 2, 1)

    def forward(self, x):
        both = torch.cat([self.a(x), self.b(x)], 1)
        first, _ = both.chunk(2, 1)
        return self.part(both[:, :4]), self.part(first), self.whole(both)


def test_a_slice_for_another_reader_keeps_its_stream():
    net, x = Sliced().eval(), torch.rand(2, 3, 8, 8)
    with pytest.warns(infoflow.interface.PruningWarning):
        slim = infoflow.prune(net, "a->whole", x).eval()
    part, chunk, whole = net(x)
    got_part, got_chunk, got_whole = slim(x)
    assert torch.equal(got_part, part)
    assert torch.equal(got_chunk, chunk)
    assert not torch.allclose(got_whole, whole)
    net.a.weight.data.zero_(), net.a.bias.data.zero_()
    torch.testing.assert_close(got_whole, net(x)[2])


def test_samples_that_mend_are_an_example_too():
    net, images = UNet(base_channels=2), torch.rand(32, 3, 16, 16)
    slim = infoflow.prune(net, "3->17", mend="reader", calibrate=[images])
    assert slim(images).shape == (32, 1, 16, 16)


def test_a_set_of_nothing_leaves_the_net_whole_and_says_so():
    net, images = UNet(base_channels=2), torch.rand(2, 3, 16, 16)
    nothing = StreamNames.of([], infoflow.trace(net, images))
    with pytest.warns(PruningWarning, match="No stream can go"):
        infoflow.prune(net, nothing)
