"""The table of APIs: what is served, in which versions, by which function.

The ceilings are deliberate: they stop before topic ids, before the second version of transactions
and before member epochs. Clients choose lower versions by themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from stepwell.streams.broker.api import (
    cluster,
    configs,
    groups,
    membership,
    records,
    topics,
    transactions,
)
from stepwell.streams.broker.api.call import Answer, Call, Handler
from stepwell.streams.broker.messages import Message


@dataclass(frozen=True, slots=True)
class Api:
    """One API."""

    name: str
    first: int
    last: int
    handler: Handler
    writes: bool = False
    """Whether its answer promises that something is kept: with `fsync=always` it waits."""


def api_versions(call: Call, _: Message) -> Answer:
    """This table."""
    part = call.response.ApiVersion
    keys = [
        part(api_key=key, min_version=api.first, max_version=api.last) for key, api in APIS.items()
    ]
    return call.answer(api_keys=keys)


APIS: Mapping[int, Api] = MappingProxyType(
    {
        0: Api("Produce", 0, 9, records.produce, writes=True),
        1: Api("Fetch", 4, 12, records.fetch),
        2: Api("ListOffsets", 1, 7, records.list_offsets),
        3: Api("Metadata", 0, 9, cluster.metadata),
        8: Api("OffsetCommit", 2, 8, groups.offset_commit, writes=True),
        9: Api("OffsetFetch", 1, 8, groups.offset_fetch),
        10: Api("FindCoordinator", 0, 4, cluster.find_coordinator),
        11: Api("JoinGroup", 0, 9, membership.join_group),
        12: Api("Heartbeat", 0, 4, membership.heartbeat),
        13: Api("LeaveGroup", 0, 5, membership.leave_group),
        14: Api("SyncGroup", 0, 5, membership.sync_group, writes=True),
        15: Api("DescribeGroups", 0, 5, groups.describe_groups),
        16: Api("ListGroups", 0, 4, groups.list_groups),
        18: Api("ApiVersions", 0, 3, api_versions),
        19: Api("CreateTopics", 0, 6, topics.create_topics, writes=True),
        20: Api("DeleteTopics", 0, 5, topics.delete_topics, writes=True),
        21: Api("DeleteRecords", 0, 2, records.delete_records, writes=True),
        22: Api("InitProducerId", 0, 4, transactions.init_producer_id, writes=True),
        23: Api("OffsetForLeaderEpoch", 2, 4, records.offset_for_leader_epoch),
        24: Api("AddPartitionsToTxn", 0, 3, transactions.add_partitions_to_txn, writes=True),
        25: Api("AddOffsetsToTxn", 0, 3, transactions.add_offsets_to_txn, writes=True),
        26: Api("EndTxn", 0, 3, transactions.end_txn, writes=True),
        28: Api("TxnOffsetCommit", 0, 3, transactions.txn_offset_commit, writes=True),
        32: Api("DescribeConfigs", 1, 4, configs.describe_configs),
        33: Api("AlterConfigs", 0, 2, configs.alter_configs, writes=True),
        37: Api("CreatePartitions", 0, 3, topics.create_partitions, writes=True),
        42: Api("DeleteGroups", 0, 2, groups.delete_groups, writes=True),
        44: Api("IncrementalAlterConfigs", 0, 1, configs.incremental_alter_configs, writes=True),
        60: Api("DescribeCluster", 0, 1, cluster.describe_cluster),
    }
)
