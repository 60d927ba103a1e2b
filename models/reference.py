"""The forward pass in plain numpy: slow, obvious, independent of ONNX. The oracle of the export."""

import math

import numpy as np
from numpy.typing import NDArray

from stepwell.models.architecture import Activation, Architecture, Pooling
from stepwell.models.arrays import Ids, Vector
from stepwell.models.weights import Layer, Linear, Norm, Weights

_Array = NDArray[np.float64]
_erf = np.vectorize(math.erf, otypes=[np.float64])


def reference_vector(weights: Weights, architecture: Architecture, ids: Ids) -> Vector:
    """The vector of one text, given its token ids."""
    states = weights.words[ids].astype(np.float64) + weights.positions[_rows(ids, architecture)]
    states = _normalise(states, weights.embedding_norm, architecture)
    for layer in weights.layers:
        states = _layer(states, layer, architecture)
    vector: _Array = states.mean(axis=0) if architecture.pooling is Pooling.MEAN else states[0]
    if architecture.normalised:
        vector = vector / np.linalg.norm(vector)
    return vector.astype(np.float32)


def _rows(ids: Ids, architecture: Architecture) -> NDArray[np.intp]:
    """Which row of the positions each token takes."""
    counted = ids != (-1 if architecture.padding_id is None else architecture.padding_id)
    return np.where(counted, np.cumsum(counted) - 1, -1)


def _layer(states: _Array, layer: Layer, architecture: Architecture) -> _Array:
    query, key, value = (
        _apply(linear, states).reshape(len(states), architecture.heads, -1).swapaxes(0, 1)
        for linear in (layer.query, layer.key, layer.value)
    )
    scores = query @ key.swapaxes(1, 2) / math.sqrt(query.shape[-1])
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    attended = scores / scores.sum(axis=-1, keepdims=True) @ value
    attended = attended.swapaxes(0, 1).reshape(states.shape)
    states = _normalise(
        states + _apply(layer.attention_out, attended), layer.attention_norm, architecture
    )
    expanded = _activate(_apply(layer.expand, states), architecture.activation)
    return _normalise(states + _apply(layer.contract, expanded), layer.output_norm, architecture)


def _apply(linear: Linear, states: _Array) -> _Array:
    applied: _Array = states @ linear.weight + linear.bias
    return applied


def _normalise(states: _Array, norm: Norm, architecture: Architecture) -> _Array:
    centred = states - states.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    normed: _Array = centred / np.sqrt(variance + architecture.layer_norm_eps)
    return normed * norm.scale + norm.bias


def _activate(states: _Array, activation: Activation) -> _Array:
    share: _Array
    match activation:
        case Activation.EXACT:
            share = _erf(states / math.sqrt(2))
        case Activation.TANH:
            share = np.tanh(math.sqrt(2 / math.pi) * (states + 0.044715 * states**3))
        case Activation.RELU:
            share = np.sign(states)
        case Activation.SILU:
            share = np.tanh(states / 2)  # (1 + this) / 2 is the sigmoid
    return states * (1 + share) / 2
