"""A night on a cluster: a master, two workers and the command, each a process of its own. Needs `make setup-spark`."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from canbao.engine import spark
from canbao.engine.spark import SparkWarehouse
from canbao.errors import UserError
from tests.spark.cluster import Cluster, cluster
from tests.spark.compare import differences
from tests.story import Story

if spark.missing():
    raise RuntimeError("pyspark or Java is missing: make setup-spark")


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster"), workers=2) as running:
        yield running


@pytest.mark.slow
def test_a_night_on_a_cluster_publishes_what_duckdb_publishes(
    tmp_path: Path, two_workers: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut by person as the people of a country are, so that rows move from machine to machine."""
    monkeypatch.setattr(spark, "_number_of_parts", lambda *_: 2)
    tasks: dict[str, int] = {}
    close = SparkWarehouse.close

    def note_tasks(warehouse: SparkWarehouse) -> None:
        tasks.update(tasks_done(warehouse.session))
        assert warehouse._buckets == 2
        close(warehouse)

    monkeypatch.setattr(SparkWarehouse, "close", note_tasks)
    story = Story(tmp_path, persons=300)
    story.run(great_expectations=False, reports=False)
    of_duckdb = story.home / "published" / "current"
    kept, story.home = of_duckdb.resolve(), tmp_path / "spark"
    story.home.mkdir()
    (story.home / "key").write_bytes((tmp_path / "home" / "key").read_bytes())
    story.run(great_expectations=False, reports=False, engine="spark", spark_master=two_workers.master)
    assert differences(kept, (story.home / "published" / "current").resolve()) == {}
    told = two_workers.state()
    assert [(one["name"], one["cores"]) for one in told["activeapps"] + told["completedapps"]] == [("canbao", 2)]
    of_executors = {name: count for name, count in tasks.items() if name != "driver"}
    assert len(of_executors) == 2
    assert min(of_executors.values()) > 100, tasks
    assert tasks["driver"] == 0


def tasks_done(session: Any) -> dict[str, int]:
    """Tasks that each executor, and the command's own Java as `driver`, has ended."""
    found = session.sparkContext._jsc.sc().statusStore().executorList(False)
    return {found.apply(n).id(): found.apply(n).completedTasks() for n in range(found.size())}


@pytest.mark.parametrize("master", ["spark://127.0.0.1:1", "spark://127.0.0.1", "spark://127.0.0.1:1,127.0.0.1:99999"])
def test_a_master_that_is_not_there_is_wrong_use(tmp_path: Path, master: str) -> None:
    with pytest.raises(UserError, match=f"{master}）没有应答"):
        spark.open_session(master, tmp_path, 1000)


def test_the_workers_are_told_an_address_that_leads_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPARK_LOCAL_IP", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as master:
        port = master.getsockname()[1]
        assert spark._own_address(f"spark://127.0.0.1:1,localhost:{port}") == "127.0.0.1"
        monkeypatch.setenv("SPARK_LOCAL_IP", "10.0.0.7")
        assert spark._own_address(f"spark://127.0.0.1:{port}") == ""
    assert spark._own_address("yarn") == ""


def test_a_cluster_without_workers_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark, "_PATIENCE", 2.0)
    with cluster(tmp_path, workers=0) as empty, pytest.raises(UserError, match="没有可用的工作节点"):
        spark.open_session(empty.master, tmp_path, 1000)
