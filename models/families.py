"""How each family of encoders names its settings and its tensors: a table, no code.

Every family here is the same network (post-norm encoder, absolute positions); adding another
of that kind means adding a row.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Family:
    """Key names in config.json, then tensor names; `{}` stands for the number of the layer."""

    hidden_size: str
    layers: str
    heads: str
    activation: str
    layer_norm_eps: str | None
    """None: the family has no such setting and uses 1e-12."""

    query: str
    key: str
    value: str
    attention_out: str
    attention_norm: str
    expand: str
    contract: str
    output_norm: str

    token_types: bool = True
    padding: int = 0
    """The padding id of configurations that do not say it."""

    positions_follow_padding: bool = False
    """Positions count from the padding id + 1, as in RoBERTa, not from 0."""


WORDS = "embeddings.word_embeddings.weight"
POSITIONS = "embeddings.position_embeddings.weight"
SEGMENTS = "embeddings.token_type_embeddings.weight"
EMBEDDING_NORM = "embeddings.LayerNorm"

_BERT = Family(
    hidden_size="hidden_size",
    layers="num_hidden_layers",
    heads="num_attention_heads",
    activation="hidden_act",
    layer_norm_eps="layer_norm_eps",
    query="encoder.layer.{}.attention.self.query",
    key="encoder.layer.{}.attention.self.key",
    value="encoder.layer.{}.attention.self.value",
    attention_out="encoder.layer.{}.attention.output.dense",
    attention_norm="encoder.layer.{}.attention.output.LayerNorm",
    expand="encoder.layer.{}.intermediate.dense",
    contract="encoder.layer.{}.output.dense",
    output_norm="encoder.layer.{}.output.LayerNorm",
)

_DISTILBERT = Family(
    hidden_size="dim",
    layers="n_layers",
    heads="n_heads",
    activation="activation",
    layer_norm_eps=None,
    query="transformer.layer.{}.attention.q_lin",
    key="transformer.layer.{}.attention.k_lin",
    value="transformer.layer.{}.attention.v_lin",
    attention_out="transformer.layer.{}.attention.out_lin",
    attention_norm="transformer.layer.{}.sa_layer_norm",
    expand="transformer.layer.{}.ffn.lin1",
    contract="transformer.layer.{}.ffn.lin2",
    output_norm="transformer.layer.{}.output_layer_norm",
    token_types=False,
)

_ROBERTA = replace(_BERT, padding=1, positions_follow_padding=True)

FAMILIES = {
    "bert": _BERT,
    "distilbert": _DISTILBERT,
    "xlm-roberta": _ROBERTA,
    "roberta": _ROBERTA,
    "camembert": _ROBERTA,
}
"""By `model_type` of config.json."""
