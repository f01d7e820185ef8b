"""Nets that are mended: against least squares, and where the answer is known."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

import infoflow
from infoflow.capture.batches import Samples
from infoflow.interface import ActivationError, ArgumentError, PruningError, PruningWarning
from infoflow.pruning.mending.calibration import Calibration, choose_rows
from infoflow.pruning.mending.mend import Mender
from infoflow.pruning.variants import observe, ready
from infoflow.testing import UNet


def outputs(net, value):
    with torch.no_grad():
        return net.eval()(value)


def distance(net, whole, value):
    """Mean squared difference of outputs, over the variance of the whole net's."""
    wanted = outputs(whole, value)
    return float((outputs(net, value) - wanted).square().mean() / wanted.var())


@pytest.fixture(scope="module")
def unet():
    torch.manual_seed(0)
    net = UNet(base_channels=2).double()
    for module in net.modules():  # biases that matter, and weights that do not vanish
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.bias, std=0.3)
    return net, torch.rand(24, 3, 16, 16, dtype=torch.float64)


class Residual(nn.Module):
    """A stem, one residual sum with batch norm, and a head."""

    def __init__(self, norm=True):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.conv = nn.Conv2d(4, 4, 3, padding=1, bias=not norm)
        self.norm = nn.BatchNorm2d(4) if norm else nn.Identity()
        self.head = nn.Conv2d(4, 3, 1)

    def forward(self, value):
        value = self.stem(value)
        return self.head(torch.relu(self.norm(self.conv(value)) + value))


def settled(net, value):
    """Give batch norms statistics and weights of their own."""
    net.double().train()
    for _ in range(20):
        net(value)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias)
    return net.eval()


def images(count=32, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 2, 8, 8, generator=generator, dtype=torch.float64)


# ---------------------------------------------------------------------- against least squares


def least_squares(module, value, wanted, ridge):
    """Refit a module in place, with one row for each number of its output, by a dense solver.

    What its weights multiply is found by running it on unit weights.
    """
    weight, bias = module.weight, module.bias
    start = weight.detach().clone()
    with torch.no_grad():
        bias.zero_()
        columns = []
        for place in range(weight.numel()):
            weight.zero_()
            weight.view(-1)[place] = 1
            columns.append(module(value))
        design = torch.stack(columns, -1).movedim(1, 0).flatten(1, -2)  # (outputs, rows, weights)
        outputs, rows, unknowns = design.shape
        ones = torch.eye(outputs).repeat_interleave(rows, 0).double()
        centred = design - design.mean(1, keepdim=True)
        per_output = unknowns // outputs
        penalty = ridge * float(centred.square().sum()) / outputs / per_output
        shrink = torch.cat([penalty**0.5 * torch.eye(unknowns), torch.zeros(unknowns, outputs)], 1)
        left = torch.cat([torch.cat([design.flatten(0, 1), ones], 1), shrink.double()])
        right = torch.cat([wanted.movedim(1, 0).flatten(), penalty**0.5 * start.flatten()])
        found = torch.linalg.lstsq(left, right.unsqueeze(1), driver="gelsd").solution.flatten()
        weight.copy_(found[:unknowns].view_as(weight))
        bias.copy_(found[unknowns:])


def seen_by(net, name, value):
    """Return what a module of a net reads and gives."""
    seen = []
    hook = net.get_submodule(name).register_forward_hook(lambda m, i, o: seen.extend((i[0], o)))
    outputs(net, value)
    hook.remove()
    return seen


def test_cascade_equals_least_squares_layer_by_layer(unet):
    """The slow twin runs both nets whole for every layer, and solves with the rows themselves."""
    net, value = unet
    mended = infoflow.prune(net, "3->17", value[:2], mend="cascade", calibrate=[value])
    twin = infoflow.prune(net, "3->17", value[:2]).eval()
    for name in mended.pruning.mending.refitted:
        _, wanted = seen_by(net, name, value)
        least_squares(twin.get_submodule(name), seen_by(twin, name, value)[0], wanted, 0.01)
    assert len(mended.pruning.mending.refitted) == 6
    for name, parameter in twin.named_parameters():
        found = mended.get_parameter(name)
        torch.testing.assert_close(found, parameter, rtol=1e-6, atol=1e-8, msg=name)


