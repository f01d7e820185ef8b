"""Multiply-adds of every family of operations, against numbers that were worked out by hand."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import swin_transformer

import infoflow
from infoflow.graph.operations.counter import multiply_adds_of

N, C, H, W, T, D = 2, 4, 6, 5, 7, 8


def cost(function, *args, **kwargs):
    """Return the multiply-adds of one call of a function or a module."""
    module = function if isinstance(function, nn.Module) else None
    with torch.no_grad():
        return multiply_adds_of(
            lambda: function(*args, **kwargs), function, module, (args, kwargs)
        )[0]


def grouped(one, other):
    """Stand in for ``torch._grouped_mm``, which not every processor has: two groups and a rest."""
    ends = torch.tensor([2, 3, one.shape[0] if other.ndim == 3 else T])
    rows = [slice(0, 2), slice(2, 3), slice(3, int(ends[-1]))]
    if other.ndim == 3:
        return torch.cat([one[r] @ o for r, o in zip(rows, other, strict=True)])
    return torch.stack([one[:, r] @ other[r] for r in rows])


grouped.__name__, grouped.__module__ = "grouped_mm", "torch.nn.functional"
maps, tokens = torch.rand(N, C, H, W), torch.rand(N, T, D)
heads = torch.rand(N, 2, T, D)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        # convolutions: outputs · inputs a group · kernel
        (lambda: cost(nn.Conv2d(C, 6, 3, padding=1), maps), N * 6 * H * W * C * 9),
        (lambda: cost(nn.Conv2d(C, 8, 3, groups=4), maps), N * 8 * 4 * 3 * 1 * 9),
        (lambda: cost(nn.Conv2d(C, 6, 3, stride=2), maps), N * 6 * 2 * 2 * C * 9),
        (lambda: cost(nn.Conv2d(C, 6, 1), maps[0]), 6 * H * W * C),
        (lambda: cost(nn.Conv1d(C, 6, 3), maps[..., 0]), N * 6 * 4 * C * 3),
        (lambda: cost(nn.Conv3d(1, 2, 3), maps[:, None]), N * 2 * 2 * 4 * 3 * 27),
        (lambda: cost(nn.ConvTranspose2d(C, 6, 2, 2), maps), N * C * H * W * 6 * 4),
        (lambda: cost(nn.ConvTranspose2d(C, 6, 2, 2, groups=2), maps), N * C * H * W * 3 * 4),
        (lambda: cost(F.conv2d, maps, torch.rand(6, C, 3, 3)), N * 6 * 4 * 3 * C * 9),
        (lambda: cost(F.conv_transpose2d, maps, torch.rand(C, 6, 2, 2)), N * C * H * W * 24),
        (
            lambda: cost(torch.conv_tbc, torch.rand(T, N, D), torch.rand(3, D, 6), torch.rand(6)),
            (T - 2) * N * 6 * 3 * D,
        ),
        # linear maps and products of matrices
        (lambda: cost(nn.Linear(D, 3), tokens), N * T * D * 3),
        (lambda: cost(F.linear, tokens, torch.rand(3, D)), N * T * D * 3),
        (lambda: cost(nn.Bilinear(D, D, 3), tokens, tokens), N * T * 3 * (D + 1) * D),
        (lambda: cost(F.bilinear, tokens, tokens, torch.rand(3, D, D)), N * T * 3 * (D + 1) * D),
        (lambda: cost(torch.matmul, tokens, tokens.mT), N * T * T * D),
        (lambda: cost(torch.matmul, tokens, torch.rand(D)), N * T * D),
        (lambda: cost(torch.bmm, tokens, tokens.mT), N * T * T * D),
        (lambda: cost(torch.mm, tokens[0], tokens[0].T), T * T * D),
        (lambda: cost(torch.mv, tokens[0], torch.rand(D)), T * D),
        (lambda: cost(torch.addmm, torch.rand(T, T), tokens[0], tokens[0].T), T * T * D),
        (lambda: cost(torch.addmv, torch.rand(T), tokens[0], torch.rand(D)), T * D),
        (lambda: cost(torch.baddbmm, torch.rand(N, T, T), tokens, tokens.mT), N * T * T * D),
        (lambda: cost(torch.addbmm, torch.rand(T, T), tokens, tokens.mT), N * T * T * D),
        (lambda: cost(torch.dot, torch.rand(D), torch.rand(D)), D),
        (lambda: cost(torch.inner, tokens, tokens[0]), N * T * T * D),
        (lambda: cost(torch.linalg.vecdot, tokens, tokens), N * T * D),
        (lambda: cost(torch.tensordot, tokens, tokens, ([2], [2])), N * T * N * T * D),
        (lambda: cost(torch.linalg.multi_dot, [tokens[0], tokens[0].T, tokens[0]]), 2 * T * T * D),
        (lambda: cost(torch.cdist, tokens, tokens), N * T * T * D),
        (
            lambda: cost(torch.linalg.solve_triangular, torch.eye(D), torch.rand(D, 3), upper=True),
            3 * D * (D - 1) // 2,
        ),
        (lambda: cost(grouped, torch.rand(T, D), torch.rand(3, D, 4)), T * D * 4),
        (lambda: cost(grouped, torch.rand(4, T), torch.rand(T, 3)), 4 * T * 3),
        # Einstein's sums
        (lambda: cost(torch.einsum, "ntd,nsd->nts", tokens, tokens), N * T * T * D),
        (lambda: cost(torch.einsum, "ntd,kd->ntk", tokens, torch.rand(3, D)), N * T * D * 3),
        (lambda: cost(torch.einsum, "ntd,ntd->ntd", tokens, tokens), 0),
        # attention: both products for each head
        (lambda: cost(F.scaled_dot_product_attention, heads, heads, heads), N * 2 * T * T * 2 * D),
        (
            lambda: cost(
                F.scaled_dot_product_attention,
                *(heads, heads[:, :1, :3], heads[:, :1, :3, :5]),
                enable_gqa=True,
            ),
            N * 2 * T * 3 * (D + 5),
        ),
        # recurrent layers: each weight once a sample and step
        (lambda: cost(nn.LSTM(D, 3, batch_first=True), tokens), N * T * 4 * 3 * (D + 3)),
        (lambda: cost(nn.GRU(D, 3, 2), tokens), N * T * 3 * 3 * (D + 3 + 3 + 3)),
        (lambda: cost(nn.RNN(D, 3, bidirectional=True), tokens), N * T * 2 * 3 * (D + 3)),
        (lambda: cost(nn.LSTMCell(D, 3), tokens[:, 0]), N * 4 * 3 * (D + 3)),
        (lambda: cost(nn.GRUCell(D, 3), tokens[0]), T * 3 * 3 * (D + 3)),
        (lambda: cost(nn.RNNCell(D, 3), tokens[0]), T * 3 * (D + 3)),
        # tables, norms, activations, pooling: no products
        (lambda: cost(nn.Embedding(9, D), torch.zeros(N, T, dtype=torch.int64)), 0),
        (lambda: cost(nn.EmbeddingBag(9, D), torch.zeros(N, T, dtype=torch.int64)), 0),
        (lambda: cost(nn.BatchNorm2d(C).eval(), maps), 0),
        (lambda: cost(nn.LayerNorm(D), tokens), 0),
        (lambda: cost(nn.GELU(), tokens), 0),
        (lambda: cost(nn.AvgPool2d(2), maps), 0),
        (lambda: cost(F.interpolate, maps, scale_factor=2), 0),
        (lambda: cost(torch.cat, [tokens, tokens]), 0),
        (lambda: cost(torch.cumsum, tokens, 1), 0),
        (lambda: cost(torch.topk, tokens, 2), 0),
        (lambda: cost(F.affine_grid, torch.rand(N, 2, 3), [N, C, H, W], False), N * H * W * 6),
    ],
)
def test_closed_forms(call, expected):
    assert call() == expected


def test_flexible_attention_costs_its_products():
    """It is a higher-order operation, which a mode that counts must let through."""
    from torch.nn.attention.flex_attention import flex_attention

    class Attends(nn.Module):
        def __init__(self):
            super().__init__()
            self.q, self.k, self.v = nn.Linear(D, 4), nn.Linear(D, 4), nn.Linear(D, 4)

        def forward(self, x):
            layers = (self.q, self.k, self.v)
            parts = (layer(x).view(len(x), T, 2, 2).transpose(1, 2) for layer in layers)
            return flex_attention(*parts).transpose(1, 2).flatten(2)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells that it is slow where nothing compiles it
        graph = infoflow.trace(Attends(), torch.rand(N, T, D))
    assert [layer.multiply_adds for layer in graph][-1] == 2 * T * T * 4
    assert len(graph.merges) == 1


@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_a_recurrent_layer_with_projections_costs_them_too():
    layer = nn.LSTM(D, 5, proj_size=2)
    assert cost(layer, tokens) == N * T * (4 * 5 * (D + 2) + 2 * 5)


def test_packed_sequences_cost_the_steps_that_they_have():
    layer = nn.LSTM(D, 3, batch_first=True)
    packed = nn.utils.rnn.pack_padded_sequence(tokens, [T, 2], batch_first=True)
    assert cost(layer, packed) == (T + 2) * 4 * 3 * (D + 3)


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_multi_head_attention(need_weights, batch_first):
    """Four projections of every token, and two products of tokens with tokens."""
    layer = nn.MultiheadAttention(D, 2, batch_first=batch_first)
    x = tokens if batch_first else tokens.transpose(0, 1)
    right = N * (4 * T * D * D + 2 * T * T * D)
    assert cost(layer, x, x, x, need_weights=need_weights) == right
    assert cost(
        layer, x[0] if batch_first else x[:, 0], *2 * [x[0] if batch_first else x[:, 0]]
    ) == (right // N)


def test_multi_head_attention_over_other_keys_that_it_adds_to():
    layer = nn.MultiheadAttention(
        D, 2, kdim=3, vdim=5, add_bias_kv=True, add_zero_attn=True, batch_first=True
    )
    keys, values = torch.rand(N, 4, 3), torch.rand(N, 4, 5)
    right = N * (2 * T * D * D + 4 * D * (3 + 5) + 2 * T * (4 + 2) * D)
    assert cost(layer, tokens, keys, values) == right
    x = tokens.transpose(0, 1)
    weights = (torch.rand(3 * D, D), torch.rand(3 * D))
    found = cost(
        F.multi_head_attention_forward,
        *(x, x, x, D, 2, *weights, None, None, True, 0.0, torch.rand(D, D), torch.rand(D)),
    )
    assert found == N * (4 * T * D * D + 2 * T * (T + 1) * D)


def counted_by_torch(function, *args):
    """Count with attention computed by products of matrices, which torch's counter knows."""
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        function(*args)
    return counter.get_total_flops() // 2


