"""Mistakes in a recipe that its images, its architecture or its other keys make one."""

import pytest
from test_study_mistakes import message

# The text of a study, the key that the message begins with, and words that it must hold.
MISTAKES = {
    "no iteration": (
        "recipe: {iterations: 0}",
        "recipe.iterations:",
        ["0", "at least 1"],
    ),
    "half a micro-batch": (
        "recipe: {micro_batch: 1.5}",
        "recipe.micro_batch:",
        ["1.5", "null or a whole number"],
    ),
    "step at the end": (
        "recipe: {step_at: [0.5, 1]}",
        "recipe.step_at[1]:",
        ["1", "less than 1"],
    ),
    "step by nothing": ("recipe: {step_factor: 0}", "recipe.step_factor:", ["more than 0"]),
    "biases that do not learn": (
        "recipe: {bias_learning_rate: 0}",
        "recipe.bias_learning_rate:",
        ["more than 0", "multiple"],
    ),
    "labels that say nothing": (
        "recipe: {label_smoothing: 1}",
        "recipe.label_smoothing:",
        ["less than 1"],
    ),
    "unknown normalisation": (
        "recipe: {normalise: mean}",
        "recipe.normalise:",
        ['"mean"', "channels, mean_image, none"],
    ),
    "crop larger than the images": (
        "recipe: {crop: 25}",
        "recipe.crop:",
        ["25", "at most 24", "dataset.image_size"],
    ),
    "crop too small for the architecture": (
        "recipe: {crop: 7}",
        "recipe.crop:",
        ["7", "too few", "at least 8"],
    ),
    "crop of some networks": (
        "overrides: [{where: {n: 3}, recipe: {crop: 20}}]",
        "overrides[0].recipe.crop:",
        ["20", "one size", "recipe.crop"],
    ),
    "two crops": (
        "recipe: {augment: [crop, random_resized_crop]}",
        "recipe.augment:",
        ["crop and random_resized_crop", "one of them"],
    ),
    "two crops of some networks": (
        "overrides: [{where: {n: 3}, recipe: {augment: [random_resized_crop, crop]}}]",
        "overrides[0].recipe.augment:",
        ["crop and random_resized_crop"],
    ),
    "too few iterations for the score": (
        "{score: mean_of_10_best, recipe: {iterations: 900, evaluate_every: 100}}",
        "score:",
        ["at least 10", "makes 9", "recipe.iterations", "recipe.evaluate_every"],
    ),
}


@pytest.mark.parametrize(("text", "key", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_in_one_line_with_what_is_allowed(text, key, words):
    found = message(text)
    assert found.startswith(key)
    assert "\n" not in found
    for word in words:
        assert word in found
