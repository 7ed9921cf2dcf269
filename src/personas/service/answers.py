"""The JSON of an answer becomes a model, or an error that names the place; never what was read there."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError

from personas.errors import BadAnswer
from personas.service.calls import NOTHING
from personas.service.models import Told

WRONG_ENDPOINT = "Is --auth the auth service, and --endpoint its path for personas?"
LONGEST_PLACE = 200

M = TypeVar("M", bound=Told)

# What pydantic calls each kind of error, in words for somebody who has never seen the model.
_WRONG = {
    "missing": "is missing",
    "model_type": "is no object",
    "dict_type": "is no object",
    "mapping_type": "is no object",
    "tuple_type": "is no list",
    "string_type": "is no text",
    "string_unicode": "is no text that could be stored",
    "string_too_short": "is empty",
    "int_type": "is no whole number",
    "greater_than_equal": "is no count",
    "less_than_equal": "is no count",
    "float_type": "is no number",
    "finite_number": "is no finite number",
    "bool_type": "is not true",
    "not_true": "is not true",
}


def read(model: type[M], body: object, what: str, *, problem: str = "the answer cannot be understood") -> M:
    """What a service answered, as a model.

    Args:
        model: What it should be.
        body: The JSON of the answer.
        what: What was asked, for the error.
        problem: What it means when it is anything else.

    Raises:
        BadAnswer: It is none, or a field is missing or of a wrong kind; names the field.
    """
    if body is NOTHING:
        raise BadAnswer(f"{what}: the answer is no JSON", hint=WRONG_ENDPOINT)
    try:
        return model.model_validate(body)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)[0]
    # Raised where no frame holds what was read: it may be a token.
    del body
    why = wrong["msg"] if wrong["type"] == "weight" else _WRONG.get(wrong["type"], "is of a wrong kind")
    raise BadAnswer(f"{what}: {problem}: {_path(wrong['loc'])} {why}", hint=WRONG_ENDPOINT)


def _path(keys: tuple[int | str, ...]) -> str:
    """Where it is, such as `personas[3].moduleMix`; the answer itself when there is no key."""
    path = "".join(f"[{key}]" if isinstance(key, int) else f".{key[:60]}" for key in keys).lstrip(".")
    return path[:LONGEST_PLACE] or "it"
