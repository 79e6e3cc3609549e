"""What an archive says of itself: its RO-Crate metadata.

Only what archives a study imports this, since rocrate takes its time.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from rocrate.model import ContextEntity, File, Person, SoftwareApplication
from rocrate.rocrate import ROCrate

from transferability.records.archive import contents
from transferability.records.archive.manifest import Listed
from transferability.study import targets

VERSION = "1.2"
"""Of RO-Crate."""
NO_LICENSE = "No licence was given: ask the authors before you use this."
SPDX = "https://spdx.org/licenses/"
SOFTWARE = "#transferability"


class About(NamedTuple):
    """What the owner of a study says of its results: their names, and a licence, as SPDX calls it
    or as a web address; None where they give none."""

    authors: Sequence[str]
    license: str | None

    def check(self) -> None:
        """Raises ValueError for a licence that is neither."""
        if self.license and not re.fullmatch(r"[\w.+-]+|https?://\S+", self.license):
            raise ValueError(
                f"--license: {self.license!r} is none; expected a name of spdx.org/licenses, such "
                "as CC-BY-4.0, or a web address"
            )


def metadata(
    checked: dict,
    listed: Mapping[str, Listed],
    metrics: Sequence[dict],
    citation: dict,
    about: About,
) -> dict:
    """The JSON-LD of an archive with these files of a resolved study: what each is, the training
    that made them, by which software (`citation` is what CITATION.cff says).

    `metrics` are those of its networks. It has no date but theirs, so that the same results give
    the same text.
    """
    crate = ROCrate(version=VERSION)
    made_by = _software(crate, metrics, citation)
    people = [_person(crate, name) for name in about.authors]
    ended = max(one["job"]["ended"] for one in metrics)
    root = crate.root_dataset
    root["name"] = f"Results of the study {checked['study']}"
    root["description"] = (
        f"How transferable the features of a network are, layer by layer: {len(metrics)} networks "
        f"trained on {checked['dataset']['source']}, with their tables and figures. "
        f"{targets.METHODS} says how they were made."
    )
    root["datePublished"] = ended
    root["license"] = _license(crate, about.license)
    if people:
        root["author"] = people
    root["citation"] = made_by["citation"]
    files = [_file(crate, name, entry) for name, entry in listed.items()]
    action = crate.add_action(
        made_by,
        identifier="#training",
        object=[crate.get(targets.STUDY)],
        result=[file for file in files if file.id != targets.STUDY],
        properties={
            "name": f"The study {checked['study']} was trained and analysed",
            "startTime": min(one["job"]["started"] for one in metrics),
            "endTime": ended,
        },
    )
    if people:
        action["agent"] = people
    root["mentions"] = [action]
    return crate.metadata.generate()


def _file(crate: ROCrate, name: str, listed: Listed) -> File:
    return crate.add_file(
        dest_path=name,
        properties={
            "name": name,
            "description": contents.description(name),
            "encodingFormat": contents.media_type(name),
            "contentSize": str(listed.size),
            "sha256": listed.sha256,
        },
    )


def _software(crate: ROCrate, metrics: Sequence[dict], citation: dict) -> SoftwareApplication:
    """This software, as it trained the networks, with what it needed and what it is about."""
    of_networks = [one["provenance"] for one in metrics]
    needed = {
        (name, version)
        for one in of_networks
        for name, version in one["versions"].items()
        if version and name != "transferability"
    }
    software = SoftwareApplication(
        crate,
        SOFTWARE,
        properties={
            "name": citation["title"],
            "version": ", ".join(_each(one["versions"]["transferability"] for one in of_networks)),
            "license": _license(crate, citation["license"]),
            "author": [_person(crate, _name(author)) for author in citation["authors"]],
            "citation": [_work(crate, work) for work in citation.get("references", [])],
            "softwareRequirements": [
                crate.add(
                    SoftwareApplication(
                        crate, f"#{name}-{version}", properties={"name": name, "version": version}
                    )
                )
                for name, version in sorted(needed)
            ],
        },
    )
    commits = _each(map(_commit, of_networks))
    if commits:
        software["identifier"] = commits
    return crate.add(software)


def _commit(provenance: dict) -> str | None:
    if provenance["commit"] is None:
        return None
    changed = ", with changes that were not committed" if provenance["changed_files"] else ""
    return f"git commit {provenance['commit']}{changed}"


def _each(values: Iterable[str | None]) -> list[str]:
    return sorted({value for value in values if value})


def _work(crate: ROCrate, work: dict) -> ContextEntity:
    authors = [_person(crate, _name(author)) for author in work["authors"]]
    properties = {
        "@type": "ScholarlyArticle",
        "name": work["title"],
        "author": authors,
        "datePublished": str(work["year"]),
        "isPartOf": work["collection-title"],
        "pagination": f"{work['start']}-{work['end']}",
    }
    return crate.add(ContextEntity(crate, f"#work-{quote(work['title'])}", properties=properties))


def _name(author: dict) -> str:
    return author.get("name") or f"{author['given-names']} {author['family-names']}"


def _person(crate: ROCrate, name: str) -> Person:
    return crate.add(Person(crate, f"#author-{quote(name)}", properties={"name": name}))


def _license(crate: ROCrate, name: str | None) -> ContextEntity | str:
    if name is None:
        return NO_LICENSE
    address = name if "://" in name else f"{SPDX}{name}"
    properties = {"@type": "CreativeWork", "name": name}
    return crate.add(ContextEntity(crate, address, properties=properties))