@pytest.mark.parametrize("shape", [(N, 8, 8, D), (1, 7, 9, D)])
def test_attention_in_windows_of_torchvision(shape):
    """An independent count: torch's own, of what is computed inside."""
    x = torch.rand(shape)
    args = (torch.rand(3 * D, D), torch.rand(D, D), torch.rand(1, 2, 16, 16), [4, 4], 2, [2, 2])
    found = cost(swin_transformer.shifted_window_attention, x, *args)
    assert found == counted_by_torch(swin_transformer.shifted_window_attention, x, *args)
    assert found > 0


def test_deformable_convolution():
    offsets, mask = torch.zeros(N, 18, 4, 3), torch.ones(N, 9, 4, 3)
    args = (maps, torch.rand(6, 2, 3, 3), offsets, mask, torch.rand(6), *(1, 1, 0, 0, 1, 1))
    found = cost(torch.ops.torchvision.deform_conv2d, *args, 2, 1, True)
    assert found == N * 6 * 4 * 3 * 2 * 9


@pytest.mark.parametrize(
    "function",
    [
        lambda: cost(torch.fft.fft2, maps),
        lambda: cost(torch.fft.irfftn, maps),
        lambda: cost(torch.stft, torch.rand(64), 16, window=torch.ones(16), return_complex=True),
        lambda: cost(torch.linalg.svd, tokens),
        lambda: cost(torch.linalg.solve, torch.eye(D), tokens[0].T),
        lambda: cost(torch.linalg.inv, torch.eye(D)),
        lambda: cost(nn.CTCLoss(), tokens.log_softmax(2), torch.ones(T, 2, dtype=torch.int64),
                     torch.full((T,), N), torch.full((T,), 1)),
    ],
)  # fmt: skip
def test_what_has_no_formula_is_not_known_and_no_zero(function):
    assert function() is None


