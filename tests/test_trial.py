"""The trial of a user's own network when its study is read, and trainings of accepted ones."""

import json
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from laboratory import RECIPE, Laboratory, own_modules
from torch import nn
from torch.nn import functional as F

from transferability.__main__ import main
from transferability.images import class_splits, store
from transferability.models import custom, trial
from transferability.records import fingerprint
from transferability.storage import checkpoint
from transferability.study import config
from transferability.study.design import StudyError

START = """
import random
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

class First(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.draw()
    def draw(self): pass
    def mix(self, x): return x
    def forward(self, x): return self.mix(torch.relu(self.conv(x)))

class Head(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.fc = nn.Linear(8, classes)
    def forward(self, x): return self.fc(x.mean((2, 3)))

def build(image_size, classes):
    return [("first", First()), ("head", Head(classes))]
"""
WIRED = """
class First(First):
    def draw(self): {}
    def mix(self, x): return x[:, self.wiring] * torch.arange(8.0)[:, None, None]
"""


def layers(first: str, head: str = "Head(classes)") -> str:
    return f"""
def build(image_size, classes):
    return [("first", {first}), ("head", {head})]
"""


def mixing(code: str) -> str:
    """A first layer that applies this expression to its output x."""
    return f"class First(First):\n    def mix(self, x): return {code}\n"


REFUSED = {
    "1000 classes": (layers("First()", "Head(1000)"), ["head, the last", "2×1000", "2×3"]),
    "one output": (layers("First()", "Head(1)"), ["head, the last, gives 2×1 "]),
    "an output for each pixel": (layers("First()", "nn.Conv2d(8, classes, 1)"), ["2×3×8×8"]),
    "a tuple at the end": (
        "class Head(Head):\n    def forward(self, x): return x.mean(), x",
        ["layer head gives a tuple", "one float tensor"],
    ),
    "a tuple inside": (
        layers("nn.Sequential(nn.Flatten(2), nn.Flatten(1), nn.LSTM(192, 8))"),
        ["layer first gives a tuple"],
    ),
    "whole numbers": (mixing("x.argmax(1)"), ["layer first gives torch.int64"]),
    "half precision": (
        layers("First().half()", "Head(classes).half()"),
        ["conv.weight", "float16"],
    ),
    "double precision": (layers("First()", "Head(classes).double()"), ["fc.weight", "float64"]),
    "state that is no tensor": (
        "class First(First):\n"
        "    def get_extra_state(self): return {'scale': 3}\n"
        "    def set_extra_state(self, state): pass\n",
        ["layer first", "_extra_state", "dict"],
    ),
    **{
        f"drawn by {drawn}": (
            WIRED.format(f"self.wiring = {drawn}"),
            ["layer first: it contains a value", "differs each time", "register_buffer"],
        )
        for drawn in (
            *("torch.randperm(8)", "np.random.permutation(8)", "random.sample(range(8), 8)"),
            "np.random.default_rng().permutation(8)",
        )
    },
    "a buffer that is not saved": (
        WIRED.format("self.register_buffer('wiring', torch.randperm(8), persistent=False)"),
        ["layer first: it contains a value"],
    ),
    "layers that do not fit": (layers("First()", "nn.Linear(7, classes)"), ["layer head", "8×8×8"]),
    "nothing learns": (
        layers("First().requires_grad_(False)", "Head(classes).requires_grad_(False)"),
        ["it cannot be trained"],
    ),
    "what a gradient needs is overwritten": (
        mixing("x.sigmoid().mul_(2).exp_().mul_(x)"),
        ["it cannot be trained", "inplace"],
    ),
    "a buffer of two layers": (
        "def build(image_size, classes):\n"
        "    norm = nn.BatchNorm2d(8, affine=False)\n"
        "    first, second = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)\n"
        "    return [('first', nn.Sequential(first, norm)),\n"
        "            ('second', nn.Sequential(second, norm)), ('head', Head(classes))]\n",
        ["first and second share a tensor"],
    ),
    "another name each time": (
        "def build(image_size, classes):\n"
        "    return [(f'first{random.randrange(10**9)}', First()), ('head', Head(classes))]\n",
        ["when it is built again"],
    ),
}

