"""The settings: one tree of frozen records with default, limits and help of each value.

`settings_load.py` reads values from flags, environment and file; `settings_catalog.py` lists them.
The string in an annotation is the help text; whatever is a `SecretStr` is never shown or logged.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, SecretStr

from stepwell.streams.settings_values import (
    HEADER_PLACE,
    Addresses,
    ApiUrl,
    CollectionName,
    DocumentType,
    FieldPlace,
    Host,
    HttpHeader,
    IndexUrl,
    Place,
    Port,
    Positive,
    SourceName,
    Text,
    TopicName,
    UserPath,
)

DAY_MS = 24 * 60 * 60 * 1000


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
class SignedSourceSettings:
    """A service that signs its webhooks with HMAC: how, and what its deliveries become.

    A place is `header:NAME`, a JSON pointer such as `/order/id`, or the text itself.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    signature_header: HttpHeader
    id: Place
    """What names a delivery: one that comes again has the same."""
    type: Place
    """The type of the event."""
    subject: Place | None = None
    """What the event is about; the id where there is nothing."""
    algorithm: Literal["sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    """Stands before the signature, such as `sha256=`."""
    signed: Text = "{body}"
    """What is signed: `{body}`, with `{timestamp}` where there is one: `v0:{timestamp}:{body}`."""
    timestamp_header: HttpHeader | None = None
    """Holds the unix time in seconds at which it was sent."""
    timestamp_tolerance_ms: Positive = 300_000

    def __post_init__(self) -> None:
        """Refuse what would not protect, or make all deliveries one."""
        if not self.id.startswith((HEADER_PLACE, "/")):
            raise ValueError("id should be header:NAME or a JSON pointer such as /id")
        if self.signed.count("{body}") != 1:
            raise ValueError("signed should hold {body} once")
        if ("{timestamp}" in self.signed) != (self.timestamp_header is not None):
            raise ValueError("timestamp_header and {timestamp} in signed go together")


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
    signed_sources: Annotated[
        Mapping[SourceName, SignedSourceSettings],
        "Other services that sign webhooks: a table for each, see the README",
    ] = field(default_factory=lambda: MappingProxyType({}))
    signed_secrets: Annotated[
        tuple[SecretStr, ...], "Secrets of those, each as NAME:SECRET; several for a name"
    ] = ()
    max_batch_events: Annotated[
        int, Field(ge=0, le=1000), "Most CloudEvents in one batch over HTTP; 0 refuses batches"
    ] = 0
    token: Annotated[SecretStr | None, "Bearer token for everything but webhooks and health"] = None
    read_token: Annotated[
        SecretStr | None, "Bearer token of those who may look at everything and change nothing"
    ] = None
    max_body_bytes: Annotated[
        int, Field(ge=1, le=100 * 1024 * 1024), "Longest body that is taken; GitHub's limit"
    ] = 25 * 1024 * 1024
    max_upload_bytes: Annotated[
        Positive, "Longest file of documents that is taken to be indexed"
    ] = 1024 * 1024 * 1024
    append_timeout_ms: Annotated[
        Positive, "Without Kafka's acknowledgement for this long the answer is 503"
    ] = 2500
    on_conflict: Annotated[
        Literal["accept", "refuse"],
        "Answer to a known delivery id with another body: 202 or 409; the first body is kept",
    ] = "accept"


@dataclass(frozen=True, slots=True)
class ReadModelSettings:
    """What gateway and command line remember of the journal, so as not to read all of it again."""

    dir: Annotated[UserPath | None, "Directory of its files; otherwise one in the cache"] = None


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """The vector index."""

    url: Annotated[IndexUrl, "Address of the index"] = "weaviate://127.0.0.1:8080?grpc_port=50051"
    collection: Annotated[CollectionName, "Names the index, and its first collection"] = (
        "StepwellDocument"
    )


@dataclass(frozen=True, slots=True)
class DocumentSettings:
    """How events of a type become documents: where each field lies in the event.

    A place is a JSON pointer such as `/data/name`, or the text itself.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    events: Text
    """Pattern of the event types: `com.example.product.*`."""
    removed: str = ""
    """Pattern of those after which the document is gone."""
    id: FieldPlace = "/subject"
    updated_at: FieldPlace = "/time"
    title: FieldPlace = ""
    body: FieldPlace = ""
    url: FieldPlace = ""
    state: FieldPlace = ""
    repo: FieldPlace = ""
    labels: FieldPlace = ""

    def __post_init__(self) -> None:
        """Refuse what would embed nothing."""
        if not (self.title.startswith("/") or self.body.startswith("/")):
            raise ValueError("title or body should be a JSON pointer: that is what is embedded")


@dataclass(frozen=True, slots=True)
class ContentSettings:
    """Where the text of documents comes from."""

    source: Annotated[
        Literal["payload", "github"], "The event itself, or GitHub's API as it is now"
    ] = "payload"
    github_api: Annotated[ApiUrl, "Address of GitHub's API; GitHub Enterprise has its own"] = (
        "https://api.github.com"
    )
    github_token: Annotated[
        SecretStr | None, "Token for GitHub's API: read access to issues is enough"
    ] = None
    allow_private: Annotated[
        bool, "Whether GitHub's API may be inside your network, and without TLS"
    ] = False
    comments: Annotated[bool, "Whether comments on issues are documents too"] = False
    documents: Annotated[
        Mapping[DocumentType, DocumentSettings],
        "Documents of other producers: a table for each type, see the README",
    ] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class BlobSettings:
    """Content that is too large for records."""

    dir: Annotated[UserPath, "Directory that workers, gateways and command line share"] = field(
        default_factory=lambda: Path("~/.local/share/stepwell/blobs").expanduser()
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
        Positive, "Tokens that run together; model bench measures the best number, cuda wants more"
    ] = 512


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Where a worker answers Prometheus; the gateway does so on its own port."""

    host: Annotated[Host, "Address to listen on; other than loopback needs a token"] = "127.0.0.1"
    port: Annotated[Port, "Port to listen on; each worker on a machine needs its own"] = 8401
    token: Annotated[SecretStr | None, "Bearer token for metrics"] = None


@dataclass(frozen=True, slots=True)
class TracingSettings:
    """Traces by OpenTelemetry; needs the extra `stepwell[otel]`.

    All else is said by its own variables, such as OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS
    and OTEL_RESOURCE_ATTRIBUTES.
    """

    endpoint: Annotated[
        ApiUrl | None, "Collector of traces, by OTLP over HTTP: http://127.0.0.1:4318; else off"
    ] = None


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
    readmodel: ReadModelSettings = field(default_factory=ReadModelSettings)
    index: IndexSettings = field(default_factory=IndexSettings)
    content: ContentSettings = field(default_factory=ContentSettings)
    blobs: BlobSettings = field(default_factory=BlobSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    tracing: TracingSettings = field(default_factory=TracingSettings)
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
