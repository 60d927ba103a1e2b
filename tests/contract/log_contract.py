"""What a log is, seen through four clients. A subclass provides the fixture `bootstrap`."""

from tests.contract.log_contract_compaction import CompactionContract
from tests.contract.log_contract_faust import FaustContract
from tests.contract.log_contract_groups import GroupsContract
from tests.contract.log_contract_java import JavaContract, java_client
from tests.contract.log_contract_librdkafka import LibrdkafkaContract
from tests.contract.log_contract_records import ConsumingContract, ProducingContract
from tests.contract.log_contract_refusals import RefusalsContract
from tests.contract.log_contract_topics import TopicsContract
from tests.contract.log_contract_transactions import TransactionsContract


class AiokafkaContract(
    TopicsContract,
    ProducingContract,
    ConsumingContract,
    GroupsContract,
    TransactionsContract,
    CompactionContract,
    RefusalsContract,
):
    """The client that Stepwell uses."""


__all__ = [
    "AiokafkaContract",
    "FaustContract",
    "JavaContract",
    "LibrdkafkaContract",
    "java_client",
]
