"""Foreign texts: what a catalog or a service may put where a name or a prompt is expected."""

from __future__ import annotations

from hypothesis import strategies as st

_PIECES = [
    *("\x1b[31m", "\x1b]0;x\x07", "\x9b1m", "\x00", "\x85", "\u2028", "\u202e", "\u2066", "\ud800", "\udfff"),
    *("\ufffe", "`", "```", "````", "|", "\\|", "\\", "<b>", "</details>", "</summary>", "<!--", "-->"),
    *(
        "&amp;",
        "&",
        "<",
        ">",
        "@octocat",
        "#12",
        "GH-7",
        "https://example.org/a",
        "www.example.org",
        "a@example.org",
    ),
    *("[x](y)", "![x](y)", "::error::x", "::stop-commands::t", "##[error]x", "%0A", "%", "\r", "\n", "\r\n"),
    *(
        "\t",
        ":",
        ",",
        "=",
        "]]>",
        "[bold]",
        "[/bold]",
        "{+x+}",
        "[-x-]",
        "- ",
        "+ ",
        "> ",
        "1. ",
        "# ",
        "---",
    ),
    *("***", "_e_", "~~s~~", "$(x)", "😀", "👩‍👩‍👧", "日本語", "é", "\u0301", " ", "  ", "EOF", "name<<EOF"),
]

foreign_texts = st.one_of(
    st.lists(st.sampled_from(_PIECES), min_size=1, max_size=30).map("".join),
    st.text(st.characters(), max_size=200),
    st.sampled_from(_PIECES).map(lambda piece: piece * 300),
)
