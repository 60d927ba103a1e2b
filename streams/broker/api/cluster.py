"""Who is there: Metadata, DescribeCluster, FindCoordinator. The answer is always: this node."""

from stepwell.streams.broker.api.call import Answer, Call
from stepwell.streams.broker.codes import ErrorCode
from stepwell.streams.broker.errors import Refused, StorageFailed
from stepwell.streams.broker.messages import Message
from stepwell.streams.broker.node import NODE_ID
from stepwell.streams.broker.topics import Topic

GROUP, TRANSACTION = 0, 1
BROKERS = 1
BATCHED_FROM = 4
"""FindCoordinator asks for several keys from this version on."""


def metadata(call: Call, request: Message) -> Answer:
    """The node, and the topics asked for: all of them, or those named."""
    node, response = call.node, call.response
    everything = request.topics is None or (call.version == 0 and not request.topics)
    if everything:
        topics = [_topic(call, topic) for topic in node.topics]
    else:
        create = request.allow_auto_topic_creation and node.config.auto_create_topics
        topics = [_named(call, wanted.name, create=create) for wanted in request.topics]
    broker = response.MetadataResponseBroker(node_id=NODE_ID, host=node.host, port=node.port)
    return call.answer(
        brokers=[broker], cluster_id=node.cluster_id, controller_id=NODE_ID, topics=topics
    )


def _named(call: Call, name: str, *, create: bool) -> Message:
    topics = call.node.topics
    part = call.response.MetadataResponseTopic
    try:
        if create and topics.find(name) is None:
            partitions = call.node.config.partitions_default
            topics.check_new(name, partitions)
            topics.create(name, partitions, {})
        return _topic(call, topics.get(name))
    except Refused as refused:
        return part(name=name, error_code=refused.code, partitions=[])
    except StorageFailed:
        return part(name=name, error_code=ErrorCode.KAFKA_STORAGE_ERROR, partitions=[])


def _topic(call: Call, topic: Topic) -> Message:
    part = call.response.MetadataResponseTopic
    partitions = [
        part.MetadataResponsePartition(
            partition_index=index,
            leader_id=NODE_ID,
            leader_epoch=0,
            replica_nodes=[NODE_ID],
            isr_nodes=[NODE_ID],
            offline_replicas=[],
        )
        for index in range(len(topic.logs))
    ]
    return part(name=topic.name, partitions=partitions)


def describe_cluster(call: Call, request: Message) -> Answer:
    """The node as a cluster."""
    if request.endpoint_type != BROKERS:
        detail = "there are no controllers to ask"
        return call.answer(error_code=ErrorCode.INVALID_REQUEST, error_message=detail)
    node = call.node
    broker = call.response.DescribeClusterBroker(broker_id=NODE_ID, host=node.host, port=node.port)
    return call.answer(cluster_id=node.cluster_id, controller_id=NODE_ID, brokers=[broker])


def find_coordinator(call: Call, request: Message) -> Answer:
    """The coordinator of groups or transactions."""
    node = call.node
    code = ErrorCode.NONE if request.key_type in {GROUP, TRANSACTION} else ErrorCode.INVALID_REQUEST
    place = {"node_id": NODE_ID, "host": node.host, "port": node.port, "error_code": code}
    if call.version < BATCHED_FROM:
        return call.answer(**place)
    part = call.response.Coordinator
    return call.answer(coordinators=[part(key=key, **place) for key in request.coordinator_keys])