class Own(nn.Module):
    """Two products, one elementwise operation and one transform, if asked for."""

    def __init__(self, has_transform):
        super().__init__()
        self.linear = nn.Linear(D, D)
        self.has_transform = has_transform

    def forward(self, x):
        x = self.linear(x).relu() @ torch.ones(D)
        return torch.fft.fft(x).real if self.has_transform else x


class Whole(nn.Module):
    """What a caller keeps whole, so that only torch's inner functions are seen."""

    def __init__(self, inside):
        super().__init__()
        self.inside = inside

    def forward(self, *args):
        return self.inside(*args)


@pytest.mark.parametrize(
    ("inside", "args"),
    [
        (nn.LSTM(D, 3, 2, batch_first=True, bidirectional=True), (tokens,)),
        (nn.GRU(D, 3), (tokens,)),
        (nn.RNN(D, 3, nonlinearity="relu"), (tokens,)),
        (nn.LSTMCell(D, 3), (tokens[0],)),
        (nn.MultiheadAttention(D, 2).eval(), (tokens, tokens, tokens)),
        (F.scaled_dot_product_attention, (heads, heads, heads)),
        (nn.Bilinear(D, D, 3), (tokens, tokens)),
        (nn.Conv2d(C, 6, 3, groups=2), (maps,)),
        (nn.ConvTranspose2d(C, 6, 3), (maps,)),
        (torch.cdist, (tokens, tokens)),
        (torch.mv, (tokens[0], tokens[0, 0])),
        (nn.EmbeddingBag(9, 3, max_norm=1.0), (torch.zeros(N, T, dtype=torch.int64),)),
        (nn.InstanceNorm2d(C), (maps,)),
        (nn.Upsample(scale_factor=2, mode="bicubic"), (maps,)),
        (nn.LogSigmoid(), (maps,)),
        (nn.MaxPool3d(2), (maps[None],)),
        (torch.fft.fft, (tokens,)),
    ],
)
def test_what_is_seen_inside_costs_what_the_formula_says(inside, args):
    assert cost(Whole(inside), *args) == cost(inside, *args)


