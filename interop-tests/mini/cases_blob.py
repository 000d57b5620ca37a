"""Cases of 07-chunks.md: trees of 1 to 33 chunks and their proofs."""

import hashlib

import blobs
import inputs

ABC = [b"abc", b"de", b"f"]
ABC_ROOT = "9c995a7b5c9ceb691e3700bc5cfd37a962124e53b40c6fde533d214051de8d07"


def chunks_of(count):
    return [bytes([index]) * (1 + index % 3) for index in range(count)]


def verify(slug, covers, root, count, index, data, proof, expect="BAD_PROOF"):
    data = data if isinstance(data, dict) else data.hex()
    given = {
        "root": root.hex(),
        "count": count,
        "index": index,
        "data": data,
        "proof": [sibling.hex() for sibling in proof],
    }
    return "chunk.verify", slug, covers, given, expect


def roots():
    yield (
        "blob.root",
        "example",
        ["CHUNK-006"],
        {"chunks": [chunk.hex() for chunk in ABC]},
        lambda output: (
            output["root"] == ABC_ROOT
            and len(output["proofs"][1]) == 2
            and len(output["proofs"][2]) == 1
        ),
    )
    for count in range(1, 34):
        yield (
            "blob.root",
            f"chunks-{count}",
            ["CHUNK-006"],
            {"chunks": [chunk.hex() for chunk in chunks_of(count)]},
            None,
        )
    yield "blob.root", "equal-chunks", ["CHUNK-006"], {"chunks": ["00", "00", "00"]}, None
    yield (
        "blob.root",
        "order-matters",
        ["CHUNK-006"],
        {"chunks": ["6465", "616263", "66"]},
        lambda output: output["root"] != ABC_ROOT,
    )
    yield (
        "blob.root",
        "cut-elsewhere",
        ["CHUNK-006"],
        {"chunks": ["6162", "636465", "66"]},
        lambda output: output["root"] != ABC_ROOT,
    )
    yield (
        "blob.root",
        "seeded",
        ["CHUNK-006"],
        {"chunks": [{"seed": "a", "count": 100}, {"seed": "b", "count": 65}]},
        None,
    )
    same = {"join": [{"repeat": "61", "count": 2}, "6262", {"seed": "a", "count": 3}]}
    yield (
        "blob.root",
        "repeated-and-joined",
        ["CHUNK-006"],
        {"chunks": [same, {"repeat": "0102", "count": 5}]},
        None,
    )
    yield (
        "blob.root",
        "greatest-chunk",
        ["CHUNK-006"],
        {"chunks": [{"seed": "greatest", "count": 2097152}]},
        None,
    )


def proofs(count):
    chunks = chunks_of(count)
    root = blobs.root(chunks)
    some = {0, 1, count // 2, count - 2, count - 1} if count <= 9 else {count // 3, count - 1}
    for index in sorted(some & set(range(count))):
        proof, data = blobs.proof(chunks, index), chunks[index]
        name = f"{count}-{index}"

        def case(slug, *rest, expect="BAD_PROOF"):
            return verify(f"{name}-{slug}", ["CHUNK-006"], *rest, expect=expect)

        yield case("good", root, count, index, data, proof, expect=None)
        yield case("lengthened", root, count, index, data, proof + [root])
        if proof and (count <= 9 or index == count - 1):
            yield case("shortened", root, count, index, data, proof[:-1])
            yield case(
                "flipped",
                root,
                count,
                index,
                data,
                [bytes([proof[0][0] ^ 1]) + proof[0][1:]] + proof[1:],
            )
            yield case("moved", root, count, (index + 1) % count, data, proof)
        if len(proof) > 1 and count <= 9:
            yield case("falling", root, count, index, data, proof[::-1])
            yield case("first-gone", root, count, index, data, proof[1:])
            yield case(
                "last-flipped",
                root,
                count,
                index,
                data,
                proof[:-1] + [proof[-1][:31] + bytes([proof[-1][31] ^ 128])],
            )
    yield verify(
        f"{count}-index-count", ["CHUNK-005"], root, count, count, chunks[0], blobs.proof(chunks, 0)
    )


def others():
    root, proof = blobs.root(ABC), blobs.proof(ABC, 1)
    yield verify("example", ["CHUNK-006"], root, 3, 1, b"de", proof, None)
    yield verify("data-empty", ["CHUNK-005"], root, 3, 1, b"", proof)
    for slug, data in [("other", b"df"), ("longer", b"de\0"), ("shorter", b"d")]:
        yield verify(f"data-{slug}", ["CHUNK-006"], root, 3, 1, data, proof)
    for count in (1, 2, 5, 8, 4096):
        yield verify(
            f"count-{count}-for-3",
            ["CHUNK-006" if count > 1 else "CHUNK-005"],
            root,
            count,
            1,
            b"de",
            proof,
        )
    yield verify("count-4-for-3-last", ["CHUNK-006"], root, 4, 2, b"f", blobs.proof(ABC, 2))
    yield verify("count-1-index-1", ["CHUNK-005"], blobs.root([b"abc"]), 1, 1, b"abc", [])
    empty = hashlib.sha256(bytes(9)).digest()  # what would be the leaf of no bytes
    yield verify("data-empty-right-leaf", ["CHUNK-005"], empty, 1, 0, b"", [])
    yield verify("index-greatest", ["CHUNK-005"], root, 3, 2**32 - 1, b"de", proof)
    yield verify("other-root", ["CHUNK-006"], bytes(32), 3, 1, b"de", proof)
    yield verify("proof-of-31-bytes", ["CHUNK-006"], root, 3, 1, b"de", [proof[0], proof[1][:31]])
    yield verify(
        "proof-of-33-bytes", ["CHUNK-006"], root, 3, 1, b"de", [proof[0], proof[1] + b"\0"]
    )
    yield verify("proof-joined", ["CHUNK-006"], root, 3, 1, b"de", [proof[0] + proof[1]])
    leaves = blobs.leaves_of(ABC)
    inner = leaves[0] + leaves[1]
    yield verify("inner-node-as-chunk", ["CHUNK-006"], root, 2, 0, inner, [leaves[2]])
    yield verify(
        "root-as-leaf", ["CHUNK-006"], root, 1, 0, blobs.node(leaves[0], leaves[1]) + leaves[2], []
    )
    same = [b"x", b"x"]
    yield verify(
        "equal-chunks-moved", ["CHUNK-006"], blobs.root(same), 2, 0, b"x", blobs.proof(same, 1)
    )
    big = {"seed": "greatest", "count": 2097152}
    big_root = blobs.root([inputs.to_bytes(big)])
    yield verify("greatest-chunk", ["CHUNK-006"], big_root, 1, 0, big, [], None)
    deep = [bytes([index % 251, index // 251]) for index in range(8192)]
    level, proof, place = blobs.leaves_of(deep), [], 5000
    while len(level) > 1:
        proof.append(level[place ^ 1])
        level = [blobs.node(level[i], level[i + 1]) for i in range(0, len(level), 2)]
        place //= 2
    yield verify("8192-5000-good", ["CHUNK-006"], level[0], 8192, 5000, deep[5000], proof, None)
    yield verify(
        "8192-5000-lengthened", ["CHUNK-006"], level[0], 8192, 5000, deep[5000], proof + [level[0]]
    )
    yield verify("8192-5000-shortened", ["CHUNK-006"], level[0], 8192, 5000, deep[5000], proof[:-1])


def cases():
    yield from roots()
    for count in [*range(1, 10), 15, 16, 17, 31, 32, 33]:
        yield from proofs(count)
    yield from others()
