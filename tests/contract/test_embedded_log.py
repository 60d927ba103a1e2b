import pytest

from tests.contract.log_contract import (
    AiokafkaContract,
    FaustContract,
    JavaContract,
    LibrdkafkaContract,
    java_client,
)

__all__ = ["java_client"]

pytestmark = pytest.mark.slow


class OnEmbedded:
    @pytest.fixture
    def bootstrap(self, embedded_bootstrap: str) -> str:
        return embedded_bootstrap


class TestAiokafka(OnEmbedded, AiokafkaContract):
    pass


class TestFaust(OnEmbedded, FaustContract):
    pass


class TestLibrdkafka(OnEmbedded, LibrdkafkaContract):
    pass


class TestJava(OnEmbedded, JavaContract):
    pass
