"""The ONNX graph of an encoder whose linear layers are of 8-bit integers.

The contract is that of `graph.py`. Inputs of linear layers are unsigned and weights signed: what
the vector units of processors multiply (VNNI and its like). Everything between is float32. All
steps are fixed beforehand, and sums of integers are exact: a vector does not depend on its batch.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from stepwell.models.architecture import Activation, Architecture
from stepwell.models.calibration import Int8Layer
from stepwell.models.graph import GraphBuilder
from stepwell.models.int8_encoder import Encoder
from stepwell.models.int8_rounding import Int8Linear, Steps
from stepwell.models.weights import Layer, Linear, Norm


def build_quantised_graph(encoder: Encoder, layers: Sequence[Int8Layer]) -> bytes:
    """The serialised model, self-contained; the same input gives the same bytes."""
    builder = _QuantisedBuilder(encoder.architecture)
    builder.embed(encoder.weights)
    summed = builder.node("Reshape", builder.node("Add", "words", "positions"), "flat")
    norm = encoder.weights.embedding_norm
    for layer, quantised in zip(encoder.weights.layers, layers, strict=True):
        summed = builder.quantised_layer(summed, norm, layer, quantised)
        norm = layer.output_norm
    builder.pool(builder.norm(summed, norm))
    return builder.serialise()


class _QuantisedBuilder(GraphBuilder):
    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self._one, self._origin = self.constant(np.float32(1)), self.constant(np.uint8(0))

    def quantised_layer(self, summed: str, norm: Norm, layer: Layer, quantised: Int8Layer) -> str:
        """Takes a sum that is to be normalised by `norm`, and gives one for `output_norm`."""
        counts = self._counted_norm(summed, norm, quantised.states)
        attended = self._whole(self._attended(counts, quantised))
        branch = self._multiply(attended, quantised.attention_out)
        summed = self.node("Add", branch, self.norm(summed, norm))
        counts = self._counted_norm(summed, layer.attention_norm, quantised.middle)
        activated = self._gelu(self._multiply(counts, quantised.expand))
        branch = self._contract(activated, quantised)
        return self.node("Add", branch, self.norm(summed, layer.attention_norm))

    def _contract(self, values: str, quantised: Int8Layer) -> str:
        contract = quantised.contract
        if isinstance(contract, Linear):
            return self.linear(values, contract)
        return self._multiply(self._counted(values, contract.steps), contract.linear)

    def _attended(self, counts: str, quantised: Int8Layer) -> str:
        """Attention, its outputs counted in the steps of the layer behind it.

        The weights of attention sum to 1: counting the values is counting what comes of them.
        """
        scale = np.float32(1 / math.sqrt(self.head_size))
        query = quantised.query
        query = Int8Linear(query.weight, query.scale * scale, query.bias * scale)
        value = quantised.value.counted_in(quantised.attended)
        return self.attend(
            self._multiply(counts, query),
            self._multiply(counts, quantised.key),
            self._multiply(counts, value),
        )

    def _gelu(self, values: str) -> str:
        exact = self.architecture.activation is Activation.EXACT
        return self.node("Gelu", values, approximate="none" if exact else "tanh")

    def _counted_norm(self, summed: str, norm: Norm, steps: Steps) -> str:
        """A normalisation that counts in steps at once."""
        scaled = Norm(norm.scale / steps.scale, (norm.bias - steps.shift) / steps.scale)
        return self._whole(self.norm(summed, scaled))

    def _counted(self, values: str, steps: Steps) -> str:
        scaled = self.node("Mul", values, self._floats(1 / steps.scale))
        return self._whole(self.node("Add", scaled, self._floats(-steps.shift / steps.scale)))

    def _whole(self, counts: str) -> str:
        return self.node("QuantizeLinear", counts, self._one, self._origin)

    def _multiply(self, counts: str, linear: Int8Linear) -> str:
        return self.node(
            "MatMulIntegerToFloat",
            counts,
            self.constant(linear.weight),
            self._one,
            self._floats(linear.scale),
            self._origin,
            "",
            self._floats(linear.bias),
            domain="com.microsoft",
        )

    def _floats(self, values: ArrayLike) -> str:
        return self.constant(np.asarray(values, dtype=np.float32))
