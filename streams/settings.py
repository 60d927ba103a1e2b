"""The settings: one tree of frozen records with default, limits and help of each value.

`settings_load.py` reads values from flags, environment and file; `settings_catalog.py` lists them.
The string in an annotation is the help text; whatever is a `SecretStr` is never shown or logged.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

ADDRESS = re.compile(r"(?:[\w.-]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})", re.ASCII)
TOPIC_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
COLLECTION_NAME = re.compile(r"[A-Z][A-Za-z0-9_]{0,99}")
PORT_MAX = 65535
DAY_MS = 24 * 60 * 60 * 1000


def _addresses(text: str) -> str:
    for address in text.split(","):
        found = ADDRESS.fullmatch(address.strip())
        if not found or not 1 <= int(found[1]) <= PORT_MAX:
            raise ValueError("should be host:port or host:port,host:port…, without a scheme")
    return text.replace(" ", "")


def _host(text: str) -> str:
    if not re.fullmatch(r"[\w.:-]+", text, re.ASCII):
        raise ValueError("should be a host name or an IP address, without scheme or port")
    return text


def _topic_name(text: str) -> str:
    if not TOPIC_NAME.fullmatch(text):
        raise ValueError("should be 1 to 100 letters, digits, '.', '_' or '-'")
    return text


def _collection_name(text: str) -> str:
    if not COLLECTION_NAME.fullmatch(text):
        raise ValueError("should begin with a capital and go on with letters, digits or '_'")
    return text


def _index_url(text: str) -> str:
    try:
        url = urlsplit(text)
        usable = bool(
            (url.scheme == "weaviate" and url.hostname and url.port != 0)
            or (url.scheme == "sqlite" and url.path and not url.netloc)
        )
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("should be weaviate://host:port?grpc_port=port or sqlite:///path/file.db")
    return text


def _path(path: Path) -> Path:
    return path.expanduser()


Addresses = Annotated[str, AfterValidator(_addresses)]
Host = Annotated[str, AfterValidator(_host)]
Port = Annotated[int, Field(ge=1, le=PORT_MAX)]
Positive = Annotated[int, Field(ge=1)]
TopicName = Annotated[str, AfterValidator(_topic_name)]
CollectionName = Annotated[str, AfterValidator(_collection_name)]
IndexUrl = Annotated[str, AfterValidator(_index_url)]
Text = Annotated[str, Field(min_length=1)]
UserPath = Annotated[Path, AfterValidator(_path)]


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """The broker and the names used on it."""

    bootstrap: Annotated[Addresses, "Addresses of Kafka brokers"] = "127.0.0.1:9092"
    prefix: Annotated[TopicName, "Begins the name of every topic"] = "stepwell"
    app_id: Annotated[TopicName, "Consumer group of the workers; names their changelogs"] = (
        "stepwell-worker"
    )
    partitions: Annotated[
        int, Field(ge=1, le=1000), "Partitions of every topic; cannot change later"
    ] = 8
    replication_factor: Annotated[
        int, Field(ge=1, le=9), "Copies of every topic; 3 in production"
    ] = 1
    security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"], "How connections are protected"
    ] = "PLAINTEXT"
    sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], "How SASL authenticates"
    ] = "PLAIN"
    sasl_username: Annotated[Text | None, "User name for SASL"] = None
    sasl_password: Annotated[SecretStr | None, "Password for SASL"] = None
    ssl_ca_file: Annotated[UserPath | None, "Certificates to trust instead of the system's"] = None


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """The process that runs workflows."""

    workflows: Annotated[Text, "module:function that yields the workflows to carry"] = (
        "stepwell.streams.app:embed_content"
    )
    store: Annotated[Literal["rocksdb", "memory"], "Where table rows are kept"] = "rocksdb"
    data_dir: Annotated[UserPath, "Directory of the store; each worker needs its own"] = field(
        default_factory=lambda: Path("~/.local/share/stepwell").expanduser()
    )
    max_running_steps: Annotated[Positive, "Step bodies that run at the same time"] = 1000
    max_running_instances: Annotated[
        Positive, "Instances that run steps at the same time; more are queued"
    ] = 10_000
    success_retention_ms: Annotated[Positive, "How long completed instances are kept"] = 30 * DAY_MS
    error_retention_ms: Annotated[Positive, "How long all other ended instances are kept"] = (
        30 * DAY_MS
    )
    commit_interval_ms: Annotated[Positive, "How often finished offsets are committed"] = 1000
    instance_id: Annotated[
        Text | None, "A name that this worker keeps when it restarts: it gets its partitions back"
    ] = None
    session_timeout_ms: Annotated[
        int, Field(ge=1000, le=1_800_000), "Silence after which Kafka gives a worker's work away"
    ] = 10_000
    recovery_timeout_ms: Annotated[
        Positive, "A recovery without progress for this long ends the worker"
    ] = 300_000
    watchdog_timeout_ms: Annotated[
        Positive, "A worker with work but without progress for this long ends itself"
    ] = 60_000


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """The HTTP server that takes webhooks."""

    host: Annotated[Host, "Address to listen on; other than loopback needs a token"] = "127.0.0.1"
    port: Annotated[Port, "Port to listen on"] = 8400
    github_secrets: Annotated[
        tuple[SecretStr, ...], "Secrets of GitHub webhooks; several while one is rotated"
    ] = ()
    standard_secrets: Annotated[
        tuple[SecretStr, ...], "Secrets of Standard Webhooks; several while one is rotated"
    ] = ()
    token: Annotated[SecretStr | None, "Bearer token for everything but webhooks and health"] = None
    max_body_bytes: Annotated[
        int, Field(ge=1, le=100 * 1024 * 1024), "Longest body that is taken; GitHub's limit"
    ] = 25 * 1024 * 1024
    append_timeout_ms: Annotated[
        Positive, "Without Kafka's acknowledgement for this long the answer is 503"
    ] = 2500
    on_conflict: Annotated[
        Literal["accept", "refuse"],
        "Answer to a known delivery id with another body: 202 or 409; the first body is kept",
    ] = "accept"


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """The vector index."""

    url: Annotated[IndexUrl, "Address of the index"] = "weaviate://127.0.0.1:8080?grpc_port=50051"
    collection: Annotated[CollectionName, "Collection that documents are stored in"] = (
        "StepwellDocument"
    )


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """The embedding model."""

    id: Annotated[Text, "Which model"] = "all-MiniLM-L6-v2"
    dir: Annotated[UserPath | None, "Directory of the model; otherwise one in the cache"] = None
    threads: Annotated[Positive | None, "Threads that embed; otherwise one for each core"] = None
    precision: Annotated[
        Literal["fp32", "int8"], "int8 is faster and less exact; the model must have it"
    ] = "fp32"
    provider: Annotated[
        Literal["cpu", "cuda", "openvino"],
        "What computes; all but cpu need another build of onnxruntime",
    ] = "cpu"
    tokens_per_run: Annotated[
        Positive, "Tokens that run together; a core's cache sets the best number, cuda wants more"
    ] = 512


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Where a worker answers Prometheus; the gateway does so on its own port."""

    host: Annotated[Host, "Address to listen on; other than loopback needs a token"] = "127.0.0.1"
    port: Annotated[Port, "Port to listen on; each worker on a machine needs its own"] = 8401
    token: Annotated[SecretStr | None, "Bearer token for metrics"] = None


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What a process says on stderr."""

    level: Annotated[Literal["debug", "info", "warning", "error"], "Least level shown"] = "info"
    format: Annotated[Literal["text", "json"], "Lines for people or JSON for machines"] = "text"


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; `Settings()` is what holds when nobody says anything."""

    kafka: KafkaSettings = field(default_factory=KafkaSettings)
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    index: IndexSettings = field(default_factory=IndexSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    log: LogSettings = field(default_factory=LogSettings)
    origins: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Where a value came from, by its path (`kafka.bootstrap`); defaults are not listed."""
    warnings: tuple[str, ...] = ()
    """What is allowed but unwise, such as a weak secret; for the log at start."""

    def origin(self, path: str) -> str:
        """Where the value of `kafka.bootstrap` and the like came from."""
        return self.origins.get(path, "default")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`; names other than localhost are not trusted."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
