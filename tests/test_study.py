"""From a study to its networks: names, bases, recipes."""

import copy
import re

import pytest

from transferability.study import config, design, targets
from transferability.study.design import Study
from transferability.study.networks import (
    TrainingSpec,
    base_name,
    parse_name,
    trained_name,
    treatment_name,
)

LAYERS = 8


def a_study(**changes: object) -> Study:
    return config.complete(copy.deepcopy(changes))


EVERYTHING = {"targets": ["A", "B"], "target_sizes": ["all", 20, 100]}


def test_each_name_of_a_study_is_parsed_into_its_parts():
    names = a_study(**EVERYTHING).network_names
    assert "A3B+@100" in names
    for name in names:
        network = parse_name(name)
        if network.is_base:
            long = network.kind == "long_base"
            again = base_name(network.target, network.target_size, long)
        else:
            letter = "R" if network.kind == "random" else network.source
            again = treatment_name(
                network.treatment, letter, network.n, network.target, 7, network.target_size
            )
        assert again == name == network.name


@pytest.mark.parametrize(
    ("name", "kind", "source", "target", "n", "fine_tuned", "size", "base", "stream", "frozen"),
    [
        ("baseA", "base", "", "A", 0, False, "all", None, "base", 0),
        ("base2B", "long_base", "", "B", 0, False, "all", None, "base", 0),
        ("baseB@20", "base", "", "B", 0, False, "20", None, "base", 0),
        ("base2A@20", "long_base", "", "A", 0, False, "20", None, "base", 0),
        ("B0B", "selffer", "B", "B", 0, False, "all", None, "treatment", 0),
        ("B3B", "selffer", "B", "B", 3, False, "all", "baseB", "treatment", 3),
        ("A3B", "transfer", "A", "B", 3, False, "all", "baseA", "treatment", 3),
        ("B3A", "transfer", "B", "A", 3, False, "all", "baseB", "treatment", 3),
        ("A12A+", "selffer", "A", "A", 12, True, "all", "baseA", "treatment", 0),
        ("A3B+", "transfer", "A", "B", 3, True, "all", "baseA", "treatment", 0),
        ("R5A", "random", "random", "A", 5, False, "all", None, "treatment", 5),
        # A selffer of few images copies a base of as few; a transfer network copies the whole base.
        ("B3B@20", "selffer", "B", "B", 3, False, "20", "baseB@20", "treatment", 3),
        ("A3B+@20", "transfer", "A", "B", 3, True, "20", "baseA", "treatment", 0),
        ("R5B@20", "random", "random", "B", 5, False, "20", None, "treatment", 5),
        ("baseP", "base", "", "P", 0, False, "all", None, "base", 0),
        ("P3B+", "transfer", "P", "B", 3, True, "all", "baseP", "treatment", 0),
        ("sP3B", "shuffled", "P", "B", 3, False, "all", "baseP", "treatment", 3),
        ("sA3B+", "shuffled", "A", "B", 3, True, "all", "baseA", "treatment", 0),
        ("P3B~@20", "reestimated", "P", "B", 3, False, "20", "baseP", "treatment", 3),
        ("P7f3B", "partial", "P", "B", 3, False, "all", "baseP", "treatment", 3),
        ("A7f0B", "partial", "A", "B", 0, False, "all", "baseA", "treatment", 0),
        ("B7f3B@20", "selffer_partial", "B", "B", 3, False, "20", "baseB@20", "treatment", 3),
    ],
)
def test_the_parts_of_a_name(name, kind, source, target, n, fine_tuned, size, base, stream, frozen):
    network = parse_name(name)
    assert (network.kind, network.source, network.target, network.n) == (kind, source, target, n)
    assert (network.fine_tuned, network.target_size, network.base) == (fine_tuned, size, base)
    assert (network.stream, network.frozen_layers) == (stream, frozen)


