"""On which machines the networks were trained, for how long, with which software; what to cite."""

import platform
import re
from collections import Counter
from collections.abc import Sequence
from importlib import metadata

from transferability.analysis.vocabulary import listed
from transferability.reports.methods.sources import Sources, several

FILES_NAMED = 3
ANALYSIS = ("numpy", "pandas", "scipy", "statsmodels", "seaborn", "matplotlib")


def paragraphs(sources: Sources) -> list[str]:
    """Hardware and hours, then software."""
    return [_hardware(sources), _software(sources)]


def references(sources: Sources) -> list[str]:
    """A paragraph for this software, and one for each work that it asks to be cited with it."""
    citation = sources.citation
    software = f"{_authors(citation)}. {citation['title']}. Version {citation['version']}."
    return [software, *(_work(work) for work in citation.get("references", []))]


def _hardware(sources: Sources) -> str:
    trained = list(sources.metrics.values())
    jobs = [metrics["job"] for metrics in trained]
    machines = Counter(map(_machine, trained))
    on = listed(f"{several(count, 'network')} on {where}" for where, count in machines.items())
    days = sorted(job[key][:10] for job in jobs for key in ("started", "ended"))
    when = f"on {days[0]}" if days[0] == days[-1] else f"from {days[0]} to {days[-1]}"
    hosts = len({job["host"] for job in jobs})
    text = (
        f"The study trained {on}. It did so {when}, on {several(hosts, 'machine')}, in "
        f"{_duration(sum(metrics['seconds'] for metrics in trained))} of training in all, the time "
        "for starting, evaluating and saving not counted."
    )
    restarted = sum(job["restarts"] > 0 for job in jobs)
    if restarted:
        text += f" {several(restarted, 'training').capitalize()} "
        text += (
            f"{'was' if restarted == 1 else 'were'} interrupted and went on from what was saved."
        )
    return text


def _machine(metrics: dict) -> str:
    device = metrics["device"]
    if device == "cpu":
        # As one says it.
        model = re.sub(r"\((R|TM)\)", "", metrics["provenance"]["processor"], flags=re.IGNORECASE)
        device = f"a CPU of type {model} with {several(metrics['threads'], 'thread')}"
    return f"{device.replace('cuda ', 'a GPU of type ', 1)} in {metrics['precision']}"


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.1f} minutes" if seconds < 6000 else f"{seconds / 3600:,.1f} hours"


def _software(sources: Sources) -> str:
    torch = sorted({metrics["identity"]["torch"] for metrics in sources.metrics.values()})
    made_by = [metrics["provenance"] for metrics in sources.metrics.values()]
    python = sorted({provenance["versions"]["python"] for provenance in made_by})
    analysis = listed(f"{name} {metadata.version(name)}" for name in ANALYSIS)
    return (
        f"The networks were trained with Python {listed(python)} and PyTorch {listed(torch)}. "
        "Tables and figures were made "
        f"with Python {platform.python_version()}, {analysis}. The workflow was transferability "
        f"{sources.citation['version']}, run by Snakemake{_version_of_snakemake()}. "
        f"{_commits(made_by)}"
    )


def _commits(made_by: list[dict]) -> str:
    """Which state of the code trained the networks."""
    states = Counter((one["commit"], tuple(one["changed_files"] or ())) for one in made_by)
    said = []
    for (commit, changed), count in states.items():
        state = f"of commit {commit}" if commit else "of a commit that was not recorded"
        if changed:
            state += f", with changes to {_files(changed)} that had not been committed"
        if len(states) > 1:
            state += f"{',' if changed else ''} for {several(count, 'network')}"
        said.append(state)
    return f"Its code was {listed(said)}."


def _files(names: Sequence[str]) -> str:
    return listed(names) if len(names) <= FILES_NAMED else several(len(names), "file")


def _version_of_snakemake() -> str:
    """Empty in an environment of conda, which need not hold it."""
    try:
        return f" {metadata.version('snakemake')}"
    except metadata.PackageNotFoundError:
        return ""


def _authors(work: dict) -> str:
    names = [
        author.get("name") or f"{author['given-names'][0]}. {author['family-names']}"
        for author in work["authors"]
    ]
    return listed(names)


def _work(work: dict) -> str:
    return (
        f"{_authors(work)}. {work['title']} {work['collection-title']}, {work['year']}, pages "
        f"{work['start']}–{work['end']}."
    )
