import pytest

from tests.contract.log_contract import (
    AiokafkaContract,
    FaustContract,
    JavaContract,
    LibrdkafkaContract,
    java_client,
)

__all__ = ["java_client"]


class OnKafka:
    pytestmark = pytest.mark.kafka

    @pytest.fixture
    def bootstrap(self, kafka_bootstrap: str) -> str:
        return kafka_bootstrap


class TestAiokafka(OnKafka, AiokafkaContract):
    pass


class TestFaust(OnKafka, FaustContract):
    pass


class TestLibrdkafka(OnKafka, LibrdkafkaContract):
    pass


class TestJava(OnKafka, JavaContract):
    pass