def test_reader_refits_what_reads_the_merge_and_nothing_else(unet):
    net, value = unet
    mended = infoflow.prune(net, ["3->17", "5->14"], value[:2], mend="reader", calibrate=[value])
    plain = infoflow.prune(net, ["3->17", "5->14"], value[:2])
    refitted = set(mended.pruning.mending.refitted)
    assert refitted == {"decoder.1.0", "decoder.2.0"}
    for name, parameter in plain.named_parameters():
        is_same = torch.equal(parameter, mended.get_parameter(name))
        assert is_same == (name.rpartition(".")[0] not in refitted), name


@pytest.mark.parametrize("mender", ["reader", "cascade"])
def test_mended_nets_are_nearer_to_the_whole_net(unet, mender):
    net, value = unet
    fresh = torch.rand(16, 3, 16, 16, dtype=torch.float64)
    plain = infoflow.prune(net, ["3->17", "1->20"], value[:2])
    mended = infoflow.prune(
        net, ["3->17", "1->20"], value[:2], mend=mender, calibrate=value.split(5)
    )
    assert distance(mended, net, fresh) < 0.9 * distance(plain, net, fresh)


def test_norms_behind_a_reader_follow_what_they_read_and_others_stay():
    """Running statistics that are not those of the samples stay what they are, but for the cut."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(2, 3, 1), nn.Conv2d(2, 3, 1)
            self.read, self.conv = nn.Conv2d(6, 4, 1), nn.Conv2d(4, 4, 1)
            self.norm, self.head = nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1)

        def forward(self, value):
            value = torch.cat([torch.relu(self.a(value)), torch.tanh(self.b(value))], 1)
            return self.head(torch.relu(self.norm(self.conv(torch.relu(self.read(value))))))

    torch.manual_seed(0)
    net, value = Net().double().eval(), images()
    slim = infoflow.prune(net, "b->read", value[:2], mend="reader", calibrate=value.split(9))
    assert slim.pruning.mending.refitted == ("read", "norm")
    (_, before), (_, now) = seen_by(net, "conv", value), seen_by(slim, "conv", value)
    moved = now.mean((0, 2, 3)) - before.mean((0, 2, 3))
    grown = now.var((0, 2, 3)) / before.var((0, 2, 3))
    torch.testing.assert_close(slim.norm.running_mean, net.norm.running_mean + moved)
    torch.testing.assert_close(slim.norm.running_var, net.norm.running_var * grown)


# ------------------------------------------------------------------------- known answers


def test_a_stream_that_follows_from_the_other_one_is_made_good():
    """The skip is a linear function of the main stream, so that nothing is lost."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(2, 4, 3, padding=1)
            self.second = nn.Conv2d(4, 3, 1, bias=False)  # zero padding knows no bias
            self.read = nn.Conv2d(7, 2, 3, padding=1)

        def forward(self, value):
            one = self.first(value)
            return torch.sigmoid(self.read(torch.cat([self.second(one), one], 1)))

    torch.manual_seed(0)
    net, value = Net().double(), images()
    slim = infoflow.prune(
        net, "second->read", value[:2], mend="reader", calibrate=[value], ridge=1e-12
    )
    torch.testing.assert_close(outputs(slim, images(seed=2)), outputs(net, images(seed=2)))


@pytest.mark.parametrize("mender", ["reader", "cascade"])
@pytest.mark.parametrize("norm", [True, False])
def test_the_branch_that_stays_learns_the_whole_sum(mender, norm):
    """norm(conv(x)) + x is linear in what conv reads: without x, conv alone can give it."""
    torch.manual_seed(0)
    value = images()
    net = settled(Residual(norm), value)
    slim = infoflow.prune(
        net, "stem->add", value[:2], mend=mender, calibrate=value.split(7), ridge=1e-12
    )
    assert slim.pruning.mending.refitted[0] == "conv"
    torch.testing.assert_close(outputs(slim, images(seed=2)), outputs(net, images(seed=2)))
    assert slim.training is net.training
    assert set(slim.state_dict()) == set(net.state_dict())


