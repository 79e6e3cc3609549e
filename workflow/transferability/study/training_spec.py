"""What is to be trained: all that decides a network's numbers, but for images, code and machine."""

from dataclasses import dataclass

from transferability.study.networks import ALL_IMAGES, parse_name


@dataclass(frozen=True)
class TrainingSpec:
    """One network: what it copies, what learns, from which random numbers, by which recipe.

    `n` layers are copied from `base` (or, for random features, left as they are), and the first
    `frozen_layers` do not learn; `images_per_class` None stands for all.
    """

    network: str
    split: str
    seed: int
    target: str
    stream: str
    n: int
    base: str | None
    frozen_layers: int
    images_per_class: int | None
    architecture: dict
    recipe: dict

    @classmethod
    def of(
        cls, name: str, split: str, seed: int, architecture: dict, recipe: dict
    ) -> "TrainingSpec":
        """The task that a network's name stands for. Raises ValueError if it is no name."""
        network = parse_name(name)
        all_images = network.target_size == ALL_IMAGES
        return cls(
            network=name,
            split=split,
            seed=seed,
            target=network.target,
            stream=network.stream,
            n=network.n,
            base=network.base,
            frozen_layers=network.frozen_layers,
            images_per_class=None if all_images else int(network.target_size),
            architecture=architecture,
            recipe=recipe,
        )
