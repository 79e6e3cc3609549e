"""Archives of results, the verdicts of `verify` on them, and damaged results."""

from pathlib import Path

from transferability.__main__ import main


def packed(results: Path, folder: Path, *flags: str, status: int = 0) -> Path:
    """The archive of a study, in a folder."""
    file = folder / "tiny.zip"
    assert main(["archive", str(results), "--to", str(file), *flags]) == status
    return file


def verified(results: Path, capsys, caplog) -> tuple[int, dict[str, str], str]:
    """The exit status, the verdicts by the first column of the table, and the log."""
    caplog.clear()
    capsys.readouterr()
    status = main(["verify", str(results)])
    first, *lines = capsys.readouterr().out.splitlines() or [""]
    verdict = first.find("verdict")
    return status, {line.split()[0]: line[verdict:] for line in lines}, caplog.text


def flipped(file: Path) -> None:
    """Change a bit in the middle of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
