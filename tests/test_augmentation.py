"""How training images are augmented; it depends only on the stream and the epoch."""

import pytest
import torch
from torchvision.transforms.v2 import functional as torchvision

from transferability.training import augmentation
from transferability.training.augmentation import Augmentation
from transferability.training.rng import Stream

CPU = torch.device("cpu")
STREAM = Stream("treatment", "random0", 0, "B")
COUNT, SIZE = 400, 16
# Each pixel's value gives its row and column.
PLACES = torch.stack(
    [
        torch.arange(SIZE)[:, None].expand(SIZE, SIZE),
        torch.arange(SIZE)[None, :].expand(SIZE, SIZE),
        torch.zeros(SIZE, SIZE),
    ],
    -1,
).to(torch.uint8)
PLACED = PLACES.expand(COUNT, SIZE, SIZE, 3).contiguous()
KINDS = ["crop", "horizontal_flip", "random_resized_crop", "colour_jitter"]


@pytest.fixture(autouse=True, params=[augmentation.LARGE, 0], ids=["at once", "one by one"])
def _both_ways(request, monkeypatch):
    """In the way a CPU augments small images, and in the way it augments large ones."""
    monkeypatch.setattr(augmentation, "LARGE", request.param)


def drawn(
    augment: list[str], crop: int | None = None, stream: Stream = STREAM, number: int = 0
) -> Augmentation:
    recipe = {"augment": augment, "crop": crop}
    return Augmentation(recipe, (SIZE, SIZE), COUNT, stream, number, CPU)


def augmented(augment: list[str], *arguments: object, **named: object) -> torch.Tensor:
    made = drawn(augment, *arguments, **named)
    return made.recolour(made.crop(PLACED, 0), 0)


def random_images(count: int, size: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, size, size, 3), generator=generator).to(torch.uint8)