def test_a_training_agrees_with_the_name_of_its_network():
    spec = TrainingSpec.of("A3B@20", "random1", 5, {"name": "small"}, {"epochs": 3})
    assert (spec.network, spec.split, spec.seed, spec.target) == ("A3B@20", "random1", 5, "B")
    assert (spec.stream, spec.copied, spec.base, spec.frozen_layers) == ("treatment", 3, "baseA", 3)
    assert (spec.architecture, spec.recipe) == ({"name": "small"}, {"epochs": 3})
    assert spec.images_per_class == 20
    assert TrainingSpec.of("baseA", "random1", 5, {}, {}).images_per_class is None


@pytest.mark.parametrize(
    "name",
    [
        *("A0B", "B0A", "R0B", "B0B+", "R3B+", "S3B", "A3C", "baseR", "base", "base3B", "base2"),
        *("A3B@0", "A3B@", "A3B@all", "A3B@20+", "baseB+", "A-1B", "A1.0B", "AB", "a3b", "A3b"),
        *("sA0B", "sR3B", "R3B~", "sA3B~", "A7f8B", "A7f3B+", "sA7f3B", "R7f3B", "base2P", "A3f"),
        *("", " A3B", "A3B ", "A3B\n", "A3B++", "../A3B", "A03B", "A٣B"),
    ],
)
def test_an_invalid_name_is_an_error(name):
    with pytest.raises(ValueError, match="network") as caught:
        parse_name(name)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "trained"),
    [("P7f0B", "P7B+"), ("B7f0B@20", "B7B+@20"), ("A7f7B", "A7B"), ("A7f3B", "A7f3B")],
)
def test_partial_networks_that_equal_others_have_one_name(name, trained):
    assert trained_name(name) == trained
    assert trained_name(trained) == trained
    if name != trained:
        with pytest.raises(ValueError, match=re.escape(trained)):
            TrainingSpec.of(name, "whole", 0, {}, {})


def test_the_networks_of_partial_fine_tuning_alone():
    found = a_study(treatments=["partial"], controls=[], layers=[3, 7])
    assert found.network_names == ["baseA", "A7B+", "A7f3B", "A7B"]
    assert found.table_names == [*found.network_names, "A7f0B", "A7f7B"]
    assert "boost" not in targets.figures(found)
    assert "boost" in targets.figures(a_study(treatments=["partial", "transfer+"]))


def test_sources_replace_the_other_half():
    weights = {"weights": "a.pt", "image_size": 20, "mean": [0.5] * 3, "std": [0.2] * 3}
    found = a_study(
        sources={"P": weights, "T": {"dataset": {"source": "glyphs", "seed": 1}}},
        treatments=["selffer", "transfer", "shuffled+", "reestimated", "random"],
        layers=[0, 2],
        recipe={"normalise": "target"},
    )
    assert found.split_names == ["whole"]
    assert found.imported == {"baseP": "P"}
    assert found.network_names == [
        *("baseB", "baseT", "base2B", "B0B", "B2B", "P2B", "T2B", "sP2B+", "sT2B+"),
        *("P2B~", "T2B~", "R2B"),
    ]
    assert "filters" in targets.figures(found)


def test_without_a_trained_base_no_filters_are_drawn():
    weights = {"weights": "a.pt", "image_size": 20, "mean": [0.5] * 3, "std": [0.2] * 3}
    found = a_study(sources={"P": weights}, treatments=["transfer"], controls=[], layers=[2])
    assert found.network_names == ["P2B"]
    assert "filters" not in targets.figures(found)


def test_the_default_study_is_39_networks():
    names = a_study().network_names
    layers = range(1, 8)
    treatments = [kind.format(n) for n in layers for kind in ("B{}B", "B{}B+", "A{}B", "A{}B+")]
    expected = ["baseA", "baseB", "base2B", "B0B", *treatments, *(f"R{n}B" for n in layers)]
    assert len(expected) == 39
    assert sorted(names) == sorted(expected)


def test_with_target_a_each_network_has_its_mirror_image():
    mirror = str.maketrans("AB", "BA")
    of_b, of_a, of_both = (
        set(a_study(targets=targets).network_names) for targets in (["B"], ["A"], ["A", "B"])
    )
    assert {name.translate(mirror) for name in of_b} == of_a
    assert of_a | of_b == of_both