TRAINED = {
    "a module that is used twice": """
def build(image_size, classes):
    step = nn.Conv2d(8, 8, 3, padding=1)
    return [("first", First()), ("loop", nn.Sequential(step, nn.ReLU(), step, nn.ReLU())),
            ("head", Head(classes))]
""",
    "weights of five dimensions": """
class Video(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(1, 4, 3, padding=1)
    def forward(self, x): return self.conv(x[:, None]).flatten(1, 2)

def build(image_size, classes):
    conv = nn.Sequential(nn.Conv2d(12, 8, 3), nn.ReLU())
    return [("video", Video()), ("conv", conv), ("head", Head(classes))]
""",
    "lazy modules": layers(
        "nn.Sequential(nn.LazyConv2d(8, 3), nn.LazyBatchNorm2d(), nn.ReLU())",
        "nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))",
    ),
    "wiring in a buffer": WIRED.format("self.register_buffer('wiring', torch.randperm(8))"),
    "a tensor as further state": """
class First(First):
    def get_extra_state(self): return torch.ones(3)
    def set_extra_state(self, state): pass
""",
    "an activation in place above the cut": layers(
        "nn.Conv2d(3, 8, 3)", "nn.Sequential(nn.LeakyReLU(0.1, inplace=True), Head(classes))"
    ),
    "addition in place above the cut": """
class Head(Head):
    def forward(self, x): return super().forward(x.add_(0.5).abs_())

def build(image_size, classes):
    return [("first", nn.Conv2d(3, 8, 3)), ("head", Head(classes))]
""",
    "normalisation by the batch": layers(
        "nn.Sequential(First(), nn.BatchNorm2d(8, track_running_stats=False))"
    ),
    "dropout that is always on": mixing("F.dropout(x, 0.5)"),
}


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A function that writes my_network.py in the folder of the run."""
    return lambda text: own_modules(tmp_path, monkeypatch, my_network=START + text)


@pytest.mark.parametrize(("text", "words"), REFUSED.values(), ids=REFUSED)
def test_unsuitable_networks_are_refused_before_anything_runs(module, text, words):
    module(text)
    with pytest.raises(StudyError) as caught:
        config.complete({"dataset": {"source": "digits"}, "architecture": "my_network:build"})
    assert str(caught.value).startswith("architecture.build: my_network:build")
    assert not [word for word in words if word not in str(caught.value)]


def test_a_network_is_tried_once_for_its_code_settings_and_size(module, tmp_path, monkeypatch):
    """Code that the function imports only when it is called counts too."""
    tried = []
    check = trial.check
    monkeypatch.setattr(trial, "check", lambda *given: tried.append(1) or check(*given))

    def trials(size: int = 8, width: int = 8) -> int:
        tried.clear()
        settings = {"name": "custom", "build": "my_network:build", "arguments": {"width": width}}
        for name in ("my_network", "my_width"):
            sys.modules.pop(name, None)
        assert custom.info(settings, size).layer_names == ("first", "head")
        return len(tried)

    text = """
def build(image_size, classes, width):
    import my_width
    return [("first", First()), ("head", Head(classes))]
"""
    own_modules(tmp_path, monkeypatch, my_width="WIDTH = 8\n")
    module(text)
    assert [trials(), trials(), trials(size=9), trials(width=9), trials()] == [1, 0, 1, 1, 0]
    (tmp_path / "my_width.py").write_text("WIDTH = 16\n")
    assert [trials(), trials()] == [1, 0]
    module(text.replace("return", "assert classes; return"))
    assert [trials(), trials()] == [1, 0]
    for left in (tmp_path / custom.TRIED).iterdir():
        left.write_text("{")
    assert [trials(), trials()] == [1, 0]


def trained(laboratory: Laboratory, name: str, *base: str) -> dict:
    """The metrics of a network that the command trains."""
    architecture = {"name": "custom", "build": "my_network:build", "arguments": {}}
    study = laboratory.study(architecture, RECIPE, keep_weights="all")
    words = ["train", "--study", study, "--split", "random0", "--seed", 0, "--network", name]
    words += ["--images", laboratory.images, "--to", name, *base]
    assert main([str(word) for word in words]) == 0
    return json.loads(Path(name, "metrics.json").read_text())


@pytest.mark.parametrize("text", TRAINED.values(), ids=TRAINED)
def test_saved_weights_give_the_metrics_of_the_training(module, laboratory, text):
    """They are evaluated plainly, with the user's module alone."""
    module(text)
    config.complete({"dataset": {"source": "digits"}, "architecture": "my_network:build"})
    trained(laboratory, "baseA")
    metrics = trained(laboratory, "A1B", "--base", "baseA/weights.safetensors")
    code = fingerprint.training_fingerprint("custom", "my_network:build")
    assert metrics["identity"]["code"] == code
    weights, _, _ = checkpoint.load("A1B/weights.safetensors")
    base, _, _ = checkpoint.load("baseA/weights.safetensors")
    first = sys.modules["my_network"].build(8, 5)[0][0]
    for key in weights:
        if key.startswith(f"{first}."):
            assert torch.equal(weights[key], base[key]), key
    opened = store.open_store(laboratory.images)
    halves = class_splits.read(laboratory.split, opened.classes)
    half = halves["B"]
    network = nn.Sequential(OrderedDict(sys.modules["my_network"].build(8, len(half))))
    if "Lazy" in text:
        network.eval()(torch.zeros(2, 3, 8, 8))
    network.load_state_dict(weights)
    # Copied layers get images that are normalised as in their own training.
    learned = opened.train_images[np.isin(opened.train_labels, halves["A"])].astype(np.float64)
    chosen = np.isin(opened.validation_labels, half)
    images = opened.validation_images[chosen] - learned.mean((0, 1, 2))
    inputs = torch.from_numpy(images / learned.std((0, 1, 2))).float().permute(0, 3, 1, 2)
    labels = torch.from_numpy(np.searchsorted(half, opened.validation_labels[chosen]))
    torch.manual_seed(0)
    with torch.no_grad():
        logits = network.eval()(inputs)
    # The two differ a little by random numbers, or by the other images of a batch.
    by_image = "F.dropout" not in text and "track" not in text
    assert metrics["shuffled_validation"] == (not by_image)
    loss, top1 = F.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).float().mean()
    assert metrics["loss"] == pytest.approx(loss, rel=1e-3 if by_image else 0.2)
    assert metrics["top1"] == pytest.approx(top1.item(), abs=0.005 if by_image else 0.1)