def test_the_layer_before_learns_the_sum_of_a_branch_that_goes():
    """Of a sum that loses its branch the stem learns all: x + conv(x) is linear in its input."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Linear(6, 4)
            self.branch = nn.Linear(4, 4)
            self.head = nn.Linear(4, 3)

        def forward(self, value):
            value = self.stem(value)
            return self.head(torch.tanh(value + self.branch(value)))

    torch.manual_seed(0)
    net, value = Net().double(), torch.randn(200, 6, dtype=torch.float64)
    slim = infoflow.prune(
        net, "branch->add", value[:2], mend="reader", calibrate=[value], ridge=1e-12
    )
    fresh = torch.randn(20, 6, dtype=torch.float64)
    torch.testing.assert_close(outputs(slim, fresh), outputs(net, fresh))


def test_projections_of_multihead_attention_are_refitted():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Linear(5, 8)
            self.mix = nn.Linear(8, 8)
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
            self.head = nn.Linear(8, 3)

        def forward(self, value):
            value = self.embed(value)
            value = value + torch.tanh(self.mix(value))
            found, _ = self.attention(value, value, value, need_weights=False)
            return self.head(value + found)

    torch.manual_seed(0)
    net, value = Net().double(), torch.randn(40, 6, 5, dtype=torch.float64)
    plain = infoflow.prune(net, "mix->add", value[:2])
    slim = infoflow.prune(net, "mix->add", value[:2], mend="cascade", calibrate=[value])
    refitted = slim.pruning.mending.refitted
    assert "attention.in_proj" in refitted
    assert "attention.out_proj" in refitted
    fresh = torch.randn(40, 6, 5, dtype=torch.float64)
    assert distance(slim, net, fresh) < 0.5 * distance(plain, net, fresh)


def test_functions_with_weights_are_refitted_as_modules_are():
    class Modules(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 5), nn.Linear(4, 3)
            self.c, self.d = nn.Linear(8, 6), nn.Linear(6, 2)

        def forward(self, value):
            joined = torch.cat([torch.relu(self.a(value)), torch.tanh(self.b(value))], 1)
            return self.d(torch.relu(self.c(joined)))

    class Functions(Modules):
        def forward(self, value):
            joined = torch.cat([torch.relu(self.a(value)), torch.tanh(self.b(value))], 1)
            joined = functional.linear(joined, self.c.weight, self.c.bias)
            return torch.addmm(self.d.bias, torch.relu(joined), self.d.weight.t())

    torch.manual_seed(0)
    one, value = Modules().double(), torch.randn(300, 4, dtype=torch.float64)
    other = Functions().double()
    other.load_state_dict(one.state_dict())
    slims = [
        infoflow.prune(
            net,
            infoflow.trace(net, value[:2]).skips[:1],
            value[:2],
            mend="cascade",
            calibrate=[value],
        )
        for net in (one, other)
    ]
    assert len(slims[1].pruning.mending.refitted) == 2
    for name, parameter in slims[0].named_parameters():
        torch.testing.assert_close(slims[1].get_parameter(name), parameter, msg=name)


# ------------------------------------------------------------------- the same, another way


def mended_by(net, value, batches, *, stream="3->17", budget=10**9, mender="cascade"):
    graph = infoflow.trace(net, value[:2])
    with ready(net):
        footprint = observe(graph.program, graph.source.example)
    slim = infoflow.pruning.rewrite._without(
        graph, infoflow.pruning.choice.removals(graph, stream), "auto", None
    )
    calibration = Calibration.of(Samples(batches, model=net))
    Mender(graph, footprint, calibration, budget=budget)(slim, mender)
    return slim


def test_a_budget_that_keeps_nothing_gives_the_same_net(unet):
    net, value = unet
    rich = mended_by(net, value, value.split(6))
    poor = mended_by(net, value, value.split(6), budget=600_000)
    for name, parameter in rich.named_parameters():
        torch.testing.assert_close(poor.get_parameter(name), parameter, rtol=0, atol=0, msg=name)


def test_other_batches_of_the_same_samples_give_the_same_net(unet):
    net, value = unet
    one, other = mended_by(net, value, [value]), mended_by(net, value, value.split(7))
    for name, parameter in one.named_parameters():
        torch.testing.assert_close(other.get_parameter(name), parameter, msg=name)


def test_chosen_rows_do_not_depend_on_batches():
    whole = choose_rows(1000, 0, 0.2, 3)
    parts = [choose_rows(250, start, 0.2, 3) + start for start in range(0, 1000, 250)]
    assert torch.equal(whole, torch.cat(parts))
    assert 150 < len(whole) < 250
    assert not torch.equal(whole, choose_rows(1000, 0, 0.2, 4))


def test_the_whole_net_is_left_as_it_was(unet):
    net, value = unet
    before = copy.deepcopy(net.state_dict())
    infoflow.prune(
        net,
        "3->17",
        value[:2],
        mend="auto",
        calibrate=list(torch.rand(80, 3, 16, 16).double().split(8)),
    )
    assert all(torch.equal(before[name], now) for name, now in net.state_dict().items())


def test_checkpoints_of_the_mended_net_load_into_the_plain_cut(unet):
    net, value = unet
    mended = infoflow.prune(net, "3->17", value[:2], mend="cascade", calibrate=[value])
    plain = infoflow.prune(net, "3->17", value[:2])
    plain.load_state_dict(mended.state_dict())
    torch.testing.assert_close(outputs(plain, value), outputs(mended, value))


# --------------------------------------------------------------------------------- auto


def test_auto_keeps_what_loses_least_on_samples_that_did_not_mend(unet):
    net, _ = unet
    value = torch.rand(80, 3, 16, 16, dtype=torch.float64)
    slim = infoflow.prune(net, "3->17", value[:2], mend="auto", calibrate=value.split(16), seed=3)
    mending = slim.pruning.mending
    assert set(mending.bits) == {"plain", "reader", "cascade"}
    assert mending.mender == min(mending.bits, key=mending.bits.get)
    assert (mending.samples, mending.choosing) == (60, 20)
    assert "divergence" in mending.measure
    assert mending.mender in str(slim.pruning)


def test_auto_uses_labels_where_there_are_some(unet):
    net, _ = unet
    value = torch.rand(80, 3, 16, 16, dtype=torch.float64)
    labels = (outputs(net, value) > 0.5).double()
    data = torch.utils.data.TensorDataset(value, labels)
    loader = torch.utils.data.DataLoader(data, batch_size=16)
    slim = infoflow.prune(net, "3->17", value[:2], mend="auto", calibrate=loader)
    assert "bits per pixel" in slim.pruning.mending.measure


def test_auto_keeps_the_plain_cut_where_mending_hurts():
    """Samples from elsewhere, all alike, teach nothing: the plain cut stays."""
    torch.manual_seed(0)
    value = images(80)
    net = settled(Residual(norm=False), value)
    nn.init.zeros_(net.conv.weight)  # the branch gives nothing but a constant of 0
    nn.init.zeros_(net.conv.bias)
    slim = infoflow.prune(net, "conv->add", value[:2], mend="auto", calibrate=[value])
    assert slim.pruning.mending.mender == "plain"
    torch.testing.assert_close(outputs(slim, value), outputs(net, value))


# -------------------------------------------------------------------------- what is said


def test_layers_that_are_used_twice_are_left_and_named():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)
            self.again, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, value):
            value = torch.relu(self.one(value)) + torch.relu(self.two(value))
            return self.head(torch.relu(self.again(torch.relu(self.again(value)))))

    net, value = Net(), torch.randn(100, 4)
    slim = infoflow.prune(net, "two->add", value[:2], mend="cascade", calibrate=[value])
    assert slim.pruning.mending.refitted == ("head",)
    assert slim.pruning.mending.left == (("again", "its weights are used more than once"),)
    assert "left as it is: again" in str(slim.pruning)


def test_regressions_beyond_the_budget_are_left_and_named(unet):
    net, value = unet
    slim = infoflow.prune(
        net, "3->17", value[:2], mend="cascade", calibrate=[value], memory_budget="100kB"
    )
    left = dict(slim.pruning.mending.left)
    assert "raise memory_budget" in left["decoder.2.2"]


def test_fewer_rows_than_unknowns_warn():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 20), nn.Linear(4, 20)
            self.head = nn.Linear(40, 2)

        def forward(self, value):
            return self.head(torch.cat([torch.relu(self.a(value)), torch.tanh(self.b(value))], 1))

    net, value = Net(), torch.randn(10, 4)
    skip = infoflow.trace(net, value[:2]).skips[0]
    with pytest.warns(PruningWarning, match="head was refitted with 10 positions for 20 unknowns"):
        infoflow.prune(net, skip, value[:2], mend="reader", calibrate=[value])


def test_values_that_are_not_finite_name_the_layer(unet):
    net, value = unet
    broken = value.clone()
    broken[3, 0, 0, 0] = torch.inf
    with pytest.raises(ActivationError, match=r"Layer decoder\.2\.0 reads or gives NaN"):
        infoflow.prune(net, "3->17", value[:2], mend="cascade", calibrate=[broken])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mend": "cascade"}, ArgumentError, "needs calibrate=, a loader"),
        ({"mend": "all"}, ArgumentError, "mend must be 'auto', 'reader', 'cascade' or None"),
        ({"calibrate": [torch.rand(4, 3, 16, 16)]}, ArgumentError, "but mend is None"),
        (
            {"mend": "reader", "calibrate": [torch.rand(4, 3, 32, 32).double()]},
            PruningError,
            "samples like the example",
        ),
        (
            {"mend": "auto", "calibrate": [torch.rand(20, 3, 16, 16).double()]},
            ArgumentError,
            "expected at least 64",
        ),
        (
            {"mend": "reader", "calibrate": [torch.rand(4, 3, 16, 16)], "ridge": -1},
            ArgumentError,
            "ridge must be a number of at least 0",
        ),
        (
            {"mend": "reader", "calibrate": [torch.rand(4, 3, 16, 16)], "reset": True},
            ArgumentError,
            "Pass one of both",
        ),
    ],
)
def test_wrong_arguments_get_a_sentence(unet, options, error, message):
    net, value = unet
    with pytest.raises(error, match=message):
        infoflow.prune(net, "3->17", value[:2], **options)


def test_prune_makes_the_very_net_that_ablate_judged():
    """The same loader, seed and mender: the loss that ablate reports is that of the net."""
    torch.manual_seed(0)
    value, fresh = images(96), images(192, seed=5)
    net = settled(Residual(), value)
    labels = outputs(net, fresh).argmax(1)
    held_out = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(fresh, labels), batch_size=32
    )
    calibrate = list(value.split(24))
    found = infoflow.ablate(
        net, held_out, calibrate=calibrate, mend="cascade", progress=False, sets=None
    )
    row = next(row for row in found.rows if row.skip.name == "stem->add")
    assert row.mender == "cascade"
    slim = infoflow.prune(net, "stem->add", value[:2], mend="cascade", calibrate=calibrate)
    judged = found.dataset.attrs
    assert slim.pruning.mending.fingerprint == judged["mending_fingerprint"]
    rows = [i for i, role in enumerate(found.dataset.role.values) if role == "judge"]
    losses = [
        functional.cross_entropy(outputs(one, fresh[rows]), labels[rows]) for one in (slim, net)
    ]
    bits = float(losses[0] - losses[1]) / torch.log(torch.tensor(2.0))
    assert float(bits) == pytest.approx(row.mended.value, abs=1e-9)
