"""studies/paper.yaml is the experiment of 2014: it contains all published networks."""

import csv

import pytest
from project import ROOT, Project

from transferability.study import config, design
from transferability.study.networks import base_name, parse_name
from transferability.training.optim import learning_rate

PUBLISHED = ROOT / "workflow" / "resources" / "yosinski2014" / "networks.csv"
ALL_CLASSES = "all1000"
MOST_OF_A_CLASS = 750


@pytest.fixture(scope="module")
def paper() -> dict:
    return config.read(ROOT / "studies" / "paper.yaml")


@pytest.fixture(scope="module")
def trained(paper) -> set[tuple[str, str]]:
    """(split, network) of all networks that the study trains."""
    names = paper.network_names
    everything = {(*replicate, name) for replicate in paper.replicates for name in names}
    left = everything - set(paper.omitted)
    return {(split, name) for split, _, name in left}


def published() -> list[dict]:
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def recipe_of(paper: dict, split: str, name: str) -> dict:
    (seed,) = paper["seeds"]
    return paper.recipe_of(split, seed, name)


def test_every_published_network_of_a_half_is_trained_as_long(paper, trained):
    halves = [row for row in published() if row["split"] != ALL_CLASSES]
    assert len(halves) == 150
    for row in halves:
        network = (row["split"], row["network"])
        assert network in trained, network
        assert recipe_of(paper, *network)["iterations"] == int(row["iterations"] or 450_000)


def test_the_published_networks_of_few_images_have_their_sizes_and_recipe(paper, trained):
    reduced = [row for row in published() if row["target_size"] != "all"]
    sizes = {int(row["target_size"]) for row in reduced}
    few = {size for size in sizes if size <= MOST_OF_A_CLASS}
    assert {*few, "all"} == set(paper["target_sizes"])
    iterations = {int(row["iterations"]) for row in reduced}
    for size in few:
        base = base_name("B", str(size))
        for split in paper["splits"]["published"]:
            assert (split, base) in trained
            recipe = recipe_of(paper, split, base)
            assert {recipe["iterations"]} == iterations
            assert recipe["learning_rate"] == 0.0125


def test_random_features_of_every_n_are_trained_beside_the_others(paper, trained):
    random = [row for row in published() if row["kind"] == "random"]
    for row in random:
        for split in paper["splits"]["published"]:
            for target in "AB":
                assert (split, row["network"] + target) in trained


def test_networks_of_the_data_size_figure_are_trained(paper, trained):
    few = [size for size in paper["target_sizes"] if size != "all"]
    of_size = {str(size): set() for size in few}
    for split, name in trained:
        network = parse_name(name)
        if network.target_size != "all" and split == "random0":
            of_size[network.target_size].add((network.kind, network.fine_tuned, network.n))
    frozen_or_not = [(kind, plus) for kind in ("selffer", "transfer") for plus in (False, True)]
    expected = {(*treatment, n) for treatment in frozen_or_not for n in (1, 3, 5, 7)}
    expected |= {("base", False, 0), ("selffer", False, 0)}
    for size, networks in of_size.items():
        assert networks == expected, size


def test_the_recipe_is_the_papers(paper):
    dataset, recipe = paper["dataset"], paper["recipe"]
    assert (dataset["source"], dataset["image_size"], dataset["resize"]) == (
        "imagenet",
        256,
        "warp",
    )
    assert paper["architecture"]["name"] == "caffenet"
    assert paper.input_size == 227
    rates = [learning_rate(recipe, step, 450_000) for step in range(0, 450_000, 100_000)]
    assert rates == pytest.approx([1e-2, 1e-3, 1e-4, 1e-5, 1e-6])
    # It falls at exactly these steps, and nowhere else.
    for step in range(100_000, 450_000, 100_000):
        assert learning_rate(recipe, step - 1, 450_000) == pytest.approx(
            10 * learning_rate(recipe, step, 450_000)
        )
    momentum = (recipe["optimizer"], recipe["nesterov"], recipe["momentum"])
    assert momentum == ("sgd", False, 0.9)
    assert (recipe["batch_size"], recipe["bias_learning_rate"]) == (256, 2)
    assert (recipe["weight_decay"], recipe["decay_biases"]) == (0.0005, False)
    assert recipe["normalise"] == "mean_image"
    assert set(recipe["augment"]) == {"crop", "horizontal_flip"}
    assert design.evaluations(recipe) == 450
    assert paper["score"] == "mean_of_10_best"


def test_networks_of_few_images_have_the_paper_s_steps(paper):
    recipe = paper.recipe_of("random0", 0, "A3B@25")
    at = [step for step in range(1, 200_000) if _falls(recipe, step)]
    assert at == [64_000, 128_000, 192_000]
    assert learning_rate(recipe, 0, 200_000) == 0.0125


def _falls(recipe: dict, step: int) -> bool:
    return learning_rate(recipe, step, 200_000) < learning_rate(recipe, step - 1, 200_000)


@pytest.mark.full
def test_without_images_all_is_planned_and_the_images_described(tmp_path):
    project = Project.copied(tmp_path / "project")
    jobs = project.jobs(study="studies/paper.yaml")
    assert {"prepare_images", "plot_data_size", "plot_dissimilar"} <= jobs
    assert "train_treatment natman/0/A3B+@25" in jobs
    assert len(jobs) == 1479
    status, output = project.run("--until", "prepare_images", study="studies/paper.yaml")
    assert status != 0
    for told in ("dataset.path", "ILSVRC2012", "train", "val"):
        assert told in output, output
    assert "Traceback" not in output
    assert not list((project.folder / "images").glob("*/manifest.json"))
