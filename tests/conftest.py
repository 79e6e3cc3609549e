import os
from collections.abc import Iterator

# Before torch is imported: several processes that each take all cores get in one another's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from cluster import Cluster, running
from laboratory import Laboratory
from project import Project


@pytest.fixture(scope="session")
def started_cluster() -> Iterator[Cluster]:
    """A SLURM without accounts; tests take `cluster`."""
    with running() as started:
        yield started


@pytest.fixture
def cluster(started_cluster) -> Iterator[Cluster]:
    """A SLURM whose nodes are idle."""
    yield started_cluster
    started_cluster.clear()


@pytest.fixture
def on_cluster(finished, cluster, tmp_path) -> Project:
    """A copy of the finished project that runs through profiles/slurm."""
    return Project.copied(tmp_path / "project", results_of=finished, cluster=cluster)


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Project:
    """The tiny study, whole. For reading only: tests that change or run anything take `project`."""
    project = Project.copied(tmp_path_factory.mktemp("finished") / "project")
    project.write_study()
    project.succeed()
    return project


@pytest.fixture
def project(finished, tmp_path) -> Project:
    """A copy of the finished project, to change at will."""
    return Project.copied(tmp_path / "project", results_of=finished)


@pytest.fixture(scope="session")
def laboratory(tmp_path_factory) -> Laboratory:
    """Digits and a class split of them, on which networks train in a moment. For reading only."""
    return Laboratory.built(tmp_path_factory.mktemp("laboratory"))
