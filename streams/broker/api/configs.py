"""Settings: DescribeConfigs, IncrementalAlterConfigs, AlterConfigs. Those of the node are fixed."""

from enum import IntEnum

from stepwell.streams.broker.api.call import Answer, Call
from stepwell.streams.broker.api.topics import FROM_DEFAULT, FROM_TOPIC
from stepwell.streams.broker.codes import ErrorCode
from stepwell.streams.broker.errors import Refused, StorageFailed
from stepwell.streams.broker.messages import Message
from stepwell.streams.broker.node import NODE_ID
from stepwell.streams.broker.topic_configs import DEFINITIONS, Kind, check_configs, default_of

FROM_STATIC = 4


class Resource(IntEnum):
    """What has settings."""

    TOPIC = 2
    BROKER = 4


class Operation(IntEnum):
    """What is done to a setting."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


def describe_configs(call: Call, request: Message) -> Answer:
    """The settings of topics, with where they come from; a few facts of the node."""
    return call.answer(results=[_described(call, request, found) for found in request.resources])


def _described(call: Call, request: Message, resource: Message) -> Message:
    part = call.response.DescribeConfigsResult
    code, detail, rows = ErrorCode.NONE, None, []
    try:
        rows = _rows(call, resource, synonyms=request.include_synonyms)
    except Refused as refused:
        code, detail = refused.code, refused.detail
    wanted = resource.configuration_keys
    return part(
        error_code=code,
        error_message=detail,
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
        configs=[row for row in rows if wanted is None or row.name in wanted],
    )


def _rows(call: Call, resource: Message, *, synonyms: bool) -> list[Message]:
    if resource.resource_type == Resource.TOPIC:
        return _topic_rows(call, resource.resource_name, synonyms=synonyms)
    if resource.resource_type == Resource.BROKER:
        return _broker_rows(call, resource.resource_name)
    raise Refused(ErrorCode.INVALID_REQUEST, "only topics and the node have settings")


def _topic_rows(call: Call, name: str, *, synonyms: bool) -> list[Message]:
    part = call.response.DescribeConfigsResult.DescribeConfigsResourceResult
    topic = call.node.topics.get(name)
    rows = []
    for setting, definition in DEFINITIONS.items():
        default = default_of(setting, call.node.config)
        value = topic.configs.get(setting, default)
        sources = [(value, FROM_TOPIC)] if setting in topic.configs else []
        sources.append((default, FROM_DEFAULT))
        rows.append(
            part(
                name=setting,
                value=value,
                config_source=sources[0][1],
                config_type=definition.kind,
                documentation=None,
                synonyms=[
                    part.DescribeConfigsSynonym(name=setting, value=text, source=source)
                    for text, source in sources
                    if synonyms
                ],
            )
        )
    return rows


def _broker_rows(call: Call, name: str) -> list[Message]:
    if name not in {"", str(NODE_ID)}:
        raise Refused(ErrorCode.INVALID_REQUEST, f"the only node is {NODE_ID}")
    part = call.response.DescribeConfigsResult.DescribeConfigsResourceResult
    config = call.node.config
    facts = {
        "auto.create.topics.enable": str(config.auto_create_topics).lower(),
        "log.dirs": str(config.data_dir),
        "log.segment.bytes": str(config.segment_bytes),
        "message.max.bytes": str(config.message_bytes_max),
        "node.id": str(NODE_ID),
        "num.partitions": str(config.partitions_default),
    }
    return [
        part(
            name=fact,
            value=value,
            read_only=True,
            config_source=FROM_STATIC,
            config_type=Kind.STRING,
            synonyms=[],
            documentation=None,
        )
        for fact, value in facts.items()
    ]


def incremental_alter_configs(call: Call, request: Message) -> Answer:
    """Change single settings of topics."""
    return _alter(call, request, incremental=True)


def alter_configs(call: Call, request: Message) -> Answer:
    """Give topics these settings and no others."""
    return _alter(call, request, incremental=False)


def _alter(call: Call, request: Message, *, incremental: bool) -> Answer:
    part = call.response.AlterConfigsResourceResponse
    responses = []
    for resource in request.resources:
        code, detail = ErrorCode.NONE, None
        try:
            _alter_one(call, resource, incremental=incremental, only=request.validate_only)
        except Refused as refused:
            code, detail = refused.code, refused.detail
        except StorageFailed as failed:
            code, detail = ErrorCode.KAFKA_STORAGE_ERROR, str(failed)
        responses.append(
            part(
                error_code=code,
                error_message=detail,
                resource_type=resource.resource_type,
                resource_name=resource.resource_name,
            )
        )
    return call.answer(responses=responses)


def _alter_one(call: Call, resource: Message, *, incremental: bool, only: bool) -> None:
    if resource.resource_type != Resource.TOPIC:
        detail = "only topics have settings that can be changed"
        raise Refused(ErrorCode.INVALID_REQUEST, detail)
    topic = call.node.topics.get(resource.resource_name)
    names = [change.name for change in resource.configs]
    if len(set(names)) < len(names):
        raise Refused(ErrorCode.INVALID_REQUEST, "the request names a setting twice")
    changed: dict[str, str | None] = dict(topic.configs) if incremental else {}
    for change in resource.configs:
        operation = Operation(change.config_operation) if incremental else Operation.SET
        if operation is Operation.DELETE:
            check_configs({change.name: default_of(change.name, call.node.config)})
            changed.pop(change.name, None)
        elif operation is Operation.SET:
            changed[change.name] = change.value
        else:
            before = changed.get(change.name) or default_of(change.name, call.node.config)
            changed[change.name] = _listed(change, before, adds=operation is Operation.APPEND)
    checked = check_configs(changed)
    if not only:
        call.node.topics.configure(topic, checked)


def _listed(change: Message, before: str, *, adds: bool) -> str:
    """A list with values more, or less."""
    if DEFINITIONS[change.name].kind is not Kind.LIST:
        raise Refused(ErrorCode.INVALID_CONFIG, f"{change.name} is not a list")
    values = [part.strip() for part in before.split(",")]
    given = [part.strip() for part in change.value.split(",")]
    kept = values if adds else [value for value in values if value not in given]
    return ",".join([*kept, *(value for value in given if adds and value not in values)])
