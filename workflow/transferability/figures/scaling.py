"""A figure as a file, as a whole larger or smaller than it was laid out."""

import re
from pathlib import Path

import pypdf
from matplotlib.figure import Figure

from transferability.storage.files import atomic_write

DOTS_PER_INCH = 200
UNDATED = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {}}


def save(figure: Figure, path: Path, scale: float) -> None:
    """Write a figure `scale` times as large as it was laid out, in the format of the suffix, with
    DOTS_PER_INCH of the scaled inch; letters and lines grow with it."""
    with atomic_write(path) as file:
        figure.savefig(
            file,
            format=path.suffix[1:],
            dpi=DOTS_PER_INCH * scale,
            metadata=UNDATED[path.suffix],
        )
        if scale != 1 and path.suffix in _SCALED:
            _SCALED[path.suffix](file, scale)


def _scale_svg(file: Path, scale: float) -> None:
    # The first width and height are those at which the view box is shown.
    scaled = re.sub(
        r'\b(width|height)="([\d.]+)pt"',
        lambda found: f'{found[1]}="{scale * float(found[2]):.6g}pt"',
        file.read_text(encoding="utf-8"),
        count=2,
    )
    file.write_text(scaled, encoding="utf-8")


def _scale_pdf(file: Path, scale: float) -> None:
    document = pypdf.PdfWriter(clone_from=file)
    (page,) = document.pages
    page.scale_by(scale)
    page.compress_content_streams()
    document.write(file)


_SCALED = {".svg": _scale_svg, ".pdf": _scale_pdf}
