"""The source `folder`: a user's own images, one folder a class.

Either `train/<class>/` and `validation/<class>/` (or `val`), or `<class>/` alone, of which a share
is held back for validation.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transferability.images import DatasetInfo, groups

if TYPE_CHECKING:
    from transferability.images.reading import Album

VALIDATION = ("validation", "val")


def info(settings: Mapping[str, Any]) -> DatasetInfo:
    """What is known of the images beforehand: their groups, if a file names these.

    Raises ValueError, naming `dataset.groups`, for a file of groups that cannot be read.
    """
    return DatasetInfo(classes=None, groups=groups.sizes(settings["groups"]), images_per_class=None)


def read(settings: Mapping[str, Any], workers: int = 1) -> "Album":
    """List the files of the folder, classes and files by name; reading them comes later.

    Raises ValueError if the folder is not there or has another form.
    """
    from transferability.images import class_folders

    root = Path(settings["path"])
    if not root.is_dir():
        raise _misses(f"there is no folder {root}, as seen from {Path.cwd()}", root)
    names = class_folders.folders_in(root)
    validation_names = [name for name in VALIDATION if name in names]
    if "train" in names and validation_names:
        if len(validation_names) > 1:
            raise _misses(f"{root} has both {' and '.join(validation_names)}", root)
        train, validation = (
            class_folders.files_by_class(root, part) for part in ("train", validation_names[0])
        )
        class_folders.check_same(root, train, validation, validation_names[0])
    elif not names or set(names) <= {"train", "test", *VALIDATION}:
        raise _misses(f"{root} has {', '.join(names) or 'no folders'}", root)
    else:
        train, validation = class_folders.parted(
            class_folders.files_by_class(root), settings["validation"], settings["seed"]
        )
    return class_folders.album(root, train, validation, settings)


def _misses(what: str, root: Path) -> ValueError:
    return ValueError(
        f"dataset.path: {what}; expected {root}/train/<class>/ and {root}/validation/<class>/, or "
        f"{root}/<class>/ alone, with image files in each"
    )
