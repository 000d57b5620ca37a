"""The one exception of an operation: the input is refused, with a code of 11-errors.md."""


class Refusal(Exception):
    """`code` may also be REFUSED, where nothing crosses the wire (vectors/README.md)."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code
