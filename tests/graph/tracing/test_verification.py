"""What a graph's label says, and what it is based on."""

import warnings

import pytest
import torch
from torch import nn

import infoflow
from infoflow.interface import ActivationError, InfoflowError, PathWarning, UntraceableModelError


class Net(nn.Module):
    def __init__(self, forward):
        super().__init__()
        self.a, self.b = nn.Linear(6, 4), nn.Linear(4, 2)
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


def verification(forward, x=None):
    return infoflow.trace(Net(forward).eval(), torch.rand(3, 6) if x is None else x).verification


def test_exact():
    proof = verification(lambda m, x: m.b(m.a(x)))
    assert (proof.label, proof.tracer, proof.notes) == ("exact", "recorder", ())
    assert proof.checks == ("a sample of the example", "new input", "a batch of 2")
    assert str(proof).startswith(
        "exact (recorder, replayed on a sample of the example, new input, "
    )


def test_fixed_batch():
    proof = verification(lambda m, x: m.b(m.a(x).view(int(x.shape[0]), 4)))
    assert proof.label == "fixed batch"
    assert proof.checks == ("the example", "new input")


def test_fixed_shape_where_the_model_itself_takes_no_other_batch():
    proof = verification(lambda m, x: m.b(m.a(x).view(3, 4)))
    assert proof.label == "fixed shape"
    assert "the model itself takes no batch of 4" in proof.notes[-1]


@pytest.mark.parametrize(
    "forward",
    [
        lambda m, x: m.b(m.a(x)) if x.sum() > 0 else m.b(-m.a(x)),
        lambda m, x: m.b(m.a(x) * x.max().item()),
        lambda m, x: m.b(m.a(x)[: int(x.argmax() >= 0) + 2]),
        lambda m, x: m.b(torch.tensor(m.a(x).tolist())),
    ],
)
def test_this_input_only(forward):
    proof = verification(forward)
    assert proof.label == "this input only"
    assert "test_verification.py" in proof.notes[-1]


def test_a_read_that_changes_nothing_is_told_with_what_was_tried():
    def forward(m, x):
        if torch.isnan(x).any():
            raise ValueError("numbers are expected")
        return m.b(m.a(x))

    proof = verification(forward)
    assert proof.label == "this input only"
    assert proof.notes[-1].endswith("replays on other input that was tried agreed")


def test_shapes_that_depend_on_values_are_named():
    x = torch.tensor([[1.0, 0, 0, 0, 0, 0], [0, 1.0, 0, 0, 0, 0], [1.0, 1.0, 0, 0, 0, 0]])
    proof = verification(lambda m, x: m.b(m.a(x)[x[:, 0] > 0.9]).view(2, 2), x)
    assert proof.label == "this input only"
    where = "shapes depend on values of the input, at test_verification.py"
    assert proof.notes[-1].startswith(where)


def test_numbers_of_parameters_are_no_values_of_the_input():
    proof = verification(lambda m, x: m.b(m.a(x) * float(m.a.bias.detach().sum())))
    assert proof.label == "exact"


def test_numbers_of_tensors_that_are_made_from_shapes_are_no_values_of_the_input():
    def forward(m, x):
        h = m.a(x)
        return m.b(h) if torch.ones_like(h).all() and torch.ones(x.shape[0]).sum() > 0 else h

    assert verification(forward).label == "exact"


def test_vmap_is_one_call():
    proof = verification(lambda m, x: m.b(m.a(x) + torch.vmap(lambda row: row.sum())(x)[:, None]))
    assert proof.label == "exact"


def test_an_output_that_never_moves_is_proved_by_the_layers():
    """A head of zeros, as many have at the start, gives the same output for every input."""

    def forward(m, x):
        return m.b(m.a(x)) * 0.0

    proof = verification(forward)
    assert proof.label == "exact"
    assert "new input" in proof.checks


def test_outputs_without_a_row_per_sample_are_checked_one_by_one():
    proof = verification(lambda m, x: m.b(m.a(x)).sum())
    assert proof.label == "exact"
    assert proof.checks == ("the example", "new input", "a batch of 4")


def test_outputs_that_mix_samples_are_checked_one_by_one():
    def forward(m, x):
        h = m.a(x)
        return m.b(h - h.mean(0))

    assert verification(forward).label == "exact"


def test_random_numbers_are_told():
    graph = infoflow.trace(Net(lambda m, x: m.b(m.a(x) + torch.randn(len(x), 4))), torch.rand(3, 6))
    assert "draws random numbers" in graph.verification.notes[-1]
    assert not graph.unmeasurable


def test_what_was_done_to_the_model_is_told():
    net = Net(lambda m, x: m.b(m.a(x)))
    net.train()
    graph = infoflow.trace(nn.DataParallel(net), torch.rand(3, 6))
    assert graph.model == "Net"
    assert graph.verification.notes == (
        "the model inside DataParallel was traced",
        "the model was in training mode: traced in evaluation mode, and put back",
    )
    assert net.training
    assert all(module.training for module in net.modules())