@pytest.mark.parametrize(
    "changes",
    [
        {},
        EVERYTHING,
        {"target_sizes": [20]},
        {"treatments": ["transfer"], "layers": [3], "controls": ["baseB", "B0B"]},
        {"treatments": ["selffer+"], "target_sizes": [20, "all"], "targets": ["A"]},
    ],
)
def test_each_network_is_listed_once_after_its_base(changes):
    names = a_study(**changes).network_names
    assert len(names) == len(set(names))
    for name in names:
        base = parse_name(name).base
        assert base is None or names.index(base) < names.index(name)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"treatments": ["transfer"], "layers": [3]},
            ["baseA", "baseB", "base2B", "A3B"],
        ),
        (
            {"treatments": ["random"], "layers": [0, 2], "controls": ["baseB", "B0B"]},
            ["baseB", "B0B", "R2B"],
        ),
        (
            {"treatments": ["selffer", "transfer"], "layers": [3], "target_sizes": [20]},
            ["baseA", "baseB@20", "base2B@20", "B3B@20", "A3B@20"],
        ),
    ],
)
def test_a_study_has_the_networks_it_asks_for_and_their_bases(changes, expected):
    assert a_study(**changes).network_names == expected


def test_layers_all_means_all_of_the_architecture():
    assert a_study(layers="all")["layers"] == list(range(LAYERS))
    assert a_study(layers=[7, 2])["layers"] == [2, 7]


def test_splits_are_named_in_order():
    both = {"random": 2, "dissimilar": {"A": "letters", "B": "symbols"}, "published": []}
    assert Study(splits=both).split_names == ["random0", "random1", "dissimilar"]
    assert Study(splits={**both, "random": 0}).split_names == ["dissimilar"]
    published = {**both, "random": 0, "published": ["natman", "random3"]}
    assert Study(splits=published).split_names == ["dissimilar", "natman", "random3"]


NAMES = (
    *("baseA", "baseB", "base2B", "baseB@20", "B0B", "B3B", "A3B", "A3B+", "B3A", "A5A+"),
    *("R5A", "R5B", "A3B@20"),
)
TRANSFERS = {"A3B", "A3B+", "B3A", "A3B@20"}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"network": "A3B+"}, {"A3B+"}),
        ({"network": ["A3B+", "B0B"]}, {"A3B+", "B0B"}),
        ({"kind": "transfer"}, TRANSFERS),
        ({"kind": ["transfer", "long_base"]}, TRANSFERS | {"base2B"}),
        ({"source": "A"}, {"A3B", "A3B+", "A3B@20", "A5A+"}),
        ({"source": ["A", "random"]}, {"A3B", "A3B+", "A3B@20", "A5A+", "R5A", "R5B"}),
        ({"target": "A"}, {"baseA", "B3A", "A5A+", "R5A"}),
        ({"target": ["A", "B"]}, set(NAMES)),
        ({"n": 5}, {"A5A+", "R5A", "R5B"}),
        ({"n": [3, 7]}, {"B3B", *TRANSFERS}),
        ({"fine_tuned": True}, {"A3B+", "A5A+"}),
        ({"fine_tuned": False}, set(NAMES) - {"A3B+", "A5A+"}),
        ({"target_size": 20}, {"A3B@20", "baseB@20"}),
        ({"target_size": ["all", 100]}, set(NAMES) - {"A3B@20", "baseB@20"}),
        ({"split": "random0", "seed": [0, 1]}, set(NAMES)),
        ({"split": ["random1", "dissimilar"]}, set()),
        ({"seed": 1}, set()),
        ({"n": 3, "kind": "transfer", "target": "A"}, {"B3A"}),
    ],
)
def test_an_override_changes_the_networks_that_match_and_no_other(where, expected):
    changed = a_study(
        splits={"random": 2, "dissimilar": {"A": "letters", "B": "symbols"}},
        seeds=[0, 1],
        targets=["A", "B"],
        target_sizes=["all", 20, 100],
        overrides=[{"where": where, "recipe": {"learning_rate": 0.5}}],
    )
    rates = {name: changed.recipe_of("random0", 0, name)["learning_rate"] for name in NAMES}
    assert {name for name, rate in rates.items() if rate == 0.5} == expected


