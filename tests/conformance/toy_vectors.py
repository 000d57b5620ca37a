"""Vectors of the toy operation, `toy.length`."""


def toy_case(slug, data, **expected):
    given = {"id": f"toy.length/{slug}", "covers": ["ENC-002"], "input": {"data": data}}
    return {**given, **expected}


def toy_file():
    cases = [
        toy_case("empty", "", output={"size": 0, "empty": True}),
        toy_case("one", "00", output={"size": 1, "empty": False}),
        toy_case("half", "0", error="MALFORMED"),
        toy_case("two", "0000", output={"size": 2, "empty": False}),
    ]
    return {"op": "toy.length", "document": "02-encoding.md", "cases": cases}