def test_compiled_models_are_unwrapped():
    net = torch.compile(Net(lambda m, x: m.b(m.a(x))), backend="eager")
    graph = infoflow.trace(net, torch.rand(3, 6))
    assert len(graph) == 2
    assert "torch.compile" in graph.verification.notes[0]


def test_scripted_models_are_refused():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.script(nn.Linear(6, 4))
    with pytest.raises(UntraceableModelError, match=r"scripted by torch.jit"):
        infoflow.trace(scripted, torch.rand(2, 6))


def test_exported_programs_are_traced():
    exported = torch.export.export(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1)),
        (torch.rand(2, 3, 8, 8),),
    ).module()
    graph = infoflow.trace(exported, torch.rand(2, 3, 8, 8))
    assert [(layer.name, layer.kind) for layer in graph] == [("0", "conv2d"), ("2", "conv2d")]
    assert graph.verification.label == "fixed shape"


def test_nothing_is_verified_without_an_example():
    graph = infoflow.trace(nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2)))
    assert (graph.verification.label, graph.verification.tracer) == ("not verified", "symbolic")
    assert [layer.name for layer in graph] == ["0", "2"]
    assert graph.values(torch.rand(5, 6))["0"].shape == (5, 4)


def test_the_label_goes_through_a_file(tmp_path):
    net, x = Net(lambda m, x: m.b(m.a(x)) if x.sum() > 0 else m.b(x[:, :4])), torch.rand(8, 6)
    infoflow.analyze(net, [x], noise=9.0, progress=False).save(tmp_path / "result.nc")
    again = infoflow.load(tmp_path / "result.nc").graph
    assert again.verification.label == "this input only"


# --------------------------------------------------------------------------- watching


class TwoWays(nn.Module):
    """Takes one of two ways, by the first number of the batch."""

    def __init__(self, *, is_same_after=True):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 4), nn.Linear(4, 4), nn.Linear(4, 2)
        self.is_same_after = is_same_after

    def forward(self, x):
        h = self.a(x)
        if x[0, 0] > 0:
            h = self.b(h)
        return self.c(h)


def test_values_of_a_path_that_depends_on_values_are_those_of_the_model():
    net = TwoWays().eval()
    graph = infoflow.trace(net, torch.ones(3, 6))
    x = torch.rand(5, 6) + 0.1
    values = graph.values(x)
    torch.testing.assert_close(values["c"], net(x).detach())
    torch.testing.assert_close(values["b"], net.b(net.a(x)).detach())


def test_a_batch_that_takes_another_path_is_told():
    graph = infoflow.trace(TwoWays(), torch.ones(3, 6))
    from infoflow.graph.running.arguments import Arguments

    seen = []
    with pytest.warns(PathWarning, match="they part at the call in c"):
        graph.visit(Arguments((-torch.ones(3, 6),)), [graph["c"]], lambda *pair: seen.append(pair))
    assert len(seen) == 1
    with pytest.raises(ActivationError, match="1 of 3 layers were not computed, such as b"):
        graph.values(-torch.ones(3, 6))


def test_another_example_is_refused_by_an_exact_program():
    class Flagged(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(6, 4)

        def forward(self, x, flip=False):
            return self.a(x.flip(1)) if flip else self.a(x)

    graph = infoflow.trace(Flagged(), torch.rand(2, 6), {"flip": True})
    with pytest.raises(InfoflowError, match=r"with the tensors x and \{'flip': True\}"):
        graph.values(torch.rand(2, 6), flip=False)


def test_a_batch_that_the_model_refuses_is_told_with_its_own_error():
    graph = infoflow.trace(Net(lambda m, x: m.b(m.a(x).view(3, 4))), torch.rand(3, 6))
    with pytest.raises(InfoflowError, match=r"Net does not run on this batch, \(5, 6\) float32"):
        graph.values(torch.rand(5, 6))


def test_exported_programs_with_a_dynamic_batch_are_exact():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    dynamic = ({0: torch.export.Dim.DYNAMIC},)
    exported = torch.export.export(layer, (torch.rand(2, 5, 8),), dynamic_shapes=dynamic).module()
    graph = infoflow.trace(exported, torch.rand(2, 5, 8))
    assert graph.verification.label == "exact"
    assert [merge.kind for merge in graph.merges] == ["add", "add"]


@pytest.mark.parametrize("choice", ["typo", nn.LSTM])
def test_choices_that_match_nothing_are_refused(choice):
    net = nn.Sequential(nn.Linear(6, 4))
    with pytest.raises(ValueError, match=r"No module of Sequential is, or matches, .*(typo|LSTM)"):
        infoflow.trace(net, torch.rand(2, 6), leaves=[choice])