def test_an_override_of_a_split_or_a_seed_changes_that_replicate():
    where = {"split": "random1", "seed": [1, 2]}
    overrides = [{"where": where, "recipe": {"epochs": 5}}]
    changed = a_study(splits={"random": 2}, seeds=[0, 1, 2], overrides=overrides)
    replicates = changed.replicates
    found = [of for of in replicates if changed.recipe_of(*of, "A3B")["epochs"] == 5]
    assert found == [("random1", 1), ("random1", 2)]


def test_a_later_override_wins_for_its_own_keys():
    changed = a_study(
        overrides=[
            {"where": {"n": 3}, "recipe": {"learning_rate": 0.5, "momentum": 0.1}},
            {"where": {"kind": "transfer"}, "recipe": {"learning_rate": 0.25}},
        ]
    )
    chosen = changed.recipe_of("random0", 0, "A3B")
    assert (chosen["learning_rate"], chosen["momentum"]) == (0.25, 0.1)
    assert changed.recipe_of("random0", 0, "B3B")["learning_rate"] == 0.5
    others = chosen.keys() - {"learning_rate", "momentum"}
    assert {key: chosen[key] for key in others} == {key: changed["recipe"][key] for key in others}


def test_a_long_base_doubles_the_epochs_of_an_override_too():
    plain = a_study(recipe={"epochs": 12})
    assert plain.recipe_of("random0", 0, "base2B")["epochs"] == 24
    assert plain.recipe_of("random0", 0, "baseB")["epochs"] == 12
    counted = a_study(recipe={"iterations": 500})
    assert counted.recipe_of("random0", 0, "base2B")["iterations"] == 1000
    override = {"where": {"kind": "long_base"}, "recipe": {"epochs": 5}}
    changed = a_study(recipe={"epochs": 12}, overrides=[override])
    assert changed.recipe_of("random0", 0, "base2B")["epochs"] == 10
    # A second call gives the same.
    assert changed["recipe"]["epochs"] == 12


@pytest.mark.parametrize(("epochs", "every", "expected"), [(12, 2, 6), (5, 2, 3), (1, 3, 1)])
def test_the_number_of_evaluations_includes_the_last(epochs, every, expected):
    of_epochs = {"epochs": epochs, "iterations": None, "evaluate_every": every}
    assert design.evaluations(of_epochs) == expected
    of_iterations = {"epochs": 100, "iterations": epochs, "evaluate_every": every}
    assert design.evaluations(of_iterations) == expected


def test_omitted_networks_are_those_that_match_any_item():
    chosen = a_study(
        splits={"random": 2},
        seeds=[0, 5],
        omit=[{"network": ["A3B+", "B7B"], "split": "random1", "seed": 5}, {"kind": "random"}],
    )
    omitted = chosen.omitted
    random = {
        (split, seed, f"R{n}B") for split, seed in chosen.replicates for n in range(1, LAYERS)
    }
    assert set(omitted) == random | {("random1", 5, "A3B+"), ("random1", 5, "B7B")}
    assert len(omitted) == len(set(omitted))
    assert a_study().omitted == []


def test_a_base_may_be_omitted_with_all_its_copies():
    chosen = a_study(treatments=["transfer"], omit=[{"source": "A"}, {"network": "baseA"}])
    kept = set(chosen.network_names) - {name for *_, name in chosen.omitted}
    assert kept == {"baseB", "base2B", "B0B"}


def test_shares_divide_the_networks_by_replicates():
    study = a_study(seeds=[0, 1, 2], splits={"random": 2})
    shares = [study.share(f"{k}/4") for k in range(1, 5)]
    assert sorted(network for share in shares for network in share) == sorted(study.trained)
    assert [len({network[:2] for network in share}) for share in shares] == [2, 2, 1, 1]


@pytest.mark.parametrize("share", [0, "0/4", "5/4", "1/7", "2", "1/2/3", "a/b", "-1/4"])
def test_an_invalid_share_is_an_error_with_advice(share):
    study = a_study(seeds=[0, 1, 2], splits={"random": 2})
    with pytest.raises(design.StudyError, match=rf"share: {share} .* its 6 replicates"):
        study.share(share)
