"""Text of strangers, fit to be printed: short, and nothing in it moves a terminal."""

LONGEST = 600  # characters of a value in a text for people


def excerpt(text: str, longest: int = LONGEST) -> str:
    """`text` on one line with its middle left out where it is long, controls as escapes.

    Not only controls: also what turns the direction of a text, and halves of surrogate pairs,
    which no file in UTF-8 can hold.
    """
    if len(text) > longest:
        half = longest // 2
        left_out = len(text) - 2 * half
        return (
            f"{_printable(text[:half])} ... {left_out:,} characters ... {_printable(text[-half:])}"
        )
    return _printable(text)


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )
