"""The fields of the replay forms as what the port takes."""

from collections.abc import Mapping

from pydantic import TypeAdapter, ValidationError

from stepwell.streams.errors import InvalidRequest
from stepwell.streams.gateway.api_bodies import invalid
from stepwell.streams.gateway.replays import ReplayAsk, ReplayPace

_ASK, _PACE = TypeAdapter(ReplayAsk), TypeAdapter(ReplayPace)
_STARTS = frozenset({"earliest", "offset", "time", "duration", "shift"})
_ENDS = frozenset({"offset", "time"})
_FILTERS = ("type", "subject", "source")


def ask_of(given: Mapping[str, str]) -> ReplayAsk:
    """What is to be replayed; raises `InvalidRequest`."""
    texts = {name: text.strip() for name, text in given.items()}
    body: dict[str, object] = {
        "mode": texts.get("mode", "rerun"),
        "start": _start(texts),
        "until": _until(texts),
        "topics": _listed(texts.get("topics", ""), separator=" "),
        "workflow": texts.get("workflow") or None,
        "filters": tuple(f"{it}={texts[it]}" for it in _FILTERS if texts.get(it)),
        "skip": _listed(texts.get("skip", ""), separator=","),
        "tolerance": _number(texts, "tolerance") or 0.0,
    }
    try:
        return _ASK.validate_python(body, strict=False)
    except ValidationError as error:
        raise invalid(error) from None


def pace_of(given: Mapping[str, str]) -> ReplayPace:
    """How fast it may go, if it was confirmed; raises `InvalidRequest`."""
    if given.get("confirm") != "yes":
        raise InvalidRequest("tick the box that confirms it")
    body = {
        "rate": _number(given, "rate"),
        "concurrency": given.get("concurrency", "").strip() or None,
        "wait": given.get("wait") == "yes",
    }
    try:
        return _PACE.validate_python(body, strict=False)
    except ValidationError as error:
        raise invalid(error) from None


def _start(texts: Mapping[str, str]) -> str:
    kind, value = texts.get("start", "earliest"), texts.get("start_value", "")
    if kind not in _STARTS:
        raise InvalidRequest(f"start: one of {', '.join(sorted(_STARTS))}")
    if kind == "earliest":
        return kind
    if not value:
        raise InvalidRequest(f"start: say which {kind}")
    return f"{kind}:{_in_utc(value) if kind == 'time' else value}"


def _until(texts: Mapping[str, str]) -> str:
    kind, value = texts.get("until", ""), texts.get("until_value", "")
    if not kind:
        return ""
    if kind not in _ENDS or not value:
        raise InvalidRequest("until: say which offset or time")
    return f"{kind}:{_in_utc(value) if kind == 'time' else value}"


def _in_utc(text: str) -> str:
    """A time without a zone is UTC: the page says so."""
    has_zone = text.endswith(("Z", "z")) or "+" in text or "-" in text[10:]
    return text if has_zone else f"{text}Z"


def _listed(text: str, *, separator: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(separator) if part.strip())


def _number(given: Mapping[str, str], name: str) -> float | None:
    text = given.get(name, "").strip()
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise InvalidRequest(f"{name}: {text[:40]!r} is no number") from None
