"""The embedded service answers what the original answered, but for a list of improvements."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest

from personas.embedded import serving

from .improvements import missing, unexplained
from .recorded import SEQUENCES, as_recorded, load, replay

if TYPE_CHECKING:
    from personas.embedded import Embedded

    from .recorded import Difference


def _expect(sequence: str, differences: list[Difference]) -> None:
    assert [str(difference) for difference in unexplained(sequence, differences)] == []
    assert missing(sequence, differences) == []


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_every_step_is_answered_as_the_original_answered_it(sequence: str, standing: Embedded) -> None:
    _expect(sequence, anyio.run(replay, sequence, as_recorded(standing)))


@pytest.mark.parametrize("sequence", ["sessions", "reading"])
def test_a_port_answers_like_the_service_in_process(sequence: str, standing_sqlite: Embedded) -> None:
    embedded = as_recorded(standing_sqlite)
    with serving(embedded):
        _expect(sequence, anyio.run(partial(replay, on_a_port=True), sequence, embedded))


def test_ten_sequences_of_more_than_two_thousand_calls_are_replayed() -> None:
    assert (len(SEQUENCES), sum(len(load(sequence)) for sequence in SEQUENCES)) == (10, 2034)
