"""The Java client: `java/src/LogClient.java` runs the scenarios, here stands what comes out."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent / "java"
CODECS = ("none", "gzip", "lz4", "zstd", "snappy")
EXPECTED = {
    "topics": "[1, true, 4, compact, 5000]",
    "refusals": "[TopicExistsException, InvalidTopicException, InvalidReplicationFactorException, "
    "UnknownTopicOrPartitionException, RecordTooLargeException, TimeoutException]",
    "records": f"[{', '.join(str(2 * n + 1) for n in range(5))}, "
    + ", ".join(
        f"{2 * n}@1000 key={(codec + ' ')[:4]}{len(codec) + 1000} 2, {2 * n + 1}@2000 null=null 0"
        for n, codec in enumerate(CODECS)
    )
    + "]",
    "offsets": "{begin=3, earliest=3, end=10, latest=10, low=3, newest=9, sought=8, time=5, "
    "times=7}",
    "range": "[[6], [3, 3], [2, 2, 2], [3, 3]]",
    "cooperative-sticky": "[[6], [3, 3], [2, 2, 2], [3, 3]]",
    "static member": "[[3, 3], [3, 3], true, true]",
    "group admin": "[Stable, GroupNotEmptyException, true, 4 because, 2, -1]",
    "transactions": "[-1, 4, true2, true3, 4]",
    "fencing": "[fenced, next]",
}


@pytest.fixture(scope="session")
def java_client(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that runs the client, built by Maven."""
    if not (shutil.which("mvn") and shutil.which("javac")):
        reason = "the Java client needs `mvn` and `javac` on PATH: install Maven and a JDK 17"
        if os.environ.get("STEPWELL_TEST_REQUIRE") == "all":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("java")
    jars = f"-DoutputDirectory={folder}/jars"
    build = ["mvn", "-q", "-B", f"-Doutside={folder}", "-f", str(PROJECT / "pom.xml")]
    build += ["compile", "dependency:copy-dependencies", jars]
    done = subprocess.run(build, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return ["java", "-Xmx256m", "-cp", f"{folder}/classes:{folder}/jars/*", "LogClient"]


@pytest.mark.kafka
class JavaContract:
    """What Kafka's own client sees."""

    def test_every_scenario_comes_out_as_it_should(self, java_client: list[str], bootstrap: str):
        done = subprocess.run(
            [*java_client, bootstrap], check=True, capture_output=True, text=True, timeout=120
        )
        outcomes = dict(line.split(": ", 1) for line in done.stdout.splitlines())
        assert outcomes == EXPECTED