def test_without_the_key_a_crop_shifts_by_up_to_an_eighth_and_continues_the_border():
    shifts = set()
    for image in augmented(["crop"]).long():
        down, right = (image[SIZE // 2, SIZE // 2, :2] - SIZE // 2).tolist()
        shifts.add((down, right))
        rows = (torch.arange(SIZE) + down).clamp(0, SIZE - 1)
        columns = (torch.arange(SIZE) + right).clamp(0, SIZE - 1)
        assert torch.equal(image, PLACES.long()[rows][:, columns])
    assert shifts == {(down, right) for down in range(-2, 3) for right in range(-2, 3)}


def test_a_crop_can_be_at_any_position():
    corners = set()
    for image in augmented(["crop"], crop=13).long():
        assert image.shape == (13, 13, 3)
        top, left = image[0, 0, :2].tolist()
        corners.add((top, left))
        assert torch.equal(image, PLACES.long()[top : top + 13, left : left + 13])
    assert corners == {(top, left) for top in range(4) for left in range(4)}


@pytest.mark.parametrize(("crop", "corner"), [(13, 1), (12, 2), (16, 0)])
def test_without_augmentation_the_centre_is_used(crop, corner):
    middle = PLACES[corner : corner + crop, corner : corner + crop]
    plain = augmentation.centre(PLACED, (crop, crop))
    assert torch.equal(plain, middle.expand(COUNT, crop, crop, 3))
    mirrored = augmented(["horizontal_flip"], crop=crop)
    assert all(torch.equal(image.amin((0, 1))[:2], middle[0, 0, :2]) for image in mirrored)


def test_a_mirror_flips_half_of_the_images_left_to_right():
    mirrored = 0
    for image in augmented(["horizontal_flip"]).long():
        flipped = bool(image[0, 0, 1] == SIZE - 1)
        mirrored += flipped
        assert torch.equal(image, PLACES.long().flip(1) if flipped else PLACES.long())
    assert 160 < mirrored < 240


@pytest.mark.parametrize("crop", ["crop", "random_resized_crop"])
def test_another_augmentation_does_not_change_the_crops(crop):
    flips = augmented(["horizontal_flip"])[:, 0, 0, 1] == SIZE - 1
    crops, both = augmented([crop], crop=12), augmented([crop, "horizontal_flip"], crop=12)
    expected = torch.where(flips[:, None, None, None], crops.flip(2), crops)
    torch.testing.assert_close(both, expected)
    coloured = augmented([crop, "colour_jitter"], crop=12)
    assert torch.equal(coloured, drawn(["colour_jitter"]).recolour(crops, 0))


@pytest.mark.parametrize("kind", KINDS)
def test_augmentation_depends_on_the_stream_and_the_epoch_alone(kind):
    first, made = augmented([kind]), drawn([kind])
    assert torch.equal(augmented([kind]), first)
    assert not torch.equal(augmented([kind], number=1), first)
    assert not torch.equal(augmented([kind], stream=Stream("base", "random0", 0, "B")), first)
    # In batches of any size.
    for start in range(0, COUNT, 150):
        here = slice(start, min(start + 150, COUNT))
        batch = made.recolour(made.crop(PLACED[here], start), start)
        torch.testing.assert_close(batch, first[here])


def test_boxes_cover_8_to_100_percent_at_ratios_of_3_4_to_4_3():
    uniform = torch.rand(20000, 4, generator=STREAM.generator("boxes"))
    top, left, height, width = augmentation.boxes(uniform, (256, 256)).double().unbind(1)
    share = height * width / 256**2
    assert share.min() == pytest.approx(0.08, abs=0.005)
    assert share.max() == pytest.approx(1, abs=0.005)
    assert share.mean() == pytest.approx(0.54, abs=0.01)
    ratio = (width / height).log()
    assert ratio.max() == pytest.approx(torch.tensor(4 / 3).log().item(), abs=0.02)
    assert ratio.min() == pytest.approx(-ratio.max().item(), abs=0.02)
    assert ratio.mean() == pytest.approx(0, abs=0.01)
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + height).max() == (left + width).max() == 256
    # On average, the parts of the image above and below a box are equal.
    assert (top - (256 - top - height)).mean().abs() < 1
    assert (left - (256 - left - width)).mean().abs() < 1


@pytest.mark.parametrize(
    "box", [(0, 0, 40, 40), (3, 5, 31, 23), (10, 0, 7, 9), (39, 39, 1, 1), (0, 8, 40, 16)]
)
@pytest.mark.parametrize("size", [16, 24, 40])
def test_a_box_is_resized_as_in_torchvision(box, size):
    images = random_images(2, 40)
    boxes = torch.tensor([box, box])
    mirrored = torch.tensor([False, True])
    made = drawn(["random_resized_crop"])
    made.boxes, made.flipped, made.seen = boxes, mirrored, (size, size)
    found = made.crop(images, 0)
    expected = torchvision.resized_crop(
        images.permute(0, 3, 1, 2), *box, [size, size], antialias=True
    ).permute(0, 2, 3, 1)
    assert found.dtype == torch.uint8
    assert (found[0].int() - expected[0].int()).abs().max() <= 1
    assert (found[1].int() - expected[1].flip(1).int()).abs().max() <= 1


def test_a_cpu_augments_large_images_as_a_gpu_does(monkeypatch):
    images = random_images(20, 64)
    recipe = {"augment": ["random_resized_crop", "horizontal_flip"], "crop": 56}
    seen = []
    for large in (0, 10**6):
        monkeypatch.setattr(augmentation, "LARGE", large)
        made = Augmentation(recipe, (64, 64), 20, STREAM, 0, CPU)
        assert made.one_by_one == (large == 0)
        seen.append(made.crop(images, 0).int())
    assert (seen[0] - seen[1]).abs().max() <= 1


OPERATIONS = [
    torchvision.adjust_brightness,
    torchvision.adjust_contrast,
    torchvision.adjust_saturation,
]


@pytest.mark.parametrize("order", range(6))
def test_colours_change_as_in_torchvision(order):
    images = random_images(3, 12).float()
    uniform = torch.tensor([[0.1, 0.9, 0.4, 0], [0.5, 0.2, 0.99, 0], [0.8, 0.6, 0.0, 0]])
    uniform[:, 3] = (order + 0.5) / 6
    found = augmentation.jittered(images, *augmentation.jitter(uniform))
    # The orders are those of itertools.permutations.
    turns = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)][order]
    for image, numbers, changed in zip(images, uniform, found, strict=True):
        expected = image.permute(2, 0, 1) / 255
        for turn in turns:
            factor = 0.6 + 0.8 * numbers[turn].item()
            expected = OPERATIONS[turn](expected, factor)
        torch.testing.assert_close(changed.permute(2, 0, 1) / 255, expected, atol=1e-5, rtol=1e-4)
