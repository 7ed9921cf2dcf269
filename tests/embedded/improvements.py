"""The one list of what the embedded service does better than the original on purpose, by rule.

Each rule tells of a step that is not answered as recorded whether this is the improvement it names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .recorded import Difference


def _is_refused(difference: Difference, status: int = 400) -> bool:
    """Whether the caller is told in a body what is wrong."""
    body: Any = difference.body
    return difference.status == status and isinstance(body, dict) and bool({"error", "message"} & body.keys())


def _refused_where_the_original_breaks(difference: Difference) -> bool:
    return difference.step.answer.status == 500 and _is_refused(difference)


def _cannot_be_stored(difference: Difference) -> bool:
    sent = difference.step.model_dump_json(include={"body", "raw", "call"})
    return ("\\u0000" in sent or "%00" in sent) and (_is_refused(difference) or _is_refused(difference, 404))


def _look_up_works(difference: Difference) -> bool:
    step = difference.step
    return (
        step.path.startswith("/api/v1/admin/users") and step.answer.status == 500 and difference.status == 200
    )


def _found_in_lower_case(difference: Difference) -> bool:
    body = difference.step.body
    email = body.get("email") if isinstance(body, dict) else None
    return isinstance(email, str) and email != email.lower() and difference.status in (200, 429)


def _is_a_humans(difference: Difference) -> bool:
    return difference.step.call == "POST /api/v1/admin/personas" and _is_refused(difference, 409)


def _is_the_page(difference: Difference) -> bool:
    return difference.step.call == "GET /" and difference.status == 200


def _has_the_mean(difference: Difference) -> bool:
    return all(how.startswith("$.feedbackByModule.") for how in difference.how)


IMPROVEMENTS: dict[str, Callable[[Difference], bool]] = {
    "400 for what the original answers 500": _refused_where_the_original_breaks,
    "400 for a NUL, which no database can store": _cannot_be_stored,
    "the look-up of users works": _look_up_works,
    "emails are looked up in lower case": _found_in_lower_case,
    "409 for a human's email": _is_a_humans,
    "the mean of a module's ratings, and their number beside it": _has_the_mean,
    "a page for browsers where the original has none": _is_the_page,
}

# What follows from them, where the original goes on with what is refused, kept or gone here.
CONSEQUENCES: dict[str, dict[int, str]] = {
    "spaces": {
        435: "who was deleted is no member any more, and so the space can be shown",
        439: "the personal space was deleted with its only member: its slug is free again",
    },
}

# Steps that still differ without a reason; each is to go.
KNOWN: dict[str, set[int]] = {
    "creating": {
        7,
        24,
        30,
        32,
        34,
        36,
        38,
        40,
        42,
        44,
        46,
        58,
        60,
        62,
        70,
        72,
        84,
        85,
        86,
        87,
        88,
        89,
        92,
        93,
        94,
        95,
        96,
        97,
        98,
        99,
        111,
        112,
        113,
        114,
        115,
        116,
        119,
        120,
        121,
        122,
        123,
        124,
        125,
        126,
        145,
        146,
        147,
        148,
        161,
        162,
        165,
        166,
        173,
        174,
        183,
        208,
        216,
        254,
        288,
        290,
        291,
        294,
        298,
        299,
        300,
        301,
        303,
        319,
        320,
    },
    "logging_in": {
        10,
        11,
        12,
        14,
        15,
        16,
        17,
        18,
        19,
        20,
        21,
        22,
        23,
        24,
        25,
        27,
        28,
        29,
        30,
        31,
        32,
        33,
        34,
        35,
        39,
        40,
        41,
        42,
        60,
        61,
        96,
    },
    "reading": {19, 20, 21, 48, 49, 50, 80},
    "registering": {
        1,
        2,
        30,
        31,
        32,
        34,
        38,
        98,
        100,
        101,
        104,
        105,
        106,
        117,
        118,
        125,
        130,
        150,
        151,
        152,
        153,
        154,
        156,
        157,
        158,
        159,
        160,
        161,
        164,
        165,
        166,
        169,
        173,
        176,
        177,
        179,
        180,
        181,
        182,
        183,
        184,
        186,
        187,
        188,
        189,
        190,
        193,
        194,
        197,
        201,
    },
    "searching": {8, 9, 18, 19, 23, 33, 34, 44, 50, 54, 55, 57, 58, 59, 61, 62, 64, 65, 76, 77, 81},
    "sessions": {
        3,
        5,
        6,
        7,
        11,
        15,
        28,
        44,
        46,
        47,
        48,
        49,
        50,
        51,
        52,
        53,
        54,
        56,
        63,
        70,
        71,
        96,
        97,
        109,
        110,
        114,
        115,
        116,
        117,
        122,
        123,
        124,
        125,
        126,
        128,
        130,
        131,
        132,
        134,
        136,
        137,
        139,
        140,
        144,
    },
    "spaces": {102, 103, 116, 117, 130, 131, 144, 145, 158, 159, 172, 173, 174, 176, 177, 179, 180, 182},
    "who_may": {
        9,
        82,
        131,
        151,
        152,
        153,
        155,
        156,
        157,
        158,
        160,
        162,
        163,
        164,
        165,
        166,
        167,
        168,
        169,
        170,
        171,
        173,
        175,
        176,
        177,
        178,
        180,
        181,
        182,
        183,
        185,
        187,
        188,
        189,
        190,
        191,
        192,
        193,
        194,
        195,
        196,
        198,
        200,
        205,
        240,
        241,
        242,
        243,
        244,
        245,
        246,
        247,
        248,
        258,
        259,
        260,
        261,
    },
}


def unexplained(sequence: str, differences: Iterable[Difference]) -> list[Difference]:
    """The differences that are no improvement."""
    consequences = CONSEQUENCES.get(sequence, {})
    return [
        difference
        for difference in differences
        if difference.number not in consequences
        and not any(applies(difference) for applies in IMPROVEMENTS.values())
    ]
