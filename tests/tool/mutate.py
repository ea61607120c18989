# SPDX-License-Identifier: MIT
"""mutate.py FILE FOLDER COUNT SEED: COUNT copies of FILE in FOLDER, each spoilt somewhere.

A JSON record (one line) is spoilt half of the times in its bytes, and half in its values, so
that most are still records, or nearly. Any other file is spoilt in its bytes.
"""
import json
import os
import random
import sys

path, folder, count, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
data = open(path, "rb").read()
draw = random.Random(seed)
NUMBERS = (0, 1, -1, 7, 2 ** 31, 2 ** 32, 2 ** 53 + 1, 2 ** 63 - 1, -2 ** 63)
OTHERS = (None, True, "", "x" * 5000, "\ufffd\n\"", [], {}, [[]], 1.5, 1e300)


def spoil_bytes(original):
    spoilt = bytearray(original)
    for _ in range(draw.choice((1, 1, 2, 8, 64))):
        at = draw.randrange(len(spoilt))
        how = draw.randrange(5)
        if how == 0:
            spoilt[at] = draw.randrange(256)
        elif how == 1:
            spoilt[at] ^= 1 << draw.randrange(8)
        elif how == 2:  # eight bytes at once: numbers of live files
            spoilt[at:at + 8] = draw.choice((b"\xff" * 8, bytes(8), b"\x7f" * 8))
        elif how == 3:
            del spoilt[at:at + draw.randrange(1, 100)]
        else:
            spoilt[at:at] = spoilt[draw.randrange(len(spoilt)):][:draw.randrange(1, 100)]
        if not spoilt:
            break
    if draw.randrange(8) == 0:
        del spoilt[draw.randrange(len(spoilt) + 1):]
    return bytes(spoilt)


def places(value):
    for key in value if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from places(value[key])


def spoil_values(original):
    record = json.loads(original)
    for _ in range(draw.choice((1, 1, 1, 3, 20))):
        at, key = draw.choice(list(places(record)))
        how = draw.randrange(8)
        if how < 4 and isinstance(at[key], int):
            at[key] = draw.choice(NUMBERS)
        elif how < 6 and isinstance(at[key], list) and at[key]:
            at[key] = at[key] * draw.choice((0, 2, 70)) if how == 4 else at[key][1:]
        elif how < 6 and isinstance(at[key], str):
            at[key] = draw.choice(("", ";", "\n", "a b", "\"" * 40, "\u2028" * 30))
        elif how == 6:
            at[key] = draw.choice(OTHERS)
        else:
            del at[key]
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


is_json = data[:1] == b"{"
ending = os.path.splitext(path)[1]
os.makedirs(folder, exist_ok=True)
for i in range(count):
    spoilt = spoil_values(data) if is_json and i % 2 else spoil_bytes(data)
    open(os.path.join(folder, f"{i}{ending}"), "wb").write(spoilt)