def test_a_fused_encoder_costs_what_its_parts_do():
    layer = nn.TransformerEncoderLayer(D, 2, 6, batch_first=True).eval()
    right = N * T * (4 * D * D + 2 * D * 6 + 2 * T * D)
    with torch.no_grad():
        assert cost(Whole(layer), tokens) == right
        was = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            assert cost(Whole(layer), tokens) == right
        finally:
            torch.backends.mha.set_fastpath_enabled(was)


def test_a_scripted_module_costs_what_is_computed_inside():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.script(nn.Sequential(nn.Linear(D, 3), nn.ReLU(), nn.Linear(3, D)))
    assert cost(scripted, tokens) == N * T * 2 * 3 * D


def test_a_module_kept_whole_costs_what_is_computed_inside():
    assert cost(Own(False), tokens) == N * T * D * D + N * T * D
    assert cost(Own(True), tokens) is None


class Twice(nn.Conv2d):
    """A convolution that does more than its class's name says."""

    def forward(self, x):
        return super().forward(super().forward(x))


class Transformed(nn.Linear):
    def forward(self, x):
        return super().forward(torch.fft.fft(x).real)


def test_a_subclass_with_a_forward_of_its_own_is_not_counted_as_its_parent():
    assert cost(Twice(C, C, 1), maps) == 2 * N * C * C * H * W
    assert cost(Transformed(D, 3), tokens) is None
    patched = nn.Linear(D, 3)
    patched.forward = lambda x: nn.Linear.forward(patched, x[:1])
    assert cost(patched, tokens) == T * D * 3


def linear(x, weight):
    """Somebody's function of the name of one of torch's."""
    return torch.fft.fft(x).real @ weight.T


def test_a_function_of_somebody_s_is_not_taken_for_torch_s_of_the_same_name():
    assert cost(linear, tokens, torch.rand(3, D)) is None


@torch.library.custom_op("infoflow_test_costs::mul", mutates_args=())
def opaque_mul(x: torch.Tensor) -> torch.Tensor:
    return torch.fft.fft(x).real.contiguous()


def test_a_custom_operation_that_nobody_knows_has_no_known_cost():
    assert cost(torch.ops.infoflow_test_costs.mul.default, tokens) is None


def test_functions_of_recurrent_layers_have_their_state_before_their_weights():
    lstm = nn.LSTM(D, 3, 2, bidirectional=True)
    state = [torch.zeros(4, T, 3), torch.zeros(4, T, 3)]
    options = (True, 2, 0.0, False, True, False)
    right = N * T * 2 * 4 * 3 * ((D + 3) + (6 + 3))
    assert cost(lstm, tokens) == right
    assert cost(torch.lstm, tokens, state, list(lstm.parameters()), *options) == right
    cell = nn.LSTMCell(D, 3)
    weights = [parameter.detach() for parameter in cell.parameters()]
    once = (tokens[0], [torch.zeros(T, 3)] * 2, *weights)
    assert cost(torch.lstm_cell, *once) == cost(cell, tokens[0]) == T * 4 * 3 * (D + 3)


def test_parametrized_weights_are_not_computed_to_count():
    layer = nn.utils.parametrizations.spectral_norm(nn.Conv2d(C, 6, 3))
    assert cost(layer, maps) == N * 6 * 4 * 3 * C * 9


@pytest.mark.thorough
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_transformers_cost_the_same_however_they_attend(attention):
    """Eager attention writes the products out; the other calls one function."""
    transformers = pytest.importorskip("transformers")

    config = transformers.BertConfig(
        vocab_size=11,
        hidden_size=D,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=6,
        attn_implementation=attention,
    )
    model = transformers.BertModel(config, add_pooling_layer=False).eval()
    x = torch.randint(0, 11, (N, T))
    graph = infoflow.trace(model, (x,))
    block = 4 * T * D * D + 2 * T * T * D + 2 * T * D * 6
    assert sum(layer.multiply_adds for layer in graph) == block
