"""A small sample of the zoo, with all its checks; the whole run is ``python -m tests.zoo``."""

import pytest
import torch
from torch import nn

from tests.zoo.checks import hooks, replay, trace
from tests.zoo.entry import Entry, Subject, uniform
from tests.zoo.examine import examine
from tests.zoo.library import find
from tests.zoo.records import read
from tests.zoo.table import agrees
from tests.zoo.witness import count_merges

MODULES = {"segmentation-models-pytorch": "segmentation_models_pytorch"}
SAMPLE = (
    "torchvision:mobilenet_v3_small",
    "torchvision:shufflenet_v2_x0_5",
    "timm:fasternet_t0",
    "timm:levit_128s",
    "timm:mobilevit_xxs",
    "segmentation-models-pytorch:Unet-resnet18",
    "segmentation-models-pytorch:UnetPlusPlus-resnet18",
    "monai:AttentionUnet",
    "monai:DynUNet-3",
    "transformers:bert",
    "transformers:gpt2",
    "transformers:t5",
    "transformers:whisper",
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("key", SAMPLE)
def test_real_model(key):
    library = key.partition(":")[0]
    pytest.importorskip(MODULES.get(library, library))
    record = {}
    for part in examine(find(key), analyze=False, timing=False):
        record.update(part)
    assert record["status"] == "traced", record
    assert record["label"] == "exact", record["notes"]
    assert set(record["replay"].values()) == {"ok"}, record["replay"]
    assert record["hooks"]["compared"] > 0
    assert record["hooks"]["different"] == record["hooks"]["missed"] == []
    assert agrees(record), record["witness"]


class Branches(nn.Module):
    """One of each: a gate, a bundle read twice, a write into a canvas, attention, a look-alike."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.third = nn.Conv2d(8, 4, 1)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.position = nn.Parameter(torch.rand(1, 4, 1, 1))

    def forward(self, x):
        one = self.first(x) + self.position
        two = self.second(one)
        both = torch.cat([one, two], 1)
        gated = self.third(both) * torch.sigmoid(two)
        canvas = torch.zeros_like(both)
        canvas[:, :4], canvas[:, 4:] = gated, one
        tokens = self.third(canvas).flatten(2).mT
        words = two.flatten(2).mT
        return self.attention(tokens, words, words, need_weights=False)[0]


def test_witness_counts_what_the_module_says():
    counted = count_merges(Branches().eval(), (torch.rand(2, 3, 8, 8),), {})
    assert counted == {"concat": 1, "mul": 1, "index write": 1, "attention": 1}


def test_checks_see_a_program_of_another_model():
    subject, other = (Subject(Branches().eval(), uniform(3, 8, 8)) for _ in range(2))
    graph, record = trace(subject)
    assert record["label"] == "exact"
    assert set(replay(subject, graph)["replay"].values()) == {"ok"}
    assert hooks(subject, graph)["hooks"]["different"] == []
    assert "ok" not in replay(other, graph)["replay"].values()
    assert hooks(other, graph)["hooks"]["different"] == ["attention", "first", "second", "third"]


def test_a_model_that_does_not_run_is_no_failure_of_ours():
    entry = Entry("none", "none", "none", lambda: nn.Linear(3, 3), lambda model: [uniform(4)])
    *_, record = examine(entry, analyze=False, timing=False)
    assert record["status"] == "cannot run"
    assert "does not run: RuntimeError" in record["reason"]


def test_records_survive_a_line_that_was_cut_short(tmp_path):
    path = tmp_path / "zoo.jsonl"
    path.write_text('{"key": "a", "n": 1}\n{"key": "a", "n": 2}\n{"key": "b", "n"')
    assert read(path) == {"a": {"key": "a", "n": 2}}
