"""What the settings mean for each room: its configuration, and the objects behind its ports."""

import importlib
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from stepwell.schemas.parts import Retention
from stepwell.schemas.topics import Topics
from stepwell.streams.agents.worker import WorkerConfig
from stepwell.streams.blobs import DirectoryBlobStore
from stepwell.streams.errors import ConfigurationError
from stepwell.streams.gateway.server import GatewayConfig
from stepwell.streams.gateway.sources import SourcesConfig
from stepwell.streams.gateway.webhooks import Rules
from stepwell.streams.kafka.app import KafkaAppConfig
from stepwell.streams.kafka.security import Security
from stepwell.streams.runtime.registry import Workflows
from stepwell.streams.settings import KafkaSettings, Settings
from stepwell.streams.spans import NO_TRACING, Tracing

if TYPE_CHECKING:
    from stepwell.models import Embedder

RECORD_BYTES_MAX = 2 * 1024 * 1024
"""What a worker sends at most: a step result at its limit, with room for its envelope."""

WorkflowsFactory = Callable[[Settings], AbstractAsyncContextManager[Workflows]]


def load_factory(path: str) -> WorkflowsFactory:
    """The function that `module:function` names; the current directory is looked into as well."""
    module_name, colon, name = path.partition(":")
    if not (module_name and colon and name):
        raise ConfigurationError(f"worker.workflows {path!r}: write module:function")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"worker.workflows {path!r}: {error}") from error
    factory: WorkflowsFactory | None = getattr(module, name, None)
    if factory is None:
        raise ConfigurationError(f"worker.workflows {path!r}: {module_name} has no {name!r}")
    return factory


def topics_of(kafka: KafkaSettings) -> Topics:
    """The topics."""
    return Topics(kafka.prefix, kafka.app_id, kafka.partitions)


def security_of(kafka: KafkaSettings) -> Security:
    """How connections to Kafka are protected."""
    password = kafka.sasl_password
    return Security(
        protocol=kafka.security_protocol,
        sasl_mechanism=kafka.sasl_mechanism,
        username=kafka.sasl_username,
        password=password.get_secret_value() if password else None,
        ca_file=kafka.ssl_ca_file,
    )


def blob_store(settings: Settings) -> DirectoryBlobStore:
    """Where content lies that is too large for records."""
    return DirectoryBlobStore(settings.blobs.dir)


def model_directory(settings: Settings) -> Path:
    """Where the model is kept."""
    from stepwell.models import model_directory as in_cache

    return settings.model.dir or in_cache(settings.model.id)


def load_embedder(settings: Settings) -> "Embedder":
    """The embedder, loaded: the caller closes it."""
    from stepwell.models import Embedder, Precision, Provider

    model = settings.model
    return Embedder.load(
        model_directory(settings),
        threads=model.threads,
        precision=Precision(model.precision),
        provider=Provider(model.provider),
        tokens_per_run_max=model.tokens_per_run,
    )


def worker_config(settings: Settings) -> WorkerConfig:
    """A worker."""
    kafka, worker = settings.kafka, settings.worker
    return WorkerConfig(
        kafka=KafkaAppConfig(
            bootstrap=kafka.bootstrap,
            app_id=kafka.app_id,
            partitions=kafka.partitions,
            store=worker.store,
            data_dir=worker.data_dir,
            security=security_of(kafka),
            group_instance_id=worker.instance_id,
            commit_interval_ms=worker.commit_interval_ms,
            session_timeout_ms=worker.session_timeout_ms,
            heartbeat_interval_ms=max(200, worker.session_timeout_ms // 5),
            recovery_stall_timeout_ms=worker.recovery_timeout_ms,
            record_bytes_max=RECORD_BYTES_MAX,
        ),
        topics=topics_of(kafka),
        max_running_steps=worker.max_running_steps,
        max_running_instances=worker.max_running_instances,
        retention=Retention(worker.success_retention_ms, worker.error_retention_ms),
    )


def gateway_config(settings: Settings) -> GatewayConfig:
    """A gateway."""
    kafka, own = settings.kafka, settings.gateway
    return GatewayConfig(
        bootstrap=kafka.bootstrap,
        topics=topics_of(kafka),
        replication_factor=kafka.replication_factor,
        security=security_of(kafka),
        host=own.host,
        port=own.port,
        token=own.token.get_secret_value() if own.token else None,
        read_token=own.read_token.get_secret_value() if own.read_token else None,
        sources=SourcesConfig(
            github_secrets=_plain(own.github_secrets),
            standard_secrets=_plain(own.standard_secrets),
            signed_sources=own.signed_sources,
            signed_secrets=_plain(own.signed_secrets),
            github_comments=settings.content.comments,
        ),
        rules=Rules(
            max_body_bytes=own.max_body_bytes,
            max_batch_events=own.max_batch_events,
            on_conflict=own.on_conflict,
        ),
        append_timeout_ms=own.append_timeout_ms,
    )


@asynccontextmanager
async def open_tracing(settings: Settings, name: str) -> AsyncIterator[Tracing]:
    """Traces of this process to the collector of the settings, if there is one."""
    endpoint = settings.tracing.endpoint
    if endpoint is None:
        yield NO_TRACING
        return
    try:
        from stepwell.streams.tracing import Service, exporting
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"tracing.endpoint ({settings.origin('tracing.endpoint')}) needs OpenTelemetry: "
            "pip install 'stepwell[otel]'"
        ) from error
    instance = settings.worker.instance_id or socket.gethostname()
    service = Service(f"stepwell-{name}", instance, settings.kafka.app_id)
    async with exporting(endpoint, service) as tracing:
        yield tracing


def _plain(secrets: Iterable[SecretStr]) -> tuple[str, ...]:
    return tuple(secret.get_secret_value() for secret in secrets)
