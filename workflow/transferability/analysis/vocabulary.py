"""What figures and findings write in the same way."""

from collections.abc import Iterable


def layer_ranges(numbers: Iterable[int]) -> list[str]:
    """`1–3`, `6`, `7`: three or more layers in a row are a range; two are no shorter as one."""
    runs: list[list[int]] = []
    for n in sorted(numbers):
        if runs and runs[-1][-1] == n - 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return [
        text
        for run in runs
        for text in ([f"{run[0]}–{run[-1]}"] if len(run) > 2 else map(str, run))
    ]
